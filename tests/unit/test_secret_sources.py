"""Where secrets come from: what is a source, what each gives, and what is said where one gives nothing."""

import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neve import secret_sources
from neve.secret_sources import SECRET_BYTES_MAX, SecretUnavailable, parse_secret_source, read_secret

SECRET = b"do not tell 5a5a5a\n"


def read(text: str, *, relative_to: Path = Path("/"), **environment: str) -> bytes:
    return read_secret(parse_secret_source(text), relative_to=relative_to, environment=environment)


def refusal(text: str, *, relative_to: Path = Path("/"), **environment: str) -> str:
    with pytest.raises(SecretUnavailable) as caught:
        read(text, relative_to=relative_to, **environment)
    return str(caught.value)


def secret_file(folder: Path, content: bytes = SECRET, mode: int = 0o600) -> Path:
    file = folder / "secret"
    file.write_bytes(content)
    file.chmod(mode)
    return file


def printing(program: str) -> str:
    return f"command:{sys.executable} -c '{program}'"


# --- what is a source


@pytest.mark.parametrize(
    "text",
    [
        "file:/etc/neve/key",
        "file:a key: with spaces",
        "env:MASTER_KEY",
        "command:pass show 'neve key'",
        "credential:neve-master.key",
    ],
)
def test_a_source_reads_as_it_was_written(text: str) -> None:
    assert str(parse_secret_source(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "file",
        "file:",
        "file:a\0b",
        "/etc/neve/key",
        "FILE:/etc/neve/key",
        "env:",
        "env:NOT A NAME",
        "env:1ST",
        "env:\uff2eAME",
        "command:",
        "command: ",
        "command:'open",
        "command:a\0b",
        "credential:",
        "credential:..",
        "credential:a/b",
        "https://keys.example/key",
    ],
)
def test_what_is_no_source_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"should be|wants"):
        parse_secret_source(text)


def test_a_secret_in_place_of_its_source_is_not_repeated() -> None:
    with pytest.raises(ValueError, match="should be") as caught:
        parse_secret_source("5a" * 32)
    assert "5a5a" not in str(caught.value)


@pytest.mark.parametrize("name", ["NEVE_MASTER_KEY", "neve_key"])
def test_a_variable_that_would_be_a_setting_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is a setting"):
        parse_secret_source(f"env:{name}")


@given(text=st.text(max_size=40))
def test_any_text_is_a_source_or_refused(text: str) -> None:
    try:
        source = parse_secret_source(text)
    except ValueError:
        return
    assert str(source) == text


# --- files


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
def test_a_private_file_gives_its_content(tmp_path: Path, mode: int) -> None:
    file = secret_file(tmp_path, mode=mode)
    assert read(f"file:{file}") == SECRET
    assert read("file:secret", relative_to=tmp_path) == SECRET


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601, 0o660])
def test_a_file_open_to_others_is_refused_with_what_to_do(tmp_path: Path, mode: int) -> None:
    file = secret_file(tmp_path, mode=mode)
    assert f"chmod 600 {file}" in refusal(f"file:{file}")


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    assert refusal("file:nowhere", relative_to=tmp_path) == f"there is no file {tmp_path / 'nowhere'}"


def test_a_directory_is_no_secret(tmp_path: Path) -> None:
    assert "is not a regular file" in refusal(f"file:{tmp_path}") or "cannot be read" in refusal(
        f"file:{tmp_path}"
    )


def test_a_pipe_that_nobody_writes_to_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    assert "is not a regular file" in refusal(f"file:{tmp_path / 'pipe'}")


def test_a_file_that_never_ends_is_refused(tmp_path: Path) -> None:
    file = secret_file(tmp_path, bytes(SECRET_BYTES_MAX + 1))
    assert "longer than a secret may be" in refusal(f"file:{file}")
    assert len(read(f"file:{secret_file(tmp_path, bytes(SECRET_BYTES_MAX))}")) == SECRET_BYTES_MAX


# --- variables


def test_a_variable_is_taken_out_of_the_environment() -> None:
    environment = {"KEY": "abc", "OTHER": "x"}
    source = parse_secret_source("env:KEY")
    assert read_secret(source, relative_to=Path("/"), environment=environment) == b"abc"
    assert environment == {"OTHER": "x"}
    with pytest.raises(SecretUnavailable, match="variable KEY is not set"):
        read_secret(source, relative_to=Path("/"), environment=environment)


def test_no_child_inherits_a_variable_that_was_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_MASTER_KEY", "abc")
    read_secret(parse_secret_source("env:SOME_MASTER_KEY"), relative_to=Path("/"))
    program = 'import os; print("SOME_MASTER_KEY" in os.environ)'
    assert read(printing(program)) == b"False\n"


# --- commands


def test_a_command_gives_what_it_prints_and_no_shell_reads_it() -> None:
    assert read("command:printf %s '$HOME; `id` *'") == b"$HOME; `id` *"


def test_a_command_reads_nothing_from_us() -> None:
    assert read(printing("import sys; print(len(sys.stdin.read()))")) == b"0\n"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (printing('import sys; print("5a5a"); sys.exit(3)'), "failed (status 3)"),
        ("command:no-such-command-anywhere", "cannot be run: No such file"),
        ("command:/", "cannot be run"),
        (printing('print("5a5a" * 100000, flush=True)'), "longer than a secret may be"),
        (printing('while True: print("5a5a" * 1000)'), "longer than a secret may be"),
    ],
)
def test_a_command_that_fails_is_named_and_what_it_printed_is_not(command: str, said: str) -> None:
    message = refusal(command)
    assert said in message
    assert "5a5a" not in message


@pytest.mark.parametrize(
    "program",
    [
        "import time; time.sleep(60)",
        # What it started holds the pipe open; it must go as well.
        'import subprocess; print("x", flush=True); subprocess.Popen(["sleep", "60"])',
        'import os, time; print("x", flush=True); os.close(1); time.sleep(60)',
    ],
    ids=["silent", "survived by a child", "with its output closed"],
)
def test_a_command_that_does_not_end_is_ended(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secret_sources, "COMMAND_S_MAX", 0.2)
    assert "did not end within" in refusal(printing(program))


# --- credentials


def test_a_credential_is_a_file_where_systemd_says(tmp_path: Path) -> None:
    secret_file(tmp_path, mode=0o440)
    assert read("credential:secret", CREDENTIALS_DIRECTORY=str(tmp_path)) == SECRET


def test_without_systemd_there_are_no_credentials() -> None:
    assert "add LoadCredential=secret:" in refusal("credential:secret")


def test_an_absent_credential_is_named(tmp_path: Path) -> None:
    message = refusal("credential:secret", CREDENTIALS_DIRECTORY=str(tmp_path))
    assert message == f"there is no file {tmp_path / 'secret'}"
