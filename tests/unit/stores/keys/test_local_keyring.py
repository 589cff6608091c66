"""The local keyring: what it says of keys, how keys are named, and what races and crashes leave."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neve.domain.identities import Account, AccountId
from neve.domain.keyring import Keyring
from neve.domain.kms_keys import AWS_MANAGED_ALIAS, Alias, KeyManager, KeyState, KmsKey, KmsKeyId
from neve.errors import KmsError, KmsKeyChanged, StoreUnusable
from neve.stores.keys.key_names import parse_name
from neve.stores.keys.local import LocalKeyring
from neve.stores.metadata.contract import MetadataStore
from neve.stores.metadata.contract_keys import KeyRecords
from neve.stores.metadata.sqlite import SqliteMetadataStore
from neve.testing.memory_metadata import FACTS, MemoryMetadataStore
from neve.testing.time_and_chance import ManualClock, SeededEntropy

REGION = "us-east-1"
ALICE, BOB = AccountId("111122223333"), AccountId("444455556666")
CONTEXT = {"neve:domain": "00ff", "neve:generation": "1"}
STORES: dict[str, Callable[[Path], MetadataStore]] = {
    "memory": lambda _: MemoryMetadataStore(),
    "sqlite": lambda path: SqliteMetadataStore.create(path / "metadata.db", FACTS),
}


@pytest.fixture(params=STORES)
def records(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[KeyRecords]:
    """The records of a store with two accounts."""
    opened = STORES[request.param](tmp_path)
    for account_id in (ALICE, BOB):
        opened.create_account(Account(account_id=account_id, name="", created_ms=0))
    yield opened.keys
    opened.close()


def keyring_over(records: KeyRecords, *, seed: int = 1, master_key: bytes = bytes(32)) -> LocalKeyring:
    entropy = SeededEntropy(seed)
    return LocalKeyring(
        records=records,
        keyring=Keyring(master_key, entropy),
        clock=ManualClock(),
        entropy=entropy,
        region=REGION,
    )


@pytest.fixture
def keyring(records: KeyRecords) -> LocalKeyring:
    return keyring_over(records)


def new_key(keyring: LocalKeyring, account_id: AccountId = ALICE) -> KmsKey:
    return keyring.create_key(account_id, description="disks", policy="{}", tags={"a": "b"})


def refusal(action: Callable[[], object]) -> tuple[str, str]:
    """Return code and message of what `action` is refused with."""
    with pytest.raises(KmsError) as caught:
        action()
    return caught.value.code, caught.value.message


def put_state(keyring: LocalKeyring, key: KmsKey, state: KeyState) -> None:
    deletion_ms = 1 if state is KeyState.PENDING_DELETION else None
    keyring.update(key.key_id, lambda read: replace(read, state=state, deletion_ms=deletion_ms))


# --- keys


def test_a_new_key_is_recorded_as_it_is_returned(keyring: LocalKeyring, records: KeyRecords) -> None:
    key = new_key(keyring)
    assert records.kms_key(key.key_id) == key
    assert (key.state, key.manager, key.material_version) == (KeyState.ENABLED, KeyManager.CUSTOMER, 1)
    assert key.arn == f"arn:aws:kms:{REGION}:{ALICE}:key/{key.key_id}"
    assert key.rotation_days is None


def test_material_is_stored_sealed_and_nowhere_else(keyring: LocalKeyring, records: KeyRecords) -> None:
    key = new_key(keyring)
    (material,) = records.key_materials(key.key_id)
    assert len(material.sealed_material) == 1 + 12 + 32 + 16
    with pytest.raises(StoreUnusable, match="master key"):
        keyring_over(records, master_key=bytes([1]) * 32).encrypt(key.arn, b"x", {})


def test_what_one_keyring_wrapped_another_over_the_same_records_opens(
    keyring: LocalKeyring, records: KeyRecords
) -> None:
    data_key = keyring.generate_data_key(new_key(keyring).arn, CONTEXT, size_bytes=32)
    other = keyring_over(records, seed=2)
    assert other.decrypt(other.key_of(data_key.wrapping), data_key.wrapping, CONTEXT) == data_key.plaintext


@pytest.mark.parametrize(
    ("state", "code", "words"),
    [
        pytest.param(KeyState.DISABLED, "DisabledException", "is disabled.", id="DOC-disabled"),
        pytest.param(
            KeyState.PENDING_DELETION, "KMSInvalidStateException", "is pending deletion.", id="DOC-pending"
        ),
    ],
)
def test_a_state_stops_a_key_at_once_in_every_keyring(
    keyring: LocalKeyring, records: KeyRecords, state: KeyState, code: str, words: str
) -> None:
    key, sound = new_key(keyring), new_key(keyring)
    other = keyring_over(records, seed=2)
    wrapping = other.generate_data_key(key.arn, CONTEXT, size_bytes=32).wrapping
    elsewhere = other.encrypt(sound.arn, b"x", {})
    put_state(keyring, key, state)
    expected = (code, f"{key.arn} {words}")
    assert refusal(lambda: other.generate_data_key(key.arn, CONTEXT, size_bytes=32)) == expected
    assert refusal(lambda: other.encrypt(key.arn, b"x", {})) == expected
    assert refusal(lambda: other.decrypt(key.arn, wrapping, CONTEXT)) == expected
    for source, target, ciphertext in ((key, sound, wrapping), (sound, key, elsewhere)):
        context = CONTEXT if source is key else {}
        assert (
            refusal(
                lambda source=source, target=target, ciphertext=ciphertext, context=context: other.re_encrypt(  # type: ignore[misc]
                    source.arn, ciphertext, context, to_key_arn=target.arn, to_context={}
                )
            )
            == expected
        )
    assert refusal(lambda: other.rotate(key.key_id)) == expected
    assert other.describe(key.arn).state is state
    assert other.key_of(wrapping) == key.arn


def test_a_removed_key_opens_nothing_for_anybody_who_knew_it(
    keyring: LocalKeyring, records: KeyRecords
) -> None:
    key = new_key(keyring)
    other = keyring_over(records, seed=2)
    wrapping = other.encrypt(key.arn, b"x", {})
    keyring.remove(key)
    gone = ("NotFoundException", f"Key '{key.arn}' does not exist")
    assert refusal(lambda: other.decrypt(key.arn, wrapping, {})) == gone
    assert refusal(lambda: other.encrypt(key.arn, b"x", {})) == gone
    assert refusal(lambda: other.describe(key.arn)) == gone
    assert refusal(lambda: other.key_of(wrapping))[0] == "NotFoundException"
    assert records.key_materials(key.key_id) == []


def test_a_key_that_changed_since_it_was_read_is_not_removed(keyring: LocalKeyring) -> None:
    key = new_key(keyring)
    put_state(keyring, key, KeyState.DISABLED)
    with pytest.raises(KmsKeyChanged):
        keyring.remove(key)
    assert keyring.describe(key.arn).state is KeyState.DISABLED


def test_a_rotated_key_wraps_anew_and_opens_the_old(keyring: LocalKeyring) -> None:
    key = new_key(keyring)
    old = keyring.encrypt(key.arn, b"x", CONTEXT)
    rotated = keyring.rotate(key.key_id)
    assert (rotated.material_version, keyring.describe(key.arn).key_version) == (2, "2")
    new, version = keyring.re_encrypt(key.arn, old, CONTEXT, to_key_arn=key.arn, to_context={})
    assert version == "2"
    assert keyring.decrypt(key.arn, old, CONTEXT) == keyring.decrypt(key.arn, new, {}) == b"x"


def test_a_version_the_key_never_had_is_an_invalid_ciphertext(keyring: LocalKeyring) -> None:
    key = new_key(keyring)
    altered = bytearray(keyring.encrypt(key.arn, b"x", {}))
    altered[20] = 9
    assert refusal(lambda: keyring.decrypt(key.arn, bytes(altered), {}))[0] == "InvalidCiphertextException"


def test_a_ciphertext_of_another_key_is_invalid(keyring: LocalKeyring) -> None:
    one, other = new_key(keyring), new_key(keyring)
    ciphertext = keyring.encrypt(one.arn, b"x", {})
    assert refusal(lambda: keyring.decrypt(other.arn, ciphertext, {}))[0] == "InvalidCiphertextException"


def test_a_changes_refusal_comes_out_and_nothing_changed(keyring: LocalKeyring, records: KeyRecords) -> None:
    key = new_key(keyring)

    def refuse(_: KmsKey) -> KmsKey:
        raise KmsError("KMSInvalidStateException", "no")

    assert refusal(lambda: keyring.update(key.key_id, refuse)) == ("KMSInvalidStateException", "no")
    assert records.kms_key(key.key_id) == key


def test_a_change_that_changes_nothing_writes_nothing(keyring: LocalKeyring, records: KeyRecords) -> None:
    key = new_key(keyring)
    assert keyring.update(key.key_id, lambda read: read) == key
    assert records.kms_key(key.key_id).revision == key.revision


def test_changes_made_at_once_are_all_made(keyring: LocalKeyring) -> None:
    key = new_key(keyring)

    def lengthen(read: KmsKey) -> KmsKey:
        return replace(read, description=read.description + "+")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: keyring.update(key.key_id, lengthen), range(12)))
    assert keyring.resolve(ALICE, key.key_id).description == "disks" + "+" * 12


def test_rotations_at_once_each_make_a_version(keyring: LocalKeyring, records: KeyRecords) -> None:
    key = new_key(keyring)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: keyring.rotate(key.key_id), range(8)))
    assert [material.version for material in records.key_materials(key.key_id)] == list(range(1, 10))
    assert keyring.describe(key.arn).key_version == "9"


def test_a_grant_token_names_its_grant_to_every_keyring_of_the_store(
    keyring: LocalKeyring, records: KeyRecords
) -> None:
    token = keyring.grant_token("arn:k", "ab" * 32)
    assert keyring_over(records, seed=2).read_grant_token(token) == ("arn:k", "ab" * 32)
    stranger = keyring_over(records, master_key=bytes([1]) * 32)
    for action in (
        lambda: stranger.read_grant_token(token),
        lambda: keyring.read_grant_token(token[:-8]),
        lambda: keyring.read_grant_token("schlüssel"),
    ):
        assert refusal(action)[0] == "InvalidGrantTokenException"


def test_a_closed_keyring_keeps_no_material_and_can_go_on(keyring: LocalKeyring) -> None:
    key = new_key(keyring)
    ciphertext = keyring.encrypt(key.arn, b"x", {})
    assert keyring._materials._opened
    keyring.close()
    assert not keyring._materials._opened
    assert keyring.decrypt(key.arn, ciphertext, {}) == b"x"


# --- the account's own default


def default_keys(records: KeyRecords, account_id: AccountId) -> list[KmsKey]:
    page = records.kms_keys(account_id, after=None, limit=100)
    return [key for key in page if key.manager is KeyManager.AWS]


def test_the_default_key_is_made_once_with_its_alias(keyring: LocalKeyring, records: KeyRecords) -> None:
    arn = keyring.default_key_arn(ALICE)
    assert keyring.default_key_arn(ALICE) == arn
    (key,) = default_keys(records, ALICE)
    assert (key.arn, key.rotation_days) == (arn, 365)
    assert records.alias(ALICE, AWS_MANAGED_ALIAS).key_id == key.key_id
    assert keyring.default_key_arn(BOB) != arn


def test_of_default_keys_made_at_once_one_stays(records: KeyRecords) -> None:
    keyrings = [keyring_over(records, seed=seed) for seed in range(8)]
    with ThreadPoolExecutor(8) as pool:
        arns = set(pool.map(lambda keyring: keyring.default_key_arn(ALICE), keyrings))
    assert {key.arn for key in default_keys(records, ALICE)} == arns
    assert len(arns) == 1


def test_a_default_key_that_a_crash_left_without_its_alias_is_taken(
    keyring: LocalKeyring, records: KeyRecords
) -> None:
    left = keyring.create_key(ALICE, description="", policy="{}", tags={}, manager=KeyManager.AWS)
    assert keyring.default_key_arn(ALICE) == left.arn
    assert default_keys(records, ALICE) == [left]


def test_DOC_naming_the_default_alias_makes_the_key(keyring: LocalKeyring, records: KeyRecords) -> None:
    key = keyring.resolve(ALICE, AWS_MANAGED_ALIAS)
    assert key.arn == keyring.default_key_arn(ALICE)
    named = f"arn:aws:kms:{REGION}:{BOB}:{AWS_MANAGED_ALIAS}"
    assert refusal(lambda: keyring.resolve(ALICE, named)) == (
        "NotFoundException",
        f"Alias {named} is not found.",
    )
    assert default_keys(records, BOB) == []
    assert keyring.resolve(BOB, named).account_id == BOB


# --- names


def test_DOC_a_key_has_four_names(keyring: LocalKeyring, records: KeyRecords) -> None:
    key = new_key(keyring)
    records.add_alias(
        Alias(account_id=ALICE, name="alias/disks", key_id=key.key_id, created_ms=1, updated_ms=1)
    )
    alias_arn = f"arn:aws:kms:{REGION}:{ALICE}:alias/disks"
    for name in (key.key_id, key.arn, "alias/disks", alias_arn):
        assert keyring.resolve(ALICE, name) == key
    for name in (key.arn, alias_arn):
        assert keyring.resolve(BOB, name) == key
    for name in (key.key_id, "alias/disks"):
        assert refusal(lambda name=name: keyring.resolve(BOB, name))[0] == "NotFoundException"  # type: ignore[misc]


ABSENT = KmsKeyId("00000000-0000-4000-8000-000000000000")


@pytest.mark.parametrize(
    ("name", "code", "message"),
    [
        pytest.param(
            ABSENT,
            "NotFoundException",
            f"Key 'arn:aws:kms:{REGION}:{ALICE}:key/{ABSENT}' does not exist",
            id="DOC-key-id",
        ),
        pytest.param(
            f"arn:aws:kms:{REGION}:{BOB}:key/{ABSENT}",
            "NotFoundException",
            f"Key 'arn:aws:kms:{REGION}:{BOB}:key/{ABSENT}' does not exist",
            id="DOC-key-arn",
        ),
        pytest.param(
            "alias/none",
            "NotFoundException",
            f"Alias arn:aws:kms:{REGION}:{ALICE}:alias/none is not found.",
            id="DOC-alias",
        ),
        pytest.param("none", "NotFoundException", "Invalid keyId 'none'", id="INFERRED-no-uuid"),
        pytest.param(
            f"arn:aws:kms:eu-west-1:{ALICE}:key/{ABSENT}",
            "NotFoundException",
            "Invalid arn eu-west-1",
            id="INFERRED-another-region",
        ),
        pytest.param("arn:aws:s3:::b", "InvalidArnException", "Invalid arn arn:aws:s3:::b", id="DOC-no-arn"),
    ],
)
def test_a_name_of_nothing_is_refused(keyring: LocalKeyring, name: str, code: str, message: str) -> None:
    assert refusal(lambda: keyring.resolve(ALICE, name)) == (code, message)


@given(name=st.text(max_size=40) | st.text().map(lambda text: f"arn:aws:kms:{REGION}:{ALICE}:key/{text}"))
def test_any_text_is_a_name_or_a_refusal(name: str) -> None:
    try:
        parsed = parse_name(name, account_id=ALICE, region=REGION)
    except KmsError as refused:
        found = refused.code
    else:
        found = "key" if parsed.key_id else "alias"
        assert bool(parsed.key_id) != bool(parsed.alias)
    assert found in {"key", "alias", "NotFoundException", "InvalidArnException"}


def test_an_arn_that_names_a_key_in_another_account_than_its_own_names_nothing(keyring: LocalKeyring) -> None:
    key = new_key(keyring)
    wrong = key.arn.replace(ALICE, BOB)
    expected = ("NotFoundException", f"Key '{wrong}' does not exist")
    assert refusal(lambda: keyring.resolve(BOB, wrong)) == expected
    assert refusal(lambda: keyring.describe(wrong)) == expected
