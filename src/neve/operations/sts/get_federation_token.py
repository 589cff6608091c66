"""GetFederationToken: temporary credentials for somebody else, bounded by a session policy."""

from typing import Final

from neve.domain.policies.documents import PolicyInvalid, PolicyKind, parse_policy
from neve.domain.principals import federated_arn, federated_user_id
from neve.errors import StsError
from neve.messages.sts import FederatedUser, GetFederationTokenRequest, GetFederationTokenResponse
from neve.operations.context import Caller, Context
from neve.operations.sts.issuing import issue, refuse_sessions

_POLICY_CHARS_MAX: Final = 2048
"""STS API reference."""
_NOTHING: Final = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:GetCallerIdentity","Resource":"*"}]}'
"""What a session without a session policy may do: nothing that needs a permission (STS API reference)."""


def get_federation_token(
    ctx: Context, caller: Caller, request: GetFederationTokenRequest
) -> GetFederationTokenResponse:
    """Return temporary credentials that may do what both the caller and the policy allow.

    Raises:
        StsError: AccessDenied with session credentials, MalformedPolicyDocument.
    """
    refuse_sessions(caller.principal, "GetFederationToken")
    policy = _NOTHING if request.policy is None else request.policy
    try:
        parse_policy(policy, PolicyKind.SESSION)
    except PolicyInvalid as invalid:
        raise StsError("MalformedPolicyDocument", str(invalid)) from None
    account_id = caller.account_id
    return GetFederationTokenResponse(
        credentials=issue(
            ctx, caller, duration_s=request.duration_seconds, federated_name=request.name, policy=policy
        ),
        federated_user=FederatedUser(
            federated_user_id=federated_user_id(account_id, request.name),
            arn=federated_arn(account_id, request.name),
        ),
        packed_policy_size=-(-100 * len(request.policy or "") // _POLICY_CHARS_MAX),
    )
