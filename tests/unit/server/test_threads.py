"""Threads for an event loop: everything that goes in comes out once, where it is waited for."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

from neve.server.threads import Threads

Result = TypeVar("Result")
PATIENCE_S = 20


def with_threads(count: int, scene: Callable[[Threads], Awaitable[Result]]) -> Result:
    async def play() -> Result:
        threads = Threads(count, "test")
        try:
            return await scene(threads)
        finally:
            await asyncio.to_thread(threads.close)

    return asyncio.run(play())


@pytest.mark.parametrize("count", [1, 4])
def test_every_piece_of_work_comes_back_to_who_gave_it(count: int) -> None:
    async def scene(threads: Threads) -> list[int]:
        return await asyncio.gather(*(threads.run(pow, number, 2) for number in range(500)))

    assert with_threads(count, scene) == [number**2 for number in range(500)]


def test_what_is_raised_is_raised_where_it_is_waited_for() -> None:
    async def scene(threads: Threads) -> int:
        with pytest.raises(ZeroDivisionError):
            await threads.run(divmod, 1, 0)
        return await threads.run(abs, -1)

    assert with_threads(1, scene) == 1


def test_as_many_work_at_once_as_there_are_threads() -> None:
    together = threading.Barrier(3)

    async def scene(threads: Threads) -> list[int]:
        return await asyncio.gather(*(threads.run(together.wait, PATIENCE_S) for _ in range(3)))

    assert sorted(with_threads(3, scene)) == [0, 1, 2]


def test_the_loop_goes_on_while_threads_work() -> None:
    go_on = threading.Event()

    async def scene(threads: Threads) -> bool:
        waiting = asyncio.ensure_future(threads.run(go_on.wait, PATIENCE_S))
        await asyncio.sleep(0)
        assert not waiting.done()
        go_on.set()
        return await waiting

    assert with_threads(1, scene)


def test_work_nobody_waits_for_any_more_is_still_done() -> None:
    done = threading.Semaphore(0)

    async def scene(threads: Threads) -> None:
        waiting = asyncio.ensure_future(threads.run(done.release))
        await asyncio.sleep(0)
        waiting.cancel()
        await threads.run(abs, 0)

    with_threads(1, scene)
    assert done.acquire(timeout=PATIENCE_S)


def test_closing_waits_for_what_was_begun() -> None:
    go_on, done = threading.Event(), threading.Event()

    def work() -> None:
        assert go_on.wait(PATIENCE_S)
        done.set()

    async def scene() -> None:
        threads = Threads(1, "test")
        waiting = asyncio.ensure_future(threads.run(work))
        await asyncio.sleep(0)
        closing = asyncio.ensure_future(asyncio.to_thread(threads.close))
        await asyncio.sleep(0)
        assert not closing.done()
        go_on.set()
        await closing
        assert done.is_set()
        await waiting

    asyncio.run(scene())
