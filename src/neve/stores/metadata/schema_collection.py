"""The tables of migration step 4: what collection takes away, what can be undone, what the archive is to have.

    snapshot ◀── snapshot_undo        archive_change: one row for each change of what is archived

A released step never changes; see `schema` for the house rules.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from neve.stores.metadata.schema import Dialect, spell

# unsettled  1 from completion until a collection whose mark covered the snapshot has dropped its block rows and
#            holds: only then does its root alone speak for its chunks.
SNAPSHOT_UNSETTLED = "ALTER TABLE snapshot ADD COLUMN unsettled {integer} NOT NULL DEFAULT 0"
UNSETTLED_UNTIL_NOW = "UPDATE snapshot SET unsettled = 1 WHERE completed_ms IS NOT NULL"
SNAPSHOT_UNSETTLED_ONES = "CREATE INDEX snapshot_unsettled ON snapshot (snapshot_key) WHERE unsettled = 1"
# Deleted, and nothing of it left but what snapshot_undo and client_token have: they are few, or about to go.
SNAPSHOT_DELETED_ONES = """
CREATE INDEX snapshot_deleted ON snapshot (snapshot_key) WHERE state = 'deleted' AND unsettled = 0 AND reaping = 0
"""

# A row stays for as long as the deletion of a completed snapshot can be undone; until then the snapshot needs its
# chunks, and its own row keeps its root.
# kept  What the deletion took from it, a JSON object: `tags` (an object), `permissions` (an array of grantees),
#       `guest_tags` (an array of [account id, key, value]).
SNAPSHOT_UNDO = """
CREATE TABLE snapshot_undo (
    snapshot_key {integer} NOT NULL PRIMARY KEY REFERENCES snapshot,
    account_id   TEXT NOT NULL REFERENCES account,
    deleted_ms   {integer} NOT NULL,
    kept         TEXT NOT NULL
) {clustered_table}
"""
SNAPSHOT_UNDO_BY_ACCOUNT = "CREATE INDEX snapshot_undo_by_account ON snapshot_undo (account_id, snapshot_key)"
SNAPSHOT_UNDO_BY_TIME = "CREATE INDEX snapshot_undo_by_time ON snapshot_undo (deleted_ms)"

# verified_ms  When every byte of it was last found right; 0 for never.
SEGMENT_VERIFIED = "ALTER TABLE segment ADD COLUMN verified_ms {integer} NOT NULL DEFAULT 0"
SEGMENT_TO_VERIFY = (
    "CREATE INDEX segment_to_verify ON segment (verified_ms, segment_key) WHERE state = 'live'"
)
CHUNK_BAD = "CREATE INDEX chunk_bad ON chunk (chunk_key) WHERE bad = 1"

# One row for each change, so that whoever writes the archive forgets just those it has seen.
ARCHIVE_CHANGE = """
CREATE TABLE archive_change (
    number {serial_key},
    kind   TEXT NOT NULL,
    name   TEXT NOT NULL
) {heap_table}
"""
ARCHIVE_CHANGE_BY_NAME = "CREATE INDEX archive_change_by_name ON archive_change (kind, name, number)"

_IN_ORDER = (
    SNAPSHOT_UNSETTLED,
    UNSETTLED_UNTIL_NOW,
    SNAPSHOT_UNSETTLED_ONES,
    SNAPSHOT_DELETED_ONES,
    SNAPSHOT_UNDO,
    SNAPSHOT_UNDO_BY_ACCOUNT,
    SNAPSHOT_UNDO_BY_TIME,
    SEGMENT_VERIFIED,
    SEGMENT_TO_VERIFY,
    CHUNK_BAD,
    ARCHIVE_CHANGE,
    ARCHIVE_CHANGE_BY_NAME,
)

_NOTE: Final = "INSERT INTO archive_change (kind, name) VALUES ('{kind}', {name})"
_NOTE_SNAPSHOT: Final = (
    "INSERT INTO archive_change (kind, name) SELECT 'snapshot', snapshot_id FROM snapshot "
    "WHERE snapshot_key = {row}.snapshot_key AND completed_ms IS NOT NULL"
)
_COLUMN_OF: Final = (
    ("account", "account", "account_id"),
    ("access_key", "account", "account_id"),
    ("iam_user", "account", "account_id"),
    ("iam_policy", "account", "account_id"),
    ("iam_attachment", "account", "account_id"),
    ("account_settings", "account", "account_id"),
    ("bin_rule", "account", "account_id"),
    ("kms_key", "key", "key_id"),
    ("kms_material", "key", "key_id"),
    ("kms_alias", "key", "key_id"),
    ("kms_grant", "key", "key_id"),
    ("domain", "domain", "domain_key"),
    ("domain_wrapping", "domain", "domain_key"),
)
"""Table, kind of the archived record that its rows are in, and the column that names it."""
_PARTS_OF_SNAPSHOTS: Final = (
    "tag",
    "snapshot_permission",
    "guest_tag",
    "snapshot_lock",
    "snapshot_bin",
    "snapshot_undo",
)
_EVENTS: Final = (("INSERT", ("NEW",)), ("UPDATE", ("OLD", "NEW")), ("DELETE", ("OLD",)))


def fourth_step(dialect: Dialect) -> Sequence[str]:
    """Return the statements of migration step 4, in order."""
    return [
        *(spell(statement, dialect) for statement in _IN_ORDER),
        *_triggers(dialect),
        *_known_already(dialect),
    ]


def _triggers(dialect: Dialect) -> Iterator[str]:
    """Yield what notes changes: the database forgets none, whoever changes its rows."""
    facts = _NOTE.format(kind="store", name="'facts'")
    yield _trigger(dialect, table="store", event="INSERT", row="NEW", statement=facts)
    for table, kind, column in _COLUMN_OF:
        for event, rows in _EVENTS:
            for row in rows:
                note = _NOTE.format(kind=kind, name=_name(dialect, f"{row}.{column}", column))
                yield _trigger(dialect, table=table, event=event, row=row, statement=note)
    for table in _PARTS_OF_SNAPSHOTS:
        for event, rows in _EVENTS:
            row = rows[-1]
            note = _NOTE_SNAPSHOT.format(row=row)
            yield _trigger(dialect, table=table, event=event, row=row, statement=note)
    # One that leaves sealing without being completed may be in the archive all the same, and is to go from it.
    for event, row, condition in (
        ("INSERT", "NEW", "NEW.completed_ms IS NOT NULL"),
        (
            "UPDATE OF state, recycled, changed_ms, completed_ms",
            "NEW",
            "NEW.completed_ms IS NOT NULL OR OLD.state = 'sealing'",
        ),
        ("DELETE", "OLD", "OLD.completed_ms IS NOT NULL"),
    ):
        note = _NOTE.format(kind="snapshot", name=f"{row}.snapshot_id")
        yield _trigger(
            dialect, table="snapshot", event=event, row=row, statement=note, condition=f"WHEN {condition}"
        )


def _trigger(
    dialect: Dialect, *, table: str, event: str, row: str, statement: str, condition: str = ""
) -> str:
    name = f"archive_{table}_{event.split(maxsplit=1)[0]}_{row}".lower()
    return dialect.trigger.format(
        name=name, event=event, table=table, condition=condition, statement=statement
    )


def _known_already(dialect: Dialect) -> Iterator[str]:
    """Yield what notes all that was there before there was an archive."""
    yield "INSERT INTO archive_change (kind, name) SELECT 'store', 'facts' FROM store"
    for table, kind, column in (
        ("account", "account", "account_id"),
        ("domain", "domain", "domain_key"),
        ("kms_key", "key", "key_id"),
    ):
        yield f"INSERT INTO archive_change (kind, name) SELECT '{kind}', {_name(dialect, column, column)} FROM {table}"  # noqa: S608 - names of ours
    yield (
        "INSERT INTO archive_change (kind, name) SELECT 'snapshot', snapshot_id FROM snapshot "
        "WHERE completed_ms IS NOT NULL AND state <> 'deleted'"
    )


def _name(dialect: Dialect, value: str, column: str) -> str:
    return dialect.text_of_integer.format(value=value) if column == "domain_key" else value
