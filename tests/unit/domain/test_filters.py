"""EC2 filters against the plainest reading of their rules."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from neve.domain.filters import SNAPSHOT_FILTERS, TAG_FILTERS, Filters, WantedTag
from neve.errors import Ec2Error
from neve.limits import STANDARD

# Few characters on purpose: patterns and texts drawn from them meet often.
TEXTS = st.text(alphabet="abA*?\\", max_size=12)
PATTERNS = st.text(alphabet="abA*?\\", max_size=8)
RECORDS = st.fixed_dictionaries({}, optional={"status": TEXTS, "description": TEXTS})
TAGS = st.dictionaries(st.sampled_from(["a", "A", "b"]), TEXTS, max_size=3)
REQUESTS = st.lists(
    st.tuples(
        st.sampled_from(["status", "description", "tag:a", "tag:A", "tag-key"]),
        st.lists(PATTERNS, min_size=1, max_size=3),
    ),
    max_size=3,
)


def naively(pattern: str, text: str) -> bool:
    """Match by trying everything."""
    if not pattern:
        return not text
    if pattern[0] == "*":
        return any(naively(pattern[1:], text[start:]) for start in range(len(text) + 1))
    if pattern[0] == "?":
        return bool(text) and naively(pattern[1:], text[1:])
    if pattern[0] == "\\" and pattern[1:2] in {"*", "?", "\\"}:
        pattern = pattern[1:]
    return text[:1] == pattern[0] and naively(pattern[1:], text[1:])


def naively_holds(request: list[tuple[str, list[str]]], record: dict[str, str], tags: dict[str, str]) -> bool:
    for name, patterns in request:
        if name == "tag-key":
            candidates = list(tags)
        elif name.startswith("tag:"):
            candidates = [value for key, value in tags.items() if f"tag:{key}" == name]
        else:
            candidates = [record[name]] if name in record else []
        if not any(naively(pattern, text) for pattern in patterns for text in candidates):
            return False
    return True


def holds(pattern: str, text: str) -> bool:
    return Filters([("status", [pattern])], SNAPSHOT_FILTERS, STANDARD).hold({"status": text}, {})


@given(pattern=PATTERNS, text=TEXTS)
@example(pattern="*", text="")
@example(pattern="a*a", text="a")
@example(pattern="\\", text="\\")
@example(pattern="\\a", text="\\a")
@example(pattern="\\\\*", text="\\b")
def test_a_value_matches_exactly_what_trying_everything_finds(pattern: str, text: str) -> None:
    assert holds(pattern, text) == naively(pattern, text)


@given(request_filters=REQUESTS, record=RECORDS, tags=TAGS)
def test_values_are_alternatives_and_filters_must_all_hold(
    request_filters: list[tuple[str, list[str]]], record: dict[str, str], tags: dict[str, str]
) -> None:
    filters = Filters(request_filters, SNAPSHOT_FILTERS, STANDARD)
    assert filters.hold(record, tags) == naively_holds(request_filters, record, tags)


@given(text=st.text(max_size=60))
def test_an_escaped_text_matches_itself_and_nothing_longer(text: str) -> None:
    escaped = "".join(f"\\{character}" if character in "*?\\" else character for character in text)
    assert holds(escaped, text)
    assert not holds(escaped, text + "x")


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        pytest.param("completed", "completed", True, id="DOC-literal"),
        pytest.param("Completed", "completed", False, id="DOC-case-sensitive"),
        pytest.param("prod*", "production", True, id="DOC-star"),
        pytest.param("web-?", "web-1", True, id="DOC-question-mark"),
        pytest.param("web-?", "web-12", False, id="DOC-question-mark-is-one-character"),
        pytest.param(r"\*amazon\?\\", r"*amazon?\\"[:-1], True, id="DOC-escapes"),
        pytest.param("a.c", "abc", False, id="DOC-no-regular-expression"),
        pytest.param("*\n*", "two\nlines", True, id="DOC-any-character-is-any"),
    ],
)
def test_wildcards_follow_the_documentation(pattern: str, text: str, expected: bool) -> None:
    assert holds(pattern, text) is expected


def test_a_hostile_pattern_costs_no_more_than_its_text() -> None:
    # Each would take a backtracking matcher longer than this test suite may run.
    text = "a" * 255
    for pattern in [
        "*a" * 120 + "*b",
        "*a?" * 80 + "b",
        "*" * 1_000_000 + "b",
        "a*" * 500_000,
        "?" * 1_000_000,
    ]:
        assert not holds(pattern, text)
    assert holds("*a" * 255, text)


def test_a_pattern_may_be_as_long_as_any_text() -> None:
    assert holds("?" * 255, "x" * 255)
    assert holds("x" * 255 + "*", "x" * 255)


@pytest.mark.parametrize("name", ["Status", "state", "tag", "tag:", "", "kms-key-id", "key", "owner_id"])
def test_an_unknown_filter_is_refused_by_name(name: str) -> None:
    with pytest.raises(Ec2Error) as refusal:
        Filters([(name, ["x"])], SNAPSHOT_FILTERS, STANDARD)
    assert refusal.value.code == "InvalidParameterValue"
    assert refusal.value.message == f"The filter '{name}' is invalid"


def test_tag_key_is_no_filter_of_describe_tags() -> None:
    with pytest.raises(Ec2Error, match="The filter 'tag-key' is invalid"):
        Filters([("tag-key", ["x"])], TAG_FILTERS, STANDARD)


def test_a_filter_without_values_is_refused_instead_of_hiding_everything() -> None:
    with pytest.raises(Ec2Error) as refusal:
        Filters([("status", [])], SNAPSHOT_FILTERS, STANDARD)
    assert refusal.value.code == "InvalidParameterValue"


def test_two_hundred_values_are_the_most_a_request_may_have() -> None:
    values = [str(number) for number in range(100)]
    Filters([("status", values), ("volume-id", values)], SNAPSHOT_FILTERS, STANDARD)
    with pytest.raises(Ec2Error) as refusal:
        Filters([("status", values), ("volume-id", [*values, "x"])], SNAPSHOT_FILTERS, STANDARD)
    assert refusal.value.code == "FilterLimitExceeded"


@given(request_filters=REQUESTS, record=RECORDS, tags=TAGS)
def test_texts_a_record_must_have_are_never_fewer_than_the_filters_let_through(
    request_filters: list[tuple[str, list[str]]], record: dict[str, str], tags: dict[str, str]
) -> None:
    filters = Filters(request_filters, SNAPSHOT_FILTERS, STANDARD)
    allowed = filters.only("status")
    if allowed is not None and filters.hold(record, tags):
        assert record["status"] in allowed


def test_texts_a_record_must_have_are_known_only_without_wildcards() -> None:
    filters = Filters(
        [("snapshot-id", ["a", "b", r"\*"]), ("snapshot-id", ["b", "c"])], SNAPSHOT_FILTERS, STANDARD
    )
    assert filters.only("snapshot-id") == frozenset({"b"})
    assert filters.only("volume-id") is None
    assert Filters([("snapshot-id", ["a", "b*"])], SNAPSHOT_FILTERS, STANDARD).only("snapshot-id") is None


@given(request_filters=REQUESTS, record=RECORDS, tags=TAGS)
def test_a_tag_that_a_record_must_have_is_one_that_it_has(
    request_filters: list[tuple[str, list[str]]], record: dict[str, str], tags: dict[str, str]
) -> None:
    filters = Filters(request_filters, SNAPSHOT_FILTERS, STANDARD)
    tag = filters.tag()
    if tag.key is not None and filters.hold(record, tags):
        assert tag.value in {None, tags[tag.key]}


@pytest.mark.parametrize(
    ("request_filters", "tag"),
    [
        ([("tag:a b", ["x*", "y"])], WantedTag("a b")),
        ([("tag:a b", ["x", "y"])], WantedTag("a b")),
        ([("tag:a b", ["x"])], WantedTag("a b", "x")),
        ([("tag:a", [""])], WantedTag("a", "")),
        ([("status", ["x"]), ("tag:b", ["*"]), ("tag:a", ["1"]), ("tag:c", ["*"])], WantedTag("a", "1")),
        ([("tag-key", ["a"])], WantedTag("a")),
        ([("tag-key", [r"\*"])], WantedTag("*")),
        ([("tag-key", ["a", "a"]), ("tag:b", ["1"])], WantedTag("b", "1")),
        ([("tag-key", ["a", "b"])], WantedTag()),
        ([("tag-key", ["a*"])], WantedTag()),
        ([("status", ["x"])], WantedTag()),
        ([], WantedTag()),
    ],
)
def test_a_tag_that_a_record_must_have_is_known_where_filters_name_it(
    request_filters: list[tuple[str, list[str]]], tag: WantedTag
) -> None:
    assert Filters(request_filters, SNAPSHOT_FILTERS, STANDARD).tag() == tag
