"""The archive in a folder: what a failing disk may and may not leave behind, and who is told what."""

import errno
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest

from neve.errors import ArchiveDamaged, ArchiveMissing, StoreError, StoreFull, StoreUnavailable
from neve.stores.archive.contract import OBJECT_BYTES_MAX
from neve.stores.archive.local import LocalArchiveStore
from neve.stores.file_operations import Buffer, SystemFileOperations
from neve.testing.archive_contract import ArchiveStoreContract
from neve.testing.faulty_files import FaultyFileOperations

NAME = "snapshot/snap-0123456789abcdef0"
OLD = b"old " * 300
NEW = b"new " * 200


class ReluctantFiles(SystemFileOperations):
    """Takes and gives at most a thousand bytes at a time."""

    def write(self, descriptor: int, buffers: Sequence[Buffer]) -> int:
        return os.write(descriptor, b"".join(buffers)[:1_000])

    def read_at(self, descriptor: int, size: int, offset: int) -> bytes:
        return super().read_at(descriptor, min(size, 1_000), offset)


class TestLocalArchiveOnReluctantFiles(ArchiveStoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[LocalArchiveStore]:
        opened = LocalArchiveStore(tmp_path / "archive", ReluctantFiles())
        yield opened
        opened.close()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "archive"


def everything_in(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir()}


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a count, of something that is no folder


def content_of(root: Path) -> bytes | None:
    """Return what a store opened now has under `NAME`, None for nothing."""
    try:
        return LocalArchiveStore(root).read(NAME)
    except ArchiveMissing:
        return None


# --- where things are, and who may read them


def test_an_object_is_where_the_format_says_and_nobody_elses(root: Path) -> None:
    LocalArchiveStore(root).write(NAME, NEW)
    assert everything_in(root) == {NAME}
    assert (root / NAME).read_bytes() == NEW
    assert stat.S_IMODE((root / NAME).stat().st_mode) == 0o600
    assert {stat.S_IMODE(path.stat().st_mode) for path in (root, root / "snapshot")} == {0o700}


def test_what_one_store_wrote_the_next_one_reads(root: Path) -> None:
    LocalArchiveStore(root).write(NAME, NEW)
    assert LocalArchiveStore(root).read(NAME) == NEW


def test_nothing_is_made_before_something_is_written(root: Path) -> None:
    store = LocalArchiveStore(root)
    store.delete(NAME)
    assert store.names("snapshot", after=None, limit=10) == []
    assert not root.exists()


def test_debris_is_neither_an_object_nor_an_error_and_goes_with_the_next_write(root: Path) -> None:
    LocalArchiveStore(root).write(NAME, OLD)
    (root / "snapshot" / ".snap-1.0.part").write_bytes(b"half")
    (root / "snapshot" / ".snap-0123456789abcdef0.0.part").write_bytes(b"half")
    (root / "snapshot" / "notes of mine").write_bytes(b"x")
    (root / "snapshot" / "a-directory").mkdir()
    (root / "snapshot" / "a-link").symlink_to(root / NAME)
    store = LocalArchiveStore(root)
    assert store.names("snapshot", after=None, limit=10) == ["snap-0123456789abcdef0"]
    store.write(NAME, NEW)
    assert everything_in(root) == {NAME, "snapshot/notes of mine", "snapshot/a-link"}


def test_a_symbolic_link_is_not_followed(root: Path) -> None:
    LocalArchiveStore(root).write("snapshot/another", b"x")
    (root / NAME).symlink_to("/proc/self/environ")
    with pytest.raises(StoreUnavailable):
        LocalArchiveStore(root).read(NAME)


def test_a_file_longer_than_any_object_is_damage_and_is_not_read(root: Path) -> None:
    LocalArchiveStore(root).write(NAME, NEW)
    with (root / NAME).open("r+b") as file:
        file.truncate(OBJECT_BYTES_MAX + 1)
    with pytest.raises(ArchiveDamaged, match="none has more"):
        LocalArchiveStore(root).read(NAME)


def test_a_file_that_shrinks_while_it_is_read_is_damage_and_never_a_part(root: Path) -> None:
    class ShrinkingFiles(SystemFileOperations):
        def size(self, descriptor: int) -> int:
            return super().size(descriptor) + 1

    LocalArchiveStore(root).write(NAME, NEW)
    with pytest.raises(ArchiveDamaged, match="ends after"):
        LocalArchiveStore(root, ShrinkingFiles()).read(NAME)


# --- writing on a disk that fails


FAULTS = {
    ("before", "ENOSPC"): errno.ENOSPC,
    ("before", "EDQUOT"): errno.EDQUOT,
    ("before", "EIO"): errno.EIO,
    ("before", "EMFILE"): errno.EMFILE,
    ("after", "EIO"): errno.EIO,  # it was done, and the word of it was lost
    ("after", "ENOSPC"): errno.ENOSPC,
}


def calls_of(root: Path, action: Callable[[LocalArchiveStore], object]) -> list[str]:
    counting = FaultyFileOperations(SystemFileOperations())
    action(LocalArchiveStore(root, counting))
    return counting.calls


def outcome_of(action: Callable[[], object]) -> str:
    try:
        action()
    except StoreError as error:
        return type(error).__name__
    return "done"


def write_new(store: LocalArchiveStore) -> None:
    store.write(NAME, NEW)


def test_a_first_write_makes_directories_durable_then_syncs_bytes_before_names(root: Path) -> None:
    assert calls_of(root, write_new) == [
        *["make_directory", "sync_directory"] * 2,
        "list_files",
        *["create_named", "write", "sync", "close", "rename", "sync_directory"],
    ]


def test_directories_that_are_there_are_synced_once_by_each_process(root: Path) -> None:
    LocalArchiveStore(root).write(NAME, OLD)

    def write_twice(store: LocalArchiveStore) -> None:
        write_new(store)
        write_new(store)

    assert calls_of(root, write_twice).count("sync_directory") == 2 + 2


@pytest.mark.parametrize("before", [None, OLD], ids=["first", "replacing"])
@pytest.mark.parametrize(
    ("when", "code"), [(w, c) for (w, _), c in FAULTS.items()], ids=map("-".join, FAULTS)
)
def test_a_write_that_fails_anywhere_leaves_the_old_or_the_new_and_tries_nothing_twice(
    tmp_path: Path, before: bytes | None, when: str, code: int
) -> None:
    calls = calls_of(tmp_path / "sound", write_new)
    for position, call in enumerate(calls):
        root = tmp_path / str(position)
        if before is not None:
            LocalArchiveStore(root).write(NAME, before)
        faulty = FaultyFileOperations(
            SystemFileOperations(), **{f"fail_{when}": {position: OSError(code, os.strerror(code))}}
        )
        store = LocalArchiveStore(root, faulty)
        descriptors_before = open_descriptors()
        outcome = outcome_of(partial(write_new, store))
        # What the planted fault itself loses: a descriptor that was made and never told, or never closed.
        lost = {("after", "create_named"), ("before", "close")}
        assert open_descriptors() == descriptors_before + ((when, call) in lost)
        match outcome:
            case "done":
                # The directories of an object that is replaced are there: that failure was its own.
                assert call == "close" or (call == "make_directory" and before is not None)
                assert content_of(root) == NEW
            case "StoreFull":
                assert code in {errno.ENOSPC, errno.EDQUOT}
                assert content_of(root) == before
            case other:
                assert other == "StoreUnavailable"
                assert content_of(root) in {before, NEW}
                assert position >= calls.index("rename") or code not in {errno.ENOSPC, errno.EDQUOT}
        assert faulty.calls.count("sync") <= 1
        assert faulty.calls.count("write") <= 1
        left = {name for name in everything_in(root) if name.endswith(".part")}
        assert not left or (when, call) == ("after", "create_named")
        write_new(store)
        assert everything_in(root) == {NAME}
        assert content_of(root) == NEW


def test_a_file_system_that_takes_nothing_is_an_error_and_no_endless_loop(root: Path) -> None:
    class StuckFiles(SystemFileOperations):
        def write(self, descriptor: int, buffers: Sequence[Buffer]) -> int:
            return 0

    with pytest.raises(StoreUnavailable, match="takes no bytes"):
        LocalArchiveStore(root, StuckFiles()).write(NAME, NEW)
    assert everything_in(root) == set()


# --- reading and deleting on a disk that fails


@pytest.mark.parametrize("action", ["read", "names", "delete"])
def test_every_failure_of_every_call_comes_out_as_a_store_error(root: Path, action: str) -> None:
    LocalArchiveStore(root).write(NAME, OLD)
    actions: dict[str, Callable[[LocalArchiveStore], object]] = {
        "read": lambda store: store.read(NAME),
        "names": lambda store: store.names("snapshot", after=None, limit=10),
        "delete": lambda store: store.delete("snapshot/another"),
    }
    for position, call in enumerate(calls_of(root, actions[action])):
        faulty = FaultyFileOperations(
            SystemFileOperations(), fail_before={position: OSError(errno.EIO, "planted")}
        )
        outcome = outcome_of(partial(actions[action], LocalArchiveStore(root, faulty)))
        expected = {"close": "done", "read_at": "ArchiveDamaged", "size": "ArchiveDamaged"}
        assert outcome == expected.get(call, "StoreUnavailable")


def test_a_sector_that_cannot_be_read_is_damage_and_every_other_trouble_may_pass(root: Path) -> None:
    LocalArchiveStore(root).write(NAME, OLD)
    reading = calls_of(root, lambda store: store.read(NAME)).index("read_at")
    for number, told in ((errno.EIO, ArchiveDamaged), (errno.ENOMEM, StoreUnavailable)):
        faulty = FaultyFileOperations(
            SystemFileOperations(), fail_before={reading: OSError(number, "planted")}
        )
        store = LocalArchiveStore(root, faulty)
        with pytest.raises(StoreError) as caught:
            store.read(NAME)
        assert type(caught.value) is told
        assert store.read(NAME) == OLD


def test_a_delete_that_failed_is_finished_by_the_next_one(root: Path) -> None:
    LocalArchiveStore(root).write(NAME, OLD)
    faulty = FaultyFileOperations(SystemFileOperations(), fail_before={1: OSError(errno.EIO, "planted")})
    store = LocalArchiveStore(root, faulty)
    with pytest.raises(StoreUnavailable):
        store.delete(NAME)
    store.delete(NAME)
    assert faulty.calls == ["remove", "sync_directory", "remove", "sync_directory"]
    assert content_of(root) is None


def test_no_room_leaves_what_was_there(root: Path) -> None:
    LocalArchiveStore(root).write(NAME, OLD)
    position = calls_of(root, lambda store: store.write("snapshot/another", NEW)).index("write")
    faulty = FaultyFileOperations(
        SystemFileOperations(), fail_before={position: OSError(errno.ENOSPC, "planted")}
    )
    with pytest.raises(StoreFull):
        LocalArchiveStore(root, faulty).write(NAME, NEW)
    assert content_of(root) == OLD
