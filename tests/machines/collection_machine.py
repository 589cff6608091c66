"""The snapshot machine, with collections in it: at any moment, with anybody doing anything in their middle, and killed.

The model is the old one and stays as simple: a snapshot reads as it was written until it is deleted, and after that it can
be brought back until a collection says that it cannot. It knows nothing of what is shared.
"""

from collections.abc import Callable

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, consumes, initialize, multiple, rule

from collection_scene import Between, nothing_leaks, undelete
from copy_scene import ask
from machines.snapshot_machine import Modelled, SnapshotMachine, fills, indexes, keys
from neve.domain.identities import SnapshotId
from neve.domain.snapshots import State
from neve.errors import RequestError, SnapshotNotFound, StoreUnavailable
from neve.testing.world import ACCOUNT
from usage_scene import KEEP_ALL

UNDO_S = 240
KEEP_S = 60
NO_DEADLINE = 1 << 40
"""The timeout of a copy: what tells it from others here."""
moments = st.integers(min_value=1, max_value=250)
"""A call of a collection to a store: some have as many, others fewer, and then it comes after them."""


class CollectionMachine(SnapshotMachine):
    """… and throw into the bin, copy, and do all of it while a collection runs, or is killed."""

    in_bin = Bundle("in_bin")
    copies = Bundle("copies")

    def teardown(self) -> None:
        """… and hold what is stored to what a naive mark says, when everything that could be over is over."""
        try:
            self.enable_keys()
            self.clock.advance(minutes=1)
            self.world.restart()
            nothing_leaks(self.world)
        finally:
            super().teardown()

    @initialize(
        target=SnapshotMachine.sealed,
        key=keys,
        writes=st.lists(st.tuples(indexes, fills), min_size=1, max_size=6),
    )
    def backups_of_the_last_days(self, key: int | None, writes: list[tuple[int, int]]) -> object:
        """Three generations, so that there is something to take away from the start."""
        oldest = self.start(60, key)
        assert isinstance(oldest, str)
        self.put(oldest, writes)
        self.complete(oldest, with_aggregate=True)
        middle = self.next_generation(oldest, [(1, 2), (16, 1)])
        assert isinstance(middle, str)
        newest = self.next_generation(middle, [(1, 1), (256, 2)])
        return multiple(oldest, middle, newest)

    # --- collections, by themselves and in the middle of everything

    @rule(
        target=SnapshotMachine.sealed,
        parent=consumes(SnapshotMachine.sealed),
        writes=st.lists(st.tuples(indexes, fills), min_size=1, max_size=4),
    )
    def a_day(self, parent: str, writes: list[tuple[int, int]]) -> object:
        """The next generation, and its parent is deleted; what was deleted yesterday goes."""
        child = self.next_generation(parent, writes)
        if not isinstance(child, str):
            return parent
        self.delete(parent)
        self.time_passes(5, True)
        self.collect(UNDO_S)
        return child

    @rule(at=moments, after=st.booleans())
    def collection_is_killed(self, at: int, after: bool) -> None:
        between = Between(self.world)
        between.fail_at(at, after=after)
        try:
            between.collect(undo_s=UNDO_S, keep_s=KEEP_S)
        except StoreUnavailable:
            self.world.restart()
        there = self.world.metadata.collection.deletions(None, after=None, limit=1000)
        for snapshot_id in self._undoable().difference(each.snapshot_id for each in there):
            assert self._is_over(snapshot_id), "only what was over may be final"
            self.model[snapshot_id].undoable_since_ms = None

    @rule(at=moments)
    def another_collection_begins(self, at: int) -> None:
        self._during(at, lambda: self.collect(UNDO_S))

    @rule(
        snapshot_id=SnapshotMachine.pending,
        writes=st.lists(st.tuples(indexes, fills), min_size=1, max_size=4),
        at=moments,
    )
    def put_meanwhile(self, snapshot_id: str, writes: list[tuple[int, int]], at: int) -> None:
        self._during(at, lambda: self.put(snapshot_id, writes))

    @rule(target=SnapshotMachine.pending, parent=SnapshotMachine.sealed, at=moments)
    def start_child_meanwhile(self, parent: str, at: int) -> object:
        return self._during(at, lambda: self.start_child(parent))

    @rule(target=SnapshotMachine.sealed, snapshot_id=consumes(SnapshotMachine.pending), at=moments)
    def complete_meanwhile(self, snapshot_id: str, at: int) -> object:
        return self._during(at, lambda: self.complete(snapshot_id, with_aggregate=True))

    @rule(target=SnapshotMachine.deleted, snapshot_id=consumes(SnapshotMachine.sealed), at=moments)
    def delete_meanwhile(self, snapshot_id: str, at: int) -> object:
        return self._during(at, lambda: self.delete(snapshot_id))

    @rule(target=SnapshotMachine.sealed, snapshot_id=consumes(SnapshotMachine.deleted), at=moments)
    def undelete_meanwhile(self, snapshot_id: str, at: int) -> object:
        """Whether it comes before the collection makes it final is not known here."""

        def bring_back() -> object:
            try:
                undelete(self.world, snapshot_id)
            except SnapshotNotFound:
                assert snapshot_id not in self._undoable() or self._is_over(snapshot_id)
                self.model[snapshot_id].undoable_since_ms = None
                return multiple()
            assert snapshot_id in self._undoable()
            return self._is_back(snapshot_id)

        return self._during(at, bring_back)

    @rule(target=SnapshotMachine.sealed, parent=consumes(SnapshotMachine.deleted), at=moments)
    def build_on_what_was_brought_back_meanwhile(self, parent: str, at: int) -> object:
        """… and delete it again: the child's base is all that is left of it."""
        if parent not in self._undoable() or self._is_over(parent):
            return multiple()

        def act() -> object:
            undelete(self.world, parent)
            self._is_back(parent)
            child = self.next_generation(parent, [(2, 1), (257, 2)])
            self.delete(parent)
            return child

        return self._during(at, act)

    def _during(self, at: int, act: Callable[[], object]) -> object:
        """Do something in the middle of a collection, or after it."""
        done: list[object] = []
        between = Between(self.world)
        between.do_at(at, lambda: done.append(act()))
        now_ms = self.clock.now_ms()
        between.collect(undo_s=UNDO_S, keep_s=KEEP_S)
        if not done:
            self._close_undos(now_ms)
            done.append(act())
        self._close_undos(now_ms)
        [outcome] = done
        return outcome

    def _undoable(self) -> set[str]:
        return {name for name, each in self.model.items() if each.undoable_since_ms is not None}

    def _is_back(self, snapshot_id: str) -> str:
        modelled = self.model[snapshot_id]
        modelled.state, modelled.undoable_since_ms = State.COMPLETED, None
        return snapshot_id

    def _close_undos(self, now_ms: int) -> None:
        for snapshot_id in self._undoable():
            if self._is_over(snapshot_id, now_ms):
                self.model[snapshot_id].undoable_since_ms = None

    def _is_over(self, snapshot_id: str, now_ms: int | None = None) -> bool:
        since_ms = self.model[snapshot_id].undoable_since_ms
        assert since_ms is not None
        return since_ms < (self.clock.now_ms() if now_ms is None else now_ms) - UNDO_S * 1000

    # --- the bin, and copies

    @rule(target=in_bin, snapshot_id=consumes(SnapshotMachine.sealed))
    def throw_into_the_bin(self, snapshot_id: str) -> object:
        if self.model[snapshot_id].state is not State.COMPLETED:
            return multiple()
        records = self.world.metadata.lifecycle
        records.change_rules(ACCOUNT, lambda _: KEEP_ALL)
        super().delete(snapshot_id)
        self.model[snapshot_id].undoable_since_ms = None
        records.remove_rule(ACCOUNT, KEEP_ALL.rule_id)
        return snapshot_id

    @rule(target=SnapshotMachine.sealed, snapshot_id=consumes(in_bin))
    def take_out_of_the_bin(self, snapshot_id: str) -> str:
        records = self.world.metadata.lifecycle
        records.restore(ACCOUNT, SnapshotId(snapshot_id), now_ms=self.clock.now_ms())
        self.model[snapshot_id].state = State.COMPLETED
        return snapshot_id

    @rule(target=copies, source=SnapshotMachine.sealed, key=keys)
    def begin_to_copy(self, source: str, key: int | None) -> object:
        if self.model[source].state is not State.COMPLETED or (self.model[source].key and key is None):
            return multiple()
        self.enable_keys()
        arn = None if key is None else self.key_arns[key]
        copy = ask(self.world, source, encrypted=arn is not None, kms_key_id=arn).snapshot_id
        self.model[copy] = Modelled(
            image=dict(self.model[source].image), lineage=copy, key=arn, timeout_minutes=NO_DEADLINE
        )
        self.go_on_copying()  # it knows its source now, which may go
        return copy

    @rule()
    def go_on_copying(self) -> None:
        self.enable_keys()
        for copy in self.world.metadata.lifecycle.copies(after=None, limit=100):
            self.world.copier.advance(copy)
        self.world.seal()
        for snapshot in self.world.metadata.snapshots(ACCOUNT, after=None, limit=1000):
            if self.model[snapshot.snapshot_id].timeout_minutes == NO_DEADLINE:
                self.model[snapshot.snapshot_id].state = snapshot.state
                assert snapshot.state is not State.ERROR, snapshot.state_message

    @rule(snapshot_id=SnapshotMachine.sealed, count=st.integers(0, 3))
    def complete_again(self, snapshot_id: str, count: int) -> None:
        if self.model[snapshot_id].timeout_minutes != NO_DEADLINE:
            super().complete_again(snapshot_id, count)
            return
        with pytest.raises(RequestError):  # of a copy there is nothing to complete
            self.world.complete(snapshot_id, count=count)

    @rule(target=SnapshotMachine.sealed, snapshot_id=consumes(copies))
    def finish_copying(self, snapshot_id: str) -> str:
        while self.model[snapshot_id].state is not State.COMPLETED:
            self.go_on_copying()
        return snapshot_id
