"""What a key provider that is our own can do beside wrapping: make keys, change them, encrypt for others.

The KMS operations work on this. A key provider that is somebody else's KMS does not have it: its keys are made and
changed there.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from neve.domain.identities import AccountId
from neve.domain.kms_keys import EncryptionContext, KeyManager, KmsKey, KmsKeyId
from neve.stores.keys.contract import KeyDescription, KeyProvider


class ManagedKeys(KeyProvider, Protocol):
    """A key provider whose keys we keep. What it promises is said at `KeyProvider`."""

    def create_key(
        self,
        account_id: AccountId,
        *,
        description: str,
        policy: str,
        tags: Mapping[str, str],
        manager: KeyManager = KeyManager.CUSTOMER,
    ) -> KmsKey:
        """Make an enabled key with fresh material and return its record."""
        ...

    def resolve(self, account_id: AccountId, name: str) -> KmsKey:
        """Return the key that a key id, key ARN, `alias/…` or alias ARN names; bare names are the account's own.

        Raises:
            KmsError: NotFoundException, InvalidArnException.
        """
        ...

    def keys(self, account_id: AccountId, *, after: KmsKeyId | None, limit: int) -> Sequence[KmsKey]:
        """Return up to `limit` of the account's keys, ascending by id, the first one above `after`."""
        ...

    def update(self, key_id: KmsKeyId, change: Callable[[KmsKey], KmsKey]) -> KmsKey:
        """Replace a key's record by what `change` makes of it, and return that.

        `change` is called again if somebody else was faster; whatever it raises comes out, and nothing changed.

        Raises:
            KmsError: NotFoundException.
        """
        ...

    def rotate(self, key_id: KmsKeyId) -> KmsKey:
        """Give a key new material, which wraps from now on; older wrappings still open.

        Raises:
            KmsError: NotFoundException, DisabledException, KMSInvalidStateException.
        """
        ...

    def remove(self, key: KmsKey) -> None:
        """Destroy a key whose time has come: nothing it wrapped will ever open again.

        Raises:
            KmsKeyNotFound, KmsKeyChanged
        """
        ...

    def encrypt(self, key_arn: str, plaintext: bytes, context: EncryptionContext) -> bytes:
        """Return up to 4096 bytes wrapped under the key.

        Raises:
            KmsError
        """
        ...

    def key_of(self, ciphertext: bytes) -> str:
        """Return the ARN of the key that a ciphertext says it was made with.

        Raises:
            KmsError: InvalidCiphertextException if it is none of ours; NotFoundException if that key is gone.
        """
        ...

    def grant_token(self, key_arn: str, grant_id: str) -> str:
        """Return a text that names a grant and that nobody else can make."""
        ...

    def read_grant_token(self, token: str) -> tuple[str, str]:
        """Return the key's ARN and the grant's id that a token names; both may be gone.

        Raises:
            KmsError: InvalidGrantTokenException.
        """
        ...


def description_of(key: KmsKey) -> KeyDescription:
    """Return what a record of ours says of its key."""
    return KeyDescription(
        arn=key.arn,
        account_id=key.account_id,
        state=key.state,
        manager=key.manager,
        key_version=str(key.material_version),
        policy=key.policy,
        tags=key.tags,
    )
