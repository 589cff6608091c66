"""A connection that fails: only our errors come out, and the next call has a sound one."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import apsw
import pytest

from neve.domain.blocks import BlockIndex
from neve.domain.identities import AccessKey, Account, AccountId, DomainKey
from neve.domain.snapshots import Sealed
from neve.errors import RecordRefused, StoreError, StoreUnavailable
from neve.stores.metadata.contract import MetadataStore, TagRemoval
from neve.stores.metadata.contract_collection import ChunkKey, CollectionRecords, Epoch
from neve.stores.metadata.contract_identities import AccountSettings, IdentityRecords, ManagedPolicy, User
from neve.stores.metadata.contract_keys import KeyRecords
from neve.stores.metadata.contract_lifecycle import LifecycleRecords
from neve.stores.metadata.contract_needs import NeedRecords
from neve.stores.metadata.sqlite import SqliteMetadataStore
from neve.testing.faulty_sqlite import FaultySqlite
from neve.testing.memory_metadata import FACTS
from neve.testing.metadata_contract_bin import put_rule, recycle, rule_of
from neve.testing.metadata_contract_copies import completed_source, copy_start, resolve, start_copy
from neve.testing.metadata_contract_keys import alias, grant, kms_key, kms_key_id, material, wrapping
from neve.testing.metadata_contract_locks import lock_of
from neve.testing.metadata_scene import (
    ACCOUNT,
    CLAIM,
    Scene,
    chunk_id,
    chunk_record,
    segment_name,
    snapshot_id,
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteMetadataStore]:
    opened = SqliteMetadataStore.create(tmp_path / "metadata.db", FACTS)
    yield opened
    opened.close()


@pytest.fixture
def scene(store: SqliteMetadataStore) -> Scene:
    return Scene(store)


def _calls(scene: Scene) -> Mapping[str, Callable[[MetadataStore], object]]:
    """Return one call of every method of the contract."""
    batch = scene.batch(new=[1])
    name, now_ms, domain = snapshot_id(1), scene.now_ms, scene.domain_key
    key, request = scene.start(snapshot_id=name).key, scene.request()
    account = Account(account_id=AccountId("9" * 12), name="", created_ms=1)
    access_key = AccessKey(access_key_id="A", account_id=ACCOUNT, sealed_secret=b"s", created_ms=1)
    sealed = Sealed(root=chunk_id(1), block_count=1)
    return {
        "create_account": lambda store: store.create_account(account),
        "accounts": lambda store: store.accounts(),
        "add_access_key": lambda store: store.add_access_key(access_key),
        "access_key": lambda store: store.access_key("A"),
        "access_keys": lambda store: store.access_keys(ACCOUNT),
        "add_domain": lambda store: store.add_domain(
            account_id=ACCOUNT, kms_key_arn="k", uid=b"4" * 16, sealed_id_key=b"s"
        ),
        "domains": lambda store: store.domains(),
        "remove_access_key": lambda store: store.remove_access_key("A"),
        "check_start": lambda store: store.check_start(request),
        "start_snapshot": lambda store: store.start_snapshot(request),
        "snapshot": lambda store: store.snapshot(ACCOUNT, name),
        "snapshots": lambda store: store.snapshots(ACCOUNT, after=None, limit=10),
        "accept_completion": lambda store: store.accept_completion(ACCOUNT, name, CLAIM, now_ms=now_ms),
        "sealing": lambda store: store.sealing(limit=10),
        "finish_completion": lambda store: store.finish_completion(key, sealed, now_ms=now_ms),
        "fail_completion": lambda store: store.fail_completion(key, "", now_ms=now_ms),
        "expire": lambda store: store.expire(now_ms=now_ms, limit=10),
        "postpone": lambda store: store.postpone(after_ms=0, now_ms=now_ms, limit=10),
        "reap": lambda store: store.reap(limit=10),
        "delete_snapshot": lambda store: store.delete_snapshot(ACCOUNT, name, now_ms=now_ms),
        "forget_client_tokens": lambda store: store.forget_client_tokens(used_before_ms=1, limit=10),
        "visible_snapshot": lambda store: store.visible_snapshot(ACCOUNT, name),
        "visible_snapshots": lambda store: store.visible_snapshots(ACCOUNT, after=None, limit=10),
        "modify_permissions": lambda store: store.modify_permissions(ACCOUNT, name, add=["all"]),
        "permissions": lambda store: store.permissions(ACCOUNT, name),
        "put_tags": lambda store: store.put_tags(ACCOUNT, [name], {"a": "b"}, tags_max=50),
        "remove_tags": lambda store: store.remove_tags(ACCOUNT, [name], [TagRemoval("a")]),
        "reserve_segments": lambda store: store.reserve_segments([segment_name(1001)], now_ms=now_ms),
        "cancel_reservations": lambda store: store.cancel_reservations(),
        "publish": lambda store: store.publish(batch, now_ms=now_ms),
        "chunks": lambda store: store.chunks(domain, [chunk_id(1)]),
        "stored": lambda store: store.stored(domain, [chunk_id(1)]),
        "mark_bad": lambda store: store.mark_bad(domain, chunk_id(1)),
        "blocks": lambda store: store.blocks(key, after=BlockIndex(0), limit=10),
        "block_count": lambda store: store.block_count(key),
        "facts": lambda store: store.facts(),
        "flaws": lambda store: store.flaws(lambda: None, limit=9),
        "statistics": lambda store: store.statistics(),
        **_calls_of_identities(),
        **_calls_of_keys(domain),
        **_calls_of_lifecycle(scene),
        **_calls_of_collection(scene),
    }


def _calls_of_identities() -> Mapping[str, Callable[[MetadataStore], object]]:
    user = User(account_id=ACCOUNT, user_name="u", user_id="AIDA", created_ms=1)
    policy = ManagedPolicy(account_id=ACCOUNT, policy_name="p", document="{}", created_ms=1, updated_ms=1)
    settings = AccountSettings(account_id=ACCOUNT)
    return {
        "add_user": lambda store: store.identities.add_user(user),
        "user": lambda store: store.identities.user(ACCOUNT, "u"),
        "users": lambda store: store.identities.users(ACCOUNT),
        "remove_user": lambda store: store.identities.remove_user(ACCOUNT, "u"),
        "put_policy": lambda store: store.identities.put_policy(policy),
        "policy": lambda store: store.identities.policy(ACCOUNT, "p"),
        "policies": lambda store: store.identities.policies(ACCOUNT),
        "remove_policy": lambda store: store.identities.remove_policy(ACCOUNT, "p"),
        "attach_policy": lambda store: store.identities.attach_policy(ACCOUNT, "u", "p"),
        "detach_policy": lambda store: store.identities.detach_policy(ACCOUNT, "u", "p"),
        "attachments": lambda store: store.identities.attachments(ACCOUNT, "u"),
        "account_settings": lambda store: store.identities.account_settings(ACCOUNT),
        "put_account_settings": lambda store: store.identities.put_account_settings(settings),
        "change_account_settings": lambda store: store.identities.change_account_settings(
            ACCOUNT, lambda found: found
        ),
    }


def _calls_of_keys(domain: DomainKey) -> Mapping[str, Callable[[MetadataStore], object]]:
    key, made = kms_key_id(1), wrapping(domain, 1)
    return {
        "add_kms_key": lambda store: store.keys.add_kms_key(kms_key(1), material(1)),
        "kms_key": lambda store: store.keys.kms_key(key),
        "kms_keys": lambda store: store.keys.kms_keys(ACCOUNT, after=None, limit=10),
        "replace_kms_key": lambda store: store.keys.replace_kms_key(kms_key(1)),
        "remove_kms_key": lambda store: store.keys.remove_kms_key(key, revision=0),
        "kms_keys_to_delete": lambda store: store.keys.kms_keys_to_delete(now_ms=1, limit=10),
        "kms_keys_to_rotate": lambda store: store.keys.kms_keys_to_rotate(now_ms=1, limit=10),
        "key_materials": lambda store: store.keys.key_materials(key),
        "add_alias": lambda store: store.keys.add_alias(alias("a", 1)),
        "alias": lambda store: store.keys.alias(ACCOUNT, "alias/a"),
        "aliases": lambda store: store.keys.aliases(ACCOUNT, after=None, limit=10),
        "move_alias": lambda store: store.keys.move_alias(ACCOUNT, "alias/a", key, now_ms=1),
        "remove_alias": lambda store: store.keys.remove_alias(ACCOUNT, "alias/a"),
        "add_grant": lambda store: store.keys.add_grant(grant(1, 1)),
        "grants": lambda store: store.keys.grants(key, after=None, limit=10),
        "remove_grant": lambda store: store.keys.remove_grant(key, "0" * 64),
        "add_wrapping": lambda store: store.keys.add_wrapping(made),
        "wrappings": lambda store: store.keys.wrappings(domain),
        "rewrap": lambda store: store.keys.rewrap(made, made),
    }


def _calls_of_lifecycle(scene: Scene) -> Mapping[str, Callable[[MetadataStore], object]]:
    name, now_ms, start = snapshot_id(1), scene.now_ms, copy_start(scene)
    source, copy = completed_source(scene), start_copy(scene)
    resolved = resolve(scene, start_copy(scene), source)
    in_bin = scene.start()
    recycle(scene, in_bin)
    put_rule(scene, rule_of())
    return {
        "change_lock": lambda store: store.lifecycle.change_lock(ACCOUNT, name, lambda *_: lock_of()),
        "lock": lambda store: store.lifecycle.lock(ACCOUNT, name),
        "locks": lambda store: store.lifecycle.locks(ACCOUNT, after=None, limit=10),
        "recycled": lambda store: store.lifecycle.recycled(ACCOUNT, after=None, limit=10),
        "recycled_snapshot": lambda store: store.lifecycle.recycled_snapshot(ACCOUNT, in_bin.snapshot_id),
        "restore": lambda store: store.lifecycle.restore(ACCOUNT, in_bin.snapshot_id, now_ms=now_ms),
        "empty_bin": lambda store: store.lifecycle.empty_bin(now_ms=now_ms, limit=10),
        "change_rules": lambda store: store.lifecycle.change_rules(ACCOUNT, lambda _rules: rule_of()),
        "rule": lambda store: store.lifecycle.rule(ACCOUNT, "rule"),
        "rules": lambda store: store.lifecycle.rules(ACCOUNT),
        "remove_rule": lambda store: store.lifecycle.remove_rule(ACCOUNT, "rule"),
        "start_copy": lambda store: store.lifecycle.start_copy(start),
        "copies": lambda store: store.lifecycle.copies(after=None, limit=10),
        "copy": lambda store: store.lifecycle.copy(copy.key),
        "resolve_copy": lambda store: store.lifecycle.resolve_copy(
            copy.key, source_key=source.key, domain_key=scene.domain_key
        ),
        "note_copied": lambda store: store.lifecycle.note_copied(
            resolved.key, next_index=BlockIndex(1), copied_count=1
        ),
        "finish_copying": lambda store: store.lifecycle.finish_copying(resolved.key, now_ms=now_ms),
        "fail_copy": lambda store: store.lifecycle.fail_copy(copy.key, "no", now_ms=now_ms),
        "living": lambda store: store.needs.living(lambda _slice: None),
        "held_nodes": lambda store: store.needs.held_nodes(resolved.key, after=None, limit=10),
    }


def _calls_of_collection(scene: Scene) -> Mapping[str, Callable[[MetadataStore], object]]:
    domain, now_ms, name, moved_to = scene.domain_key, scene.now_ms, segment_name(1), scene.reserve()
    epoch, completed, deleted = Epoch(0), scene.complete(scene.start()), scene.complete(scene.start())
    scene.delete(deleted)
    gone = deleted.snapshot_id
    record = chunk_record(1, name, domain)
    return {
        "begin": lambda store: store.collection.begin(),
        "cut": lambda store: store.collection.cut(epoch, needs=len, unsettled=len),
        "needed": lambda store: store.collection.needed(len),
        "drop_rows": lambda store: store.collection.drop_rows(epoch, completed.key, limit=10),
        "chunk_entries": lambda store: store.collection.chunk_entries(domain, after=None, limit=10),
        "drop_chunks": lambda store: store.collection.drop_chunks(
            epoch, domain, [chunk_id(9)], newest=ChunkKey(9)
        ),
        "forget_snapshots": lambda store: store.collection.forget_snapshots(epoch, limit=10),
        "segments": lambda store: store.collection.segments(after=None, limit=10),
        "segments_to_verify": lambda store: store.collection.segments_to_verify(
            verified_before_ms=1, limit=10
        ),
        "verification_standing": lambda store: store.collection.verification_standing(),
        "segment_states": lambda store: store.collection.segment_states([name]),
        "segment_chunks": lambda store: store.collection.segment_chunks(name),
        "condemn": lambda store: store.collection.condemn(epoch, [name], now_ms=now_ms),
        "repoint": lambda store: store.collection.repoint(epoch, moved_to, [], segment_bytes=1),
        "condemned": lambda store: store.collection.condemned(condemned_before_ms=1, limit=10),
        "found_cancelled": lambda store: store.collection.found_cancelled(
            [name], now_ms=now_ms, found_before_ms=1
        ),
        "forget_segment": lambda store: store.collection.forget_segment(name),
        "set_verified": lambda store: store.collection.set_verified(name, now_ms=now_ms),
        "distrust_verified": lambda store: store.collection.distrust_verified(after_ms=now_ms),
        "bad_chunks": lambda store: store.collection.bad_chunks(after=None, limit=10),
        "clear_bad": lambda store: store.collection.clear_bad(record),
        "uses": lambda store: store.collection.uses(domain, chunk_id(1), limit=10),
        "deletions": lambda store: store.collection.deletions(ACCOUNT, after=None, limit=10),
        "undelete": lambda store: store.collection.undelete(ACCOUNT, gone, now_ms=now_ms),
        "close_undo": lambda store: store.collection.close_undo(epoch, deleted_before_ms=1, limit=10),
    }


PARTS = {
    "identities": IdentityRecords,
    "keys": KeyRecords,
    "lifecycle": LifecycleRecords,
    "needs": NeedRecords,
    "collection": CollectionRecords,
}
METHODS = sorted(
    name
    for contract in (MetadataStore, *PARTS.values())
    for name in vars(contract)
    if not name.startswith("_") and name not in {"close", "archive", *PARTS}
)

READ_BEFORE_THEY_WRITE = {"finish_copying", "forget_snapshots"}
"""In a transaction of its own: these use both kinds of connection."""


class SickConnection(apsw.Connection):
    """A connection whose every statement fails, the rollback included."""

    def __init__(self, error: type[apsw.Error]) -> None:
        super().__init__(":memory:")
        self.error = error

    def execute(self, *_arguments: object, **_options: object) -> apsw.Cursor:
        raise self.error("planted")

    executemany = execute


def _infect(store: SqliteMetadataStore, error: type[apsw.Error]) -> None:
    """Put a sick connection where the next call, whether it writes or reads, will take it."""
    database = store._database
    healthy = [*database._idle_readers, database._writer]
    database._writer = SickConnection(error)
    database._idle_readers[:] = [SickConnection(error)]
    for connection in healthy:
        assert connection is not None
        connection.close()


def _is_sick(store: SqliteMetadataStore) -> tuple[bool, bool]:
    database = store._database
    return (
        isinstance(database._writer, SickConnection),
        any(isinstance(reader, SickConnection) for reader in database._idle_readers),
    )


@pytest.mark.parametrize("method", METHODS)
def test_only_store_errors_come_out_and_the_next_call_is_well(
    store: SqliteMetadataStore, scene: Scene, method: str
) -> None:
    call = _calls(scene)[method]
    _infect(store, apsw.IOError)
    with pytest.raises(StoreError, match="planted"):
        call(store)
    assert _is_sick(store) in {(True, False), (False, True)}, "the connection it used is gone"
    if method in READ_BEFORE_THEY_WRITE:
        with pytest.raises(StoreError, match="planted"):
            call(store)
        assert _is_sick(store) == (False, False)
    with suppress(RecordRefused):  # an answer is well enough
        call(store)


def test_a_statement_that_fails_in_the_middle_leaves_nothing(
    store: SqliteMetadataStore, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = store.statistics()
    monkeypatch.setattr("neve.stores.metadata.statements.PUT_TAG", "INSERT INTO nowhere VALUES (?, ?, ?)")
    with pytest.raises(StoreError, match="nowhere"):
        scene.start(tags={"k": "v"})
    assert store.statistics() == before
    assert scene.start().tags == {}


def test_a_failure_that_nobody_translates_takes_everything_back(
    store: SqliteMetadataStore, scene: Scene
) -> None:
    before = store.statistics()
    with pytest.raises(UnicodeEncodeError):
        scene.start(tags={"k": "\ud800"})
    assert store.statistics() == before


def test_calls_that_cannot_reach_the_file_say_so_until_they_can(
    store: SqliteMetadataStore, scene: Scene, tmp_path: Path
) -> None:
    snapshot = scene.start()
    path, away = tmp_path / "metadata.db", tmp_path / "away"
    away.mkdir()
    _infect(store, apsw.IOError)
    for call in (scene.start, store.accounts):
        with pytest.raises(StoreUnavailable, match="planted"):
            call()
    for each in list(tmp_path.glob("metadata.db*")):
        each.rename(away / each.name)
    for call in (scene.start, store.accounts):
        with pytest.raises(StoreUnavailable, match="unable to open"):
            call()
    for each in list(away.iterdir()):
        each.rename(path.with_name(each.name))
    assert scene.look(scene.start()).key > snapshot.key


def test_a_read_that_the_disk_refuses_says_so_and_the_next_one_is_well(tmp_path: Path) -> None:
    """SQLite ends the transaction by itself then; what we do about it must not hide what happened."""
    faults = FaultySqlite("neve-sick-reads")
    store = SqliteMetadataStore.create(tmp_path / "metadata.db", FACTS, vfs=faults.name)
    scene = Scene(store)
    scene.keep(*range(1, 200))
    assert store.accounts() != []
    faults.fail(at=1, error=apsw.IOError, is_lasting=True)
    with pytest.raises(StoreUnavailable, match="planted"):
        store.chunks(scene.domain_key, [chunk_id(number) for number in range(1, 200)])
    faults.heal()
    assert len(store.stored(scene.domain_key, [chunk_id(number) for number in range(1, 200)])) == 199
    store.close()
    faults.unregister()
