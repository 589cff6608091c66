"""Bugs planted in collection, each of a kind that has lost somebody's data somewhere, and the test that must catch it."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import pytest

from fix_world import MemoryStores
from neve.domain.snapshots import State
from neve.errors import ChunkMissing
from neve.storage.archiving import Archiver
from neve.storage.chunk_store import ChunkStore, Content
from neve.storage.collection import collector, dropping, foretelling, marking, rewriting, sweeping
from neve.storage.collection.marking import Claims, Marking
from neve.storage.collection.rewriting import Rewriter
from neve.storage.collection.round import Round
from neve.storage.collection.sweeping import Sweeper
from neve.stores.metadata.contract_collection import SegmentState
from neve.stores.metadata.contract_needs import Need
from neve.testing.world import World
from unit.storage.collection import (
    test_collector,
    test_interrupted_collections,
    test_rewriting,
    test_sweeping,
)

Plant = Callable[[pytest.MonkeyPatch], None]
Test = Callable[[], None]


def forgotten(which: Callable[[Need], bool]) -> Plant:
    """Some of what needs chunks is not marked from."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        take = Claims.take
        patch.setattr(
            Claims, "take", lambda self, needs: take(self, [need for need in needs if not which(need)])
        )

    return plant


def sources_of_copies_are_forgotten(patch: pytest.MonkeyPatch) -> None:
    add = Claims._add

    def without_sources(self: Claims, need: Need, domain_key: Any, root: Any, *, has_rows: bool) -> None:
        if domain_key == need.domain_key:
            add(self, need, domain_key, root, has_rows=has_rows)

    patch.setattr(Claims, "_add", without_sources)


def unreadable_means_empty(patch: pytest.MonkeyPatch) -> None:
    mark_map = Marking._mark_map

    def lenient(self: Marking, *place: Any) -> None:
        with suppress(Exception):
            mark_map(self, *place)

    patch.setattr(Marking, "_mark_map", lenient)
    patch.setattr(Marking, "marked", 0, raising=False)


def levels_are_believed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(marking, "ROOT_LEVEL", 1)


def what_has_a_mark_counts_as_walked(patch: pytest.MonkeyPatch) -> None:
    """A node that a snapshot being completed holds is marked, and what hangs under it is not."""

    def unwalked(self: Marking, nodes: Sequence[Any]) -> set[Any]:
        return set(nodes) - self._marks.marks(nodes).keys()

    patch.setattr(Marking, "_unwalked", unwalked)


def missing_rows_are_not_missed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Marking, "marked", property(lambda _: 0, lambda *_: None), raising=False)


def nothing_is_too_much(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(collector, "demand_moderation", lambda *_: None)


def deletions_are_final_before_anybody_counted(patch: pytest.MonkeyPatch) -> None:
    foretell = foretelling.foretell

    def too_late(of: Round, *rest: Any) -> Any:
        dropping.close_undos(of, deleted_before_ms=of.clock.now_ms())
        return foretell(of, *rest)

    patch.setattr(collector, "foretell", too_late)


def the_cut_is_not_marked(patch: pytest.MonkeyPatch) -> None:
    """What was foretold is taken for the truth."""
    mark = Marking.mark

    def once(self: Marking, claims: Claims) -> None:
        if not self.marked:
            mark(self, claims)

    patch.setattr(Marking, "mark", once)


def the_archive_is_left_behind(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Archiver, "flush", lambda *_: 0)


def the_other_collection_is_taken_for_damage(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Round, "demand_epoch", lambda _: None)


def copies_are_not_proven(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ChunkStore, "prove", lambda *_: Content(data=b"", digest=None))  # type: ignore[arg-type]  # the bug


def what_cannot_be_proven_is_copied(patch: pytest.MonkeyPatch) -> None:
    """… as it is; what could go wrong?"""
    patch.setattr(Rewriter, "_opened", lambda self, key, _stretch: self._domains.by_key(key))
    copies_are_not_proven(patch)


def bad_rows_are_rewritten(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(rewriting, "any", lambda _: False, raising=False)


def copies_are_not_read_back(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Rewriter, "_compare", lambda *_: None)


def copies_without_an_epoch_stay(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Rewriter, "_forget_copy", lambda *_: None)


def full_disks_end_everything(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(rewriting, "StoreFull", ChunkMissing)


def readers_look_a_chunk_up_once(patch: pytest.MonkeyPatch) -> None:
    def read(self: ChunkStore, domain: Any, chunk_id: Any) -> Content:
        return self._read_record(domain, self._record(domain, chunk_id))

    patch.setattr(ChunkStore, "read", read)


def unexplained_objects_go(patch: pytest.MonkeyPatch) -> None:
    explain = Sweeper._explain_objects

    def tidy(self: Sweeper, listed: Any) -> bool:
        has_cancelled = explain(self, listed)
        for name in self._round.tally.report.unexplained_names:
            self._segments.delete(name)
        return has_cancelled

    patch.setattr(Sweeper, "_explain_objects", tidy)


def a_listing_is_believed(patch: pytest.MonkeyPatch) -> None:
    """What it does not have is not there, and what it has is."""
    patch.setattr(Sweeper, "_is_live", lambda *_: True)
    size = Sweeper._size
    patch.setattr(Sweeper, "_size", lambda self, name: size(self, name) or None)
    patch.setattr(Sweeper, "_find_objects", _believing)


def _believing(self: Sweeper, listed: Any) -> None:
    for uses in self._uses():
        for use in uses:
            if use.state is SegmentState.LIVE and not listed.marks([sweeping._mark_of(use.name)]):
                self._note_missing(use.name)


def bytes_are_not_kept(patch: pytest.MonkeyPatch) -> None:
    delete = Sweeper.delete_condemned
    patch.setattr(
        Sweeper,
        "delete_condemned",
        lambda self, *, condemned_before_ms: delete(self, condemned_before_ms=condemned_before_ms + 10_000),
    )


def records_go_before_bytes(patch: pytest.MonkeyPatch) -> None:
    def wrong_way_round(self: Sweeper, *, condemned_before_ms: int) -> None:
        for name in self._records.condemned(condemned_before_ms=condemned_before_ms, limit=10):
            self._records.forget_segment(name)
            self._segments.delete(name)

    patch.setattr(Sweeper, "delete_condemned", wrong_way_round)


def uploads_count_as_going(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Marking, "_mark_rows", lambda *_: None)


def more_than_the_old_goes(patch: pytest.MonkeyPatch) -> None:
    """A page is taken for all there is."""
    patch.setattr(
        dropping,
        "pages",
        lambda of, key: list(foretelling.pages(of, key))[:0],
    )


def in_a_world(test: Callable[[World], None]) -> Test:
    def run() -> None:
        with World(MemoryStores()) as world:
            test(world)

    return run


def in_worlds(test: Callable[[Callable[..., World]], None]) -> Test:
    def run() -> None:
        made: list[World] = []

        def make(**options: Any) -> World:
            made.append(World(MemoryStores(**_limits(options)), **options))
            return made[-1]

        try:
            test(make)
        finally:
            for world in made:
                world.close()

    return run


def _limits(options: dict[str, Any]) -> dict[str, Any]:
    return {"limits": options["limits"]} if "limits" in options else {}


def patched(test: Callable[[World, pytest.MonkeyPatch], None]) -> Test:
    def run() -> None:
        with World(MemoryStores()) as world, pytest.MonkeyPatch.context() as patch:
            test(world, patch)

    return run


def undeleted_meanwhile() -> None:
    for number in range(1, 90):
        test_interrupted_collections.disturbed_at(
            number, test_interrupted_collections.Disturbance.undelete_and_build_on
        )


PLANTED: dict[str, tuple[Plant, Test]] = {
    "bases are forgotten": (
        forgotten(lambda need: need.state is State.PENDING),
        in_a_world(test_collector.test_a_child_keeps_what_it_has_of_a_parent_that_is_gone),
    ),
    "the bin is forgotten": (
        forgotten(lambda need: need.state is State.RECYCLED),
        in_a_world(test_collector.test_what_is_in_the_recycle_bin_stays),
    ),
    "undos are forgotten": (
        forgotten(lambda need: need.state is State.DELETED),
        in_a_world(
            test_collector.test_a_deletion_can_be_undone_until_a_collection_after_its_time_and_not_after_that
        ),
    ),
    "sources of copies are forgotten": (
        sources_of_copies_are_forgotten,
        in_worlds(test_collector.test_a_copy_under_way_keeps_its_source),
    ),
    "what cannot be read needs nothing": (
        unreadable_means_empty,
        in_a_world(test_collector.test_a_node_that_is_damaged),
    ),
    "levels are believed": (levels_are_believed, in_a_world(test_collector.test_a_node_of_another_level)),
    "what has a mark counts as walked": (
        what_has_a_mark_counts_as_walked,
        in_a_world(test_collector.test_a_node_that_is_held_leads_on_all_the_same),
    ),
    "missing rows are not missed": (
        missing_rows_are_not_missed,
        in_a_world(lambda world: test_collector.test_a_chunk_that_has_no_row(world, 1)),
    ),
    "nothing is too much": (
        nothing_is_too_much,
        in_a_world(test_collector.test_more_than_a_share_of_all_chunks_is_refused_while_it_can_be_undone),
    ),
    "deletions are final first": (
        deletions_are_final_before_anybody_counted,
        in_a_world(test_collector.test_more_than_a_share_of_all_chunks_is_refused_while_it_can_be_undone),
    ),
    "the cut is not marked": (the_cut_is_not_marked, undeleted_meanwhile),
    "the archive is left behind": (
        the_archive_is_left_behind,
        in_a_world(test_collector.test_the_archive_is_brought_up_to_date_before_chunks_go),
    ),
    "another collection is damage": (
        the_other_collection_is_taken_for_damage,
        in_a_world(test_collector.test_one_that_finds_the_work_of_a_younger_one_stops_for_no_doubt),
    ),
    "uploads count as going": (
        uploads_count_as_going,
        in_a_world(test_collector.test_what_is_being_uploaded_is_not_counted_among_what_would_go),
    ),
    "nothing goes": (
        more_than_the_old_goes,
        in_a_world(test_collector.test_a_deleted_snapshot_takes_its_chunks_with_it_and_no_other_ones),
    ),
    "copies are not proven": (
        copies_are_not_proven,
        in_a_world(
            test_rewriting.test_a_segment_with_a_damaged_chunk_is_left_alone_and_told_and_the_others_go_on
        ),
    ),
    "what cannot be proven is copied": (
        what_cannot_be_proven_is_copied,
        in_worlds(
            test_rewriting.test_what_a_disabled_kms_key_keeps_from_being_proven_stays_until_it_is_enabled
        ),
    ),
    "bad rows are rewritten": (
        bad_rows_are_rewritten,
        in_a_world(test_rewriting.test_a_segment_with_a_bad_row_is_not_even_read),
    ),
    "copies are not read back": (
        copies_are_not_read_back,
        patched(test_rewriting.test_a_copy_that_does_not_read_back_is_not_used),
    ),
    "copies without an epoch stay": (
        copies_without_an_epoch_stay,
        in_a_world(test_rewriting.test_a_copy_of_a_collection_that_lost_its_epoch_goes),
    ),
    "a full disk ends everything": (
        full_disks_end_everything,
        patched(test_rewriting.test_without_room_nothing_is_rewritten_and_the_rest_is_done),
    ),
    "readers look once": (
        readers_look_a_chunk_up_once,
        in_a_world(test_rewriting.test_a_reader_that_looked_a_block_up_before_it_moved_finds_it),
    ),
    "unexplained objects go": (
        unexplained_objects_go,
        in_a_world(
            lambda world: test_sweeping.test_what_no_record_explains_is_told_and_left_alone(
                world, dry_run=False
            )
        ),
    ),
    "a listing is believed": (
        a_listing_is_believed,
        in_a_world(test_sweeping.test_a_segment_that_is_published_meanwhile_is_not_missing),
    ),
    "bytes are not kept": (
        bytes_are_not_kept,
        in_a_world(test_collector.test_bytes_go_when_condemned_segments_were_kept_long_enough),
    ),
    "records go before bytes": (
        records_go_before_bytes,
        in_a_world(test_sweeping.test_bytes_that_cannot_be_deleted_keep_their_record),
    ),
}


@pytest.mark.parametrize(("plant", "test"), PLANTED.values(), ids=PLANTED)
def test_the_named_test_catches(plant: Plant, test: Test, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    with pytest.raises(BaseException) as caught:  # noqa: PT011 - an assertion, or pytest's own Failed
        test()
    assert not isinstance(caught.value, AttributeError | TypeError | KeyboardInterrupt), (
        "the bug itself is broken"
    )
