"""What retention rules are called: ids, ARNs, and the refusal of one that is not there."""

import string
from typing import Final

from neve.domain.identities import AccountId
from neve.domain.retention import RetentionRule
from neve.errors import RbinError, RbinReason
from neve.operations.context import Context

_LETTERS: Final = string.digits + string.ascii_letters
_ID_CHARS: Final = 11
"""The model's pattern: eleven letters and digits."""


def new_rule_id(ctx: Context) -> str:
    """Return an id nobody has: 65 bits of chance."""
    number, letters = int.from_bytes(ctx.entropy.take(16)), []
    for _ in range(_ID_CHARS):
        number, index = divmod(number, len(_LETTERS))
        letters.append(_LETTERS[index])
    return "".join(letters)


def rule_arn(ctx: Context, rule: RetentionRule) -> str:
    """Return a rule's ARN."""
    return _arn_prefix(ctx, rule.account_id) + rule.rule_id


def rule_id_of(ctx: Context, account_id: AccountId, arn: str) -> str:
    """Return the id of an account's rule by its ARN.

    Raises:
        RbinError: ResourceNotFoundException for an ARN of another account or region.
    """
    prefix = _arn_prefix(ctx, account_id)
    if not arn.startswith(prefix):
        raise rule_not_found()
    return arn.removeprefix(prefix)


def rule_not_found() -> RbinError:
    """Return the refusal of a rule that is not there, or somebody else's."""
    return RbinError(
        "ResourceNotFoundException",
        "The retention rule does not exist.",
        reason=RbinReason.RULE_NOT_FOUND,
        status=404,
    )


def _arn_prefix(ctx: Context, account_id: AccountId) -> str:
    return f"arn:aws:rbin:{ctx.region}:{account_id}:rule/"
