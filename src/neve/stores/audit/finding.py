"""Where an audit log ends, found when it is opened: what a crash left, and what somebody cut off.

The head says how far the log had come when it was last sealed, a second before the end at most. From there the lines
are followed as far as each is genuine and the next one of the last. What comes behind is a crash's, and is abandoned.
A log that does not come as far as its head, or ends otherwise, is damaged: it is continued behind the head all the
same, in a new file that says so, and what is missing stays missing for whoever verifies it.
"""

from dataclasses import dataclass, replace

from neve.domain.audit import LINE_BYTES_MAX, NOTHING_YET, Head, Mark, genuine, genuine_head
from neve.stores.audit.folder import AuditFolder, file_name


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """The last line of a log, and where it ends."""

    mark: Mark
    number: int
    """Of the file it stands in."""
    size: int
    """Bytes of that file, up to the end of the line."""
    abandoned_bytes: int = 0
    """What is there behind it."""
    damage: str = ""

    @property
    def clean(self) -> bool:
        """True if the next line may stand behind it in the same file."""
        return not self.abandoned_bytes and not self.damage


def find_end(folder: AuditFolder, key: bytes) -> End:
    """Return where the log ends. A last file without a single line is taken away: a crash was faster than its first.

    Raises:
        OSError
    """
    numbers = list(folder.numbers())
    head = genuine_head(key, folder.read_head())
    if head is None:
        return _without_head(folder, key, numbers)
    number = next((number for number in numbers if file_name(number) == head.file), 0)
    end = End(mark=head.mark, number=number, size=head.size)
    if not number or not _ends_with(folder, key, number, head):
        why = f"line {head.mark.sequence} does not stand where the head says"
        return _damaged(folder, numbers, head.mark, why)
    while numbers[-1] > number and _has_no_line(folder, numbers[-1]):
        folder.remove(numbers.pop())
    for later in [each for each in numbers if each >= number]:
        end = _followed(folder, key, later, end)
    if end.number != numbers[-1]:
        why = f"{file_name(numbers[-1])} does not continue what is before it"
        return _damaged(folder, numbers, end.mark, why)
    return replace(end, abandoned_bytes=folder.size(end.number) - end.size)


def _followed(folder: AuditFolder, key: bytes, number: int, end: End) -> End:
    """Return where the log ends as far as one more file knows."""
    start = end.size if number == end.number else 0
    offset = start
    for raw in folder.lines(number, start=start, line_bytes_max=LINE_BYTES_MAX):
        line = genuine(key, raw[:-1]) if raw.endswith(b"\n") else None
        if line is None or not line.follows(end.mark):
            break
        offset += len(raw)
        end = End(mark=line.mark, number=number, size=offset)
    return end


def _ends_with(folder: AuditFolder, key: bytes, number: int, head: Head) -> bool:
    """Return whether the head's line ends where it says."""
    start = max(0, head.size - LINE_BYTES_MAX)
    read, last = start, b""
    for raw in folder.lines(number, start=start, end=head.size, line_bytes_max=LINE_BYTES_MAX):
        read, last = read + len(raw), raw
    line = genuine(key, last[:-1]) if last.endswith(b"\n") else None
    return read == head.size and line is not None and line.mark == head.mark


def _has_no_line(folder: AuditFolder, number: int) -> bool:
    """Return whether a file has not so much as one line with an end."""
    first = next(folder.lines(number, line_bytes_max=LINE_BYTES_MAX), b"")
    return not first.endswith(b"\n")


def _damaged(folder: AuditFolder, numbers: list[int], mark: Mark, why: str) -> End:
    """Return the end of a log that goes on behind `mark`, and behind every byte there is."""
    if not numbers:
        return End(mark=mark, number=0, size=0, damage=why)
    return End(mark=mark, number=numbers[-1], size=folder.size(numbers[-1]), damage=why)


def _without_head(folder: AuditFolder, key: bytes, numbers: list[int]) -> End:
    """Return the last genuine line there is: all that can be gone on from."""
    mark = NOTHING_YET
    for number in reversed(numbers):
        for raw in folder.lines(number, line_bytes_max=LINE_BYTES_MAX):
            line = genuine(key, raw[:-1]) if raw.endswith(b"\n") else None
            mark = mark if line is None else line.mark
        if mark != NOTHING_YET:
            break
    return _damaged(folder, numbers, mark, "the head is missing, or was not sealed here")
