"""Which operation a request asks for, told from its method and its path as received (contract 1.2).

One port serves EBS, under `/snapshots`, the Recycle Bin, whose paths are others, and at `/` what has no paths
(contract 0.1, rule 1): KMS, whose header names the operation, and EC2 and STS, which speak one protocol and differ by
whom the signature is for. Segments are split before they are decoded, so that an encoded slash stays inside its
segment; a literal segment must be written literally.

A scope is believed here before it is proven: `sigv4.verify` refuses what was not signed for the service that this
module chose.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from neve.errors import CommonError
from neve.messages.http import RequestHead
from neve.wire import percent

_TARGET: Final = re.compile(r"/[!\"$-~]*", re.ASCII)
"""Origin form: printable ASCII without blanks and without the `#` of a fragment."""
_SCOPED_FOR_STS: Final = re.compile(r"Credential=(?:[^/,]*/){3}sts/", re.ASCII)
_CREDENTIAL_FOR_STS: Final = re.compile(r"(?:[^/]*/){3}sts/.*", re.ASCII)
_KMS_TARGET: Final = re.compile(r"TrentService\.([A-Za-z0-9]{1,64})", re.ASCII)


class Service(StrEnum):
    """Which protocol a request speaks; also the service in its signature's scope."""

    EBS = "ebs"
    EC2 = "ec2"
    KMS = "kms"
    RBIN = "rbin"
    STS = "sts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """What a request asks for."""

    service: Service
    operation: str = ""
    """Empty for EC2 and STS, whose action stands among the parameters."""
    path_parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def carries_block(self) -> bool:
        """True for the one operation whose body may go unsigned and is read after everything else holds."""
        return self.operation == "PutSnapshotBlock"


@dataclass(frozen=True, slots=True, kw_only=True)
class PathOperation:
    """An operation that method and path tell: one row of contract 1.2, or of the Recycle Bin's model."""

    name: str
    method: str
    path: str
    status: int
    segments: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "segments", tuple(self.path.split("/")[1:]))

    def parameters(self, method: str, segments: list[str]) -> dict[str, str] | None:
        """Return the still encoded path parameters, or None if this is another operation's request."""
        if method != self.method or len(segments) != len(self.segments):
            return None
        found = {}
        for expected, segment in zip(self.segments, segments, strict=True):
            if expected.startswith("{"):
                found[expected[1:-1]] = segment
            elif expected != segment:
                return None
        return found


EBS_OPERATIONS: Final[Mapping[str, PathOperation]] = {
    operation.name: operation
    for operation in (
        PathOperation(name="StartSnapshot", method="POST", path="/snapshots", status=201),
        PathOperation(
            name="PutSnapshotBlock",
            method="PUT",
            path="/snapshots/{snapshotId}/blocks/{blockIndex}",
            status=201,
        ),
        PathOperation(
            name="CompleteSnapshot", method="POST", path="/snapshots/completion/{snapshotId}", status=202
        ),
        PathOperation(
            name="ListSnapshotBlocks", method="GET", path="/snapshots/{snapshotId}/blocks", status=200
        ),
        PathOperation(
            name="ListChangedBlocks",
            method="GET",
            path="/snapshots/{secondSnapshotId}/changedblocks",
            status=200,
        ),
        PathOperation(
            name="GetSnapshotBlock",
            method="GET",
            path="/snapshots/{snapshotId}/blocks/{blockIndex}",
            status=200,
        ),
    )
}

RBIN_OPERATIONS: Final[Mapping[str, PathOperation]] = {
    operation.name: operation
    for operation in (
        PathOperation(name="CreateRule", method="POST", path="/rules", status=201),
        PathOperation(name="ListRules", method="POST", path="/list-rules", status=200),
        PathOperation(name="GetRule", method="GET", path="/rules/{identifier}", status=200),
        PathOperation(name="UpdateRule", method="PATCH", path="/rules/{identifier}", status=200),
        PathOperation(name="DeleteRule", method="DELETE", path="/rules/{identifier}", status=204),
        PathOperation(name="LockRule", method="PATCH", path="/rules/{identifier}/lock", status=200),
        PathOperation(name="UnlockRule", method="PATCH", path="/rules/{identifier}/unlock", status=200),
        PathOperation(name="ListTagsForResource", method="GET", path="/tags/{resourceArn}", status=200),
        PathOperation(name="TagResource", method="POST", path="/tags/{resourceArn}", status=201),
        PathOperation(name="UntagResource", method="DELETE", path="/tags/{resourceArn}", status=204),
    )
}
_BY_PATH: Final = (
    *((Service.EBS, operation) for operation in EBS_OPERATIONS.values()),
    *((Service.RBIN, operation) for operation in RBIN_OPERATIONS.values()),
)


def route(head: RequestHead, *, base_path: str = "") -> Route:
    """Return what a request asks for. `base_path` (`/base`) is what every path must begin with.

    Raises:
        CommonError: no such operation (404), or a target that is none (400).
    """
    if _TARGET.fullmatch(head.raw_target) is None:
        raise percent.malformed("The request target must be an absolute path of printable ASCII characters.")
    path = head.raw_path
    if not path.startswith(base_path):
        raise _unknown()
    path = path[len(base_path) :]
    if path in {"", "/"}:
        return _route_without_path(head)
    segments = path.split("/")
    if segments.pop(0):
        raise _unknown()
    for service, operation in _BY_PATH:
        encoded = operation.parameters(head.method, segments)
        if encoded is not None:
            parameters = {name: percent.decoded(segment) for name, segment in encoded.items()}
            return Route(service=service, operation=operation.name, path_parameters=parameters)
    raise _unknown()


def _route_without_path(head: RequestHead) -> Route:
    # A target header makes it the JSON protocol of a service that is told by it.
    if targets := head.values("x-amz-target"):
        named = _KMS_TARGET.fullmatch(targets[0].strip(" \t"))
        if head.method != "POST" or len(targets) > 1 or named is None:
            raise _unknown()
        return Route(service=Service.KMS, operation=named[1])
    if head.method == "POST":
        return Route(service=_query_service(head, percent.query_values(head.raw_query)))
    parameters = percent.query_values(head.raw_query)
    if head.method == "GET" and "Action" in parameters:
        return Route(service=_query_service(head, parameters))
    raise _unknown()


def _query_service(head: RequestHead, parameters: Mapping[str, list[str]]) -> Service:
    """Return whom a request of the query protocol is signed for: STS, or else EC2, which refuses what is not."""
    by_header = any(_SCOPED_FOR_STS.search(value) for value in head.values("authorization"))
    by_query = any(_CREDENTIAL_FOR_STS.fullmatch(value) for value in parameters.get("X-Amz-Credential", ()))
    return Service.STS if by_header or by_query else Service.EC2


def _unknown() -> CommonError:
    return CommonError("UnknownOperationException", 404, "The requested operation is not known here.")
