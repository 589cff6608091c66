"""`describe-snapshots` with filters, by an unmodified boto3 and by the AWS CLI against a real server, compared with a
naive filter over the full list.

The CLI runs inside this process, since starting one takes longer than a hundred calls; what it parses, sends and prints is
the same.
"""

import contextlib
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest
from awscli.clidriver import create_clidriver  # type: ignore[import-untyped]
from hypothesis import given, settings
from hypothesis import strategies as st

from compat.people import People
from naive_filters import DOCUMENTED, Shown, Wish, chosen, texts, wishes_about
from neve.testing.server import ServerProcess

CASES = settings().max_examples // 2
"""A real server and a real client take some time: 50 cases, 1,000 for `make test-all`."""
DESCRIPTIONS = ["a\tb", "nightly", "nightly web-1", "a*b", "a?b", "a\\b", "größe ½ <&>"]
VALUES = ["", "web-1", "web-2", "*", "a,b", '"quoted"']


@pytest.fixture(scope="module")
def filled(server: ServerProcess) -> ServerProcess:
    """A server with thirty snapshots: of two accounts, in every state, plain and encrypted, with tags of both."""
    people = People(server)
    other = people.account("other")
    for number in range(30):
        person = people.root if number % 4 else other
        ebs, ec2 = person.client("ebs"), person.client("ec2")
        tags = {"host": VALUES[number % 6], "Host": "x", "a key": str(number)}
        snapshot_id = ebs.start_snapshot(
            VolumeSize=1 + number % 2,
            Description=DESCRIPTIONS[number % 7],
            Tags=[{"Key": key, "Value": tags[key]} for key in list(tags)[: number % 4]],
            Encrypted=number % 5 == 1,
        )["SnapshotId"]
        if number % 3:
            ebs.complete_snapshot(SnapshotId=snapshot_id, ChangedBlocksCount=number % 3 - 1)
            waiter = ec2.get_waiter("snapshot_completed")
            waiter.config.delay = 0.05
            with contextlib.suppress(Exception):  # half of them fail, as they are to
                waiter.wait(SnapshotIds=[snapshot_id])
        if person is other and number % 5 != 1:
            ec2.modify_snapshot_attribute(
                SnapshotId=snapshot_id,
                CreateVolumePermission={"Add": [{"UserId": people.root.account_id}]},
            )
            people.root.client("ec2").create_tags(
                Resources=[snapshot_id], Tags=[{"Key": "host", "Value": "web-1"}]
            )
    return server


@pytest.fixture(scope="module")
def everything(filled: ServerProcess) -> Sequence[Shown]:
    shown: list[Shown] = filled.client("ec2").describe_snapshots()["Snapshots"]
    assert {each["State"] for each in shown} == {"pending", "completed", "error"}
    assert len({each["OwnerId"] for each in shown}) == 2
    return shown


@pytest.fixture(scope="module")
def aws(filled: ServerProcess) -> Iterator[Callable[..., Any]]:
    """`aws ec2 …`, which must succeed; returns what it printed."""
    with pytest.MonkeyPatch.context() as environment:
        for name, value in {
            "AWS_ACCESS_KEY_ID": filled.access_key_id,
            "AWS_SECRET_ACCESS_KEY": filled.secret_access_key,
            "AWS_DEFAULT_REGION": filled.region,
            "AWS_ENDPOINT_URL_EC2": filled.endpoint,
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        }.items():
            environment.setenv(name, value)
        driver: Any = create_clidriver()

        def run(*arguments: str) -> Any:
            printed, complained = io.StringIO(), io.StringIO()
            with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(complained):
                status = driver.main(["ec2", *arguments, "--output", "json"])
            assert status == 0, complained.getvalue()
            return json.loads(printed.getvalue())

        yield run


@settings(max_examples=CASES)
@given(data=st.data())
def test_boto3s_paginator_finds_what_a_naive_filter_does(
    filled: ServerProcess, everything: Sequence[Shown], data: st.DataObject
) -> None:
    wishes = data.draw(wishes_about(everything), label="filters")
    page_size = data.draw(st.sampled_from([None, 5, 12]), label="page size")
    pages = (
        client(filled)
        .get_paginator("describe_snapshots")
        .paginate(Filters=wishes, PaginationConfig={"PageSize": page_size})
    )
    found = [shown["SnapshotId"] for page in pages for shown in page["Snapshots"]]
    assert found == chosen(everything, wishes)


_clients: dict[str, Any] = {}


def client(server: ServerProcess) -> Any:
    """Return one client for all cases: making one takes longer than asking it."""
    return _clients.setdefault(server.endpoint, server.client("ec2"))


@settings(max_examples=CASES)
@given(data=st.data())
def test_the_aws_cli_finds_what_a_naive_filter_does(
    aws: Callable[..., Any], everything: Sequence[Shown], data: st.DataObject
) -> None:
    wishes = data.draw(wishes_about(everything), label="filters")
    paging = data.draw(st.sampled_from([[], ["--page-size", "5"], ["--no-paginate"]]), label="paging")
    asked = ["--filters", json.dumps(wishes)] if wishes else []
    answer = aws("describe-snapshots", *asked, *paging)
    assert [shown["SnapshotId"] for shown in answer["Snapshots"]] == chosen(everything, wishes)


@pytest.mark.parametrize("name", DOCUMENTED)
def test_the_aws_cli_takes_each_documented_filter_in_its_short_form(
    aws: Callable[..., Any], everything: Sequence[Shown], name: str
) -> None:
    found = [text for shown in everything for text in texts(shown, name) if text.isprintable()]
    value = next((text for text in found if text and not set(text) & set(',"*?\\<')), "nothing")
    answer = aws("describe-snapshots", "--filters", f"Name={name},Values={value}")
    wish: Wish = {"Name": name, "Values": [value]}
    assert [shown["SnapshotId"] for shown in answer["Snapshots"]] == chosen(everything, [wish])
    assert bool(answer["Snapshots"]) == (name != "owner-alias")


def test_the_aws_cli_tags_describes_tags_and_takes_them_off(
    aws: Callable[..., Any], filled: ServerProcess, everything: Sequence[Shown]
) -> None:
    first, second = (each["SnapshotId"] for each in everything[:2])
    both = ["--resources", first, second]

    def described(*filters: str) -> list[Mapping[str, str]]:
        found: list[Mapping[str, str]] = aws("describe-tags", "--filters", *filters)["Tags"]
        return found

    driver_says_nothing = [
        ["create-tags", *both, "--tags", "Key=cli,Value=one", 'Key="cli two",Value='],
        ["create-tags", "--resources", second, "--tags", "Key=cli,Value=two"],
    ]
    for arguments in driver_says_nothing:
        assert _silently(aws, arguments)
    assert described("Name=key,Values=cli*") == [
        {"Key": key, "ResourceId": snapshot_id, "ResourceType": "snapshot", "Value": value}
        for snapshot_id, cli in ((first, "one"), (second, "two"))
        for key, value in (("cli", cli), ("cli two", ""))
    ]
    assert [tag["ResourceId"] for tag in described("Name=tag:cli,Values=two")] == [second]
    assert [tag["Value"] for tag in described("Name=key,Values=cli", f"Name=resource-id,Values={first}")] == [
        "one"
    ]
    assert described("Name=resource-type,Values=snapshot", "Name=value,Values=two")[0]["Key"] == "cli"
    assert _silently(aws, ["delete-tags", *both, "--tags", "Key=cli,Value=two", "Key=cli two"])
    assert [tag["ResourceId"] for tag in described("Name=key,Values=cli*")] == [first]
    assert _silently(aws, ["delete-tags", *both, "--tags", "Key=cli"])
    assert described("Name=key,Values=cli*") == []
    assert filled.client("ec2").describe_tags(Filters=[{"Name": "key", "Values": ["cli"]}])["Tags"] == []


def _silently(aws: Callable[..., Any], arguments: Sequence[str]) -> bool:
    """Run a command that prints nothing; say that it did."""
    try:
        aws(*arguments)
    except json.JSONDecodeError:
        return True
    return False
