"""May this caller do that with this KMS key? Asked wherever a key is used: by the EBS operations and by those of KMS.

    key policy ┐
    grants     ├─▶ yes, or AccessDeniedException in KMS's own words (contract 3.4)
    identity   ┘   policies

Whether the key works at all is another question, which its provider answers. To another account a key that is not
there and one that it may not use are the same: neither words nor codes tell which ARNs exist. Where a key is an
account's and has neither key policy nor grants (Vault), no other account may use it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from neve.domain.kms_keys import KEY_SPEC, KEY_USAGE, EncryptionContext, Grant, KmsKeyId
from neve.domain.policies.documents import Policy, PolicyInvalid, PolicyKind, parse_policy
from neve.domain.policies.evaluation import ContextValue, Question, RequestContext, decide_for_key
from neve.errors import InvariantError, KmsError
from neve.operations.context import Caller, Context
from neve.operations.parsed_policies import ParsedPolicies
from neve.stores.keys.contract import KeyDescription
from neve.stores.keys.key_arns import parse_key_arn

_GRANTS_READ_AT_ONCE: Final = 1000
_HIDDEN: Final = frozenset({"NotFoundException", "AccessDeniedException"})
"""Both tell of another account's key whether it is there: the second, that its keeper has it and keeps it from us."""
_ACROSS_ACCOUNTS: Final = (
    "because the resource does not exist in this Region, no resource-based policies allow access, or a resource-based "
    "policy explicitly denies access"
)


def described_key(ctx: Context, caller: Caller, action: str, key_arn: str) -> KeyDescription:
    """Return what there is to know of the key that `action` is asked for; permission is still to be asked.

    Raises:
        KmsError: NotFoundException for a missing key of the caller's account, AccessDeniedException for one of another
            account, and what else the provider's `describe` raises.
        KeyProviderUnavailable
    """
    try:
        return ctx.domains.describe_key(key_arn)
    except KmsError as error:
        if error.code in _HIDDEN and _hides(ctx, caller, parse_key_arn(key_arn).account_id):
            raise denied_across_accounts(caller, action, key_arn) from None
        raise


def require_key_permission(
    ctx: Context,
    caller: Caller,
    action: str,
    description: KeyDescription,
    *,
    encryption_context: EncryptionContext | None = None,
    via_service: bool = False,
    grants: Callable[[], Sequence[Grant]] | None = None,
) -> None:
    """Return if the caller may do `action` (`kms:Decrypt`) with the key.

    Without a key policy nobody but the key's account uses it, and its own policies decide, where accounts are ours.
    `via_service` says that EBS uses the key on the caller's behalf: then policies see `kms:ViaService`. The
    grants that count are the key's, unless the operation says which; they are read if policies leave the question open.

    Raises:
        KmsError: AccessDeniedException.
    """
    hides = _hides(ctx, caller, description.account_id)
    if hides and description.policy is None:
        raise denied_across_accounts(caller, action, description.arn)
    decision = decide_for_key(
        Question(
            principal=caller.principal,
            action=action,
            resource=description.arn,
            context={
                **caller.context,
                **conditions_of(description, ours=ctx.keyring is not None),
                **_via(ctx, via_service=via_service),
            },
        ),
        key_policy=None if description.policy is None else _key_policy(description.policy),
        key_account_id=description.account_id,
        grants=grants or (lambda: grants_of(ctx, description.arn)),
        encryption_context=encryption_context,
    )
    if decision.allowed:
        return
    because = _ACROSS_ACCOUNTS if hides else decision.because
    raise _denied(caller, action, description.arn, because)


def grants_of(ctx: Context, key_arn: str) -> Sequence[Grant]:
    """Return every grant of a key."""
    key_id = KmsKeyId(parse_key_arn(key_arn).key_id)
    grants: list[Grant] = []
    while True:
        after = grants[-1].grant_id if grants else None
        page = ctx.metadata.keys.grants(key_id, after=after, limit=_GRANTS_READ_AT_ONCE)
        grants.extend(page)
        if len(page) < _GRANTS_READ_AT_ONCE:
            return grants


def conditions_of(description: KeyDescription, *, ours: bool) -> Mapping[str, ContextValue]:
    """Return the condition keys about a key; `ours` says that we keep it.

    Tags whose keys differ in case only share one, with all their values.
    """
    found: dict[str, tuple[str, ...]] = {}
    if description.symmetric:
        found |= {"kms:keyspec": (KEY_SPEC,), "kms:keyusage": (KEY_USAGE,)}
    if ours:
        found["kms:keyorigin"] = ("AWS_KMS",)
    for key, value in description.tags.items():
        name = f"aws:resourcetag/{key.lower()}"
        found[name] = (*found.get(name, ()), value)
    return found


def denied_across_accounts(caller: Caller, action: str, key_arn: str) -> KmsError:
    """Return what is said of another account's key, whether it is not there or may not be used."""
    return _denied(caller, action, key_arn, _ACROSS_ACCOUNTS)


def _denied(caller: Caller, action: str, key_arn: str, because: str) -> KmsError:
    return KmsError(
        "AccessDeniedException",
        f"User: {caller.principal.arn} is not authorized to perform: {action} on resource: {key_arn} {because}",
    )


def _via(ctx: Context, *, via_service: bool) -> RequestContext:
    return {"kms:viaservice": (f"ec2.{ctx.region}.amazonaws.com",)} if via_service else {}


def _hides(ctx: Context, caller: Caller, account_id: str) -> bool:
    """Return whether a key is another account's, as far as accounts in ARNs are ours to compare."""
    return ctx.keys.accounts_are_ours and account_id != caller.account_id


def _key_policy(text: str) -> Policy:
    return _POLICIES.get(PolicyKind.KEY, "", text, lambda: _parsed(text))


def _parsed(text: str) -> Policy:
    try:
        return parse_policy(text, PolicyKind.KEY)
    except PolicyInvalid as error:
        raise InvariantError(f"a key policy that was accepted does not parse: {error}") from error


_POLICIES: Final = ParsedPolicies()
"""Every block of an encrypted snapshot asks."""
