"""Copies: what they say of themselves while they are made, and why they fail (contract 9.8).

    asked for ─▶ what it is of is found out ─▶ its blocks are copied ─▶ its block map is made ─▶ completed
       0%, nothing known of it                  1% … 99%                99%                     100%

A copy is accepted whatever it is asked of: what stands against it is said by the copy, which then is in error.
"""

from typing import Final

MESSAGE_UNRESOLVED: Final = "Metadata not updated"
"""LIVE: what a copy says as long as nothing is known of its source."""
MESSAGE_SOURCE_NOT_FOUND: Final = "Source snapshot is not found"
MESSAGE_SOURCE_NOT_COMPLETE: Final = "Source snapshot is not complete"
MESSAGE_KEY_NOT_ACCESSIBLE: Final = "Given key ID is not accessible"
"""LIVE. The last one is said of either key, the copy's and the source's."""
MESSAGE_SOURCE_LOST: Final = "Source snapshot cannot be read"
"""Ours: a block of the source is lost or damaged. The operator is told which."""

_COPIED_PERCENT_MAX: Final = 99
"""The rest is for the block map: nothing but a completed snapshot shows 100%."""


def copied_percent(copied_count: int, block_count: int) -> int:
    """Return how much of a copy under way is done, rounded down."""
    if copied_count == block_count:
        return _COPIED_PERCENT_MAX
    return min(_COPIED_PERCENT_MAX, 100 * copied_count // block_count)
