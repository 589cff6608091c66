"""The promises of `stores/marks/contract.py`, as tests that every implementation is held to.

class TestMarkStores(MarkStoreContract): ...      with a fixture `open_marks` for each backend
"""

import hashlib
from contextlib import closing

import pytest

from neve.domain.blocks import ChunkId
from neve.errors import StoreUnavailable
from neve.stores.marks.contract import Mark, OpenMarks


def chunk_id(number: int) -> ChunkId:
    """Return the id of a chunk for tests; ids are as random as real ones."""
    return ChunkId(hashlib.sha256(b"%d" % number).digest())


class MarkStoreContract:
    """What must hold for any `MarkStore`."""

    def test_one_begins_empty_whatever_another_has(self, open_marks: OpenMarks) -> None:
        with closing(open_marks()) as first, closing(open_marks()) as second:
            first.put({chunk_id(1): Mark(1, 10)})
            assert second.marks([chunk_id(1)]) == {}
            assert first.marks([chunk_id(1)]) == {chunk_id(1): Mark(1, 10)}

    def test_only_chunks_with_marks_are_answered(self, open_marks: OpenMarks) -> None:
        with closing(open_marks()) as marks:
            marks.put({chunk_id(number): Mark(number, 2 * number) for number in range(0, 100, 2)})
            asked = [chunk_id(number) for number in range(100)]
            assert marks.marks(asked) == {
                chunk_id(number): Mark(number, 2 * number) for number in range(0, 100, 2)
            }
            assert marks.marks([]) == {}

    def test_the_mark_put_last_is_there(self, open_marks: OpenMarks) -> None:
        with closing(open_marks()) as marks:
            marks.put({chunk_id(1): Mark(1, 10), chunk_id(2): Mark(1, 20)})
            marks.put({chunk_id(1): Mark(-1, 10)})
            marks.put({})
            found = marks.marks([chunk_id(2), chunk_id(1)])
            assert found == {chunk_id(1): Mark(-1, 10), chunk_id(2): Mark(1, 20)}

    def test_labels_and_sizes_may_be_as_large_as_row_numbers(self, open_marks: OpenMarks) -> None:
        largest = Mark((1 << 63) - 1, (1 << 63) - 1)
        with closing(open_marks()) as marks:
            marks.put({chunk_id(1): largest})
            assert marks.marks([chunk_id(1)]) == {chunk_id(1): largest}

    def test_one_that_is_closed_says_so(self, open_marks: OpenMarks) -> None:
        marks = open_marks()
        marks.close()
        marks.close()
        with pytest.raises(StoreUnavailable):
            marks.marks([chunk_id(1)])
        with pytest.raises(StoreUnavailable):
            marks.put({chunk_id(1): Mark(1, 1)})
