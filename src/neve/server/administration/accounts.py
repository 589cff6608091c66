"""Accounts: listed, made, and found for everything that happens inside one."""

from neve.clock import Clock, Entropy
from neve.domain.identities import ACCOUNT_ID_PATTERN, Account, AccountId, account_id_from
from neve.server.administration.messages import AccountView, CreateAccount, ListAccounts
from neve.server.administration.texts import check_account_name, conflict, invalid, moment, not_found, shown
from neve.stores.metadata.contract import MetadataStore


class Accounts:
    """The accounts of a store."""

    def __init__(self, metadata: MetadataStore, clock: Clock, entropy: Entropy) -> None:
        self._metadata = metadata
        self._clock = clock
        self._entropy = entropy

    def listed(self, _request: ListAccounts) -> list[AccountView]:
        return [_view(account) for account in self._metadata.accounts()]

    def create(self, request: CreateAccount) -> AccountView:
        check_account_name(request.name)
        account_id = request.account_id or account_id_from(self._entropy.take(8))
        if not ACCOUNT_ID_PATTERN.fullmatch(account_id):
            raise invalid(f"{shown(account_id)} is no account id: it has twelve digits")
        if any(account.account_id == account_id for account in self._metadata.accounts()):
            raise conflict(f"there is an account {account_id} already")
        account = Account(
            account_id=AccountId(account_id), name=request.name, created_ms=self._clock.now_ms()
        )
        self._metadata.create_account(account)
        return _view(account)

    def the(self, account_id: str | None) -> Account:
        """Return the account that is meant: the one named, or the only one."""
        accounts = self._metadata.accounts()
        if account_id is None and len(accounts) == 1:
            return accounts[0]
        known = ", ".join(account.account_id for account in accounts)
        if account_id is None:
            raise invalid(f"name one of the store's accounts with --account-id: {known}")
        for account in accounts:
            if account.account_id == account_id:
                return account
        raise not_found(f"there is no account {shown(account_id)} in this store; there are {known}")

    def every(self, account_id: str | None) -> list[Account]:
        """Return the account that is named, or all of them."""
        return list(self._metadata.accounts()) if account_id is None else [self.the(account_id)]


def _view(account: Account) -> AccountView:
    return AccountView(account_id=account.account_id, name=account.name, created=moment(account.created_ms))
