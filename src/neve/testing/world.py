"""The whole service in one process, without sockets: operations over any pair of stores.

A test says what it wants in the API's terms and can stop the world, let time pass, and start it again over
the same stores. Completions are finished when the test says so (`seal`), or at once (`complete`). KMS keys are kept
in memory unless the test brings a provider, and so is the archive; they outlive a restart.
"""

from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Protocol, Self, TypeVar

from neve.clock import Clock, Entropy
from neve.domain.blocks import Digest, LinearAggregate, checksum_b64, digest
from neve.domain.identities import Account, AccountId, SnapshotId
from neve.domain.keyring import Keyring, Purpose
from neve.domain.principals import root_principal
from neve.domain.sessions import SESSION_KEY_BYTES, SessionMint
from neve.domain.snapshots import State, observed
from neve.domain.tokens import TOKEN_KEY_BYTES, TokenMint
from neve.errors import StoreError
from neve.events import Event
from neve.limits import TINY, Limits
from neve.messages import ebs
from neve.operations.context import Caller, Context, Quotas
from neve.operations.ebs.complete_snapshot import complete_snapshot
from neve.operations.ebs.get_snapshot_block import get_snapshot_block
from neve.operations.ebs.list_changed_blocks import list_changed_blocks
from neve.operations.ebs.list_snapshot_blocks import list_snapshot_blocks
from neve.operations.ebs.put_snapshot_block import put_snapshot_block
from neve.operations.ebs.start_snapshot import start_snapshot
from neve.processors import Processors
from neve.storage.archiving import Archiver
from neve.storage.chunk_codec import ChunkCodec
from neve.storage.chunk_store import ChunkStore
from neve.storage.collection.collector import Collector
from neve.storage.collection.report import CollectionReport, CollectionRules
from neve.storage.committer import Committer
from neve.storage.copying import Copier
from neve.storage.data_keys import DataKeys
from neve.storage.domains import Domains
from neve.storage.repairing import Repairer
from neve.storage.sealing import Sealer
from neve.storage.verification.report import VerificationReport
from neve.storage.verification.verifier import Verifier
from neve.stores.archive.contract import ArchiveStore
from neve.stores.keys.contract import KeyProvider
from neve.stores.keys.contract_managed import ManagedKeys
from neve.stores.metadata.contract import MetadataStore
from neve.stores.metadata.placement import ChunkRecord
from neve.stores.segments.contract import SegmentStore
from neve.testing.memory_archive import MemoryArchiveStore
from neve.testing.memory_keys import MemoryKeys
from neve.testing.memory_marks import MemoryMarkStore
from neve.testing.time_and_chance import ManualClock, SeededEntropy

MASTER_KEY = bytes(range(32))
REGION = "us-east-1"
ACCOUNT = AccountId("111122223333")
OTHER_ACCOUNT = AccountId("444455556666")


class Stores(Protocol):
    """A pair of stores that can be opened again after a stop."""

    def open_metadata(self) -> MetadataStore: ...

    def open_segments(self) -> SegmentStore: ...


class World:
    """One running service. Use it as a context manager, or `close` it."""

    def __init__(
        self,
        stores: Stores,
        *,
        limits: Limits = TINY,
        quotas: Quotas | None = None,
        clock: Clock | None = None,
        entropy: Entropy | None = None,
        keys: KeyProvider | None = None,
        keyring: ManagedKeys | None = None,
        data_key_age_s: float = 60,
        key_state_age_s: float = 1,
        archive: ArchiveStore | None = None,
    ) -> None:
        self.stores = stores
        self.limits = limits
        self.clock = clock or ManualClock()
        self.entropy = entropy or SeededEntropy()
        self.quotas = quotas or Quotas()
        self.keys = keys or keyring or MemoryKeys(region=REGION, entropy=self.entropy)
        self.keyring = keyring
        self.archive = MemoryArchiveStore() if archive is None else archive
        self._key_ages_s = data_key_age_s, key_state_age_s
        self.damage: list[tuple[ChunkRecord, StoreError]] = []
        self.found: list[Event] = []
        """What verification and collections told."""
        self.seal_wishes = 0
        self._open()

    def _open(self) -> None:
        self.metadata = self.stores.open_metadata()
        self.segments = self.stores.open_segments()
        self.metadata.cancel_reservations()
        for account_id in (ACCOUNT, OTHER_ACCOUNT):
            self.metadata.create_account(Account(account_id=account_id, name="", created_ms=0))
        keyring = Keyring(MASTER_KEY, self.entropy)
        codec = ChunkCodec()
        processors = Processors(1)
        data_key_age_s, key_state_age_s = self._key_ages_s
        self.data_keys = DataKeys(
            metadata=self.metadata,
            provider=self.keys,
            clock=self.clock,
            entropy=self.entropy,
            processors=processors,
            data_key_age_s=data_key_age_s,
            key_state_age_s=key_state_age_s,
        )
        domains = Domains(self.metadata, keyring, self.entropy, self.data_keys)
        self.committer = Committer(
            metadata=self.metadata,
            segments=self.segments,
            codec=codec,
            clock=self.clock,
            entropy=self.entropy,
            limits=self.limits,
            processors=processors,
        )
        chunks = self._chunk_store()
        self.archiver = Archiver(metadata=self.metadata, store=self.archive, keyring=keyring)
        self.sealer = Sealer(
            metadata=self.metadata,
            committer=self.committer,
            chunks=chunks,
            domains=domains,
            archiver=self.archiver,
            clock=self.clock,
            limits=self.limits,
        )
        self.copier = Copier(
            metadata=self.metadata,
            committer=self.committer,
            chunks=chunks,
            domains=domains,
            clock=self.clock,
            limits=self.limits,
            processors=processors,
        )
        self.verifier = Verifier(
            metadata=self.metadata,
            segments=self.segments,
            chunks=chunks,
            domains=domains,
            archive=self.archive,
            keyring=keyring,
            open_marks=MemoryMarkStore,
            clock=self.clock,
            entropy=self.entropy,
            limits=self.limits,
            processors=processors,
            report=self.found.append,
            scrub_period_s=7 * 24 * 3600,
        )
        self.repairer = Repairer(
            verifier=self.verifier,
            metadata=self.metadata,
            segments=self.segments,
            chunks=chunks,
            domains=domains,
            archiver=self.archiver,
            codec=codec,
            open_marks=MemoryMarkStore,
            clock=self.clock,
            entropy=self.entropy,
            limits=self.limits,
        )
        self.context = Context(
            region=REGION,
            limits=self.limits,
            quotas=self.quotas,
            clock=self.clock,
            entropy=self.entropy,
            metadata=self.metadata,
            committer=self.committer,
            chunks=chunks,
            domains=domains,
            keys=self.keys,
            keyring=self.keyring,
            tokens=TokenMint(keyring.derive(Purpose.TOKENS, TOKEN_KEY_BYTES)),
            sessions=SessionMint(keyring.derive(Purpose.SESSION_TOKENS, SESSION_KEY_BYTES)),
            wake_background=self._wish_to_seal,
        )

    def _chunk_store(
        self, metadata: MetadataStore | None = None, segments: SegmentStore | None = None
    ) -> ChunkStore:
        return ChunkStore(
            metadata=metadata or self.metadata,
            segments=segments or self.segments,
            codec=ChunkCodec(),
            limits=self.limits,
            on_damage=lambda record, error: self.damage.append((record, error)),
        )

    def _wish_to_seal(self) -> None:
        self.seal_wishes += 1

    def close(self) -> None:
        """Stop the service; the stores keep what they have."""
        self.committer.close()
        self.segments.close()
        self.metadata.close()

    def restart(self) -> None:
        """Stop, and start again over the same stores."""
        self.close()
        self._open()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- the API, in a test's words

    @staticmethod
    def caller(account_id: AccountId = ACCOUNT) -> Caller:
        """Return who an account's requests come from."""
        return Caller(principal=root_principal(account_id), access_key_id="AKIDEXAMPLE")

    def start(
        self,
        *,
        parent: str | None = None,
        volume_gib: int = 1,
        timeout: int | None = None,
        kms_key_arn: str | None = None,
    ) -> str:
        """Start a snapshot and return its id; with a KMS key it is encrypted, a child is as its parent."""
        request = ebs.StartSnapshotRequest(
            volume_size=volume_gib,
            parent_snapshot_id=parent,
            timeout=timeout,
            encrypted=None if kms_key_arn is None else True,
            kms_key_arn=kms_key_arn,
        )
        return start_snapshot(self.context, self.caller(), request).snapshot_id

    def put(self, snapshot_id: str, index: int, content: bytes, *, checksum_of: bytes | None = None) -> None:
        """Write one block, with the checksum of `checksum_of` if that is given."""
        claimed = digest(content if checksum_of is None else checksum_of)
        request = ebs.PutSnapshotBlockRequest(
            snapshot_id=snapshot_id,
            block_index=index,
            block_data=content,
            data_length=len(content),
            checksum=checksum_b64(claimed),
            checksum_algorithm="SHA256",
        )
        put_snapshot_block(self.context, self.caller(), request)

    def complete(self, snapshot_id: str, *, count: int, aggregate: Digest | None = None) -> State:
        """Complete a snapshot and finish it; return the state it ends in."""
        complete_snapshot(
            self.context,
            self.caller(),
            ebs.CompleteSnapshotRequest(
                snapshot_id=snapshot_id,
                changed_blocks_count=count,
                checksum=None if aggregate is None else checksum_b64(aggregate),
                checksum_algorithm=None if aggregate is None else "SHA256",
                checksum_aggregation_method=None if aggregate is None else "LINEAR",
            ),
        )
        self.seal()
        ended = self.metadata.snapshot(ACCOUNT, SnapshotId(snapshot_id))
        return observed(ended, self.clock.now_ms()).state

    def seal(self) -> None:
        """Finish every accepted completion, oldest first."""
        while waiting := self.metadata.sealing(limit=16):
            for snapshot in waiting:
                self.sealer.seal(snapshot)

    def verify(self, *, data: bool = True) -> VerificationReport:
        """Bring the archive up to date, then look at everything and, unless that is not wanted, read it."""
        self.archiver.flush()
        return self.verifier.verify(data=data)

    def copy_all(self) -> None:
        """Take every copy to its end: completed, or in error."""
        while copies := self.metadata.lifecycle.copies(after=None, limit=16):
            for copy in copies:
                self.copier.advance(copy)
        self.seal()

    def delete(self, snapshot_id: str) -> None:
        """Delete a snapshot."""
        self.metadata.delete_snapshot(ACCOUNT, SnapshotId(snapshot_id), now_ms=self.clock.now_ms())

    def collector(
        self,
        *,
        undo_s: int = 0,
        keep_s: int = 0,
        share_max: float = 1.0,
        free_chunks: int = 0,
        metadata: MetadataStore | None = None,
        segments: SegmentStore | None = None,
        past_ms: Callable[[], int] | None = None,
    ) -> Collector:
        """Return what collects this world; it keeps nothing for anybody who may want it back, unless that is asked for.

        It can be given the world's stores behind something that comes between, and what does not believe the clock.
        """
        return Collector(
            metadata=metadata or self.metadata,
            segments=segments or self.segments,
            chunks=self._chunk_store(metadata, segments),
            domains=self.context.domains,
            archiver=self.archiver,
            open_marks=MemoryMarkStore,
            clock=self.clock,
            past_ms=past_ms or self.clock.now_ms,
            entropy=self.entropy,
            limits=self.limits,
            rules=CollectionRules(
                deletion_undo_s=undo_s, condemned_keep_s=keep_s, share_max=share_max, free_chunks=free_chunks
            ),
            report=self.found.append,
        )

    def collect(self, *, undo_s: int = 0, keep_s: int = 0) -> CollectionReport:
        """Take away what nothing needs. What was deleted or condemned at this very moment stays until the next time."""
        return self.collector(undo_s=undo_s, keep_s=keep_s).collect()

    def listed(self, snapshot_id: str, *, page_size: int | None = None) -> dict[int, str]:
        """Return the tokens of every block of a snapshot, by index, walking all pages."""
        blocks: dict[int, str] = {}
        for answer in pages(
            lambda token: list_snapshot_blocks(
                self.context,
                self.caller(),
                ebs.ListSnapshotBlocksRequest(
                    snapshot_id=snapshot_id, next_token=token, max_results=page_size
                ),
            )
        ):
            for block in answer.blocks:
                assert not blocks or block.block_index > max(blocks), "ascending, each index once"
                blocks[block.block_index] = block.block_token
        return blocks

    def changed(
        self, first: str, second: str, *, page_size: int | None = None
    ) -> dict[int, tuple[str | None, str | None]]:
        """Return the token pairs of every changed block, by index, walking all pages."""
        changed: dict[int, tuple[str | None, str | None]] = {}
        for answer in pages(
            lambda token: list_changed_blocks(
                self.context,
                self.caller(),
                ebs.ListChangedBlocksRequest(
                    first_snapshot_id=first,
                    second_snapshot_id=second,
                    next_token=token,
                    max_results=page_size,
                ),
            )
        ):
            for block in answer.changed_blocks:
                assert not changed or block.block_index > max(changed), "ascending, each index once"
                changed[block.block_index] = (block.first_block_token, block.second_block_token)
        return changed

    def get(self, snapshot_id: str, index: int, token: str) -> bytes:
        """Read one block."""
        request = ebs.GetSnapshotBlockRequest(snapshot_id=snapshot_id, block_index=index, block_token=token)
        answer = get_snapshot_block(self.context, self.caller(), request)
        assert answer.checksum == checksum_b64(digest(answer.block_data))
        return answer.block_data

    def read(self, snapshot_id: str) -> dict[int, bytes]:
        """Return every block of a completed snapshot, by index."""
        return {
            index: self.get(snapshot_id, index, token) for index, token in self.listed(snapshot_id).items()
        }


class Page(Protocol):
    """An answer that may go on."""

    @property
    def next_token(self) -> str | None: ...


Answer = TypeVar("Answer", bound=Page)


def pages(ask: Callable[[str | None], Answer]) -> Iterable[Answer]:
    """Yield every page of a list operation."""
    answer = ask(None)
    yield answer
    while answer.next_token is not None:
        answer = ask(answer.next_token)
        yield answer


def aggregate_of(blocks: Mapping[int, bytes]) -> Digest:
    """Return the LINEAR aggregate of blocks written, by index."""
    aggregate = LinearAggregate()
    for index in sorted(blocks):
        aggregate.add(digest(blocks[index]))
    return aggregate.digest()
