"""A pipeline over a world without sockets, and the words to knock with: for tests of what it lets in."""

import json
from dataclasses import replace
from threading import Lock
from typing import Any

from fix_logs import Journal
from neve.auth import sigv4
from neve.auth.payload import UNSIGNED_PAYLOAD, body_hash
from neve.domain.blocks import checksum_b64, digest
from neve.domain.identities import AccessKey
from neve.domain.keyring import Keyring
from neve.domain.rates import RateLimiter, Rates
from neve.events import RequestAnswered, RequestFailed
from neve.messages.http import RequestHead, Response
from neve.server.credentials import Credentials, seal_secret
from neve.server.pipeline import Pipeline, Rules
from neve.testing.world import ACCOUNT, MASTER_KEY, World

KEY_ID = "AKIDEXAMPLE"
SECRET = "secret"
BLOCK = b"\x01" * 64
DESCRIBE = b"Action=DescribeSnapshots&Version=2016-11-15"


class Door:
    """A pipeline over a world, and the words to knock with."""

    def __init__(self, world: World, journal: Journal, **rules: Any) -> None:
        self.world = world
        self.journal = journal
        self.keyring = Keyring(MASTER_KEY, world.entropy)
        self.key = AccessKey(
            access_key_id=KEY_ID,
            account_id=ACCOUNT,
            sealed_secret=seal_secret(self.keyring, KEY_ID, SECRET),
            created_ms=0,
        )
        world.metadata.add_access_key(self.key)
        self.pipeline = self.make(**rules)

    def make(self, *, rates: Rates | None = None, context: Any = None, **rules: Any) -> Pipeline:
        return Pipeline(
            context=context or self.world.context,
            credentials=Credentials(
                self.world.metadata, self.keyring, self.world.context.sessions, self.journal.report
            ),
            limiter=RateLimiter(rates or Rates(), lock=Lock()),
            rules=Rules(region="us-east-1", **rules),
            report=self.journal.report,
        )

    def head(self, method: str, target: str, *, body: bytes = b"", **options: Any) -> RequestHead:
        """Return a signed head; options change what is signed, or with what."""
        service = options.get("service", "ebs")
        unsigned = RequestHead(
            method=method,
            raw_target=target,
            headers=[("Host", "neve.example"), *options.get("headers", [])],
            peer="192.0.2.1",
        )
        added = sigv4.sign(
            unsigned,
            access_key_id=options.get("key_id", KEY_ID),
            secret=options.get("secret", SECRET),
            region="us-east-1",
            service=service,
            now_ms=self.world.clock.now_ms(),
            payload_hash=options.get("payload_hash", body_hash(body)),
            session_token=options.get("session_token"),
        )
        return replace(unsigned, headers=[*unsigned.headers, *added])

    def put_head(
        self, snapshot_id: str, index: int = 0, content: bytes = BLOCK, **options: Any
    ) -> RequestHead:
        checksum = options.get("checksum", checksum_b64(digest(content)))
        headers = [
            ("x-amz-Data-Length", str(options.get("data_length", len(content)))),
            ("x-amz-Checksum", checksum),
            ("x-amz-Checksum-Algorithm", "SHA256"),
        ]
        return self.head(
            "PUT",
            f"/snapshots/{snapshot_id}/blocks/{index}",
            headers=headers,
            **({"payload_hash": UNSIGNED_PAYLOAD} | options),
        )

    def put(self, snapshot_id: str, content: bytes = BLOCK, **options: Any) -> Response:
        return self.pipeline.answer(self.put_head(snapshot_id, content=content, **options), content)

    def describe_head(self, body: bytes, **options: Any) -> RequestHead:
        return self.head("POST", "/", body=body, **({"service": "ec2"} | options))

    def answered(self) -> list[RequestAnswered]:
        return [event for event in self.journal.events if isinstance(event, RequestAnswered)]

    def failed(self) -> list[RequestFailed]:
        return [event for event in self.journal.events if isinstance(event, RequestFailed)]


def header(response: Response, name: str) -> str:
    (value,) = [value for key, value in response.headers if key.lower() == name.lower()]
    return value


def told(response: Response) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(response.body)
    return found
