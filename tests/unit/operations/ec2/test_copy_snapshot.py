"""CopySnapshot: contract 9.8 and choices 50 and 75, row by row. Ids begin with the row's evidence label."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from copy_scene import ask, block, copied, error_of, key_of, record, refusal, share, shown, source
from neve.domain.identities import SnapshotId
from neve.domain.snapshots import State
from neve.errors import (
    ResourceNotFoundError,
    ValidationError,
)
from neve.limits import TINY
from neve.messages.ebs import CompleteSnapshotRequest, Tag
from neve.messages.ec2 import TagSpecification
from neve.operations.context import Quotas
from neve.operations.ebs.complete_snapshot import complete_snapshot
from neve.operations.ec2 import copy_snapshot
from neve.testing.memory_keys import MemoryKeys
from neve.testing.world import ACCOUNT, OTHER_ACCOUNT, REGION, World

BLOCKS = {0: block(1), 1: block(0), 300: block(2), 2047: block(1)}
UNKNOWN = "snap-0123456789abcdef0"
NOT_FOUND = "Source snapshot is not found"
NOT_COMPLETE = "Source snapshot is not complete"
NOT_ACCESSIBLE = "Given key ID is not accessible"
TAGS = (Tag("a", "1"), Tag("b", ""))


@pytest.fixture
def keys() -> MemoryKeys:
    return MemoryKeys()


@pytest.fixture
def world(make_world: Callable[..., World], keys: MemoryKeys) -> World:
    return make_world(keys=keys, key_state_age_s=0)


# --- what a copy is ---------------------------------------------------------------------------------


def test_DOC_a_copy_has_the_content_and_nothing_else_of_its_source(world: World) -> None:
    source_id = source(world, BLOCKS)
    share(world, source_id, OTHER_ACCOUNT)
    world.metadata.put_tags(ACCOUNT, [SnapshotId(source_id)], {"of": "source"}, tags_max=50)
    found = copied(world, source_id)
    assert found.state is State.COMPLETED
    assert (found.volume_gib, found.description, found.tags) == (1, None, {})
    assert world.metadata.permissions(ACCOUNT, found.snapshot_id) == []
    assert world.read(found.snapshot_id) == world.read(source_id) == BLOCKS
    assert key_of(world, found) == ""


def test_DOC_description_and_tags_are_the_copys_own_and_the_answer_has_the_tags(world: World) -> None:
    tags = (TagSpecification(resource_type="snapshot", tags=TAGS),)
    answer = ask(world, source(world, BLOCKS), description="mine", tag_specifications=tags)
    assert answer.tags == TAGS
    found = record(world, answer.snapshot_id)
    assert (found.description, found.tags) == ("mine", {"a": "1", "b": ""})


def test_each_call_makes_another_copy(world: World) -> None:
    source_id = source(world, BLOCKS)
    assert ask(world, source_id).snapshot_id != ask(world, source_id).snapshot_id
    world.copy_all()
    assert len(world.metadata.snapshots(ACCOUNT, after=None, limit=10)) == 3


def test_INFERRED_a_copy_is_related_to_nothing_but_its_own_children(world: World) -> None:
    source_id = source(world, BLOCKS)
    copy_id = copied(world, source_id).snapshot_id
    for pair in ((source_id, copy_id), (copy_id, source_id)):
        with pytest.raises(ValidationError) as caught:
            world.changed(*pair)
        assert caught.value.reason == "UNRELATED_SNAPSHOTS"
    child = world.start(parent=copy_id)
    world.put(child, 7, block(9))
    assert world.complete(child, count=1) is State.COMPLETED
    assert list(world.changed(copy_id, child)) == [7]
    assert world.read(child) == {**BLOCKS, 7: block(9)}


def test_LIVE_a_pending_copy_shows_that_nothing_is_known_of_it_yet(world: World, keys: MemoryKeys) -> None:
    key = keys.make_key(ACCOUNT)
    copy_id = ask(world, source(world, BLOCKS), encrypted=True, kms_key_id=key).snapshot_id
    found = shown(world, copy_id)
    assert (found.state, found.state_message, found.progress) == ("pending", "Metadata not updated", "0%")
    assert (found.volume_size, found.encrypted, found.kms_key_id) == (0, False, None)
    assert found.completion_time_ms is None
    world.copy_all()
    found = shown(world, copy_id)
    assert (found.state, found.state_message, found.progress) == ("completed", None, "100%")
    assert (found.volume_size, found.encrypted, found.kms_key_id) == (1, True, key)
    assert found.full_snapshot_size_in_bytes == len(BLOCKS) * TINY.block_bytes


def test_progress_is_how_much_was_copied(world: World, keys: MemoryKeys) -> None:
    source_id = source(world, {index: block(index + 1) for index in range(10)})
    copy_id = ask(world, source_id, encrypted=True, kms_key_id=keys.make_key(ACCOUNT)).snapshot_id
    seen = []
    while copies := world.metadata.lifecycle.copies(after=None, limit=1):
        world.copier.advance(copies[0])
        found = shown(world, copy_id)
        assert (found.state, found.state_message, found.volume_size) == ("pending", None, 1)
        seen.append(found.progress)
    assert seen == ["0%", "40%", "80%", "99%", "99%"], "four blocks at a time; the block map is the rest"
    world.seal()
    assert shown(world, copy_id).progress == "100%"


def test_DOC_the_volume_of_a_copy_is_no_volume(world: World) -> None:
    assert shown(world, ask(world, source(world, BLOCKS)).snapshot_id).volume_id == "vol-ffffffff"


def test_no_deadline_passes_for_a_copy(world: World) -> None:
    copy_id = ask(world, source(world, BLOCKS)).snapshot_id
    world.clock.advance(minutes=TINY.timeout_minutes_max + 1)  # type: ignore[attr-defined]
    assert world.metadata.expire(now_ms=world.clock.now_ms(), limit=10) == []
    assert shown(world, copy_id).state == "pending"
    world.copy_all()
    assert world.read(copy_id) == BLOCKS


@pytest.mark.parametrize("moment", ["asked", "resolved", "completed"])
def test_INFERRED_to_whoever_would_write_blocks_or_complete_a_copy_does_not_exist(
    world: World, moment: str
) -> None:
    copy_id = ask(world, source(world, BLOCKS)).snapshot_id
    if moment == "resolved":
        world.copier.advance(world.metadata.lifecycle.copies(after=None, limit=1)[0])
    elif moment == "completed":
        world.copy_all()
    for call in (
        lambda: world.put(copy_id, 0, block(5)),
        lambda: complete_snapshot(
            world.context,
            world.caller(),
            CompleteSnapshotRequest(snapshot_id=copy_id, changed_blocks_count=0),
        ),
    ):
        with pytest.raises(ResourceNotFoundError) as caught:
            call()
        assert caught.value.reason == "SNAPSHOT_NOT_FOUND"
    world.copy_all()
    assert world.read(copy_id) == BLOCKS


# --- what the request may say -----------------------------------------------------------------------

TOO_LONG = "x" * 256
ONE_TAG = (Tag("a", "1"),)


def specified(*tags: Tag, resource_type: str | None = "snapshot") -> tuple[TagSpecification, ...]:
    return (TagSpecification(resource_type=resource_type, tags=tags),)


REFUSALS: tuple[tuple[str, dict[str, Any], str, str], ...] = (
    ("LIVE-no-source", {"source_snapshot_id": ""}, "MissingParameter", "The request must contain the parameter SourceSnapshotId"),
    ("LIVE-malformed", {"source_snapshot_id": "snap-xyz"}, "InvalidParameterValue", "The specified snapshotId is invalid"),
    ("LIVE-no-prefix", {"source_snapshot_id": "0123456789abcdef0"}, "InvalidParameterValue", "The specified snapshotId is invalid"),
    ("LIVE-capitals", {"source_snapshot_id": UNKNOWN.upper()}, "InvalidParameterValue", "The specified snapshotId is invalid"),
    ("LIVE-too-long", {"source_snapshot_id": f"{UNKNOWN}0"}, "InvalidParameterValue", "The specified snapshotId is invalid"),
    ("LIVE-region", {"source_region": "mars-1"}, "InvalidRegion", f"The source region mars-1 is not here: this is {REGION}."),
    ("INFERRED-no-region", {"source_region": ""}, "MissingParameter", "The request must contain the parameter SourceRegion"),
    ("LIVE-destination", {"destination_region": "mars-1"}, "InvalidParameterValue", "Value (mars-1) for parameter destinationRegion is invalid."),
    ("DOC-key-alone", {"kms_key_id": "alias/k"}, "InvalidParameterDependency", "The parameter KmsKeyId requires the parameter Encrypted to be set."),
    ("DOC-duration-short", {"completion_duration_minutes": 0}, "InvalidParameterValue", "Value (0) for parameter completionDurationMinutes is invalid."),
    ("DOC-duration-step", {"completion_duration_minutes": 16}, "InvalidParameterValue", "Value (16) for parameter completionDurationMinutes is invalid."),
    ("DOC-duration-long", {"completion_duration_minutes": 2895}, "InvalidParameterValue", "Value (2895) for parameter completionDurationMinutes is invalid."),
    ("OURS-duration", {"completion_duration_minutes": 2880}, "UnsupportedOperation", "Time-based copies are not supported"),
    ("OURS-outpost", {"destination_outpost_arn": "arn:aws:outposts:x"}, "UnsupportedOperation", "The parameter DestinationOutpostArn is not supported"),
    ("OURS-zone", {"destination_availability_zone": "us-east-1a"}, "UnsupportedOperation", "The parameter DestinationAvailabilityZone is not supported"),
    ("DOC-description", {"description": TOO_LONG}, "InvalidParameterValue", "The description must not be longer than 255 characters."),
    ("DOC-tag-type", {"tag_specifications": specified(*ONE_TAG, resource_type="volume")}, "InvalidParameterValue", "'volume' is not a valid taggable resource type"),
    ("DOC-tag-no-type", {"tag_specifications": specified(*ONE_TAG, resource_type=None)}, "InvalidParameterValue", "Tag specification resource type must have a value"),
    ("DOC-tag-none", {"tag_specifications": specified()}, "InvalidParameterValue", "Tag specification must have at least one tag"),
    ("DOC-tag-twice", {"tag_specifications": specified(*ONE_TAG) * 2}, "InvalidParameterValue", "The same resource type may not be specified more than once"),
    ("DOC-tag-reserved", {"tag_specifications": specified(Tag("aws:a", ""))}, "InvalidParameterValue", "Tag keys starting with 'aws:' are reserved for internal use"),
    ("DOC-tag-many", {"tag_specifications": specified(*(Tag(str(n), "") for n in range(51)))}, "TagLimitExceeded", "The maximum number of tags for a resource has been reached."),
)  # fmt: skip


@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize(
    ("members", "code", "message"), [row[1:] for row in REFUSALS], ids=[row[0] for row in REFUSALS]
)
def test_a_request_that_is_wrong_is_refused_and_leaves_nothing(
    world: World, members: dict[str, Any], code: str, message: str, dry_run: bool
) -> None:
    found = refusal(lambda: ask(world, UNKNOWN, **{"dry_run": dry_run, **members}))
    assert found[0] == code
    assert found[1].startswith(message)
    assert world.metadata.snapshots(ACCOUNT, after=None, limit=1) == []
    assert world.seal_wishes == 0


def test_LIVE_the_destination_is_this_region_and_the_presigned_url_says_nothing(world: World) -> None:
    found = copied(
        world,
        source(world, BLOCKS),
        destination_region=REGION,
        presigned_url="https://ec2.us-east-1.amazonaws.com/?x",
    )
    assert found.state is State.COMPLETED


def test_DOC_a_dry_run_says_yes_and_does_nothing(world: World) -> None:
    code, message = refusal(lambda: ask(world, source(world, BLOCKS), dry_run=True), status=412)
    assert (code, message) == (
        "DryRunOperation",
        "Request would have succeeded, but DryRun flag is set.",
    )
    assert world.metadata.lifecycle.copies(after=None, limit=1) == []


# --- room -------------------------------------------------------------------------------------------

TOO_MANY = (
    "ResourceLimitExceeded",
    "Too many snapshot copies in progress. The limit is 2 for this destination region.",
)


@pytest.mark.parametrize("dry_run", [False, True])
def test_REPORT_an_account_has_so_many_copies_under_way_and_no_more(
    make_world: Callable[..., World], dry_run: bool
) -> None:
    world = make_world(quotas=Quotas(snapshot_copies_max=2))
    source_id = source(world, BLOCKS)
    share(world, source_id, OTHER_ACCOUNT)
    ask(world, source_id)
    ask(world, source_id, caller=world.caller(OTHER_ACCOUNT))
    ask(world, source_id)
    assert refusal(lambda: ask(world, source_id, dry_run=dry_run)) == TOO_MANY
    world.copy_all()
    ask(world, source_id)


def test_no_key_is_made_for_what_there_is_no_room_for(make_world: Callable[..., World]) -> None:
    keys = MemoryKeys()
    world = make_world(keys=keys, quotas=Quotas(snapshot_copies_max=1))
    source_id = source(world, BLOCKS)
    ask(world, source_id)
    keys.calls.clear()
    assert refusal(lambda: ask(world, source_id, encrypted=True))[0] == "ResourceLimitExceeded"
    assert not keys.calls


def test_two_that_are_asked_for_at_once_do_not_share_the_last_place(
    make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    """There was room when it was looked for, and is none when it is taken."""
    world = make_world(quotas=Quotas(snapshot_copies_max=1))
    source_id = source(world, BLOCKS)
    ask(world, source_id)
    monkeypatch.setattr(copy_snapshot, "_check_room", lambda *_: None)
    assert refusal(lambda: ask(world, source_id))[0] == "ResourceLimitExceeded"
    assert len(world.metadata.lifecycle.copies(after=None, limit=9)) == 1


def test_DOC_the_limit_is_twenty() -> None:
    assert Quotas().snapshot_copies_max == 20


@pytest.mark.parametrize("dry_run", [False, True])
def test_INFERRED_a_copy_is_one_of_the_snapshots_that_an_account_may_have(
    make_world: Callable[..., World], dry_run: bool
) -> None:
    world = make_world(quotas=Quotas(snapshots_max=2, snapshot_copies_max=0))
    source_id = source(world, BLOCKS)
    ask(world, source_id)
    code, _ = refusal(lambda: ask(world, source_id, dry_run=dry_run))
    assert code == "SnapshotLimitExceeded"


# --- the source -------------------------------------------------------------------------------------


def pending(world: World) -> str:
    return world.start()


def failed(world: World) -> str:
    snapshot_id = world.start()
    assert world.complete(snapshot_id, count=1) is State.ERROR
    return snapshot_id


def deleted(world: World) -> str:
    snapshot_id = source(world, {})
    world.delete(snapshot_id)
    return snapshot_id


def another_copy(world: World) -> str:
    return ask(world, source(world, {})).snapshot_id


@pytest.mark.parametrize(
    ("make", "message"),
    [
        pytest.param(lambda _: UNKNOWN, NOT_FOUND, id="LIVE-missing"),
        pytest.param(lambda _: "snap-01234567", NOT_FOUND, id="LIVE-missing-short"),
        pytest.param(deleted, NOT_FOUND, id="LIVE-deleted"),
        pytest.param(pending, NOT_COMPLETE, id="LIVE-pending"),
        pytest.param(another_copy, NOT_COMPLETE, id="LIVE-pending-copy"),
        pytest.param(failed, NOT_COMPLETE, id="INFERRED-error"),
    ],
)
def test_a_source_that_is_not_there_or_not_complete_is_accepted_and_the_copy_fails(
    world: World, make: Callable[[World], str], message: str
) -> None:
    source_id = make(world)
    copy_id = ask(world, source_id).snapshot_id
    assert shown(world, copy_id).state == "pending"
    world.copy_all()
    assert error_of(record(world, copy_id)) == message
    found = shown(world, copy_id)
    assert (found.state, found.state_message, found.progress, found.volume_size) == (
        "error",
        message,
        "0%",
        0,
    )


def test_LIVE_what_was_pending_when_it_was_asked_for_fails_whatever_it_is_later(world: World) -> None:
    source_id = world.start()
    copy_id = ask(world, source_id).snapshot_id
    world.complete(source_id, count=0)
    world.copy_all()
    assert error_of(record(world, copy_id)) == NOT_COMPLETE


def test_somebody_elses_snapshot_is_not_there(world: World) -> None:
    source_id = source(world, BLOCKS)
    copy_id = ask(world, source_id, caller=world.caller(OTHER_ACCOUNT)).snapshot_id
    world.copy_all()
    found = world.metadata.snapshot(OTHER_ACCOUNT, SnapshotId(copy_id))
    assert error_of(found) == NOT_FOUND


@pytest.mark.parametrize(
    "grantee", [pytest.param(OTHER_ACCOUNT, id="LIVE-by-name"), pytest.param("all", id="DOC-public")]
)
def test_a_shared_snapshot_is_copied_and_the_copy_is_the_recipients_own(world: World, grantee: str) -> None:
    source_id = source(world, BLOCKS)
    share(world, source_id, grantee)
    recipient = world.caller(OTHER_ACCOUNT)
    copy_id = ask(world, source_id, caller=recipient).snapshot_id
    world.copy_all()
    world.delete(source_id)
    found = world.metadata.snapshot(OTHER_ACCOUNT, SnapshotId(copy_id))
    assert (found.state, found.account_id) == (State.COMPLETED, OTHER_ACCOUNT)
    assert shown(world, copy_id, recipient).owner_id == OTHER_ACCOUNT
    domain = world.context.domains.by_key(found.domain_key)
    assert (domain.account_id, domain.is_encrypted) == (OTHER_ACCOUNT, False)
    world.metadata.modify_permissions(OTHER_ACCOUNT, SnapshotId(copy_id), add=[ACCOUNT])
    assert world.read(copy_id) == BLOCKS


def test_what_was_no_longer_shared_when_its_turn_came_is_not_there(world: World) -> None:
    source_id = source(world, BLOCKS)
    share(world, source_id, OTHER_ACCOUNT)
    copy_id = ask(world, source_id, caller=world.caller(OTHER_ACCOUNT)).snapshot_id
    world.metadata.modify_permissions(ACCOUNT, SnapshotId(source_id), remove=[OTHER_ACCOUNT])
    world.copy_all()
    assert error_of(world.metadata.snapshot(OTHER_ACCOUNT, SnapshotId(copy_id))) == NOT_FOUND


def test_what_became_shared_after_it_was_asked_for_stays_not_there(world: World) -> None:
    """What the caller may do with its key would never have been asked."""
    source_id = source(world, BLOCKS)
    copy_id = ask(world, source_id, caller=world.caller(OTHER_ACCOUNT)).snapshot_id
    share(world, source_id, OTHER_ACCOUNT)
    world.copy_all()
    assert error_of(world.metadata.snapshot(OTHER_ACCOUNT, SnapshotId(copy_id))) == NOT_FOUND


# --- whatever the content ---------------------------------------------------------------------------


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    contents=st.dictionaries(
        st.integers(0, 2047), st.integers(0, 3), max_size=20
    ),  # few contents: equal blocks are where sharing goes wrong
    overwritten=st.dictionaries(st.integers(0, 2047), st.integers(0, 3), max_size=5),
    sealed=st.booleans(),
    encrypted=st.booleans(),
)
def test_a_copy_reads_as_its_source_whatever_that_holds(
    make_world: Callable[..., World],
    contents: dict[int, int],
    overwritten: dict[int, int],
    sealed: bool,
    encrypted: bool,
) -> None:
    keys = MemoryKeys()
    world = make_world(keys=keys)
    blocks = {index: block(fill) for index, fill in contents.items()}
    parent = source(world, blocks, kms_key_arn=keys.make_key(ACCOUNT) if sealed else None)
    child = world.start(parent=parent)
    changed = {index: block(fill) for index, fill in overwritten.items()}
    for index, content in changed.items():
        world.put(child, index, content)
    world.complete(child, count=len(changed))
    found = copied(world, child, encrypted=encrypted)
    world.delete(child)
    world.delete(parent)
    assert world.read(found.snapshot_id) == {**blocks, **changed}
    assert found.block_count == len({**blocks, **changed})
