"""What clients were told of each snapshot, and what may therefore be found of it."""

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from neve.testing.scheduler import Process


class Fate(Enum):
    """What clients were told of a snapshot."""

    PENDING = auto()
    COMPLETING = auto()
    """Its completion was asked for, and there was no good answer yet."""
    COMPLETED = auto()
    DELETING = auto()
    """Its deletion was asked for without an answer: it may be there or not."""
    DELETED = auto()
    RETURNING = auto()
    """It was to be brought back, and there was no answer: it may be there or not."""
    GONE = auto()


MUST_BE_THERE: Final = frozenset({Fate.PENDING, Fate.COMPLETING, Fate.COMPLETED})


@dataclass(eq=False)
class Known:
    """What clients know of one snapshot."""

    snapshot_id: str
    base: dict[int, bytes]
    written: dict[int, bytes] = field(default_factory=dict)
    """Acknowledged."""
    doubtful: dict[int, set[bytes]] = field(default_factory=dict)
    """Written after that without an acknowledgement."""
    fate: Fate = Fate.PENDING
    deletions: int = 0
    """Asked for, ever."""
    user: Process | None = None
    """Whose client is about to change whether it is there."""

    def may_be(self, blocks: dict[int, bytes]) -> bool:
        """Say whether these can be its blocks."""
        for index in {*self.base, *self.written, *self.doubtful, *blocks}:
            told = self.written.get(index, self.base.get(index))
            if blocks.get(index) != told and blocks.get(index) not in self.doubtful.get(index, ()):
                return False
        return True

    def final_blocks(self) -> dict[int, bytes]:
        return {**self.base, **self.written}
