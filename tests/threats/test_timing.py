"""What a refusal's time tells of an access key: measured and written down, and never asserted, since machines differ.

What is asserted is the work that is done: an unknown key costs the same signature as a known one.
"""

import time
from collections.abc import Callable, Mapping
from statistics import median, quantiles

import pytest

from fix_logs import Journal
from fix_scoreboard import Figure
from neve.auth import sigv4
from neve.messages.http import RequestHead
from neve.testing.world import World
from pipeline_door import Door

TARGET = "/snapshots/snap-0123456789abcdef0/blocks"


def with_nibble(head: RequestHead, at: int) -> RequestHead:
    """Return a head whose signature is wrong in one hexadecimal digit."""
    headers = []
    for name, value in head.headers:
        if name == "Authorization":
            before, _, signature = value.partition("Signature=")
            digits = list(signature)
            digits[at] = "0" if digits[at] != "0" else "1"
            value = f"{before}Signature={''.join(digits)}"  # noqa: PLW2901 - the one that is spoilt
        headers.append((name, value))
    return RequestHead(method=head.method, raw_target=head.raw_target, headers=headers, peer=head.peer)


def refusals(door: Door) -> Mapping[str, RequestHead]:
    good = door.head("GET", TARGET)
    return {
        "unknown key": door.head("GET", TARGET, key_id="AKIDNOBODY0000000000"),
        "known key, first digit wrong": with_nibble(good, 0),
        "known key, last digit wrong": with_nibble(good, 63),
    }


@pytest.mark.row(16)
def test_how_long_refusals_take_is_written_down(
    make_world: Callable[..., World], journal: Journal, full_size: bool, figure: Figure
) -> None:
    door = Door(make_world(), journal)
    heads = refusals(door)
    times_us: dict[str, list[float]] = {name: [] for name in heads}
    for _ in range(10_000 if full_size else 200):
        for name, head in heads.items():
            started_s = time.perf_counter()
            answer = door.pipeline.answer(head, b"")
            times_us[name].append((time.perf_counter() - started_s) * 1e6)
            assert answer.status == 403
        journal.events.clear()
    said = [
        f"{name}: {median(times):.0f} (quartiles {quantiles(times)[0]:.0f}-{quantiles(times)[2]:.0f})"
        for name, times in times_us.items()
    ]
    figure(f"median microseconds of {len(times_us['unknown key']):,} refusals each: {'; '.join(said)}")


def test_an_unknown_key_costs_a_signature_like_a_known_one(
    make_world: Callable[..., World], journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    door = Door(make_world(), journal)
    heads = refusals(door)
    work: list[str] = []
    original = sigv4.signature_hex

    def noted(key: bytes, text: str) -> str:
        work.append(text)
        return original(key, text)

    monkeypatch.setattr(sigv4, "signature_hex", noted)
    counts = {}
    for name, head in heads.items():
        work.clear()
        door.pipeline.answer(head, b"")
        counts[name] = len(work)
    assert len(set(counts.values())) == 1
