"""What the commands that manage snapshots share: the service, the options, and how moments are told."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from neve.cli.client_options import Service, connected
from neve.cli.exit_codes import CommandFailed, ExitCode
from neve.domain.retention import ResourceTag

if TYPE_CHECKING:
    from neve.client.management import Management

SnapshotArgument = Annotated[str, typer.Argument(metavar="SNAP", help="The snapshot.")]


@contextmanager
def managing(service: Service) -> "Iterator[Management]":
    """Give the calls that manage snapshots for the time of the block.

    Raises:
        CommandFailed: interrupted.
        NeveError
    """
    # Imported here: botocore takes half a second to load, which `--help` need not wait for.
    from neve.client.boto import Connection  # noqa: PLC0415
    from neve.client.management import Management  # noqa: PLC0415

    connection = Connection(
        endpoint_url=service.endpoint_url, profile=service.profile, region=service.region, connections=1
    )
    with connected(service, verb="manage") as (client, _):
        yield Management(connection, os.environ, client.engine)


def asked(question: str, *, yes: bool) -> None:
    """Return if whoever is at the terminal agrees, or did so beforehand.

    Raises:
        CommandFailed: they do not, or there is no terminal to ask at; nothing was done.
    """
    if not yes and not sys.stdin.isatty():
        raise CommandFailed(
            "this is asked at a terminal first; in a script, say --yes. Nothing was done.", ExitCode.USAGE
        )
    if not yes and not typer.confirm(question, err=True):
        raise CommandFailed("nothing was done.")


def tag_choice(text: str) -> ResourceTag:
    """Return what `KEY` or `KEY=VALUE` chooses.

    Raises:
        CommandFailed: it has no key.
    """
    key, equals, value = text.partition("=")
    if not key:
        raise CommandFailed(f"{text!r} names no tag: write KEY or KEY=VALUE.", ExitCode.USAGE)
    return ResourceTag(key, value if equals else None)


def moment(time_ms: int | None) -> str:
    """Return a time as answers have it; empty for none."""
    if time_ms is None:
        return ""
    return f"{datetime.fromtimestamp(time_ms // 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"


def printable(text: str) -> str:
    """Return text that cannot break a table, or a terminal: it is what anybody wrote."""
    return "".join(char if char.isprintable() else "?" for char in text)
