"""Data keys: found or made, unwrapped for a moment, renewed, and of no use once the KMS key is disabled."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier, Event
from typing import Any

import pytest

from fix_world import facts_for
from neve.domain.blocks import ChunkId, ChunkKind
from neve.domain.identities import Account, Domain
from neve.errors import ChunkDamaged, KeyProviderUnavailable, KmsError, StoreUnusable
from neve.limits import TINY
from neve.processors import Processors
from neve.storage.chunk_cipher import ChunkCipher
from neve.storage.chunk_codec import ChunkCodec, Encoded
from neve.storage.data_keys import DataKeys
from neve.stores.keys.contract import DataKey
from neve.testing.memory_keys import MemoryKeys
from neve.testing.memory_metadata import MemoryMetadataStore
from neve.testing.time_and_chance import ManualClock, SeededEntropy
from neve.testing.world import ACCOUNT

ID = ChunkId(b"i" * 32)
ENCODED = ChunkCodec().encode(bytes(range(64)))


class Scene:
    """One account with one KMS key and one domain under it, in one metadata store."""

    def __init__(self, *, remote: bool = False) -> None:
        self.clock = ManualClock()
        self.metadata = MemoryMetadataStore(facts_for(TINY))
        self.metadata.create_account(Account(account_id=ACCOUNT, name="", created_ms=0))
        self.keys = MemoryKeys(remote=remote, entropy=SeededEntropy(7))
        self.arn = self.keys.make_key(ACCOUNT)
        self.domain = self.make_domain(1)

    def make_domain(self, number: int) -> Domain:
        arn = self.arn if number == 1 else self.keys.make_key(ACCOUNT)
        return self.metadata.add_domain(
            account_id=ACCOUNT, kms_key_arn=arn, uid=bytes([number]) * 16, sealed_id_key=b"sealed"
        )

    def data_keys(self, processors: Processors | None = None) -> DataKeys:
        """Return what another process over the same store has."""
        return DataKeys(
            metadata=self.metadata,
            provider=self.keys,
            clock=self.clock,
            entropy=SeededEntropy(3),
            processors=processors or Processors(1),
            data_key_age_s=60,
            key_state_age_s=1,
        )

    def generations(self) -> list[tuple[int, str]]:
        return [(each.generation, each.key_version) for each in self.metadata.keys.wrappings(self.domain.key)]


@pytest.fixture
def scene() -> Scene:
    return Scene()


def seal(cipher: ChunkCipher) -> Encoded:
    return cipher.seal(ID, ChunkKind.BLOCK, ENCODED)


def opens(cipher: ChunkCipher, sealed: Encoded) -> bool:
    return cipher.open(ID, ChunkKind.BLOCK, sealed) == ENCODED


def generation_of(sealed: Encoded) -> int:
    return int.from_bytes(sealed.data[:4])


def test_a_domain_gets_its_first_data_key_when_it_is_first_used(scene: Scene) -> None:
    sealed = seal(scene.data_keys().cipher(scene.domain))
    assert generation_of(sealed) == 1
    assert scene.generations() == [(1, "1")]
    assert opens(scene.data_keys().cipher(scene.domain), sealed)
    assert scene.keys.calls["generate_data_key"] == 1


def test_a_wrapping_is_bound_to_domain_and_generation(scene: Scene) -> None:
    scene.data_keys().cipher(scene.domain)
    (wrapping,) = scene.metadata.keys.wrappings(scene.domain.key)
    context = {"neve:domain": "01" * 16, "neve:generation": "1"}
    assert len(scene.keys.decrypt(scene.arn, wrapping.wrapping, context)) == 32
    for other in ({**context, "neve:generation": "2"}, {**context, "neve:domain": "02" * 16}, {}):
        with pytest.raises(KmsError, match="does not open"):
            scene.keys.decrypt(scene.arn, wrapping.wrapping, other)


def test_many_first_uses_at_once_make_one_data_key(scene: Scene) -> None:
    everybody = Barrier(8)

    def first_use(data_keys: DataKeys) -> Encoded:
        everybody.wait(30)
        return seal(data_keys.cipher(scene.domain))

    processes = [scene.data_keys() for _ in range(2)]
    with ThreadPoolExecutor(8) as pool:
        sealed = list(pool.map(first_use, processes * 4))
    assert scene.generations() == [(1, "1")]
    reader = scene.data_keys().cipher(scene.domain)
    assert all(opens(reader, each) for each in sealed)


def test_a_domain_whose_first_data_key_was_never_recorded_gets_one_at_the_next_use(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def killed(*_: object) -> bool:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(scene.metadata.keys, "add_wrapping", killed)
        with pytest.raises(Killed):
            scene.data_keys().cipher(scene.domain)
    assert scene.generations() == []
    seal(scene.data_keys().cipher(scene.domain))
    assert scene.generations() == [(1, "1")]


# --- for how long keys are kept


def test_a_data_key_is_unwrapped_once_while_it_may_be_kept_and_anew_after_that(scene: Scene) -> None:
    data_keys = scene.data_keys()
    sealed = seal(data_keys.cipher(scene.domain))
    unwrapped = scene.keys.calls["decrypt"]
    scene.clock.advance(seconds=59.9)
    assert opens(data_keys.cipher(scene.domain), sealed)
    assert scene.keys.calls["decrypt"] == unwrapped
    scene.clock.advance(seconds=0.1)
    assert opens(data_keys.cipher(scene.domain), sealed)
    assert scene.keys.calls["decrypt"] == unwrapped + 1


def test_keys_whose_time_is_over_leave_memory_though_nobody_asks_for_them(scene: Scene) -> None:
    data_keys = scene.data_keys()
    data_keys.cipher(scene.domain)
    scene.clock.advance(seconds=59)
    data_keys.forget_old()
    assert len(data_keys._kept) == 1
    scene.clock.advance(seconds=1)
    data_keys.forget_old()
    assert len(data_keys._kept) == 0


def test_while_a_remote_provider_is_waited_for_another_thread_computes() -> None:
    scene, processors = Scene(remote=True), Processors(1)
    asked, may_answer = Event(), Event()
    made = scene.keys.generate_data_key

    def slow(*arguments: Any, **named: Any) -> DataKey:
        asked.set()
        assert may_answer.wait(30)
        return made(*arguments, **named)

    scene.keys.generate_data_key = slow  # type: ignore[method-assign]
    data_keys = scene.data_keys(processors)

    def use() -> ChunkCipher:
        with processors.computing():
            return data_keys.cipher(scene.domain)

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(use)
        assert asked.wait(30)
        with processors.computing():
            may_answer.set()
        assert opens(waiting.result(30), seal(waiting.result(30)))


# --- keys that may not be used

REFUSALS: dict[str, tuple[Callable[[MemoryKeys, str], None], str, str]] = {
    "disabled": (MemoryKeys.disable, "DisabledException", "{arn} is disabled."),
    "pending deletion": (
        MemoryKeys.schedule_deletion,
        "KMSInvalidStateException",
        "{arn} is pending deletion.",
    ),
    "gone": (MemoryKeys.remove, "NotFoundException", "Key '{arn}' does not exist"),
}


@pytest.mark.parametrize(("befall", "code", "message"), REFUSALS.values(), ids=REFUSALS)
@pytest.mark.parametrize("remote", [False, True])
def test_a_key_that_does_not_work_stops_everything_although_its_data_keys_are_in_memory(
    befall: Callable[[MemoryKeys, str], None], code: str, message: str, remote: bool
) -> None:
    scene = Scene(remote=remote)
    data_keys = scene.data_keys()
    data_keys.cipher(scene.domain)
    befall(scene.keys, scene.arn)
    scene.clock.advance(seconds=1 if remote else 0)
    for use in (
        lambda: data_keys.cipher(scene.domain),
        lambda: data_keys.check_usable(scene.arn),
        lambda: data_keys.renew(scene.domain),
    ):
        with pytest.raises(KmsError) as refused:
            use()
        assert (refused.value.code, refused.value.message) == (code, message.format(arn=scene.arn))


def test_an_asymmetric_key_wraps_no_data_key(scene: Scene) -> None:
    domain = replace(scene.domain, kms_key_arn=scene.keys.make_key(ACCOUNT, symmetric=False))
    with pytest.raises(KmsError) as refused:
        scene.data_keys().cipher(domain)
    assert refused.value.code == "InvalidKeyUsageException"


@pytest.mark.parametrize("remote", [False, True])
def test_an_enabled_key_works_again_at_once(remote: bool) -> None:
    scene = Scene(remote=remote)
    data_keys = scene.data_keys()
    sealed = seal(data_keys.cipher(scene.domain))
    scene.keys.disable(scene.arn)
    scene.clock.advance(seconds=1)
    with pytest.raises(KmsError):
        data_keys.cipher(scene.domain)
    scene.keys.enable(scene.arn)
    scene.clock.advance(seconds=1)
    assert opens(data_keys.cipher(scene.domain), sealed)


def test_a_provider_that_is_away_is_said_to_be_and_nothing_is_recorded(scene: Scene) -> None:
    scene.keys.go_away()
    with pytest.raises(KeyProviderUnavailable):
        scene.data_keys().cipher(scene.domain)
    assert scene.generations() == []


def test_a_key_that_stops_in_the_middle_of_a_read_is_a_fault_that_invites_another_try(scene: Scene) -> None:
    data_keys = scene.data_keys()
    old = seal(data_keys.cipher(scene.domain))
    scene.keys.rotate(scene.arn)
    data_keys.renew(scene.domain)
    reader = data_keys.cipher(scene.domain)
    scene.keys.disable(scene.arn)
    with pytest.raises(KeyProviderUnavailable, match=r"generation 1 .* DisabledException") as failure:
        opens(reader, old)
    assert failure.value.safe_to_retry
    with pytest.raises(KmsError, match="disabled"):
        data_keys.cipher(scene.domain)


# --- generations


def test_renewing_begins_a_generation_and_wraps_the_others_anew(scene: Scene) -> None:
    data_keys = scene.data_keys()
    old = seal(data_keys.cipher(scene.domain))
    (retired,) = scene.metadata.keys.wrappings(scene.domain.key)
    assert data_keys.renew(scene.domain) is False, "the key has no newer material"
    scene.keys.rotate(scene.arn)
    assert data_keys.renew(scene.domain) is True
    assert scene.generations() == [(1, "2"), (2, "2")]
    assert scene.metadata.keys.wrappings(scene.domain.key)[0].wrapping != retired.wrapping
    cipher = data_keys.cipher(scene.domain)
    assert opens(cipher, old)
    assert generation_of(seal(cipher)) == 2
    assert data_keys.renew(scene.domain) is False
    assert scene.generations() == [(1, "2"), (2, "2")]


def test_a_retired_wrapping_opens_nothing_that_is_written_after_it(scene: Scene) -> None:
    data_keys = scene.data_keys()
    data_keys.cipher(scene.domain)
    (retired,) = scene.metadata.keys.wrappings(scene.domain.key)
    context = {"neve:domain": scene.domain.uid.hex(), "neve:generation": "1"}
    leaked = scene.keys.decrypt(scene.arn, retired.wrapping, context)
    scene.keys.rotate(scene.arn)
    data_keys.renew(scene.domain)
    new = seal(data_keys.cipher(scene.domain))
    thief = ChunkCipher(
        domain_uid=scene.domain.uid, seals_with=1, key_of=lambda _: leaked, entropy=SeededEntropy()
    )
    with pytest.raises(ChunkDamaged):
        opens(thief, new)


def test_another_process_opens_a_new_generation_at_once_and_seals_under_it_from_then_on(scene: Scene) -> None:
    here, there = scene.data_keys(), scene.data_keys()
    there.cipher(scene.domain)
    scene.keys.rotate(scene.arn)
    here.renew(scene.domain)
    new = seal(here.cipher(scene.domain))
    assert generation_of(seal(there.cipher(scene.domain))) == 1
    assert opens(there.cipher(scene.domain), new)
    assert generation_of(seal(there.cipher(scene.domain))) == 2


def test_another_process_seals_under_a_new_generation_once_its_keys_are_old(scene: Scene) -> None:
    here, there = scene.data_keys(), scene.data_keys()
    there.cipher(scene.domain)
    scene.keys.rotate(scene.arn)
    here.renew(scene.domain)
    scene.clock.advance(seconds=60)
    assert generation_of(seal(there.cipher(scene.domain))) == 2


def test_a_generation_that_does_not_exist_is_damage(scene: Scene) -> None:
    cipher = scene.data_keys().cipher(scene.domain)
    sealed = seal(cipher)
    for generation in (0, 2, 2**32 - 1):
        with pytest.raises(ChunkDamaged, match=f"generation {generation}"):
            opens(cipher, replace(sealed, data=generation.to_bytes(4) + bytes(sealed.data[4:])))


@pytest.mark.parametrize("steps", range(4))
def test_a_renewal_that_is_killed_is_finished_by_the_next(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    data_keys = scene.data_keys()
    sealed = []
    for _ in range(3):
        sealed.append(seal(data_keys.cipher(scene.domain)))
        scene.keys.rotate(scene.arn)
        data_keys.renew(scene.domain)
    scene.keys.rotate(scene.arn)

    class Killed(BaseException):
        pass

    left = iter([None] * steps)
    records = scene.metadata.keys

    def one_more(method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            if next(left, Killed) is Killed:
                raise Killed
            return method(*arguments)

        return call

    with monkeypatch.context() as patch:
        patch.setattr(records, "add_wrapping", one_more(records.add_wrapping))
        patch.setattr(records, "rewrap", one_more(records.rewrap))
        with pytest.raises(Killed):
            data_keys.renew(scene.domain)
    assert all(opens(scene.data_keys().cipher(scene.domain), each) for each in sealed)
    assert scene.data_keys().renew(scene.domain) is True
    assert scene.generations() == [(generation, "5") for generation in range(1, 6)]
    assert all(opens(scene.data_keys().cipher(scene.domain), each) for each in sealed)


def test_renewals_at_once_lose_no_key(scene: Scene) -> None:
    sealed = seal(scene.data_keys().cipher(scene.domain))
    scene.keys.rotate(scene.arn)
    everybody = Barrier(4)

    def renew(data_keys: DataKeys) -> bool:
        everybody.wait(30)
        return data_keys.renew(scene.domain)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(renew, [scene.data_keys() for _ in range(4)]))
    assert scene.generations() == [(1, "2"), (2, "2")]
    assert opens(scene.data_keys().cipher(scene.domain), sealed)


def test_a_provider_that_wraps_wrongly_is_not_believed(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    made = scene.keys.generate_data_key

    def other(*arguments: Any, **named: Any) -> DataKey:
        return replace(made(*arguments, **named), plaintext=b"x" * 32)

    monkeypatch.setattr(scene.keys, "generate_data_key", other)
    with pytest.raises(StoreUnusable, match="opens to another one"):
        scene.data_keys().cipher(scene.domain)
    assert scene.generations() == []


def test_a_provider_that_wraps_anew_wrongly_replaces_nothing(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    data_keys = scene.data_keys()
    sealed = seal(data_keys.cipher(scene.domain))
    scene.keys.rotate(scene.arn)
    context = {"neve:domain": scene.domain.uid.hex(), "neve:generation": "1"}

    def other(*_arguments: Any, **_named: Any) -> tuple[bytes, str]:
        return scene.keys.generate_data_key(scene.arn, context, size_bytes=32).wrapping, "2"

    monkeypatch.setattr(scene.keys, "re_encrypt", other)
    with pytest.raises(StoreUnusable, match="opens to another one"):
        data_keys.renew(scene.domain)
    assert opens(scene.data_keys().cipher(scene.domain), sealed)


def test_wrappings_that_were_exchanged_between_domains_are_a_damaged_store_and_no_fault_of_the_caller(
    scene: Scene,
) -> None:
    other = scene.make_domain(2)
    for domain in (scene.domain, other):
        scene.data_keys().cipher(domain)
    (mine,) = scene.metadata.keys.wrappings(scene.domain.key)
    (theirs,) = scene.metadata.keys.wrappings(other.key)
    assert scene.metadata.keys.rewrap(mine, replace(mine, wrapping=theirs.wrapping))
    with pytest.raises(StoreUnusable, match="generation 1 of the data key of domain 1"):
        scene.data_keys().cipher(scene.domain)


def test_a_wrapping_that_was_replaced_since_it_was_read_is_read_again(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Old material may be taken away once everything was wrapped anew: other processes still hold old wrappings."""
    here, there = scene.data_keys(), scene.data_keys()
    old = seal(here.cipher(scene.domain))
    scene.keys.rotate(scene.arn)
    here.renew(scene.domain)
    there.cipher(scene.domain)  # it has unwrapped generation 2, and has the wrapping of generation 1
    scene.keys.rotate(scene.arn)
    here.renew(scene.domain)
    current = {each.wrapping for each in scene.metadata.keys.wrappings(scene.domain.key)}
    decrypt = scene.keys.decrypt

    def strict(arn: str, wrapping: bytes, context: Any) -> bytes:
        if wrapping not in current:
            raise KmsError("InvalidCiphertextException", "that material is gone")
        return decrypt(arn, wrapping, context)

    monkeypatch.setattr(scene.keys, "decrypt", strict)
    assert opens(there.cipher(scene.domain), old)


# --- old material that is not there any more


def retire(scene: Scene, monkeypatch: pytest.MonkeyPatch, *versions: int, code: str) -> None:
    """Let the provider open nothing any more that these versions of the key wrapped."""
    decrypt = scene.keys.decrypt

    def strict(arn: str, wrapping: bytes, context: Any) -> bytes:
        if int.from_bytes(wrapping[:4]) in versions:
            raise KmsError(code, "that material is not used any more")
        return decrypt(arn, wrapping, context)

    monkeypatch.setattr(scene.keys, "decrypt", strict)


LOST = ["InvalidCiphertextException", "KMSInvalidStateException"]


@pytest.mark.parametrize("code", LOST)
def test_a_generation_that_cannot_be_wrapped_anew_hinders_no_other_and_is_said(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    data_keys = scene.data_keys()
    lost = seal(data_keys.cipher(scene.domain))
    scene.keys.rotate(scene.arn)
    with monkeypatch.context() as patch:
        patch.setattr(scene.metadata.keys, "rewrap", lambda *_: False)  # killed before it came to that
        data_keys.renew(scene.domain)
    kept = seal(data_keys.cipher(scene.domain))
    assert scene.generations() == [(1, "1"), (2, "2")]
    scene.keys.rotate(scene.arn)
    retire(scene, monkeypatch, 1, code=code)
    for _ in range(3):
        with pytest.raises(StoreUnusable, match="generation 1 of the data key of domain 1"):
            data_keys.renew(scene.domain)
        assert scene.generations() == [(1, "1"), (2, "3"), (3, "3")], "one new generation, however often"
    cipher = scene.data_keys().cipher(scene.domain)
    assert generation_of(seal(cipher)) == 3
    assert opens(cipher, kept)
    assert [cipher.has_key_of(bytes(each.data[:4])) for each in (lost, kept)] == [False, True]


def test_a_renewal_whose_key_is_stopped_in_the_middle_says_so_and_nothing_of_its_wrappings(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    data_keys = scene.data_keys()
    data_keys.cipher(scene.domain)
    scene.keys.rotate(scene.arn)
    re_encrypt = scene.keys.re_encrypt

    def stopped_first(*arguments: Any, **named: Any) -> tuple[bytes, str]:
        scene.keys.schedule_deletion(scene.arn)
        return re_encrypt(*arguments, **named)

    monkeypatch.setattr(scene.keys, "re_encrypt", stopped_first)
    with pytest.raises(KmsError, match="pending deletion"):
        data_keys.renew(scene.domain)


def test_leave_that_lacks_for_wrapping_anew_is_said(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    data_keys = scene.data_keys()
    data_keys.cipher(scene.domain)
    scene.keys.rotate(scene.arn)

    def denied(*_arguments: Any, **_named: Any) -> tuple[bytes, str]:
        raise KmsError("AccessDeniedException", "not let to call kms:ReEncrypt")

    monkeypatch.setattr(scene.keys, "re_encrypt", denied)
    with pytest.raises(StoreUnusable, match="not let to call kms:ReEncrypt"):
        data_keys.renew(scene.domain)


def test_whether_a_key_can_be_had_is_not_guessed_while_its_provider_is_away(scene: Scene) -> None:
    data_keys = scene.data_keys()
    old = seal(data_keys.cipher(scene.domain))
    scene.keys.rotate(scene.arn)
    data_keys.renew(scene.domain)
    cipher = data_keys.cipher(scene.domain)
    scene.keys.go_away()
    with pytest.raises(KeyProviderUnavailable):
        cipher.has_key_of(bytes(old.data[:4]))
    scene.keys.come_back()
    assert cipher.has_key_of(bytes(old.data[:4]))
    assert not cipher.has_key_of((9).to_bytes(4)), "a generation that there never was"
