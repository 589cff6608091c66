"""How far long work is, and how it is made to end: what collection, verification, repair and rebuilding share."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Unit(StrEnum):
    """What progress counts."""

    BYTES = "bytes"
    SNAPSHOTS = "snapshots"
    CHUNKS = "chunks"
    SEGMENTS = "segments"
    OBJECTS = "objects"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a phase of some work is."""

    phase: str
    """A few words for a person: `marking`, `reading segments`."""
    done: int
    total: int
    """0 if nobody can know."""
    unit: Unit


OnProgress = Callable[[Progress], None]
"""Told often, from the thread that works; returns at once and never raises."""
Check = Callable[[], None]
"""Called often, a few milliseconds of work apart; what it raises ends the work, which leaves nothing half-done."""


def unwatched(_progress: Progress) -> None:
    """Tell nobody."""


def unhurried() -> None:
    """Never end the work early."""
