"""A signature as the client wrote it: read from the Authorization header or from a presigned query.

Everything in it is still a claim; `sigv4.verify` decides. What does not have the form is refused here, so
that the rest may rely on plain ASCII, one value each, and a sorted list of signed headers.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from neve.auth import canonical, failures
from neve.messages.http import RequestHead

ALGORITHM: Final = "AWS4-HMAC-SHA256"
TERMINATOR: Final = "aws4_request"
PRESIGNED_AGE_S_MAX: Final = 604_800
"""Contract 1.5: X-Amz-Expires is 1 second to 7 days."""

_ACCESS_KEY_ID: Final = re.compile(r"[!-+.0-~-]{1,128}", re.ASCII)
_HEX_SIGNATURE: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_AMZ_DATE: Final = re.compile(r"[0-9]{8}T[0-9]{6}Z", re.ASCII)
_AMZ_DATE_FORM: Final = "%Y%m%dT%H%M%SZ"
_EXPIRES: Final = re.compile(r"[0-9]{1,6}", re.ASCII)
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+", re.ASCII)
_AUTHORIZATION_PARTS: Final = ("Credential", "Signature", "SignedHeaders")
_PRESIGNED_PARTS: Final = (
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-Signature",
    "X-Amz-SignedHeaders",
)
_PRESIGNED_TOKEN: Final = "X-Amz-Security-Token"  # noqa: S105 - a parameter's name
_TOKEN_HEADER: Final = "x-amz-security-token"  # noqa: S105 - a header's name
PRESIGNED_PARAMETERS: Final = frozenset({*_PRESIGNED_PARTS, _PRESIGNED_TOKEN})


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """Who says to have signed what, and when."""

    access_key_id: str
    date: str
    """The scope's date, eight digits."""
    region: str
    service: str
    amz_date: str
    """When it was signed, as written: `20260101T000000Z`."""
    signed_ms: int
    """The same, in milliseconds since the epoch."""
    signed_headers: tuple[str, ...]
    """Lower-case, sorted, each once, `host` among them."""
    signature_hex: str = field(repr=False)
    expires_s: int | None = None
    """How long a presigned request is good for; None if the request is not presigned."""
    session_token: str | None = field(default=None, repr=False)

    @property
    def presigned(self) -> bool:
        """True if it came in the query."""
        return self.expires_s is not None


def amz_date_text(time_ms: int) -> str:
    """Return a moment in the form of `X-Amz-Date`; fractions of a second are dropped."""
    return datetime.fromtimestamp(time_ms // 1000, UTC).strftime(_AMZ_DATE_FORM)


def amz_date_ms(text: str) -> int:
    """Return the moment an `X-Amz-Date` names.

    Raises:
        CommonError: not in that form, or no such moment.
    """
    try:
        if _AMZ_DATE.fullmatch(text) is None:
            raise ValueError
        return int(datetime.fromisoformat(text).timestamp()) * 1000
    except ValueError:
        raise failures.incomplete(
            "Date must be in ISO-8601 'basic format', for example 20260101T000000Z."
        ) from None


def read(head: RequestHead) -> Signature:
    """Return the signature a request carries.

    Raises:
        CommonError: there is none, or it is incomplete, unreadable, or there are two.
    """
    headers = canonical.header_values(head)
    parameters = canonical.query_parameters(head.raw_query, PRESIGNED_PARAMETERS)
    authorizations = headers.get("authorization", [])
    if not authorizations and not parameters:
        raise failures.unsigned()
    if len(authorizations) > 1 or (authorizations and parameters):
        raise failures.incomplete("A request must be signed once: by header or by query, not both.")
    if authorizations:
        return _from_header(authorizations[0], headers)
    if _TOKEN_HEADER in headers:
        raise failures.incomplete("A presigned request has its 'X-Amz-Security-Token' in the query.")
    return _from_query(parameters)


def _from_header(authorization: str, headers: canonical.HeaderValues) -> Signature:
    algorithm, _, rest = authorization.strip(" \t").partition(" ")
    if algorithm != ALGORITHM:
        raise failures.incomplete(f"The Authorization header must begin with {ALGORITHM}.")
    pieces = [piece.strip(" \t").partition("=") for piece in rest.split(",")]
    parts = _each_once([(name, value) for name, _, value in pieces])
    missing = [name for name in _AUTHORIZATION_PARTS if not parts.get(name)]
    dates = headers.get("x-amz-date", [])
    complaints = [f"Authorization header requires '{name}' parameter." for name in missing]
    if len(dates) != 1:
        complaints.append("Authorization header requires existence of one 'X-Amz-Date' header.")
    if complaints or len(parts) != len(_AUTHORIZATION_PARTS):
        raise failures.incomplete(" ".join(complaints) or "Authorization header has unknown parts.")
    tokens = headers.get(_TOKEN_HEADER, [])
    if len(tokens) > 1:
        raise failures.incomplete("A request has one 'X-Amz-Security-Token' at most.")
    return _checked(
        credential=parts["Credential"],
        signed_headers=parts["SignedHeaders"],
        signature_hex=parts["Signature"],
        amz_date=dates[0].strip(" \t"),
        expires_s=None,
        session_token=tokens[0].strip(" \t") if tokens else None,
    )


def _from_query(parameters: Sequence[tuple[str, str]]) -> Signature:
    parts = _each_once(parameters)
    missing = [name for name in _PRESIGNED_PARTS if not parts.get(name)]
    if missing:
        raise failures.incomplete(" ".join(f"Query requires '{name}' parameter." for name in missing))
    if parts["X-Amz-Algorithm"] != ALGORITHM:
        raise failures.incomplete(f"X-Amz-Algorithm must be {ALGORITHM}.")
    expires = parts["X-Amz-Expires"]
    if _EXPIRES.fullmatch(expires) is None or not 1 <= int(expires) <= PRESIGNED_AGE_S_MAX:
        raise failures.incomplete(f"X-Amz-Expires must be 1 to {PRESIGNED_AGE_S_MAX} seconds.")
    return _checked(
        credential=parts["X-Amz-Credential"],
        signed_headers=parts["X-Amz-SignedHeaders"],
        signature_hex=parts["X-Amz-Signature"],
        amz_date=parts["X-Amz-Date"],
        expires_s=int(expires),
        session_token=parts.get(_PRESIGNED_TOKEN),
    )


def _each_once(pairs: Sequence[tuple[str, str]]) -> Mapping[str, str]:
    parts = dict(pairs)
    if len(parts) != len(pairs):
        raise failures.incomplete("A part of the signature is given twice.")
    return parts


def _checked(
    *,
    credential: str,
    signed_headers: str,
    signature_hex: str,
    amz_date: str,
    expires_s: int | None,
    session_token: str | None,
) -> Signature:
    scope = credential.split("/")
    if len(scope) != 5 or _ACCESS_KEY_ID.fullmatch(scope[0]) is None:
        raise failures.incomplete(
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term."
        )
    access_key_id, date, region, service, terminator = scope
    if terminator != TERMINATOR:
        raise failures.invalid(f"Credential should be scoped with a valid terminator: '{TERMINATOR}'.")
    names = signed_headers.split(";")
    if names != sorted(set(names)) or not all(_HEADER_NAME.fullmatch(name) for name in names):
        raise failures.incomplete("SignedHeaders must be lower-case names, sorted, each once.")
    if "host" not in names:
        raise failures.invalid("'Host' must be a 'SignedHeader' in the AWS Authorization.")
    if _HEX_SIGNATURE.fullmatch(signature_hex) is None:
        raise failures.incomplete("Signature must be 64 lower-case hex digits.")
    return Signature(
        access_key_id=access_key_id,
        date=date,
        region=region,
        service=service,
        amz_date=amz_date,
        signed_ms=amz_date_ms(amz_date),
        signed_headers=tuple(names),
        signature_hex=signature_hex,
        expires_s=expires_s,
        session_token=session_token,
    )
