"""The life of a snapshot that is being written: begun, completed or taken back.

    start ──▶ blocks ──▶ complete ──▶ (the service seals it)
      └──────────┴── abandon: deleted, unless it is to be kept      └── abandon: left alone

Somebody may press Ctrl-C at any instant, also while the answer that names the new snapshot is on its way. The
client token makes that harmless: the same start asked again names the same snapshot, and then it can be
deleted. Once completion was asked for nothing is deleted, since it may well have been heard.
"""

from dataclasses import replace

from neve.client.context import ClientContext
from neve.client.errors import ClientError, ServiceUnreachable, SnapshotFailed, SnapshotMissing
from neve.client.reading import check_block_size
from neve.client.retries import FIRST_CONTACT, STEADY, Patience
from neve.client.snapshots import ERROR, delete, describe, failed, once_readable
from neve.domain.blocks import Digest, checksum_b64
from neve.messages.ebs import CompleteSnapshotRequest, StartSnapshotRequest, StartSnapshotResponse

_ONCE = Patience(attempts_max=1)


class PendingSnapshot:
    """One snapshot under way. Used from the caller's thread."""

    def __init__(
        self, client: ClientContext, request: StartSnapshotRequest, *, keep_on_failure: bool
    ) -> None:
        """Nothing is sent yet; `request` carries a client token of its own."""
        assert request.client_token, "without a token a lost answer would be a lost snapshot"
        self.snapshot_id = ""
        """Empty until the service has named it."""
        self._client = client
        self._request = request
        self._keep_on_failure = keep_on_failure
        self._asked_to_start = False
        self._asked_to_complete = False

    def start(self) -> None:
        """Begin the snapshot. Every attempt carries the same token: none begins a second one.

        Raises:
            AnswerUnexpected: the service cuts volumes into other blocks.
            ClientError
        """
        self._asked_to_start = True
        parent_id = self._request.parent_snapshot_id
        if parent_id:
            started = once_readable(self._client, parent_id, self._ask_to_start)
        else:
            started = self._client.engine.call(self._ask_to_start, FIRST_CONTACT)
        self.snapshot_id = started.snapshot_id
        check_block_size(self._client, started.block_size)

    def _ask_to_start(self) -> StartSnapshotResponse:
        return self._client.api.start_snapshot(self._request)

    def complete(self, *, block_count: int, aggregate: Digest) -> str:
        """Say that everything is written, and with which checksum; return the status answered.

        Raises:
            SnapshotFailed: the snapshot had ended in error before, by its timeout.
            ClientError: whether completion was heard is not known.
        """
        request = CompleteSnapshotRequest(
            snapshot_id=self.snapshot_id,
            changed_blocks_count=block_count,
            checksum=checksum_b64(aggregate),
            checksum_algorithm="SHA256",
            checksum_aggregation_method="LINEAR",
        )
        self._asked_to_complete = True
        answer = self._client.engine.call(lambda: self._client.api.complete_snapshot(request), STEADY)
        if answer.status == ERROR:
            raise failed(describe(self._client, self.snapshot_id))
        return answer.status

    def abandon(self, error: BaseException) -> None:
        """Take back what was begun, and note on `error` what became of it."""
        # The engine was stopped, by this error as like as not; there is work left to do.
        client = replace(self._client, engine=self._client.engine.successor())
        if not self.snapshot_id:
            self._abandon_unnamed(client, error)
        elif self._asked_to_complete and not isinstance(error, SnapshotFailed):
            client.maps.forget(self.snapshot_id)
            error.add_note(
                f"Every block of {self.snapshot_id} was sent and its completion asked for; whether that was "
                f"heard is not known. `neve wait {self.snapshot_id}` tells."
            )
        else:
            if isinstance(error, SnapshotMissing):
                self._note_state(client, error)
            self._delete(client, self.snapshot_id, error)

    def _abandon_unnamed(self, client: ClientContext, error: BaseException) -> None:
        if not self._asked_to_start or not isinstance(error, KeyboardInterrupt | ServiceUnreachable):
            return  # what was refused was not begun
        try:
            started = client.engine.call(self._ask_to_start, _ONCE)
        except ClientError:
            error.add_note(
                f"If a snapshot was begun, it ends in error after {self._request.timeout} minutes."
            )
        else:
            self._delete(client, started.snapshot_id, error)

    def _delete(self, client: ClientContext, snapshot_id: str, error: BaseException) -> None:
        if self._keep_on_failure:
            error.add_note(f"The unfinished snapshot {snapshot_id} was left, as --keep-on-failure says.")
            return
        try:
            delete(client, snapshot_id)
        except ClientError as obstacle:
            error.add_note(
                f"The unfinished snapshot {snapshot_id} could not be deleted ({obstacle.message}); it ends in "
                f"error {self._request.timeout} minutes after its last block. `neve delete {snapshot_id}` "
                "removes it."
            )
        else:
            error.add_note(f"The unfinished snapshot {snapshot_id} was deleted.")

    def _note_state(self, client: ClientContext, error: BaseException) -> None:
        """Note why a snapshot that was begun is not there to be written: mostly, its timeout has passed."""
        try:
            description = describe(client, self.snapshot_id, _ONCE)
        except ClientError:
            return
        if description.state == ERROR:
            error.add_note(f"{self.snapshot_id} ended in error: {description.state_message}.")
