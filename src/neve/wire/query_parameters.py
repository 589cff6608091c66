"""The parameters of a request of the EC2 query protocol: dotted names as paths into a tree (contract 9.1).

    SnapshotId.1=…   Filter.1.Name=status   Filter.1.Value.1=completed

Each action takes what it knows out of the tree; whatever is left is unknown.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from neve.errors import Ec2Error
from neve.messages import ec2

_LEVELS_MAX: Final = 5
"""`TagSpecification.1.Tag.1.Key`; a deeper name is unknown as a whole."""
_POSITION: Final = re.compile(r"[1-9][0-9]{0,5}", re.ASCII)
_INTEGER: Final = re.compile(r"-?[0-9]{1,18}", re.ASCII)
_BOOLEANS: Final = {"true": True, "false": False}
_TIME: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,9}))?(Z|[+-][0-9]{2}:[0-9]{2})",
    re.ASCII,
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Parameters:
    """One node of the tree. Reading takes a value out, so that `unread` is what nobody asked for."""

    def __init__(self, path: str = "") -> None:
        self.path = path
        self.value: str | None = None
        self.children: dict[str, Parameters] = {}

    def put(self, name: str, text: str) -> None:
        """File a value under its dotted name.

        Raises:
            Ec2Error: MalformedQueryString if there is one already.
        """
        node = self
        for part in name.split(".", _LEVELS_MAX - 1):
            path = f"{node.path}.{part}" if node.path else part
            node = node.children.setdefault(part, Parameters(path))
        if node.value is not None:
            raise malformed(f"The parameter {name} is given more than once")
        node.value = text

    def take(self) -> str | None:
        """Take this node's own value, if it has one."""
        value, self.value = self.value, None
        return value

    def text(self, name: str) -> str | None:
        """Take the value called `name`, if there is one."""
        child = self.children.get(name)
        return None if child is None else child.take()

    def required_text(self, name: str) -> str:
        """Take the value called `name`.

        Raises:
            Ec2Error: MissingParameter
        """
        text = self.text(name)
        if text is None:
            path = f"{self.path}.{name}" if self.path else name
            raise Ec2Error("MissingParameter", f"The request must contain the parameter {path}")
        return text

    def integer(self, name: str) -> int | None:
        """Take a number.

        Raises:
            Ec2Error: InvalidParameterValue
        """
        text = self.text(name)
        if text is None:
            return None
        if _INTEGER.fullmatch(text) is None:
            raise _invalid(name, text, "Expecting an integer.")
        return int(text)

    def boolean(self, name: str) -> bool:
        """Take a flag; absent is false.

        Raises:
            Ec2Error: InvalidParameterValue
        """
        text = self.text(name)
        if text is None:
            return False
        flag = _BOOLEANS.get(text.lower())
        if flag is None:
            raise _invalid(name, text, "Expecting true or false.")
        return flag

    def time_ms(self, name: str) -> int | None:
        """Take a moment in ISO 8601; what is finer than a millisecond is cut off.

        Raises:
            Ec2Error: InvalidParameterValue
        """
        text = self.text(name)
        if text is None:
            return None
        found = _TIME.fullmatch(text)
        if found is None:
            raise _invalid(name, text, "Expecting a time such as 2030-01-02T03:04:05Z.")
        try:
            moment = datetime.fromisoformat(found[1] + found[3]).astimezone(UTC)
        except (ValueError, OverflowError):
            raise _invalid(name, text, "Expecting a time such as 2030-01-02T03:04:05Z.") from None
        return (moment - _EPOCH) // timedelta(milliseconds=1) + int((found[2] or "0").ljust(3, "0")[:3])

    def child(self, name: str) -> "Parameters":
        """Return the node called `name`; an empty one if nothing was filed below it."""
        found = self.children.get(name)
        return Parameters() if found is None else found

    def items(self, name: str) -> list["Parameters"]:
        """Return the nodes `name.1`, `name.2`, … in the order of their numbers; gaps do not matter."""
        parent = self.child(name)
        numbers = [part for part in parent.children if _POSITION.fullmatch(part)]
        return [parent.children[part] for part in sorted(numbers, key=int)]

    def texts(self, name: str) -> tuple[str, ...]:
        """Take the values `name.1`, `name.2`, …"""
        taken = (item.take() for item in self.items(name))
        return tuple(value for value in taken if value is not None)

    def unread(self) -> Iterator[str]:
        """Yield the full names of the values nobody took."""
        if self.value is not None:
            yield self.path
        for child in self.children.values():
            yield from child.unread()


def filters(parameters: Parameters) -> tuple[ec2.Filter, ...]:
    """Take the filters `Filter.1`, `Filter.2`, …

    Raises:
        Ec2Error: MissingParameter for one without a name.
    """
    return tuple(
        ec2.Filter(item.required_text("Name"), item.texts("Value")) for item in parameters.items("Filter")
    )


def malformed(message: str) -> Ec2Error:
    """Return the refusal of a form or query that cannot be read."""
    return Ec2Error("MalformedQueryString", message)


def _invalid(name: str, text: str, expectation: str) -> Ec2Error:
    parameter = name[0].lower() + name[1:]
    return Ec2Error(
        "InvalidParameterValue", f"Value ( {text} ) for parameter {parameter} is invalid. {expectation}"
    )
