"""The STS calls neve serves, against the service model: names and bounds right, and what is left out is on a list."""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

import botocore.loaders
import pytest

from neve.errors import StsError
from neve.messages import sts
from neve.messages.http import RequestHead
from neve.wire import sts_query

MODEL: Mapping[str, Any] = botocore.loaders.Loader().load_service_model("sts", "service-2")
SHAPES: Mapping[str, Any] = MODEL["shapes"]
HEAD = RequestHead(method="POST", raw_target="/", headers=[])

REQUESTS: Mapping[str, type] = {
    "GetCallerIdentity": sts.GetCallerIdentityRequest,
    "GetSessionToken": sts.GetSessionTokenRequest,
    "GetFederationToken": sts.GetFederationTokenRequest,
}
STRUCTURES: Mapping[str, type] = {
    "GetCallerIdentityResponse": sts.GetCallerIdentityResponse,
    "GetSessionTokenResponse": sts.GetSessionTokenResponse,
    "GetFederationTokenResponse": sts.GetFederationTokenResponse,
    "Credentials": sts.Credentials,
    "FederatedUser": sts.FederatedUser,
}
REFUSED: Mapping[str, str] = {
    "GetSessionToken.MinimumSessionTokenSize": "tokens have the size they have",
    "GetFederationToken.MinimumSessionTokenSize": "tokens have the size they have",
    "GetFederationToken.PolicyArns": "policies of an account have no ARNs here",
    "GetFederationToken.Tags": "principals have no tags here",
}
"""Members of requests that are refused when given, and why."""
NOT_SENT: Mapping[str, str] = {
    "GetSessionTokenResponse.SessionTokenUtilization": "there is no quota that it could fill",
    "GetSessionTokenResponse.SessionTokenSize": "the token itself tells",
    "GetFederationTokenResponse.SessionTokenUtilization": "there is no quota that it could fill",
    "GetFederationTokenResponse.SessionTokenSize": "the token itself tells",
}
"""Members of answers that are left out, and why."""


def snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def fields(message: type) -> set[str]:
    assert dataclasses.is_dataclass(message)
    return {field.name.removesuffix("_ms") for field in dataclasses.fields(message)}


def members(path: str, structure: str, left_out: Mapping[str, str]) -> set[str]:
    return {snake(name) for name in SHAPES[structure]["members"] if f"{path}.{name}" not in left_out}


def test_the_version_is_the_models() -> None:
    assert MODEL["metadata"]["apiVersion"] == sts_query.API_VERSION


def test_the_bounds_are_the_models() -> None:
    duration, name = SHAPES["durationSecondsType"], SHAPES["userNameType"]
    assert (duration["min"], duration["max"]) == (sts_query.DURATION_S_MIN, sts_query.DURATION_S_MAX)
    assert (name["min"], name["max"]) == (sts_query.NAME_CHARS_MIN, sts_query.NAME_CHARS_MAX)
    assert name["pattern"] == sts_query.NAME_PATTERN
    policy = SHAPES["sessionPolicyDocumentType"]
    assert (policy["max"], policy["pattern"]) == (sts_query.POLICY_CHARS_MAX, sts_query.POLICY_PATTERN)


@pytest.mark.parametrize("operation", sorted(REQUESTS))
def test_a_request_has_the_models_members(operation: str) -> None:
    structure = MODEL["operations"][operation]["input"]["shape"]
    assert fields(REQUESTS[operation]) == members(operation, structure, REFUSED)


@pytest.mark.parametrize("structure", sorted(STRUCTURES))
def test_an_answer_has_the_models_members(structure: str) -> None:
    assert fields(STRUCTURES[structure]) == members(structure, structure, NOT_SENT)


@pytest.mark.parametrize("path", sorted(REFUSED))
def test_what_is_not_served_is_refused_by_name(path: str) -> None:
    operation, _, member = path.partition(".")
    assert member in SHAPES[MODEL["operations"][operation]["input"]["shape"]]["members"]
    name = f"{member}.member.1" if SHAPES[shape_of(operation, member)]["type"] == "list" else member
    form = f"Action={operation}&Version={sts_query.API_VERSION}&Name=bob&{name}=1"
    if operation == "GetSessionToken":
        form = form.replace("&Name=bob", "")
    with pytest.raises(StsError) as refusal:
        sts_query.decode(HEAD, form.encode())
    assert (refusal.value.code, refusal.value.message) == (
        "ValidationError",
        f"The parameter {name} is not supported here",
    )


def shape_of(operation: str, member: str) -> str:
    structure = MODEL["operations"][operation]["input"]["shape"]
    found: str = SHAPES[structure]["members"][member]["shape"]
    return found


def test_what_is_not_sent_is_in_the_model() -> None:
    for path in NOT_SENT:
        structure, _, member = path.partition(".")
        assert member in SHAPES[structure]["members"]
