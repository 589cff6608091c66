"""Everything that botocore's model of the EBS direct APIs forbids, one violation at a time, for tests that send it.

The violations are made from the model and not from our tables, so that a bound missing there is missed here. Malformed
values follow the Smithy restJson1 protocol tests and the traps of Python's own parsers.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import botocore.loaders

from neve.messages.constraints import DEVIATIONS
from wire_requests import GOOD

MODEL: Mapping[str, Any] = botocore.loaders.Loader().load_service_model("ebs", "service-2")
SHAPES: Mapping[str, Any] = MODEL["shapes"]

NOT_INTEGERS = [
    "true", "1.0", "1.001", "2ABC", "0x42", "Infinity", "-Infinity", "NaN", "1e2", "", "-", "--1", "+1", "1_0",
    "1 0", "1,1", "\u0663", "\u00b2", "\uff11", "9" * 5000 + "x", "\x00", "1\n", "null", "%31",
]  # fmt: skip
INTEGERS_BEYOND = ["9" * 11, "-" + "9" * 11, "9" * 5000, "-" + "9" * 5000, str(2**31), str(2**63)]
NOT_JSON_INTEGERS = [
    '"123"', "true", "1.001", "1.5e1", "2ABC", "0x42", "Infinity", "-Infinity", "NaN", "01", "+1", "[123]", "{}",
    '""', "1_0", "\u0663", "9" * 5000,
]  # fmt: skip
NOT_JSON_STRINGS = [
    "123",
    "true",
    "1.5",
    "[]",
    "{}",
    '["x"]',
    "'x'",
    "x",
    '"\ud800"',
    '"\\ud800"',
    '"\\x41"',
    '"',
]
NOT_JSON_BOOLEANS = ['"true"', "0", "1", "True", "yes", "[true]", "{}", "tru"]
NOT_JSON_LISTS = [
    '"x"',
    '{"Key": "k"}',
    "[",
    "[1]",
    "[null]",
    '["x"]',
    '[{"Key": 1}]',
    '[{"Key": "k"},]',
    "true",
]


def members(operation: str) -> Mapping[str, Any]:
    return SHAPES[MODEL["operations"][operation]["input"]["shape"]]["members"]  # type: ignore[no-any-return]


def violating(shape: Mapping[str, Any], *, is_text: bool) -> Iterator[tuple[str, Any]]:
    """Yield, for every trait of a shape, its name and a value that breaks this one."""
    is_number = shape["type"] in {"integer", "long"}
    for trait in ("min", "max"):
        if trait in shape:
            step = -1 if trait == "min" else 1
            bound = shape[trait] + step
            number = str(bound) if is_text else bound
            yield trait, number if is_number else "a" * bound
    if "pattern" in shape:
        # A blank breaks the token patterns, no character at all those that take any.
        yield "pattern", "" if "S\\s" in shape["pattern"] else "a b"
    if "enum" in shape:
        yield "enum", "NOPE"


class Violation(NamedTuple):
    """A member that is not as the model says, and what of it."""

    operation: str
    member: str
    value: object
    trait: str


def model_violations() -> Iterator[Violation]:
    for operation, values in GOOD.items():
        structure = MODEL["operations"][operation]["input"]["shape"]
        for name in values:
            reference = members(operation)[name]
            shape, is_text = SHAPES[reference["shape"]], "location" in reference
            if name in SHAPES[structure].get("required", []) and reference.get("location") != "uri":
                yield Violation(operation, name, None, "required")
            for trait, value in violating(shape, is_text=is_text):
                if f"{structure}.{name}.{trait}" not in DEVIATIONS or trait == "pattern":
                    yield Violation(operation, name, value, trait)


def texts(kind: str) -> list[tuple[str, str]]:
    """Return the operations and members of a type that come as text."""
    return [
        (operation, name)
        for operation, values in GOOD.items()
        for name in values
        if "location" in members(operation)[name]
        and SHAPES[members(operation)[name]["shape"]]["type"] == kind
    ]
