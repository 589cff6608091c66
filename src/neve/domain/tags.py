"""What a snapshot's tags may be.

Two doors lead to the same tags and word their refusals differently: StartSnapshot of the EBS direct APIs,
which has one Reason for everything (contract 3.5, choice 10), and CreateTags of EC2 (contract 9.5, choice
73). Pairs go in, so that no message type is needed here; a mapping comes out once the keys are known to be
unique. How many tags a snapshot has in the end only its store can say: see `MetadataStore.put_tags`.
"""

import unicodedata
from collections.abc import Mapping, Sequence

from neve.errors import Ec2Error, ValidationError, ValidationReason
from neve.limits import Limits

RESERVED_PREFIX = "aws:"
_SIGNS = frozenset(" _.:/=+-@")


def checked_tags(tags: Sequence[tuple[str, str]], limits: Limits) -> Mapping[str, str]:
    """Return the tags of a StartSnapshot as a mapping, in their order.

    Lengths are constraints of the model, judged before this with their member's path.

    Raises:
        ValidationError: INVALID_TAG for too many tags, a repeated key, or a reserved one.
    """
    if len(tags) > limits.tags_per_snapshot_max:
        raise _invalid_tag(
            f"A snapshot can have at most {limits.tags_per_snapshot_max} tags, the request has {len(tags)}."
        )
    for key, _ in tags:
        if key.startswith(RESERVED_PREFIX):
            raise _invalid_tag(f"The tag key '{key}' is invalid: keys that start with 'aws:' are reserved.")
    repeated = _first_repeated_key(tags)
    if repeated is not None:
        raise _invalid_tag(f"The tag key '{repeated}' is specified more than once.")
    return dict(tags)


def checked_ec2_tags(tags: Sequence[tuple[str, str]], limits: Limits) -> Mapping[str, str]:
    """Return the tags of a CreateTags as a mapping, in their order.

    Raises:
        Ec2Error: MissingParameter without tags; InvalidParameterValue for a reserved or repeated key or a
            length; TagLimitExceeded if no resource could hold so many.
    """
    if not tags:
        raise Ec2Error("MissingParameter", "The request must contain the parameter Tag")
    for key, value in tags:
        _check_ec2_tag(key, value, limits)
    repeated = _first_repeated_key(tags)
    if repeated is not None:
        raise Ec2Error("InvalidParameterValue", f"Duplicate tag key '{repeated}' specified.")
    if len(tags) > limits.tags_per_snapshot_max:
        raise tag_limit_exceeded()
    return dict(tags)


def tag_limit_exceeded() -> Ec2Error:
    """Return EC2's refusal of a tag for which a resource has no room."""
    return Ec2Error("TagLimitExceeded", "The maximum number of tags for a resource has been reached.")


def has_tag_characters(text: str) -> bool:
    """Say whether a text consists of letters, numbers, spaces and the signs that services take in tags."""
    return all(character in _SIGNS or unicodedata.category(character)[0] in "LNZ" for character in text)


def _check_ec2_tag(key: str, value: str, limits: Limits) -> None:
    if not key:
        raise Ec2Error("InvalidParameterValue", "Tag key cannot be empty")
    if key.startswith(RESERVED_PREFIX):
        raise Ec2Error("InvalidParameterValue", "Tag keys starting with 'aws:' are reserved for internal use")
    if len(key) > limits.tag_key_chars_max:
        raise Ec2Error(
            "InvalidParameterValue",
            f"Tag key exceeds the maximum length of {limits.tag_key_chars_max} characters",
        )
    if len(value) > limits.tag_value_chars_max:
        raise Ec2Error(
            "InvalidParameterValue",
            f"Tag value exceeds the maximum length of {limits.tag_value_chars_max} characters",
        )


def _first_repeated_key(tags: Sequence[tuple[str, str]]) -> str | None:
    seen: set[str] = set()
    for key, _ in tags:
        if key in seen:
            return key
        seen.add(key)
    return None


def _invalid_tag(message: str) -> ValidationError:
    return ValidationError(message, reason=ValidationReason.INVALID_TAG)
