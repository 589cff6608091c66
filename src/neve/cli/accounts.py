"""`neve accounts`: who owns snapshots in a store."""

from typing import Annotated

import typer

from neve.cli.administering import DirectoryArgument, administering, show_view, show_views
from neve.cli.output import OutputFormat, OutputOption, note
from neve.server.administration.messages import CreateAccount, ListAccounts

app = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def _accounts() -> None:
    """Make and list accounts. A server may be running."""


@app.command()
def create(
    directory: DirectoryArgument,
    name: Annotated[
        str, typer.Option(help="What to call the account, for you to recognise it; need not be unique.")
    ] = "",
    account_id: Annotated[
        str | None, typer.Option("--account-id", help="Twelve digits that no account has. (default: random)")
    ] = None,
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """Make an account.

    Accounts share nothing: no snapshot, no key, no stored block, unless one shares a snapshot with another. The new
    account has no access key yet: `neve access-keys create` makes one.
    """
    with administering(directory) as administrator:
        made = administrator.ask(CreateAccount(name=name, account_id=account_id))
    show_view(made, output)
    note(f"Next: neve access-keys create {directory} --account-id {made.account_id}")


@app.command(name="list")
def list_accounts(directory: DirectoryArgument, output: OutputOption = OutputFormat.TEXT) -> None:
    """List the store's accounts."""
    with administering(directory) as administrator:
        accounts = administrator.ask(ListAccounts())
    show_views(accounts, {"account": "account_id", "name": "name", "created": "created"}, output)
