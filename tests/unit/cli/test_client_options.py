"""What the client commands decide before and after they talk to a service."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from neve.cli.client_options import cache_folder, interruptible, tag_of
from neve.cli.exit_codes import CommandFailed, ExitCode
from neve.cli.main import main
from neve.cli.snapshots import _filters, _one_line, _with_commas
from neve.messages.ebs import Tag
from neve.messages.ec2 import Filter


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({"XDG_CACHE_HOME": "/var/caches"}, Path("/var/caches/neve")),
        ({"XDG_CACHE_HOME": "relative"}, Path.home() / ".cache/neve"),
        ({"XDG_CACHE_HOME": ""}, Path.home() / ".cache/neve"),
        ({}, Path.home() / ".cache/neve"),
    ],
)
def test_caches_go_where_the_base_directory_specification_says(
    environment: dict[str, str], folder: Path
) -> None:
    assert cache_folder(environment) == folder


@pytest.mark.parametrize(
    ("text", "tag"),
    [("host=db", Tag("host", "db")), ("empty=", Tag("empty", "")), ("a=b=c", Tag("a", "b=c"))],
)
def test_a_tag_is_split_at_its_first_equals_sign(text: str, tag: Tag) -> None:
    assert tag_of(text) == tag


@pytest.mark.parametrize("text", ["", "host", "=value"])
def test_a_tag_without_key_or_equals_sign_is_wrong_usage(text: str) -> None:
    with pytest.raises(CommandFailed) as refused:
        tag_of(text)
    assert refused.value.code is ExitCode.USAGE


def test_filters_of_a_list_are_those_of_ec2() -> None:
    assert list(_filters("completed", ["host=d*", "host=", "owner"])) == [
        Filter("status", ("completed",)),
        Filter("tag:host", ("d*",)),
        Filter("tag:host", ("",)),
        Filter("tag-key", ("owner",)),
    ]


def test_what_anybody_wrote_cannot_break_a_table_or_a_terminal() -> None:
    assert _one_line("disk\n\x1b[31mred\t1") == "disk??[31mred?1"
    assert _one_line("Größe 1 GiB 💾") == "Größe 1 GiB 💾"


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_list_has_a_comma_after_every_line_but_the_last(count: int) -> None:
    lines = [str(number) for number in range(count)]
    told = list(_with_commas(iter(lines)))
    assert [line for line, _ in told] == lines
    assert [comma for _, comma in told] == [","] * (count - 1) + [""] * min(count, 1)


@pytest.fixture(params=[signal.SIGTERM, signal.SIGHUP])
def number(request: pytest.FixtureRequest) -> Iterator[signal.Signals]:
    """A signal that ends processes, as it is for a fresh one."""
    previous = signal.signal(request.param, signal.SIG_DFL)
    yield request.param
    signal.signal(request.param, previous)


def test_a_signal_ends_a_command_with_what_became_of_things_begun(number: signal.Signals) -> None:
    def interrupted() -> None:
        with interruptible():
            try:
                os.kill(os.getpid(), number)
            except KeyboardInterrupt as interruption:
                interruption.add_note("The unfinished snapshot was deleted.")
                raise

    with pytest.raises(CommandFailed, match=r"interrupted\. The unfinished snapshot was deleted") as ended:
        interrupted()
    assert ended.value.code is ExitCode.INTERRUPTED
    assert signal.getsignal(number) is signal.SIG_DFL


def test_a_signal_that_is_ignored_stays_ignored(number: signal.Signals) -> None:
    signal.signal(number, signal.SIG_IGN)
    with interruptible():
        os.kill(os.getpid(), number)
    assert signal.getsignal(number) is signal.SIG_IGN


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["upload", "missing.img"], ExitCode.FAILURE, "Check the path"),
        (["download", "snap-0", "."], ExitCode.FAILURE, "neither a regular file nor a block device"),
        (["download", "snap-0", "-", "--output", "json"], ExitCode.USAGE, "standard output"),
    ],
)
def test_what_is_wrong_here_is_said_before_any_service_is_asked(
    arguments: list[str], status: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == status
    printed = capsys.readouterr()
    assert printed.out == ""
    assert says in printed.err
