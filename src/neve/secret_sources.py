"""Where a secret comes from: a source as operators write it, and how it is read.

    file:PATH          a regular file that nobody but its owner may read
    env:NAME           a variable; it is taken out of the environment, so that no child inherits it
    command:CMD ARGS   what a command prints, for whatever has a key agent of its own
    credential:NAME    what systemd put into $CREDENTIALS_DIRECTORY (LoadCredential=, SetCredentialEncrypted=)

It knows nothing of what the secrets are for. No message has a secret in it, nor what a command printed.
"""

import os
import re
import shlex
import signal
import stat
import subprocess
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from threading import Event, Timer
from typing import Final

from neve.errors import NeveError
from neve.limits import KIB

SECRET_BYTES_MAX: Final = 16 * KIB
"""What a source may hold: tokens of a few hundred bytes are usual, a megabyte is a mistake."""
COMMAND_S_MAX: Final = 30.0
"""How long a command may take: time for a hardware token to be touched."""
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_CREDENTIAL: Final = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,255}", re.ASCII)
_SETTINGS_PREFIX: Final = "NEVE_"
_FORMS: Final = "file:PATH, env:NAME, command:CMD ARGS or credential:NAME"


class SecretUnavailable(NeveError):
    """A source does not give its secret. The message says which and what to do, as the end of a sentence."""


class SecretKind(StrEnum):
    FILE = "file"
    ENVIRONMENT = "env"
    COMMAND = "command"
    CREDENTIAL = "credential"


@dataclass(frozen=True, slots=True)
class SecretSource:
    """A source, taken apart. Its text is no secret."""

    kind: SecretKind
    place: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.place}"


def parse_secret_source(text: str) -> SecretSource:
    """Return the source that `text` names; nothing is read.

    Raises:
        ValueError: with what would do instead.
    """
    prefix, colon, place = text.partition(":")
    if not colon or prefix not in set(SecretKind):
        # The text itself is not repeated: it may be the secret, set where its source belongs.
        raise ValueError(f"it should be {_FORMS}")
    kind = SecretKind(prefix)
    if kind is SecretKind.ENVIRONMENT and place.upper().startswith(_SETTINGS_PREFIX):
        raise ValueError(f"a variable whose name begins with {_SETTINGS_PREFIX} is a setting: take another")
    holds, wanted = _WANTED[kind]
    if not holds(place):
        raise ValueError(f"{kind}: wants {wanted} after it")
    return SecretSource(kind, place)


def read_secret(
    source: SecretSource, *, relative_to: Path, environment: MutableMapping[str, str] | None = None
) -> bytes:
    """Return what the source holds now, as it is. A variable is gone afterwards; the rest may be read again.

    `environment` is the process's own unless given.

    Raises:
        SecretUnavailable
    """
    environment = os.environ if environment is None else environment
    match source.kind:
        case SecretKind.FILE:
            return _from_file(relative_to / source.place, private=True)
        case SecretKind.ENVIRONMENT:
            return _from_variable(source.place, environment)
        case SecretKind.COMMAND:
            return _from_command(_arguments(source.place))
        case SecretKind.CREDENTIAL:
            directory = environment.get("CREDENTIALS_DIRECTORY", "")
            if not directory:
                raise SecretUnavailable(
                    f"systemd gave this process no credentials (CREDENTIALS_DIRECTORY is not set): "
                    f"add LoadCredential={source.place}:… to the unit"
                )
            # systemd may give an ACL to the service's user, which reads as a mode open to the group:
            # the directory is what keeps others out.
            return _from_file(Path(directory) / source.place, private=False)


def _arguments(command: str) -> Sequence[str]:
    try:
        return [] if "\0" in command else shlex.split(command)
    except ValueError:
        return []


_WANTED: Final[Mapping[SecretKind, tuple[Callable[[str], object], str]]] = {
    SecretKind.FILE: (lambda place: place and "\0" not in place, "a path"),
    SecretKind.ENVIRONMENT: (_VARIABLE.fullmatch, "the name of a variable"),
    SecretKind.COMMAND: (_arguments, "a command, its arguments quoted as for a shell,"),
    SecretKind.CREDENTIAL: (_CREDENTIAL.fullmatch, "the name of a systemd credential"),
}


def _from_file(file: Path, *, private: bool) -> bytes:
    try:
        # Not to wait for the other end of a pipe that somebody named.
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with open(descriptor, "rb") as opened:  # noqa: PTH123 - it is a descriptor
            mode = os.fstat(descriptor).st_mode
            if not stat.S_ISREG(mode):
                raise SecretUnavailable(f"{file} is not a regular file")
            content = opened.read(SECRET_BYTES_MAX + 1)
    except FileNotFoundError:
        raise SecretUnavailable(f"there is no file {file}") from None
    except OSError as error:
        raise SecretUnavailable(f"{file} cannot be read: {error.strerror}") from None
    if private and stat.S_IMODE(mode) & 0o077:
        raise SecretUnavailable(
            f"{file} is open to others than its owner (mode {stat.S_IMODE(mode):04o}): "
            f"run `chmod 600 {file}`, and think about who may have read it"
        )
    return _bounded(content, str(file))


def _from_variable(name: str, environment: MutableMapping[str, str]) -> bytes:
    try:
        value = environment.pop(name)
    except KeyError:
        raise SecretUnavailable(f"the environment variable {name} is not set") from None
    return _bounded(os.fsencode(value), f"the environment variable {name}")


def _from_command(arguments: Sequence[str]) -> bytes:
    name = arguments[0]
    try:
        process = subprocess.Popen(  # noqa: S603 - no shell; the operator's own words
            arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True
        )
    except OSError as error:
        raise SecretUnavailable(f"the command {name} cannot be run: {error.strerror}") from None
    late = Event()

    def end() -> None:
        # The whole group: what a helper started would hold the pipe open.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)

    def end_late() -> None:
        late.set()
        end()

    timer = Timer(COMMAND_S_MAX, end_late)
    timer.start()
    try:
        with process:
            assert process.stdout is not None
            content = process.stdout.read(SECRET_BYTES_MAX + 1)
            if len(content) > SECRET_BYTES_MAX:
                end()
    finally:
        timer.cancel()
    if late.is_set():
        raise SecretUnavailable(f"the command {name} did not end within {COMMAND_S_MAX:.0f} s")
    _bounded(content, f"the output of {name}")
    if process.returncode != 0:
        raise SecretUnavailable(f"the command {name} failed (status {process.returncode})")
    return content


def _bounded(content: bytes, place: str) -> bytes:
    if len(content) > SECRET_BYTES_MAX:
        raise SecretUnavailable(f"{place} is longer than a secret may be ({SECRET_BYTES_MAX} bytes)")
    return content
