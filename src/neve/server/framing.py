"""Heads of requests, and what they must look like before a body is read by them; heads of answers.

The parser decides what is HTTP at all; this decides what we take of it. Stricter than the standard allows on
purpose: two readers that disagree on where a request ends are how requests are smuggled, and no client of this
API needs the forms refused here. After a refusal the connection closes, since its next byte means nothing.
"""

import re
from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus
from typing import Final

from aiohttp.http import HttpVersion10, HttpVersion11, RawRequestMessage

from neve.messages.http import RequestHead, Response

_TARGET: Final = re.compile(r"/[\x21\x22\x24-\x7e]*", re.ASCII)
"""Origin form (RFC 9112, 3.2.1): no blanks, controls, fragments or bytes outside ASCII."""
_HOST: Final = re.compile(rb"[A-Za-z0-9._~%!$&'()*+,;=-]*(:[0-9]{0,5})?|\[[0-9A-Fa-f:.]+\](:[0-9]{0,5})?")
_CONTENT_LENGTH: Final = re.compile(rb"[0-9]{1,15}")
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_PHRASES: Final = {status.value: status.phrase for status in HTTPStatus}
_SINGLE: Final = frozenset({b"host", b"content-length", b"transfer-encoding", b"authorization", b"expect"})
"""Headers that mean two things when they stand twice."""


class Framing(Enum):
    """How a body's end is told."""

    NONE = "none"
    LENGTH = "length"
    CHUNKED = "chunked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Framed:
    """A head we take, and what it says of its body."""

    head: RequestHead
    framing: Framing
    length: int
    """Bytes of the body, if it is framed by its length."""
    expects_continue: bool
    keep_alive: bool


class Malformed(Exception):
    """A head we do not take. The message says why, without repeating it."""

    def __init__(self, why: str, *, status: int = 400) -> None:
        super().__init__(why)
        self.status = status


def framed(message: RawRequestMessage, peer: str) -> Framed:
    """Return a parsed head as a value.

    Raises:
        Malformed
    """
    if message.version not in {HttpVersion10, HttpVersion11}:
        raise Malformed("this server speaks HTTP/1.1")
    if _TARGET.fullmatch(message.path) is None:
        raise Malformed("the request target must be a path")
    single = _single_headers(message)
    if b"host" not in single and message.version == HttpVersion11:
        raise Malformed("the Host header is missing")
    if _HOST.fullmatch(single.get(b"host", b"")) is None:
        raise Malformed("the Host header is not a host")
    framing, length = _body_framing(single, chunks_allowed=message.version == HttpVersion11)
    expect = single.get(b"expect", b"").lower()
    if expect not in {b"", b"100-continue"}:
        raise Malformed("the only expectation is 100-continue", status=417)
    return Framed(
        head=RequestHead(
            method=message.method,
            raw_target=message.path,
            headers=[(_text(name), _text(value)) for name, value in message.raw_headers],
            peer=peer,
        ),
        framing=framing,
        length=length,
        expects_continue=bool(expect) and message.version == HttpVersion11,
        keep_alive=not message.should_close and not message.upgrade and message.version == HttpVersion11,
    )


def _single_headers(message: RawRequestMessage) -> dict[bytes, bytes]:
    """Return the headers that may stand once, by lower-case name; look at every header on the way."""
    single: dict[bytes, bytes] = {}
    for name, value in message.raw_headers:
        if _CONTROL.search(value):
            raise Malformed("a header has control characters")
        lower = name.lower()
        if lower in _SINGLE:
            if lower in single:
                raise Malformed("a header that may stand once stands twice")
            single[lower] = value
    return single


def _body_framing(single: dict[bytes, bytes], *, chunks_allowed: bool) -> tuple[Framing, int]:
    length, encoding = single.get(b"content-length"), single.get(b"transfer-encoding")
    if encoding is not None:
        if length is not None:
            raise Malformed("Content-Length and Transfer-Encoding exclude each other")
        if encoding.lower() != b"chunked" or not chunks_allowed:
            raise Malformed("the only transfer encoding is chunked, in HTTP/1.1")
        return Framing.CHUNKED, 0
    if length is None:
        return Framing.NONE, 0
    if _CONTENT_LENGTH.fullmatch(length) is None:
        raise Malformed("Content-Length is not a length")
    return Framing.LENGTH, int(length)


def _text(raw: bytes) -> str:
    """Return received bytes as text from which the same bytes can be had again."""
    return raw.decode("utf-8", "surrogateescape")


def response_head(answer: Response, *, keep_alive: bool) -> bytes:
    """Return the status line and headers of an answer, as they are sent."""
    lines = [f"HTTP/1.1 {answer.status} {_PHRASES[answer.status]}"]
    lines += [f"{name}: {value}" for name, value in answer.headers]
    if not keep_alive:
        lines.append("Connection: close")
    assert not any("\r" in line or "\n" in line for line in lines), "a header is one line"
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
