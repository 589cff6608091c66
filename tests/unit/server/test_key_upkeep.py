"""Keys and data keys are destroyed, rotated and renewed when it is time, and not before."""

from dataclasses import replace

import pytest

from fix_logs import Journal
from kms_scene import ACCOUNT, DAY_S, KmsScene, id_of
from neve.domain.identities import Domain
from neve.errors import KeyProviderUnavailable, KmsKeyNotFound
from neve.events import BackgroundFailed, DataKeysRenewed, KmsKeyDeleted, KmsKeyRotated
from neve.server.key_upkeep import DataKeyRenewal, KeyUpkeep, key_works
from neve.server.ripening import Ripening
from neve.testing.memory_keys import MemoryKeys

BLOCK = b"\x07" * 64
HOUR_S = 3600


@pytest.fixture
def scene() -> KmsScene:
    return KmsScene()


@pytest.fixture
def upkeep(scene: KmsScene, journal: Journal) -> KeyUpkeep:
    return KeyUpkeep(
        metadata=scene.world.metadata,
        keyring=scene.keyring,
        clock=scene.clock,
        ripening=Ripening(scene.clock),
        report=journal.report,
    )


def renewal(scene: KmsScene, journal: Journal) -> DataKeyRenewal:
    return DataKeyRenewal(
        metadata=scene.world.metadata,
        provider=scene.world.keys,
        renew=scene.world.data_keys.renew,
        report=journal.report,
    )


def written(scene: KmsScene, arn: str) -> str:
    """Return a completed snapshot of one block under a key."""
    snapshot_id = scene.world.start(kms_key_arn=arn)
    scene.world.put(snapshot_id, 0, BLOCK)
    scene.world.complete(snapshot_id, count=1)
    return snapshot_id


def domains(scene: KmsScene) -> list[Domain]:
    return [domain for domain in scene.world.metadata.domains() if domain.kms_key_arn]


def versions(scene: KmsScene, domain: Domain) -> list[tuple[int, str]]:
    """Return generation and key version of every wrapping of a domain."""
    wrappings = scene.records.wrappings(domain.key)
    return [(wrapping.generation, wrapping.key_version) for wrapping in wrappings]


# --- keys


def test_a_key_is_destroyed_when_its_time_has_come(
    scene: KmsScene, upkeep: KeyUpkeep, journal: Journal
) -> None:
    journal.announce("kms key deleted")
    arn, other = scene.new_key(), scene.new_key()
    scene.ask("ScheduleKeyDeletion", KeyId=arn, PendingWindowInDays=7)
    scene.clock.advance(seconds=7 * DAY_S - 1)
    assert upkeep.delete_slice() == 0
    assert scene.state(arn) == "PendingDeletion"
    scene.clock.advance(seconds=1)
    assert upkeep.delete_slice() == 0
    scene.clock.advance(seconds=HOUR_S - 1)
    assert upkeep.delete_slice() == 0
    scene.clock.advance(seconds=1)
    assert upkeep.delete_slice() == 1
    assert upkeep.delete_slice() == 0
    with pytest.raises(KmsKeyNotFound):
        scene.records.kms_key(id_of(arn))
    assert scene.state(other) == "Enabled"
    assert journal.events == [KmsKeyDeleted(account_id=ACCOUNT, key_id=id_of(arn))]


def test_a_clock_that_is_wrong_for_less_than_an_hour_destroys_no_key(
    scene: KmsScene, upkeep: KeyUpkeep, monkeypatch: pytest.MonkeyPatch
) -> None:
    arn = scene.new_key()
    scene.ask("ScheduleKeyDeletion", KeyId=arn, PendingWindowInDays=7)
    right, ahead_ms = scene.clock.now_ms, [0]
    monkeypatch.setattr(scene.clock, "now_ms", lambda: right() + ahead_ms[0])
    for _ in range(3):
        ahead_ms[0] = 20 * 365 * DAY_S * 1000
        assert upkeep.delete_slice() == 0
        scene.clock.advance(seconds=HOUR_S - 1)
        assert upkeep.delete_slice() == 0
        ahead_ms[0] = 0
        assert upkeep.delete_slice() == 0
    assert scene.state(arn) == "PendingDeletion"


def test_a_key_that_was_saved_in_the_last_moment_lives(
    scene: KmsScene, upkeep: KeyUpkeep, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    arn = scene.new_key()
    scene.ask("ScheduleKeyDeletion", KeyId=arn, PendingWindowInDays=7)
    scene.clock.advance(seconds=7 * DAY_S)
    assert upkeep.delete_slice() == 0
    scene.clock.advance(seconds=HOUR_S)
    remove = scene.keyring.remove

    def save_first(key: object) -> None:
        scene.ask("CancelKeyDeletion", KeyId=arn)
        remove(key)  # type: ignore[arg-type]

    monkeypatch.setattr(scene.keyring, "remove", save_first)
    assert upkeep.delete_slice() == 0
    assert scene.state(arn) == "Disabled"
    assert journal.events == []


def test_material_rotates_once_a_period(scene: KmsScene, upkeep: KeyUpkeep, journal: Journal) -> None:
    arn, still = scene.new_key(), scene.new_key()
    scene.ask("EnableKeyRotation", KeyId=arn, RotationPeriodInDays=90)
    for version in (2, 3):
        scene.clock.advance(seconds=90 * DAY_S - 1)
        assert upkeep.rotate_slice() == 0
        scene.clock.advance(seconds=1)
        assert upkeep.rotate_slice() == 1
        assert upkeep.rotate_slice() == 0
        assert scene.records.kms_key(id_of(arn)).material_version == version
        assert journal.events[-1] == KmsKeyRotated(
            account_id=ACCOUNT, key_id=id_of(arn), material_version=version
        )
    assert scene.records.kms_key(id_of(still)).material_version == 1


def test_a_disabled_key_does_not_rotate(scene: KmsScene, upkeep: KeyUpkeep, journal: Journal) -> None:
    arn = scene.new_key()
    scene.ask("EnableKeyRotation", KeyId=arn)
    scene.ask("DisableKey", KeyId=arn)
    scene.clock.advance(seconds=365 * DAY_S)
    assert upkeep.rotate_slice() == 0
    scene.ask("EnableKey", KeyId=arn)
    assert upkeep.rotate_slice() == 1


def test_an_accounts_own_default_key_rotates_every_year(scene: KmsScene, upkeep: KeyUpkeep) -> None:
    arn = scene.keyring.default_key_arn(ACCOUNT)
    scene.clock.advance(seconds=365 * DAY_S)
    assert upkeep.rotate_slice() == 1
    assert scene.keyring.describe(arn).key_version == "2"


# --- data keys


def test_data_keys_are_renewed_after_a_rotation_and_no_data_is_rewritten(
    scene: KmsScene, journal: Journal
) -> None:
    arn = scene.new_key()
    snapshot_id = written(scene, arn)
    (domain,) = domains(scene)
    renewing = renewal(scene, journal)
    assert renewing.do_slice() == 0
    assert versions(scene, domain) == [(1, "1")]
    scene.ask("RotateKeyOnDemand", KeyId=arn)
    stored = scene.world.metadata.statistics()
    assert renewing.do_slice() == 0
    assert versions(scene, domain) == [(1, "2"), (2, "2")]
    assert scene.world.metadata.statistics() == stored
    assert scene.world.read(snapshot_id) == {0: BLOCK}
    assert renewing.do_slice() == 0
    assert versions(scene, domain) == [(1, "2"), (2, "2")]
    assert journal.events == [DataKeysRenewed(account_id=ACCOUNT, domain=domain.uid.hex())]


def test_a_key_that_may_not_be_used_is_passed_over_and_the_others_are_renewed(
    scene: KmsScene, journal: Journal
) -> None:
    stopped, gone, sound = scene.new_key(), scene.new_key(), scene.new_key()
    for arn in (stopped, gone, sound):
        written(scene, arn)
        scene.ask("RotateKeyOnDemand", KeyId=arn)
    scene.ask("DisableKey", KeyId=stopped)
    scene.keyring.remove(scene.records.kms_key(id_of(gone)))
    assert renewal(scene, journal).do_slice() == 0
    found = {domain.kms_key_arn: len(versions(scene, domain)) for domain in domains(scene)}
    assert found == {stopped: 1, gone: 1, sound: 2}
    assert [event.name for event in journal.events] == ["data keys renewed"]


def test_a_domain_whose_records_are_damaged_is_reported_and_passed_over(
    scene: KmsScene, journal: Journal
) -> None:
    journal.announce("background work failed")
    damaged, sound = scene.new_key(), scene.new_key()
    for arn in (damaged, sound):
        written(scene, arn)
        scene.ask("RotateKeyOnDemand", KeyId=arn)
    (domain,) = [domain for domain in domains(scene) if domain.kms_key_arn == damaged]
    (wrapping,) = scene.records.wrappings(domain.key)
    scene.records.rewrap(wrapping, replace(wrapping, wrapping=wrapping.wrapping[:-1] + b"\0"))
    assert renewal(scene, journal).do_slice() == 0
    failures = [event for event in journal.events if isinstance(event, BackgroundFailed)]
    assert [domain.uid.hex() in event.work for event in failures] == [True]
    assert [event.name for event in journal.events].count("data keys renewed") == 1


def test_a_provider_that_does_not_answer_ends_the_round_and_the_next_begins_anew(
    scene: KmsScene, journal: Journal
) -> None:
    for _ in range(3):
        written(scene, scene.new_key())
    asked: list[Domain] = []

    def renew(domain: Domain) -> bool:
        asked.append(domain)
        if len(asked) == 2:
            raise KeyProviderUnavailable("away")
        return True

    for domain in domains(scene):
        scene.ask("RotateKeyOnDemand", KeyId=domain.kms_key_arn)
    renewing = DataKeyRenewal(
        metadata=scene.world.metadata, provider=scene.world.keys, renew=renew, report=journal.report
    )
    with pytest.raises(KeyProviderUnavailable):
        renewing.do_slice()
    assert renewing.do_slice() == 0
    assert asked == [*domains(scene)[:2], *domains(scene)]


def test_many_domains_are_looked_at_slice_by_slice(
    scene: KmsScene, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("neve.server.key_upkeep._SLICE_DOMAINS", 2)
    for _ in range(5):
        arn = scene.new_key()
        written(scene, arn)
        scene.ask("RotateKeyOnDemand", KeyId=arn)
    renewing = renewal(scene, journal)
    assert [renewing.do_slice() for _ in range(3)] == [3, 1, 0]
    assert {len(versions(scene, domain)) for domain in domains(scene)} == {2}


def test_a_provider_that_does_not_tell_its_versions_is_not_asked_to_renew(
    scene: KmsScene, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(scene, scene.new_key())
    describe = scene.keyring.describe
    monkeypatch.setattr(scene.keyring, "describe", lambda arn: replace(describe(arn), key_version=""))

    def renew(_: Domain) -> bool:
        raise AssertionError("asked to renew")

    renewing = DataKeyRenewal(
        metadata=scene.world.metadata, provider=scene.keyring, renew=renew, report=journal.report
    )
    assert renewing.do_slice() == 0


def test_keys_that_somebody_else_keeps_are_not_ours_to_delete_or_rotate(
    scene: KmsScene, journal: Journal
) -> None:
    names = [
        {
            work.name
            for work in key_works(
                metadata=scene.world.metadata,
                provider=provider,
                keyring=keyring,
                renew=scene.world.data_keys.renew,
                forget_old=scene.world.data_keys.forget_old,
                clock=scene.clock,
                ripening=Ripening(scene.clock),
                report=journal.report,
            )
        }
        for provider, keyring in ((scene.keyring, scene.keyring), (MemoryKeys(remote=True), None))
    ]
    assert names == [
        {"renew-data-keys", "forget-data-keys", "delete-keys", "rotate-keys"},
        {"renew-data-keys", "forget-data-keys"},
    ]
