"""The master key from wherever it is kept: `neve init` and `neve serve` agree, and a wrong key stops the start."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from neve.cli.exit_codes import ExitCode
from neve.testing.server import ServerDied, ServerProcess

KEY = "5a" * 32


def init(store: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "neve", "init", str(store), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def key_file(folder: Path, key: str = KEY) -> Path:
    file = folder / "team.key"
    file.write_text(key + "\n")
    file.chmod(0o600)
    return file


@pytest.mark.parametrize("kind", ["file", "env", "command", "credential"])
def test_a_store_is_made_and_served_with_a_key_from_elsewhere(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = key_file(tmp_path)
    monkeypatch.setenv("TEAM_KEY", KEY)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    source = {
        "file": f"file:{file}",
        "env": "env:TEAM_KEY",
        "command": f"command:cat '{file}'",
        "credential": "credential:team.key",
    }[kind]
    store = tmp_path / "store"
    made = init(store, "--master-key", source, "--output", "json")
    assert (made.returncode, made.stderr) == (ExitCode.OK, "")
    assert not (store / "master.key").exists()
    assert KEY not in made.stdout
    (tmp_path / "store.json").write_text(made.stdout)
    with ServerProcess(store) as server:
        answer = server.client("ebs").start_snapshot(VolumeSize=1)
        assert answer["OwnerId"] == json.loads(made.stdout)["account_id"]
    assert KEY not in server.log.read_text()


def test_a_wrong_key_stops_the_start_with_both_fingerprints(tmp_path: Path) -> None:
    store = tmp_path / "store"
    made = json.loads(init(store, "--output", "json").stdout)
    (tmp_path / "store.json").write_text(json.dumps(made))
    file = key_file(tmp_path)
    server = ServerProcess(store, settings={"master_key": f"file:{file}"})
    with pytest.raises(ServerDied) as died:
        server.start()
    said = str(died.value)
    assert f"exit status {ExitCode.STORE_UNUSABLE}" in said
    assert f"was created with master key {made['master_key_fingerprint']}" in said
    assert re.search(r"the key given \(file:.*team\.key\) is [0-9a-f]{8}\.", said)
    assert KEY not in said


def test_a_missing_key_stops_the_start_and_is_named(tmp_path: Path) -> None:
    store = tmp_path / "store"
    made = json.loads(init(store, "--output", "json").stdout)
    (tmp_path / "store.json").write_text(json.dumps(made))
    (store / "master.key").rename(tmp_path / "gone")
    with pytest.raises(ServerDied, match=f"needs its master key {made['master_key_fingerprint']}"):
        ServerProcess(store).start()


def test_the_key_itself_in_place_of_its_source_is_refused_and_not_shown(tmp_path: Path) -> None:
    made = init(tmp_path / "store", "--master-key", KEY)
    assert made.returncode == ExitCode.USAGE
    assert "--master-key will not do: it should be file:PATH" in made.stderr
    assert KEY not in made.stderr
    assert not (tmp_path / "store").exists()
