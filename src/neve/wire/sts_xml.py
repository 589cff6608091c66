"""Answers of STS: messages and errors to XML, as every service of the query protocol but EC2 writes it.

<GetCallerIdentityResponse xmlns="…"><GetCallerIdentityResult>…</…><ResponseMetadata>…</…></…>
<ErrorResponse xmlns="…"><Error><Type>Sender</Type><Code>…</Code><Message>…</Message></Error>…</…>
"""

from collections.abc import Mapping
from typing import Final

from neve.errors import CommonError, Overloaded, RequestError, StoreUnavailable, StsError
from neve.messages import sts
from neve.messages.http import Response
from neve.wire.xml_text import DECLARATION, element, time_text

_NAMESPACE: Final = "https://sts.amazonaws.com/doc/2011-06-15/"
_RETRY_AFTER_S: Final = 5
_CODES: Final[Mapping[str, str]] = {
    "InternalServerException": "InternalFailure",
    "RequestThrottledException": "Throttling",
    "ThrottlingException": "Throttling",
    "ValidationException": "ValidationError",
}
"""What STS calls the errors that all services share; the rest lose their `Exception`."""


def encode(operation: str, response: sts.StsResponse, request_id: str) -> Response:
    """Return a successful answer as HTTP."""
    if isinstance(response, sts.GetCallerIdentityResponse):
        content = (
            element("Arn", response.arn)
            + element("UserId", response.user_id)
            + element("Account", response.account)
        )
    elif isinstance(response, sts.GetFederationTokenResponse):
        user = response.federated_user
        described = element("Arn", user.arn) + element("FederatedUserId", user.federated_user_id)
        content = (
            _credentials(response.credentials)
            + f"<FederatedUser>{described}</FederatedUser>"
            + element("PackedPolicySize", str(response.packed_policy_size))
        )
    else:
        content = _credentials(response.credentials)
    result = f"<{operation}Result>{content}</{operation}Result>"
    metadata = f"<ResponseMetadata>{element('RequestId', request_id)}</ResponseMetadata>"
    name = f"{operation}Response"
    return _response(200, f'<{name} xmlns="{_NAMESPACE}">{result}{metadata}</{name}>', request_id)


def encode_error(error: Exception, request_id: str) -> Response:
    """Return an error as HTTP.

    An error that is not the caller's says nothing of what happened inside: the request id leads to the log.
    """
    told = _told(error)
    described = (
        element("Type", "Sender" if told.status < 500 else "Receiver")
        + element("Code", told.code)
        + element("Message", told.message)
    )
    content = f"<Error>{described}</Error>{element('RequestId', request_id)}"
    response = _response(
        told.status, f'<ErrorResponse xmlns="{_NAMESPACE}">{content}</ErrorResponse>', request_id
    )
    if told.status != 503:
        return response
    retry_after_s = error.retry_after_s if isinstance(error, CommonError) else 0
    usual_s = 1 if isinstance(error, Overloaded) else _RETRY_AFTER_S
    return Response(
        status=response.status,
        headers=[*response.headers, ("Retry-After", str(retry_after_s or usual_s))],
        body=response.body,
    )


def _told(error: Exception) -> StsError:
    if isinstance(error, StsError):
        return error
    if isinstance(error, RequestError):
        code = _CODES.get(error.code, error.code.removesuffix("Exception"))
        return StsError(code, error.message, status=error.status)
    if isinstance(error, Overloaded | StoreUnavailable):
        return StsError(
            "ServiceUnavailable", "The server is overloaded and can't handle the request.", status=503
        )
    return StsError("InternalFailure", "An internal error has occurred", status=500)


def _credentials(credentials: sts.Credentials) -> str:
    content = (
        element("AccessKeyId", credentials.access_key_id)
        + element("SecretAccessKey", credentials.secret_access_key)
        + element("SessionToken", credentials.session_token)
        + element("Expiration", time_text(credentials.expiration_ms))
    )
    return f"<Credentials>{content}</Credentials>"


def _response(status: int, document: str, request_id: str) -> Response:
    body = (DECLARATION + document).encode()
    headers = [
        ("x-amzn-RequestId", request_id),
        ("Content-Type", "text/xml"),
        ("Content-Length", str(len(body))),
    ]
    return Response(status=status, headers=headers, body=body)
