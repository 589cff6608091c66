"""AssumeRole: refused, as there are no roles. Everybody's role is missing, so nothing is told by that."""

from neve.errors import StsError
from neve.messages.sts import AssumeRoleRequest
from neve.operations.context import Caller, Context


def assume_role(_ctx: Context, caller: Caller, request: AssumeRoleRequest) -> None:
    """Refuse.

    Raises:
        StsError: AccessDenied, as for any role that is not there.
    """
    raise StsError(
        "AccessDenied",
        f"User: {caller.principal.arn} is not authorized to perform: sts:AssumeRole on resource: {request.role_arn} "
        "because there are no roles here: use GetSessionToken or GetFederationToken",
        status=403,
    )
