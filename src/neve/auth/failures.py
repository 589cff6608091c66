"""What a request that does not prove its origin is told (contract 1.5), and the same as the other services say it.

The sentences name the first thing that is wrong and echo nothing secret: no signature, no canonical
request, no hint whether an access key exists.
"""

from typing import Final

from neve.errors import CommonError, Ec2Error, StsError

INVALID_SIGNATURE: Final = "InvalidSignatureException"
INCOMPLETE_SIGNATURE: Final = "IncompleteSignatureException"
UNRECOGNIZED_CLIENT: Final = "UnrecognizedClientException"
MISSING_TOKEN: Final = "MissingAuthenticationTokenException"  # noqa: S105 - an error code
EXPIRED_TOKEN: Final = "ExpiredTokenException"  # noqa: S105 - an error code
FORBIDDEN: Final = 403

_MISMATCH: Final = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
    "Access Key and signing method. Consult the service documentation for details."
)
_EC2_AUTH_FAILURE: Final = "AWS was not able to validate the provided access credentials"


_STS_CODES: Final = {
    INVALID_SIGNATURE: "SignatureDoesNotMatch",
    INCOMPLETE_SIGNATURE: "IncompleteSignature",
    UNRECOGNIZED_CLIENT: "InvalidClientTokenId",
    MISSING_TOKEN: "MissingAuthenticationToken",
    EXPIRED_TOKEN: "ExpiredToken",
}
"""STS API reference, "Common Errors"."""


class OutOfTime(CommonError):
    """The signature is too old or not yet valid. EC2 has a code of its own for it."""

    def __init__(self, message: str) -> None:
        super().__init__(INVALID_SIGNATURE, FORBIDDEN, message)


def unsigned() -> CommonError:
    """Neither an Authorization header nor a presigned query."""
    return CommonError(MISSING_TOKEN, FORBIDDEN, "Missing Authentication Token")


def incomplete(message: str) -> CommonError:
    """The signature's own parts are missing or unreadable."""
    return CommonError(INCOMPLETE_SIGNATURE, FORBIDDEN, message)


def invalid(message: str) -> CommonError:
    """The signature is readable and cannot be accepted, whatever the secret."""
    return CommonError(INVALID_SIGNATURE, FORBIDDEN, message)


def mismatch() -> CommonError:
    """The signature is not the one the secret gives."""
    return invalid(_MISMATCH)


def unrecognized() -> CommonError:
    """No such access key, or a session token that is not the one of this key or no longer good for anything."""
    return CommonError(
        UNRECOGNIZED_CLIENT, FORBIDDEN, "The security token included in the request is invalid."
    )


def expired() -> CommonError:
    """The signature is right, and made with temporary credentials whose time is over."""
    return CommonError(EXPIRED_TOKEN, FORBIDDEN, "The security token included in the request is expired")


def as_ec2(error: CommonError) -> Ec2Error:
    """Return what the EC2 protocol says instead of an authentication failure (choice 74)."""
    if isinstance(error, OutOfTime):
        return Ec2Error("RequestExpired", f"Request has expired. {error.message}", status=400)
    if error.code == EXPIRED_TOKEN:
        return Ec2Error("RequestExpired", "Request has expired.", status=400)
    if error.code == MISSING_TOKEN:
        return Ec2Error("MissingAuthenticationToken", "Request is missing Authentication Token", status=401)
    if error.code == INCOMPLETE_SIGNATURE:
        return Ec2Error("AuthFailure", f"{_EC2_AUTH_FAILURE}: {error.message}", status=401)
    return Ec2Error("AuthFailure", _EC2_AUTH_FAILURE, status=401)


def as_sts(error: CommonError) -> StsError:
    """Return what STS says instead of an authentication failure."""
    return StsError(_STS_CODES.get(error.code, error.code), error.message, status=error.status)
