"""GetSessionToken: temporary credentials with the caller's own permissions. Needs no permission, as with AWS."""

from neve.errors import StsError
from neve.messages.sts import GetSessionTokenRequest, GetSessionTokenResponse
from neve.operations.context import Caller, Context
from neve.operations.sts.issuing import issue, refuse_sessions


def get_session_token(
    ctx: Context, caller: Caller, request: GetSessionTokenRequest
) -> GetSessionTokenResponse:
    """Return temporary credentials of the caller.

    Raises:
        StsError: AccessDenied with session credentials, and with a device's code, which nobody could check.
    """
    refuse_sessions(caller.principal, "GetSessionToken")
    if request.serial_number is not None or request.token_code is not None:
        raise StsError(
            "AccessDenied",
            "MultiFactorAuthentication failed: there are no MFA devices here. Leave SerialNumber and TokenCode out.",
            status=403,
        )
    return GetSessionTokenResponse(credentials=issue(ctx, caller, duration_s=request.duration_seconds))
