"""What an operation demands before it begins, and the ways in which most of them do."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from neve.auth.authorization import Demand, snapshot_arn
from neve.auth.conditions import Value
from neve.domain.identities import AccountId
from neve.operations.context import Caller, Context

Request = Any
"""One of the request messages; each row of the table takes its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a request is made: what names of resources are made of."""

    region: str
    account_id: AccountId


Demands = Callable[[Request, Place], Sequence[Demand]]


def _no_conditions(_request: Request, _place: Place) -> Mapping[str, Value]:
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One API operation."""

    function: Callable[[Context, Caller, Request], Any]
    demands: Demands
    """What must be allowed before it begins (contract 11)."""
    conditions: Callable[[Request, Place], Mapping[str, Value]] = _no_conditions
    """Condition keys about what the request brings."""


def nothing(_request: Request, _place: Place) -> Sequence[Demand]:
    """Demand nothing here: whoever is who they say may ask, or the operation asks policies itself."""
    return ()


def on_its_snapshot(action: str) -> Demands:
    """Demand an action on the snapshot that the request names."""
    return lambda request, place: [on_snapshot(action, place, request.snapshot_id)]


def on_everything(action: str) -> Demands:
    """Demand an action that has no resources (contract 11: no resource level)."""
    return lambda _request, _place: [Demand(action=action)]


def on_each_resource(action: str) -> Demands:
    """Demand an action on every snapshot of the request's `resources`."""
    return lambda request, place: [on_snapshot(action, place, resource) for resource in request.resources]


def on_snapshot(action: str, place: Place, snapshot_id: str) -> Demand:
    """Return the demand of an action on one snapshot."""
    return Demand(action=action, resource=snapshot_arn(place.region, snapshot_id), snapshot_id=snapshot_id)
