"""Making the database of a store again: what stands on what while there is none.

    directory (lock) ─▶ a new database beside the old one's place ─▶ filled, looked through, closed ─▶ put in its place

Until the last step nothing of the store is changed; whoever is killed before that begins anew.
"""

import os
import re
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from neve.assemble_keys import open_key_provider
from neve.assemble_upkeep import UpkeepParts, verifier_on
from neve.clock import SystemClock, SystemEntropy
from neve.domain.keyring import Keyring
from neve.errors import ArchiveDamaged, ArchiveMissing, StoreUnusable
from neve.events import silent
from neve.limits import STANDARD, Limits
from neve.processors import Processors
from neve.secret_sources import parse_secret_source
from neve.settings import Settings
from neve.storage.archiving import Archiver, read_record
from neve.storage.chunk_codec import ChunkCodec
from neve.storage.chunk_store import ChunkStore
from neve.storage.data_keys import DataKeys
from neve.storage.domains import Domains
from neve.storage.progress import Check, OnProgress
from neve.storage.rebuilding import Rebuilder, RebuildReport
from neve.storage.verification.proving import Prover
from neve.storage.verification.report import VerificationReport
from neve.stores import directory
from neve.stores.archive.contract import ArchiveStore
from neve.stores.archive.local import LocalArchiveStore
from neve.stores.directory import StoreDirectory
from neve.stores.file_operations import SystemFileOperations
from neve.stores.marks.sqlite import SqliteMarkStore
from neve.stores.metadata.contract import StoreFacts
from neve.stores.metadata.contract_archive import STORE_FACTS
from neve.stores.metadata.log_witness import LOG_SUFFIX, SUFFIX
from neve.stores.metadata.sqlite import SqliteMetadataStore
from neve.stores.segments.local import LocalSegmentStore

_UNFINISHED: Final = "rebuilding.db"
"""What the new database is called until it is whole. Files whose names begin so are removed by the next attempt."""
_ASIDE: Final = "replaced-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """What a rebuilding came to."""

    report: RebuildReport
    verification: VerificationReport
    """Of the new database against the segments: what of the restored snapshots is not there."""
    moved_aside: Sequence[Path]
    """Where the files of the old database are now."""


def rebuild_metadata(
    path: Path,
    settings: Settings,
    *,
    replace: bool,
    limits: Limits = STANDARD,
    on_progress: OnProgress,
    check: Check,
) -> Rebuilt:
    """Make the database of the store in `path` again from its archive and segments.

    A database that is there is moved aside if `replace` says so; it is looked at for nothing.

    Raises:
        StoreUnusable: there is a database and it is not to be replaced, or the store cannot be opened; nothing changed.
        StoreError: something could not be read or written; nothing changed.
    """
    with directory.open_directory(path, master_key=parse_secret_source(settings.master_key)) as store:
        old = sorted(path.glob(f"{store.metadata_path.name}*"))
        if store.metadata_path.exists() and not replace:
            raise StoreUnusable(
                f"{path} has a database. If it is lost or damaged all the same, say so (--replace): it is moved aside, and "
                "snapshots that were not completed stay in it alone"
            )
        unfinished = path / _UNFINISHED
        _remove_unfinished(path)
        report, verification = _fill(store, settings, unfinished, limits, on_progress, check)
        moved = _moved_aside(old, store.metadata_path)
        SystemFileOperations().rename(str(unfinished), str(store.metadata_path))
        SystemFileOperations().sync_directory(str(path))
    return Rebuilt(report=report, verification=verification, moved_aside=moved)


def _fill(  # noqa: PLR0917 - the two halves of one function
    store: StoreDirectory,
    settings: Settings,
    file: Path,
    limits: Limits,
    on_progress: OnProgress,
    check: Check,
) -> tuple[RebuildReport, VerificationReport]:
    """Make and fill a new database in `file`, look through the store by it, and close it."""
    clock, entropy = SystemClock(), SystemEntropy()
    with ExitStack() as closing:
        keyring = Keyring(store.master_key, entropy)
        segments = LocalSegmentStore(store.segments_path)
        closing.callback(segments.close)
        archive = LocalArchiveStore(store.archive_path)
        closing.callback(archive.close)
        facts = _facts(store, archive, keyring, limits)
        metadata = SqliteMetadataStore.create(file, facts)
        closing.callback(metadata.close)
        keys = open_key_provider(
            settings,
            store=store.path,
            records=metadata.keys,
            keyring=keyring,
            clock=clock,
            entropy=entropy,
            report=silent,
        )
        closing.callback(keys.provider.close)
        processors = Processors(settings.computing_threads_max or len(os.sched_getaffinity(0)) + 1)
        data_keys = DataKeys(
            metadata=metadata,
            provider=keys.provider,
            clock=clock,
            entropy=entropy,
            processors=processors,
            data_key_age_s=settings.data_key_age_s,
            key_state_age_s=settings.key_state_age_s,
        )
        parts = UpkeepParts(
            metadata=metadata,
            segments=segments,
            archive=archive,
            archiver=Archiver(metadata=metadata, store=archive, keyring=keyring),
            domains=Domains(metadata, keyring, entropy, data_keys),
            keyring=keyring,
            open_marks=SqliteMarkStore,
            settings=settings,
            limits=limits,
            processors=processors,
            clock=clock,
            entropy=entropy,
        )
        report = _rebuilder(parts).rebuild(on_progress=on_progress, check=check)
        verification = verifier_on(parts, silent).verify(
            data=False, sample=None, budget_s=None, on_progress=on_progress, check=check
        )
    if (left := sorted(file.parent.glob(f"{file.name}-*"))) != []:
        raise StoreUnusable(f"the new database did not close well: {left[0]} is there still. Try again")
    return report, verification


def _rebuilder(parts: UpkeepParts) -> Rebuilder:
    chunks = ChunkStore(
        metadata=parts.metadata,
        segments=parts.segments,
        codec=ChunkCodec(),
        limits=parts.limits,
        on_damage=lambda _record, _error: None,
    )
    prover = Prover(
        metadata=parts.metadata,
        segments=parts.segments,
        chunks=chunks,
        domains=parts.domains,
        clock=parts.clock,
        processors=parts.processors,
        report=silent,
    )
    return Rebuilder(
        metadata=parts.metadata,
        segments=parts.segments,
        archive=parts.archive,
        keyring=parts.keyring,
        prover=prover,
        clock=parts.clock,
    )


def _facts(store: StoreDirectory, archive: ArchiveStore, keyring: Keyring, limits: Limits) -> StoreFacts:
    """Return what was decided when the store was created.

    Raises:
        StoreUnusable: the archive is not this store's, or was made with other sizes.
    """
    try:
        record = read_record(archive, STORE_FACTS, keyring)
    except (ArchiveMissing, ArchiveDamaged) as error:
        raise StoreUnusable(
            f"{error}: without it the archive in {store.archive_path} says nothing. Bring it back from a copy"
        ) from error
    (row,) = record.tables["store"]
    values = {name: row[name] for name in ("format_version", "block_bytes", "node_fanout", "created_ms")}
    numbers = {name: value for name, value in values.items() if isinstance(value, int)}
    store_id = row["store_id"]
    if len(numbers) != len(values) or not isinstance(store_id, bytes):
        raise StoreUnusable(f"{store.archive_path} does not say what sizes the store has")
    if store_id.hex() != store.store_id:
        raise StoreUnusable(f"{store.archive_path} belongs to another store than {store.path}")
    if (numbers["block_bytes"], numbers["node_fanout"]) != (limits.block_bytes, limits.node_fanout):
        raise StoreUnusable("the store was created with other sizes of blocks than this program works with")
    return StoreFacts(store_id=store_id, **numbers)


def _remove_unfinished(path: Path) -> None:
    for file in path.glob(f"{_UNFINISHED}*"):
        file.unlink()


def _moved_aside(old: Sequence[Path], database: Path) -> Sequence[Path]:
    """Give the files of the old database names that nothing reads; return them.

    All of them get one number: a database that SQLite opens beside the log of another one is damaged by it. The log goes
    first and the note that it is needed last, so that nobody starts with a part of them if this is killed in between.
    """
    number = _number_aside(old, database)
    order = {f"{database.name}{LOG_SUFFIX}": 0, f"{database.name}{SUFFIX}": 2}
    moved = []
    for file in sorted(old, key=lambda file: order.get(file.name, 1)):
        aside = _aside(file, number)
        file.rename(aside)
        moved.append(aside)
    return moved


def _number_aside(old: Sequence[Path], database: Path) -> int:
    """Return a number that no other database's files have; that of files whose moving was interrupted, if it was."""
    used = [
        int(found[1])
        for file in database.parent.glob(f"{_ASIDE}*")
        if (found := re.fullmatch(f"{_ASIDE}([0-9]+)-{re.escape(database.name)}.*", file.name, re.ASCII))
    ]
    last = max(used, default=0)
    is_taken = any(_aside(file, last).exists() for file in (database, *old))
    return last + 1 if is_taken or not last else last


def _aside(file: Path, number: int) -> Path:
    return file.with_name(f"{_ASIDE}{number}-{file.name}")
