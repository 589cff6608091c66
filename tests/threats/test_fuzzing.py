"""A million hostile requests, rightly signed: none is answered 5xx, none tells anything of what we are made of."""

import pytest

from fix_logs import Journal
from fix_scoreboard import Figure
from pipeline_door import Door
from threats.hostile_requests import LEAKS, Fuzzer, guarded_world


@pytest.mark.row(18)
@pytest.mark.timeout(7200)
def test_no_request_is_answered_with_5xx_or_with_what_we_are_made_of(
    journal: Journal, full_size: bool, figure: Figure
) -> None:
    requests, worlds = (1_000_000, 200) if full_size else (2_000, 2)
    statuses: dict[int, int] = {}
    for seed in range(worlds):
        with guarded_world() as world:
            door = Door(world, journal)
            fuzzer = Fuzzer(door, seed)
            for _ in range(requests // worlds):
                fuzzer.one()
        assert fuzzer.wrong == [], f"seed {seed}"
        assert door.failed() == [], f"seed {seed}"
        journal.events.clear()
        for status, count in fuzzer.statuses.items():
            statuses[status] = statuses.get(status, 0) + count
    # A fuzzer that is only ever refused at the door finds nothing behind it.
    assert statuses[200] + statuses[201] > requests / 20
    assert statuses[403] < requests / 2
    said = ", ".join(f"{status}: {count:,}" for status, count in sorted(statuses.items()))
    figure(f"5xx 0, leaks 0 of {requests:,} signed requests ({said})")


@pytest.mark.parametrize(
    "leak",
    [
        b'Traceback (most recent call last):\n  File "x", line 1, in <module>',
        b"FOREIGN KEY constraint failed",
        b"SQLError: no such table: snapshot",
        b"/tmp/store/segments/aa",
        b"'NoneType' object has no attribute 'x'",
    ],
)
def test_the_alarm_rings(leak: bytes) -> None:
    assert LEAKS.search(leak)
