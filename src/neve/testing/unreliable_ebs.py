"""A network between a client and its service that loses, repeats, delays and damages what it carries."""

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from enum import Enum
from typing import TypeVar

from neve.client.api import EbsApi
from neve.client.errors import ClientError, ServiceBusy, ServiceRefused, ServiceUnreachable
from neve.messages.ebs import (
    CompleteSnapshotRequest,
    CompleteSnapshotResponse,
    GetSnapshotBlockRequest,
    GetSnapshotBlockResponse,
    ListChangedBlocksRequest,
    ListChangedBlocksResponse,
    ListSnapshotBlocksRequest,
    ListSnapshotBlocksResponse,
    PutSnapshotBlockRequest,
    PutSnapshotBlockResponse,
    StartSnapshotRequest,
    StartSnapshotResponse,
)
from neve.messages.ec2 import (
    CopySnapshotRequest,
    CopySnapshotResponse,
    DeleteSnapshotRequest,
    DescribeSnapshotsRequest,
    DescribeSnapshotsResponse,
)

ResultT = TypeVar("ResultT")


class Fault(Enum):
    """What a network and a service do to one call."""

    NOTHING = "nothing"
    LATE = "late"
    """Other threads get far before it arrives."""
    REQUEST_LOST = "request lost"
    ANSWER_LOST = "answer lost"
    TWICE = "twice"
    """The request arrives two times, the answer once."""
    BUSY = "busy"
    DAMAGED = "damaged"
    """A bit of the block flips on its way."""
    REFUSED = "refused"
    """A refusal for good, as by a permission that was taken away."""


class UnreliableEbs:
    """An `EbsApi` behind a network that does to each call, in order of arrival, what `faults` says next."""

    def __init__(self, api: EbsApi, faults: Callable[[], Fault]) -> None:
        self._api = api
        self._faults = faults

    @property
    def endpoint(self) -> str:
        return self._api.endpoint

    def _send(self, deliver: Callable[[Fault], ResultT]) -> ResultT:
        fault = self._faults()
        if fault is Fault.REQUEST_LOST:
            raise ServiceUnreachable("the request was lost")
        if fault is Fault.BUSY:
            raise ServiceBusy("busy", retry_after_s=1.0)
        if fault is Fault.REFUSED:
            raise ServiceRefused("refused")
        if fault is Fault.LATE:
            for _ in range(50):
                os.sched_yield()
        answer = deliver(fault)
        if fault is Fault.ANSWER_LOST:
            raise ServiceUnreachable("the answer was lost")
        if fault is Fault.TWICE:
            with suppress(ClientError):  # its answer reaches nobody
                deliver(fault)
        return answer

    def start_snapshot(self, request: StartSnapshotRequest) -> StartSnapshotResponse:
        return self._send(lambda _: self._api.start_snapshot(request))

    def put_snapshot_block(self, request: PutSnapshotBlockRequest) -> PutSnapshotBlockResponse:
        damaged = replace(request, block_data=_flipped(request.block_data))
        return self._send(
            lambda fault: self._api.put_snapshot_block(damaged if fault is Fault.DAMAGED else request)
        )

    def complete_snapshot(self, request: CompleteSnapshotRequest) -> CompleteSnapshotResponse:
        return self._send(lambda _: self._api.complete_snapshot(request))

    def list_snapshot_blocks(self, request: ListSnapshotBlocksRequest) -> ListSnapshotBlocksResponse:
        return self._send(lambda _: self._api.list_snapshot_blocks(request))

    def list_changed_blocks(self, request: ListChangedBlocksRequest) -> ListChangedBlocksResponse:
        return self._send(lambda _: self._api.list_changed_blocks(request))

    def get_snapshot_block(self, request: GetSnapshotBlockRequest) -> GetSnapshotBlockResponse:
        def deliver(fault: Fault) -> GetSnapshotBlockResponse:
            answer = self._api.get_snapshot_block(request)
            if fault is Fault.DAMAGED:
                return replace(answer, block_data=_flipped(answer.block_data))
            return answer

        return self._send(deliver)

    def describe_snapshots(self, request: DescribeSnapshotsRequest) -> DescribeSnapshotsResponse:
        return self._send(lambda _: self._api.describe_snapshots(request))

    def copy_snapshot(self, request: CopySnapshotRequest) -> CopySnapshotResponse:
        return self._send(lambda _: self._api.copy_snapshot(request))

    def delete_snapshot(self, request: DeleteSnapshotRequest) -> None:
        return self._send(lambda _: self._api.delete_snapshot(request))


def _flipped(data: bytes) -> bytes:
    return bytes([data[0] ^ 1]) + data[1:]
