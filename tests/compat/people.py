"""Accounts and users of a running server, and the boto3 clients they use."""

import json
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from neve.clock import SystemClock
from neve.server.administration import messages
from neve.server.administration.client import RunningServer
from neve.testing.server import ServerProcess


class Person:
    """Somebody with credentials, long-term or temporary."""

    def __init__(self, server: ServerProcess, account_id: str, credentials: Mapping[str, str]) -> None:
        self.account_id = account_id
        self._server = server
        self._credentials = credentials
        self._clients: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        """Return a client of this person, made once."""
        if service not in self._clients:
            self._clients[service] = self._server.client(service, **self._credentials)
        return self._clients[service]

    @property
    def access_key_id(self) -> str:
        return self._credentials["aws_access_key_id"]

    @property
    def secret_access_key(self) -> str:
        return self._credentials["aws_secret_access_key"]

    def with_session(self, issued: Mapping[str, Any]) -> "Person":
        """Return the same person, or whom they issued a session for, with STS's `Credentials`."""
        return Person(
            self._server,
            self.account_id,
            {
                "aws_access_key_id": issued["AccessKeyId"],
                "aws_secret_access_key": issued["SecretAccessKey"],
                "aws_session_token": issued["SessionToken"],
            },
        )


class People:
    """Makes accounts and users while the server runs, as `neve accounts` and `neve users` do."""

    def __init__(self, server: ServerProcess) -> None:
        self._server = server
        self.office = RunningServer(server.directory, SystemClock())
        self.root = Person(
            server,
            server.account_id,
            {
                "aws_access_key_id": server.access_key_id,
                "aws_secret_access_key": server.secret_access_key,
            },
        )

    def account(self, name: str) -> Person:
        """Return the root of a new account."""
        return self._with_key(self.office.ask(messages.CreateAccount(name=name)).account_id)

    def user(self, name: str, *statements: Mapping[str, Any], account_id: str | None = None) -> Person:
        """Return a new user who may do what the statements say."""
        account_id = account_id or self._server.account_id
        self.office.ask(messages.CreateUser(account_id=account_id, user_name=name))
        self.permit(name, *statements, account_id=account_id)
        return self._with_key(account_id, name)

    def permit(self, name: str, *statements: Mapping[str, Any], account_id: str | None = None) -> None:
        """Replace what a user may do."""
        account_id, policy_name = account_id or self._server.account_id, f"of-{name}"
        document = json.dumps({"Version": "2012-10-17", "Statement": list(statements) or [allow("sts:*")]})
        self.office.ask(messages.PutPolicy(account_id=account_id, policy_name=policy_name, document=document))
        self.office.ask(messages.AttachPolicy(account_id=account_id, policy_name=policy_name, user_name=name))

    def _with_key(self, account_id: str, user_name: str = "") -> Person:
        made = self.office.ask(messages.CreateAccessKey(account_id=account_id, user_name=user_name))
        return Person(
            self._server,
            account_id,
            {
                "aws_access_key_id": made.access_key_id,
                "aws_secret_access_key": made.secret_access_key,
            },
        )


def allow(action: str | list[str], resource: str = "*", **condition: Any) -> dict[str, Any]:
    """Return a statement."""
    more = {"Condition": condition} if condition else {}
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: str | list[str], resource: str = "*") -> dict[str, Any]:
    """Return a statement."""
    return {"Effect": "Deny", "Action": action, "Resource": resource}


def told(error: ClientError) -> tuple[int, str, str]:
    """Return status, code and message of an error."""
    response: Any = error.response
    found = response["Error"]
    return response["ResponseMetadata"]["HTTPStatusCode"], found["Code"], found["Message"]
