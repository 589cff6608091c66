"""What operators write: names, times and lengths of time, read strictly; and times as they are shown."""

import re
from datetime import UTC, datetime
from typing import Final

from neve.server.administration.messages import AdministrationRefused, RefusedBecause

DAY_MS: Final = 86_400_000
_UNITS_MS: Final = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": DAY_MS, "w": 7 * DAY_MS}
_DURATION: Final = re.compile(r"([0-9]{1,9})([smhdw])", re.ASCII)
_DURATION_MS_MAX: Final = 36_500 * DAY_MS
_USER_NAME: Final = re.compile(r"[A-Za-z0-9_+=,.@-]{1,64}", re.ASCII)
_POLICY_NAME: Final = re.compile(r"[A-Za-z0-9_+=,.@-]{1,128}", re.ASCII)
_SHARE: Final = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,6})?)%", re.ASCII)
_HUNDRED: Final = 100.0
_ACCOUNT_NAME_CHARS_MAX: Final = 128
_SHOWN_CHARS_MAX: Final = 80


def invalid(message: str) -> AdministrationRefused:
    """Return the refusal of something no store would take."""
    return AdministrationRefused(RefusedBecause.INVALID, message)


def not_found(message: str) -> AdministrationRefused:
    return AdministrationRefused(RefusedBecause.NOT_FOUND, message)


def conflict(message: str) -> AdministrationRefused:
    return AdministrationRefused(RefusedBecause.CONFLICT, message)


def shown(text: str) -> str:
    """Return what somebody wrote in a form that fits into a sentence."""
    cut = text if len(text) <= _SHOWN_CHARS_MAX else text[:_SHOWN_CHARS_MAX] + "…"
    return f'"{cut}"' if cut.isprintable() else ascii(cut)


def check_user_name(name: str) -> None:
    """Return if a user may be called so, as IAM has it."""
    if not _USER_NAME.fullmatch(name):
        raise invalid(
            f"{shown(name)} cannot be a user's name: 1 to 64 letters, digits and characters of _+=,.@- make one"
        )


def check_policy_name(name: str) -> None:
    """Return if a policy may be called so, as IAM has it."""
    if not _POLICY_NAME.fullmatch(name):
        raise invalid(
            f"{shown(name)} cannot be a policy's name: 1 to 128 letters, digits and characters of _+=,.@- make one"
        )


def check_account_name(name: str) -> None:
    """Return if an account may be called so: it is for people only."""
    if len(name) > _ACCOUNT_NAME_CHARS_MAX or not name.isprintable():
        raise invalid(
            f"{shown(name)} cannot be an account's name: it has at most {_ACCOUNT_NAME_CHARS_MAX} printable characters"
        )


def duration_ms(text: str) -> int:
    """Return how long `24h` is."""
    match = _DURATION.fullmatch(text)
    milliseconds = int(match[1]) * _UNITS_MS[match[2]] if match else _DURATION_MS_MAX + 1
    if milliseconds > _DURATION_MS_MAX:
        raise invalid(
            f"{shown(text)} is no length of time: write a number and one of s, m, h, d, w, such as 24h or 90d"
        )
    return milliseconds


def expiry_ms(text: str, *, now_ms: int) -> int | None:
    """Return when `90d`, `2027-01-31` or `2027-01-31T12:00:00Z` is; None for `never` and for nothing.

    A date is its first moment and a time without a zone is one of UTC.
    """
    if text in {"", "never"}:
        return None
    if _DURATION.fullmatch(text):
        expires_ms = now_ms + duration_ms(text)
    else:
        try:
            moment = datetime.fromisoformat(text)
            at = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            expires_ms = int(at.timestamp()) * 1_000
        except (ValueError, OverflowError):
            raise invalid(
                f"{shown(text)} is no time to expire at: write 90d or 12h from now, a date such as 2027-01-31, a time "
                "such as 2027-01-31T12:00:00Z, or never"
            ) from None
    if not now_ms < expires_ms <= now_ms + _DURATION_MS_MAX:
        raise invalid(f"{shown(text)} is not a moment in the next hundred years")
    return expires_ms


def moment(time_ms: int) -> datetime:
    """Return a time in the form answers have."""
    return datetime.fromtimestamp(time_ms // 1_000, UTC)


def share_of(text: str) -> float:
    """Return what part `5%` is.

    Raises:
        AdministrationRefused: it is none.
    """
    match = _SHARE.fullmatch(text)
    share = float(match[1]) / _HUNDRED if match else 0.0
    if not 0 < share <= 1:
        raise invalid(f"{shown(text)} is no share: write a percentage above 0 and up to 100, such as 5%")
    return share
