"""Lines of the audit log: each bears its own proof, and the last one's."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit_scene import KEY, STORE_ID, call, content
from neve.domain.audit import (
    LINE_BYTES_MAX,
    NOTHING_YET,
    Head,
    Mark,
    audit_key,
    encoded,
    genuine,
    genuine_head,
    line_of,
    sealed_head,
    sealed_line,
)
from neve.domain.keyring import Keyring
from neve.server.audit.parameters import RESOURCES_MAX, TEXT_CHARS_MAX
from neve.testing.time_and_chance import SeededEntropy

LINE, MARK = sealed_line(KEY, NOTHING_YET, content("one"))
HEAD = sealed_head(KEY, Head(mark=MARK, file="000001.jsonl", size=len(LINE), time="now"), STORE_ID)


def test_a_line_is_json_that_names_its_place_the_line_before_and_its_proof() -> None:
    said = json.loads(LINE)
    assert LINE.endswith(b"}\n")
    assert (said["sequence"], said["previous"], said["mac"]) == (1, "0" * 64, MARK.mac)
    assert (said["kind"], said["request_id"], said["status"]) == ("call", "one", 200)
    second, mark = sealed_line(KEY, MARK, content("two"))
    assert json.loads(second)["previous"] == MARK.mac
    assert mark.sequence == 2


def test_what_was_written_is_genuine_and_says_what_was_meant() -> None:
    line = genuine(KEY, LINE[:-1])
    assert line is not None
    assert line.mark == MARK
    assert line.follows(NOTHING_YET)
    assert line.record() == call("one")


@given(position=st.integers(0, len(LINE) - 2), bit=st.integers(0, 7))
def test_no_bit_of_a_line_can_be_another(position: int, bit: int) -> None:
    changed = bytearray(LINE[:-1])
    changed[position] ^= 1 << bit
    assert genuine(KEY, bytes(changed)) is None


@given(position=st.integers(0, len(HEAD) - 1), bit=st.integers(0, 7))
def test_no_bit_of_a_head_can_be_another(position: int, bit: int) -> None:
    changed = bytearray(HEAD)
    changed[position] ^= 1 << bit
    assert genuine_head(KEY, bytes(changed)) is None
    assert genuine_head(KEY, HEAD) is not None


@given(st.binary(max_size=200))
def test_no_bytes_are_taken_for_a_line_or_a_head_that_are_none(data: bytes) -> None:
    assert genuine(KEY, data) is None
    assert genuine_head(KEY, data) is None


def test_neither_a_head_nor_a_line_passes_for_the_other() -> None:
    assert line_of(HEAD[:-1]) is None
    assert genuine_head(KEY, LINE) is None


def test_stores_that_share_a_master_key_share_no_lines() -> None:
    keyring = Keyring(bytes(range(32)), SeededEntropy())
    assert audit_key(keyring, STORE_ID) == KEY
    assert genuine(audit_key(keyring, STORE_ID[::-1]), LINE[:-1]) is None


def test_a_line_says_its_first_bytes_with_its_proof() -> None:
    # Sequence and previous are under the MAC as well: the same record elsewhere is another line.
    other, mark = sealed_line(KEY, Mark(7, MARK.mac), content("one"))
    assert mark.mac != MARK.mac
    assert genuine(KEY, other[:-1].replace(b'"sequence":8', b'"sequence":9')) is None


def test_the_largest_record_that_can_be_made_fits_into_a_line() -> None:
    wide = "\U0001f512" * TEXT_CHARS_MAX
    lists = {f"parameter {number}": [wide] * 100 for number in range(5)}
    line, _ = sealed_line(
        KEY, NOTHING_YET, encoded(call(wide, resources=(wide,) * (RESOURCES_MAX + 1), parameters=lists))
    )
    assert len(line) < LINE_BYTES_MAX


@pytest.mark.parametrize("unknown", [b'"kind":"a later one","time":"t"', b'"kind":"call"', b'"kind":'])
def test_a_line_of_a_later_version_is_genuine_and_says_nothing(unknown: bytes) -> None:
    raw, _ = sealed_line(KEY, NOTHING_YET, unknown)
    line = genuine(KEY, raw[:-1])
    assert line is not None
    assert line.record() is None
