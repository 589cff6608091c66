"""A KMS that is not ours: moto's server, on a loopback port, as a process of its own.

Moto forgets everything when it ends, lets a disabled key decrypt, and takes a key by the end of its ARN: what our
provider does about the latter two is why it is worth testing against.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Self

import botocore.session

from key_engines import REGION, absent_key
from neve.domain.identities import AccountId
from neve.stores.keys.aws import AwsEndpoint, AwsKeys
from neve.stores.keys.key_arns import parse_key_arn
from neve.testing.key_provider_scene import ACCOUNT, Deed

CREDENTIALS: Final = {"aws_access_key_id": "AKIAEXAMPLE", "aws_secret_access_key": "example"}
_PROGRAM: Final = """
import sys
from threading import Thread
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server
application, server, port = DomainDispatcherApplication(create_backend_app), None, 0
for command in sys.stdin:
    if command == "listen\\n":
        server = make_server("127.0.0.1", port, application, threaded=True)
        port = server.port
        Thread(target=server.serve_forever, daemon=True).start()
    else:
        server.shutdown()
        server.server_close()
    print(port, flush=True)
"""
"""Moto's own command cannot stop listening and go on later with what it knows."""


class MotoServer:
    """One process. Use it as a context manager."""

    account_id: Final = ACCOUNT

    def __init__(self, directory: Path) -> None:
        self._log = directory / "moto.log"
        self.url = ""

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-W", "ignore", "-c", _PROGRAM],
                env=os.environ | {"MOTO_ACCOUNT_ID": self.account_id},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self.listen()
        return self

    def __exit__(self, *_: object) -> None:
        # The end of its standard input is its end.
        self._process.communicate(timeout=30)

    def listen(self) -> None:
        """Answer, on the port it had before."""
        self.url = f"http://127.0.0.1:{self._told('listen')}"

    def stop_listening(self) -> None:
        """Refuse connections until `listen`; nothing is forgotten."""
        self._told("stop")

    def _told(self, command: str) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, self._log.read_text()[-4000:]
        return int(answer)


class MotoEngine:
    """Keys of moto, under credentials that it does not look at. To make a client takes longer than most tests: share."""

    accounts = (MotoServer.account_id, MotoServer.account_id)
    cannot: Mapping[Deed, str] = {
        Deed.REMOVE: "KMS removes no key before a week has passed",
        Deed.RESTART: "moto keeps keys for as long as it runs",
        Deed.MAKE_DEFAULT_KEYS: "no KMS makes a default key for whoever asks: it is a setting",
    }

    def __init__(self, moto: MotoServer) -> None:
        self._moto = moto
        # As an operator would: any AWS tool does it.
        self._client: Any = botocore.session.Session().create_client(
            "kms",
            region_name=REGION,
            endpoint_url=moto.url,
            aws_access_key_id=CREDENTIALS["aws_access_key_id"],
            aws_secret_access_key=CREDENTIALS["aws_secret_access_key"],
        )
        self.provider = AwsKeys(
            AwsEndpoint(region=REGION, url=moto.url), default_key_arn=self.make_key(moto.account_id)
        )

    def close(self) -> None:
        self.provider.close()
        self._client.close()

    def make_key(self, account_id: AccountId) -> str:
        return self._made()

    def make_asymmetric_key(self, account_id: AccountId) -> str:
        return self._made(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")

    def absent_key(self, account_id: AccountId) -> str:
        return absent_key(account_id)

    def disable(self, key_arn: str) -> None:
        self._client.disable_key(KeyId=_id_of(key_arn))

    def enable(self, key_arn: str) -> None:
        self._client.enable_key(KeyId=_id_of(key_arn))

    def schedule_deletion(self, key_arn: str) -> None:
        self._client.schedule_key_deletion(KeyId=_id_of(key_arn))

    def remove(self, key_arn: str) -> None:
        raise AssertionError(key_arn)

    def rotate(self, key_arn: str) -> None:
        self._client.rotate_key_on_demand(KeyId=_id_of(key_arn))

    def deny(self, key_arn: str) -> None:
        # Of key policies, moto knows this one rule.
        statement = {"Effect": "Deny", "Principal": "*", "Action": ["kms:DescribeKey"], "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self._client.put_key_policy(KeyId=_id_of(key_arn), PolicyName="default", Policy=policy)

    def stop_answering(self) -> None:
        self._moto.stop_listening()

    def answer_again(self) -> None:
        self._moto.listen()

    def restart(self) -> None:
        raise AssertionError(self.cannot[Deed.RESTART])

    def _made(self, **options: str) -> str:
        return str(self._client.create_key(**options)["KeyMetadata"]["Arn"])


def _id_of(key_arn: str) -> str:
    return parse_key_arn(key_arn).key_id
