"""Bugs that lose data, one at a time, each with the row of the reliability scoreboard that must turn red.

A bug is a function that breaks the product for as long as its process lives. They come from section 5 of
docs/reliability.md, which is to say from what others have shipped.
"""

# Broken on purpose, through what is nobody else's business.

import errno
import hmac
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from neve.auth import sigv4
from neve.domain.snapshots import State
from neve.server import framing
from neve.server.connection import Connection
from neve.storage.archiving import Archiver
from neve.storage.chunk_store import ChunkStore, Content
from neve.storage.collection.marking import Claims
from neve.storage.verification import passes
from neve.stores.archive.local import LocalArchiveStore
from neve.stores.metadata.contract import PublishResult, WriteOutcome
from neve.stores.metadata.sqlite import SqliteMetadataStore
from neve.stores.metadata.sqlite_database import SqliteDatabase
from neve.stores.segments import local as local_segments
from neve.stores.segments.local import LocalSegmentStore

_DELAY_S: Final = 0.05


class _Files:
    """File operations with some of them changed."""

    def __init__(self, files: Any, **changed: Callable[..., Any]) -> None:
        self._files = files
        self._changed = changed

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._files, name)
        if name not in self._changed:
            return real
        return lambda *arguments: self._changed[name](real, *arguments)


def _replace(owner: Any, name: str, broken: object) -> None:
    """Put something broken in the place of something of the product that is there."""
    assert hasattr(owner, name), f"{owner} has no {name} any more"
    setattr(owner, name, broken)


def _change_files(store: Any, **changed: Callable[..., Any]) -> None:
    """Have a store of files make these calls in another way."""
    initialize = store.__init__

    def changing(self: Any, *arguments: Any, **named: Any) -> None:
        initialize(self, *arguments, **named)
        self._files = _Files(self._files, **changed)

    store.__init__ = changing


def _left_out(_call: Callable[..., Any], *_arguments: Any) -> None:
    return None


# --- writing


def answered_before_the_transaction() -> None:
    """Blocks are acknowledged when they were taken, and published a moment later."""
    publish = SqliteMetadataStore.publish

    def soon(self: Any, batch: Any, *, now_ms: int) -> PublishResult:
        threading.Timer(_DELAY_S, lambda: publish(self, batch, now_ms=now_ms)).start()
        written = WriteOutcome.WRITTEN
        return PublishResult(blocks=[written] * len(batch.blocks), holds=[written] * len(batch.holds))

    _replace(SqliteMetadataStore, "publish", soon)


def published_before_the_bytes_are_written() -> None:
    """The rows are there first, the segment comes after them."""
    publish, write = SqliteMetadataStore.publish, LocalSegmentStore.write
    waiting: dict[str, tuple[Any, Any]] = {}

    def later(self: Any, name: Any, parts: Any) -> None:
        waiting[name] = self, parts

    def first(self: Any, batch: Any, *, now_ms: int) -> PublishResult:
        result = publish(self, batch, now_ms=now_ms)
        if batch.segment in waiting:
            store, parts = waiting.pop(batch.segment)
            write(store, batch.segment, parts)
        return result

    _replace(LocalSegmentStore, "write", later)
    _replace(SqliteMetadataStore, "publish", first)


def segments_are_not_synced() -> None:
    _change_files(LocalSegmentStore, sync=_left_out)


def directories_of_segments_are_not_synced() -> None:
    _change_files(LocalSegmentStore, sync_directory=_left_out)


def commits_are_not_synced() -> None:
    """SQLite's `synchronous = NORMAL`, which others recommend for WAL."""
    open_writer = SqliteDatabase._open_writer

    def hasty(self: Any) -> Any:
        writer = open_writer(self)
        writer.execute("PRAGMA synchronous = NORMAL").fetchall()
        return writer

    _replace(SqliteDatabase, "_open_writer", hasty)


def archived_objects_are_not_synced() -> None:
    _change_files(LocalArchiveStore, sync=_left_out)


def completed_before_it_is_archived() -> None:
    _replace(Archiver, "write_completion", lambda _self, _snapshot_id, _completion: True)


# --- failures of the disk


def syncs_that_failed_are_taken_for_done() -> None:
    def swallowing(sync: Callable[[int], None], descriptor: int) -> None:
        with suppress(OSError):
            sync(descriptor)

    _change_files(LocalSegmentStore, sync=swallowing)


def syncs_that_failed_are_tried_again() -> None:
    def stubborn(sync: Callable[[int], None], descriptor: int) -> None:
        try:
            sync(descriptor)
        except OSError:
            sync(descriptor)

    _change_files(LocalSegmentStore, sync=stubborn)


def the_log_of_a_dead_process_is_trusted() -> None:
    _replace(SqliteDatabase, "_renew_log", lambda _self, _writer: None)


def short_writes_are_taken_for_whole() -> None:
    def once(files: Any, descriptor: int, parts: Sequence[Any]) -> int:
        files.write(descriptor, parts)
        return sum(len(part) for part in parts)

    _replace(local_segments, "write_all", once)


def a_full_disk_is_taken_for_a_written_one() -> None:
    def forgiving(write: Callable[[int, Any], int], descriptor: int, buffers: Any) -> int:
        try:
            return write(descriptor, buffers)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            return sum(len(buffer) for buffer in buffers)

    _change_files(LocalSegmentStore, write=forgiving)


# --- collection


def bases_of_children_are_not_needed() -> None:
    """A pending child does not keep the map it builds on."""
    add = Claims._add

    def without(self: Any, need: Any, domain_key: Any, root: Any, *, has_rows: bool) -> None:
        add(self, need, domain_key, None if has_rows else root, has_rows=has_rows)

    _replace(Claims, "_add", without)


def deletions_that_can_be_undone_are_final() -> None:
    take = Claims.take

    def without(self: Any, needs: Sequence[Any]) -> None:
        take(self, [need for need in needs if need.state is not State.DELETED])

    _replace(Claims, "take", without)


# --- reading and verifying


def contents_are_not_proven() -> None:
    """What was decoded is what was stored: nobody compares it with its id."""
    prove = ChunkStore.prove

    def trusting(self: Any, domain: Any, record: Any, stored: Any) -> Content:
        return prove(self, _Trusting(domain, record.chunk_id), record, stored)  # type: ignore[arg-type]

    _replace(ChunkStore, "prove", trusting)


class _Trusting:
    """A domain in which everything has the id that is hoped for."""

    def __init__(self, domain: Any, hoped_for: Any) -> None:
        self._domain = domain
        self._hoped_for = hoped_for

    def chunk_id(self, _digest: Any) -> Any:
        return self._hoped_for

    def __getattr__(self, name: str) -> Any:
        return getattr(self._domain, name)


def verification_reads_no_data() -> None:
    _replace(_pass(), "_read", lambda _self, _use, _moment_ms, _total_bytes: None)


def verification_looks_at_no_segment() -> None:
    _replace(_pass(), "_look_at_segments", lambda _self: None)


def objects_without_a_record_are_not_looked_for() -> None:
    _replace(passes, "find_unexplained", lambda *_arguments: None)


def _pass() -> Any:
    return next(
        value
        for name, value in vars(passes).items()
        if isinstance(value, type) and hasattr(value, "_read_all")
    )


# --- the door


def signatures_are_compared_in_part() -> None:
    """The first hexadecimal digits suffice."""

    class Lax:
        def __getattr__(self, name: str) -> Any:
            return getattr(hmac, name)

        @staticmethod
        def compare_digest(one: bytes, other: bytes) -> bool:
            return one[:8] == other[:8]

    _replace(sigv4, "hmac", Lax())


def two_lengths_are_one_too_many_for_nobody() -> None:
    def last_of_each(message: Any) -> dict[bytes, bytes]:
        return {name.lower(): value for name, value in message.raw_headers if name.lower() in framing._SINGLE}

    _replace(framing, "_single_headers", last_of_each)


def deadlines_never_come() -> None:
    _replace(Connection, "check_deadline", lambda _self, _now_s: None)


@dataclass(frozen=True, slots=True)
class Bug:
    """What is broken, and the row that must say so."""

    plant: Callable[[], None]
    row: int

    @property
    def name(self) -> str:
        return f"{self.plant.__name__}, row {self.row}"


BUGS: Final = {
    bug.name: bug
    for bug in (
        Bug(answered_before_the_transaction, 1),
        Bug(published_before_the_bytes_are_written, 2),
        Bug(answered_before_the_transaction, 3),
        Bug(published_before_the_bytes_are_written, 3),
        Bug(segments_are_not_synced, 3),
        Bug(directories_of_segments_are_not_synced, 3),
        Bug(commits_are_not_synced, 3),
        Bug(archived_objects_are_not_synced, 3),
        Bug(completed_before_it_is_archived, 3),
        Bug(bases_of_children_are_not_needed, 3),
        Bug(deletions_that_can_be_undone_are_final, 3),
        Bug(segments_are_not_synced, 4),
        Bug(commits_are_not_synced, 4),
        Bug(directories_of_segments_are_not_synced, 4),
        Bug(syncs_that_failed_are_taken_for_done, 6),
        Bug(syncs_that_failed_are_tried_again, 6),
        Bug(the_log_of_a_dead_process_is_trusted, 6),
        Bug(short_writes_are_taken_for_whole, 7),
        Bug(a_full_disk_is_taken_for_a_written_one, 7),
        Bug(contents_are_not_proven, 8),
        Bug(verification_reads_no_data, 8),
        Bug(verification_looks_at_no_segment, 9),
        Bug(objects_without_a_record_are_not_looked_for, 9),
        Bug(signatures_are_compared_in_part, 16),
        Bug(two_lengths_are_one_too_many_for_nobody, 19),
        Bug(deadlines_never_come, 20),
    )
}
