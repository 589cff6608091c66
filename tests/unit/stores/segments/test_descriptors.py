"""The cache of open files: bounded, never closing under a reader, never handing out what was forgotten."""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neve.errors import StoreUnavailable
from neve.stores.segments.descriptors import DescriptorCache


class Desk:
    """Hands out numbers as an operating system does descriptors, and knows which are open."""

    def __init__(self) -> None:
        self.opened: dict[int, str] = {}
        self.opens: Counter[str] = Counter()
        self.before_answering: Callable[[str], None] = lambda _path: None
        self._lock = threading.Lock()
        self._last = 0

    def open(self, path: str) -> int:
        with self._lock:
            self._last += 1
            number = self._last
            self.opened[number] = path
            self.opens[path] += 1
        self.before_answering(path)
        return number

    def close(self, number: int) -> None:
        with self._lock:
            del self.opened[number]  # KeyError if it is closed twice

    def cache(self, kept_max: int) -> DescriptorCache:
        return DescriptorCache(open_file=self.open, close_file=self.close, kept_max=kept_max)


def test_a_file_is_opened_once_for_many_readers_one_after_another() -> None:
    desk = Desk()
    cache = desk.cache(2)
    for _ in range(5):
        with cache.borrow("a") as number:
            assert desk.opened[number] == "a"
    assert desk.opens == {"a": 1}


def test_the_one_used_longest_ago_goes_first() -> None:
    desk = Desk()
    cache = desk.cache(2)
    for path in ("a", "b", "a", "c", "a", "b"):
        with cache.borrow(path):
            pass
    assert desk.opens == {"a": 1, "b": 2, "c": 1}
    assert sorted(desk.opened.values()) == ["a", "b"]


def test_nothing_is_closed_while_it_is_read_from() -> None:
    desk = Desk()
    cache = desk.cache(1)
    with cache.borrow("a") as first, cache.borrow("b"), cache.borrow("a") as second:
        assert {desk.opened[first], desk.opened[second]} == {"a"}
        cache.forget("a")
        cache.close()
        assert desk.opened[first] == desk.opened[second] == "a"
    assert desk.opened == {}


def test_a_forgotten_file_is_opened_anew() -> None:
    desk = Desk()
    cache = desk.cache(4)
    with cache.borrow("a") as old:
        cache.forget("a")
        with cache.borrow("a") as new:
            assert new != old
    assert list(desk.opened) == [new]


def test_a_file_forgotten_while_it_was_being_opened_is_not_kept() -> None:
    desk = Desk()
    cache = desk.cache(4)
    desk.before_answering = cache.forget
    with cache.borrow("a"):
        pass
    desk.before_answering = lambda _path: None
    assert desk.opened == {}
    with cache.borrow("a"):
        pass
    assert desk.opens == {"a": 2}


def test_a_closed_cache_opens_nothing() -> None:
    desk = Desk()
    cache = desk.cache(4)
    cache.close()
    cache.close()
    with pytest.raises(StoreUnavailable), cache.borrow("a"):
        pass
    assert desk.opens == {}


def test_a_file_that_cannot_be_opened_leaves_no_trace() -> None:
    def refuse(path: str) -> int:
        raise FileNotFoundError(path)

    cache = DescriptorCache(open_file=refuse, close_file=refuse, kept_max=1)  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError), cache.borrow("a"):
        pass
    assert cache.kept_count() == 0


steps = st.lists(st.tuples(st.sampled_from(["take", "give", "forget"]), st.integers(0, 4)), max_size=60)


@given(steps, st.integers(1, 3))
def test_whatever_the_order_readers_have_their_file_and_the_rest_is_bounded(
    program: list[tuple[str, int]], kept_max: int
) -> None:
    desk = Desk()
    cache = desk.cache(kept_max)
    readers: list[tuple[ExitStack, int, str]] = []
    for step, number in program:
        path = "abcde"[number]
        if step == "take":
            stack = ExitStack()
            readers.append((stack, stack.enter_context(cache.borrow(path)), path))
        elif step == "forget":
            cache.forget(path)
        elif readers:
            readers.pop(number % len(readers))[0].close()
        assert all(desk.opened[descriptor] == held for _, descriptor, held in readers)
        assert cache.kept_count() <= kept_max
        assert len(desk.opened) <= kept_max + len(readers)
    cache.close()
    for stack, _, _ in readers:
        stack.close()
    assert desk.opened == {}


def test_many_threads_leave_nothing_open_behind() -> None:
    desk = Desk()
    cache = desk.cache(3)

    def read(number: int) -> bool:
        path = "abcdefgh"[number % 8]
        if number % 13 == 0:
            cache.forget(path)
        with cache.borrow(path) as descriptor:
            return desk.opened[descriptor] == path

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(read, range(2000)))
    assert len(desk.opened) == cache.kept_count() <= 3
    cache.close()
    assert desk.opened == {}
