"""DescribeSnapshots and DescribeTags with random filters, owners, restorers and pages, against naive filters over all there is.

`make test-all` tries 2,000 of each, as it does of `tests/compat/test_ec2_filters.py`, which asks by the AWS CLI.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import botocore.loaders
import botocore.model
import botocore.parsers
import pytest
from botocore.awsrequest import HeadersDict
from hypothesis import example, given
from hypothesis import strategies as st

from fix_world import MemoryStores
from naive_filters import FIELDS, Shown, Wish, chosen, matches, wishes_about
from neve.domain.identities import AccountId, SnapshotId
from neve.domain.snapshots import CompletionClaim
from neve.limits import TINY
from neve.messages.ebs import StartSnapshotRequest, Tag
from neve.messages.ec2 import CreateTagsRequest, DescribeSnapshotsRequest, DescribeTagsRequest, Filter
from neve.operations.context import Quotas
from neve.operations.ebs.start_snapshot import start_snapshot
from neve.operations.ec2.create_tags import create_tags
from neve.operations.ec2.describe_snapshots import describe_snapshots
from neve.operations.ec2.describe_tags import describe_tags
from neve.testing.memory_keys import MemoryKeys
from neve.testing.time_and_chance import ManualClock
from neve.testing.world import ACCOUNT, OTHER_ACCOUNT, World
from neve.wire import ec2xml

MODEL = botocore.model.ServiceModel(botocore.loaders.Loader().load_service_model("ec2", "service-2"), "ec2")
THIRD_ACCOUNT = AccountId("777788889999")
DESCRIPTIONS = ["", "nightly", "nightly web-1", "Nightly", "a*b", "a?b", "a\\b", "two\nlines", "größe ½ <&>"]
VALUES = ["", "web-1", "web-2", "db", "WEB-1", "*", "?", "\\", "a*b", "1"]
KEYS = ["host", "Host", "a key", "k*", "k?", "tag:host"]


class Scene:
    """Sixty snapshots of two accounts in every state, size and colour, and how each is shared."""

    def __init__(self) -> None:
        self.clock, self.keys = ManualClock(), MemoryKeys()
        self.world = World(
            MemoryStores(), clock=self.clock, keys=self.keys, quotas=Quotas(pending_snapshots_max=0)
        )
        self.grantees: dict[str, set[str]] = {}
        chance = random.Random(4)
        key_arns = {account_id: self.keys.make_key(account_id) for account_id in (ACCOUNT, OTHER_ACCOUNT)}
        for number in range(60):
            owner = ACCOUNT if number % 3 else OTHER_ACCOUNT
            self._add(chance, owner, key_arns[owner] if chance.random() < 0.3 else None)
            self.clock.advance(seconds=chance.choice([0, 1, 40, 4000]))
        self.everything = self._parsed(DescribeSnapshotsRequest())

    def _add(self, chance: random.Random, owner: AccountId, key_arn: str | None) -> None:
        ctx, metadata = self.world.context, self.world.metadata
        tags = {key: chance.choice(VALUES) for key in KEYS if chance.random() < 0.4}
        request = StartSnapshotRequest(
            volume_size=chance.choice([1, 1, 2]),
            description=chance.choice([None, *DESCRIPTIONS[1:]]),
            tags=tuple(Tag(key, value) for key, value in tags.items()),
            timeout=chance.choice([10, 4320]),
            encrypted=None if key_arn is None else True,
            kms_key_arn=key_arn,
        )
        snapshot_id = SnapshotId(start_snapshot(ctx, self.world.caller(owner), request).snapshot_id)
        if chance.random() < 0.7:
            # A count that is wrong makes an error of it, one that nobody seals stays pending.
            claim = CompletionClaim(changed_blocks_count=chance.choice([0, 0, 1]), aggregate=None)
            metadata.accept_completion(owner, snapshot_id, claim, now_ms=self.clock.now_ms())
            if chance.random() < 0.9:
                self.world.seal()
        shared: list[list[str]] = [[], ["all"], [ACCOUNT], [THIRD_ACCOUNT], ["all", ACCOUNT]]
        grantees = chance.choice(shared)
        metadata.modify_permissions(owner, snapshot_id, add=grantees)
        self.grantees[snapshot_id] = set(grantees) - {owner}
        if owner != ACCOUNT and {"all", ACCOUNT} & set(grantees):
            own = CreateTagsRequest(resources=(snapshot_id,), tags=(Tag("host", chance.choice(VALUES)),))
            create_tags(ctx, self.world.caller(), own)

    def _parsed(self, request: DescribeSnapshotsRequest) -> Sequence[Shown]:
        answer = describe_snapshots(self.world.context, self.world.caller(), request)
        assert answer.next_token is None
        encoded = ec2xml.encode("DescribeSnapshots", answer, "id")
        given = {"body": encoded.body, "headers": HeadersDict({}), "status_code": 200}
        shape: Any = MODEL.operation_model("DescribeSnapshots").output_shape
        parsed: dict[str, Any] = botocore.parsers.create_parser("ec2").parse(given, shape)
        shown: list[Shown] = parsed["Snapshots"]
        return shown

    def may_restore(self, who: str, shown: Shown) -> bool:
        """Say whether `RestorableBy.1=who` of the first account finds it."""
        is_own = shown["OwnerId"] == ACCOUNT
        grantees = self.grantees[shown["SnapshotId"]]
        if who in {"self", ACCOUNT}:
            return is_own or ACCOUNT in grantees
        return who in grantees and (who == "all" or is_own)


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    made = Scene()
    yield made
    made.world.close()


def test_the_scene_has_something_for_every_filter(scene: Scene) -> None:
    everything = scene.everything
    assert {shown["State"] for shown in everything} == {"pending", "completed", "error"}
    assert {shown["Encrypted"] for shown in everything} == {True, False}
    assert {shown["OwnerId"] for shown in everything} == {ACCOUNT, OTHER_ACCOUNT}
    assert {shown["Progress"] for shown in everything} == {"0%", "100%"}
    assert {tag["Key"] for shown in everything for tag in shown.get("Tags", [])} == set(KEYS)
    assert {shown["Description"] for shown in everything} == set(DESCRIPTIONS)
    assert set(FIELDS.values()) - {name for shown in everything for name in shown} == {"OwnerAlias"}
    # Some are told apart by each of the owner's, restorer's and public words.
    for who in ("self", "all", THIRD_ACCOUNT):
        assert 0 < sum(scene.may_restore(who, shown) for shown in everything) < len(everything)


def walked(scene: Scene, asked: Mapping[str, Any], page_size: int | None) -> list[str]:
    """Return the ids of an answer, all its pages together."""
    found: list[str] = []
    token = None
    while True:
        request = DescribeSnapshotsRequest(**asked, max_results=page_size, next_token=token)
        answer = describe_snapshots(scene.world.context, scene.world.caller(), request)
        found += [each.snapshot_id for each in answer.snapshots]
        token = answer.next_token
        if token is None:
            return found
        assert len(answer.snapshots) == (page_size or TINY.describe_results_max)


@given(data=st.data())
def test_any_filters_agree_with_a_naive_one_over_everything(scene: Scene, data: st.DataObject) -> None:
    wishes: list[Wish] = data.draw(wishes_about(scene.everything), label="filters")
    owners = data.draw(
        st.lists(st.sampled_from(["self", "amazon", ACCOUNT, OTHER_ACCOUNT, THIRD_ACCOUNT]), max_size=2),
        label="owners",
    )
    restorers = data.draw(
        st.lists(st.sampled_from(["self", "all", ACCOUNT, OTHER_ACCOUNT, THIRD_ACCOUNT]), max_size=2),
        label="restorers",
    )
    page_size = data.draw(st.none() | st.integers(5, 70), label="page size")
    own_words = {ACCOUNT if who == "self" else who for who in owners}
    candidates = [
        shown
        for shown in scene.everything
        if (not owners or shown["OwnerId"] in own_words)
        and (not restorers or any(scene.may_restore(who, shown) for who in restorers))
    ]
    asked = {
        "filters": tuple(Filter(wish["Name"], tuple(wish["Values"])) for wish in wishes),
        "owner_ids": tuple(owners),
        "restorable_by_user_ids": tuple(restorers),
    }
    assert walked(scene, asked, page_size) == chosen(candidates, wishes)


@given(data=st.data())
@example(data=None)
def test_filters_thin_out_named_ones_alike(scene: Scene, data: st.DataObject | None) -> None:
    ids = [shown["SnapshotId"] for shown in scene.everything]
    named = ids if data is None else data.draw(st.lists(st.sampled_from(ids), min_size=1, unique=True))
    wishes: list[Wish] = [] if data is None else data.draw(wishes_about(scene.everything))
    asked = {
        "snapshot_ids": tuple(named),
        "filters": tuple(Filter(wish["Name"], tuple(wish["Values"])) for wish in wishes),
    }
    candidates = [shown for shown in scene.everything if shown["SnapshotId"] in named]
    assert walked(scene, asked, None) == chosen(candidates, wishes)


def tags_wished(everything: Sequence[Shown]) -> st.SearchStrategy[list[tuple[str, tuple[str, ...]]]]:
    """Return filters for DescribeTags."""
    texts = {
        "key": KEYS,
        "value": VALUES,
        "resource-id": [shown["SnapshotId"] for shown in everything],
        "resource-type": ["snapshot", "volume"],
        **{f"tag:{key}": VALUES for key in KEYS},
    }
    patterns = {
        name: [*found, "*", "?*", "web-?", *(f"{text[:4]}*" for text in found)]
        for name, found in texts.items()
    }
    wish = st.sampled_from(sorted(patterns)).flatmap(
        lambda name: st.tuples(
            st.just(name), st.lists(st.sampled_from(patterns[name]), min_size=1, max_size=3).map(tuple)
        )
    )
    return st.lists(wish, max_size=3)


@given(data=st.data())
def test_tags_agree_with_a_naive_filter_over_all_of_them(scene: Scene, data: st.DataObject) -> None:
    wishes = data.draw(tags_wished(scene.everything), label="filters")
    page_size = data.draw(st.none() | st.integers(5, 70), label="page size")
    expected = []
    for shown in scene.everything:
        for tag in shown.get("Tags", []):
            found = {
                "key": tag["Key"],
                "value": tag["Value"],
                "resource-id": shown["SnapshotId"],
                "resource-type": "snapshot",
                f"tag:{tag['Key']}": tag["Value"],
            }
            if all(
                name in found and any(matches(pattern, found[name]) for pattern in values)
                for name, values in wishes
            ):
                expected.append((shown["SnapshotId"], tag["Key"], tag["Value"]))
    listed: list[tuple[str, str, str]] = []
    token = None
    while True:
        request = DescribeTagsRequest(
            filters=tuple(Filter(name, values) for name, values in wishes),
            max_results=page_size,
            next_token=token,
        )
        answer = describe_tags(scene.world.context, scene.world.caller(), request)
        listed += [(each.resource_id, each.key, each.value) for each in answer.tags]
        token = answer.next_token
        if token is None:
            break
    assert listed == expected
