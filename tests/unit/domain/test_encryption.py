"""The outcome matrix of contract 3.3, row by row, as a pure function. Ids begin with the row's evidence label."""

import pytest

from encryption_rows import EVERY_COMBINATION, MATRIX, UNRECORDED, Row
from neve.domain.encryption import Outcome, outcome
from neve.errors import ValidationError

KEY_ARN = "arn:aws:kms:us-east-1:111122223333:key/0123"


def outcome_of(row: Row, *, by_default: bool) -> Outcome:
    return outcome(
        parent=row.parent,
        encrypted=row.encrypted,
        kms_key_arn=KEY_ARN if row.has_key else None,
        by_default=by_default,
    )


@pytest.mark.parametrize("by_default", [False, True], ids=["default-off", "default-on"])
@pytest.mark.parametrize("row", MATRIX, ids=str)
def test_the_row(row: Row, by_default: bool) -> None:
    expected = row.expected(by_default=by_default)
    if isinstance(expected, Outcome):
        assert outcome_of(row, by_default=by_default) is expected
        return
    with pytest.raises(ValidationError) as refused:
        outcome_of(row, by_default=by_default)
    assert refused.value.reason == "INVALID_PARAMETER_VALUE"
    if expected == UNRECORDED:
        assert "encryption by default" in refused.value.message
    else:
        assert refused.value.message == expected


def test_the_matrix_leaves_no_combination_out() -> None:
    assert sorted(map(str, (row[1:4] for row in MATRIX))) == sorted(map(str, EVERY_COMBINATION))
