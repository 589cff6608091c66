"""Policy documents: text to values, or a sentence that says what is wrong."""

from dataclasses import dataclass
from enum import Enum


class PolicyKind(Enum):
    """Where a policy stands, which decides what it must and must not have."""

    IDENTITY = "identity-based"
    """Attached to a user: no Principal."""
    KEY = "resource-based"
    """A key policy: every statement has a Principal."""
    SESSION = "session"


class PolicyInvalid(ValueError):
    """The document is no policy. The message says what and where."""


@dataclass(frozen=True, slots=True)
class Policy:
    """A document that was read."""

    name: str
    """For messages: the policy's name or ARN; empty for a key policy."""
    text: str


def parse_policy(text: str, kind: PolicyKind, *, name: str = "") -> Policy:
    """Return the policy.

    Raises:
        PolicyInvalid
    """
    raise NotImplementedError
