"""What a caller may do. The root of an account may do everything in it.

Policies of users and roles plug in here later: the question, who does what to which resources, is the whole
of what they need. Whose snapshot it is, is not asked here: every record is looked up inside the caller's
account, so a foreign snapshot does not exist for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from neve.domain.identities import AccountId
from neve.errors import AccessDeniedError

NO_PARENT = "null"
"""StartSnapshot without a parent is evaluated on `snapshot/null` (contract 11)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Whose signature a request bears."""

    account_id: AccountId
    access_key_id: str
    arn: str

    @property
    def is_root(self) -> bool:
        """True for the account itself, as opposed to a user or role in it."""
        return self.arn == root_arn(self.account_id)


def root_arn(account_id: AccountId) -> str:
    """Return the name of an account's root."""
    return f"arn:aws:iam::{account_id}:root"


def root_identity(account_id: AccountId, access_key_id: str) -> Identity:
    """Return the identity behind an access key of the account itself."""
    return Identity(account_id=account_id, access_key_id=access_key_id, arn=root_arn(account_id))


def snapshot_arn(region: str, snapshot_id: str) -> str:
    """Return the name policies use for a snapshot; its account field is empty (contract 11)."""
    return f"arn:aws:ec2:{region}::snapshot/{snapshot_id}"


def authorize(identity: Identity, action: str, resources: Sequence[str]) -> None:
    """Return if the caller may do `action` (`ebs:PutSnapshotBlock`) to every one of `resources`.

    Raises:
        AccessDeniedError: no policy allows it. The message names the caller, the action and the resource.
    """
    if identity.is_root:
        return
    resource = resources[0] if resources else "*"
    raise AccessDeniedError(
        f"User: {identity.arn} is not authorized to perform: {action} on resource: {resource} "
        f"because no identity-based policy allows the {action} action"
    )
