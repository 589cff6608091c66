"""The `neve` command: which subcommands there are, and how they end.

A subcommand's module is imported when it is run and not before: `neve --help` and shell completion must not
wait for a web server, an AWS SDK and a validation library to load.
"""

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Annotated, Any, Final

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from neve import __version__
from neve.cli.exit_codes import CommandFailed, ExitCode
from neve.cli.output import note, result
from neve.errors import NeveError, StoreUnusable

_SERVER: Final = "Commands for a store and its server"
_CLIENT: Final = "Commands for snapshots, of this server or any other that speaks the API"


class LazyCommand(TyperCommand):
    """A subcommand known by name and help line; the rest is loaded when it is needed."""

    def __init__(self, name: str, target: str, summary: str, section: str) -> None:
        super().__init__(name, help=summary)
        self.section = section
        self._target = target

    def make_context(self, info_name: str | None, args: list[str], *more: Any, **extra: Any) -> Any:
        """Hand over to the command itself, for running it and for completing its arguments."""
        return self.load().make_context(info_name, args, *more, **extra)

    def load(self) -> Any:
        """Import the subcommand's module and return the command it defines."""
        module, _, attribute = self._target.partition(":")
        defined = getattr(import_module(module), attribute)
        return get_command(defined if isinstance(defined, typer.Typer) else _single(self.name, defined))


def _single(name: str | None, function: Callable[..., Any]) -> typer.Typer:
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(name)(function)
    return app


COMMANDS: Final[Mapping[str, LazyCommand]] = {
    name: LazyCommand(name, target, summary, section)
    for section, name, target, summary in (
        (_SERVER, "init", "neve.cli.init:init", "Make a store and a first account."),
        (_SERVER, "serve", "neve.cli.serve:serve", "Serve a store until told to stop."),
        (_SERVER, "config", "neve.cli.config:app", "Show the settings and where each came from."),
        (_SERVER, "accounts", "neve.cli.accounts:app", "Make and list accounts."),
        (_SERVER, "users", "neve.cli.users:app", "Make, list, show and delete users."),
        (_SERVER, "access-keys", "neve.cli.access_keys:app", "Make, list and disable access keys."),
        (
            _SERVER,
            "policies",
            "neve.cli.policies:app",
            "Make, list and attach policies, and ask what they say.",
        ),
        (_SERVER, "keys", "neve.cli.keys:app", "Make, list and change KMS keys."),
        (
            _SERVER,
            "undelete",
            "neve.cli.undeleting:undelete",
            "Bring deleted snapshots back, while that is possible.",
        ),
        (
            _SERVER,
            "status",
            "neve.cli.status:status",
            "Show how a store is.",
        ),
        (
            _SERVER,
            "verify",
            "neve.cli.verifying:verify",
            "Look whether everything that was stored is there and right.",
        ),
        (
            _SERVER,
            "backup-metadata",
            "neve.cli.backing_up:back_up_metadata",
            "Copy the database of a store into one file, as it is at one moment.",
        ),
        (
            _SERVER,
            "rebuild",
            "neve.cli.rebuilding:rebuild",
            "Make the database of a store again, from the archive and the segments beside it.",
        ),
        (_SERVER, "repair", "neve.cli.repairing:repair", "Look for what is lost wherever it may still be."),
        (_SERVER, "gc", "neve.cli.collecting:collect", "Free what nothing needs."),
        (_SERVER, "usage", "neve.cli.usage:usage", "Show what snapshots cost."),
        (_SERVER, "audit", "neve.cli.audit:app", "Verify and show the log of who did what."),
        (
            _CLIENT,
            "upload",
            "neve.cli.transfer:upload",
            "Write a disk image or block device into a new snapshot.",
        ),
        (
            _CLIENT,
            "download",
            "neve.cli.transfer:download",
            "Read a snapshot into a sparse file, a block device, or standard output.",
        ),
        (_CLIENT, "wait", "neve.cli.snapshots:wait", "Wait until a snapshot is completed."),
        (_CLIENT, "list", "neve.cli.snapshots:list_snapshots", "List the account's snapshots, oldest first."),
        (
            _CLIENT,
            "diff",
            "neve.cli.snapshots:diff",
            "List the stretches of a volume in which two snapshots differ.",
        ),
        (_CLIENT, "copy", "neve.cli.copying:copy", "Copy a snapshot, under another key if need be."),
        (_CLIENT, "delete", "neve.cli.deleting:delete", "Delete snapshots, in whatever state they are."),
        (_CLIENT, "share", "neve.cli.sharing:app", "Say who else may read a snapshot."),
        (_CLIENT, "lock", "neve.cli.locks:app", "Keep snapshots from being deleted for a while."),
        (_CLIENT, "bin", "neve.cli.recycle_bin:app", "Have deleted snapshots back, and say which are kept."),
        (_CLIENT, "tag", "neve.cli.tagging:app", "Set, take off and list tags of snapshots."),
    )
}


class LazyGroup(TyperGroup):
    """The subcommands, in the order of the table."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - the base's signature
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> LazyCommand | None:  # noqa: ARG002
        return COMMANDS.get(cmd_name)

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002
        """Write the list of commands, those for operators apart from those for users."""
        for section in (_SERVER, _CLIENT):
            with formatter.section(section):
                formatter.write_dl(
                    [(name, command.help) for name, command in COMMANDS.items() if command.section == section]
                )


def _show_version(wanted: bool) -> None:
    if wanted:
        result(f"neve {__version__}")
        raise typer.Exit


def neve(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_show_version, help="Show the version.")
    ] = False,
) -> None:
    """Self-hosted block snapshots that speak the Amazon EBS direct APIs.

    Exit status: 0 done, 1 failed, 2 wrong usage or settings, 3 refused by the service, 4 store unusable,
    5 service unreachable or busy, 6 waited too long, 7 something damaged or lost was found, 130 interrupted.
    """


def build() -> typer.Typer:
    """Return the application."""
    app = typer.Typer(
        name="neve",
        cls=LazyGroup,
        no_args_is_help=True,
        # Plain help: rich takes longer to load than all the rest of it.
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["--help", "-h"]},
    )
    app.callback()(neve)
    return app


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit status."""
    if not __debug__:
        note("neve: its assertions guard your data, so it does not run under python -O or PYTHONOPTIMIZE.")
        return ExitCode.FAILURE
    try:
        get_command(build()).main(args=arguments, prog_name="neve")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else ExitCode.FAILURE
    except CommandFailed as failed:
        note(f"neve: {failed.message}")
        return failed.code
    except NeveError as error:
        _explain(error)
        return _code_of(error)
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    return ExitCode.OK


def _explain(error: NeveError) -> None:
    note(f"neve: {error}")
    advice = getattr(error, "advice", "")
    for line in [*([advice] if advice else []), *getattr(error, "__notes__", [])]:
        note(f"      {line}")


def _code_of(error: NeveError) -> ExitCode:
    # Imported here: only a command that failed needs to know what clients and settings complain of.
    from neve.client import errors as client  # noqa: PLC0415
    from neve.settings import SettingsInvalid  # noqa: PLC0415

    if isinstance(error, StoreUnusable):
        return ExitCode.STORE_UNUSABLE
    if isinstance(error, client.ServiceRefused):
        return ExitCode.REFUSED
    if isinstance(error, client.ServiceUnreachable | client.ServiceBusy):
        return ExitCode.UNREACHABLE
    if isinstance(error, client.NotConfigured | SettingsInvalid):
        return ExitCode.USAGE
    if isinstance(error, client.WaitTimedOut):
        return ExitCode.TIMED_OUT
    return ExitCode.FAILURE


if __name__ == "__main__":
    sys.exit(main())
