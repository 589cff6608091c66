"""The rows of contract 2.2 that the wire answers, each under its evidence label, and how they are put."""

from typing import Any

import pytest

from neve.errors import ModelViolationError
from neve.messages import ebs
from wire_requests import decoded, made

BASE64 = "^[A-Za-z0-9+/=]+$"
TOKENS = "^[A-Za-z0-9+/=_-]+$"
NUMBER = "^-?[0-9]+$"
IDS = "^snap-[0-9a-f]+$"


def violations(operation: str, **changes: Any) -> list[str]:
    """Return what a request is told, without the preamble."""
    head, body = made(operation, **changes)
    with pytest.raises(ModelViolationError) as refusal:
        decoded(head, body)
    assert (refusal.value.code, refusal.value.status) == ("ValidationException", 400)
    preamble, _, told = refusal.value.message.partition(" detected: ")
    found = told.split("; ")
    assert preamble == (
        f"{len(found)} validation error" if len(found) == 1 else f"{len(found)} validation errors"
    )
    return found


def told(value: str, member: str, constraint: str) -> str:
    return f"Value {value} at '{member}' failed to satisfy constraint: Member must {constraint}"


def at_least(bound: int) -> str:
    return f"have value greater than or equal to {bound}"


def at_most(bound: int) -> str:
    return f"have value less than or equal to {bound}"


def no_longer(bound: int) -> str:
    return f"have length less than or equal to {bound}"


def match(pattern: str) -> str:
    return f"satisfy regular expression pattern: {pattern}"


ROWS: list[Any] = [
    ("LIVE2-snapshotId-pattern", "ListSnapshotBlocks", "SnapshotId", "snap-THING", match(IDS)),
    ("DOC-snapshotId-pattern-trailing-line-feed", "GetSnapshotBlock", "SnapshotId", "snap-ab\n", match(IDS)),
    ("DOC-snapshotId-65-characters", "GetSnapshotBlock", "SnapshotId", "snap-" + "a" * 60, no_longer(64)),
    ("DOC-firstSnapshotId-pattern", "ListChangedBlocks", "FirstSnapshotId", "snap", match(IDS)),
    ("DOC-secondSnapshotId-pattern", "ListChangedBlocks", "SecondSnapshotId", "SNAP-1", match(IDS)),
    ("DOC-parentSnapshotId-pattern", "StartSnapshot", "ParentSnapshotId", "vol-1", match(IDS)),
    ("LIVE-maxResults-1", "ListSnapshotBlocks", "MaxResults", "1", at_least(100)),
    ("LIVE-maxResults-99", "ListChangedBlocks", "MaxResults", "99", at_least(100)),
    ("LIVE-maxResults-10001", "ListSnapshotBlocks", "MaxResults", "10001", at_most(10_000)),
    ("INFERRED-maxResults-abc", "ListSnapshotBlocks", "MaxResults", "abc", match(NUMBER)),
    ("INFERRED-maxResults-empty", "ListSnapshotBlocks", "MaxResults", "", match(NUMBER)),
    ("LIVE-startingBlockIndex-minus-1", "ListSnapshotBlocks", "StartingBlockIndex", "-1", at_least(0)),
    ("LIVE-startingBlockIndex-with-a-token", "ListChangedBlocks", "StartingBlockIndex", "-1", at_least(0)),
    ("LIVE-blockIndex-minus-1-put", "PutSnapshotBlock", "BlockIndex", "-1", at_least(0)),
    ("LIVE-blockIndex-minus-1-get", "GetSnapshotBlock", "BlockIndex", "-1", at_least(0)),
    ("INFERRED-blockIndex-beyond-int32", "GetSnapshotBlock", "BlockIndex", "2147483648", at_most(2**31 - 1)),
    ("LIVE-progress-minus-1", "PutSnapshotBlock", "Progress", "-1", at_least(0)),
    ("LIVE-progress-101", "PutSnapshotBlock", "Progress", "101", at_most(100)),
    ("LIVE-changedBlocksCount-minus-1", "CompleteSnapshot", "ChangedBlocksCount", "-1", at_least(0)),
    ("LIVE-volumeSize-missing", "StartSnapshot", "VolumeSize", None, "not be null"),
    ("INFERRED-volumeSize-0", "StartSnapshot", "VolumeSize", 0, at_least(1)),
    ("INFERRED-volumeSize-beyond-int64", "StartSnapshot", "VolumeSize", 2**63, at_most(2**63 - 1)),
    ("INFERRED-timeout-9", "StartSnapshot", "Timeout", 9, at_least(10)),
    ("INFERRED-timeout-4321", "StartSnapshot", "Timeout", 4321, at_most(4320)),
    ("LIVE-clientToken-256", "StartSnapshot", "ClientToken", "t" * 256, no_longer(255)),
    ("LIVE-clientToken-empty", "StartSnapshot", "ClientToken", "", match(r"^[\S]+$")),
    ("DOC-clientToken-blank", "StartSnapshot", "ClientToken", "a b", match(r"^[\S]+$")),
    ("INFERRED-description-256", "StartSnapshot", "Description", "d" * 256, no_longer(255)),
    ("DOC-description-empty", "StartSnapshot", "Description", "", match(r"^[\S\s]+$")),
    ("LIVE-checksum-not-base64", "PutSnapshotBlock", "Checksum", "not-base64!", match(BASE64)),
    ("DOC-checksum-65-characters", "PutSnapshotBlock", "Checksum", "A" * 65, no_longer(64)),
    ("LIVE-checksumAlgorithm-SHA1-complete", "CompleteSnapshot", "ChecksumAlgorithm", "SHA1",
     "satisfy enum value set: [SHA256]"),
    ("LIVE-checksumAggregationMethod-TREE", "CompleteSnapshot", "ChecksumAggregationMethod", "TREE",
     "satisfy enum value set: [LINEAR]"),
    ("LIVE2-checksum-illegal-characters-complete", "CompleteSnapshot", "Checksum", "a_b", match(BASE64)),
    ("LIVE-blockToken-empty", "GetSnapshotBlock", "BlockToken", "", match(TOKENS)),
    ("LIVE-blockToken-outside-the-alphabet", "GetSnapshotBlock", "BlockToken", "a.b", match(TOKENS)),
    ("INFERRED-blockToken-missing", "GetSnapshotBlock", "BlockToken", None, "not be null"),
    ("DOC-blockToken-257", "GetSnapshotBlock", "BlockToken", "0" * 257, no_longer(256)),
    ("DOC-nextToken-pattern", "ListChangedBlocks", "NextToken", "a b", match(TOKENS)),
    ("DOC-dataLength-missing", "PutSnapshotBlock", "DataLength", None, "not be null"),
    ("INFERRED-dataLength-words", "PutSnapshotBlock", "DataLength", "many", match(NUMBER)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("operation", "member", "value", "constraint"), [pytest.param(*row[1:], id=row[0]) for row in ROWS]
)
def test_a_violation_is_answered_in_the_services_words(
    operation: str, member: str, value: str | int | None, constraint: str
) -> None:
    quoted = "null" if value is None else f"'{value}'"
    path = member[0].lower() + member[1:]
    assert violations(operation, **{member: value}) == [told(quoted, path, constraint)]


@pytest.mark.parametrize(
    ("arn", "count"),
    [
        pytest.param("alias/aws/ebs", 1, id="INFERRED-kmsKeyArn-alias"),
        pytest.param("1234abcd-12ab-34cd-56ef-1234567890ab", 1, id="INFERRED-kmsKeyArn-key-id"),
        pytest.param("arn:aws:kms:us-east-1:111122223333:alias/x", 1, id="INFERRED-kmsKeyArn-alias-arn"),
        pytest.param("", 2, id="DOC-kmsKeyArn-empty"),
        pytest.param("arn:aws:kms::111122223333:key/" + "k" * 2019, 1, id="DOC-kmsKeyArn-2049"),
    ],
)
def test_a_key_arn_is_never_repeated(arn: str, count: int) -> None:
    found = violations("StartSnapshot", KmsKeyArn=arn)
    assert len(found) == count
    assert all(text.startswith("Value '***' at 'kmsKeyArn' failed to satisfy constraint: ") for text in found)


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        pytest.param(
            [{"Key": "k", "Value": "v"}, {"Key": "k" * 128, "Value": "v"}],
            told(f"'{'k' * 128}'", "tags.2.member.key", no_longer(127)),
            id="INFERRED-tag-key-128",
        ),
        pytest.param(
            [{"Key": "k", "Value": "v" * 256}],
            told(f"'{'v' * 256}'", "tags.1.member.value", no_longer(255)),
            id="INFERRED-tag-value-256",
        ),
        pytest.param(
            [{"Key": "", "Value": "v"}],
            told("''", "tags.1.member.key", match(r"^[\S\s]+$")),
            id="DOC-tag-key-empty",
        ),
        pytest.param(
            [{"Value": "v"}], told("null", "tags.1.member.key", "not be null"), id="INFERRED-tag-key-missing"
        ),
    ],
)
def test_a_tag_is_named_by_its_place(tags: list[dict[str, str]], expected: str) -> None:
    assert violations("StartSnapshot", Tags=tags) == [expected]


def test_several_violations_are_joined_in_the_models_order() -> None:
    found = violations("ListSnapshotBlocks", SnapshotId="", MaxResults="1", StartingBlockIndex="-1")
    assert found == [
        told("''", "snapshotId", "have length greater than or equal to 1"),
        told("''", "snapshotId", match(IDS)),
        told("'1'", "maxResults", at_least(100)),
        told("'-1'", "startingBlockIndex", at_least(0)),
    ]


def test_a_value_far_beyond_its_limit_is_not_repeated_whole() -> None:
    (found,) = violations("StartSnapshot", Description="d" * 5000)
    assert found == told(f"'{'d' * 512}...'", "description", no_longer(255))


ACCEPTED: list[Any] = [
    pytest.param(
        "PutSnapshotBlock", "ChecksumAlgorithm", "SHA1", "SHA1", id="LIVE-checksumAlgorithm-SHA1-put"
    ),
    pytest.param("PutSnapshotBlock", "DataLength", "1", 1, id="LIVE-dataLength-1"),
    pytest.param("PutSnapshotBlock", "DataLength", "-1", -1, id="DOC-dataLength-negative"),
    pytest.param("StartSnapshot", "VolumeSize", 99999999999, 99999999999, id="LIVE2-volumeSize-too-large"),
    pytest.param("StartSnapshot", "ClientToken", "t" * 255, "t" * 255, id="LIVE-clientToken-255"),
    pytest.param("StartSnapshot", "ClientToken", "a\xa0b", "a\xa0b", id="DOC-clientToken-blanks-are-ascii"),
    pytest.param("ListChangedBlocks", "FirstSnapshotId", None, None, id="LIVE-firstSnapshotId-omitted"),
    pytest.param("ListSnapshotBlocks", "MaxResults", "100", 100, id="LIVE-maxResults-100"),
    pytest.param("ListSnapshotBlocks", "MaxResults", "10000", 10_000, id="DOC-maxResults-10000"),
    pytest.param(
        "GetSnapshotBlock", "BlockToken", "AlMB_Ha-V+/=", "AlMB_Ha-V+/=", id="LIVE-blockToken-alphabet"
    ),
    pytest.param("GetSnapshotBlock", "BlockIndex", "2147483647", 2**31 - 1, id="DOC-blockIndex-int32"),
    pytest.param("StartSnapshot", "Description", "a\nb\x00", "a\nb\x00", id="DOC-description-any-character"),
    pytest.param("StartSnapshot", "Tags", [], (), id="CLIENT-tags-empty"),
    pytest.param("StartSnapshot", "Tags", [{"Key": "k"}], (ebs.Tag("k", ""),), id="DOC-tag-without-value"),
]


@pytest.mark.parametrize(("operation", "member", "value", "expected"), ACCEPTED)
def test_what_the_model_allows_goes_through(
    operation: str, member: str, value: object, expected: object
) -> None:
    message = decoded(*made(operation, **{member: value}))
    field = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in member)[1:]
    assert getattr(message, field) == expected
