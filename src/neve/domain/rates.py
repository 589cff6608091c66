"""Request rates: how often an account, or one snapshot, may be asked for something (contract section 8).

Each (account, operation) and each (account, snapshot, operation) with a rate has a token bucket that holds
one second's worth of requests. A bucket is kept as one moment, the one at which it will be full again (the
generic cell rate algorithm), counted in whole nanoseconds so that no rounding adds up:

    room for one more   full_again - now <= (burst - 1) * interval
    taking it           full_again = max(full_again, now) + interval

A bucket that is full again is as good as none, so few need to be kept: the least recently used go first, and
ids invented by a caller cannot make memory grow. A snapshot's bucket belongs to the asking account, so that
nobody spends another's.
"""

from collections import OrderedDict
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Final

from neve.errors import CommonError, RequestError, RequestThrottledError, RequestThrottledReason

_NS_PER_S: Final = 1_000_000_000
_BUCKETS_MAX: Final = 20_000
"""About 4 MiB. One that is dropped early gives its caller at most one second's worth of requests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Requests per second by the operation's name. 0, or a name left out, is no limit."""

    per_account: Mapping[str, float] = field(default_factory=dict)
    per_snapshot: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        assert all(rate >= 0 for rate in [*self.per_account.values(), *self.per_snapshot.values()])


PUBLISHED: Final = Rates(
    per_account={
        "StartSnapshot": 10,
        "CompleteSnapshot": 10,
        "ListSnapshotBlocks": 50,
        "ListChangedBlocks": 50,
        "GetSnapshotBlock": 1000,
        "PutSnapshotBlock": 1000,
    },
    per_snapshot={"GetSnapshotBlock": 1000, "PutSnapshotBlock": 1000},
)
"""What the live service publishes as its defaults (contract 8.1)."""


@dataclass(frozen=True, slots=True)
class _Rate:
    """A rate in the units of a bucket."""

    interval_ns: int
    tolerance_ns: int
    """How far ahead of now a bucket's moment may be for one more request to fit: the burst, less one."""


class RateLimiter:
    """The buckets of one process. Safe from as many threads as the lock it is given."""

    def __init__(
        self,
        rates: Rates,
        *,
        lock: AbstractContextManager[object],
        buckets_max: int = _BUCKETS_MAX,
    ) -> None:
        assert buckets_max >= 2, "one request may need two"
        self._per_account = _prepared(rates.per_account)
        self._per_snapshot = _prepared(rates.per_snapshot)
        self._lock = lock
        self._buckets_max = buckets_max
        self._full_again_ns: OrderedDict[tuple[str, ...], int] = OrderedDict()

    def check(self, account_id: str, operation: str, snapshot_id: str | None, now_s: float) -> None:
        """Take one request out of the buckets it belongs to, or refuse it and take nothing.

        `now_s` is of a clock that never goes back.

        Raises:
            CommonError: ThrottlingException, the account's rate is used up.
            RequestThrottledError: RESOURCE_LEVEL_THROTTLE, the snapshot's is.
        """
        wanted: list[tuple[tuple[str, ...], _Rate]] = []
        account_rate = self._per_account.get(operation)
        if account_rate is not None:
            wanted.append(((account_id, operation), account_rate))
        snapshot_rate = self._per_snapshot.get(operation)
        if snapshot_rate is not None and snapshot_id is not None:
            wanted.append(((account_id, snapshot_id, operation), snapshot_rate))
        if not wanted:
            return
        now_ns = int(now_s * _NS_PER_S)
        with self._lock:
            for key, rate in wanted:
                if self._full_again_ns.get(key, now_ns) - now_ns > rate.tolerance_ns:
                    raise _refusal(key)
            for key, rate in wanted:
                full_again_ns = max(self._full_again_ns.get(key, now_ns), now_ns)
                self._full_again_ns[key] = full_again_ns + rate.interval_ns
                self._full_again_ns.move_to_end(key)
            while len(self._full_again_ns) > self._buckets_max:
                self._full_again_ns.popitem(last=False)

    @property
    def bucket_count(self) -> int:
        """How many buckets are remembered."""
        return len(self._full_again_ns)


def _prepared(rates: Mapping[str, float]) -> Mapping[str, _Rate]:
    prepared = {}
    for operation, rate in rates.items():
        if rate > 0:
            interval_ns = round(_NS_PER_S / rate)
            burst = max(1, int(rate))
            prepared[operation] = _Rate(interval_ns, (burst - 1) * interval_ns)
    return prepared


def _refusal(key: tuple[str, ...]) -> RequestError:
    if len(key) == 2:
        return CommonError("ThrottlingException", 400, "Rate exceeded")
    return RequestThrottledError(
        "The request rate of this snapshot is exceeded.",
        reason=RequestThrottledReason.RESOURCE_LEVEL_THROTTLE,
    )
