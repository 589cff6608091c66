"""Quotas and tags when thirty-two clients are at them at once, against a real server. Ids begin with the label."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

from botocore.exceptions import ClientError

from neve.testing.server import ServerProcess

CLIENTS = 32


def at_once(call: Callable[[int], object]) -> list[str]:
    """Make a call in each of 32 threads, all starting together; return what each was refused with, or `OK`."""
    barrier = Barrier(CLIENTS)

    def one(number: int) -> str:
        barrier.wait()
        try:
            call(number)
        except ClientError as error:
            return error.response["Error"]["Code"]
        return "OK"

    with ThreadPoolExecutor(CLIENTS) as threads:
        return list(threads.map(one, range(CLIENTS)))


def tags_of(ec2: Any, snapshot_id: str) -> dict[str, str]:
    (shown,) = ec2.describe_snapshots(SnapshotIds=[snapshot_id])["Snapshots"]
    return {tag["Key"]: tag["Value"] for tag in shown.get("Tags", [])}


def test_DOC_no_more_snapshots_are_pending_than_may_be(make_server: Callable[..., ServerProcess]) -> None:
    server = make_server(pending_snapshots_max=10)
    ebs, ec2 = server.client("ebs"), server.client("ec2")
    for _ in range(2):  # what was completed leaves its room to others
        outcomes = at_once(lambda _: ebs.start_snapshot(VolumeSize=1))
        assert Counter(outcomes) == {"OK": 10, "ConcurrentLimitExceededException": CLIENTS - 10}
        for shown in ec2.describe_snapshots(Filters=[{"Name": "status", "Values": ["pending"]}])["Snapshots"]:
            ebs.complete_snapshot(SnapshotId=shown["SnapshotId"], ChangedBlocksCount=0)
    assert len(ec2.describe_snapshots()["Snapshots"]) == 20


def test_DOC_an_account_has_no_more_snapshots_than_it_may(make_server: Callable[..., ServerProcess]) -> None:
    server = make_server(snapshots_max=12, pending_snapshots_max=0)
    ebs, ec2 = server.client("ebs"), server.client("ec2")
    source = ebs.start_snapshot(VolumeSize=1)["SnapshotId"]
    ebs.complete_snapshot(SnapshotId=source, ChangedBlocksCount=0)

    def start_or_copy(number: int) -> None:
        if number % 2:
            ebs.start_snapshot(VolumeSize=1)
        else:
            ec2.copy_snapshot(SourceSnapshotId=source, SourceRegion=server.region)

    outcomes = Counter(at_once(start_or_copy))
    assert outcomes["OK"] == 11
    assert outcomes["ServiceQuotaExceededException"] + outcomes["SnapshotLimitExceeded"] == CLIENTS - 11
    shown = ec2.describe_snapshots()["Snapshots"]
    assert len(shown) == 12
    ec2.delete_snapshot(SnapshotId=shown[-1]["SnapshotId"])
    assert Counter(at_once(start_or_copy))["OK"] == 1


def test_tags_of_many_clients_all_land_and_none_is_told_to_try_again(
    make_server: Callable[..., ServerProcess],
) -> None:
    server = make_server()
    ec2 = server.client("ec2")
    snapshot_ids = [server.client("ebs").start_snapshot(VolumeSize=1)["SnapshotId"] for _ in range(3)]

    def tag(number: int) -> None:
        tags = [{"Key": f"of {number}", "Value": str(number)}, {"Key": "of all", "Value": str(number)}]
        ec2.create_tags(Resources=snapshot_ids, Tags=tags)

    assert set(at_once(tag)) == {"OK"}
    found = [tags_of(ec2, snapshot_id) for snapshot_id in snapshot_ids]
    # One of them was the last, and was so on all three.
    last = found[0].pop("of all")
    assert last in {str(number) for number in range(CLIENTS)}
    assert found[0] == {f"of {number}": str(number) for number in range(CLIENTS)}
    assert found[1:] == [found[0] | {"of all": last}] * 2

    def untag(number: int) -> None:
        ec2.delete_tags(Resources=snapshot_ids, Tags=[{"Key": f"of {number}"}])

    assert set(at_once(untag)) == {"OK"}
    assert [tags_of(ec2, snapshot_id) for snapshot_id in snapshot_ids] == [{"of all": last}] * 3


def test_DOC_fifty_tags_are_the_most_however_many_put_them(make_server: Callable[..., ServerProcess]) -> None:
    server = make_server()
    ec2 = server.client("ec2")
    full, empty = (server.client("ebs").start_snapshot(VolumeSize=1)["SnapshotId"] for _ in range(2))

    def tag(number: int) -> None:
        tags = [{"Key": f"{number} {letter}", "Value": ""} for letter in "abc"]
        ec2.create_tags(Resources=[empty, full], Tags=tags)

    ec2.create_tags(Resources=[full], Tags=[{"Key": "first", "Value": ""}])
    assert Counter(at_once(tag)) == {"OK": 16, "TagLimitExceeded": CLIENTS - 16}
    # Three at a time: 49 on the one, and 48 on the other, where there would have been room for no more calls either.
    assert (len(tags_of(ec2, full)), len(tags_of(ec2, empty))) == (49, 48)
    assert tags_of(ec2, full).keys() - tags_of(ec2, empty).keys() == {"first"}
