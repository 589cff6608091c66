"""What operators do to a Vault that keeps our keys, beside what every key provider promises: on a real OpenBao."""

import os
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from threading import Thread

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from key_engines import REGION
from neve.clock import SystemClock
from neve.domain.identities import AccountId
from neve.domain.kms_keys import KeyManager, KeyState, key_arn
from neve.errors import KeyProviderUnavailable, KmsError
from neve.secret_sources import SecretSource, parse_secret_source
from neve.stores.keys.vault import VaultTransit
from neve.stores.keys.vault_http import VaultAddress
from neve.stores.keys.vault_login import AppRole
from neve.testing.time_and_chance import ManualClock
from openbao import OpenBao, documented_policy, open_transit, token_file

ACCOUNT = AccountId("999900001111")
CONTEXT = {"neve:domain": "00"}


@pytest.fixture
def arn(openbao: OpenBao, request: pytest.FixtureRequest) -> str:
    """A key of the test's own."""
    key_id = re.sub("[^A-Za-z0-9]+", "-", request.node.name)[:100].strip("-")
    openbao.ask("POST", f"transit/keys/{ACCOUNT}.{key_id}", {"type": "aes256-gcm96"})
    return key_arn(REGION, ACCOUNT, key_id)


@pytest.fixture
def source(openbao: OpenBao, tmp_path: Path) -> SecretSource:
    """A token that may do what the documentation says."""
    openbao.put_policy("neve-documented", documented_policy())
    return token_file(tmp_path, openbao.make_token("neve-documented"))


@pytest.fixture
def transit(openbao: OpenBao, source: SecretSource, tmp_path: Path) -> Iterator[VaultTransit]:
    with closing(open_transit(openbao, source, relative_to=tmp_path)) as opened:
        yield opened


def transit_path(arn: str) -> str:
    return f"transit/keys/{ACCOUNT}.{arn.rpartition('/')[2]}"


def unavailable(action: Callable[[], object]) -> str:
    """Return what is said of a provider that does not answer us."""
    with pytest.raises(KeyProviderUnavailable) as caught:
        action()
    return str(caught.value)


def refused(action: Callable[[], object]) -> tuple[str, str]:
    with pytest.raises(KmsError) as caught:
        action()
    return caught.value.code, caught.value.message


# --- keys


def test_a_key_is_the_transit_key_of_its_account(openbao: OpenBao, transit: VaultTransit) -> None:
    openbao.ask("POST", "transit/keys/999900001111.one-disk", {"type": "aes256-gcm96"})
    assert transit.describe(key_arn(REGION, ACCOUNT, "one-disk")).account_id == ACCOUNT
    code, _ = refused(lambda: transit.describe(key_arn(REGION, "999900002222", "one-disk")))
    assert code == "NotFoundException"


@pytest.mark.parametrize("kind", ["aes128-gcm96", "aes256-gcm96", "chacha20-poly1305", "xchacha20-poly1305"])
@pytest.mark.parametrize("derived", [False, True])
def test_every_kind_of_key_that_binds_a_context_will_do(
    openbao: OpenBao, transit: VaultTransit, kind: str, derived: bool
) -> None:
    key_id = f"{kind}-{derived}"
    openbao.ask("POST", f"transit/keys/{ACCOUNT}.{key_id}", {"type": kind, "derived": derived})
    arn = key_arn(REGION, ACCOUNT, key_id)
    made = transit.generate_data_key(arn, CONTEXT, size_bytes=32)
    assert transit.decrypt(arn, made.wrapping, CONTEXT) == made.plaintext
    assert refused(lambda: transit.decrypt(arn, made.wrapping, {}))[0] == "InvalidCiphertextException"


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa-p256", "rsa-2048", "hmac"])
def test_a_key_of_another_kind_wraps_nothing(openbao: OpenBao, transit: VaultTransit, kind: str) -> None:
    options = {"type": kind, **({"key_size": 32} if kind == "hmac" else {})}
    openbao.ask("POST", f"transit/keys/{ACCOUNT}.{kind}", options)
    arn = key_arn(REGION, ACCOUNT, kind)
    assert not transit.describe(arn).symmetric
    for use in (
        lambda: transit.generate_data_key(arn, CONTEXT, size_bytes=32),
        lambda: transit.decrypt(arn, b"\0\0\0\1" + bytes(60), CONTEXT),
    ):
        assert refused(use)[0] == "InvalidKeyUsageException"


def test_a_version_that_the_operator_retired_opens_nothing_and_says_so(
    openbao: OpenBao, transit: VaultTransit, arn: str
) -> None:
    made = transit.generate_data_key(arn, CONTEXT, size_bytes=32)
    openbao.ask("POST", f"{transit_path(arn)}/rotate")
    rewrapped, version = transit.re_encrypt(arn, made.wrapping, CONTEXT, to_key_arn=arn, to_context=CONTEXT)
    openbao.ask("POST", f"{transit_path(arn)}/config", {"min_decryption_version": 2})
    code, message = refused(lambda: transit.decrypt(arn, made.wrapping, CONTEXT))
    assert code == "KMSInvalidStateException"
    assert "version 1" in message
    assert "min_decryption_version" in message
    assert version == "2"
    assert transit.decrypt(arn, rewrapped, CONTEXT) == made.plaintext


def test_a_default_key_is_made_at_its_first_use(openbao: OpenBao, transit: VaultTransit) -> None:
    account = AccountId("999900003333")
    assert not openbao.ask("GET", f"transit/keys/{account}.aws-ebs", may_be_absent=True)
    arn = transit.default_key_arn(account)
    assert arn == key_arn(REGION, account, "aws-ebs")
    described = transit.describe(arn)
    assert (described.manager, described.state) == (KeyManager.AWS, KeyState.ENABLED)


def test_without_leave_to_make_keys_the_default_key_is_asked_of_the_operator(
    openbao: OpenBao, tmp_path: Path
) -> None:
    openbao.put_policy(
        "neve-makes-nothing", documented_policy().replace('"create", "read", "update"', '"read"')
    )
    source = token_file(tmp_path, openbao.make_token("neve-makes-nothing"))
    with closing(open_transit(openbao, source, relative_to=tmp_path)) as transit:
        account = AccountId("999900004444")
        code, message = refused(lambda: transit.default_key_arn(account))
        assert code == "NotFoundException"
        assert "Make the transit key 999900004444.aws-ebs" in message
        openbao.ask("POST", f"transit/keys/{account}.aws-ebs", {})
        assert transit.default_key_arn(account) == key_arn(REGION, account, "aws-ebs")


def test_a_use_makes_no_key_even_where_our_token_may(openbao: OpenBao, tmp_path: Path) -> None:
    openbao.put_policy(
        "neve-may-all", 'path "transit/*" { capabilities = ["create", "read", "update", "delete"] }'
    )
    source = token_file(tmp_path, openbao.make_token("neve-may-all"))
    arn = key_arn(REGION, ACCOUNT, "never-made")
    with closing(open_transit(openbao, source, relative_to=tmp_path)) as transit:
        for _ in range(2):
            assert (
                refused(lambda: transit.generate_data_key(arn, CONTEXT, size_bytes=32))[0]
                == "NotFoundException"
            )
    assert not openbao.ask("GET", f"transit/keys/{ACCOUNT}.never-made", may_be_absent=True)


# --- the server


def test_a_sealed_server_is_to_be_unsealed(openbao: OpenBao, transit: VaultTransit, arn: str) -> None:
    made = transit.generate_data_key(arn, CONTEXT, size_bytes=32)
    openbao.seal()
    try:
        message = unavailable(lambda: transit.decrypt(arn, made.wrapping, CONTEXT))
        assert message == f"Vault at {openbao.url} is sealed: unseal it"
    finally:
        openbao.unseal()
    assert transit.decrypt(arn, made.wrapping, CONTEXT) == made.plaintext


def test_a_server_that_is_down_is_named_and_found_again(
    openbao: OpenBao, transit: VaultTransit, arn: str
) -> None:
    made = transit.generate_data_key(arn, CONTEXT, size_bytes=32)
    openbao.stop()
    try:
        message = unavailable(lambda: transit.decrypt(arn, made.wrapping, CONTEXT))
        assert message == f"Vault at {openbao.url} does not answer: [Errno 111] Connection refused"
    finally:
        openbao.restart()
    assert transit.decrypt(arn, made.wrapping, CONTEXT) == made.plaintext


def test_a_provider_may_be_made_before_its_server(
    openbao: OpenBao, source: SecretSource, tmp_path: Path, arn: str
) -> None:
    openbao.stop()
    try:
        transit = open_transit(openbao, source, relative_to=tmp_path)
        assert "does not answer" in unavailable(lambda: transit.describe(arn))
    finally:
        openbao.restart()
    assert transit.describe(arn).state is KeyState.ENABLED
    transit.close()


def test_an_engine_that_is_not_there_is_no_missing_key(openbao: OpenBao, tmp_path: Path, arn: str) -> None:
    # Only whoever may look sees that there is nothing: to others a missing engine is a denial.
    source = token_file(tmp_path, openbao.root_token)
    with closing(open_transit(openbao, source, relative_to=tmp_path, mount="elsewhere/keys")) as transit:
        for use in (
            lambda: transit.describe(arn),
            lambda: transit.generate_data_key(arn, CONTEXT, size_bytes=32),
            lambda: transit.decrypt(arn, b"\0\0\0\1" + bytes(60), CONTEXT),
        ):
            assert "has no transit engine at elsewhere/keys/" in unavailable(use)


def test_a_server_that_says_nothing_is_not_waited_for_long(
    tmp_path: Path, arn: str, source: SecretSource
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = VaultAddress(url=f"http://127.0.0.1:{silent.getsockname()[1]}", timeout_s=0.2)
        with closing(open_transit(address, source, relative_to=tmp_path)) as transit:
            assert "timed out" in unavailable(lambda: transit.describe(arn))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "is it a Vault?"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "is it a Vault?"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n\xff\xfe\xfd", "is it a Vault?"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + bytes(2 << 20), "answers without end"),
        (
            b"HTTP/1.1 307 Temporary\r\nLocation: http://elsewhere.test/\r\nContent-Length: 0\r\n\r\n",
            "follow nobody",
        ),
        (b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", "failed with status 500"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "does not answer"),
        (b"", "does not answer"),
    ],
    ids=["no JSON", "another JSON", "no text", "endless", "redirect", "failure", "no HTTP", "nothing"],
)
def test_what_is_no_vault_is_told_from_one(
    answer: bytes, said: str, source: SecretSource, tmp_path: Path, arn: str
) -> None:
    def answer_all(listening: socket.socket) -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                connection.recv(65_536)
                connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = Thread(target=answer_all, args=(listening,), daemon=True)
        serving.start()
        address = VaultAddress(url=f"http://127.0.0.1:{listening.getsockname()[1]}", timeout_s=5)
        with closing(open_transit(address, source, relative_to=tmp_path)) as transit:
            assert said in unavailable(lambda: transit.describe(arn))
        listening.shutdown(socket.SHUT_RDWR)
    serving.join()


def test_everything_may_be_in_a_namespace(openbao: OpenBao, tmp_path: Path) -> None:
    openbao.ask("POST", "sys/namespaces/team", {})
    openbao.ask("POST", "sys/mounts/transit", {"type": "transit"}, namespace="team")
    openbao.ask("POST", f"transit/keys/{ACCOUNT}.of-the-team", {}, namespace="team")
    openbao.ask("POST", "sys/policies/acl/neve", {"policy": documented_policy()}, namespace="team")
    made = openbao.ask("POST", "auth/token/create", {"policies": ["neve"]}, namespace="team")
    source = token_file(tmp_path, made["auth"]["client_token"])
    arn = key_arn(REGION, ACCOUNT, "of-the-team")
    address = VaultAddress(url=openbao.url, namespace="team")
    with closing(open_transit(address, source, relative_to=tmp_path)) as transit:
        data_key = transit.generate_data_key(arn, CONTEXT, size_bytes=32)
        assert transit.decrypt(arn, data_key.wrapping, CONTEXT) == data_key.plaintext


# --- who we are


def test_what_our_policy_does_not_allow_is_denied_with_key_and_operation(
    openbao: OpenBao, tmp_path: Path, arn: str
) -> None:
    openbao.put_policy(
        "neve-only-opens", documented_policy().replace('path "transit/encrypt/+"', 'path "transit/no/+"')
    )
    source = token_file(tmp_path, openbao.make_token("neve-only-opens"))
    with closing(open_transit(openbao, source, relative_to=tmp_path)) as transit:
        code, message = refused(lambda: transit.generate_data_key(arn, CONTEXT, size_bytes=32))
        assert code == "AccessDeniedException"
        assert "kms:GenerateDataKey" in message
        assert arn in message
        assert "transit/encrypt/" in message
        assert openbao.url not in message


@pytest.mark.parametrize("token", ["s.nobody-made-this", ""])
def test_a_token_that_is_none_is_not_a_denied_key(
    openbao: OpenBao, tmp_path: Path, arn: str, token: str
) -> None:
    source = token_file(tmp_path, token)
    with closing(open_transit(openbao, source, relative_to=tmp_path)) as transit:
        message = unavailable(lambda: transit.describe(arn))
    assert "does not take our token" in message or "holds no token" in message
    assert "nobody-made-this" not in message


def test_a_token_file_that_is_not_there_yet_is_read_when_it_is(
    openbao: OpenBao, tmp_path: Path, arn: str, source: SecretSource
) -> None:
    (tmp_path / "vault-token").rename(tmp_path / "later")
    with closing(open_transit(openbao, source, relative_to=tmp_path)) as transit:
        assert "there is no file" in unavailable(lambda: transit.describe(arn))
        (tmp_path / "later").rename(tmp_path / "vault-token")
        assert transit.describe(arn).arn == arn


def test_a_newer_token_is_taken_from_the_file_when_the_old_one_was_revoked(
    openbao: OpenBao, tmp_path: Path, arn: str, source: SecretSource
) -> None:
    with closing(open_transit(openbao, source, relative_to=tmp_path)) as transit:
        transit.describe(arn)
        openbao.revoke((tmp_path / "vault-token").read_text().strip())
        assert "does not take our token" in unavailable(lambda: transit.describe(arn))
        token_file(tmp_path, openbao.make_token("neve-documented"))
        assert transit.describe(arn).arn == arn


def test_a_token_in_the_environment_is_remembered_and_not_left_there(
    openbao: OpenBao, tmp_path: Path, arn: str, source: SecretSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_VAULT_TOKEN", (tmp_path / "vault-token").read_text().strip())
    clock = ManualClock()
    opened = open_transit(
        openbao, parse_secret_source("env:SOME_VAULT_TOKEN"), relative_to=tmp_path, clock=clock
    )
    with closing(opened) as transit:
        transit.describe(arn)
        assert "SOME_VAULT_TOKEN" not in os.environ
        # Long after the token's life by our clock: it is shown once more, from memory.
        clock.advance(minutes=60 * 24 * 365)
        assert transit.describe(arn).arn == arn


def test_a_token_is_renewed_at_half_its_life(
    openbao: OpenBao, tmp_path: Path, arn: str, source: SecretSource
) -> None:
    token = openbao.make_token("neve-documented", ttl="1h", period="1h")
    clock = ManualClock()
    with closing(
        open_transit(openbao, token_file(tmp_path, token), relative_to=tmp_path, clock=clock)
    ) as transit:
        transit.describe(arn)
        clock.advance(minutes=29)
        transit.describe(arn)
        assert "last_renewal" not in openbao.looked_up(token)
        clock.advance(minutes=2)
        transit.describe(arn)
        assert openbao.looked_up(token)["last_renewal"]


def test_a_token_is_renewed_without_a_request(openbao: OpenBao, tmp_path: Path, source: SecretSource) -> None:
    # The shortest life there is, so that the thread has to act at once: it looks every second.
    token = openbao.make_token("neve-documented", ttl="4s", period="4s")
    transit = open_transit(
        openbao, token_file(tmp_path, token), relative_to=tmp_path, clock=SystemClock(), keep_alive=True
    )
    with closing(transit):
        assert openbao.wait_until(lambda: "last_renewal" in openbao.looked_up(token))


class TestAppRole:
    """Logging in by role id and secret id."""

    @pytest.fixture
    def role(self, openbao: OpenBao, tmp_path: Path, source: SecretSource) -> AppRole:
        openbao.ask(
            "POST", "auth/approle/role/neve", {"token_policies": "neve-documented", "token_ttl": "1h"}
        )
        role_id = openbao.ask("GET", "auth/approle/role/neve/role-id")["data"]["role_id"]
        secret_id = openbao.ask("POST", "auth/approle/role/neve/secret-id")["data"]["secret_id"]
        (tmp_path / "secret-id").write_text(secret_id + "\n")
        (tmp_path / "secret-id").chmod(0o600)
        return AppRole(role_id=role_id, secret_id=parse_secret_source("file:secret-id"))

    def test_a_role_logs_in_at_the_first_use(
        self, openbao: OpenBao, role: AppRole, tmp_path: Path, arn: str
    ) -> None:
        with closing(open_transit(openbao, role, relative_to=tmp_path)) as transit:
            made = transit.generate_data_key(arn, CONTEXT, size_bytes=32)
            assert transit.decrypt(arn, made.wrapping, CONTEXT) == made.plaintext

    def test_a_role_logs_in_again_when_its_token_has_ended(
        self, openbao: OpenBao, role: AppRole, tmp_path: Path, arn: str
    ) -> None:
        clock = ManualClock()
        with closing(open_transit(openbao, role, relative_to=tmp_path, clock=clock)) as transit:
            transit.describe(arn)
            clock.advance(minutes=61)
            assert transit.describe(arn).arn == arn

    def test_a_role_logs_in_again_when_its_token_was_revoked(
        self, openbao: OpenBao, role: AppRole, tmp_path: Path, arn: str
    ) -> None:
        with closing(open_transit(openbao, role, relative_to=tmp_path)) as transit:
            transit.describe(arn)
            for accessor in openbao.ask("LIST", "auth/token/accessors")["data"]["keys"]:
                looked_up = openbao.ask("POST", "auth/token/lookup-accessor", {"accessor": accessor})["data"]
                if looked_up["path"] == "auth/approle/login":
                    openbao.ask("POST", "auth/token/revoke-accessor", {"accessor": accessor})
            assert transit.describe(arn).arn == arn

    def test_a_secret_id_that_is_wrong_is_told_without_showing_it(
        self, openbao: OpenBao, role: AppRole, tmp_path: Path, arn: str
    ) -> None:
        (tmp_path / "secret-id").write_text("5a5a5a5a-not-this")
        with closing(open_transit(openbao, role, relative_to=tmp_path)) as transit:
            message = unavailable(lambda: transit.describe(arn))
        assert "does not let AppRole" in message
        assert "file:secret-id" in message
        assert "5a5a" not in message


# --- TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that nobody but itself has signed, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a vault")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, SHA256())
    )
    folder = tmp_path_factory.mktemp("certificate")
    file, key_file = folder / "certificate.pem", folder / "key.pem"
    file.write_bytes(made.public_bytes(Encoding.PEM))
    key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return file, key_file


def test_a_certificate_of_ones_own_is_trusted_when_it_is_named_and_not_before(
    tmp_path: Path, certificate: tuple[Path, Path]
) -> None:
    file, key = certificate
    with OpenBao(tmp_path / "tls", certificate=file, key=key) as bao:
        arn = key_arn(REGION, ACCOUNT, "over-tls")
        bao.ask("POST", transit_path(arn), {})
        source = token_file(tmp_path, bao.root_token)
        trusting = VaultAddress(url=bao.url, ca_file=str(file))
        with closing(open_transit(trusting, source, relative_to=tmp_path)) as transit:
            made = transit.generate_data_key(arn, CONTEXT, size_bytes=32)
            assert transit.decrypt(arn, made.wrapping, CONTEXT) == made.plaintext
        with closing(open_transit(bao, source, relative_to=tmp_path)) as transit:
            assert "certificate verify failed" in unavailable(lambda: transit.describe(arn))


def test_certificates_that_cannot_be_read_are_an_error_at_once(
    openbao: OpenBao, source: SecretSource, tmp_path: Path
) -> None:
    (tmp_path / "empty.pem").write_text("")
    for file in ("empty.pem", "absent.pem"):
        address = VaultAddress(url=openbao.url, ca_file=str(tmp_path / file))
        with pytest.raises(OSError, match=r"No such file|no certificate|X509"):
            open_transit(address, source, relative_to=tmp_path)
