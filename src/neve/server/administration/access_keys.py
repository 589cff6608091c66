"""Access keys of accounts and users: listed, made, stopped, made anew."""

from typing import Final

from neve.clock import Clock
from neve.domain.identities import AccessKey, Account, AccountId
from neve.errors import AccessKeyNotFound
from neve.server import access_keys
from neve.server.access_keys import AccessKeys
from neve.server.administration.accounts import Accounts
from neve.server.administration.messages import (
    AccessKeyView,
    CreateAccessKey,
    DeleteAccessKey,
    ListAccessKeys,
    NewAccessKey,
    RotateAccessKey,
    RotatedAccessKey,
    SetAccessKeyEnabled,
)
from neve.server.administration.texts import (
    conflict,
    duration_ms,
    expiry_ms,
    invalid,
    moment,
    not_found,
    shown,
)
from neve.stores.metadata.contract import MetadataStore

KEYS_PER_HOLDER_MAX: Final = 100
"""Far above what rotating needs; AWS has two for a user."""


class AccessKeyDesk:
    """What operators ask about access keys."""

    def __init__(
        self, metadata: MetadataStore, accounts: Accounts, records: AccessKeys, clock: Clock, region: str
    ) -> None:
        self._metadata = metadata
        self._accounts = accounts
        self._records = records
        self._clock = clock
        self._region = region

    def listed(self, request: ListAccessKeys) -> list[AccessKeyView]:
        if request.user_name is not None:
            account = self._accounts.the(request.account_id)
            self._check_holder(account.account_id, request.user_name)
            return self.of(account, request.user_name)
        return [
            view for account in self._accounts.every(request.account_id) for view in self.of(account, None)
        ]

    def of(self, account: Account, user_name: str | None) -> list[AccessKeyView]:
        """Return an account's keys: all, or those of one user or of the account itself."""
        return [
            self._view(account, key)
            for key in self._metadata.access_keys(account.account_id)
            if user_name is None or key.user_name == user_name
        ]

    def create(self, request: CreateAccessKey) -> NewAccessKey:
        account = self._accounts.the(request.account_id)
        expires_ms = expiry_ms(request.expires, now_ms=self._clock.now_ms())
        self._check_holder(account.account_id, request.user_name)
        self._check_room(account, request.user_name)
        return self._new_view(
            self._records.create(account.account_id, user_name=request.user_name, expires_ms=expires_ms)
        )

    def set_enabled(self, request: SetAccessKeyEnabled) -> AccessKeyView:
        key = self._key(request.access_key_id)
        changed = self._records.set_enabled(key.access_key_id, enabled=request.enabled)
        return self._view(self._accounts.the(key.account_id), changed)

    def delete(self, request: DeleteAccessKey) -> None:
        self._metadata.remove_access_key(self._key(request.access_key_id).access_key_id)

    def rotate(self, request: RotateAccessKey) -> RotatedAccessKey:
        now_ms = self._clock.now_ms()
        grace_ms = duration_ms(request.grace)
        expires_ms = expiry_ms(request.expires, now_ms=now_ms)
        old = self._key(request.access_key_id)
        if not old.enabled or (old.expires_ms is not None and now_ms >= old.expires_ms):
            raise conflict(
                f"access key {old.access_key_id} is of no use any more, so nobody needs one in its place: make a new one "
                "with `neve access-keys create`"
            )
        if old.expires_ms is not None and not request.expires:
            raise invalid(
                f"access key {old.access_key_id} expires: say with --expires when the new one shall, or `--expires never`"
            )
        account = self._accounts.the(old.account_id)
        self._check_room(account, old.user_name)
        new, ending = self._records.rotate(old, grace_ms=grace_ms, expires_ms=expires_ms)
        return RotatedAccessKey(new=self._new_view(new), old=self._view(account, ending))

    def _key(self, access_key_id: str) -> AccessKey:
        try:
            return self._metadata.access_key(access_key_id)
        except AccessKeyNotFound:
            raise not_found(f"there is no access key {shown(access_key_id)} in this store") from None

    def _check_holder(self, account_id: AccountId, user_name: str) -> None:
        if user_name:
            self._metadata.identities.user(account_id, user_name)

    def _check_room(self, account: Account, user_name: str) -> None:
        if len(self.of(account, user_name)) >= KEYS_PER_HOLDER_MAX:
            raise conflict(
                f"{user_name or 'the account'} has {KEYS_PER_HOLDER_MAX} access keys: delete those that nobody uses"
            )

    def _view(self, account: Account, key: AccessKey) -> AccessKeyView:
        return AccessKeyView(
            access_key_id=key.access_key_id,
            account_id=key.account_id,
            account_name=account.name,
            user_name=key.user_name,
            enabled=key.enabled,
            expires=None if key.expires_ms is None else moment(key.expires_ms),
            expired=key.expires_ms is not None and self._clock.now_ms() >= key.expires_ms,
            created=moment(key.created_ms),
        )

    def _new_view(self, key: access_keys.NewAccessKey) -> NewAccessKey:
        return NewAccessKey(
            account_id=key.account_id,
            user_name=key.user_name,
            access_key_id=key.access_key_id,
            secret_access_key=key.secret_access_key,
            expires=None if key.expires_ms is None else moment(key.expires_ms),
            region=self._region,
        )
