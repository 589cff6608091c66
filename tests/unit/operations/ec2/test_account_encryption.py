"""The account's encryption settings: contract 9.7, row by row. Ids begin with the label."""

import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from fix_world import MemoryStores
from neve.domain.identities import AccountId
from neve.domain.keyring import Keyring
from neve.domain.kms_keys import Alias, KeyManager, key_arn
from neve.errors import Ec2Error, KeyProviderUnavailable, KmsError
from neve.messages.ec2 import (
    DisableEbsEncryptionByDefaultRequest,
    EnableEbsEncryptionByDefaultRequest,
    GetEbsDefaultKmsKeyIdRequest,
    GetEbsEncryptionByDefaultRequest,
    ModifyEbsDefaultKmsKeyIdRequest,
    ResetEbsDefaultKmsKeyIdRequest,
)
from neve.operations.ec2.default_kms_key import (
    get_ebs_default_kms_key_id,
    modify_ebs_default_kms_key_id,
    reset_ebs_default_kms_key_id,
)
from neve.operations.ec2.encryption_by_default import (
    disable_ebs_encryption_by_default,
    enable_ebs_encryption_by_default,
    get_ebs_encryption_by_default,
)
from neve.stores.keys.local import LocalKeyring
from neve.testing.memory_keys import MemoryKeys
from neve.testing.time_and_chance import ManualClock, SeededEntropy
from neve.testing.world import ACCOUNT, MASTER_KEY, OTHER_ACCOUNT, REGION, World

UNSET = "alias/aws/ebs"
NO_SUCH_ID = "1234abcd-12ab-34cd-56ef-1234567890ab"
NO_SUCH_KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{NO_SUCH_ID}"


@pytest.fixture
def keys() -> MemoryKeys:
    return MemoryKeys()


@pytest.fixture
def world(make_world: Callable[..., World], keys: MemoryKeys) -> World:
    """A world whose keys are somebody else's: it can wrap with them, but not look names up."""
    return make_world(keys=keys)


@pytest.fixture
def managed() -> Iterator[World]:
    """A world that keeps its keys itself."""
    stores, entropy = MemoryStores(), SeededEntropy()
    keyring = LocalKeyring(
        records=stores.metadata.keys,
        keyring=Keyring(MASTER_KEY, entropy),
        clock=ManualClock(),
        entropy=entropy,
        region=REGION,
    )
    with World(stores, keyring=keyring, entropy=entropy) as opened:
        yield opened


def enable(world: World, account_id: AccountId = ACCOUNT, *, dry_run: bool = False) -> bool:
    request = EnableEbsEncryptionByDefaultRequest(dry_run=dry_run)
    return enable_ebs_encryption_by_default(
        world.context, world.caller(account_id), request
    ).ebs_encryption_by_default


def disable(world: World, account_id: AccountId = ACCOUNT, *, dry_run: bool = False) -> bool:
    request = DisableEbsEncryptionByDefaultRequest(dry_run=dry_run)
    return disable_ebs_encryption_by_default(
        world.context, world.caller(account_id), request
    ).ebs_encryption_by_default


def by_default(world: World, account_id: AccountId = ACCOUNT) -> tuple[bool, str]:
    answer = get_ebs_encryption_by_default(
        world.context, world.caller(account_id), GetEbsEncryptionByDefaultRequest()
    )
    return answer.ebs_encryption_by_default, answer.sse_type


def default_key(world: World, account_id: AccountId = ACCOUNT) -> str:
    request = GetEbsDefaultKmsKeyIdRequest()
    return get_ebs_default_kms_key_id(world.context, world.caller(account_id), request).kms_key_id


def modify(world: World, name: str, *, dry_run: bool = False) -> str:
    request = ModifyEbsDefaultKmsKeyIdRequest(kms_key_id=name, dry_run=dry_run)
    return modify_ebs_default_kms_key_id(world.context, world.caller(), request).kms_key_id


def reset(world: World, *, dry_run: bool = False) -> str:
    request = ResetEbsDefaultKmsKeyIdRequest(dry_run=dry_run)
    return reset_ebs_default_kms_key_id(world.context, world.caller(), request).kms_key_id


def refusal(call: Callable[[], object]) -> tuple[str, str]:
    with pytest.raises(Ec2Error) as caught:
        call()
    return caught.value.code, caught.value.message


def make_key(world: World, account_id: AccountId, alias: str) -> str:
    """Return the ARN of a key that is kept here, with an alias."""
    assert world.keyring is not None
    key = world.keyring.create_key(account_id, description="", policy="{}", tags={})
    world.metadata.keys.add_alias(
        Alias(account_id=account_id, name=alias, key_id=key.key_id, created_ms=0, updated_ms=0)
    )
    return key.arn


# --- encryption by default --------------------------------------------------------------------------


def test_DOC_encryption_by_default_is_off_until_it_is_enabled(world: World) -> None:
    assert by_default(world) == (False, "none")
    for _ in range(2):
        assert enable(world) is True
        assert by_default(world) == (True, "sse-kms")
    for _ in range(2):
        assert disable(world) is False
        assert by_default(world) == (False, "none")


def test_DOC_each_account_has_its_own_settings(world: World) -> None:
    enable(world)
    modify(world, NO_SUCH_KEY)
    assert by_default(world, OTHER_ACCOUNT) == (False, "none")
    assert default_key(world, OTHER_ACCOUNT) == UNSET


def test_the_two_settings_leave_each_other_alone_whoever_is_faster(world: World) -> None:
    def change(number: int) -> object:
        return modify(world, NO_SUCH_KEY) if number % 2 else enable(world)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(change, range(20)))
    assert (by_default(world)[0], default_key(world)) == (True, NO_SUCH_KEY)
    reset(world)
    assert by_default(world)[0] is True
    modify(world, NO_SUCH_KEY)
    disable(world)
    assert default_key(world) == NO_SUCH_KEY


def test_settings_outlive_a_restart(world: World) -> None:
    enable(world)
    modify(world, NO_SUCH_KEY)
    world.restart()
    assert (by_default(world)[0], default_key(world)) == (True, NO_SUCH_KEY)


# --- the default key --------------------------------------------------------------------------------


def test_LIVE_while_unset_the_default_key_is_the_alias_and_no_key_is_made_for_asking(
    world: World, keys: MemoryKeys
) -> None:
    assert default_key(world) == UNSET
    assert keys.calls["default_key_arn"] == 0


@pytest.mark.parametrize(
    ("name", "arn"),
    [
        pytest.param(NO_SUCH_KEY, NO_SUCH_KEY, id="DOC-key-arn"),
        pytest.param(NO_SUCH_ID, NO_SUCH_KEY, id="DOC-key-id"),
        pytest.param(
            f"arn:aws:kms:{REGION}:{OTHER_ACCOUNT}:key/{NO_SUCH_ID}",
            f"arn:aws:kms:{REGION}:{OTHER_ACCOUNT}:key/{NO_SUCH_ID}",
            id="DOC-another-accounts-key",
        ),
        pytest.param(
            f"mrk-{'0' * 32}", f"arn:aws:kms:{REGION}:{ACCOUNT}:key/mrk-{'0' * 32}", id="DOC-multi-region-key-id"
        ),
    ],
)  # fmt: skip
def test_DOC_a_key_is_taken_at_its_word(world: World, keys: MemoryKeys, name: str, arn: str) -> None:
    keys.go_away()
    assert modify(world, name) == arn
    assert default_key(world) == arn
    assert keys.calls.total() == 0


def test_DOC_an_alias_names_the_key_it_points_to_now(managed: World) -> None:
    first, second = (make_key(managed, ACCOUNT, f"alias/{name}") for name in ("first", "second"))
    for name in ("alias/first", f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/first"):
        modify(managed, second)
        assert modify(managed, name) == first
        assert default_key(managed) == first
    assert managed.keyring is not None
    moved_to = managed.keyring.resolve(ACCOUNT, second).key_id
    managed.metadata.keys.move_alias(ACCOUNT, "alias/first", moved_to, now_ms=1)
    assert default_key(managed) == first


@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize(
    ("name", "says"),
    [
        pytest.param("", "Expected a key id", id="DOC-empty"),
        pytest.param("alias/", "Expected a key id", id="DOC-nameless-alias"),
        pytest.param("disks", "Expected a key id", id="DOC-word"),
        pytest.param(f"{NO_SUCH_KEY}\n", "Expected a key id", id="DOC-newline"),
        pytest.param(f"arn:aws:ec2:{REGION}:{ACCOUNT}:key/{NO_SUCH_ID}", "Expected a key id", id="DOC-arn-of-ec2"),
        pytest.param(NO_SUCH_ID.upper(), "Expected a key id", id="DOC-capitals"),
        pytest.param("alias/none", "is not found", id="INFERRED-unknown-alias"),
        pytest.param(f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/none", "is not found", id="INFERRED-unknown-alias-arn"),
        pytest.param(f"arn:aws:kms:{REGION}:{OTHER_ACCOUNT}:alias/theirs", "another account", id="CHOICE-foreign-alias"),
        pytest.param(f"arn:aws:kms:eu-north-1:{ACCOUNT}:alias/own", "another account or region", id="CHOICE-other-region"),
    ],
)  # fmt: skip
def test_what_names_no_key_is_refused_and_nothing_changes(
    managed: World, name: str, says: str, dry_run: bool
) -> None:
    make_key(managed, OTHER_ACCOUNT, "alias/theirs")
    make_key(managed, ACCOUNT, "alias/own")
    modify(managed, NO_SUCH_KEY)
    code, message = refusal(lambda: modify(managed, name, dry_run=dry_run))
    assert code == "InvalidParameterValue"
    assert message.startswith(f"Value ({name}) for parameter kmsKeyId is invalid. ")
    assert says in message
    assert default_key(managed) == NO_SUCH_KEY


def test_an_alias_of_somebody_elses_kms_cannot_be_looked_up(world: World) -> None:
    code, message = refusal(lambda: modify(world, "alias/disks"))
    assert code == "InvalidParameterValue"
    assert message.endswith("Keys are kept by keys in memory: give the ARN of the key.")
    assert default_key(world) == UNSET


@pytest.mark.parametrize("name", [UNSET, f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/aws/ebs"])
def test_DOC_the_managed_key_is_made_when_it_is_named(world: World, keys: MemoryKeys, name: str) -> None:
    arn = modify(world, name)
    assert keys.describe(arn).manager is KeyManager.AWS
    assert default_key(world) == arn == keys.default_key_arn(ACCOUNT)


def test_DOC_reset_goes_back_to_the_managed_key_and_answers_its_arn(managed: World) -> None:
    modify(managed, NO_SUCH_KEY)
    for _ in range(2):
        arn = reset(managed)
        assert managed.keys.describe(arn).manager is KeyManager.AWS
        assert default_key(managed) == UNSET
    assert managed.keys.default_key_arn(ACCOUNT) == arn
    assert arn == key_arn(REGION, ACCOUNT, str(uuid.UUID(arn.rpartition("/")[2])))


def test_where_there_is_no_managed_key_reset_changes_nothing(
    world: World, keys: MemoryKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_configured(_account_id: AccountId) -> str:
        raise KmsError("NotFoundException", "No default key is configured.")

    monkeypatch.setattr(keys, "default_key_arn", none_configured)
    modify(world, NO_SUCH_KEY)
    for call in (lambda: reset(world), lambda: modify(world, UNSET)):
        code, message = refusal(call)
        assert code == "IncorrectState"
        assert message == "There is no AWS managed key: No default key is configured."
    assert default_key(world) == NO_SUCH_KEY


def test_while_the_key_provider_is_away_reset_changes_nothing(world: World, keys: MemoryKeys) -> None:
    modify(world, NO_SUCH_KEY)
    keys.go_away()
    with pytest.raises(KeyProviderUnavailable):
        reset(world)
    with pytest.raises(KeyProviderUnavailable):
        modify(world, UNSET)
    assert default_key(world) == NO_SUCH_KEY


# --- dry run ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda world: enable(world, dry_run=True), id="enable"),
        pytest.param(lambda world: disable(world, dry_run=True), id="disable"),
        pytest.param(
            lambda world: get_ebs_encryption_by_default(
                world.context, world.caller(), GetEbsEncryptionByDefaultRequest(dry_run=True)
            ),
            id="get",
        ),
        pytest.param(
            lambda world: get_ebs_default_kms_key_id(
                world.context, world.caller(), GetEbsDefaultKmsKeyIdRequest(dry_run=True)
            ),
            id="get-key",
        ),
        pytest.param(lambda world: modify(world, NO_SUCH_ID, dry_run=True), id="modify-key"),
        pytest.param(lambda world: modify(world, UNSET, dry_run=True), id="modify-to-managed-key"),
        pytest.param(lambda world: reset(world, dry_run=True), id="reset-key"),
    ],
)
def test_DOC_a_dry_run_says_yes_and_changes_nothing(
    world: World, keys: MemoryKeys, call: Callable[[World], object]
) -> None:
    before = world.metadata.identities.account_settings(ACCOUNT)
    assert refusal(lambda: call(world)) == (
        "DryRunOperation",
        "Request would have succeeded, but DryRun flag is set.",
    )
    assert world.metadata.identities.account_settings(ACCOUNT) == before
    assert keys.calls.total() == 0, "no key is made for a rehearsal"
