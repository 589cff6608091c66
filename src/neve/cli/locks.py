"""`neve lock`: snapshots that nobody can delete for a while."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import typer

from neve.cli.client_options import EndpointOption, ProfileOption, RegionOption, Service
from neve.cli.exit_codes import CommandFailed, ExitCode
from neve.cli.managing import SnapshotArgument, asked, managing, moment
from neve.cli.output import OutputFormat, OutputOption, result, result_json, result_table
from neve.messages.ec2_lifecycle import LockedSnapshotsInfo

app = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode=None)


class Mode(StrEnum):
    """How firm a lock is."""

    GOVERNANCE = "governance"
    COMPLIANCE = "compliance"


@app.callback()
def _lock() -> None:
    """Keep snapshots from being deleted for a while: by mistake, or by anybody at all.

    Exit status: 0 done, 1 the answer to a question was no, 2 wrong usage or AWS settings, 3 no such snapshot, no
    permission, or a lock that does not allow it, 5 the service cannot be reached or is too busy, 130 interrupted.
    """


@app.command(name="set")
def set_lock(
    snapshot_id: SnapshotArgument,
    *,
    mode: Annotated[Mode, typer.Option(help="How firm the lock is.")] = Mode.GOVERNANCE,
    days: Annotated[
        int | None,
        typer.Option(metavar="N", help="Lock it for so many days, of a pending one from its completion on."),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Lock it until then: 2027-01-31, or 2027-01-31T12:00:00Z."),
    ] = None,
    cool_off: Annotated[
        int | None,
        typer.Option(
            metavar="HOURS",
            help="Compliance only: how long it may be taken back, 1 to 72 hours. (default: not)",
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    endpoint_url: EndpointOption = "",
    profile: ProfileOption = "",
    region: RegionOption = "",
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """Lock a snapshot, or change its lock.

    A `governance` lock keeps a snapshot from being deleted until whoever has the permission takes the lock off. A
    `compliance` lock can be taken off by nobody once its cool-off is over: not by you, not by the operator through any
    command, before its date. It can only be extended. neve asks before it sets one.

    \b
    Examples:
      neve lock set snap-0123456789abcdef0 --days 30
      neve lock set snap-0123456789abcdef0 --mode compliance --until 2027-01-31 --cool-off 24
    """
    if (days is None) == (until is None):
        raise CommandFailed("say how long: --days N or --until TIME, one of them.", ExitCode.USAGE)
    if cool_off is not None and mode is not Mode.COMPLIANCE:
        raise CommandFailed("--cool-off is for compliance locks only.", ExitCode.USAGE)
    end = None if until is None else _time(until)
    if mode is Mode.COMPLIANCE:
        how_long = f"for {days} days" if end is None else f"until {end:%Y-%m-%d %H:%M} UTC"
        taken_back = "at once" if cool_off is None else f"after {cool_off} hours"
        asked(
            f"Lock {snapshot_id} {how_long}, so that nobody at all can delete it or unlock it, beginning {taken_back}?",
            yes=yes,
        )
    with managing(Service(endpoint_url=endpoint_url, profile=profile, region=region)) as management:
        lock = management.lock(snapshot_id, mode=mode, days=days, until=end, cool_off_hours=cool_off)
    if output is OutputFormat.JSON:
        result_json(_facts(lock))
        return
    ends = moment(lock.lock_expires_on_ms) or f"{lock.lock_duration} days after its completion"
    result(f"{snapshot_id} is locked ({lock.lock_state}) until {ends}.")


@app.command()
def remove(
    snapshot_id: SnapshotArgument,
    *,
    endpoint_url: EndpointOption = "",
    profile: ProfileOption = "",
    region: RegionOption = "",
) -> None:
    """Take a lock off: a governance lock, or a compliance lock in its cool-off. No other can be."""
    with managing(Service(endpoint_url=endpoint_url, profile=profile, region=region)) as management:
        management.unlock(snapshot_id)
    result(f"{snapshot_id} is not locked.")


@app.command(name="list")
def list_locks(
    *,
    endpoint_url: EndpointOption = "",
    profile: ProfileOption = "",
    region: RegionOption = "",
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """List the account's locked snapshots, those whose lock has expired too."""
    with managing(Service(endpoint_url=endpoint_url, profile=profile, region=region)) as management:
        locks = list(management.locks())
    if output is OutputFormat.JSON:
        result_json([_facts(lock) for lock in locks])
        return
    result_table(
        ("snapshot", "lock", "since", "final", "until"),
        [
            (
                lock.snapshot_id,
                lock.lock_state,
                moment(lock.lock_created_on_ms),
                moment(lock.cool_off_period_expires_on_ms),
                moment(lock.lock_expires_on_ms),
            )
            for lock in locks
        ],
    )


def _facts(lock: LockedSnapshotsInfo) -> dict[str, object]:
    return {
        "snapshot_id": lock.snapshot_id,
        "state": lock.lock_state,
        "duration_days": lock.lock_duration,
        "created": moment(lock.lock_created_on_ms),
        "duration_start": moment(lock.lock_duration_start_time_ms) or None,
        "expires": moment(lock.lock_expires_on_ms) or None,
        "cool_off_hours": lock.cool_off_period,
        "cool_off_expires": moment(lock.cool_off_period_expires_on_ms) or None,
    }


def _time(text: str) -> datetime:
    """Return a time; a date is its first moment, and a time without a zone is one of UTC.

    Raises:
        CommandFailed
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise CommandFailed(
            f"{text!r} is no time: write 2027-01-31 or 2027-01-31T12:00:00Z.", ExitCode.USAGE
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
