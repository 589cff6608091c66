"""The service against a model of it: one dictionary of blocks for each snapshot.

Hypothesis writes programs out of the rules below, runs each against both, and shrinks the first one on which
they differ. The model knows nothing of chunks, digests, trees or rows: that is its worth.

Blocks have 64 bytes, maps branch 16 ways, and the universe is small enough to collide: equal contents, equal
indexes and neighbouring nodes are where sharing, replacing and paging go wrong.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from neve.domain.blocks import digest
from neve.domain.identities import SnapshotId
from neve.domain.snapshots import State, observed
from neve.errors import RequestError
from neve.limits import TINY
from neve.messages.ebs import StartSnapshotRequest
from neve.operations.ebs.start_snapshot import start_snapshot
from neve.testing.time_and_chance import ManualClock
from neve.testing.world import ACCOUNT, Stores, World, aggregate_of

indexes = st.sampled_from([0, 1, 2, 15, 16, 17, 255, 256, 257, 2046, 2047])
fills = st.integers(min_value=0, max_value=2)
page_sizes = st.integers(min_value=1, max_value=4)


def block(fill: int) -> bytes:
    return bytes([fill]) * TINY.block_bytes


@dataclass
class Modelled:
    """What one snapshot must look like."""

    image: dict[int, bytes]
    lineage: str
    written: dict[int, bytes] = field(default_factory=dict)
    state: State = State.PENDING
    timeout_minutes: int = 60
    last_write_ms: int = 0


class SnapshotMachine(RuleBasedStateMachine):
    """Start, put, complete, list, compare, read, delete, wait and restart, in any order."""

    make_stores: ClassVar[Callable[[], Stores]]

    snapshots = Bundle("snapshots")

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.world = World(type(self).make_stores(), clock=self.clock)
        self.model: dict[str, Modelled] = {}
        self.tokens: dict[str, tuple[StartSnapshotRequest, str]] = {}

    def teardown(self) -> None:
        """Read everything once more after a last restart: what a program leaves behind is what counts."""
        try:
            self.world.restart()
            for snapshot_id, modelled in self.model.items():
                if modelled.state is State.COMPLETED:
                    assert self.world.read(snapshot_id) == modelled.image
            assert self.world.damage == []
        finally:
            self.world.close()

    # --- starting

    @rule(target=snapshots, timeout=st.sampled_from([10, 60]))
    def start(self, timeout: int) -> str:
        return self._started(self.world.start(timeout=timeout), None, timeout)

    @rule(target=snapshots, parent=snapshots)
    def start_child(self, parent: str) -> object:
        if self.model[parent].state is not State.COMPLETED:
            with pytest.raises(RequestError):
                self.world.start(parent=parent)
            return multiple()
        return self._started(self.world.start(parent=parent), parent, 60)

    def _started(self, snapshot_id: str, parent: str | None, timeout: int) -> str:
        assert snapshot_id not in self.model
        self.model[snapshot_id] = Modelled(
            image=dict(self.model[parent].image) if parent else {},
            lineage=self.model[parent].lineage if parent else snapshot_id,
            timeout_minutes=timeout,
            last_write_ms=self.clock.now_ms(),
        )
        return snapshot_id

    @rule(target=snapshots, name=st.sampled_from("ab"), description=st.sampled_from(["one", "two"]))
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

    @rule(snapshot_id=snapshots, index=indexes, fill=fills, times=st.integers(1, 2))
    def put(self, snapshot_id: str, index: int, fill: int, times: int) -> None:
        modelled = self.model[snapshot_id]
        if modelled.state is not State.PENDING:
            with pytest.raises(RequestError):
                self.world.put(snapshot_id, index, block(fill))
            return
        for _ in range(times):  # a client that lost the answer asks again
            self.world.put(snapshot_id, index, block(fill))
        modelled.written[index] = modelled.image[index] = block(fill)
        modelled.last_write_ms = self.clock.now_ms()

    @rule(snapshot_id=snapshots, index=indexes, fill=fills)
    def put_with_a_wrong_checksum(self, snapshot_id: str, index: int, fill: int) -> None:
        with pytest.raises(RequestError):
            self.world.put(snapshot_id, index, block(fill), checksum_of=block(fill + 1))

    @rule(snapshot_id=snapshots, fill=fills)
    def put_beyond_the_volume(self, snapshot_id: str, fill: int) -> None:
        with pytest.raises(RequestError):
            self.world.put(snapshot_id, 2048, block(fill))

    # --- completing

    @rule(snapshot_id=snapshots, with_aggregate=st.booleans(), off_by=st.sampled_from([0, 0, 0, 1]))
    def complete(self, snapshot_id: str, with_aggregate: bool, off_by: int) -> None:
        modelled = self.model[snapshot_id]
        if modelled.state is State.DELETED:
            with pytest.raises(RequestError):
                self.world.complete(snapshot_id, count=0)
            return
        aggregate = aggregate_of(modelled.written) if with_aggregate else None
        ended = self.world.complete(snapshot_id, count=len(modelled.written) + off_by, aggregate=aggregate)
        if modelled.state is State.PENDING:
            modelled.state = State.ERROR if off_by else State.COMPLETED
        assert ended is modelled.state

    @rule(snapshot_id=snapshots)
    def complete_with_a_wrong_aggregate(self, snapshot_id: str) -> None:
        modelled = self.model[snapshot_id]
        if modelled.state is State.PENDING:
            wrong = digest(b"wrong")
            ended = self.world.complete(snapshot_id, count=len(modelled.written), aggregate=wrong)
            assert ended is State.ERROR
            modelled.state = State.ERROR

    # --- taking away, time, trouble

    @rule(snapshot_id=consumes(snapshots))
    def delete(self, snapshot_id: str) -> None:
        if self.model[snapshot_id].state is not State.DELETED:
            self.world.delete(snapshot_id)
        self.model[snapshot_id].state = State.DELETED

    @rule(minutes=st.sampled_from([1, 5, 11, 61]), swept=st.booleans())
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

    @rule(snapshot_id=snapshots, page_size=page_sizes)
    def every_completed_snapshot_reads_as_the_model_says(self, snapshot_id: str, page_size: int) -> None:
        modelled = self.model[snapshot_id]
        if modelled.state is not State.COMPLETED:
            with pytest.raises(RequestError):
                self.world.listed(snapshot_id)
            return
        tokens = self.world.listed(snapshot_id, page_size=page_size)
        read = {index: self.world.get(snapshot_id, index, token) for index, token in tokens.items()}
        assert read == modelled.image
        record = self.world.metadata.snapshot(ACCOUNT, SnapshotId(snapshot_id))
        assert record.block_count == len(modelled.image)

    @rule(first=snapshots, second=snapshots, page_size=page_sizes)
    def changed_blocks_are_where_the_images_differ(self, first: str, second: str, page_size: int) -> None:
        one, two = self.model[first], self.model[second]
        if State.COMPLETED is not one.state or State.COMPLETED is not two.state or one.lineage != two.lineage:
            with pytest.raises(RequestError):
                self.world.changed(first, second)
            return
        changed = self.world.changed(first, second, page_size=page_size)
        assert {
            index: (
                None if before is None else self.world.get(first, index, before),
                None if after is None else self.world.get(second, index, after),
            )
            for index, (before, after) in changed.items()
        } == {
            index: (one.image.get(index), two.image.get(index))
            for index in one.image.keys() | two.image.keys()
            if one.image.get(index) != two.image.get(index)
        }

    @rule(snapshot_id=snapshots, index=indexes)
    def a_token_reads_nothing_else(self, snapshot_id: str, index: int) -> None:
        for token_index, token in (
            self.world.listed(snapshot_id) if self.model[snapshot_id].state is State.COMPLETED else {}
        ).items():
            if token_index != index:
                with pytest.raises(RequestError):
                    self.world.get(snapshot_id, index, token)
