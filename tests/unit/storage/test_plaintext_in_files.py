"""What an encrypted snapshot leaves in files, without a server: not a stretch of its content, not a key.

`compat/test_nothing_in_plaintext.py` asks the same of a real server, with its log and its memory.
"""

import base64
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fix_world import FolderStores
from neve.domain.blocks import digest
from neve.domain.snapshots import State
from neve.limits import TINY
from neve.testing.memory_keys import MemoryKeys
from neve.testing.time_and_chance import SeededEntropy
from neve.testing.world import ACCOUNT, MASTER_KEY, World, aggregate_of
from plaintext_scan import found_in, found_in_files, samples

LIMITS = replace(TINY, block_bytes=64 * 1024, batch_bytes_max=1024 * 1024)
RANDOM = random.Random(4)


def text(number: int) -> bytes:
    lines = b"".join(b"line %d of file %d: nobody may read this\n" % (at, number) for at in range(3000))
    return lines[: LIMITS.block_bytes]


def noise() -> bytes:
    return RANDOM.randbytes(LIMITS.block_bytes)


PARENT = {0: text(0), 1: noise(), 2: noise(), 3: text(3), 64: noise(), 65: bytes(LIMITS.block_bytes)}
REWRITTEN = {0: text(10), 64: noise()}
CHILD = {1: noise(), 2: PARENT[1], 3: text(13), 200: PARENT[0]}

NEEDLES: dict[str, bytes] = {}
for _name, _blocks in (("parent", PARENT), ("rewritten", REWRITTEN), ("child", CHILD)):
    for _index, _content in _blocks.items():
        if any(_content):
            NEEDLES |= samples(f"{_name} {_index}", _content)
        NEEDLES[f"digest of {_name} {_index}"] = digest(_content)
NEEDLES["digest of what was written to the parent"] = aggregate_of(PARENT | REWRITTEN | {200: PARENT[0]})
NEEDLES["digest of what was written to the child"] = aggregate_of(CHILD)


class Watched(MemoryKeys):
    """A key provider that tells the test which data keys there were."""

    def __init__(self) -> None:
        super().__init__(entropy=SeededEntropy(2))
        self.data_keys: dict[str, bytes] = {}

    def decrypt(self, key_arn: str, wrapping: bytes, context: object) -> bytes:
        key = super().decrypt(key_arn, wrapping, context)  # type: ignore[arg-type]
        self.data_keys[f"data key {len(self.data_keys)}"] = key
        return key


def lived_through(world: World, arn: str | None, look: Callable[[], None]) -> None:
    """Write, rewrite, deduplicate, complete, build on, read; `look` at every step."""
    parent = world.start(kms_key_arn=arn)
    for index, content in (PARENT | REWRITTEN | {200: PARENT[0]}).items():
        world.put(parent, index, content)
        world.put(parent, index, PARENT.get(index, content))
    look()
    for index, content in REWRITTEN.items():
        world.put(parent, index, content)
    look()
    written = PARENT | REWRITTEN | {200: PARENT[0]}
    assert world.complete(parent, count=len(written), aggregate=aggregate_of(written)) is State.COMPLETED
    child = world.start(parent=parent)
    for index, content in CHILD.items():
        world.put(child, index, content)
    look()
    assert world.complete(child, count=len(CHILD), aggregate=aggregate_of(CHILD)) is State.COMPLETED
    look()
    assert world.read(child) == {**PARENT, **REWRITTEN, **CHILD}


@pytest.fixture
def keys() -> Watched:
    return Watched()


def test_no_stretch_and_no_digest_of_an_encrypted_snapshot_is_in_any_file(
    tmp_path: Path, keys: Watched
) -> None:
    arn = keys.make_key(ACCOUNT)
    looks: list[int] = []

    def look() -> None:
        looks.append(len(list(tmp_path.rglob("*.seg"))))
        assert found_in_files(tmp_path, NEEDLES) == {}

    with World(FolderStores(tmp_path, LIMITS), limits=LIMITS, keys=keys) as world:
        lived_through(world, arn, look)
        keys.rotate(arn)
        world.data_keys.renew(world.context.domains.encrypted(ACCOUNT, arn).record)
        lived_through(world, arn, look)
        domain = world.context.domains.encrypted(ACCOUNT, arn)
        secrets = {"master key": MASTER_KEY, "id key": domain.id_key, **keys.data_keys}
        assert len(set(secrets.values())) == 4, "and two data keys"
        assert found_in_files(tmp_path, secrets) == {}
    look()
    assert found_in_files(tmp_path, secrets) == {}
    assert len(looks) == 9
    assert all(looks)


def test_the_same_scan_finds_every_stretch_of_an_unencrypted_snapshot(tmp_path: Path) -> None:
    with World(FolderStores(tmp_path, LIMITS), limits=LIMITS) as world:
        lived_through(world, None, lambda: None)
        found = found_in_files(tmp_path, NEEDLES)
    assert set().union(*found.values()) == set(NEEDLES)
    in_segments = {name for file, names in found.items() if file.endswith(".seg") for name in names}
    in_database = {name for file, names in found.items() if "metadata.db" in file for name in names}
    assert in_segments == {name for name in NEEDLES if not name.startswith("digest")}
    assert in_database == {name for name in NEEDLES if name.startswith("digest")}


def test_a_needle_is_found_in_every_form_it_may_take() -> None:
    needle = RANDOM.randbytes(40)
    for before in range(4):
        around = bytes(range(1, before + 1)) + needle + b"and more"
        for written in (
            around,
            around.hex().encode(),
            around.hex().upper().encode(),
            base64.b64encode(around),
        ):
            assert found_in(b"..." + written + b"...", {"needle": needle}) == {"needle"}
    assert found_in(b"..." + needle[:-1] + b"...", {"needle": needle}) == set()
