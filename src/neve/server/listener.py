"""The event loop: a listening socket, its connections, their deadlines, and an orderly end.

Asked to stop, the server takes no new connection, closes idle ones, lets every request that has begun finish, and
after the grace period cuts off those that have not. Asked twice, it does not wait.
"""

import asyncio
import signal
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final

from neve.errors import NeveError
from neve.events import Report, ServerStopping
from neve.server.app import App
from neve.server.connection import Connection, Surroundings
from neve.server.incoming import Deadlines

_MAKE_WAY_PAUSE_S: Final = 0.05
_SWEEP_S: Final = 0.25
"""How often deadlines are looked at: one timer for all connections instead of several for each request."""
_BACKLOG: Final = 1024


class CannotListen(NeveError):
    """The address cannot be listened on."""


class Listener:
    """Serves one `App` on one address."""

    def __init__(
        self,
        make_app: Callable[[], App],
        *,
        deadlines: Deadlines,
        connections_max: int,
        grace_s: float,
        report: Report,
    ) -> None:
        """`make_app` is called once the event loop runs."""
        self._make_app = make_app
        self._deadlines = deadlines
        self._connections_max = connections_max
        self._grace_s = grace_s
        self._report = report

    def run(self, host: str, port: int, *, on_ready: Callable[[str, int], None]) -> None:
        """Serve until SIGTERM or SIGINT. `on_ready` is told the address once connections are taken.

        Raises:
            CannotListen
        """
        asyncio.run(self._run(host, port, on_ready))

    async def _run(self, host: str, port: int, on_ready: Callable[[str, int], None]) -> None:
        loop = asyncio.get_running_loop()
        app = self._make_app()
        try:
            await self._serve(app, host, port, on_ready, loop)
        finally:
            await app.close()

    async def _serve(
        self,
        app: App,
        host: str,
        port: int,
        on_ready: Callable[[str, int], None],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        surroundings = Surroundings(
            handler=app.handle,
            malformed=app.refuse_malformed,
            deadlines=self._deadlines,
            connections_max=self._connections_max,
            buffers=app.buffers,
            budget=app.budget,
        )
        app.budget.when_short(_WayMaker(surroundings.connections, loop).make_way)
        stop, hurry = asyncio.Event(), asyncio.Event()

        def on_signal() -> None:
            (hurry if stop.is_set() else stop).set()

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, on_signal)
        try:
            server = await loop.create_server(
                lambda: Connection(surroundings, loop), host, port, backlog=_BACKLOG
            )
        except OSError as error:
            raise CannotListen(f"cannot listen on {host}:{port}: {error.strerror or error}") from None
        sweeper = loop.create_task(self._sweep(surroundings, loop))
        address = server.sockets[0].getsockname()
        on_ready(address[0], address[1])
        await stop.wait()
        app.stopping = True
        server.close()
        await self._finish(surroundings.connections, hurry, loop)
        sweeper.cancel()

    async def _sweep(self, surroundings: Surroundings, loop: asyncio.AbstractEventLoop) -> None:
        while True:
            await asyncio.sleep(_SWEEP_S)
            now_s = loop.time()
            for connection in list(surroundings.connections):
                connection.check_deadline(now_s)

    async def _finish(
        self, connections: set[Connection], hurry: asyncio.Event, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._report(ServerStopping(requests_in_flight=sum(connection.busy for connection in connections)))
        for connection in list(connections):
            connection.drain()
        give_up_s = loop.time() + self._grace_s
        while connections and not hurry.is_set() and loop.time() < give_up_s:
            with suppress(TimeoutError):
                await asyncio.wait_for(hurry.wait(), _SWEEP_S / 5)
        for connection in list(connections):
            connection.abort()
        # Let the ends of connections be heard.
        await asyncio.sleep(0)


class _WayMaker:
    """Has slow connections make way when there is no room, and not more often than that can change."""

    def __init__(self, connections: Iterable[Connection], loop: asyncio.AbstractEventLoop) -> None:
        self._connections = connections
        self._loop = loop
        self._not_before_s = 0.0

    def make_way(self) -> None:
        now_s = self._loop.time()
        if now_s < self._not_before_s:
            return
        self._not_before_s = now_s + _MAKE_WAY_PAUSE_S
        for connection in list(self._connections):
            connection.make_way(now_s)
