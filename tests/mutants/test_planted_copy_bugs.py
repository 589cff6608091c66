"""Bugs planted in how snapshots are copied, and the test that must catch each."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from fix_logs import Journal
from fix_world import MemoryStores
from kms_scene import KmsScene
from neve.operations.ec2 import copy_decision
from neve.server import copy_queue
from neve.storage.copying import Copier
from neve.storage.domains import Domains
from neve.stores.metadata.contract_lifecycle import Copy
from neve.testing.memory_keys import MemoryKeys
from neve.testing.memory_lifecycle import MemoryLifecycleRecords
from neve.testing.time_and_chance import ManualClock
from neve.testing.world import World
from unit.operations.ec2 import test_copy_encryption, test_copy_snapshot
from unit.server import test_copy_queue
from unit.storage import test_copying

Plant = Callable[[pytest.MonkeyPatch], None]
Test = Callable[[], None]


# --- the bugs


def what_was_decided_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    """A copy that was refused is made all the same, if it can be when its turn comes."""
    advance = Copier.advance
    patch.setattr(Copier, "advance", lambda self, copy: advance(self, replace(copy, refusal="")))


def permission_is_asked_of_one_key_only(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(copy_decision, "_permit_reading", lambda *_: None)


def leave_to_re_encrypt_is_not_asked(patch: pytest.MonkeyPatch) -> None:
    permit = copy_decision._permit_writing

    def lenient(*arguments: Any, re_encrypted: bool) -> None:
        permit(*arguments, re_encrypted=False)

    patch.setattr(copy_decision, "_permit_writing", lenient)


def a_key_is_asked_once(patch: pytest.MonkeyPatch) -> None:
    """A cipher is kept from slice to slice, so that nobody notices that its key was disabled."""
    kept: dict[int, Any] = {}
    with_content = Domains.with_content

    def keeping(self: Domains, domain: Any, described: Any = None) -> Any:
        if domain.key not in kept:
            kept[domain.key] = with_content(self, domain, described)
        return kept[domain.key]

    patch.setattr(Domains, "with_content", keeping)


def the_next_slice_skips_a_block(patch: pytest.MonkeyPatch) -> None:
    note = MemoryLifecycleRecords.note_copied

    def too_far(self: MemoryLifecycleRecords, key: Any, *, next_index: Any, copied_count: int) -> bool:
        return note(self, key, next_index=next_index + 90, copied_count=copied_count)

    patch.setattr(MemoryLifecycleRecords, "note_copied", too_far)


def how_far_it_came_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    advance = Copier.advance
    patch.setattr(Copier, "advance", lambda self, copy: advance(self, from_the_start(copy)))


def from_the_start(copy: Copy) -> Copy:
    return replace(copy, next_index=0) if copy.copied_count < copy.source_block_count else copy  # type: ignore[arg-type]


def the_first_copy_always_has_its_turn(patch: pytest.MonkeyPatch) -> None:
    following = copy_queue.CopyQueue._next

    def unfair(self: copy_queue.CopyQueue) -> Copy | None:
        self._last = None
        return following(self)

    patch.setattr(copy_queue.CopyQueue, "_next", unfair)


# --- the tests


@contextmanager
def world() -> Iterator[tuple[World, MemoryKeys]]:
    keys = MemoryKeys()
    with World(MemoryStores(), keys=keys, clock=ManualClock(), key_state_age_s=0, data_key_age_s=0) as made:
        yield made, keys


@contextmanager
def scene() -> Iterator[KmsScene]:
    made = KmsScene()
    with made.world:
        yield made


def shared_too_late() -> None:
    with world() as (made, _):
        test_copy_snapshot.test_what_became_shared_after_it_was_asked_for_stays_not_there(made)


def lacking(action: str) -> Test:
    def test() -> None:
        with scene() as made:
            test_copy_encryption.test_DOC_LIVE_a_caller_needs_leave_for_both_keys(made, action)

    return test


def disabled_meanwhile() -> None:
    with world() as (made, keys):
        test_copying.test_a_key_that_may_come_back_is_waited_for(made, keys, "disabled", "source's", 3)


def step_by_step() -> None:
    with world() as (made, keys):
        test_copying.test_each_call_is_one_step_and_writes_down_how_far_it_came(made, keys)


def resumed() -> None:
    with world() as (made, keys):
        test_copying.test_what_was_written_down_is_not_copied_again(made, keys)


def turns() -> None:
    with world() as (made, keys):
        test_copy_queue.test_copies_take_turns(made, keys, Journal())


PLANTED: dict[str, tuple[Plant, Test]] = {
    "what was decided is forgotten": (what_was_decided_is_forgotten, shared_too_late),
    "nobody asks for leave to decrypt": (permission_is_asked_of_one_key_only, lacking("kms:Decrypt")),
    "nobody asks for leave to re-encrypt": (leave_to_re_encrypt_is_not_asked, lacking("kms:ReEncryptTo")),
    "a key is asked once": (a_key_is_asked_once, disabled_meanwhile),
    "a block is skipped": (the_next_slice_skips_a_block, step_by_step),
    "what was copied is copied again": (how_far_it_came_is_forgotten, resumed),
    "one copy holds up the others": (the_first_copy_always_has_its_turn, turns),
}


@pytest.mark.parametrize(("plant", "test"), PLANTED.values(), ids=PLANTED)
def test_the_named_test_catches(plant: Plant, test: Test, monkeypatch: pytest.MonkeyPatch) -> None:
    test()
    plant(monkeypatch)
    with pytest.raises(BaseException) as caught:  # noqa: PT011 - an assertion, or pytest's own Failed
        test()
    assert not isinstance(caught.value, AttributeError | TypeError | KeyboardInterrupt), (
        "the bug itself is broken"
    )
