"""A store behind something that is told of every call, before and after: for points, faults and lost answers."""

import inspect
from collections.abc import Callable
from typing import Any

Told = Callable[[str], None]
"""Told the name of a call; may raise what the call then raises."""


class Watched:
    """Has every method that a store has, and those of the records that are parts of it."""

    def __init__(self, store: object, name: str, *, before: Told, after: Told) -> None:
        self._store = store
        self._name = name
        self._before = before
        self._after = after

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        full_name = f"{self._name}.{name}"
        if not inspect.ismethod(found):
            return Watched(found, full_name, before=self._before, after=self._after)

        def call(*args: Any, **options: Any) -> Any:
            self._before(full_name)
            answer = found(*args, **options)
            self._after(full_name)
            return answer

        setattr(self, name, call)  # the next call comes straight here
        return call
