"""The whole service in about a minute: `make demo`.

A throw-away store, a real ext4 image, boto3 as the AWS documentation uses it, neve's own commands, and a
server killed in the middle of the work. Every line with a tick was checked; the first claim that does not
hold ends the run with status 1.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from demo import image, writing
from demo.stage import ClaimBroken, Stage, mib
from demo.surroundings import NEVE, aws_settings, stored_bytes, with_nothing_of_the_users
from neve.testing.server import ServerDied, ServerProcess

SEED = 20
"""The same random bytes on every run, so that two runs can be compared."""
INTERRUPTED_BLOCKS = 320
KILL_AFTER_BLOCKS = 120
LOG_LINES = 10


class Demo:
    """The story, chapter by chapter; each leaves behind what the next one needs."""

    def __init__(self, stage: Stage, folder: Path) -> None:
        self.stage = stage
        self.folder = folder
        self.store = folder / "store"
        self.server = ServerProcess(self.store)
        self.chance = Random(SEED)
        self.first_image, self.second_image = folder / "disk-1.img", folder / "disk-2.img"

    def run(self) -> None:
        """Tell all of it."""
        self.start_server()
        self.make_images()
        ebs, ec2 = boto3.client("ebs"), boto3.client("ec2")
        parent = self.write_with_boto3(ebs, ec2)
        child = self.upload_child(parent)
        self.compare(ebs, parent, child)
        self.download(parent, child)
        self.kill_midway(ebs, ec2)
        self.stop_server()

    def start_server(self) -> None:
        stage, server = self.stage, self.server
        with stage.step("A server on a throw-away store"):
            stage.say("$ neve init store", "$ neve serve store")
            server.start()
            settings = aws_settings(server)
            environment = with_nothing_of_the_users(settings)
            environment["XDG_CACHE_HOME"] = str(self.folder / "cache")
            os.environ.clear()
            os.environ.update(environment)
            stage.say("All that clients get to know:")
            stage.say(*(f"  {name}={_shown(name, value)}" for name, value in settings.items()))

    def make_images(self) -> None:
        stage = self.stage
        with stage.step(f"A real disk: ext4 on {image.VOLUME_GIB} GiB, and what becomes of it in a day"):
            image.find_tools()
            files = self.folder / "files"
            files.mkdir()
            count = image.make(self.first_image, files=files, chance=self.chance)
            size = sum(path.stat().st_size for path in files.rglob("*") if path.is_file())
            stage.say(f"disk-1.img: {count} files, {mib(size)}")
            subprocess.run(["cp", "--sparse=always", self.first_image, self.second_image], check=True)
            image.change(self.second_image, files=files, chance=self.chance)
            stage.say("disk-2.img: the same disk with one file rewritten, one added, one deleted")
            stage.claim("both file systems are clean (e2fsck)", holds=self._images_are_clean())

    def _images_are_clean(self) -> bool:
        return image.is_clean(self.first_image) and image.is_clean(self.second_image)

    def write_with_boto3(self, ebs: Any, ec2: Any) -> str:
        stage = self.stage
        with stage.step("Write disk-1.img with boto3, as the AWS documentation does"):
            stage.say(f"ebs.start_snapshot(VolumeSize={image.VOLUME_GIB})")
            started = ebs.start_snapshot(VolumeSize=image.VOLUME_GIB, Description="disk-1")
            snapshot_id: str = started["SnapshotId"]
            stage.say(f"ebs.put_snapshot_block(SnapshotId={snapshot_id!r}, BlockIndex=…, BlockData=…, …)")
            digests = writing.put_all(ebs, snapshot_id, writing.blocks_of(self.first_image))
            stage.say(f"ebs.complete_snapshot(ChangedBlocksCount={len(digests)}, Checksum=…)")
            writing.complete(ebs, ec2, snapshot_id, digests)
            stage.claim(
                f"{len(digests)} blocks of 512 KiB written; {snapshot_id} is completed", holds=bool(digests)
            )
        return snapshot_id

    def upload_child(self, parent: str) -> str:
        stage = self.stage
        with stage.step("Upload disk-2.img with neve's own command, as a child of the first"):
            before = stored_bytes(self.store)
            child = self._neve("upload", str(self.second_image), "--parent", parent, "--wait")[-1]
            grown = stored_bytes(self.store) - before
            stage.say(f"the child is {child}; the store grew by {mib(grown)}")
            full = self.second_image.stat().st_blocks * 512
            stage.claim("a child costs what changed, not what the disk holds", holds=grown < full / 4)
            given = self.first_image.stat().st_blocks * 512 + full
            stored = stored_bytes(self.store)
            stage.claim(
                f"{mib(stored)} stored for {mib(given)} given ({given / stored:.1f} to 1)",
                holds=stored < given,
            )
        return child

    def compare(self, ebs: Any, parent: str, child: str) -> None:
        stage = self.stage
        with stage.step("What changed between the two"):
            listed = self._neve("diff", parent, child)
            stage.say(*listed[:12], *([f"… and {len(listed) - 12} more lines"] if len(listed) > 12 else []))
            changed = ebs.list_changed_blocks(FirstSnapshotId=parent, SecondSnapshotId=child)
            indexes = [block["BlockIndex"] for block in changed["ChangedBlocks"]]
            stage.claim(
                f"the list names exactly the {len(indexes)} blocks in which the two images differ",
                holds=indexes == self._differing_blocks(),
            )

    def _differing_blocks(self) -> list[int]:
        with self.first_image.open("rb") as first, self.second_image.open("rb") as second:
            count = self.first_image.stat().st_size // writing.BLOCK_BYTES
            return [
                index
                for index in range(count)
                if first.read(writing.BLOCK_BYTES) != second.read(writing.BLOCK_BYTES)
            ]

    def download(self, parent: str, child: str) -> None:
        stage = self.stage
        with stage.step("Bring both back"):
            for snapshot_id, original in ((parent, self.first_image), (child, self.second_image)):
                restored = original.with_suffix(".restored")
                self._neve("download", snapshot_id, str(restored))
                written, read = _sha256(original), _sha256(restored)
                stage.say(f"SHA-256 written    {written}", f"SHA-256 read back  {read}")
                stage.claim(f"{original.name} came back byte for byte", holds=written == read)
                stage.claim("and its file system is clean (e2fsck)", holds=image.is_clean(restored))
                restored.unlink()

    def kill_midway(self, ebs: Any, ec2: Any) -> None:
        stage, server = self.stage, self.server
        with stage.step(f"kill -9 in the middle of an upload by {writing.WRITERS} writers"):
            blocks = {
                index: self.chance.randbytes(writing.BLOCK_BYTES) for index in range(INTERRUPTED_BLOCKS)
            }
            started = ebs.start_snapshot(VolumeSize=image.VOLUME_GIB, Description="interrupted")
            snapshot_id: str = started["SnapshotId"]
            acknowledged = self._write_until_killed(snapshot_id, blocks)
            stage.claim(
                f"killed with {len(acknowledged)} of {len(blocks)} blocks acknowledged",
                holds=KILL_AFTER_BLOCKS <= len(acknowledged) < len(blocks),
            )
            killed_at_s = time.monotonic()
            server.start()
            down_s = time.monotonic() - killed_at_s
            stage.say(f"started again, nothing repaired: it took requests after {down_s:.1f} s")
            rest = [(index, data) for index, data in blocks.items() if index not in acknowledged]
            stage.say(f"sending only the {len(rest)} blocks that were not acknowledged, then completing")
            digests = acknowledged | writing.put_all(ebs, snapshot_id, rest)
            writing.complete(ebs, ec2, snapshot_id, digests)
            found = writing.read_all(ebs, snapshot_id)
            lost = [index for index, digest in acknowledged.items() if found.get(index) != digest]
            stage.claim(f"acknowledged blocks lost: {len(lost)}", holds=not lost)
            stage.claim(f"all {len(digests)} blocks read back as written", holds=found == digests)

    def _write_until_killed(self, snapshot_id: str, blocks: dict[int, bytes]) -> dict[int, bytes]:
        """Write blocks until the server dies; return the digests of those it acknowledged."""
        # A client that asks once: what it was told is exactly what it was told.
        ebs = boto3.client("ebs", config=Config(retries={"total_max_attempts": 1}))
        acknowledged: dict[int, bytes] = {}
        enough = threading.Event()

        def write(index: int) -> None:
            try:
                acknowledged[index] = writing.put(ebs, snapshot_id, index, blocks[index])
            except (BotoCoreError, ClientError):
                return  # not acknowledged: what becomes of this one is nobody's promise
            finally:
                if len(acknowledged) >= KILL_AFTER_BLOCKS:
                    enough.set()

        with ThreadPoolExecutor(writing.WRITERS) as pool:
            for index in blocks:
                pool.submit(write, index)
            enough.wait(timeout=60)
            self.server.kill()
        return acknowledged

    def stop_server(self) -> None:
        with self.stage.step("Stop the server, politely this time"):
            self.stage.claim("it ends with status 0", holds=self.server.terminate() == 0)

    def _neve(self, *arguments: str) -> list[str]:
        """Run one of neve's commands as a user would; return the lines of its result."""
        self.stage.say("$ neve " + " ".join(word.replace(f"{self.folder}/", "") for word in arguments))
        done = subprocess.run([NEVE, *arguments], check=False, text=True, capture_output=True)
        self.stage.say(*done.stderr.splitlines())
        done.check_returncode()
        return done.stdout.splitlines()


def _shown(name: str, value: str) -> str:
    return f"{value[:4]}…" if "SECRET" in name else value


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def main() -> int:
    """Run the demonstration in a folder that is gone afterwards; return an exit status."""
    stage = Stage()
    with tempfile.TemporaryDirectory(prefix="neve-demo-") as folder:
        demo = Demo(stage, Path(folder))
        try:
            demo.run()
        except (ClaimBroken, ServerDied, image.ToolFailed, subprocess.CalledProcessError) as broken:
            print(f"\n✗ NOT SO: {broken}", file=sys.stderr)
            print(_last_lines(demo.server.log), file=sys.stderr)
            return 1
        finally:
            demo.server.terminate()
    stage.close()
    return 0


def _last_lines(log: Path) -> str:
    """Return the end of the server's log, for whoever has to find out why."""
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    return "\n".join(["The server's last lines:", *lines[-LOG_LINES:]])


if __name__ == "__main__":
    sys.exit(main())
