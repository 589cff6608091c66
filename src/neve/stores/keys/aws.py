"""KMS keys kept by AWS KMS, or by anything that speaks its API, over botocore.

A key's state is asked for before each use, although KMS refuses what it must: not every server that speaks the API
does, and a disabled key must open nothing wherever it is kept. For the same reason an answer counts only if it is
about the key that was asked for. What reached the caller is a `KmsError` with KMS's code; that our own credentials,
or the network, will not do is the operator's affair and a `KeyProviderUnavailable`.

Importing this module costs half a second: only whoever is told to use it does.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import Any, Final

import botocore.session
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ConnectionClosedError, NoCredentialsError

from neve import __version__
from neve.domain.identities import AccountId
from neve.domain.kms_keys import KEY_SPEC, EncryptionContext, KeyManager, KeyState
from neve.errors import KeyProviderUnavailable, KmsError
from neve.stores.keys.contract import DataKey, KeyDescription
from neve.stores.keys.key_arns import (
    DATA_KEY_BYTES_MAX,
    check_usable,
    invalid_ciphertext,
    key_not_found,
    parse_key_arn,
)

_CONNECTIONS_MAX: Final = 16
_ATTEMPTS: Final = 2
"""A kept connection may have been closed by the other side: that is tried once more, and nothing else. Whoever is
throttled hears of it and waits; botocore's own retries sleep where nobody sees it."""
_UNAUTHORIZED: Final = "not authorized"
"""What KMS says of a caller whom policies do not let in. It answers AccessDeniedException to a ciphertext as well that
names a key it does not know, as an altered one does, and there is no other sign to tell the two apart."""
_NEEDED: Final[Mapping[str, tuple[str, ...]]] = {
    "DescribeKey": ("KeyMetadata",),
    "GenerateDataKey": ("Plaintext", "CiphertextBlob"),
    "Decrypt": ("Plaintext", "KeyId"),
    "ReEncrypt": ("CiphertextBlob", "SourceKeyId"),
}
"""What an answer is of no use without."""
_OPENING: Final = frozenset({"Decrypt", "ReEncrypt"})
_CIPHERTEXT_BYTES_MAX: Final = 6144
"""Contract 10, Decrypt."""
_ROTATIONS_PAGE: Final = 1000
_ROTATIONS_PAGES_MAX: Final = 10
"""AWS keeps fewer than that: ten rotations on demand, and one for each period (ListKeyRotations)."""
_ROTATED: Final = "rotated"
_NEVER_ROTATED: Final = "never rotated"
"""What versions are called, with the moment, where DescribeKey names no material."""
_STATES: Final[Mapping[str, KeyState]] = {
    "Enabled": KeyState.ENABLED,
    "Disabled": KeyState.DISABLED,
    "PendingDeletion": KeyState.PENDING_DELETION,
    "PendingReplicaDeletion": KeyState.PENDING_DELETION,
    "PendingImport": KeyState.PENDING_IMPORT,
}
"""Every other state is one in which a key cannot be used: Unavailable, Creating, Updating."""
_PASSED_ON: Final = frozenset(
    {
        "DisabledException",
        "InvalidArnException",
        "InvalidCiphertextException",
        "InvalidKeyUsageException",
        "KMSInvalidStateException",
        "NotFoundException",
    }
)
_THROTTLED: Final = frozenset(
    {"LimitExceededException", "RequestLimitExceeded", "Throttling", "ThrottlingException"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsEndpoint:
    """Where KMS is and as whom we ask. An empty text leaves the choice to the process's own AWS settings."""

    region: str
    url: str = ""
    profile: str = ""
    timeout_s: float = 5.0
    """For the connection and for the answer, each."""


class AwsKeys:
    """A `KeyProvider` over the API of KMS. Safe from any thread."""

    def __init__(self, endpoint: AwsEndpoint, *, default_key_arn: str = "") -> None:
        """Nothing is read or sent yet: credentials may appear later than this process."""
        self._endpoint = endpoint
        self._default_key_arn = default_key_arn
        self._lock = Lock()
        self._client: Any = None

    @property
    def name(self) -> str:
        return f"AWS KMS at {self._endpoint.url or self._endpoint.region}"

    @property
    def remote(self) -> bool:
        return True

    @property
    def accounts_are_ours(self) -> bool:
        return False

    def describe(self, key_arn: str) -> KeyDescription:
        metadata = self._metadata(key_arn)
        return _description(metadata, self._version(key_arn, metadata))

    def default_key_arn(self, account_id: AccountId) -> str:
        if not self._default_key_arn:
            raise KmsError(
                "NotFoundException",
                f"Account {account_id} has no default key: the keys are kept in a KMS where none is made for it. "
                "Name a key, or have the operator set aws_kms_default_key_arn.",
            )
        return self._default_key_arn

    def generate_data_key(self, key_arn: str, context: EncryptionContext, *, size_bytes: int) -> DataKey:
        assert 1 <= size_bytes <= DATA_KEY_BYTES_MAX
        description = self.describe(key_arn)
        check_usable(description)
        answer = self._call(
            "GenerateDataKey",
            key_arn,
            KeyId=key_arn,
            NumberOfBytes=size_bytes,
            EncryptionContext=dict(context),
        )
        if len(answer["Plaintext"]) != size_bytes:
            raise self._strange("GenerateDataKey")
        return DataKey(
            plaintext=answer["Plaintext"],
            wrapping=answer["CiphertextBlob"],
            key_version=_version_in(answer.get("KeyMaterialId"), description),
        )

    def decrypt(self, key_arn: str, wrapping: bytes, context: EncryptionContext) -> bytes:
        check_usable(_description(self._metadata(key_arn), ""))
        _check_form(wrapping)
        answer = self._call(
            "Decrypt", key_arn, KeyId=key_arn, CiphertextBlob=wrapping, EncryptionContext=dict(context)
        )
        if answer["KeyId"] != key_arn:
            raise invalid_ciphertext()
        return bytes(answer["Plaintext"])

    def re_encrypt(
        self,
        key_arn: str,
        wrapping: bytes,
        context: EncryptionContext,
        *,
        to_key_arn: str,
        to_context: EncryptionContext,
    ) -> tuple[bytes, str]:
        check_usable(_description(self._metadata(key_arn), ""))
        to = self.describe(to_key_arn)
        check_usable(to)
        _check_form(wrapping)
        answer = self._call(
            "ReEncrypt",
            key_arn,
            CiphertextBlob=wrapping,
            SourceKeyId=key_arn,
            SourceEncryptionContext=dict(context),
            DestinationKeyId=to_key_arn,
            DestinationEncryptionContext=dict(to_context),
        )
        if answer["SourceKeyId"] != key_arn:
            raise invalid_ciphertext()
        return answer["CiphertextBlob"], _version_in(answer.get("DestinationKeyMaterialId"), to)

    def close(self) -> None:
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    # --- keys

    def _metadata(self, key_arn: str) -> Mapping[str, Any]:
        parse_key_arn(key_arn)
        metadata: Mapping[str, Any] = self._call("DescribeKey", key_arn, KeyId=key_arn)["KeyMetadata"]
        if metadata.get("Arn") != key_arn:
            raise key_not_found(key_arn)
        return metadata

    def _version(self, key_arn: str, metadata: Mapping[str, Any]) -> str:
        """Return what names the key's newest material; empty where nobody tells."""
        if material := metadata.get("CurrentKeyMaterialId"):
            return str(material)
        rotated_ms = 0
        marker: dict[str, str] = {}
        for _ in range(_ROTATIONS_PAGES_MAX):
            try:
                page = self._call("ListKeyRotations", key_arn, KeyId=key_arn, Limit=_ROTATIONS_PAGE, **marker)
            except KmsError:
                # Not every server knows it, and not everybody who may use a key may list its rotations.
                return ""
            for rotation in page.get("Rotations", ()):
                if isinstance(rotation.get("RotationDate"), datetime):
                    rotated_ms = max(rotated_ms, int(rotation["RotationDate"].timestamp() * 1000))
            if not page.get("Truncated"):
                return f"{_ROTATED} {rotated_ms}" if rotated_ms else _NEVER_ROTATED
            marker = {"Marker": page.get("NextMarker", "")}
        return ""

    # --- calls

    def _call(self, operation: str, key_arn: str, **arguments: object) -> Mapping[str, Any]:
        answer: Mapping[str, Any] = {}
        try:
            answer = self._sent(operation, arguments)
            whole = all(answer[member] for member in _NEEDED.get(operation, ()))
        except ClientError as refused:
            raise self._translated(refused, operation, key_arn) from None
        except NoCredentialsError:
            # A client that found none when it was made never finds any.
            self.close()
            raise KeyProviderUnavailable(
                f"there are no credentials for {self.name}: set them as for any AWS tool, or aws_kms_profile"
            ) from None
        except BotoCoreError as error:
            raise KeyProviderUnavailable(f"{self.name} does not answer: {error}") from None
        except (AttributeError, KeyError, TypeError, ValueError):
            # botocore's parsers let through whatever nonsense makes them stumble.
            whole = False
        if not whole:
            raise self._strange(operation)
        return answer

    def _sent(self, operation: str, arguments: Mapping[str, object]) -> Mapping[str, Any]:
        # The operations of a client are made at run time: to a type checker they are not there.
        method = getattr(self._ready(), xform_name(operation))
        for _ in range(1, _ATTEMPTS):
            with suppress(ConnectionClosedError):
                first: Mapping[str, Any] = method(**arguments)
                return first
        last: Mapping[str, Any] = method(**arguments)
        return last

    def _ready(self) -> Any:
        with self._lock:
            if self._client is None:
                session = botocore.session.Session(profile=self._endpoint.profile or None)
                self._client = session.create_client(
                    "kms",
                    region_name=self._endpoint.region,
                    endpoint_url=self._endpoint.url or None,
                    config=Config(
                        max_pool_connections=_CONNECTIONS_MAX,
                        retries={"mode": "standard", "total_max_attempts": 1},
                        connect_timeout=self._endpoint.timeout_s,
                        read_timeout=self._endpoint.timeout_s,
                        tcp_keepalive=True,
                        user_agent_extra=f"neve/{__version__}",
                    ),
                )
            return self._client

    def _strange(self, operation: str) -> KeyProviderUnavailable:
        return KeyProviderUnavailable(f"{self.name} answered {operation} with something else: is it a KMS?")

    def _translated(self, refused: ClientError, operation: str, key_arn: str) -> Exception:
        error = refused.response.get("Error", {})
        code, message = str(error.get("Code", "")), str(error.get("Message", ""))
        status = int(refused.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        denied = code == "AccessDeniedException"
        is_foreign = denied and operation in _OPENING and _UNAUTHORIZED not in message
        if code == "IncorrectKeyException" or is_foreign:
            return invalid_ciphertext()
        if denied:
            said = f"The key provider does not let us call kms:{operation} on {key_arn}."
            return KmsError(code, f"{said} Its audit log says why.")
        if code in _THROTTLED:
            return KmsError("ThrottlingException", "The key provider asks us to call less often.")
        if code in _PASSED_ON or (operation == "ListKeyRotations" and status < 500):
            return KmsError(code, message)
        # Our credentials, a fault of theirs, or a server that speaks something else.
        return KeyProviderUnavailable(
            f"{self.name} refused {operation} with {code} ({status}): {message[:300]}"
        )


def _check_form(wrapping: bytes) -> None:
    """Return if KMS would read it: what the model refuses never comes from KMS."""
    if not 1 <= len(wrapping) <= _CIPHERTEXT_BYTES_MAX:
        raise invalid_ciphertext()


def _version_in(material: str | None, description: KeyDescription) -> str:
    """Return what wrapped something, in the words of descriptions.

    What a use says of the material counts only where DescribeKey names it too. Otherwise the two would never agree, and
    each look at the wrappings would find them old: a new generation of every data key, round after round.
    """
    described = description.key_version
    if not described or described == _NEVER_ROTATED or described.startswith(f"{_ROTATED} "):
        return described
    return material or described


def _description(metadata: Mapping[str, Any], version: str) -> KeyDescription:
    # The spec of a symmetric key leaves it no other usage than encryption.
    spec = metadata.get("KeySpec") or metadata.get("CustomerMasterKeySpec")
    return KeyDescription(
        arn=metadata["Arn"],
        account_id=parse_key_arn(metadata["Arn"]).account_id,
        state=_STATES.get(metadata.get("KeyState", ""), KeyState.UNAVAILABLE),
        manager=KeyManager.AWS if metadata.get("KeyManager") == "AWS" else KeyManager.CUSTOMER,
        key_version=version,
        policy=None,
        symmetric=spec == KEY_SPEC,
    )
