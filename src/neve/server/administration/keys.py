"""KMS keys of the local keyring. Where somebody else's KMS keeps the keys, they are managed there."""

import re
from collections.abc import Callable, Sequence
from typing import Final

from neve.clock import Clock
from neve.domain import kms_changes
from neve.domain.identities import Account, AccountId
from neve.domain.kms_keys import AWS_MANAGED_ALIAS, Alias, Grant, KmsKey, KmsKeyId
from neve.domain.policies.documents import PolicyInvalid, PolicyKind, parse_policy
from neve.domain.policies.ready_made import default_key_policy
from neve.errors import AliasExists, AliasNotFound
from neve.server.administration.accounts import Accounts
from neve.server.administration.messages_keys import (
    CancelKeyDeletion,
    CreateKey,
    KeyDetails,
    KeyView,
    ListKeys,
    PutKeyPolicy,
    RemoveKeyAlias,
    RotateKey,
    ScheduleKeyDeletion,
    SetKeyAlias,
    SetKeyEnabled,
    SetKeyRotation,
    ShowKey,
)
from neve.server.administration.texts import conflict, invalid, moment, not_found, shown
from neve.stores.keys.contract_managed import ManagedKeys
from neve.stores.metadata.contract import MetadataStore
from neve.stores.metadata.contract_keys import KeyRecords

_ALIAS: Final = re.compile(r"alias/(?!aws/)[a-zA-Z0-9/_-]{1,250}", re.ASCII)
"""As KMS has it; what begins with alias/aws/ is the service's own."""
_DESCRIPTION_CHARS_MAX: Final = 8192
"""KMS's own."""
_PAGE: Final = 500


class KeyDesk:
    """What operators ask about KMS keys."""

    def __init__(
        self, metadata: MetadataStore, accounts: Accounts, keys: ManagedKeys | None, clock: Clock
    ) -> None:
        self._records = metadata.keys
        self._accounts = accounts
        self._managed = keys
        self._clock = clock

    def listed(self, request: ListKeys) -> list[KeyView]:
        return [view for account in self._accounts.every(request.account_id) for view in self._views(account)]

    def create(self, request: CreateKey) -> KeyView:
        account = self._accounts.the(request.account_id)
        if len(request.description) > _DESCRIPTION_CHARS_MAX:
            raise invalid(f"a key's description has at most {_DESCRIPTION_CHARS_MAX} characters")
        if request.alias:
            self._check_new_alias(account, request.alias)
        policy = _checked_policy(request.policy) if request.policy else default_key_policy(account.account_id)
        days = request.rotation_days
        if days is not None and not kms_changes.ROTATION_DAYS_MIN <= days <= kms_changes.ROTATION_DAYS_MAX:
            raise invalid(
                f"a key's material rotates every {kms_changes.ROTATION_DAYS_MIN} to {kms_changes.ROTATION_DAYS_MAX} days"
            )
        key = self._keys.create_key(
            account.account_id, description=request.description, policy=policy, tags={}
        )
        if days is not None:
            key = self._keys.update(key.key_id, lambda read: kms_changes.rotating(read, days=days))
        if request.alias:
            self._name(account, request.alias, key)
        return self._view(key)

    def show(self, request: ShowKey) -> KeyDetails:
        key = self._key(request.account_id, request.key_id)
        view = self._view(key)
        return KeyDetails(
            **{name: getattr(view, name) for name in view.__struct_fields__},
            policy=key.policy,
            tags=dict(key.tags),
            grants=[grant.grant_id for grant in grants_of(self._records, key.key_id)],
        )

    def set_enabled(self, request: SetKeyEnabled) -> KeyView:
        change = kms_changes.enabled if request.enabled else kms_changes.disabled
        return self._changed(request.account_id, request.key_id, change)

    def rotate(self, request: RotateKey) -> KeyView:
        key = self._key(request.account_id, request.key_id)
        kms_changes.check_rotatable(key)
        return self._view(self._keys.rotate(key.key_id))

    def set_rotation(self, request: SetKeyRotation) -> KeyView:
        return self._changed(
            request.account_id,
            request.key_id,
            lambda key: kms_changes.rotating(key, days=request.days),
        )

    def schedule_deletion(self, request: ScheduleKeyDeletion) -> KeyView:
        now_ms = self._clock.now_ms()
        return self._changed(
            request.account_id,
            request.key_id,
            lambda key: kms_changes.deletion_scheduled(key, days=request.days, now_ms=now_ms),
        )

    def cancel_deletion(self, request: CancelKeyDeletion) -> KeyView:
        return self._changed(request.account_id, request.key_id, kms_changes.deletion_cancelled)

    def set_alias(self, request: SetKeyAlias) -> KeyView:
        _check_alias(request.alias)
        key = self._key(request.account_id, request.key_id)
        kms_changes.check_customers(key)
        kms_changes.check_not_pending(key)
        account = self._accounts.the(key.account_id)
        self._name(account, request.alias, key)
        return self._view(key)

    def remove_alias(self, request: RemoveKeyAlias) -> None:
        _check_alias(request.alias)
        account_id = self._accounts.the(request.account_id).account_id
        try:
            self._records.remove_alias(account_id, request.alias)
        except AliasNotFound:
            raise not_found(f"account {account_id} has no {request.alias}") from None

    def put_policy(self, request: PutKeyPolicy) -> KeyView:
        policy = _checked_policy(request.document)
        return self._changed(
            request.account_id, request.key_id, lambda key: kms_changes.with_policy(key, policy)
        )

    # --- records

    @property
    def _keys(self) -> ManagedKeys:
        if self._managed is None:
            raise conflict(
                "the keys of this store are kept by another key provider: manage them there, with its own tools"
            )
        return self._managed

    def _key(self, account_id: str | None, name: str) -> KmsKey:
        """Return the key that is meant, which must be the account's own."""
        owner = self._accounts.the(account_id).account_id
        key = existing_key(self._records, self._keys, owner, name)
        if key.account_id != owner:
            raise not_found(
                f"{shown(name)} is a key of account {key.account_id}: name that with --account-id"
            )
        return key

    def _changed(self, account_id: str | None, name: str, change: Callable[[KmsKey], KmsKey]) -> KeyView:
        return self._view(self._keys.update(self._key(account_id, name).key_id, change))

    def _views(self, account: Account) -> list[KeyView]:
        aliases = self._aliases(account)
        views: list[KeyView] = []
        after: KmsKeyId | None = None
        while page := self._keys.keys(account.account_id, after=after, limit=_PAGE):
            views.extend(_view(key, aliases) for key in page)
            after = page[-1].key_id
        return views

    def _view(self, key: KmsKey) -> KeyView:
        return _view(key, self._aliases(self._accounts.the(key.account_id)))

    def _aliases(self, account: Account) -> list[Alias]:
        aliases: list[Alias] = []
        while page := self._records.aliases(
            account.account_id, after=aliases[-1].name if aliases else None, limit=_PAGE
        ):
            aliases.extend(page)
        return aliases

    def _check_new_alias(self, account: Account, name: str) -> None:
        _check_alias(name)
        if any(alias.name == name for alias in self._aliases(account)):
            raise conflict(
                f"{name} names another key already: choose another name, or move it later with `neve keys alias`"
            )

    def _name(self, account: Account, name: str, key: KmsKey) -> None:
        now_ms = self._clock.now_ms()
        alias = Alias(
            account_id=account.account_id,
            name=name,
            key_id=key.key_id,
            created_ms=now_ms,
            updated_ms=now_ms,
        )
        try:
            self._records.add_alias(alias)
        except AliasExists:
            self._records.move_alias(account.account_id, name, key.key_id, now_ms=now_ms)


def existing_key(records: KeyRecords, keys: ManagedKeys, account_id: AccountId, name: str) -> KmsKey:
    """Return the key that a key id, ARN or alias names. To ask for a default key that nobody used yet makes none.

    Raises:
        KmsError, AliasNotFound
    """
    if name == AWS_MANAGED_ALIAS or name.endswith(f":{account_id}:{AWS_MANAGED_ALIAS}"):
        return records.kms_key(records.alias(account_id, AWS_MANAGED_ALIAS).key_id)
    return keys.resolve(account_id, name)


def grants_of(records: KeyRecords, key_id: KmsKeyId) -> list[Grant]:
    """Return every grant of a key."""
    grants: list[Grant] = []
    while page := records.grants(key_id, after=grants[-1].grant_id if grants else None, limit=_PAGE):
        grants.extend(page)
    return grants


def _check_alias(name: str) -> None:
    if not _ALIAS.fullmatch(name):
        raise invalid(
            f"{shown(name)} cannot be an alias: write alias/ and up to 250 letters, digits and characters of /_-; names "
            "that begin with alias/aws/ are the service's own"
        )


def _checked_policy(document: str) -> str:
    try:
        parse_policy(document, PolicyKind.KEY)
    except PolicyInvalid as refused:
        raise invalid(f"the document is no key policy: {refused}") from None
    return document


def _view(key: KmsKey, aliases: Sequence[Alias]) -> KeyView:
    return KeyView(
        key_id=key.key_id,
        arn=key.arn,
        account_id=key.account_id,
        description=key.description,
        manager=key.manager.value,
        state=key.state.value,
        aliases=[alias.name for alias in aliases if alias.key_id == key.key_id],
        created=moment(key.created_ms),
        deletion=None if key.deletion_ms is None else moment(key.deletion_ms),
        rotated=moment(key.rotated_ms),
        rotation_days=key.rotation_days,
        material_version=key.material_version,
    )
