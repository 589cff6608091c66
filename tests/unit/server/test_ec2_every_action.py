"""What every EC2 action refuses, through the whole pipeline: EC2's codes in EC2's XML, whatever is wrong.

All cases are made from botocore's model. The two tables below say what only a person knows: values that make sense for
a member, and what an action wants beside what the model requires.
"""

import copy
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ec2_actions import ACTIONS, Action, wire_name, written
from fix_logs import Journal
from neve.domain.identities import SnapshotId
from neve.domain.retention import RetentionRule
from neve.messages.ec2_lifecycle import LockSnapshotRequest
from neve.operations.ec2.lock_snapshot import lock_snapshot
from neve.testing.memory_keys import MemoryKeys
from neve.testing.world import ACCOUNT, World
from pipeline_door import Door

UNKNOWN = "snap-0123456789abcdef0"
BODY = "Version=2016-11-15&Action="
ERROR = re.compile(
    r'<\?xml version="1\.0" encoding="UTF-8"\?>\n<Response><Errors><Error><Code>([A-Za-z.]+)</Code>'
    r"<Message>(.+)</Message></Error></Errors><RequestID>[0-9a-f-]{36}</RequestID></Response>",
    re.DOTALL,
)


class Scene:
    """A door to a world with one snapshot that is locked, and one in the recycle bin."""

    def __init__(self, world: World, keys: MemoryKeys, journal: Journal) -> None:
        self.door = Door(world, journal)
        self.snapshot_id, self.binned_id = completed(world), completed(world)
        self.key_arn = keys.make_key(ACCOUNT)
        lock = LockSnapshotRequest(snapshot_id=self.snapshot_id, lock_mode="governance", lock_duration=1)
        lock_snapshot(world.context, world.caller(), lock)
        recycle(world, self.binned_id)

    def sensible(self, name: str) -> dict[str, Any]:
        """Return parameters that an action succeeds with."""
        values = {
            "SnapshotId": self.binned_id if name == "RestoreSnapshotFromRecycleBin" else self.snapshot_id,
            "SourceSnapshotId": self.snapshot_id,
            "SourceRegion": "us-east-1",
            "Resources": [self.snapshot_id],
            "Tags": [{"Key": "k", "Value": "v"}],
            "Attribute": "createVolumePermission",
            "KmsKeyId": self.key_arn,
            "State": "block-all-sharing",
            "LockMode": "governance",
        }
        more: Mapping[str, Mapping[str, Any]] = {
            "ModifySnapshotAttribute": {"CreateVolumePermission": {"Add": [{"UserId": "444455556666"}]}},
            "LockSnapshot": {"LockDuration": 2},
        }
        required = {member: values[member] for member in ACTIONS[name].input.required_members}
        if name == "DeleteSnapshot":
            required = {"SnapshotId": self.door.world.start()}
        return required | dict(more.get(name, {}))

    def answered(self, body: bytes) -> tuple[int, str]:
        answer = self.door.pipeline.answer(self.door.describe_head(body), body)
        assert answer.status < 500
        return answer.status, answer.body.decode()

    def refused(self, body: bytes, *, status: int = 400) -> tuple[str, str]:
        """Return code and message of a refusal, whose form is checked."""
        found, text = self.answered(body)
        error = ERROR.fullmatch(text)
        assert error is not None, text
        assert found == status, text
        return error[1], error[2]


def completed(world: World) -> str:
    snapshot_id = world.start()
    world.complete(snapshot_id, count=0)
    return snapshot_id


def recycle(world: World, snapshot_id: str) -> None:
    """Delete a snapshot while a rule keeps what is deleted; the rule is gone afterwards."""
    rule = RetentionRule(
        account_id=ACCOUNT,
        rule_id="rule",
        description="",
        retention_days=1,
        resource_tags=(),
        exclude_resource_tags=(),
        tags={},
        created_ms=0,
    )
    lifecycle = world.metadata.lifecycle
    lifecycle.change_rules(ACCOUNT, lambda _rules: rule)
    world.metadata.delete_snapshot(ACCOUNT, SnapshotId(snapshot_id), now_ms=world.clock.now_ms())
    lifecycle.remove_rule(ACCOUNT, rule.rule_id)


@pytest.fixture
def scene(make_world: Callable[..., World], journal: Journal) -> Scene:
    keys = MemoryKeys()
    return Scene(make_world(keys=keys), keys, journal)


every_action = pytest.mark.parametrize("name", sorted(ACTIONS))


# --- what there is in the model to spoil

Path = tuple[str | int, ...]


def leaves(shape: Any, path: Path = (), wire: str = "") -> Iterator[tuple[Path, str, Any]]:
    """Yield every place for a value in a request: how boto3 gets there, its name on the wire, and its shape."""
    for name, member in shape.members.items():
        here, called = (*path, name), f"{wire}{wire_name(name, member)}"
        while member.type_name == "list":
            here, called, member = (*here, 0), f"{called}.1", member.member  # noqa: PLW2901
        if member.type_name == "structure":
            yield from leaves(member, here, f"{called}.")
        else:
            yield here, called, member


def lists(shape: Any, wire: str = "") -> Iterator[str]:
    """Yield the names of all lists on the wire."""
    for name, member in shape.members.items():
        called = f"{wire}{wire_name(name, member)}"
        if member.type_name == "list":
            yield called
            if member.member.type_name == "structure":
                yield from lists(member.member, f"{called}.1.")
        elif member.type_name == "structure":
            yield from lists(member, f"{called}.")


def put(parameters: dict[str, Any], path: Path, value: object) -> dict[str, Any]:
    """Return parameters with one value replaced, or added where there is none."""
    changed: Any = copy.deepcopy(parameters)
    place = changed
    for step, following in zip(path, [*path[1:], None], strict=True):
        if isinstance(step, int) and len(place) <= step:
            place.append({} if isinstance(following, str) else [])
        elif isinstance(step, str) and step not in place:
            place[step] = {} if isinstance(following, str) else []
        if following is None:
            place[step] = value
        place = place[step]
    return dict(changed)


def cases(wanted: Callable[[Action, Path, Any], bool]) -> list[Any]:
    """Return every place for a value that is wanted, for `parametrize`."""
    return [
        pytest.param(action.name, path, called, id=f"{action.name}-{called}")
        for action in ACTIONS.values()
        for path, called, shape in leaves(action.input)
        if wanted(action, path, shape)
    ]


# --- the tests


@every_action
def test_DOC_every_action_has_a_dry_run_and_changes_nothing_in_it(scene: Scene, name: str) -> None:
    parameters = scene.sensible(name)
    for _ in range(2):  # what had an effect would not succeed twice
        code, message = scene.refused(written(name, parameters | {"DryRun": True}), status=412)
        assert (code, message) == (
            "DryRunOperation",
            "Request would have succeeded, but DryRun flag is set.",
        )
    status, text = scene.answered(written(name, parameters))
    assert status == 200, text


@every_action
def test_DOC_an_unknown_parameter_is_refused_by_name(scene: Scene, name: str) -> None:
    action, body = ACTIONS[name], written(name, scene.sensible(name)).decode()
    unknown = ["Bogus", "Bogus.1", "Bogus.1.Name", "dryRun", "DryRun.1"]
    for called in lists(action.input):
        unknown += [f"{called}.1.Bogus", f"{called}.member.1", f"{called}.x", called.swapcase() + ".1"]
        if not body.count(f"&{called}.1"):
            unknown += [called, f"{called}.0"]
    for parameter in unknown:
        code, message = scene.refused(f"{body}&{parameter}=x".encode())
        if code != "MissingParameter":  # a member of a list that lacks what it must have
            assert (code, message) == ("UnknownParameter", f"The parameter {parameter} is not recognized")
        else:
            assert re.search(r"\.1\.", parameter)


@every_action
def test_DOC_what_the_model_requires_must_be_there(scene: Scene, name: str) -> None:
    action = ACTIONS[name]
    for member in action.input.required_members:
        parameters = scene.sensible(name)
        del parameters[member]
        code, message = scene.refused(written(name, parameters))
        called = wire_name(member, action.input.members[member])
        assert (code, message) == ("MissingParameter", f"The request must contain the parameter {called}")


@every_action
def test_a_parameter_given_twice_is_refused(scene: Scene, name: str) -> None:
    body = f"{BODY}{name}&DryRun=true&DryRun=true"
    assert scene.refused(body.encode())[0] == "MalformedQueryString"


@pytest.mark.parametrize(
    ("name", "path", "called"),
    cases(lambda _action, _path, shape: shape.type_name in {"integer", "long", "boolean", "timestamp"}),
)
@pytest.mark.parametrize("value", ["x", "", "1.5", "0x10", "9" * 30, "\u0663", "yes", "2030-13-01T00:00:00Z"])
def test_a_value_of_another_type_is_refused(
    scene: Scene, name: str, path: Path, called: str, value: str
) -> None:
    parameters = {key: given for key, given in scene.sensible(name).items() if key != path[0]}
    body = written(name, parameters) + f"&{called}={quote(value)}".encode()
    code, message = scene.refused(body)
    assert code == "InvalidParameterValue"
    assert f"parameter {called[0].lower()}{called[1:]} is invalid" in message


@pytest.mark.parametrize(
    ("name", "path", "called"), cases(lambda _action, _path, shape: bool(getattr(shape, "enum", [])))
)
@pytest.mark.parametrize("value", ["nothing-of-the-kind", "GOVERNANCE", ""])
def test_a_word_that_is_none_of_the_models_is_refused(
    scene: Scene, name: str, path: Path, called: str, value: str
) -> None:
    parameters = put(scene.sensible(name), path, value)
    code, _ = scene.refused(written(name, parameters | {"DryRun": True}))
    assert code in {
        "InvalidParameterValue",
        "InvalidParameterCombination",
        "InvalidRequest",
        "MissingParameter",
        "InvalidAMIAttributeItemValue",
    }


def names_a_snapshot(_action: Action, path: Path, _shape: Any) -> bool:
    return path[0] in {"SnapshotId", "SnapshotIds", "SourceSnapshotId", "Resources"}


@pytest.mark.parametrize(("name", "path", "called"), cases(names_a_snapshot))
@pytest.mark.parametrize(
    "value",
    [
        "",
        "x",
        "snap-",
        "snap-xyz",
        "snap-0123",
        "SNAP-0123456789abcdef0",
        "vol-0123456789abcdef0",
        UNKNOWN + "\n",
    ],
)
def test_DOC_what_is_no_snapshot_id_is_refused_as_such(
    scene: Scene, name: str, path: Path, called: str, value: str
) -> None:
    code, _ = scene.refused(written(name, put(scene.sensible(name), path, value)))
    allowed = {"InvalidSnapshotID.Malformed", "InvalidParameterValue", "InvalidID"}
    if not value:  # some take an empty value for none at all
        allowed |= {"MissingParameter"}
    assert code in allowed, called


@pytest.mark.parametrize(("name", "path", "called"), cases(names_a_snapshot))
def test_LIVE_a_snapshot_that_is_not_there_is_refused_by_its_id(
    scene: Scene, name: str, path: Path, called: str
) -> None:
    body = written(name, put(scene.sensible(name), path, UNKNOWN))
    if name == "CopySnapshot":  # LIVE: accepted; the copy says it
        assert scene.answered(body)[0] == 200
        return
    code, message = scene.refused(body)
    assert (code, message) == ("InvalidSnapshot.NotFound", f"The snapshot '{UNKNOWN}' does not exist."), (
        called
    )


TEXTS = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=20) | st.sampled_from(
    [
        "all",
        "self",
        "snap-",
        UNKNOWN,
        "-1",
        "0",
        "true",
        "createVolumePermission",
        "tag:",
        "*",
        "\\",
        "111122223333",
    ]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_is_in_a_request_the_answer_is_ec2s(scene: Scene, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(ACTIONS)), label="action")
    places = list(leaves(ACTIONS[name].input))
    parameters = scene.sensible(name)
    for path, _, shape in data.draw(st.lists(st.sampled_from(places), min_size=1, max_size=4)):
        if shape.type_name in {"integer", "long"}:
            value: object = data.draw(st.integers(-(10**6), 10**6))
        elif shape.type_name == "boolean":
            value = data.draw(st.booleans())
        elif shape.type_name == "timestamp":
            value = data.draw(st.datetimes())
        else:
            value = data.draw(TEXTS)
        parameters = put(parameters, path, value)
    body = written(name, parameters)
    status, text = scene.answered(body)
    if status != 200:
        assert ERROR.fullmatch(text), text
        assert status in {400, 412}
