"""What is shown of long work: where it is, how fast, how long its phase still takes, and what it found."""

from datetime import UTC, datetime
from typing import Any

import pytest

from neve.cli.task_progress import TaskGauge, TaskLines
from neve.limits import MIB
from neve.server.administration.messages_tasks import TaskView


def view(**members: Any) -> TaskView:
    told: dict[str, Any] = {
        "task_id": "00",
        "kind": "verification",
        "running": True,
        "by_itself": False,
        "begun": datetime(2026, 1, 1, tzinfo=UTC),
        "elapsed_s": 0.0,
        "phase": "reading",
        "done": 0,
        "total": 0,
        "unit": "bytes",
        "rows": [],
        "rows_kept": 0,
        "rows_found": 0,
        "outcome": None,
    }
    return TaskView(**(told | members))


def test_bytes_have_a_rate_and_a_time_left() -> None:
    gauge = TaskGauge()
    assert gauge.line(view(total=100 * MIB)) == "reading   0 %   0 B of 100.0 MiB"
    line = gauge.line(view(elapsed_s=10.0, done=20 * MIB, total=100 * MIB))
    assert line == "reading   20 %   20.0 MiB of 100.0 MiB   2.0 MiB/s   40 s left"


def test_other_things_are_counted_and_what_was_found_is_said() -> None:
    gauge = TaskGauge()
    gauge.line(view(unit="snapshots", total=2_000))
    line = gauge.line(view(unit="snapshots", elapsed_s=1.0, done=1_000, total=2_000, rows_found=3))
    assert line == "reading   50 %   1,000 of 2,000 snapshots   1 s left   3 found"


def test_what_nobody_can_know_is_not_made_up() -> None:
    gauge = TaskGauge()
    assert gauge.line(view()) == "reading"
    assert gauge.line(view(elapsed_s=5.0, done=10 * MIB)) == "reading   10.0 MiB   2.0 MiB/s"


def test_a_new_phase_begins_with_a_rate_of_its_own() -> None:
    gauge = TaskGauge()
    gauge.line(view(total=100))
    gauge.line(view(elapsed_s=1.0, done=100, total=100))
    assert gauge.line(view(elapsed_s=2.0, phase="marking", done=5, total=10, unit="chunks")) == (
        "marking   50 %   5 of 10 chunks"
    )


def test_the_rate_is_that_of_the_last_minute() -> None:
    gauge = TaskGauge()
    for second in range(0, 400, 10):
        slow = min(second, 200) * MIB  # stands still from then on
        line = gauge.line(view(elapsed_s=float(second), done=slow, total=1_000 * MIB))
    assert "/s" not in line


def test_a_log_gets_a_line_every_ten_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    lines = TaskLines()
    for second in range(31):
        lines(view(elapsed_s=float(second), done=second, total=30))
    lines(view(elapsed_s=45.0, running=False, done=30, total=30))
    lines.close()
    assert len(capsys.readouterr().err.splitlines()) == 3
