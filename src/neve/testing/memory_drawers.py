"""What a part of the memory store has that the archive is to have, for `memory_archive_records` to read and put back."""

from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from neve.stores.metadata.contract_archive import ArchiveKind


@dataclass(frozen=True, slots=True)
class Drawer:
    """A dictionary, and what one must know to write its entries down."""

    kind: ArchiveKind
    table: str
    entries: MutableMapping[Any, Any]
    key_type: Any
    value_type: Any
    owner: Callable[[Any, Any], str]
    """The name of the archived record that an entry is in, given its key and value."""
