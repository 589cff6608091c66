"""What an operator may ask of a store, and the answers. JSON between a command and a running server.

A request names its answer: `Request[UserView]` is answered with a `UserView`. Nothing here decides anything, and
only `NewAccessKey` has a secret in it. An `account_id` left out is the store's only account. Members may be added;
a server that does not know one refuses the request.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, Protocol, TypeVar, get_args

import msgspec

from neve.errors import NeveError

Answer = TypeVar("Answer")


def _tag(name: str) -> str:
    """Return `create-user` for CreateUser."""
    return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("-")


class Request(
    msgspec.Struct,
    Generic[Answer],
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="ask",
    tag=_tag,
):
    """Something to do, answered with an `Answer`."""


class Administrator(Protocol):
    """Whoever does what an operator asks: the store itself, or a server that has it open."""

    def ask(self, request: Request[Answer]) -> Answer:
        """Do it, wholly or not at all, and answer.

        Raises:
            AdministrationRefused: the message says why; nothing was changed.
            StoreError
        """
        ...


class RefusedBecause(StrEnum):
    """Why a request was refused."""

    INVALID = "invalid"
    """What was given cannot be: it would be refused by every store."""
    NOT_FOUND = "not-found"
    CONFLICT = "conflict"
    """It is there already, in use, in a state that does not allow it, or as many as there may be."""
    UNKNOWN_REQUEST = "unknown-request"
    """The server does not know the request: it is another version."""


class AdministrationRefused(NeveError):
    """The store did nothing. The message is a sentence for the operator."""

    def __init__(self, why: RefusedBecause, message: str) -> None:
        super().__init__(message)
        self.why = why


class View(msgspec.Struct, frozen=True, kw_only=True):
    """Part of an answer. Times are whole seconds, UTC."""


class Row(View, frozen=True, kw_only=True, tag_field="row"):
    """One of the many things that a task finds. Each kind has a tag of its own."""


class Outcome(View, frozen=True, kw_only=True, tag_field="outcome"):
    """What came of a task, all told. Each kind has a tag of its own."""


# --- accounts


class AccountView(View, frozen=True, kw_only=True):
    account_id: str
    name: str
    created: datetime


class ListAccounts(Request[list[AccountView]], frozen=True, kw_only=True):
    """Every account, by id."""


class CreateAccount(Request[AccountView], frozen=True, kw_only=True):
    """Make an account, of a name that need not be unique."""

    name: str
    account_id: str | None = None
    """Twelve digits that no account has; None for random ones."""


# --- access keys


class AccessKeyView(View, frozen=True, kw_only=True):
    access_key_id: str
    account_id: str
    account_name: str
    user_name: str
    """Empty for the account's own."""
    enabled: bool
    expires: datetime | None
    expired: bool
    created: datetime


class NewAccessKey(View, frozen=True, kw_only=True):
    """An access key as its holder gets to see it: once."""

    account_id: str
    user_name: str
    access_key_id: str
    secret_access_key: str
    expires: datetime | None
    region: str
    """That its holder signs for."""

    def __repr__(self) -> str:
        return f"<new access key {self.access_key_id}>"


class RotatedAccessKey(View, frozen=True, kw_only=True):
    new: NewAccessKey
    old: AccessKeyView


class ListAccessKeys(Request[list[AccessKeyView]], frozen=True, kw_only=True):
    """Access keys by account and id; of every account where none is named."""

    account_id: str | None = None
    user_name: str | None = None


class CreateAccessKey(Request[NewAccessKey], frozen=True, kw_only=True):
    account_id: str | None = None
    user_name: str = ""
    expires: str = ""
    """`90d`, `12h`, a date or a time; empty or `never` for never."""


class SetAccessKeyEnabled(Request[AccessKeyView], frozen=True, kw_only=True):
    access_key_id: str
    enabled: bool


class DeleteAccessKey(Request[None], frozen=True, kw_only=True):
    access_key_id: str


class RotateAccessKey(Request[RotatedAccessKey], frozen=True, kw_only=True):
    """Make a new key for the same holder and let the old one expire after `grace`."""

    access_key_id: str
    grace: str
    """`24h`; `0s` stops the old key at once."""
    expires: str = ""
    """Of the new key. Must be said, if only as `never`, where the old one had an expiry."""


# --- users


class UserView(View, frozen=True, kw_only=True):
    account_id: str
    user_name: str
    user_id: str
    arn: str
    created: datetime


class UserDetails(UserView, frozen=True, kw_only=True):
    policies: list[str]
    access_keys: list[AccessKeyView]


class ListUsers(Request[list[UserView]], frozen=True, kw_only=True):
    """Users by account and name; of every account where none is named."""

    account_id: str | None = None


class CreateUser(Request[UserView], frozen=True, kw_only=True):
    account_id: str | None = None
    user_name: str


class ShowUser(Request[UserDetails], frozen=True, kw_only=True):
    account_id: str | None = None
    user_name: str


class DeleteUser(Request[None], frozen=True, kw_only=True):
    """Forget a user, their access keys and attachments."""

    account_id: str | None = None
    user_name: str


# --- policies


class PolicyView(View, frozen=True, kw_only=True):
    account_id: str
    policy_name: str
    ready_made: bool
    """The program's, not the account's: the same in every account, and cannot be changed."""
    created: datetime | None
    updated: datetime | None


class PolicyDetails(PolicyView, frozen=True, kw_only=True):
    document: str
    attached_to: list[str]
    """Names of users."""


class ListPolicies(Request[list[PolicyView]], frozen=True, kw_only=True):
    """An account's policies by name, then those that are ready-made."""

    account_id: str | None = None


class PutPolicy(Request[PolicyView], frozen=True, kw_only=True):
    """Make a policy, or give one that is there a new document."""

    account_id: str | None = None
    policy_name: str
    document: str


class ShowPolicy(Request[PolicyDetails], frozen=True, kw_only=True):
    account_id: str | None = None
    policy_name: str


class DeletePolicy(Request[None], frozen=True, kw_only=True):
    account_id: str | None = None
    policy_name: str


class AttachPolicy(Request[None], frozen=True, kw_only=True):
    """Repeating it changes nothing."""

    account_id: str | None = None
    policy_name: str
    user_name: str


class DetachPolicy(Request[None], frozen=True, kw_only=True):
    """A policy that is not attached is no error."""

    account_id: str | None = None
    policy_name: str
    user_name: str


class DecisionView(View, frozen=True, kw_only=True):
    allowed: bool
    verdict: str
    principal: str
    action: str
    resource: str
    explanation: str
    message: str
    """What a client would be told; empty if allowed."""
    notes: list[str]
    """What was not known, and what was put in its place."""


class SimulateRequest(Request[DecisionView], frozen=True, kw_only=True):
    """What would the policies of a user, or of the account's root, say?"""

    account_id: str | None = None
    user_name: str
    """Empty for the root."""
    action: str
    resource: str
    """An ARN, `*`, or a snapshot's id."""
    context: dict[str, list[str]] = {}
    """Condition keys, which go before what is looked up."""


def answer_type(request: type[Request[Any]]) -> Any:
    """Return what a request of this type is answered with."""
    (base,) = request.__orig_bases__  # type: ignore[attr-defined]  # of every subclass of a Generic
    (answer,) = get_args(base)
    return answer
