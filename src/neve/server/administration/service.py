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
    AliasNotFound,
    KmsError,
    KmsKeyNotFound,
    PolicyInUse,
    PolicyNotFound,
    RecordRefused,
    UserExists,
    UserNotFound,
)
from neve.events import Report
from neve.limits import Limits
from neve.server.access_keys import AccessKeys
from neve.server.administration import messages, messages_keys, messages_tasks, messages_upkeep, protocol
from neve.server.administration.access_keys import AccessKeyDesk
from neve.server.administration.accounts import Accounts
from neve.server.administration.backing_up import BackUp, BackupDesk
from neve.server.administration.collecting import CollectionDesk
from neve.server.administration.keys import KeyDesk
from neve.server.administration.messages import AdministrationRefused, Answer, RefusedBecause, Request
from neve.server.administration.policies import PolicyDesk
from neve.server.administration.repairing import OpenRepairer, OpenReplica, RepairDesk
from neve.server.administration.simulation import Simulator
from neve.server.administration.standing import StandingDesk
from neve.server.administration.task_desk import TaskDesk
from neve.server.administration.tasks import Tasks
from neve.server.administration.undoing import UndoingDesk
from neve.server.administration.usage import UsageDesk
from neve.server.administration.users import UserDesk
from neve.server.administration.verifying import OpenVerifier, VerificationDesk
from neve.server.collecting import Collections
from neve.server.ledger import Ledger
from neve.storage.usage import Reckoner
from neve.stores.keys.contract_managed import ManagedKeys
from neve.stores.metadata.contract import MetadataStore
from neve.stores.segments.contract import SegmentStore

_WHY: Mapping[type[RecordRefused], RefusedBecause] = {
    AccessKeyNotFound: RefusedBecause.NOT_FOUND,
    UserNotFound: RefusedBecause.NOT_FOUND,
    PolicyNotFound: RefusedBecause.NOT_FOUND,
    UserExists: RefusedBecause.CONFLICT,
    PolicyInUse: RefusedBecause.CONFLICT,
    AliasNotFound: RefusedBecause.NOT_FOUND,
    KmsKeyNotFound: RefusedBecause.NOT_FOUND,
}
_WHY_OF_KMS: Mapping[str, RefusedBecause] = {
    "NotFoundException": RefusedBecause.NOT_FOUND,
    "InvalidArnException": RefusedBecause.INVALID,
    "ValidationException": RefusedBecause.INVALID,
}
"""Every other refusal of KMS is about the state a key is in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Administered:
    """What is administered, and with what."""

    metadata: MetadataStore
    keyring: Keyring
    """Seals the secrets of access keys."""
    keys: ManagedKeys | None
    """The KMS keys; None where somebody else's KMS keeps them."""
    open_reckoner: Callable[[], Reckoner]
    """Makes what reads block maps; for one reckoning, so that what it remembers goes with it."""
    open_verifier: OpenVerifier
    open_repairer: OpenRepairer
    open_replica: OpenReplica
    back_up: BackUp
    clock: Clock
    entropy: Entropy
    report: Report
    region: str
    segments: SegmentStore
    limits: Limits
    tasks: Tasks
    """Ended by whoever administers."""
    collections: Collections
    ledger: Ledger
    deletion_undo_s: int
    """How long a deletion can be undone."""


class Administration:
    """`messages.Administrator` on the store itself. Safe from any thread."""

    def __init__(self, store: Administered) -> None:
        self._lock = Lock()
        self._tasks = store.tasks
        self._handlers = _handlers(store, self._tasks)

    def close(self) -> None:
        """End what is under way, before that is closed which it works on. Repeating it changes nothing."""
        self._tasks.close()

    def ask(self, request: Request[Answer]) -> Answer:
        protocol.request_line(request)  # what cannot be said to a server cannot be said to the store
        with self._lock:
            try:
                return cast("Answer", self._handlers[type(request)](request))
            except RecordRefused as refused:
                why = _WHY.get(type(refused))
                if why is None:
                    raise
                raise AdministrationRefused(why, str(refused)) from None
            except KmsError as refused:
                why = _WHY_OF_KMS.get(refused.code, RefusedBecause.CONFLICT)
                raise AdministrationRefused(why, refused.message) from None


def _handlers(store: Administered, tasks: Tasks) -> Mapping[type[Request[Any]], Callable[[Any], Any]]:
    metadata, clock, entropy = store.metadata, store.clock, store.entropy
    accounts = Accounts(metadata, clock, entropy)
    records = AccessKeys(metadata, store.keyring, clock, entropy)
    access_keys = AccessKeyDesk(metadata, accounts, records, clock, store.region)
    users = UserDesk(metadata, accounts, access_keys, clock, entropy)
    policies = PolicyDesk(metadata, accounts, clock)
    simulator = Simulator(metadata, accounts, store.keys, clock, store.region)
    keys = KeyDesk(metadata, accounts, store.keys, clock)
    at_work = TaskDesk(tasks)
    backup = BackupDesk(store.back_up, tasks)
    verification = VerificationDesk(store.open_verifier, tasks, store.report)
    collection = CollectionDesk(store.collections)
    repair = RepairDesk(store.open_repairer, store.open_replica, tasks, store.report, store.limits)
    standing = StandingDesk(metadata, store.segments, tasks, store.ledger, clock)
    undoing = UndoingDesk(metadata, accounts, clock, deletion_undo_s=store.deletion_undo_s)
    usage = UsageDesk(
        metadata, accounts, store.open_reckoner, tasks, clock, deletion_undo_s=store.deletion_undo_s
    )
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
        messages_keys.ListKeys: keys.listed,
        messages_keys.CreateKey: keys.create,
        messages_keys.ShowKey: keys.show,
        messages_keys.SetKeyEnabled: keys.set_enabled,
        messages_keys.RotateKey: keys.rotate,
        messages_keys.SetKeyRotation: keys.set_rotation,
        messages_keys.ScheduleKeyDeletion: keys.schedule_deletion,
        messages_keys.CancelKeyDeletion: keys.cancel_deletion,
        messages_keys.SetKeyAlias: keys.set_alias,
        messages_keys.RemoveKeyAlias: keys.remove_alias,
        messages_keys.PutKeyPolicy: keys.put_policy,
        messages_tasks.ReckonUsage: usage.reckon_usage,
        messages_tasks.ReckonFreed: usage.reckon_freed,
        messages_tasks.ShowTask: at_work.show,
        messages_tasks.StopTask: at_work.stop,
        messages_tasks.CountStore: standing.count,
        messages_tasks.VerifyStore: verification.verify,
        messages_tasks.CollectGarbage: collection.collect,
        messages_tasks.RepairStore: repair.repair,
        messages_tasks.BackUpMetadata: backup.back_up,
        messages_tasks.FeedTask: at_work.feed,
        messages_upkeep.ListDeletions: undoing.listed,
        messages_upkeep.UndeleteSnapshot: undoing.undelete,
    }
