"""What StartSnapshot's encryption parameters mean together: the whole matrix of contract 3.3.

    parent       Encrypted      KmsKeyArn   by default off   by default on
    none         left out       left out    unencrypted      default key
    none         true           left out    default key      default key
    none         false          left out    unencrypted      refused
    none         not false      given       given key        given key
    none         false          given       refused          refused
    unencrypted  left out       left out    unencrypted      refused
    encrypted    left out       left out    parent's key     parent's key
    any          given, or KmsKeyArn given  refused          refused

A parent that the caller does not own is none of this: it is not found, whatever else was given.
"""

from enum import Enum
from typing import Final

from neve.errors import ValidationError, ValidationReason


class Parent(Enum):
    """What a snapshot builds on, as far as encryption is concerned."""

    UNENCRYPTED = "unencrypted"
    ENCRYPTED = "encrypted"


class Outcome(Enum):
    """What a new snapshot is encrypted with."""

    UNENCRYPTED = "nothing"
    PARENTS_KEY = "its parent's key"
    GIVEN_KEY = "the key that was named"
    DEFAULT_KEY = "the account's default key"


# The words of the live service, which says `Encrypt` though the member is `Encrypted`.
_PARENT_AND_KEY: Final = "ParentSnapshotId and KmsKeyArn cannot be specified together"
_PARENT_AND_ENCRYPTED: Final = "ParentSnapshotId and Encrypt cannot be specified together"
_FALSE_AND_KEY: Final = "Encrypt cannot be false when KmsKeyArn is specified"
# Nobody recorded the words of these two.
_FALSE_BY_DEFAULT: Final = "Encrypted cannot be false while encryption by default is enabled. Leave it out, or disable encryption by default."
_PARENT_BY_DEFAULT: Final = (
    "A snapshot with an unencrypted parent would be unencrypted, which encryption by default does not allow. "
    "Start it without a parent, or disable encryption by default."
)


def outcome(
    *, parent: Parent | None, encrypted: bool | None, kms_key_arn: str | None, by_default: bool
) -> Outcome:
    """Return what the combination means.

    Raises:
        ValidationError: INVALID_PARAMETER_VALUE for a combination that means nothing.
    """
    if parent is None:
        return _of_a_first(encrypted=encrypted, kms_key_arn=kms_key_arn, by_default=by_default)
    if kms_key_arn is not None:
        raise _refusal(_PARENT_AND_KEY)
    if encrypted is not None:
        raise _refusal(_PARENT_AND_ENCRYPTED)
    if parent is Parent.ENCRYPTED:
        return Outcome.PARENTS_KEY
    if by_default:
        raise _refusal(_PARENT_BY_DEFAULT)
    return Outcome.UNENCRYPTED


def _of_a_first(*, encrypted: bool | None, kms_key_arn: str | None, by_default: bool) -> Outcome:
    if kms_key_arn is not None:
        if encrypted is False:
            raise _refusal(_FALSE_AND_KEY)
        return Outcome.GIVEN_KEY
    if encrypted is False:
        if by_default:
            raise _refusal(_FALSE_BY_DEFAULT)
        return Outcome.UNENCRYPTED
    return Outcome.DEFAULT_KEY if encrypted or by_default else Outcome.UNENCRYPTED


def _refusal(message: str) -> ValidationError:
    return ValidationError(message, reason=ValidationReason.INVALID_PARAMETER_VALUE)
