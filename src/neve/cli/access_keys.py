"""`neve access-keys`: the access keys of a store that no server has open."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from neve.assemble import open_access_keys
from neve.cli.exit_codes import CommandFailed, ExitCode
from neve.cli.output import OutputFormat, OutputOption, result, result_fields, result_json, result_table
from neve.cli.settings_options import load_settings
from neve.domain.identities import AccountId
from neve.errors import AccessKeyNotFound
from neve.server.access_keys import AccessKeys

app = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode=None)

DirectoryArgument = Annotated[Path, typer.Argument(metavar="DIR", help="Directory of the store.")]
AccountOption = Annotated[
    str | None, typer.Option("--account-id", help="Needed if the store has more than one account.")
]


@app.callback()
def _access_keys() -> None:
    """Make, list and disable access keys. Stop the server first: one process at a time has a store open."""


@app.command()
def create(
    directory: DirectoryArgument,
    account_id: AccountOption = None,
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """Make an access key; its secret is shown this once."""
    settings = load_settings(directory).settings
    with open_access_keys(directory, settings) as keys:
        made = keys.create(_account(keys, account_id))
    facts = {
        "account_id": made.account_id,
        "access_key_id": made.access_key_id,
        "secret_access_key": made.secret_access_key,
        "region": settings.region,
    }
    if output is OutputFormat.JSON:
        result_json(facts)
    else:
        result_fields(facts)


@app.command(name="list")
def list_keys(directory: DirectoryArgument, output: OutputOption = OutputFormat.TEXT) -> None:
    """List the access keys of every account, without their secrets."""
    with open_access_keys(directory, load_settings(directory).settings) as keys:
        listed = [(account, key) for account in keys.accounts() for key in keys.of(account.account_id)]
    rows = [
        {
            "access_key_id": key.access_key_id,
            "account_id": account.account_id,
            "account_name": account.name,
            "enabled": key.enabled,
            "created": f"{datetime.fromtimestamp(key.created_ms // 1000, UTC):%Y-%m-%dT%H:%M:%SZ}",
        }
        for account, key in listed
    ]
    if output is OutputFormat.JSON:
        result_json(rows)
        return
    result_table(
        ("access key", "account", "name", "state", "created"),
        [
            (
                str(row["access_key_id"]),
                str(row["account_id"]),
                str(row["account_name"]),
                "enabled" if row["enabled"] else "disabled",
                str(row["created"]),
            )
            for row in rows
        ],
    )


@app.command()
def disable(
    directory: DirectoryArgument,
    access_key_id: Annotated[str, typer.Argument(metavar="ACCESS_KEY_ID", help="The key to disable.")],
) -> None:
    """Make an access key useless, for good. Repeating it changes nothing."""
    with open_access_keys(directory, load_settings(directory).settings) as keys:
        try:
            keys.disable(access_key_id)
        except AccessKeyNotFound:
            raise CommandFailed(f"There is no access key {access_key_id} in this store.") from None
    result(f"{access_key_id} is disabled.")


def _account(keys: AccessKeys, account_id: str | None) -> AccountId:
    """Return the account that is meant: the one named, or the only one."""
    known = [account.account_id for account in keys.accounts()]
    if account_id is None and len(known) == 1:
        return known[0]
    if account_id is None or account_id not in known:
        named = ", ".join(known)
        raise CommandFailed(f"Name one of the store's accounts with --account-id: {named}.", ExitCode.USAGE)
    return AccountId(account_id)
