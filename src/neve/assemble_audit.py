"""From a store and its settings to the audit log, and to whoever reads one that somebody else may be writing."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from neve import __version__
from neve.clock import Clock, SystemEntropy
from neve.domain.audit import Lived, Recording, audit_key, time_text
from neve.domain.keyring import Keyring
from neve.errors import StoreError, StoreUnavailable
from neve.events import Report
from neve.secret_sources import parse_secret_source
from neve.server.administration.messages import Administrator
from neve.server.audit.log import AuditLog
from neve.server.audit.operators import AuditedAdministrator
from neve.settings import Settings
from neve.stores import directory
from neve.stores.audit.folder import NAME
from neve.stores.audit.writer import AuditWriter
from neve.stores.directory import StoreDirectory


def open_audit_log(
    store: StoreDirectory, settings: Settings, *, keyring: Keyring, clock: Clock, report: Report
) -> AuditLog:
    """Return the audit log of a store that is locked for this process; it is begun if there is none.

    Raises:
        StoreUnavailable: it can neither be read nor begun.
    """
    try:
        writer = AuditWriter.open(
            store.path,
            key=audit_key(keyring, store.store_id),
            store_id=store.store_id,
            clock=clock,
            file_bytes_max=settings.audit_file_bytes_max,
        )
    except OSError as error:
        raise StoreUnavailable(f"the audit log in {store.path / NAME} cannot be opened: {error}") from error
    return AuditLog(writer, clock=clock, report=report)


@contextmanager
def recording(
    store: StoreDirectory, settings: Settings, *, keyring: Keyring, clock: Clock, report: Report
) -> Iterator[AuditLog | None]:
    """Record the life of a server; give the log for what happens in it, or None if nothing is recorded.

    A log that is there is told of a server that starts without recording: else it would look as if nobody had come.

    Raises:
        StoreUnavailable
    """
    if Recording(settings.audit_log) is Recording.OFF and not (store.path / NAME).exists():
        yield None
        return
    with open_audit_log(store, settings, keyring=keyring, clock=clock, report=report) as log:
        if Recording(settings.audit_log) is Recording.OFF:
            log.write(_lived("not recording", settings, clock))
        else:
            log.write(_lived("started", settings, clock))  # a full disk does not keep a server from reading
            try:
                yield log
            finally:
                _say_farewell(log, settings, clock)
            return
    yield None


@contextmanager
def audited(
    administrator: Administrator, open_log: Callable[[], AuditLog], clock: Clock
) -> Iterator[Administrator]:
    """Give an administrator who writes down what a command changes. The log is opened when something is."""
    with ExitStack() as closing:
        opened: list[AuditLog] = []

        def log() -> AuditLog:
            if not opened:
                opened.append(closing.enter_context(open_log()))
            return opened[0]

        yield AuditedAdministrator(administrator, log, operator_uid=os.getuid(), via="command", clock=clock)


def audit_key_of(path: Path, settings: Settings) -> bytes:
    """Return the key of a store's audit log, whether or not somebody has the store open.

    Raises:
        StoreUnusable: it is no store, or its master key is not to be had.
    """
    store = directory.look_into(path, master_key=parse_secret_source(settings.master_key))
    return audit_key(Keyring(store.master_key, SystemEntropy()), store.store_id)


def _lived(event: str, settings: Settings, clock: Clock) -> Lived:
    return Lived(
        time=time_text(clock.now_ms()),
        event=event,
        program_version=__version__,
        recording=Recording(settings.audit_log),
        operator_uid=os.getuid(),
    )


def _say_farewell(log: AuditLog, settings: Settings, clock: Clock) -> None:
    try:
        log.write_durably(_lived("stopped", settings, clock))
    except StoreError:
        # The log has told the operator already; the server stops all the same.
        return
