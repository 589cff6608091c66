"""`neve access-keys`: what requests are signed with."""

from typing import Annotated, Any

import typer

from neve.cli.administering import (
    AccountOption,
    DirectoryArgument,
    EveryAccountOption,
    administering,
    plain,
    show_views,
)
from neve.cli.output import OutputFormat, OutputOption, result, result_fields, result_json
from neve.server.administration.messages import (
    CreateAccessKey,
    DeleteAccessKey,
    ListAccessKeys,
    NewAccessKey,
    RotateAccessKey,
    SetAccessKeyEnabled,
)

app = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode=None)

KeyArgument = Annotated[str, typer.Argument(metavar="ACCESS_KEY_ID", help="The access key.")]
ExpiresOption = Annotated[
    str,
    typer.Option(
        metavar="WHEN",
        help="When it stops: 90d or 12h from now, 2027-01-31, 2027-01-31T12:00:00Z, or never. (default: never)",
    ),
]


@app.callback()
def _access_keys() -> None:
    """Make, list and disable access keys. A server may be running: every change holds from the next request on."""


@app.command()
def create(
    directory: DirectoryArgument,
    user: Annotated[
        str,
        typer.Option(
            metavar="USER", help="Whose it is. (default: the account itself, which may do everything)"
        ),
    ] = "",
    expires: ExpiresOption = "",
    account_id: AccountOption = None,
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """Make an access key; its secret is shown this once."""
    with administering(directory) as administrator:
        made = administrator.ask(CreateAccessKey(account_id=account_id, user_name=user, expires=expires))
    _show(_facts(made), output)


@app.command(name="list")
def list_keys(
    directory: DirectoryArgument,
    user: Annotated[
        str | None, typer.Option(metavar="USER", help="Only this user's; '' is the account itself.")
    ] = None,
    account_id: EveryAccountOption = None,
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """List access keys, of every account or of one, without their secrets."""
    with administering(directory) as administrator:
        keys = administrator.ask(ListAccessKeys(account_id=account_id, user_name=user))
    columns = {
        "access key": "access_key_id",
        "account": "account_id",
        "name": "account_name",
        "user": "user_name",
        "state": "enabled",
        "expires": "expires",
        "created": "created",
    }
    show_views(keys, columns, output, more={"state": _state})


@app.command()
def disable(directory: DirectoryArgument, access_key_id: KeyArgument) -> None:
    """Make an access key useless until it is enabled again. Repeating it changes nothing."""
    with administering(directory) as administrator:
        administrator.ask(SetAccessKeyEnabled(access_key_id=access_key_id, enabled=False))
    result(f"{access_key_id} is disabled.")


@app.command()
def enable(directory: DirectoryArgument, access_key_id: KeyArgument) -> None:
    """Let an access key that was disabled be used again. One that has expired stays so."""
    with administering(directory) as administrator:
        key = administrator.ask(SetAccessKeyEnabled(access_key_id=access_key_id, enabled=True))
    result(f"{access_key_id} is enabled{', but has expired' if key.expired else ''}.")


@app.command()
def rotate(
    directory: DirectoryArgument,
    access_key_id: KeyArgument,
    grace: Annotated[
        str, typer.Option(metavar="TIME", help="How long the old key still works: 24h, 7d, 0s.")
    ] = "24h",
    expires: Annotated[
        str,
        typer.Option(
            metavar="WHEN",
            help="When the new key stops, as for `create`. Needed, if only as never, where the old one expires.",
        ),
    ] = "",
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """Make a new access key for the same holder and let the old one expire after a while.

    Give the new key to whoever uses the old one before the time is over.
    """
    with administering(directory) as administrator:
        rotated = administrator.ask(
            RotateAccessKey(access_key_id=access_key_id, grace=grace, expires=expires)
        )
    old = plain(rotated.old)
    _show(
        _facts(rotated.new)
        | {"old_access_key_id": old["access_key_id"], "old_access_key_expires": old["expires"]},
        output,
    )


@app.command()
def delete(directory: DirectoryArgument, access_key_id: KeyArgument) -> None:
    """Forget an access key. `disable` stops it as well, and can be taken back."""
    with administering(directory) as administrator:
        administrator.ask(DeleteAccessKey(access_key_id=access_key_id))
    result(f"{access_key_id} is deleted.")


def _facts(made: NewAccessKey) -> dict[str, Any]:
    fields = plain(made)
    first = ("account_id", "user_name", "access_key_id", "secret_access_key", "region")
    return {name: fields[name] for name in first} | {"expires": fields["expires"]}


def _show(facts: dict[str, Any], output: OutputFormat) -> None:
    if output is OutputFormat.JSON:
        result_json(facts)
    else:
        result_fields({name: str(value) for name, value in facts.items() if value})


def _state(row: dict[str, Any]) -> str:
    if not row["enabled"]:
        return "disabled"
    return "expired" if row["expired"] else "enabled"
