"""The four ways to name a key of the local keyring, read as KMS reads them (contract 10).

    1234abcd-12ab-34cd-56ef-1234567890ab        in the caller's account
    alias/disks                                 in the caller's account
    arn:aws:kms:<region>:<account>:key/1234…    wherever it is
    arn:aws:kms:<region>:<account>:alias/disks

It looks nothing up.
"""

import re
from dataclasses import dataclass
from typing import Final

from neve.domain.identities import AccountId
from neve.domain.kms_keys import KmsKeyId, key_arn
from neve.errors import KmsError

ALIAS_PREFIX: Final = "alias/"

_ARN: Final = re.compile(
    r"arn:aws:kms:(?P<region>[a-z0-9-]{1,32}):(?P<account>[0-9]{12}):(?P<kind>key|alias)/(?P<rest>.{1,256})",
    re.ASCII,
)
_ALIAS: Final = re.compile(r"alias/[a-zA-Z0-9/_-]{1,250}", re.ASCII)
_KEY_ID: Final = re.compile(r"[a-f0-9]{8}(-[a-f0-9]{4}){3}-[a-f0-9]{12}", re.ASCII)
_ECHO_CHARS_MAX: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyName:
    """A name, read: of a key, or of an alias."""

    account_id: AccountId
    arn: str
    """The name in full."""
    key_id: KmsKeyId
    """Empty if an alias was named."""
    alias: str
    """With its prefix; empty if a key was named."""


def parse_name(name: str, *, account_id: AccountId, region: str) -> KeyName:
    """Return what a name says; `account_id` is whose names go without an account.

    Raises:
        KmsError: InvalidArnException, NotFoundException for what can name no key here.
    """
    if not name.startswith("arn:"):
        return _named(name, account_id, region)
    match = _ARN.fullmatch(name)
    if match is None:
        raise KmsError("InvalidArnException", f"Invalid arn {name[:_ECHO_CHARS_MAX]}")
    if match["region"] != region:
        raise KmsError("NotFoundException", f"Invalid arn {match['region']}")
    rest = match["rest"] if match["kind"] == "key" else f"{ALIAS_PREFIX}{match['rest']}"
    if match["kind"] == "key" and _KEY_ID.fullmatch(rest) is None:
        raise KmsError("NotFoundException", f"Key '{name}' does not exist")
    return _named(rest, AccountId(match["account"]), region)


def alias_arn(region: str, account_id: str, name: str) -> str:
    """Return an alias's full name."""
    return f"arn:aws:kms:{region}:{account_id}:{name}"


def alias_not_found(arn: str) -> KmsError:
    """Return what is said of an alias that does not exist."""
    return KmsError("NotFoundException", f"Alias {arn} is not found.")


def _named(name: str, account_id: AccountId, region: str) -> KeyName:
    if name.startswith(ALIAS_PREFIX):
        arn = alias_arn(region, account_id, name)
        if _ALIAS.fullmatch(name) is None:
            raise alias_not_found(arn[:_ECHO_CHARS_MAX])
        return KeyName(account_id=account_id, arn=arn, key_id=KmsKeyId(""), alias=name)
    if _KEY_ID.fullmatch(name) is None:
        raise KmsError("NotFoundException", f"Invalid keyId '{name[:_ECHO_CHARS_MAX]}'")
    arn = key_arn(region, account_id, name)
    return KeyName(account_id=account_id, arn=arn, key_id=KmsKeyId(name), alias="")
