"""KMS keys in the transit engine of a Vault or OpenBao server.

    arn:aws:kms:us-east-1:111122223333:key/disks   ↔   transit key 111122223333.disks

The account is part of the transit key's name, so that accounts never share a key by accident. The encryption context
is the associated data of an AEAD cipher: what opens without it is no key for us. Data keys are made here and wrapped
there (`encrypt`), because not every server binds associated data to the keys that it makes (`datakey`).

    wrapping = version of the transit key (4 bytes) · what stands behind `vault:v1:`, decoded

No state is kept: the server refuses a key that was soft-deleted or removed with the very next call, and is asked why
only then.
"""

import base64
import binascii
import re
from typing import Final, NoReturn

import msgspec

from neve.clock import Entropy
from neve.domain.identities import AccountId
from neve.domain.kms_keys import EncryptionContext, KeyManager, KeyState
from neve.domain.kms_keys import key_arn as arn_of
from neve.errors import KeyProviderUnavailable, KmsError
from neve.stores.keys.contract import DataKey, KeyDescription
from neve.stores.keys.key_arns import (
    DATA_KEY_BYTES_MAX,
    check_usable,
    invalid_ciphertext,
    key_not_found,
    parse_key_arn,
)
from neve.stores.keys.vault_http import Answer, VaultHttp, errors_in, has_errors
from neve.stores.keys.vault_login import VaultLogin

DEFAULT_KEY_ID: Final = "aws-ebs"
"""Key id of an account's default key."""
_AEAD: Final = frozenset({"aes128-gcm96", "aes256-gcm96", "chacha20-poly1305", "xchacha20-poly1305"})
"""Transit key types that bind associated data."""
_NO_TYPE: Final = "never-made-by-a-use"
"""Encrypting with a key that is not there would make it, of the type that is asked for. There is no such type."""
_CIPHERTEXT: Final = re.compile(r"vault:v([0-9]{1,9}):([A-Za-z0-9+/=]+)", re.ASCII)
_KEY_ID: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?", re.ASCII)
"""Key ids that can be a transit key's name."""
_VERSION_BYTES: Final = 4
_WRAPPING_BYTES_MAX: Final = 6144
"""KMS's bound on a CiphertextBlob (contract 10)."""


class _Key(msgspec.Struct):
    type: str
    latest_version: int
    min_decryption_version: int = 1
    supports_encryption: bool = True
    soft_deleted: bool = False


class _KeyRead(msgspec.Struct):
    data: _Key


class _Ciphertext(msgspec.Struct):
    ciphertext: str


class _Encrypted(msgspec.Struct):
    data: _Ciphertext
    warnings: list[str] | None = None


class _Plaintext(msgspec.Struct):
    plaintext: str


class _Decrypted(msgspec.Struct):
    data: _Plaintext


class VaultTransit:
    """A `KeyProvider` over one transit engine. Safe from any thread."""

    def __init__(
        self, http: VaultHttp, login: VaultLogin, *, entropy: Entropy, region: str, mount: str = "transit"
    ) -> None:
        """`http` and `login` are closed with this. Nothing is sent yet."""
        self._http = http
        self._login = login
        self._entropy = entropy
        self._region = region
        self._mount = mount

    @property
    def name(self) -> str:
        return self._http.name

    @property
    def remote(self) -> bool:
        return True

    @property
    def accounts_are_ours(self) -> bool:
        return True

    def describe(self, key_arn: str) -> KeyDescription:
        return _description(key_arn, self._read(key_arn))

    def default_key_arn(self, account_id: AccountId) -> str:
        arn = arn_of(self._region, account_id, DEFAULT_KEY_ID)
        try:
            self._read(arn)
        except KmsError as refused:
            if refused.code != "NotFoundException":
                raise
            self._make_default_key(arn)
        return arn

    def generate_data_key(self, key_arn: str, context: EncryptionContext, *, size_bytes: int) -> DataKey:
        assert 1 <= size_bytes <= DATA_KEY_BYTES_MAX
        plaintext = self._entropy.take(size_bytes)
        wrapping, version = self._encrypt(key_arn, plaintext, context, "kms:GenerateDataKey")
        return DataKey(plaintext=plaintext, wrapping=wrapping, key_version=version)

    def decrypt(self, key_arn: str, wrapping: bytes, context: EncryptionContext) -> bytes:
        return self._decrypt(key_arn, wrapping, context, "kms:Decrypt")

    def re_encrypt(
        self,
        key_arn: str,
        wrapping: bytes,
        context: EncryptionContext,
        *,
        to_key_arn: str,
        to_context: EncryptionContext,
    ) -> tuple[bytes, str]:
        # The engine's own `rewrap` takes no associated data.
        plaintext = self._decrypt(key_arn, wrapping, context, "kms:ReEncryptFrom")
        return self._encrypt(to_key_arn, plaintext, to_context, "kms:ReEncryptTo")

    def close(self) -> None:
        self._login.close()
        self._http.close()

    # --- the engine

    def _read(self, key_arn: str) -> _Key:
        answer = self._ask("GET", f"keys/{self._transit_name(key_arn)}", None, key_arn, "kms:DescribeKey")
        if answer.status != 200:
            self._refuse(answer, key_arn)
        return self._http.decoded(answer, _KeyRead).data

    def _make_default_key(self, arn: str) -> None:
        name = self._transit_name(arn)
        try:
            answer = self._ask("POST", f"keys/{name}", {"type": "aes256-gcm96"}, arn, "kms:CreateKey")
        except KmsError as refused:
            if refused.code != "AccessDeniedException":
                raise
            raise KmsError(
                "NotFoundException",
                f"Key '{arn}' does not exist: the account has no default key yet, and the key provider does not let us "
                f"make it. Make the transit key {name}, or name a key.",
            ) from None
        if answer.status >= 300:
            self._refuse(answer, arn)

    def _encrypt(
        self, key_arn: str, plaintext: bytes, context: EncryptionContext, action: str
    ) -> tuple[bytes, str]:
        bound = _bound(context)
        body = {
            "plaintext": base64.b64encode(plaintext).decode("ascii"),
            "associated_data": bound,
            "context": bound,
            "type": _NO_TYPE,
        }
        try:
            answer = self._ask("POST", f"encrypt/{self._transit_name(key_arn)}", body, key_arn, action)
        except KmsError as denied:
            # To a server, encrypting with a key that is absent is making it, which our policy need not allow.
            if denied.code == "AccessDeniedException":
                self._read(key_arn)
            raise
        if answer.status != 200:
            self._explain(answer, key_arn)
            self._refuse(answer, key_arn)
        encrypted = self._http.decoded(answer, _Encrypted)
        if any("associated_data" in warning for warning in encrypted.warnings or ()):
            raise KeyProviderUnavailable(
                f"{self.name} is too old: it binds no encryption context (associated_data of transit). "
                "OpenBao, and Vault from 1.13 on, do"
            )
        return self._wrapping_of(encrypted.data.ciphertext)

    def _decrypt(self, key_arn: str, wrapping: bytes, context: EncryptionContext, action: str) -> bytes:
        name = self._transit_name(key_arn)
        version, sealed = int.from_bytes(wrapping[:_VERSION_BYTES]), wrapping[_VERSION_BYTES:]
        bound = _bound(context)
        body = {
            "ciphertext": f"vault:v{version}:{base64.b64encode(sealed).decode('ascii')}",
            "associated_data": bound,
            "context": bound,
        }
        if not sealed or len(wrapping) > _WRAPPING_BYTES_MAX:
            # Nothing to ask the engine, and yet: a key that may not be used says so first.
            check_usable(self.describe(key_arn))
            raise invalid_ciphertext()
        answer = self._ask("POST", f"decrypt/{name}", body, key_arn, action)
        if answer.status == 400:
            key = self._explain(answer, key_arn)
            if 0 < version < key.min_decryption_version:
                raise KmsError(
                    "KMSInvalidStateException",
                    f"{key_arn} no longer opens what its version {version} wrapped: min_decryption_version of the "
                    f"transit key {name} is {key.min_decryption_version}.",
                )
            raise invalid_ciphertext()
        if answer.status != 200:
            self._refuse(answer, key_arn)
        try:
            return base64.b64decode(self._http.decoded(answer, _Decrypted).data.plaintext, validate=True)
        except (binascii.Error, ValueError):
            raise KeyProviderUnavailable(f"{self.name} answered with a plaintext that is no base64") from None

    def _explain(self, answer: Answer, key_arn: str) -> _Key:
        """Return the key that an answer of status 400 was about, if the key itself is no reason to refuse.

        Raises:
            KmsError: it is.
        """
        if answer.status != 400:
            self._refuse(answer, key_arn)
        key = self._read(key_arn)
        check_usable(_description(key_arn, key))
        return key

    # --- asking

    def _transit_name(self, key_arn: str) -> str:
        parsed = parse_key_arn(key_arn)
        ours = arn_of(self._region, parsed.account_id, parsed.key_id)
        if key_arn != ours or _KEY_ID.fullmatch(parsed.key_id) is None:
            raise key_not_found(key_arn)
        return f"{parsed.account_id}.{parsed.key_id}"

    def _ask(self, method: str, path: str, body: object, key_arn: str, action: str) -> Answer:
        """Return an answer to us, with a token had anew if the one there was is no longer taken.

        Raises:
            KmsError: AccessDeniedException: our token is good, its policies are not enough.
            KeyProviderUnavailable
        """
        token = self._login.token()
        answer = self._http.exchange(method, f"{self._mount}/{path}", token=token, body=body)
        if answer.status == 403 and not self._login.refused(token):
            token, before = self._login.token(), token
            answer = self._http.exchange(method, f"{self._mount}/{path}", token=token, body=body)
            if answer.status == 403 and (token == before or not self._login.refused(token)):
                raise KeyProviderUnavailable(
                    f"{self.name} does not take our token: it ended, was revoked, or may not even look itself up "
                    "(auth/token/lookup-self). Give neve another one"
                )
        if answer.status == 403:
            raise KmsError(
                "AccessDeniedException",
                f"The key provider does not let us call {action} on {key_arn}: the policies of our token do not allow "
                f"{self._mount}/{path}.",
            )
        if answer.status == 429:
            raise KmsError("ThrottlingException", "The key provider asks us to call less often.")
        return answer

    def _refuse(self, answer: Answer, key_arn: str) -> NoReturn:
        """Raise what an answer means that is no refusal of the key's own."""
        if answer.status == 404 and not has_errors(answer):
            raise key_not_found(key_arn)
        if answer.status == 404:
            raise KeyProviderUnavailable(
                f"{self.name} has no transit engine at {self._mount}/: enable it there, or set vault_mount "
                "(and vault_namespace) to where it is"
            )
        raise KeyProviderUnavailable(f"{self.name} refused what we asked: {errors_in(answer)}")

    def _wrapping_of(self, ciphertext: str) -> tuple[bytes, str]:
        match = _CIPHERTEXT.fullmatch(ciphertext)
        try:
            if match is None:
                raise ValueError(ciphertext)
            sealed = base64.b64decode(match[2], validate=True)
            return int(match[1]).to_bytes(_VERSION_BYTES) + sealed, str(int(match[1]))
        except (binascii.Error, ValueError, OverflowError):
            raise KeyProviderUnavailable(
                f"{self.name} answered with a ciphertext of an unknown form"
            ) from None


def _description(key_arn: str, key: _Key) -> KeyDescription:
    parsed = parse_key_arn(key_arn)
    return KeyDescription(
        arn=key_arn,
        account_id=parsed.account_id,
        # Soft-deleted: kept, restorable, used for nothing. Vault knows no other pause of a key.
        state=KeyState.DISABLED if key.soft_deleted else KeyState.ENABLED,
        manager=KeyManager.AWS if parsed.key_id == DEFAULT_KEY_ID else KeyManager.CUSTOMER,
        key_version=str(key.latest_version),
        policy=None,
        symmetric=key.type in _AEAD and key.supports_encryption,
    )


def _bound(context: EncryptionContext) -> str:
    """Return the context in its one form, for the engine: JSON with sorted keys and no spaces, in base64."""
    return base64.b64encode(msgspec.json.encode(dict(context), order="deterministic")).decode("ascii")
