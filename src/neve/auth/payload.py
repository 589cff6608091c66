"""What a signature says of the body, decided from the head, since a block's body is read after it holds.

    x-amz-content-sha256      meaning                                  accepted for
    64 hex digits             SHA-256 of the body                      every operation
    UNSIGNED-PAYLOAD          the body is not covered                  PutSnapshotBlock only
    STREAMING-…, others       chunk signatures, trailers               nothing
    absent                    the signer signed SHA-256 of the body    every operation

Where PutSnapshotBlock's body is not covered, the signed `x-amz-checksum` and `x-amz-data-length` vouch for it;
`sigv4.verify` demands that every `x-amz-*` header is signed (choice 61).
"""

import base64
import hashlib
import hmac
import re
from typing import Final

from neve.auth import canonical, failures
from neve.messages.http import RequestHead

UNSIGNED_PAYLOAD: Final = "UNSIGNED-PAYLOAD"
CONTENT_HASH_HEADER: Final = "x-amz-content-sha256"
EMPTY_BODY_HASH: Final = hashlib.sha256(b"").hexdigest()
_CONTENT_HASH_PARAMETER: Final = "X-Amz-Content-Sha256"
_HEX_DIGEST: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_B64_DIGEST: Final = re.compile(r"[A-Za-z0-9+/]{43}=", re.ASCII)


def body_hash(body: bytes) -> str:
    """Return SHA-256 of `body` as it stands in a canonical request."""
    return hashlib.sha256(body).hexdigest()


def declared_hash(head: RequestHead, *, unsigned_payload_allowed: bool) -> str | None:
    """Return the literal the client declares for its body, or None if it declares nothing.

    Raises:
        CommonError: declared twice, in a form that is never accepted, or unsigned where that is not allowed.
    """
    declared = head.values(CONTENT_HASH_HEADER)
    declared += [value for _, value in canonical.query_parameters(head.raw_query, {_CONTENT_HASH_PARAMETER})]
    if not declared:
        return None
    literal = declared[0].strip(" \t")
    if len(declared) > 1:
        raise failures.invalid("The payload hash must be declared once.")
    if _HEX_DIGEST.fullmatch(literal) or (unsigned_payload_allowed and literal == UNSIGNED_PAYLOAD):
        return literal
    also = f" or {UNSIGNED_PAYLOAD}" if unsigned_payload_allowed else ""
    raise failures.invalid(f"{CONTENT_HASH_HEADER} must be the SHA-256 of the body in lower-case hex{also}.")


def presumed_hash(head: RequestHead) -> str:
    """Return the hash that the signer of a block must have signed without declaring it.

    Raises:
        CommonError: the head has no well-formed `x-amz-checksum` to tell it from.
    """
    checksum = _checksum_hash(head)
    if checksum is None:
        raise failures.mismatch()
    return checksum


def vouched_by_checksum(head: RequestHead, payload_hash: str) -> bool:
    """Return True if a body that satisfies `x-amz-checksum` satisfies `payload_hash` too.

    Then the check of the checksum is all that is needed; otherwise `require_body` must follow.
    """
    return payload_hash in {UNSIGNED_PAYLOAD, _checksum_hash(head)}


def require_body(payload_hash: str, body: bytes) -> None:
    """Compare a body with the hash that was signed.

    Raises:
        CommonError: another body than the signed one.
    """
    if not hmac.compare_digest(payload_hash.encode(), body_hash(body).encode()):
        raise failures.mismatch()


def _checksum_hash(head: RequestHead) -> str | None:
    checksums = [value.strip(" \t") for value in head.values("x-amz-checksum")]
    if len(checksums) != 1 or _B64_DIGEST.fullmatch(checksums[0]) is None:
        return None
    return base64.b64decode(checksums[0], validate=True).hex()
