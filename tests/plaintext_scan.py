"""Looks for what must not be there: stretches of content, digests and secrets, in every byte of files and mappings.

What is looked for has a name each, so that a hit says what leaked. Every needle is searched as it is, in hex and in
base64; zstd frames are searched inside as well, or an unencrypted store would pass for an encrypted one. Each test that
finds nothing goes with a control in which the same scan finds everything.
"""

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import zstandard

SAMPLE_BYTES = 64
_FRAME = re.compile(re.escape(zstandard.FRAME_HEADER))
_FRAME_CONTENT_MAX = 1 << 20
_MAPPING_BYTES_MAX = 64 << 20


def samples(name: str, content: bytes, count: int = 8) -> dict[str, bytes]:
    """Return 64-byte stretches of some content, from its beginning to its end."""
    step = max(1, (len(content) - SAMPLE_BYTES) // max(1, count - 1))
    starts = [min(at * step, len(content) - SAMPLE_BYTES) for at in range(count)]
    return {f"{name} at {start}": content[start : start + SAMPLE_BYTES] for start in starts}


def forms(needle: bytes) -> Iterator[bytes]:
    """Yield a needle in the forms in which it may have been written."""
    yield needle
    yield needle.hex().encode()
    yield needle.hex().upper().encode()
    # Whatever its place in what was encoded: the middle of each of the three ways base64 can fall.
    for shift in range(3):
        yield base64.b64encode(bytes(shift) + needle)[4 if shift else 0 :][: len(needle) * 4 // 3 - 4]


def found_in(data: bytes, needles: Mapping[str, bytes]) -> set[str]:
    """Return the names of those needles that are in `data`, or in a zstd frame in it."""
    texts = [data, *_frames(data)]
    return {
        name
        for name, needle in needles.items()
        if any(form in text for form in set(forms(needle)) for text in texts)
    }


def found_in_files(
    root: Path, needles: Mapping[str, bytes], *, but: Sequence[str] = ()
) -> dict[str, set[str]]:
    """Return what is found in which file under `root`, whatever its name; files named in `but` are left out."""
    found = {}
    for path in sorted(root.rglob("*")):
        if path.is_file() and path.name not in but and (hits := found_in(path.read_bytes(), needles)):
            found[str(path.relative_to(root))] = hits
    return found


def found_in_process(pid: int, needles: Mapping[str, bytes]) -> dict[str, set[str]]:
    """Return what is found in the files that a process has mapped or open, those without a name included."""
    found = {}
    for name, data in (*_mapped(pid), *_opened(pid)):
        if hits := found_in(data, needles):
            found[name] = hits
    return found


def _frames(data: bytes) -> Iterator[bytes]:
    for match in _FRAME.finditer(data):
        decompressor = zstandard.ZstdDecompressor(max_window_size=_FRAME_CONTENT_MAX)
        try:
            yield decompressor.decompressobj().decompress(data[match.start() :][:_FRAME_CONTENT_MAX])
        except zstandard.ZstdError:
            continue


def _mapped(pid: int) -> Iterator[tuple[str, bytes]]:
    """Yield what a process sees of files it mapped, if it or somebody else can write there."""
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text(encoding="utf-8").splitlines():
            place, rights, _, _, inode, *path = line.split(maxsplit=5)
            if inode == "0" or not rights.startswith("r") or ("w" not in rights and "s" not in rights):
                continue
            start, end = (int(digits, 16) for digits in place.split("-"))
            memory.seek(start)
            # A page behind the end of its file cannot be read: what comes before it can.
            yield f"{path[0]} at {start:x}", memory.read(min(end - start, _MAPPING_BYTES_MAX))


def _opened(pid: int) -> Iterator[tuple[str, bytes]]:
    for descriptor in sorted(Path(f"/proc/{pid}/fd").iterdir()):
        try:
            target = descriptor.readlink()
            if descriptor.is_file():
                yield str(target), descriptor.read_bytes()
        except FileNotFoundError:
            continue  # it was closed meanwhile
