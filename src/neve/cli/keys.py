"""`neve keys`: the KMS keys of a store, where neve itself keeps them."""

import json
from pathlib import Path
from typing import Annotated

import typer

from neve.cli.administering import (
    AccountOption,
    DirectoryArgument,
    EveryAccountOption,
    administering,
    plain,
    read_document,
    show_view,
    show_views,
)
from neve.cli.exit_codes import CommandFailed, ExitCode
from neve.cli.output import OutputFormat, OutputOption, note, result, result_json
from neve.server.administration.messages_keys import (
    CancelKeyDeletion,
    CreateKey,
    ListKeys,
    PutKeyPolicy,
    RemoveKeyAlias,
    RotateKey,
    ScheduleKeyDeletion,
    SetKeyAlias,
    SetKeyEnabled,
    SetKeyRotation,
    ShowKey,
)

app = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode=None)

KeyArgument = Annotated[str, typer.Argument(metavar="KEY", help="A key's id, its ARN, or an alias.")]


@app.callback()
def _keys() -> None:
    """Make, list and change KMS keys. A server may be running: every change holds from the next request on."""


@app.command()
def create(
    directory: DirectoryArgument,
    *,
    alias: Annotated[str, typer.Option(metavar="alias/NAME", help="Another name for it.")] = "",
    description: Annotated[str, typer.Option(help="What it is for.")] = "",
    policy: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Its key policy. (default: the account's policies decide)"),
    ] = None,
    rotate_every: Annotated[
        int | None, typer.Option(metavar="DAYS", help="Have its material rotate by itself: 90 to 2560 days.")
    ] = None,
    account_id: AccountOption = None,
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """Make a KMS key. Nothing is encrypted with it until a request, or the account's default, names it."""
    request = CreateKey(
        account_id=account_id,
        description=description,
        alias=alias,
        policy="" if policy is None else read_document(policy),
        rotation_days=rotate_every,
    )
    with administering(directory) as administrator:
        key = administrator.ask(request)
    show_view(key, output)


@app.command(name="list")
def list_keys(
    directory: DirectoryArgument,
    account_id: EveryAccountOption = None,
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """List KMS keys, of every account or of one."""
    with administering(directory) as administrator:
        keys = administrator.ask(ListKeys(account_id=account_id))
    columns = {
        "key": "key_id",
        "account": "account_id",
        "state": "state",
        "aliases": "aliases",
        "created": "created",
        "deletion": "deletion",
    }
    show_views(keys, columns, output)


@app.command()
def show(
    directory: DirectoryArgument,
    key: KeyArgument,
    account_id: AccountOption = None,
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """Show a KMS key; as JSON, with its policy and grants."""
    with administering(directory) as administrator:
        details = administrator.ask(ShowKey(account_id=account_id, key_id=key))
    if output is OutputFormat.JSON:
        result_json(plain(details) | {"policy": json.loads(details.policy)})
    else:
        show_view(details, output)


@app.command()
def enable(directory: DirectoryArgument, key: KeyArgument, account_id: AccountOption = None) -> None:
    """Let a KMS key that was disabled be used again."""
    with administering(directory) as administrator:
        view = administrator.ask(SetKeyEnabled(account_id=account_id, key_id=key, enabled=True))
    result(f"{view.key_id} is enabled.")


@app.command()
def disable(directory: DirectoryArgument, key: KeyArgument, account_id: AccountOption = None) -> None:
    """Make a KMS key useless until it is enabled again.

    Blocks of snapshots that were encrypted with it can be neither read nor written meanwhile.
    """
    with administering(directory) as administrator:
        view = administrator.ask(SetKeyEnabled(account_id=account_id, key_id=key, enabled=False))
    result(f"{view.key_id} is disabled: what was encrypted with it cannot be read.")


@app.command()
def rotate(
    directory: DirectoryArgument,
    key: KeyArgument,
    *,
    every: Annotated[
        int | None,
        typer.Option(metavar="DAYS", help="Instead of now: by itself, every 90 to 2560 days; 0 ends that."),
    ] = None,
    account_id: AccountOption = None,
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """Give a KMS key new material, now or from time to time.

    No data is rewritten: data keys are wrapped anew under the new material, and what is written from then on gets a
    new data key.
    """
    with administering(directory) as administrator:
        if every is None:
            view = administrator.ask(RotateKey(account_id=account_id, key_id=key))
        else:
            view = administrator.ask(SetKeyRotation(account_id=account_id, key_id=key, days=every or None))
    show_view(view, output)


@app.command(name="schedule-deletion")
def schedule_deletion(
    directory: DirectoryArgument,
    key: KeyArgument,
    days: Annotated[int, typer.Option(metavar="DAYS", help="How long it can be taken back: 7 to 30.")] = 30,
    account_id: AccountOption = None,
) -> None:
    """Make a KMS key useless at once, and destroy it in so many days.

    Once it is destroyed, nothing that was encrypted with it can ever be read again, by anybody.
    """
    with administering(directory) as administrator:
        view = administrator.ask(ScheduleKeyDeletion(account_id=account_id, key_id=key, days=days))
    result(f"{view.key_id} goes on {plain(view)['deletion']}, and until then is of no use.")
    note(f"To take it back: neve keys cancel-deletion {directory} {view.key_id}")


@app.command(name="cancel-deletion")
def cancel_deletion(directory: DirectoryArgument, key: KeyArgument, account_id: AccountOption = None) -> None:
    """Keep a KMS key that was to be deleted. It is disabled then: `neve keys enable` makes it of use."""
    with administering(directory) as administrator:
        view = administrator.ask(CancelKeyDeletion(account_id=account_id, key_id=key))
    result(f"{view.key_id} stays, and is disabled.")


@app.command()
def alias(
    directory: DirectoryArgument,
    name: Annotated[str, typer.Argument(metavar="alias/NAME", help="The alias.")],
    key: Annotated[
        str,
        typer.Argument(metavar="[KEY]", help="What it names from now on: a key's id or ARN, or an alias."),
    ] = "",
    *,
    remove: Annotated[bool, typer.Option("--remove", help="Take the alias away. The key stays.")] = False,
    account_id: AccountOption = None,
) -> None:
    """Give a KMS key another name, let a name mean another key, or take it away."""
    if bool(key) == remove:
        raise CommandFailed("Name a key, or take the alias away with --remove.", ExitCode.USAGE)
    with administering(directory) as administrator:
        if remove:
            administrator.ask(RemoveKeyAlias(account_id=account_id, alias=name))
            result(f"{name} is gone.")
            return
        view = administrator.ask(SetKeyAlias(account_id=account_id, key_id=key, alias=name))
    result(f"{name} is {view.key_id}.")


@app.command()
def policy(
    directory: DirectoryArgument,
    key: KeyArgument,
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="The new policy, in JSON; - is standard input.")
    ] = None,
    account_id: AccountOption = None,
) -> None:
    """Show a KMS key's policy, or put another in its place."""
    document = None if file is None else read_document(file)
    with administering(directory) as administrator:
        if document is None:
            details = administrator.ask(ShowKey(account_id=account_id, key_id=key))
            result(details.policy.rstrip("\n"))
            return
        view = administrator.ask(PutKeyPolicy(account_id=account_id, key_id=key, document=document))
    result(f"{view.key_id} has another policy.")
