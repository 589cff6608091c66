"""PutKeyPolicy, GetKeyPolicy, ListKeyPolicies; and what a key's policy may be."""

from typing import Final

from neve.domain import kms_changes
from neve.domain.policies.documents import KEY_BYTES_MAX, Policy, PolicyInvalid, PolicyKind, parse_policy
from neve.domain.policies.evaluation import Question, decide_for_key
from neve.errors import KmsError
from neve.messages import kms
from neve.messages.kms_responses import EmptyResponse, GetKeyPolicyResponse, ListKeyPoliciesResponse
from neve.operations.context import Caller, Context
from neve.operations.kms.access import MANAGING, Conditions, keyring_of, permitted_key

POLICY_NAME: Final = "default"
"""The only one there is."""

_PUT: Final = "kms:PutKeyPolicy"


def put_key_policy(ctx: Context, caller: Caller, request: kms.PutKeyPolicyRequest) -> EmptyResponse:
    """Replace the key's policy. Repeating it changes nothing.

    Raises:
        KmsError: NotFoundException, AccessDeniedException, MalformedPolicyDocumentException, LimitExceededException.
    """
    key = permitted_key(
        ctx,
        caller,
        _PUT,
        request.key_id,
        MANAGING,
        conditions=bypass_condition(request.bypass_policy_lockout_safety_check),
    )
    _check_name(request.policy_name)
    check_policy(
        caller, request.policy, key.arn, key.account_id, bypass=request.bypass_policy_lockout_safety_check
    )
    keyring_of(ctx).update(key.key_id, lambda read: kms_changes.with_policy(read, request.policy))
    return EmptyResponse()


def get_key_policy(ctx: Context, caller: Caller, request: kms.GetKeyPolicyRequest) -> GetKeyPolicyResponse:
    """Return the key's policy as it was put.

    Raises:
        KmsError: NotFoundException, AccessDeniedException.
    """
    key = permitted_key(ctx, caller, "kms:GetKeyPolicy", request.key_id, MANAGING)
    _check_name(request.policy_name)
    return GetKeyPolicyResponse(policy=key.policy, policy_name=POLICY_NAME)


def list_key_policies(
    ctx: Context, caller: Caller, request: kms.ListKeyPoliciesRequest
) -> ListKeyPoliciesResponse:
    """Return the name of the one policy that a key has.

    Raises:
        KmsError: NotFoundException, AccessDeniedException, InvalidMarkerException.
    """
    permitted_key(ctx, caller, "kms:ListKeyPolicies", request.key_id, MANAGING)
    if request.marker is not None:
        raise KmsError("InvalidMarkerException", "The marker is not one that this list gave.")
    return ListKeyPoliciesResponse(policy_names=(POLICY_NAME,), next_marker=None, truncated=False)


def check_policy(caller: Caller, text: str, key_arn: str, account_id: str, *, bypass: bool | None) -> None:
    """Return if a key in the caller's account may have this policy: unless told to, nobody locks themselves out.

    Raises:
        KmsError: MalformedPolicyDocumentException, LimitExceededException.
    """
    if len(text.encode()) > KEY_BYTES_MAX:
        raise KmsError("LimitExceededException", f"A key policy can have at most {KEY_BYTES_MAX} bytes.")
    policy = _parsed(text)
    if bypass:
        return
    decision = decide_for_key(
        Question(principal=caller.principal, action=_PUT, resource=key_arn, context=caller.context),
        key_policy=policy,
        key_account_id=account_id,
        grants=lambda: (),
        encryption_context=None,
    )
    if not decision.allowed:
        raise KmsError(
            "MalformedPolicyDocumentException",
            "The new key policy will not allow you to update the key policy in the future.",
        )


def bypass_condition(bypass: bool | None) -> Conditions:
    """Return the condition key by which policies forbid to go without the check."""
    return {"kms:bypasspolicylockoutsafetycheck": ("true" if bypass else "false",)}


def _parsed(text: str) -> Policy:
    try:
        return parse_policy(text, PolicyKind.KEY)
    except PolicyInvalid as error:
        raise KmsError("MalformedPolicyDocumentException", str(error)) from None


def _check_name(name: str | None) -> None:
    if name not in {None, POLICY_NAME}:
        raise KmsError("NotFoundException", "No such policy exists")
