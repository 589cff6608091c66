"""Settings to whoever keeps the KMS keys: what fits together, what does not, and what a silent one is."""

import socket
from contextlib import closing
from pathlib import Path

import pytest

from neve.assemble_keys import Keys, open_key_provider, own_keyring
from neve.domain.keyring import Keyring
from neve.errors import KeyProviderUnavailable
from neve.events import Event, KeyProviderSilent
from neve.settings import Settings, SettingsInvalid
from neve.testing.memory_metadata import MemoryMetadataStore
from neve.testing.time_and_chance import ManualClock, SeededEntropy

VAULT = {"key_provider": "vault", "vault_address": "https://vault.test"}
ROLE = {"vault_role_id": "role", "vault_secret_id": "file:secret-id"}
ARN = "arn:aws:kms:us-east-1:111122223333:key/any"


def opened(store: Path, events: list[Event], **settings: object) -> Keys:
    entropy = SeededEntropy()
    return open_key_provider(
        Settings.model_validate(settings),
        store=store,
        records=MemoryMetadataStore().keys,
        keyring=Keyring(bytes(32), entropy),
        clock=ManualClock(),
        entropy=entropy,
        report=events.append,
    )


@pytest.fixture
def nobody_there() -> str:
    """An address on this machine where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


def test_the_store_keeps_the_keys_itself_unless_told_otherwise(tmp_path: Path) -> None:
    keys = opened(tmp_path, [])
    assert keys.provider is keys.managed
    assert not keys.provider.remote


def test_keys_that_somebody_else_keeps_are_not_ours_to_manage() -> None:
    settings = Settings.model_validate(VAULT)
    entropy = SeededEntropy()
    records = MemoryMetadataStore().keys
    assert own_keyring(settings, records, Keyring(bytes(32), entropy), ManualClock(), entropy) is None


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"key_provider": "vault"}, "vault_address is not set"),
        (VAULT, "set either vault_token, or vault_role_id and vault_secret_id"),
        (VAULT | ROLE | {"vault_token": "file:token"}, "set either vault_token, or"),
        (VAULT | {"vault_role_id": "role"}, "go together"),
        (VAULT | {"vault_secret_id": "file:secret-id"}, "go together"),
        (VAULT | ROLE | {"vault_ca_file": "no.pem"}, r"no\.pem has no certificates that can be read"),
        (VAULT | ROLE | {"vault_ca_file": "empty.pem"}, r"empty\.pem has no certificates that can be read"),
        ({"key_provider": "aws", "aws_kms_default_key_arn": "alias/disks"}, "is no key ARN"),
    ],
)
def test_settings_that_cannot_fit_together_are_refused(
    tmp_path: Path, settings: dict[str, object], said: str
) -> None:
    (tmp_path / "empty.pem").write_text("")
    events: list[Event] = []
    with pytest.raises(SettingsInvalid, match=said):
        opened(tmp_path, events, **settings)
    assert events == []


@pytest.mark.parametrize("login", [ROLE, {"vault_token": "file:token"}], ids=["by role", "by token"])
def test_a_vault_that_does_not_answer_is_reported_and_stops_nothing(
    tmp_path: Path, nobody_there: str, login: dict[str, object]
) -> None:
    for name in ("secret-id", "token"):
        (tmp_path / name).write_text("s.ecret")
        (tmp_path / name).chmod(0o600)
    events: list[Event] = []
    keys = opened(tmp_path, events, key_provider="vault", vault_address=nobody_there, **login)
    with closing(keys.provider):
        assert keys.managed is None
        assert keys.provider.remote
        (event,) = events
        assert isinstance(event, KeyProviderSilent)
        assert event.provider == f"Vault at {nobody_there}"
        assert "does not answer" in event.error
        with pytest.raises(KeyProviderUnavailable):
            keys.provider.describe(ARN)


def test_a_kms_that_does_not_answer_is_reported_and_stops_nothing(
    tmp_path: Path, nobody_there: str, aws_credentials: None
) -> None:
    events: list[Event] = []
    keys = opened(tmp_path, events, key_provider="aws", aws_kms_endpoint=nobody_there)
    with closing(keys.provider):
        (event,) = events
        assert isinstance(event, KeyProviderSilent)
        assert event.provider == f"AWS KMS at {nobody_there}"


def test_a_region_of_its_own_is_the_one_kms_is_asked_for(tmp_path: Path, aws_credentials: None) -> None:
    events: list[Event] = []
    with pytest.MonkeyPatch.context() as patch:
        # AWS's own endpoint, which no test asks.
        patch.setattr("neve.assemble_keys._say_if_silent", lambda *_: None)
        keys = opened(tmp_path, events, key_provider="aws", region="here-1", aws_kms_region="eu-west-1")
    with closing(keys.provider):
        assert keys.provider.name == "AWS KMS at eu-west-1"
