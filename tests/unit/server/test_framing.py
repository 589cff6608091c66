"""Which heads are taken, and what they say of their bodies; the parser is the real one."""

import asyncio
from unittest.mock import Mock

import pytest
from aiohttp.http import HttpRequestParser, RawRequestMessage
from hypothesis import given
from hypothesis import strategies as st

from neve.server.framing import Framed, Framing, Malformed, framed

LOOP = asyncio.new_event_loop()
LOOP.close()


def parsed(*headers: bytes, line: bytes = b"GET /a?b=c HTTP/1.1") -> RawRequestMessage:
    """Return a head as the parser hands it on."""
    parser = HttpRequestParser(Mock(), LOOP, 2**16)
    messages, _, _ = parser.feed_data(b"\r\n".join([line, *headers, b"", b""]))
    message: RawRequestMessage = messages[0][0]
    return message


def taken(*headers: bytes, line: bytes = b"GET /a?b=c HTTP/1.1") -> Framed:
    return framed(parsed(*headers, line=line), "192.0.2.1")


def test_a_head_comes_through_as_it_was_sent() -> None:
    head = taken(b"hOsT: Neve", b"X-Odd: \xff\xfe", b"X-Odd: again", line=b"GET /%2F/?a=%2f+&b HTTP/1.1").head
    assert head.method == "GET"
    assert head.raw_target == "/%2F/?a=%2f+&b"
    assert head.peer == "192.0.2.1"
    names_and_values = [(name, value.encode("utf-8", "surrogateescape")) for name, value in head.headers]
    assert names_and_values == [("hOsT", b"Neve"), ("X-Odd", b"\xff\xfe"), ("X-Odd", b"again")]


@pytest.mark.parametrize(
    ("headers", "framing", "length"),
    [
        ([], Framing.NONE, 0),
        ([b"Content-Length: 0"], Framing.LENGTH, 0),
        ([b"Content-Length: 524288"], Framing.LENGTH, 524_288),
        ([b"Transfer-Encoding: chunked"], Framing.CHUNKED, 0),
        ([b"Transfer-Encoding: CHUNKED"], Framing.CHUNKED, 0),
    ],
)
def test_a_bodys_end_is_told_in_one_way(headers: list[bytes], framing: Framing, length: int) -> None:
    request = taken(b"Host: neve", *headers, line=b"POST / HTTP/1.1")
    assert (request.framing, request.length) == (framing, length)


@pytest.mark.parametrize(
    ("line", "headers", "keeps"),
    [
        (b"GET / HTTP/1.1", [], True),
        (b"GET / HTTP/1.1", [b"Connection: close"], False),
        (b"GET / HTTP/1.1", [b"Connection: Upgrade", b"Upgrade: websocket"], False),
        (b"GET / HTTP/1.0", [], False),
        (b"GET / HTTP/1.0", [b"Connection: keep-alive"], False),
    ],
)
def test_a_connection_is_kept_only_where_both_sides_know_it(
    line: bytes, headers: list[bytes], keeps: bool
) -> None:
    assert taken(b"Host: neve", *headers, line=line).keep_alive is keeps


@pytest.mark.parametrize(
    ("line", "headers", "expects"),
    [
        (b"PUT / HTTP/1.1", [b"Expect: 100-continue"], True),
        (b"PUT / HTTP/1.1", [b"Expect: 100-Continue"], True),
        (b"PUT / HTTP/1.1", [], False),
        (b"PUT / HTTP/1.0", [b"Expect: 100-continue"], False),
    ],
)
def test_only_a_client_that_knows_of_it_is_told_to_continue(
    line: bytes, headers: list[bytes], expects: bool
) -> None:
    assert taken(b"Host: neve", *headers, line=line).expects_continue is expects


@pytest.mark.parametrize("host", ["", "neve", "127.0.0.1:9753", "[::1]", "[::1]:80", "a_b.example:"])
def test_a_host_and_its_port_are_taken(host: str) -> None:
    assert taken(f"Host: {host}".encode()).head.values("host") == [host]


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF), max_size=12))
def test_what_no_host_can_contain_is_refused(text: str) -> None:
    host = text + "/" + text
    message = parsed(b"Host: x")._replace(raw_headers=((b"Host", host.encode("latin-1")),))
    with pytest.raises(Malformed):
        framed(message, "")
