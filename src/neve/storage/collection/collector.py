"""Collection: the order of its steps, and why it is this one (design, section 6).

    begin        take the next epoch: whoever collected before may take nothing away any more
    compare      the archive with the records: a snapshot that these know nothing of ends the collection here
    mark         from every root that is needed, but for deletions that are about to be final
    foretell     count what would go; too much of it, or any doubt, ends the collection here ── a dry run ends here, too
    close        the undos of deletions that are old enough: from here on they cannot be brought back
    cut          one moment: what is needed, what is unsettled, which chunk rows there are
    flush        the archive: of what the cut does not call needed, it has nothing any more
    mark         what of the cut is not marked yet: undeleted, started or copied since
    drop         block rows and holds of what the cut called unsettled; then chunk rows that are unmarked, that were there
                 at the cut, and that nothing names now; then the records of deleted snapshots
    condemn      segments that no chunk row names
    delete       bytes, then records, of segments condemned long enough ago
    rewrite      segments that are mostly waste, or small
    compare      objects with records: what was cancelled goes when it was kept long enough, what is unexplained or missing
                 is reported

Up to and including `foretell` nothing is taken away, so that whoever deleted too much still can undelete it. What marks
say is independent of time (see `marking`), so the cut is what counts: between it and each drop, rows may only have been
added, by foreign keys that the drop looks at, or by snapshots that build on what the cut needed or on rows that it did not
call unsettled. No step depends on the clock: how long something is kept is for people.

Every transaction that drops, condemns or repoints demands the epoch. All of this may be killed anywhere, and run twice at
once: the older one ends at its next transaction.
"""

from array import array
from collections.abc import Callable
from contextlib import closing

from neve.clock import Clock, Entropy
from neve.domain.snapshots import SnapshotKey
from neve.errors import CollectionStopped, EpochLost
from neve.events import CollectionEnded, CollectionRefused, ObjectsUnexplained, Report
from neve.limits import Limits
from neve.storage.archiving import Archiver
from neve.storage.chunk_store import ChunkStore
from neve.storage.collection import dropping
from neve.storage.collection.foretelling import demand_moderation, demand_newest_records, foretell
from neve.storage.collection.marking import Claims, Marking
from neve.storage.collection.report import CollectionReport, CollectionRules, Tally
from neve.storage.collection.rewriting import Rewriter
from neve.storage.collection.round import Round
from neve.storage.collection.sweeping import Sweeper
from neve.storage.domains import Domains
from neve.storage.progress import Check, OnProgress, unhurried, unwatched
from neve.stores.marks.contract import MarkStore, OpenMarks
from neve.stores.metadata.contract import MetadataStore
from neve.stores.segments.contract import SegmentStore

_PAGE = 1_000


class Collector:
    """Collects one store. Safe from any thread, beside a server that works on it; of two collections one goes on."""

    def __init__(
        self,
        *,
        metadata: MetadataStore,
        segments: SegmentStore,
        chunks: ChunkStore,
        domains: Domains,
        archiver: Archiver,
        open_marks: OpenMarks,
        clock: Clock,
        past_ms: Callable[[], int],
        entropy: Entropy,
        limits: Limits,
        rules: CollectionRules,
        report: Report,
    ) -> None:
        """`chunks` is nobody else's, so that readers' nodes stay in memory; `domains` can have data keys.

        `past_ms` says which moment is past without doubt: times that run out are measured by it.
        """
        self._metadata = metadata
        self._segments = segments
        self._chunks = chunks
        self._domains = domains
        self._archiver = archiver
        self._open_marks = open_marks
        self._clock = clock
        self._past_ms = past_ms
        self._entropy = entropy
        self._limits = limits
        self._rules = rules
        self._report = report

    def collect(
        self,
        *,
        dry_run: bool = False,
        share_max: float | None = None,
        on_progress: OnProgress = unwatched,
        check: Check = unhurried,
    ) -> CollectionReport:
        """Take away what nothing needs, and say what that was; in a dry run only say what it would be.

        `share_max` stands in the place of the rules' own. Repeating it takes up what was left undone.

        Raises:
            CollectionStopped: something cannot be right, or too much would go. No chunk was taken away; or, where the message
                is about a copy, none that anybody needs.
            StoreError: a store did not do its part. What was done until then was right, and the rest is found again.
        """
        of = Round(
            metadata=self._metadata,
            epoch=None if dry_run else self._metadata.collection.begin(),
            clock=self._clock,
            tally=Tally(dry_run=dry_run),
            on_progress=on_progress,
            check=check,
        )
        share_max = self._rules.share_max if share_max is None else share_max
        try:
            with closing(self._open_marks()) as marks:
                self._let_go(of, marks, share_max)
            self._tidy(of)
        except EpochLost:
            of.tally.note("overtaken")
        except CollectionStopped as error:
            self._report(CollectionRefused(error=str(error)))
            raise
        found = of.tally.report
        if not dry_run:
            self._tell(found)
        return found

    def _let_go(self, of: Round, marks: MarkStore, share_max: float) -> None:
        """Let go of the records of what nothing needs."""
        marking = Marking(of, chunks=self._chunks, domains=self._domains, marks=marks, limits=self._limits)
        deleted_before_ms = self._past_ms() - self._rules.deletion_undo_s * 1000
        self._foretell(of, marking, deleted_before_ms, share_max)
        if of.epoch is None:
            return
        dropping.close_undos(of, deleted_before_ms=deleted_before_ms)
        needed = Claims()
        unsettled = array("Q")
        cut = of.metadata.collection.cut(of.epoch, needs=needed.take, unsettled=unsettled.extend)
        self._archiver.flush(of.check)
        marking.mark(needed)
        dropping.drop_rows(of, unsettled)
        dropping.drop_chunks(of, marking, cut)
        dropping.forget_snapshots(of)

    def _foretell(self, of: Round, marking: Marking, deleted_before_ms: int, share_max: float) -> None:
        """Mark what will be needed once old deletions are final, and see whether no more goes than may."""
        demand_newest_records(self._archiver.unaccounted(of.check))
        final = self._old_deletions(of, deleted_before_ms)
        needed = Claims(without=final)
        moment = of.metadata.collection.needed(needed.take)
        marking.mark(needed)
        going = foretell(of, marking, moment)
        if of.epoch is None:
            of.tally.add(
                undos_closed=len(final), chunks_dropped=going.chunks, bytes_dropped=going.stored_bytes
            )
        else:
            demand_moderation(going, moment, self._rules, share_max)

    def _old_deletions(self, of: Round, deleted_before_ms: int) -> set[SnapshotKey]:
        old: set[SnapshotKey] = set()
        after: SnapshotKey | None = None
        while deletions := of.metadata.collection.deletions(None, after=after, limit=_PAGE):
            of.check()
            old.update(each.key for each in deletions if each.deleted_ms < deleted_before_ms)
            after = deletions[-1].key
        return old

    def _tidy(self, of: Round) -> None:
        """Let go of segments that no chunk row names, and make few good ones of many bad ones."""
        sweeper = Sweeper(of, segments=self._segments, open_marks=self._open_marks, report=self._report)
        condemned_before_ms = self._past_ms() - self._rules.condemned_keep_s * 1000
        if of.epoch is None:
            sweeper.foretell_deleted(condemned_before_ms=condemned_before_ms)
        else:
            newest = sweeper.condemn_empty()
            sweeper.delete_condemned(condemned_before_ms=condemned_before_ms)
            Rewriter(
                of,
                segments=self._segments,
                chunks=self._chunks,
                domains=self._domains,
                entropy=self._entropy,
                limits=self._limits,
            ).rewrite(newest=newest)
        sweeper.compare(found_before_ms=condemned_before_ms)

    def _tell(self, found: CollectionReport) -> None:
        if found.unexplained:
            self._report(ObjectsUnexplained(count=found.unexplained, segments=found.unexplained_names))
        self._report(
            CollectionEnded(
                overtaken=found.overtaken,
                undos_closed=found.undos_closed,
                snapshots_settled=found.snapshots_settled,
                chunks_dropped=found.chunks_dropped,
                bytes_dropped=found.bytes_dropped,
                segments_condemned=found.segments_condemned,
                bytes_condemned=found.bytes_condemned,
                segments_rewritten=found.segments_rewritten,
                bytes_rewritten=found.bytes_rewritten,
                segments_left=found.segments_left,
                segments_deleted=found.segments_deleted,
                bytes_deleted=found.bytes_deleted,
                out_of_room=found.out_of_room,
                segments_missing=found.missing,
            )
        )
