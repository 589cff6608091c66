"""The programs of `metadata_machine`, with collectors, undoing, segments that go and chunks that move among them.

A machine of its own, so that it searches densely. The blocks of its snapshots make no trees, so what a collector drops
is drawn, not marked: what is held to account is that both stores let the same things go, and keep the rest.
"""

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from neve.domain.locks import DAY_MS
from neve.domain.snapshots import SnapshotKey
from neve.stores.metadata.contract import EVERYBODY
from neve.stores.metadata.contract_collection import ChunkKey, Epoch, Moved, SegmentUse
from neve.stores.metadata.contract_needs import Need
from neve.stores.metadata.placement import Encoding, SegmentName
from neve.testing.metadata_contract_bin import rule_of
from neve.testing.metadata_machine import (
    ACCOUNT_OF_DOMAIN,
    ACCOUNTS,
    CHUNKS,
    MetadataMachine,
    Side,
    chunks,
    domains,
    picks,
    seldom,
    tags,
)
from neve.testing.metadata_scene import MINUTE_MS, chunk_id, segment_name, snapshot_id

segments = st.sampled_from([0, 0, 1, 1, 2, 3, 4, 5])
"""Which of the segments there are, counted from the newest name."""
some_chunks = st.lists(chunks, min_size=1, max_size=3)
slices = st.sampled_from([1, 2, 100])


class CollectionMachine(MetadataMachine):
    """The rules. A subclass says which store is put to the test."""

    def __init__(self) -> None:
        super().__init__()
        self._epoch = Epoch(0)
        self._newest: dict[Side, ChunkKey] = {}
        self._unsettled: Sequence[SnapshotKey] = ()

    def _segment(self, pick: int) -> SegmentName:
        return segment_name(max(self._reserved - pick, 1))

    def _given(self, *, is_lost: bool) -> Epoch:
        """Return the epoch of the collector who began last, or of an earlier one."""
        return Epoch(self._epoch - is_lost)

    # --- collectors

    @rule()
    def begin(self) -> None:
        self._epoch = self.both(lambda side: side.store.collection.begin())

    @rule(is_lost=seldom)
    def cut(self, *, is_lost: bool) -> None:
        epoch = self._given(is_lost=is_lost)
        self._unsettled = []

        def call(side: Side) -> object:
            needs: list[Need] = []
            unsettled: list[SnapshotKey] = []
            cut = side.store.collection.cut(epoch, needs=needs.extend, unsettled=unsettled.extend)
            self._newest[side], self._unsettled = cut.newest_chunk, unsettled
            return needs, unsettled, cut.chunk_rows

        self.both(call)

    @rule(pick=picks, limit=slices, is_lost=seldom)
    def drop_rows(self, pick: int, *, limit: int, is_lost: bool) -> None:
        number, epoch = self._number(pick), self._given(is_lost=is_lost)
        self.both(lambda side: side.store.collection.drop_rows(epoch, side.key(number), limit=limit))

    @rule(domain=domains, dropped=some_chunks, is_newer_too=st.booleans(), is_lost=seldom)
    def drop_chunks(self, *, domain: int, dropped: Sequence[int], is_newer_too: bool, is_lost: bool) -> None:
        epoch, ids = self._given(is_lost=is_lost), [chunk_id(number) for number in dropped]
        newest = ChunkKey(1 << 40)
        self.both(
            lambda side: side.store.collection.drop_chunks(
                epoch,
                side.domain_key(domain),
                ids,
                newest=newest if is_newer_too else self._newest.get(side, ChunkKey(0)),
            )
        )

    @rule(limit=slices, is_lost=seldom, is_reaped=st.booleans())
    def forget(self, *, limit: int, is_lost: bool, is_reaped: bool) -> None:
        """Forget snapshots, those that were never completed once their rows have been seen to be gone."""
        epoch = self._given(is_lost=is_lost)
        self.both(lambda side: side.store.reap(limit=100))
        if is_reaped:
            before_ms = self.now_ms + DAY_MS
            self.both(lambda side: side.store.forget_client_tokens(used_before_ms=before_ms, limit=100))
        self.both(lambda side: side.store.collection.forget_snapshots(epoch, limit=limit))

    @rule(minutes=st.sampled_from([0, 0, 1, -1]), dropped=some_chunks, newer=st.dictionaries(chunks, chunks))
    def collect(self, minutes: int, dropped: Sequence[int], newer: dict[int, int]) -> None:
        """Have a collector go all the way, while somebody writes to the newest snapshot."""
        self.begin()
        self.close_undos(minutes=minutes, limit=100, is_lost=False)
        self.cut(is_lost=False)
        if newer:
            self.put_new_blocks(0, newer)
        for key in self._unsettled:
            self._settle(key)
        for domain in range(len(ACCOUNT_OF_DOMAIN)):
            self.drop_chunks(domain=domain, dropped=dropped, is_newer_too=False, is_lost=False)
        self.forget(limit=100, is_lost=False, is_reaped=False)
        self.condemn(picked=range(self._reserved), is_lost=False)

    def _settle(self, key: SnapshotKey) -> None:
        self.both(lambda side: side.store.collection.drop_rows(self._epoch, key, limit=100))

    # --- segments

    @rule(picked=st.lists(segments, min_size=1, max_size=3), is_lost=seldom)
    def condemn(self, picked: Sequence[int], *, is_lost: bool) -> None:
        """Condemn segments that may go; whoever verifies one at that time comes too late to say so."""
        epoch, names = self._given(is_lost=is_lost), [self._segment(pick) for pick in picked]
        self.both(lambda side: side.store.collection.condemn(epoch, names, now_ms=self.now_ms))
        for pick in picked[-1:]:
            self.verify(pick, 0, is_distrusted=False)

    @rule(pick=segments, minutes=st.integers(-1, 2))
    def forget_a_segment(self, pick: int, minutes: int) -> None:
        before_ms, name = self.now_ms + minutes * MINUTE_MS, self._segment(pick)
        self.both(lambda side: side.store.collection.condemned(condemned_before_ms=before_ms, limit=2))
        self.both(lambda side: side.store.collection.condemned(condemned_before_ms=self.now_ms, limit=2))
        self.both(lambda side: side.store.collection.forget_segment(name))

    @rule(
        domain=domains,
        copied=some_chunks,
        meanwhile=st.sampled_from(["nothing", "nothing", "bad", "healed", "dropped", "cancelled"]),
        is_misread=seldom,
        is_lost=seldom,
    )
    def repoint(
        self, *, domain: int, copied: Sequence[int], meanwhile: str, is_misread: bool, is_lost: bool
    ) -> None:
        self._reserved += 1
        segment, epoch = segment_name(self._reserved), self._given(is_lost=is_lost)
        self.both(lambda side: side.store.reserve_segments([segment], now_ms=self.now_ms))
        moves = {
            side: self._moves(side, domain, copied, segment, is_misread=is_misread)
            for side in (self.model, self.subject)
        }
        match meanwhile:
            case "bad" | "healed":
                self.mark_bad(domain, copied[0])
                if meanwhile == "healed" and copied[0]:
                    self._publish(domain, [copied[0]], [], [])
            case "dropped":
                self.drop_chunks(domain=domain, dropped=copied[:1], is_newer_too=True, is_lost=False)
            case "cancelled":
                self.both(lambda side: side.store.cancel_reservations())
        self.both(lambda side: side.store.collection.repoint(epoch, segment, moves[side], segment_bytes=9))

    def _moves(
        self, side: Side, domain: int, copied: Sequence[int], segment: SegmentName, *, is_misread: bool
    ) -> Sequence[Moved]:
        found = side.store.chunks(side.domain_key(domain), [chunk_id(number) for number in copied])
        return [
            Moved(
                old=replace(record, offset=record.offset + is_misread),
                new=replace(record, segment=segment, offset=place, encoding=Encoding.RAW),
            )
            for place, record in enumerate(found.values())
        ]

    @rule(pick=segments, minutes=st.integers(-1, 1), is_distrusted=seldom)
    def verify(self, pick: int, minutes: int, *, is_distrusted: bool) -> None:
        name, at_ms = self._segment(pick), self.now_ms + minutes * MINUTE_MS
        self.both(lambda side: side.store.collection.set_verified(name, now_ms=at_ms))
        if is_distrusted:
            self.both(lambda side: side.store.collection.distrust_verified(after_ms=self.now_ms))

    # --- what is bad

    @rule(domain=domains, chunk=chunks)
    def mark_bad(self, domain: int, chunk: int) -> None:
        self.both(lambda side: side.store.mark_bad(side.domain_key(domain), chunk_id(chunk)))

    @rule(domain=domains, chunk=chunks, is_healed=st.booleans())
    def clear_bad(self, domain: int, chunk: int, *, is_healed: bool) -> None:
        """Prove a chunk right, perhaps where it no longer is."""
        name = chunk_id(chunk)
        proven = {
            side: side.store.chunks(side.domain_key(domain), [name]) for side in (self.model, self.subject)
        }
        if is_healed and chunk:
            self.mark_bad(domain, chunk)
            self._publish(domain, [chunk], [], [])
            self.mark_bad(domain, chunk)
        self.both(lambda side: [side.store.collection.clear_bad(record) for record in proven[side].values()])

    @rule(domain=domains, chunk=chunks, limit=slices)
    def ask_who_uses(self, domain: int, chunk: int, limit: int) -> None:
        name = chunk_id(chunk)
        self.both(lambda side: side.store.collection.uses(side.domain_key(domain), name, limit=limit))

    # --- undoing

    @rule(
        pick=picks,
        given=tags,
        granted=st.sampled_from([(), (EVERYBODY,), ACCOUNTS]),
        is_in_bin=st.booleans(),
    )
    def delete_one_with_everything(
        self, pick: int, *, given: dict[str, str], granted: Sequence[str], is_in_bin: bool
    ) -> None:
        """Delete a completed snapshot that has tags and was shared, by way of the bin or at once."""
        owner, name = self._account(pick, is_stranger=False), snapshot_id(self._number(pick))
        guest = self._account(pick, is_stranger=True)
        self.put_tags(named=[pick], is_stranger=False, given=given, tags_max=4)
        self.complete(pick, 0, 1, is_deleted=False)
        self.both(lambda side: side.store.modify_permissions(owner, name, add=granted))
        self.both(lambda side: side.store.put_tags(guest, [name], given, tags_max=4))
        if not is_in_bin:
            self.delete(pick, is_stranger=False)
            return
        everything = rule_of(account_id=owner, created_ms=self.now_ms)
        self.both(lambda side: side.store.lifecycle.change_rules(owner, lambda _rules: everything))
        self.delete(pick, is_stranger=False)
        self.both(lambda side: side.store.lifecycle.remove_rule(owner, everything.rule_id))
        self.now_ms += DAY_MS
        self.both(lambda side: side.store.lifecycle.empty_bin(now_ms=self.now_ms, limit=100))

    @rule(pick=picks, is_stranger=st.booleans())
    def undelete(self, pick: int, *, is_stranger: bool) -> None:
        account_id = self._account(pick, is_stranger=is_stranger)
        name = snapshot_id(self._number(pick))
        self.both(lambda side: side.store.collection.undelete(account_id, name, now_ms=self.now_ms))

    @rule(minutes=st.integers(-1, 1), limit=slices, is_lost=seldom)
    def close_undos(self, *, minutes: int, limit: int, is_lost: bool) -> None:
        epoch, before_ms = self._given(is_lost=is_lost), self.now_ms + minutes * MINUTE_MS
        self.both(
            lambda side: side.store.collection.close_undo(epoch, deleted_before_ms=before_ms, limit=limit)
        )

    # --- everything that can be read

    @invariant()
    def both_show_the_same_rows(self) -> None:
        for number in range(1, self._started + 1):
            self._compare_rows(number)
        for domain in range(len(ACCOUNT_OF_DOMAIN)):
            self._compare_chunks(domain)
        self.both(_in_rank)

    def _compare_rows(self, number: int) -> None:
        self.both(lambda side: side.store.blocks(side.key(number), after=None, limit=100))

    def _compare_chunks(self, domain: int) -> None:
        ids = [chunk_id(number) for number in CHUNKS]
        self.both(lambda side: side.store.chunks(side.domain_key(domain), ids))
        self.both(lambda side: side.store.stored(side.domain_key(domain), ids))

    @invariant()
    def both_show_the_same_of_collection(self) -> None:
        names = [segment_name(number) for number in range(1, self._reserved + 1)]
        self.both(lambda side: side.store.collection.segment_states(names))
        self.both(lambda side: _without_keys(side.store.collection.segments(after=None, limit=100)))
        self.both(
            lambda side: _without_keys(
                side.store.collection.segments_to_verify(verified_before_ms=self.now_ms, limit=100)
            )
        )
        self.both(lambda side: side.store.collection.verification_standing())
        self.both(lambda side: side.store.collection.deletions(None, after=None, limit=100))
        self.both(
            lambda side: [found for _, found in side.store.collection.bad_chunks(after=None, limit=100)]
        )


def _without_keys(found: Sequence[SegmentUse]) -> Sequence[object]:
    return [
        (use.name, use.state, use.chunk_rows, use.live_bytes, use.verified_ms, use.condemned_ms)
        for use in found
    ]


def _in_rank(side: Side) -> Sequence[object]:
    """Return all chunk rows in order of their keys: how far those are apart is a store's own business."""
    rows = sorted(
        (entry.chunk_key, domain, replace(entry, chunk_key=ChunkKey(0)))
        for domain in range(len(ACCOUNT_OF_DOMAIN))
        for entry in side.store.collection.chunk_entries(side.domain_key(domain), after=None, limit=100)
    )
    return [row[1:] for row in rows]
