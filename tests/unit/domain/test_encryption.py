"""The outcome matrix of contract 3.3, row by row, as a pure function. Ids begin with the row's evidence label."""

from itertools import product
from typing import NamedTuple

import pytest

from neve.domain.encryption import Outcome, Parent, outcome
from neve.errors import ValidationError

KEY = "arn:aws:kms:us-east-1:111122223333:key/0123"
PARENT_AND_KEY = "ParentSnapshotId and KmsKeyArn cannot be specified together"
PARENT_AND_ENCRYPT = "ParentSnapshotId and Encrypt cannot be specified together"
FALSE_AND_KEY = "Encrypt cannot be false when KmsKeyArn is specified"
UNRECORDED = ""
"""Of a refusal whose words nobody published."""


class Row(NamedTuple):
    label: str
    parent: Parent | None
    encrypted: bool | None
    key: str | None
    default_off: Outcome | str
    """What becomes of it, or the words of the refusal."""
    default_on: Outcome | str


PLAIN, SEALED = Parent.UNENCRYPTED, Parent.ENCRYPTED
MATRIX = (
    Row("DOC-LIVE", None, None, None, Outcome.UNENCRYPTED, Outcome.DEFAULT_KEY),
    Row("DOC-LIVE", None, None, KEY, Outcome.GIVEN_KEY, Outcome.GIVEN_KEY),
    Row("DOC", None, True, None, Outcome.DEFAULT_KEY, Outcome.DEFAULT_KEY),
    Row("DOC-LIVE", None, True, KEY, Outcome.GIVEN_KEY, Outcome.GIVEN_KEY),
    Row("DOC", None, False, None, Outcome.UNENCRYPTED, UNRECORDED),
    Row("DOC-LIVE", None, False, KEY, FALSE_AND_KEY, FALSE_AND_KEY),
    Row("DOC", PLAIN, None, None, Outcome.UNENCRYPTED, UNRECORDED),
    Row("LIVE", PLAIN, None, KEY, PARENT_AND_KEY, PARENT_AND_KEY),
    Row("DOC-LIVE", PLAIN, True, None, PARENT_AND_ENCRYPT, PARENT_AND_ENCRYPT),
    Row("DOC-LIVE", PLAIN, False, None, PARENT_AND_ENCRYPT, PARENT_AND_ENCRYPT),
    Row("DOC-LIVE", PLAIN, True, KEY, PARENT_AND_KEY, PARENT_AND_KEY),
    Row("DOC-LIVE", PLAIN, False, KEY, PARENT_AND_KEY, PARENT_AND_KEY),
    Row("DOC-LIVE", SEALED, None, None, Outcome.PARENTS_KEY, Outcome.PARENTS_KEY),
    Row("DOC-LIVE", SEALED, None, KEY, PARENT_AND_KEY, PARENT_AND_KEY),
    Row("DOC-LIVE", SEALED, True, KEY, PARENT_AND_KEY, PARENT_AND_KEY),
    Row("DOC-LIVE", SEALED, False, KEY, PARENT_AND_KEY, PARENT_AND_KEY),
    Row("DOC-LIVE", SEALED, True, None, PARENT_AND_ENCRYPT, PARENT_AND_ENCRYPT),
    Row("DOC-LIVE", SEALED, False, None, PARENT_AND_ENCRYPT, PARENT_AND_ENCRYPT),
)
CASES = [
    pytest.param(
        row,
        by_default,
        id=f"{row.label}-{'no' if row.parent is None else row.parent.value}-parent"
        f"-{row.encrypted}-{'key' if row.key else 'no-key'}-default-{'on' if by_default else 'off'}",
    )
    for row in MATRIX
    for by_default in (False, True)
]


@pytest.mark.parametrize(("row", "by_default"), CASES)
def test_the_row(row: Row, by_default: bool) -> None:
    expected = row.default_on if by_default else row.default_off
    if isinstance(expected, Outcome):
        assert (
            outcome(parent=row.parent, encrypted=row.encrypted, kms_key_arn=row.key, by_default=by_default)
            is expected
        )
        return
    with pytest.raises(ValidationError) as refused:
        outcome(parent=row.parent, encrypted=row.encrypted, kms_key_arn=row.key, by_default=by_default)
    assert refused.value.reason == "INVALID_PARAMETER_VALUE"
    if expected != UNRECORDED:
        assert refused.value.message == expected
    else:
        assert "encryption by default" in refused.value.message


def test_the_matrix_leaves_no_combination_out() -> None:
    assert {row[1:4] for row in MATRIX} == set(product((None, *Parent), (None, True, False), (None, KEY)))
    assert len(MATRIX) == 18
