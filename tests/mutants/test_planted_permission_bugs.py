"""Bugs planted in who is believed and what they may, and the test that must catch each."""

import base64
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from fix_logs import Journal
from fix_world import MemoryStores
from neve.auth import authorization
from neve.auth.authorization import Demand
from neve.domain import sessions
from neve.domain.identities import AccessKey, SnapshotId
from neve.domain.sessions import SessionMint
from neve.server import credentials, pipeline
from neve.server.credentials import Credential, Credentials
from neve.server.operations import OPERATIONS
from neve.testing.world import ACCOUNT, World
from unit.domain import test_sessions
from unit.server import test_credentials, test_pipeline_permissions
from unit.server.test_credentials import Desk
from unit.server.test_pipeline_permissions import JoesDoor

Plant = Callable[[pytest.MonkeyPatch], None]
Test = Callable[[], None]


def at_the_desk(test: Callable[..., None], *arguments: Any) -> Test:
    """Return a test of credentials, run in a world of its own."""

    def run() -> None:
        with ExitStack() as closing:
            world = closing.enter_context(World(MemoryStores()))
            test(Desk(world, Journal()), *arguments)

    return run


def at_the_door(test: Callable[..., None], *arguments: Any) -> Test:
    """Return a test of permissions at the door, run in a world of its own."""

    def run() -> None:
        with ExitStack() as closing:
            world = closing.enter_context(World(MemoryStores()))
            test(JoesDoor(world, Journal()), *arguments)

    return run


# --- who is believed


def records_are_believed_as(**changes: Any) -> Plant:
    """What a key's record says counts for nothing."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        find = Credentials.find

        def lenient(self: Credentials, access_key_id: str, token: str | None, *, now_ms: int) -> Any:
            looked_up = self._metadata.access_key

            class Lenient:
                def __getattr__(self, name: str) -> Any:
                    return getattr(metadata, name)

                def access_key(self, key_id: str) -> Any:
                    return replace(looked_up(key_id), **changes)

            metadata, believing = self._metadata, Lenient()
            patch.setattr(self, "_metadata", believing)
            try:
                return find(self, access_key_id, token, now_ms=now_ms)
            finally:
                patch.setattr(self, "_metadata", metadata)

        patch.setattr(Credentials, "find", lenient)

    return plant


def sessions_do_not_hang_on_their_key(patch: pytest.MonkeyPatch) -> None:
    find = Credentials.find

    def lenient(self: Credentials, access_key_id: str, token: str | None, *, now_ms: int) -> Any:
        found = find(self, access_key_id, token, now_ms=now_ms)
        if found is None and token is not None:
            session = self._sessions.read(token, access_key_id)
            key = as_it_was(session.parent_access_key_id)
            return Credential(access_key_id=access_key_id, secret=session.secret, key=key, session=session)
        return found

    patch.setattr(Credentials, "find", lenient)


def as_it_was(access_key_id: str) -> AccessKey:
    """Return a key's record as it was before it went."""
    return AccessKey(access_key_id=access_key_id, account_id=ACCOUNT, sealed_secret=b"", created_ms=0)


def sessions_never_end(patch: pytest.MonkeyPatch) -> None:
    principal = Credentials.principal

    def endless(self: Credentials, credential: Credential, *, now_ms: int) -> Any:
        return principal(self, credential, now_ms=0)

    patch.setattr(Credentials, "principal", endless)


def a_namesake_is_the_same(patch: pytest.MonkeyPatch) -> None:
    principal = Credentials.principal

    def forgetful(self: Credentials, credential: Credential, *, now_ms: int) -> Any:
        owner = self._owner_of(credential.key)
        if credential.session is not None:
            same = replace(credential.session, user_id=owner.user_id)
            return principal(self, replace(credential, session=same), now_ms=now_ms)
        return owner

    patch.setattr(Credentials, "principal", forgetful)


def tokens_are_bound_to_nothing(patch: pytest.MonkeyPatch) -> None:
    def unbound(self: SessionMint, token: str, _access_key_id: str) -> Any:
        plain = self._siv.decrypt(base64.b64decode(token)[1:], [b"session"])
        return msgspec.json.decode(plain, type=sessions.Session)

    patch.setattr(sessions, "_binding", lambda _access_key_id: [b"session"])
    patch.setattr(SessionMint, "read", unbound)


def session_policies_are_forgotten(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        Credentials,
        "_in_session",
        lambda _self, owner, session: replace(owner, session_issued_ms=session.issued_ms),
    )


def what_cannot_be_read_denies_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(credentials, "_DENY_ALL", credentials._DENY_ALL.replace("Deny", "Allow"))


# --- what they may


def only_the_first_demand_counts(patch: pytest.MonkeyPatch) -> None:
    authorize = authorization.authorize
    patch.setattr(
        pipeline,
        "authorize",
        lambda principal, demands, conditions: authorize(principal, demands[:1], conditions),
    )


def nothing_is_demanded(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(pipeline, "authorize", lambda *_: None)


def demands_are_on_every_snapshot(patch: pytest.MonkeyPatch) -> None:
    authorize = authorization.authorize

    def careless(principal: Any, demands: list[Demand], conditions: Any) -> None:
        authorize(principal, [replace(demand, resource="*") for demand in demands], conditions)

    patch.setattr(pipeline, "authorize", careless)


def tags_of_everybody_count(patch: pytest.MonkeyPatch) -> None:
    def all_seeing(self: pipeline.Exchange, snapshot_id: str) -> Any:
        return self._context.metadata.snapshot(ACCOUNT, SnapshotId(snapshot_id)).tags

    patch.setattr(pipeline.Exchange, "_tags_of", all_seeing)


def permission_is_asked_after_the_effect(patch: pytest.MonkeyPatch) -> None:
    allow = pipeline.Exchange._allow

    def late(self: pipeline.Exchange, caller: Any, request: Any) -> None:
        if type(request) in OPERATIONS:
            self._caller = caller
            self._operate(request)
        allow(self, caller, request)

    patch.setattr(pipeline.Exchange, "_allow", late)


PLANTED: dict[str, tuple[Plant, Test]] = {
    "a disabled key is believed": (
        records_are_believed_as(enabled=True),
        at_the_desk(
            test_credentials.test_what_stops_a_key_stops_it_and_its_sessions_at_once, test_credentials.disable
        ),
    ),
    "an expired key is believed": (
        records_are_believed_as(expires_ms=None),
        at_the_desk(test_credentials.test_a_key_expires_at_the_millisecond),
    ),
    "sessions do not hang on their key": (
        sessions_do_not_hang_on_their_key,
        at_the_desk(
            test_credentials.test_what_stops_a_key_stops_it_and_its_sessions_at_once, test_credentials.delete
        ),
    ),
    "sessions never end": (
        sessions_never_end,
        at_the_desk(
            test_credentials.test_a_sessions_time_is_over_at_the_millisecond_and_told_to_its_holder_only
        ),
    ),
    "a namesake is the same": (
        a_namesake_is_the_same,
        at_the_desk(test_credentials.test_a_namesake_inherits_no_session),
    ),
    "session policies are forgotten": (
        session_policies_are_forgotten,
        at_the_desk(test_credentials.test_a_session_policy_bounds_the_user),
    ),
    "what cannot be read denies nothing": (
        what_cannot_be_read_denies_nothing,
        at_the_desk(
            test_credentials.test_a_policy_that_cannot_be_read_denies_everything_and_is_reported_once, "{}"
        ),
    ),
    "nothing is demanded": (
        nothing_is_demanded,
        at_the_door(test_pipeline_permissions.test_LIVE_ebs_says_who_may_not_do_what_to_which),
    ),
    "only the first demand counts": (
        only_the_first_demand_counts,
        at_the_door(
            test_pipeline_permissions.test_LIVE_tags_at_the_start_demand_create_tags_and_only_if_there_are_any
        ),
    ),
    "only the first of two snapshots counts": (
        only_the_first_demand_counts,
        at_the_door(test_pipeline_permissions.test_LIVE_changes_must_be_allowed_on_both_snapshots),
    ),
    "demands name no resource": (
        demands_are_on_every_snapshot,
        at_the_door(test_pipeline_permissions.test_LIVE_a_start_without_a_parent_is_asked_about_on_null),
    ),
    "tags of everybody count": (
        tags_of_everybody_count,
        at_the_door(test_pipeline_permissions.test_tags_of_somebody_elses_snapshot_are_none),
    ),
    "permission is asked after the effect": (
        permission_is_asked_after_the_effect,
        at_the_door(
            test_pipeline_permissions.test_INFERRED_a_snapshot_that_is_not_there_is_denied_before_it_is_missed,
            test_pipeline_permissions.deny,
        ),
    ),
}


@pytest.mark.parametrize(("plant", "test"), PLANTED.values(), ids=PLANTED)
def test_the_named_test_catches(plant: Plant, test: Test, monkeypatch: pytest.MonkeyPatch) -> None:
    test()
    plant(monkeypatch)
    with pytest.raises(BaseException) as caught:  # noqa: PT011 - an assertion, or pytest's own Failed
        test()
    assert not isinstance(caught.value, AttributeError | TypeError | KeyboardInterrupt), (
        "the bug itself is broken"
    )


def test_a_token_that_is_bound_to_nothing_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    test = test_sessions.test_it_opens_for_its_own_access_key_id_only
    test()
    tokens_are_bound_to_nothing(monkeypatch)
    monkeypatch.setattr(test_sessions, "TOKEN", test_sessions.MINT.token(test_sessions.SESSION))
    with pytest.raises(BaseException):  # noqa: B017, PT011 - pytest's own Failed
        test()
