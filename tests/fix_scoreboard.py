"""What the rows of the reliability scoreboard come to: written down by the tests that find it out.

A test of a row is marked with its number, `@pytest.mark.row(3)`, asks for `full_size` to know how far to go, and says
with `figure` what it counted. `make reliability` runs the rows, one at a time (`pytest --row 3`), and prints the
figures; an ordinary run of the tests drops them.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

# None begins with NEVE_: neve takes those for settings, and refuses one it does not know.
FIGURES = "TEST_FIGURES"
"""Names the file that figures are appended to, if anybody wants them."""
FULL = "TEST_FULL_SIZE"
"""Set to 1 for the long form of each row."""

Figure = Callable[[str], None]
"""Says what a row came to, in a few words with numbers: `lost 0 of 104,212 cuts`."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--row", type=int, action="append", help="run the tests of this row of the scoreboard")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave only what belongs to the rows asked for, if any are."""
    wanted: list[int] | None = config.getoption("--row")
    if wanted is None:
        return
    others = [item for item in items if not _rows_of(item) & set(wanted)]
    config.hook.pytest_deselected(items=others)
    items[:] = [item for item in items if item not in others]


def _rows_of(item: pytest.Item) -> set[int]:
    return {mark.args[0] for mark in item.iter_markers("row")}


@pytest.fixture(scope="session")
def full_size() -> bool:
    """Whether rows are to run in their long form."""
    return os.environ.get(FULL) == "1"


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Figure:
    """Write down what the marked row came to."""
    mark = request.node.get_closest_marker("row")
    assert mark is not None, "a test with a figure belongs to a row: mark it with @pytest.mark.row(number)"

    def write_down(text: str) -> None:
        if wanted := os.environ.get(FIGURES):
            line = json.dumps({"row": mark.args[0], "test": request.node.nodeid, "figure": text})
            with Path(wanted).open("a", encoding="utf-8") as stream:
                stream.write(line + "\n")

    return write_down
