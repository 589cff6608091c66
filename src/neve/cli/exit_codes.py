"""What a command's exit status means. Scripts rely on these numbers: they never change."""

from enum import IntEnum


class ExitCode(IntEnum):
    """The exit statuses of every command (docs/commands.md)."""

    OK = 0
    FAILURE = 1
    """It did not work; the message says why."""
    USAGE = 2
    """The command line or a setting is wrong; nothing was done."""
    REFUSED = 3
    """The service refused the request and would again."""
    STORE_UNUSABLE = 4
    """The store cannot be opened as it is: no store, damaged, of a newer version, or in use."""
    UNREACHABLE = 5
    """The service did not answer, or is too busy; the same command may work later."""
    TIMED_OUT = 6
    """What was waited for had not happened when the time for it was over."""
    FOUND = 7
    """The command did what it was asked, and found something damaged or lost; the result says what."""
    INTERRUPTED = 130
    """Interrupted by the user: 128 + SIGINT, as shells have it."""


class CommandFailed(Exception):
    """Ends a command with a sentence for the user and an exit status."""

    def __init__(self, message: str, code: ExitCode = ExitCode.FAILURE) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
