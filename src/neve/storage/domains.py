"""Deduplication domains with their id keys opened.

A domain is what may share chunks: one account and one KMS key, or the account's unencrypted snapshots.
"""

from dataclasses import dataclass, field
from threading import Lock

from neve.clock import Entropy
from neve.domain.blocks import ChunkId, Digest, chunk_id
from neve.domain.identities import AccountId, Domain, DomainKey
from neve.domain.keyring import Keyring, Purpose
from neve.errors import InvariantError
from neve.stores.metadata.contract import MetadataStore

_ID_KEY_BYTES = 32
_UID_BYTES = 16
_UNENCRYPTED = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenDomain:
    """A domain and the key that names its chunks."""

    key: DomainKey
    uid: bytes
    id_key: bytes = field(repr=False)

    def chunk_id(self, digest: Digest) -> ChunkId:
        """Return what content with this digest is called here."""
        return chunk_id(self.id_key, digest)


class Domains:
    """Opens domains and keeps them open: there are as many as accounts. Safe from any thread."""

    def __init__(self, metadata: MetadataStore, keyring: Keyring, entropy: Entropy) -> None:
        self._metadata = metadata
        self._keyring = keyring
        self._entropy = entropy
        self._lock = Lock()
        self._by_key: dict[DomainKey, OpenDomain] = {}
        self._unencrypted: dict[AccountId, OpenDomain] = {}

    def unencrypted(self, account_id: AccountId) -> OpenDomain:
        """Return the domain of an account's unencrypted snapshots, made at its first use."""
        if (known := self._unencrypted.get(account_id)) is not None:
            return known
        uid = self._entropy.take(_UID_BYTES)
        record = self._metadata.add_domain(
            account_id=account_id,
            kms_key_arn=_UNENCRYPTED,
            uid=uid,
            sealed_id_key=self._keyring.seal(
                Purpose.DOMAIN_ID_KEY, self._entropy.take(_ID_KEY_BYTES), belongs_to=uid.hex()
            ),
        )
        return self._opened(record)

    def by_key(self, key: DomainKey) -> OpenDomain:
        """Return the domain with this row number."""
        if (known := self._by_key.get(key)) is not None:
            return known
        for record in self._metadata.domains():
            if record.key == key:
                return self._opened(record)
        raise InvariantError(f"a record refers to domain {key}, which is not there")

    def _opened(self, record: Domain) -> OpenDomain:
        domain = OpenDomain(
            key=record.key,
            uid=record.uid,
            id_key=self._keyring.open(
                Purpose.DOMAIN_ID_KEY, record.sealed_id_key, belongs_to=record.uid.hex()
            ),
        )
        with self._lock:
            self._by_key[domain.key] = domain
            if record.kms_key_arn == _UNENCRYPTED:
                self._unencrypted[record.account_id] = domain
        return domain
