"""docs/quick-start.md, done line by line as a reader would: a server, neve's commands, the AWS CLI, boto3."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from demo.image import TOOLS_PATH
from demo.surroundings import NEVE, aws_settings, with_nothing_of_the_users

from documents import code_blocks, read
from neve.testing.server import ServerProcess

PAGE = read("docs/quick-start.md")
SHELL = code_blocks(PAGE, "bash")
ADDRESS = "127.0.0.1:9753"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Somebody with the page in front of them, and a served store."""

    folder: Path
    exported: Mapping[str, str]
    environment: Mapping[str, str]

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    folder = tmp_path_factory.mktemp("quick-start")
    with ServerProcess(folder / "store") as server:
        exported = aws_settings(server)
        path = os.pathsep.join([str(NEVE.parent), TOOLS_PATH])
        environment = with_nothing_of_the_users(exported) | {"PATH": path, "HOME": str(folder)}
        yield Reader(folder=folder, exported=exported, environment=environment)


def blocks_with(word: str) -> list[str]:
    return [block for block in SHELL if word in block]


def test_the_page_exports_what_init_and_serve_print(reader: Reader) -> None:
    [exports] = blocks_with("export AWS_ENDPOINT_URL")
    assert set(re.findall(r"(AWS_\w+)=", exports)) == reader.exported.keys()
    assert f"http://{ADDRESS}" in exports
    [start] = blocks_with("neve init")
    assert f"neve serve store --listen {ADDRESS}" in start


@pytest.mark.slow
def test_the_commands_do_what_the_page_says(reader: Reader) -> None:
    commands = [*blocks_with("neve upload"), *blocks_with("neve usage"), *blocks_with("aws ec2")]
    assert len(commands) == 4
    done = reader.run("bash", "-euo", "pipefail", "-c", "".join(commands))
    assert done.returncode == 0, done.stdout


def test_the_boto3_program_runs(reader: Reader) -> None:
    [program] = code_blocks(PAGE, "python")
    done = reader.run(sys.executable, "-c", program)
    assert done.returncode == 0, done.stdout
