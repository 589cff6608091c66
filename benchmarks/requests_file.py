"""Signed requests in a file, for replay.c, and the random bytes their bodies are made of.

Signing and hashing happen here, before the clock starts, so that the load generator has nothing left to do but
send. A body is 16 bytes of its own, the stamp, and then a stretch of a pool of random bytes: no two are equal, so
nothing is deduplicated, and none can be compressed. Signatures are valid for five minutes: write, then run.
"""

import base64
import hashlib
import os
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from neve.auth import payload, sigv4
from neve.messages.http import RequestHead

BLOCK_BYTES: Final = 524_288
STAMP_BYTES: Final = 16
_POOL_BYTES: Final = 64 << 20
_STEP_BYTES: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """Where a service is and who may use it."""

    host: str
    port: int
    region: str
    access_key_id: str
    secret: str

    @property
    def endpoint(self) -> str:
        """The URL that clients are given."""
        return f"http://{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """The body of one PutSnapshotBlock: a stamp, and where in the pool it goes on."""

    stamp: bytes
    pool_offset: int
    digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request, ready to be sent. A small body may stand at the end of `head` instead of in `body`."""

    head: bytes
    body: Body | None = None


class Pool:
    """The file of random bytes, with one block of zeros at its end for bodies that are to cost no room."""

    def __init__(self, path: Path, *, random_bytes: int = _POOL_BYTES) -> None:
        assert random_bytes > BLOCK_BYTES + _STEP_BYTES
        self.path = path
        self._random_bytes = random_bytes
        self._data = os.urandom(random_bytes) + bytes(BLOCK_BYTES)
        path.write_bytes(self._data)
        self._taken = 0

    def random_body(self) -> Body:
        """Return a body like no other."""
        self._taken += 1
        return self._body(self._taken * _STEP_BYTES % (self._random_bytes - BLOCK_BYTES))

    def sparse_body(self) -> Body:
        """Return a body like no other, that is all zeros but for its stamp."""
        self._taken += 1
        return self._body(self._random_bytes)

    def _body(self, offset: int) -> Body:
        stamp = self._taken.to_bytes(8) + os.urandom(STAMP_BYTES - 8)
        digest = hashlib.sha256(stamp)
        digest.update(memoryview(self._data)[offset + STAMP_BYTES : offset + BLOCK_BYTES])
        return Body(stamp=stamp, pool_offset=offset, digest=digest.digest())


def write_requests(path: Path, requests: Sequence[Request], *, status: int) -> None:
    """Write requests in replay.c's form; `status` is what each should be answered with."""
    with path.open("wb") as file:
        file.write(b"NEVEREQ1" + struct.pack("<II", len(requests), status))
        for request in requests:
            body = request.body
            file.write(
                struct.pack(
                    "<IIQ",
                    len(request.head),
                    0 if body is None else BLOCK_BYTES,
                    0 if body is None else body.pool_offset,
                )
            )
            file.write(bytes(STAMP_BYTES) if body is None else body.stamp)
            file.write(request.head)


def put_request(service: Service, snapshot_id: str, index: int, body: Body) -> Request:
    """Return a PutSnapshotBlock as boto3 sends it: its payload unsigned, its checksum signed."""
    headers = [
        ("x-amz-Data-Length", str(BLOCK_BYTES)),
        ("x-amz-Checksum", base64.b64encode(body.digest).decode()),
        ("x-amz-Checksum-Algorithm", "SHA256"),
    ]
    head = _signed_head(
        service,
        "PUT",
        f"/snapshots/{snapshot_id}/blocks/{index}",
        headers,
        payload_hash=payload.UNSIGNED_PAYLOAD,
        unsigned=[("Content-Length", str(BLOCK_BYTES)), ("Content-Type", "application/octet-stream")],
    )
    return Request(head=head, body=body)


def get_request(service: Service, target: str) -> Request:
    """Return a GET of `target`, its query in canonical order."""
    return Request(head=_signed_head(service, "GET", target, []))


def post_request(service: Service, target: str, body: bytes) -> Request:
    """Return a POST of a small JSON body."""
    head = _signed_head(
        service,
        "POST",
        target,
        [("Content-Type", "application/json")],
        payload_hash=hashlib.sha256(body).hexdigest(),
        unsigned=[("Content-Length", str(len(body)))],
    )
    return Request(head=head + body)


def _signed_head(
    service: Service,
    method: str,
    target: str,
    headers: Sequence[tuple[str, str]],
    *,
    payload_hash: str = payload.EMPTY_BODY_HASH,
    unsigned: Sequence[tuple[str, str]] = (),
) -> bytes:
    """Return the bytes of a head. `unsigned` headers are the ones that real clients leave unsigned."""
    head = RequestHead(
        method=method, raw_target=target, headers=[("Host", f"{service.host}:{service.port}"), *headers]
    )
    added = sigv4.sign(
        head,
        access_key_id=service.access_key_id,
        secret=service.secret,
        region=service.region,
        service="ebs",
        now_ms=time.time_ns() // 1_000_000,
        payload_hash=payload_hash,
    )
    lines = [f"{method} {target} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in [*head.headers, *added, *unsigned]]
    return "\r\n".join([*lines, "", ""]).encode()
