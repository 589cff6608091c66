"""`neve share`: who else may read a snapshot."""

from typing import Annotated, Final

import typer

from neve.cli.client_options import EndpointOption, ProfileOption, RegionOption, Service
from neve.cli.managing import SnapshotArgument, asked, managing
from neve.cli.output import OutputFormat, OutputOption, note, result, result_json, result_table

EVERYBODY: Final = "all"
"""How EC2 calls the group of all accounts."""

app = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode=None)

AccountsArgument = Annotated[list[str], typer.Argument(metavar="ACCOUNT", help="Account ids, twelve digits.")]


@app.callback()
def _share() -> None:
    """Say who else may read a snapshot: single accounts, or everybody.

    Exit status: 0 done, 1 the answer to a question was no, 2 wrong usage or AWS settings, 3 no such snapshot or no
    permission, 5 the service cannot be reached or is too busy, 130 interrupted.
    """


@app.command()
def add(
    snapshot_id: SnapshotArgument,
    accounts: AccountsArgument,
    *,
    endpoint_url: EndpointOption = "",
    profile: ProfileOption = "",
    region: RegionOption = "",
) -> None:
    """Let accounts read a snapshot and copy it.

    A snapshot that is encrypted can be shared if its key is a customer's own, and its readers need leave to use that key
    besides.

    \b
    Example:
      neve share add snap-0123456789abcdef0 444455556666
    """
    with managing(Service(endpoint_url=endpoint_url, profile=profile, region=region)) as management:
        management.share(snapshot_id, add=accounts)
    result(f"{snapshot_id} is shared with {', '.join(accounts)}.")


@app.command()
def remove(
    snapshot_id: SnapshotArgument,
    accounts: AccountsArgument,
    *,
    endpoint_url: EndpointOption = "",
    profile: ProfileOption = "",
    region: RegionOption = "",
) -> None:
    """Take back what `add` gave. Copies that were made meanwhile are their makers' own, and stay.

    \b
    Example:
      neve share remove snap-0123456789abcdef0 444455556666
    """
    with managing(Service(endpoint_url=endpoint_url, profile=profile, region=region)) as management:
        management.share(snapshot_id, remove=accounts)
    result(f"{snapshot_id} is not shared with {', '.join(accounts)}.")


@app.command(name="list")
def list_shares(
    snapshot_id: SnapshotArgument,
    *,
    endpoint_url: EndpointOption = "",
    profile: ProfileOption = "",
    region: RegionOption = "",
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """List whom a snapshot is shared with: account ids, or `all` for everybody."""
    with managing(Service(endpoint_url=endpoint_url, profile=profile, region=region)) as management:
        grantees = management.shared_with(snapshot_id)
    if output is OutputFormat.JSON:
        accounts = [grantee for grantee in grantees if grantee != EVERYBODY]
        result_json({"snapshot_id": snapshot_id, "public": EVERYBODY in grantees, "accounts": accounts})
        return
    result_table(("shared with",), [(grantee,) for grantee in grantees])


@app.command()
def public(
    snapshot_id: SnapshotArgument,
    *,
    off: Annotated[bool, typer.Option("--off", help="End it: from now on, only single accounts.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    endpoint_url: EndpointOption = "",
    profile: ProfileOption = "",
    region: RegionOption = "",
) -> None:
    """Share a snapshot with everybody who has an account at this service, or end that.

    Every account can then see the snapshot and copy it, with all that was ever written to its disk: deleted files and
    passwords too. neve asks first. An encrypted snapshot cannot be public, and an account may forbid it for all of its
    snapshots.

    \b
    Examples:
      neve share public snap-0123456789abcdef0
      neve share public snap-0123456789abcdef0 --off
    """
    if not off:
        asked(f"Let every account copy {snapshot_id}, with all that is on it?", yes=yes)
    with managing(Service(endpoint_url=endpoint_url, profile=profile, region=region)) as management:
        if off:
            management.share(snapshot_id, remove=[EVERYBODY])
        else:
            management.share(snapshot_id, add=[EVERYBODY])
    result(f"{snapshot_id} is {'not ' if off else ''}public.")
    if not off:
        note(f"To end it: neve share public {snapshot_id} --off")
