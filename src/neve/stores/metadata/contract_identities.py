"""Records of who there is in an account and what they may do: part of what every metadata store promises.

The promises of `contract` hold here too: atomic, durable, consistent, bounded, shared, closed-mouthed. What a policy
says is nobody's business here: a document is text that was checked before it came.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from neve.domain.identities import AccountId


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Somebody in an account who is not the account itself."""

    account_id: AccountId
    user_name: str
    user_id: str
    """`AIDA…`, never used twice: a user made anew under an old name is somebody else."""
    created_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagedPolicy:
    """A policy of an account, to be attached to its users."""

    account_id: AccountId
    policy_name: str
    document: str
    created_ms: int
    updated_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A policy attached to a user."""

    policy_name: str
    document: str | None
    """None for a name the account has no policy of: a ready-made one, whose document the program has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSettings:
    """What holds for all later requests of an account (contract 9.7)."""

    account_id: AccountId
    encryption_by_default: bool = False
    default_kms_key: str = ""
    """The ARN that ModifyEbsDefaultKmsKeyId set; empty for the provider's own default."""
    public_access: str = "unblocked"
    """What sharing with everybody is allowed (contract 9.10): `unblocked`, `block-new-sharing`, `block-all-sharing`."""


class IdentityRecords(Protocol):
    """Users, their policies, and the settings of accounts. All in one account unless said otherwise."""

    def add_user(self, user: User) -> None:
        """Record a user of a recorded account.

        Raises:
            UserExists: the account has one of this name.
        """
        ...

    def user(self, account_id: AccountId, user_name: str) -> User:
        """Return a user.

        Raises:
            UserNotFound
        """
        ...

    def users(self, account_id: AccountId) -> Sequence[User]:
        """Return the account's users, by name."""
        ...

    def remove_user(self, account_id: AccountId, user_name: str) -> None:
        """Forget a user with their access keys and attachments, in one transaction.

        Raises:
            UserNotFound
        """
        ...

    def put_policy(self, policy: ManagedPolicy) -> None:
        """Record a policy; one of the same name takes the new document and keeps its created_ms."""
        ...

    def policy(self, account_id: AccountId, policy_name: str) -> ManagedPolicy:
        """Return a policy.

        Raises:
            PolicyNotFound
        """
        ...

    def policies(self, account_id: AccountId) -> Sequence[ManagedPolicy]:
        """Return the account's policies, by name."""
        ...

    def remove_policy(self, account_id: AccountId, policy_name: str) -> None:
        """Forget a policy.

        Raises:
            PolicyNotFound
            PolicyInUse: it is attached to somebody.
        """
        ...

    def attach_policy(self, account_id: AccountId, user_name: str, policy_name: str) -> None:
        """Attach a policy, which the account need not have recorded, to a user. Repeating it changes nothing.

        Raises:
            UserNotFound
        """
        ...

    def detach_policy(self, account_id: AccountId, user_name: str, policy_name: str) -> None:
        """Take a policy off a user. One that is not attached is no error.

        Raises:
            UserNotFound
        """
        ...

    def attachments(self, account_id: AccountId, user_name: str) -> Sequence[Attachment]:
        """Return what is attached to a user, by name, each with its document as it stands now.

        Every request of the user asks this: one statement.

        Raises:
            UserNotFound
        """
        ...

    def account_settings(self, account_id: AccountId) -> AccountSettings:
        """Return an account's settings; the defaults where none were put."""
        ...

    def put_account_settings(self, settings: AccountSettings) -> None:
        """Replace a recorded account's settings."""
        ...

    def change_account_settings(
        self, account_id: AccountId, change: Callable[[AccountSettings], AccountSettings]
    ) -> AccountSettings:
        """Replace a recorded account's settings by what `change` makes of them, and return that.

        One transaction: of two changes at once none is lost. What `change` raises comes out, and nothing changed.
        """
        ...
