"""A disk in memory that knows what of it would outlive a power cut.

    disk = Disk("/somewhere", Names.ORDERED)
    disk.write(disk.create("/somewhere/a"), 0, b"…")       what everybody sees at once
    disk.sync(…), disk.sync_directory(…)                    what is on the medium from here on
    disk.cut(chance)                                        another disk: what is left

Of a file a cut leaves what it had at its last sync; of what was written since nothing, everything, or any part, each
write perhaps torn at a sector. Of names, see `Names`. A file that was replaced is the old one or the new one, never
nothing; one that has no name is gone.

Everything that changes a disk is a `Call`, kept in `calls` if they are asked for: played again on a copy of the disk
as it was before, they make the same disk, stopped wherever one likes.
"""

import errno
import hashlib
import os
import random
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from threading import RLock
from typing import Any, Final, Self

SECTOR_BYTES: Final = 512
TORN: Final = 0.3
"""How many of the writes that arrive do so in part."""
ROOT: Final = 0

Call = tuple[Callable[..., object], tuple[Any, ...]]
"""A method of `Disk` that changed one, and its arguments."""


class Names(Enum):
    """When a name is on the medium: made, taken away or given to another file."""

    STRICT = "strict"
    """Once its directory was synced, as POSIX has it. Of the changes since, any may be there and any not."""
    ORDERED = "ordered"
    """In the order they were made, and all of them with the next sync of anything: ext4, XFS, btrfs."""


class _Way(Enum):
    """How far a change of a file is on its way to the medium."""

    OPEN = "open"
    THERE = "there"
    GIVEN_UP = "given up"
    """Its sync failed: the kernel shows it, and never tries again (what PostgreSQL's fsyncgate was about)."""


@dataclass(slots=True)
class _Change:
    """A write or a truncation: what to do, and what to undo."""

    offset: int
    data: bytes = field(repr=False)
    before: bytes = field(repr=False)
    size_before: int
    truncates: bool = False
    way: _Way = _Way.OPEN

    def apply(self, content: bytearray, arriving_bytes: int) -> None:
        if len(content) < self.offset:
            content.extend(bytes(self.offset - len(content)))
        if self.truncates:
            del content[self.offset :]
        else:
            content[self.offset : self.offset + arriving_bytes] = self.data[:arriving_bytes]

    def undo(self, content: bytearray) -> None:
        del content[self.size_before :]
        content[self.offset : self.offset + len(self.before)] = self.before


@dataclass(slots=True)
class Node:
    """A file or a directory, whatever names it has."""

    number: int
    mode: int
    content: bytearray = field(default_factory=bytearray, repr=False)
    """Of a file: as everybody sees it."""
    later: list[_Change] = field(default_factory=list, repr=False)
    """Its changes since the first that a power cut may take back, in order."""
    children: dict[str, int] = field(default_factory=dict, repr=False)
    """Of a directory: as everybody sees it."""
    durable: dict[str, int] = field(default_factory=dict, repr=False)
    """Of a directory: as a power cut leaves it at least."""

    @property
    def is_directory(self) -> bool:
        return stat.S_ISDIR(self.mode)

    def left_by_cut(self, chance: random.Random) -> bytearray:
        """Return what a power cut may leave of a file."""
        content = bytearray(self.content)
        for change in reversed(self.later):
            change.undo(content)
        share = chance.choice((0.0, 0.5, 1.0))
        for change in self.later:
            if change.way is _Way.THERE:
                change.apply(content, len(change.data))
            elif change.way is _Way.OPEN and chance.random() < share:
                size = len(change.data)
                is_torn = chance.random() < TORN
                change.apply(content, chance.randrange(0, size + 1, SECTOR_BYTES) if is_torn else size)
        return content

    def settle(self, way: _Way) -> None:
        """End the way of every change that is on it."""
        for change in self.later:
            if change.way is _Way.OPEN:
                change.way = way
        while self.later and self.later[0].way is _Way.THERE:
            del self.later[0]

    def copied(self) -> "Node":
        return Node(
            number=self.number,
            mode=self.mode,
            content=bytearray(self.content),
            later=[replace(change) for change in self.later],
            children=dict(self.children),
            durable=dict(self.durable),
        )


@dataclass(frozen=True, slots=True)
class _NameChange:
    """Entries of directories that change together: (directory, name, node, or None if the name goes)."""

    entries: tuple[tuple[int, str, int | None], ...]


@dataclass(slots=True)
class State:
    """Everything that is on a disk, and on its way there."""

    nodes: dict[int, Node]
    next_number: int
    later_names: list[_NameChange] = field(default_factory=list)
    on_their_way: set[int] = field(default_factory=set)
    """Files with changes that a power cut may take back."""
    borrowed: set[int] = field(default_factory=set)
    """Nodes that another disk has as well: copied before they change."""


def _empty() -> State:
    return State({ROOT: Node(ROOT, stat.S_IFDIR | 0o700)}, ROOT + 1)


class Disk:
    """Files and directories below one path. Safe from any thread."""

    def __init__(
        self, root: str, names: Names, *, calls: list[Call] | None = None, state: State | None = None
    ) -> None:
        """Make a disk at `root`: with what another one gave as `state`, or empty. Note what changes in `calls`."""
        self.root = root.rstrip("/")
        self.names = names
        self.calls = calls
        self.lock = RLock()
        self._state = state or _empty()

    # --- looking

    def number_at(self, path: str) -> int:
        """Return the number of the node at `path`. FileNotFoundError if there is none."""
        number = ROOT
        for part in self._parts(path):
            node = self._state.nodes[number]
            if part not in node.children:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
            number = node.children[part]
        return number

    def node(self, number: int) -> Node:
        """Return a node that has a name or is open."""
        return self._state.nodes[number]

    def __contains__(self, path: str) -> bool:
        try:
            self.number_at(path)
        except FileNotFoundError:
            return False
        return True

    def files(self) -> Iterator[tuple[str, Node]]:
        """Yield every file with each of its paths, as everybody sees it."""
        waiting = [(self.root, ROOT)]
        while waiting:
            path, number = waiting.pop()
            node = self._state.nodes[number]
            if node.is_directory:
                waiting += [(f"{path}/{name}", child) for name, child in node.children.items()]
            else:
                yield path, node

    def fingerprint(self, origin: "Disk") -> bytes:
        """Return what is the same for two copies of `origin` only if everybody sees the same on both."""
        summary = hashlib.blake2b(digest_size=16)
        for number, node in self._state.nodes.items():
            if not origin.shares(node):
                summary.update(f"{number} {len(node.content)} {sorted(node.children.items())} ".encode())
                summary.update(node.content)
        return summary.digest()

    def shares(self, node: Node) -> bool:
        """Return whether a copy's node has not changed since."""
        return self._state.nodes.get(node.number) is node

    @property
    def is_settled(self) -> bool:
        """Whether every power cut leaves the same."""
        return not self._state.later_names and not self._state.on_their_way

    # --- changing: names

    def create(self, path: str, mode: int = stat.S_IFREG | 0o600) -> int:
        """Make an empty file, or with that mode something else, and return its number."""
        with self.lock:
            directory, name = self._place_for(path)
            self._note(Disk.create, path, mode)
            number = self._new_node(mode)
            self._change_names((directory, name, number))
            return number

    def create_unnamed(self) -> int:
        """Make an empty file that has no name."""
        with self.lock:
            self._note(Disk.create_unnamed)
            return self._new_node(stat.S_IFREG | 0o600)

    def make_directory(self, path: str) -> None:
        """Make an empty directory."""
        self.create(path, stat.S_IFDIR | 0o700)

    def link(self, number: int, path: str) -> None:
        """Give a file a name, or one more."""
        with self.lock:
            directory, name = self._place_for(path)
            self._note(Disk.link, number, path)
            self._change_names((directory, name, number))

    def rename(self, path: str, new_path: str) -> None:
        """Move a file, replacing what has the new name."""
        with self.lock:
            number = self.number_at(path)
            (old_directory, old_name), (directory, name) = self._place(path), self._place(new_path)
            self._note(Disk.rename, path, new_path)
            changes = ((directory, name, number), (old_directory, old_name, None))
            if self.names is Names.STRICT and directory != old_directory:
                for change in changes:
                    self._change_names(change)
            else:
                self._change_names(*changes)

    def remove(self, path: str) -> None:
        """Take a name away."""
        with self.lock:
            self.number_at(path)
            self._note(Disk.remove, path)
            self._change_names((*self._place(path), None))

    def sync_directory(self, path: str) -> None:
        """Bring the names in a directory onto the medium."""
        with self.lock:
            number = self.number_at(path)
            self._note(Disk.sync_directory, path)
            self._settle_names(number)

    # --- changing: content

    def write(self, number: int, offset: int, data: bytes) -> None:
        """Write into a file, beyond its end too."""
        with self.lock:
            self._note(Disk.write, number, offset, data)
            node = self._own(number)
            before = bytes(node.content[offset : offset + len(data)])
            self._change(node, _Change(offset, data, before, len(node.content)))

    def truncate(self, number: int, size: int) -> None:
        """Make a file shorter, or longer with zeros."""
        with self.lock:
            self._note(Disk.truncate, number, size)
            node = self._own(number)
            before = bytes(node.content[size:])
            self._change(node, _Change(size, b"", before, len(node.content), truncates=True))

    def sync(self, number: int) -> None:
        """Bring a file's content onto the medium."""
        with self.lock:
            self._note(Disk.sync, number)
            if number in self._state.on_their_way:
                self._end_way(number, _Way.THERE)
            if self.names is Names.ORDERED:
                self._settle_names(ROOT)

    def give_up(self, number: int) -> None:
        """Let a sync fail: what of a file was on its way stays to be seen, and never arrives."""
        with self.lock:
            self._end_way(number, _Way.GIVEN_UP)

    def settle(self) -> None:
        """Bring everything onto the medium."""
        with self.lock:
            self._note(Disk.settle)
            for number in list(self._state.nodes):
                node = self._own(number)
                node.later.clear()
                node.durable = dict(node.children)
            self._state.later_names.clear()
            self._state.on_their_way.clear()

    # --- copies

    def play(self, calls: Iterable[Call]) -> None:
        """Do once more what was noted of another disk that began as this one is."""
        for method, arguments in calls:
            method(self, *arguments)

    def copied(self, *, names: Names | None = None, calls: list[Call] | None = None) -> Self:
        """Return another disk that is like this one. Other rules for names are for one with nothing under way."""
        with self.lock:
            assert names in {None, self.names} or not self._state.later_names
            return type(self)(self.root, names or self.names, calls=calls, state=self.shared_state())

    def shared_state(self) -> State:
        """Return what another disk may begin with."""
        with self.lock:
            mine = self._state
            mine.borrowed = set(mine.nodes)
            return State(
                dict(mine.nodes),
                mine.next_number,
                list(mine.later_names),
                set(mine.on_their_way),
                set(mine.nodes),
            )

    def cut(self, chance: random.Random) -> Self:
        """Return what a power cut now may leave: a disk on which everything is durable.

        What has no name any more is not on it, and is kept for nobody: `forget_nameless` frees its memory.
        """
        with self.lock:
            entries = self._names_left(chance)
            left = self.shared_state()
            left.later_names.clear()
            for number, names in entries.items():
                left.nodes[number] = Node(
                    number, left.nodes[number].mode, children=names, durable=dict(names)
                )
            for number in left.on_their_way:
                node = left.nodes[number]
                left.nodes[number] = Node(number, node.mode, content=node.left_by_cut(chance))
            left.borrowed -= entries.keys() | left.on_their_way
            left.on_their_way.clear()
            return type(self)(self.root, self.names, state=left)

    def forget_nameless(self) -> None:
        """Give up the memory of what has no name. Nothing of it may be open."""
        with self.lock:
            named = {ROOT}
            waiting = [ROOT]
            while waiting:
                node = self._state.nodes[waiting.pop()]
                below = {*node.children.values(), *node.durable.values()} - named
                named |= below
                waiting += below
            for number in self._state.nodes.keys() - named:
                del self._state.nodes[number]
                self._state.on_their_way.discard(number)

    def _names_left(self, chance: random.Random) -> dict[int, dict[str, int]]:
        """Return the entries that a power cut may leave of every directory with changes on their way."""
        changed = {entry[0] for change in self._state.later_names for entry in change.entries}
        entries = {number: dict(self._state.nodes[number].durable) for number in changed}
        for change in self._arriving(chance):
            for directory, name, number in change.entries:
                _enter(entries[directory], name, number)
        return entries

    def _arriving(self, chance: random.Random) -> Sequence[_NameChange]:
        share = chance.choice((0.0, 0.5, 1.0))
        if self.names is Names.ORDERED:
            count = len(self._state.later_names)
            return self._state.later_names[: chance.randint(0, count) if share == 0.5 else int(share * count)]
        return [change for change in self._state.later_names if chance.random() < share]

    # --- inside

    def _note(self, method: Callable[..., object], *arguments: Any) -> None:
        if self.calls is not None:
            self.calls.append((method, arguments))

    def _own(self, number: int) -> Node:
        """Return a node that may be changed."""
        if number in self._state.borrowed:
            self._state.nodes[number] = self._state.nodes[number].copied()
            self._state.borrowed.discard(number)
        return self._state.nodes[number]

    def _new_node(self, mode: int) -> int:
        number = self._state.next_number
        self._state.next_number += 1
        self._state.nodes[number] = Node(number, mode)
        return number

    def _end_way(self, number: int, way: _Way) -> None:
        node = self._own(number)
        node.settle(way)
        if not node.later:
            self._state.on_their_way.discard(number)

    def _change(self, node: Node, change: _Change) -> None:
        change.apply(node.content, len(change.data))
        node.later.append(change)
        self._state.on_their_way.add(node.number)

    def _change_names(self, *entries: tuple[int, str, int | None]) -> None:
        for directory, name, number in entries:
            _enter(self._own(directory).children, name, number)
        self._state.later_names.append(_NameChange(entries))

    def _settle_names(self, directory: int) -> None:
        """Make names durable: those of a directory, or all of them where they are in order."""
        kept = []
        for change in self._state.later_names:
            if self.names is Names.ORDERED or any(entry[0] == directory for entry in change.entries):
                for place, name, number in change.entries:
                    _enter(self._own(place).durable, name, number)
            else:
                kept.append(change)
        self._state.later_names = kept

    def _place(self, path: str) -> tuple[int, str]:
        directory, _, name = path.rpartition("/")
        return self.number_at(directory), name

    def _place_for(self, path: str) -> tuple[int, str]:
        directory, name = self._place(path)
        if name in self._state.nodes[directory].children:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
        return directory, name

    def _parts(self, path: str) -> list[str]:
        assert path.startswith(self.root), f"{path} is not below {self.root}"
        return [part for part in path[len(self.root) :].split("/") if part]


def _enter(entries: dict[str, int], name: str, number: int | None) -> None:
    if number is None:
        entries.pop(name, None)
    else:
        entries[name] = number
