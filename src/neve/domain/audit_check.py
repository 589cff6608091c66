"""Whether an audit log is whole: lines go in as they stand in the files, what was done to them comes out.

A line that was not written here stands for one that was, if the next genuine line leaves room for it: then it was
altered; otherwise it was put in. A genuine line that comes too early leaves a gap; those that fill the gap later were
moved, and what is left of it in the end was taken out. What is missing behind the last line only the head can tell.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from neve.domain.audit import NO_MAC, File, Head, Line, Mark, genuine

FINDINGS_MAX: Final = 100
"""Kept with their places; of the rest only how many there are."""
_FIRST_LINES: Final = (b'"kind":"begin"', b'"kind":"file"')
_GAPS_MAX: Final = 10_000
"""Remembered, to tell what was moved from what was taken out."""


class Tampering(StrEnum):
    """What was done to a log."""

    ALTERED = "altered"
    REMOVED = "removed"
    INSERTED = "inserted"
    REORDERED = "reordered"
    TRUNCATED = "truncated"
    HEAD = "head"
    """The head is missing or false, or says otherwise than the log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a line stands."""

    file: str
    line: int
    """In that file, from 1."""


@dataclass(slots=True, kw_only=True)
class Finding:
    """One thing that is not as it was written."""

    kind: Tampering
    place: Place
    said: str


@dataclass(slots=True)
class _Gap:
    """Sequences that were not there when a later one came."""

    first: int
    last: int
    finding: Finding


class LogCheck:
    """Takes the lines of a log in the order of its files. Remembers what does not fit, in bounded memory."""

    def __init__(
        self, key: bytes, head: Head | None, *, first: int = 1, expected: Mark | None = None
    ) -> None:
        """`first` is the sequence to begin with; `expected` is a line that must be there, known from elsewhere."""
        self._key = key
        self._head = head
        self._outside = expected
        self._next = first
        self._previous = NO_MAC if first == 1 else ""
        """MAC of the line before; empty where it is not known."""
        self._bad = 0
        self._bad_place = Place(file="", line=0)
        self._gaps: list[_Gap] = []
        self.findings: list[Finding] = []
        self.findings_count = 0
        self.lines = 0
        """Genuine ones."""
        self.first: Line | None = None
        self.last: Line | None = None

    def take(self, place: Place, raw: bytes) -> Line | None:
        """Take one line without its end; return it if it is genuine."""
        line = genuine(self._key, raw)
        if line is None:
            if not self._bad:
                self._bad_place = place
            self._bad += 1
            return None
        self.lines += 1
        self.first = self.first or line
        if line.content.startswith(_FIRST_LINES) != (place.line == 1):
            said = f"{place.file} has the first line of a file where none belongs, or none where one does"
            self._find(Tampering.REORDERED, place, said)
        if line.sequence < self._next:
            self._comes_late(place, line)
            return line
        self._settle(place, line.sequence)
        if (
            line.content.startswith(_FIRST_LINES)
            and isinstance(record := line.record(), File)
            and record.damage
        ):
            # Whoever takes away head and lines and waits for the next start must not have them forgotten.
            said = f"{place.file} was begun on a log that was damaged: {record.damage}"
            self._find(Tampering.HEAD, place, said)
        if line.sequence == self._next and self._previous not in {"", line.previous}:
            self._find(
                Tampering.ALTERED, place, f"line {line.sequence} follows another line than the one before it"
            )
        self._next, self._previous = line.sequence + 1, line.mac
        self.last = line
        for known in (self._head.mark if self._head else None, self._outside):
            if known is not None and known.sequence == line.sequence and known.mac != line.mac:
                said = f"line {line.sequence} is another one than was known to stand there"
                self._find(Tampering.HEAD, place, said)
        return line

    def find_foreign_bytes(self, place: Place, count: int) -> None:
        """Say that bytes stand where the log says it has none."""
        self._find(Tampering.INSERTED, place, f"{count} bytes stand behind the end of {place.file}")

    def find_lost_end(self, place: Place) -> None:
        """Say that a genuine line lacks the byte that ended it, in a file that the log went on from."""
        self._find(Tampering.ALTERED, place, f"the last line of {place.file} has lost its end")

    def finish(self, place: Place) -> Sequence[Finding]:
        """Say what is missing at the end, where `place` is; return the findings, the first one first."""
        reaches = max([mark.sequence for mark in (self._sealed, self._outside) if mark], default=0)
        missing = max(0, reaches + 1 - self._next)
        altered = min(self._bad, missing)
        if altered:
            self._find(Tampering.ALTERED, self._bad_place, _said("altered", self._next, altered))
        elif self._bad:
            self._find(Tampering.INSERTED, self._bad_place, f"{_lines(self._bad)} were not written here")
        if missing > altered:
            begins = self._next + altered
            self._find(Tampering.TRUNCATED, place, _said("missing at the end", begins, missing - altered))
        if self._head is None:
            self._find(
                Tampering.HEAD, place, "the head is missing, or was not sealed under this store's master key"
            )
        return self.findings

    # --- what does not fit

    @property
    def _sealed(self) -> Mark | None:
        return None if self._head is None else self._head.mark

    def _settle(self, place: Place, sequence: int) -> None:
        """Say what became of the lines between the last genuine one and this one."""
        missing, bad = sequence - self._next, self._bad
        self._bad = 0
        if bad > missing:
            said = f"{_lines(bad - missing)} before line {sequence} were not written here"
            self._find(Tampering.INSERTED, self._bad_place, said)
        if missing:
            self._previous = ""
        altered = min(bad, missing)
        if altered:
            self._find(Tampering.ALTERED, self._bad_place, _said("altered", self._next, altered))
        if missing > altered:
            begins = self._next + altered
            finding = self._find(Tampering.REMOVED, place, _said("missing", begins, missing - altered))
            if len(self._gaps) < _GAPS_MAX:
                self._gaps.append(_Gap(self._next, sequence - 1, finding))

    def _comes_late(self, place: Place, line: Line) -> None:
        for gap in self._gaps:
            if gap.first <= line.sequence <= gap.last:
                gap.finding.kind = Tampering.REORDERED
                gap.finding.said = (
                    f"line {line.sequence} stands elsewhere: at line {place.line} of {place.file}"
                )
                return
        self._find(Tampering.INSERTED, place, f"line {line.sequence} stands there a second time")

    def _find(self, kind: Tampering, place: Place, said: str) -> Finding:
        finding = Finding(kind=kind, place=place, said=said)
        self.findings_count += 1
        if len(self.findings) < FINDINGS_MAX:
            self.findings.append(finding)
        return finding


def _lines(count: int) -> str:
    return "1 line" if count == 1 else f"{count} lines"


def _said(what: str, first: int, count: int) -> str:
    if count == 1:
        return f"line {first} is {what}"
    return f"lines {first} to {first + count - 1} are {what}"
