"""Rate limits against the definition of a rate: never more than it allows, never less than it promises."""

from contextlib import nullcontext
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neve.domain.rates import PUBLISHED, RateLimiter, Rates
from neve.errors import CommonError, RequestError, RequestThrottledError, RequestThrottledReason

ACCOUNT, SNAPSHOT = "111122223333", "snap-0123456789abcdef0"
PAUSES = st.lists(st.sampled_from([0.0, 0.001, 0.05, 0.25, 1.0, 3.0]), max_size=60)


def limiter(rates: Rates, buckets_max: int = 1000) -> RateLimiter:
    return RateLimiter(rates, lock=nullcontext(), buckets_max=buckets_max)


def accepted_times(rate: float, pauses: list[float]) -> list[float]:
    """Ask after each pause; return when the answer was yes."""
    subject = limiter(Rates(per_account={"Put": rate}))
    now_s, times = 1000.0, []
    for pause in pauses:
        now_s += pause
        try:
            subject.check(ACCOUNT, "Put", None, now_s)
        except CommonError:
            continue
        times.append(now_s)
    return times


@given(rate=st.sampled_from([0.5, 1, 3, 7, 10]), pauses=PAUSES)
def test_no_stretch_of_time_holds_more_than_its_rate_and_one_burst(rate: float, pauses: list[float]) -> None:
    times = accepted_times(rate, pauses)
    burst = max(1, int(rate))
    for first, start in enumerate(times):
        for last in range(first, len(times)):
            assert last - first + 1 <= burst + rate * (times[last] - start) + 1e-6


@given(rate=st.sampled_from([1, 3, 7, 10, 1000]))
def test_a_rested_account_gets_its_whole_burst_at_once(rate: int) -> None:
    assert len(accepted_times(rate, [0.0] * (rate + 5))) == rate


@given(
    rate=st.sampled_from([0.5, 1, 3, 7, 10]),
    extra=st.floats(min_value=1e-6, max_value=1),
    count=st.integers(1, 40),
)
def test_whoever_keeps_to_the_rate_is_never_refused(rate: float, extra: float, count: int) -> None:
    pauses = [1 / rate + extra] * count
    times = accepted_times(rate, pauses)
    assert len(times) == count
    assert all(later > earlier for earlier, later in pairwise(times))


@given(spent=st.integers(0, 20))
def test_a_refusal_costs_nothing(spent: int) -> None:
    subject = limiter(Rates(per_account={"Put": 2}))
    for _ in range(2):
        subject.check(ACCOUNT, "Put", None, 0.0)
    for _ in range(spent):
        with pytest.raises(CommonError):
            subject.check(ACCOUNT, "Put", None, 0.0)
    subject.check(ACCOUNT, "Put", None, 0.5)


def test_what_the_snapshot_refuses_is_not_charged_to_the_account() -> None:
    subject = limiter(Rates(per_account={"Put": 3}, per_snapshot={"Put": 1}))
    subject.check(ACCOUNT, "Put", "snap-1", 0.0)
    with pytest.raises(RequestThrottledError):
        subject.check(ACCOUNT, "Put", "snap-1", 0.0)
    subject.check(ACCOUNT, "Put", "snap-2", 0.0)
    subject.check(ACCOUNT, "Put", "snap-3", 0.0)
    with pytest.raises(CommonError):
        subject.check(ACCOUNT, "Put", "snap-4", 0.0)


def test_accounts_operations_and_snapshots_have_rates_of_their_own() -> None:
    subject = limiter(Rates(per_account={"Get": 1, "Put": 1}))
    for account, operation in [("1", "Get"), ("1", "Put"), ("2", "Get"), ("2", "Put")]:
        subject.check(account, operation, SNAPSHOT, 0.0)


def test_a_stranger_cannot_use_up_the_rate_of_somebody_elses_snapshot() -> None:
    subject = limiter(Rates(per_snapshot={"Get": 1}))
    subject.check("stranger", "Get", SNAPSHOT, 0.0)
    subject.check("owner", "Get", SNAPSHOT, 0.0)


@pytest.mark.parametrize(
    ("operation", "burst", "code"),
    [
        pytest.param("StartSnapshot", 10, "ThrottlingException", id="DOC-start-10"),
        pytest.param("ListChangedBlocks", 50, "ThrottlingException", id="DOC-list-50"),
        pytest.param("PutSnapshotBlock", 1000, "ThrottlingException", id="DOC-put-1000"),
    ],
)
def test_the_published_rates_throttle_an_account(operation: str, burst: int, code: str) -> None:
    subject = limiter(PUBLISHED)
    for number in range(burst):
        subject.check(ACCOUNT, operation, f"snap-{number}", 0.0)
    with pytest.raises(CommonError) as refusal:
        subject.check(ACCOUNT, operation, "snap-x", 0.0)
    assert (refusal.value.code, refusal.value.status) == (code, 400)
    assert refusal.value.message == "Rate exceeded"


@pytest.mark.parametrize(
    "operation",
    [
        pytest.param("GetSnapshotBlock", id="DOC-get-1000"),
        pytest.param("PutSnapshotBlock", id="DOC-put-1000"),
    ],
)
def test_the_published_rates_throttle_a_snapshot(operation: str) -> None:
    subject = limiter(Rates(per_snapshot=PUBLISHED.per_snapshot))
    for _ in range(1000):
        subject.check(ACCOUNT, operation, SNAPSHOT, 0.0)
    with pytest.raises(RequestThrottledError) as refusal:
        subject.check(ACCOUNT, operation, SNAPSHOT, 0.0)
    assert refusal.value.reason is RequestThrottledReason.RESOURCE_LEVEL_THROTTLE


@pytest.mark.parametrize("rates", [Rates(), Rates(per_account={"Get": 0}, per_snapshot={"Get": 0})])
def test_no_rate_is_no_limit_and_remembers_nothing(rates: Rates) -> None:
    subject = limiter(rates)
    for _ in range(5000):
        subject.check(ACCOUNT, "Get", SNAPSHOT, 0.0)
    assert subject.bucket_count == 0


def test_invented_snapshot_ids_cannot_make_it_remember_more_than_its_bound() -> None:
    subject = limiter(Rates(per_account={"Get": 1000}, per_snapshot={"Get": 5}), buckets_max=10)
    refused = 0
    for number in range(2000):
        try:
            subject.check(ACCOUNT, "Get", f"snap-{number}", 0.0)
        except RequestError:
            refused += 1
        assert subject.bucket_count <= 10
    # The account's own bucket is used by every request, so inventing ids never evicts it.
    assert refused == 1000
