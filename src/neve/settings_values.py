"""What a setting may be: numbers with bounds, places of secrets, addresses that keys may be asked for."""

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from neve.secret_sources import parse_secret_source

Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(gt=0)]
TokenAge = Annotated[int, Field(gt=0, le=366 * 24 * 3600)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
PerSecond = Annotated[float, Field(ge=0, allow_inf_nan=False)]


def _check_source(text: str) -> str:
    parse_secret_source(text)
    return text


def _check_url(text: str) -> str:
    if not text:
        return text
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username is not None:
        raise ValueError("it should be like https://keys.example.com:8200")
    if parts.query or parts.fragment:
        raise ValueError("it ends with the host, the port or a path")
    if parts.scheme == "http" and not _LOOPBACK.fullmatch(parts.hostname):
        raise ValueError("keys travel over https, except on this machine itself")
    return text.rstrip("/")


_LOOPBACK = re.compile(r"localhost|127(\.[0-9]{1,3}){3}|::1", re.ASCII)
SecretPlace = Annotated[str, AfterValidator(_check_source)]
"""Where a secret is; never the secret."""
OptionalSecretPlace = Annotated[str, AfterValidator(lambda text: _check_source(text) if text else text)]
Url = Annotated[str, AfterValidator(_check_url)]
"""Where keys are asked for; empty where there is none."""
MOUNT = "^[A-Za-z0-9_-][A-Za-z0-9_.-]*(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*$"
Timeout = Annotated[float, Field(gt=0, le=60, allow_inf_nan=False)]
