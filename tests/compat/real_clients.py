"""Clients that were written for AWS, each behind the same two calls; none of them knows neve.

Every one is told nothing but what a user would set: endpoint, region and key, in the AWS_* variables.
`find` says which client a machine has; a client that is missing, or cannot be installed, raises `Missing`.
"""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any, Protocol

import boto3

from compat.flexible_snapshot_proxy import FlexibleSnapshotProxy
from compat.image_blocks import Base, at_once, differing_blocks, make_volume, volume_gib, write_block
from documents import ROOT
from neve.domain.blocks import Digest, LinearAggregate, checksum_b64, digest

SCRIPTS = Path(__file__).with_name("clients")
WORKERS = 8
PROCESSES = 2
INSTALL_S_MAX = 90
"""Less than a test may take, so that a network that says nothing skips it."""

Environment = Mapping[str, str]

_COLDSNAP = os.environ.get("TEST_COLDSNAP", "")
"""Where coldsnap is, if not on PATH. Read before a test takes this process's own variables away."""


class Missing(Exception):
    """This machine does not have a client. The text says what is missing and how to get it."""


class Client(Protocol):
    """What the tests ask of every client."""

    def version(self) -> str:
        """Return name and version."""
        ...

    def upload(self, image: Path, base: Base | None = None) -> str:
        """Write an image to a snapshot, up to CompleteSnapshot; return its id."""
        ...

    def download(self, snapshot_id: str, to: Path) -> None:
        """Write a completed snapshot to a file of its volume's size."""
        ...


def aggregate_of(digests: Iterable[Digest]) -> str:
    """Return the checksum that a completion claims for blocks in ascending order."""
    aggregate = LinearAggregate()
    for found in digests:
        aggregate.add(found)
    return checksum_b64(aggregate.digest())


class Boto3:
    """boto3, called as the AWS documentation calls it, by several threads."""

    def __init__(self, environment: Environment) -> None:
        # This process's own variables are what boto3 reads: the fixture has set them to `environment`.
        del environment
        self._ebs: Any = boto3.Session().client("ebs")

    def version(self) -> str:
        return f"boto3 {boto3.__version__}"

    def upload(self, image: Path, base: Base | None = None) -> str:
        parent = {"ParentSnapshotId": base.snapshot_id} if base else {}
        started = self._ebs.start_snapshot(VolumeSize=volume_gib(image), Description=image.name, **parent)
        snapshot_id: str = started["SnapshotId"]
        digests = at_once(WORKERS, partial(self._put, snapshot_id), differing_blocks(image, base))
        self._ebs.complete_snapshot(
            SnapshotId=snapshot_id,
            ChangedBlocksCount=len(digests),
            Checksum=aggregate_of(digests),
            ChecksumAlgorithm="SHA256",
            ChecksumAggregationMethod="LINEAR",
        )
        return snapshot_id

    def _put(self, snapshot_id: str, block: tuple[int, bytes]) -> Digest:
        index, data = block
        self._ebs.put_snapshot_block(
            SnapshotId=snapshot_id,
            BlockIndex=index,
            BlockData=data,
            DataLength=len(data),
            Checksum=checksum_b64(digest(data)),
            ChecksumAlgorithm="SHA256",
        )
        return digest(data)

    def download(self, snapshot_id: str, to: Path) -> None:
        pages = list(self._pages(snapshot_id))
        make_volume(to, pages[0]["VolumeSize"])
        blocks = [block for page in pages for block in page["Blocks"]]
        at_once(WORKERS, partial(self._get, snapshot_id, to), blocks)

    def _pages(self, snapshot_id: str) -> Iterator[Mapping[str, Any]]:
        page = self._ebs.list_snapshot_blocks(SnapshotId=snapshot_id, MaxResults=100)
        yield page
        while token := page.get("NextToken"):
            page = self._ebs.list_snapshot_blocks(SnapshotId=snapshot_id, MaxResults=100, NextToken=token)
            yield page

    def _get(self, snapshot_id: str, to: Path, block: Mapping[str, Any]) -> None:
        answer = self._ebs.get_snapshot_block(SnapshotId=snapshot_id, **block)
        content = answer["BlockData"].read()
        assert answer["Checksum"] == checksum_b64(digest(content))
        write_block(to, block["BlockIndex"], content)


class Program:
    """A client that is a program of its own, run with the user's settings and nothing else."""

    def __init__(self, command: list[str | Path], environment: Environment) -> None:
        self._command = command
        self._environment = environment

    def run(self, *arguments: str | Path) -> str:
        """Run the program, which must succeed; return what it printed."""
        done = subprocess.run(
            [*self._command, *arguments],
            env=self._environment,
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{self._command} {arguments}:\n{done.stdout}{done.stderr}"
        return done.stdout


class AwsCli:
    """`aws ebs …`, a process for each call."""

    def __init__(self, environment: Environment) -> None:
        path = os.pathsep.join([str(Path(sys.executable).parent), environment["PATH"]])
        name = shutil.which("aws", path=path)
        if name is None:
            raise Missing("the AWS CLI is not installed (pip install awscli)")
        self._aws = Program([name], environment)

    def version(self) -> str:
        return self._aws.run("--version").split()[0].replace("/", " ")

    def upload(self, image: Path, base: Base | None = None) -> str:
        parent = ("--parent-snapshot-id", base.snapshot_id) if base else ()
        started = self._call(
            "start-snapshot", "--volume-size", str(volume_gib(image)), "--description", image.name, *parent
        )
        snapshot_id: str = started["SnapshotId"]
        put = partial(self._put, snapshot_id, image.parent)
        digests = at_once(PROCESSES, put, differing_blocks(image, base))
        self._call(
            "complete-snapshot",
            *("--snapshot-id", snapshot_id, "--changed-blocks-count", str(len(digests))),
            *("--checksum", aggregate_of(digests), "--checksum-algorithm", "SHA256"),
            *("--checksum-aggregation-method", "LINEAR"),
        )
        return snapshot_id

    def download(self, snapshot_id: str, to: Path) -> None:
        # The CLI follows no pages here: botocore has no paginators for this service.
        page = self._call("list-snapshot-blocks", "--snapshot-id", snapshot_id)
        make_volume(to, page["VolumeSize"])
        blocks = page["Blocks"]
        while token := page.get("NextToken"):
            page = self._call("list-snapshot-blocks", "--snapshot-id", snapshot_id, "--next-token", token)
            blocks += page["Blocks"]
        at_once(PROCESSES, partial(self._get, snapshot_id, to), blocks)

    def changed(self, first: str, second: str) -> list[int]:
        """Return the indexes `aws ebs list-changed-blocks` shows."""
        listed = self._call(
            "list-changed-blocks", "--first-snapshot-id", first, "--second-snapshot-id", second
        )
        return [block["BlockIndex"] for block in listed["ChangedBlocks"]]

    def _put(self, snapshot_id: str, folder: Path, block: tuple[int, bytes]) -> Digest:
        index, data = block
        body = folder / f"{snapshot_id}-{index}"
        body.write_bytes(data)
        self._call(
            "put-snapshot-block",
            *("--snapshot-id", snapshot_id, "--block-index", str(index), "--block-data", str(body)),
            *("--data-length", str(len(data))),
            *("--checksum", checksum_b64(digest(data)), "--checksum-algorithm", "SHA256"),
        )
        body.unlink()
        return digest(data)

    def _get(self, snapshot_id: str, to: Path, block: Mapping[str, Any]) -> None:
        body = to.with_name(f"{to.name}-{block['BlockIndex']}")
        answer = self._call(
            "get-snapshot-block",
            *("--snapshot-id", snapshot_id, "--block-index", str(block["BlockIndex"])),
            *("--block-token", block["BlockToken"], str(body)),
        )
        content = body.read_bytes()
        body.unlink()
        assert answer["Checksum"] == checksum_b64(digest(content))
        write_block(to, block["BlockIndex"], content)

    def _call(self, *arguments: str) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self._aws.run("ebs", *arguments, "--output", "json"))
        return answer


class JavaScript:
    """The AWS SDK for JavaScript: clients/ebs.cjs."""

    def __init__(self, environment: Environment) -> None:
        node, npm = (shutil.which(name, path=environment["PATH"]) for name in ("node", "npm"))
        if node is None or npm is None:
            raise Missing("Node.js is not installed (node and npm)")
        lock = (SCRIPTS / "package-lock.json").read_bytes()
        folder = ROOT / ".cache" / f"javascript-{hashlib.sha256(lock).hexdigest()[:12]}"
        if failure := _install_sdk(npm, folder):
            raise Missing(f"npm cannot install the SDK here: {failure}")
        modules = str(folder / "node_modules")
        self._script = Program([node, SCRIPTS / "ebs.cjs"], {**environment, "NODE_PATH": modules})

    def version(self) -> str:
        return f"@aws-sdk/client-ebs {self.run('version')}"

    def upload(self, image: Path, base: Base | None = None) -> str:
        parent = (base.snapshot_id, base.image) if base else ()
        snapshot_id: str = self.run("upload", image, *parent)["snapshotId"]
        return snapshot_id

    def download(self, snapshot_id: str, to: Path) -> None:
        self.run("download", snapshot_id, to)

    def run(self, *arguments: str | Path) -> Any:
        """Run the script; return what it printed."""
        return json.loads(self._script.run(*arguments))


@cache  # one try a run, whatever comes of it
def _install_sdk(npm: str, folder: Path) -> str:
    """Install the SDK that the lock pins, unless it is there; return what went wrong, if anything did."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "turn").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)  # several test processes, one installation
        if (folder / "done").exists():
            return ""
        for name in ("package.json", "package-lock.json"):
            shutil.copy(SCRIPTS / name, folder)
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=0"]
        try:
            subprocess.run(
                command, cwd=folder, check=True, capture_output=True, text=True, timeout=INSTALL_S_MAX
            )
        except subprocess.TimeoutExpired:
            return f"no answer in {INSTALL_S_MAX} s"
        except subprocess.CalledProcessError as error:
            return " ".join(str(error.stderr).split())[:300]
        (folder / "done").touch()
    return ""


class Coldsnap:
    """awslabs/coldsnap, with its own waiting for completion."""

    def __init__(self, environment: Environment) -> None:
        name = _COLDSNAP or shutil.which("coldsnap", path=environment["PATH"])
        if name is None:
            raise Missing("coldsnap is not on PATH and TEST_COLDSNAP not set (cargo install coldsnap)")
        self._coldsnap = Program([name], environment)

    def version(self) -> str:
        return "coldsnap (which does not tell its version)"

    def upload(self, image: Path, base: Base | None = None) -> str:
        parent = ("--parent-snapshot-id", base.snapshot_id) if base else ()
        if base and "--parent-snapshot-id" not in self._coldsnap.run("upload", "--help"):
            raise Missing("this version of coldsnap has no --parent-snapshot-id")
        return self._coldsnap.run("upload", "--wait", "--no-progress", *parent, image).strip()

    def download(self, snapshot_id: str, to: Path) -> None:
        self._coldsnap.run("download", "--no-progress", snapshot_id, to)


CLIENTS: Mapping[str, Callable[[Environment], Client]] = {
    "boto3": Boto3,
    "aws-cli": AwsCli,
    "javascript": JavaScript,
    "coldsnap": Coldsnap,
    "flexible-snapshot-proxy": FlexibleSnapshotProxy.from_variables,
}
