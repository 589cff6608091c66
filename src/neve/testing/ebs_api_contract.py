"""What every `EbsApi` promises (client/api.py), as tests: the real client against a real server, and its fake.

A fake that passes what the real thing passes is worth testing against.
"""

from dataclasses import replace

import pytest

from neve.client.api import EbsApi
from neve.client.errors import AnswerDamaged, ClientError, PageTokenRefused, ServiceRefused, SnapshotMissing
from neve.domain.blocks import LinearAggregate, checksum_b64, digest
from neve.limits import Limits
from neve.messages.ebs import (
    CompleteSnapshotRequest,
    GetSnapshotBlockRequest,
    ListChangedBlocksRequest,
    ListSnapshotBlocksRequest,
    PutSnapshotBlockRequest,
    StartSnapshotRequest,
    Tag,
)
from neve.messages.ec2 import (
    CopySnapshotRequest,
    DeleteSnapshotRequest,
    DescribeSnapshotsRequest,
    SnapshotDescription,
    TagSpecification,
)

UNKNOWN = "snap-0fedcba9876543210"


class Caller:
    """An API in a test's words."""

    def __init__(self, api: EbsApi, limits: Limits) -> None:
        self.api = api
        self.limits = limits

    def block(self, fill: int) -> bytes:
        """Return a block full of one byte."""
        return bytes([fill]) * self.limits.block_bytes

    def start(self, parent: str = "", volume_gib: int = 1) -> str:
        """Start a snapshot and return its id."""
        request = StartSnapshotRequest(volume_size=volume_gib, parent_snapshot_id=parent or None)
        return self.api.start_snapshot(request).snapshot_id

    def put_request(self, snapshot_id: str, index: int, fill: int) -> PutSnapshotBlockRequest:
        """Return the request that writes a block full of one byte."""
        data = self.block(fill)
        return PutSnapshotBlockRequest(
            snapshot_id=snapshot_id,
            block_index=index,
            block_data=data,
            data_length=len(data),
            checksum=checksum_b64(digest(data)),
            checksum_algorithm="SHA256",
        )

    def complete(self, snapshot_id: str, fills: dict[int, int]) -> SnapshotDescription:
        """Complete a snapshot to which exactly `fills` was written; return it when its fate is decided."""
        aggregate = LinearAggregate()
        for index in sorted(fills):
            aggregate.add(digest(self.block(fills[index])))
        self.api.complete_snapshot(
            CompleteSnapshotRequest(
                snapshot_id=snapshot_id,
                changed_blocks_count=len(fills),
                checksum=checksum_b64(aggregate.digest()),
                checksum_algorithm="SHA256",
                checksum_aggregation_method="LINEAR",
            )
        )
        return self.decided(snapshot_id)

    def decided(self, snapshot_id: str) -> SnapshotDescription:
        """Return the description of a snapshot as soon as it is no longer pending."""
        while (description := self.describe(snapshot_id)).state == "pending":
            pass
        return description

    def describe(self, snapshot_id: str) -> SnapshotDescription:
        """Return the description of one snapshot."""
        (found,) = self.api.describe_snapshots(
            DescribeSnapshotsRequest(snapshot_ids=(snapshot_id,))
        ).snapshots
        return found

    def made(self, fills: dict[int, int], parent: str = "", volume_gib: int = 1) -> str:
        """Return the id of a completed snapshot with these blocks written to it."""
        snapshot_id = self.start(parent, volume_gib)
        for index, fill in fills.items():
            self.api.put_snapshot_block(self.put_request(snapshot_id, index, fill))
        assert self.complete(snapshot_id, fills).state == "completed"
        return snapshot_id

    def tokens(self, snapshot_id: str) -> dict[int, str]:
        """Return the tokens of all blocks of a snapshot small enough for one page."""
        answer = self.api.list_snapshot_blocks(ListSnapshotBlocksRequest(snapshot_id=snapshot_id))
        assert answer.next_token is None
        return {block.block_index: block.block_token for block in answer.blocks}

    def read(self, snapshot_id: str, index: int, token: str) -> bytes:
        """Return one block."""
        request = GetSnapshotBlockRequest(snapshot_id=snapshot_id, block_index=index, block_token=token)
        return self.api.get_snapshot_block(request).block_data


class EbsApiContract:
    """Give a fixture `caller`."""

    def test_a_snapshot_reads_back_as_it_was_written(self, caller: Caller) -> None:
        fills = {0: 1, 7: 0, 2047: 2}
        snapshot_id = caller.made(fills)
        tokens = caller.tokens(snapshot_id)
        assert list(tokens) == [0, 7, 2047]
        for index, fill in fills.items():
            assert caller.read(snapshot_id, index, tokens[index]) == caller.block(fill)

    def test_an_answer_carries_the_checksum_of_its_block(self, caller: Caller) -> None:
        snapshot_id = caller.start()
        request = caller.put_request(snapshot_id, 0, 5)
        assert caller.api.put_snapshot_block(request).checksum == request.checksum
        caller.complete(snapshot_id, {0: 5})
        answer = caller.api.get_snapshot_block(
            GetSnapshotBlockRequest(
                snapshot_id=snapshot_id, block_index=0, block_token=caller.tokens(snapshot_id)[0]
            )
        )
        assert answer.checksum == request.checksum
        assert answer.data_length == caller.limits.block_bytes

    def test_a_start_says_how_large_blocks_are_and_what_was_asked_for(self, caller: Caller) -> None:
        answer = caller.api.start_snapshot(
            StartSnapshotRequest(volume_size=3, description="d", tags=(Tag("k", "v"),), timeout=10)
        )
        assert (answer.block_size, answer.volume_size) == (caller.limits.block_bytes, 3)
        described = caller.describe(answer.snapshot_id)
        assert (described.state, described.volume_size) == ("pending", 3)
        assert (described.description, described.tags) == ("d", (Tag("k", "v"),))

    def test_a_start_repeated_with_its_token_is_one_snapshot(self, caller: Caller) -> None:
        request = StartSnapshotRequest(volume_size=1, client_token="0123456789abcdef")  # noqa: S106 - no secret
        assert (
            caller.api.start_snapshot(request).snapshot_id == caller.api.start_snapshot(request).snapshot_id
        )

    def test_a_child_holds_what_its_parent_held_and_differs_where_it_was_written(
        self, caller: Caller
    ) -> None:
        parent = caller.made({0: 1, 1: 1, 2: 1})
        child = caller.made({1: 2, 5: 3}, parent)
        assert list(caller.tokens(child)) == [0, 1, 2, 5]
        answer = caller.api.list_changed_blocks(
            ListChangedBlocksRequest(first_snapshot_id=parent, second_snapshot_id=child)
        )
        assert [
            (block.block_index, block.first_block_token is None, block.second_block_token is None)
            for block in answer.changed_blocks
        ] == [(1, False, False), (5, True, False)]

    def test_unrelated_snapshots_are_refused(self, caller: Caller) -> None:
        request = ListChangedBlocksRequest(
            first_snapshot_id=caller.made({0: 1}), second_snapshot_id=caller.made({0: 2})
        )
        with pytest.raises(ServiceRefused) as refused:
            caller.api.list_changed_blocks(request)
        assert refused.value.reason == "UNRELATED_SNAPSHOTS"

    def test_a_damaged_block_is_refused_and_worth_repeating(self, caller: Caller) -> None:
        request = caller.put_request(caller.start(), 0, 1)
        with pytest.raises(AnswerDamaged):
            caller.api.put_snapshot_block(replace(request, block_data=caller.block(2)))
        caller.api.put_snapshot_block(request)

    def test_a_block_behind_the_end_is_refused(self, caller: Caller) -> None:
        request = caller.put_request(caller.start(), caller.limits.blocks_per_gib, 1)
        with pytest.raises(ServiceRefused) as refused:
            caller.api.put_snapshot_block(request)
        assert refused.value.reason == "INVALID_BLOCK"

    def test_a_wrong_count_ends_in_error_with_its_reason(self, caller: Caller) -> None:
        snapshot_id = caller.start()
        described = caller.complete(snapshot_id, {0: 1})
        assert described.state == "error"
        assert described.state_message
        again = caller.api.complete_snapshot(
            CompleteSnapshotRequest(snapshot_id=snapshot_id, changed_blocks_count=0)
        )
        assert again.status == "error"

    def test_an_unknown_snapshot_is_missing_to_every_call(self, caller: Caller) -> None:
        api = caller.api
        for call in (
            lambda: api.put_snapshot_block(caller.put_request(UNKNOWN, 0, 1)),
            lambda: caller.complete(UNKNOWN, {}),
            lambda: api.list_snapshot_blocks(ListSnapshotBlocksRequest(snapshot_id=UNKNOWN)),
            lambda: caller.describe(UNKNOWN),
            lambda: api.delete_snapshot(DeleteSnapshotRequest(snapshot_id=UNKNOWN)),
            lambda: caller.start(UNKNOWN),
        ):
            with pytest.raises(SnapshotMissing):
                call()

    def test_a_pending_snapshot_is_missing_to_readers(self, caller: Caller) -> None:
        snapshot_id = caller.start()
        with pytest.raises(SnapshotMissing):
            caller.tokens(snapshot_id)
        assert caller.describe(snapshot_id).state == "pending"

    def test_a_deleted_snapshot_is_gone(self, caller: Caller) -> None:
        snapshot_id = caller.made({0: 1})
        caller.api.delete_snapshot(DeleteSnapshotRequest(snapshot_id=snapshot_id))
        with pytest.raises(SnapshotMissing):
            caller.describe(snapshot_id)

    def test_a_copy_reads_as_its_source_and_is_related_to_nobody(self, caller: Caller) -> None:
        source = caller.made({0: 1, 9: 2})
        request = CopySnapshotRequest(
            source_region="",
            source_snapshot_id=source,
            description="a copy",
            tag_specifications=(TagSpecification(resource_type="snapshot", tags=(Tag("a", ""),)),),
        )
        answer = caller.api.copy_snapshot(request)
        assert answer.tags == (Tag("a", ""),)
        copied = caller.decided(answer.snapshot_id)
        assert (copied.state, copied.volume_size, copied.description) == ("completed", 1, "a copy")
        tokens = caller.tokens(answer.snapshot_id)
        assert [caller.read(answer.snapshot_id, *each) for each in tokens.items()] == [
            caller.block(1),
            caller.block(2),
        ]
        with pytest.raises(ServiceRefused) as refused:
            caller.api.list_changed_blocks(
                ListChangedBlocksRequest(first_snapshot_id=source, second_snapshot_id=answer.snapshot_id)
            )
        assert refused.value.reason == "UNRELATED_SNAPSHOTS"

    def test_a_copy_of_nothing_ends_in_error_with_its_reason(self, caller: Caller) -> None:
        request = CopySnapshotRequest(source_region="", source_snapshot_id=UNKNOWN)
        copied = caller.decided(caller.api.copy_snapshot(request).snapshot_id)
        assert (copied.state, copied.state_message) == ("error", "Source snapshot is not found")

    def test_a_page_token_of_nobody_is_refused_as_such(self, caller: Caller) -> None:
        request = ListSnapshotBlocksRequest(snapshot_id=caller.made({0: 1}), next_token="99x0x0")  # noqa: S106
        with pytest.raises(PageTokenRefused):
            caller.api.list_snapshot_blocks(request)

    def test_a_token_of_another_block_is_refused(self, caller: Caller) -> None:
        snapshot_id = caller.made({0: 1, 1: 2})
        with pytest.raises(ClientError):
            caller.read(snapshot_id, 1, caller.tokens(snapshot_id)[0])
