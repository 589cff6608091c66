"""The alarm of tests/fix_logs.py rings, and only when it should."""

import logging

from fix_logs import Journal
from neve.events import BackgroundFailed, ServerStopped

FAILURE = BackgroundFailed(work="sealing", error="no room", retry_in_s=1.0)


def test_an_event_nobody_announced_is_found() -> None:
    watched = Journal()
    watched.report(FAILURE)
    assert watched.unannounced() == [f"background work failed: {FAILURE!r}"]


def test_an_announced_event_is_welcome_and_must_come() -> None:
    watched = Journal()
    watched.announce("background work failed")
    assert watched.missing() == {"background work failed"}
    watched.report(FAILURE)
    assert watched.unannounced() == []
    assert watched.missing() == set()


def test_events_below_a_warning_are_kept_and_judged_by_nobody() -> None:
    watched = Journal()
    watched.report(ServerStopped())
    assert watched.events == [ServerStopped()]
    assert watched.unannounced() == []


def test_a_librarys_warning_is_found(journal: Journal) -> None:
    journal.announce("some.dependency")
    logging.getLogger("some.dependency").warning("it is %s", "late")
    logging.getLogger("some.dependency").info("nothing to see")
    assert journal.missing() == set()
