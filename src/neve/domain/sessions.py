"""Temporary credentials: an access key id, a secret, and a token that carries everything about them.

    token = base64( version 1 | AES-SIV( the session as JSON; associated data = "session", access key id ) )

Nothing is stored: whoever presents the token brings the session along, sealed under a key of the store's master
key. It is bound to its access key id and hangs on a long-term access key, its parent: what stops the parent, its
owner's removal included, stops its sessions, and nothing else does before their time is over. AES-SIV (RFC 5297)
needs no nonce; the secret inside makes every token another.
"""

import base64
import binascii
from dataclasses import dataclass, field
from typing import Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from neve.domain.identities import AccountId, access_key_id_from

SESSION_KEY_BYTES: Final = 64
SESSION_ENTROPY_BYTES: Final = 46
"""Sixteen bytes become the access key id, thirty the secret."""
TOKEN_CHARS_MAX: Final = 8192
"""A session policy has 2,048 characters at most (STS API reference); all of them four bytes wide, and then base64."""
ACCESS_KEY_ID_PREFIX: Final = "ASIA"

_VERSION: Final = b"\x01"
_ID_ENTROPY_BYTES: Final = 16


class SessionTokenInvalid(ValueError):
    """Forged, altered, of another store, or of another access key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Temporary credentials, and whose they are. Its fields' names are in tokens: they never change meaning."""

    access_key_id: str
    secret: str = field(repr=False)
    parent_access_key_id: str
    """The long-term key that asked for it."""
    account_id: AccountId
    user_id: str
    """Of the parent's owner when it was issued: the account id for the root, `AIDA…` for a user."""
    issued_ms: int
    expires_ms: int
    federated_name: str = ""
    """What GetFederationToken called it; empty for a session of the parent's owner as such."""
    policy: str | None = None
    """Session policy as JSON: what the session may do at most."""


def new_session(
    entropy: bytes,
    *,
    parent_access_key_id: str,
    account_id: AccountId,
    user_id: str,
    issued_ms: int,
    expires_ms: int,
    federated_name: str = "",
    policy: str | None = None,
) -> Session:
    """Return a session whose access key id and secret are made from 46 random bytes."""
    assert len(entropy) == SESSION_ENTROPY_BYTES
    long_term = access_key_id_from(entropy[:_ID_ENTROPY_BYTES])
    return Session(
        access_key_id=ACCESS_KEY_ID_PREFIX + long_term[len(ACCESS_KEY_ID_PREFIX) :],
        secret=base64.b64encode(entropy[_ID_ENTROPY_BYTES:]).decode("ascii"),
        parent_access_key_id=parent_access_key_id,
        account_id=account_id,
        user_id=user_id,
        issued_ms=issued_ms,
        expires_ms=expires_ms,
        federated_name=federated_name,
        policy=policy,
    )


class SessionMint:
    """Makes and reads session tokens under one key. Immutable; safe from any thread."""

    def __init__(self, key: bytes) -> None:
        assert len(key) == SESSION_KEY_BYTES
        self._siv = AESSIV(key)

    def token(self, session: Session) -> str:
        """Return the token of a session."""
        sealed = self._siv.encrypt(msgspec.json.encode(session), _binding(session.access_key_id))
        return base64.b64encode(_VERSION + sealed).decode("ascii")

    def read(self, token: str, access_key_id: str) -> Session:
        """Return the session of a token, whether or not its time is over.

        Raises:
            SessionTokenInvalid
        """
        if len(token) > TOKEN_CHARS_MAX:
            raise SessionTokenInvalid
        try:
            data = base64.b64decode(token, validate=True)
            if not data.startswith(_VERSION):
                raise SessionTokenInvalid
            plain = self._siv.decrypt(data[len(_VERSION) :], _binding(access_key_id))
            session = msgspec.json.decode(plain, type=Session)
        except (InvalidTag, ValueError, binascii.Error, msgspec.MsgspecError):
            raise SessionTokenInvalid from None
        if session.access_key_id != access_key_id:
            raise SessionTokenInvalid
        return session


def _binding(access_key_id: str) -> list[bytes]:
    return [b"session", access_key_id.encode()]
