"""What happened, as values, and how it becomes log lines.

Every event is a frozen dataclass: the fields it declares are all that is ever logged, so the list of fields is
the allow-list. No event has a field for an Authorization header, a token, a secret, a KMS ARN, a query string
or a body. Whoever has something to say is given a `Report` and calls it; only `open_report` knows of lines.
"""

import logging
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from threading import Lock
from typing import ClassVar, Final, TextIO

import msgspec

_NOTHING: Final = ("", ())
"""Values that say nothing: such fields are left out of the line."""
_LEVEL_WORDS: Final = {
    logging.DEBUG: "debug",
    logging.INFO: "info",
    logging.WARNING: "warning",
    logging.ERROR: "error",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something an operator may want to know."""

    level: ClassVar[int] = logging.INFO
    name: ClassVar[str]
    """What the line calls it: part of the documented log format."""


Report = Callable[[Event], None]
"""Takes an event, soon and without raising. Safe from any thread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestAnswered(Event):
    """One request, answered: the one line every request gets."""

    name = "request"

    request_id: str
    account_id: str = ""
    access_key_id: str = ""
    principal: str = ""
    """The caller's ARN: the root's, a user's or a federated session's."""
    service: str
    operation: str
    snapshot_id: str = ""
    status: int
    error_code: str = ""
    reason: str = ""
    duration_ms: float
    bytes_in: int
    bytes_out: int
    peer: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestFailed(Event):
    """A request met something nobody expected, or a store that could not do its part."""

    level = logging.ERROR
    name = "request failed"

    request_id: str
    operation: str
    error: str
    trace: str = ""
    """Where it was raised, for an error that only a bug can cause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyUnreadable(Event):
    """A policy that was read when it was put is none any more: whoever it is attached to may do nothing."""

    level = logging.ERROR
    name = "policy unreadable"

    principal: str
    policy: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionRefused(Event):
    """Bytes that are no HTTP request we take, or one connection too many. The connection was closed."""

    name = "connection refused"

    peer: str
    status: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerReady(Event):
    """The server takes requests."""

    name = "ready"

    listen: str
    region: str
    store: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreOnlyReads(Event):
    """At the start nothing could be written into the store: what it has is served, and changes are answered 503."""

    level = logging.WARNING
    name = "store only reads"

    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerStopping(Event):
    """The server takes no new requests and finishes those in flight."""

    name = "stopping"

    requests_in_flight: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerStopped(Event):
    """Everything is closed."""

    name = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotSealed(Event):
    """A completion was carried out: the snapshot is completed or in error."""

    name = "snapshot sealed"

    snapshot_id: str
    state: str
    state_message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotCopied(Event):
    """A copy has all its blocks; its block map is made next, which `snapshot sealed` tells the end of."""

    name = "snapshot copied"

    snapshot_id: str
    source_id: str
    principal: str
    copied_blocks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyFailed(Event):
    """A copy is in error: what it was asked of is not to be had, or was lost while it was copied."""

    level = logging.WARNING
    name = "copy failed"

    snapshot_id: str
    source_id: str
    principal: str
    state_message: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotsTimedOut(Event):
    """Pending snapshots whose Timeout had passed are in error now."""

    name = "snapshots timed out"

    snapshot_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockSetForward(Event):
    """The clock was set forward, or the machine slept: who had no time to write meanwhile has it anew."""

    level = logging.WARNING
    name = "clock set forward"

    by_s: float
    snapshots_postponed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BinEmptied(Event):
    """Snapshots whose time in the recycle bin was over are gone for good."""

    name = "bin emptied"

    snapshot_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowsReaped(Event):
    """Records nobody needs any more were taken away."""

    level = logging.DEBUG
    name = "rows reaped"

    kind: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkFoundDamaged(Event):
    """Stored bytes are wrong or gone: data loss until the same content is uploaded again."""

    level = logging.ERROR
    name = "chunk damaged"

    domain_key: int
    chunk_id: str
    segment: str
    offset: int
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationFound(Event):
    """Verification found something that is not as it should be, and is not a chunk."""

    level = logging.ERROR
    name = "verification found"

    kind: str
    subject: str
    """A segment, a chunk, a snapshot, an object of the archive."""
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionEnded(Event):
    """A collection took away what nothing needed, or ended because another one began."""

    name = "collection ended"

    overtaken: bool
    """By another collection, which goes on in its place."""
    undos_closed: int
    snapshots_settled: int
    chunks_dropped: int
    bytes_dropped: int
    segments_condemned: int
    bytes_condemned: int
    segments_rewritten: int
    bytes_rewritten: int
    segments_left: int
    """That ought to be rewritten, and hold something that is bad or could not be proven."""
    segments_deleted: int
    bytes_deleted: int
    out_of_room: bool
    segments_missing: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionRefused(Event):
    """A collection met what cannot be right, or would have taken too much: somebody must look before anything is freed."""

    level = logging.ERROR
    name = "collection stopped"

    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentFoundMissing(Event):
    """A published segment is not there: data loss until the same content is uploaded again."""

    level = logging.ERROR
    name = "segment missing"

    segment: str
    chunks: int
    """Marked bad, as far as snapshots may need them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectsUnexplained(Event):
    """There are objects beside the segments that no record explains. They are left alone."""

    level = logging.WARNING
    name = "objects unexplained"

    count: int
    segments: tuple[str, ...]
    """The first ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KmsKeyDeleted(Event):
    """A key's waiting time was over: it is destroyed, and what it wrapped never opens again."""

    level = logging.WARNING
    name = "kms key deleted"

    account_id: str
    key_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KmsKeyRotated(Event):
    """A key's rotation period was over: it has new material."""

    name = "kms key rotated"

    account_id: str
    key_id: str
    material_version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyProviderSilent(Event):
    """Whoever keeps the KMS keys did not answer when nobody waited for it: at the start, or for its own sake."""

    level = logging.WARNING
    name = "key provider silent"

    provider: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DataKeysRenewed(Event):
    """A domain's data keys were wrapped under their KMS key's newest material, and a new one seals from now on."""

    name = "data keys renewed"

    account_id: str
    domain: str
    """Its uid, in hex digits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackgroundFailed(Event):
    """A piece of background work failed; it is tried again after the pause."""

    level = logging.ERROR
    name = "background work failed"

    work: str
    error: str
    trace: str = ""
    retry_in_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveBehind(Event):
    """Changes have waited long to get into the archive: a database lost now would come back without them."""

    level = logging.ERROR
    name = "archive behind"

    behind_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveCaughtUp(Event):
    """The archive has everything again."""

    name = "archive caught up"

    behind_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AdministrationAnswered(Event):
    """An operator asked something of the running server."""

    name = "administration"

    request: str
    account_id: str = ""
    user_name: str = ""
    policy_name: str = ""
    access_key_id: str = ""
    key_id: str = ""
    snapshot_id: str = ""
    outcome: str
    operator_uid: int
    """Whose process asked, as the operating system says."""
    duration_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AdministrationFailed(Event):
    """Operators cannot ask, or the server could not do what one asked. Requests of the API are not touched."""

    level = logging.ERROR
    name = "administration failed"

    error: str
    trace: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditHead(Event):
    """How far the audit log has come. Kept elsewhere than the store, it tells whether the log was put back since."""

    name = "audit head"

    sequence: int
    mac: str
    """Of that line."""
    file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditLogDamaged(Event):
    """The audit log that was found is not as it was written: `neve audit verify` says more."""

    level = logging.ERROR
    name = "audit log damaged"

    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditLogFailed(Event):
    """Lines of the audit log cannot be written: what would change something is answered 503 until they can."""

    level = logging.ERROR
    name = "audit log failed"

    error: str
    trace: str = ""
    lines_lost: int = 0
    """Of calls that were answered; only when the server stops before they could be written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditLogResumed(Event):
    """Lines of the audit log are written again, those that had waited among them."""

    name = "audit log resumed"


def silent(_event: Event) -> None:
    """Report nothing."""


def trace_of(error: BaseException) -> str:
    """Return the stack of `error` as text, without the values of variables."""
    return "".join(traceback.format_exception(error)).rstrip()


def open_report(*, level: str, log_format: str, stream: TextIO | None = None) -> Report:
    """Return a report that writes one line per event of at least `level` to `stream` (standard error).

    `log_format` is `json`, `console`, or `auto`: console on a terminal, JSON elsewhere.
    A line that cannot be written (a full disk, a reader that has gone) is lost: the service goes on without its log.
    """
    stream = stream or sys.stderr
    threshold = logging.getLevelNamesMapping()[level.upper()]
    as_text = log_format == "console" or (log_format == "auto" and stream.isatty())
    line_of = _console_lines(colors=stream.isatty()) if as_text else _json_line
    one_at_a_time = Lock()
    names: dict[str, tuple[str, ...]] = {}

    def report(event: Event) -> None:
        if event.level < threshold:
            return
        facts: dict[str, object] = {
            "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds"),  # tidy: a log line's own time
            "level": _LEVEL_WORDS[event.level],
            "event": event.name,
        }
        for field in names.get(event.name) or names.setdefault(event.name, _field_names(event)):
            value = getattr(event, field)
            if value not in _NOTHING:
                facts[field] = value
        line = line_of(facts) + "\n"
        # In one piece, its end included, so that no kill leaves half of a line. A full disk or a reader that has
        # gone must cost log lines, not answers.
        with suppress(OSError, ValueError), one_at_a_time:
            stream.write(line)
            stream.flush()

    return report


def _field_names(event: Event) -> tuple[str, ...]:
    return tuple(field.name for field in fields(event))


def _json_line(facts: dict[str, object]) -> str:
    return msgspec.json.encode(facts).decode()


def _console_lines(*, colors: bool) -> Callable[[dict[str, object]], str]:
    # Imported here: it takes as long as all the rest of a server, and only a person at a terminal needs it.
    from structlog.dev import ConsoleRenderer  # noqa: PLC0415

    render = ConsoleRenderer(colors=colors, sort_keys=False, pad_event_to=0)
    return lambda facts: str(render(None, "", facts))
