"""Who may do what with a KMS key of ours: key policy, grants, the caller's own policies, and other accounts."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import pytest

from fix_world import MemoryStores
from neve.domain.identities import Account, AccountId
from neve.domain.keyring import Keyring
from neve.domain.kms_keys import Grant, KmsKey, KmsKeyId, key_arn
from neve.domain.policies.documents import PolicyKind, parse_policy
from neve.domain.policies.ready_made import default_key_policy
from neve.domain.principals import Principal, root_arn, user_arn
from neve.errors import InvariantError, KmsError
from neve.operations import key_permission
from neve.operations.context import Caller
from neve.operations.key_permission import described_key, require_key_permission
from neve.stores.keys.local import LocalKeyring
from neve.testing.memory_keys import MemoryKeys
from neve.testing.time_and_chance import ManualClock, SeededEntropy
from neve.testing.world import ACCOUNT, MASTER_KEY, OTHER_ACCOUNT, REGION, World

Document = Mapping[str, Any]


def document(*statements: Document) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def allow(action: str, **more: object) -> Document:
    return {"Effect": "Allow", "Action": action, "Resource": "*", **more}


def user(*statements: Document, account_id: AccountId = ACCOUNT) -> Caller:
    policies = (parse_policy(document(*statements), PolicyKind.IDENTITY, name="p"),) if statements else ()
    principal = Principal(
        account_id=account_id,
        arn=user_arn(account_id, "u"),
        user_id="AIDAEXAMPLE",
        user_name="u",
        policies=policies,
    )
    return Caller(principal=principal, access_key_id="AKIDEXAMPLE")


@dataclass(frozen=True, slots=True)
class Scene:
    """A world whose keys are ours, and one key of its first account."""

    world: World
    keyring: LocalKeyring
    key: KmsKey

    def ask(
        self,
        caller: Caller,
        action: str = "kms:Decrypt",
        key: KmsKey | None = None,
        **more: Any,
    ) -> str:
        """Return `yes`, or what the refusal says after the key's name."""
        arn = (key or self.key).arn
        ctx = self.world.context
        try:
            require_key_permission(ctx, caller, action, described_key(ctx, caller, action, arn), **more)
        except KmsError as refused:
            head = f"User: {caller.principal.arn} is not authorized to perform: {action} on resource: {arn} "
            if refused.code != "AccessDeniedException":
                raise
            return refused.message.removeprefix(head)
        return "yes"

    def make_key(self, policy: str, **tags: str) -> KmsKey:
        return self.keyring.create_key(ACCOUNT, description="", policy=policy, tags=tags)

    def grant(self, number: int = 1, **members: Any) -> None:
        given: dict[str, Any] = {
            "grantee_principal": user_arn(ACCOUNT, "u"),
            "operations": ("Decrypt",),
        } | members
        self.world.metadata.keys.add_grant(
            Grant(
                grant_id=f"{number:064x}",
                key_id=self.key.key_id,
                retiring_principal=None,
                name=None,
                created_ms=0,
                **given,
            )
        )


@pytest.fixture
def scene() -> Iterator[Scene]:
    stores = MemoryStores()
    entropy = SeededEntropy()
    for account_id in (ACCOUNT, OTHER_ACCOUNT):
        stores.metadata.create_account(Account(account_id=account_id, name="", created_ms=0))
    keyring = LocalKeyring(
        records=stores.metadata.keys,
        keyring=Keyring(MASTER_KEY, entropy),
        clock=ManualClock(),
        entropy=entropy,
        region=REGION,
    )
    key = keyring.create_key(ACCOUNT, description="", policy=default_key_policy(ACCOUNT), tags={})
    with World(stores, keyring=keyring) as world:
        yield Scene(world, keyring, key)


NOBODY_ALLOWS: Final = "because no identity-based policy allows the kms:Decrypt action"
ACROSS: Final = (
    "because the resource does not exist in this Region, no resource-based policies allow access, or a resource-based "
    "policy explicitly denies access"
)


def test_a_key_that_leaves_it_to_its_account_is_decided_by_the_callers_own_policies(scene: Scene) -> None:
    assert scene.ask(scene.world.caller()) == "yes"
    assert scene.ask(user(allow("kms:Decrypt"))) == "yes"
    assert scene.ask(user(allow("kms:Encrypt"))) == NOBODY_ALLOWS
    assert scene.ask(user()) == NOBODY_ALLOWS


# --- grants --------------------------------------------------------------------------------------------


def test_a_grant_allows_what_it_names_to_whom_it_names(scene: Scene) -> None:
    scene.grant()
    assert scene.ask(user()) == "yes"
    assert scene.ask(user(), "kms:Encrypt") != "yes"
    scene.grant(2, grantee_principal=user_arn(ACCOUNT, "v"), operations=("Encrypt",))
    assert scene.ask(user(), "kms:Encrypt") != "yes"


def test_a_grant_may_be_bound_to_one_snapshot(scene: Scene) -> None:
    scene.grant(context_equals={"aws:ebs:id": "snap-1"})
    assert scene.ask(user(), encryption_context={"aws:ebs:id": "snap-1"}) == "yes"
    assert scene.ask(user(), encryption_context={"aws:ebs:id": "snap-2"}) != "yes"
    assert scene.ask(user()) != "yes"


def test_a_revoked_grant_allows_nothing_from_then_on(scene: Scene) -> None:
    scene.grant()
    assert scene.ask(user()) == "yes"
    scene.world.metadata.keys.remove_grant(scene.key.key_id, f"{1:064x}")
    assert scene.ask(user()) != "yes"


@pytest.mark.parametrize("page_size", [1, 2, 3, 4, 5])
def test_every_grant_is_read_however_many_there_are(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, page_size: int
) -> None:
    monkeypatch.setattr(key_permission, "_GRANTS_READ_AT_ONCE", page_size)
    for number in (1, 2, 3):
        scene.grant(number, grantee_principal=user_arn(ACCOUNT, "v"))
    scene.grant(4)
    assert scene.ask(user()) == "yes"


def test_an_operation_may_say_which_grants_count(scene: Scene) -> None:
    scene.grant()
    assert scene.ask(user(), grants=list) != "yes"


def test_grants_of_other_keys_mean_nothing(scene: Scene) -> None:
    scene.grant()
    assert scene.ask(user(), key=scene.make_key(default_key_policy(ACCOUNT))) != "yes"


# --- conditions ----------------------------------------------------------------------------------------


def only_if(**conditions: str) -> Caller:
    """Return a user who may decrypt on one condition; `__` stands for `:` in its name."""
    pairs = {name.replace("__", ":"): value for name, value in conditions.items()}
    return user(allow("kms:Decrypt", Condition={"StringEquals": pairs}))


def test_conditions_see_through_which_service_a_key_is_used(scene: Scene) -> None:
    caller = only_if(kms__ViaService=f"ec2.{REGION}.amazonaws.com")
    assert scene.ask(caller, via_service=True) == "yes"
    assert scene.ask(caller) != "yes"


def test_conditions_see_the_encryption_context(scene: Scene) -> None:
    caller = only_if(**{"kms__EncryptionContext:aws:ebs:id": "snap-1"})
    assert scene.ask(caller, encryption_context={"aws:ebs:id": "snap-1"}) == "yes"
    assert scene.ask(caller, encryption_context={"aws:ebs:id": "snap-2"}) != "yes"
    assert scene.ask(caller) != "yes"


def test_conditions_see_what_the_caller_brought(scene: Scene) -> None:
    caller = only_if(aws__UserAgent="me")
    assert scene.ask(replace(caller, context={"aws:useragent": ("me",)})) == "yes"
    assert scene.ask(caller) != "yes"


def test_conditions_see_the_keys_tags_and_kind(scene: Scene) -> None:
    tagged = scene.make_key(default_key_policy(ACCOUNT), Team="disks")
    caller = only_if(**{"aws__ResourceTag/team": "disks", "kms__KeySpec": "SYMMETRIC_DEFAULT"})
    assert scene.ask(caller, key=tagged) == "yes"
    assert scene.ask(caller) != "yes"


def test_a_deny_by_the_keys_tags_holds(scene: Scene) -> None:
    deny = {
        "Effect": "Deny",
        "Action": "kms:*",
        "Resource": "*",
        "Condition": {"StringEquals": {"aws:ResourceTag/class": "secret"}},
    }
    caller = user(allow("kms:*"), deny)
    assert scene.ask(caller) == "yes"
    assert scene.ask(caller, key=scene.make_key(default_key_policy(ACCOUNT), **{"class": "secret"})) != "yes"


# --- other accounts ------------------------------------------------------------------------------------

ABSENT: Final = key_arn(REGION, ACCOUNT, "00000000-0000-4000-8000-000000000000")


def absent(key: KmsKey) -> KmsKey:
    return replace(key, key_id=KmsKeyId(ABSENT.rpartition("/")[2]), arn=ABSENT)


@pytest.mark.parametrize(
    "make_caller",
    [
        lambda: World.caller(OTHER_ACCOUNT),
        lambda: user(account_id=OTHER_ACCOUNT),
        lambda: user(allow("kms:*"), account_id=OTHER_ACCOUNT),
    ],
    ids=["root", "user without policies", "user with every permission"],
)
def test_another_account_cannot_tell_a_key_from_none(scene: Scene, make_caller: Callable[[], Caller]) -> None:
    assert scene.ask(make_caller()) == scene.ask(make_caller(), key=absent(scene.key)) == ACROSS


def test_an_accounts_own_missing_key_is_not_found(scene: Scene) -> None:
    with pytest.raises(KmsError) as refused:
        scene.ask(scene.world.caller(), key=absent(scene.key))
    assert (refused.value.code, refused.value.message) == (
        "NotFoundException",
        f"Key '{ABSENT}' does not exist",
    )


def test_another_account_needs_both_sides(scene: Scene) -> None:
    shared = scene.make_key(document(allow("kms:Decrypt", Principal={"AWS": root_arn(OTHER_ACCOUNT)})))
    assert scene.ask(scene.world.caller(OTHER_ACCOUNT), key=shared) == "yes"
    assert scene.ask(user(allow("kms:Decrypt"), account_id=OTHER_ACCOUNT), key=shared) == "yes"
    assert scene.ask(user(account_id=OTHER_ACCOUNT), key=shared) == ACROSS
    assert scene.ask(scene.world.caller(OTHER_ACCOUNT), "kms:Encrypt", key=shared) == ACROSS


# --- keys that others keep, without key policies -------------------------------------------------------


def of_keys(keys: MemoryKeys, caller: Caller, arn: str, action: str = "kms:Decrypt") -> str:
    """Return `yes`, or how using a key without a policy is refused."""
    with World(MemoryStores(), keys=keys) as world:
        ctx = world.context
        try:
            require_key_permission(ctx, caller, action, described_key(ctx, caller, action, arn))
        except KmsError as refused:
            head = f"User: {caller.principal.arn} is not authorized to perform: {action} on resource: {arn} "
            return refused.message.removeprefix(head)
    return "yes"


@pytest.mark.parametrize(
    ("caller", "inside", "outside"),
    [
        (World.caller(), "yes", ACROSS),
        (user(allow("kms:*")), "yes", ACROSS),
        (user(), NOBODY_ALLOWS, ACROSS),
    ],
    ids=["root", "user with every permission", "user without policies"],
)
def test_a_key_without_a_policy_is_its_accounts_alone_where_accounts_are_ours(
    caller: Caller, inside: str, outside: str
) -> None:
    keys = MemoryKeys(remote=True)
    own, foreign = keys.make_key(ACCOUNT), keys.make_key(OTHER_ACCOUNT)
    assert of_keys(keys, caller, own) == inside
    assert of_keys(keys, caller, foreign) == outside
    assert of_keys(keys, caller, ABSENT.replace(ACCOUNT, OTHER_ACCOUNT)) == outside
    keys.deny(foreign)
    assert of_keys(keys, caller, foreign) == outside


def test_a_key_without_a_policy_is_decided_by_the_callers_own_policies_where_accounts_are_its_keepers() -> (
    None
):
    keys = MemoryKeys(remote=True, accounts_are_ours=False)
    for account_id in (ACCOUNT, OTHER_ACCOUNT):
        arn = keys.make_key(account_id)
        assert of_keys(keys, World.caller(), arn) == "yes"
        assert of_keys(keys, user(allow("kms:Decrypt")), arn) == "yes"
        assert of_keys(keys, user(), arn) == NOBODY_ALLOWS
    absent_arn = ABSENT.replace(ACCOUNT, OTHER_ACCOUNT)
    assert of_keys(keys, World.caller(), absent_arn) == f"Key '{absent_arn}' does not exist"


# --- damage --------------------------------------------------------------------------------------------


def test_a_key_policy_that_cannot_be_read_allows_nobody(scene: Scene) -> None:
    with pytest.raises(InvariantError, match="does not parse"):
        scene.ask(scene.world.caller(), key=scene.make_key('{"Statement": 7}'))
