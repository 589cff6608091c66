"""Every operation asked for without a signature, with garbage for one, and in another scheme: refused, and nothing done."""

from collections.abc import Callable, Iterator
from urllib.parse import urlencode

import pytest

from fix_logs import Journal
from fix_scoreboard import Figure
from neve.messages.http import RequestHead
from neve.testing.world import World
from neve.wire.routes import EBS_OPERATIONS, RBIN_OPERATIONS
from pipeline_door import Door
from threats.hostile_requests import SERVED, SERVICES

HOST = ("Host", "neve.example")
AUTHORIZATIONS = {
    "none": [],
    "empty": [("Authorization", "")],
    "garbage": [("Authorization", "garbage")],
    "basic": [("Authorization", "Basic dXNlcjpwYXNzd29yZA==")],
    "bearer": [("Authorization", "Bearer eyJhbGciOiJub25lIn0.e30.")],
    "version 2": [("Authorization", "AWS AKIDEXAMPLE:frJIUN8DYpKDtOLCwo//yllqDzg=")],
    "version 4A": [
        (
            "Authorization",
            "AWS4-ECDSA-P256-SHA256 Credential=AKIDEXAMPLE/20260101/ebs/aws4_request, SignedHeaders=host, Signature=00",
        )
    ],
    "nothing but its name": [("Authorization", "AWS4-HMAC-SHA256")],
    "no signed headers": [
        (
            "Authorization",
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260101/us-east-1/ebs/aws4_request, SignedHeaders=, Signature="
            + "0" * 64,
        )
    ],
    "a token alone": [("X-Amz-Security-Token", "token")],
}


def requests() -> Iterator[tuple[str, RequestHead, bytes]]:
    """Yield every operation there is, as somebody sends it who has no key."""
    for service, routes in (("ebs", EBS_OPERATIONS), ("rbin", RBIN_OPERATIONS)):
        for name, found in routes.items():
            path = found.path.replace("{", "").replace("}", "")
            yield f"{service} {name}", RequestHead(method=found.method, raw_target=path, headers=[HOST]), b""
    for service in ("ec2", "sts"):
        version = SERVICES[service].api_version
        for name in SERVED[service]:
            body = urlencode({"Action": name, "Version": version}).encode()
            yield f"{service} {name}", RequestHead(method="POST", raw_target="/", headers=[HOST]), body
    for name in SERVED["kms"]:
        headers = [HOST, ("X-Amz-Target", f"TrentService.{name}")]
        yield f"kms {name}", RequestHead(method="POST", raw_target="/", headers=headers), b"{}"


@pytest.mark.row(16)
def test_nothing_is_done_for_who_proves_nothing(
    make_world: Callable[..., World], journal: Journal, figure: Figure
) -> None:
    world = make_world()
    door = Door(world, journal)
    before = world.metadata.statistics()
    counted: dict[int, int] = {}
    for what, head, body in requests():
        for how, headers in AUTHORIZATIONS.items():
            asked = RequestHead(
                method=head.method,
                raw_target=head.raw_target,
                headers=[*head.headers, *headers],
                peer="192.0.2.1",
            )
            answer = door.pipeline.answer(asked, body)
            assert answer.status in {400, 401, 403}, (what, how, answer)
            counted[answer.status] = counted.get(answer.status, 0) + 1
    assert world.metadata.statistics() == before
    assert {event.account_id for event in door.answered()} == {""}, "nobody was taken for somebody"
    said = ", ".join(f"{status}: {count}" for status, count in sorted(counted.items()))
    figure(f"done for the unsigned: 0 of {sum(counted.values())} requests ({said})")
