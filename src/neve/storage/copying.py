"""Copying a snapshot: find out what it is of, carry its blocks over, and hand it to completion.

    refused when asked for? ─▶ error
    source and domain known? ─▶ write them down: from now on the source may be deleted
    blocks left? ─▶ a slice of them: source's data keys ─▶ proven ─▶ the copy's data keys ─▶ written down as copied
    none left ─▶ sealing, where the block map is made as for any other snapshot (`sealing`)

One call of `advance` is one of these steps, so that many copies go on side by side and a stop waits for no more than
the blocks on their way. It may be killed at any instant and called again: what was written and not yet written down is
found stored already. In one domain there is nothing to carry: the copy has the source's root.

Who may copy what was decided when it was asked for (`operations/ec2/copy_decision`); here it is only found out whether
the source is still there. What may pass (a key that is disabled, a provider that does not answer, a full disk) leaves
the copy as it is; what does not ends in an error that says so.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from itertools import islice
from typing import Final

from neve.clock import Clock
from neve.domain.block_map import walk
from neve.domain.blocks import BlockIndex, ChunkId
from neve.domain.copies import (
    MESSAGE_KEY_NOT_ACCESSIBLE,
    MESSAGE_SOURCE_LOST,
    MESSAGE_SOURCE_NOT_COMPLETE,
    MESSAGE_SOURCE_NOT_FOUND,
)
from neve.domain.snapshots import Snapshot, State
from neve.errors import (
    ChunkDamaged,
    ChunkMissing,
    KmsError,
    SegmentMissing,
    SnapshotNotFound,
    SnapshotSealed,
    StoreUnavailable,
)
from neve.limits import Limits
from neve.processors import Processors
from neve.storage.chunk_store import ChunkStore
from neve.storage.committer import Committer
from neve.storage.domains import Domains, OpenDomain
from neve.stores.metadata.contract import MetadataStore
from neve.stores.metadata.contract_lifecycle import Copy

_KEY_IS_GONE: Final = {"NotFoundException", "InvalidArnException", "InvalidKeyUsageException"}
"""What KMS says of a key that will not be usable again; of a disabled one nobody knows."""


class Step(Enum):
    """What one call did to a copy."""

    RESOLVED = "resolved"
    COPIED = "copied"
    FINISHED = "finished"
    """Every block is there: it is sealing."""
    FAILED = "failed"
    GONE = "gone"
    """It was deleted, or somebody else ended it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advance:
    """What one call did, and if the copy failed, its message and what happened."""

    step: Step
    message: str = ""
    error: str = ""


class Copier:
    """Takes copies further. Two calls for one copy at once do its work twice, and no harm."""

    def __init__(
        self,
        *,
        metadata: MetadataStore,
        committer: Committer,
        chunks: ChunkStore,
        domains: Domains,
        clock: Clock,
        limits: Limits,
        processors: Processors,
    ) -> None:
        self._metadata = metadata
        self._committer = committer
        self._chunks = chunks
        self._domains = domains
        self._clock = clock
        self._limits = limits
        self._processors = processors
        self.interrupted = False
        """True once `interrupt` was called."""

    def interrupt(self) -> None:
        """Make the call under way give up soon, so that a stop need not wait; the copy goes on after the next start."""
        self.interrupted = True

    def advance(self, copy: Copy) -> Advance:
        """Take a copy one step further, as its record stands.

        Raises:
            StoreError: nothing is lost; call again later. StoreUnavailable if it was interrupted.
        """
        try:
            if copy.refusal:
                return self._failed(copy, copy.refusal)
            if copy.source_root is None:
                return self._resolve(copy)
            return self._carry(copy, copy.source_root)
        except KmsError as error:
            told = f"{error.code}: {error.message}"
            if error.code in _KEY_IS_GONE:
                return self._failed(copy, MESSAGE_KEY_NOT_ACCESSIBLE, told)
            raise StoreUnavailable(told) from error
        except (ChunkMissing, ChunkDamaged, SegmentMissing) as error:
            return self._failed(copy, MESSAGE_SOURCE_LOST, f"{type(error).__name__}: {error}")
        except (SnapshotNotFound, SnapshotSealed):
            return Advance(step=Step.GONE)

    def _resolve(self, copy: Copy) -> Advance:
        """Write down what the copy is of, and where it lives: in a domain that is made now, if it is its first."""
        account_id = copy.snapshot.account_id
        try:
            source = self._metadata.visible_snapshot(account_id, copy.source_id).snapshot
        except SnapshotNotFound:
            return self._failed(copy, MESSAGE_SOURCE_NOT_FOUND)
        if source.state is not State.COMPLETED:
            return self._failed(copy, MESSAGE_SOURCE_NOT_COMPLETE)
        if copy.encrypted:
            domain = self._domains.encrypted(account_id, copy.kms_key)
        else:
            domain = self._domains.unencrypted(account_id)
            assert not self._domains.by_key(source.domain_key).is_encrypted, (
                "it was not when this was decided"
            )
        try:
            resolved = self._metadata.lifecycle.resolve_copy(
                copy.snapshot.key, source_key=source.key, domain_key=domain.key
            )
        except SnapshotNotFound:
            return self._failed(copy, MESSAGE_SOURCE_NOT_FOUND)
        return Advance(step=Step.GONE if resolved is None else Step.RESOLVED)

    def _carry(self, copy: Copy, root: ChunkId) -> Advance:
        """Copy a slice of the blocks that are left, or find that there are none."""
        assert copy.source_domain_key is not None, "known together with the root"
        key = copy.snapshot.key
        source = self._domains.by_key(copy.source_domain_key)
        target = self._domains.by_key(copy.snapshot.domain_key)
        blocks: Sequence[tuple[BlockIndex, ChunkId]] = ()
        if source.key != target.key:
            left = walk(self._chunks.loader(source), root, copy.next_index)
            blocks = list(islice(left, self._limits.copy_slice_blocks))
        if not blocks:
            finished = self._metadata.lifecycle.finish_copying(key, now_ms=self._clock.now_ms())
            return Advance(step=Step.FINISHED if finished else Step.GONE)
        # Asked anew with every slice: a key that was disabled stops a copy as it stops everybody else.
        self._carry_blocks(
            self._domains.with_content(source), self._domains.with_content(target), copy.snapshot, blocks
        )
        noted = self._metadata.lifecycle.note_copied(
            key,
            next_index=BlockIndex(blocks[-1][0] + 1),
            copied_count=copy.copied_count + len(blocks),
        )
        return Advance(step=Step.COPIED if noted else Step.GONE)

    def _carry_blocks(
        self,
        source: OpenDomain,
        target: OpenDomain,
        snapshot: Snapshot,
        blocks: Sequence[tuple[BlockIndex, ChunkId]],
    ) -> None:
        """Return when all of them are durable; several are on their way at once, so that they share commits."""

        def carry(block: tuple[BlockIndex, ChunkId]) -> None:
            if self.interrupted:
                raise StoreUnavailable("the service is stopping")
            index, chunk_id = block
            with self._processors.computing():
                content = self._chunks.read(source, chunk_id)
                self._committer.put_block(target, snapshot, index, content.data, content.digest)

        with ThreadPoolExecutor(self._limits.copy_blocks_at_once, thread_name_prefix="copier") as pool:
            for _ in pool.map(carry, blocks):  # the first failure ends it: what has not begun never does
                pass

    def _failed(self, copy: Copy, message: str, error: str = "") -> Advance:
        if not self._metadata.lifecycle.fail_copy(copy.snapshot.key, message, now_ms=self._clock.now_ms()):
            return Advance(step=Step.GONE)
        return Advance(step=Step.FAILED, message=message, error=error)
