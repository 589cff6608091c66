"""From stores and keys to what collects, verifies and repairs: beside a server, or in a command when none runs.

Each has a chunk store of its own, so that what it reads does not take the place of what readers of the API will read
again.
"""

from dataclasses import dataclass

from neve.clock import Clock, Entropy
from neve.domain.keyring import Keyring
from neve.events import Report
from neve.limits import Limits
from neve.processors import Processors
from neve.settings import Settings
from neve.storage.archiving import Archiver
from neve.storage.chunk_codec import ChunkCodec
from neve.storage.chunk_store import ChunkStore
from neve.storage.domains import Domains
from neve.storage.verification.verifier import Verifier
from neve.stores.archive.contract import ArchiveStore
from neve.stores.marks.contract import OpenMarks
from neve.stores.metadata.contract import MetadataStore
from neve.stores.segments.contract import SegmentStore


@dataclass(frozen=True, slots=True, kw_only=True)
class UpkeepParts:
    """What upkeep works on, and with. Whoever opened it closes it."""

    metadata: MetadataStore
    segments: SegmentStore
    archive: ArchiveStore
    archiver: Archiver
    domains: Domains
    keyring: Keyring
    open_marks: OpenMarks
    settings: Settings
    limits: Limits
    processors: Processors
    clock: Clock
    entropy: Entropy


def verifier_on(parts: UpkeepParts, report: Report) -> Verifier:
    """Return what verifies a store. It tells by itself what is damaged."""
    return Verifier(
        metadata=parts.metadata,
        segments=parts.segments,
        chunks=ChunkStore(
            metadata=parts.metadata,
            segments=parts.segments,
            codec=ChunkCodec(),
            limits=parts.limits,
            on_damage=lambda _record, _error: None,
        ),
        domains=parts.domains,
        archive=parts.archive,
        keyring=parts.keyring,
        open_marks=parts.open_marks,
        clock=parts.clock,
        entropy=parts.entropy,
        limits=parts.limits,
        processors=parts.processors,
        report=report,
        scrub_period_s=parts.settings.scrub_period_s or 1,
    )
