"""What the audit log says of a call, and when the call must wait for that: decided in one place for every operation.

                             if no line can be written            if one can
    what changes something   is refused before it begins          the line is synced before the answer
    what only looks          goes on without, and is counted      the line is synced within a second
    data (`all` only)        is refused before it begins          the line is synced within a second
    what was refused         is counted                           the line is synced within a second

Data are the four operations that read and write blocks (contract 11); everything else is management. Whoever proved
nothing gets a line a second, sixty at once: a stranger must not be able to fill a disk. The rest are counted.
"""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final, Protocol

from neve.clock import Clock
from neve.domain.audit import Call, Category, Recording, time_text
from neve.messages.http import RequestHead
from neve.operations.context import Caller
from neve.processors import Processors
from neve.server.audit.log import UNPROVEN, AuditLog
from neve.server.audit.parameters import parameters_of, resources_of, shown

_DATA: Final = frozenset({"PutSnapshotBlock", "GetSnapshotBlock", "ListSnapshotBlocks", "ListChangedBlocks"})
_LOOKS: Final = ("Describe", "List", "Get")
_CHANGES: Final = frozenset({"GetSessionToken", "GetFederationToken"})
"""What looks by its name only: these issue credentials."""
_UNPROVEN_AT_ONCE: Final = 60
_UNPROVEN_PER_S: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsweredCall:
    """A request and what became of it."""

    head: RequestHead
    request_id: str
    service: str
    operation: str
    caller: Caller | None
    """None if the request did not prove whose it is."""
    claimed_access_key_id: str
    begun: bool
    """Whether the operation was begun: what was not has changed nothing."""
    request: Any
    """Its message; None if it could not be read."""
    response: Any
    """What the operation answered; None if it refused."""
    status: int
    error_code: str
    reason: str
    duration_ms: float


class Audit(Protocol):
    """Whoever keeps the log of calls. Safe from any thread."""

    def admit(self, operation: str) -> None:
        """Return if the operation may begin. Does next to no I/O: the event loop may ask.

        Raises:
            StoreUnavailable: it could not be written down.
        """
        ...

    def answered(self, call: AnsweredCall) -> None:
        """Take down a call; return when it may be answered. Waits only for what may have changed something.

        Raises:
            StoreUnavailable: its line is not safe yet: the caller may not be told what became of it.
        """
        ...


class NoAudit:
    """Nothing is recorded."""

    def admit(self, operation: str) -> None:
        """Let everything begin."""

    def answered(self, call: AnsweredCall) -> None:
        """Forget it."""


class CallAudit:
    """`Audit` with a log."""

    def __init__(
        self,
        log: AuditLog,
        *,
        recording: Recording,
        region: str,
        clock: Clock,
        processors: Processors | None = None,
    ) -> None:
        self._log = log
        self._recording = recording
        self._region = region
        self._clock = clock
        self._waiting: AbstractContextManager[None] = (
            nullcontext() if processors is None else processors.waiting()
        )
        self._strangers = _Strangers(clock)

    def admit(self, operation: str) -> None:
        if category_of(operation) is Category.DATA:
            if self._recording is Recording.ALL:
                self._log.require_open()
        elif changes(operation):
            self._log.require_room()

    def answered(self, call: AnsweredCall) -> None:
        category = category_of(call.operation)
        if category is Category.DATA and self._recording is not Recording.ALL:
            return
        if call.caller is None and not self._strangers.let_in():
            self._log.count_unwritten(UNPROVEN)
            return
        record = self._record(call, category)
        if call.begun and category is Category.MANAGEMENT and changes(call.operation):
            with self._waiting:
                self._log.write_durably(record)
        else:
            self._log.write(record)

    def _record(self, call: AnsweredCall, category: Category) -> Call:
        caller, agents = call.caller, call.head.values("user-agent")
        issued_ms = None if caller is None else caller.principal.session_issued_ms
        return Call(
            time=time_text(self._clock.now_ms()),
            category=category,
            request_id=call.request_id,
            service=call.service,
            operation=call.operation,
            principal="" if caller is None else caller.principal.arn,
            account_id="" if caller is None else caller.account_id,
            access_key_id=shown(call.claimed_access_key_id if caller is None else caller.access_key_id),
            session_issued="" if issued_ms is None else time_text(issued_ms),
            source_address=shown(call.head.peer),
            user_agent=shown(agents[0]) if agents else "",
            region=self._region,
            resources=resources_of(call.request, call.response),
            parameters=parameters_of(call.request),
            status=call.status,
            error_code=call.error_code,
            reason=call.reason,
            duration_ms=call.duration_ms,
        )


def category_of(operation: str) -> Category:
    """Return what kind of call an operation is."""
    return Category.DATA if operation in _DATA else Category.MANAGEMENT


def changes(operation: str) -> bool:
    """Return whether an operation does more than look, by the name it has in the API."""
    return operation in _CHANGES or not operation.startswith(_LOOKS)


class _Strangers:
    """How many of those who proved nothing may have a line now."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = Lock()
        self._room = float(_UNPROVEN_AT_ONCE)
        self._at_s = clock.monotonic_s()

    def let_in(self) -> bool:
        """Return whether one more may."""
        with self._lock:
            now_s = self._clock.monotonic_s()
            self._room = min(_UNPROVEN_AT_ONCE, self._room + (now_s - self._at_s) * _UNPROVEN_PER_S)
            self._at_s = now_s
            if self._room < 1:
                return False
            self._room -= 1
            return True
