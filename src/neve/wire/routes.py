"""Which operation a request asks for, told from its method and its path as received (contract 1.2).

One port serves EBS, under `/snapshots`, and EC2, at `/` (contract 0.1, rule 1). Segments are split before they
are decoded, so that an encoded slash stays inside its segment; a literal segment must be written literally.
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


class Service(StrEnum):
    """Which protocol a request speaks; also the service in its signature's scope."""

    EBS = "ebs"
    EC2 = "ec2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """What a request asks for."""

    service: Service
    operation: str = ""
    """Empty for EC2, whose action stands among the parameters (`ec2query.decode`)."""
    path_parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def carries_block(self) -> bool:
        """True for the one operation whose body may go unsigned and is read after everything else holds."""
        return self.operation == "PutSnapshotBlock"


@dataclass(frozen=True, slots=True, kw_only=True)
class EbsOperation:
    """One row of contract 1.2."""

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


EBS_OPERATIONS: Final[Mapping[str, EbsOperation]] = {
    operation.name: operation
    for operation in (
        EbsOperation(name="StartSnapshot", method="POST", path="/snapshots", status=201),
        EbsOperation(
            name="PutSnapshotBlock",
            method="PUT",
            path="/snapshots/{snapshotId}/blocks/{blockIndex}",
            status=201,
        ),
        EbsOperation(
            name="CompleteSnapshot", method="POST", path="/snapshots/completion/{snapshotId}", status=202
        ),
        EbsOperation(
            name="ListSnapshotBlocks", method="GET", path="/snapshots/{snapshotId}/blocks", status=200
        ),
        EbsOperation(
            name="ListChangedBlocks",
            method="GET",
            path="/snapshots/{secondSnapshotId}/changedblocks",
            status=200,
        ),
        EbsOperation(
            name="GetSnapshotBlock",
            method="GET",
            path="/snapshots/{snapshotId}/blocks/{blockIndex}",
            status=200,
        ),
    )
}


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
        return _ec2_route(head)
    segments = path.split("/")
    if segments.pop(0):
        raise _unknown()
    for operation in EBS_OPERATIONS.values():
        encoded = operation.parameters(head.method, segments)
        if encoded is not None:
            parameters = {name: percent.decoded(segment) for name, segment in encoded.items()}
            return Route(service=Service.EBS, operation=operation.name, path_parameters=parameters)
    raise _unknown()


def _ec2_route(head: RequestHead) -> Route:
    # A target header makes it the JSON protocol of another service at the same path.
    is_form = head.method == "POST" and not head.values("x-amz-target")
    if is_form or (head.method == "GET" and "Action" in percent.query_values(head.raw_query)):
        return Route(service=Service.EC2)
    raise _unknown()


def _unknown() -> CommonError:
    return CommonError("UnknownOperationException", 404, "The requested operation is not known here.")
