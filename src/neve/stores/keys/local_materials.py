"""The secrets of local keys: made, sealed under the master key, opened when they are needed.

A version of a key's material never changes and no key id is used twice, so an opened one may be remembered by its
name. It stands for nothing by itself: whether a key may be used, its record says, and whoever asks here has read it.
"""

from collections import OrderedDict
from threading import Lock
from typing import Final

from neve.clock import Entropy
from neve.domain.keyring import Keyring, Purpose
from neve.domain.kms_keys import KeyMaterial, KmsKeyId
from neve.stores.keys.key_arns import invalid_ciphertext
from neve.stores.keys.local_ciphertexts import MATERIAL_BYTES
from neve.stores.metadata.contract_keys import KeyRecords

_REMEMBERED_MAX: Final = 1024
"""32 bytes each."""


class Materials:
    """Key materials over the records of a metadata store. Safe from any thread."""

    def __init__(self, records: KeyRecords, keyring: Keyring, entropy: Entropy) -> None:
        self._records = records
        self._keyring = keyring
        self._entropy = entropy
        self._lock = Lock()
        self._opened: OrderedDict[tuple[KmsKeyId, int], bytes] = OrderedDict()

    def new(self, key_id: KmsKeyId, version: int, now_ms: int) -> KeyMaterial:
        """Return fresh material, sealed, to be recorded by the caller."""
        return KeyMaterial(
            key_id=key_id,
            version=version,
            sealed_material=self._keyring.seal(
                Purpose.KMS_KEY_MATERIAL,
                self._entropy.take(MATERIAL_BYTES),
                belongs_to=_owner(key_id, version),
            ),
            created_ms=now_ms,
        )

    def opened(self, key_id: KmsKeyId, version: int) -> bytes:
        """Return a version of a key's material.

        Raises:
            KmsError: InvalidCiphertextException: the key never had that version.
            StoreUnusable: it does not open under this master key.
        """
        with self._lock:
            if (known := self._opened.get((key_id, version))) is not None:
                self._opened.move_to_end((key_id, version))
                return known
        opened = self._keyring.open(
            Purpose.KMS_KEY_MATERIAL,
            self._recorded(key_id, version).sealed_material,
            belongs_to=_owner(key_id, version),
        )
        with self._lock:
            self._opened[key_id, version] = opened
            if len(self._opened) > _REMEMBERED_MAX:
                self._opened.popitem(last=False)
        return opened

    def forget(self, key_id: KmsKeyId | None = None) -> None:
        """Let go of what was opened: of one key, or of all."""
        with self._lock:
            for known in [known for known in self._opened if key_id in {None, known[0]}]:
                del self._opened[known]

    def _recorded(self, key_id: KmsKeyId, version: int) -> KeyMaterial:
        for record in self._records.key_materials(key_id):
            if record.version == version:
                return record
        raise invalid_ciphertext()


def _owner(key_id: KmsKeyId, version: int) -> str:
    """Return what sealed material belongs to. Part of the format."""
    return f"{key_id} {version}"
