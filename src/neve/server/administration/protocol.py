"""How a command and a running server understand each other: one line of JSON there, one line back.

    → {"ask":"create-user","user_name":"anna"}
    ← {"answer":{…}}    or  {"refused":{"why":"conflict","message":"…"}}    or  {"failed":"…"}

Both ends are neve, of the same version or nearly. Whoever may open the socket, a file of the store with mode 0600,
may read the store itself: nothing is proved here. Bytes to values and back; no I/O.
"""

from functools import cache
from typing import Any, Final, Union, cast

import msgspec

from neve import __version__, limits
from neve.errors import NeveError, StoreUnavailable, StoreUnusable
from neve.server.administration import messages, messages_keys, messages_tasks, messages_upkeep
from neve.server.administration.messages import (
    AdministrationRefused,
    Answer,
    RefusedBecause,
    Request,
    answer_type,
)

SOCKET_NAME: Final = "admin.sock"
"""In the store's directory."""
REQUEST_BYTES_MAX: Final = limits.MIB
"""A block that a repair is given, in base64, with room; a policy document is smaller, every character of it escaped."""
ANSWER_BYTES_MAX: Final = 16 * limits.MIB
"""Every user an account may have, with room."""


class _Refusal(msgspec.Struct, frozen=True):
    why: RefusedBecause
    message: str


class _Reply(msgspec.Struct, frozen=True, omit_defaults=True):
    """One of the three."""

    answer: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    refused: _Refusal | None = None
    failed: str = ""
    unusable: bool = False
    """Whether what failed is of no use until somebody does something: trying again changes nothing."""


class Misunderstood(NeveError):
    """The other side does not keep to this, or is of a version that has it otherwise."""


def request_line(request: Request[Any]) -> bytes:
    """Return a request as it is sent, its line end included.

    Raises:
        AdministrationRefused: it has characters that are none, or is too long to be sent.
    """
    try:
        line = msgspec.json.encode(request) + b"\n"
    except UnicodeEncodeError:
        raise AdministrationRefused(
            RefusedBecause.INVALID, "what was given is not text in UTF-8: write it anew"
        ) from None
    if len(line) > REQUEST_BYTES_MAX:
        raise AdministrationRefused(
            RefusedBecause.INVALID,
            f"what was given is too long: {len(line)} bytes, {REQUEST_BYTES_MAX} at most",
        )
    return line


def request_from(line: bytes) -> Request[Any]:
    """Return what a line asks.

    Raises:
        AdministrationRefused: it is no request, or one that this version does not know.
    """
    try:
        return _decoder().decode(line)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise AdministrationRefused(
            RefusedBecause.UNKNOWN_REQUEST,
            f"the server that has the store open is neve {__version__} and does not understand this command ({error}): "
            "run the same version of both",
        ) from None


def answer_line(answer: object) -> bytes:
    """Return an answer as it is sent.

    Raises:
        AdministrationRefused: it is too long to be sent.
    """
    line = msgspec.json.encode(_Reply(answer=msgspec.Raw(msgspec.json.encode(answer)))) + b"\n"
    if len(line) > ANSWER_BYTES_MAX:
        raise AdministrationRefused(
            RefusedBecause.CONFLICT,
            "the answer is too long for one piece: ask for one account or user at a time",
        )
    return line


def refusal_line(refused: AdministrationRefused) -> bytes:
    """Return the line that says why nothing was done."""
    return msgspec.json.encode(_Reply(refused=_Refusal(refused.why, str(refused)))) + b"\n"


def failure_line(sentence: str, *, unusable: bool = False) -> bytes:
    """Return the line that says that the server could not do its part, and cannot until somebody acts if `unusable`."""
    return msgspec.json.encode(_Reply(failed=sentence, unusable=unusable)) + b"\n"


def answer_from(line: bytes, request: Request[Answer]) -> Answer:
    """Return the answer to `request` that a line holds.

    Raises:
        AdministrationRefused: the line says so.
        StoreUnavailable, StoreUnusable: the line says that the server could not do its part.
        Misunderstood: the line holds no answer.
    """
    try:
        reply = msgspec.json.decode(line, type=_Reply)
        if reply.refused is not None:
            raise AdministrationRefused(reply.refused.why, reply.refused.message)
        if reply.failed:
            raise (StoreUnusable if reply.unusable else StoreUnavailable)(reply.failed)
        if reply.answer is msgspec.UNSET:
            raise msgspec.DecodeError("it has no answer")
        return cast("Answer", msgspec.json.decode(reply.answer, type=answer_type(type(request))))
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise Misunderstood(
            f"what the server that has the store open answered cannot be read ({error}): run the same version of both"
        ) from None


@cache
def _decoder() -> "msgspec.json.Decoder[Request[Any]]":
    known = tuple(
        member
        for module in (messages, messages_keys, messages_tasks, messages_upkeep)
        for member in vars(module).values()
        if isinstance(member, type) and issubclass(member, Request) and member is not Request
    )
    return msgspec.json.Decoder(Union[known])  # noqa: UP007 - known when it runs
