"""The socket of a running server: who may ask, what hostile or slow clients can do, how it begins and ends."""

import os
import socket
import stat
import threading
from pathlib import Path
from typing import Any

import pytest

from fix_administration import Office
from fix_logs import Journal
from neve.clock import SystemClock
from neve.errors import StoreError, StoreFull, StoreUnavailable, StoreUnusable
from neve.events import AdministrationAnswered, AdministrationFailed
from neve.limits import MIB
from neve.server.administration import protocol
from neve.server.administration.client import NobodyListens, NotLetIn, RunningServer, ServerGone
from neve.server.administration.listener import AdministrationListener
from neve.server.administration.messages import (
    AdministrationRefused,
    CreateUser,
    ListPolicies,
    ListUsers,
    RefusedBecause,
    Request,
)
from neve.server.administration.protocol import SOCKET_NAME

PATIENCE_S = 20
CLOCK = SystemClock()


def listening(path: Path, administrator: Any, journal: Journal, **options: Any) -> AdministrationListener:
    return AdministrationListener(path, administrator, clock=CLOCK, report=journal.report, **options)


def connect(path: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(PATIENCE_S)
    connection.connect(str(path / SOCKET_NAME))
    return connection


class Failing:
    """An administrator who cannot."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def ask(self, request: Request[Any]) -> Any:
        raise self._error


class Talkative:
    """An administrator whose lists of policies are longer than any buffer."""

    def ask(self, request: Request[Any]) -> Any:
        return ["p" * MIB] * 8 if isinstance(request, ListPolicies) else []


def test_what_is_asked_is_done_and_answered(office: Office, tmp_path: Path, journal: Journal) -> None:
    with listening(tmp_path, office.administration, journal):
        server = RunningServer(tmp_path, CLOCK)
        made = server.ask(CreateUser(user_name="anna"))
        assert server.ask(ListUsers()) == [made] == office.administration.ask(ListUsers())
        with pytest.raises(AdministrationRefused) as caught:
            server.ask(CreateUser(user_name="anna"))
        assert caught.value.why is RefusedBecause.CONFLICT
    told = [event for event in journal.events if isinstance(event, AdministrationAnswered)]
    assert [(event.request, event.user_name, event.outcome) for event in told] == [
        ("create-user", "anna", "done"),
        ("list-users", "", "done"),
        ("create-user", "anna", "conflict"),
    ]
    assert {event.operator_uid for event in told} == {os.getuid()}


def test_only_the_owner_may_ask_and_the_socket_goes_with_the_server(
    office: Office, tmp_path: Path, journal: Journal
) -> None:
    server = RunningServer(tmp_path, CLOCK)
    assert not server.listens()
    with listening(tmp_path, office.administration, journal):
        mode = (tmp_path / SOCKET_NAME).stat().st_mode
        assert (stat.S_ISSOCK(mode), stat.S_IMODE(mode)) == (True, 0o600)
        assert server.listens()
    assert not (tmp_path / SOCKET_NAME).exists()
    assert not server.listens()
    with pytest.raises(NobodyListens):
        server.ask(ListUsers())


def test_a_socket_that_a_killed_server_left_is_replaced(
    office: Office, tmp_path: Path, journal: Journal
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stale:
        stale.bind(str(tmp_path / SOCKET_NAME))
    assert not RunningServer(tmp_path, CLOCK).listens()
    with listening(tmp_path, office.administration, journal):
        assert RunningServer(tmp_path, CLOCK).ask(ListUsers()) == []


def test_a_store_may_have_a_long_path(office: Office, tmp_path: Path, journal: Journal) -> None:
    path = tmp_path / ("d" * 120) / ("e" * 120)
    path.mkdir(parents=True)
    with listening(path, office.administration, journal):
        assert RunningServer(path, CLOCK).ask(ListUsers()) == []
    assert list(path.iterdir()) == []


def test_a_server_without_its_socket_serves_all_the_same(
    office: Office, tmp_path: Path, journal: Journal
) -> None:
    journal.announce(AdministrationFailed.name)
    (tmp_path / SOCKET_NAME / "in the way").mkdir(parents=True)
    with listening(tmp_path, office.administration, journal):
        assert not RunningServer(tmp_path, CLOCK).listens()
    assert (tmp_path / SOCKET_NAME / "in the way").exists()


@pytest.mark.parametrize(
    "sent", [b"", b"\n", b"{}\n", b"GET / HTTP/1.1\r\n\r\n", b"{" * 1_000 + b"\n", bytes(range(256)) + b"\n"]
)
def test_whatever_comes_the_next_one_is_answered(
    office: Office, tmp_path: Path, journal: Journal, sent: bytes
) -> None:
    with listening(tmp_path, office.administration, journal):
        with connect(tmp_path) as rude:
            rude.sendall(sent)
            rude.shutdown(socket.SHUT_WR)
            received = rude.recv(65_536)
            assert received == b"" or b"does not understand" in received
        assert RunningServer(tmp_path, CLOCK).ask(ListUsers()) == []


def test_a_request_without_end_is_not_read_to_its_end(
    office: Office, tmp_path: Path, journal: Journal
) -> None:
    with listening(tmp_path, office.administration, journal):
        with connect(tmp_path) as endless, pytest.raises(OSError, match=r"Broken pipe|reset"):
            # More than a socket buffers beside what is read of it.
            endless.sendall(b"a" * (16 * protocol.REQUEST_BYTES_MAX))
        assert RunningServer(tmp_path, CLOCK).ask(ListUsers()) == []


def test_one_who_says_nothing_keeps_others_waiting_only_so_long(
    office: Office, tmp_path: Path, journal: Journal
) -> None:
    with (
        listening(tmp_path, office.administration, journal, deadline_s=0.05),
        connect(tmp_path) as silent,
    ):
        assert RunningServer(tmp_path, CLOCK).ask(ListUsers()) == []
        assert silent.recv(1) == b""


def test_one_who_does_not_take_the_answer_keeps_others_waiting_only_so_long(
    tmp_path: Path, journal: Journal
) -> None:
    with (
        listening(tmp_path, Talkative(), journal, deadline_s=0.05),
        connect(tmp_path) as deaf,
    ):
        deaf.sendall(b'{"ask":"list-policies"}\n')
        assert RunningServer(tmp_path, CLOCK).ask(ListUsers()) == []


def test_a_server_that_stops_waits_for_nobody_who_says_nothing(
    office: Office, tmp_path: Path, journal: Journal
) -> None:
    listener = listening(tmp_path, office.administration, journal, deadline_s=3_600)
    listener.__enter__()
    with connect(tmp_path) as silent:
        silent.sendall(b"{")
        ended = threading.Thread(target=listener.__exit__, args=(None, None, None))
        ended.start()
        ended.join(PATIENCE_S)
        assert not ended.is_alive()


@pytest.mark.parametrize(
    ("error", "said", "raised"),
    [
        (StoreFull("no room for the metadata"), "no room for the metadata", StoreUnavailable),
        (StoreUnusable("it is there already"), "it is there already", StoreUnusable),
        (ZeroDivisionError("a secret"), "something nobody expected", StoreUnavailable),
    ],
)
def test_what_fails_is_told_there_and_logged_here(
    tmp_path: Path, journal: Journal, error: Exception, said: str, raised: type[StoreError]
) -> None:
    journal.announce(AdministrationFailed.name)
    with listening(tmp_path, Failing(error), journal):
        for _ in range(2):
            with pytest.raises(raised, match=said) as caught:
                RunningServer(tmp_path, CLOCK).ask(ListUsers())
            assert "secret" not in str(caught.value)


def test_a_server_that_ends_before_it_answers_leaves_the_outcome_open(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening_socket:
        listening_socket.bind(str(tmp_path / SOCKET_NAME))
        listening_socket.listen()

        def take_and_go() -> None:
            connection, _ = listening_socket.accept()
            connection.recv(65_536)
            connection.sendall(b'{"answer":')
            connection.close()

        going = threading.Thread(target=take_and_go)
        going.start()
        with pytest.raises(ServerGone, match="look whether it did"):
            RunningServer(tmp_path, CLOCK).ask(ListUsers())
        going.join()


def test_one_whom_the_operating_system_does_not_let_in_is_told_so(
    office: Office, tmp_path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_socket: socket.socket, _address: str) -> None:
        raise PermissionError(13, "Permission denied")

    with listening(tmp_path, office.administration, journal), monkeypatch.context() as patched:
        patched.setattr(socket.socket, "connect", refuse)
        with pytest.raises(NotLetIn, match="run the command as the user"):
            RunningServer(tmp_path, CLOCK).ask(ListUsers())
