"""Percent-encoding, read strictly: what is not properly encoded is refused, never guessed at."""

import re
from typing import Final
from urllib.parse import unquote

from neve.errors import CommonError

_BROKEN: Final = re.compile(r"%(?![0-9A-Fa-f]{2})", re.ASCII)


def malformed(message: str) -> CommonError:
    """A request that is wrong as HTTP, whatever it asks for."""
    return CommonError("MalformedHttpRequestException", 400, message)


def decoded(text: str) -> str:
    """Return `text` with every `%XX` decoded. A `+` stays a `+` (contract 7).

    Raises:
        CommonError: a `%` without two hex digits, or bytes that are not UTF-8.
    """
    if "%" not in text:
        return text
    if _BROKEN.search(text):
        raise malformed("The request target has an incomplete percent-encoding.")
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise malformed("The request target is not UTF-8.") from None


def query_values(raw_query: str) -> dict[str, list[str]]:
    """Return the decoded values of each name in a query, in order; `a` counts as `a=`.

    Raises:
        CommonError: see `decoded`.
    """
    found: dict[str, list[str]] = {}
    for piece in raw_query.split("&"):
        if piece:
            name, _, value = piece.partition("=")
            found.setdefault(decoded(name), []).append(decoded(value))
    return found
