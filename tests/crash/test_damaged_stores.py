"""Files damaged in every way: whatever is answered is right, and verification finds all of it.

Rows 8 and 9 of the scoreboard. Every byte of every segment and archived object is flipped, and files are cut, extended,
exchanged, emptied, removed and put back as they once were. Flips are done in many files at once, one in each, so that
every byte has its turn in few verifications; each one must be found by itself.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from damage_scene import DamageScene, compressed_at, is_named
from fix_scoreboard import Figure
from neve.domain.identities import SnapshotId
from neve.storage.verification.report import FindingKind, VerificationReport
from neve.testing.world import ACCOUNT

Damage = Callable[[DamageScene, Path], None]


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[DamageScene]:
    made = DamageScene(tmp_path)
    yield made
    made.close()


def overwrite(path: Path, offset: int, content: bytes) -> None:
    """Change bytes in place, as a bad disk does."""
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.pwrite(descriptor, content, offset)
    finally:
        os.close(descriptor)


def flips(full_size: bool, size_max: int) -> Iterator[tuple[int, int, int]]:
    """Yield (first offset, stride, bit): files with number n are flipped at first offset + (n mod stride)."""
    stride = 1 if full_size else 24
    for offset in range(0, size_max + stride, stride):
        bits = range(8) if full_size else [offset // stride % 8]
        for bit in bits:
            yield offset, stride, bit


# --- flipped bits


@pytest.mark.timeout(3600)
@pytest.mark.row(8)
def test_a_flipped_bit_of_a_segment_is_found_and_never_served(
    scene: DamageScene, full_size: bool, figure: Figure
) -> None:
    originals = {path: path.read_bytes() for path in scene.segments}
    flipped = found = harmless = refused = 0
    for first, stride, bit in flips(full_size, max(map(len, originals.values()))):
        turn = {}
        for number, (path, content) in enumerate(originals.items()):
            offset = first + number % stride
            if offset < len(content):
                turn[path] = offset
                overwrite(path, offset, bytes([content[offset] ^ 1 << bit]))
        refused += scene.refused_reads()
        report = scene.verify(data=True)
        for path, offset in turn.items():
            flipped += 1
            if is_named(report, path):
                found += 1
            else:
                # Two frames may have one content: nothing that anybody can read has changed, and it was proven again.
                assert compressed_at(path, originals[path], offset), f"{path.name} at {offset}, bit {bit}"
                harmless += 1
            overwrite(path, offset, originals[path][offset : offset + 1])
    assert refused > 0
    assert harmless < flipped / 100
    after = scene.verify(data=True)
    assert after.is_sound, "all of it is right again, and no mark is left"
    assert scene.refused_reads() == 0
    figure(
        f"segments: wrong answers 0; {found} of {flipped - harmless} flips that change anything found by verify --data "
        f"({harmless} in zstd frames change nothing)"
    )


@pytest.mark.timeout(3600)
@pytest.mark.row(8)
def test_a_flipped_bit_of_the_archive_is_found(scene: DamageScene, full_size: bool, figure: Figure) -> None:
    originals = {path: path.read_bytes() for path in scene.objects}
    flipped = 0
    for first, stride, bit in flips(full_size, max(map(len, originals.values()))):
        turn = {}
        for number, (path, content) in enumerate(originals.items()):
            offset = first + number % stride
            if offset < len(content):
                turn[path] = offset
                overwrite(path, offset, bytes([content[offset] ^ 1 << bit]))
        report = scene.verify(data=False)
        assert report.finding_counts.get(FindingKind.ARCHIVE_DAMAGED, 0) == len(turn)
        flipped += len(turn)
        for path, offset in turn.items():
            overwrite(path, offset, originals[path][offset : offset + 1])
    assert scene.verify(data=False).is_sound
    figure(f"archive: {flipped} of {flipped} flips found by verify, even without data")


# --- whole files


def emptied(_scene: DamageScene, path: Path) -> None:
    path.write_bytes(b"")


def cut_by_a_byte(_scene: DamageScene, path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def cut_to_half(_scene: DamageScene, path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def extended(_scene: DamageScene, path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")


def doubled(_scene: DamageScene, path: Path) -> None:
    path.write_bytes(path.read_bytes() * 2)


def shifted(_scene: DamageScene, path: Path) -> None:
    path.write_bytes(b"\0" + path.read_bytes()[:-1])


def removed(_scene: DamageScene, path: Path) -> None:
    path.unlink()


def exchanged(scene: DamageScene, path: Path) -> None:
    """Put another file of the kind in its place, where there is one of the same size one of that."""
    others = [each for each in (*scene.segments, *scene.objects) if each.parent.parent == path.parent.parent]
    others += [each for each in scene.segments + scene.objects if each.suffix == path.suffix]
    size = path.stat().st_size
    others = sorted({*others} - {path}, key=lambda each: (abs(each.stat().st_size - size), each))
    path.write_bytes(others[0].read_bytes())


def zeroed(_scene: DamageScene, path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


DAMAGES: list[Damage] = [
    emptied,
    cut_by_a_byte,
    cut_to_half,
    extended,
    doubled,
    shifted,
    removed,
    exchanged,
    zeroed,
]


def spoiled(
    scene: DamageScene, damage: Damage, paths: list[Path]
) -> Iterator[tuple[Path, VerificationReport]]:
    """Damage files one after another; yield each with what verification without data says, and mend it again."""
    for path in paths:
        content = path.read_bytes()
        damage(scene, path)
        scene.refused_reads()
        yield path, scene.verify(data=False)
        path.write_bytes(content)


@pytest.mark.row(9)
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_segment_that_is_missing_short_long_or_another_one_is_found_without_reading_data(
    scene: DamageScene, damage: Damage, full_size: bool, figure: Figure
) -> None:
    paths = scene.segments[:: 1 if full_size else 5]
    found = sum(is_named(report, path) for path, report in spoiled(scene, damage, paths))
    figure(f"segments {damage.__name__}: {found} of {len(paths)} found; wrong answers 0")
    assert found == len(paths)
    assert scene.verify(data=True).is_sound


@pytest.mark.row(9)
@pytest.mark.parametrize("damage", DAMAGES)
def test_an_archived_object_that_is_missing_short_long_or_another_one_is_found(
    scene: DamageScene, damage: Damage, full_size: bool, figure: Figure
) -> None:
    paths = scene.objects[:: 1 if full_size else 3]
    found = 0
    for path, report in spoiled(scene, damage, paths):
        (finding,) = report.findings
        found += path.stem in finding.subject
    figure(f"archive {damage.__name__}: {found} of {len(paths)} found")
    assert found == len(paths)
    assert scene.verify(data=False).is_sound


@pytest.mark.row(9)
def test_objects_that_nothing_explains_are_found(scene: DamageScene, figure: Figure) -> None:
    strange = scene.segments[0].parent / (scene.segments[0].stem[:2] + "f" * 30 + ".seg")
    strange.write_bytes(scene.segments[0].read_bytes())
    snapshot = next(path for path in scene.objects if path.parent.name == "snapshot")
    other = snapshot.with_name("snap-" + "f" * 17)
    other.write_bytes(snapshot.read_bytes())
    report = scene.verify(data=False)
    assert {finding.kind for finding in report.findings} == {
        FindingKind.SEGMENT_UNEXPLAINED,
        FindingKind.ARCHIVE_DAMAGED,  # it opens under its own name only
    }
    assert report.touched == []
    figure("2 of 2 foreign objects found")


@pytest.mark.row(8)
def test_an_older_object_of_the_archive_put_back_is_found(scene: DamageScene, figure: Figure) -> None:
    metadata, archiver = scene.world.metadata, scene.world.archiver
    older = {path: path.read_bytes() for path in scene.objects if path.parent.name == "snapshot"}
    ids = [SnapshotId(path.name) for path in older]
    metadata.put_tags(ACCOUNT, ids, {"new": "tag"}, tags_max=50)
    archiver.flush()
    found = 0
    for path, content in older.items():
        newer = path.read_bytes()
        path.write_bytes(content)
        (finding,) = scene.verify(data=False).findings
        found += finding.kind is FindingKind.ARCHIVE_DIFFERS and path.name in finding.subject
        path.write_bytes(newer)
    assert found == len(older)
    figure(f"{found} of {len(older)} objects of the archive that were put back found")
