"""What the records need of a SQL database: statements inside a transaction that somebody else began.

`records` says what a method of the contract reads and writes; a backend says how a transaction begins, ends and
fails. This is the whole of what they have in common, so that the next database is one more backend and no second
copy of the rules. Statements are written with `?` (a backend whose driver wants another mark replaces it).
"""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

Value = int | str | bytes | None
Row = tuple[Any, ...]
"""Columns as the statement names them; which types they have stands in `schema`."""


class Session(Protocol):
    """One open transaction. For one thread; gone with the transaction."""

    def rows(self, statement: str, values: Sequence[Value] = ()) -> list[Row]:
        """Run a statement and return the rows it gives."""
        ...

    def rows_of_each(self, statement: str, many: Iterable[Sequence[Value]]) -> list[Row]:
        """Run a statement once for each of `many`, in order, and return the rows they give together."""
        ...
