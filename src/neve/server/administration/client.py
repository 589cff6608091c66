"""Asks the server that has a store open, from another process on the same machine."""

import socket
from pathlib import Path
from typing import Final

from neve import limits
from neve.clock import Clock
from neve.errors import NeveError, StoreUnavailable
from neve.server.administration import protocol
from neve.server.administration.addresses import address_in
from neve.server.administration.messages import Answer, Request

_DEADLINE_S: Final = 60.0
"""For an answer: the server may have other operators to answer first."""
_PIECE_BYTES: Final = 64 * limits.KIB


class NobodyListens(NeveError):
    """No server takes requests there, or none yet."""


class NotLetIn(NeveError):
    """The operating system does not let this user ask the server."""


class ServerGone(StoreUnavailable):
    """The server did not answer. Whether it did what was asked is not known."""


class RunningServer:
    """`messages.Administrator` by way of the server that has the store in `directory` open."""

    def __init__(self, directory: Path, clock: Clock) -> None:
        self._path = directory / protocol.SOCKET_NAME
        self._clock = clock

    def listens(self) -> bool:
        """Return whether a server takes requests.

        Raises:
            NotLetIn
        """
        try:
            self._connect().close()
        except NobodyListens:
            return False
        return True

    def ask(self, request: Request[Answer]) -> Answer:
        """Ask, and return the answer.

        Raises:
            AdministrationRefused, StoreUnavailable, StoreUnusable, Misunderstood: as the server says, or does not.
            NobodyListens, NotLetIn: nothing was asked.
        """
        line = protocol.request_line(request)
        with self._connect() as connection:
            try:
                connection.sendall(line)
                answer = self._read_line(connection)
            except OSError as error:
                raise ServerGone(
                    f"the server that has the store open did not answer ({error}): look whether it did what was asked "
                    "before you ask again"
                ) from error
        return protocol.answer_from(answer, request)

    def _connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(_DEADLINE_S)
        try:
            with address_in(self._path) as address:
                connection.connect(address)
        except PermissionError as error:
            connection.close()
            raise NotLetIn(
                f"{self._path} does not let you in: run the command as the user that the server runs as"
            ) from error
        except OSError as error:
            connection.close()
            raise NobodyListens(f"no server takes requests at {self._path} ({error})") from error
        return connection

    def _read_line(self, connection: socket.socket) -> bytes:
        deadline_s = self._clock.monotonic_s() + _DEADLINE_S
        data = bytearray()
        while not data.endswith(b"\n"):
            left_s = deadline_s - self._clock.monotonic_s()
            if left_s <= 0:
                raise TimeoutError("it takes too long")
            connection.settimeout(left_s)
            piece = connection.recv(_PIECE_BYTES)
            if not piece or len(data) > protocol.ANSWER_BYTES_MAX:
                raise ConnectionError("it ended in the middle of its answer")
            data += piece
        return bytes(data)
