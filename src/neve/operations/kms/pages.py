"""Pages of KMS's lists. A marker is the name of the last item before it, so that it outlives coming and going."""

import re
from collections.abc import Callable, Sequence
from typing import TypeVar

from neve.errors import KmsError

Item = TypeVar("Item")


def page(
    found: Sequence[Item], limit: int, marker_of: Callable[[Item], str]
) -> tuple[tuple[Item, ...], str | None, bool]:
    """Return the first `limit` of what was found, where the next page begins, and whether there is one.

    Ask for one more than `limit`, so that a page that is full and the last one says so.
    """
    items = tuple(found[:limit])
    truncated = len(found) > limit
    return items, marker_of(items[-1]) if truncated else None, truncated


def checked_marker(marker: str | None, pattern: re.Pattern[str]) -> str | None:
    """Return a marker as it came.

    Raises:
        KmsError: InvalidMarkerException if no list here ever gave one like it.
    """
    if marker is not None and pattern.fullmatch(marker) is None:
        raise KmsError("InvalidMarkerException", "The marker is not one that this list gave.")
    return marker
