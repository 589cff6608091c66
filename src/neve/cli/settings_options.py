"""Settings for a command: from its options, the environment and the store's settings file."""

import os
from collections.abc import Mapping
from pathlib import Path

from neve.cli.exit_codes import CommandFailed, ExitCode
from neve.settings import FILE_NAME, Loaded, SettingsInvalid, load


def load_settings(
    store: Path | None, *, config: Path | None = None, flags: Mapping[str, object] | None = None
) -> Loaded:
    """Return the settings for `store`; options that were not given are None and do not count.

    Raises:
        CommandFailed: a setting cannot be used.
    """
    given = {name: value for name, value in (flags or {}).items() if value is not None}
    file = config or (None if store is None else store / FILE_NAME)
    try:
        return load(flags=given, environment=os.environ, file=file, file_must_exist=config is not None)
    except SettingsInvalid as invalid:
        raise CommandFailed(str(invalid), ExitCode.USAGE) from None
