"""The key that a KMS request names, and whether the caller may do with it what the request asks.

Every operation on a key comes through here: first the name becomes a key, then policies and grants are asked, and
only then does the operation look at the key's state. What belongs to another account is denied in one voice,
whether it is there or not. So nothing may be refused for another reason in between, where a key that is there has
been found and one that is not was denied already: what a request can get wrong by itself is looked at before.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from neve.domain.kms_keys import EncryptionContext, Grant, KmsKey
from neve.domain.policies.evaluation import ContextValue, Question, decide
from neve.errors import KmsError
from neve.operations.context import Caller, Context
from neve.operations.key_permission import denied_across_accounts, require_key_permission
from neve.stores.keys.contract_managed import ManagedKeys, description_of
from neve.stores.keys.key_arns import check_usable
from neve.stores.keys.key_names import KeyName, parse_name

ACCESS_DENIED: Final = "AccessDeniedException"
_CONTEXT_BYTES_MAX: Final = 8192
"""KMS developer guide, "Encryption context"."""

Conditions = Mapping[str, ContextValue]
"""Condition keys of one request, by lower-case name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """By which names an operation takes keys, and whose (KMS API reference, "Cross-account use")."""

    aliases: bool
    foreign: bool


MANAGING: Final = Reach(aliases=False, foreign=False)
GRANTING: Final = Reach(aliases=False, foreign=True)
USING: Final = Reach(aliases=True, foreign=True)


def keyring_of(ctx: Context) -> ManagedKeys:
    """Return the keys that are ours.

    Raises:
        KmsError: UnsupportedOperationException where somebody else's KMS keeps them.
    """
    if ctx.keyring is None:
        raise KmsError(
            "UnsupportedOperationException",
            f"This server keeps no keys: they are made, changed and used where they are kept, {ctx.keys.name}.",
        )
    return ctx.keyring


def named_key(ctx: Context, caller: Caller, action: str, name: str, reach: Reach) -> KmsKey:
    """Return the key that `name` names; whether the caller may do anything with it is still to be asked.

    Raises:
        KmsError: NotFoundException, InvalidArnException; AccessDeniedException for what another account has or has not.
    """
    parsed = parse_name(name, account_id=caller.account_id, region=ctx.region)
    if parsed.alias and not reach.aliases:
        raise KmsError("NotFoundException", f"Invalid keyId '{name}'")
    if parsed.account_id == caller.account_id:
        return keyring_of(ctx).resolve(caller.account_id, name)
    if not reach.foreign:
        raise denied_across_accounts(caller, action, parsed.arn)
    return _foreign_key(ctx, caller, action, parsed)


def permit(
    ctx: Context,
    caller: Caller,
    action: str,
    key: KmsKey,
    *,
    encryption_context: EncryptionContext | None = None,
    conditions: Conditions | None = None,
    grants: Callable[[], Sequence[Grant]] | None = None,
) -> None:
    """Return if policies and grants allow the caller `action` with the key, given what else the request brings.

    `grants` are those that count; every grant of the key unless said otherwise.

    Raises:
        KmsError: AccessDeniedException.
    """
    require_key_permission(
        ctx,
        replace(caller, context={**caller.context, **(conditions or {})}),
        action,
        description_of(key),
        encryption_context=encryption_context,
        grants=grants,
    )


def permitted_key(
    ctx: Context,
    caller: Caller,
    action: str,
    name: str,
    reach: Reach,
    *,
    encryption_context: EncryptionContext | None = None,
    conditions: Conditions | None = None,
) -> KmsKey:
    """Return the key that `name` names, if the caller may do `action` with it: `named_key` and `permit_named`."""
    check_context(encryption_context)
    key = named_key(ctx, caller, action, name, reach)
    permit_named(
        ctx, caller, action, key, name=name, encryption_context=encryption_context, conditions=conditions
    )
    return key


def permit_named(
    ctx: Context,
    caller: Caller,
    action: str,
    key: KmsKey,
    *,
    name: str,
    encryption_context: EncryptionContext | None = None,
    conditions: Conditions | None = None,
) -> None:
    """Return if the caller may do `action` with the key that a request calls `name`.

    Raises:
        KmsError: AccessDeniedException.
    """
    parsed = parse_name(name, account_id=caller.account_id, region=ctx.region)
    more = {**(conditions or {}), **({"kms:requestalias": (parsed.alias,)} if parsed.alias else {})}
    try:
        permit(ctx, caller, action, key, encryption_context=encryption_context, conditions=more)
    except KmsError as error:
        if error.code != ACCESS_DENIED or parsed.account_id == caller.account_id:
            raise
        # In the words of the request: which key stands behind another account's alias is not told.
        raise denied_across_accounts(caller, action, parsed.arn) from None


def check_context(context: EncryptionContext | None) -> None:
    """Return if an encryption context is no larger than one may be. Asked before any key is looked for.

    Raises:
        KmsError: ValidationException.
    """
    if context and sum(len(text.encode()) for pair in context.items() for text in pair) > _CONTEXT_BYTES_MAX:
        raise KmsError(
            "ValidationException",
            f"An encryption context may have at most {_CONTEXT_BYTES_MAX} bytes of keys and values.",
        )


def permit_alias(caller: Caller, action: str, alias_arn: str) -> None:
    """Return if the caller's own policies allow `action` on an alias, which has none of its own.

    Raises:
        KmsError: AccessDeniedException.
    """
    decision = decide(
        Question(principal=caller.principal, action=action, resource=alias_arn, context=caller.context)
    )
    if not decision.allowed:
        raise KmsError(
            "AccessDeniedException",
            f"User: {caller.principal.arn} is not authorized to perform: {action} on resource: {alias_arn} "
            f"{decision.because}",
        )


def check_grant_tokens(ctx: Context, tokens: Sequence[str] | None) -> None:
    """Return if every grant token is one of ours. A grant works from the moment it is made, so they add nothing.

    Raises:
        KmsError: InvalidGrantTokenException.
    """
    for token in tokens or ():
        keyring_of(ctx).read_grant_token(token)


def check_enabled(key: KmsKey) -> None:
    """Return if the key may be used.

    Raises:
        KmsError: DisabledException, KMSInvalidStateException.
    """
    check_usable(description_of(key))


def end_dry_run(*, dry_run: bool | None) -> None:
    """Return unless the request was only a question, whose answer is now known to be yes.

    Raises:
        KmsError: DryRunOperationException.
    """
    if dry_run:
        raise KmsError(
            "DryRunOperationException",
            "The request would have succeeded, but the DryRun option is set.",
            status=412,
        )


# --- helpers


def _foreign_key(ctx: Context, caller: Caller, action: str, name: KeyName) -> KmsKey:
    try:
        return keyring_of(ctx).resolve(caller.account_id, name.arn)
    except KmsError as error:
        if error.code == "NotFoundException":
            raise denied_across_accounts(caller, action, name.arn) from None
        raise
