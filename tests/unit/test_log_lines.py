"""Log lines: the fields an event declares and nothing else, in both forms."""

import io
import json
import logging
import re
import threading
from dataclasses import fields
from datetime import datetime

import pytest

from neve import events
from neve.events import Event, RequestAnswered, RequestFailed, ServerStopped, open_report, trace_of

ANSWERED = RequestAnswered(
    request_id="11111111-2222-4333-8444-555555555555",
    account_id="111122223333",
    access_key_id="AKIDEXAMPLE",
    service="ebs",
    operation="PutSnapshotBlock",
    snapshot_id="snap-0123456789abcdef0",
    status=201,
    duration_ms=1.25,
    bytes_in=524_288,
    bytes_out=2,
    peer="192.0.2.1",
)


def all_kinds() -> list[type[Event]]:
    kinds = [kind for kind in vars(events).values() if isinstance(kind, type) and issubclass(kind, Event)]
    return [kind for kind in kinds if kind is not Event]


def lines_of(*told: Event, level: str = "info", log_format: str = "json") -> list[str]:
    stream = io.StringIO()
    report = open_report(level=level, log_format=log_format, stream=stream)
    for event in told:
        report(event)
    return stream.getvalue().splitlines()


def test_a_request_is_one_line_of_its_fields() -> None:
    (line,) = lines_of(ANSWERED)
    told = json.loads(line)
    when = datetime.fromisoformat(told.pop("timestamp"))
    assert when.utcoffset() is not None
    assert told == {
        "event": "request",
        "level": "info",
        "request_id": "11111111-2222-4333-8444-555555555555",
        "account_id": "111122223333",
        "access_key_id": "AKIDEXAMPLE",
        "service": "ebs",
        "operation": "PutSnapshotBlock",
        "snapshot_id": "snap-0123456789abcdef0",
        "status": 201,
        "duration_ms": 1.25,
        "bytes_in": 524_288,
        "bytes_out": 2,
        "peer": "192.0.2.1",
    }


@pytest.mark.parametrize("kind", all_kinds(), ids=lambda kind: kind.__name__)
def test_no_event_can_carry_what_must_not_be_logged(kind: type[Event]) -> None:
    forbidden = re.compile(r"secret|token|authori|signature|kms|query|body|header")
    assert [field.name for field in fields(kind) if forbidden.search(field.name)] == []
    assert kind.level in {logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR}


def test_events_have_names_of_their_own() -> None:
    names = [kind.name for kind in all_kinds()]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(("level", "count"), [("debug", 2), ("info", 2), ("warning", 1), ("error", 1)])
def test_only_what_is_grave_enough_is_told(level: str, count: int) -> None:
    failed = RequestFailed(request_id="1", operation="StartSnapshot", error="StoreFull: no room")
    assert len(lines_of(ANSWERED, failed, level=level)) == count


def test_a_line_break_in_a_value_makes_no_second_line() -> None:
    failed = RequestFailed(request_id="1", operation="StartSnapshot", error="first\nsecond\r\nthird")
    (line,) = lines_of(failed)
    assert json.loads(line)["error"] == "first\nsecond\r\nthird"


def test_on_no_terminal_auto_is_json() -> None:
    (line,) = lines_of(ServerStopped(), log_format="auto")
    assert json.loads(line)["event"] == "stopped"


def test_the_console_form_is_for_reading() -> None:
    (line,) = lines_of(ANSWERED, log_format="console")
    assert re.match(r"\d{4}-\d\d-\d\dT\S+ \[info +\] request +request_id=", line)
    assert "status=201" in line


def test_lines_of_many_threads_stay_whole() -> None:
    stream = io.StringIO()
    report = open_report(level="info", log_format="json", stream=stream)
    threads = [threading.Thread(target=lambda: [report(ANSWERED) for _ in range(200)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert len(lines) == 800


def test_a_trace_says_where_and_shows_no_values() -> None:
    hidden = "a-value-of-a-variable"
    try:
        raise ValueError(len(hidden))
    except ValueError as error:
        trace = trace_of(error)
    assert "test_a_trace_says_where" in trace
    assert "a-value-of-a-variable" not in trace
