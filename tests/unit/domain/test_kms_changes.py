"""What may be changed about a KMS key in which state: the whole table."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from neve.domain import kms_changes
from neve.domain.identities import AccountId
from neve.domain.kms_keys import KeyManager, KeyState, KmsKey, KmsKeyId
from neve.errors import KmsError

DAY_MS = 86_400_000
KEY = KmsKey(
    key_id=KmsKeyId("k"),
    account_id=AccountId("111122223333"),
    arn="arn:aws:kms:eu-north-1:111122223333:key/k",
    description="",
    manager=KeyManager.CUSTOMER,
    state=KeyState.ENABLED,
    created_ms=0,
    deletion_ms=None,
    rotation_days=None,
    rotated_ms=0,
    material_version=1,
    policy="old",
)
DISABLED = replace(KEY, state=KeyState.DISABLED)
PENDING = replace(KEY, state=KeyState.PENDING_DELETION, deletion_ms=9)
MANAGED = replace(KEY, manager=KeyManager.AWS)

Change = Callable[[KmsKey], object]
CHANGES: dict[str, Change] = {
    "enable": kms_changes.enabled,
    "disable": kms_changes.disabled,
    "schedule": lambda key: kms_changes.deletion_scheduled(key, days=7, now_ms=1),
    "cancel": kms_changes.deletion_cancelled,
    "rhythm": lambda key: kms_changes.rotating(key, days=90),
    "rotate": kms_changes.check_rotatable,
    "policy": lambda key: kms_changes.with_policy(key, "new"),
}
INVALID_STATE, DISABLED_CODE, UNSUPPORTED = (
    "KMSInvalidStateException",
    "DisabledException",
    "UnsupportedOperationException",
)
REFUSED = {
    ("enabled", "cancel"): INVALID_STATE,
    ("disabled", "cancel"): INVALID_STATE,
    ("disabled", "rhythm"): DISABLED_CODE,
    ("disabled", "rotate"): DISABLED_CODE,
    ("pending", "enable"): INVALID_STATE,
    ("pending", "disable"): INVALID_STATE,
    ("pending", "schedule"): INVALID_STATE,
    ("pending", "rhythm"): INVALID_STATE,
    ("pending", "rotate"): INVALID_STATE,
    ("managed", "cancel"): INVALID_STATE,
} | {("managed", name): UNSUPPORTED for name in CHANGES if name != "cancel"}
KEYS = {"enabled": KEY, "disabled": DISABLED, "pending": PENDING, "managed": MANAGED}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("state", KEYS)
def test_a_state_allows_what_the_table_says(state: str, change: str) -> None:
    code = REFUSED.get((state, change))
    if code is None:
        CHANGES[change](KEYS[state])
        return
    with pytest.raises(KmsError) as caught:
        CHANGES[change](KEYS[state])
    assert caught.value.code == code
    assert KEY.arn in caught.value.message


def test_a_change_changes_what_it_says_and_nothing_else() -> None:
    assert kms_changes.enabled(DISABLED) == KEY
    assert kms_changes.disabled(KEY) == DISABLED
    scheduled = kms_changes.deletion_scheduled(KEY, days=7, now_ms=5)
    assert scheduled == replace(KEY, state=KeyState.PENDING_DELETION, deletion_ms=5 + 7 * DAY_MS)
    assert kms_changes.deletion_cancelled(scheduled) == DISABLED
    assert kms_changes.rotating(KEY, days=90) == replace(KEY, rotation_days=90)
    assert kms_changes.rotating(replace(KEY, rotation_days=90), days=None) == KEY
    assert kms_changes.with_policy(KEY, "new") == replace(KEY, policy="new")


@pytest.mark.parametrize(
    "change",
    [
        lambda: kms_changes.deletion_scheduled(KEY, days=6, now_ms=0),
        lambda: kms_changes.deletion_scheduled(KEY, days=31, now_ms=0),
        lambda: kms_changes.rotating(KEY, days=89),
        lambda: kms_changes.rotating(KEY, days=2_561),
    ],
)
def test_a_span_that_kms_does_not_have_is_refused(change: Callable[[], object]) -> None:
    with pytest.raises(KmsError) as caught:
        change()
    assert caught.value.code == "ValidationException"


def test_a_key_that_was_rotated_very_often_is_rotated_no_more() -> None:
    kms_changes.check_rotatable(replace(KEY, material_version=kms_changes.MATERIALS_MAX - 1))
    with pytest.raises(KmsError) as caught:
        kms_changes.check_rotatable(replace(KEY, material_version=kms_changes.MATERIALS_MAX))
    assert caught.value.code == "LimitExceededException"
