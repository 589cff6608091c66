"""`neve users`: who may act in an account, beside the account itself."""

from typing import Annotated

import typer

from neve.cli.administering import (
    AccountOption,
    DirectoryArgument,
    EveryAccountOption,
    administering,
    plain,
    show_view,
    show_views,
)
from neve.cli.output import OutputFormat, OutputOption, note, result, result_fields, result_json
from neve.server.administration.messages import CreateUser, DeleteUser, ListUsers, ShowUser

app = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode=None)

UserArgument = Annotated[str, typer.Argument(metavar="USER", help="Name of the user.")]


@app.callback()
def _users() -> None:
    """Make, list, show and delete users. A server may be running."""


@app.command()
def create(
    directory: DirectoryArgument,
    user_name: UserArgument,
    account_id: AccountOption = None,
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """Make a user, who may do nothing yet.

    `neve policies attach` says what the user may do; `neve access-keys create --user` lets the user in.
    """
    with administering(directory) as administrator:
        user = administrator.ask(CreateUser(account_id=account_id, user_name=user_name))
    show_view(user, output)
    note(f"Next: neve policies attach {directory} NeveReadOnly {user_name}")
    note(f"      neve access-keys create {directory} --user {user_name}")


@app.command(name="list")
def list_users(
    directory: DirectoryArgument,
    account_id: EveryAccountOption = None,
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """List users, of every account or of one."""
    with administering(directory) as administrator:
        users = administrator.ask(ListUsers(account_id=account_id))
    columns = {"user": "user_name", "account": "account_id", "id": "user_id", "created": "created"}
    show_views(users, columns, output)


@app.command()
def show(
    directory: DirectoryArgument,
    user_name: UserArgument,
    account_id: AccountOption = None,
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """Show a user with the policies attached and the access keys held."""
    with administering(directory) as administrator:
        user = administrator.ask(ShowUser(account_id=account_id, user_name=user_name))
    fields = plain(user)
    if output is OutputFormat.JSON:
        result_json(fields)
        return
    keys = ", ".join(key.access_key_id for key in user.access_keys) or "none"
    policies = ", ".join(user.policies) or "none: the user may do nothing"
    result_fields(
        {name: fields[name] for name in ("user_name", "account_id", "user_id", "arn", "created")}
        | {"policies": policies, "access_keys": keys}
    )


@app.command()
def delete(directory: DirectoryArgument, user_name: UserArgument, account_id: AccountOption = None) -> None:
    """Delete a user with their access keys, which stop at once. Policies stay.

    A user made later under the same name is somebody else.
    """
    with administering(directory) as administrator:
        administrator.ask(DeleteUser(account_id=account_id, user_name=user_name))
    result(f"{user_name} is deleted, with every access key the user had.")
