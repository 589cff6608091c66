"""File operations that fail where a test says: the n-th call raises, before it has its effect or after.

To plant a fault at every call of something: run it once without faults, count `calls`, and run it again for
each of them.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import ParamSpec, TypeVar

from neve.stores.file_operations import Buffer, FileOperations

P = ParamSpec("P")
R = TypeVar("R")


class FaultyFileOperations:
    """Passes every call on and keeps its name in `calls`; see `fail_before` and `fail_after`.

    For tests of one thread.
    """

    def __init__(
        self,
        files: FileOperations,
        *,
        fail_before: Mapping[int, OSError] | None = None,
        fail_after: Mapping[int, OSError] | None = None,
    ) -> None:
        """Raise `fail_before[i]` instead of doing the i-th call (from 0), `fail_after[i]` when it is done.

        The latter is a failure whose effect took place all the same.
        """
        self._files = files
        self._fail_before = fail_before or {}
        self._fail_after = fail_after or {}
        self.calls: list[str] = []

    def make_directory(self, path: str) -> None:
        self._pass_on(self._files.make_directory, path)

    def create_unnamed(self, directory: str) -> int:
        return self._pass_on(self._files.create_unnamed, directory)

    def give_name(self, descriptor: int, path: str) -> None:
        self._pass_on(self._files.give_name, descriptor, path)

    def create_named(self, path: str) -> int:
        return self._pass_on(self._files.create_named, path)

    def open_for_appending(self, path: str) -> int:
        return self._pass_on(self._files.open_for_appending, path)

    def add_name(self, path: str, new_path: str) -> None:
        self._pass_on(self._files.add_name, path, new_path)

    def rename(self, path: str, new_path: str) -> None:
        self._pass_on(self._files.rename, path, new_path)

    def remove(self, path: str) -> None:
        self._pass_on(self._files.remove, path)

    def open_for_reading(self, path: str) -> int:
        return self._pass_on(self._files.open_for_reading, path)

    def write(self, descriptor: int, buffers: Sequence[Buffer]) -> int:
        return self._pass_on(self._files.write, descriptor, buffers)

    def read_at(self, descriptor: int, size: int, offset: int) -> bytes:
        return self._pass_on(self._files.read_at, descriptor, size, offset)

    def size(self, descriptor: int) -> int:
        return self._pass_on(self._files.size, descriptor)

    def sync(self, descriptor: int) -> None:
        self._pass_on(self._files.sync, descriptor)

    def sync_directory(self, path: str) -> None:
        self._pass_on(self._files.sync_directory, path)

    def close(self, descriptor: int) -> None:
        self._pass_on(self._files.close, descriptor)

    def list_names(self, path: str) -> Sequence[str]:
        return self._pass_on(self._files.list_names, path)

    def list_files(self, path: str) -> Sequence[str]:
        return self._pass_on(self._files.list_files, path)

    def free_bytes(self, path: str) -> int:
        return self._pass_on(self._files.free_bytes, path)

    def _pass_on(self, method: Callable[P, R], *arguments: P.args, **named: P.kwargs) -> R:
        number = len(self.calls)
        self.calls.append(method.__name__)
        if number in self._fail_before:
            raise self._fail_before[number]
        result = method(*arguments, **named)
        if number in self._fail_after:
            raise self._fail_after[number]
        return result
