"""A fixed number of threads that do blocking work for an event loop.

Like the standard executor, but made for many short pieces of work: one future each instead of two, and however
many pieces finish at the same time (a commit wakes all its writers), the loop is woken once.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

_Result = TypeVar("_Result")
_Piece = tuple[asyncio.Future[Any], Callable[..., Any], tuple[Any, ...]]
_Outcome = tuple[asyncio.Future[Any], Any, BaseException | None]


class Threads:
    """Belongs to one event loop, which must be running. `close` it when no work is left."""

    def __init__(self, count: int, name: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: SimpleQueue[_Piece | None] = SimpleQueue()
        self._finished: deque[_Outcome] = deque()
        self._loop_knows = False
        self._threads = [
            Thread(target=self._work, name=f"{name}-{number}", daemon=True) for number in range(count)
        ]
        for thread in self._threads:
            thread.start()

    async def run(self, step: Callable[..., _Result], *arguments: Any) -> _Result:
        """Return what `step` returns, or raise what it raises, from one of the threads."""
        future: asyncio.Future[_Result] = self._loop.create_future()
        self._waiting.put((future, step, arguments))
        return await future

    def close(self) -> None:
        """Return when every thread has finished what was given to it."""
        for _ in self._threads:
            self._waiting.put(None)
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while (piece := self._waiting.get()) is not None:
            future, step, arguments = piece
            try:
                self._tell((future, step(*arguments), None))
            except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
                self._tell((future, None, error))
            # A thread that waits for work must not keep the last block alive.
            del piece, future, step, arguments

    def _tell(self, outcome: _Outcome) -> None:
        self._finished.append(outcome)
        # Set before the loop is told and reset before it looks: what is appended in between is seen.
        if not self._loop_knows:
            self._loop_knows = True
            self._loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        self._loop_knows = False
        while self._finished:
            future, result, error = self._finished.popleft()
            if future.done():
                continue
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)
