"""The programs of `metadata_machine`, with locks, the recycle bin, its rules, copies and the tags of guests among them.

A machine of its own, so that either searches densely: this one has every rule of the other beside its own.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from neve.domain.blocks import BlockIndex
from neve.domain.identities import AccountId
from neve.domain.locks import DAY_MS, Lock, LockMode
from neve.domain.retention import ResourceTag, RetentionRule
from neve.domain.snapshots import Snapshot
from neve.stores.metadata.contract import EVERYBODY
from neve.stores.metadata.contract_lifecycle import Copy, CopyStart
from neve.testing.metadata_contract_bin import rule_of
from neve.testing.metadata_contract_copies import copy_start
from neve.testing.metadata_machine import (
    ACCOUNT_OF_DOMAIN,
    ACCOUNTS,
    STRANGER,
    MetadataMachine,
    Side,
    domains,
    picks,
    removed_tags,
    seldom,
    tags,
)
from neve.testing.metadata_scene import MINUTE_MS, snapshot_id

locks = st.one_of(
    st.builds(
        Lock,
        mode=st.sampled_from(LockMode),
        created_ms=st.just(0),
        duration_days=st.just(1),
        expires_ms=st.none(),
        cool_off_hours=st.none(),
    ),
    st.builds(
        Lock,
        mode=st.just(LockMode.COMPLIANCE),
        created_ms=st.just(0),
        duration_days=st.none(),
        expires_ms=st.integers(0, 3),
        cool_off_hours=st.sampled_from([None, 1]),
    ),
)
"""Made when the clock stood at 0; an expiry is so many minutes after that."""
EXPIRED = Lock(mode=LockMode.GOVERNANCE, created_ms=0, duration_days=None, expires_ms=0, cool_off_hours=None)
resource_tags = st.lists(
    st.builds(ResourceTag, st.sampled_from("abc"), st.sampled_from([None, "", "1"])), max_size=2
).map(tuple)
grants = st.sampled_from([(EVERYBODY,), ("",), (EVERYBODY, "")])
"""The empty one stands for the account that does not own the snapshot."""
rule_ids = st.sampled_from(["p", "q"])
sides = st.sampled_from(ACCOUNTS)


class LifecycleMachine(MetadataMachine):
    """The rules. A subclass says which store is put to the test."""

    # --- locks

    @rule(pick=picks, first=locks, second=st.one_of(locks, st.none()))
    def lock_twice(self, *, pick: int, first: Lock, second: Lock | None) -> None:
        for lock in (first, second):
            self.change_the_lock(pick=pick, lock=lock, is_stranger=False)

    @rule(pick=picks, lock=st.one_of(locks, locks, st.none()), is_stranger=seldom)
    def change_the_lock(self, *, pick: int, lock: Lock | None, is_stranger: bool) -> None:
        account_id = self._account(pick, is_stranger=is_stranger)
        name, wanted = snapshot_id(self._number(pick)), self._from_now(lock)
        given: list[Lock | None] = []

        def change(_snapshot: Snapshot, found: Lock | None) -> Lock | None:
            given.append(found)
            return wanted

        self.both(lambda side: side.store.lifecycle.change_lock(account_id, name, change))
        assert given[: len(given) // 2] == given[len(given) // 2 :]

    def _from_now(self, lock: Lock | None) -> Lock | None:
        if lock is None:
            return None
        minutes = lock.expires_ms
        expires_ms = None if minutes is None else self.now_ms + minutes * MINUTE_MS
        return replace(lock, created_ms=self.now_ms, expires_ms=expires_ms)

    @rule(pick=picks, milliseconds=st.integers(-1, 0))
    def delete_about_the_end_of_the_lock(self, pick: int, *, milliseconds: int) -> None:
        account_id = self._account(pick, is_stranger=False)
        there = self._memory.lifecycle.locks(account_id, after=None, limit=100)
        name = snapshot_id(self._number(pick))
        for each in there:
            ends_ms = each.lock.ends_ms(each.snapshot)
            if each.snapshot.snapshot_id == name and ends_ms is not None:
                self.now_ms = ends_ms + milliseconds
        self.delete(pick, is_stranger=False)

    # --- recycle bin

    @rule(
        owner=sides,
        rule_id=rule_ids,
        days=st.integers(1, 2),
        wanted=resource_tags,
        excluded=resource_tags,
        given=tags,
    )
    def put_a_rule(
        self,
        *,
        owner: AccountId,
        rule_id: str,
        days: int,
        wanted: tuple[ResourceTag, ...],
        excluded: tuple[ResourceTag, ...],
        given: dict[str, str],
    ) -> None:
        made = rule_of(
            account_id=owner,
            rule_id=rule_id,
            retention_days=days,
            resource_tags=wanted,
            exclude_resource_tags=() if wanted else excluded,
            tags=given,
            created_ms=self.now_ms,
        )
        given_rules: list[Sequence[RetentionRule]] = []

        def change(rules: Sequence[RetentionRule]) -> RetentionRule:
            given_rules.append(rules)
            return made

        self.both(lambda side: side.store.lifecycle.change_rules(owner, change))
        assert given_rules[0] == given_rules[1]

    @rule(owner=sides, rule_id=rule_ids)
    def remove_a_rule(self, *, owner: AccountId, rule_id: str) -> None:
        self.both(lambda side: side.store.lifecycle.rule(owner, rule_id))
        self.both(lambda side: side.store.lifecycle.remove_rule(owner, rule_id))

    @rule(pick=picks, given=tags, was_locked=st.booleans())
    def recycle(self, pick: int, *, given: dict[str, str], was_locked: bool) -> None:
        """Have one in the bin: complete, tagged, shared, tagged by a guest, and with a lock that expired."""
        self.put_tags(named=[pick], is_stranger=False, given=given, tags_max=4)
        self.complete(pick, 0, 1, is_deleted=False)
        if was_locked:
            self.change_the_lock(pick=pick, lock=EXPIRED, is_stranger=False)
        self.have_a_guest_who_tags(pick, given=given, granted=(EVERYBODY, ""))
        owner = self._account(pick, is_stranger=False)
        self.put_a_rule(owner=owner, rule_id="p", days=1, wanted=(), excluded=(), given={})
        self.delete(pick, is_stranger=False)

    @rule(pick=picks, is_stranger=seldom)
    def restore(self, pick: int, *, is_stranger: bool) -> None:
        account_id = self._account(pick, is_stranger=is_stranger)
        name = snapshot_id(self._number(pick))
        self.both(lambda side: side.store.lifecycle.recycled_snapshot(account_id, name))
        self.both(lambda side: side.store.lifecycle.restore(account_id, name, now_ms=self.now_ms))

    @rule(pick=picks, milliseconds=st.integers(-1, 0), limit=st.integers(1, 3), is_restored=st.booleans())
    def empty_the_bin_about_the_end(
        self, pick: int, *, milliseconds: int, limit: int, is_restored: bool
    ) -> None:
        account_id = self._account(pick, is_stranger=False)
        for each in self._memory.lifecycle.recycled(account_id, after=None, limit=100):
            if each.snapshot.snapshot_id == snapshot_id(self._number(pick)):
                self.now_ms = each.exits_ms + milliseconds
        if is_restored:
            self.restore(pick, is_stranger=False)
        self.both(lambda side: side.store.lifecycle.empty_bin(now_ms=self.now_ms, limit=limit))

    @rule(days=st.integers(1, 2))
    def days_pass(self, *, days: int) -> None:
        self.now_ms += days * DAY_MS

    # --- copies

    @rule(
        domain=domains,
        source=picks,
        given=tags,
        copies_max=st.sampled_from([0, 0, 1, 2]),
        snapshots_max=st.sampled_from([0, 0, 0, 4]),
    )
    def start_a_copy(
        self, *, domain: int, source: int, given: dict[str, str], copies_max: int, snapshots_max: int
    ) -> None:
        account_id = ACCOUNTS[ACCOUNT_OF_DOMAIN[domain]]
        number = self._started + 1
        self.both(
            lambda side: side.remember(
                side.store.lifecycle.start_copy(
                    self._copy_start(
                        side,
                        domain,
                        snapshot_id=snapshot_id(number),
                        account_id=account_id,
                        source_id=snapshot_id(self._number(source)),
                        tags=given,
                        copies_max=copies_max,
                        snapshots_max=snapshots_max,
                    )
                )
            )
        )
        if self.model.snapshot(number) is not None:
            self._started = number
            self._owners[number] = account_id

    def _copy_start(self, side: Side, domain: int, **members: Any) -> CopyStart:
        made = copy_start(self._requests, now_ms=self.now_ms, **members)
        return replace(made, domain_key=side.domain_key(domain))

    @rule(pick=picks, source=picks, domain=domains, is_source_made=st.booleans())
    def resolve_a_copy(self, pick: int, *, source: int, domain: int, is_source_made: bool) -> None:
        if is_source_made:
            self.complete(source, 0, 1, is_deleted=False)

        def resolve(side: Side) -> Copy | None:
            copy = side.store.lifecycle.resolve_copy(
                side.key(self._number(pick)),
                source_key=side.key(self._number(source)),
                domain_key=side.domain_key(domain),
            )
            if copy is not None:
                side.remember(copy.snapshot)
            return copy

        self.both(resolve)

    @rule(pick=picks, index=st.integers(0, 3), chunk=st.integers(0, 2))
    def copy_a_block(self, pick: int, *, index: int, chunk: int) -> None:
        self.put_new_blocks(pick, {index: chunk})
        self.both(
            lambda side: side.store.lifecycle.note_copied(
                side.key(self._number(pick)), next_index=BlockIndex(index + 1), copied_count=chunk
            )
        )

    @rule(pick=picks, is_made=st.booleans())
    def finish_a_copy(self, pick: int, *, is_made: bool) -> None:
        if is_made:
            self.start_a_copy(domain=0, source=pick, given={}, copies_max=0, snapshots_max=0)
            pick = 0
            self.resolve_a_copy(0, source=1, domain=0, is_source_made=True)
        self.both(
            lambda side: side.store.lifecycle.finish_copying(side.key(self._number(pick)), now_ms=self.now_ms)
        )

    @rule(pick=picks)
    def fail_a_copy(self, pick: int) -> None:
        self.both(
            lambda side: side.store.lifecycle.fail_copy(
                side.key(self._number(pick)), "it failed", now_ms=self.now_ms
            )
        )

    # --- tags of guests

    @rule(
        pick=picks,
        given=tags,
        granted=grants,
        removed=removed_tags,
        taken=st.one_of(st.just(()), grants),
        is_shared_again=st.booleans(),
        is_deleted=st.booleans(),
    )
    def have_a_guest_who_tags(
        self,
        pick: int,
        *,
        given: dict[str, str],
        granted: Sequence[str],
        removed: Sequence[tuple[str, str | None]] = (),
        taken: Sequence[str] = (),
        is_shared_again: bool = False,
        is_deleted: bool = False,
    ) -> None:
        guest = self._account(pick, is_stranger=True)
        grantees = [grantee or guest for grantee in granted]
        self.share(pick, is_stranger=False, given={}, add=grantees, is_deleted=False)
        self.put_tags(named=[pick], is_stranger=True, given=given, tags_max=2)
        if removed:
            self.remove_tags(named=[pick], is_stranger=True, removed=removed)
        if taken:
            self.unshare(pick, is_stranger=False, add=[], remove=[grantee or guest for grantee in taken])
        if is_shared_again:
            self.share(pick, is_stranger=False, given={}, add=grantees, is_deleted=False)
        if is_deleted:
            self.delete(pick, is_stranger=False)

    # --- everything that can be read

    @invariant()
    def both_show_the_same_lives(self) -> None:
        for account_id in ACCOUNTS:
            self._compare_lives(account_id)
        self.both(lambda side: side.store.lifecycle.copies(after=None, limit=100))

    def _compare_lives(self, account_id: AccountId) -> None:
        self.both(lambda side: side.store.lifecycle.locks(account_id, after=None, limit=100))
        self.both(lambda side: side.store.lifecycle.recycled(account_id, after=None, limit=100))
        self.both(lambda side: side.store.lifecycle.rules(account_id))

    @invariant()
    def both_find_the_same_by_tag(self) -> None:
        for account_id in (*ACCOUNTS, STRANGER):
            self._compare_tagged(account_id, "a")

    def _compare_tagged(self, account_id: AccountId, tag_key: str) -> None:
        self.both(lambda side: side.store.snapshots(account_id, after=None, limit=100, tag_key=tag_key))
        self.both(lambda side: side.store.visible_snapshots(account_id, after=None, limit=2, tag_key=tag_key))

    @invariant()
    def both_say_the_same_of_each_copy(self) -> None:
        for number in range(1, self._started + 1):
            self._compare_copy(number)

    def _compare_copy(self, number: int) -> None:
        self.both(lambda side: side.store.lifecycle.copy(side.key(number)))
        self.both(lambda side: side.store.blocks(side.key(number), after=None, limit=100))
