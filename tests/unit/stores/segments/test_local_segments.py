"""Segments in a folder: what a failing disk may and may not leave behind, and who is told what."""

import errno
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest

from neve.errors import (
    ChunkDamaged,
    InvariantError,
    SegmentMissing,
    StoreError,
    StoreFull,
    StoreUnavailable,
    StoreUnusable,
)
from neve.stores.file_operations import Buffer, SystemFileOperations
from neve.stores.metadata.placement import SegmentName
from neve.stores.segments.local import LocalSegmentStore
from neve.testing.faulty_files import FaultyFileOperations
from neve.testing.segment_contract import SegmentStoreContract, segment_name

NAME = SegmentName("ab" * 16)
PARTS: list[Buffer] = [b"0123456789" * 100, memoryview(b"abc"), b"tail"]
CONTENT = b"".join(PARTS)


class NamedOnlyFiles(SystemFileOperations):
    """A file system without unnamed files, as NFS and some overlays are."""

    def create_unnamed(self, directory: str) -> int:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP), directory)


class ReluctantFiles(SystemFileOperations):
    """Takes and gives at most seven bytes at a time."""

    def write(self, descriptor: int, buffers: Sequence[Buffer]) -> int:
        return os.write(descriptor, b"".join(buffers)[:7])

    def read_at(self, descriptor: int, size: int, offset: int) -> bytes:
        return super().read_at(descriptor, min(size, 7), offset)


FILES: dict[str, Callable[[], SystemFileOperations]] = {
    "unnamed files": SystemFileOperations,
    "named files only": NamedOnlyFiles,
}


@pytest.fixture(scope="module")
def shared_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """256 directories, made once: making and removing them for each test takes minutes on a busy disk."""
    root = tmp_path_factory.mktemp("local") / "segments"
    LocalSegmentStore.create(root)
    return root


@pytest.fixture
def root(shared_root: Path) -> Iterator[Path]:
    yield shared_root
    for entry in [
        entry for part in shared_root.iterdir() for entry in (part.iterdir() if part.is_dir() else [part])
    ]:
        if entry.is_dir() and not entry.is_symlink():
            entry.rmdir()
        else:
            entry.unlink()


@pytest.fixture
def own_root(tmp_path: Path) -> Path:
    """For tests that break the directories themselves."""
    LocalSegmentStore.create(tmp_path / "segments")
    return tmp_path / "segments"


@pytest.fixture(params=FILES)
def files(request: pytest.FixtureRequest) -> SystemFileOperations:
    return FILES[request.param]()


@pytest.fixture
def store(root: Path, files: SystemFileOperations) -> Iterator[LocalSegmentStore]:
    opened = LocalSegmentStore(root, files)
    yield opened
    opened.close()


class TestLocalSegmentsOnEitherFileSystem(SegmentStoreContract):
    pass


class TestLocalSegmentsOnReluctantFiles(SegmentStoreContract):
    @pytest.fixture
    def store(self, root: Path) -> Iterator[LocalSegmentStore]:
        opened = LocalSegmentStore(root, ReluctantFiles())
        yield opened
        opened.close()


def everything_in(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir()}


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a count, of something that is no folder


# --- where things are, and who may read them


def test_a_segment_is_where_the_format_says_and_nobody_elses(root: Path, store: LocalSegmentStore) -> None:
    store.write(NAME, PARTS)
    assert everything_in(root) == {f"ab/{NAME}.seg"}
    assert (root / "ab" / f"{NAME}.seg").read_bytes() == CONTENT
    assert stat.S_IMODE((root / "ab" / f"{NAME}.seg").stat().st_mode) == 0o600
    assert {stat.S_IMODE(path.stat().st_mode) for path in (root, *root.iterdir())} == {0o700}


def test_what_one_store_wrote_the_next_one_reads(root: Path, store: LocalSegmentStore) -> None:
    store.write(NAME, PARTS)
    store.close()
    assert LocalSegmentStore(root).read(NAME, 0, len(CONTENT)) == CONTENT


def test_debris_is_neither_a_segment_nor_an_error(root: Path, store: LocalSegmentStore) -> None:
    store.write(NAME, PARTS)
    for debris in (
        f"00/{NAME}.seg",
        f"ab/{NAME}.part",
        f"ab/{NAME}.seg.bak",
        f"ab/{NAME.upper()}.seg",
        f"ab/{NAME[:-1]}.seg",
        "ab/notes",
        "notes",
    ):
        (root / debris).write_bytes(b"x")
    (root / "ab" / f"{'ab' * 15}cd.seg").mkdir()
    (root / "ab" / f"{'ab' * 15}ef.seg").symlink_to(root / "ab" / f"{NAME}.seg")
    assert LocalSegmentStore(root).names(after=None, limit=10) == [NAME]


def test_a_symbolic_link_is_not_followed(root: Path, store: LocalSegmentStore) -> None:
    (root / "ab" / f"{NAME}.seg").symlink_to("/proc/self/environ")
    with pytest.raises(StoreUnavailable):
        store.read(NAME, 0, 1)


# --- opening


def test_a_store_is_created_once(root: Path) -> None:
    with pytest.raises(StoreUnusable):
        LocalSegmentStore.create(root)


def test_creating_syncs_the_directories_and_their_parent(tmp_path: Path) -> None:
    class NotingFiles(SystemFileOperations):
        def __init__(self) -> None:
            self.made: list[str] = []
            self.synced: list[str] = []

        def make_directory(self, path: str) -> None:
            super().make_directory(path)
            self.made.append(path)

        def sync_directory(self, path: str) -> None:
            assert len(self.made) == 257
            super().sync_directory(path)
            self.synced.append(path)

    noting = NotingFiles()
    LocalSegmentStore.create(tmp_path / "segments", noting)
    assert set(noting.synced) == {str(tmp_path / "segments"), str(tmp_path)}


def test_a_store_that_is_not_there_or_not_whole_is_not_opened(own_root: Path) -> None:
    with pytest.raises(StoreUnusable):
        LocalSegmentStore(own_root / "elsewhere")
    (own_root / "7f").rmdir()
    with pytest.raises(StoreUnusable, match="lacks 1 of the 256"):
        LocalSegmentStore(own_root)


def test_a_disk_that_went_away_is_not_called_data_loss(own_root: Path) -> None:
    store = LocalSegmentStore(own_root)
    store.write(segment_name(1), PARTS)
    own_root.rename(own_root.with_name("unmounted"))
    with pytest.raises(StoreUnavailable):
        store.read(NAME, 0, 1)
    with pytest.raises(StoreUnavailable):
        store.names(after=None, limit=10)
    with pytest.raises(StoreUnavailable):
        store.write(NAME, PARTS)
    with pytest.raises(StoreUnavailable):
        store.check_writable()


# --- writing on a disk that fails


FAULTS = {
    ("before", "ENOSPC"): errno.ENOSPC,
    ("before", "EDQUOT"): errno.EDQUOT,
    ("before", "EIO"): errno.EIO,
    ("before", "EMFILE"): errno.EMFILE,
    ("after", "EIO"): errno.EIO,  # it was done, and the word of it was lost
    ("after", "ETIMEDOUT"): errno.ETIMEDOUT,
}


def calls_of_a_write(root: Path, files: SystemFileOperations) -> list[str]:
    counting = FaultyFileOperations(files)
    store = LocalSegmentStore(root, counting)
    counting.calls.clear()
    store.write(segment_name(0), PARTS)
    return counting.calls


def outcome_of(action: Callable[[], object]) -> str:
    try:
        action()
    except StoreError as error:
        return type(error).__name__
    return "done"


def is_whole(root: Path, name: SegmentName) -> bool:
    """Return whether `name` is there with all of its bytes, False if it is absent; nothing else may be."""
    store = LocalSegmentStore(root)
    try:
        assert store.size(name) == len(CONTENT)
        assert store.read(name, 0, len(CONTENT)) == CONTENT
    except SegmentMissing:
        return False
    finally:
        store.close()
    return True


def test_a_write_syncs_the_bytes_then_names_them_then_syncs_the_name(
    root: Path, files: SystemFileOperations
) -> None:
    calls = calls_of_a_write(root, files)
    naming = "add_name" if isinstance(files, NamedOnlyFiles) else "give_name"
    steps = [call for call in calls if call in {"write", "sync", naming, "sync_directory"}]
    assert steps == ["write", "sync", naming, "sync_directory"]


@pytest.mark.parametrize(
    ("when", "code"), [(w, c) for (w, _), c in FAULTS.items()], ids=map("-".join, FAULTS)
)
def test_a_write_that_fails_anywhere_leaves_nothing_wrong_and_tries_nothing_twice(
    root: Path, files: SystemFileOperations, when: str, code: int
) -> None:
    outcomes: dict[str, str] = {}
    for position, call in enumerate(calls_of_a_write(root, files)):
        if call == "create_unnamed" and isinstance(files, NamedOnlyFiles):
            continue  # fails by itself
        fault = {1 + position: OSError(code, os.strerror(code))}  # call 0 lists the root on opening
        faulty = FaultyFileOperations(files, **{f"fail_{when}": fault})
        store = LocalSegmentStore(root, faulty)
        name = segment_name(1 + position)
        descriptors_before = open_descriptors()
        outcome = outcomes[call] = outcome_of(partial(store.write, name, PARTS))
        # What the planted fault itself loses: a descriptor that was made and never told, or never closed.
        lost = {("after", "create_unnamed"), ("after", "create_named"), ("before", "close")}
        assert open_descriptors() == descriptors_before + ((when, call) in lost)
        match outcome:
            case "done":
                assert is_whole(root, name)
            case "StoreFull":
                assert not is_whole(root, name)
            case _:
                is_whole(root, name)  # or absent, and nothing else
        assert not {step for step in ("write", "sync", "sync_directory") if faulty.calls.count(step) > 1}
    assert outcomes.pop("close") == outcomes.pop("remove", "done") == "done", "bytes are durable by then"
    if code in {errno.ENOSPC, errno.EDQUOT}:
        assert outcomes.pop("sync_directory") == "StoreUnavailable", "the name may be there"
        assert set(outcomes.values()) == {"StoreFull"}
    else:
        assert set(outcomes.values()) == {"StoreUnavailable"}


def test_a_failed_sync_is_the_end_of_that_name(root: Path, files: SystemFileOperations) -> None:
    calls = calls_of_a_write(root, files)
    fault = {1 + calls.index("sync"): OSError(errno.EIO, "lost")}
    store = LocalSegmentStore(root, FaultyFileOperations(files, fail_before=fault))
    with pytest.raises(StoreUnavailable):
        store.write(NAME, PARTS)
    assert everything_in(root) == {f"{segment_name(0)[:2]}/{segment_name(0)}.seg"}
    store.write(segment_name(1), PARTS)
    assert is_whole(root, segment_name(1))


def test_a_file_system_that_takes_nothing_is_an_error_and_no_endless_loop(root: Path) -> None:
    class StuckFiles(SystemFileOperations):
        def write(self, descriptor: int, buffers: Sequence[Buffer]) -> int:
            return 0

    with pytest.raises(StoreUnavailable, match="takes no bytes"):
        LocalSegmentStore(root, StuckFiles()).write(NAME, PARTS)
    assert everything_in(root) == set()


def test_a_name_somebody_else_put_there_is_left_alone(root: Path, store: LocalSegmentStore) -> None:
    (root / "ab" / f"{NAME}.seg").write_bytes(b"theirs")
    with pytest.raises(InvariantError):
        store.write(NAME, PARTS)
    assert everything_in(root) == {f"ab/{NAME}.seg"}
    assert (root / "ab" / f"{NAME}.seg").read_bytes() == b"theirs"


def test_bytes_gathered_under_a_name_by_a_crash_are_never_added_to(root: Path) -> None:
    (root / "ab" / f"{NAME}.part").write_bytes(b"half")
    with pytest.raises(InvariantError):
        LocalSegmentStore(root, NamedOnlyFiles()).write(NAME, PARTS)
    assert (root / "ab" / f"{NAME}.part").read_bytes() == b"half"


# --- reading and deleting on a disk that fails


@pytest.mark.parametrize("action", ["read", "size", "names", "delete", "check_writable"])
def test_every_failure_of_every_call_comes_out_as_a_store_error(
    root: Path, files: SystemFileOperations, action: str
) -> None:
    LocalSegmentStore(root).write(NAME, PARTS)

    def run(faulty: FaultyFileOperations) -> str:
        store = LocalSegmentStore(root, faulty)
        actions: dict[str, Callable[[], object]] = {
            "read": lambda: store.read(NAME, 0, len(CONTENT)),
            "size": lambda: store.size(NAME),
            "names": lambda: store.names(after=None, limit=10),
            "delete": lambda: store.delete(segment_name(5)),
            "check_writable": store.check_writable,
        }
        return outcome_of(actions[action])

    counting = FaultyFileOperations(files)
    assert run(counting) == "done"
    # A listing makes the same call for each of 256 directories: some of them will do.
    for position in range(1, len(counting.calls), 1 if len(counting.calls) < 20 else 17):
        fault = {position: OSError(errno.EIO, "planted")}
        outcome = run(FaultyFileOperations(files, fail_before=fault))
        expected = {"close": "done", "read_at": "ChunkDamaged"}
        assert outcome == expected.get(counting.calls[position], "StoreUnavailable")


@pytest.mark.parametrize(
    ("number", "told"),
    [(errno.EIO, ChunkDamaged), (errno.ENOMEM, StoreUnavailable), (errno.ESTALE, StoreUnavailable)],
)
def test_a_sector_that_cannot_be_read_is_damage_and_every_other_trouble_may_pass(
    root: Path, files: SystemFileOperations, number: int, told: type[StoreError]
) -> None:
    LocalSegmentStore(root).write(NAME, PARTS)
    counting = FaultyFileOperations(files)
    LocalSegmentStore(root, counting).read(NAME, 0, 1)
    faulty = FaultyFileOperations(
        files, fail_before={counting.calls.index("read_at"): OSError(number, "planted")}
    )
    store = LocalSegmentStore(root, faulty)
    with pytest.raises(StoreError) as caught:
        store.read(NAME, 0, 1)
    assert type(caught.value) is told
    assert store.read(NAME, 0, len(CONTENT)) == CONTENT


def test_a_delete_that_failed_is_finished_by_the_next_one(root: Path, files: SystemFileOperations) -> None:
    store = LocalSegmentStore(root, files)
    store.write(NAME, PARTS)
    faulty = FaultyFileOperations(files, fail_before={2: OSError(errno.EIO, "planted")})
    failing = LocalSegmentStore(root, faulty)
    with pytest.raises(StoreUnavailable):
        failing.delete(NAME)
    failing.delete(NAME)
    assert faulty.calls[1:] == ["remove", "sync_directory", "remove", "sync_directory"]
    with pytest.raises(SegmentMissing):
        store.read(NAME, 0, 1)


def test_little_room_counts_as_full_before_it_is(root: Path, files: SystemFileOperations) -> None:
    free = files.free_bytes(str(root))
    LocalSegmentStore(root, files, free_bytes_min=1).check_writable()
    with pytest.raises(StoreFull):
        LocalSegmentStore(root, files, free_bytes_min=free * 2 + 1).check_writable()


def test_a_probe_that_a_crash_left_is_no_obstacle(root: Path, store: LocalSegmentStore) -> None:
    (root / "00" / "probe.part").write_bytes(b"left")
    store.check_writable()
    assert everything_in(root) == set()
