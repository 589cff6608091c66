"""Settings to objects: the only place that knows which backends exist.

    directory (lock) ─▶ metadata, segments, archive, keys ─▶ service (assemble_service) ─▶ sockets

Opened from left to right and closed from right to left, whatever happens in between, so that nothing is ever
without what it stands on.
"""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event

from neve.assemble_administration import OpenStore, administration_of, replica_opener
from neve.assemble_audit import audited, open_audit_log, recording
from neve.assemble_keys import open_key_provider
from neve.assemble_service import Foundation, Service, build_service, limits_of
from neve.clock import Clock, Entropy, SystemClock, SystemEntropy
from neve.domain.audit import Recording
from neve.domain.identities import Account, account_id_from
from neve.domain.keyring import Keyring, Purpose
from neve.errors import StoreFull, StoreInUse, StoreUnavailable, StoreUnusable
from neve.events import Report, StoreOnlyReads, silent
from neve.limits import STANDARD, Limits
from neve.secret_sources import parse_secret_source
from neve.server.access_keys import AccessKeys, NewAccessKey
from neve.server.administration.client import RunningServer
from neve.server.administration.listener import AdministrationListener
from neve.server.administration.messages import Administrator
from neve.server.app import App, Bounds
from neve.server.audit.log import AuditLog
from neve.server.audit.operators import AuditedAdministrator
from neve.server.incoming import Deadlines
from neve.server.listener import Listener
from neve.settings import FILE_NAME, Settings
from neve.stores import directory
from neve.stores.archive.local import LocalArchiveStore
from neve.stores.directory import StoreDirectory
from neve.stores.marks.sqlite import SqliteMarkStore
from neve.stores.master_key import DEFAULT_SOURCE
from neve.stores.metadata.contract import MetadataStore, StoreFacts
from neve.stores.metadata.sqlite import SqliteMetadataStore
from neve.stores.segments.local import LocalSegmentStore

_STORE_IN_USE_S_MAX = 3.0
"""How long a command waits for a store that somebody has open who takes no requests."""
_STORE_IN_USE_PAUSE_S = 0.05


def create_store(
    path: Path,
    *,
    account_name: str,
    region: str,
    master_key: str = "",
    clock: Clock | None = None,
    entropy: Entropy | None = None,
    limits: Limits = STANDARD,
) -> NewAccessKey:
    """Make a store in an empty directory, with an account, and return the account's first access key.

    `master_key` says where its key is or is to be made, as the setting does; empty is the store itself.

    Raises:
        StoreUnusable: it cannot be made there. Nothing is left behind.
    """
    clock, entropy = clock or SystemClock(), entropy or SystemEntropy()
    made: list[NewAccessKey] = []

    def populate(store: StoreDirectory) -> None:
        now_ms = clock.now_ms()
        # A JSON string without escapes for what lies beyond ASCII is a TOML string.
        told = f"master_key = {json.dumps(master_key, ensure_ascii=False)}\n" if master_key else ""
        _write_durably(store.path / FILE_NAME, f'region = "{region}"\n{told}')
        LocalSegmentStore.create(store.segments_path)
        facts = StoreFacts(
            format_version=directory.VERSION,
            store_id=bytes.fromhex(store.store_id),
            block_bytes=limits.block_bytes,
            node_fanout=limits.node_fanout,
            created_ms=now_ms,
        )
        metadata = SqliteMetadataStore.create(store.metadata_path, facts)
        try:
            account = Account(
                account_id=account_id_from(entropy.take(8)), name=account_name, created_ms=now_ms
            )
            metadata.create_account(account)
            keys = AccessKeys(metadata, Keyring(store.master_key, entropy), clock, entropy)
            made.append(keys.create(account.account_id))
        finally:
            metadata.close()

    source = parse_secret_source(master_key) if master_key else DEFAULT_SOURCE
    directory.create(path, entropy=entropy, populate=populate, master_key=source)
    return made[0]


@contextmanager
def open_administration(
    path: Path, settings: Settings, *, limits: Limits = STANDARD
) -> Iterator[Administrator]:
    """Administer the store in `path`: by way of the server that has it open, or by opening it.

    Whoever has it open and takes no requests may be another command, or a server that is about to: that is waited
    for, a little.

    Raises:
        StoreInUse: nobody was to be asked, after all.
        StoreUnusable, NotLetIn
    """
    clock, entropy = SystemClock(), SystemEntropy()
    server = RunningServer(path, clock)
    store = _open_unless_served(path, settings, server, clock)
    if store is None:
        yield server
        return
    with ExitStack() as closing:
        closing.enter_context(store)
        metadata = SqliteMetadataStore.open(store.metadata_path, limits=limits)
        closing.callback(metadata.close)
        keyring = Keyring(store.master_key, entropy)
        _check_parts(store, metadata, keyring)
        administration = closing.enter_context(
            administration_of(
                OpenStore(
                    directory=store,
                    metadata=metadata,
                    back_up=metadata.back_up,
                    keyring=keyring,
                    settings=settings,
                    limits=limits,
                    clock=clock,
                    entropy=entropy,
                )
            )
        )
        if Recording(settings.audit_log) is Recording.OFF:
            yield administration
            return

        def open_log() -> AuditLog:
            return open_audit_log(store, settings, keyring=keyring, clock=clock, report=silent)

        yield closing.enter_context(audited(administration, open_log, clock))


def _open_unless_served(
    path: Path, settings: Settings, server: RunningServer, clock: Clock
) -> StoreDirectory | None:
    """Return the store's directory, locked; None if a server has it open and takes requests."""
    until_s = clock.monotonic_s() + _STORE_IN_USE_S_MAX
    while True:
        try:
            return directory.open_directory(path, master_key=parse_secret_source(settings.master_key))
        except StoreInUse:
            if server.listens():
                return None
            if clock.monotonic_s() > until_s:
                raise
        Event().wait(_STORE_IN_USE_PAUSE_S)


@contextmanager
def open_service(
    path: Path,
    settings: Settings,
    *,
    report: Report = silent,
    clock: Clock | None = None,
    entropy: Entropy | None = None,
    limits: Limits = STANDARD,
) -> Iterator[Service]:
    """Open the store in `path` and everything that works on it; close it all in the end.

    Raises:
        SettingsInvalid: the key provider cannot be had as it is set.
        StoreUnusable: the message says what to do.
    """
    clock, entropy = clock or SystemClock(), entropy or SystemEntropy()
    limits = limits_of(settings, limits)
    with ExitStack() as closing:
        store = closing.enter_context(
            directory.open_directory(path, master_key=parse_secret_source(settings.master_key))
        )
        metadata = SqliteMetadataStore.open(store.metadata_path, limits=limits)
        closing.callback(metadata.close)
        keyring = Keyring(store.master_key, entropy)
        _check_parts(store, metadata, keyring)
        segments = LocalSegmentStore(store.segments_path)
        closing.callback(segments.close)
        archive = LocalArchiveStore(store.archive_path)
        closing.callback(archive.close)
        _cancel_reservations(metadata, report)
        keys = open_key_provider(
            settings,
            store=path,
            records=metadata.keys,
            keyring=keyring,
            clock=clock,
            entropy=entropy,
            report=report,
        )
        closing.callback(keys.provider.close)
        audit = closing.enter_context(recording(store, settings, keyring=keyring, clock=clock, report=report))
        service = build_service(
            Foundation(
                metadata=metadata,
                back_up=metadata.back_up,
                segments=segments,
                archive=archive,
                open_replica=replica_opener(metadata),
                open_marks=SqliteMarkStore,
                keyring=keyring,
                keys=keys,
                settings=settings,
                limits=limits,
                clock=clock,
                entropy=entropy,
                report=report,
                audit=audit,
            )
        )
        closing.callback(service.context.committer.close)
        closing.callback(service.administration.close)
        yield service


def serve(path: Path, settings: Settings, *, report: Report, on_ready: Callable[[str, int], None]) -> None:
    """Serve the store in `path` until the process is told to stop.

    Raises:
        StoreUnusable, CannotListen
    """
    with (
        open_service(path, settings, report=report) as service,
        service.background,
        AdministrationListener(
            path,
            service.administration,
            clock=service.context.clock,
            report=report,
            on_behalf=lambda uid: _on_behalf(service, uid),
        ),
    ):
        listener = Listener(
            lambda: _app(service, settings, report),
            deadlines=Deadlines(
                head_s=settings.header_deadline_s,
                transfer_s=settings.body_deadline_s,
                bytes_per_s_min=settings.body_bytes_per_s_min,
                keep_alive_s=settings.keep_alive_s,
            ),
            connections_max=settings.connections_max,
            grace_s=settings.shutdown_grace_s,
            report=report,
        )
        listener.run(settings.listen_host, settings.listen_port, on_ready=on_ready)


def _cancel_reservations(metadata: MetadataStore, report: Report) -> None:
    """Take back the names of segments that somebody who is gone may have been writing: one process owns the store.

    Where nothing can be written now they stay reserved until the next start, which costs their room and nothing else.
    """
    try:
        metadata.cancel_reservations()
    except (StoreFull, StoreUnavailable) as error:
        report(StoreOnlyReads(error=str(error)))


def _on_behalf(service: Service, operator_uid: int) -> Administrator:
    """Return who does what an operator asks of the server, and writes it down."""
    log = service.audit
    if log is None:
        return service.administration
    return AuditedAdministrator(
        service.administration,
        lambda: log,
        operator_uid=operator_uid,
        via="server",
        clock=service.context.clock,
    )


def _app(service: Service, settings: Settings, report: Report) -> App:
    return App(
        pipeline=service.pipeline,
        unready_reason=service.unready_reason,
        bounds=Bounds(
            request_threads=settings.request_threads,
            body_bytes_in_flight_max=settings.body_bytes_in_flight_max,
        ),
        processors=service.processors,
        clock=service.context.clock,
        entropy=service.context.entropy,
        report=report,
    )


def _check_parts(store: StoreDirectory, metadata: MetadataStore, keyring: Keyring) -> None:
    """Return if metadata and master key are this store's, as far as they show it.

    A part that a restore took from elsewhere must be noticed before anything is written into it.

    Raises:
        StoreUnusable
    """
    if metadata.facts().store_id.hex() != store.store_id:
        raise StoreUnusable(
            f"{store.metadata_path} belongs to another store than {store.path}: bring back the files that belong "
            "together"
        )
    domains = metadata.domains()
    for domain in domains:
        keyring.open(Purpose.DOMAIN_ID_KEY, domain.sealed_id_key, belongs_to=domain.uid.hex())
    if not domains:
        _check_opens_an_access_key(metadata, keyring)


def _check_opens_an_access_key(metadata: MetadataStore, keyring: Keyring) -> None:
    """Return if some access key's secret opens, or there is none: all that a store without snapshots can say.

    One made before fingerprints were recorded would take any key, and its first domain would be sealed under that.
    """
    refused: StoreUnusable | None = None
    for account in metadata.accounts():
        for key in metadata.access_keys(account.account_id):
            try:
                keyring.open(Purpose.ACCESS_KEY_SECRET, key.sealed_secret, belongs_to=key.access_key_id)
            except StoreUnusable as error:
                refused = error
            else:
                return
    if refused is not None:
        raise refused


def _write_durably(file: Path, text: str) -> None:
    with file.open("x", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
