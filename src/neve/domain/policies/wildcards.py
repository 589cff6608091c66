"""Texts with wildcards, matched in time that no pattern can blow up.

    snap*-?7*     *  any run of characters      ?  any one character

Patterns come from policy documents, texts from requests. A pattern is cut at its stars into pieces; each piece is
looked for where the one before it ended, leftmost first. That is exact (an earlier place leaves more text to the
rest), and no place is looked at twice. A piece with `?` in it is looked for everywhere at once: the places of each of
its characters are the bits of an integer, and those of all of them, shifted onto each other, leave the places of the
piece. Somebody's key policy may have thousands of patterns, and their request a text of thousands of characters: what
would be a step of ours for each pair of them is a few machine words here. Nothing of it stays with the pattern, so that
a policy which is kept takes no more memory than its text.
"""

from collections.abc import Iterable, Sequence
from enum import Enum, auto
from functools import lru_cache
from typing import Final


class Wild(Enum):
    """What stands for other characters."""

    ONE = auto()
    RUN = auto()


Token = str | Wild
"""A text that means itself, or a wildcard."""

_Piece = str | tuple[str | None, ...]
"""What stands between two stars. Plain text, or characters of which None is any."""

_NOT_THERE: Final = -1
_ALL: Final = -1
"""Every bit is set."""
_PLACES_REMEMBERED_MAX: Final = 64


class Wildcard:
    """A pattern, ready to be tried. Immutable; safe from any thread."""

    __slots__ = ("_has_runs", "_pieces", "literal")

    def __init__(self, tokens: Iterable[Token]) -> None:
        pieces: list[list[str | None]] = [[]]
        for token in tokens:
            if token is Wild.RUN:
                pieces.append([])
            elif isinstance(token, str):
                pieces[-1].extend(token)
            else:
                pieces[-1].append(None)
        self._has_runs = len(pieces) > 1
        between = [piece for piece in pieces[1:-1] if piece]
        kept = [pieces[0], *between, pieces[-1]] if self._has_runs else pieces
        self._pieces = tuple(map(_as_piece, kept))
        only = self._pieces[0]
        self.literal = only if isinstance(only, str) and not self._has_runs else None
        """The text itself if there is no wildcard in it."""

    def match(self, text: str) -> bool:
        """Say whether the whole text fits."""
        if self.literal is not None:
            return text == self.literal
        first, last = self._pieces[0], self._pieces[-1]
        if not self._has_runs:
            return len(text) == len(first) and _stands_at(first, text, 0)
        end = len(text) - len(last)
        if end < len(first) or not _stands_at(first, text, 0) or not _stands_at(last, text, end):
            return False
        position = len(first)
        for piece in self._pieces[1:-1]:
            position = _end_of_leftmost(piece, text, position, end)
            if position == _NOT_THERE:
                return False
        return True


def tokens_of(text: str) -> list[Token]:
    """Return the tokens of a text in which every `*` and `?` is a wildcard."""
    tokens: list[Token] = []
    start = 0
    for position, character in enumerate(text):
        if character in {"*", "?"}:
            tokens += [text[start:position], Wild.RUN if character == "*" else Wild.ONE]
            start = position + 1
    return [*tokens, text[start:]]


def _as_piece(characters: Sequence[str | None]) -> _Piece:
    known = [character for character in characters if character is not None]
    return "".join(known) if len(known) == len(characters) else tuple(characters)


def _stands_at(piece: _Piece, text: str, start: int) -> bool:
    """Say whether a piece stands at a place; the text is long enough."""
    if isinstance(piece, str):
        return text.startswith(piece, start)
    return all(
        expected is None or expected == found
        for expected, found in zip(piece, text[start : start + len(piece)], strict=True)
    )


def _end_of_leftmost(piece: _Piece, text: str, start: int, end: int) -> int:
    """Return where the first occurrence of a piece in `text[start:end]` ends."""
    if isinstance(piece, str):
        found = text.find(piece, start, end)
        return _NOT_THERE if found < 0 else found + len(piece)
    places = _ALL
    for offset, expected in enumerate(piece):
        if expected is not None:
            places &= _places_of(expected, text) >> offset
    places = places >> start << start
    last = end - len(piece)
    if places == 0 or last < start:
        return _NOT_THERE
    # The lowest bit. Of a piece that is all `?` every place is one.
    leftmost = (places & -places).bit_length() - 1
    return leftmost + len(piece) if leftmost <= last else _NOT_THERE


@lru_cache(maxsize=_PLACES_REMEMBERED_MAX)
def _places_of(character: str, text: str) -> int:
    """Return an integer whose bits are set where the character stands: patterns of a policy ask for the same ones."""
    places = bytearray(len(text) // 8 + 1)
    position = text.find(character)
    while position >= 0:
        places[position >> 3] |= 1 << (position & 7)
        position = text.find(character, position + 1)
    return int.from_bytes(places, "little")
