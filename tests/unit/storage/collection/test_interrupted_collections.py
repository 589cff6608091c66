"""Collections that fail, die or are disturbed at any call to a store: nobody's block is lost, and nothing leaks."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from collection_scene import Between, Household, block, nothing_leaks, pass_time, undelete
from fix_world import FolderStores, MemoryStores
from neve.domain.snapshots import State
from neve.errors import SnapshotNotFound, StoreUnavailable
from neve.limits import TINY
from neve.testing.memory_keys import MemoryKeys
from neve.testing.world import World

_QUICK_EACH = 37
"""One call in so many, where time is short; prime, so that it meets calls of every kind."""
_FULL_S = 1200
"""For every call: some hundred, each with a store of its own."""


@contextmanager
def household() -> Iterator[Household]:
    with World(MemoryStores(), keys=MemoryKeys()) as world:
        yield Household(world)


class CopiedStores(FolderStores):
    """A copy of stores in a folder."""

    def __init__(self, path: Path, original: Path) -> None:
        shutil.copytree(original, path)
        self.path, self._limits = path, TINY


def calls_of_a_collection() -> int:
    with household() as house:
        between = Between(house.world)
        between.collect()
        return between.calls


def fails_at(house: Household, number: int, *, after: bool) -> None:
    between = Between(house.world)
    between.fail_at(number, after=after)
    with suppress(StoreUnavailable):  # some only keep a segment from being rewritten
        between.collect()
    assert between.calls >= number
    house.everything_is_right()
    nothing_leaks(house.world)
    house.everything_is_as_it_was_read()


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_call_that_fails_costs_nothing(*, after: bool) -> None:
    for number in range(1 + 18 * after, calls_of_a_collection() + 1, _QUICK_EACH):
        with household() as house:
            fails_at(house, number, after=after)


@pytest.mark.slow
@pytest.mark.timeout(_FULL_S)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_every_call_that_fails_costs_nothing(*, after: bool) -> None:
    for number in range(1, calls_of_a_collection() + 1):
        with household() as house:
            fails_at(house, number, after=after)


@pytest.mark.slow
@pytest.mark.timeout(_FULL_S)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_calls_to_sqlite_and_a_folder_that_fail_cost_nothing(
    tmp_path: Path, *, after: bool, full_size: bool
) -> None:
    original, twin = tmp_path / "original", tmp_path / "twin"
    original.mkdir()
    with World(FolderStores(original), keys=MemoryKeys()) as world:
        house = Household(world)
    for number in range(1, calls_of_a_collection() + 1, 1 if full_size else 5):
        another = house.twin(CopiedStores(twin, original))
        with another.world:
            fails_at(another, number, after=after)
        shutil.rmtree(twin)


# --- what others do meanwhile


class Disturbance:
    """What somebody does while a collection runs, and what must be read afterwards."""

    def __init__(self, house: Household) -> None:
        self.house, self.world = house, house.world
        self.expected: dict[str, dict[int, bytes]] = {}

    def another_collection(self) -> None:
        self.world.collect()

    def nothing_but_time(self) -> None:
        pass_time(self.world)

    def undelete_and_build_on(self) -> None:
        """… and delete again what was built on: its root is the child's base, and nobody else's."""
        try:
            undelete(self.world, self.house.lonely)
        except SnapshotNotFound:
            return
        self._child_of(self.house.lonely, self.house.lonely_image)
        self.world.delete(self.house.lonely)

    def build_on_what_is_deleted_then(self) -> None:
        child = self.world.start(parent=self.house.kept)
        self.world.delete(self.house.kept)
        pass_time(self.world)
        del self.house.images[self.house.kept]
        self.world.put(child, 30, block(630))
        assert self.world.complete(child, count=1) is State.COMPLETED
        self.expected[child] = {**self.house.kept_image, 30: block(630)}

    def upload_again(self) -> None:
        """The very snapshot that is going: blocks and nodes are found stored."""
        again = self.world.start()
        for index, content in self.house.lonely_image.items():
            self.world.put(again, index, content)
        assert self.world.complete(again, count=len(self.house.lonely_image)) is State.COMPLETED
        self.expected[again] = self.house.lonely_image

    def write_what_is_going(self) -> None:
        """A block of it into a snapshot that stays pending."""
        pending = self.world.start()
        self.world.put(pending, 41, self.house.lonely_image[41])
        self.house.to_complete[pending] = {41: self.house.lonely_image[41]}

    def finish_copies(self) -> None:
        self.world.copy_all()

    def complete_and_delete_parent(self) -> None:
        assert self.world.complete(self.house.grandchild, count=2) is State.COMPLETED
        self.world.delete(self.house.child)
        pass_time(self.world)
        self.house.child_is_gone()

    def _child_of(self, parent: str, image: dict[int, bytes]) -> None:
        child = self.world.start(parent=parent)
        self.world.put(child, 31, block(631))
        self.house.to_complete[child] = {31: block(631)}
        self.house.bases[child] = image


DISTURBANCES: tuple[Callable[[Disturbance], None], ...] = (
    Disturbance.another_collection,
    Disturbance.undelete_and_build_on,
    Disturbance.build_on_what_is_deleted_then,
    Disturbance.upload_again,
    Disturbance.write_what_is_going,
    Disturbance.finish_copies,
    Disturbance.complete_and_delete_parent,
    Disturbance.nothing_but_time,
)


def disturbed_at(number: int, disturbance: Callable[[Disturbance], None]) -> None:
    with household() as house:
        between = Between(house.world)
        somebody = Disturbance(house)
        between.do_at(number, lambda: disturbance(somebody))
        found = between.collect()
        if disturbance is not Disturbance.another_collection:
            assert not found.overtaken
        house.everything_is_right()
        for snapshot_id, image in somebody.expected.items():
            assert house.world.read(snapshot_id) == image
        nothing_leaks(house.world)
        house.everything_is_as_it_was_read()


def test_what_others_do_meanwhile_is_theirs() -> None:
    for number in range(1, calls_of_a_collection() + 1, _QUICK_EACH):
        disturbed_at(number, DISTURBANCES[number // _QUICK_EACH % len(DISTURBANCES)])


@pytest.mark.slow
@pytest.mark.timeout(_FULL_S)
@pytest.mark.parametrize("disturbance", DISTURBANCES, ids=lambda each: each.__name__)
def test_whatever_others_do_at_any_moment_is_theirs(disturbance: Callable[[Disturbance], None]) -> None:
    for number in range(1, calls_of_a_collection() + 1):
        disturbed_at(number, disturbance)
