"""Reads a whole audit log and says whether it is as it was written. Changes nothing; a server may be writing it.

Head first, then files: a log is never shorter than a head that was read before it. What stands behind the last line
end of the last file is a line that is being written, or was when the power went: nobody was promised it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from neve.domain.audit import (
    LINE_BYTES_MAX,
    AnyRecord,
    File,
    Head,
    Line,
    Mark,
    Unwritten,
    genuine,
    genuine_head,
    line_of,
)
from neve.domain.audit_check import Finding, LogCheck, Place
from neve.errors import NeveError, StoreUnavailable
from neve.stores.audit.folder import NAME, AuditFolder, file_name
from neve.stores.file_operations import SystemFileOperations

_NOTES_MAX: Final = 100


class NoAuditLog(NeveError):
    """There is none in this store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What was found of a log."""

    files: int
    lines: int
    """Genuine ones."""
    first: Line | None
    last: Line | None
    head: Head | None
    findings: Sequence[Finding]
    """What was done to it, the first thing first; the first hundred."""
    findings_count: int
    notes: Sequence[str]
    """What is no tampering and worth knowing."""


def verify_log(store: Path, key: bytes, *, first: int = 1, expected: Mark | None = None) -> Verified:
    """Return what there is of a store's audit log, from the line `first` on; `expected` is a line it must have.

    Raises:
        NoAuditLog
        StoreUnavailable: it cannot be read.
    """
    folder = AuditFolder(store, SystemFileOperations())
    try:
        return _verified(folder, key, first=first, expected=expected)
    except FileNotFoundError:
        raise NoAuditLog(f"there is no audit log in {store / NAME}") from None
    except OSError as error:
        raise StoreUnavailable(f"the audit log in {store / NAME} cannot be read: {error}") from error


def records(store: Path) -> Iterator[tuple[Line, AnyRecord | None]]:
    """Yield what stands in a store's audit log, in the order of the files, proved by nobody.

    Raises:
        NoAuditLog
        StoreUnavailable: it cannot be read.
    """
    folder = AuditFolder(store, SystemFileOperations())
    try:
        for number in folder.numbers():
            for raw in folder.lines(number, line_bytes_max=LINE_BYTES_MAX):
                line = line_of(raw.removesuffix(b"\n"))
                if line is not None:
                    yield line, line.record()
    except FileNotFoundError:
        raise NoAuditLog(f"there is no audit log in {store / NAME}") from None
    except OSError as error:
        raise StoreUnavailable(f"the audit log in {store / NAME} cannot be read: {error}") from error


def _verified(folder: AuditFolder, key: bytes, *, first: int, expected: Mark | None) -> Verified:
    head = genuine_head(key, folder.read_head())
    numbers = folder.numbers()
    check = LogCheck(key, head, first=first, expected=expected)
    notes: list[str] = []
    place = Place(file=file_name(numbers[-1] if numbers else 1), line=0)
    for number, later in zip(numbers, [*numbers[1:], None], strict=True):
        continued = None if later is None else _continuation(folder, key, number, later)
        place = _take_file(folder, number, continued, check, notes)
    findings = check.finish(place)
    return Verified(
        files=len(numbers),
        lines=check.lines,
        first=check.first,
        last=check.last,
        head=head,
        findings=findings,
        findings_count=check.findings_count,
        notes=notes,
    )


def _continuation(folder: AuditFolder, key: bytes, number: int, later: int) -> File | None:
    """Return what the next file says of this one."""
    raw = next(folder.lines(later, line_bytes_max=LINE_BYTES_MAX), b"")
    line = genuine(key, raw.removesuffix(b"\n"))
    record = None if line is None else line.record()
    return record if isinstance(record, File) and record.continues == file_name(number) else None


def _take_file(
    folder: AuditFolder, number: int, continued: File | None, check: LogCheck, notes: list[str]
) -> Place:
    """Take every line of a file; return where its last one stands."""
    name = file_name(number)
    end = None if continued is None else continued.size
    line_number = 0
    for raw in folder.lines(number, end=end, line_bytes_max=LINE_BYTES_MAX):
        if end is None and not raw.endswith(b"\n") and len(raw) <= LINE_BYTES_MAX:
            notes.append(f"{len(raw)} bytes of a line without end stand at the end of {name}")
            break
        line_number += 1
        here = Place(file=name, line=line_number)
        line = check.take(here, raw.removesuffix(b"\n"))
        if line is not None:
            _note(name, line, notes)
            if not raw.endswith(b"\n"):
                check.find_lost_end(here)
    place = Place(file=name, line=line_number)
    if continued is not None:
        behind = folder.size(number) - continued.size
        if behind > continued.abandoned_bytes:
            check.find_foreign_bytes(place, behind - continued.abandoned_bytes)
    return place


def _note(name: str, line: Line, notes: list[str]) -> None:
    """Add what the log itself says of its troubles."""
    if len(notes) >= _NOTES_MAX or not line.content.startswith((b'"kind":"file"', b'"kind":"unwritten"')):
        return
    record = line.record()
    if isinstance(record, File) and record.abandoned_bytes:
        notes.append(
            f"{record.abandoned_bytes} bytes at the end of {record.continues} are nobody's: {name} says that a crash "
            "or a failed write left them"
        )
    elif isinstance(record, Unwritten):
        notes.append(
            f"line {line.sequence}: calls without a line since {record.since}: {record.count} ({record.why})"
        )
