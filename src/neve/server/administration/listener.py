"""Takes what operators ask of a running server: a Unix socket in the store's directory, and one thread.

One request a connection, one connection at a time, each with a deadline: an operator who is slow makes other
operators wait, and requests of the API do not know that there are operators. A server without its socket still
serves. The directory's lock says whose the socket is: one that lies there when a server starts is nobody's.
"""

import select
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Any, Final, Self

from neve import limits
from neve.clock import Clock
from neve.errors import StoreError, StoreUnusable
from neve.events import AdministrationAnswered, AdministrationFailed, Report, trace_of
from neve.server.administration import protocol
from neve.server.administration.addresses import address_in
from neve.server.administration.messages import AdministrationRefused, Administrator, Request
from neve.server.administration.messages_tasks import FeedTask, ShowTask

_SOCKET_MODE: Final = 0o600
_BACKLOG: Final = 16
_DEADLINE_S: Final = 5.0
"""For a request to come, and again for its answer to be taken."""
_RETRY_S: Final = 1.0
"""Between attempts when the process has no descriptor left for a connection."""
_PIECE_BYTES: Final = 64 * limits.KIB
_PEER_CREDENTIALS: Final = struct.Struct("iII")
"""pid, uid, gid: unix(7)."""


class AdministrationListener:
    """Listens from `__enter__` to `__exit__`."""

    def __init__(
        self,
        directory: Path,
        administrator: Administrator,
        *,
        clock: Clock,
        report: Report,
        deadline_s: float = _DEADLINE_S,
        on_behalf: Callable[[int], Administrator] | None = None,
    ) -> None:
        """`on_behalf` gives the administrator for an operator's user id, instead of the one for everybody."""
        self._path = directory / protocol.SOCKET_NAME
        self._on_behalf = on_behalf or (lambda _uid: administrator)
        self._clock = clock
        self._report = report
        self._deadline_s = deadline_s
        self._listening: socket.socket | None = None
        self._thread = Thread(target=self._work, name="administration", daemon=True)
        self._stop, self._stopped = socket.socketpair()

    def __enter__(self) -> Self:
        try:
            self._listening = _listen(self._path)
        except OSError as error:
            self._report(AdministrationFailed(error=f"cannot listen on {self._path}: {error}"))
        else:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.close()
        if self._listening is not None:
            self._thread.join()
            # The name goes first, so that whoever comes now sees at once that nobody listens.
            with suppress(OSError):
                self._path.unlink()
            self._listening.close()
        self._stopped.close()

    # --- the thread

    def _work(self) -> None:
        assert self._listening is not None
        while self._wait(self._listening, select.POLLIN, timeout_s=None):
            try:
                connection, _ = self._listening.accept()
            except BlockingIOError:
                continue
            except OSError as error:
                self._report(AdministrationFailed(error=f"no connection can be taken: {error}"))
                if self._wait(None, 0, timeout_s=_RETRY_S):
                    continue
                return
            with connection, suppress(OSError):  # whoever asked has gone
                self._serve(connection)

    def _serve(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        line = self._read_line(connection)
        if line is not None:
            started_s = self._clock.monotonic_s()
            _, uid, _ = _PEER_CREDENTIALS.unpack(
                connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER_CREDENTIALS.size)
            )
            answer, request, outcome = self._answer(line, uid)
            self._write(connection, answer)
            if isinstance(request, ShowTask | FeedTask) and outcome == "done":
                return  # asked again and again; its beginning and its end are told
            self._report(
                AdministrationAnswered(
                    **_subject(request),
                    outcome=outcome,
                    operator_uid=uid,
                    duration_ms=round((self._clock.monotonic_s() - started_s) * 1_000, 1),
                )
            )

    def _answer(self, line: bytes, operator_uid: int) -> tuple[bytes, Request[Any] | None, str]:
        request = None
        try:
            request = protocol.request_from(line)
            return protocol.answer_line(self._on_behalf(operator_uid).ask(request)), request, "done"
        except AdministrationRefused as refused:
            return protocol.refusal_line(refused), request, refused.why.value
        except StoreError as error:
            self._report(AdministrationFailed(error=f"{type(error).__name__}: {error}"))
            unusable = isinstance(error, StoreUnusable)
            return protocol.failure_line(str(error), unusable=unusable), request, "failed"
        except Exception as error:  # noqa: BLE001 - the thread must outlive whatever it is
            trace = trace_of(error)
            self._report(AdministrationFailed(error=f"{type(error).__name__}: {error}", trace=trace))
            sentence = "the server met something nobody expected, and its log says what: please report it"
            return protocol.failure_line(sentence), request, "failed"

    # --- bytes

    def _read_line(self, connection: socket.socket) -> bytes | None:
        """Return the request; None if none comes in time."""
        deadline_s = self._clock.monotonic_s() + self._deadline_s
        data = bytearray()
        while b"\n" not in data and len(data) <= protocol.REQUEST_BYTES_MAX:
            left_s = deadline_s - self._clock.monotonic_s()
            if left_s <= 0 or not self._wait(connection, select.POLLIN, timeout_s=left_s):
                return None
            piece = connection.recv(_PIECE_BYTES)
            if not piece:
                return None
            data += piece
        return bytes(data.partition(b"\n")[0])

    def _write(self, connection: socket.socket, data: bytes) -> None:
        deadline_s = self._clock.monotonic_s() + self._deadline_s
        left = memoryview(data)
        while left:
            left_s = deadline_s - self._clock.monotonic_s()
            if left_s <= 0 or not self._wait(connection, select.POLLOUT, timeout_s=left_s):
                return
            left = left[connection.send(left) :]

    def _wait(self, waited: socket.socket | None, event: int, *, timeout_s: float | None) -> bool:
        """Return when the socket is ready or the time is over; False if the server stops."""
        poll = select.poll()
        poll.register(self._stopped, select.POLLIN)
        if waited is not None:
            poll.register(waited, event)
        ready = poll.poll(None if timeout_s is None else timeout_s * 1_000)
        return all(descriptor != self._stopped.fileno() for descriptor, _ in ready)


def _listen(path: Path) -> socket.socket:
    with suppress(FileNotFoundError):
        path.unlink()
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listening.setblocking(False)
        with address_in(path) as address:
            listening.bind(address)
        # Nobody gets in before listen(): the mode is right when the first one does.
        path.chmod(_SOCKET_MODE)
        listening.listen(_BACKLOG)
    except BaseException:
        listening.close()
        raise
    return listening


def _subject(request: Request[Any] | None) -> dict[str, str]:
    """Return what the log says of a request: what it asks and whom it is about, no document and no secret."""
    if request is None:
        return {"request": "unknown"}
    named = ("account_id", "user_name", "policy_name", "access_key_id", "key_id", "snapshot_id")
    return {"request": str(request.__struct_config__.tag)} | {
        name: value for name in named if isinstance(value := getattr(request, name, None), str)
    }
