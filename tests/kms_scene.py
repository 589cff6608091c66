"""A world with a keyring of its own, asked in KMS's words: JSON in, JSON out, without sockets or signatures."""

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from fix_world import MemoryStores
from neve.domain.identities import AccountId
from neve.domain.keyring import Keyring
from neve.domain.kms_keys import KmsKeyId
from neve.domain.policies.documents import PolicyKind, parse_policy
from neve.domain.principals import Principal, root_principal, user_arn
from neve.errors import RequestError
from neve.messages.http import RequestHead
from neve.operations.context import Caller
from neve.server.kms_operations import KMS_FUNCTIONS
from neve.stores.keys.local import LocalKeyring
from neve.testing.time_and_chance import ManualClock, SeededEntropy
from neve.testing.world import ACCOUNT, MASTER_KEY, OTHER_ACCOUNT, REGION, World
from neve.wire import kms_json

DAY_S = 24 * 60 * 60
ABSENT = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/00000000-0000-4000-8000-000000000000"


def root(account_id: AccountId = ACCOUNT) -> Caller:
    """Return an account itself."""
    return Caller(principal=root_principal(account_id), access_key_id="AKIDEXAMPLE")


def user(
    name: str, *statements: Mapping[str, Any], account_id: AccountId = ACCOUNT, **conditions: Sequence[str]
) -> Caller:
    """Return a user with one policy, of these statements; `{}` is one that allows everything."""
    text = json.dumps({"Version": "2012-10-17", "Statement": [allow(**given) for given in statements]})
    return Caller(
        principal=Principal(
            account_id=account_id,
            arn=user_arn(account_id, name),
            user_id=f"AIDA{name.upper()}",
            user_name=name,
            policies=(parse_policy(text, PolicyKind.IDENTITY, name="p"),) if statements else (),
        ),
        access_key_id="AKIDUSER",
        context=conditions,
    )


def allow(**changes: Any) -> dict[str, Any]:
    """Return a statement that allows everything, but for the changes."""
    return {"Effect": "Allow", "Action": "*", "Resource": "*", **changes}


def key_policy(*statements: Mapping[str, Any], owner: AccountId = ACCOUNT) -> str:
    """Return a key policy that leaves everything to its account, and says these statements beside."""
    own = allow(Action="kms:*", Principal={"AWS": f"arn:aws:iam::{owner}:root"})
    return json.dumps({"Version": "2012-10-17", "Statement": [own, *statements]})


USES: dict[str, dict[str, Any]] = {
    "Encrypt": {"Plaintext": b"x"},
    "GenerateDataKey": {"KeySpec": "AES_256"},
    "GenerateDataKeyWithoutPlaintext": {"NumberOfBytes": 1},
    "CreateGrant": {"GranteePrincipal": f"arn:aws:iam::{ACCOUNT}:user/joe", "Operations": ["Decrypt"]},
    "EnableKeyRotation": {},
    "DisableKeyRotation": {},
    "RotateKeyOnDemand": {},
}
"""What takes an enabled key, with members to ask it."""

CHANGES: dict[str, dict[str, Any]] = {
    "EnableKey": {},
    "DisableKey": {},
    "ScheduleKeyDeletion": {},
    "UpdateKeyDescription": {"Description": "x"},
    "TagResource": {"Tags": [{"TagKey": "a", "TagValue": "b"}]},
    "UntagResource": {"TagKeys": ["a"]},
    "GetKeyRotationStatus": {},
}
"""What takes a key that is not pending deletion."""

ALWAYS: dict[str, dict[str, Any]] = {
    "DescribeKey": {},
    "GetKeyPolicy": {},
    "ListGrants": {},
    "ListKeyPolicies": {},
    "ListKeyRotations": {},
    "ListResourceTags": {},
    "PutKeyPolicy": {"Policy": key_policy()},
}
"""What takes a key in any state."""

BY_ALIAS = {"DescribeKey", "Encrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext"}
"""Of all these, what takes an alias for a key."""


class KmsScene:
    """One store, its keyring, and two accounts that ask."""

    def __init__(self) -> None:
        stores = MemoryStores()
        self.clock = ManualClock()
        self.entropy = SeededEntropy()
        self.keyring = LocalKeyring(
            records=stores.metadata.keys,
            keyring=Keyring(MASTER_KEY, self.entropy),
            clock=self.clock,
            entropy=self.entropy,
            region=REGION,
        )
        self.world = World(stores, clock=self.clock, entropy=self.entropy, keyring=self.keyring)
        self.context = self.world.context
        self.records = self.world.metadata.keys

    def ask(self, operation: str, caller: Caller | None = None, /, **members: Any) -> dict[str, Any]:
        """Let an operation answer; bytes go and come as they are."""
        body = json.dumps(members, default=lambda data: base64.b64encode(data).decode()).encode()
        head = RequestHead(
            method="POST", raw_target="/", headers=[("X-Amz-Target", f"TrentService.{operation}")]
        )
        _, request = kms_json.decode(head, body)
        response = KMS_FUNCTIONS[type(request)](self.context, caller or root(), request)
        answer: dict[str, Any] = json.loads(kms_json.encode(operation, response, "id").body or b"{}")
        for name in answer.keys() & {"CiphertextBlob", "Plaintext"}:
            answer[name] = base64.b64decode(answer[name])
        return answer

    def refusal(self, operation: str, caller: Caller | None = None, /, **members: Any) -> tuple[str, str]:
        """Return code and message of what an operation refuses with."""
        with pytest.raises(RequestError) as caught:
            self.ask(operation, caller, **members)
        return caught.value.code, caught.value.message

    def code(self, operation: str, caller: Caller | None = None, /, **members: Any) -> str:
        """Return the code of what an operation refuses with."""
        return self.refusal(operation, caller, **members)[0]

    def new_key(self, caller: Caller | None = None, /, **members: Any) -> str:
        """Return the ARN of a new key."""
        arn: str = self.ask("CreateKey", caller, **members)["KeyMetadata"]["Arn"]
        return arn

    def state(self, arn: str) -> str:
        """Return the state of a key."""
        found: str = self.ask("DescribeKey", KeyId=arn)["KeyMetadata"]["KeyState"]
        return found


def id_of(arn: str) -> KmsKeyId:
    """Return the key id in a key's ARN."""
    return KmsKeyId(arn.rpartition("/")[2])


def paged(scene: KmsScene, operation: str, member: str, /, **members: Any) -> list[Any]:
    """Return everything a list has, page by page, and hold each page to its limit."""
    found: list[Any] = []
    marker: dict[str, str] = {}
    while True:
        answer = scene.ask(operation, **members, **marker)
        assert len(answer[member]) <= members["Limit"]
        found += answer[member]
        assert answer["Truncated"] is ("NextMarker" in answer)
        if not answer["Truncated"]:
            return found
        marker = {"Marker": answer["NextMarker"]}


__all__ = ["ACCOUNT", "OTHER_ACCOUNT", "REGION"]
