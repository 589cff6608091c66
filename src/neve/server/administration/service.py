"""Does what operators ask, on the store itself: one thing at a time, wholly or not at all.

It works on the records while a server serves them: every request looks up who asks, so what is changed here holds
from the next request on.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any, cast

from neve.clock import Clock, Entropy
from neve.domain.keyring import Keyring
from neve.errors import (
    AccessKeyNotFound,
    PolicyInUse,
    PolicyNotFound,
    RecordRefused,
    UserExists,
    UserNotFound,
)
from neve.server.access_keys import AccessKeys
from neve.server.administration import messages
from neve.server.administration.access_keys import AccessKeyDesk
from neve.server.administration.accounts import Accounts
from neve.server.administration.messages import AdministrationRefused, Answer, RefusedBecause, Request
from neve.server.administration.policies import PolicyDesk
from neve.server.administration.simulation import Simulator
from neve.server.administration.users import UserDesk
from neve.stores.metadata.contract import MetadataStore

_WHY: Mapping[type[RecordRefused], RefusedBecause] = {
    AccessKeyNotFound: RefusedBecause.NOT_FOUND,
    UserNotFound: RefusedBecause.NOT_FOUND,
    PolicyNotFound: RefusedBecause.NOT_FOUND,
    UserExists: RefusedBecause.CONFLICT,
    PolicyInUse: RefusedBecause.CONFLICT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Administered:
    """What is administered, and with what."""

    metadata: MetadataStore
    keyring: Keyring
    clock: Clock
    entropy: Entropy
    region: str


class Administration:
    """`messages.Administrator` on the store itself. Safe from any thread."""

    def __init__(self, store: Administered) -> None:
        self._lock = Lock()
        self._handlers = _handlers(store)

    def ask(self, request: Request[Answer]) -> Answer:
        with self._lock:
            try:
                return cast("Answer", self._handlers[type(request)](request))
            except RecordRefused as refused:
                why = _WHY.get(type(refused))
                if why is None:
                    raise
                raise AdministrationRefused(why, str(refused)) from None


def _handlers(store: Administered) -> Mapping[type[Request[Any]], Callable[[Any], Any]]:
    metadata, clock, entropy = store.metadata, store.clock, store.entropy
    accounts = Accounts(metadata, clock, entropy)
    records = AccessKeys(metadata, store.keyring, clock, entropy)
    access_keys = AccessKeyDesk(metadata, accounts, records, clock)
    users = UserDesk(metadata, accounts, access_keys, clock, entropy)
    policies = PolicyDesk(metadata, accounts, clock)
    simulator = Simulator(metadata, accounts, clock, store.region)
    return {
        messages.ListAccounts: accounts.listed,
        messages.CreateAccount: accounts.create,
        messages.ListAccessKeys: access_keys.listed,
        messages.CreateAccessKey: access_keys.create,
        messages.SetAccessKeyEnabled: access_keys.set_enabled,
        messages.DeleteAccessKey: access_keys.delete,
        messages.RotateAccessKey: access_keys.rotate,
        messages.ListUsers: users.listed,
        messages.CreateUser: users.create,
        messages.ShowUser: users.show,
        messages.DeleteUser: users.delete,
        messages.ListPolicies: policies.listed,
        messages.PutPolicy: policies.put,
        messages.ShowPolicy: policies.show,
        messages.DeletePolicy: policies.delete,
        messages.AttachPolicy: policies.attach,
        messages.DetachPolicy: policies.detach,
        messages.SimulateRequest: simulator.ask,
    }
