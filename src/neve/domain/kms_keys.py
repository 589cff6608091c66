"""KMS keys, their aliases and grants, as records (contract 10). Symmetric keys only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NewType

from neve.domain.identities import AccountId

KmsKeyId = NewType("KmsKeyId", str)
"""A UUID in its usual form."""

EncryptionContext = Mapping[str, str]
"""What a ciphertext is bound to: it opens only with exactly these pairs."""

KEY_SPEC: Final = "SYMMETRIC_DEFAULT"
KEY_USAGE: Final = "ENCRYPT_DECRYPT"
AWS_MANAGED_ALIAS: Final = "alias/aws/ebs"
"""The account's default key, created at its first use (contract 10)."""


class KeyState(StrEnum):
    """Contract 10. The words are stored and sent."""

    ENABLED = "Enabled"
    DISABLED = "Disabled"
    PENDING_DELETION = "PendingDeletion"
    PENDING_IMPORT = "PendingImport"
    UNAVAILABLE = "Unavailable"


class KeyManager(StrEnum):
    """Who made a key: somebody, or the service for its own use."""

    CUSTOMER = "CUSTOMER"
    AWS = "AWS"


@dataclass(frozen=True, slots=True, kw_only=True)
class KmsKey:
    """A key of the local keyring, without its material."""

    key_id: KmsKeyId
    account_id: AccountId
    arn: str
    description: str
    manager: KeyManager
    state: KeyState
    created_ms: int
    deletion_ms: int | None
    """When a key pending deletion goes; None in every other state."""
    rotation_days: int | None
    """How often its material rotates by itself; None if it does not."""
    rotated_ms: int
    """When its newest material was made."""
    material_version: int
    """The newest one, from 1: what new ciphertexts are made with. Older ones open older ciphertexts."""
    policy: str
    """Its key policy, as it was put."""
    tags: Mapping[str, str] = field(default_factory=dict)
    revision: int = 0
    """Grows with every change of the record: whoever writes says which one they read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyMaterial:
    """One version of a key's secret, sealed under the store's master key."""

    key_id: KmsKeyId
    version: int
    sealed_material: bytes = field(repr=False)
    created_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Alias:
    """Another name for a key, inside an account."""

    account_id: AccountId
    name: str
    """With its prefix: `alias/disks`."""
    key_id: KmsKeyId
    created_ms: int
    updated_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a principal may do with a key beside what policies say."""

    grant_id: str
    """64 hex digits."""
    key_id: KmsKeyId
    grantee_principal: str
    retiring_principal: str | None
    operations: tuple[str, ...]
    """`Decrypt`, `GenerateDataKey`, …: without the `kms:` of policies."""
    name: str | None
    created_ms: int
    context_equals: EncryptionContext | None = None
    """The operation's context must be exactly this one."""
    context_subset: EncryptionContext | None = None
    """The operation's context must hold all of these pairs."""


def key_arn(region: str, account_id: str, key_id: str) -> str:
    """Return a key's full name."""
    return f"arn:aws:kms:{region}:{account_id}:key/{key_id}"
