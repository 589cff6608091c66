"""The address of a Unix socket, which has at most 107 bytes however long the path of a store is."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_ADDRESS_BYTES_MAX: Final = 107
"""sun_path, with its end: unix(7)."""


@contextmanager
def address_in(path: Path) -> Iterator[str]:
    """Give an address under which the kernel finds `path` for as long as the block lasts.

    Raises:
        OSError: its directory is not there.
    """
    if len(os.fsencode(path)) <= _ADDRESS_BYTES_MAX:
        yield str(path)
        return
    descriptor = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{path.name}"
    finally:
        os.close(descriptor)
