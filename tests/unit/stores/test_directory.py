"""A store's directory: made whole or not at all, had by one process at a time, refused with a sentence."""

import errno
import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neve.clock import SystemEntropy
from neve.domain.keyring import master_key_fingerprint
from neve.errors import StoreUnavailable, StoreUnusable
from neve.secret_sources import parse_secret_source
from neve.stores import directory
from neve.stores.directory import StoreDirectory
from neve.stores.file_operations import SystemFileOperations
from neve.testing.faulty_files import FaultyFileOperations

ENTROPY = SystemEntropy()


def put_something_in(made: StoreDirectory) -> None:
    made.segments_path.mkdir()
    (made.segments_path / "00").mkdir()
    made.metadata_path.write_bytes(b"rows")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store."""
    directory.create(tmp_path / "store", entropy=ENTROPY, populate=put_something_in)
    return tmp_path / "store"


def refusal(action: Callable[[], object]) -> str:
    with pytest.raises(StoreUnusable) as caught:
        action()
    return str(caught.value)


# --- creating


def test_a_new_store_opens_with_the_id_and_key_it_was_filled_under(tmp_path: Path) -> None:
    seen: list[tuple[str, bytes]] = []
    directory.create(
        tmp_path / "s", entropy=ENTROPY, populate=lambda made: seen.append((made.store_id, made.master_key))
    )
    with directory.open_directory(tmp_path / "s") as opened:
        assert seen == [(opened.store_id, opened.master_key)]


def test_the_files_of_a_new_store_are_what_the_format_says(path: Path) -> None:
    names = {entry.name for entry in path.iterdir()}
    assert names == {"format.json", "lock", "master.key", "metadata.db", "segments"}
    with directory.open_directory(path) as opened:
        described = json.loads((path / "format.json").read_bytes())
        assert described == {
            "format": "neve-store",
            "version": 1,
            "store_id": opened.store_id,
            "master_key_fingerprint": master_key_fingerprint(opened.master_key),
        }
        assert (path / "master.key").read_text() == opened.master_key.hex() + "\n"
        assert (path / "lock").read_text() == f"{os.getpid()}\n"
    modes = {stat.S_IMODE((path / name).stat().st_mode) for name in ("format.json", "lock", "master.key")}
    assert modes == {0o600}
    assert stat.S_IMODE(path.stat().st_mode) == 0o700


def test_two_new_stores_share_neither_id_nor_key(path: Path, tmp_path: Path) -> None:
    directory.create(tmp_path / "other", entropy=ENTROPY)
    with directory.open_directory(path) as one, directory.open_directory(tmp_path / "other") as other:
        assert one.store_id != other.store_id
        assert one.master_key != other.master_key


def test_while_it_is_filled_a_store_is_locked_and_not_yet_a_store(tmp_path: Path) -> None:
    def look(made: StoreDirectory) -> None:
        assert "interrupted" in refusal(lambda: directory.open_directory(made.path))
        assert "not empty" in refusal(lambda: directory.create(made.path, entropy=ENTROPY))

    directory.create(tmp_path / "store", entropy=ENTROPY, populate=look)
    directory.open_directory(tmp_path / "store").close()


@pytest.mark.parametrize("is_there", [False, True], ids=["new directory", "empty directory"])
def test_a_failure_while_filling_leaves_nothing_behind(tmp_path: Path, *, is_there: bool) -> None:
    target = tmp_path / "store"
    if is_there:
        (target / "lost+found").mkdir(parents=True)

    def fail(made: StoreDirectory) -> None:
        put_something_in(made)
        raise StoreUnavailable("not now")

    with pytest.raises(StoreUnavailable):
        directory.create(target, entropy=ENTROPY, populate=fail)
    assert list(tmp_path.rglob("*")) == ([target, target / "lost+found"] if is_there else [])
    directory.create(target, entropy=ENTROPY, populate=put_something_in)
    directory.open_directory(target).close()


@pytest.mark.parametrize("is_there", [False, True], ids=["new directory", "empty directory"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_fault_at_any_call_leaves_nothing_behind(tmp_path: Path, *, when: str, is_there: bool) -> None:
    target = tmp_path / "stores" / "store"
    target.parent.mkdir()
    counted = tmp_path / "counted"
    if is_there:
        target.mkdir()
        counted.mkdir()
    counting = FaultyFileOperations(SystemFileOperations())
    directory.create(counted, entropy=ENTROPY, files=counting)
    for position, call in enumerate(counting.calls):
        if call == "make_directory" and (is_there or when == "after"):
            continue  # it fails by itself, or leaves what only it knows of
        fault = {position: OSError(errno.EIO, "planted")}
        faulty = FaultyFileOperations(SystemFileOperations(), **{f"fail_{when}": fault})
        assert "planted" in refusal(partial(directory.create, target, entropy=ENTROPY, files=faulty))
        assert set(target.parent.rglob("*")) == ({target} if is_there else set())


def test_the_store_gets_its_name_when_all_else_is_durable(tmp_path: Path) -> None:
    noting = FaultyFileOperations(SystemFileOperations())
    directory.create(
        tmp_path / "store",
        entropy=ENTROPY,
        populate=lambda _: noting.calls.append("populate"),
        files=noting,
    )
    write = ["create_named", "write", "sync", "close"]
    filling = noting.calls[noting.calls.index("create_named") :]
    assert filling == [
        *write,
        *write,
        "sync_directory",
        "populate",
        "rename",
        "sync_directory",
        "sync_directory",
    ]


@pytest.mark.parametrize("debris", ["notes.txt", "segments", ".hidden"])
def test_a_directory_with_anything_in_it_is_refused_and_left_alone(tmp_path: Path, debris: str) -> None:
    (tmp_path / debris).write_bytes(b"mine")
    assert "not empty" in refusal(lambda: directory.create(tmp_path, entropy=ENTROPY))
    assert [entry.name for entry in tmp_path.iterdir()] == [debris]


def test_a_store_is_not_made_twice(path: Path) -> None:
    before = {entry: entry.stat().st_mtime_ns for entry in path.rglob("*")}
    assert "already" in refusal(lambda: directory.create(path, entropy=ENTROPY))
    assert {entry: entry.stat().st_mtime_ns for entry in path.rglob("*")} == before


def test_a_place_that_cannot_hold_a_store_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"mine")
    assert "make it first" in refusal(lambda: directory.create(tmp_path / "a" / "b", entropy=ENTROPY))
    refusal(lambda: directory.create(tmp_path / "file", entropy=ENTROPY))
    refusal(lambda: directory.create(tmp_path / "file" / "store", entropy=ENTROPY))
    assert (tmp_path / "file").read_bytes() == b"mine"


def test_a_creation_that_was_killed_says_so_ever_after(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys; from pathlib import Path\n"
        "from neve.clock import SystemEntropy; from neve.stores import directory\n"
        "kill = lambda made: os.kill(os.getpid(), signal.SIGKILL)\n"
        "directory.create(Path(sys.argv[1]), entropy=SystemEntropy(), populate=kill)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, tmp_path / "store"], check=False)
    assert done.returncode == -signal.SIGKILL
    assert "was interrupted" in refusal(lambda: directory.open_directory(tmp_path / "store"))
    assert "not empty" in refusal(lambda: directory.create(tmp_path / "store", entropy=ENTROPY))


# --- opening


def test_what_is_no_store_is_refused_with_what_to_do(tmp_path: Path) -> None:
    assert "neve init" in refusal(lambda: directory.open_directory(tmp_path))
    assert "not a directory that exists" in refusal(lambda: directory.open_directory(tmp_path / "absent"))
    (tmp_path / "file").write_bytes(b"mine")
    assert "not a directory that exists" in refusal(lambda: directory.open_directory(tmp_path / "file"))
    assert {entry.name for entry in tmp_path.iterdir()} == {"file"}


@pytest.mark.parametrize("left", ["segments", "metadata.db"])
def test_a_store_that_lost_its_description_is_not_taken_for_an_empty_place(path: Path, left: str) -> None:
    (path / "format.json").unlink()
    for name in {"segments", "metadata.db"} - {left}:
        (path / name).rename(path.with_name(name))
    assert "remove nothing" in refusal(lambda: directory.open_directory(path))


STORE_ID = "0123456789abcdef" * 2
DAMAGED_FORMATS: dict[str, str] = {
    "empty": "",
    "cut short": '{"format": "neve-store", "version": 1, "store_',
    "not UTF-8": '{"format": "\udcff"}',
    "a list": "[]",
    "deep": "[" * 50_000,
    "a huge number": '{"format": "neve-store", "version": ' + "9" * 5000 + "}",
    "another format": json.dumps({"format": "other", "version": 1, "store_id": STORE_ID}),
    "version 0": json.dumps({"format": "neve-store", "version": 0, "store_id": STORE_ID}),
    "version true": '{"format": "neve-store", "version": true, "store_id": "' + STORE_ID + '"}',
    "version 1.0": '{"format": "neve-store", "version": 1.0, "store_id": "' + STORE_ID + '"}',
    "version as text": json.dumps({"format": "neve-store", "version": "1", "store_id": STORE_ID}),
    "no id": json.dumps({"format": "neve-store", "version": 1}),
    "a short id": json.dumps({"format": "neve-store", "version": 1, "store_id": STORE_ID[:-1]}),
    "an id in capitals": json.dumps({"format": "neve-store", "version": 1, "store_id": STORE_ID.upper()}),
    "an id with a line end": json.dumps({"format": "neve-store", "version": 1, "store_id": STORE_ID + "\n"}),
    "something unknown": json.dumps(
        {"format": "neve-store", "version": 1, "store_id": STORE_ID, "sealed": True}
    ),
    "something behind it": json.dumps({"format": "neve-store", "version": 1, "store_id": STORE_ID}) + "{}",
    "too long to be one": json.dumps({"format": "neve-store", "version": 1, "store_id": STORE_ID})
    + " " * 65_536
    + "x",
}


@pytest.mark.parametrize("text", DAMAGED_FORMATS.values(), ids=DAMAGED_FORMATS)
def test_a_damaged_description_is_refused_with_what_to_do(path: Path, text: str) -> None:
    (path / "format.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    assert "damaged" in refusal(lambda: directory.open_directory(path))


@given(content=st.binary(max_size=200))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_description_crashes_the_opening(path: Path, content: bytes) -> None:
    (path / "format.json").write_bytes(content)
    refusal(lambda: directory.open_directory(path))


def test_a_newer_store_is_refused_whatever_else_it_says(path: Path) -> None:
    (path / "format.json").write_text('{"version": 7, "format": "neve-store", "more": {"to": "come"}}')
    assert "format version 7" in refusal(lambda: directory.open_directory(path))


# --- the master key


def test_the_master_key_may_be_kept_elsewhere(path: Path, tmp_path: Path) -> None:
    with directory.open_directory(path) as opened:
        key = opened.master_key
    (path / "master.key").rename(tmp_path / "usb stick")
    message = refusal(lambda: directory.open_directory(path))
    assert "set master_key to where it is" in message
    assert f"needs its master key {master_key_fingerprint(key)}" in message
    for place in (str(tmp_path / "usb stick"), "../usb stick"):
        with directory.open_directory(path, master_key=parse_secret_source(f"file:{place}")) as opened:
            assert opened.master_key == key


def test_a_store_may_be_made_with_a_key_that_is_there(tmp_path: Path) -> None:
    key = tmp_path / "team.key"
    key.write_text("5a" * 32)
    key.chmod(0o600)
    source = parse_secret_source(f"file:{key}")
    for name in ("one", "two"):
        directory.create(tmp_path / name, entropy=ENTROPY, master_key=source)
        assert not (tmp_path / name / "master.key").exists()
        with directory.open_directory(tmp_path / name, master_key=source) as opened:
            assert opened.master_key == b"\x5a" * 32
    assert key.read_text() == "5a" * 32


def test_a_new_key_may_be_made_outside_of_the_store(tmp_path: Path) -> None:
    source = parse_secret_source("file:../elsewhere.key")
    directory.create(tmp_path / "store", entropy=ENTROPY, master_key=source)
    assert stat.S_IMODE((tmp_path / "elsewhere.key").stat().st_mode) == 0o600
    with directory.open_directory(tmp_path / "store", master_key=source) as opened:
        assert (tmp_path / "elsewhere.key").read_text() == opened.master_key.hex() + "\n"


def test_what_fails_takes_a_key_it_made_elsewhere_back_and_no_other(tmp_path: Path) -> None:
    def fail(_: StoreDirectory) -> None:
        raise StoreUnusable("as it happens")

    for is_there in (False, True):
        key = tmp_path / f"{is_there}.key"
        if is_there:
            key.write_text("5a" * 32)
            key.chmod(0o600)
        with pytest.raises(StoreUnusable, match="as it happens"):
            directory.create(
                tmp_path / "store",
                entropy=ENTROPY,
                populate=fail,
                master_key=parse_secret_source(f"file:{key}"),
            )
        assert not (tmp_path / "store").exists()
        assert key.exists() == is_there


@pytest.mark.parametrize("source", ["env:NO_SUCH_VARIABLE", "credential:nothing", "command:false"])
def test_a_store_is_not_made_without_its_key(tmp_path: Path, source: str) -> None:
    message = refusal(
        lambda: directory.create(tmp_path / "store", entropy=ENTROPY, master_key=parse_secret_source(source))
    )
    assert "needs its master key" in message
    assert not (tmp_path / "store").exists()


def test_another_key_is_refused_with_the_fingerprints_of_both(path: Path, tmp_path: Path) -> None:
    with directory.open_directory(path) as opened:
        created_with = master_key_fingerprint(opened.master_key)
    assert directory.recorded_fingerprint(path) == created_with
    (path / "master.key").write_text("5a" * 32)
    message = refusal(lambda: directory.open_directory(path))
    assert f"was created with master key {created_with}" in message
    assert f"the key given (file:master.key) is {master_key_fingerprint(bytes([0x5A]) * 32)}" in message
    assert "5a5a" not in message


def test_a_store_from_before_fingerprints_opens_with_the_key_given(path: Path) -> None:
    described = json.loads((path / "format.json").read_text())
    del described["master_key_fingerprint"]
    (path / "format.json").write_text(json.dumps(described))
    assert directory.recorded_fingerprint(path) == ""
    directory.open_directory(path).close()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601, 0o777])
def test_a_master_key_open_to_others_is_refused(path: Path, mode: int) -> None:
    (path / "master.key").chmod(mode)
    assert "chmod 600" in refusal(lambda: directory.open_directory(path))


def test_a_master_key_only_the_owner_can_read_is_welcome(path: Path) -> None:
    (path / "master.key").chmod(0o400)
    directory.open_directory(path).close()


@pytest.mark.parametrize(
    "damage",
    [
        lambda key: b"",
        lambda key: key[:-2],
        lambda key: key.upper(),
        lambda key: key + b"\n",
        lambda key: b" " + key,
        lambda key: key.replace(b"\n", b"\r\n"),
        lambda key: b"g" + key[1:],
        lambda key: key.strip() + b"00\n",
        lambda key: bytes.fromhex(key.decode()),
    ],
)
def test_what_is_no_master_key_is_refused_without_being_shown(
    path: Path, damage: Callable[[bytes], bytes]
) -> None:
    damaged = damage(b"ab" * 32 + b"\n")
    (path / "master.key").write_bytes(damaged)
    message = refusal(lambda: directory.open_directory(path))
    assert "holds no master key" in message
    assert "abab" not in message.lower()


def test_a_key_without_a_line_end_is_welcome(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"ab" * 32)
    (tmp_path / "key").chmod(0o600)
    source = parse_secret_source("file:../key")
    directory.create(tmp_path / "store", entropy=ENTROPY, master_key=source)
    with directory.open_directory(tmp_path / "store", master_key=source) as opened:
        assert opened.master_key == b"\xab" * 32
        assert "ab" * 16 not in repr(opened)


# --- one process at a time


def test_a_store_is_had_by_one_at_a_time(path: Path) -> None:
    first = directory.open_directory(path)
    assert f"pid {os.getpid()}" in refusal(lambda: directory.open_directory(path))
    first.close()
    first.close()
    directory.open_directory(path).close()


def test_a_store_that_was_refused_for_its_key_is_not_left_locked(path: Path) -> None:
    (path / "master.key").chmod(0o644)
    refusal(lambda: directory.open_directory(path))
    (path / "master.key").chmod(0o600)
    directory.open_directory(path).close()


def test_another_process_is_named_and_killing_it_frees_the_store(path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from neve.stores import directory\n"
        "held = directory.open_directory(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", program, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert f"in use by another process (pid {holder.pid})" in refusal(
            lambda: directory.open_directory(path)
        )
        holder.kill()
        holder.wait()
    directory.open_directory(path).close()
