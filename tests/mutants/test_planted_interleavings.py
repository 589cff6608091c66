"""Bugs planted one at a time in puts, completions and collections, found by letting servers run interleaved.

Each is a sentence of the protocol left out of the real code (docs/decisions/017-collection.md), or one that somebody
would leave out who has not read it. Seeds are tried in order until one of them turns something up; the harness is worth
what it finds within `SEEDS_MAX`.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from fix_world import MemoryStores
from interleaving_scene import interleaved
from neve.storage import committer
from neve.storage.collection import dropping
from neve.storage.collection.rewriting import Rewriter
from neve.storage.collection.sweeping import Sweeper
from neve.storage.committer import Committer
from neve.stores.metadata.contract import WriteOutcome
from neve.stores.metadata.contract_collection import Dropped, SegmentState
from neve.stores.metadata.contract_needs import Need
from neve.testing.memory_collection import MemoryCollectionRecords
from neve.testing.memory_metadata import MemoryMetadataStore

Plant = Callable[[pytest.MonkeyPatch], None]
SEEDS_MAX = 300


# --- in writers


def acknowledged_before_it_is_published(patch: pytest.MonkeyPatch) -> None:
    write = Committer._write_segment

    def early(self: Committer, entries: list[Any]) -> Any:
        batch = write(self, entries)
        for entry in entries:
            another = committer.Lock()  # type: ignore[attr-defined]  # the scheduler's
            another.acquire()
            entry.outcome, waiter, entry.done = WriteOutcome.WRITTEN, entry.done, another
            waiter.release()
        return batch

    patch.setattr(Committer, "_write_segment", early)


class _Later:
    """A segment store that writes when it is told to."""

    def __init__(self, segments: Any) -> None:
        self._segments = segments
        self._own = threading.local()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._segments, name)

    def write(self, *segment: Any) -> None:
        self._own.segment = segment

    def write_now(self) -> None:
        segment, self._own.segment = getattr(self._own, "segment", None), None
        if segment is not None:
            self._segments.write(*segment)


def published_before_it_is_written(patch: pytest.MonkeyPatch) -> None:
    make, commit = Committer.__init__, Committer._commit

    def made(self: Committer, *, segments: Any, **rest: Any) -> None:
        make(self, segments=_Later(segments), **rest)

    def reversed_order(self: Committer, number: int, entries: list[Any]) -> Any:
        try:
            return commit(self, number, entries)
        finally:
            self._segments.write_now()  # type: ignore[attr-defined]

    patch.setattr(Committer, "__init__", made)
    patch.setattr(Committer, "_commit", reversed_order)


def a_hit_is_trusted(patch: pytest.MonkeyPatch) -> None:
    """What was found stored is taken for stored, whatever the transaction says."""
    commit = Committer._commit

    def trusting(self: Committer, number: int, entries: list[Any]) -> Any:
        outcomes = commit(self, number, entries)
        return [WriteOutcome.WRITTEN if each is WriteOutcome.CHUNK_GONE else each for each in outcomes]

    patch.setattr(Committer, "_commit", trusting)


def what_was_cancelled_is_published(patch: pytest.MonkeyPatch) -> None:
    publish = MemoryMetadataStore.publish

    def lenient(self: Any, batch: Any, *, now_ms: int) -> Any:
        segments = self._kept.segments
        if batch.segment in segments and segments[batch.segment].state is SegmentState.CANCELLED:
            segments[batch.segment] = replace(segments[batch.segment], state=SegmentState.RESERVED)
        return publish(self, batch, now_ms=now_ms)

    patch.setattr(MemoryMetadataStore, "publish", lenient)


def completion_drops_rows(patch: pytest.MonkeyPatch) -> None:
    finish = MemoryMetadataStore.finish_completion

    def dropping_rows(self: Any, key: Any, sealed: Any, *, now_ms: int) -> bool:
        finished = finish(self, key, sealed, now_ms=now_ms)
        if finished:
            self._kept.blocks[key].clear()
            self._kept.holds[key].clear()
        return finished

    patch.setattr(MemoryMetadataStore, "finish_completion", dropping_rows)


def nodes_are_not_held(patch: pytest.MonkeyPatch) -> None:
    publish = MemoryMetadataStore.publish

    def forgetful(self: Any, batch: Any, *, now_ms: int) -> Any:
        result = publish(self, batch, now_ms=now_ms)
        for hold in batch.holds:
            self._kept.holds[hold.snapshot_key].clear()
        return result

    patch.setattr(MemoryMetadataStore, "publish", forgetful)


# --- in collections


def an_old_epoch_is_good_enough(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(MemoryCollectionRecords, "_demand", lambda *_: None)


def chunks_go_without_another_look(patch: pytest.MonkeyPatch) -> None:
    """What uploads under way name is noted at the cut, and not asked again when chunks go."""
    cut = MemoryCollectionRecords.cut
    named: set[Any] = set()

    def noting(self: Any, epoch: Any, **takes: Any) -> Any:
        chunks = self._chunks
        named.clear()
        for key in chunks.blocks.keys() - chunks.unsettled:
            domain_key = self._snapshots[key].domain_key
            named.update((domain_key, row.chunk_id) for row in chunks.blocks[key].values())
            named.update(chunks.holds[key])
        return cut(self, epoch, **takes)

    def careless(self: Any, epoch: Any, domain_key: Any, chunk_ids: Sequence[Any], *, newest: Any) -> Dropped:
        self._demand(epoch)
        chunks = self._chunks
        for name in [(domain_key, chunk_id) for chunk_id in chunk_ids]:
            if name in chunks.keys and chunks.keys[name] <= newest and name not in named:
                chunks.drop(name)
        return Dropped()

    patch.setattr(MemoryCollectionRecords, "cut", noting)
    patch.setattr(MemoryCollectionRecords, "drop_chunks", careless)


def _with_other_needs(patch: pytest.MonkeyPatch, change: Callable[[Need], Need | None]) -> None:
    give = MemoryCollectionRecords._give_needs

    def changed(self: Any, take: Any) -> None:
        give(self, lambda needs: take([new for need in needs if (new := change(need)) is not None]))

    patch.setattr(MemoryCollectionRecords, "_give_needs", changed)


def base_roots_are_not_in_the_cut(patch: pytest.MonkeyPatch) -> None:
    _with_other_needs(patch, lambda need: replace(need, root=None) if need.is_written else need)


def what_can_be_undone_is_not_in_the_cut(patch: pytest.MonkeyPatch) -> None:
    _with_other_needs(patch, lambda need: None if need.state == "deleted" else need)


def rows_go_of_what_was_completed_since(patch: pytest.MonkeyPatch) -> None:
    drop = dropping.drop_rows

    def latest(of: Any, _unsettled: Any) -> None:
        now: list[Any] = []
        of.metadata.collection.cut(of.own_epoch, needs=lambda _: None, unsettled=now.extend)
        drop(of, now)

    patch.setattr(dropping, "drop_rows", latest)


def what_is_reserved_is_swept(patch: pytest.MonkeyPatch) -> None:
    """A reservation that is there when objects are listed is taken for one that nobody needs."""
    states = MemoryCollectionRecords.segment_states

    def lenient(self: Any, names: Any) -> Any:
        return {
            name: SegmentState.CANCELLED if state is SegmentState.RESERVED else state
            for name, state in states(self, names).items()
        }

    patch.setattr(MemoryCollectionRecords, "segment_states", lenient)


def segments_are_condemned_with_rows(patch: pytest.MonkeyPatch) -> None:
    """What was copied is condemned, whether all of its rows moved or not."""
    condemn = MemoryCollectionRecords.condemn

    def blind(self: Any, epoch: Any, names: Any, *, now_ms: int) -> Any:
        self._demand(epoch)
        for name in names:
            if self._state_of(name) is SegmentState.LIVE:
                self._change(name, state=SegmentState.CONDEMNED, condemned_ms=now_ms)
        return condemn(self, epoch, names, now_ms=now_ms)

    patch.setattr(MemoryCollectionRecords, "condemn", blind)


def what_was_copied_goes_before_rows_point_to_the_copy(patch: pytest.MonkeyPatch) -> None:
    copy = Rewriter._copy

    def hasty(self: Any, old: Any, chunks: Any) -> None:
        for use in old:
            self._segments.delete(use.name)
        copy(self, old, chunks)

    patch.setattr(Rewriter, "_copy", hasty)


def records_go_before_bytes(patch: pytest.MonkeyPatch) -> None:
    def reversed_order(self: Any, *, condemned_before_ms: int) -> None:
        for name in self._records.condemned(condemned_before_ms=condemned_before_ms, limit=1_000):
            self._records.forget_segment(name)
            self._segments.delete(name)

    patch.setattr(Sweeper, "delete_condemned", reversed_order)


PLANTED: Sequence[Plant] = (
    acknowledged_before_it_is_published,
    published_before_it_is_written,
    a_hit_is_trusted,
    what_was_cancelled_is_published,
    completion_drops_rows,
    nodes_are_not_held,
    an_old_epoch_is_good_enough,
    chunks_go_without_another_look,
    base_roots_are_not_in_the_cut,
    what_can_be_undone_is_not_in_the_cut,
    rows_go_of_what_was_completed_since,
    what_is_reserved_is_swept,
    segments_are_condemned_with_rows,
    what_was_copied_goes_before_rows_point_to_the_copy,
    records_go_before_bytes,
)

QUICK: Sequence[Plant] = (
    acknowledged_before_it_is_published,
    published_before_it_is_written,
    what_was_copied_goes_before_rows_point_to_the_copy,
)


def what_turns_up(plant: Plant, patch: pytest.MonkeyPatch) -> Exception | None:
    plant(patch)
    for seed in range(SEEDS_MAX):
        try:
            interleaved(seed, MemoryStores())
        except Exception as error:  # noqa: BLE001 - however it shows
            return error
    return None


def demand(found: Exception | None) -> None:
    assert found is not None, f"{SEEDS_MAX} seeds show nothing"
    assert not isinstance(found, AttributeError | TypeError | KeyError | NameError), (
        "the bug itself is broken"
    )
    assert found.__notes__[0].startswith("seed ")


@pytest.mark.parametrize("plant", QUICK, ids=lambda plant: plant.__name__)
def test_a_bug_that_shows_soon_turns_up(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    demand(what_turns_up(plant, monkeypatch))


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "plant", [plant for plant in PLANTED if plant not in QUICK], ids=lambda plant: plant.__name__
)
def test_a_bug_turns_up(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    demand(what_turns_up(plant, monkeypatch))
