"""Asking for a key's state: every time where that is cheap, once for all who ask where it is not."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

import pytest

from neve.domain.kms_keys import KeyState
from neve.errors import InvariantError, KeyProviderUnavailable, KmsError
from neve.processors import Processors
from neve.storage.key_states import _KEYS_REMEMBERED_MAX, KeyStates
from neve.stores.keys.contract import KeyDescription
from neve.testing.memory_keys import MemoryKeys
from neve.testing.time_and_chance import ManualClock
from neve.testing.world import ACCOUNT


class Slow(MemoryKeys):
    """A provider across a network, whose answers come when the test lets them."""

    def __init__(self) -> None:
        super().__init__(remote=True)
        self.asked = Event()
        self.may_answer = Event()

    def describe(self, key_arn: str) -> KeyDescription:
        self.asked.set()
        assert self.may_answer.wait(30)
        return super().describe(key_arn)


def states_of(keys: MemoryKeys, clock: ManualClock | None = None) -> KeyStates:
    return KeyStates(keys, clock or ManualClock(), Processors(1), age_s=1)


def test_a_provider_on_this_machine_is_asked_every_time() -> None:
    keys = MemoryKeys()
    arn, states = keys.make_key(ACCOUNT), states_of(keys)
    assert [states.describe(arn).state for _ in range(3)] == [KeyState.ENABLED] * 3
    assert keys.calls["describe"] == 3
    keys.disable(arn)
    assert states.describe(arn).state is KeyState.DISABLED


def test_a_remote_answer_is_good_until_it_is_as_old_as_it_may_be() -> None:
    keys, clock = MemoryKeys(remote=True), ManualClock()
    arn, states = keys.make_key(ACCOUNT), states_of(keys, clock)
    assert states.describe(arn).state is KeyState.ENABLED
    keys.disable(arn)
    clock.advance(seconds=0.999)
    assert states.describe(arn).state is KeyState.ENABLED
    assert keys.calls["describe"] == 1
    clock.advance(seconds=0.001)
    assert states.describe(arn).state is KeyState.DISABLED
    assert keys.calls["describe"] == 2


def test_the_age_of_an_answer_counts_from_the_question() -> None:
    keys, clock = Slow(), ManualClock()
    arn, states = keys.make_key(ACCOUNT), states_of(keys, clock)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(states.describe, arn)
        assert keys.asked.wait(30)
        clock.advance(seconds=1)
        keys.may_answer.set()
        assert answer.result(30).state is KeyState.ENABLED
    states.describe(arn)
    assert keys.calls["describe"] == 2


def test_whoever_comes_while_somebody_asks_takes_that_answer() -> None:
    keys = Slow()
    arn, states = keys.make_key(ACCOUNT), states_of(keys)
    everybody = Barrier(9)

    def describe() -> KeyDescription:
        everybody.wait(30)
        return states.describe(arn)

    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(describe) for _ in range(8)]
        everybody.wait(30)
        assert keys.asked.wait(30)
        keys.may_answer.set()
        assert {answer.result(30).state for answer in answers} == {KeyState.ENABLED}
    assert keys.calls["describe"] == 1


def test_while_a_remote_provider_is_asked_another_thread_computes() -> None:
    keys, processors = Slow(), Processors(1)
    states = KeyStates(keys, ManualClock(), processors, age_s=1)
    arn = keys.make_key(ACCOUNT)

    def describe() -> KeyDescription:
        with processors.computing():
            return states.describe(arn)

    with ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(describe) for _ in range(2)]
        assert keys.asked.wait(30)
        with processors.computing():
            keys.may_answer.set()
        assert {answer.result(30).state for answer in answers} == {KeyState.ENABLED}


def test_a_failure_is_for_those_who_waited_for_it_and_each_gets_an_error_of_its_own() -> None:
    keys = Slow()
    arn, states = keys.make_key(ACCOUNT), states_of(keys)
    keys.go_away()
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(states.describe, arn)
        assert keys.asked.wait(30)
        others = [pool.submit(states.describe, arn) for _ in range(3)]
        keys.may_answer.set()
        failures = [answer.exception(30) for answer in [first, *others]]
    assert {type(failure) for failure in failures} == {KeyProviderUnavailable}
    assert len({id(failure) for failure in failures}) == len(failures)
    keys.come_back()
    assert states.describe(arn).state is KeyState.ENABLED


def test_what_kms_refuses_keeps_its_code() -> None:
    keys = MemoryKeys(remote=True)
    gone = keys.make_key(ACCOUNT)
    keys.remove(gone)
    with pytest.raises(KmsError, match="does not exist") as refused:
        states_of(keys).describe(gone)
    assert (refused.value.code, refused.value.status) == ("NotFoundException", 400)


def test_a_provider_that_breaks_leaves_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = MemoryKeys(remote=True)
    arn, states = keys.make_key(ACCOUNT), states_of(keys)

    def broken(_arn: str) -> KeyDescription:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(keys, "describe", broken)
        with pytest.raises(InvariantError, match="ZeroDivisionError"):
            states.describe(arn)
    assert states.describe(arn).state is KeyState.ENABLED


def test_what_is_remembered_has_a_bound_and_goes_when_it_is_old() -> None:
    keys, clock = MemoryKeys(remote=True), ManualClock()
    states = states_of(keys, clock)
    for _ in range(_KEYS_REMEMBERED_MAX + 5):
        states.describe(keys.make_key(ACCOUNT))
    assert len(states._questions) == _KEYS_REMEMBERED_MAX
    clock.advance(seconds=1)
    states.forget_old()
    assert len(states._questions) == 0
