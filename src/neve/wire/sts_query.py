"""Requests of STS: the query protocol, with few parameters and none nested.

    Action=GetSessionToken&Version=2011-06-15&DurationSeconds=3600

Form and bounds of the model are judged here, in the words of its validator. A parameter that an action does not
take is refused, never ignored: what it asks for would not be done.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from neve.errors import CommonError, StsError
from neve.messages import sts
from neve.messages.http import RequestHead
from neve.wire import percent

API_VERSION: Final = "2011-06-15"
DURATION_S_MIN: Final = 900
DURATION_S_MAX: Final = 129_600
NAME_CHARS_MIN: Final = 2
NAME_CHARS_MAX: Final = 32
NAME_PATTERN: Final = r"[\w+=,.@-]*"
POLICY_CHARS_MAX: Final = 2048
POLICY_PATTERN: Final = r"[\u0009\u000A\u000D\u0020-\u00FF]+"
"""STS API reference; the model has the same numbers."""

_QUOTED_CHARS_MAX: Final = 128
"""Of a value that is wrong: what is wrong with it must still fit into the message."""
_SIGNATURE_PREFIX: Final = "X-Amz-"
"""Query parameters of a presigned request; they belong to the signature, not to the action."""
_FORM: Final = re.compile(r"[!-~]*", re.ASCII)
_INTEGER: Final = re.compile(r"-?[0-9]{1,9}", re.ASCII)
_NAME: Final = re.compile(NAME_PATTERN, re.ASCII)
_POLICY: Final = re.compile(POLICY_PATTERN)

Parameters = dict[str, str]


def decode(head: RequestHead, body: bytes) -> tuple[str, sts.StsRequest]:
    """Return the action's name and its message.

    Raises:
        StsError: MissingAction, InvalidAction, MalformedQueryString, ValidationError.
    """
    parameters: Parameters = {}
    for name, text in _pairs(head, body):
        if name in parameters:
            raise _malformed(f"The parameter {name} is given more than once")
        parameters[name] = text
    action = parameters.pop("Action", "")
    if not action:
        raise StsError("MissingAction", "The request is missing an action or a required parameter.")
    version = parameters.pop("Version", "")
    read = _ACTIONS.get(action)
    if read is None or version != API_VERSION:
        raise StsError(
            "InvalidAction", f"Could not find operation {action} for version {version or 'NO_VERSION'}"
        )
    request = read(parameters)
    for name in parameters:
        raise StsError("ValidationError", f"The parameter {name} is not supported here")
    return action, request


def _pairs(head: RequestHead, body: bytes) -> Iterator[tuple[str, str]]:
    try:
        for name, texts in percent.query_values(head.raw_query).items():
            if not name.startswith(_SIGNATURE_PREFIX):
                yield from ((name, text) for text in texts)
        if head.method == "POST":
            form = body.decode("ascii")
            if _FORM.fullmatch(form) is None:
                raise _malformed("The body is not form-encoded")
            for name, texts in percent.query_values(form.replace("+", " ")).items():
                yield from ((name, text) for text in texts)
    except (CommonError, UnicodeDecodeError):
        raise _malformed("The query string contains a syntax error") from None


def _get_caller_identity(_parameters: Parameters) -> sts.StsRequest:
    return sts.GetCallerIdentityRequest()


def _get_session_token(parameters: Parameters) -> sts.StsRequest:
    request = sts.GetSessionTokenRequest(
        duration_seconds=_duration(parameters),
        serial_number=parameters.pop("SerialNumber", None),
        token_code=parameters.pop("TokenCode", None),
    )
    _require_no_size(parameters)
    return request


def _get_federation_token(parameters: Parameters) -> sts.StsRequest:
    name = parameters.pop("Name", None)
    if name is None:
        raise _invalid("null", "name", "Member must not be null")
    if len(name) < NAME_CHARS_MIN:
        raise _too_short(name, "name", NAME_CHARS_MIN)
    if len(name) > NAME_CHARS_MAX:
        raise _too_long(name, "name", NAME_CHARS_MAX)
    if _NAME.fullmatch(name) is None:
        raise _unlike(name, "name", NAME_PATTERN)
    policy = parameters.pop("Policy", None)
    if policy is not None:
        if not policy:
            raise _too_short(policy, "policy", 1)
        if len(policy) > POLICY_CHARS_MAX:
            raise _too_long(policy, "policy", POLICY_CHARS_MAX)
        if _POLICY.fullmatch(policy) is None:
            raise _unlike(policy, "policy", POLICY_PATTERN)
    request = sts.GetFederationTokenRequest(name=name, policy=policy, duration_seconds=_duration(parameters))
    _require_no_size(parameters)
    return request


def _assume_role(parameters: Parameters) -> sts.StsRequest:
    role_arn = parameters.get("RoleArn")
    if role_arn is None:
        raise _invalid("null", "roleArn", "Member must not be null")
    # The answer is a refusal whatever the others say: none of them is ignored.
    parameters.clear()
    return sts.AssumeRoleRequest(role_arn=role_arn)


_ACTIONS: Final[Mapping[str, Callable[[Parameters], sts.StsRequest]]] = {
    "GetCallerIdentity": _get_caller_identity,
    "GetSessionToken": _get_session_token,
    "GetFederationToken": _get_federation_token,
    "AssumeRole": _assume_role,
}


def _duration(parameters: Parameters) -> int | None:
    text = parameters.pop("DurationSeconds", None)
    if text is None:
        return None
    if _INTEGER.fullmatch(text) is None:
        raise StsError("MalformedInput", "DurationSeconds must be an integer.")
    if int(text) < DURATION_S_MIN:
        raise _invalid(
            f"'{text}'",
            "durationSeconds",
            f"Member must have value greater than or equal to {DURATION_S_MIN}",
        )
    if int(text) > DURATION_S_MAX:
        raise _invalid(
            f"'{text}'", "durationSeconds", f"Member must have value less than or equal to {DURATION_S_MAX}"
        )
    return int(text)


def _require_no_size(parameters: Parameters) -> None:
    # 0 is what leaving it out means.
    if parameters.get("MinimumSessionTokenSize") == "0":
        del parameters["MinimumSessionTokenSize"]


def _malformed(message: str) -> StsError:
    return StsError("MalformedQueryString", message)


def _too_short(text: str, member: str, chars: int) -> StsError:
    return _invalid(_quoted(text), member, f"Member must have length greater than or equal to {chars}")


def _too_long(text: str, member: str, chars: int) -> StsError:
    return _invalid(_quoted(text), member, f"Member must have length less than or equal to {chars}")


def _unlike(text: str, member: str, pattern: str) -> StsError:
    return _invalid(_quoted(text), member, f"Member must satisfy regular expression pattern: {pattern}")


def _quoted(text: str) -> str:
    shown = text if len(text) <= _QUOTED_CHARS_MAX else text[:_QUOTED_CHARS_MAX] + "…"
    return f"'{shown}'"


def _invalid(value: str, member: str, constraint: str) -> StsError:
    return StsError(
        "ValidationError",
        f"1 validation error detected: Value {value} at '{member}' failed to satisfy constraint: {constraint}",
    )
