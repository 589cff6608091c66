"""What snapshots cost, for operators: begun here, worked out elsewhere, asked after again and again."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from neve.clock import Clock
from neve.domain.identities import AccountId, SnapshotId
from neve.domain.retention import retention_days
from neve.domain.snapshots import API_STATUS, Snapshot, SnapshotKey, State, observed
from neve.errors import SnapshotNotFound
from neve.server.administration.accounts import Accounts
from neve.server.administration.messages_tasks import ReckonFreed, ReckonUsage, TaskView
from neve.server.administration.messages_usage import FreedRow, FreedView, UsageOutcome, UsageRow
from neve.server.administration.task_desk import view_of
from neve.server.administration.tasks import Task, TaskKind, Tasks
from neve.server.administration.texts import DAY_MS, invalid, moment, not_found, shown
from neve.storage.progress import Progress, Unit
from neve.storage.usage import AccountCost, Cost, Grouping, Reckoner, Watch
from neve.stores.metadata.contract import MetadataStore

SNAPSHOTS_MAX: Final = 1_000
"""In one question about what deleting would free."""
_PAGE: Final = 1_000


@dataclass(slots=True)
class _Fate:
    """What deleting would do to each snapshot that was asked about."""

    rows: list[FreedRow] = field(default_factory=list)
    deleted: set[SnapshotKey] = field(default_factory=set)
    recycled: set[SnapshotKey] = field(default_factory=set)


class UsageDesk:
    """What operators ask about what snapshots cost."""

    def __init__(
        self,
        metadata: MetadataStore,
        accounts: Accounts,
        open_reckoner: Callable[[], Reckoner],
        tasks: Tasks,
        clock: Clock,
        *,
        deletion_undo_s: int,
    ) -> None:
        self._undo_ms = deletion_undo_s * 1_000
        self._metadata = metadata
        self._accounts = accounts
        self._open_reckoner = open_reckoner
        self._tasks = tasks
        self._clock = clock

    def reckon_usage(self, request: ReckonUsage) -> TaskView:
        if request.tag_key == "":
            raise invalid("name the tag whose values tell snapshots apart: its key is empty")
        account_ids = [account.account_id for account in self._accounts.every(request.account_id)]

        def work(task: Task) -> UsageOutcome:
            reckoner = self._open_reckoner()
            for account_id in account_ids:
                for row in self._usage(reckoner, account_id, request, _watch(task)):
                    task.found(row)
            return UsageOutcome(accounts=len(account_ids))

        return view_of(self._tasks.begin(TaskKind.RECKONING, work))

    def reckon_freed(self, request: ReckonFreed) -> TaskView:
        if not 0 < len(request.snapshot_ids) <= SNAPSHOTS_MAX:
            raise invalid(f"name 1 to {SNAPSHOTS_MAX} snapshots at a time")

        def work(task: Task) -> FreedView:
            return self._freed(request.snapshot_ids, _watch(task))

        return view_of(self._tasks.begin(TaskKind.RECKONING, work))

    # --- usage

    def _usage(
        self, reckoner: Reckoner, account_id: AccountId, request: ReckonUsage, watch: Watch
    ) -> Iterator[UsageRow]:
        group_of = None if request.tag_key is None else self._values(account_id, request.tag_key)
        grouping = Grouping(group_of=group_of, by_snapshot=request.by_snapshot)
        yield from _usage_rows(account_id, reckoner.account_cost(account_id, grouping, watch))

    def _values(self, account_id: AccountId, tag_key: str) -> Mapping[SnapshotKey, str]:
        """Return the value of a tag for each of the account's snapshots that has it."""
        values: dict[SnapshotKey, str] = {}
        after: SnapshotKey | None = None
        while page := self._metadata.snapshots(account_id, after=after, limit=_PAGE, tag_key=tag_key):
            values.update({snapshot.key: snapshot.tags[tag_key] for snapshot in page})
            after = page[-1].key
        after = None
        while binned := self._metadata.lifecycle.recycled(account_id, after=after, limit=_PAGE):
            snapshots = [each.snapshot for each in binned]
            values.update({each.key: each.tags[tag_key] for each in snapshots if tag_key in each.tags})
            after = snapshots[-1].key
        return values

    # --- freed

    def _freed(self, snapshot_ids: Sequence[str], watch: Watch) -> FreedView:
        fate = self._fate_of(list(dict.fromkeys(snapshot_ids)))
        reckoner = self._open_reckoner()
        at_once = reckoner.freed_bytes(fate.deleted, watch)
        in_the_end = at_once
        if fate.recycled:
            in_the_end = reckoner.freed_bytes(fate.deleted | fate.recycled, watch)
        return FreedView(freed_bytes=at_once, freed_from_bin_bytes=in_the_end - at_once, snapshots=fate.rows)

    def _fate_of(self, snapshot_ids: Sequence[str]) -> _Fate:
        now_ms = self._clock.now_ms()
        fate = _Fate()
        for snapshot_id in snapshot_ids:
            snapshot = observed(self._snapshot(snapshot_id), now_ms)
            locked = self._metadata.lifecycle.lock(snapshot.account_id, snapshot.snapshot_id)
            days = retention_days(snapshot, self._metadata.lifecycle.rules(snapshot.account_id))
            if locked is not None and locked.lock.forbids_deletion(snapshot, now_ms):
                ends_ms = locked.lock.ends_ms(snapshot)
                until = None if ends_ms is None else moment(ends_ms)
                fate.rows.append(FreedRow(snapshot_id=snapshot_id, outcome="locked", until=until))
            elif days is not None:
                fate.recycled.add(snapshot.key)
                until = moment(now_ms + days * DAY_MS)
                fate.rows.append(FreedRow(snapshot_id=snapshot_id, outcome="recycled", until=until))
            else:
                fate.deleted.add(snapshot.key)
                undone = snapshot.state is State.COMPLETED and self._undo_ms > 0
                until = moment(now_ms + self._undo_ms) if undone else None
                fate.rows.append(FreedRow(snapshot_id=snapshot_id, outcome="deleted", until=until))
        return fate

    def _snapshot(self, snapshot_id: str) -> Snapshot:
        """Return a snapshot of any account: ids are unique."""
        for account in self._accounts.every(None):
            try:
                return self._metadata.snapshot(account.account_id, SnapshotId(snapshot_id))
            except SnapshotNotFound:
                continue
        raise not_found(
            f"there is no snapshot {shown(snapshot_id)} in this store, or it is in the recycle bin"
        )


def _watch(task: Task) -> Watch:
    def watch(steps_done: int, steps: int) -> None:
        task.on_progress(
            Progress(phase="reading block maps", done=steps_done, total=steps, unit=Unit.SNAPSHOTS)
        )
        task.check()

    return watch


def _usage_rows(account_id: AccountId, cost: AccountCost) -> Iterator[UsageRow]:
    def row(about: str, of: Cost, tag_value: str | None = None) -> UsageRow:
        return UsageRow(
            account_id=account_id,
            about=about,
            tag_value=tag_value,
            snapshots=of.snapshot_count,
            logical_bytes=of.logical_bytes,
            unique_bytes=of.unique_bytes,
        )

    yield row("account", cost.total)
    for value, of_group in cost.by_group.items():
        yield row("tag", of_group, value)
    for each in cost.by_snapshot:
        yield UsageRow(
            account_id=account_id,
            about="snapshot",
            snapshot_id=each.snapshot_id,
            state=API_STATUS.get(each.state, each.state.value),
            snapshots=1,
            logical_bytes=each.logical_bytes,
            unique_bytes=each.unique_bytes,
        )
