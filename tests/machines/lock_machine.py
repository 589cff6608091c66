"""Programs of locks, deletions, restorations and moves of the clock, against what was promised.

The model remembers what was asked of LockSnapshot and granted, and works out in its own arithmetic until when a
snapshot must be there. A compliance lock that became final is never struck off that list: whatever is granted later
can only add to it. Everything that takes snapshots away has a rule here: DeleteSnapshot, the call that lies under every
other way to delete, the recycle bin, and each of the background's works.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

import lifecycle_scene as scene
from fix_logs import Journal
from neve.errors import RecordRefused, RequestError
from neve.messages import ebs
from neve.messages.rbin import DeleteRuleRequest
from neve.operations.ebs.complete_snapshot import complete_snapshot
from neve.operations.ebs.start_snapshot import start_snapshot
from neve.operations.rbin.rules import delete_rule
from neve.server.background import Rhythm, SealingQueue, works
from neve.server.ripening import Ripening
from neve.testing.time_and_chance import ManualClock
from neve.testing.world import ACCOUNT, OTHER_ACCOUNT, Stores, World

MINUTE_MS = 60_000
DAY_MS = 24 * 60 * MINUTE_MS
FOR_EVER_MS = 1 << 60
BLOCK = bytes(range(64))

modes = st.sampled_from(["governance", "compliance", "compliance"])
ends = st.tuples(st.sampled_from([1, 2, 6]), st.none()) | st.tuples(
    st.none(), st.sampled_from([1, 60, 1440, 7200])
)
"""Days, or minutes from now."""
cool_offs = st.none() | st.sampled_from([1, 12, 72])


@dataclass(frozen=True)
class Granted:
    """A lock as it was asked for."""

    begins_ms: int
    """From when its duration counts."""
    final_ms: int
    """From when it is final: for governance, never."""
    days: int | None
    until_ms: int | None


@dataclass
class Modelled:
    """One snapshot, and everything it was promised."""

    snapshot_id: str
    timeout_minutes: int
    last_write_ms: int
    image: dict[int, bytes] = field(default_factory=dict)
    accepted: bool | None = None
    """Whether a completion was accepted, and was right."""
    completed_ms: int | None = None
    lock: Granted | None = None
    promises: list[Granted] = field(default_factory=list)

    def failed(self, now_ms: int) -> bool:
        if self.accepted is not None:
            return not self.accepted
        return now_ms >= self.last_write_ms + self.timeout_minutes * MINUTE_MS

    def ends_ms(self, granted: Granted) -> int:
        if granted.until_ms is not None:
            return granted.until_ms
        if self.completed_ms is None:
            return FOR_EVER_MS
        assert granted.days is not None
        return max(granted.begins_ms, self.completed_ms) + granted.days * DAY_MS

    def is_final(self, granted: Granted, now_ms: int) -> bool:
        return granted.final_ms <= now_ms < self.ends_ms(granted)

    def replace_lock(self, lock: Granted | None, now_ms: int) -> None:
        """Take note of another lock, or none; one that was final stays a promise."""
        if self.lock is not None and self.is_final(self.lock, now_ms):
            self.promises.append(self.lock)
        self.lock = lock

    def must_be_there(self, now_ms: int) -> bool:
        everything = [*self.promises, *([] if self.lock is None else [self.lock])]
        return not self.failed(now_ms) and any(self.is_final(each, now_ms) for each in everything)


class LockMachine(RuleBasedStateMachine):
    """Lock, unlock, delete, restore, wait and restart, in any order."""

    make_stores: ClassVar[Callable[[], Stores]]

    snapshots = Bundle("snapshots")

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.world = World(type(self).make_stores(), clock=self.clock)
        self.modelled: list[Modelled] = []
        self.rule_ids: list[str] = []
        self.refused = 0

    def teardown(self) -> None:
        self.world.close()

    @property
    def now_ms(self) -> int:
        return self.clock.now_ms()

    def granted(self, call: Callable[[], Any]) -> bool:
        """Say whether a call was not refused."""
        try:
            call()
        except RequestError as refusal:
            assert refusal.status < 500  # noqa: PT017 - whether it is refused is what is asked
            return False
        return True

    # --- snapshots

    @rule(target=snapshots, timeout=st.sampled_from([10, 4320]))
    def start(self, timeout: int) -> Modelled:
        return self.started(timeout)

    def started(self, timeout: int) -> Modelled:
        request = ebs.StartSnapshotRequest(volume_size=1, timeout=timeout)
        snapshot_id = start_snapshot(self.world.context, self.world.caller(), request).snapshot_id
        made = Modelled(snapshot_id, timeout, self.now_ms)
        self.modelled.append(made)
        return made

    @rule(target=snapshots)
    def start_and_complete(self) -> Modelled:
        made = self.started(4320)
        self.put(made)
        self.complete(made, right=True)
        self.seal()
        return made

    @rule(it=snapshots)
    def put(self, it: Modelled) -> None:
        if self.granted(lambda: self.world.put(it.snapshot_id, 0, BLOCK)):
            it.image[0] = BLOCK
            it.last_write_ms = self.now_ms

    @rule(it=snapshots, right=st.booleans())
    def complete(self, it: Modelled, *, right: bool) -> None:
        """Have a completion accepted, which is carried out later."""
        request = ebs.CompleteSnapshotRequest(
            snapshot_id=it.snapshot_id, changed_blocks_count=len(it.image) + (not right)
        )
        in_time = not it.failed(self.now_ms)
        is_granted = self.granted(lambda: complete_snapshot(self.world.context, self.world.caller(), request))
        if is_granted and in_time and it.accepted is None:
            it.accepted = right

    @rule()
    def seal(self) -> None:
        self.world.seal()
        for each in self.modelled:
            if each.accepted and each.completed_ms is None:
                each.completed_ms = self.now_ms

    # --- locks

    @rule(it=snapshots, mode=modes, end=ends, cool_off=cool_offs)
    def lock(self, it: Modelled, mode: str, end: tuple[int | None, int | None], cool_off: int | None) -> None:
        for_days, ahead = end
        until_ms = None if ahead is None else self.now_ms + ahead * MINUTE_MS
        is_granted = self.granted(
            lambda: scene.lock(
                self.world, it.snapshot_id, mode, days=for_days, until_ms=until_ms, cool_off=cool_off
            )
        )
        if not is_granted:
            return
        now_ms = self.now_ms
        extended = it.lock if it.lock is not None and it.is_final(it.lock, now_ms) else None
        final_ms = now_ms + (cool_off or 0) * 60 * MINUTE_MS if mode == "compliance" else FOR_EVER_MS
        it.replace_lock(
            Granted(now_ms if extended is None else extended.begins_ms, final_ms, for_days, until_ms), now_ms
        )

    @rule(it=snapshots)
    def outwit(self, it: Modelled) -> None:
        """Try what somebody would who wants a snapshot gone, whatever its lock is."""
        for mode, cool_off in (("compliance", None), ("compliance", 1), ("governance", None)):
            self.lock(it, mode, (None, 1), cool_off)
        self.unlock(it)
        self.clock.advance(minutes=1)
        self.delete(it)

    @rule(it=snapshots)
    def unlock(self, it: Modelled) -> None:
        if self.granted(lambda: scene.unlock(self.world, it.snapshot_id)):
            it.replace_lock(None, self.now_ms)

    # --- what takes snapshots away

    @rule(it=snapshots, how=st.sampled_from(["", "", "dry run", "foreign"]))
    def delete(self, it: Modelled, how: str = "") -> None:
        account_id = OTHER_ACCOUNT if how == "foreign" else ACCOUNT
        dry_run = how == "dry run"
        self.granted(lambda: scene.delete(self.world, it.snapshot_id, account_id=account_id, dry_run=dry_run))

    @rule(less_ms=st.sampled_from([0, 1]))
    def delete_all_when_the_next_lock_ends(self, less_ms: int) -> None:
        self.wait_until_the_next_lock_ends(less_ms)
        for each in self.modelled:
            self.delete(each)

    @rule(it=snapshots)
    def delete_the_record(self, it: Modelled) -> None:
        """Do what every other way to delete comes to in the end."""
        try:
            self.world.delete(it.snapshot_id)
        except RecordRefused:
            self.refused += 1

    @rule(for_days=st.integers(1, 3))
    def make_rule(self, for_days: int) -> None:
        self.rule_ids.append(scene.rule(self.world, days=for_days))

    @rule()
    def remove_rules(self) -> None:
        caller = self.world.caller()
        for rule_id in self.rule_ids:
            delete_rule(self.world.context, caller, DeleteRuleRequest(identifier=rule_id))
        self.rule_ids.clear()

    @rule(it=snapshots)
    def restore(self, it: Modelled) -> None:
        self.granted(lambda: scene.restore(self.world, it.snapshot_id))

    @rule()
    def work_in_the_background(self) -> None:
        """Do a slice of everything that a server does unasked."""
        journal = Journal()
        metadata, report = self.world.metadata, journal.report
        sealing = SealingQueue(metadata, self.world.sealer, self.clock, report)
        rhythm = Rhythm(expire_interval_s=1, reap_interval_s=1, client_token_age_s=86_400)
        # The clock of this world is never wrong: what is over is past without doubt.
        ripening = Ripening(self.clock, seen_for_s=0)
        for work in works(
            metadata=metadata,
            sealing=sealing,
            clock=self.clock,
            ripening=ripening,
            report=report,
            rhythm=rhythm,
        ):
            while work.do_slice():
                pass
        self.seal()

    # --- time

    @rule(minutes=st.sampled_from([1, 9, 60, 12 * 60, 24 * 60, 72 * 60, 6 * 24 * 60]))
    def wait(self, minutes: int) -> None:
        self.clock.advance(minutes=minutes)

    @rule(less_ms=st.sampled_from([0, 1]))
    def wait_until_the_next_lock_ends(self, less_ms: int) -> None:
        """Go to the very moment, or to just before it."""
        now_ms = self.now_ms
        ends = [each.ends_ms(each.lock) for each in self.modelled if each.lock is not None]
        ahead = [end_ms - less_ms - now_ms for end_ms in ends if now_ms < end_ms - less_ms < FOR_EVER_MS // 2]
        if ahead:
            self.clock.advance(seconds=(min(ahead) + 0.5) / 1000)

    @rule()
    def restart(self) -> None:
        self.world.restart()

    # --- what must hold

    @invariant()
    def what_was_promised_is_there(self) -> None:
        for each in self.modelled:
            if each.must_be_there(self.now_ms):
                assert scene.exists(self.world, each.snapshot_id), "it was promised to be there"
                if each.completed_ms is not None:
                    assert self.world.read(each.snapshot_id) == each.image
