"""Whose signature a request bears: the root of an account, a user in it, or a session of either."""

from dataclasses import dataclass

from neve.domain.identities import AccountId
from neve.domain.policies.documents import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who asks, and what their own policies say."""

    account_id: AccountId
    arn: str
    user_id: str
    """The account id for the root, `AIDA…` for a user: `aws:userid`."""
    user_name: str = ""
    """Empty for the root. Of a federated session: whose permissions it has at most."""
    policies: tuple[Policy, ...] = ()
    """Identity-based policies. The root has none and needs none."""
    session_policy: Policy | None = None
    """Bounds a session to what it allows as well."""
    session_issued_ms: int | None = None
    """When temporary credentials were issued; None for long-term ones."""

    @property
    def is_root(self) -> bool:
        """True for the account itself."""
        return not self.user_name


def root_arn(account_id: AccountId) -> str:
    """Return the name of an account's root."""
    return f"arn:aws:iam::{account_id}:root"


def user_arn(account_id: AccountId, user_name: str) -> str:
    """Return the name of a user."""
    return f"arn:aws:iam::{account_id}:user/{user_name}"


def federated_arn(account_id: AccountId, name: str) -> str:
    """Return the name of a session that was made for somebody the account does not know."""
    return f"arn:aws:sts::{account_id}:federated-user/{name}"


def federated_user_id(account_id: AccountId, name: str) -> str:
    """Return the same session's `aws:userid`."""
    return f"{account_id}:{name}"


def root_principal(account_id: AccountId) -> Principal:
    """Return the account itself."""
    return Principal(account_id=account_id, arn=root_arn(account_id), user_id=account_id)
