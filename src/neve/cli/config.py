"""`neve config`: what the settings are, and why."""

from pathlib import Path
from typing import Annotated

import typer

from neve.cli.output import OutputFormat, OutputOption, result_json, result_table
from neve.cli.settings_options import load_settings
from neve.settings import Settings

app = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def _config() -> None:
    """Show the settings and where each came from."""


@app.command()
def show(
    directory: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="Store whose neve.toml counts.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Settings file instead of DIR/neve.toml.")
    ] = None,
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """Show every setting, its value and where that came from.

    A flag goes before the environment (NEVE_...), the environment before the settings file, the file before
    the default. Opens no store: a server may be running.
    """
    loaded = load_settings(directory, config=config)
    values = loaded.settings.model_dump(mode="json")
    if output is OutputFormat.JSON:
        result_json(
            {
                name: {"value": value, "origin": loaded.origins[name], "meaning": _meaning(name)}
                for name, value in values.items()
            }
        )
        return
    rows = [
        (name, "" if value is None else str(value), loaded.origins[name]) for name, value in values.items()
    ]
    result_table(("setting", "value", "from"), rows)


def _meaning(name: str) -> str:
    return Settings.model_fields[name].description or ""
