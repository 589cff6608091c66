"""Modify-, Describe- and ResetSnapshotAttribute: contract 9.6, row by row. Ids begin with the label."""

from collections.abc import Callable, Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neve.domain.identities import AccountId, SnapshotId
from neve.errors import Ec2Error, KeyProviderUnavailable
from neve.limits import TINY
from neve.messages.ec2 import (
    CreateVolumePermission,
    CreateVolumePermissionModifications,
    DeleteSnapshotRequest,
    DescribeSnapshotAttributeRequest,
    DescribeSnapshotAttributeResponse,
    ModifySnapshotAttributeRequest,
    ResetSnapshotAttributeRequest,
    VoidResponse,
)
from neve.operations.ec2.delete_snapshot import delete_snapshot
from neve.operations.ec2.describe_snapshot_attribute import describe_snapshot_attribute
from neve.operations.ec2.modify_snapshot_attribute import modify_snapshot_attribute
from neve.operations.ec2.reset_snapshot_attribute import reset_snapshot_attribute
from neve.testing.memory_keys import MemoryKeys
from neve.testing.world import ACCOUNT, OTHER_ACCOUNT, World

UNKNOWN = "snap-0123456789abcdef0"
THIRD_ACCOUNT = "777788889999"
PERMISSIONS = "createVolumePermission"


def listed(
    operation: str, *user_ids: str, groups: Sequence[str] = (), **members: object
) -> dict[str, object]:
    """Return the members of the form with lists."""
    return {
        "attribute": PERMISSIONS,
        "operation_type": operation,
        "user_ids": user_ids,
        "group_names": tuple(groups),
        **members,
    }


def structured(operation: str, *user_ids: str, groups: Sequence[str] = ()) -> dict[str, object]:
    """Return the members of the form with modifications."""
    permissions = (
        *(CreateVolumePermission(user_id=user_id) for user_id in user_ids),
        *(CreateVolumePermission(group=group) for group in groups),
    )
    modifications = {operation: permissions}
    return {"create_volume_permission": CreateVolumePermissionModifications(**modifications)}


FORMS = [pytest.param(listed, id="DOC-lists"), pytest.param(structured, id="DOC-modifications")]
Form = Callable[..., dict[str, object]]


def modify(
    world: World, snapshot_id: str, members: dict[str, object], *, account_id: AccountId = ACCOUNT
) -> VoidResponse:
    request = ModifySnapshotAttributeRequest(snapshot_id=snapshot_id, **members)  # type: ignore[arg-type]
    return modify_snapshot_attribute(world.context, world.caller(account_id), request)


def shared_with(world: World, snapshot_id: str) -> list[str]:
    """Return whom DescribeSnapshotAttribute names."""
    request = DescribeSnapshotAttributeRequest(snapshot_id=snapshot_id, attribute=PERMISSIONS)
    answer = describe_snapshot_attribute(world.context, world.caller(), request)
    assert (answer.snapshot_id, answer.product_codes) == (snapshot_id, None)
    assert answer.create_volume_permissions is not None
    assert all((each.user_id is None) != (each.group is None) for each in answer.create_volume_permissions)
    return [each.user_id or each.group or "" for each in answer.create_volume_permissions]


def refusal(call: Callable[[], object]) -> tuple[str, str]:
    with pytest.raises(Ec2Error) as caught:
        call()
    assert caught.value.status == (412 if caught.value.code == "DryRunOperation" else 400)
    return caught.value.code, caught.value.message


@pytest.fixture
def keys() -> MemoryKeys:
    return MemoryKeys()


@pytest.fixture
def world(make_world: Callable[..., World], keys: MemoryKeys) -> World:
    return make_world(keys=keys, key_state_age_s=0)


# --- sharing ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_a_snapshot_is_shared_and_that_is_taken_back(world: World, form: Form) -> None:
    snapshot_id = world.start()
    assert shared_with(world, snapshot_id) == []
    assert modify(world, snapshot_id, form("add", THIRD_ACCOUNT, OTHER_ACCOUNT)) == VoidResponse()
    assert shared_with(world, snapshot_id) == [OTHER_ACCOUNT, THIRD_ACCOUNT]
    modify(world, snapshot_id, form("add", groups=["all"]))
    modify(world, snapshot_id, form("remove", OTHER_ACCOUNT))
    assert shared_with(world, snapshot_id) == [THIRD_ACCOUNT, "all"]
    modify(world, snapshot_id, form("remove", THIRD_ACCOUNT, groups=["all"]))
    assert shared_with(world, snapshot_id) == []


def test_both_forms_together_may_say_one_operation(world: World) -> None:
    snapshot_id = world.start()
    modify(world, snapshot_id, {**listed("add", OTHER_ACCOUNT), **structured("add", groups=["all"])})
    assert shared_with(world, snapshot_id) == [OTHER_ACCOUNT, "all"]


@pytest.mark.parametrize("form", FORMS)
def test_LIVE_adding_twice_adding_the_owner_and_removing_the_absent_are_no_errors(
    world: World, form: Form
) -> None:
    snapshot_id = world.start()
    for _ in range(2):
        modify(world, snapshot_id, form("add", ACCOUNT, OTHER_ACCOUNT, OTHER_ACCOUNT))
    modify(world, snapshot_id, form("remove", THIRD_ACCOUNT, ACCOUNT, groups=["all"]))
    assert shared_with(world, snapshot_id) == [OTHER_ACCOUNT]


def completed(world: World) -> str:
    snapshot_id = world.start()
    world.complete(snapshot_id, count=0)
    return snapshot_id


def failed(world: World) -> str:
    snapshot_id = world.start()
    world.complete(snapshot_id, count=1)
    return snapshot_id


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(World.start, id="LIVE-pending"),
        pytest.param(completed, id="DOC-completed"),
        pytest.param(failed, id="INFERRED-error"),
    ],
)
def test_a_snapshot_in_any_state_can_be_shared(world: World, make: Callable[[World], str]) -> None:
    snapshot_id = make(world)
    modify(world, snapshot_id, listed("add", OTHER_ACCOUNT))
    assert shared_with(world, snapshot_id) == [OTHER_ACCOUNT]


def test_DOC_reset_takes_every_permission_back(world: World) -> None:
    snapshot_id = world.start()
    modify(world, snapshot_id, listed("add", OTHER_ACCOUNT, THIRD_ACCOUNT, groups=["all"]))
    request = ResetSnapshotAttributeRequest(snapshot_id=snapshot_id, attribute=PERMISSIONS)
    for _ in range(2):
        assert reset_snapshot_attribute(world.context, world.caller(), request) == VoidResponse()
        assert shared_with(world, snapshot_id) == []


def test_DOC_there_are_no_product_codes(world: World) -> None:
    snapshot_id = world.start()
    request = DescribeSnapshotAttributeRequest(snapshot_id=snapshot_id, attribute="productCodes")
    answer = describe_snapshot_attribute(world.context, world.caller(), request)
    assert answer == DescribeSnapshotAttributeResponse(snapshot_id=snapshot_id, product_codes=())


# Few grantees on purpose: they meet often.
STEPS = st.lists(
    st.tuples(
        st.sampled_from([listed, structured]),
        st.sampled_from(["add", "remove"]),
        st.lists(st.sampled_from([ACCOUNT, OTHER_ACCOUNT, THIRD_ACCOUNT]), min_size=1, max_size=2),
        st.sampled_from([[], ["all"]]),
    ),
    max_size=8,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_permissions_behave_like_a_set(
    make_world: Callable[..., World], steps: list[tuple[Form, str, list[str], list[str]]]
) -> None:
    world = make_world()
    snapshot_id = world.start()
    model: set[str] = set()
    for form, operation, user_ids, groups in steps:
        modify(world, snapshot_id, form(operation, *user_ids, groups=groups))
        named = {*user_ids, *groups} - {ACCOUNT}
        model = model | named if operation == "add" else model - named
        assert shared_with(world, snapshot_id) == sorted(model)


# --- what is refused --------------------------------------------------------------------------------


ONE_OPERATION = "One and only one operation type may be specified for createVolumePermissions"
BOTH = CreateVolumePermissionModifications(
    add=(CreateVolumePermission(user_id=OTHER_ACCOUNT),), remove=(CreateVolumePermission(group="all"),)
)
NO_ATTRIBUTE = "The request must contain the parameter attribute"


@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize(
    ("members", "code", "message"),
    [
        pytest.param(
            {"create_volume_permission": BOTH},
            "InvalidParameterCombination",
            ONE_OPERATION,
            id="LIVE-add-and-remove",
        ),
        pytest.param(
            {**listed("add", OTHER_ACCOUNT), **structured("remove", OTHER_ACCOUNT)},
            "InvalidParameterCombination",
            ONE_OPERATION,
            id="LIVE-add-and-remove-in-two-forms",
        ),
        pytest.param(
            {**listed("remove"), **structured("add", OTHER_ACCOUNT)},
            "InvalidParameterCombination",
            ONE_OPERATION,
            id="LIVE-an-operation-that-is-not-the-modifications",
        ),
        pytest.param({}, "InvalidParameterCombination", "No attributes specified.", id="LIVE-nothing"),
        pytest.param(
            {"attribute": PERMISSIONS},
            "InvalidParameterCombination",
            "No attributes specified.",
            id="LIVE-attribute-alone",
        ),
        pytest.param(
            listed("add"),
            "InvalidParameterCombination",
            "No attributes specified.",
            id="LIVE-operation-alone",
        ),
        pytest.param(
            {"attribute": PERMISSIONS, "user_ids": (OTHER_ACCOUNT,)},
            "InvalidParameterCombination",
            "The parameter operationType must be specified with userId and userGroup",
            id="LIVE-users-without-operation",
        ),
        pytest.param(
            listed("add", OTHER_ACCOUNT, attribute=""),
            "MissingParameter",
            NO_ATTRIBUTE,
            id="LIVE-empty-attribute",
        ),
        pytest.param(
            listed("add", OTHER_ACCOUNT, attribute=None),
            "MissingParameter",
            NO_ATTRIBUTE,
            id="INFERRED-no-attribute",
        ),
        pytest.param(
            listed("add", OTHER_ACCOUNT, attribute="productCodes"),
            "InvalidParameterValue",
            "Value (productCodes) for parameter attribute is invalid. Only createVolumePermission can be changed.",
            id="DOC-fixed-attribute",
        ),
        pytest.param(
            listed("add", OTHER_ACCOUNT, attribute="colour"),
            "InvalidParameterValue",
            "Value (colour) for parameter attribute is invalid. Only createVolumePermission can be changed.",
            id="LIVE-unknown-attribute",
        ),
        pytest.param(
            listed("replace", OTHER_ACCOUNT),
            "InvalidParameterValue",
            "Value (replace) for parameter operationType is invalid. Expected: 'add' or 'remove'.",
            id="INFERRED-unknown-operation",
        ),
        pytest.param(
            listed("add", *[OTHER_ACCOUNT] * 501),
            "InvalidParameterValue",
            "Modification size must not be greater than 500.",
            id="LIVE-501",
        ),
        pytest.param(
            structured("remove", *[OTHER_ACCOUNT] * 500, groups=["all"]),
            "InvalidParameterValue",
            "Modification size must not be greater than 500.",
            id="LIVE-500-and-a-group",
        ),
    ],
)
def test_what_is_no_change_is_refused(
    world: World, members: dict[str, object], code: str, message: str, dry_run: bool
) -> None:
    snapshot_id = world.start()
    assert refusal(lambda: modify(world, snapshot_id, {**members, "dry_run": dry_run})) == (code, message)
    assert shared_with(world, snapshot_id) == []


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("operation", ["add", "remove"])
@pytest.mark.parametrize(
    "user_id", ["", "1234", "1111222233334", "all", "11112222333a", "111122223333\n", "\u0661" * 12]
)
def test_LIVE_what_is_no_account_is_refused_and_nothing_changes(
    world: World, form: Form, operation: str, user_id: str
) -> None:
    snapshot_id = world.start()
    assert refusal(lambda: modify(world, snapshot_id, form(operation, OTHER_ACCOUNT, user_id))) == (
        "InvalidAMIAttributeItemValue",
        f'Invalid attribute item value "{user_id}" for userId item type.',
    )
    assert shared_with(world, snapshot_id) == []


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("group", ["", "All", "everybody", OTHER_ACCOUNT])
def test_LIVE_all_is_the_only_group(world: World, form: Form, group: str) -> None:
    snapshot_id = world.start()
    assert refusal(lambda: modify(world, snapshot_id, form("add", OTHER_ACCOUNT, groups=[group]))) == (
        "InvalidAMIAttributeItemValue",
        f'Invalid attribute item value "{group}" for userGroup item type.',
    )
    assert shared_with(world, snapshot_id) == []


def test_DOC_five_hundred_at_once_are_taken(world: World) -> None:
    assert TINY.permission_changes_max == 500
    snapshot_id = world.start()
    user_ids = [f"{number:012}" for number in range(500)]
    modify(world, snapshot_id, listed("add", *user_ids))
    assert shared_with(world, snapshot_id) == user_ids


@pytest.mark.parametrize(
    ("attribute", "code"),
    [
        pytest.param("", "MissingParameter", id="LIVE-empty"),
        pytest.param("colour", "InvalidRequest", id="LIVE-unknown"),
    ],
)
def test_describe_takes_the_attributes_there_are(world: World, attribute: str, code: str) -> None:
    request = DescribeSnapshotAttributeRequest(snapshot_id=world.start(), attribute=attribute)
    assert refusal(lambda: describe_snapshot_attribute(world.context, world.caller(), request))[0] == code


@pytest.mark.parametrize(
    ("attribute", "code"),
    [
        pytest.param("", "MissingParameter", id="LIVE-empty"),
        pytest.param("colour", "InvalidParameterValue", id="LIVE-unknown"),
        pytest.param("productCodes", "InvalidParameterValue", id="DOC-fixed"),
    ],
)
def test_reset_takes_the_one_attribute_that_can_change(world: World, attribute: str, code: str) -> None:
    request = ResetSnapshotAttributeRequest(snapshot_id=world.start(), attribute=attribute)
    assert refusal(lambda: reset_snapshot_attribute(world.context, world.caller(), request))[0] == code


# --- whose snapshot it is ---------------------------------------------------------------------------


def owners_calls(
    world: World, snapshot_id: str, account_id: AccountId, *, dry_run: bool = False
) -> list[Callable[[], object]]:
    """Return every EC2 call that is the owner's alone."""
    ctx, caller = world.context, world.caller(account_id)
    describe = DescribeSnapshotAttributeRequest(
        snapshot_id=snapshot_id, attribute=PERMISSIONS, dry_run=dry_run
    )
    reset = ResetSnapshotAttributeRequest(snapshot_id=snapshot_id, attribute=PERMISSIONS, dry_run=dry_run)
    delete = DeleteSnapshotRequest(snapshot_id=snapshot_id, dry_run=dry_run)
    return [
        lambda: modify(
            world, snapshot_id, listed("add", THIRD_ACCOUNT, dry_run=dry_run), account_id=account_id
        ),
        lambda: describe_snapshot_attribute(ctx, caller, describe),
        lambda: reset_snapshot_attribute(ctx, caller, reset),
        lambda: delete_snapshot(ctx, caller, delete),
    ]


@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize(
    "grantee", [pytest.param(OTHER_ACCOUNT, id="shared"), pytest.param("all", id="public")]
)
def test_LIVE_for_whoever_would_change_it_a_shared_snapshot_does_not_exist(
    world: World, grantee: str, dry_run: bool
) -> None:
    snapshot_id = world.start()
    world.metadata.put_tags(ACCOUNT, [SnapshotId(snapshot_id)], {"own": "1"}, tags_max=50)
    world.metadata.modify_permissions(ACCOUNT, SnapshotId(snapshot_id), add=[grantee])
    before = world.metadata.snapshot(ACCOUNT, SnapshotId(snapshot_id))
    for call in owners_calls(world, snapshot_id, OTHER_ACCOUNT, dry_run=dry_run):
        assert refusal(call) == (
            "InvalidSnapshot.NotFound",
            f"The snapshot '{snapshot_id}' does not exist.",
        )
    assert world.metadata.snapshot(ACCOUNT, SnapshotId(snapshot_id)) == before
    assert shared_with(world, snapshot_id) == [grantee]


@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize(
    ("snapshot_id", "code"),
    [
        pytest.param(UNKNOWN, "InvalidSnapshot.NotFound", id="LIVE-unknown"),
        pytest.param("snap-0", "InvalidSnapshotID.Malformed", id="DOC-length"),
        pytest.param("vol-01234567", "InvalidParameterValue", id="LIVE-prefix"),
    ],
)
def test_what_is_no_snapshot_is_refused(world: World, snapshot_id: str, code: str, dry_run: bool) -> None:
    for call in owners_calls(world, snapshot_id, ACCOUNT, dry_run=dry_run)[:3]:
        assert refusal(call)[0] == code


def test_DOC_a_dry_run_says_yes_and_changes_nothing(world: World) -> None:
    snapshot_id = world.start()
    modify(world, snapshot_id, listed("add", OTHER_ACCOUNT))
    for call in owners_calls(world, snapshot_id, ACCOUNT, dry_run=True):
        assert refusal(call)[0] == "DryRunOperation"
    assert shared_with(world, snapshot_id) == [OTHER_ACCOUNT]


# --- encrypted ones ---------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_DOC_an_encrypted_snapshot_is_shared_with_accounts_but_not_with_everybody(
    world: World, keys: MemoryKeys, form: Form
) -> None:
    snapshot_id = world.start(kms_key_arn=keys.make_key(ACCOUNT))
    modify(world, snapshot_id, form("add", OTHER_ACCOUNT))
    for user_ids in ([], [THIRD_ACCOUNT]):
        assert refusal(lambda: modify(world, snapshot_id, form("add", *user_ids, groups=["all"]))) == (  # noqa: B023 - called at once
            "OperationNotPermitted",
            "Encrypted snapshots cannot be shared publicly",
        )
    assert shared_with(world, snapshot_id) == [OTHER_ACCOUNT]


@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize("groups", [[], ["all"]])
def test_LIVE_under_the_default_key_it_cannot_be_shared_at_all(
    world: World, keys: MemoryKeys, groups: list[str], dry_run: bool
) -> None:
    snapshot_id = world.start(kms_key_arn=keys.default_key_arn(ACCOUNT))
    members = listed("add", OTHER_ACCOUNT, groups=groups, dry_run=dry_run)
    assert refusal(lambda: modify(world, snapshot_id, members)) == (
        "OperationNotPermitted",
        "Encrypted snapshots with EBS default key cannot be shared",
    )
    assert shared_with(world, snapshot_id) == []


@pytest.mark.parametrize("stop", [MemoryKeys.disable, MemoryKeys.schedule_deletion])
def test_a_key_that_is_stopped_is_no_obstacle(
    world: World, keys: MemoryKeys, stop: Callable[[MemoryKeys, str], None]
) -> None:
    key_arn = keys.make_key(ACCOUNT)
    snapshot_id = world.start(kms_key_arn=key_arn)
    stop(keys, key_arn)
    modify(world, snapshot_id, listed("add", OTHER_ACCOUNT))
    assert shared_with(world, snapshot_id) == [OTHER_ACCOUNT]


@pytest.mark.parametrize("lose", [MemoryKeys.remove, MemoryKeys.deny])
def test_a_key_that_cannot_be_looked_at_lets_nobody_in_but_everybody_out(
    world: World, keys: MemoryKeys, lose: Callable[[MemoryKeys, str], None]
) -> None:
    key_arn = keys.make_key(ACCOUNT)
    snapshot_id = world.start(kms_key_arn=key_arn)
    modify(world, snapshot_id, listed("add", OTHER_ACCOUNT))
    lose(keys, key_arn)
    code, message = refusal(lambda: modify(world, snapshot_id, listed("add", THIRD_ACCOUNT)))
    assert code == "OperationNotPermitted"
    assert message.startswith("The snapshot cannot be shared, since its KMS key cannot be looked at: ")
    assert shared_with(world, snapshot_id) == [OTHER_ACCOUNT]
    modify(world, snapshot_id, listed("remove", OTHER_ACCOUNT))
    assert shared_with(world, snapshot_id) == []


def test_a_key_provider_that_is_away_lets_nobody_in_for_now(world: World, keys: MemoryKeys) -> None:
    snapshot_id = world.start(kms_key_arn=keys.make_key(ACCOUNT))
    keys.go_away()
    with pytest.raises(KeyProviderUnavailable):
        modify(world, snapshot_id, listed("add", OTHER_ACCOUNT))
    assert shared_with(world, snapshot_id) == []
    keys.come_back()
    modify(world, snapshot_id, listed("add", OTHER_ACCOUNT))
    assert shared_with(world, snapshot_id) == [OTHER_ACCOUNT]
