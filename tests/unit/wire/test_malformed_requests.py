"""Everything the model forbids, one violation at a time, and everything that is no request at all: always 4xx.

`model_violations` has them.
"""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_violations import (
    INTEGERS_BEYOND,
    NOT_INTEGERS,
    NOT_JSON_BOOLEANS,
    NOT_JSON_INTEGERS,
    NOT_JSON_LISTS,
    NOT_JSON_STRINGS,
    Violation,
    model_violations,
    texts,
)
from neve.errors import CommonError, ModelViolationError, RequestError, ValidationError, ValidationReason
from neve.messages.http import RequestHead
from neve.wire import restjson_responses
from neve.wire.routes import route
from wire_requests import GOOD, SNAPSHOT, decoded, made


def refusal(head: RequestHead, body: bytes = b"") -> RequestError:
    """Return what a request is refused with; check that its answer is what an SDK can read."""
    with pytest.raises(RequestError) as caught:
        decoded(head, body)
    answer = restjson_responses.encode_error(caught.value, "id")
    assert 400 <= answer.status < 500
    told = json.loads(answer.body)
    lower_case = isinstance(caught.value, ModelViolationError | CommonError)
    assert list(told) == (["message"] if lower_case else ["Message", "Reason"])
    return caught.value


@pytest.mark.parametrize(
    "broken", list(model_violations()), ids=lambda each: f"{each.operation}-{each.member}-{each.trait}"
)
def test_each_constraint_of_the_model_is_kept(broken: Violation) -> None:
    name = broken.member
    told = refusal(*made(broken.operation, **{name: broken.value}))
    assert isinstance(told, ModelViolationError)
    assert f"at '{name[0].lower()}{name[1:]}' failed to satisfy constraint: Member must" in told.message


@pytest.mark.parametrize("text", NOT_INTEGERS, ids=lambda text: ascii(text)[:12])
@pytest.mark.parametrize(("operation", "name"), texts("integer"))
def test_a_number_is_ascii_digits(operation: str, name: str, text: str) -> None:
    told = refusal(*made(operation, **{name: text}))
    assert isinstance(told, ModelViolationError)
    assert f"'{name[0].lower()}{name[1:]}' failed to satisfy constraint: Member must satisfy" in told.message


@pytest.mark.parametrize("text", INTEGERS_BEYOND, ids=lambda text: f"{text[:4]}x{len(text)}")
@pytest.mark.parametrize(("operation", "name"), texts("integer"))
def test_a_number_fits_its_type(operation: str, name: str, text: str) -> None:
    told = refusal(*made(operation, **{name: text}))
    assert isinstance(told, ModelViolationError)
    assert "Member must have value" in told.message


def test_leading_zeros_change_nothing() -> None:
    assert decoded(*made("GetSnapshotBlock", BlockIndex="0005")) == decoded(
        *made("GetSnapshotBlock", BlockIndex="5")
    )


def start(members_text: str) -> tuple[RequestHead, bytes]:
    head, _ = made("StartSnapshot")
    return head, members_text.encode("utf-8", "surrogatepass")


@pytest.mark.parametrize(
    ("member", "text"),
    [
        *(("VolumeSize", text) for text in NOT_JSON_INTEGERS),
        *(("Timeout", text) for text in NOT_JSON_INTEGERS),
        *(("Description", text) for text in NOT_JSON_STRINGS),
        *(("ClientToken", text) for text in NOT_JSON_STRINGS),
        *(("Encrypted", text) for text in NOT_JSON_BOOLEANS),
        *(("Tags", text) for text in NOT_JSON_LISTS),
    ],
    ids=lambda text: ascii(text)[:16],
)
def test_json_has_the_models_types(member: str, text: str) -> None:
    others = "" if member == "VolumeSize" else '"VolumeSize": 1, '
    told = refusal(*start(f'{{{others}"{member}": {text}}}'))
    assert (told.code, told.status) == ("SerializationException", 400)


@pytest.mark.parametrize(
    "body",
    [
        b"null", b"[]", b"1", b'"x"', b"{", b"}", b"{}{}", b"{} x", b"\xff", b"\xef\xbb\xbf{}", b"\x00", b"{'a':1}",
        '{"VolumeSize":1}'.encode("utf-16"), b'{"x":"\xff","VolumeSize":1}', b'{"VolumeSize":1,}', b"VolumeSize=1",
        b'{"VolumeSize":1,"x":' + b"[" * 100_000, b'{"VolumeSize":1,"x":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
        b'{"VolumeSize":1,"x":' + b'{"a":' * 50_000, b'{"VolumeSize":1 /* one */}', b'{"VolumeSize":1,"x":NaN}',
    ],
    ids=lambda body: ascii(body)[2:18],
)  # fmt: skip
def test_a_body_is_one_json_object_in_utf_8(body: bytes) -> None:
    head, _ = made("StartSnapshot")
    told = refusal(head, body)
    assert (told.code, told.status) == ("SerializationException", 400)


def test_an_absent_body_is_an_empty_structure() -> None:
    head, _ = made("StartSnapshot")
    assert "Value null at 'volumeSize'" in refusal(head, b"").message


def test_members_nobody_knows_and_nulls_are_passed_over() -> None:
    told = decoded(
        *start('{"VolumeSize": 1, "volumeSize": "x", "Later": [{}], "Tags": null, "Timeout": null}')
    )
    assert told == decoded(*start('{"VolumeSize": 1}'))


HOSTILE_SEGMENTS = [
    "..", "%2e%2e", "%2e%2e%2f", "..%2f..%2fetc%2fpasswd", "..%5c..%5c", "%00", "snap-0%00", "snap-%00.json",
    "snap-0%0d%0aX:1", "snap-0%0a", "~", "*", "completion", "snap-" + "a" * 64, "snap-" + "a" * 5000, "%20",
    "SNAP-0", "snap-0G", "snap--1", "snap-0%2Fblocks", "snap-%D9%A3", "snap-0;x=1", "", "%25", "snap-0%2525",
]  # fmt: skip
BROKEN_SEGMENTS = ["%", "%2", "%zz", "%2g", "snap-0%", "%c0%af", "%ff", "%ed%a0%80", "%80", "%u0041"]


@pytest.mark.parametrize("segment", HOSTILE_SEGMENTS, ids=lambda segment: segment[:24] or "empty")
@pytest.mark.parametrize("rest", ["/blocks", "/changedblocks", "/blocks/5?blockToken=0a"])
def test_an_id_that_is_none_is_a_violation_and_no_path(segment: str, rest: str) -> None:
    told = refusal(RequestHead(method="GET", raw_target=f"/snapshots/{segment}{rest}", headers=[]))
    assert isinstance(told, ModelViolationError)
    assert "napshotId' failed to satisfy constraint" in told.message


@pytest.mark.parametrize("segment", BROKEN_SEGMENTS)
@pytest.mark.parametrize(
    "target",
    ["/snapshots/{}/blocks", "/snapshots/snap-0/blocks/{}?blockToken=0a", "/snapshots/snap-0/blocks?x={}"],
)
def test_a_broken_encoding_is_malformed(segment: str, target: str) -> None:
    told = refusal(RequestHead(method="GET", raw_target=target.format(segment), headers=[]))
    assert (told.code, told.status) == ("MalformedHttpRequestException", 400)


@pytest.mark.parametrize("operation", ["ListSnapshotBlocks", "ListChangedBlocks", "GetSnapshotBlock"])
def test_a_query_parameter_is_given_once(operation: str) -> None:
    head, _ = made(operation)
    for piece in head.raw_query.split("&"):
        for repeated in (piece, piece.partition("=")[0], piece.replace("b", "%62").replace("m", "%6D")):
            twice = RequestHead(method="GET", raw_target=f"{head.raw_target}&{repeated}", headers=[])
            assert refusal(twice).code == "MalformedHttpRequestException"


@pytest.mark.parametrize("operation", ["PutSnapshotBlock", "CompleteSnapshot"])
def test_a_header_member_is_given_once(operation: str) -> None:
    head, body = made(operation)
    for name, value in head.headers[1:]:
        twice = [*head.headers, (name.upper(), value)]
        told = refusal(RequestHead(method=head.method, raw_target=head.raw_target, headers=twice), body)
        assert told.code == "MalformedHttpRequestException"


@pytest.mark.parametrize("encoding", ["gzip", "aws-chunked", "br", "identity, gzip", "deflate,identity", "x"])
def test_an_encoded_block_is_refused(encoding: str) -> None:
    head, _ = made("PutSnapshotBlock")
    headers = [*head.headers, ("Content-Encoding", encoding)]
    told = refusal(RequestHead(method="PUT", raw_target=head.raw_target, headers=headers))
    assert isinstance(told, ValidationError)
    assert told.reason is ValidationReason.INVALID_CONTENT_ENCODING


@pytest.mark.parametrize("encoding", ["identity", "Identity", " identity ", ""])
def test_a_block_as_it_is_may_say_so(encoding: str) -> None:
    head, _ = made("PutSnapshotBlock")
    headers = [*head.headers, ("Content-Encoding", encoding)]
    decoded(RequestHead(method="PUT", raw_target=head.raw_target, headers=headers), b"")


anything = st.text(alphabet=st.characters(max_codepoint=0x10FFFF), max_size=12)
values = anything | st.sampled_from(
    [*NOT_INTEGERS, *INTEGERS_BEYOND, SNAPSHOT, "100", "%", "\udcff", "\ud800"]
)


def judged(head: RequestHead, body: bytes) -> None:
    """Demand a message or a refusal, and of the refusal an answer that can be sent."""
    try:
        decoded(head, body)
    except RequestError as told:
        answer = restjson_responses.encode_error(told, "id")
        assert 400 <= answer.status < 500
        json.loads(answer.body)


@given(st.sampled_from(sorted(GOOD)), st.data())
def test_whatever_the_members_hold_the_answer_is_clean(operation: str, data: st.DataObject) -> None:
    texts_drawn = {
        name: data.draw(values, label=name)
        for name in GOOD[operation]
        if data.draw(st.booleans(), label="spoil")
    }
    head, body = made(operation, **{n: v.encode("utf-8", "replace").decode() for n, v in texts_drawn.items()})
    judged(head, body)
    raw = [(name, data.draw(values, label="raw header")) for name, _ in head.headers]
    judged(RequestHead(method=head.method, raw_target=head.raw_target, headers=raw), body)


@given(
    st.sampled_from(["GET", "PUT", "POST", "DELETE", "HEAD", "OPTIONS", "get", ""]),
    st.lists(
        st.sampled_from(["", "snapshots", "completion", SNAPSHOT, "blocks", "5", "..", "%2e", "%"]) | anything
    ),
    anything | st.just(""),
)
def test_whatever_the_target_is_the_answer_is_clean(method: str, segments: list[str], query: str) -> None:
    head = RequestHead(method=method, raw_target=f"/{'/'.join(segments)}?{query}", headers=[])
    statuses = set()
    try:
        found = route(head)
    except CommonError as told:
        statuses.add(told.status)
    else:
        if found.operation:
            judged(head, b"")
    assert statuses <= {400, 404}


@given(st.binary(max_size=200) | st.text(max_size=60).map(str.encode))
def test_whatever_the_body_is_the_answer_is_clean(body: bytes) -> None:
    head, _ = made("StartSnapshot")
    judged(head, body)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["Key", "Value", "x"]), inner)
    ),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(sorted(GOOD["StartSnapshot"])), json_values))
def test_whatever_the_json_holds_the_answer_is_clean(structure: dict[str, Any]) -> None:
    head, _ = made("StartSnapshot")
    judged(head, json.dumps(structure).encode())
