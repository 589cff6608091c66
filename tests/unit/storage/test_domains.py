"""Domains: found or made once, with keys that need no KMS key, and data keys that do."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from fix_world import MemoryStores
from neve.domain.blocks import ChunkKind, Digest, digest
from neve.domain.identities import DomainKey
from neve.errors import ChunkDamaged, InvariantError, KmsError
from neve.storage.chunk_cipher import ChunkCipher, Locked, Unsealed
from neve.storage.chunk_codec import ChunkCodec
from neve.storage.domains import OpenDomain
from neve.testing.memory_keys import MemoryKeys
from neve.testing.time_and_chance import SeededEntropy
from neve.testing.world import ACCOUNT, OTHER_ACCOUNT, World


@pytest.fixture
def keys() -> MemoryKeys:
    return MemoryKeys(entropy=SeededEntropy(9))


@pytest.fixture
def world(make_world: Callable[..., World], keys: MemoryKeys) -> World:
    return make_world(keys=keys)


def encrypted(world: World, keys: MemoryKeys) -> OpenDomain:
    return world.context.domains.encrypted(ACCOUNT, keys.make_key(ACCOUNT))


def test_an_account_has_one_domain_for_each_key_and_one_without(world: World, keys: MemoryKeys) -> None:
    domains = world.context.domains
    first, second = keys.make_key(ACCOUNT), keys.make_key(ACCOUNT)
    opened = [
        domains.unencrypted(ACCOUNT),
        domains.encrypted(ACCOUNT, first),
        domains.encrypted(ACCOUNT, second),
        domains.encrypted(OTHER_ACCOUNT, first),
    ]
    assert len({domain.key for domain in opened}) == len({domain.uid for domain in opened}) == 4
    assert [(domain.account_id, domain.kms_key_arn, domain.is_encrypted) for domain in opened] == [
        (ACCOUNT, "", False),
        (ACCOUNT, first, True),
        (ACCOUNT, second, True),
        (OTHER_ACCOUNT, first, True),
    ]
    assert domains.encrypted(ACCOUNT, first).key == opened[1].key
    world.restart()
    assert world.context.domains.encrypted(ACCOUNT, first).id_key == opened[1].id_key


def test_equal_content_has_another_name_in_each_domain(world: World, keys: MemoryKeys) -> None:
    domains = [world.context.domains.unencrypted(ACCOUNT), *(encrypted(world, keys) for _ in range(3))]
    assert len({domain.chunk_id(digest(b"content")) for domain in domains}) == 4
    masked = [domain.mask(digest(b"content")) for domain in domains]
    assert len(set(masked)) == 4


def test_many_first_uses_at_once_make_one_domain_with_one_data_key(keys: MemoryKeys) -> None:
    stores, arn = MemoryStores(), keys.make_key(ACCOUNT)
    everybody = Barrier(8)

    def first_use(world: World) -> DomainKey:
        everybody.wait(30)
        return world.context.domains.encrypted(ACCOUNT, arn).key

    with World(stores, keys=keys) as one, World(stores, keys=keys, entropy=SeededEntropy(1)) as two:
        with ThreadPoolExecutor(8) as pool:
            (key,) = set(pool.map(first_use, [one, two] * 4))
        assert [wrapping.generation for wrapping in one.metadata.keys.wrappings(key)] == [1]


@pytest.mark.parametrize("befall", [MemoryKeys.disable, MemoryKeys.schedule_deletion, MemoryKeys.remove])
def test_no_domain_is_made_under_a_key_that_does_not_work(
    world: World, keys: MemoryKeys, befall: Callable[[MemoryKeys, str], None]
) -> None:
    arn = keys.make_key(ACCOUNT)
    befall(keys, arn)
    with pytest.raises(KmsError):
        world.context.domains.encrypted(ACCOUNT, arn)
    assert world.metadata.domains() == []


# --- what a domain opens without its KMS key, and what only with it


def test_a_domain_by_its_number_opens_block_maps_and_no_blocks(world: World, keys: MemoryKeys) -> None:
    domain = world.context.domains.by_key(encrypted(world, keys).key)
    assert isinstance(domain.cipher_for(ChunkKind.NODE), ChunkCipher)
    assert isinstance(domain.cipher_for(ChunkKind.BLOCK), Locked)
    content = world.context.domains.with_content(domain)
    assert isinstance(content.cipher_for(ChunkKind.BLOCK), ChunkCipher)
    assert content.cipher_for(ChunkKind.NODE) is domain.cipher_for(ChunkKind.NODE)


def test_an_unencrypted_domain_seals_nothing_and_needs_no_key(world: World) -> None:
    domain = world.context.domains.unencrypted(ACCOUNT)
    assert world.context.domains.with_content(domain) is domain
    assert all(isinstance(domain.cipher_for(kind), Unsealed) for kind in ChunkKind)
    assert (
        domain.unmask(domain.mask(digest(b"content")))
        == domain.mask(digest(b"content"))
        == digest(b"content")
    )


def test_nodes_are_sealed_under_a_key_that_follows_from_the_id_key(world: World, keys: MemoryKeys) -> None:
    domain = encrypted(world, keys)
    map_key = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"neve/1 map key").derive(domain.id_key)
    node = ChunkCodec().encode(b"a node, let us say")
    name = domain.chunk_id(digest(b"a node, let us say"))
    sealed = domain.cipher_for(ChunkKind.NODE).seal(name, ChunkKind.NODE, node)
    assert sealed.data[:4] == bytes(4)
    reader = ChunkCipher(
        domain_uid=domain.uid, seals_with=0, key_of=lambda _: map_key, entropy=SeededEntropy()
    )
    assert reader.open(name, ChunkKind.NODE, sealed) == node


def test_a_block_sealed_as_a_node_and_a_node_sealed_as_a_block_are_damage(
    world: World, keys: MemoryKeys
) -> None:
    domain = encrypted(world, keys)
    encoded, name = ChunkCodec().encode(b"content"), domain.chunk_id(digest(b"content"))
    for kind, other in ((ChunkKind.BLOCK, ChunkKind.NODE), (ChunkKind.NODE, ChunkKind.BLOCK)):
        sealed = domain.cipher_for(kind).seal(name, kind, encoded)
        for claimed in ChunkKind:
            with pytest.raises(ChunkDamaged):
                domain.cipher_for(other).open(name, claimed, sealed)


def test_blocks_without_data_keys_are_a_bug(world: World, keys: MemoryKeys) -> None:
    arn = keys.make_key(ACCOUNT)
    snapshot_id = world.start(kms_key_arn=arn)
    world.put(snapshot_id, 0, bytes(range(64)))
    (domain,) = (each for each in world.metadata.domains() if each.kms_key_arn == arn)
    opened = world.context.domains.by_key(domain.key)
    with pytest.raises(InvariantError):
        world.context.chunks.read(opened, opened.chunk_id(digest(bytes(range(64)))))
    assert world.damage == [], "what nobody could read is not damaged"


# --- masked digests

digests = st.binary(min_size=32, max_size=32).map(Digest)


@given(st.lists(digests, min_size=1, max_size=5, unique=True))
def test_a_masked_digest_is_deterministic_says_nothing_and_comes_back(values: list[Digest]) -> None:
    keys = MemoryKeys(entropy=SeededEntropy(9))
    with World(MemoryStores(), keys=keys) as world:
        domain = encrypted(world, keys)
        masked = [domain.mask(value) for value in values]
        assert masked == [domain.mask(value) for value in values]
        assert len(set(masked)) == len(values)
        assert [domain.unmask(each) for each in masked] == values
        assert all(each.find(value[:4]) == -1 for value, each in zip(values, masked, strict=True))


def altered(masked: bytes) -> list[bytes]:
    flips = [masked[:at] + bytes([masked[at] ^ 1]) + masked[at + 1 :] for at in range(len(masked))]
    return [*flips, *(masked[:length] for length in range(len(masked))), masked + b"\0", bytes(48), bytes(32)]


def test_a_masked_digest_that_was_altered_is_damage(world: World, keys: MemoryKeys) -> None:
    domain, other = encrypted(world, keys), encrypted(world, keys)
    masked = domain.mask(digest(b"content"))
    for wrong in [*altered(masked), other.mask(digest(b"content")), digest(b"content")]:
        with pytest.raises(ChunkDamaged):
            domain.unmask(Digest(wrong))


def test_block_rows_of_encrypted_snapshots_hold_masked_digests_zeros_and_hits_included(
    world: World, keys: MemoryKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    arn = keys.make_key(ACCOUNT)
    snapshot_id = world.start(kms_key_arn=arn)
    contents = {0: b"n" * 64, 1: b"n" * 64, 2: bytes(64)}
    for index, content in contents.items():
        world.put(snapshot_id, index, content)
    (snapshot,) = world.metadata.snapshots(ACCOUNT, after=None, limit=2)
    domain = world.context.domains.by_key(snapshot.domain_key)
    rows = world.metadata.blocks(snapshot.key, after=None, limit=10)
    assert {digest(content) for content in contents.values()}.isdisjoint(row.digest for row in rows)
    assert [domain.unmask(row.digest) for row in rows] == [digest(content) for content in contents.values()]


def test_no_key_shows_in_what_a_domain_looks_like(world: World, keys: MemoryKeys) -> None:
    arn = keys.make_key(ACCOUNT)
    domain: Any = world.context.domains.encrypted(ACCOUNT, arn)
    assert domain.id_key.hex() not in repr(domain)
    assert repr(domain.id_key) not in repr(domain)
