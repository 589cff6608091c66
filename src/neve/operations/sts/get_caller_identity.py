"""GetCallerIdentity: who am I? Needs no permission: whoever can ask knows it already."""

from neve.messages.sts import GetCallerIdentityRequest, GetCallerIdentityResponse
from neve.operations.context import Caller, Context


def get_caller_identity(
    _ctx: Context, caller: Caller, _request: GetCallerIdentityRequest
) -> GetCallerIdentityResponse:
    """Return the names of the caller."""
    principal = caller.principal
    return GetCallerIdentityResponse(
        arn=principal.arn, user_id=principal.user_id, account=principal.account_id
    )
