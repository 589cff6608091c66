"""Signature Version 4: is this request what the holder of that access key sent, and is it fresh?

    read(head) ─▶ Signature ─▶ payload.declared_hash / presumed_hash ─▶ verify(…) ─▶ body ─▶ payload.require_body

The caller looks the access key up in between and hands the secret in. Verification happens once, before an
operation is known to have any right, and nothing passes by default. Contract 1.5 and its test vectors (13).
"""

import hashlib
import hmac
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from neve.auth import canonical, failures, payload, signature
from neve.auth.signature import ALGORITHM, TERMINATOR, Signature
from neve.messages.http import RequestHead

EBS_SKEW_S: Final = 300
EC2_SKEW_S: Final = 900
"""Contract 1.5 rule 6, choice 60."""

_DUMMY_SECRET: Final = "a secret nobody has"  # noqa: S105 - what an unknown access key is checked against


@lru_cache(maxsize=1024)
def signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    """Return the key derived from a secret for one day, region and service."""
    key = f"AWS4{secret}".encode()
    for part in (date, region, service, TERMINATOR):
        key = hmac.digest(key, part.encode("utf-8", "surrogateescape"), "sha256")
    return key


def string_to_sign(request: bytes, *, amz_date: str, region: str, service: str) -> str:
    """Return what the signing key signs, for a canonical request."""
    scope = f"{amz_date[:8]}/{region}/{service}/{TERMINATOR}"
    return "\n".join([ALGORITHM, amz_date, scope, hashlib.sha256(request).hexdigest()])


def signature_hex(key: bytes, text: str) -> str:
    """Return the signature of a string to sign."""
    return hmac.digest(key, text.encode(), "sha256").hex()


def verify(
    head: RequestHead,
    claim: Signature,
    secret: str | None,
    *,
    payload_hash: str,
    region: str,
    service: str,
    now_ms: int,
    skew_s: int,
) -> None:
    """Return if the holder of `secret` signed this head, for this service, now; raise otherwise.

    `secret` is None for an unknown access key, and for one whose session token is missing, superfluous or not its
    own: whoever looks the secret up takes both from the claim. The same work is done before it is refused, so
    that the time of the answer does not tell known keys from unknown ones. That the token belongs to the request
    is proven by its signature here, as with every `x-amz-*` header and every parameter.

    Raises:
        CommonError: whatever is wrong first, in the words of contract 1.5.
    """
    headers = canonical.header_values(head)
    _require_signed_headers(headers, claim.signed_headers)
    _require_scope(claim, region=region, service=service)
    _require_fresh(claim, now_ms=now_ms, skew_s=skew_s)
    key = signing_key(_DUMMY_SECRET if secret is None else secret, claim.date, region, service)
    matches = False
    for query in canonical.canonical_queries(head.raw_query):
        request = canonical.canonical_request(
            head, headers, signed_headers=claim.signed_headers, query=query, payload_hash=payload_hash
        )
        text = string_to_sign(request, amz_date=claim.amz_date, region=region, service=service)
        expected = signature_hex(key, text)
        matches |= hmac.compare_digest(expected.encode(), claim.signature_hex.encode())
    if secret is None:
        raise failures.unrecognized()
    if not matches:
        raise failures.mismatch()


def sign(
    head: RequestHead,
    *,
    access_key_id: str,
    secret: str,
    region: str,
    service: str,
    now_ms: int,
    payload_hash: str = payload.EMPTY_BODY_HASH,
    session_token: str | None = None,
) -> list[tuple[str, str]]:
    """Return the headers to add to a head so that `verify` accepts it. Every header it has gets signed.

    An unsigned body must be declared: `UNSIGNED-PAYLOAD` adds its header, a real hash needs none.
    """
    amz_date = signature.amz_date_text(now_ms)
    added = [("X-Amz-Date", amz_date)]
    if session_token is not None:
        added.append(("X-Amz-Security-Token", session_token))
    if payload_hash == payload.UNSIGNED_PAYLOAD:
        added.append(("X-Amz-Content-SHA256", payload_hash))
    headers = canonical.header_values(
        RequestHead(method=head.method, raw_target=head.raw_target, headers=[*head.headers, *added])
    )
    names = sorted(headers)
    request = canonical.canonical_request(
        head,
        headers,
        signed_headers=names,
        query=canonical.canonical_queries(head.raw_query)[0],
        payload_hash=payload_hash,
    )
    key = signing_key(secret, amz_date[:8], region, service)
    text = string_to_sign(request, amz_date=amz_date, region=region, service=service)
    scope = f"{access_key_id}/{amz_date[:8]}/{region}/{service}/{TERMINATOR}"
    authorization = f"{ALGORITHM} Credential={scope}, SignedHeaders={';'.join(names)}, Signature={signature_hex(key, text)}"
    return [*added, ("Authorization", authorization)]


def _require_signed_headers(headers: canonical.HeaderValues, signed: Sequence[str]) -> None:
    if len(headers.get("host", ())) != 1:
        raise failures.invalid("A request must have exactly one 'Host' header.")
    for name in headers:
        # The content hash needs no signature over its header: its value is a line of the canonical request.
        if name.startswith("x-amz-") and name not in signed and name != payload.CONTENT_HASH_HEADER:
            raise failures.invalid(f"'{name}' must be a 'SignedHeader' in the AWS Authorization.")


def _require_scope(claim: Signature, *, region: str, service: str) -> None:
    if claim.region != region:
        raise failures.invalid(f"Credential should be scoped to a valid Region, not '{claim.region}'. ")
    if claim.service != service:
        raise failures.invalid(f"Credential should be scoped to correct service: '{service}'. ")
    if claim.date != claim.amz_date[:8]:
        raise failures.invalid(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
            f"'{claim.date}' != '{claim.amz_date[:8]}', from '{claim.amz_date}'."
        )


def _require_fresh(claim: Signature, *, now_ms: int, skew_s: int) -> None:
    skew_ms, minutes = skew_s * 1000, skew_s // 60
    if claim.signed_ms > now_ms + skew_ms:
        now, later = _texts(now_ms, now_ms + skew_ms)
        raise failures.OutOfTime(
            f"Signature not yet current: {claim.amz_date} is still later than {later} ({now} + {minutes} min.)"
        )
    if claim.expires_s is None and claim.signed_ms < now_ms - skew_ms:
        now, earlier = _texts(now_ms, now_ms - skew_ms)
        raise failures.OutOfTime(
            f"Signature expired: {claim.amz_date} is now earlier than {earlier} ({now} - {minutes} min.)"
        )
    if claim.expires_s is not None and now_ms > claim.signed_ms + claim.expires_s * 1000:
        end, now = _texts(claim.signed_ms + claim.expires_s * 1000, now_ms)
        raise failures.OutOfTime(f"Signature expired: {end} is now earlier than {now}")


def _texts(first_ms: int, second_ms: int) -> tuple[str, str]:
    return signature.amz_date_text(first_ms), signature.amz_date_text(second_ms)
