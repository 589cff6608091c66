"""Every bound of the EBS model broken in turn, through the whole pipeline and rightly signed: always 4xx."""

import json
from collections.abc import Iterator

import pytest

from fix_logs import Journal
from fix_scoreboard import Figure
from fix_world import MemoryStores
from model_violations import (
    INTEGERS_BEYOND,
    NOT_INTEGERS,
    NOT_JSON_BOOLEANS,
    NOT_JSON_INTEGERS,
    NOT_JSON_LISTS,
    NOT_JSON_STRINGS,
    model_violations,
    texts,
)
from neve.limits import STANDARD
from neve.messages.http import RequestHead
from neve.testing.world import World
from pipeline_door import Door
from threats.hostile_requests import LEAKS
from wire_requests import made

JSON_VALUES = {
    "VolumeSize": NOT_JSON_INTEGERS,
    "Timeout": NOT_JSON_INTEGERS,
    "Description": NOT_JSON_STRINGS,
    "ClientToken": NOT_JSON_STRINGS,
    "Encrypted": NOT_JSON_BOOLEANS,
    "Tags": NOT_JSON_LISTS,
}


def broken_requests() -> Iterator[tuple[str, RequestHead, bytes]]:
    """Yield what is broken, and the request."""
    for each in model_violations():
        yield (
            f"{each.operation} {each.member} {each.trait}",
            *made(each.operation, **{each.member: each.value}),
        )
    for operation, member in texts("integer"):
        for text in [*NOT_INTEGERS, *INTEGERS_BEYOND]:
            yield f"{operation} {member} {text[:20]!r}", *made(operation, **{member: text})
    head, _ = made("StartSnapshot")
    for member, values in JSON_VALUES.items():
        others = "" if member == "VolumeSize" else '"VolumeSize": 1, '
        for text in values:
            body = f'{{{others}"{member}": {text}}}'.encode("utf-8", "surrogatepass")
            yield f"StartSnapshot {member} {text[:20]!r}", head, body


@pytest.mark.row(17)
def test_every_bound_broken_in_turn_is_answered_4xx(journal: Journal, figure: Figure) -> None:
    counted = 0
    with World(MemoryStores(STANDARD), limits=STANDARD) as world:
        door = Door(world, journal)
        for what, head, body in broken_requests():
            headers = [pair for pair in head.headers if pair[0] != "Host"]
            if any(not value.isprintable() or not value.isascii() for _, value in headers):
                continue  # no HTTP head: row 19 has them
            signed = door.head(head.method, head.raw_target, body=body, headers=headers)
            answer = door.pipeline.answer(signed, body)
            assert 400 <= answer.status < 500, what
            assert not LEAKS.search(bytes(answer.body)), what
            assert json.loads(bytes(answer.body)), what
            counted += 1
        assert world.metadata.statistics().snapshots == {}
    assert door.failed() == []
    assert counted > 200
    figure(f"4xx {counted} of {counted} broken bounds, types and forms; left behind 0")
