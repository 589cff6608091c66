"""The local keyring: KMS keys of our own, kept as records, their material sealed under the store's master key.

    master key ─▶ sealed material (record) ─▶ material (memory, bounded) ─▶ ciphertexts (local_ciphertexts)

Every use of a key reads its record first, so that a key that was disabled or scheduled for deletion stops with
the next call, in whatever process that was done. Opened material may be remembered because a version of a key's
material never changes and a key id is never used twice. Who may use a key is not decided here.
"""

import base64
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from neve.clock import Clock, Entropy
from neve.domain.identities import AccountId
from neve.domain.keyring import Keyring, Purpose
from neve.domain.kms_keys import (
    AWS_MANAGED_ALIAS,
    Alias,
    EncryptionContext,
    KeyManager,
    KeyMaterial,
    KeyState,
    KmsKey,
    KmsKeyId,
)
from neve.domain.kms_keys import (
    key_arn as arn_of,
)
from neve.domain.policies.ready_made import aws_managed_key_policy
from neve.errors import AliasExists, AliasNotFound, KmsError, KmsKeyChanged, KmsKeyNotFound, StoreUnusable
from neve.stores.keys import local_ciphertexts
from neve.stores.keys.contract import DataKey, KeyDescription
from neve.stores.keys.contract_managed import description_of
from neve.stores.keys.key_arns import (
    DATA_KEY_BYTES_MAX,
    check_usable,
    invalid_ciphertext,
    key_not_found,
    parse_key_arn,
)
from neve.stores.keys.key_names import KeyName, alias_not_found, parse_name
from neve.stores.keys.local_materials import Materials
from neve.stores.metadata.contract_keys import KeyRecords

PLAINTEXT_BYTES_MAX: Final = 4096
"""What one Encrypt takes (KMS API reference, Encrypt)."""

_DEFAULT_KEY_DESCRIPTION: Final = "Default key that protects my EBS volumes when no other key is defined"
"""AWS's own words."""
_DEFAULT_KEY_ROTATION_DAYS: Final = 365
"""AWS rotates the keys it manages every year (KMS developer guide, "Rotating AWS KMS keys")."""
_PAGE_KEYS: Final = 100
_GRANT_TOKEN: Final = "grant token"  # noqa: S105 - what a sealed value belongs to


class LocalKeyring:
    """`ManagedKeys` over the records of a metadata store. Safe from any thread."""

    def __init__(
        self, *, records: KeyRecords, keyring: Keyring, clock: Clock, entropy: Entropy, region: str
    ) -> None:
        self._records = records
        self._keyring = keyring
        self._clock = clock
        self._entropy = entropy
        self._region = region
        self._materials = Materials(records, keyring, entropy)

    # --- every key provider

    @property
    def name(self) -> str:
        return "local keyring"

    @property
    def remote(self) -> bool:
        return False

    @property
    def accounts_are_ours(self) -> bool:
        return True

    def describe(self, key_arn: str) -> KeyDescription:
        return description_of(self._by_arn(key_arn))

    def default_key_arn(self, account_id: AccountId) -> str:
        while True:
            try:
                return self._record(self._records.alias(account_id, AWS_MANAGED_ALIAS).key_id).arn
            except AliasNotFound:
                self._make_default_key(account_id)

    def generate_data_key(self, key_arn: str, context: EncryptionContext, *, size_bytes: int) -> DataKey:
        assert 1 <= size_bytes <= DATA_KEY_BYTES_MAX
        key = self._usable(key_arn)
        plaintext = self._entropy.take(size_bytes)
        return DataKey(
            plaintext=plaintext,
            wrapping=self._sealed(key, plaintext, context),
            key_version=str(key.material_version),
        )

    def decrypt(self, key_arn: str, wrapping: bytes, context: EncryptionContext) -> bytes:
        return self._unsealed(self._usable(key_arn), wrapping, context)

    def re_encrypt(
        self,
        key_arn: str,
        wrapping: bytes,
        context: EncryptionContext,
        *,
        to_key_arn: str,
        to_context: EncryptionContext,
    ) -> tuple[bytes, str]:
        plaintext = self._unsealed(self._usable(key_arn), wrapping, context)
        to_key = self._usable(to_key_arn)
        return self._sealed(to_key, plaintext, to_context), str(to_key.material_version)

    def close(self) -> None:
        self._materials.forget()

    # --- what only a provider that is our own can do

    def create_key(
        self,
        account_id: AccountId,
        *,
        description: str,
        policy: str,
        tags: Mapping[str, str],
        manager: KeyManager = KeyManager.CUSTOMER,
    ) -> KmsKey:
        key_id = KmsKeyId(str(uuid.UUID(bytes=self._entropy.take(16), version=4)))
        now_ms = self._clock.now_ms()
        key = KmsKey(
            key_id=key_id,
            account_id=account_id,
            arn=arn_of(self._region, account_id, key_id),
            description=description,
            manager=manager,
            state=KeyState.ENABLED,
            created_ms=now_ms,
            deletion_ms=None,
            rotation_days=_DEFAULT_KEY_ROTATION_DAYS if manager is KeyManager.AWS else None,
            rotated_ms=now_ms,
            material_version=1,
            policy=policy,
            tags=dict(tags),
        )
        self._records.add_kms_key(key, self._materials.new(key_id, 1, now_ms))
        return key

    def resolve(self, account_id: AccountId, name: str) -> KmsKey:
        """Return the key of a name. To name one's own `alias/aws/ebs` is to use it: that makes it (contract 10)."""
        parsed = parse_name(name, account_id=account_id, region=self._region)
        if not parsed.alias:
            return self._in_account(parsed)
        if parsed.alias == AWS_MANAGED_ALIAS and parsed.account_id == account_id:
            return self._by_arn(self.default_key_arn(account_id))
        try:
            return self._record(self._records.alias(parsed.account_id, parsed.alias).key_id)
        except AliasNotFound:
            raise alias_not_found(parsed.arn) from None

    def keys(self, account_id: AccountId, *, after: KmsKeyId | None, limit: int) -> Sequence[KmsKey]:
        return self._records.kms_keys(account_id, after=after, limit=limit)

    def update(self, key_id: KmsKeyId, change: Callable[[KmsKey], KmsKey]) -> KmsKey:
        """Replace a record; one that `change` leaves as it was is not written."""
        return self._replaced(key_id, change, lambda _: None)

    def rotate(self, key_id: KmsKeyId) -> KmsKey:
        now_ms = self._clock.now_ms()

        def rotated(key: KmsKey) -> KmsKey:
            check_usable(description_of(key))
            return replace(key, material_version=key.material_version + 1, rotated_ms=now_ms)

        return self._replaced(
            key_id, rotated, lambda key: self._materials.new(key_id, key.material_version, now_ms)
        )

    def remove(self, key: KmsKey) -> None:
        self._records.remove_kms_key(key.key_id, revision=key.revision)
        self._materials.forget(key.key_id)

    def encrypt(self, key_arn: str, plaintext: bytes, context: EncryptionContext) -> bytes:
        assert len(plaintext) <= PLAINTEXT_BYTES_MAX
        return self._sealed(self._usable(key_arn), plaintext, context)

    def key_of(self, ciphertext: bytes) -> str:
        return self._record(local_ciphertexts.parse(ciphertext).key_id).arn

    def grant_token(self, key_arn: str, grant_id: str) -> str:
        named = f"{key_arn} {grant_id}".encode()
        sealed = self._keyring.seal(Purpose.GRANT_TOKENS, named, belongs_to=_GRANT_TOKEN)
        return base64.b64encode(sealed).decode()

    def read_grant_token(self, token: str) -> tuple[str, str]:
        try:
            sealed = base64.b64decode(token, validate=True)
            named = self._keyring.open(Purpose.GRANT_TOKENS, sealed, belongs_to=_GRANT_TOKEN)
        except (ValueError, StoreUnusable):
            raise KmsError("InvalidGrantTokenException", "The grant token is not valid.") from None
        key_arn, grant_id = named.decode().split(" ")
        return key_arn, grant_id

    # --- records

    def _record(self, key_id: KmsKeyId) -> KmsKey:
        try:
            return self._records.kms_key(key_id)
        except KmsKeyNotFound:
            raise key_not_found(key_id) from None

    def _by_arn(self, arn: str) -> KmsKey:
        parts = parse_key_arn(arn)
        try:
            key = self._records.kms_key(KmsKeyId(parts.key_id))
        except KmsKeyNotFound:
            raise key_not_found(arn) from None
        if key.arn != arn:
            raise key_not_found(arn)
        return key

    def _in_account(self, name: KeyName) -> KmsKey:
        """Return the key of a name; one in another account than the name says is as good as none."""
        try:
            key = self._records.kms_key(name.key_id)
        except KmsKeyNotFound:
            raise key_not_found(name.arn) from None
        if key.account_id != name.account_id:
            raise key_not_found(name.arn)
        return key

    def _usable(self, arn: str) -> KmsKey:
        key = self._by_arn(arn)
        check_usable(description_of(key))
        return key

    def _replaced(
        self,
        key_id: KmsKeyId,
        change: Callable[[KmsKey], KmsKey],
        new_material: Callable[[KmsKey], KeyMaterial | None],
    ) -> KmsKey:
        while True:
            read = self._record(key_id)
            changed = change(read)
            if changed == read:
                return read
            try:
                self._records.replace_kms_key(changed, new_material=new_material(changed))
            except KmsKeyChanged:
                continue
            except KmsKeyNotFound:
                raise key_not_found(read.arn) from None
            return replace(changed, revision=read.revision + 1)

    def _make_default_key(self, account_id: AccountId) -> None:
        """See that the account has a default key and its alias, whoever makes them.

        A crash may have left a key without the alias: that key is taken. Of several made at once, the one that
        the alias names stays, and whoever made another takes it away again.
        """
        made: KmsKey | None = None
        key = self._unnamed_default_key(account_id)
        if key is None:
            key = made = self.create_key(
                account_id,
                description=_DEFAULT_KEY_DESCRIPTION,
                policy=aws_managed_key_policy(account_id),
                tags={},
                manager=KeyManager.AWS,
            )
        now_ms = self._clock.now_ms()
        alias = Alias(
            account_id=account_id,
            name=AWS_MANAGED_ALIAS,
            key_id=key.key_id,
            created_ms=now_ms,
            updated_ms=now_ms,
        )
        try:
            self._records.add_alias(alias)
        except AliasExists:
            if made and self._records.alias(account_id, AWS_MANAGED_ALIAS).key_id != made.key_id:
                self.remove(made)
        except KmsKeyNotFound:
            # Its maker took it away, since the alias names another: the caller looks again.
            pass

    def _unnamed_default_key(self, account_id: AccountId) -> KmsKey | None:
        """Return a key made for the alias that does not have it."""
        after: KmsKeyId | None = None
        while page := self._records.kms_keys(account_id, after=after, limit=_PAGE_KEYS):
            for key in page:
                if key.manager is KeyManager.AWS:
                    return key
            after = page[-1].key_id
        return None

    # --- ciphertexts

    def _sealed(self, key: KmsKey, plaintext: bytes, context: EncryptionContext) -> bytes:
        try:
            material = self._materials.opened(key.key_id, key.material_version)
        except KmsError:
            raise key_not_found(key.arn) from None
        return local_ciphertexts.seal(
            plaintext,
            key_id=key.key_id,
            material_version=key.material_version,
            material=material,
            salt=self._entropy.take(local_ciphertexts.SALT_BYTES),
            context=context,
        )

    def _unsealed(self, key: KmsKey, ciphertext: bytes, context: EncryptionContext) -> bytes:
        parsed = local_ciphertexts.parse(ciphertext)
        if parsed.key_id != key.key_id:
            raise invalid_ciphertext()
        material = self._materials.opened(key.key_id, parsed.material_version)
        return local_ciphertexts.unseal(parsed, material=material, context=context)
