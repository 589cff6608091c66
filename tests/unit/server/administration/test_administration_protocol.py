"""Requests and answers come through as they were, and nothing else comes through at all."""

import json
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neve.errors import StoreUnavailable
from neve.server.administration import messages, messages_keys, messages_tasks, messages_upkeep, protocol
from neve.server.administration.messages import (
    AccountView,
    AdministrationRefused,
    CreateUser,
    ListAccounts,
    RefusedBecause,
    Request,
    answer_type,
)

REQUESTS = [
    member
    for module in (messages, messages_keys, messages_tasks, messages_upkeep)
    for member in vars(module).values()
    if isinstance(member, type) and issubclass(member, Request) and member is not Request
]


@pytest.mark.parametrize("kind", REQUESTS)
@given(data=st.data())
def test_every_request_comes_through_as_it_was(kind: type[Request[Any]], data: st.DataObject) -> None:
    text = st.text(max_size=20)
    values: dict[Any, st.SearchStrategy[Any]] = {
        str: text,
        bool: st.booleans(),
        int: st.integers(0, 10_000),
        int | None: st.none() | st.integers(0, 10_000),
        str | None: st.none() | text,
        list[str]: st.lists(text, max_size=3),
        bytes: st.binary(max_size=20),
        dict[str, list[str]]: st.dictionaries(text, st.lists(text, max_size=2), max_size=2),
    }
    members = {
        field.name: data.draw(values[field.type], label=field.name) for field in msgspec.structs.fields(kind)
    }
    request = kind(**members)
    line = protocol.request_line(request)
    assert line.count(b"\n") == 1
    assert protocol.request_from(line) == request
    assert type(protocol.request_from(line)) is kind


@pytest.mark.parametrize("kind", REQUESTS)
def test_every_request_names_its_answer_and_has_a_word_of_its_own(kind: type[Request[Any]]) -> None:
    assert not isinstance(answer_type(kind), TypeVar)
    words = [str(each.__struct_config__.tag) for each in REQUESTS]
    assert words.count(str(kind.__struct_config__.tag)) == 1


def test_an_answer_comes_through_with_its_times() -> None:
    view = AccountView(account_id="1" * 12, name="a", created=datetime(2026, 9, 21, tzinfo=UTC))
    line = protocol.answer_line([view])
    assert protocol.answer_from(line, ListAccounts()) == [view]
    assert json.loads(line)["answer"][0]["created"] == "2026-09-21T00:00:00Z"


def test_a_refusal_and_a_failure_come_through_as_what_they_are() -> None:
    refused = AdministrationRefused(RefusedBecause.CONFLICT, "it is there")
    with pytest.raises(AdministrationRefused, match="it is there") as caught:
        protocol.answer_from(protocol.refusal_line(refused), ListAccounts())
    assert caught.value.why is RefusedBecause.CONFLICT
    with pytest.raises(StoreUnavailable, match="the disk is full"):
        protocol.answer_from(protocol.failure_line("the disk is full"), ListAccounts())


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"ask":"sing"}',
        b'{"ask":"create-user"}',
        b'{"ask":"create-user","user_name":7}',
        b'{"ask":"create-user","user_name":"a","loud":true}',
        b'{"user_name":"a"}',
        b'{"ask":"create-user","user_name":"\xff"}',
        b"[" * 100_000,
        b"\x00" * 100,
    ],
)
def test_what_is_no_request_is_refused(line: bytes) -> None:
    with pytest.raises(AdministrationRefused, match="does not understand") as caught:
        protocol.request_from(line)
    assert caught.value.why is RefusedBecause.UNKNOWN_REQUEST


@given(st.binary(max_size=200))
def test_no_bytes_do_anything_else(line: bytes) -> None:
    with pytest.raises(AdministrationRefused):
        protocol.request_from(line)


@pytest.mark.parametrize(
    "line",
    [b"", b"{}", b"[]", b'{"answer":[{}]}', b'{"answer":7}', b'{"refused":{"why":"mood","message":""}}'],
)
def test_what_is_no_answer_is_told(line: bytes) -> None:
    with pytest.raises(protocol.Misunderstood):
        protocol.answer_from(line, ListAccounts())


@pytest.mark.parametrize("name", ["\udc80", "n" * protocol.REQUEST_BYTES_MAX])
def test_what_cannot_be_sent_is_refused_before_it_is(name: str) -> None:
    with pytest.raises(AdministrationRefused) as caught:
        protocol.request_line(CreateUser(user_name=name))
    assert caught.value.why is RefusedBecause.INVALID


def test_an_answer_that_nobody_would_read_is_not_sent() -> None:
    with pytest.raises(AdministrationRefused, match="too long"):
        protocol.answer_line("a" * protocol.ANSWER_BYTES_MAX)
