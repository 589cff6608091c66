"""Policies that were parsed, remembered up to so much text: every request asks the same few.

A policy in memory is some hundred times as large as its text where somebody means it to be, and its text is what somebody
may put who is let put policies. So what is remembered is bounded by text, not by number: many usual policies, or a few
of the largest. What a text means never changes, and so nothing remembered is ever out of date.
"""

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Final

from neve.domain.policies.documents import Policy, PolicyKind

TEXT_CHARS_MAX: Final = 256 * 1024
"""About a thousand policies of the usual size. The worst that so many characters can become is about 70 MB."""


class ParsedPolicies:
    """The policies used last. Safe from any thread."""

    def __init__(self, *, text_chars_max: int = TEXT_CHARS_MAX) -> None:
        self._text_chars_max = text_chars_max
        self._lock = Lock()
        self._policies: OrderedDict[tuple[PolicyKind, str, str], Policy] = OrderedDict()
        self._text_chars = 0

    def get(self, kind: PolicyKind, name: str, text: str, parse: Callable[[], Policy]) -> Policy:
        """Return what is remembered of a text, parsed now if nothing is: perhaps by two threads at once.

        What `parse` raises comes out, and nothing is remembered.
        """
        key = kind, name, text
        with self._lock:
            if key in self._policies:
                self._policies.move_to_end(key)
                return self._policies[key]
        parsed = parse()
        with self._lock:
            if key not in self._policies:
                self._policies[key] = parsed
                self._text_chars += len(text)
            while self._text_chars > self._text_chars_max:
                (_, _, forgotten), _ = self._policies.popitem(last=False)
                self._text_chars -= len(forgotten)
        return parsed
