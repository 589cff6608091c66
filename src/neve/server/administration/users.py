"""Users: listed, made, shown, forgotten."""

from typing import Final

from neve.clock import Clock, Entropy
from neve.domain.identities import AccountId, user_id_from
from neve.domain.principals import user_arn
from neve.server.administration.access_keys import AccessKeyDesk
from neve.server.administration.accounts import Accounts
from neve.server.administration.messages import (
    CreateUser,
    DeleteUser,
    ListUsers,
    ShowUser,
    UserDetails,
    UserView,
)
from neve.server.administration.texts import check_user_name, conflict, moment
from neve.stores.metadata.contract import MetadataStore
from neve.stores.metadata.contract_identities import User

USERS_MAX: Final = 5_000
"""AWS's own quota for an account."""


class UserDesk:
    """What operators ask about users."""

    def __init__(
        self,
        metadata: MetadataStore,
        accounts: Accounts,
        access_keys: AccessKeyDesk,
        clock: Clock,
        entropy: Entropy,
    ) -> None:
        self._identities = metadata.identities
        self._accounts = accounts
        self._access_keys = access_keys
        self._clock = clock
        self._entropy = entropy

    def listed(self, request: ListUsers) -> list[UserView]:
        return [
            _view(user)
            for account in self._accounts.every(request.account_id)
            for user in self._identities.users(account.account_id)
        ]

    def create(self, request: CreateUser) -> UserView:
        check_user_name(request.user_name)
        account_id = self._accounts.the(request.account_id).account_id
        if len(self._identities.users(account_id)) >= USERS_MAX:
            raise conflict(f"account {account_id} has {USERS_MAX} users, as many as an account may have")
        user = User(
            account_id=account_id,
            user_name=request.user_name,
            user_id=user_id_from(self._entropy.take(17)),
            created_ms=self._clock.now_ms(),
        )
        self._identities.add_user(user)
        return _view(user)

    def show(self, request: ShowUser) -> UserDetails:
        account = self._accounts.the(request.account_id)
        user = self._identities.user(account.account_id, request.user_name)
        attached = self._identities.attachments(account.account_id, request.user_name)
        return UserDetails(
            account_id=user.account_id,
            user_name=user.user_name,
            user_id=user.user_id,
            arn=user_arn(user.account_id, user.user_name),
            created=moment(user.created_ms),
            policies=[attachment.policy_name for attachment in attached],
            access_keys=self._access_keys.of(account, user.user_name),
        )

    def delete(self, request: DeleteUser) -> None:
        self._identities.remove_user(self._account_id(request.account_id), request.user_name)

    def _account_id(self, account_id: str | None) -> AccountId:
        return self._accounts.the(account_id).account_id


def _view(user: User) -> UserView:
    return UserView(
        account_id=user.account_id,
        user_name=user.user_name,
        user_id=user.user_id,
        arn=user_arn(user.account_id, user.user_name),
        created=moment(user.created_ms),
    )
