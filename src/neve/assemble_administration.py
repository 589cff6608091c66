"""From an open store to whoever administers it in a command, when no server has the store open.

What few commands need is opened when it is needed: who keeps the KMS keys may be far away.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from neve.assemble_keys import open_key_provider, own_keyring
from neve.assemble_service import reckoner_on
from neve.assemble_upkeep import UpkeepParts, collector_on, repairer_on, verifier_on
from neve.clock import Clock, Entropy
from neve.domain.keyring import Keyring
from neve.events import silent
from neve.limits import Limits
from neve.processors import Processors
from neve.server.administration.backing_up import BackUp
from neve.server.administration.repairing import OpenReplica
from neve.server.administration.service import Administered, Administration
from neve.server.administration.tasks import Tasks
from neve.server.collecting import Collections
from neve.server.ledger import Ledger
from neve.settings import Settings
from neve.storage.archiving import Archiver
from neve.storage.data_keys import DataKeys
from neve.storage.domains import Domains
from neve.storage.repair_sources import RepairSource, SegmentTables
from neve.stores.archive.local import LocalArchiveStore
from neve.stores.directory import StoreDirectory
from neve.stores.keys.contract import KeyProvider
from neve.stores.marks.sqlite import SqliteMarkStore
from neve.stores.metadata.contract import MetadataStore
from neve.stores.segments.local import LocalSegmentStore


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenStore:
    """A store that this process has open. Whoever opened it closes it."""

    directory: StoreDirectory
    metadata: MetadataStore
    back_up: BackUp
    keyring: Keyring
    settings: Settings
    limits: Limits
    clock: Clock
    entropy: Entropy


@contextmanager
def administration_of(store: OpenStore) -> Iterator[Administration]:
    """Give whoever administers an open store; end what it began, and close what was opened for it."""
    with ExitStack() as closing:
        keys = own_keyring(store.settings, store.metadata.keys, store.keyring, store.clock, store.entropy)
        if keys is not None:
            closing.callback(keys.close)
        segments = LocalSegmentStore(store.directory.segments_path)
        closing.callback(segments.close)
        upkeep = _once(lambda: _open_upkeep(store, segments, keys, closing_late))
        # What a task opens is closed when the task has ended.
        closing_late = closing.enter_context(ExitStack())
        tasks, ledger = Tasks(store.clock, store.entropy), Ledger()
        collections = Collections(
            lambda haste: collector_on(upkeep(), haste, past_ms=store.clock.now_ms, report=silent),
            tasks,
            ledger,
            store.clock,
        )
        administration = Administration(
            Administered(
                metadata=store.metadata,
                keyring=store.keyring,
                keys=keys,
                open_reckoner=lambda: reckoner_on(
                    metadata=store.metadata,
                    segments=segments,
                    open_marks=SqliteMarkStore,
                    keyring=store.keyring,
                    entropy=store.entropy,
                    limits=store.limits,
                    report=silent,
                ),
                open_verifier=lambda report: verifier_on(upkeep(), report),
                open_repairer=lambda report: repairer_on(upkeep(), report),
                open_replica=replica_opener(store.metadata),
                back_up=store.back_up,
                clock=store.clock,
                entropy=store.entropy,
                report=silent,
                region=store.settings.region,
                segments=segments,
                limits=store.limits,
                tasks=tasks,
                collections=collections,
                ledger=ledger,
                deletion_undo_s=store.settings.deletion_undo_s,
            )
        )
        closing.callback(administration.close)
        yield administration


def replica_opener(metadata: MetadataStore) -> OpenReplica:
    """Return what opens the segments of a copy of a store, or of its segments alone, to look into."""

    @contextmanager
    def open_replica(path: str) -> Iterator[RepairSource]:
        inside = Path(path) / "segments"
        segments = LocalSegmentStore(inside if inside.is_dir() else Path(path))
        try:
            yield SegmentTables(path, segments, metadata)
        finally:
            segments.close()

    return open_replica


def _open_upkeep(
    store: OpenStore, segments: LocalSegmentStore, keys: KeyProvider | None, closing: ExitStack
) -> UpkeepParts:
    settings, clock, entropy = store.settings, store.clock, store.entropy
    if keys is None:
        opened = open_key_provider(
            settings,
            store=store.directory.path,
            records=store.metadata.keys,
            keyring=store.keyring,
            clock=clock,
            entropy=entropy,
            report=silent,
        )
        closing.callback(opened.provider.close)
        keys = opened.provider
    archive = LocalArchiveStore(store.directory.archive_path)
    closing.callback(archive.close)
    processors = Processors(settings.computing_threads_max or len(os.sched_getaffinity(0)) + 1)
    data_keys = DataKeys(
        metadata=store.metadata,
        provider=keys,
        clock=clock,
        entropy=entropy,
        processors=processors,
        data_key_age_s=settings.data_key_age_s,
        key_state_age_s=settings.key_state_age_s,
    )
    return UpkeepParts(
        metadata=store.metadata,
        segments=segments,
        archive=archive,
        archiver=Archiver(metadata=store.metadata, store=archive, keyring=store.keyring),
        domains=Domains(store.metadata, store.keyring, entropy, data_keys),
        keyring=store.keyring,
        open_marks=SqliteMarkStore,
        settings=settings,
        limits=store.limits,
        processors=processors,
        clock=clock,
        entropy=entropy,
    )


def _once(make: Callable[[], UpkeepParts]) -> Callable[[], UpkeepParts]:
    """Return what makes something at the first call, and gives the same at every other."""
    lock = Lock()
    made: list[UpkeepParts] = []

    def give() -> UpkeepParts:
        with lock:
            if not made:
                made.append(make())
            return made[0]

    return give
