"""Text as XML carries it.

What XML 1.0 cannot carry (most control characters) becomes U+FFFD: a changed character in one value is better than
an answer no client can parse.
"""

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

DECLARATION: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'

_UNCARRIED: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NOT_PLAIN: Final = re.compile("[^\t\n\x20-%'-;=?-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What does not stand for itself: uncarried or escaped. Most texts have none of it, and one class is soon looked for."""
_ESCAPES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"})
"""A bare carriage return would reach the reader as a line feed."""
_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - UTC, left unsaid: an offset would be written out


def element(name: str, text: str) -> str:
    """Return an element that holds nothing but text."""
    if _NOT_PLAIN.search(text) is not None:
        text = _UNCARRIED.sub(chr(0xFFFD), text).translate(_ESCAPES)
    return f"<{name}>{text}</{name}>"


def optional(name: str, text: str | None) -> str:
    """Return an element, or nothing if there is nothing to say."""
    return "" if text is None else element(name, text)


def listed(name: str, items: Iterable[str]) -> str:
    """Return a list as EC2 has them: each item's content in an `item` of its own."""
    return f"<{name}>{''.join(f'<item>{item}</item>' for item in items)}</{name}>"


def boolean_text(flag: bool) -> str:
    """Return a flag's text."""
    return "true" if flag else "false"


def time_text(time_ms: int) -> str:
    """Return a moment as ISO 8601, UTC, with milliseconds (contract 9.1)."""
    return f"{(_EPOCH + timedelta(milliseconds=time_ms)).isoformat(timespec='milliseconds')}Z"
