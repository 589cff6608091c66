"""The directory of an embedded store: what is in it, who may use it, how it comes to be (docs/format.md).

    DIR/format.json     says that this is a store, and of which version
    DIR/lock            locked for as long as a process has the store open; holds its pid
    DIR/master.key      everything sealed is sealed under it; may be kept elsewhere (stores/master_key)
    DIR/metadata.db     made and understood by stores/metadata, as are the files whose names begin so
    DIR/segments/       made and understood by stores/segments
    DIR/archive/        made and understood by stores/archive; there once something was archived
    DIR/neve.toml       settings, if any
    DIR/audit/          made and understood by stores/audit; there once something was recorded
    DIR/admin.sock      there while a server runs: where it takes what operators ask (server/administration)

It knows where the last six are and nothing about them: whoever assembles the store fills them in while
`create` holds the directory. format.json gets its name last, so that a directory is a store or is none.
"""

import errno
import fcntl
import json
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Annotated, Literal, Self

import msgspec

from neve import limits
from neve.clock import Entropy
from neve.domain.keyring import master_key_fingerprint
from neve.errors import StoreInUse, StoreUnusable
from neve.secret_sources import SecretSource
from neve.stores.file_operations import FILE_MODE, FileOperations, SystemFileOperations, write_all
from neve.stores.master_key import (
    DEFAULT_SOURCE,
    file_to_make,
    key_file_content,
    new_master_key,
    read_master_key,
)

VERSION = 1
_FORMAT = "neve-store"
_FORMAT_FILE = "format.json"
_UNFINISHED = "format.json.part"
"""Written first and renamed last: where it stands alone, creating the store was interrupted."""
_LOCK_FILE = "lock"
_NO_LOCK = -1
"""Where a lock's descriptor would be."""
_STORE_ID_BYTES = 16
_NOT_OURS = frozenset({"lost+found"})
"""What a new file system may contain and still be empty."""
_SMALL_FILE_BYTES_MAX = 64 * limits.KIB


class _Claim(msgspec.Struct):
    """The part of format.json that every version has."""

    format: str
    version: int


class _Description(msgspec.Struct, forbid_unknown_fields=True):
    """format.json of version 1."""

    format: Literal["neve-store"]
    version: Literal[1]
    store_id: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}\Z")]
    master_key_fingerprint: Annotated[str, msgspec.Meta(pattern=r"^([0-9a-f]{8})?\Z")] = ""
    """Of the key the store was created with; empty in stores from before it was recorded."""


class StoreDirectory:
    """A store's directory, locked for this process until `close`; or one that is only looked into."""

    def __init__(self, *, path: Path, store_id: str, master_key: bytes, lock_descriptor: int) -> None:
        self.path = path
        self.store_id = store_id
        self.master_key = master_key
        self._lock_descriptor = lock_descriptor

    def __repr__(self) -> str:
        return f"<store {self.store_id} in {self.path}>"

    @property
    def metadata_path(self) -> Path:
        """Where the database is."""
        return self.path / "metadata.db"

    @property
    def segments_path(self) -> Path:
        """Where the segments are."""
        return self.path / "segments"

    @property
    def archive_path(self) -> Path:
        """Where the archive is, or will be."""
        return self.path / "archive"

    def close(self) -> None:
        """Let another process have the store. Repeating it changes nothing."""
        if self._lock_descriptor >= 0:
            os.close(self._lock_descriptor)
            self._lock_descriptor = _NO_LOCK

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def create(
    path: Path,
    *,
    entropy: Entropy,
    populate: Callable[[StoreDirectory], None] = lambda _: None,
    files: FileOperations | None = None,
    master_key: SecretSource = DEFAULT_SOURCE,
) -> None:
    """Make `path` a new store, durably, and let `populate` fill it.

    Its master key is the one that `master_key` holds, or a new one in the file it names if that is not there.
    The directory may exist if it is empty; its parent must. When anything fails, what was made is removed again
    and the failure raised.

    Raises:
        StoreUnusable: the directory is not empty, or is in use, or cannot be written, or there is no such key.
        whatever `populate` raises, an OSError as StoreUnusable.
    """
    files = files or SystemFileOperations()
    try:
        is_new = _make_or_find_empty(path, files)
        try:
            key_file = file_to_make(master_key, path)
            known_key = b"" if key_file else read_master_key(master_key, path)
        except BaseException:
            if is_new:
                _forget_empty(path)
            raise
        try:
            lock_descriptor = _lock(path)
        except OSError:
            _unlock_again(path, is_new=is_new)
            raise
        directory = StoreDirectory(
            path=path,
            store_id=entropy.take(_STORE_ID_BYTES).hex(),
            master_key=known_key or new_master_key(entropy),
            lock_descriptor=lock_descriptor,
        )
        with directory:
            try:
                # Somebody may have been faster between the first look and the lock: then it is theirs.
                _check_empty(path, files, besides=_NOT_OURS | {_LOCK_FILE})
            except OSError:
                _unlock_again(path, is_new=is_new)
                raise
            try:
                _fill(directory, populate, files, key_file)
            except BaseException:
                _remove_again(path, is_new=is_new)
                raise
    except OSError as error:
        raise StoreUnusable(f"no store can be made in {path}: {error}") from error


def open_directory(path: Path, *, master_key: SecretSource = DEFAULT_SOURCE) -> StoreDirectory:
    """Lock the store in `path` for this process and return it.

    Raises:
        StoreUnusable: it is no store, or of another version, or damaged, or in use, or `master_key` does not give
            the key it was created with. The message says what to do.
    """
    try:
        description = _read_format(path)
        lock_descriptor = _lock(path)
    except OSError as error:
        raise StoreUnusable(f"the store in {path} cannot be opened: {error}") from error
    try:
        key = read_master_key(master_key, path, fingerprint=description.master_key_fingerprint)
    except BaseException:
        os.close(lock_descriptor)
        raise
    return StoreDirectory(
        path=path, store_id=description.store_id, master_key=key, lock_descriptor=lock_descriptor
    )


def look_into(path: Path, *, master_key: SecretSource = DEFAULT_SOURCE) -> StoreDirectory:
    """Return the store in `path` without its lock: for who only reads what may be read while another has it open.

    Raises:
        StoreUnusable: it is no store, or `master_key` does not give the key it was created with.
    """
    try:
        description = _read_format(path)
    except OSError as error:
        raise StoreUnusable(f"the store in {path} cannot be read: {error}") from error
    key = read_master_key(master_key, path, fingerprint=description.master_key_fingerprint)
    return StoreDirectory(path=path, store_id=description.store_id, master_key=key, lock_descriptor=_NO_LOCK)


def recorded_fingerprint(path: Path) -> str:
    """Return the fingerprint of the master key the store in `path` was created with; empty if it does not say.

    Raises:
        StoreUnusable: it is no store we can read.
    """
    try:
        return _read_format(path).master_key_fingerprint
    except OSError as error:
        raise StoreUnusable(f"the store in {path} cannot be read: {error}") from error


# --- creating


def _make_or_find_empty(path: Path, files: FileOperations) -> bool:
    """Return whether the directory had to be made."""
    try:
        files.make_directory(str(path))
    except FileExistsError:
        _check_empty(path, files, besides=_NOT_OURS)
        return False
    except FileNotFoundError:
        raise StoreUnusable(f"{path.parent} does not exist: make it first, or name another place") from None
    return True


def _check_empty(path: Path, files: FileOperations, *, besides: frozenset[str]) -> None:
    names = set(files.list_names(str(path)))
    if _FORMAT_FILE in names:
        raise StoreUnusable(f"{path} is a neve store already: use it, or name another directory")
    if names - besides:
        raise StoreUnusable(f"{path} is not empty: name an empty directory, or one that does not exist yet")


def _fill(
    directory: StoreDirectory,
    populate: Callable[[StoreDirectory], None],
    files: FileOperations,
    key_file: Path | None,
) -> None:
    path = directory.path
    described = {
        "format": _FORMAT,
        "version": VERSION,
        "store_id": directory.store_id,
        "master_key_fingerprint": master_key_fingerprint(directory.master_key),
    }
    _write_file(path / _UNFINISHED, json.dumps(described).encode() + b"\n", files)
    if key_file is not None:
        _write_file(key_file, key_file_content(directory.master_key), files)
    try:
        for folder in {path, path if key_file is None else key_file.parent}:
            files.sync_directory(str(folder))
        populate(directory)
        files.rename(str(path / _UNFINISHED), str(path / _FORMAT_FILE))
        files.sync_directory(str(path))
        files.sync_directory(str(path.parent))
    except BaseException:
        # Wherever it is: nobody shall find a key and wonder what it opens.
        if key_file is not None:
            with suppress(OSError):
                key_file.unlink()
        raise


def _write_file(path: Path, content: bytes, files: FileOperations) -> None:
    descriptor = files.create_named(str(path))
    try:
        write_all(files, descriptor, [content])
        files.sync(descriptor)
    except BaseException:
        with suppress(OSError):
            path.unlink()
        raise
    finally:
        files.close(descriptor)


def _forget_empty(path: Path) -> None:
    """Undo the directory, unless somebody put something into it."""
    with suppress(OSError):
        path.rmdir()


def _unlock_again(path: Path, *, is_new: bool) -> None:
    """Undo the lock and the directory, where that is all we know to be ours."""
    with suppress(OSError):
        (path / _LOCK_FILE).unlink(missing_ok=True)
        if is_new:
            path.rmdir()


def _remove_again(path: Path, *, is_new: bool) -> None:
    """Remove what a failed `create` made, as far as that goes; the first failure is the one to report."""
    with suppress(OSError):
        for entry in sorted(path.iterdir(), key=lambda entry: entry.name != _FORMAT_FILE):
            if entry.name in _NOT_OURS:
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink(missing_ok=True)
        if is_new:
            path.rmdir()


# --- opening


def _read_format(path: Path) -> _Description:
    """Return what the store says of itself, after checking that this is a store we can read."""
    file = path / _FORMAT_FILE
    try:
        content = _read_small(file)
    except (FileNotFoundError, NotADirectoryError):
        raise StoreUnusable(_why_no_store(path)) from None
    try:
        if len(content) > _SMALL_FILE_BYTES_MAX:
            raise msgspec.DecodeError("it is far too long")
        claim = msgspec.json.decode(content, type=_Claim)
        if claim.format == _FORMAT and claim.version > VERSION:
            raise StoreUnusable(
                f"the store in {path} has format version {claim.version}, and this program knows version "
                f"{VERSION}: use the newer neve that wrote it"
            )
        return msgspec.json.decode(content, type=_Description)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise StoreUnusable(
            f"{file} is damaged ({error}): bring it back from a copy of the store; nothing else was touched"
        ) from error


def _why_no_store(path: Path) -> str:
    if not path.is_dir():
        return (
            f"{path} is not a directory that exists: name a store's directory, or make one with `neve init`"
        )
    if (path / _UNFINISHED).exists():
        return (
            f"creating the store in {path} was interrupted, and nothing was stored in it yet: "
            "remove what is in the directory and run `neve init` again"
        )
    if (path / "segments").exists() or (path / "metadata.db").exists():
        return (
            f"{path} looks like a neve store, but its {_FORMAT_FILE} is missing: bring that file back from a "
            "copy of the store, and remove nothing"
        )
    return (
        f"{path} is not a neve store (it has no {_FORMAT_FILE}): name another, or make one with `neve init`"
    )


def _read_small(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(_SMALL_FILE_BYTES_MAX + 1)


def _lock(path: Path) -> int:
    """Take the lock of the directory and write our pid into it; return its descriptor, which holds it."""
    descriptor = _open_lock(path / _LOCK_FILE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Over the old one and then cut, so that no room is needed. Whom it names is for people: it may be missing.
        pid = f"{os.getpid()}\n".encode("ascii")
        with suppress(OSError):
            os.pwrite(descriptor, pid, 0)
            os.ftruncate(descriptor, len(pid))
    except BlockingIOError:
        holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
        os.close(descriptor)
        raise StoreInUse(
            f"the store in {path} is in use by another process (pid {holder}): one process at a time may have "
            "it open. Stop that one first."
        ) from None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _open_lock(file: Path) -> int:
    """Open the lock's file; only for reading where nothing can be written, which locks it as well."""
    try:
        return os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
    except OSError as error:
        if error.errno not in {errno.EROFS, errno.EACCES}:
            raise
        return os.open(file, os.O_RDONLY | os.O_CLOEXEC)
