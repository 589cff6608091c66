"""The service against a model of it: one dictionary of blocks for each snapshot.

Hypothesis writes programs out of the rules below, runs each against both, and shrinks the first one on which
they differ. The model knows nothing of chunks, digests, trees or rows: that is its worth.

Blocks have 64 bytes, maps branch 16 ways, and the universe is small enough to collide: equal contents, equal
indexes and neighbouring nodes are where sharing, replacing and paging go wrong. Snapshots are encrypted under one of
two KMS keys or not at all; the keys are disabled and enabled, and their material rotates, at any moment.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from neve.domain.blocks import digest
from neve.domain.identities import SnapshotId
from neve.domain.snapshots import State, observed
from neve.errors import RequestError, SnapshotNotFound
from neve.limits import TINY
from neve.messages.ebs import StartSnapshotRequest
from neve.operations.ebs.start_snapshot import start_snapshot
from neve.storage.segment_format import parse
from neve.stores.metadata.placement import Encoding
from neve.testing.memory_keys import MemoryKeys
from neve.testing.time_and_chance import ManualClock, SeededEntropy
from neve.testing.world import ACCOUNT, Stores, World, aggregate_of

indexes = st.sampled_from([0, 1, 2, 15, 16, 17, 255, 256, 257, 2046, 2047])
fills = st.integers(min_value=0, max_value=2)
page_sizes = st.integers(min_value=1, max_value=4)


keys = st.sampled_from([None, None, 0, 1])


def block(fill: int) -> bytes:
    """Return zeros, a block that compresses, or one that does not."""
    return digest(b"one") + digest(b"other") if fill == 2 else bytes([fill]) * TINY.block_bytes


@dataclass
class Modelled:
    """What one snapshot must look like."""

    image: dict[int, bytes]
    lineage: str
    key: str | None
    """The ARN of the KMS key; None is unencrypted."""
    written: dict[int, bytes] = field(default_factory=dict)
    state: State = State.PENDING
    timeout_minutes: int = 60
    last_write_ms: int = 0
    undoable_since_ms: int | None = None
    """When it was deleted, if that can be undone."""


class SnapshotMachine(RuleBasedStateMachine):
    """Start, put, complete, list, compare, read, delete, undelete, collect, wait and restart, in any order."""

    make_stores: ClassVar[Callable[[], Stores]]

    pending = Bundle("pending")
    """Snapshots that were started and, as far as programs know, take blocks; some have timed out."""
    sealed = Bundle("sealed")
    """Snapshots that a right completion was accepted for."""
    deleted = Bundle("deleted")
    """Those of them that were deleted, whether that can be undone or not."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.keys = MemoryKeys(entropy=SeededEntropy(1))
        self.key_arns = [self.keys.make_key(ACCOUNT) for _ in range(2)]
        self.disabled: set[str | None] = set()
        self.world = World(type(self).make_stores(), clock=self.clock, keys=self.keys)
        self.model: dict[str, Modelled] = {}
        self.tokens: dict[str, tuple[StartSnapshotRequest, str]] = {}

    def teardown(self) -> None:
        """Read everything once more after a last restart: what a program leaves behind is what counts."""
        try:
            self.world.restart()
            self.everything_encrypted_is_sealed()
            for arn in self.key_arns:
                self.keys.enable(arn)
            for snapshot_id, modelled in self.model.items():
                if modelled.state is State.COMPLETED:
                    assert self.world.read(snapshot_id) == modelled.image
            assert self.world.damage == []
        finally:
            self.world.close()

    # --- starting

    @rule(target=pending, timeout=st.sampled_from([10, 60]), key=keys)
    def start(self, timeout: int, key: int | None) -> object:
        arn = None if key is None else self.key_arns[key]
        if arn in self.disabled:
            with pytest.raises(RequestError, match="is disabled"):
                self.world.start(timeout=timeout, kms_key_arn=arn)
            return multiple()
        return self._started(self.world.start(timeout=timeout, kms_key_arn=arn), None, timeout, arn)

    @rule(target=pending, parent=st.one_of(sealed, sealed, pending))
    def start_child(self, parent: str) -> object:
        if self.model[parent].state is not State.COMPLETED or self.model[parent].key in self.disabled:
            with pytest.raises(RequestError):
                self.world.start(parent=parent)
            return multiple()
        return self._started(self.world.start(parent=parent), parent, 60)

    def _started(self, snapshot_id: str, parent: str | None, timeout: int, key: str | None = None) -> str:
        assert snapshot_id not in self.model
        self.model[snapshot_id] = Modelled(
            image=dict(self.model[parent].image) if parent else {},
            lineage=self.model[parent].lineage if parent else snapshot_id,
            key=self.model[parent].key if parent else key,
            timeout_minutes=timeout,
            last_write_ms=self.clock.now_ms(),
        )
        return snapshot_id

    @rule(target=pending, name=st.sampled_from("ab"), description=st.sampled_from(["one", "two"]))
    def start_with_a_client_token(self, name: str, description: str) -> object:
        request = StartSnapshotRequest(volume_size=1, client_token=name, description=description)
        if name not in self.tokens:
            answer = start_snapshot(self.world.context, self.world.caller(), request)
            self.tokens[name] = (request, answer.snapshot_id)
            return self._started(answer.snapshot_id, None, 60)
        used, snapshot_id = self.tokens[name]
        if used == request:
            answer = start_snapshot(self.world.context, self.world.caller(), request)
            assert (answer.snapshot_id, answer.status) == (snapshot_id, "pending")
        else:
            with pytest.raises(RequestError, match="does not match"):
                start_snapshot(self.world.context, self.world.caller(), request)
        return multiple()

    # --- writing

    @rule(snapshot_id=pending, writes=st.lists(st.tuples(indexes, fills), min_size=1, max_size=6))
    def put(self, snapshot_id: str, writes: list[tuple[int, int]]) -> None:
        modelled = self.model[snapshot_id]
        for index, fill in writes:
            if modelled.state is not State.PENDING or modelled.key in self.disabled:
                with pytest.raises(RequestError):
                    self.world.put(snapshot_id, index, block(fill))
                continue
            self.world.put(snapshot_id, index, block(fill))
            modelled.written[index] = modelled.image[index] = block(fill)
            modelled.last_write_ms = self.clock.now_ms()

    @rule(snapshot_id=pending, sealed_id=sealed, index=indexes, fill=fills)
    def refused_puts(self, snapshot_id: str, sealed_id: str, index: int, fill: int) -> None:
        with pytest.raises(RequestError):
            self.world.put(sealed_id, index, block(fill))
        with pytest.raises(RequestError):
            self.world.put(snapshot_id, index, block(fill), checksum_of=block(fill + 1))
        with pytest.raises(RequestError):
            self.world.put(snapshot_id, 2048, block(fill))

    # --- completing

    @rule(target=sealed, snapshot_id=consumes(pending), with_aggregate=st.booleans())
    def complete(self, snapshot_id: str, with_aggregate: bool) -> str:
        modelled = self.model[snapshot_id]
        aggregate = aggregate_of(modelled.written) if with_aggregate else None
        ended = self.world.complete(snapshot_id, count=len(modelled.written), aggregate=aggregate)
        if modelled.state is State.PENDING:
            modelled.state = State.COMPLETED
        assert ended is modelled.state
        return snapshot_id

    @rule(target=sealed, parent=sealed, writes=st.lists(st.tuples(indexes, fills), max_size=4))
    def next_generation(self, parent: str, writes: list[tuple[int, int]]) -> object:
        """What backups do day after day: the way to deep lineages, which single steps rarely find."""
        child = self.start_child(parent)
        if not isinstance(child, str):
            return multiple()
        self.put(child, writes)
        return self.complete(child, with_aggregate=True)

    @rule(snapshot_id=consumes(pending), off_by=st.sampled_from([0, 1]))
    def complete_wrongly(self, snapshot_id: str, off_by: int) -> None:
        wrong = None if off_by else digest(b"wrong")
        count = len(self.model[snapshot_id].written) + off_by
        assert self.world.complete(snapshot_id, count=count, aggregate=wrong) is State.ERROR
        self.model[snapshot_id].state = State.ERROR

    @rule(snapshot_id=sealed, count=st.integers(0, 3))
    def complete_again(self, snapshot_id: str, count: int) -> None:
        assert self.world.complete(snapshot_id, count=count) is self.model[snapshot_id].state

    # --- taking away, time, trouble

    @rule(target=deleted, snapshot_id=consumes(sealed))
    def delete(self, snapshot_id: str) -> str:
        self.world.delete(snapshot_id)
        modelled = self.model[snapshot_id]
        if modelled.state is State.COMPLETED:
            modelled.undoable_since_ms = self.clock.now_ms()
        modelled.state = State.DELETED
        with pytest.raises(RequestError):
            self.world.listed(snapshot_id)
        with pytest.raises(RequestError):
            self.world.start(parent=snapshot_id)
        return snapshot_id

    @rule(target=sealed, snapshot_id=consumes(deleted))
    def undelete(self, snapshot_id: str) -> object:
        modelled = self.model[snapshot_id]
        undelete = partial(self.world.metadata.collection.undelete, ACCOUNT, SnapshotId(snapshot_id))
        if modelled.undoable_since_ms is None:
            with pytest.raises(SnapshotNotFound):
                undelete(now_ms=self.clock.now_ms())
            return multiple()
        undelete(now_ms=self.clock.now_ms())
        modelled.state, modelled.undoable_since_ms = State.COMPLETED, None
        return snapshot_id

    @rule(undo_s=st.sampled_from([0, 120, 3600]))
    def collect(self, undo_s: int) -> None:
        self.world.collect(undo_s=undo_s)
        for modelled in self.model.values():
            since_ms = modelled.undoable_since_ms
            if since_ms is not None and since_ms < self.clock.now_ms() - undo_s * 1000:
                modelled.undoable_since_ms = None

    @rule(snapshot_id=consumes(pending))
    def delete_pending(self, snapshot_id: str) -> None:
        self.world.delete(snapshot_id)
        self.model[snapshot_id].state = State.DELETED
        with pytest.raises(RequestError):
            self.world.put(snapshot_id, 0, block(1))

    @rule(minutes=st.sampled_from([1, 5, 5, 11]), swept=st.booleans())
    def time_passes(self, minutes: int, swept: bool) -> None:
        self.clock.advance(minutes=minutes)
        for modelled in self.model.values():
            deadline = modelled.last_write_ms + modelled.timeout_minutes * 60_000
            if modelled.state is State.PENDING and self.clock.now_ms() >= deadline:
                modelled.state = State.ERROR
        if swept:
            self.world.metadata.expire(now_ms=self.clock.now_ms(), limit=100)

    @rule()
    def restart(self) -> None:
        self.world.restart()

    # --- what becomes of KMS keys

    @rule(key=st.sampled_from([0, 1]))
    def disable_key(self, key: int) -> None:
        self.keys.disable(self.key_arns[key])
        self.disabled.add(self.key_arns[key])

    @rule()
    def enable_keys(self) -> None:
        for arn in self.key_arns:
            self.keys.enable(arn)
        self.disabled.clear()

    @rule(key=st.sampled_from([0, 1]))
    def rotate_key(self, key: int) -> None:
        arn = self.key_arns[key]
        self.keys.rotate(arn)
        if arn in self.disabled:
            return
        for domain in self.world.metadata.domains():
            if domain.kms_key_arn == arn:
                assert self.world.data_keys.renew(domain)

    # --- what must hold

    @invariant()
    def every_snapshot_is_in_the_state_the_model_says(self) -> None:
        records = self.world.metadata.snapshots(ACCOUNT, after=None, limit=1000)
        now_ms = self.clock.now_ms()
        assert {str(record.snapshot_id): observed(record, now_ms).state for record in records} == {
            snapshot_id: each.state
            for snapshot_id, each in self.model.items()
            if each.state is not State.DELETED
        }

    @rule(snapshot_id=sealed, page_size=page_sizes)
    def every_completed_snapshot_reads_as_the_model_says(self, snapshot_id: str, page_size: int) -> None:
        modelled = self.model[snapshot_id]
        if modelled.state is not State.COMPLETED:
            with pytest.raises(RequestError):
                self.world.listed(snapshot_id)
            return
        tokens = self.world.listed(snapshot_id, page_size=page_size)
        assert tokens.keys() == modelled.image.keys()
        for index, token in tokens.items():
            self._reads(snapshot_id, index, token)
        record = self.world.metadata.snapshot(ACCOUNT, SnapshotId(snapshot_id))
        assert record.block_count == len(modelled.image)

    def _reads(self, snapshot_id: str, index: int, token: str | None) -> None:
        """Hold one block to the model, by the token that a list gave for it."""
        modelled = self.model[snapshot_id]
        assert (token is None) == (index not in modelled.image)
        if token is None:
            return
        if modelled.key in self.disabled:
            with pytest.raises(RequestError, match="is disabled"):
                self.world.get(snapshot_id, index, token)
        else:
            assert self.world.get(snapshot_id, index, token) == modelled.image[index]

    def everything_encrypted_is_sealed(self) -> None:
        """Look at the stored bytes themselves: what may be read without the service?"""
        encrypted = {domain.uid: bool(domain.kms_key_arn) for domain in self.world.metadata.domains()}
        for name in self.world.segments.names(after=None, limit=10_000):
            data = self.world.segments.read(name, 0, self.world.segments.size(name))
            for location in parse(name, data):
                sealed = location.encoding in {Encoding.SEALED_RAW, Encoding.SEALED_ZSTD}
                assert sealed == encrypted[location.domain_uid]
        digests = {digest(block(fill)) for fill in range(3)}
        for snapshot in self.world.metadata.snapshots(ACCOUNT, after=None, limit=1000):
            plain = {row.digest for row in self.world.metadata.blocks(snapshot.key, after=None, limit=100)}
            is_encrypted = self.model[snapshot.snapshot_id].key is not None
            assert plain.isdisjoint(digests) if is_encrypted else plain <= digests

    @rule(first=sealed, second=sealed)
    def unrelated_snapshots_cannot_be_compared(self, first: str, second: str) -> None:
        if self.model[first].lineage != self.model[second].lineage:
            with pytest.raises(RequestError):
                self.world.changed(first, second)

    @rule(first=sealed, pick=st.integers(0, 5), page_size=page_sizes)
    def changed_blocks_are_where_the_images_differ(self, first: str, pick: int, page_size: int) -> None:
        one = self.model[first]
        relatives = [
            snapshot_id
            for snapshot_id, each in self.model.items()
            if each.state is State.COMPLETED and each.lineage == one.lineage
        ]
        if one.state is not State.COMPLETED:
            with pytest.raises(RequestError):
                self.world.changed(first, first)
            return
        second = relatives[pick % len(relatives)]
        two = self.model[second]
        changed = self.world.changed(first, second, page_size=page_size)
        assert changed.keys() == {
            index
            for index in one.image.keys() | two.image.keys()
            if one.image.get(index) != two.image.get(index)
        }
        for index, (before, after) in changed.items():
            self._reads(first, index, before)
            self._reads(second, index, after)

    @rule(snapshot_id=sealed, index=indexes)
    def a_token_reads_nothing_else(self, snapshot_id: str, index: int) -> None:
        for token_index, token in (
            self.world.listed(snapshot_id) if self.model[snapshot_id].state is State.COMPLETED else {}
        ).items():
            if token_index != index:
                with pytest.raises(RequestError):
                    self.world.get(snapshot_id, index, token)
