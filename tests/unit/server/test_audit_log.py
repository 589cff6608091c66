"""Many threads, one chain: what was waited for is on the medium, what cannot be written is told, nothing is lost."""

import errno
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from audit_scene import KEY, HastyFiles, Log, call
from fix_logs import Journal
from neve.clock import SystemClock
from neve.domain.audit import genuine_head
from neve.errors import StoreFull, StoreUnavailable
from neve.events import AuditHead, AuditLogFailed
from neve.server.audit import log as log_module
from neve.server.audit.log import LOG_FAILED, UNPROVEN, AuditLog
from neve.testing.time_and_chance import ManualClock


class Disk(HastyFiles):
    """A disk that is full, slow or broken when a test says so."""

    def __init__(self) -> None:
        self.full = False
        self.broken = False
        self.free = 1 << 40
        self.may_sync = Event()
        self.may_sync.set()
        self.syncs = 0

    def write(self, descriptor: int, buffers: Any) -> int:
        if self.full:
            raise OSError(errno.ENOSPC, "no room")
        return super().write(descriptor, buffers)

    def sync(self, descriptor: int) -> None:
        self.may_sync.wait()
        self.syncs += 1
        if self.broken:
            raise OSError(errno.EIO, "broken")

    def free_bytes(self, path: str) -> int:
        return self.free


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def files(tmp_path: Path) -> Log:
    return Log(tmp_path)


@pytest.fixture
def opened(files: Log, disk: Disk, journal: Journal) -> Iterator[AuditLog]:
    with AuditLog(files.writer(disk), clock=SystemClock(), report=journal.report) as log:
        yield log


def wait_until(condition: Callable[[], bool]) -> None:
    """Return when it holds; a test that waits in vain runs into its own deadline."""
    pause = Event()
    while not condition():
        pause.wait(0.01)


def test_what_was_waited_for_is_there_when_the_waiting_is_over(opened: AuditLog, files: Log) -> None:
    opened.write_durably(call("one"))
    assert files.names() == ["one"]


def test_nobody_is_told_that_a_line_is_safe_before_it_was_synced(
    opened: AuditLog, files: Log, disk: Disk
) -> None:
    disk.may_sync.clear()
    done = Event()

    def write() -> None:
        opened.write_durably(call("one"))
        done.set()

    thread = Thread(target=write)
    thread.start()
    wait_until(lambda: files.names() == ["one"])
    assert not done.is_set()
    disk.may_sync.set()
    thread.join()
    assert done.is_set()


def test_writers_in_many_threads_make_one_chain_and_share_syncs(
    files: Log, disk: Disk, journal: Journal
) -> None:
    names = [f"call {number}" for number in range(400)]
    with (
        AuditLog(files.writer(disk), clock=SystemClock(), report=journal.report) as log,
        ThreadPoolExecutor(16) as threads,
    ):
        for number, _ in enumerate(threads.map(lambda name: log.write_durably(call(name)), names[:200])):
            log.write(call(names[200 + number]))
    assert sorted(files.names()) == sorted(names)
    assert files.kinds() == []
    assert disk.syncs <= 250


def test_a_line_that_nobody_waits_for_is_synced_and_sealed_within_moments(
    opened: AuditLog, files: Log
) -> None:
    opened.write(call("one"))
    wait_until(lambda: files.names() == ["one"])

    def sealed() -> bool:
        head = genuine_head(KEY, files.head.read_bytes())
        return head is not None and head.mark.sequence == 2

    wait_until(sealed)


def test_a_log_that_is_closed_is_sealed_to_its_end_and_tells_where_that_is(
    files: Log, disk: Disk, journal: Journal
) -> None:
    with AuditLog(files.writer(disk), clock=SystemClock(), report=journal.report) as log:
        log.write(call("one"))
    last = files.verified().last
    assert last is not None
    assert files.verified().head is not None
    told = [event for event in journal.events if isinstance(event, AuditHead)]
    assert (told[-1].sequence, told[-1].mac, told[-1].file) == (last.sequence, last.mac, "000001.jsonl")
    with pytest.raises(StoreUnavailable):
        log.write_durably(call("two"))
    with pytest.raises(StoreUnavailable):
        log.require_open()
    log.write(call("three"))
    log.close()


# --- when nothing can be written


def test_a_full_disk_is_told_to_who_waits_and_the_line_is_written_when_there_is_room(
    files: Log, disk: Disk, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_module, "_RETRY_S", 0.05)
    journal.announce("audit log failed")
    with AuditLog(files.writer(disk), clock=SystemClock(), report=journal.report) as log:
        log.write_durably(call("before"))
        disk.full = True
        with pytest.raises(StoreUnavailable, match="no room"):
            log.write_durably(call("during"))
        with pytest.raises(StoreUnavailable):
            log.require_room()
        log.write(call("a look that gets no line"))
        disk.full = False
        wait_until(lambda: not log._failure)
        log.require_room()
        log.write_durably(call("after"))
    names = files.names()
    assert names == ["before", "during", "after"]
    assert files.kinds() == []
    assert any(said.endswith(f": 1 ({LOG_FAILED})") for said in files.verified().notes)
    told = [event.name for event in journal.events if not isinstance(event, AuditHead)]
    assert told == ["audit log failed", "audit log resumed"]


def test_a_failed_sync_has_every_line_since_the_last_one_written_again_elsewhere(
    files: Log, disk: Disk, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_module, "_RETRY_S", 0.05)
    journal.announce("audit log failed")
    with AuditLog(files.writer(disk), clock=SystemClock(), report=journal.report) as log:
        log.write_durably(call("before"))
        disk.broken = True
        with pytest.raises(StoreUnavailable, match="broken"):
            log.write_durably(call("during"))
        disk.broken = False
        wait_until(lambda: not log._failure)
    assert files.names() == ["before", "during", "during"]
    assert len(files.files) == 2
    verified = files.verified()
    assert verified.findings == []
    assert "nobody's" in verified.notes[0]


def test_too_little_room_stops_changes_before_there_is_none(opened: AuditLog, disk: Disk) -> None:
    opened.require_room()
    disk.free = 1 << 20
    with pytest.raises(StoreFull):
        opened.require_room()
    opened.require_open()
    disk.free = 1 << 30
    opened.require_room()


def test_looks_and_refusals_take_none_of_the_last_room(files: Log, disk: Disk, journal: Journal) -> None:
    with AuditLog(files.writer(disk), clock=SystemClock(), report=journal.report) as log:
        disk.free = 1 << 20
        with pytest.raises(StoreFull):
            log.require_room()
        size = files.files[0].stat().st_size
        for number in range(100):
            log.write(call(f"refused {number}"))
        assert files.files[0].stat().st_size == size
        disk.free = 1 << 30
    assert any(said.endswith(f": 100 ({LOG_FAILED})") for said in files.verified().notes)


def test_lines_in_memory_are_bounded(opened: AuditLog, disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_module, "_WAITING_BYTES_MAX", 10_000)
    disk.may_sync.clear()
    refused = 0
    for number in range(200):
        try:
            opened.require_open()
        except StoreUnavailable:
            refused += 1
        opened.write(call(f"call {number}"))
    assert opened._bytes < 12_000
    assert refused > 100
    disk.may_sync.set()


def test_lines_that_could_never_be_written_are_told_when_the_server_stops(
    files: Log, disk: Disk, journal: Journal
) -> None:
    journal.announce("audit log failed")
    log = AuditLog(files.writer(disk), clock=SystemClock(), report=journal.report)
    disk.full = True
    with pytest.raises(StoreUnavailable):
        log.write_durably(call("one"))
    log.close()
    told = [event for event in journal.events if isinstance(event, AuditLogFailed)]
    assert [event.lines_lost for event in told] == [0, 1]


def test_calls_that_get_no_line_are_counted_by_why(files: Log, disk: Disk, journal: Journal) -> None:
    with AuditLog(files.writer(disk), clock=ManualClock(), report=journal.report) as log:
        for _ in range(7):
            log.count_unwritten(UNPROVEN)
    [said] = files.verified().notes
    assert said.endswith(f": 7 ({UNPROVEN})")


def test_damage_that_is_found_is_an_event(files: Log, journal: Journal) -> None:
    journal.announce("audit log damaged")
    files.write(["one"])
    files.head.unlink()
    with AuditLog(files.writer(), clock=SystemClock(), report=journal.report):
        pass
