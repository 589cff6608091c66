"""Issuing temporary credentials: what GetSessionToken and GetFederationToken share."""

from typing import Final

from neve.domain.principals import Principal
from neve.domain.sessions import SESSION_ENTROPY_BYTES, Session, new_session
from neve.errors import AccessKeyNotFound, StsError
from neve.messages.sts import Credentials
from neve.operations.context import Caller, Context

_DURATION_S_DEFAULT: Final = 43_200
_ROOT_DURATION_S_MAX: Final = 3600
"""STS API reference, GetSessionToken and GetFederationToken, `DurationSeconds`: root sessions last an hour at most."""


def refuse_sessions(principal: Principal, operation: str) -> None:
    """Return if the caller uses long-term credentials: a session issues no sessions, so none outlives its time.

    Raises:
        StsError: AccessDenied
    """
    if principal.session_issued_ms is not None:
        raise StsError("AccessDenied", f"Cannot call {operation} with session credentials", status=403)


def issue(
    ctx: Context,
    caller: Caller,
    *,
    duration_s: int | None,
    federated_name: str = "",
    policy: str | None = None,
) -> Credentials:
    """Return new temporary credentials of the caller. Nothing is stored; repeating the call makes others.

    Raises:
        StsError: InvalidClientTokenId if the caller's access key has gone in this very moment.
    """
    principal = caller.principal
    session = new_session(
        ctx.entropy.take(SESSION_ENTROPY_BYTES),
        parent_access_key_id=caller.access_key_id,
        account_id=principal.account_id,
        user_id=principal.user_id,
        issued_ms=ctx.clock.now_ms(),
        expires_ms=_expires_ms(ctx, caller, duration_s),
        federated_name=federated_name,
        policy=policy,
    )
    return _told(ctx, session)


def _expires_ms(ctx: Context, caller: Caller, duration_s: int | None) -> int:
    """Return when a session ends: never after the key it hangs on."""
    lasts_s = _DURATION_S_DEFAULT if duration_s is None else duration_s
    if caller.principal.is_root:
        lasts_s = min(lasts_s, _ROOT_DURATION_S_MAX)
    expires_ms = ctx.clock.now_ms() + lasts_s * 1000
    try:
        parent = ctx.metadata.access_key(caller.access_key_id)
    except AccessKeyNotFound:
        raise StsError(
            "InvalidClientTokenId", "The security token included in the request is invalid.", status=403
        ) from None
    return expires_ms if parent.expires_ms is None else min(expires_ms, parent.expires_ms)


def _told(ctx: Context, session: Session) -> Credentials:
    return Credentials(
        access_key_id=session.access_key_id,
        secret_access_key=session.secret,
        session_token=ctx.sessions.token(session),
        expiration_ms=session.expires_ms,
    )
