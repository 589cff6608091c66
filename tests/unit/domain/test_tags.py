"""Tags through both doors: the same rules, each door's own words."""

from collections.abc import Callable, Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neve.domain.tags import checked_ec2_tags, checked_tags
from neve.errors import Ec2Error, RequestError, ValidationError, ValidationReason
from neve.limits import STANDARD, Limits

Pairs = Sequence[tuple[str, str]]
Door = Callable[[Pairs, Limits], Mapping[str, str]]

BOTH_DOORS = pytest.mark.parametrize("door", [checked_tags, checked_ec2_tags])
KEYS = st.text(min_size=1, max_size=STANDARD.tag_key_chars_max).filter(lambda key: not key.startswith("aws:"))
VALUES = st.text(max_size=STANDARD.tag_value_chars_max)


def numbered(count: int) -> list[tuple[str, str]]:
    return [(f"key {number}", "") for number in range(count)]


@BOTH_DOORS
@given(tags=st.dictionaries(KEYS, VALUES, min_size=1, max_size=10))
def test_tags_within_the_rules_come_out_as_they_went_in(door: Door, tags: dict[str, str]) -> None:
    assert list(door(list(tags.items()), STANDARD).items()) == list(tags.items())


@BOTH_DOORS
def test_as_many_tags_as_a_snapshot_may_have_are_accepted(door: Door) -> None:
    assert len(door(numbered(50), STANDARD)) == 50


@BOTH_DOORS
@pytest.mark.parametrize("key", ["AWS:name", "aws", "my aws:name", "Aws:x"])
def test_only_the_exact_prefix_is_reserved_because_keys_are_case_sensitive(door: Door, key: str) -> None:
    assert door([(key, "x")], STANDARD) == {key: "x"}


@BOTH_DOORS
@pytest.mark.parametrize(
    "tags",
    [
        pytest.param(numbered(51), id="INFERRED-too-many"),
        pytest.param([("a", "1"), ("b", "2"), ("a", "1")], id="INFERRED-repeated"),
        pytest.param([("aws:x", "1")], id="INFERRED-reserved"),
    ],
)
def test_both_doors_refuse_the_same_tags(door: Door, tags: Pairs) -> None:
    with pytest.raises(RequestError):
        door(tags, STANDARD)


@pytest.mark.parametrize(
    ("tags", "fragment"),
    [
        pytest.param(numbered(51), "at most 50", id="INFERRED-too-many"),
        pytest.param([("a", "1"), ("a", "2")], "'a' is specified more than once", id="INFERRED-repeated"),
        pytest.param([("aws:x", "1")], "'aws:x' is invalid", id="INFERRED-reserved"),
    ],
)
def test_start_snapshot_says_invalid_tag_and_names_the_culprit(tags: Pairs, fragment: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        checked_tags(tags, STANDARD)
    assert refusal.value.reason is ValidationReason.INVALID_TAG
    assert fragment in refusal.value.message


def test_start_snapshot_may_have_no_tags() -> None:
    assert checked_tags([], STANDARD) == {}


@pytest.mark.parametrize(
    ("tags", "code", "message"),
    [
        pytest.param(
            [("aws:x", "1")],
            "InvalidParameterValue",
            "Tag keys starting with 'aws:' are reserved for internal use",
            id="CHOICE-73-reserved",
        ),
        pytest.param(
            [("a", "1"), ("a", "2")],
            "InvalidParameterValue",
            "Duplicate tag key 'a' specified.",
            id="CHOICE-73-repeated",
        ),
        pytest.param(
            [("k" * 128, "")],
            "InvalidParameterValue",
            "Tag key exceeds the maximum length of 127 characters",
            id="DOC-key-length",
        ),
        pytest.param(
            [("k", "v" * 256)],
            "InvalidParameterValue",
            "Tag value exceeds the maximum length of 255 characters",
            id="DOC-value-length",
        ),
        pytest.param([("", "v")], "InvalidParameterValue", "Tag key cannot be empty", id="DOC-empty-key"),
        pytest.param(
            numbered(51),
            "TagLimitExceeded",
            "The maximum number of tags for a resource has been reached.",
            id="DOC-too-many",
        ),
        pytest.param([], "MissingParameter", "The request must contain the parameter Tag", id="DOC-no-tags"),
    ],
)
def test_create_tags_refuses_in_the_words_of_ec2(tags: Pairs, code: str, message: str) -> None:
    with pytest.raises(Ec2Error) as refusal:
        checked_ec2_tags(tags, STANDARD)
    assert (refusal.value.code, refusal.value.status) == (code, 400)
    assert refusal.value.message == message
