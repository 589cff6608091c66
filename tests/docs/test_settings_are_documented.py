"""docs/configuration.md names every setting, and none that there is not."""

import re

import pytest

from documents import read, table_rows
from neve.settings import Settings


@pytest.fixture(scope="module")
def documented() -> set[str]:
    first_cells = (row[0] for row in table_rows(read("docs/configuration.md")))
    return {name for cell in first_cells for name in re.findall(r"^`([a-z]\w+)`", cell)}


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_there(name: str, documented: set[str]) -> None:
    assert name in documented


def test_no_other_setting_is_there(documented: set[str]) -> None:
    assert documented - Settings.model_fields.keys() == set()
