"""Programs of metadata calls, run on a store and on the one in memory, which must answer alike.

Hypothesis writes the programs, over a universe small enough to collide: three domains of two accounts, five chunks,
four indexes, two client tokens, deadlines a few minutes away. After every call everything that can be read is read
from both. Keys are a store's own business, so they are compared by what they name.

A backend joins by saying how its store is made and how it is opened again.
"""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from neve.domain.blocks import BlockIndex
from neve.domain.identities import AccountId, DomainKey
from neve.domain.snapshots import CompletionClaim, Sealed, Snapshot, SnapshotKey
from neve.errors import NeveError
from neve.stores.metadata.contract import (
    Batch,
    BlockWrite,
    ChunkRecord,
    MetadataStore,
    NodeHold,
    Started,
    TagRemoval,
)
from neve.testing.memory_metadata import MemoryMetadataStore
from neve.testing.metadata_scene import (
    ACCOUNT,
    MINUTE_MS,
    OTHER_ACCOUNT,
    START_MS,
    UNKNOWN_SNAPSHOT,
    Scene,
    chunk_id,
    chunk_record,
    digest,
    segment_name,
    snapshot_id,
)

MEMORY_FOLDER = Path("/dev/shm")  # noqa: S108 - TemporaryDirectory makes an unguessable folder in it
"""Where files cost no disk: these programs are about answers, not about durability."""

ACCOUNTS = (ACCOUNT, OTHER_ACCOUNT)
CHUNKS = range(6)
ACCOUNT_OF_DOMAIN = (0, 0, 1)

accounts = st.sampled_from([0, 0, 0, 1])
domains = st.sampled_from([0, 0, 0, 1, 2])
numbers = st.integers(1, 8)
"""Of snapshots; those that were not started yet are unknown ones."""
chunks = st.sampled_from(CHUNKS)
tags = st.dictionaries(st.sampled_from("abc"), st.sampled_from(["", "1", "2"]), max_size=3)
limits = st.integers(1, 4)
tokens = st.sampled_from([None, None, "once", "twice"])
entries = st.tuples(numbers, domains, st.integers(0, 3), chunks)
"""Snapshot, domain (usually overruled by the snapshot's own), index, chunk."""


class Side:
    """One of the two stores, and what it calls things."""

    def __init__(self, store: MetadataStore) -> None:
        self.store = store
        scene = Scene(store)
        self._domain_keys = (scene.domain_key, scene.sealed_domain_key, scene.other_domain_key)
        self._snapshots: dict[int, Snapshot] = {}

    def domain_key(self, domain: int) -> DomainKey:
        return self._domain_keys[domain]

    def key(self, number: int) -> SnapshotKey:
        return self._snapshots[number].key if number in self._snapshots else UNKNOWN_SNAPSHOT

    def domain_key_of(self, number: int, otherwise: int) -> DomainKey:
        snapshot = self._snapshots.get(number)
        return self._domain_keys[otherwise] if snapshot is None else snapshot.domain_key

    def answer(self, call: Callable[["Side"], Any]) -> Any:
        """Return what the call gives or the name of what it raises, without the store's own keys."""
        try:
            return self._plain(call(self))
        except NeveError as error:
            return type(error).__name__

    def _plain(self, value: Any) -> Any:
        match value:
            case Started():
                self._snapshots[_number(value.snapshot)] = value.snapshot
                return value.replayed, self._plain(value.snapshot)
            case Snapshot():
                domain = self._domain_keys.index(value.domain_key)
                plain = replace(value, key=SnapshotKey(_number(value)), domain_key=DomainKey(domain))
                return plain, list(value.tags)
            case ChunkRecord():
                return replace(value, domain_key=DomainKey(self._domain_keys.index(value.domain_key)))
            case dict():
                return {key: self._plain(each) for key, each in value.items()}
            case list() | tuple():
                return [self._plain(each) for each in value]
            case _:
                return value


def _number(snapshot: Snapshot) -> int:
    return int(snapshot.snapshot_id.removeprefix("snap-"), 16)


class MetadataMachine(RuleBasedStateMachine):
    """The rules. A subclass gives the store that is put to the test."""

    def create(self, path: Path) -> MetadataStore:
        """Make an empty store in an empty folder."""
        raise NotImplementedError

    def open(self, path: Path) -> MetadataStore:
        """Open the store that is there."""
        raise NotImplementedError

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory(dir=MEMORY_FOLDER if MEMORY_FOLDER.is_dir() else None)
        self._path = Path(self._folder.name)
        self._memory = MemoryMetadataStore()
        self.model = Side(self._memory)
        self.subject = Side(self.create(self._path))
        self._requests = Scene(MemoryMetadataStore())
        self.now_ms = START_MS
        self._started = 0
        self._reserved = 0

    def teardown(self) -> None:
        self.subject.store.close()
        self._folder.cleanup()

    def both(self, call: Callable[[Side], Any]) -> Any:
        """Make the call on both sides and demand one answer; return it."""
        expected, answered = self.model.answer(call), self.subject.answer(call)
        assert answered == expected, f"expected {expected}, the store says {answered}"
        return expected

    # --- snapshots

    @initialize(number=st.integers(0, 3))
    def some_pending_snapshots(self, number: int) -> None:
        for _ in range(number):
            self._start(timeout_minutes=2)

    @rule(
        domain=domains,
        parent=st.one_of(st.none(), numbers),
        volume_gib=st.integers(1, 2),
        timeout_minutes=st.integers(1, 4),
        client_token=tokens,
        fingerprint=st.integers(0, 1),
        tags=tags,
        pending_max=st.sampled_from([0, 0, 1, 3]),
        snapshots_max=st.sampled_from([0, 0, 4]),
        old_number=st.one_of(st.none(), st.none(), st.none(), numbers),
    )
    def start(
        self, *, domain: int, parent: int | None, fingerprint: int, old_number: int | None, **members: Any
    ) -> None:
        self._start(
            domain,
            number=old_number,
            account_id=ACCOUNTS[ACCOUNT_OF_DOMAIN[domain]],
            parent_id=None if parent is None else snapshot_id(parent),
            fingerprint=bytes([fingerprint]),
            **members,
        )

    def _start(self, domain: int = 0, *, number: int | None = None, **members: Any) -> None:
        self._started += number is None
        request = self._requests.request(
            snapshot_id=snapshot_id(number or self._started), now_ms=self.now_ms, **members
        )
        self.both(
            lambda side: side.store.start_snapshot(replace(request, domain_key=side.domain_key(domain)))
        )

    @rule(account=accounts, number=numbers, count=st.integers(0, 2))
    def accept(self, account: int, number: int, count: int) -> None:
        claim = CompletionClaim(changed_blocks_count=count, aggregate=digest(1) if count else None)
        self.both(
            lambda side: side.store.accept_completion(
                ACCOUNTS[account], snapshot_id(number), claim, now_ms=self.now_ms
            )
        )

    @rule(number=numbers, root=chunks)
    def finish(self, number: int, root: int) -> None:
        sealed = Sealed(root=chunk_id(root), block_count=root)
        self.both(lambda side: side.store.finish_completion(side.key(number), sealed, now_ms=self.now_ms))

    @rule(number=numbers)
    def fail(self, number: int) -> None:
        self.both(lambda side: side.store.fail_completion(side.key(number), "no", now_ms=self.now_ms))

    @rule(limit=limits)
    def expire(self, limit: int) -> None:
        self.both(lambda side: side.store.expire(now_ms=self.now_ms, limit=limit))

    @rule(account=accounts, number=numbers)
    def delete(self, account: int, number: int) -> None:
        self.both(
            lambda side: side.store.delete_snapshot(
                ACCOUNTS[account], snapshot_id(number), now_ms=self.now_ms
            )
        )

    @rule(limit=limits)
    def reap(self, limit: int) -> None:
        self.both(lambda side: side.store.reap(limit=limit))

    @rule(minutes=st.integers(0, 5))
    def forget_tokens(self, minutes: int) -> None:
        used_before_ms = self.now_ms - minutes * MINUTE_MS
        self.both(lambda side: side.store.forget_client_tokens(used_before_ms=used_before_ms, limit=10))

    @rule(minutes=st.sampled_from([-1, 1, 1, 2]), milliseconds=st.integers(-1, 1))
    def time_passes(self, minutes: int, milliseconds: int) -> None:
        self.now_ms += minutes * MINUTE_MS + milliseconds

    # --- tags

    @rule(account=accounts, named=st.lists(numbers, max_size=3), given_tags=tags, tags_max=st.integers(1, 4))
    def put_tags(self, account: int, named: Sequence[int], given_tags: dict[str, str], tags_max: int) -> None:
        ids = [snapshot_id(number) for number in named]
        self.both(lambda side: side.store.put_tags(ACCOUNTS[account], ids, given_tags, tags_max=tags_max))

    @rule(
        account=accounts,
        named=st.lists(numbers, max_size=3),
        removed=st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([None, "", "1"])), max_size=2),
    )
    def remove_tags(
        self, account: int, named: Sequence[int], removed: Sequence[tuple[str, str | None]]
    ) -> None:
        ids = [snapshot_id(number) for number in named]
        removals = [TagRemoval(*each) for each in removed]
        self.both(lambda side: side.store.remove_tags(ACCOUNTS[account], ids, removals))

    # --- blocks, chunks, segments

    @rule(
        domain=domains,
        new=st.lists(chunks, max_size=3),
        blocks=st.lists(entries, max_size=4),
        holds=st.lists(entries, max_size=2),
        is_stray=st.sampled_from([False] * 9 + [True]),
        is_cancelled=st.sampled_from([False] * 9 + [True]),
    )
    def publish(
        self,
        *,
        domain: int,
        new: Sequence[int],
        blocks: Sequence[tuple[int, int, int, int]],
        holds: Sequence[tuple[int, int, int, int]],
        is_stray: bool,
        is_cancelled: bool,
    ) -> None:
        self._reserved += 1
        segment = segment_name(self._reserved)
        self.both(lambda side: side.store.reserve_segments([segment], now_ms=self.now_ms))
        if is_cancelled:
            self.both(lambda side: side.store.cancel_reservations())

        def domain_key(side: Side, number: int, other: int) -> DomainKey:
            return side.domain_key(other) if is_stray else side.domain_key_of(number, other)

        self.both(
            lambda side: side.store.publish(
                Batch(
                    segment=segment,
                    segment_bytes=len(new),
                    chunks=[chunk_record(number, segment, side.domain_key(domain)) for number in new],
                    blocks=[
                        BlockWrite(
                            domain_key=domain_key(side, number, other),
                            snapshot_key=side.key(number),
                            block_index=BlockIndex(index),
                            chunk_id=chunk_id(chunk),
                            digest=digest(chunk),
                        )
                        for number, other, index, chunk in blocks
                    ],
                    holds=[
                        NodeHold(
                            domain_key=domain_key(side, number, other),
                            snapshot_key=side.key(number),
                            chunk_id=chunk_id(chunk),
                        )
                        for number, other, _, chunk in holds
                    ],
                ),
                now_ms=self.now_ms,
            )
        )

    @rule(domain=domains, chunk=chunks)
    def mark_bad(self, domain: int, chunk: int) -> None:
        self.both(lambda side: side.store.mark_bad(side.domain_key(domain), chunk_id(chunk)))

    @rule(used=st.integers(1, 40))
    def reserve_a_name_that_may_be_used(self, used: int) -> None:
        self._reserved += 1
        names = [segment_name(self._reserved), segment_name(min(used, self._reserved))]
        self.both(lambda side: side.store.reserve_segments(names, now_ms=self.now_ms))

    @rule()
    def cancel_reservations(self) -> None:
        self.both(lambda side: side.store.cancel_reservations())

    @rule()
    def reopen(self) -> None:
        self.subject.store.close()
        self.subject.store = self.open(self._path)

    # --- everything that can be read

    @invariant()
    def both_show_the_same_snapshots(self) -> None:
        for account_id in ACCOUNTS:
            self._compare_snapshots(account_id)
        self.both(lambda side: side.store.sealing(limit=100))
        self.both(lambda side: side.store.statistics())

    def _compare_snapshots(self, account_id: AccountId) -> None:
        self.both(lambda side: side.store.snapshots(account_id, after=None, limit=100))

    @invariant()
    def both_show_the_same_blocks(self) -> None:
        for number in range(1, self._started + 1):
            self._compare_blocks(number)

    def _compare_blocks(self, number: int) -> None:
        self.both(lambda side: side.store.blocks(side.key(number), after=None, limit=100))
        self.both(lambda side: side.store.block_count(side.key(number)))

    @invariant()
    def both_show_the_same_chunks(self) -> None:
        for domain in range(len(ACCOUNT_OF_DOMAIN)):
            self._compare_chunks(domain)

    def _compare_chunks(self, domain: int) -> None:
        ids = [chunk_id(number) for number in CHUNKS]
        self.both(lambda side: side.store.chunks(side.domain_key(domain), ids))
        self.both(lambda side: side.store.stored(side.domain_key(domain), ids))
