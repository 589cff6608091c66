"""Progress as people read it, from counts and a clock that tests move."""

import pytest

from neve.cli.client_progress import Bar, Gauge, Lines, lasting, sized
from neve.client.engine import Engine
from neve.client.progress import Meter
from neve.limits import GIB, MIB
from neve.testing.time_and_chance import ManualClock, SeededEntropy


def test_a_gauge_tells_share_rate_and_time_left() -> None:
    meter, clock = Meter(), ManualClock()
    meter.expect(4 * GIB)
    gauge = Gauge("upload", meter, clock)
    clock.advance(seconds=10)
    meter.advance(GIB, moved_bytes=512 * MIB)
    assert gauge.line() == "upload   25 %   1.0 GiB of 4.0 GiB   51.2 MiB/s   30 s left"


def test_a_gauge_forgets_what_is_long_past() -> None:
    meter, clock = Meter(), ManualClock()
    meter.expect(4 * GIB)
    gauge = Gauge("upload", meter, clock)
    clock.advance(seconds=1)
    meter.advance(GIB, moved_bytes=GIB)
    gauge.sample()
    for _ in range(60):
        clock.advance(seconds=1)
        meter.advance(MIB, moved_bytes=MIB)
        gauge.sample()
    assert "1.0 MiB/s" in gauge.line()


def test_a_gauge_without_a_total_promises_nothing() -> None:
    meter, clock = Meter(), ManualClock()
    gauge = Gauge("download", meter, clock)
    clock.advance(seconds=2)
    meter.advance(4 * MIB, moved_bytes=4 * MIB)
    gauge.retries = lambda: 3
    assert gauge.line() == "download   4.0 MiB   2.0 MiB/s   3 retries"


def test_a_gauge_at_the_start_and_at_the_end_has_no_time_left() -> None:
    meter, clock = Meter(), ManualClock()
    meter.expect(MIB)
    gauge = Gauge("upload", meter, clock)
    assert gauge.line() == "upload   0 %   0 B of 1.0 MiB"
    clock.advance(seconds=1)
    meter.advance(MIB, moved_bytes=0)
    assert gauge.line() == "upload   100 %   1.0 MiB of 1.0 MiB   0 B/s"


def test_of_what_the_service_does_by_itself_a_gauge_tells_share_and_time_left() -> None:
    meter, clock = Meter(), ManualClock()
    meter.expect(100)
    gauge = Gauge("copy", meter, clock, shows_bytes=False)
    assert gauge.line() == "copy   0 %"
    clock.advance(seconds=10)
    meter.advance(25, moved_bytes=0)
    assert gauge.line() == "copy   25 %   30 s left"
    meter.advance(75, moved_bytes=0)
    assert gauge.line() == "copy   100 %"


def test_a_log_gets_a_line_every_ten_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    meter, clock = Meter(), ManualClock()
    lines = Lines(Gauge("upload", meter, clock), clock)
    for _ in range(100):
        clock.advance(seconds=0.5)
        meter.advance(MIB, moved_bytes=MIB)
        lines.tick()
    printed = capsys.readouterr()
    assert printed.out == ""
    assert len(printed.err.splitlines()) == 5


def test_a_bar_draws_on_standard_error_only_and_may_be_closed_twice(
    capsys: pytest.CaptureFixture[str],
) -> None:
    meter, clock = Meter(), ManualClock()
    meter.expect(2 * MIB)
    bar = Bar(Gauge("upload", meter, clock), meter)
    bar.watch(Engine(workers=1, clock=clock, entropy=SeededEntropy()))
    meter.advance(MIB, moved_bytes=MIB)
    bar.tick()
    bar.tell("[not markup]")
    bar.close()
    bar.close()
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "[not markup]" in printed.err
    assert "50 %" in printed.err


@pytest.mark.parametrize(
    ("count_bytes", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (GIB, "1.0 GiB"), (64 << 40, "64.0 TiB")],
)
def test_sizes_are_said_as_people_say_them(count_bytes: int, text: str) -> None:
    assert sized(count_bytes) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.6, "1 min 00 s"), (61, "1 min 01 s"), (7500, "2 h 05 min")],
)
def test_times_are_said_as_people_say_them(seconds: float, text: str) -> None:
    assert lasting(seconds) == text
