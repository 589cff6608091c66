"""Whatever a client names is looked for among what its account may see: no statement finds it by its name alone."""

import re
from collections.abc import Iterator
from importlib import import_module
from pkgutil import iter_modules

import pytest

from fix_scoreboard import Figure
from neve.stores import metadata

NAMES = re.compile(r"\b(snapshot_id|rule_id|user_name|policy_name|alias_name|grant_id|token|key_id) = \?")
"""What clients name."""
KEYS_OF_ALL = (
    "keys may be shared by their policies: whoever asks was held to the key, with its account, before"
)
ALONE = {
    "statements_archive.ARCHIVED_SNAPSHOT": "what the archive is to have, for no client",
    "statements_archive.ACCOUNTED_FOR": "what the archive may have, for no client",
    "statements_keys.REVISION": KEYS_OF_ALL,
    "statements_keys.REMOVE_KEY": KEYS_OF_ALL,
    "statements_keys.MATERIALS": KEYS_OF_ALL,
    "statements_keys.REMOVE_MATERIALS": KEYS_OF_ALL,
    "statements_keys.REMOVE_ALIASES_OF_KEY": KEYS_OF_ALL,
    "statements_keys.GRANTS": KEYS_OF_ALL,
    "statements_keys.REMOVE_GRANT": KEYS_OF_ALL,
    "statements_keys.REMOVE_GRANTS": KEYS_OF_ALL,
}
"""Statements that find something by its name alone, and why they may."""


def statements() -> Iterator[tuple[str, str]]:
    for found in iter_modules(metadata.__path__):
        if found.name.startswith("statements"):
            module = import_module(f"neve.stores.metadata.{found.name}")
            for name, text in vars(module).items():
                if isinstance(text, str) and name.isupper() and NAMES.search(text):
                    yield f"{found.name}.{name}", text


@pytest.mark.row(21)
def test_every_statement_that_takes_a_name_takes_an_account_too(figure: Figure) -> None:
    every = dict(statements())
    alone = {name for name, text in every.items() if "account_id" not in text}
    assert alone == ALONE.keys()
    assert len(every) > 20
    figure(f"statements that find by a name alone: {len(alone)} of {len(every)}, each with its reason")
