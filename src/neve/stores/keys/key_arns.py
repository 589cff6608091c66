"""Key ARNs taken apart, and what KMS says of keys that cannot be used: what every key provider needs.

    arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab
        partition  region     account          key id

It knows no provider. The messages are KMS's own (contract 10), so that a caller reads the same whoever keeps the key.
"""

import re
from dataclasses import dataclass
from typing import Final

from neve.domain.identities import AccountId
from neve.domain.kms_keys import KeyState
from neve.errors import KmsError
from neve.stores.keys.contract import KeyDescription

DATA_KEY_BYTES_MAX: Final = 1024
"""KMS's NumberOfBytes (contract 10)."""

_ARN: Final = re.compile(
    r"arn:(?P<partition>aws[a-z-]{0,20}):kms:(?P<region>[a-z0-9-]{1,32}):(?P<account>[0-9]{12})"
    r":key/(?P<key_id>[A-Za-z0-9-]{1,128})",
    re.ASCII,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyArn:
    """The parts of a key ARN that name a key."""

    region: str
    account_id: AccountId
    key_id: str


def parse_key_arn(arn: str) -> KeyArn:
    """Return the parts of a key ARN.

    Raises:
        KmsError: InvalidArnException.
    """
    match = _ARN.fullmatch(arn)
    if match is None:
        raise KmsError("InvalidArnException", f"Invalid arn {arn[:200]}")
    return KeyArn(region=match["region"], account_id=AccountId(match["account"]), key_id=match["key_id"])


def key_not_found(key_arn: str) -> KmsError:
    """Return what is said of a key that does not exist."""
    return KmsError("NotFoundException", f"Key '{key_arn}' does not exist")


def invalid_ciphertext() -> KmsError:
    """Return what is said of a wrapping that does not open; KMS gives no reason, and neither do we."""
    return KmsError(
        "InvalidCiphertextException",
        "The ciphertext does not open: it was altered, or made with another key or encryption context.",
    )


def check_usable(description: KeyDescription) -> None:
    """Return if the key may wrap and open.

    Raises:
        KmsError: DisabledException, KMSInvalidStateException, InvalidKeyUsageException.
    """
    arn = description.arn
    match description.state:
        case KeyState.ENABLED:
            pass
        case KeyState.DISABLED:
            raise KmsError("DisabledException", f"{arn} is disabled.")
        case KeyState.PENDING_DELETION:
            raise KmsError("KMSInvalidStateException", f"{arn} is pending deletion.")
        case KeyState.PENDING_IMPORT:
            raise KmsError("KMSInvalidStateException", f"{arn} is pending import.")
        case KeyState.UNAVAILABLE:
            raise KmsError("KMSInvalidStateException", f"{arn} is unavailable.")
    if not description.symmetric:
        raise KmsError(
            "InvalidKeyUsageException",
            f"{arn} is not a symmetric key for encryption: only such keys wrap data keys.",
        )
