"""What the EBS model demands of each request member, as values that `wire` checks against.

A shape is what the model says of a kind of value, a member where such a value stands in a request. Both
are pinned to the service model that botocore ships by tests/unit/messages/test_ebs_model.py; where neve knows
better, because the live service was seen to differ, `DEVIATIONS` says so and the test knows.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """The type of a value, in the model's words."""

    STRING = "string"
    INTEGER = "integer"
    LONG = "long"
    BOOLEAN = "boolean"
    BLOB = "blob"
    LIST = "list"


class Location(StrEnum):
    """Where a value stands in a request, in the model's words."""

    URI = "uri"
    QUERY = "querystring"
    HEADER = "header"
    BODY = "body"
    PAYLOAD = "payload"


NUMBER_RANGES: Final[Mapping[Kind, tuple[int, int]]] = {
    Kind.INTEGER: (-(2**31), 2**31 - 1),
    Kind.LONG: (-(2**63), 2**63 - 1),
}
"""What the model's number types can hold at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A kind of value. Bounds are of the value for numbers, of the length in characters for strings."""

    kind: Kind
    minimum: int | None = None
    maximum: int | None = None
    pattern: str = ""
    """Empty: any text. Otherwise the whole text must match."""
    enum: tuple[str, ...] = ()
    sensitive: bool = False
    """Not to be repeated, in messages or logs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A value of a request: the model's name for it, and where it stands."""

    name: str
    shape: Shape
    location: Location
    wire_name: str
    required: bool = False
    coral_name: str = field(init=False)
    """What messages about violations call it (contract 1.4): the name with a small first letter."""
    field_name: str = field(init=False)
    """Its field in the request message."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "coral_name", self.name[0].lower() + self.name[1:])
        object.__setattr__(self, "field_name", re.sub(r"(?<!^)([A-Z])", r"_\1", self.name).lower())


BLOCK_DATA: Final = Shape(kind=Kind.BLOB, sensitive=True)
BLOCK_INDEX: Final = Shape(kind=Kind.INTEGER, minimum=0)
BLOCK_TOKEN: Final = Shape(kind=Kind.STRING, maximum=256, pattern=r"^[A-Za-z0-9+/=_-]+$")
BOOLEAN: Final = Shape(kind=Kind.BOOLEAN)
CHANGED_BLOCKS_COUNT: Final = Shape(kind=Kind.INTEGER, minimum=0)
CHECKSUM: Final = Shape(kind=Kind.STRING, maximum=64, pattern=r"^[A-Za-z0-9+/=]+$")
CHECKSUM_AGGREGATION_METHOD: Final = Shape(
    kind=Kind.STRING, maximum=32, pattern=r"^[A-Za-z0-9]+$", enum=("LINEAR",)
)
CHECKSUM_ALGORITHM: Final = Shape(kind=Kind.STRING, maximum=32, pattern=r"^[A-Za-z0-9]+$", enum=("SHA256",))
PUT_CHECKSUM_ALGORITHM: Final = Shape(kind=Kind.STRING, maximum=32, pattern=r"^[A-Za-z0-9]+$")
DATA_LENGTH: Final = Shape(kind=Kind.INTEGER)
DESCRIPTION: Final = Shape(kind=Kind.STRING, maximum=255, pattern=r"^[\S\s]+$")
IDEMPOTENCY_TOKEN: Final = Shape(kind=Kind.STRING, maximum=255, pattern=r"^[\S]+$")
KMS_KEY_ARN: Final = Shape(
    kind=Kind.STRING,
    minimum=1,
    maximum=2048,
    pattern=r"arn:aws[a-z\-]*:kms:.*:[0-9]{12}:key/.*",
    sensitive=True,
)
MAX_RESULTS: Final = Shape(kind=Kind.INTEGER, minimum=100, maximum=10_000)
PAGE_TOKEN: Final = Shape(kind=Kind.STRING, maximum=256, pattern=r"^[A-Za-z0-9+/=_-]+$")
PROGRESS: Final = Shape(kind=Kind.INTEGER, minimum=0, maximum=100)
SNAPSHOT_ID: Final = Shape(kind=Kind.STRING, minimum=1, maximum=64, pattern=r"^snap-[0-9a-f]+$")
TAGS: Final = Shape(kind=Kind.LIST)
TAG_KEY: Final = Shape(kind=Kind.STRING, maximum=127, pattern=r"^[\S\s]+$")
TAG_VALUE: Final = Shape(kind=Kind.STRING, maximum=255, pattern=r"^[\S\s]*$")
TIMEOUT: Final = Shape(kind=Kind.INTEGER, minimum=10, maximum=4320)
VOLUME_SIZE: Final = Shape(kind=Kind.LONG, minimum=1)


def _uri(name: str, shape: Shape, wire_name: str) -> Member:
    return Member(name=name, shape=shape, location=Location.URI, wire_name=wire_name, required=True)


def _query(name: str, shape: Shape, wire_name: str, *, required: bool = False) -> Member:
    return Member(name=name, shape=shape, location=Location.QUERY, wire_name=wire_name, required=required)


def _header(name: str, shape: Shape, wire_name: str, *, required: bool = False) -> Member:
    return Member(name=name, shape=shape, location=Location.HEADER, wire_name=wire_name, required=required)


def _body(name: str, shape: Shape, *, required: bool = False) -> Member:
    return Member(name=name, shape=shape, location=Location.BODY, wire_name=name, required=required)


_PAGING: Final = (
    _query("NextToken", PAGE_TOKEN, "pageToken"),
    _query("MaxResults", MAX_RESULTS, "maxResults"),
    _query("StartingBlockIndex", BLOCK_INDEX, "startingBlockIndex"),
)

REQUESTS: Final[Mapping[str, tuple[Member, ...]]] = {
    "StartSnapshot": (
        _body("VolumeSize", VOLUME_SIZE, required=True),
        _body("ParentSnapshotId", SNAPSHOT_ID),
        _body("Tags", TAGS),
        _body("Description", DESCRIPTION),
        _body("ClientToken", IDEMPOTENCY_TOKEN),
        _body("Encrypted", BOOLEAN),
        _body("KmsKeyArn", KMS_KEY_ARN),
        _body("Timeout", TIMEOUT),
    ),
    "PutSnapshotBlock": (
        _uri("SnapshotId", SNAPSHOT_ID, "snapshotId"),
        _uri("BlockIndex", BLOCK_INDEX, "blockIndex"),
        Member(
            name="BlockData",
            shape=BLOCK_DATA,
            location=Location.PAYLOAD,
            wire_name="BlockData",
            required=True,
        ),
        _header("DataLength", DATA_LENGTH, "x-amz-Data-Length", required=True),
        _header("Progress", PROGRESS, "x-amz-Progress"),
        _header("Checksum", CHECKSUM, "x-amz-Checksum", required=True),
        _header("ChecksumAlgorithm", PUT_CHECKSUM_ALGORITHM, "x-amz-Checksum-Algorithm", required=True),
    ),
    "CompleteSnapshot": (
        _uri("SnapshotId", SNAPSHOT_ID, "snapshotId"),
        _header("ChangedBlocksCount", CHANGED_BLOCKS_COUNT, "x-amz-ChangedBlocksCount", required=True),
        _header("Checksum", CHECKSUM, "x-amz-Checksum"),
        _header("ChecksumAlgorithm", CHECKSUM_ALGORITHM, "x-amz-Checksum-Algorithm"),
        _header(
            "ChecksumAggregationMethod", CHECKSUM_AGGREGATION_METHOD, "x-amz-Checksum-Aggregation-Method"
        ),
    ),
    "ListSnapshotBlocks": (_uri("SnapshotId", SNAPSHOT_ID, "snapshotId"), *_PAGING),
    "ListChangedBlocks": (
        _query("FirstSnapshotId", SNAPSHOT_ID, "firstSnapshotId"),
        _uri("SecondSnapshotId", SNAPSHOT_ID, "secondSnapshotId"),
        *_PAGING,
    ),
    "GetSnapshotBlock": (
        _uri("SnapshotId", SNAPSHOT_ID, "snapshotId"),
        _uri("BlockIndex", BLOCK_INDEX, "blockIndex"),
        _query("BlockToken", BLOCK_TOKEN, "blockToken", required=True),
    ),
}
"""The members of each operation's request, in the model's order."""

TAG_MEMBERS: Final = (
    Member(name="Key", shape=TAG_KEY, location=Location.BODY, wire_name="Key", required=True),
    Member(name="Value", shape=TAG_VALUE, location=Location.BODY, wire_name="Value"),
)
"""The members of one tag in StartSnapshot's list."""

DEVIATIONS: Final[Mapping[str, str]] = {
    "GetSnapshotBlockRequest.BlockToken.pattern": (
        "the live service names this alphabet and mints tokens with _ and - (contract 2.1, LIVE)"
    ),
    "ListSnapshotBlocksRequest.NextToken.pattern": "live page tokens are URL-safe base64 (contract 2.1, LIVE)",
    "ListChangedBlocksRequest.NextToken.pattern": "live page tokens are URL-safe base64 (contract 2.1, LIVE)",
    "PutSnapshotBlockRequest.ChecksumAlgorithm.enum": (
        "the live service refuses other algorithms later, in words of its own (contract 2.2, LIVE)"
    ),
    "Tag.Key.required": "a tag without a key is no tag; EC2 demands it as well (contract 9.5)",
}
"""Where these tables and the model differ, and why: `<structure>.<member>.<trait>`."""
