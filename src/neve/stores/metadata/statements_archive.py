"""Statements about what the archive is to have. See `statements` for the house rules.

Those over the tables that are archived are made from `archived_tables`, which says what they are.
"""

from neve.stores.metadata.archived_tables import ArchivedTable
from neve.stores.metadata.contract_archive import ArchiveKind

# Of all kinds, from the beginning of the primary key; of some, which are few, from the index, where each kind's lie
# together.
CHANGES = "SELECT number, kind, name FROM archive_change WHERE number > 0 ORDER BY number LIMIT ?"
CHANGES_OF_KIND = "SELECT number, kind, name FROM archive_change WHERE kind = ? ORDER BY number LIMIT ?"
SETTLE = "DELETE FROM archive_change WHERE kind = ? AND name = ? AND number <= ?"

_ARCHIVED = """
completed_ms IS NOT NULL AND (state <> 'deleted' OR EXISTS (
    SELECT 1 FROM snapshot_undo WHERE snapshot_undo.snapshot_key = snapshot.snapshot_key
))
"""
"""Which snapshots the archive is to have."""
ARCHIVED_SNAPSHOT = f"SELECT snapshot_key FROM snapshot WHERE snapshot_id = ? AND {_ARCHIVED}"  # noqa: S608 - statements of ours
SEALING_SNAPSHOT = "SELECT snapshot_id FROM snapshot WHERE snapshot_key = ? AND state = 'sealing'"
# In one statement, and so of one moment: a change that was settled after it has been brought before.
ACCOUNTED_FOR = f"""
SELECT 1 WHERE EXISTS (SELECT 1 FROM snapshot WHERE snapshot_id = ? AND (state = 'sealing' OR ({_ARCHIVED})))
OR EXISTS (SELECT 1 FROM archive_change WHERE kind = 'snapshot' AND name = ?)
"""  # noqa: S608 - as above

NAMES = {
    ArchiveKind.STORE: "SELECT 'facts' FROM store WHERE 'facts' > ? LIMIT ?",
    ArchiveKind.ACCOUNT: "SELECT account_id FROM account WHERE account_id > ? ORDER BY account_id LIMIT ?",
    # Domains are few, and their names are in the order of text, as those of the archive are.
    ArchiveKind.DOMAIN: """
        SELECT name FROM (SELECT CAST(domain_key AS TEXT) AS name FROM domain) AS named
        WHERE name > ? ORDER BY name LIMIT ?
    """,
    ArchiveKind.KEY: "SELECT key_id FROM kms_key WHERE key_id > ? ORDER BY key_id LIMIT ?",
    ArchiveKind.SNAPSHOT: f"""
        SELECT snapshot_id FROM snapshot WHERE snapshot_id > ? AND {_ARCHIVED} ORDER BY snapshot_id LIMIT ?
    """,  # noqa: S608 - as above
}


def rows_of(table: ArchivedTable) -> str:
    """Return the query for a record's rows of a table."""
    columns, key = ", ".join(table.columns), ", ".join(table.key)
    return f"SELECT {columns} FROM {table.table} WHERE {table.named_by} = ? ORDER BY {key}"  # noqa: S608 - names of ours


def restore_into(table: ArchivedTable) -> str:
    """Return the statement that puts a row back; values as `columns` has them, then those of `restored_as`."""
    columns = (*table.columns, *table.restored_as)
    insert = f"INSERT INTO {table.table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"  # noqa: S608 - as above
    if table.newest is None:
        return insert
    others = [column for column in table.columns if column not in table.key]
    settings = ", ".join(f"{column} = excluded.{column}" for column in others)
    condition = f"excluded.{table.newest} > {table.table}.{table.newest}"
    return f"{insert} ON CONFLICT ({', '.join(table.key)}) DO UPDATE SET {settings} WHERE {condition}"
