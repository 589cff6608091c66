"""What the commands that administer a store have in common: which store, which account, and how refusals end."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer

from neve.assemble import open_administration
from neve.cli.exit_codes import CommandFailed, ExitCode
from neve.cli.output import OutputFormat, result_fields, result_json, result_table
from neve.cli.settings_options import load_settings
from neve.limits import KIB
from neve.server.administration.client import NobodyListens, NotLetIn, ServerGone
from neve.server.administration.messages import AdministrationRefused, Administrator, RefusedBecause, View

DOCUMENT_BYTES_MAX: Final = 128 * KIB
"""Of a policy to be read: far above what a policy may have, which is told more exactly."""

DirectoryArgument = Annotated[Path, typer.Argument(metavar="DIR", help="Directory of the store.")]
AccountOption = Annotated[
    str | None, typer.Option("--account-id", help="Needed if the store has more than one account.")
]
EveryAccountOption = Annotated[str | None, typer.Option("--account-id", help="Only this account's.")]


@contextmanager
def administering(directory: Path) -> Iterator[Administrator]:
    """Give whoever administers the store: a server that has it open, or the store itself.

    Raises:
        CommandFailed: what was asked is refused, with the exit status that says how.
    """
    try:
        with open_administration(directory, load_settings(directory).settings) as administrator:
            yield administrator
    except AdministrationRefused as refused:
        usage = refused.why is RefusedBecause.INVALID
        raise CommandFailed(str(refused), ExitCode.USAGE if usage else ExitCode.FAILURE) from None
    except (NotLetIn, NobodyListens) as refused:
        raise CommandFailed(str(refused), ExitCode.STORE_UNUSABLE) from None
    except ServerGone as gone:
        raise CommandFailed(str(gone), ExitCode.UNREACHABLE) from None


def plain(view: View) -> dict[str, Any]:
    """Return a view as JSON has it; its times are text."""
    fields: dict[str, Any] = msgspec.to_builtins(view)
    return fields


def show_view(view: View, output: OutputFormat) -> None:
    """Print one thing."""
    fields = plain(view)
    if output is OutputFormat.JSON:
        result_json(fields)
    else:
        result_fields(
            {name: _cell(value) for name, value in fields.items() if value not in (None, "", [], {})}
        )


def show_views(
    views: "list[Any]", columns: dict[str, str], output: OutputFormat, *, more: dict[str, Any] | None = None
) -> None:
    """Print a list of things: all their members as JSON, or the `columns` (title to member) as a table.

    `more` has functions that make a cell from a whole row, by title; they go before members.
    """
    rows = [plain(view) for view in views]
    if output is OutputFormat.JSON:
        result_json(rows)
        return
    making = more or {}
    cells = [
        [
            _cell(making[title](row)) if title in making else _cell(row[member])
            for title, member in columns.items()
        ]
        for row in rows
    ]
    result_table(tuple(columns), cells)


def read_document(file: Path) -> str:
    """Return the text of a policy file; `-` is standard input.

    Raises:
        CommandFailed
    """
    try:
        if str(file) == "-":
            content = sys.stdin.buffer.read(DOCUMENT_BYTES_MAX + 1)
        else:
            with file.open("rb") as stream:
                content = stream.read(DOCUMENT_BYTES_MAX + 1)
        text = content.decode("utf-8")
    except OSError as error:
        raise CommandFailed(f"{file} cannot be read: {error.strerror}.", ExitCode.USAGE) from None
    except UnicodeDecodeError:
        raise CommandFailed(f"{file} is not text in UTF-8.", ExitCode.USAGE) from None
    if len(content) > DOCUMENT_BYTES_MAX:
        raise CommandFailed(f"{file} is too long for a policy.", ExitCode.USAGE)
    return text


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value)
