"""Parsed policies are remembered, and no more of them than so much text."""

import json

import pytest

from neve.domain.policies.documents import Policy, PolicyInvalid, PolicyKind, parse_policy
from neve.operations.parsed_policies import ParsedPolicies


def text_of(sid: str) -> str:
    statement = {"Sid": sid, "Effect": "Allow", "Action": "*", "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": statement})


class Parser:
    """Counts what it had to parse."""

    def __init__(self, policies: ParsedPolicies) -> None:
        self._policies = policies
        self.parsed: list[str] = []

    def get(self, text: str, kind: PolicyKind = PolicyKind.IDENTITY, name: str = "") -> Policy:
        return self._policies.get(kind, name, text, lambda: self._parse(text, kind, name))

    def _parse(self, text: str, kind: PolicyKind, name: str) -> Policy:
        self.parsed.append(text)
        return parse_policy(text, kind, name=name)


def test_a_text_is_parsed_once() -> None:
    parser = Parser(ParsedPolicies())
    assert parser.get(text_of("a")) is parser.get(text_of("a"))
    assert parser.parsed == [text_of("a")]


def test_the_same_text_is_another_policy_under_another_name_or_of_another_kind() -> None:
    parser = Parser(ParsedPolicies())
    found = [
        parser.get(text_of("a")),
        parser.get(text_of("a"), name="n"),
        parser.get(text_of("a"), PolicyKind.SESSION),
    ]
    assert [(policy.name, policy.kind) for policy in found] == [
        ("", PolicyKind.IDENTITY),
        ("n", PolicyKind.IDENTITY),
        ("", PolicyKind.SESSION),
    ]


def test_what_was_not_asked_for_longest_is_forgotten_when_there_is_too_much_text() -> None:
    size = len(text_of("a"))
    parser = Parser(ParsedPolicies(text_chars_max=2 * size))
    for sid in ("a", "b", "a", "c", "a", "b", "b"):
        parser.get(text_of(sid))
    assert parser.parsed == [text_of(sid) for sid in ("a", "b", "c", "b")]


def test_a_text_that_is_too_long_alone_is_parsed_each_time_and_drives_out_the_others() -> None:
    parser = Parser(ParsedPolicies(text_chars_max=len(text_of("a"))))
    for sid in ("a", "long", "long", "a"):
        parser.get(text_of(sid))
    assert parser.parsed == [text_of(sid) for sid in ("a", "long", "long", "a")]


def test_what_does_not_parse_is_not_remembered() -> None:
    parser = Parser(ParsedPolicies())
    for _ in range(2):
        with pytest.raises(PolicyInvalid):
            parser.get("{")
    assert parser.parsed == ["{", "{"]
