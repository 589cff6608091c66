"""`neve init`: a new store with a first account."""

from pathlib import Path
from typing import Annotated

import typer

from neve.assemble import create_store
from neve.cli.output import OutputFormat, OutputOption, result, result_fields, result_json
from neve.cli.settings_options import load_settings
from neve.settings import Origin
from neve.stores.directory import recorded_fingerprint


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
    master_key: Annotated[
        str | None,
        typer.Option(
            metavar="SOURCE",
            help="Where the master key is: file:PATH (made if it is not there), env:NAME, command:CMD ARGS or "
            "credential:NAME. (default: file:master.key, in DIR)",
        ),
    ] = None,
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """Make a store and a first account.

    Prints the account's access key; the secret is shown this once. The region and where the master key is are
    remembered in DIR/neve.toml, so that `neve serve` agrees with them. Keep a copy of the master key somewhere
    else: without it nothing in the store can be read.
    """
    loaded = load_settings(None, flags={"region": region, "master_key": master_key})
    settings = loaded.settings
    made = create_store(
        directory,
        account_name=account_name,
        region=settings.region,
        master_key="" if loaded.origins["master_key"] is Origin.DEFAULT else settings.master_key,
    )
    facts = {
        "account_id": made.account_id,
        "access_key_id": made.access_key_id,
        "secret_access_key": made.secret_access_key,
        "region": settings.region,
        "master_key": settings.master_key,
        "master_key_fingerprint": recorded_fingerprint(directory),
    }
    if output is OutputFormat.JSON:
        result_json(facts)
        return
    result_fields(facts)
    result("")
    result("The secret is not shown again.")
    result(
        f"Keep a copy of the master key ({settings.master_key}) somewhere else: without it nothing can be read."
    )
    result(f"Next: neve serve {directory}")
