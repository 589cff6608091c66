"""The command as a whole: what loads when, how commands end, and what they print where."""

import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from neve.cli.exit_codes import CommandFailed, ExitCode
from neve.cli.main import COMMANDS, main
from neve.client import errors as client_errors
from neve.errors import NeveError, StoreUnusable
from neve.settings import Settings

HEAVY = ("pydantic", "aiohttp", "botocore", "boto3", "structlog", "rich", "cryptography", "apsw", "msgspec")


def modules_loaded_by(*arguments: str) -> list[str]:
    """Return which of the heavy modules a command loads, in a fresh interpreter."""
    program = (
        "import sys; from neve.cli.main import main\n"
        f"main({list(arguments)!r})\n"
        f"print('loaded', *(name for name in {HEAVY!r} if name in sys.modules), file=sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return ended.stderr.splitlines()[-1].split()[1:]


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ()])
def test_help_waits_for_nothing_heavy(arguments: tuple[str, ...]) -> None:
    assert modules_loaded_by(*arguments) == []


def test_the_settings_load_no_server() -> None:
    assert modules_loaded_by("config", "show") == ["pydantic"]


def test_help_names_every_command_and_exit_status(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == ExitCode.OK
    told = capsys.readouterr().out
    for name in COMMANDS:
        assert f"\n  {name} " in told
    for code in ExitCode:
        assert f" {code.value} " in told.replace("\n", " ")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_there_and_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == ExitCode.OK
    assert capsys.readouterr().out.startswith(f"Usage: neve {name}")


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_line_in_the_list_begins_the_commands_own_help(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    main([name, "--help"])
    summary = (COMMANDS[name].help or "").rstrip(".")
    assert summary in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (StoreUnusable("no store"), ExitCode.STORE_UNUSABLE),
        (client_errors.ServiceRefused("no"), ExitCode.REFUSED),
        (client_errors.SnapshotMissing("no"), ExitCode.REFUSED),
        (client_errors.ServiceUnreachable("nobody"), ExitCode.UNREACHABLE),
        (client_errors.ServiceBusy("later"), ExitCode.UNREACHABLE),
        (client_errors.NotConfigured("no region"), ExitCode.USAGE),
        (NeveError("something"), ExitCode.FAILURE),
        (CommandFailed("this", ExitCode.REFUSED), ExitCode.REFUSED),
        (KeyboardInterrupt(), ExitCode.INTERRUPTED),
    ],
)
def test_what_a_command_raises_becomes_an_exit_status(
    error: BaseException, code: ExitCode, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr(import_module("neve.cli.init"), "init", fail)
    assert main(["init"]) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert str(error) in said.err


def test_an_errors_advice_and_notes_are_told_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        error = client_errors.ServiceRefused("It said no.", advice="Ask nicely.")
        error.add_note("Half was done.")
        raise error

    monkeypatch.setattr(import_module("neve.cli.init"), "init", fail)
    main(["init"])
    assert capsys.readouterr().err == "neve: It said no.\n      Ask nicely.\n      Half was done.\n"


def test_show_tells_each_setting_its_value_and_origin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in os.environ if name.startswith("NEVE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("NEVE_ZSTD_LEVEL", "3")
    (tmp_path / "neve.toml").write_text('region = "eu-test-1"\n')
    assert main(["config", "show", str(tmp_path), "--output", "json"]) == ExitCode.OK
    shown = json.loads(capsys.readouterr().out)
    assert list(shown) == list(Settings.model_fields)
    assert (shown["region"]["value"], shown["region"]["origin"]) == ("eu-test-1", "file")
    assert (shown["zstd_level"]["value"], shown["zstd_level"]["origin"]) == (3, "environment")
    assert (shown["listen"]["value"], shown["listen"]["origin"]) == ("127.0.0.1:9753", "default")
    assert all(setting["meaning"] for setting in shown.values())
    assert main(["config", "show", str(tmp_path)]) == ExitCode.OK
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["region", "eu-test-1", "file"] in lines
    assert ["zstd_level", "3", "environment"] in lines


@pytest.mark.parametrize(
    ("words", "offered"),
    [("neve se", ["serve"]), ("neve serve --li", ["--listen"]), ("neve config s", ["show"])],
)
def test_shells_complete_commands_and_options(words: str, offered: list[str]) -> None:
    environment = {
        "_NEVE_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - 1),
        "PATH": os.environ["PATH"],
    }
    command = [sys.executable, "-c", "import sys; from neve.cli.main import main; sys.exit(main())"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.stdout.split() == offered
