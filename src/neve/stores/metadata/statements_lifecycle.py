"""The statements about locks, the recycle bin and copies. See `statements` for how they are written."""

# --- locks

LOCK = "SELECT mode, created_ms, duration_days, expires_ms, cool_off_hours FROM snapshot_lock WHERE snapshot_key = ?"
# CROSS JOIN has SQLite walk the locks, which are few, and look up their snapshots.
LOCKS = """
SELECT snapshot_lock.snapshot_key, mode, created_ms, duration_days, expires_ms, cool_off_hours
FROM snapshot_lock CROSS JOIN snapshot
WHERE snapshot.snapshot_key = snapshot_lock.snapshot_key AND snapshot_lock.account_id = ?
  AND snapshot_lock.snapshot_key > ? AND state <> 'deleted' AND recycled = 0
ORDER BY snapshot_lock.snapshot_key LIMIT ?
"""
PUT_LOCK = """
INSERT INTO snapshot_lock (
    snapshot_key, account_id, mode, created_ms, duration_days, expires_ms, cool_off_hours
) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (snapshot_key) DO UPDATE SET
    mode = excluded.mode,
    created_ms = excluded.created_ms,
    duration_days = excluded.duration_days,
    expires_ms = excluded.expires_ms,
    cool_off_hours = excluded.cool_off_hours
"""
REMOVE_LOCK = "DELETE FROM snapshot_lock WHERE snapshot_key = ?"

# --- recycle bin

RECYCLE = """
UPDATE snapshot SET recycled = 1, changed_ms = ? WHERE snapshot_key = ? AND state = 'completed' AND recycled = 0
"""
PUT_IN_BIN = "INSERT INTO snapshot_bin (snapshot_key, account_id, entered_ms, exits_ms) VALUES (?, ?, ?, ?)"
RESTORE = "UPDATE snapshot SET recycled = 0, changed_ms = ? WHERE snapshot_key = ? AND recycled = 1"
REMOVE_FROM_BIN = "DELETE FROM snapshot_bin WHERE snapshot_key = ?"
RECYCLED = """
SELECT snapshot_key, entered_ms, exits_ms FROM snapshot_bin
WHERE account_id = ? AND snapshot_key > ? ORDER BY snapshot_key LIMIT ?
"""
RECYCLED_BY_ID = """
SELECT snapshot_bin.snapshot_key, entered_ms, exits_ms
FROM snapshot JOIN snapshot_bin ON snapshot_bin.snapshot_key = snapshot.snapshot_key
WHERE snapshot_id = ? AND snapshot_bin.account_id = ?
"""
OVER_IN_BIN = """
SELECT gone.snapshot_key, snapshot_id
FROM (SELECT snapshot_key, exits_ms FROM snapshot_bin WHERE exits_ms <= ? ORDER BY exits_ms, snapshot_key LIMIT ?) AS gone
JOIN snapshot ON snapshot.snapshot_key = gone.snapshot_key ORDER BY exits_ms, gone.snapshot_key
"""

_RULE = """
SELECT rule_id, description, retention_days, resource_tags, exclude_resource_tags, tags, created_ms FROM bin_rule
"""
"""The columns that `records.recycling` reads, in its order."""

RULE = f"{_RULE} WHERE account_id = ? AND rule_id = ?"
RULES = f"{_RULE} WHERE account_id = ? ORDER BY rule_id"
PUT_RULE = """
INSERT INTO bin_rule (
    account_id, rule_id, description, retention_days, resource_tags, exclude_resource_tags, tags, created_ms
) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (account_id, rule_id) DO UPDATE SET
    description = excluded.description,
    retention_days = excluded.retention_days,
    resource_tags = excluded.resource_tags,
    exclude_resource_tags = excluded.exclude_resource_tags,
    tags = excluded.tags,
    created_ms = excluded.created_ms
"""
REMOVE_RULE = "DELETE FROM bin_rule WHERE account_id = ? AND rule_id = ? RETURNING rule_id"

# --- copies

COUNT_COPIES = """
SELECT count(*) FROM snapshot_copy CROSS JOIN snapshot
WHERE snapshot.snapshot_key = snapshot_copy.snapshot_key AND account_id = ?
"""
ADD_COPY = """
INSERT INTO snapshot_copy (
    snapshot_key, source_id, encrypted, kms_key, refusal, principal_arn, source_block_count, next_index, copied_count
) VALUES (?, ?, ?, ?, ?, ?, 0, 0, 0)
"""
_COPY = """
SELECT snapshot_key, source_id, encrypted, kms_key, refusal, principal_arn, source_domain_key, source_root,
       source_block_count, next_index, copied_count
FROM snapshot_copy
"""
"""The columns that `records.copying` reads, in its order."""

COPY = f"{_COPY} WHERE snapshot_key = ?"
COPIES = f"{_COPY} WHERE snapshot_key > ? ORDER BY snapshot_key LIMIT ?"
RESOLVE_COPY = """
UPDATE snapshot_copy SET source_domain_key = ?, source_root = ?, source_block_count = ? WHERE snapshot_key = ?
"""
# What a copy is of makes it what a start with a parent makes a child, but related to nobody.
RESOLVE_SNAPSHOT = """
UPDATE snapshot SET domain_key = ?, volume_gib = ?, base_root = ?, base_block_count = ? WHERE snapshot_key = ?
"""
HAS_BLOCKS = "SELECT 1 FROM block WHERE snapshot_key = ? LIMIT 1"
NOTE_COPIED = """
UPDATE snapshot_copy SET next_index = ?, copied_count = ? WHERE snapshot_key = ? RETURNING snapshot_key
"""
REMOVE_COPY = "DELETE FROM snapshot_copy WHERE snapshot_key = ? RETURNING snapshot_key"
