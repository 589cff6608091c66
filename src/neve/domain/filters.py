"""The filters of EC2's Describe calls: which records a caller wants to see.

    Filter.1.Name=status    Filter.1.Value.1=completed   Filter.1.Value.2=error     values: one must match
    Filter.2.Name=tag:host  Filter.2.Value.1=web-*                                  filters: all must hold

A value may hold `*` (any run of characters) and `?` (any one), and a backslash before one of `*?\\` takes
its meaning away; everything else, case included, is meant literally (contract 9.3). The values come from
callers and are tried on every record of an account, so matching takes time proportional to the text alone,
whatever the pattern: no backtracking and no regular expressions (see `_Wildcard`).

A filter is tried on what the caller would be shown, as text: this module knows the names of the filters, the
operations know how a record reads.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from neve.errors import Ec2Error
from neve.limits import Limits

SNAPSHOT_FILTERS: Final = frozenset(
    {
        "description",
        "encrypted",
        "owner-alias",
        "owner-id",
        "progress",
        "snapshot-id",
        "start-time",
        "status",
        "storage-tier",
        "tag-key",
        "transfer-type",
        "volume-id",
        "volume-size",
    }
)
"""Contract 9.3; `tag:<key>` besides."""

TAG_FILTERS: Final = frozenset({"key", "resource-id", "resource-type", "value"})
"""Contract 9.5; `tag:<key>` besides."""

LOCK_FILTERS: Final = frozenset({"lock-state"})
"""Contract 9.9."""

_TAG_PREFIX: Final = "tag:"
_TAG_KEY: Final = "tag-key"
_TEXT_CHARS_MAX: Final = 1024
"""No text that is filtered is longer: descriptions and tag values have 255 characters at most. A wildcard
pattern that demands more matches nothing, and need not be prepared."""


class Texts(Protocol):
    """How a record reads, by filter name; a mapping, or what spells only what it is asked for."""

    def get(self, name: str, /) -> str | None:
        """Return the text that filters of this name compare with, None if the record has none."""
        ...


@dataclass(frozen=True, slots=True)
class WantedTag:
    """A tag that every record which is wanted has."""

    key: str | None = None
    """None: that is not known of any."""
    value: str | None = None
    """None: it may have any."""


class Filters:
    """The filters of one request, ready to be tried. Immutable; safe from any thread."""

    def __init__(
        self, filters: Sequence[tuple[str, Sequence[str]]], known: frozenset[str], limits: Limits
    ) -> None:
        """Take filters as (name, values); `known` are the names allowed besides `tag:<key>`.

        Raises:
            Ec2Error: InvalidParameterValue for an unknown name or a filter without values,
                FilterLimitExceeded for more values than a request may have.
        """
        value_count = 0
        for name, values in filters:
            _check_name(name, known)
            if not values:
                raise Ec2Error("InvalidParameterValue", f"The filter '{name}' has no value")
            value_count += len(values)
        if value_count > limits.filter_values_max:
            raise Ec2Error(
                "FilterLimitExceeded",
                f"A request can have at most {limits.filter_values_max} filter values, "
                f"this one has {value_count}.",
            )
        self._filters = [(name, _Alternatives(values)) for name, values in filters]

    def hold(self, texts: Texts, tags: Mapping[str, str]) -> bool:
        """Say whether a record passes every filter. A text that it does not have passes none of that name."""
        return all(_holds(name, alternatives, texts, tags) for name, alternatives in self._filters)

    def only(self, name: str) -> frozenset[str] | None:
        """Return the texts that `name` must be one of, or None if that is not known without looking.

        A request that names its records in a filter need not look at all the others.
        """
        allowed: frozenset[str] | None = None
        for filter_name, alternatives in self._filters:
            if filter_name == name and not alternatives.wildcards:
                allowed = alternatives.exact if allowed is None else allowed & alternatives.exact
        return allowed

    def tag(self) -> WantedTag:
        """Return what is known of a tag that whatever passes has, so that an index can find those that have it.

        Of several tags it is one whose value is known too, if there is one.
        """
        found = WantedTag()
        for name, alternatives in self._filters:
            only = alternatives.only()
            if name.startswith(_TAG_PREFIX):
                found = WantedTag(name.removeprefix(_TAG_PREFIX), only)
            elif name == _TAG_KEY and only is not None:
                found = WantedTag(only)
            if found.value is not None:
                return found
        return found


def _check_name(name: str, known: frozenset[str]) -> None:
    is_tag = name.startswith(_TAG_PREFIX) and name != _TAG_PREFIX
    if not is_tag and name not in known:
        raise Ec2Error("InvalidParameterValue", f"The filter '{name}' is invalid")


def _holds(name: str, alternatives: "_Alternatives", texts: Texts, tags: Mapping[str, str]) -> bool:
    if name.startswith(_TAG_PREFIX):
        value = tags.get(name.removeprefix(_TAG_PREFIX))
        return value is not None and alternatives.match(value)
    if name == _TAG_KEY:
        return any(alternatives.match(key) for key in tags)
    text = texts.get(name)
    return text is not None and alternatives.match(text)


class _Alternatives:
    """The values of one filter."""

    def __init__(self, values: Sequence[str]) -> None:
        patterns = [_parsed(value) for value in values]
        self.exact = frozenset("".join(map(str, tokens)) for tokens in patterns if _is_literal(tokens))
        self.wildcards = [_Wildcard(tokens) for tokens in patterns if not _is_literal(tokens)]

    def only(self) -> str | None:
        """Return the one text that matches, None if there may be others."""
        return next(iter(self.exact)) if len(self.exact) == 1 and not self.wildcards else None

    def match(self, text: str) -> bool:
        return text in self.exact or any(wildcard.match(text) for wildcard in self.wildcards)


class _AnyOne:
    """The token of `?`."""


class _AnyRun:
    """The token of `*`."""


_ANY_ONE: Final = _AnyOne()
_ANY_RUN: Final = _AnyRun()
_Token = str | _AnyOne | _AnyRun
"""A pattern is a sequence of these; a `str` is one character that means itself."""


def _parsed(value: str) -> list[_Token]:
    """Return the tokens of a filter value, neighbouring stars as one."""
    tokens: list[_Token] = []
    position = 0
    while position < len(value):
        character = value[position]
        position += 1
        if character == "\\" and value[position : position + 1] in {"*", "?", "\\"}:
            tokens.append(value[position])
            position += 1
        elif character == "?":
            tokens.append(_ANY_ONE)
        elif character != "*":
            tokens.append(character)
        elif tokens[-1:] != [_ANY_RUN]:
            tokens.append(_ANY_RUN)
    return tokens


def _is_literal(tokens: Sequence[_Token]) -> bool:
    return _ANY_ONE not in tokens and _ANY_RUN not in tokens


class _Wildcard:
    """A pattern with wildcards, as an automaton whose states are the bits of one integer.

    State i: the first i single-character tokens have matched. A character moves every state whose next
    token takes it one up, all at once by a shift; a star before token i lets state i stay where it is. The
    integer has one bit for each token, so a text costs one step for each of its characters, whatever the
    pattern (Baeza-Yates and Gonnet, "A new approach to text searching", 1992).
    """

    def __init__(self, tokens: Sequence[_Token]) -> None:
        singles = [token for token in tokens if not isinstance(token, _AnyRun)]
        self._length_min = len(singles)
        self._stays = 0
        self._takes_any = 0
        self._takes: dict[str, int] = {}
        if self._length_min > _TEXT_CHARS_MAX:
            return
        state = 0
        for token in tokens:
            if isinstance(token, _AnyRun):
                self._stays |= 1 << state
                continue
            if isinstance(token, _AnyOne):
                self._takes_any |= 1 << state
            else:
                self._takes[token] = self._takes.get(token, 0) | 1 << state
            state += 1

    def match(self, text: str) -> bool:
        if not self._length_min <= min(len(text), _TEXT_CHARS_MAX):
            return False
        states = 1
        for character in text:
            moving = states & (self._takes_any | self._takes.get(character, 0))
            states = moving << 1 | states & self._stays
            if not states:
                return False
        return bool(states >> self._length_min)
