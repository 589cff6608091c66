"""A warning that nobody announced fails the test.

Two logs are watched: the events of the product, if the test hands it `journal.report`, and everything that
libraries say through `logging`. A test that causes trouble on purpose announces it first:

    journal.announce("request failed")      an event's name, or a logger's

What was announced must come, or the test proved nothing.
"""

import logging
from collections.abc import Iterator

import pytest

from neve.events import Event


class Journal(logging.Handler):
    """Everything that was said during one test, and what of it was expected."""

    def __init__(self) -> None:
        super().__init__(level=logging.WARNING)
        self.events: list[Event] = []
        self._complaints: list[tuple[str, str]] = []
        self._announced: set[str] = set()

    def report(self, event: Event) -> None:
        """Take an event: this is a `neve.events.Report`."""
        self.events.append(event)
        if event.level >= logging.WARNING:
            self._complaints.append((event.name, repr(event)))

    def emit(self, record: logging.LogRecord) -> None:
        """Take a record of a library's logger."""
        self._complaints.append((record.name, record.getMessage()))

    def announce(self, name: str) -> None:
        """Say that warnings or errors of this event or logger belong to the test."""
        self._announced.add(name)

    def unannounced(self) -> list[str]:
        """Return what nobody expected."""
        return [f"{name}: {text}" for name, text in self._complaints if name not in self._announced]

    def missing(self) -> set[str]:
        """Return what was announced and did not come."""
        return self._announced - {name for name, _ in self._complaints}


@pytest.fixture(autouse=True)
def journal() -> Iterator[Journal]:
    """The log of this test, judged when it is over."""
    watched = Journal()
    root = logging.getLogger()
    root.addHandler(watched)
    try:
        yield watched
    finally:
        root.removeHandler(watched)
    assert watched.unannounced() == []
    assert watched.missing() == set()
