"""The canonical request of Signature Version 4, made from a request head exactly as it came in.

Nothing here decodes for use: it only brings the received characters into the form that signers sign. Two
heads with one canonical form decode to the same path, parameters and signed headers, so that a signature
over one is worth nothing for another request.

Not decoded but kept as received: dot segments and empty segments of a path. No operation has them.
"""

import re
from collections.abc import Container, Mapping, Sequence
from typing import Final
from urllib.parse import quote, unquote, unquote_to_bytes

from neve.auth import failures
from neve.messages.http import RequestHead

SIGNATURE_PARAMETER: Final = "X-Amz-Signature"
_UNRESERVED: Final = "-_.~"
_BLANKS: Final = re.compile(r"[ \t]+")

HeaderValues = Mapping[str, Sequence[str]]
"""Lower-case names, each with its values in the order received."""


def header_values(head: RequestHead) -> dict[str, list[str]]:
    """Return the head's values by lower-case name.

    Raises:
        CommonError: a name is not ASCII. Such a name could turn into another one when lower-cased.
    """
    found: dict[str, list[str]] = {}
    for name, value in head.headers:
        if not name.isascii():
            raise failures.incomplete("Header names must be ASCII.")
        found.setdefault(name.lower(), []).append(value)
    return found


def query_pairs(raw_query: str) -> list[tuple[str, str]]:
    """Return names and values of a query, percent-encoding untouched; `a` counts as `a=`."""
    pairs = (piece.partition("=") for piece in raw_query.split("&") if piece)
    return [(name, value) for name, _, value in pairs]


def query_parameters(raw_query: str, names: Container[str]) -> list[tuple[str, str]]:
    """Return the decoded names and values of those parameters that `names` holds."""
    decoded = ((unquote(name), unquote(value)) for name, value in query_pairs(raw_query))
    return [(name, value) for name, value in decoded if name in names]


def canonical_uri(raw_path: str) -> str:
    """Return the path with every segment, as received, percent-encoded once more (contract 1.5, rule 3)."""
    return quote(_bytes(raw_path), safe="/" + _UNRESERVED)


def canonical_queries(raw_query: str) -> tuple[str, ...]:
    """Return the canonical forms a signer may have used for this query: one, or two if they differ.

    Some signers encode every name and value strictly whatever they send, others sort what they send and
    keep its encoding. Both forms decode to the same names and values, so accepting either gives nothing away.
    The signature parameter of a presigned request signs the others and stands in neither form.
    """
    pairs = [
        (name, value)
        for name, value in query_pairs(raw_query)
        if unquote_to_bytes(_bytes(name)) != SIGNATURE_PARAMETER.encode()
    ]
    strict = _joined([(_strict(name), _strict(value)) for name, value in pairs])
    kept = _joined(pairs)
    return (strict,) if strict == kept else (strict, kept)


def canonical_request(
    head: RequestHead,
    headers: HeaderValues,
    *,
    signed_headers: Sequence[str],
    query: str,
    payload_hash: str,
) -> bytes:
    """Return the canonical request whose hash a signature covers.

    Raises:
        CommonError: a signed header is not there, or the head holds characters no HTTP message can carry.
    """
    lines = [head.method, canonical_uri(head.raw_path), query]
    for name in signed_headers:
        if name not in headers:
            raise failures.mismatch()
        lines.append(f"{name}:{','.join(_trimmed(value) for value in headers[name])}")
    lines += ["", ";".join(signed_headers), payload_hash]
    return _bytes("\n".join(lines))


def _trimmed(value: str) -> str:
    return _BLANKS.sub(" ", value.strip(" \t"))


def _strict(text: str) -> str:
    return quote(unquote_to_bytes(_bytes(text)), safe=_UNRESERVED)


def _joined(pairs: Sequence[tuple[str, str]]) -> str:
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


def _bytes(text: str) -> bytes:
    """Return the bytes behind received text; servers keep undecodable ones as surrogate escapes."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise failures.incomplete("The request head is not valid text.") from None
