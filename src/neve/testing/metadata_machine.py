"""Programs of metadata calls, run on a store and on the one in memory, which must answer alike.

Here is what every program does; `metadata_machine_chunks`, `metadata_machine_lifecycle` and
`metadata_machine_collection` each add what the others have no use for, so that each searches densely.

Hypothesis writes the programs, over a universe small enough to collide: three domains of two accounts, three chunks,
four indexes, two client tokens, deadlines a few minutes away. After every call everything that can be read is read
from both. Keys are a store's own business, so they are compared by what they name.

A backend joins by saying how its store is made and how it is opened again.
"""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, ClassVar, Protocol

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from neve.domain.blocks import BlockIndex
from neve.domain.identities import AccountId, DomainKey, SnapshotId
from neve.domain.snapshots import CompletionClaim, Origin, Sealed, Snapshot, SnapshotKey
from neve.errors import NeveError
from neve.stores.metadata.contract import (
    EVERYBODY,
    Batch,
    BlockWrite,
    MetadataStore,
    NodeHold,
    StartCheck,
    Started,
    TagRemoval,
    VisibleSnapshot,
)
from neve.stores.metadata.contract_lifecycle import Copy, LockedSnapshot, RecycledSnapshot
from neve.stores.metadata.placement import ChunkRecord
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
    living_in,
    segment_name,
    snapshot_id,
)

MEMORY_FOLDER = Path("/dev/shm")  # noqa: S108 - TemporaryDirectory makes an unguessable folder in it
"""Where files cost no disk: these programs are about answers, not about durability."""

ACCOUNTS = (ACCOUNT, OTHER_ACCOUNT)
STRANGER = AccountId("777788889999")
"""Recorded nowhere: sees what is public."""
CHUNKS = range(4)
NODE = 3
UNKNOWN_PICK = -1
UNKNOWN_NUMBER = 99
ACCOUNT_OF_DOMAIN = (0, 0, 1)

domains = st.sampled_from([0, 0, 0, 1, 2])
picks = st.sampled_from([0, 0, 0, 1, 1, 2, 3, 4, UNKNOWN_PICK])
"""Which of the snapshots there are, counted from the newest."""
chunks = st.sampled_from(CHUNKS)
tags = st.dictionaries(st.sampled_from("abc"), st.sampled_from(["", "1", "2"]), max_size=3)
removed_tags = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([None, "", "1"])), max_size=2)
tokens = st.sampled_from(["once", "twice"])
grantees = st.sampled_from([*ACCOUNTS, EVERYBODY])
seldom = st.sampled_from([False] * 9 + [True])
Entry = tuple[int, int, int, int]
"""Pick, domain (overruled by the snapshot's own unless the batch is stray), index, chunk."""


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

    def snapshot(self, number: int) -> Snapshot | None:
        """Return the snapshot as it was when it was started; a copy as it was when it was resolved."""
        return self._snapshots.get(number)

    def remember(self, snapshot: Snapshot) -> Snapshot:
        """Know a snapshot by its number from now on; return it."""
        self._snapshots[number_of(snapshot)] = snapshot
        return snapshot

    def domain_of(self, snapshot: Snapshot) -> int:
        return self._domain_keys.index(snapshot.domain_key)

    def answer(self, call: Callable[["Side"], Any]) -> Any:
        """Return what the call gives or the name of what it raises, without the store's own keys."""
        try:
            return self._plain(call(self))
        except NeveError as error:
            return type(error).__name__

    def _plain(self, value: Any) -> Any:
        match value:
            case (
                Started() | StartCheck() | VisibleSnapshot() | LockedSnapshot() | RecycledSnapshot() | Copy()
            ):
                return self._plain(self._members(value))
            case Snapshot():
                domain = self.domain_of(value)
                plain = replace(value, key=SnapshotKey(number_of(value)), domain_key=DomainKey(domain))
                return plain, list(value.tags)
            case ChunkRecord():
                return replace(value, domain_key=DomainKey(self._domain_keys.index(value.domain_key)))
            case dict():
                return {key: self._plain(each) for key, each in value.items()}
            case list() | tuple():
                return [self._plain(each) for each in value]
            case _:
                return value

    def _members(self, value: Any) -> Sequence[Any]:
        """Return what a record is made of, with its domain as the machine calls it."""
        if isinstance(value, Started):
            self.remember(value.snapshot)
        if isinstance(value, Copy) and value.source_domain_key is not None:
            domain = self._domain_keys.index(value.source_domain_key)
            value = replace(value, source_domain_key=DomainKey(domain))
        return [getattr(value, member.name) for member in fields(value)]


def number_of(snapshot: Snapshot) -> int:
    """Return the number in a snapshot's id."""
    return int(snapshot.snapshot_id.removeprefix("snap-"), 16)


class Records(Protocol):
    """How to come by the store that is put to the test."""

    def create(self, path: Path) -> MetadataStore:
        """Make an empty store in an empty folder."""
        ...

    def open(self, path: Path) -> MetadataStore:
        """Open the store that is there."""
        ...


class MetadataMachine(RuleBasedStateMachine):
    """The rules. A subclass says which store is put to the test."""

    records: ClassVar[Records]

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory(dir=MEMORY_FOLDER if MEMORY_FOLDER.is_dir() else None)
        self._path = Path(self._folder.name)
        self._memory = MemoryMetadataStore()
        self.model = Side(self._memory)
        self.subject = Side(self.records.create(self._path))
        self._requests = Scene(MemoryMetadataStore())
        self.now_ms = START_MS
        self._started = 0
        self._owners: dict[int, AccountId] = {}
        self._reserved = 0

    def teardown(self) -> None:
        self.subject.store.close()
        self._folder.cleanup()

    def both(self, call: Callable[[Side], Any]) -> Any:
        """Make the call on both sides and demand one answer; return it."""
        expected, answered = self.model.answer(call), self.subject.answer(call)
        assert answered == expected, f"expected {expected}, the store says {answered}"
        return expected

    def _number(self, pick: int) -> int:
        return UNKNOWN_NUMBER if pick == UNKNOWN_PICK else max(self._started - pick, 1)

    def _account(self, pick: int, *, is_stranger: bool) -> AccountId:
        """Return who owns the snapshot, or the other one."""
        owner = self._owners.get(self._number(pick), ACCOUNT)
        return ACCOUNTS[(ACCOUNTS.index(owner) + is_stranger) % len(ACCOUNTS)]

    # --- snapshots

    @initialize(count=st.integers(1, 3))
    def some_pending_snapshots(self, count: int) -> None:
        for _ in range(count):
            self._start(timeout_minutes=2)

    @rule(domain=domains, timeout_minutes=st.sampled_from([2, 60, 60]), tags=tags)
    def start(self, *, domain: int, timeout_minutes: int, tags: dict[str, str]) -> None:
        self._start(domain, timeout_minutes=timeout_minutes, tags=tags)

    @rule(pick=picks, volume_gib=st.integers(1, 2), is_completed=st.booleans(), is_stranger=seldom)
    def start_a_child(self, pick: int, *, volume_gib: int, is_completed: bool, is_stranger: bool) -> None:
        if is_completed:
            self.complete(pick, 0, 1, is_deleted=False)
        domain = ACCOUNTS.index(self._account(pick, is_stranger=is_stranger)) * 2
        self._start(domain, parent_id=snapshot_id(self._number(pick)), volume_gib=volume_gib)

    @rule(client_token=tokens, fingerprint=st.sampled_from([b"0"] * 5 + [b"1"]), tags=tags)
    def start_with_a_token(self, *, client_token: str, fingerprint: bytes, tags: dict[str, str]) -> None:
        self._start(client_token=client_token, fingerprint=fingerprint, tags=tags)

    @rule(
        domain=domains,
        pending_max=st.integers(0, 3),
        snapshots_max=st.sampled_from([0, 2, 4]),
        reused=st.one_of(st.none(), picks),
    )
    def start_with_limits(self, *, domain: int, reused: int | None, **members: Any) -> None:
        self._start(domain, number=None if reused is None else self._number(reused), **members)

    def _start(self, domain: int = 0, *, number: int | None = None, **members: Any) -> None:
        account_id = ACCOUNTS[ACCOUNT_OF_DOMAIN[domain]]
        request = self._requests.request(
            snapshot_id=snapshot_id(number or self._started + 1),
            account_id=account_id,
            domain_key=None,
            now_ms=self.now_ms,
            **members,
        )
        self.both(lambda side: side.store.check_start(request))
        self.both(
            lambda side: side.store.start_snapshot(replace(request, domain_key=side.domain_key(domain)))
        )
        if self.model.snapshot(self._started + 1) is not None:
            self._started += 1
            self._owners[self._started] = account_id

    @rule(pick=picks, is_stranger=seldom, count=st.integers(0, 2))
    def accept(self, pick: int, *, is_stranger: bool, count: int) -> None:
        account_id = self._account(pick, is_stranger=is_stranger)
        claim = CompletionClaim(changed_blocks_count=count, aggregate=digest(1) if count else None)
        self.both(
            lambda side: side.store.accept_completion(
                account_id, snapshot_id(self._number(pick)), claim, now_ms=self.now_ms
            )
        )

    @rule(pick=picks, root=chunks)
    def finish(self, pick: int, root: int) -> None:
        sealed = Sealed(root=chunk_id(root), block_count=root)
        self.both(
            lambda side: side.store.finish_completion(
                side.key(self._number(pick)), sealed, now_ms=self.now_ms
            )
        )

    @rule(pick=picks, index=st.integers(0, 3), chunk=chunks, is_deleted=st.booleans())
    def complete(self, pick: int, index: int, chunk: int, *, is_deleted: bool) -> None:
        self.put_new_blocks(pick, {index: chunk})
        self.accept(pick, is_stranger=False, count=1)
        self._publish(0, [NODE], [], [(pick, 0, 0, NODE)])
        self.finish(pick, NODE)
        if is_deleted:
            self.delete(pick, is_stranger=False)

    @rule(pick=picks, is_accepted=st.booleans())
    def fail(self, pick: int, *, is_accepted: bool) -> None:
        if is_accepted:
            self.accept(pick, is_stranger=False, count=2)
        self.both(
            lambda side: side.store.fail_completion(side.key(self._number(pick)), "no", now_ms=self.now_ms)
        )

    @rule(pick=picks, is_stranger=seldom)
    def delete(self, pick: int, *, is_stranger: bool) -> None:
        account_id = self._account(pick, is_stranger=is_stranger)
        name = snapshot_id(self._number(pick))
        self.both(lambda side: side.store.delete_snapshot(account_id, name, now_ms=self.now_ms))

    @rule(limit=st.integers(1, 4), minutes=st.integers(-1, 3))
    def keep_house(self, limit: int, minutes: int) -> None:
        used_before_ms = self.now_ms - minutes * MINUTE_MS
        self.both(lambda side: side.store.expire(now_ms=self.now_ms, limit=limit))
        self.both(lambda side: side.store.reap(limit=limit))
        self.both(lambda side: side.store.forget_client_tokens(used_before_ms=used_before_ms, limit=limit))

    @rule(minutes=st.sampled_from([-1, 1, 1, 2]))
    def time_passes(self, minutes: int) -> None:
        self.now_ms += minutes * MINUTE_MS

    @rule(minutes=st.integers(1, 12), limit=st.integers(1, 4))
    def the_clock_is_set_forward(self, minutes: int, limit: int) -> None:
        after_ms, self.now_ms = self.now_ms, self.now_ms + minutes * MINUTE_MS
        self.both(lambda side: side.store.postpone(after_ms=after_ms, now_ms=self.now_ms, limit=limit))

    @rule(pick=picks, milliseconds=st.integers(-1, 1), action=st.sampled_from(["put", "accept", "expire"]))
    def act_about_the_deadline(self, pick: int, milliseconds: int, action: str) -> None:
        snapshot = self.model.snapshot(self._number(pick))
        if snapshot is None or snapshot.origin is Origin.COPY:
            return
        self.now_ms = snapshot.deadline_ms + milliseconds
        match action:
            case "put":
                self._publish(0, [], [(pick, 0, 3, 0)], [])
            case "accept":
                self.accept(pick, is_stranger=False, count=0)
            case _:
                self.keep_house(limit=4, minutes=0)

    # --- sharing

    @rule(
        pick=picks,
        is_stranger=seldom,
        given=tags,
        add=st.lists(grantees, min_size=1, max_size=2),
        is_deleted=st.sampled_from([False, False, True]),
    )
    def share(
        self, pick: int, *, is_stranger: bool, given: dict[str, str], add: Sequence[str], is_deleted: bool
    ) -> None:
        if given:
            self.put_tags(named=[pick], is_stranger=False, given=given, tags_max=4)
        account_id = self._account(pick, is_stranger=is_stranger)
        name = snapshot_id(self._number(pick))
        self.both(lambda side: side.store.modify_permissions(account_id, name, add=add))
        if is_deleted:
            self.delete(pick, is_stranger=False)

    @rule(
        pick=picks,
        is_stranger=seldom,
        add=st.lists(grantees, max_size=1),
        remove=st.lists(grantees, max_size=2),
    )
    def unshare(self, pick: int, *, is_stranger: bool, add: Sequence[str], remove: Sequence[str]) -> None:
        account_id = self._account(pick, is_stranger=is_stranger)
        name = snapshot_id(self._number(pick))
        self.both(lambda side: side.store.modify_permissions(account_id, name, add=add, remove=remove))

    # --- tags

    @rule(
        named=st.lists(picks, min_size=1, max_size=2),
        is_stranger=seldom,
        given=tags,
        tags_max=st.integers(1, 4),
    )
    def put_tags(
        self, *, named: Sequence[int], is_stranger: bool, given: dict[str, str], tags_max: int
    ) -> None:
        account_id = self._account(named[0], is_stranger=is_stranger)
        ids = [snapshot_id(self._number(pick)) for pick in named]
        self.both(lambda side: side.store.put_tags(account_id, ids, given, tags_max=tags_max))

    @rule(
        named=st.lists(picks, min_size=1, max_size=2),
        is_stranger=seldom,
        removed=removed_tags,
    )
    def remove_tags(
        self, *, named: Sequence[int], is_stranger: bool, removed: Sequence[tuple[str, str | None]]
    ) -> None:
        account_id = self._account(named[0], is_stranger=is_stranger)
        ids = [snapshot_id(self._number(pick)) for pick in named]
        removals = [TagRemoval(*each) for each in removed]
        self.both(lambda side: side.store.remove_tags(account_id, ids, removals))

    # --- blocks, chunks, segments

    @rule(pick=picks, contents=st.dictionaries(st.integers(0, 3), chunks, min_size=1, max_size=3))
    def put_new_blocks(self, pick: int, contents: dict[int, int]) -> None:
        snapshot = self.model.snapshot(self._number(pick))
        domain = 0 if snapshot is None else self.model.domain_of(snapshot)
        new = [chunk for chunk in contents.values() if chunk]
        self._publish(domain, new, [(pick, domain, index, chunk) for index, chunk in contents.items()], [])

    def _publish(
        self,
        domain: int,
        new: Sequence[int],
        blocks: Sequence[Entry],
        holds: Sequence[Entry],
        *,
        is_stray: bool = False,
        is_cancelled: bool = False,
    ) -> None:
        self._reserved += 1
        segment = segment_name(self._reserved)
        self.both(lambda side: side.store.reserve_segments([segment], now_ms=self.now_ms))
        if is_cancelled:
            self.both(lambda side: side.store.cancel_reservations())

        def batch(side: Side) -> Batch:
            def domain_key(pick: int, other: int) -> DomainKey:
                snapshot = None if is_stray else side.snapshot(self._number(pick))
                return side.domain_key(other) if snapshot is None else snapshot.domain_key

            return Batch(
                segment=segment,
                segment_bytes=len(new),
                chunks=[chunk_record(number, segment, side.domain_key(domain)) for number in new],
                blocks=[
                    BlockWrite(
                        domain_key=domain_key(pick, other),
                        snapshot_key=side.key(self._number(pick)),
                        block_index=BlockIndex(index),
                        chunk_id=chunk_id(chunk),
                        digest=digest(chunk),
                    )
                    for pick, other, index, chunk in blocks
                ],
                holds=[
                    NodeHold(
                        domain_key=domain_key(pick, other),
                        snapshot_key=side.key(self._number(pick)),
                        chunk_id=chunk_id(chunk),
                    )
                    for pick, other, _, chunk in holds
                ],
            )

        self.both(lambda side: side.store.publish(batch(side), now_ms=self.now_ms))

    @rule(is_orderly=st.booleans())
    def restart(self, *, is_orderly: bool) -> None:
        if is_orderly:
            self.both(lambda side: side.store.cancel_reservations())
        self.subject.store.close()
        self.subject.store = self.records.open(self._path)

    # --- everything that can be read

    @invariant()
    def both_show_the_same_snapshots(self) -> None:
        for account_id in ACCOUNTS:
            self._compare_snapshots(account_id)
        self.both(lambda side: side.store.sealing(limit=100))
        self.both(lambda side: living_in(side.store))
        self.both(lambda side: side.store.statistics())

    def _compare_snapshots(self, account_id: AccountId) -> None:
        self.both(lambda side: side.store.snapshots(account_id, after=None, limit=100))

    @invariant()
    def both_show_the_same_to_strangers(self) -> None:
        for account_id in (*ACCOUNTS, STRANGER):
            self._compare_visible(account_id)
        for number, owner in self._owners.items():
            (other,) = set(ACCOUNTS) - {owner}
            self._compare_shared(snapshot_id(number), owner, other)

    def _compare_visible(self, account_id: AccountId) -> None:
        self.both(lambda side: side.store.visible_snapshots(account_id, after=None, limit=100))

    def _compare_shared(self, name: SnapshotId, owner: AccountId, other: AccountId) -> None:
        for account_id in (other, STRANGER):
            self._compare_seen(account_id, name)
        self.both(lambda side: side.store.permissions(owner, name))

    def _compare_seen(self, account_id: AccountId, name: SnapshotId) -> None:
        self.both(lambda side: side.store.visible_snapshot(account_id, name))
