"""A store in memory with one account, and whoever administers it."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from neve.assemble_administration import replica_opener
from neve.assemble_service import reckoner_on
from neve.assemble_upkeep import UpkeepParts, collector_on, repairer_on, verifier_on
from neve.clock import Clock, Entropy
from neve.domain.identities import Account, AccountId
from neve.domain.keyring import Keyring
from neve.errors import StoreUnusable
from neve.events import silent
from neve.limits import TINY
from neve.processors import Processors
from neve.server.administration.service import Administered, Administration
from neve.server.administration.tasks import Tasks
from neve.server.collecting import Collections
from neve.server.ledger import Ledger
from neve.settings import Settings
from neve.storage.archiving import Archiver
from neve.storage.data_keys import DataKeys
from neve.storage.domains import Domains
from neve.stores.archive.contract import ArchiveStore
from neve.stores.keys.local import LocalKeyring
from neve.stores.metadata.contract import MetadataStore
from neve.stores.segments.contract import SegmentStore
from neve.testing.memory_archive import MemoryArchiveStore
from neve.testing.memory_marks import MemoryMarkStore
from neve.testing.memory_metadata import MemoryMetadataStore
from neve.testing.memory_segments import MemorySegmentStore
from neve.testing.time_and_chance import ManualClock, SeededEntropy
from neve.testing.world import MASTER_KEY, World
from usage_scene import reckoner

ACCOUNT = AccountId("111122223333")
REGION = "eu-north-1"


@dataclass(frozen=True)
class Office:
    """What tests of administration work with."""

    metadata: MemoryMetadataStore
    keyring: Keyring
    clock: ManualClock
    entropy: SeededEntropy
    administration: Administration


def open_office(*, keeps_keys: bool = True) -> Office:
    """Return the administration of a new store, whose KMS keys are its own or somebody else's."""
    metadata, clock, entropy = MemoryMetadataStore(), ManualClock(), SeededEntropy()
    metadata.create_account(Account(account_id=ACCOUNT, name="home", created_ms=clock.now_ms()))
    segments = MemorySegmentStore()
    keyring = Keyring(bytes(32), entropy)
    keys = LocalKeyring(records=metadata.keys, keyring=keyring, clock=clock, entropy=entropy, region=REGION)
    parts = _parts(
        metadata=metadata,
        segments=segments,
        archive=MemoryArchiveStore(),
        keyring=keyring,
        data_keys=None,
        clock=clock,
        entropy=entropy,
    )
    tasks, ledger = Tasks(clock, entropy), Ledger()
    store = Administered(
        metadata=metadata,
        keyring=keyring,
        keys=keys if keeps_keys else None,
        open_reckoner=lambda: reckoner_on(
            metadata=metadata,
            segments=segments,
            open_marks=MemoryMarkStore,
            keyring=keyring,
            entropy=entropy,
            limits=TINY,
            report=silent,
        ),
        open_verifier=lambda report: verifier_on(parts, report),
        open_repairer=lambda report: repairer_on(parts, report),
        open_replica=replica_opener(metadata),
        back_up=no_copies,
        clock=clock,
        entropy=entropy,
        report=silent,
        region=REGION,
        segments=segments,
        limits=TINY,
        tasks=tasks,
        collections=_collections(parts, tasks, ledger),
        ledger=ledger,
        deletion_undo_s=3_600,
    )
    return Office(metadata, keyring, clock, entropy, Administration(store))


def no_copies(destination: Path, /, **_: object) -> int:
    """Refuse to copy records that are nowhere but in memory."""
    raise StoreUnusable(f"records in memory are not copied to {destination}")


def _parts(
    *,
    metadata: MetadataStore,
    segments: SegmentStore,
    archive: ArchiveStore,
    keyring: Keyring,
    data_keys: DataKeys | None,
    clock: Clock,
    entropy: Entropy,
    deletion_undo_s: int = 0,
) -> UpkeepParts:
    return UpkeepParts(
        metadata=metadata,
        segments=segments,
        archive=archive,
        archiver=Archiver(metadata=metadata, store=archive, keyring=keyring),
        domains=Domains(metadata, keyring, entropy, data_keys),
        keyring=keyring,
        open_marks=MemoryMarkStore,
        settings=Settings(deletion_undo_s=deletion_undo_s, condemned_keep_s=0),
        limits=TINY,
        processors=Processors(1),
        clock=clock,
        entropy=entropy,
    )


def _collections(parts: UpkeepParts, tasks: Tasks, ledger: Ledger) -> Collections:
    return Collections(
        lambda haste: collector_on(parts, haste, past_ms=parts.clock.now_ms, report=silent),
        tasks,
        ledger,
        parts.clock,
    )


def administration_of(
    world: World, *, deletion_undo_s: int = 3_600, ledger: Ledger | None = None
) -> Administration:
    """Return the administration of a world, which keeps no KMS keys of its own."""
    keyring = Keyring(MASTER_KEY, world.entropy)
    parts = _parts(
        metadata=world.metadata,
        segments=world.segments,
        archive=world.archive,
        keyring=keyring,
        data_keys=world.data_keys,
        clock=world.clock,
        entropy=world.entropy,
        deletion_undo_s=deletion_undo_s,
    )
    tasks, ledger = Tasks(world.clock, world.entropy), ledger or Ledger()
    store = Administered(
        metadata=world.metadata,
        keyring=keyring,
        keys=None,
        open_reckoner=lambda: reckoner(world),
        open_verifier=lambda report: verifier_on(parts, report),
        open_repairer=lambda report: repairer_on(parts, report),
        open_replica=replica_opener(world.metadata),
        back_up=no_copies,
        clock=world.clock,
        entropy=world.entropy,
        report=world.found.append,
        region=REGION,
        segments=world.segments,
        limits=world.limits,
        tasks=tasks,
        collections=_collections(parts, tasks, ledger),
        ledger=ledger,
        deletion_undo_s=deletion_undo_s,
    )
    return Administration(store)


@pytest.fixture
def office() -> Office:
    """A new store's administration."""
    return open_office()
