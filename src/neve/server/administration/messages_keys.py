"""What an operator may ask about KMS keys, and the answers: `messages`, continued."""

from datetime import datetime

from neve.server.administration.messages import Request, View


class KeyView(View, frozen=True, kw_only=True):
    key_id: str
    arn: str
    account_id: str
    description: str
    manager: str
    """`CUSTOMER`, or `AWS` for an account's default key, which changes by nobody's hand."""
    state: str
    """As KMS calls it: `Enabled`, `Disabled`, `PendingDeletion`."""
    aliases: list[str]
    created: datetime
    deletion: datetime | None
    """When a key pending deletion goes."""
    rotated: datetime
    """When its newest material was made."""
    rotation_days: int | None
    """How often its material rotates by itself."""
    material_version: int


class KeyDetails(KeyView, frozen=True, kw_only=True):
    policy: str
    tags: dict[str, str]
    grants: list[str]
    """Ids."""


class ListKeys(Request[list[KeyView]], frozen=True, kw_only=True):
    """Keys by account and id; of every account where none is named."""

    account_id: str | None = None


class CreateKey(Request[KeyView], frozen=True, kw_only=True):
    account_id: str | None = None
    description: str = ""
    alias: str = ""
    policy: str = ""
    """Empty for the one that lets the account say who does what with the key."""
    rotation_days: int | None = None


class ShowKey(Request[KeyDetails], frozen=True, kw_only=True):
    """`key_id` is a key's id, its ARN, or an alias; so it is in every request below."""

    account_id: str | None = None
    key_id: str


class SetKeyEnabled(Request[KeyView], frozen=True, kw_only=True):
    account_id: str | None = None
    key_id: str
    enabled: bool


class RotateKey(Request[KeyView], frozen=True, kw_only=True):
    """Give a key new material now."""

    account_id: str | None = None
    key_id: str


class SetKeyRotation(Request[KeyView], frozen=True, kw_only=True):
    """Let a key's material rotate by itself, or no longer."""

    account_id: str | None = None
    key_id: str
    days: int | None


class ScheduleKeyDeletion(Request[KeyView], frozen=True, kw_only=True):
    account_id: str | None = None
    key_id: str
    days: int


class CancelKeyDeletion(Request[KeyView], frozen=True, kw_only=True):
    account_id: str | None = None
    key_id: str


class SetKeyAlias(Request[KeyView], frozen=True, kw_only=True):
    """Let an alias name a key, whatever it named before."""

    account_id: str | None = None
    key_id: str
    alias: str


class RemoveKeyAlias(Request[None], frozen=True, kw_only=True):
    account_id: str | None = None
    alias: str


class PutKeyPolicy(Request[KeyView], frozen=True, kw_only=True):
    account_id: str | None = None
    key_id: str
    document: str
