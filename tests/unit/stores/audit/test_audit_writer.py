"""What kills, failures and power cuts leave of an audit log, and how it goes on: nothing synced is lost or repeated."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit_scene import HastyFiles, Log, content
from neve.domain.audit import File, line_of
from neve.stores.audit.writer import AuditWriter
from neve.testing.faulty_files import FaultyFileOperations

NO_ROOM = OSError(errno.ENOSPC, "no room")
BROKEN = OSError(errno.EIO, "broken")


def first_of(file: Path) -> File:
    line = line_of(file.read_bytes().splitlines()[0])
    assert line is not None
    record = line.record()
    assert isinstance(record, File)
    return record


def test_a_log_that_was_closed_goes_on_in_the_same_file(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.write(["one"])
    log.write(["two", "three"])
    assert log.names() == ["one", "two", "three"]
    assert len(log.files) == 1
    assert log.kinds() == []


def test_a_log_that_was_killed_goes_on_behind_what_it_had_not_sealed(tmp_path: Path) -> None:
    log = Log(tmp_path)
    for name in ("one", "two", "three"):
        log.write([name], seal=False)
    assert log.names() == ["one", "two", "three"]
    assert len(log.files) == 1
    assert log.kinds() == []


def test_a_file_that_is_long_enough_is_followed_by_another_that_says_where_it_ends(tmp_path: Path) -> None:
    log = Log(tmp_path, file_bytes_max=1200)
    names = [f"call {number}" for number in range(12)]
    log.write(names)
    assert log.names() == names
    for before, after in zip(log.files, log.files[1:], strict=False):
        said = first_of(after)
        assert (said.continues, said.size) == (before.name, before.stat().st_size)
        assert (said.abandoned_bytes, said.damage) == (0, "")
    assert len(log.files) > 3
    assert log.kinds() == []


@given(cut=st.integers(1, 400))
def test_a_line_that_a_kill_tore_is_left_as_it_is_and_the_next_file_says_so(cut: int) -> None:
    with TemporaryDirectory() as folder:
        log = Log(Path(folder))
        log.write(["one"])
        log.write(["two"], seal=False)
        torn = log.files[0].stat().st_size - min(cut, len(log.lines()[-1]) - 1)
        os.truncate(log.files[0], torn)
        log.write(["three"])
        assert log.files[0].stat().st_size == torn
        assert first_of(log.files[1]).abandoned_bytes == len(log.files[0].read_bytes().splitlines()[-1])
        assert log.names()[0] == "one"
        assert log.names()[-1] == "three"
        verified = log.verified()
        assert verified.findings == []
        assert "nobody's" in verified.notes[0]


@given(zeros=st.integers(1, 9000))
def test_zeros_that_a_power_cut_left_behind_the_end_are_nobodys(zeros: int) -> None:
    with TemporaryDirectory() as folder:
        log = Log(Path(folder))
        log.write(["one"])
        with log.files[0].open("ab") as file:
            file.write(bytes(zeros))
        log.write(["two"])
        assert first_of(log.files[1]).abandoned_bytes == zeros
        assert log.kinds() == []


def test_what_is_missing_stays_missing_however_often_the_log_goes_on(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.write(["one", "two", "three"])
    file = log.files[0]
    os.truncate(file, file.stat().st_size - 10)
    assert "does not stand where the head says" in log.writer().found.damage
    log.write(["four"])
    log.write(["five"])
    assert log.kinds() == ["altered", "head"]
    assert "damaged" in log.verified().findings[1].said


@pytest.mark.parametrize("name", ["head", "000001.jsonl"])
def test_a_part_that_is_gone_is_told_and_the_log_goes_on(tmp_path: Path, name: str) -> None:
    log = Log(tmp_path)
    log.write(["one", "two"])
    (tmp_path / "audit" / name).unlink()
    writer = log.writer()
    assert writer.found.damage
    log.write(["three"])
    assert log.names()[-1] == "three"
    assert "head" in log.kinds()


def test_who_takes_head_and_lines_away_is_found_out_after_the_next_start_too(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.write(["one", "two", "three"])
    log.head.unlink()
    os.truncate(log.files[0], log.files[0].stat().st_size - len(log.lines()[-1]))
    log.write(["four"])
    assert log.names() == ["one", "two", "four"]
    assert log.kinds() == ["head"]
    assert "the head is missing" in log.verified().findings[0].said


def test_a_file_that_continues_nothing_is_told(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.write(["one"])
    (tmp_path / "audit" / "000002.jsonl").write_bytes(log.lines()[-1])
    assert "does not continue" in log.writer().found.damage
    log.write(["two"])
    assert log.kinds() != []


def test_a_file_that_a_kill_left_without_a_line_was_never_begun(tmp_path: Path) -> None:
    log = Log(tmp_path, file_bytes_max=200)
    log.write(["one"])
    (tmp_path / "audit" / "000003.jsonl").write_bytes(b'{"sequence":4,"prev')
    log.write(["two"])
    assert log.names() == ["one", "two"]
    assert log.kinds() == []


def test_a_folder_that_was_half_made_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "audit.part").mkdir()
    (tmp_path / "audit.part" / "000001.jsonl").write_bytes(b"half a li")
    log = Log(tmp_path)
    log.write(["one"])
    assert log.kinds() == []
    assert not (tmp_path / "audit.part").exists()


# --- calls that fail


def attempt(writer: AuditWriter, names: list[str]) -> None:
    """Bring records to the medium as the log's thread does: what failed is given up and appended again."""
    for _ in range(9):
        try:
            writer.append([content(name) for name in names])
            writer.sync()
        except OSError:
            writer.give_up()
            continue
        break
    else:
        raise AssertionError("it never came to an end")
    for _ in range(9):
        try:
            writer.seal()
        except OSError:
            continue
        return


def calls_of(program: Callable[[FaultyFileOperations], None]) -> int:
    files = FaultyFileOperations(HastyFiles())
    program(files)
    return len(files.calls)


@pytest.mark.parametrize("when", ["fail_before", "fail_after"])
@pytest.mark.parametrize("error", [NO_ROOM, BROKEN], ids=["full", "broken"])
def test_whichever_call_fails_every_record_is_there_once_and_the_log_is_whole(
    when: str, error: OSError
) -> None:
    names = [f"call {number}" for number in range(6)]

    def program(folder: Path, files: FaultyFileOperations) -> None:
        log = Log(folder, file_bytes_max=1200)
        try:
            writer = log.writer(files)
        except OSError:
            writer = log.writer(files)
        for name in names:
            attempt(writer, [name])
        writer.close()

    with TemporaryDirectory() as folder:
        count = calls_of(lambda files: program(Path(folder), files))
    assert count > 40
    for at in range(count):
        with TemporaryDirectory() as folder:
            program(Path(folder), FaultyFileOperations(HastyFiles(), **{when: {at: error}}))
            log = Log(Path(folder))
            assert log.kinds() == [], at
            abandoned = {first_of(file).continues: first_of(file).size for file in log.files[1:]}
            found = b"".join(file.read_bytes()[: abandoned.get(file.name)] for file in log.files)
            assert [name for name in names if found.count(f'"{name}"'.encode()) != 1] == [], at
            log.write(["afterwards"])
            assert log.kinds() == [], at


def test_a_write_that_takes_some_bytes_and_fails_leaves_them_to_nobody(tmp_path: Path) -> None:
    class Short(HastyFiles):
        """Takes ten bytes and then no more, once."""

        state = 0

        def write(self, descriptor: int, buffers: object) -> int:
            self.state += 1
            if self.state == 5:  # the first file, its head, a line, its head: then this
                return os.write(descriptor, bytes(buffers[0])[:10])  # type: ignore[index]
            if self.state == 6:
                raise NO_ROOM
            return super().write(descriptor, buffers)  # type: ignore[arg-type]

    log = Log(tmp_path)
    writer = log.writer(Short())
    attempt(writer, ["one"])
    attempt(writer, ["two"])
    writer.close()
    assert first_of(log.files[1]).abandoned_bytes == 10
    assert log.kinds() == []
    assert log.names() == ["one", "two"]
