"""Programs of metadata calls with an archive beside each store: after a flush it has what there is, and restoring it
into a new store gives one that answers as the old one.

Both stores are put to it, the one in memory too: what others build on it is only worth as much.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from machines.sqlite_records import SqliteRecords
from neve.domain.identities import AccessKey, AccountId
from neve.domain.keyring import Keyring
from neve.domain.locks import Lock
from neve.domain.snapshots import Sealed
from neve.storage.archiving import Archiver, archived_names, read_record
from neve.stores.metadata.contract import EVERYBODY, MetadataStore
from neve.stores.metadata.contract_archive import ARCHIVE_ORDER, STORE_FACTS, ArchivedRecord, Completion
from neve.stores.metadata.contract_identities import AccountSettings
from neve.stores.metadata.contract_keys import DomainWrapping
from neve.testing.memory_archive import MemoryArchiveStore
from neve.testing.memory_metadata import MemoryMetadataStore
from neve.testing.metadata_contract_archive import answers, changed, every_name, everything
from neve.testing.metadata_contract_identities import policy, user
from neve.testing.metadata_contract_keys import alias, grant, kms_key, kms_key_id, material
from neve.testing.metadata_machine import NODE, Side, chunks, domains, picks, seldom, tags
from neve.testing.metadata_machine_lifecycle import LifecycleMachine, locks, sides
from neve.testing.metadata_scene import chunk_id, snapshot_id
from neve.testing.time_and_chance import SeededEntropy

KEYRING = Keyring(bytes(32), SeededEntropy())
USER_CHANGES = ("add", "put", "unput", "attach", "detach", "remove")
KEY_CHANGES = ("add", "add", "rotate", "describe", "alias", "move", "move", "unname", "grant", "remove")
SNAPSHOT_CHANGES = ("tag", "untag", "share", "unshare", "guest", "lock", "unlock", "delete")
numbers = st.integers(1, 2)


class ArchiveMachine(LifecycleMachine):
    """The rules: those of lives, more changes of what is archived, and looks at the archive."""

    records = SqliteRecords()

    def __init__(self) -> None:
        super().__init__()
        self._archives = {side: MemoryArchiveStore() for side in (self.model, self.subject)}
        self._archivers: dict[Side, tuple[MetadataStore, Archiver]] = {}

    def teardown(self) -> None:
        try:
            self.archive_all(is_restored=True)
        finally:
            super().teardown()

    def _archiver(self, side: Side) -> Archiver:
        """Return who keeps the archive of a store since it was opened last."""
        store, archiver = self._archivers.get(side, (None, None))
        if archiver is None or store is not side.store:
            archiver = Archiver(metadata=side.store, store=self._archives[side], keyring=KEYRING)
            self._archivers[side] = side.store, archiver
        return archiver

    # --- more of what is archived

    @initialize(owner=sides, lock=locks, given=tags)
    def something_of_everything(self, *, owner: AccountId, lock: Lock, given: dict[str, str]) -> None:
        self._start()
        self.have_something_of_everything(owner=owner, pick=0, lock=lock, given=given, is_archived=True)

    @rule(owner=sides, pick=picks, lock=locks, given=tags, is_archived=st.booleans())
    def have_something_of_everything(
        self, *, owner: AccountId, pick: int, lock: Lock, given: dict[str, str], is_archived: bool
    ) -> None:
        """Programs that change it are the more, the more there is."""
        for what in ("add", "put", "attach"):
            self.change_a_user(owner=owner, number=1, what=what)
        for what in ("add", "alias", "grant"):
            self.change_a_key(number=1, other=1, what=what)
        self.change_a_key(number=2, other=2, what="add")
        self.change_an_access_key(owner=owner, number=1, is_of_user=True, is_removed=False)
        self.wrap(domain=1, generation=1, is_made_anew=False)
        self.complete(pick, 0, 1, is_deleted=False)
        self.change_the_lock(pick=pick, lock=lock, is_stranger=False)
        self.put_tags(named=[pick], is_stranger=False, given={"a": "", **given}, tags_max=4)
        self.have_a_guest_who_tags(pick, given={"b": "", **given}, granted=("",))
        if is_archived:
            self.archive_all(is_restored=False)

    @rule(owner=sides, number=numbers, what=st.sampled_from(USER_CHANGES))
    def change_a_user(self, *, owner: AccountId, number: int, what: str) -> None:
        name = f"user-{number}"

        def change(side: Side) -> None:
            identities = side.store.identities
            match what:
                case "add":
                    identities.add_user(user(name, owner))
                case "put":
                    identities.put_policy(policy("p", owner, number=number))
                case "unput":
                    identities.remove_policy(owner, "p")
                case "attach":
                    identities.attach_policy(owner, name, "p")
                case "detach":
                    identities.detach_policy(owner, name, "p")
                case _:
                    identities.remove_user(owner, name)

        self.both(change)
        self.archive_all(is_restored=False)

    @rule(owner=sides, number=numbers, is_of_user=st.booleans(), is_removed=seldom)
    def change_an_access_key(
        self, *, owner: AccountId, number: int, is_of_user: bool, is_removed: bool
    ) -> None:
        key = AccessKey(
            access_key_id=f"AKIA{owner[:4]}{number}",
            account_id=owner,
            sealed_secret=bytes([number]),
            created_ms=self.now_ms,
            user_name=f"user-{number}" if is_of_user else "",
        )
        if is_removed:
            self.both(lambda side: side.store.remove_access_key(key.access_key_id))
        else:
            self.both(lambda side: side.store.add_access_key(key))

    @rule(owner=sides, encryption_by_default=st.booleans())
    def change_settings(self, *, owner: AccountId, encryption_by_default: bool) -> None:
        settings = AccountSettings(account_id=owner, encryption_by_default=encryption_by_default)
        self.both(lambda side: side.store.identities.put_account_settings(settings))

    @rule(
        number=numbers,
        other=numbers,
        what=st.sampled_from(KEY_CHANGES),
    )
    def change_a_key(self, *, number: int, other: int, what: str) -> None:
        def change(side: Side) -> None:
            keys, key_id = side.store.keys, kms_key_id(number)
            match what:
                case "add":
                    if keys.key_materials(key_id):
                        return
                    keys.add_kms_key(kms_key(number), material(number))
                case "rotate":
                    versions = len(keys.key_materials(key_id))
                    keys.replace_kms_key(keys.kms_key(key_id), new_material=material(number, versions + 1))
                case "describe":
                    found = keys.kms_key(key_id)
                    keys.replace_kms_key(replace(found, description=f"{found.revision}"))
                case "alias":
                    keys.add_alias(alias(f"name-{other}", number))
                case "move":
                    keys.move_alias(
                        alias("", 1).account_id, f"alias/name-{other}", key_id, now_ms=self.now_ms
                    )
                case "unname":
                    keys.remove_alias(alias("", 1).account_id, f"alias/name-{other}")
                case "grant":
                    keys.add_grant(grant(other, number))
                case _:
                    keys.remove_kms_key(key_id, revision=keys.kms_key(key_id).revision)

        self.both(change)
        self.archive_all(is_restored=False)

    @rule(domain=domains, generation=numbers, is_made_anew=st.booleans())
    def wrap(self, *, domain: int, generation: int, is_made_anew: bool) -> None:
        def change(side: Side) -> Any:
            there = list(side.store.keys.wrappings(side.domain_key(domain)))
            made = DomainWrapping(
                domain_key=side.domain_key(domain),
                generation=len(there) + 1,
                wrapping=bytes([generation]),
                key_version=str(generation),
                created_ms=self.now_ms,
            )
            if not is_made_anew:
                return side.store.keys.add_wrapping(made)
            if generation > len(there):
                return None
            old = there[generation - 1]
            return side.store.keys.rewrap(old, replace(made, generation=generation))

        self.both(change)

    @rule(pick=picks, what=st.sampled_from(SNAPSHOT_CHANGES), lock=locks)
    def change_one_that_is_archived(self, *, pick: int, what: str, lock: Lock) -> None:
        """Change one thing about a snapshot, and nothing else since the archive had everything."""
        self.complete(pick, 0, 1, is_deleted=False)
        self.archive_all(is_restored=False)
        match what:
            case "tag":
                self.put_tags(named=[pick], is_stranger=False, given={"a": "2"}, tags_max=4)
            case "untag":
                self.remove_tags(named=[pick], is_stranger=False, removed=[])
            case "share":
                self.share(pick, is_stranger=False, given={}, add=[EVERYBODY], is_deleted=False)
            case "unshare":
                self.unshare(pick, is_stranger=False, add=[], remove=[EVERYBODY])
            case "guest":
                self.put_tags(named=[pick], is_stranger=True, given={"c": "2"}, tags_max=4)
            case "lock":
                self.change_the_lock(pick=pick, lock=lock, is_stranger=False)
            case "unlock":
                self.change_the_lock(pick=pick, lock=None, is_stranger=False)
            case _:
                self.delete(pick, is_stranger=False)
        self.archive_all(is_restored=False)

    @rule(pick=picks, is_undone=st.booleans(), milliseconds=st.integers(-1, 1))
    def undelete_or_never(self, pick: int, *, is_undone: bool, milliseconds: int) -> None:
        account_id = self._account(pick, is_stranger=False)
        name = snapshot_id(self._number(pick))
        if is_undone:
            self.both(lambda side: side.store.collection.undelete(account_id, name, now_ms=self.now_ms))
            return
        before_ms = self.now_ms + milliseconds
        self.both(
            lambda side: side.store.collection.close_undo(
                side.store.collection.begin(), deleted_before_ms=before_ms, limit=2
            )
        )

    # --- the archive

    def both_show_the_same_snapshots(self) -> None:
        """Nor the invariants below: what both sides show after each step, the other machines compare."""

    def both_show_the_same_to_strangers(self) -> None:
        """As above."""

    def both_show_the_same_lives(self) -> None:
        """As above."""

    def both_find_the_same_by_tag(self) -> None:
        """As above."""

    def both_say_the_same_of_each_copy(self) -> None:
        """As above."""

    @rule(pick=picks, root=chunks, is_accepted=st.booleans(), is_finished=seldom)
    def archive_a_completion_that_may_never_be(
        self, pick: int, *, root: int, is_accepted: bool, is_finished: bool
    ) -> None:
        """Archive a completion as if it came next. What does come, if anything, may be another one."""
        if is_accepted:
            self.accept(pick, is_stranger=False, count=0)
        sealed = Sealed(root=chunk_id(root), block_count=root)

        def write(side: Side) -> bool:
            number = self._number(pick)
            completion = Completion(key=side.key(number), sealed=sealed, now_ms=self.now_ms)
            return self._archiver(side).write_completion(snapshot_id(number), completion)

        self.both(write)
        if is_finished:
            self.finish(pick, NODE)

    @rule()
    def archive_some(self) -> None:
        for side in (self.model, self.subject):
            self._archiver(side).flush_slice()

    @rule(is_restored=st.booleans())
    def archive_all(self, *, is_restored: bool) -> None:
        for side in (self.model, self.subject):
            self._archiver(side).flush()
            found = self._archived(side)
            assert found == everything(side.store)
            assert not changed(side.store)
            if is_restored:
                self._restore(side, found)

    def _archived(self, side: Side) -> list[ArchivedRecord]:
        """Return everything that an archive has, in the order of restoring, but what may be completed next."""
        store = self._archives[side]
        promised = {each.snapshot_id for each in side.store.sealing(limit=100)}
        return [
            read_record(store, name, KEYRING)
            for kind in ARCHIVE_ORDER
            for name in archived_names(store, kind)
            if name.name not in promised
        ]

    def _restore(self, side: Side, records: Sequence[ArchivedRecord]) -> None:
        with tempfile.TemporaryDirectory(dir=self._path) as folder:
            new = MemoryMetadataStore() if side is self.model else self.records.create(Path(folder))
            try:
                new.archive.restore(records)
                assert everything(new) == everything(side.store)
                assert answers(new) == answers(side.store)
                assert changed(new) >= {*every_name(new)} - {STORE_FACTS}
            finally:
                new.close()
