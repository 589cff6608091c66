"""`neve init`: a new store with a first account."""

from pathlib import Path
from typing import Annotated

import typer

from neve.assemble import create_store
from neve.cli.output import OutputFormat, OutputOption, result, result_fields, result_json
from neve.cli.settings_options import load_settings


def init(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="Directory of the new store; empty, or not there yet.")
    ],
    account_name: Annotated[
        str, typer.Option(help="What to call the account, for you to recognise it.")
    ] = "",
    region: Annotated[
        str | None, typer.Option(help="Region that clients must sign for. (default: us-east-1)")
    ] = None,
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """Make a store and a first account.

    Prints the account's access key; the secret is shown this once. The region is remembered in DIR/neve.toml, so
    that `neve serve` agrees with it. Keep a copy of DIR/master.key somewhere else: without it nothing in the
    store can be read.
    """
    settings = load_settings(None, flags={"region": region}).settings
    made = create_store(directory, account_name=account_name, region=settings.region)
    facts = {
        "account_id": made.account_id,
        "access_key_id": made.access_key_id,
        "secret_access_key": made.secret_access_key,
        "region": settings.region,
    }
    if output is OutputFormat.JSON:
        result_json(facts)
        return
    result_fields(facts)
    result("")
    result(f"The secret is not shown again. Keep a copy of {directory / 'master.key'} somewhere else.")
    result(f"Next: neve serve {directory}")
