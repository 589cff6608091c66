"""`neve status`: how a store is, in numbers worth watching."""

from datetime import UTC, datetime, timedelta

from neve.cli.administering import DirectoryArgument, administering, plain
from neve.cli.client_progress import lasting, sized
from neve.cli.output import OutputFormat, OutputOption, result_fields, result_json
from neve.cli.tasks import Murmur, awaited
from neve.clock import SystemClock
from neve.server.administration.messages_tasks import CountStore
from neve.server.administration.messages_upkeep import StatusOutcome, TaskSummary


def status(directory: DirectoryArgument, *, output: OutputOption = OutputFormat.TEXT) -> None:
    """Show how a store is: what is proven, what is bad, what waits to go, and what is under way.

    These are the numbers to watch: bad bytes are data loss until they are repaired; the oldest proof should not be older
    than `scrub_period_s`; the archive should have what changed; the last collection should not have failed. The last
    collection is known for as long as the server runs.

    \b
    Examples:
      neve status /var/lib/neve
      neve status /var/lib/neve --output json

    \b
    Exit status:
      0    done; how the store is stands in the answer
      1    another one is asking, or the records cannot be read
      2    wrong usage
      4    no store there, or it cannot be opened
      5    the server that has the store open did not answer
      130  interrupted
    """
    with administering(directory) as administrator:
        found = awaited(administrator, CountStore(), Murmur()).outcome
    assert isinstance(found, StatusOutcome), "that is what was asked for"
    if output is OutputFormat.JSON:
        fields = plain(found)
        fields.pop("outcome")
        result_json(fields)
        return
    now = datetime.fromtimestamp(SystemClock().now_ms() / 1_000, UTC)
    lines = {
        "stored": f"{sized(found.segment_bytes)} in {found.segments} segments",
        "proven": _proven(found, now),
        "bad": f"{found.bad_chunks} chunks ({sized(found.bad_bytes)})" if found.bad_chunks else "nothing",
        "waits to go": f"{sized(found.condemned_bytes)} in {found.condemned_segments} segments",
        "deletions": f"{found.deletions} can be undone",
        "archive": f"{found.archive_waiting} changes behind" if found.archive_waiting else "up to date",
        "collection": _collection(found, now),
    }
    if found.unexplained_objects:
        lines["unexplained"] = f"{found.unexplained_objects} objects that no record explains"
    for number, task in enumerate(found.tasks):
        lines["under way" if number == 0 else " " * (number + 1)] = _task(task)
    result_fields(lines)


def _proven(found: StatusOutcome, now: datetime) -> str:
    if found.oldest_proof is None:
        return "nothing is stored"
    return f"every byte in the last {_ago(now - found.oldest_proof)}"


def _collection(found: StatusOutcome, now: datetime) -> str:
    if found.last_collection is None:
        return "none that is known of"
    return f"{_ago(now - found.last_collection)} ago: {found.last_collection_said}"


def _task(task: TaskSummary) -> str:
    of_total = f" of {task.total}" if task.total else ""
    whose = ", by itself" if task.by_itself else ""
    return f"{task.kind}: {task.phase} ({task.done}{of_total} {task.unit}), since {lasting(task.elapsed_s)}{whose}"


def _ago(age: timedelta) -> str:
    days = max(age, timedelta()) // timedelta(days=1)
    return f"{days} days" if days >= 2 else lasting(max(age, timedelta()).total_seconds())
