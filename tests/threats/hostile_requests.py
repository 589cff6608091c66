"""Requests that mean harm, each rightly signed: whoever has a key can send them. What an answer may never hold stands here.

A fuzzer of its own beside Hypothesis: a million requests are to be made, and counted, in minutes.
"""

import json
import re
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from random import Random
from typing import Any, Final
from urllib.parse import quote, urlencode

import botocore.loaders
import botocore.model
import botocore.serialize

from fix_world import MemoryStores
from neve.domain.blocks import checksum_b64, digest
from neve.domain.keyring import Keyring
from neve.messages.http import RequestHead, Response
from neve.server.operations import OPERATIONS
from neve.stores.keys.local import LocalKeyring
from neve.testing.time_and_chance import ManualClock, SeededEntropy
from neve.testing.world import ACCOUNT, MASTER_KEY, REGION, World
from neve.wire.routes import EBS_OPERATIONS
from pipeline_door import Door
from wire_requests import GOOD, SNAPSHOT

LEAKS: Final = re.compile(
    rb"Traceback \(most recent|File \"|\.py\b|/src/|/tmp/|/hom[e]/|/roo[t]/|/usr/|site-packages|sqlite|apsw|SELECT |INSERT |UPDATE |"
    rb"DELETE FROM|PRAGMA|no such table|constraint failed|NoneType|object at 0x|errno|neve\.(?!example)[a-z]+\.|line [0-9]+, in",
    re.IGNORECASE,
)
"""Paths, statements, traces, names of our code: nothing that an answer has to say to a client."""
NASTY: Final[Sequence[str]] = [
    "", "0", "-1", "1", "99999999999999999999", "1e9", "1_0", "\u0663", "NaN", "null", "true", "[]", "{}", "''", '"', "`",
    "../../etc/passwd", "..%2f..%2f", "%00", "\x00", "\r\nX: y", "a" * 300, "\U0001f600" * 20, "\ufffe", "\u202e", "<!--", "]]>",
    "&amp;", "<x/>", "'; DROP TABLE snapshot; --", '" OR 1=1 --', "${jndi:ldap://x}", "{{7*7}}", "%s%s%s%n", "snap-", SNAPSHOT,
    "snap-" + "f" * 64, "SNAP-0123456789ABCDEF0", "arn:aws:kms:us-east-1:111122223333:key/x", "arn:aws:iam::111122223333:root",
    "2026-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "AAAA", "====", "M6FQvOsTwamSIx5ltPrRaBUhL8Bs20CJltMu6yzvnrs=",
    "all", "self", "*", "?", "*" * 200, "\\", "/", "//", ".", "..", " ", "\t", "\u00a0", "\u212a",
]  # fmt: skip
KEY_ARN: Final = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/00000000-0000-4000-8000-000000000000"
JSON_VALUES: Final[Sequence[Any]] = [
    None, True, False, 0, -1, 1, 2**31, 2**63, 2**70, 1.5, -0.0, 1e308, [], {}, [[]], [None], {"": ""}, [{}] * 60, {"Key": 1},
    [{"Key": "k", "Value": "v"}], [{"Key": "aws:x", "Value": "v"}], {"a": {"b": {"c": {}}}},
]  # fmt: skip


def _served(service: str) -> set[str]:
    return {
        request.__name__.removesuffix("Request")
        for request in OPERATIONS
        if request.__module__.startswith(f"neve.messages.{service}")
    }


PLAIN_VALUES: Final[Mapping[str, Sequence[Any]]] = {
    "integer": [1, 1, 7, 30, 0, -1, 2**31 - 1, 2**31, 10**25],
    "long": [1, 2**63],
    "boolean": [False, False, True],
    "blob": [b"", b"x", bytes(64), bytes(range(200)), bytes(5000)],
    "timestamp": [datetime(2027, 1, 1, tzinfo=UTC), datetime(1, 1, 1, tzinfo=UTC)],
}
SERVICES: Final = {
    name: botocore.model.ServiceModel(botocore.loaders.Loader().load_service_model(name, "service-2"), name)
    for name in ("ec2", "kms", "rbin", "sts")
}
SERVED: Final = {
    "ec2": sorted({*_served("ec2"), "RunInstances"}),
    "kms": sorted({*_served("kms"), "GenerateDataKeyPair"}),
    "rbin": sorted(_served("rbin")),
    "sts": sorted({*_served("sts"), "DecodeAuthorizationMessage"}),
}
"""What is served, and one of each that is not."""


def guarded_world() -> World:
    """Return a world that keeps its KMS keys itself, as a server does by default."""
    stores, clock, entropy = MemoryStores(), ManualClock(), SeededEntropy()
    keyring = LocalKeyring(
        records=stores.metadata.keys,
        keyring=Keyring(MASTER_KEY, entropy),
        clock=clock,
        entropy=entropy,
        region=REGION,
    )
    return World(stores, clock=clock, entropy=entropy, keyring=keyring)


class Fuzzer:
    """Makes requests and has them answered."""

    def __init__(self, door: Door, seed: int) -> None:
        self.door = door
        self.chance = Random(seed)
        self.statuses: dict[int, int] = {}
        self.wrong: list[str] = []
        self._kms_key = door.world.context.keys.default_key_arn(ACCOUNT)
        self._ids = [SNAPSHOT, self._completed(), self._completed()]
        self._tokens: list[dict[str, str]] = []
        self._makers: Sequence[Callable[[], tuple[RequestHead, bytes]]] = [
            *(
                self._ebs,
                self._ebs,
                self._ebs,
                self._ec2,
                self._ec2,
                self._kms,
                self._rbin,
                self._sts,
                self._noise,
            )
        ]

    def _completed(self) -> str:
        world = self.door.world
        snapshot_id = world.start()
        world.put(snapshot_id, 0, b"\1" * 64)
        world.complete(snapshot_id, count=1)
        return snapshot_id

    def one(self) -> None:
        """Send one request; note what is wrong with its answer."""
        head, body = self.chance.choice(self._makers)()
        answer = self.door.pipeline.answer(head, body)
        self.statuses[answer.status] = self.statuses.get(answer.status, 0) + 1
        self._look_at(head, answer)

    def _look_at(self, head: RequestHead, answer: Response) -> None:
        told = b"\n".join(
            [*(f"{name}: {value}".encode() for name, value in answer.headers), _said(answer, head)]
        )
        if answer.status >= 500 or LEAKS.search(told):
            self.wrong.append(f"{answer.status} to {head.method} {head.raw_target[:200]!r}: {told[:300]!r}")
        if answer.status == 201 and head.raw_target.startswith("/snapshots") and answer.body.startswith(b"{"):
            found = json.loads(answer.body).get("SnapshotId")
            if isinstance(found, str):
                self._ids = [*self._ids[-8:], found]
        if answer.status == 200 and head.raw_target.endswith("/blocks") and b"BlockToken" in answer.body:
            snapshot_id = head.raw_target.split("/")[2]
            self._tokens = [
                {
                    "SnapshotId": snapshot_id,
                    "BlockIndex": str(each["BlockIndex"]),
                    "BlockToken": each["BlockToken"],
                }
                for each in json.loads(answer.body)["Blocks"]
            ]

    # --- values

    def _text(self) -> str:
        chance = self.chance
        if chance.random() < 0.25:
            return chance.choice(self._ids)
        if chance.random() < 0.75:
            return chance.choice(NASTY)
        return "".join(
            chr(chance.choice([chance.randrange(32, 127), chance.randrange(0x3000)]))
            for _ in range(chance.randrange(40))
        )

    def _json(self) -> Any:
        chance = self.chance
        pick = chance.random()
        if pick < 0.5:
            return self._text()
        if pick < 0.9:
            return chance.choice(JSON_VALUES)
        return (
            [self._text() for _ in range(chance.randrange(5))]
            if pick < 0.95
            else {self._text(): self._text()}
        )

    def _spoilt(self, members: Mapping[str, Any], make: Callable[[], Any]) -> dict[str, Any]:
        """Return members with some of them changed, dropped, or beside others."""
        chance = self.chance
        if chance.random() < 0.3:
            return dict(members)
        kept = {name: value for name, value in members.items() if chance.random() < 0.9}
        for name in chance.sample(sorted(members), min(len(members), chance.choice([0, 1, 1, 2]))):
            kept[name] = make()
        return kept

    # --- services

    def _ebs(self) -> tuple[RequestHead, bytes]:
        chance = self.chance
        operation = chance.choice(sorted(GOOD))
        found = EBS_OPERATIONS[operation]
        path = found.path
        if operation == "StartSnapshot":
            members = {
                "VolumeSize": 1,
                "Timeout": 60,
                "Description": "d",
                "ClientToken": str(chance.randrange(9)),
            }
            if chance.random() < 0.2:
                members["ParentSnapshotId"] = chance.choice(self._ids)
            body = json.dumps(self._spoilt(members, self._json)).encode("utf-8", "surrogatepass")
            return self._signed(found.method, path, body)
        block = bytes([chance.randrange(3)]) * 64
        values = self._spoilt(self._members(operation, block), self._text)
        for piece in re.findall(r"\{([a-zA-Z]+)\}", path):
            name = piece[0].upper() + piece[1:]
            path = path.replace(f"{{{piece}}}", quote(str(values.pop(name, "")), safe=""))
        query, headers, body = {}, [], b""
        for name, value in values.items():
            if operation in {"PutSnapshotBlock", "CompleteSnapshot"}:
                headers.append((f"x-amz-{name}", "".join(each for each in str(value) if " " <= each <= "~")))
            else:
                query[name[0].lower() + name[1:]] = str(value)
        if operation == "PutSnapshotBlock":
            body = block if chance.random() < 0.8 else bytes(chance.choice([0, 1, 63, 65]))
        target = path + (f"?{urlencode(query, quote_via=quote)}" if query else "")
        return self._signed(found.method, target, body, headers)

    def _members(self, operation: str, block: bytes) -> dict[str, Any]:
        """Return the members of a request that may well be granted."""
        chance = self.chance
        members = dict(GOOD[operation])
        for name in ("NextToken", "Checksum", "ChecksumAlgorithm", "ChecksumAggregationMethod"):
            members.pop(name, None)
        for name in ("SnapshotId", "FirstSnapshotId", "SecondSnapshotId"):
            if name in members:
                members[name] = chance.choice(self._ids)
        if operation == "PutSnapshotBlock":
            members |= {
                "DataLength": "64",
                "Checksum": checksum_b64(digest(block)),
                "ChecksumAlgorithm": "SHA256",
            }
        if operation == "GetSnapshotBlock" and self._tokens:
            members |= chance.choice(self._tokens)
        return members

    def _modelled(self, service: str) -> tuple[Any, dict[str, Any]]:
        """Return an operation, and members that are mostly what its model wants."""
        chance = self.chance
        operation = SERVICES[service].operation_model(chance.choice(SERVED[service]))
        shape = operation.input_shape
        if shape is None:
            return operation, {}
        names = [name for name in shape.members if name in shape.required_members or chance.random() < 0.2]
        return operation, {name: self._value(shape.members[name], name, 0) for name in names}

    def _value(self, shape: Any, name: str, depth: int) -> Any:
        chance = self.chance
        if shape.type_name == "string":
            return self._string(shape, name)
        if shape.type_name == "list":
            count = chance.choice([0, 1, 1, 2, 60]) if depth < 2 else 1
            return [self._value(shape.member, name, depth + 1) for _ in range(count)]
        if shape.type_name == "structure":
            wanted = [each for each in shape.members if chance.random() < 0.6]
            return {each: self._value(shape.members[each], each, depth + 1) for each in wanted}
        if shape.type_name == "map":
            return {self._text(): self._text() for _ in range(chance.randrange(3))}
        return chance.choice(PLAIN_VALUES[shape.type_name])

    def _string(self, shape: Any, name: str) -> str:
        chance = self.chance
        if chance.random() < 0.2:
            return self._text()
        if shape.enum:
            return str(chance.choice(shape.enum))
        known = name.lower()
        if "snapshot" in known or known == "resources":
            return chance.choice(self._ids)
        if "key" in known and ("id" in known or "arn" in known):
            return chance.choice([KEY_ARN, self._kms_key, self._kms_key, "alias/aws/ebs", "alias/mine"])
        return chance.choice(
            ["alias/mine", "x", "n", "k", ACCOUNT, "all", f"arn:aws:iam::{ACCOUNT}:user/u", "tag:k"]
        )

    def _ec2(self) -> tuple[RequestHead, bytes]:
        return self._query("ec2", "2016-11-15")

    def _sts(self) -> tuple[RequestHead, bytes]:
        return self._query("sts", "2011-06-15")

    def _query(self, service: str, version: str) -> tuple[RequestHead, bytes]:
        operation, members = self._modelled(service)
        protocol = SERVICES[service].metadata["protocol"]
        try:
            made = botocore.serialize.create_serializer(protocol, include_validation=False)
            form = dict(made.serialize_to_request(members, operation)["body"])
        except (ValueError, OverflowError, TypeError):
            form = {"Action": operation.name, "Version": version}
        if self.chance.random() < 0.2:
            form[self.chance.choice(ODD_PARAMETERS)] = self._text()
        return self._signed("POST", "/", urlencode(form, errors="surrogatepass").encode(), service=service)

    def _kms(self) -> tuple[RequestHead, bytes]:
        operation, members = self._modelled("kms")
        if self.chance.random() < 0.2 and members:
            members[self.chance.choice(sorted(members))] = self._json()
        text = json.dumps(members, default=_as_json)
        headers = [
            ("X-Amz-Target", f"TrentService.{operation.name}"),
            ("Content-Type", "application/x-amz-json-1.1"),
        ]
        return self._signed("POST", "/", text.encode("utf-8", "surrogatepass"), headers, service="kms")

    def _rbin(self) -> tuple[RequestHead, bytes]:
        operation, members = self._modelled("rbin")
        path = operation.http["requestUri"]
        for name in re.findall(r"\{([a-zA-Z]+)\}", path):
            found = members.pop(name[0].upper() + name[1:], "x")
            path = path.replace(f"{{{name}}}", quote(str(found), safe="", errors="surrogatepass"))
        if self.chance.random() < 0.2 and members:
            members[self.chance.choice(sorted(members))] = self._json()
        text = json.dumps(members, default=_as_json) if members else ""
        method = operation.http["method"]
        return self._signed(method, path, text.encode("utf-8", "surrogatepass"), service="rbin")

    def _noise(self) -> tuple[RequestHead, bytes]:
        chance = self.chance
        target = "/" + "".join(chr(chance.randrange(33, 127)) for _ in range(chance.randrange(60)))
        body = chance.randbytes(chance.randrange(200))
        service = chance.choice(["ebs", "ec2", "kms", "sts", "rbin", "s3"])
        method = chance.choice(["GET", "PUT", "POST", "DELETE", "PATCH", "HEAD", "TRACE"])
        return self._signed(method, target, body, service=service)

    def _signed(
        self,
        method: str,
        target: str,
        body: bytes,
        headers: Sequence[tuple[str, str]] = (),
        *,
        service: str = "ebs",
    ) -> tuple[RequestHead, bytes]:
        return self.door.head(method, target, body=body, headers=list(headers), service=service), body


ODD_PARAMETERS: Final = [
    "Filter.999999999.Name",
    "SnapshotId.0",
    "SnapshotId.-1",
    "SnapshotId.1.2.3.4.5",
    ".",
    "Tag..Key",
    "",
]


def _as_json(value: object) -> object:
    return b64encode(value).decode() if isinstance(value, bytes) else str(value)


def _said(answer: Response, head: RequestHead) -> bytes:
    """Return the body without what the client said itself, which an answer may repeat."""
    del head
    body = bytes(answer.body)
    for text in NASTY:
        for spelt in (text, text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")):
            if len(spelt) > 3:
                body = body.replace(spelt.encode("utf-8", "surrogatepass"), b"")
    return body
