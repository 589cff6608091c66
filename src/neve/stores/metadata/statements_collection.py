"""The statements about what may go. See `statements` for how they are written.

Whatever takes something away says in the same statement why that is right *now*: what was found out before is only
where to look.
"""

# --- epochs and the cut

TAKE_EPOCH = "UPDATE store SET epoch = epoch + 1 WHERE singleton = 1 RETURNING epoch"
EPOCH = "SELECT epoch FROM store WHERE singleton = 1"

NEWEST_CHUNK = "SELECT coalesce(max(chunk_key), 0) FROM chunk"
# As `statements_needs.LIVING`, and those whose deletion can be undone: an undo is what makes the difference.
NEEDED = """
SELECT snapshot.snapshot_key, snapshot_id, account_id, lineage_id,
       CASE WHEN recycled = 1 THEN 'recycled' ELSE state END,
       volume_gib, domain_key, base_root, base_block_count, root, block_count, source_domain_key, source_root
FROM snapshot LEFT JOIN snapshot_copy ON snapshot_copy.snapshot_key = snapshot.snapshot_key
WHERE snapshot.snapshot_key > ? AND (state IN ('pending', 'sealing', 'completed') OR EXISTS (
    SELECT 1 FROM snapshot_undo WHERE snapshot_undo.snapshot_key = snapshot.snapshot_key
))
ORDER BY snapshot.snapshot_key LIMIT ?
"""
UNSETTLED = """
SELECT snapshot_key FROM snapshot WHERE unsettled = 1 AND snapshot_key > ? ORDER BY snapshot_key LIMIT ?
"""

# --- letting rows go

STANDING = "SELECT completed_ms, unsettled FROM snapshot WHERE snapshot_key = ?"
SETTLE = "UPDATE snapshot SET unsettled = 0 WHERE snapshot_key = ?"
CHUNK_ENTRIES = """
SELECT chunk_key, chunk_id, kind, stored_bytes, bad FROM chunk
WHERE domain_key = ? AND chunk_id > ? ORDER BY chunk_id LIMIT ?
"""
# The foreign keys would refuse one that is named; here it is passed over instead, and the others go.
DROP_CHUNK = """
DELETE FROM chunk WHERE domain_key = ? AND chunk_id = ? AND chunk_key <= ?
    AND NOT EXISTS (SELECT 1 FROM block WHERE block.chunk_key = chunk.chunk_key)
    AND NOT EXISTS (SELECT 1 FROM hold WHERE hold.chunk_key = chunk.chunk_key)
RETURNING stored_bytes
"""
_FORGETTABLE = """
state = 'deleted' AND unsettled = 0 AND reaping = 0
    AND NOT EXISTS (SELECT 1 FROM snapshot_undo WHERE snapshot_undo.snapshot_key = snapshot.snapshot_key)
    AND NOT EXISTS (SELECT 1 FROM client_token WHERE client_token.snapshot_key = snapshot.snapshot_key)
"""
FORGETTABLE = f"SELECT snapshot_key FROM snapshot WHERE {_FORGETTABLE} ORDER BY snapshot_key LIMIT ?"  # noqa: S608 - a condition of ours
FORGET_SNAPSHOT = f"DELETE FROM snapshot WHERE snapshot_key = ? AND {_FORGETTABLE} RETURNING snapshot_id"  # noqa: S608 - as above

# --- segments

# Counted from the index on chunks by segment, for the segments of the page alone.
_SEGMENT_USE = """
SELECT segment_key, name, state, size_bytes,
       (SELECT count(*) FROM chunk WHERE chunk.segment_key = segment.segment_key),
       (SELECT coalesce(sum(stored_bytes), 0) FROM chunk WHERE chunk.segment_key = segment.segment_key),
       verified_ms, condemned_ms
FROM segment
"""
SEGMENTS = f"""
{_SEGMENT_USE} WHERE segment_key > ? AND state IN ('live', 'condemned') ORDER BY segment_key LIMIT ?
"""
SEGMENTS_TO_VERIFY = f"""
{_SEGMENT_USE} WHERE state = 'live' AND verified_ms < ? AND (verified_ms, segment_key) > (?, ?)
ORDER BY verified_ms, segment_key LIMIT ?
"""
SEGMENT_STATE = "SELECT name, state FROM segment WHERE name = ?"
_STORED_CHUNK = """
SELECT chunk_key, bad, domain_key, chunk_id, kind, encoding, segment.name, segment_offset, stored_bytes, plain_bytes
FROM chunk JOIN segment ON segment.segment_key = chunk.segment_key
"""
"""The columns that `records.collection` reads, in its order."""
SEGMENT_CHUNKS = f"{_STORED_CHUNK} WHERE segment.name = ? ORDER BY segment_offset, chunk_key"
CONDEMN = """
UPDATE segment SET state = 'condemned', condemned_ms = ?
WHERE name = ? AND state = 'live'
    AND NOT EXISTS (SELECT 1 FROM chunk WHERE chunk.segment_key = segment.segment_key)
RETURNING name
"""
REPOINT_CHUNK = """
UPDATE chunk SET encoding = ?, segment_key = ?, segment_offset = ?, stored_bytes = ?
WHERE domain_key = ? AND chunk_id = ? AND bad = 0
    AND segment_key = (SELECT segment_key FROM segment WHERE name = ?)
    AND segment_offset = ? AND encoding = ? AND stored_bytes = ?
RETURNING chunk_key
"""
CONDEMNED = """
SELECT name FROM segment WHERE state = 'condemned' AND condemned_ms < ? ORDER BY condemned_ms, segment_key LIMIT ?
"""
# `condemned_ms` is of no other use in a cancelled one.
FOUND_CANCELLED = """
UPDATE segment SET condemned_ms = coalesce(condemned_ms, ?) WHERE name = ? AND state = 'cancelled'
RETURNING name, condemned_ms
"""
FORGET_SEGMENT = "DELETE FROM segment WHERE name = ? AND state = 'condemned' RETURNING name"
SET_VERIFIED = "UPDATE segment SET verified_ms = ? WHERE name = ? AND state = 'live'"
DISTRUST_VERIFIED = (
    "UPDATE segment SET verified_ms = 0 WHERE state = 'live' AND verified_ms > ? RETURNING segment_key"
)
VERIFICATION_STANDING = """
SELECT count(*), coalesce(sum(size_bytes), 0), min(CASE verified_ms WHEN 0 THEN reserved_ms ELSE verified_ms END),
       coalesce(max(verified_ms), 0)
FROM segment WHERE state = 'live'
"""

# --- what is bad

BAD_CHUNKS = f"{_STORED_CHUNK} WHERE bad = 1 AND chunk_key > ? ORDER BY chunk_key LIMIT ?"
CLEAR_BAD = """
UPDATE chunk SET bad = 0
WHERE domain_key = ? AND chunk_id = ?
    AND segment_key = (SELECT segment_key FROM segment WHERE name = ?)
    AND segment_offset = ? AND encoding = ? AND stored_bytes = ?
RETURNING chunk_key
"""
_SHOWN = "(state NOT IN ('error', 'deleted') OR completed_ms IS NOT NULL)"
"""Whose rows are not dropped, as in `statements.ROWS_SHOWN`."""
# A hold has no index: it comes first.
USES = f"""
SELECT block.snapshot_key, block_index, snapshot_id
FROM chunk JOIN block ON block.chunk_key = chunk.chunk_key
JOIN snapshot ON snapshot.snapshot_key = block.snapshot_key
WHERE chunk.domain_key = ? AND chunk.chunk_id = ? AND {_SHOWN}
UNION ALL SELECT hold.snapshot_key, -1, snapshot_id
FROM chunk JOIN hold ON hold.chunk_key = chunk.chunk_key
JOIN snapshot ON snapshot.snapshot_key = hold.snapshot_key
WHERE chunk.domain_key = ? AND chunk.chunk_id = ? AND {_SHOWN}
ORDER BY 1, 2 LIMIT ?
"""  # noqa: S608 - a condition of ours

# --- undoing deletions

COMPLETED_OWNER = "SELECT account_id FROM snapshot WHERE snapshot_key = ? AND completed_ms IS NOT NULL"
ALL_GUEST_TAGS = """
SELECT account_id, tag_key, tag_value FROM guest_tag WHERE snapshot_key = ? ORDER BY account_id, tag_key
"""
ADD_UNDO = "INSERT INTO snapshot_undo (snapshot_key, account_id, deleted_ms, kept) VALUES (?, ?, ?, ?)"
_DELETION = """
SELECT snapshot_undo.snapshot_key, snapshot_id, snapshot_undo.account_id, volume_gib, description, started_ms,
       deleted_ms
FROM snapshot_undo JOIN snapshot ON snapshot.snapshot_key = snapshot_undo.snapshot_key
"""
DELETIONS = f"{_DELETION} WHERE snapshot_undo.snapshot_key > ? ORDER BY snapshot_undo.snapshot_key LIMIT ?"
DELETIONS_OF_ACCOUNT = f"""
{_DELETION} WHERE snapshot_undo.account_id = ? AND snapshot_undo.snapshot_key > ?
ORDER BY snapshot_undo.snapshot_key LIMIT ?
"""
UNDO = """
SELECT snapshot.snapshot_key, kept
FROM snapshot JOIN snapshot_undo ON snapshot_undo.snapshot_key = snapshot.snapshot_key
WHERE snapshot_id = ? AND snapshot.account_id = ? AND state = 'deleted'
"""
UNDELETE = """
UPDATE snapshot SET state = 'completed', changed_ms = ? WHERE snapshot_key = ? AND state = 'deleted'
"""
HOLD_CLIENT_TOKEN = "UPDATE client_token SET released = 0 WHERE snapshot_key = ?"  # noqa: S105 - SQL
REMOVE_UNDO = "DELETE FROM snapshot_undo WHERE snapshot_key = ?"
OLD_UNDOS = """
SELECT found.snapshot_key, snapshot_id FROM (
    SELECT snapshot_key, deleted_ms FROM snapshot_undo WHERE deleted_ms < ? ORDER BY deleted_ms, snapshot_key LIMIT ?
) AS found JOIN snapshot ON snapshot.snapshot_key = found.snapshot_key ORDER BY deleted_ms, found.snapshot_key
"""
