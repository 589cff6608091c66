"""The audit log: one line of JSON for each call, chained and sealed so that whoever edits the file is found out.

    {"sequence":7,"previous":"<mac of line 6>","kind":"call","time":…,…,"mac":"<HMAC of all before it>"}

Every line carries the MAC of the one before, so that none can be taken out, put in or moved; and the MAC is made under
a key that follows from the master key and the store's id, so that whoever has the file alone can make no line, whatever
they do to it. The bytes count, not what JSON says they mean: a line is proved exactly as it stands in the file.

A chain says nothing of what is missing behind its end. That is what the head is for: a small sealed file that says how
far the log had come (docs/format.md has every byte, docs/audit.md what is promised).
"""

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

import msgspec

from neve.domain.keyring import Keyring, Purpose
from neve.limits import MIB

FORMAT: Final = "neve-audit"
VERSION: Final = 1
KEY_BYTES: Final = 32
LINE_BYTES_MAX: Final = 2 * MIB
"""A thousand resources of the longest kind, each character four bytes, with room; a usual line has 600 bytes."""
NO_MAC: Final = "0" * 64
"""What the first line carries as the MAC of the one before."""

_DIGEST: Final = "sha256"
_MAC: Final = b',"mac":"'
_MAC_BYTES: Final = len(_MAC) + 64 + len(b'"}')
_LINE: Final = re.compile(
    rb'\{"sequence":(0|[1-9][0-9]{0,18}),"previous":"([0-9a-f]{64})",(.+),"mac":"([0-9a-f]{64})"\}', re.DOTALL
)


class Recording(StrEnum):
    """What is recorded: the setting `audit_log`."""

    OFF = "off"
    MANAGEMENT = "management"
    ALL = "all"


class Category(StrEnum):
    """What kind of call it is, as CloudTrail sorts them (contract 11)."""

    MANAGEMENT = "management"
    DATA = "data"


# --- records


class Record(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    tag_field="kind",
):
    """What a line says. Members that say nothing are left out; members may be added and never change meaning."""

    time: str
    """UTC, ISO 8601, milliseconds. What the clock said: the order of lines is that of `sequence`."""


class Begin(Record, frozen=True, kw_only=True, tag="begin"):
    """The first line of a log."""

    format: str
    version: int
    store_id: str


class File(Record, frozen=True, kw_only=True, tag="file"):
    """The first line of every other file: where the log stood before it."""

    format: str
    version: int
    store_id: str
    continues: str
    """The file before."""
    size: int
    """How many of its bytes are the log's."""
    abandoned_bytes: int = 0
    """How many more it had: what a crash or a failed write left there, and was promised to nobody."""
    damage: str = ""
    """What was found to be wrong with what the log should continue."""


class Call(Record, frozen=True, kw_only=True, tag="call"):
    """A request of the API, answered."""

    category: Category
    request_id: str
    service: str
    operation: str
    principal: str = ""
    """Who asked; empty for whoever proved nothing."""
    account_id: str = ""
    access_key_id: str = ""
    """Of whoever proved nothing: what they said."""
    session_issued: str = ""
    """When the temporary credentials they used were issued."""
    source_address: str = ""
    user_agent: str = ""
    region: str
    resources: tuple[str, ...] = ()
    parameters: Mapping[str, Any] = {}
    status: int
    error_code: str = ""
    reason: str = ""
    duration_ms: float


class Administered(Record, frozen=True, kw_only=True, tag="administration"):
    """What an operator asked of the store."""

    request: str
    operator_uid: int
    via: str
    """`server`, or `command` where no server had the store open."""
    parameters: Mapping[str, Any] = {}
    outcome: str
    """`done`, `failed`, or why it was refused."""
    error: str = ""


class Lived(Record, frozen=True, kw_only=True, tag="server"):
    """The server's own life."""

    event: str
    """`started`, `stopped`; `not recording` if it started with the log off."""
    program_version: str
    recording: Recording
    operator_uid: int


class Unwritten(Record, frozen=True, kw_only=True, tag="unwritten"):
    """Calls that got no line of their own."""

    since: str
    count: int
    why: str
    """`unproven`: more than a few that proved nothing. `log failed`: answered while no line could be written."""


AnyRecord = Begin | File | Call | Administered | Lived | Unwritten

_decoder: Final[msgspec.json.Decoder[AnyRecord]] = msgspec.json.Decoder(AnyRecord)


def encoded(record: Record) -> bytes:
    """Return a record as it stands in a line, between `previous` and `mac`."""
    return msgspec.json.encode(record)[1:-1]


def time_text(time_ms: int) -> str:
    """Return a moment as records have it."""
    text = datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


# --- lines


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a log has come: its last line."""

    sequence: int
    mac: str


NOTHING_YET: Final = Mark(0, NO_MAC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line that is whole. Whether neve wrote it, `genuine` says."""

    sequence: int
    previous: str
    mac: str
    content: bytes
    """The record, without braces."""

    @property
    def mark(self) -> Mark:
        return Mark(self.sequence, self.mac)

    def follows(self, mark: Mark) -> bool:
        """True if it is the one that comes after `mark`."""
        return self.sequence == mark.sequence + 1 and self.previous == mark.mac

    def record(self) -> AnyRecord | None:
        """Return what it says; None if that is of a kind that a later version knows."""
        try:
            return _decoder.decode(b"{" + self.content + b"}")
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return None


def audit_key(keyring: Keyring, store_id: str) -> bytes:
    """Return the key of one store's log: stores that share a master key share no lines."""
    key = keyring.derive(Purpose.AUDIT_LOG, KEY_BYTES)
    return hmac.digest(key, store_id.encode("ascii"), _DIGEST)


def sealed_line(key: bytes, after: Mark, content: bytes) -> tuple[bytes, Mark]:
    """Return the line that says `content` (of `encoded`) and follows `after`, its end included; and its mark."""
    sequence = after.sequence + 1
    said = b'{"sequence":%d,"previous":"%s",%s' % (sequence, after.mac.encode("ascii"), content)
    mac = hmac.digest(key, said, _DIGEST).hex()
    return b'%s%s%s"}\n' % (said, _MAC, mac.encode("ascii")), Mark(sequence, mac)


def line_of(raw: bytes) -> Line | None:
    """Return what stands in a line, whoever wrote it; None if it is no line of a log. Its end is not part of it."""
    match = _LINE.fullmatch(raw)
    if match is None:
        return None
    sequence, previous, content, mac = match.groups()
    return Line(
        sequence=int(sequence), previous=previous.decode("ascii"), mac=mac.decode("ascii"), content=content
    )


def genuine(key: bytes, raw: bytes) -> Line | None:
    """Return the line if it is one that was written under `key`, exactly as it stands; None otherwise."""
    line = line_of(raw)
    if line is None:
        return None
    mac = hmac.digest(key, raw[:-_MAC_BYTES], _DIGEST).hex()
    return line if hmac.compare_digest(mac, line.mac) else None


# --- the head


class _Sealed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    format: str
    version: int
    store_id: str
    time: str
    sequence: int
    line_mac: str
    file: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """How far a log had come when this was sealed: nothing before it may be missing."""

    mark: Mark
    file: str
    size: int
    """Bytes of that file up to the end of the line."""
    time: str


_HEAD_FORMAT: Final = "neve-audit-head"
_HEAD_LINE: Final = re.compile(rb'(\{.+),"mac":"([0-9a-f]{64})"\}\n', re.DOTALL)


def sealed_head(key: bytes, head: Head, store_id: str) -> bytes:
    """Return the content of the head's file."""
    sealed = _Sealed(
        format=_HEAD_FORMAT,
        version=VERSION,
        store_id=store_id,
        time=head.time,
        sequence=head.mark.sequence,
        line_mac=head.mark.mac,
        file=head.file,
        size=head.size,
    )
    # No line of a log begins like this, so that neither passes for the other.
    said = msgspec.json.encode(sealed)[:-1]
    return b'%s%s%s"}\n' % (said, _MAC, hmac.digest(key, said, _DIGEST).hex().encode("ascii"))


def genuine_head(key: bytes, content: bytes) -> Head | None:
    """Return the head that a file holds; None if it is none, or was not sealed under `key`."""
    match = _HEAD_LINE.fullmatch(content)
    if match is None or not hmac.compare_digest(hmac.digest(key, match[1], _DIGEST).hex().encode(), match[2]):
        return None
    try:
        sealed = msgspec.json.decode(match[1] + b"}", type=_Sealed)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    if sealed.format != _HEAD_FORMAT:
        return None
    mark = Mark(sealed.sequence, sealed.line_mac)
    return Head(mark=mark, file=sealed.file, size=sealed.size, time=sealed.time)
