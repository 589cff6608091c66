"""The programs of `metadata_machine`, with batches of every kind, bad chunks and names of segments among them."""

from collections.abc import Sequence
from itertools import chain

from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from neve.domain.snapshots import State, observed
from neve.testing.metadata_machine import (
    ACCOUNT_OF_DOMAIN,
    ACCOUNTS,
    CHUNKS,
    Entry,
    MetadataMachine,
    chunks,
    domains,
    number_of,
    picks,
    seldom,
)
from neve.testing.metadata_scene import chunk_id, segment_name

entries = st.tuples(picks, domains, st.integers(0, 3), chunks)


class ChunksMachine(MetadataMachine):
    """The rules. A subclass says which store is put to the test."""

    @rule(
        domain=domains,
        new=st.lists(chunks, max_size=2),
        blocks=st.lists(entries, min_size=1, max_size=4),
        holds=st.lists(entries, max_size=2),
        is_stray=seldom,
        is_cancelled=seldom,
    )
    def publish(
        self,
        *,
        domain: int,
        new: Sequence[int],
        blocks: Sequence[Entry],
        holds: Sequence[Entry],
        is_stray: bool,
        is_cancelled: bool,
    ) -> None:
        """Publish anything. Only a stray one holds nodes of a pending snapshot or leaves its domain."""
        if not is_stray:
            holds = [hold for hold in holds if not self._is_pending(hold[0])]
        self._publish(domain, new, blocks, holds, is_stray=is_stray, is_cancelled=is_cancelled)

    def _is_pending(self, pick: int) -> bool:
        there = chain.from_iterable(
            self._memory.snapshots(account_id, after=None, limit=100) for account_id in ACCOUNTS
        )
        pending = {number_of(each) for each in there if observed(each, self.now_ms).state is State.PENDING}
        return self._number(pick) in pending

    @rule(domain=domains, chunk=chunks)
    def mark_bad(self, domain: int, chunk: int) -> None:
        self.both(lambda side: side.store.mark_bad(side.domain_key(domain), chunk_id(chunk)))

    @rule(used=st.integers(0, 5))
    def reserve_a_name_that_may_be_used(self, used: int) -> None:
        self._reserved += 1
        names = [segment_name(self._reserved), segment_name(self._reserved - used)][: 1 + used]
        self.both(lambda side: side.store.reserve_segments(names, now_ms=self.now_ms))

    @invariant()
    def both_show_the_same_blocks(self) -> None:
        for number in range(1, self._started + 1):
            self._compare_blocks(number)

    def _compare_blocks(self, number: int) -> None:
        self.both(lambda side: side.store.blocks(side.key(number), after=None, limit=100))
        self.both(lambda side: side.store.block_count(side.key(number)))
        self.both(lambda side: side.store.needs.held_nodes(side.key(number), after=None, limit=100))

    @invariant()
    def both_show_the_same_chunks(self) -> None:
        for domain in range(len(ACCOUNT_OF_DOMAIN)):
            self._compare_chunks(domain)

    def _compare_chunks(self, domain: int) -> None:
        ids = [chunk_id(number) for number in CHUNKS]
        self.both(lambda side: side.store.chunks(side.domain_key(domain), ids))
        self.both(lambda side: side.store.stored(side.domain_key(domain), ids))
