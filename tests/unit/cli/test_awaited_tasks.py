"""Waiting for long work: rows in any number of pieces, an end whatever happens, and a word now and then."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from neve.cli.tasks import Murmur, awaited
from neve.errors import StoreUnavailable
from neve.server.administration.messages import Answer, Request
from neve.server.administration.messages_tasks import (
    AnyOutcome,
    AnyRow,
    CountStore,
    ReckonUsage,
    ShowTask,
    StopTask,
    TaskView,
)
from neve.server.administration.messages_usage import UsageOutcome, UsageRow

OUTCOME = UsageOutcome(accounts=1)
ROWS: list[AnyRow] = [
    UsageRow(account_id="1", about="account", snapshots=number, logical_bytes=0, unique_bytes=0)
    for number in range(5)
]


def view(
    *, rows: list[AnyRow] | None = None, kept: int = 0, outcome: AnyOutcome | None = None, **more: Any
) -> TaskView:
    told: dict[str, Any] = {"elapsed_s": 0.0, "phase": "reading", "done": 0, "total": 0}
    return TaskView(
        task_id="07",
        kind="reckoning",
        running=outcome is None,
        by_itself=False,
        begun=datetime(2026, 1, 1, tzinfo=UTC),
        unit="snapshots",
        rows=rows or [],
        rows_kept=kept,
        rows_found=kept,
        outcome=outcome,
        **(told | more),
    )


class Scripted:
    """Answers as a test says, and keeps what was asked."""

    def __init__(self, show: Callable[[ShowTask], TaskView]) -> None:
        self.asked: list[Request[Any]] = []
        self._show = show

    def ask(self, request: Request[Answer]) -> Answer:
        self.asked.append(request)
        answer: Any = None
        if isinstance(request, ShowTask):
            answer = self._show(request)
        elif not isinstance(request, StopTask):
            answer = view()
        return answer  # type: ignore[no-any-return]  # as the request has it


def test_rows_are_fetched_piece_by_piece_and_the_task_is_forgotten() -> None:
    def show(request: ShowTask) -> TaskView:
        return view(rows=ROWS[request.first_row : request.first_row + 2], kept=len(ROWS), outcome=OUTCOME)

    administrator = Scripted(show)
    seen: list[AnyRow] = []
    found = awaited(administrator, ReckonUsage(), lambda each: seen.extend(each.rows))
    assert (found.rows, found.rows_found, found.outcome) == (ROWS, len(ROWS), OUTCOME)
    assert seen == ROWS
    assert administrator.asked[-1] == StopTask(task_id="07")


@pytest.mark.parametrize("trouble", [KeyboardInterrupt(), StoreUnavailable("down")])
def test_whatever_ends_the_waiting_ends_the_task(trouble: BaseException) -> None:
    looks = 0

    def show(_: ShowTask) -> TaskView:
        nonlocal looks
        looks += 1
        if looks == 3:
            raise trouble
        return view()

    administrator = Scripted(show)
    with pytest.raises(type(trouble)):
        awaited(administrator, CountStore(), lambda _: None)
    assert administrator.asked[-1] == StopTask(task_id="07")


def test_a_quick_command_says_nothing_and_a_slow_one_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    murmur = Murmur()
    for second in range(25):
        murmur(view(elapsed_s=float(second), done=second, total=99))
    murmur(view(elapsed_s=60.0, outcome=OUTCOME))
    assert capsys.readouterr().err.splitlines() == [
        "neve: reading: 10 of 99 so far.",
        "neve: reading: 20 of 99 so far.",
    ]
