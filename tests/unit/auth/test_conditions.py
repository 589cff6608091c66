"""The condition keys of a request: what is there, in which form, and what costs nothing unless it is asked for."""

from collections.abc import Mapping

import pytest

from neve.auth import conditions
from neve.auth.conditions import Conditions
from neve.domain.policies.evaluation import ContextValue, RequestContext
from neve.messages.http import RequestHead

NOW_MS = 1_790_000_000_500


def value(context: RequestContext, name: str) -> ContextValue | None:
    found = context.get(name)
    return found() if callable(found) else found


def keys_of(peer: str = "192.0.2.1") -> dict[str, ContextValue | None]:
    head = RequestHead(method="GET", raw_target="/", headers=[("User-Agent", "aws-cli/2 x")], peer=peer)
    context = conditions.of_request(head, region="us-east-1", now_ms=NOW_MS)
    return {name: value(context, name) for name in context}


def test_a_request_is_described_by_when_whence_and_with_what_it_comes() -> None:
    assert keys_of() == {
        "aws:sourceip": ("192.0.2.1",),
        "aws:securetransport": ("false",),
        "aws:currenttime": ("2026-09-21T14:13:20Z",),
        "aws:epochtime": ("1790000000",),
        "aws:requestedregion": ("us-east-1",),
        "aws:useragent": ("aws-cli/2 x",),
    }


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        ("2001:db8::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("not an address", "not an address"),
    ],
)
def test_an_address_is_written_as_policies_write_it(peer: str, expected: str) -> None:
    assert keys_of(peer)["aws:sourceip"] == (expected,)


def test_of_a_long_user_agent_policies_see_the_beginning() -> None:
    head = RequestHead(method="GET", raw_target="/", headers=[("User-Agent", "a" * 1024 + "b" * 60_000)])
    context = conditions.of_request(head, region="us-east-1", now_ms=NOW_MS)
    assert value(context, "aws:useragent") == ("a" * 1024,)


def test_what_is_not_known_is_absent() -> None:
    assert "aws:sourceip" not in keys_of("")
    assert conditions.of_tags([]) == {}


def test_tags_of_a_request_are_named_and_have_values() -> None:
    found = conditions.of_tags([("Owner", "joe"), ("stage", "x"), ("gone", None)])
    assert found == {
        "aws:tagkeys": ("Owner", "stage", "gone"),
        "aws:requesttag/owner": ("joe",),
        "aws:requesttag/stage": ("x",),
    }


def test_tags_that_differ_in_case_only_share_a_key_with_all_their_values() -> None:
    found = conditions.of_tags([("Owner", "joe"), ("owner", "ann")])
    assert found["aws:requesttag/owner"] == ("joe", "ann")
    assert found["aws:tagkeys"] == ("Owner", "owner")


class Lookups:
    """Tags of snapshots, and how often they were asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def tags_of(self, snapshot_id: str) -> Mapping[str, str]:
        self.asked.append(snapshot_id)
        return {"Owner": "joe"}


def test_tags_of_a_resource_are_looked_up_once_and_only_if_asked_for() -> None:
    lookups = Lookups()
    about = Conditions({"aws:userid": ("AIDAEXAMPLE",)}, lookups.tags_of).about("snap-1")
    assert value(about, "aws:userid") == ("AIDAEXAMPLE",)
    assert value(about, "aws:requesttag/owner") is None
    assert lookups.asked == []
    assert value(about, "aws:resourcetag/owner") == ("joe",)
    assert value(about, "ec2:resourcetag/owner") == ("joe",)
    assert value(about, "aws:resourcetag/other") is None
    assert lookups.asked == ["snap-1"]
    assert set(about) == {"aws:userid", "aws:resourcetag/owner", "ec2:resourcetag/owner"}
    assert len(about) == 3


def test_what_is_no_snapshot_has_no_tags() -> None:
    lookups = Lookups()
    about = Conditions({}, lookups.tags_of).about("")
    assert value(about, "aws:resourcetag/owner") is None
    assert lookups.asked == []
