"""docs/operations.md names every event that can stand in the log, with its level."""

import logging

from documents import read, table_rows
from neve import events


def all_events() -> set[type[events.Event]]:
    return set(events.Event.__subclasses__())


def test_every_event_is_there_with_its_level() -> None:
    documented = {
        (name, row[1])
        for row in table_rows(read("docs/operations.md"))
        for name in row[0].replace("`", "").split(", ")
    }
    logged = {(event.name, logging.getLevelName(event.level).lower()) for event in all_events()}
    assert logged - documented == set()
