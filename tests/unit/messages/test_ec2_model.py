"""Every EC2 action that is served, against EC2's service model: names, types, and what must be there."""

import dataclasses
import typing
from typing import Any

import pytest

from ec2_actions import ACTIONS, NOT_SERVED, SERVICE, field_of, members, snake, without_none
from neve.messages.ec2 import VoidResponse
from neve.wire import ec2query

TYPES = {"string": str, "integer": int, "long": int, "timestamp": int, "boolean": bool}


def assert_held(hint: Any, shape: Any, path: str) -> None:
    """Check that a type of ours holds what a shape of the model is."""
    hint = without_none(hint)
    if shape.type_name == "list":
        assert typing.get_origin(hint) is tuple, path
        element, ellipsis = typing.get_args(hint)
        assert ellipsis is ..., path
        assert_held(element, shape.member, f"{path}[]")
    elif shape.type_name == "structure":
        assert dataclasses.is_dataclass(hint), path
        hints = typing.get_type_hints(hint)
        expected = {field_of(name, member): member for name, member in members(shape)}
        assert set(hints) == set(expected), path
        for name, member in expected.items():
            assert_held(hints[name], member, f"{path}.{name}")
    else:
        assert hint is TYPES[shape.type_name], path


def test_the_version_is_the_models() -> None:
    assert SERVICE.api_version == ec2query.API_VERSION


def test_the_actions_of_the_table_are_the_ones_that_are_read() -> None:
    assert set(ACTIONS) == set(ec2query._ACTIONS)
    assert len(ACTIONS) >= 23


@pytest.mark.parametrize("name", sorted(ACTIONS))
def test_a_request_has_the_models_members_and_types(name: str) -> None:
    assert_held(ACTIONS[name].request, ACTIONS[name].input, name)


@pytest.mark.parametrize("name", sorted(ACTIONS))
def test_a_request_cannot_be_made_without_what_the_model_requires(name: str) -> None:
    action = ACTIONS[name]
    required = {
        field.name
        for field in dataclasses.fields(action.request)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    }
    assert required == {snake(member) for member in action.input.required_members}


@pytest.mark.parametrize("name", sorted(ACTIONS))
def test_a_response_has_the_models_members_and_types(name: str) -> None:
    action = ACTIONS[name]
    if action.output is None:
        assert action.response is VoidResponse
    else:
        assert_held(action.response, action.output, name)


def test_what_is_not_served_is_in_the_model() -> None:
    for path in NOT_SERVED:
        structure, _, member = path.partition(".")
        assert member in SERVICE.shape_for(structure).members
