"""What state a KMS key is in, asked before every use of what it wrapped.

A key that was disabled stops reads and writes at once, not when some cache runs out (contract 3.4, choice 77). A
provider on this machine is asked every time: that is one record. One across a network would make every block wait
for a round trip, so its answers are good for `age_s` seconds, and whoever comes while somebody else is asking takes
that answer, be it a failure. Nothing here outlives the process.
"""

from collections import OrderedDict
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Lock
from typing import Final

from neve.clock import Clock
from neve.errors import InvariantError, KmsError, NeveError
from neve.processors import Processors
from neve.stores.keys.contract import KeyDescription, KeyProvider

_KEYS_REMEMBERED_MAX: Final = 1024
"""Whoever may start snapshots may name any ARN: what is remembered of them has a bound."""


@dataclass(frozen=True, slots=True, eq=False)
class _Question:
    """One call of the provider, under way or answered."""

    asked_s: float
    answer: "Future[KeyDescription]" = field(default_factory=Future)


class KeyStates:
    """Describes keys of a provider. Safe from any thread."""

    def __init__(self, provider: KeyProvider, clock: Clock, processors: Processors, *, age_s: float) -> None:
        self._provider = provider
        self._clock = clock
        self._processors = processors
        self._age_s = age_s
        self._lock = Lock()
        self._questions: OrderedDict[str, _Question] = OrderedDict()

    def describe(self, key_arn: str) -> KeyDescription:
        """Return what there is to know of a key; asked for, where the provider is remote, `age_s` ago at most.

        Raises:
            KmsError: as the provider's `describe`.
            KeyProviderUnavailable
        """
        if not self._provider.remote:
            return self._provider.describe(key_arn)
        question, is_ours = self._question(key_arn)
        with self._processors.waiting():
            if is_ours:
                self._ask(key_arn, question)
            failure = question.answer.exception()
        if failure is None:
            return question.answer.result()
        raise _own_copy(failure) from failure

    def forget_old(self) -> None:
        """Drop the answers that nobody would be given any more."""
        with self._lock:
            for key_arn in [arn for arn, question in self._questions.items() if not self._is_good(question)]:
                del self._questions[key_arn]

    def _question(self, key_arn: str) -> tuple[_Question, bool]:
        """Return the question to wait for, and whether the caller must ask it."""
        with self._lock:
            known = self._questions.get(key_arn)
            if known is not None and self._is_good(known):
                return known, False
            question = _Question(self._clock.monotonic_s())
            self._questions[key_arn] = question
            self._questions.move_to_end(key_arn)
            while len(self._questions) > _KEYS_REMEMBERED_MAX:
                self._questions.popitem(last=False)
            return question, True

    def _is_good(self, question: _Question) -> bool:
        """Return whether whoever comes now may have this one's answer.

        One that is under way has no answer yet that could be old; a failure is for those who waited for it.
        """
        if not question.answer.done():
            return True
        if question.answer.exception() is not None:
            return False
        return self._clock.monotonic_s() - question.asked_s < self._age_s

    def _ask(self, key_arn: str, question: _Question) -> None:
        try:
            question.answer.set_result(self._provider.describe(key_arn))
        except NeveError as error:
            question.answer.set_exception(error)
        except Exception as error:  # noqa: BLE001 - whoever waits for it must not wait for ever
            question.answer.set_exception(InvariantError(f"a key provider failed unexpectedly: {error!r}"))


def _own_copy(failure: BaseException) -> BaseException:
    """Return an equal error: one shared by many threads would grow everybody's trace."""
    if isinstance(failure, KmsError):
        return KmsError(failure.code, failure.message, status=failure.status)
    return type(failure)(*failure.args)
