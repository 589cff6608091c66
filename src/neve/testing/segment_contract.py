"""The promises of `stores/segments/contract.py`, as tests that every implementation is held to.

    class TestSegmentStores(SegmentStoreContract): ...      with a fixture `store` for each backend

Promises about power cuts and failing disks need an instrument of the backend's own and stand with it.
"""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from neve.errors import ChunkDamaged, InvariantError, SegmentMissing, StoreUnavailable
from neve.stores.metadata.placement import SegmentName
from neve.stores.segments.contract import SegmentStore

_CONTENT = bytes(range(256)) * 4


def segment_name(number: int) -> SegmentName:
    """Return the name of a segment for tests; its order is not the numbers'."""
    return SegmentName(hashlib.sha256(b"%d" % number).hexdigest()[:32])


class SegmentStoreContract:
    """What must hold for any `SegmentStore`."""

    def test_what_was_written_is_read_from_any_place(self, store: SegmentStore) -> None:
        store.write(segment_name(1), [_CONTENT])
        for offset, size in ((0, 1), (0, len(_CONTENT)), (17, 400), (len(_CONTENT) - 1, 1)):
            assert store.read(segment_name(1), offset, size) == _CONTENT[offset : offset + size]

    def test_parts_of_every_kind_are_put_together_in_order(self, store: SegmentStore) -> None:
        parts: list[bytes | memoryview] = [b"", memoryview(_CONTENT)[3:9], b"x", memoryview(b""), _CONTENT]
        store.write(segment_name(1), parts)
        assert store.size(segment_name(1)) == 7 + len(_CONTENT)
        assert store.read(segment_name(1), 0, 7 + len(_CONTENT)) == _CONTENT[3:9] + b"x" + _CONTENT

    def test_more_parts_than_one_system_call_takes_are_no_trouble(self, store: SegmentStore) -> None:
        parts = [b"%05d" % number for number in range(5000)]
        store.write(segment_name(1), parts)
        assert store.read(segment_name(1), 0, 25_000) == b"".join(parts)

    def test_a_name_is_written_once(self, store: SegmentStore) -> None:
        store.write(segment_name(1), [b"first"])
        with pytest.raises(InvariantError):
            store.write(segment_name(1), [b"second"])
        assert store.size(segment_name(1)) == 5
        assert store.read(segment_name(1), 0, 5) == b"first"

    def test_a_read_past_the_end_is_damage_and_never_a_part(self, store: SegmentStore) -> None:
        store.write(segment_name(1), [b"abc"])
        for offset, size in ((0, 4), (2, 2), (3, 1), (1_000_000, 1)):
            with pytest.raises(ChunkDamaged):
                store.read(segment_name(1), offset, size)

    def test_an_absent_segment_is_missing(self, store: SegmentStore) -> None:
        store.write(segment_name(1), [b"another"])
        with pytest.raises(SegmentMissing):
            store.read(segment_name(2), 0, 1)
        with pytest.raises(SegmentMissing):
            store.size(segment_name(2))

    def test_a_deleted_segment_is_missing_at_once_even_if_it_was_just_read(self, store: SegmentStore) -> None:
        store.write(segment_name(1), [b"abc"])
        assert store.read(segment_name(1), 0, 3) == b"abc"
        store.delete(segment_name(1))
        with pytest.raises(SegmentMissing):
            store.read(segment_name(1), 0, 3)
        assert store.names(after=None, limit=10) == []

    def test_deleting_an_absent_segment_is_no_error(self, store: SegmentStore) -> None:
        store.write(segment_name(1), [b"abc"])
        for _ in range(2):
            store.delete(segment_name(2))
        assert store.names(after=None, limit=10) == [segment_name(1)]

    def test_an_empty_store_has_no_names(self, store: SegmentStore) -> None:
        assert store.names(after=None, limit=1) == []

    @pytest.mark.parametrize("limit", [1, 2, 7, 19, 20, 21])
    def test_pages_of_names_meet_without_gap_or_overlap(self, store: SegmentStore, limit: int) -> None:
        for number in range(20):
            store.write(segment_name(number), [b"x"])
        found: list[SegmentName] = []
        while page := store.names(after=found[-1] if found else None, limit=limit):
            found += page
            if len(page) < limit:
                break
        assert found == sorted(segment_name(number) for number in range(20))

    def test_names_go_on_after_a_name_that_is_not_there(self, store: SegmentStore) -> None:
        for first in ("00", "7f", "80", "ff"):
            store.write(SegmentName(first * 16), [b"x"])
        assert store.names(after=SegmentName("7f" * 15 + "80"), limit=2) == ["80" * 16, "ff" * 16]
        assert store.names(after=SegmentName("ff" * 16), limit=2) == []

    def test_many_threads_write_and_read_at_once(self, store: SegmentStore) -> None:
        def write_and_read(number: int) -> bytes:
            store.write(segment_name(number), [b"%d " % number] * 100)
            size = store.size(segment_name(number))
            return b"".join(store.read(segment_name(number), offset, 1) for offset in range(size))

        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(write_and_read, range(40))) == [
                b"%d " % number * 100 for number in range(40)
            ]

    def test_of_simultaneous_writes_of_one_name_one_succeeds_as_a_whole(self, store: SegmentStore) -> None:
        def won(number: int) -> bool:
            try:
                store.write(segment_name(0), [b"%d" % number] * 1000)
            except InvariantError:
                return False
            return True

        with ThreadPoolExecutor(8) as pool:
            wins: Sequence[bool] = list(pool.map(won, range(8)))
        assert sum(wins) == 1
        assert store.read(segment_name(0), 0, 1000) == b"%d" % wins.index(True) * 1000

    def test_statistics_count_what_was_done(self, store: SegmentStore) -> None:
        store.write(segment_name(1), [b"abc", b"de"])
        store.read(segment_name(1), 1, 3)
        with pytest.raises(InvariantError):
            store.write(segment_name(1), [b"again"])
        with pytest.raises(ChunkDamaged):
            store.read(segment_name(1), 4, 3)
        counts = store.statistics()
        assert (counts.segments_written, counts.bytes_written) == (1, 5)
        assert (counts.reads, counts.bytes_read) == (1, 3)

    def test_a_store_with_room_is_writable(self, store: SegmentStore) -> None:
        store.check_writable()
        store.check_writable()
        assert store.names(after=None, limit=10) == []

    def test_closing_twice_changes_nothing_and_a_closed_store_says_so(self, store: SegmentStore) -> None:
        store.write(segment_name(1), [b"abc"])
        store.close()
        store.close()
        with pytest.raises(StoreUnavailable):
            store.read(segment_name(1), 0, 3)
