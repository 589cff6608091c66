"""Every EC2 action that is served, there and back: what botocore writes is read, what we write botocore reads."""

from typing import Any

import botocore.parsers
import pytest
from botocore.awsrequest import HeadersDict

from ec2_actions import ACTIONS, Samples, assert_alike, written
from neve.messages.http import RequestHead
from neve.wire import ec2query, ec2xml

POST = RequestHead(
    method="POST",
    raw_target="/",
    headers=[("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")],
)


@pytest.mark.parametrize("name", sorted(ACTIONS))
def test_a_request_with_everything_in_it_is_read_as_it_was_meant(name: str) -> None:
    action = ACTIONS[name]
    parameters = Samples().parameter(action.input)
    found, message = ec2query.decode(POST, written(name, parameters))
    assert (found, type(message)) == (name, action.request)
    assert_alike(parameters, message, action.input)


@pytest.mark.parametrize("name", sorted(ACTIONS))
def test_a_request_in_a_query_means_the_same(name: str) -> None:
    body = written(name, Samples().parameter(ACTIONS[name].input))
    query = body.decode().replace("+", "%20")
    head = RequestHead(method="GET", raw_target=f"/?{query}", headers=[])
    assert ec2query.decode(head, b"") == ec2query.decode(POST, body)


@pytest.mark.parametrize("name", sorted(ACTIONS))
def test_an_answer_with_everything_in_it_is_read_by_botocore(name: str) -> None:
    action = ACTIONS[name]
    message = Samples().message(action.response)
    answer = ec2xml.encode(name, message, "an-id")
    opening = f'<?xml version="1.0" encoding="UTF-8"?>\n<{name}Response xmlns="http://ec2.amazonaws.com/doc/'
    assert answer.body.decode().startswith(f'{opening}2016-11-15/"><requestId>an-id</requestId>')
    if action.output is None:
        assert b"<return>true</return>" in answer.body
        return
    given: dict[str, Any] = {"body": answer.body, "headers": HeadersDict({}), "status_code": answer.status}
    parsed = botocore.parsers.create_parser("ec2").parse(given, action.output)
    assert parsed.pop("ResponseMetadata")["RequestId"] == "an-id"
    assert_alike(parsed, message, action.output)
