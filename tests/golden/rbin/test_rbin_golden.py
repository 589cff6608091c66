"""The requests and answers in this folder, against the messages they stand for."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from neve.errors import RbinError, RbinReason
from neve.messages import rbin
from neve.messages.http import RequestHead, Response
from neve.wire import rbin_json
from neve.wire.routes import route

FOLDER = Path(__file__).parent
REQUEST_ID = "11112222-3333-4444-5555-666677778888"
RULE = "a1B2c3D4e5F"

RESPONSES: Mapping[str, tuple[str, rbin.RbinResponse]] = {
    "create-rule": (
        "CreateRule",
        rbin.CreateRuleResponse(
            identifier=RULE,
            retention_period=rbin.RetentionPeriod(retention_period_value=7, retention_period_unit="DAYS"),
            description="d",
            tags=(rbin.Tag(key="k", value="v"),),
            resource_type="EBS_SNAPSHOT",
            resource_tags=(rbin.ResourceTag(resource_tag_key="keep"),),
            status="available",
            rule_arn=f"arn:aws:rbin:us-east-1:111122223333:rule/{RULE}",
            exclude_resource_tags=(),
        ),
    ),
    "untag-resource": ("UntagResource", rbin.EmptyResponse()),
}
ERRORS: Mapping[str, Exception] = {
    "error-not-found": RbinError(
        "ResourceNotFoundException",
        "The retention rule does not exist.",
        reason=RbinReason.RULE_NOT_FOUND,
        status=404,
    )
}


def written(response: Response) -> bytes:
    lines = [str(response.status), *(f"{name}: {value}" for name, value in response.headers)]
    return "\n".join(lines).encode() + b"\n\n" + response.body


def read_request(name: str) -> tuple[RequestHead, bytes]:
    text, _, body = (FOLDER / f"{name}.req").read_bytes().partition(b"\n\n")
    request_line, *lines = text.decode().split("\n")
    method, raw_target, _ = request_line.split(" ")
    headers = [(key, value.strip()) for key, _, value in (line.partition(":") for line in lines)]
    return RequestHead(method=method, raw_target=raw_target, headers=headers), body


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.req")))
def test_a_request_decodes_to_its_message(name: str) -> None:
    head, body = read_request(name)
    _, message = rbin_json.decode(route(head), head, body)
    expected = json.loads((FOLDER / f"{name}.json").read_bytes())
    assert json.loads(msgspec.json.encode(dataclasses.asdict(message))) == expected


@pytest.mark.parametrize("name", sorted(RESPONSES))
def test_a_message_is_answered_as_written_down(name: str) -> None:
    operation, message = RESPONSES[name]
    answer = rbin_json.encode(operation, message, REQUEST_ID)
    assert written(answer) == (FOLDER / f"{name}.resp").read_bytes()


@pytest.mark.parametrize("name", sorted(ERRORS))
def test_an_error_is_answered_as_written_down(name: str) -> None:
    assert written(rbin_json.encode_error(ERRORS[name], REQUEST_ID)) == (FOLDER / f"{name}.resp").read_bytes()


def test_every_answer_written_down_is_given() -> None:
    assert {path.stem for path in FOLDER.glob("*.resp")} == RESPONSES.keys() | ERRORS.keys()
