"""docs/errors.md names every error code and Reason that the source can answer with, and no other."""

import ast
import re
from collections.abc import Iterator

import pytest

from documents import ROOT, read, table_rows
from neve import errors

SOURCES = {path: path.read_text(encoding="utf-8") for path in (ROOT / "src" / "neve").rglob("*.py")}
CODE = re.compile(r"`([A-Z][A-Za-z]+(?:\.[A-Za-z]+)?)`")
REASON = re.compile(r"Reason\.([A-Z_]+)")


def calls() -> Iterator[ast.Call]:
    for text in SOURCES.values():
        yield from (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call))


def codes_raised() -> set[str]:
    """Return the codes given to errors of several services, as literals or as constants of the same file."""
    constants = dict(
        re.findall(r'^([A-Z_]+)(?:: Final)? = "([A-Za-z.]+)"', "\n".join(SOURCES.values()), re.MULTILINE)
    )
    found = set()
    for call in calls():
        if (
            isinstance(call.func, ast.Name)
            and call.func.id in {"CommonError", "Ec2Error", "KmsError", "RbinError", "StsError"}
            and call.args
        ):
            first = call.args[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                found.add(first.value)
            elif isinstance(first, ast.Name) and first.id in constants:
                found.add(constants[first.id])
    return found


def codes_of_shapes() -> set[str]:
    """Return the codes of the EBS model's errors that something raises."""
    shapes = {shape.__name__: shape.code for shape in errors.EbsError.__subclasses__()}
    return {
        shapes[call.func.id] for call in calls() if isinstance(call.func, ast.Name) and call.func.id in shapes
    }


def test_every_code_is_there() -> None:
    documented = set(CODE.findall(read("docs/errors.md")))
    assert (codes_raised() | codes_of_shapes()) - documented == set()


def test_every_reason_is_there() -> None:
    used = {reason for path, text in SOURCES.items() for reason in REASON.findall(text)}
    documented = set(re.findall(r"`([A-Z_]+)`", read("docs/errors.md")))
    assert used - documented == set()


@pytest.mark.parametrize(
    "code",
    sorted({code for row in table_rows(read("docs/errors.md")) for code in CODE.findall(row[0])}),
)
def test_no_code_is_there_that_nothing_answers_with(code: str) -> None:
    assert any(f'"{code}"' in text for text in SOURCES.values())
