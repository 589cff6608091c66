"""Bytes that are no proper request, at a real server: each is answered 4xx or cut off, in bounded time.

What is sent behind a malformed request must never be read as a request of its own (RFC 9112, 11.2): after a
refusal the connection ends. A few odd but legal forms stand between them, so that strictness has its control.
"""

import re
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from fix_scoreboard import Figure
from neve.testing.server import ServerProcess, read_all

PATIENCE_S = 20
"""Deadlines of the shared server are 1 s for heads and 2 s for bodies; machines may be slow."""
SMUGGLED = b"GET /healthz HTTP/1.1\r\nHost: smuggled\r\nConnection: close\r\n\r\n"
_STATUS = re.compile(rb"HTTP/1\.1 ([0-9]{3}) ")


def get(
    *, line: bytes = b"GET /healthz HTTP/1.1", headers: bytes = b"Host: neve\r\n", end: bytes = b"\r\n"
) -> bytes:
    """Return a request for the health page with one part of it replaced."""
    return line + b"\r\n" + headers + b"Connection: close\r\n" + end


def post(headers: bytes, body: bytes = b"") -> bytes:
    """Return a request whose body is read before its signature is looked at."""
    return b"POST /snapshots HTTP/1.1\r\nHost: neve\r\n" + headers + b"\r\n" + body


def chunked(body: bytes) -> bytes:
    return post(b"Transfer-Encoding: chunked\r\n", body)


@dataclass(frozen=True)
class Case:
    """Something to send, and what must come back."""

    name: str
    data: bytes
    statuses: list[int] = field(default_factory=lambda: [400])
    """One for each answer; none means that the connection just ends."""
    ends: bool = False
    """True if the client says that it has sent everything."""


LONG = b"a" * 70_000
REFUSED_LINES = {
    "nothing but NULs": b"\0\0\0\0\r\n\r\n",
    "a TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100),
    "an SSH banner": b"SSH-2.0-OpenSSH_9.2\r\n",
    "a method alone": b"GET\r\n\r\n",
    "HTTP/0.9": b"GET /healthz\r\n\r\n",
    "version 0.9": get(line=b"GET /healthz HTTP/0.9"),
    "version 1.2": get(line=b"GET /healthz HTTP/1.2"),
    "version 2.0": get(line=b"GET /healthz HTTP/2.0"),
    "version 11": get(line=b"GET /healthz HTTP/11"),
    "version in lower case": get(line=b"GET /healthz http/1.1"),
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a version with a letter": get(line=b"GET /healthz HTTP/1.x"),
    "a tab before the target": get(line=b"GET\t/healthz HTTP/1.1"),
    "a blank in front": get(line=b" GET /healthz HTTP/1.1"),
    "something behind the version": get(line=b"GET /healthz HTTP/1.1 x"),
    "a bare LF behind the request line": b"GET /healthz HTTP/1.1\nHost: neve\r\n\r\n",
    "a bare CR behind the request line": b"GET /healthz HTTP/1.1\rHost: neve\r\n\r\n",
    "a control character in the target": get(line=b"GET /hea\x01lthz HTTP/1.1"),
    "a NUL in the target": get(line=b"GET /healthz\0 HTTP/1.1"),
    "a DEL in the target": get(line=b"GET /healthz\x7f HTTP/1.1"),
    "a blank in the target": get(line=b"GET /health z HTTP/1.1"),
    "a byte outside ASCII in the target": get(line=b"GET /healthz\xff HTTP/1.1"),
    "UTF-8 in the target": get(line="GET /healthz\u00e9 HTTP/1.1".encode()),
    "a fragment": get(line=b"GET /healthz#part HTTP/1.1"),
    "the absolute form": get(line=b"GET http://elsewhere/healthz HTTP/1.1"),
    "no slash in front": get(line=b"GET healthz HTTP/1.1"),
    "the asterisk form": get(line=b"OPTIONS * HTTP/1.1"),
    "a tunnel": get(line=b"CONNECT elsewhere:80 HTTP/1.1"),
    "a method in lower case": get(line=b"get /healthz HTTP/1.1"),
    "a method with a symbol": get(line=b"G@T /healthz HTTP/1.1"),
    "a method nobody knows": get(line=b"FETCHED /healthz HTTP/1.1"),
    "a method of controls": get(line=b"\x01\x02\x03 /healthz HTTP/1.1"),
    "two targets": get(line=b"GET /healthz /readyz HTTP/1.1"),
    "a target of backslashes": get(line=b"GET \\healthz HTTP/1.1"),
    "a version behind a NUL": get(line=b"GET /healthz HTTP/1.1\0"),
    "a version in other digits": get(line="GET /healthz HTTP/\uff11.\uff11".encode()),
    "the authority form": get(line=b"GET neve:80 HTTP/1.1"),
    "a request line of blanks": b"   \r\n\r\n",
    "an endless method": LONG + b" /healthz HTTP/1.1\r\n\r\n",
    "an endless target": get(line=b"GET /" + LONG + b" HTTP/1.1"),
}
REFUSED_HEADERS = {
    "no Host": b"",
    "Host twice": b"Host: neve\r\nHost: neve\r\n",
    "two Hosts": b"Host: neve\r\nHost: elsewhere\r\n",
    "a Host with a blank": b"Host: ne ve\r\n",
    "a Host with a user": b"Host: user@neve\r\n",
    "a Host with a path": b"Host: neve/path\r\n",
    "a Host outside ASCII": b"Host: n\xebve\r\n",
    "a line without a colon": b"Host: neve\r\nnonsense\r\n",
    "a blank before the colon": b"Host : neve\r\n",
    "a tab before the colon": b"Host\t: neve\r\n",
    "no name": b"Host: neve\r\n: value\r\n",
    "a blank before the first name": b" Host: neve\r\n",
    "a folded value": b"Host: neve\r\nX-Folded: a\r\n b\r\n",
    "a value folded with a tab": b"Host: neve\r\nX-Folded: a\r\n\tb\r\n",
    "a NUL in a value": b"Host: neve\r\nX-Odd: a\0b\r\n",
    "a control character in a value": b"Host: neve\r\nX-Odd: a\x01b\r\n",
    "a vertical tab in a value": b"Host: neve\r\nX-Odd: a\x0bb\r\n",
    "a DEL in a value": b"Host: neve\r\nX-Odd: a\x7fb\r\n",
    "a bare CR in a value": b"Host: neve\r\nX-Odd: a\rX-Hidden: b\r\n",
    "a bare LF between headers": b"Host: neve\nX-Odd: a\r\n",
    "a blank in a name": b"Host: neve\r\nX Odd: a\r\n",
    "a parenthesis in a name": b"Host: neve\r\nX(Odd: a\r\n",
    "a byte outside ASCII in a name": b"Host: neve\r\nX-\xff: a\r\n",
    "a NUL in a name": b"Host: neve\r\nX-\0: a\r\n",
    "an endless name": b"Host: neve\r\n" + LONG + b": a\r\n",
    "an endless value": b"Host: neve\r\nX-Long: " + LONG + b"\r\n",
    "two hundred headers": b"Host: neve\r\n" + b"X-Many: a\r\n" * 200,
    "ten thousand headers": b"Host: neve\r\n" + b"X-Many: a\r\n" * 10_000,
    "Authorization twice": b"Host: neve\r\nAuthorization: a\r\nAuthorization: b\r\n",
    "Expect twice": b"Host: neve\r\nExpect: 100-continue\r\nExpect: 100-continue\r\n",
    "a negative length": b"Host: neve\r\nContent-Length: -1\r\n",
    "a length with a sign": b"Host: neve\r\nContent-Length: +5\r\n",
    "a length in two parts": b"Host: neve\r\nContent-Length: 5 5\r\n",
    "a list of lengths": b"Host: neve\r\nContent-Length: 5, 5\r\n",
    "a length in hex": b"Host: neve\r\nContent-Length: 0x5\r\n",
    "a length with a parameter": b"Host: neve\r\nContent-Length: 5;a\r\n",
    "an empty length": b"Host: neve\r\nContent-Length:\r\n",
    "a length of twenty digits": b"Host: neve\r\nContent-Length: 99999999999999999999\r\n",
    "a length with an exponent": b"Host: neve\r\nContent-Length: 1e3\r\n",
    "a length with an underscore": b"Host: neve\r\nContent-Length: 1_0\r\n",
    "a length in other digits": "Host: neve\r\nContent-Length: \u0665\r\n".encode(),
    "the length twice": b"Host: neve\r\nContent-Length: 5\r\nContent-Length: 5\r\n",
    "two lengths": b"Host: neve\r\nContent-Length: 5\r\nContent-Length: 60\r\n",
    "chunks and a length": b"Host: neve\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n",
    "a length and chunks": b"Host: neve\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n",
    "gzip as transfer encoding": b"Host: neve\r\nTransfer-Encoding: gzip\r\n",
    "gzip, then chunks": b"Host: neve\r\nTransfer-Encoding: gzip, chunked\r\n",
    "chunks, then gzip": b"Host: neve\r\nTransfer-Encoding: chunked, gzip\r\n",
    "chunks in chunks": b"Host: neve\r\nTransfer-Encoding: chunked, chunked\r\n",
    "chunks twice": b"Host: neve\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    "almost chunks": b"Host: neve\r\nTransfer-Encoding: xchunked\r\n",
    "chunks with a parameter": b"Host: neve\r\nTransfer-Encoding: chunked;a=b\r\n",
    "chunks behind a vertical tab": b"Host: neve\r\nTransfer-Encoding: \x0bchunked\r\n",
    "identity as transfer encoding": b"Host: neve\r\nTransfer-Encoding: identity\r\n",
    "chunks behind a form feed": b"Host: neve\r\nTransfer-Encoding: \x0cchunked\r\n",
    "chunks in quotes": b'Host: neve\r\nTransfer-Encoding: "chunked"\r\n',
    "chunks, then identity": b"Host: neve\r\nTransfer-Encoding: chunked, identity\r\n",
    "chunks and a blank name": b"Host: neve\r\nTransfer-Encoding : chunked\r\n",
    "a length behind a folded line": b"Host: neve\r\nX-Odd: a\r\n Content-Length: 5\r\n",
    "a length with a blank name": b"Host: neve\r\nContent-Length : 5\r\n",
    "a length and a NUL": b"Host: neve\r\nContent-Length: 5\0\r\n",
    "an underscore for a hyphen, and the length": b"Host: neve\r\nContent_Length: 5\r\nContent-Length: 5, 6\r\n",
    "an empty transfer encoding": b"Host: neve\r\nTransfer-Encoding:\r\n",
}
REFUSED_CHUNKS = {
    "a size that is no number": b"zz\r\nhello\r\n0\r\n\r\n",
    "no size": b"\r\nhello\r\n0\r\n\r\n",
    "a negative size": b"-5\r\nhello\r\n0\r\n\r\n",
    "a size with a sign": b"+5\r\nhello\r\n0\r\n\r\n",
    "a size with a prefix": b"0x5\r\nhello\r\n0\r\n\r\n",
    "a size with an underscore": b"0_5\r\nhello\r\n0\r\n\r\n",
    "a size past 64 bits": b"fffffffffffffffff\r\nhello\r\n0\r\n\r\n",
    "a blank before the size": b" 5\r\nhello\r\n0\r\n\r\n",
    "a blank behind the size": b"5 \r\nhello\r\n0\r\n\r\n",
    "a bare LF behind the size": b"5\nhello\r\n0\r\n\r\n",
    "a bare CR behind the size": b"5\rhello\r\n0\r\n\r\n",
    "data without its end": b"5\r\nhello0\r\n\r\n",
    "data past its size": b"5\r\nhello world\r\n0\r\n\r\n",
    "data ended by a bare LF": b"5\r\nhello\n0\r\n\r\n",
    "an extension with a control character": b"5;a=\x01\r\nhello\r\n0\r\n\r\n",
    "a trailer without a colon": b"5\r\nhello\r\n0\r\nnonsense\r\n\r\n",
    "a tab before the size": b"\t5\r\nhello\r\n0\r\n\r\n",
    "a size in other digits": "\uff15\r\nhello\r\n0\r\n\r\n".encode(),
    "a trailer with a NUL": b"5\r\nhello\r\n0\r\nX: a\0b\r\n\r\n",
    "a trailer that is folded": b"5\r\nhello\r\n0\r\nX: a\r\n b\r\n\r\n",
    "a thousand trailers": b"5\r\nhello\r\n0\r\n" + b"X-Many: a\r\n" * 1000 + b"\r\n",
}
OTHERS = [
    Case("another expectation", get(headers=b"Host: neve\r\nExpect: a-miracle\r\n"), [417]),
    Case("a head that never ends", b"GET /healthz HTTP/1.1\r\nHost: neve\r\n", [408]),
    Case("half a request line", b"GET /hea", [408]),
    Case("half a header", b"GET /healthz HTTP/1.1\r\nHost: ne", [408]),
    Case("empty lines without end", b"\r\n" * 100, [408]),
    Case("half a head, then the end", b"GET /healthz HTTP/1.1\r\nHost: neve\r\n", [], ends=True),
    Case("nothing at all", b"", [], ends=True),
    Case("a body that stalls", post(b"Content-Length: 100\r\n", b"{"), [408]),
    Case("a body that ends early", post(b"Content-Length: 100\r\n", b"{"), ends=True),
    Case("chunks that stall", chunked(b"5\r\nhello\r\n"), [408]),
    Case("chunks that end early", chunked(b"5\r\nhello\r\n"), ends=True),
    Case("a chunk that ends early", chunked(b"5\r\nhel"), ends=True),
    Case("a size that ends early", chunked(b"5"), ends=True),
    Case("a body of a terabyte", post(b"Content-Length: 1099511627776\r\n", b"{" * 100_000), [413]),
    Case("a body that is too large", post(b"Content-Length: 300000\r\n", b" " * 300_000), [413]),
    Case("a size of zeros without end", chunked(b"0" * 3_000_000), [413]),
    Case("an extension without end", chunked(b"5;" + b"a" * 3_000_000), [413]),
    Case("extensions in every chunk without end", chunked((b"1;" + b"a" * 5000 + b"\r\n \r\n") * 700), [413]),
    Case("chunks that are too many", chunked((b"10000\r\n" + b" " * 65_536 + b"\r\n") * 5), [413]),
    Case(
        "a form that is too large",
        b"POST / HTTP/1.1\r\nHost: neve\r\nContent-Length: 2000000\r\n\r\n" + b"a" * 100_000,
        [413],
    ),
    Case(
        "a block nobody signed",
        b"PUT /snapshots/snap-0123456789abcdef0/blocks/0 HTTP/1.1\r\nHost: neve\r\n"
        b"Content-Length: 524288\r\n\r\n" + bytes(100_000),
        [403],
    ),
    Case(
        "a block nobody signed, asked for first",
        b"PUT /snapshots/snap-0123456789abcdef0/blocks/0 HTTP/1.1\r\nHost: neve\r\n"
        b"Expect: 100-continue\r\nContent-Length: 524288\r\n\r\n",
        [403],
    ),
    Case(
        "a request, then garbage", get().replace(b"Connection: close\r\n", b"") + b"\0garbage\r\n", [200, 400]
    ),
    Case(
        "a body behind a GET, read as one",
        get(headers=b"Host: neve\r\nContent-Length: 5\r\n") + b"hello",
        [200],
    ),
]
SERVED = [
    Case("an ordinary request", get(), [200]),
    Case("an empty line in front", b"\r\n" + get(), [200]),
    Case("two blanks before the target", get(line=b"GET  /healthz HTTP/1.1"), [200]),
    Case("names in any case", get(headers=b"hOST: neve\r\n"), [200]),
    Case("no blank behind the colon", get(headers=b"Host:neve\r\n"), [200]),
    Case("blanks around a value", get(headers=b"Host: \t neve \t\r\n"), [200]),
    Case("an empty Host", get(headers=b"Host:\r\n"), [200]),
    Case("a Host with a port", get(headers=b"Host: [::1]:9753\r\n"), [200]),
    Case("bytes outside ASCII in a value", get(headers=b"Host: neve\r\nX-Odd: \xff\r\n"), [200]),
    Case("version 1.0", b"GET /healthz HTTP/1.0\r\n\r\n", [200]),
    Case("version 1.0 that would stay", b"GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", [200]),
    Case("two requests at once", get().replace(b"Connection: close\r\n", b"") + get(), [200, 200]),
    Case("a HEAD has no body", get(line=b"HEAD /healthz HTTP/1.1"), [200]),
    Case("the offer of another protocol", get(headers=b"Host: neve\r\nUpgrade: h2c\r\n"), [200]),
    Case(
        "the offer of a web socket",
        b"GET /healthz HTTP/1.1\r\nHost: neve\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        [200],
    ),
    Case("the client ends after asking", get().replace(b"Connection: close\r\n", b""), [200], ends=True),
    Case(
        "chunks nobody signed",
        chunked(b"5\r\nhello\r\n0\r\n\r\n").replace(b"chunked", b"Chunked"),
        [403],
        ends=True,
    ),
    Case("chunks with extensions", chunked(b'5;a=b;c="d"\r\nhello\r\n0\r\n\r\n'), [403], ends=True),
    Case("a size with zeros in front", chunked(b"0" * 5000 + b"\r\n\r\n"), [403], ends=True),
    Case("a long extension", chunked(b"5;" + b"a" * 5000 + b"\r\nhello\r\n0\r\n\r\n"), [403], ends=True),
    Case("chunks with a trailer", chunked(b"5\r\nhello\r\n0\r\nX-Sum: a\r\n\r\n"), [403], ends=True),
    Case("one byte in each chunk", chunked(b"1\r\n \r\n" * 5000 + b"0\r\n\r\n"), [403], ends=True),
    Case("a path of dots", get(line=b"GET /../../etc/passwd HTTP/1.1"), [404]),
    Case("a path of encoded dots", get(line=b"GET /%2e%2e%2f%2e%2e%2fetc/passwd HTTP/1.1"), [404]),
    Case("two slashes", get(line=b"GET //healthz HTTP/1.1"), [404]),
    Case("an encoded NUL", get(line=b"GET /snapshots/%00/blocks HTTP/1.1"), [403]),
    Case("no encoding at all", get(line=b"GET /snapshots/%zz/blocks HTTP/1.1"), [400]),
    Case("overlong UTF-8", get(line=b"GET /snapshots/%c0%af/blocks HTTP/1.1"), [400]),
    Case("a method without an operation", get(line=b"TRACE /snapshots HTTP/1.1"), [404]),
]


def cases() -> Iterator[Case]:
    yield from (Case(name, data + SMUGGLED) for name, data in REFUSED_LINES.items())
    yield from (Case(name, get(headers=data) + SMUGGLED) for name, data in REFUSED_HEADERS.items())
    yield from (Case(f"chunks: {name}", chunked(data) + SMUGGLED) for name, data in REFUSED_CHUNKS.items())
    yield from OTHERS
    yield from SERVED


def answered(server: ServerProcess, case: Case) -> list[int]:
    """Return the statuses that come back."""
    with server.connect(PATIENCE_S) as connection:
        connection.sendall(case.data)
        if case.ends:
            connection.shutdown(socket.SHUT_WR)
        answer = read_all(connection)
    return [int(status) for status in _STATUS.findall(answer)]


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in cases()])
def test_it_is_answered_once_and_never_misread(server: ServerProcess, case: Case) -> None:
    assert answered(server, case) == case.statuses


@pytest.mark.row(19)
def test_all_at_once_they_are_answered_the_same(server: ServerProcess, figure: Figure) -> None:
    every = list(cases())
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda case: answered(server, case), every))
    wrong = [case.name for case, statuses in zip(every, found, strict=True) if statuses != case.statuses]
    assert wrong == []
    figure(f"rightly answered {len(every)} of {len(every)} raw inputs, {len(SERVED)} legal ones among them")


def test_it_was_all_in_a_days_work(server: ServerProcess) -> None:
    assert server.get("/readyz")[0] == 200
    assert [event for event in server.events("request") if event["status"] >= 500] == []
    assert server.events("request failed") == []
