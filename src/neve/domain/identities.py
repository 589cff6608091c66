"""Names of things: accounts, access keys, snapshots, deduplication domains."""

import re
from dataclasses import dataclass, field
from typing import NewType

AccountId = NewType("AccountId", str)
"""Twelve digits."""

SnapshotId = NewType("SnapshotId", str)
"""`snap-` and hex digits; ours have seventeen (contract 9.2)."""

DomainKey = NewType("DomainKey", int)
"""Row number of a domain in its metadata store."""

_BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
ACCOUNT_ID_PATTERN = re.compile(r"[0-9]{12}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Who owns snapshots."""

    account_id: AccountId
    name: str
    created_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessKey:
    """A long-term credential of an account or a user. The secret is sealed under the store's master key."""

    access_key_id: str
    account_id: AccountId
    sealed_secret: bytes = field(repr=False)
    created_ms: int
    enabled: bool = True
    user_name: str = ""
    """Whose it is; empty for the account's own."""
    expires_ms: int | None = None
    """From then on it signs nothing; None is never."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """What may share chunks: one account's snapshots under one KMS key, or its unencrypted ones."""

    key: DomainKey
    uid: bytes
    """16 random bytes that name the domain in segments, whatever database they meet again in."""
    account_id: AccountId
    kms_key_arn: str
    """Empty for the unencrypted domain."""
    sealed_id_key: bytes = field(repr=False)
    """The key of `chunk_id`, sealed under the store's master key."""


def snapshot_id_from(entropy: bytes) -> SnapshotId:
    """Return a 17-digit id made from 9 random bytes."""
    assert len(entropy) == 9
    return SnapshotId(f"snap-{entropy.hex()[:17]}")


def account_id_from(entropy: bytes) -> AccountId:
    """Return a 12-digit account id made from 8 random bytes; never with a leading zero."""
    assert len(entropy) == 8
    return AccountId(str(10**11 + int.from_bytes(entropy) % (9 * 10**11)))


def access_key_id_from(entropy: bytes) -> str:
    """Return `AKIA` and sixteen characters made from 16 random bytes."""
    assert len(entropy) == 16
    return "AKIA" + "".join(_BASE32[byte & 31] for byte in entropy)


def user_id_from(entropy: bytes) -> str:
    """Return `AIDA` and seventeen characters made from 17 random bytes."""
    assert len(entropy) == 17
    return "AIDA" + "".join(_BASE32[byte & 31] for byte in entropy)
