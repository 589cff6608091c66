"""The only place that prints: results on standard output, everything else on standard error.

Text is for people and may change; JSON is for programs: one object or list per command, and nothing else on
standard output.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated

import typer


class OutputFormat(StrEnum):
    """In which form a command tells its result."""

    TEXT = "text"
    JSON = "json"


OutputOption = Annotated[
    OutputFormat, typer.Option("--output", "-o", help="Form of the result: for people, or for programs.")
]
"""The option every command with a result has."""


def result(text: str) -> None:
    """Print a line of a command's result."""
    print(text, flush=True)  # noqa: T201 - this is the place


def result_json(value: object) -> None:
    """Print a command's result as JSON."""
    result(json.dumps(value, indent=2, ensure_ascii=False))


def note(text: str) -> None:
    """Print a line for the person at the terminal; no program reads it."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - this is the place


def result_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a result as a table. Columns are as wide as they must be, whatever the terminal's width."""
    lines = [tuple(columns), *map(tuple, rows)]
    widths = [max(len(line[position]) for line in lines) for position in range(len(columns))]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        result("  ".join(cells).rstrip())


def result_fields(fields: Mapping[str, str]) -> None:
    """Print a result as one `name  value` line each."""
    width = max(map(len, fields))
    for name, value in fields.items():
        result(f"{name.ljust(width)}  {value}")
