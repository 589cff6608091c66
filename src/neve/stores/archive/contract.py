"""The contract every archive store keeps: small named objects beside the segments, from which the database can be made
again.

    write("snapshot/snap-0123456789abcdef0", content) -> durable -> read(the same) -> that content, or an error

Objects are at most a few hundred KiB; what they mean is `storage.archive_format`'s business.

Promises (checked against every implementation by `neve.testing.archive_contract`)
    durable      when write() or delete() returns, its effect outlives a kill and a power cut.
    whole        a name is absent or has all of what one write gave it, whatever happens while another one is replaced.
    repeatable   writing, deleting again does no harm.
    complete     names() leaves out nothing that was there all the while; an error is raised, never a short list.
    shared       every method may be called from any number of threads at once; of two writes of one name at once, one wins.
    closed-mouthed every OSError and driver error comes out as a StoreError.
"""

from collections.abc import Sequence
from typing import Final, Protocol

NAME_PATTERN: Final = r"[a-z]+/[A-Za-z0-9][A-Za-z0-9._-]{0,127}"
"""A kind, and a name in it. Both are ours: no client's text is in them but ids that were checked."""
OBJECT_BYTES_MAX: Final = 64 << 20
"""Nobody reads more than this into memory: an account with every user and policy there may be has less."""


class ArchiveStore(Protocol):
    """Small objects, kept. See the module's text for the promises."""

    def write(self, name: str, content: bytes) -> None:
        """Put `content` in the place of what has this name, if anything.

        Raises:
            StoreFull: no room; what was there is still there.
            StoreUnavailable: it may have been replaced or not.
        """
        ...

    def read(self, name: str) -> bytes:
        """Return what has this name.

        Raises:
            ArchiveMissing: nothing has.
            ArchiveDamaged: it is longer than any object, or the medium does not give it back.
            StoreUnavailable
        """
        ...

    def names(self, kind: str, *, after: str | None, limit: int) -> Sequence[str]:
        """Return up to `limit` names of a kind, without the kind, ascending, the first one above `after`."""
        ...

    def delete(self, name: str) -> None:
        """Take an object away, durably. An absent one is no error."""
        ...

    def close(self) -> None:
        """Let go of everything. Repeating it changes nothing."""
        ...
