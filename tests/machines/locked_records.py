"""Whatever is done to a store's records, and whichever way its clock goes: what a lock forbids to go is there.

Until when that is, is worked out here from what was asked, by arithmetic of its own. The calls are those that lie under
every operation and all background work; whoever is to be stopped by a rule of the API has come past it already.
"""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hypothesis import strategies as st

from machines.sqlite_records import SqliteRecords
from neve.domain.locks import Lock, LockMode
from neve.domain.snapshots import CompletionClaim, Snapshot, State
from neve.errors import SnapshotLocked, SnapshotNotFound
from neve.stores.metadata.contract import MetadataStore
from neve.testing.memory_metadata import MemoryMetadataStore
from neve.testing.metadata_contract_bin import put_rule, rule_of
from neve.testing.metadata_contract_locks import put_lock
from neve.testing.metadata_machine import MEMORY_FOLDER
from neve.testing.metadata_scene import ACCOUNT, Scene

MINUTE_MS = 60_000
DAY_MINUTES = 24 * 60
DAY_MS = DAY_MINUTES * MINUTE_MS
TIMEOUT_MINUTES = 2 * DAY_MINUTES
NEVER_MS = 1 << 60
SNAPSHOTS = 2
AMPLE = 100


@dataclass
class Known:
    """What the test knows of a snapshot: what was asked, and what happened to it."""

    snapshot: Snapshot
    deadline_ms: int
    is_accepted: bool = False
    completed_ms: int | None = None
    is_failed: bool = False
    is_gone: bool = False
    lock: Lock | None = None

    def must_stay(self, now_ms: int) -> bool:
        """Say whether its lock forbids that it goes now."""
        timed_out = not self.is_accepted and now_ms >= self.deadline_ms
        if self.is_gone or self.is_failed or timed_out:
            return False
        return now_ms < self.ends_ms()

    def ends_ms(self) -> int:
        """Return when its lock lets it go."""
        if self.lock is None:
            return 0
        if self.lock.expires_ms is not None:
            return self.lock.expires_ms
        if self.completed_ms is None:
            return NEVER_MS
        assert self.lock.duration_days is not None
        return max(self.lock.created_ms, self.completed_ms) + self.lock.duration_days * DAY_MS


class Attack:
    """A store, a clock that goes either way, and everything that takes snapshots away."""

    def __init__(self, store: MetadataStore) -> None:
        self.scene = Scene(store)
        self.known = [self._start() for _ in range(SNAPSHOTS)]
        self.refused = 0

    def _start(self) -> Known:
        snapshot = self.scene.start(timeout_minutes=TIMEOUT_MINUTES)
        return Known(snapshot=snapshot, deadline_ms=self.scene.now_ms + TIMEOUT_MINUTES * MINUTE_MS)

    def move_clock(self, _each: Known, minutes: int) -> None:
        self.scene.now_ms += minutes * MINUTE_MS

    def lock_for_days(self, each: Known, minutes: int) -> None:
        self._lock(each, LockMode.GOVERNANCE, days=1 + abs(minutes) % 3, expires_ms=None)

    def lock_until(self, each: Known, minutes: int) -> None:
        self._lock(each, LockMode.COMPLIANCE, days=None, expires_ms=self.scene.now_ms + minutes * MINUTE_MS)

    def _lock(self, each: Known, mode: LockMode, *, days: int | None, expires_ms: int | None) -> None:
        lock = Lock(
            mode=mode,
            created_ms=self.scene.now_ms,
            duration_days=days,
            expires_ms=expires_ms,
            cool_off_hours=None,
        )
        if not each.is_gone:
            put_lock(self.scene, each.snapshot, lock)
            each.lock = lock

    def unlock(self, each: Known, _minutes: int) -> None:
        if not each.is_gone:
            put_lock(self.scene, each.snapshot, None)
            each.lock = None

    def complete(self, each: Known, _minutes: int) -> None:
        self._accept(each)
        if each.is_accepted and each.completed_ms is None and not (each.is_failed or each.is_gone):
            self.scene.complete_sealing(each.snapshot)
            each.completed_ms = self.scene.now_ms

    def fail(self, each: Known, _minutes: int) -> None:
        self._accept(each)
        if self.scene.store.fail_completion(each.snapshot.key, "no", now_ms=self.scene.now_ms):
            self._note_failed(each)

    def _accept(self, each: Known) -> None:
        if each.is_gone or each.is_failed or each.is_accepted:
            return
        each.is_accepted = self.scene.now_ms < each.deadline_ms
        self.scene.accept(each.snapshot, CompletionClaim(changed_blocks_count=0, aggregate=None))

    def _note_failed(self, each: Known) -> None:
        each.is_failed, each.lock = True, None

    def delete(self, each: Known, _minutes: int) -> None:
        must_stay = each.must_stay(self.scene.now_ms)
        expected = "is not there" if each.is_gone else "locked" if must_stay else "gone"
        answer = self._delete(each.snapshot)
        assert answer == expected, f"{answer}, expected: {expected}"
        self.refused += must_stay
        each.is_gone = answer != "locked"

    def delete_about_its_end(self, each: Known, minutes: int) -> None:
        if each.lock is not None and each.ends_ms() != NEVER_MS:
            self.scene.now_ms = each.ends_ms() - minutes % 2
        self.delete(each, minutes)

    def delete_a_duration_after_it_was_locked(self, each: Known, minutes: int) -> None:
        if each.lock is not None and each.lock.duration_days is not None:
            self.scene.now_ms = each.lock.created_ms + each.lock.duration_days * DAY_MS
        self.delete(each, minutes)

    def _delete(self, snapshot: Snapshot) -> str:
        try:
            self.scene.delete(snapshot)
        except SnapshotNotFound:
            return "is not there"
        except SnapshotLocked:
            return "locked"
        return "gone"

    def restore(self, each: Known, _minutes: int) -> None:
        binned = self.scene.store.lifecycle.recycled(ACCOUNT, after=None, limit=AMPLE)
        for found in binned:
            if found.snapshot.key == each.snapshot.key and self.scene.now_ms < found.exits_ms:
                self.scene.store.lifecycle.restore(
                    ACCOUNT, each.snapshot.snapshot_id, now_ms=self.scene.now_ms
                )
                each.is_gone = False

    def change_the_rules(self, _each: Known, minutes: int) -> None:
        if minutes > 0:
            put_rule(self.scene, rule_of(retention_days=1 + minutes % 2))
        elif self.scene.store.lifecycle.rules(ACCOUNT):
            self.scene.store.lifecycle.remove_rule(ACCOUNT, "rule")

    def begin_anew(self, each: Known, _minutes: int) -> None:
        if each.is_gone:
            self.known[self.known.index(each)] = self._start()

    def keep_house(self, _each: Known, _minutes: int) -> None:
        store, now_ms = self.scene.store, self.scene.now_ms
        expired = store.expire(now_ms=now_ms, limit=AMPLE)
        for each in self.known:
            if each.snapshot.snapshot_id in expired:
                self._note_failed(each)
        store.lifecycle.empty_bin(now_ms=now_ms, limit=AMPLE)
        store.reap(limit=AMPLE)
        store.forget_client_tokens(used_before_ms=now_ms, limit=AMPLE)

    def do(self, act: str, number: int, minutes: int) -> None:
        """Do one thing, and demand that all is there that a lock forbade to go when it was done."""
        each = self.known[number]
        getattr(self, act)(each, minutes)
        there = self.scene.store.snapshots(ACCOUNT, after=None, limit=AMPLE)
        sound = {found.key for found in there if found.state is not State.ERROR}
        for other in self.known:
            assert other.snapshot.key in sound or not other.must_stay(self.scene.now_ms)


Program = Sequence[tuple[str, int, int]]
"""Acts: what, to which snapshot, and how many minutes that is about."""
ACTS = (
    "move_clock",
    "lock_for_days",
    "lock_for_days",
    "lock_until",
    "lock_until",
    "unlock",
    "complete",
    "complete",
    "fail",
    "delete",
    "delete_about_its_end",
    "delete_a_duration_after_it_was_locked",
    "begin_anew",
    "begin_anew",
    "restore",
    "change_the_rules",
    "keep_house",
)
times = st.sampled_from([-DAY_MINUTES, -1, 0, 1, 60, 60, DAY_MINUTES - 1, DAY_MINUTES, 2 * DAY_MINUTES])
programs = st.lists(
    st.tuples(st.sampled_from(ACTS), st.integers(0, SNAPSHOTS - 1), times), min_size=20, max_size=60
)


@contextmanager
def sqlite_store() -> Iterator[MetadataStore]:
    with tempfile.TemporaryDirectory(dir=MEMORY_FOLDER if MEMORY_FOLDER.is_dir() else None) as folder:
        store = SqliteRecords().create(Path(folder))
        try:
            yield store
        finally:
            store.close()


@contextmanager
def memory_store() -> Iterator[MetadataStore]:
    yield MemoryMetadataStore()


def attack(store: MetadataStore, program: Program) -> int:
    """Run a program on an empty store; return how many deletions it refused."""
    attacked = Attack(store)
    for act, number, minutes in program:
        attacked.do(act, number, minutes)
    return attacked.refused
