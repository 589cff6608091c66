"""What a copy is encrypted with, and who may copy to which key: contract 9.8 and 3.4. Ids begin with the label."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

import pytest

from copy_scene import ask, block, copied, error_of, key_of, record, refusal, share, shown, source
from kms_scene import KmsScene, allow, id_of, key_policy, user
from neve.domain.identities import SnapshotId
from neve.domain.kms_keys import AWS_MANAGED_ALIAS
from neve.domain.snapshots import State
from neve.errors import KeyProviderUnavailable, KmsError, NeveError
from neve.operations.context import Caller
from neve.stores.keys.contract import KeyDescription
from neve.testing.memory_keys import MemoryKeys
from neve.testing.world import ACCOUNT, OTHER_ACCOUNT, REGION, World

BLOCKS = {0: block(1), 1: block(0), 300: block(2), 2047: block(1)}
UNKNOWN = "snap-0123456789abcdef0"
NOT_ACCESSIBLE = "Given key ID is not accessible"


class ThrottledKeys(MemoryKeys):
    """Keys of a provider that is asked too often, once a test says so."""

    throttled = False

    def describe(self, key_arn: str) -> KeyDescription:
        if self.throttled:
            raise KmsError("ThrottlingException", "Rate exceeded")
        return super().describe(key_arn)


@pytest.fixture
def keys() -> ThrottledKeys:
    return ThrottledKeys()


@pytest.fixture
def world(make_world: Callable[..., World], keys: ThrottledKeys) -> World:
    return make_world(keys=keys, key_state_age_s=0)


PLAIN, SEALED = False, True
OFF, ON = False, True
OWN, NAMED, CHOSEN, NOTHING = "source's", "named", "account's default", ""


class Row(NamedTuple):
    """One combination, and what the copy is encrypted with."""

    label: str
    source: bool
    by_default: bool
    encrypted: bool
    has_key: bool
    expected: str

    def __str__(self) -> str:
        kind, default = "sealed" if self.source else "plain", "on" if self.by_default else "off"
        key = "key" if self.has_key else "no-key"
        return f"{self.label}-{kind}-default-{default}-Encrypted-{self.encrypted}-{key}"


MATRIX = (
    Row("DOC", PLAIN, OFF, False, False, NOTHING),
    Row("DOC", PLAIN, OFF, True, False, CHOSEN),
    Row("DOC", PLAIN, OFF, True, True, NAMED),
    Row("LIVE", PLAIN, ON, False, False, CHOSEN),
    Row("LIVE", PLAIN, ON, True, False, CHOSEN),
    Row("DOC", PLAIN, ON, True, True, NAMED),
    Row("LIVE", SEALED, OFF, False, False, CHOSEN),
    Row("LIVE", SEALED, OFF, True, False, CHOSEN),
    Row("DOC", SEALED, OFF, True, True, NAMED),
    Row("LIVE", SEALED, ON, False, False, CHOSEN),
    Row("LIVE", SEALED, ON, True, False, CHOSEN),
    Row("DOC", SEALED, ON, True, True, NAMED),
)


@pytest.mark.parametrize("row", MATRIX, ids=str)
def test_what_a_copy_is_encrypted_with(world: World, keys: MemoryKeys, row: Row) -> None:
    arns = {NOTHING: "", **{name: keys.make_key(ACCOUNT) for name in (OWN, NAMED, CHOSEN)}}
    source_id = source(world, BLOCKS, kms_key_arn=arns[OWN] if row.source is SEALED else None)
    world.metadata.identities.change_account_settings(
        ACCOUNT,
        lambda found: replace(found, encryption_by_default=row.by_default, default_kms_key=arns[CHOSEN]),
    )
    key_id = arns[NAMED] if row.has_key else None
    found = copied(world, source_id, encrypted=row.encrypted, kms_key_id=key_id)
    assert key_of(world, found) == arns[row.expected]
    assert world.read(found.snapshot_id) == world.read(source_id) == BLOCKS


def test_DOC_the_default_key_is_the_aws_managed_one_while_the_account_chose_none(
    world: World, keys: MemoryKeys
) -> None:
    found = copied(world, source(world, BLOCKS), encrypted=True)
    assert key_of(world, found) == keys.default_key_arn(ACCOUNT)


UNUSABLE: dict[str, Callable[[MemoryKeys, str], None]] = {
    "disabled": MemoryKeys.disable,
    "pending deletion": MemoryKeys.schedule_deletion,
    "gone": MemoryKeys.remove,
    "kept from us": MemoryKeys.deny,
}


@pytest.mark.parametrize("whose", ["source's", "copy's"])
@pytest.mark.parametrize("state", sorted(UNUSABLE))
def test_LIVE_a_key_that_is_not_usable_is_accepted_and_the_copy_fails(
    world: World, keys: MemoryKeys, state: str, whose: str
) -> None:
    first, second = keys.make_key(ACCOUNT), keys.make_key(ACCOUNT)
    source_id = source(world, BLOCKS, kms_key_arn=first)
    UNUSABLE[state](keys, first if whose == "source's" else second)
    copy_id = ask(world, source_id, encrypted=True, kms_key_id=second).snapshot_id
    assert shown(world, copy_id).state_message == "Metadata not updated"
    world.copy_all()
    assert error_of(record(world, copy_id)) == NOT_ACCESSIBLE


# --- with a keyring of our own: names, policies, grants ----------------------------------------------


@pytest.fixture
def scene() -> Iterator[KmsScene]:
    scene = KmsScene()
    with scene.world:
        yield scene


ABSENT_ID = "01234567-89ab-4cde-8f01-23456789abcd"
NAMES_OF_NOTHING = (
    "alias/",
    "alias/nobody",
    f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/nobody",
    f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{ABSENT_ID}",
    f"arn:aws:kms:{REGION}:{OTHER_ACCOUNT}:key/{ABSENT_ID}",
    f"arn:aws:kms:mars-1:{ACCOUNT}:key/{ABSENT_ID}",
    "arn:aws:s3:::bucket",
    ABSENT_ID,
    "k",
    "\x00",
    "x" * 5000,
)


@pytest.mark.parametrize("name", NAMES_OF_NOTHING, ids=[name[:60] for name in NAMES_OF_NOTHING])
def test_LIVE_a_name_of_no_key_is_accepted_and_the_copy_fails(scene: KmsScene, name: str) -> None:
    found = copied(scene.world, source(scene.world, BLOCKS), encrypted=True, kms_key_id=name)
    assert error_of(found) == NOT_ACCESSIBLE


@pytest.mark.parametrize("form", ["id", "ARN", "alias", "alias ARN", "default alias"])
def test_DOC_the_key_may_be_named_in_each_way(scene: KmsScene, form: str) -> None:
    world = scene.world
    arn = scene.new_key()
    scene.ask("CreateAlias", AliasName="alias/disks", TargetKeyId=id_of(arn))
    name = {
        "id": id_of(arn),
        "ARN": arn,
        "alias": "alias/disks",
        "alias ARN": f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/disks",
        "default alias": AWS_MANAGED_ALIAS,
    }[form]
    found = copied(world, source(world, BLOCKS), encrypted=True, kms_key_id=name)
    expected = scene.keyring.default_key_arn(ACCOUNT) if form == "default alias" else arn
    assert key_of(world, found) == expected


@pytest.mark.parametrize("name", ["alias/disks", f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/disks"])
def test_an_alias_that_only_somebody_elses_kms_can_look_up_is_refused(world: World, name: str) -> None:
    code, message = refusal(lambda: ask(world, UNKNOWN, encrypted=True, kms_key_id=name))
    assert code == "InvalidParameterValue"
    assert message.endswith("give the ARN of the key.")


def test_there_the_default_key_has_its_alias_all_the_same_and_a_key_id_is_one_of_the_accounts(
    world: World, keys: MemoryKeys
) -> None:
    source_id, arn = source(world, BLOCKS), keys.make_key(ACCOUNT)
    found = copied(world, source_id, encrypted=True, kms_key_id=AWS_MANAGED_ALIAS)
    assert key_of(world, found) == keys.default_key_arn(ACCOUNT)
    found = copied(world, source_id, encrypted=True, kms_key_id=arn.rpartition("/")[2])
    assert key_of(world, found) == arn


READING, WRITING = ("kms:Decrypt", "kms:ReEncryptFrom"), ("kms:GenerateDataKey", "kms:ReEncryptTo")


@pytest.mark.parametrize("lacking", [None, *READING, *WRITING])
def test_DOC_LIVE_a_caller_needs_leave_for_both_keys(scene: KmsScene, lacking: str | None) -> None:
    world, first, second = scene.world, scene.new_key(), scene.new_key()
    source_id = source(world, BLOCKS, kms_key_arn=first)
    statements = [
        allow(Action=[each for each in actions if each != lacking], Resource=arn)
        for actions, arn in ((READING, first), (WRITING, second))
    ]
    found = copied(world, source_id, caller=user("u", *statements), encrypted=True, kms_key_id=second)
    if lacking is None:
        assert key_of(world, found) == second
    else:
        assert error_of(found) == NOT_ACCESSIBLE


def test_a_plain_source_asks_for_no_leave_to_re_encrypt(scene: KmsScene) -> None:
    world, key = scene.world, scene.new_key()
    caller = user("u", allow(Action="kms:GenerateDataKey", Resource=key))
    found = copied(world, source(world, BLOCKS), caller=caller, encrypted=True, kms_key_id=key)
    assert key_of(world, found) == key


def test_a_plain_copy_asks_for_no_leave_at_all(scene: KmsScene) -> None:
    found = copied(scene.world, source(scene.world, BLOCKS), caller=user("u"))
    assert key_of(scene.world, found) == ""


def test_policies_see_the_snapshots_and_that_it_is_on_ebss_behalf(scene: KmsScene) -> None:
    """What grants and policies written for the live service ask for: `aws:ebs:id` and `kms:ViaService`."""
    world, first, second = scene.world, scene.new_key(), scene.new_key()
    source_id = source(world, BLOCKS, kms_key_arn=first)
    via = {"kms:ViaService": f"ec2.{REGION}.amazonaws.com"}
    statements = [
        allow(
            Action=list(READING),
            Resource=first,
            Condition={"StringEquals": {"kms:EncryptionContext:aws:ebs:id": source_id, **via}},
        ),
        allow(
            Action=list(WRITING),
            Resource=second,
            Condition={
                "StringLike": {"kms:EncryptionContext:aws:ebs:id": "snap-*"},
                "StringNotEquals": {"kms:EncryptionContext:aws:ebs:id": source_id},
                "StringEquals": via,
            },
        ),
    ]
    found = copied(world, source_id, caller=user("u", *statements), encrypted=True, kms_key_id=second)
    assert key_of(world, found) == second


def recipient_of(scene: KmsScene, key_arn: str, *actions: str) -> tuple[str, Caller]:
    """Share an encrypted snapshot, and its key for these actions; return it and who was let have it."""
    source_id = source(scene.world, BLOCKS, kms_key_arn=key_arn)
    share(scene.world, source_id, OTHER_ACCOUNT)
    statements = [allow(Action=list(actions), Principal={"AWS": OTHER_ACCOUNT})] if actions else []
    scene.ask("PutKeyPolicy", KeyId=key_arn, Policy=key_policy(*statements))
    return source_id, scene.world.caller(OTHER_ACCOUNT)


@pytest.mark.parametrize("actions", [READING, READING[:1], ()])
def test_DOC_LIVE_the_recipient_of_an_encrypted_snapshot_needs_its_key_too_and_copies_to_one_of_its_own(
    scene: KmsScene, actions: tuple[str, ...]
) -> None:
    world = scene.world
    first = scene.new_key()
    source_id, recipient = recipient_of(scene, first, *actions)
    copy_id = ask(world, source_id, caller=recipient).snapshot_id
    world.copy_all()
    found = world.metadata.snapshot(OTHER_ACCOUNT, SnapshotId(copy_id))
    if actions != READING:
        assert error_of(found) == NOT_ACCESSIBLE
        return
    assert key_of(world, found) == scene.keyring.default_key_arn(OTHER_ACCOUNT)
    scene.ask("DisableKey", KeyId=first)
    world.delete(source_id)
    with pytest.raises(NeveError):
        world.read(source_id)
    world.context.domains.with_content(world.context.domains.by_key(found.domain_key))


def test_what_was_allowed_when_it_was_asked_for_stays_so(scene: KmsScene) -> None:
    world, first = scene.world, scene.new_key()
    source_id, recipient = recipient_of(scene, first, *READING)
    copy_id = ask(world, source_id, caller=recipient).snapshot_id
    scene.ask("PutKeyPolicy", KeyId=first, Policy=key_policy())
    world.copy_all()
    assert world.metadata.snapshot(OTHER_ACCOUNT, SnapshotId(copy_id)).state is State.COMPLETED


def test_what_was_not_allowed_when_it_was_asked_for_fails_whatever_is_allowed_later(scene: KmsScene) -> None:
    world, first = scene.world, scene.new_key()
    source_id, recipient = recipient_of(scene, first)
    copy_id = ask(world, source_id, caller=recipient).snapshot_id
    everything = allow(Action="kms:*", Principal={"AWS": OTHER_ACCOUNT})
    scene.ask("PutKeyPolicy", KeyId=first, Policy=key_policy(everything))
    world.copy_all()
    found = world.metadata.snapshot(OTHER_ACCOUNT, SnapshotId(copy_id))
    assert error_of(found) == NOT_ACCESSIBLE


# --- providers that do not answer -------------------------------------------------------------------


def test_a_key_provider_that_cannot_be_reached_starts_nothing(world: World, keys: MemoryKeys) -> None:
    source_id, key = source(world, BLOCKS), keys.make_key(ACCOUNT)
    keys.go_away()
    with pytest.raises(KeyProviderUnavailable):
        ask(world, source_id, encrypted=True, kms_key_id=key)
    assert world.metadata.lifecycle.copies(after=None, limit=1) == []
    keys.come_back()
    assert copied(world, source_id, encrypted=True, kms_key_id=key).state is State.COMPLETED


def test_a_kms_that_is_too_busy_starts_nothing(world: World, keys: ThrottledKeys) -> None:
    source_id, key = source(world, BLOCKS), keys.make_key(ACCOUNT)
    keys.throttled = True
    code, _ = refusal(lambda: ask(world, source_id, encrypted=True, kms_key_id=key), status=503)
    assert code == "RequestLimitExceeded"
    assert world.metadata.lifecycle.copies(after=None, limit=1) == []
