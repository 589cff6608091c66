"""Deduplication domains with their keys opened.

    id key ─HMAC─▶ chunk ids                            sealed under the master key: always there
       ├──HKDF──▶ map key     ─▶ nodes of block maps    so listing, comparing and completing work
       └──HKDF──▶ digest key  ─▶ digests in block rows  while the KMS key does not (choice 77)
    data keys ────────────────▶ blocks                  only with the KMS key (`data_keys`)

A domain is what may share chunks: one account and one KMS key, or the account's unencrypted snapshots.
"""

from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from neve.clock import Entropy
from neve.domain.blocks import ChunkId, ChunkKind, Digest, chunk_id
from neve.domain.identities import AccountId, Domain, DomainKey
from neve.domain.keyring import Keyring, Purpose
from neve.errors import ChunkDamaged, InvariantError
from neve.storage.chunk_cipher import KEY_BYTES, MAP_GENERATION, ChunkCipher, ChunkSeal, Locked, Unsealed
from neve.storage.data_keys import DataKeys
from neve.stores.keys.contract import KeyDescription
from neve.stores.metadata.contract import MetadataStore

_ID_KEY_BYTES = 32
_UID_BYTES = 16
_UNENCRYPTED = ""
_MAP_KEY_LABEL = b"neve/1 map key"
_DIGEST_KEY_LABEL = b"neve/1 digest key"
_DIGEST_KEY_BYTES = 64
"""AES-256-SIV (RFC 5297) takes two keys of 32 bytes."""


class DigestMask(Protocol):
    """How the digest of a block stands in its row, and the aggregate of them in its snapshot's."""

    def mask(self, digest: Digest) -> Digest:
        """Return a digest as rows hold it; equal ones stay equal."""
        ...

    def unmask(self, masked: Digest) -> Digest:
        """Return what `mask` was given.

        Raises:
            ChunkDamaged: it is not what a row of this domain holds.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenDomain:
    """A domain with what names, seals and masks its content."""

    record: Domain
    id_key: bytes = field(repr=False)
    blocks: ChunkSeal = field(repr=False)
    nodes: ChunkSeal = field(repr=False)
    digests: DigestMask = field(repr=False)

    @property
    def key(self) -> DomainKey:
        return self.record.key

    @property
    def uid(self) -> bytes:
        return self.record.uid

    @property
    def account_id(self) -> AccountId:
        return self.record.account_id

    @property
    def kms_key_arn(self) -> str:
        """Empty for an unencrypted domain."""
        return self.record.kms_key_arn

    @property
    def is_encrypted(self) -> bool:
        return self.record.kms_key_arn != _UNENCRYPTED

    def chunk_id(self, digest: Digest) -> ChunkId:
        """Return what content with this digest is called here."""
        return chunk_id(self.id_key, digest)

    def mask(self, digest: Digest) -> Digest:
        """Return a digest as block rows of this domain hold it."""
        return self.digests.mask(digest)

    def unmask(self, masked: Digest) -> Digest:
        """Return what `mask` was given.

        Raises:
            ChunkDamaged: no row of this domain holds that.
        """
        return self.digests.unmask(masked)

    def cipher_for(self, kind: ChunkKind) -> ChunkSeal:
        """Return what seals and opens chunks of a kind."""
        return self.blocks if kind is ChunkKind.BLOCK else self.nodes


class Domains:
    """Opens domains and keeps them open: an account has few. Safe from any thread."""

    def __init__(
        self, metadata: MetadataStore, keyring: Keyring, entropy: Entropy, data_keys: DataKeys | None
    ) -> None:
        """Without data keys there is only `by_key`, whose domains show block maps and no blocks."""
        self._metadata = metadata
        self._keyring = keyring
        self._entropy = entropy
        self._given_data_keys = data_keys
        self._lock = Lock()
        self._by_key: dict[DomainKey, OpenDomain] = {}
        self._by_owner: dict[tuple[AccountId, str], OpenDomain] = {}

    @property
    def _data_keys(self) -> DataKeys:
        assert self._given_data_keys is not None, "who reads maps only asks for no blocks"
        return self._given_data_keys

    def unencrypted(self, account_id: AccountId) -> OpenDomain:
        """Return the domain of an account's unencrypted snapshots, made at its first use."""
        return self._found_or_made(account_id, _UNENCRYPTED)

    def encrypted(self, account_id: AccountId, kms_key_arn: str) -> OpenDomain:
        """Return the domain of an account's snapshots under a KMS key with its data keys, made at its first use.

        Several first uses at once make one domain with one data key. May the account use the key? Ask before.

        Raises:
            KmsError, KeyProviderUnavailable: as `DataKeys.cipher`. No domain is made.
        """
        assert kms_key_arn != _UNENCRYPTED
        self._data_keys.check_usable(kms_key_arn)
        return self.with_content(self._found_or_made(account_id, kms_key_arn))

    def by_key(self, key: DomainKey) -> OpenDomain:
        """Return the domain with this row number: enough for block maps, and for blocks if it is not encrypted."""
        if (known := self._by_key.get(key)) is not None:
            return known
        for record in self._metadata.domains():
            if record.key == key:
                return self._opened(record)
        raise InvariantError(f"a record refers to domain {key}, which is not there")

    def with_content(self, domain: OpenDomain, described: KeyDescription | None = None) -> OpenDomain:
        """Return the domain with its data keys, which are needed to write and read blocks.

        For one piece of work, not to be kept: the next one asks again whether the KMS key may still be used. Whoever
        has just asked for the key's description gives it.

        Raises:
            KmsError, KeyProviderUnavailable, StoreUnusable: as `DataKeys.cipher`.
        """
        if not domain.is_encrypted:
            return domain
        return replace(domain, blocks=self._data_keys.cipher(domain.record, described))

    def describe_key(self, kms_key_arn: str) -> KeyDescription:
        """Return what there is to know of a KMS key: as `DataKeys.describe`."""
        return self._data_keys.describe(kms_key_arn)

    def _found_or_made(self, account_id: AccountId, kms_key_arn: str) -> OpenDomain:
        if (known := self._by_owner.get((account_id, kms_key_arn))) is not None:
            return known
        uid = self._entropy.take(_UID_BYTES)
        record = self._metadata.add_domain(
            account_id=account_id,
            kms_key_arn=kms_key_arn,
            uid=uid,
            sealed_id_key=self._keyring.seal(
                Purpose.DOMAIN_ID_KEY, self._entropy.take(_ID_KEY_BYTES), belongs_to=uid.hex()
            ),
        )
        return self._opened(record)

    def _opened(self, record: Domain) -> OpenDomain:
        id_key = self._keyring.open(Purpose.DOMAIN_ID_KEY, record.sealed_id_key, belongs_to=record.uid.hex())
        plain = Unsealed()
        domain = OpenDomain(record=record, id_key=id_key, blocks=plain, nodes=plain, digests=_Unmasked())
        if domain.is_encrypted:
            domain = self._sealing(domain)
        with self._lock:
            self._by_key[domain.key] = domain
            self._by_owner[record.account_id, record.kms_key_arn] = domain
        return domain

    def _sealing(self, domain: OpenDomain) -> OpenDomain:
        map_key = _derived(domain.id_key, _MAP_KEY_LABEL, KEY_BYTES)
        nodes = ChunkCipher(
            domain_uid=domain.uid,
            seals_with=MAP_GENERATION,
            key_of=lambda generation: _only_map_key(generation, map_key),
            entropy=self._entropy,
        )
        digests = _Masked(_derived(domain.id_key, _DIGEST_KEY_LABEL, _DIGEST_KEY_BYTES))
        return replace(domain, blocks=Locked(), nodes=nodes, digests=digests)


class _Unmasked:
    """Digests of an unencrypted domain stand in their rows as they are."""

    def mask(self, digest: Digest) -> Digest:
        return digest

    def unmask(self, masked: Digest) -> Digest:
        return masked


class _Masked:
    """Digests of an encrypted domain: plain, they would tell whoever reads the database which known content it has.

    AES-SIV is deterministic, as a key for equal rows must be, and shows when a masked digest was altered.
    """

    def __init__(self, digest_key: bytes) -> None:
        self._box = AESSIV(digest_key)

    def mask(self, digest: Digest) -> Digest:
        return Digest(self._box.encrypt(digest, None))

    def unmask(self, masked: Digest) -> Digest:
        try:
            return Digest(self._box.decrypt(masked, None))
        except (InvalidTag, ValueError):
            raise ChunkDamaged("the digest in a block row does not open: the row was altered") from None


def _only_map_key(generation: int, map_key: bytes) -> bytes:
    if generation != MAP_GENERATION:
        raise ChunkDamaged(f"a node of a block map is sealed under generation {generation} of a data key")
    return map_key


def _derived(id_key: bytes, label: bytes, size_bytes: int) -> bytes:
    return HKDF(algorithm=SHA256(), length=size_bytes, salt=None, info=label).derive(id_key)
