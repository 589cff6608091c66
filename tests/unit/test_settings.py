"""Settings: who goes before whom, and what is said of a setting that will not do."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neve.settings import Origin, Settings, SettingsInvalid, load

DOCUMENT = Path(__file__).parents[2] / "docs" / "configuration.md"


def loaded(
    *,
    flags: dict[str, object] | None = None,
    environment: dict[str, str] | None = None,
    file: Path | None = None,
) -> tuple[Settings, dict[str, Origin]]:
    made = load(flags=flags or {}, environment=environment or {}, file=file, file_must_exist=False)
    return made.settings, dict(made.origins)


def settings_file(folder: Path, text: str) -> Path:
    file = folder / "neve.toml"
    file.write_text(text)
    return file


def test_without_anything_everything_has_its_default() -> None:
    settings, origins = loaded()
    assert settings == Settings()
    assert set(origins.values()) == {Origin.DEFAULT}
    assert (settings.listen_host, settings.listen_port) == ("127.0.0.1", 9753)


@given(
    given_by=st.sets(st.sampled_from([Origin.FLAG, Origin.ENVIRONMENT, Origin.FILE])),
)
def test_the_nearest_source_wins(tmp_path_factory: pytest.TempPathFactory, given_by: set[Origin]) -> None:
    ranked = [Origin.FLAG, Origin.ENVIRONMENT, Origin.FILE]
    values = {origin: f"region-{origin}" for origin in given_by}
    file = None
    if Origin.FILE in values:
        file = settings_file(tmp_path_factory.mktemp("store"), f'region = "{values[Origin.FILE]}"\n')
    settings, origins = loaded(
        flags={"region": values[Origin.FLAG]} if Origin.FLAG in values else {},
        environment={"NEVE_REGION": values[Origin.ENVIRONMENT]} if Origin.ENVIRONMENT in values else {},
        file=file,
    )
    winner = next((origin for origin in ranked if origin in given_by), Origin.DEFAULT)
    assert settings.region == values.get(winner, "us-east-1")
    assert origins["region"] is winner
    assert {origin for name, origin in origins.items() if name != "region"} == {Origin.DEFAULT}


def test_a_store_needs_no_settings_file(tmp_path: Path) -> None:
    assert loaded(file=tmp_path / "neve.toml")[0] == Settings()


def test_a_settings_file_that_was_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match="There is no settings file"):
        load(flags={}, environment={}, file=tmp_path / "named.toml", file_must_exist=True)


@pytest.mark.parametrize(
    ("environment", "text", "said"),
    [
        (
            {"NEVE_LISTENN": "x"},
            "",
            "no setting listenn: see the environment variable NEVE_LISTENN. Did you mean",
        ),
        ({}, "zstd-level = 1", "There is no setting zstd-level: see zstd-level in "),
        ({}, "unheard_of_things = 1", "`neve config show` lists"),
        ({"NEVE_LISTEN": "here"}, "", "NEVE_LISTEN is 'here', which will not do"),
        ({"NEVE_LISTEN": "127.0.0.1:65536"}, "", "a port is at most 65535"),
        ({"NEVE_ZSTD_LEVEL": "20"}, "", "less than or equal to 19"),
        ({"NEVE_ZSTD_LEVEL": "fast"}, "", "a valid integer"),
        ({"NEVE_CONNECTIONS_MAX": "0"}, "", "greater than 0"),
        ({"NEVE_HEADER_DEADLINE_S": "nan"}, "", "finite number"),
        ({"NEVE_KEEP_ALIVE_S": "inf"}, "", "finite number"),
        ({"NEVE_BASE_PATH": "/with/slash/"}, "", "match pattern"),
        ({"NEVE_REGION": "us east"}, "", "match pattern"),
        ({"NEVE_LOG_LEVEL": "loud"}, "", "'debug', 'info', 'warning' or 'error'"),
        ({}, "connections_max = true", "one string or number, not True"),
        ({}, "[server]\nlisten = 'a:1'", "server in"),
        ({}, "listen = ", "is not TOML"),
        ({}, "listen = '\ud800'", "is not TOML"),
    ],
)
def test_what_will_not_do_is_named_with_its_place(
    tmp_path: Path, environment: dict[str, str], text: str, said: str
) -> None:
    file = tmp_path / "neve.toml"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(SettingsInvalid, match=re.escape(said)):
        loaded(environment=environment, file=file)


def test_every_wrong_setting_is_named_at_once() -> None:
    with pytest.raises(SettingsInvalid, match=r"(?s)CONNECTIONS_MAX.*ZSTD_LEVEL"):
        loaded(environment={"NEVE_CONNECTIONS_MAX": "0", "NEVE_ZSTD_LEVEL": "x"})


def test_a_file_that_cannot_be_read_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match="cannot be read"):
        loaded(file=tmp_path)


def test_other_programs_variables_are_none_of_ours() -> None:
    assert loaded(environment={"LISTEN": "x", "AWS_REGION": "y", "XNEVE_REGION": "z"})[0] == Settings()


@pytest.mark.parametrize(
    ("listen", "host", "port"),
    [("0.0.0.0:0", "0.0.0.0", 0), ("[::1]:9753", "::1", 9753), ("localhost:80", "localhost", 80)],  # noqa: S104
)
def test_an_address_has_a_host_and_a_port(listen: str, host: str, port: int) -> None:
    settings, _ = loaded(flags={"listen": listen})
    assert (settings.listen_host, settings.listen_port) == (host, port)


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_documented_with_its_default(name: str) -> None:
    default = Settings.model_fields[name].default
    shown = "none" if default in {None, ""} else str(default)
    rows = [
        row for row in DOCUMENT.read_text(encoding="utf-8").splitlines() if row.startswith(f"| `{name}` |")
    ]
    assert len(rows) == 1, f"docs/configuration.md needs one row for {name}"
    assert f"| {shown} |" in rows[0].replace("`", "")


def test_nothing_is_documented_that_does_not_exist() -> None:
    documented = re.findall(r"^\| `(\w+)` \|", DOCUMENT.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert set(documented) == set(Settings.model_fields)


@pytest.mark.parametrize("name", ["master_key", "vault_token", "vault_secret_id"])
def test_a_secret_in_place_of_its_source_is_refused_without_being_shown(name: str) -> None:
    with pytest.raises(SettingsInvalid) as refused:
        loaded(environment={f"NEVE_{name.upper()}": "5a" * 32})
    assert f"NEVE_{name.upper()} will not do: it should be file:PATH" in str(refused.value)
    assert "5a5a" not in str(refused.value)


@pytest.mark.parametrize(
    "url", ["https://keys.test:8200", "https://keys.example.com", "http://127.0.0.1:8200", "http://[::1]:1"]
)
def test_keys_are_asked_for_over_tls_or_on_this_machine(url: str) -> None:
    settings, _ = loaded(flags={"vault_address": url + "/", "aws_kms_endpoint": url})
    assert (settings.vault_address, settings.aws_kms_endpoint) == (url, url)


@pytest.mark.parametrize(
    "url",
    [
        "keys.test:8200",
        "ftp://keys.test",
        "http://keys.test:8200",
        "http://127.0.0.1.keys.test",
        "https://",
        "https://user:secret@keys.test",
        "https://keys.test/?a=b",
        "https://keys.test/#a",
        "https://[::1",
    ],
)
@pytest.mark.parametrize("name", ["vault_address", "aws_kms_endpoint"])
def test_no_other_place_is_asked_for_keys(name: str, url: str) -> None:
    with pytest.raises(SettingsInvalid, match=f"--{name.replace('_', '-')} is"):
        loaded(flags={name: url})


@pytest.mark.parametrize("mount", ["../sys", "a/../b", "/a", "a/", "a?b", "a b", "", "a\n", "\uff41"])
@pytest.mark.parametrize("name", ["vault_mount", "vault_approle_mount"])
def test_a_mount_is_a_plain_path(name: str, mount: str) -> None:
    with pytest.raises(SettingsInvalid):
        loaded(flags={name: mount})
