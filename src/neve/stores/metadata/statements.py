"""Every statement the stores run after migration, in one place for all databases.

What they say is common to SQLite and PostgreSQL: `?` marks a value, `ON CONFLICT` and `RETURNING` mean the same in
both. Conditions on a partial index are spelled as in `schema`, or the planner does not see that it applies;
tests/unit/stores/metadata asks the planner about each statement that meets a large table.
"""

# --- the store

FACTS = "SELECT format_version, store_id, block_bytes, node_fanout, created_ms FROM store"
ADD_FACTS = """
INSERT INTO store (singleton, format_version, store_id, block_bytes, node_fanout, created_ms, epoch)
VALUES (1, ?, ?, ?, ?, ?, 0)
"""
STEPS_TAKEN = "SELECT max(step) FROM migration"
ADD_STEP = "INSERT INTO migration (step, title) VALUES (?, ?)"

COUNT_ACCOUNTS = "SELECT count(*) FROM account"
COUNT_SNAPSHOTS = """
SELECT CASE WHEN recycled = 1 THEN 'recycled' ELSE state END AS standing, count(*) FROM snapshot GROUP BY standing
"""
COUNT_SEGMENTS = "SELECT state, count(*) FROM segment GROUP BY state"
COUNT_BLOCKS = "SELECT count(*) FROM block"
COUNT_HOLDS = "SELECT count(*) FROM hold"
COUNT_CHUNKS = "SELECT count(*), coalesce(sum(stored_bytes), 0) FROM chunk"

# --- accounts, keys, domains

ADD_ACCOUNT = """
INSERT INTO account (account_id, name, created_ms) VALUES (?, ?, ?) ON CONFLICT (account_id) DO NOTHING
"""
ACCOUNTS = "SELECT account_id, name, created_ms FROM account ORDER BY account_id"
PUT_ACCESS_KEY = """
INSERT INTO access_key (access_key_id, account_id, sealed_secret, created_ms, enabled, user_name, expires_ms)
VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (access_key_id) DO UPDATE SET
    account_id = excluded.account_id,
    sealed_secret = excluded.sealed_secret,
    created_ms = excluded.created_ms,
    enabled = excluded.enabled,
    user_name = excluded.user_name,
    expires_ms = excluded.expires_ms
"""
_ACCESS_KEY = """
SELECT access_key_id, account_id, sealed_secret, created_ms, enabled, user_name, expires_ms FROM access_key
"""
ACCESS_KEY = f"{_ACCESS_KEY} WHERE access_key_id = ?"
ACCESS_KEYS = f"{_ACCESS_KEY} WHERE account_id = ? ORDER BY access_key_id"
REMOVE_ACCESS_KEY = "DELETE FROM access_key WHERE access_key_id = ? RETURNING access_key_id"
ADD_DOMAIN = """
INSERT INTO domain (uid, account_id, kms_key_arn, sealed_id_key) VALUES (?, ?, ?, ?)
"""
DOMAIN = """
SELECT domain_key, uid, account_id, kms_key_arn, sealed_id_key FROM domain
WHERE account_id = ? AND kms_key_arn = ?
"""
DOMAINS = "SELECT domain_key, uid, account_id, kms_key_arn, sealed_id_key FROM domain ORDER BY domain_key"

# --- snapshots

_SNAPSHOT = """
SELECT snapshot_key, snapshot_id, account_id, domain_key, lineage_id, parent_id,
       CASE WHEN recycled = 1 THEN 'recycled' ELSE state END AS state, state_message, volume_gib, description, timeout_minutes, started_ms, last_write_ms, completed_ms,
       base_root, base_block_count, root, block_count, claim_count, claim_aggregate, origin
FROM snapshot
"""
"""The columns that `records.snapshots.snapshot_from` reads, in its order."""

SNAPSHOT_BY_ID = f"""
{_SNAPSHOT} WHERE snapshot_id = ? AND account_id = ? AND state <> 'deleted' AND recycled = 0
"""
SNAPSHOT_WITH_TAGS = f"""
SELECT found.*, tag_key, tag_value FROM ({SNAPSHOT_BY_ID}) AS found
LEFT JOIN tag ON tag.snapshot_key = found.snapshot_key ORDER BY tag_key
"""  # noqa: S608 - one statement of ours inside another
"""One statement, since every put asks it: a row for each tag, one without a tag if there is none."""
SNAPSHOT_BY_KEY = f"{_SNAPSHOT} WHERE snapshot_key = ?"
SNAPSHOTS_OF_ACCOUNT = f"""
{_SNAPSHOT} WHERE account_id = ? AND snapshot_key > ? AND state <> 'deleted' AND recycled = 0
ORDER BY snapshot_key LIMIT ?
"""
# CROSS JOIN has SQLite walk the tags and look up snapshots, not the other way about: a page of few among many.
SNAPSHOTS_TAGGED = f"""
{_SNAPSHOT} WHERE snapshot_key IN (
    SELECT tag.snapshot_key FROM tag CROSS JOIN snapshot
    WHERE snapshot.snapshot_key = tag.snapshot_key AND tag_key = ? AND tag.snapshot_key > ?
      AND tag_value = coalesce(?, tag_value) AND account_id = ? AND state <> 'deleted' AND recycled = 0
    ORDER BY tag.snapshot_key LIMIT ?
) ORDER BY snapshot_key
"""  # noqa: S608 - one statement of ours inside another
SNAPSHOTS_SEALING = f"{_SNAPSHOT} WHERE state = 'sealing' ORDER BY snapshot_key LIMIT ?"
# Told apart by their deadline, copies are not even looked at.
COUNT_PENDING = """
SELECT count(*) FROM snapshot WHERE state = 'pending' AND deadline_ms > ? AND deadline_ms < ? AND account_id = ?
"""
# Those in the recycle bin included.
COUNT_OF_ACCOUNT = "SELECT count(*) FROM snapshot WHERE account_id = ? AND state <> 'deleted'"
ADD_SNAPSHOT = """
INSERT INTO snapshot (
    snapshot_id, account_id, domain_key, lineage_id, parent_id, state, state_message, changed_ms, volume_gib,
    description, timeout_minutes, started_ms, last_write_ms, deadline_ms, base_root, base_block_count, origin,
    block_count, reaping
) VALUES (?, ?, ?, ?, ?, 'pending', '', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0)
RETURNING snapshot_key
"""
ACCEPT_COMPLETION = """
UPDATE snapshot SET state = 'sealing', changed_ms = ?, claim_count = ?, claim_aggregate = ?
WHERE snapshot_key = ? AND state = 'pending'
"""
FINISH_COMPLETION = """
UPDATE snapshot SET state = 'completed', changed_ms = ?, completed_ms = ?, root = ?, block_count = ?, unsettled = 1
WHERE snapshot_key = ? AND state = 'sealing' RETURNING snapshot_key
"""
FAIL_COMPLETION = """
UPDATE snapshot SET state = 'error', state_message = ?, changed_ms = ?, reaping = 1
WHERE snapshot_key = ? AND state = 'sealing' RETURNING snapshot_key
"""
# The plus keeps the planner off the primary key, where it would walk every snapshot there ever was.
OVERDUE = """
SELECT snapshot_key, snapshot_id FROM snapshot WHERE state = 'pending' AND deadline_ms <= ?
ORDER BY +snapshot_key LIMIT ?
"""
POSTPONE = """
UPDATE snapshot SET last_write_ms = ?, deadline_ms = ? + timeout_minutes * 60000
WHERE snapshot_key IN (
    SELECT snapshot_key FROM snapshot WHERE state = 'pending' AND deadline_ms > ? AND deadline_ms <= ?
    ORDER BY deadline_ms, snapshot_key LIMIT ?
) RETURNING snapshot_key
"""
END_PENDING = """
UPDATE snapshot SET state = 'error', state_message = ?, changed_ms = ?, reaping = 1
WHERE snapshot_key = ? AND state = 'pending'
"""
DELETE_SNAPSHOT = """
UPDATE snapshot SET state = 'deleted', recycled = 0, changed_ms = ?,
    reaping = CASE WHEN completed_ms IS NULL THEN 1 ELSE 0 END
WHERE snapshot_key = ?
"""

ADD_CLIENT_TOKEN = """
INSERT INTO client_token (account_id, token, fingerprint, snapshot_key, tags, used_ms, released)
VALUES (?, ?, ?, ?, ?, ?, 0)
"""  # noqa: S105 - SQL
CLIENT_TOKEN = "SELECT fingerprint, snapshot_key, tags FROM client_token WHERE account_id = ? AND token = ?"  # noqa: S105 - SQL
RELEASE_CLIENT_TOKEN = "UPDATE client_token SET released = 1 WHERE snapshot_key = ?"  # noqa: S105 - SQL
FORGET_CLIENT_TOKENS = """
DELETE FROM client_token WHERE snapshot_key IN (
    SELECT snapshot_key FROM client_token WHERE released = 1 AND used_ms < ?
    ORDER BY used_ms, account_id, token LIMIT ?
) RETURNING snapshot_key
"""

# --- dropped rows

REAPING = "SELECT snapshot_key FROM snapshot WHERE reaping = 1 ORDER BY snapshot_key LIMIT 1"
REAP_BLOCKS = """
DELETE FROM block WHERE snapshot_key = ? AND block_index <= (
    SELECT max(block_index) FROM (
        SELECT block_index FROM block WHERE snapshot_key = ? ORDER BY block_index LIMIT ?
    ) AS slice
) RETURNING 1
"""
REAP_HOLDS = """
DELETE FROM hold WHERE snapshot_key = ? AND chunk_key <= (
    SELECT max(chunk_key) FROM (
        SELECT chunk_key FROM hold WHERE snapshot_key = ? ORDER BY chunk_key LIMIT ?
    ) AS slice
) RETURNING 1
"""
REAPED = "UPDATE snapshot SET reaping = 0 WHERE snapshot_key = ?"

# --- sharing

_HOW_SHARED = """
EXISTS (SELECT 1 FROM snapshot_permission WHERE snapshot_key = found.snapshot_key AND grantee = 'all') AS public,
EXISTS (SELECT 1 FROM snapshot_permission WHERE snapshot_key = found.snapshot_key AND grantee = ?) AS shared
"""
# One statement, since every read of a block asks it. The owner has tags of one kind, everybody else of the other.
VISIBLE_WITH_TAGS = f"""
SELECT found.*, {_HOW_SHARED},
       coalesce(tag.tag_key, guest_tag.tag_key) AS own_key, coalesce(tag.tag_value, guest_tag.tag_value)
FROM ({_SNAPSHOT} WHERE snapshot_id = ? AND state <> 'deleted' AND recycled = 0) AS found
LEFT JOIN tag ON tag.snapshot_key = found.snapshot_key AND found.account_id = ?
LEFT JOIN guest_tag ON guest_tag.snapshot_key = found.snapshot_key AND guest_tag.account_id = ?
WHERE found.account_id = ? OR EXISTS (
    SELECT 1 FROM snapshot_permission WHERE snapshot_key = found.snapshot_key AND grantee IN (?, 'all')
) ORDER BY own_key
"""  # noqa: S608 - statements of ours inside another
VISIBLE = """
SELECT snapshot_key, account_id FROM snapshot
WHERE snapshot_id = ? AND state <> 'deleted' AND recycled = 0 AND (account_id = ? OR EXISTS (
    SELECT 1 FROM snapshot_permission
    WHERE snapshot_permission.snapshot_key = snapshot.snapshot_key AND grantee IN (?, 'all')
))
"""
# Three indexes, each in order of its keys, are merged until the page is full.
VISIBLE_SNAPSHOTS = f"""
SELECT found.*, {_HOW_SHARED} FROM ({_SNAPSHOT} WHERE snapshot_key IN (
    SELECT snapshot_key FROM snapshot
    WHERE account_id = ? AND snapshot_key > ? AND state <> 'deleted' AND recycled = 0
    UNION SELECT snapshot_key FROM snapshot_permission WHERE grantee = ? AND snapshot_key > ? AND NOT EXISTS (
        SELECT 1 FROM snapshot_bin WHERE snapshot_bin.snapshot_key = snapshot_permission.snapshot_key
    )
    UNION SELECT snapshot_key FROM snapshot_permission WHERE grantee = 'all' AND snapshot_key > ? AND NOT EXISTS (
        SELECT 1 FROM snapshot_bin WHERE snapshot_bin.snapshot_key = snapshot_permission.snapshot_key
    )
    ORDER BY snapshot_key LIMIT ?
)) AS found ORDER BY found.snapshot_key
"""  # noqa: S608 - statements of ours inside another
# As above, with the tags of the owner and those of guests.
VISIBLE_SNAPSHOTS_TAGGED = f"""
SELECT found.*, {_HOW_SHARED} FROM ({_SNAPSHOT} WHERE snapshot_key IN (
    SELECT tag.snapshot_key FROM tag CROSS JOIN snapshot
    WHERE snapshot.snapshot_key = tag.snapshot_key AND tag_key = ? AND tag.snapshot_key > ?
      AND tag_value = coalesce(?, tag_value) AND account_id = ? AND state <> 'deleted' AND recycled = 0
    UNION SELECT snapshot_key FROM guest_tag
    WHERE account_id = ? AND tag_key = ? AND snapshot_key > ? AND tag_value = coalesce(?, tag_value) AND NOT EXISTS (
        SELECT 1 FROM snapshot_bin WHERE snapshot_bin.snapshot_key = guest_tag.snapshot_key
    )
    ORDER BY snapshot_key LIMIT ?
)) AS found ORDER BY found.snapshot_key
"""  # noqa: S608 - statements of ours inside another
PERMISSIONS = "SELECT grantee FROM snapshot_permission WHERE snapshot_key = ? ORDER BY grantee"
ADD_PERMISSION = """
INSERT INTO snapshot_permission (snapshot_key, grantee) VALUES (?, ?)
ON CONFLICT (snapshot_key, grantee) DO NOTHING
"""
REMOVE_PERMISSION = "DELETE FROM snapshot_permission WHERE snapshot_key = ? AND grantee = ?"
REMOVE_PERMISSIONS = "DELETE FROM snapshot_permission WHERE snapshot_key = ?"

# --- tags

TAGS = "SELECT snapshot_key, tag_key, tag_value FROM tag WHERE snapshot_key = ? ORDER BY tag_key"
COUNT_TAGS = "SELECT count(*) FROM tag WHERE snapshot_key = ?"
PUT_TAG = """
INSERT INTO tag (snapshot_key, tag_key, tag_value) VALUES (?, ?, ?)
ON CONFLICT (snapshot_key, tag_key) DO UPDATE SET tag_value = excluded.tag_value
"""
REMOVE_TAG = "DELETE FROM tag WHERE snapshot_key = ? AND tag_key = ?"
REMOVE_TAG_OF_VALUE = "DELETE FROM tag WHERE snapshot_key = ? AND tag_key = ? AND tag_value = ?"
REMOVE_TAGS = "DELETE FROM tag WHERE snapshot_key = ?"

# Of somebody else's snapshot, by an account it was shared with.
GUEST_TAGS = """
SELECT snapshot_key, tag_key, tag_value FROM guest_tag WHERE snapshot_key = ? AND account_id = ? ORDER BY tag_key
"""
COUNT_GUEST_TAGS = "SELECT count(*) FROM guest_tag WHERE snapshot_key = ? AND account_id = ?"
PUT_GUEST_TAG = """
INSERT INTO guest_tag (snapshot_key, account_id, tag_key, tag_value) VALUES (?, ?, ?, ?)
ON CONFLICT (snapshot_key, account_id, tag_key) DO UPDATE SET tag_value = excluded.tag_value
"""
REMOVE_GUEST_TAG = "DELETE FROM guest_tag WHERE snapshot_key = ? AND account_id = ? AND tag_key = ?"
REMOVE_GUEST_TAG_OF_VALUE = """
DELETE FROM guest_tag WHERE snapshot_key = ? AND account_id = ? AND tag_key = ? AND tag_value = ?
"""
REMOVE_GUEST_TAGS = "DELETE FROM guest_tag WHERE snapshot_key = ? AND account_id = ?"
REMOVE_ALL_GUEST_TAGS = "DELETE FROM guest_tag WHERE snapshot_key = ?"
REMOVE_TAGS_OF_THE_GONE = """
DELETE FROM guest_tag WHERE snapshot_key = ? AND NOT EXISTS (
    SELECT 1 FROM snapshot_permission WHERE snapshot_permission.snapshot_key = guest_tag.snapshot_key
                                        AND grantee IN (guest_tag.account_id, 'all')
)
"""
"""Of those who cannot see the snapshot any more."""

# --- segments, chunks, blocks

RESERVE_SEGMENT = "INSERT INTO segment (name, state, reserved_ms) VALUES (?, 'reserved', ?)"
CANCEL_RESERVATIONS = "UPDATE segment SET state = 'cancelled' WHERE state = 'reserved' RETURNING 1"
PUBLISH_SEGMENT = """
UPDATE segment SET state = 'live', size_bytes = ? WHERE name = ? AND state = 'reserved'
RETURNING segment_key
"""
# A good row that is there stays, and gives no row back: the conflict is answered only for a bad one.
PUBLISH_CHUNK = """
INSERT INTO chunk (
    domain_key, chunk_id, kind, encoding, segment_key, segment_offset, stored_bytes, plain_bytes, bad
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0)
ON CONFLICT (domain_key, chunk_id) DO UPDATE SET
    kind = excluded.kind,
    encoding = excluded.encoding,
    segment_key = excluded.segment_key,
    segment_offset = excluded.segment_offset,
    stored_bytes = excluded.stored_bytes,
    plain_bytes = excluded.plain_bytes,
    bad = 0
WHERE chunk.bad = 1
RETURNING domain_key, chunk_id, chunk_key
"""
GOOD_CHUNK = """
SELECT domain_key, chunk_id, chunk_key FROM chunk WHERE domain_key = ? AND chunk_id = ? AND bad = 0
"""
STANDING = (
    "SELECT snapshot_key, state, recycled, deadline_ms, domain_key FROM snapshot WHERE snapshot_key = ?"
)
PUT_BLOCK = """
INSERT INTO block (snapshot_key, block_index, chunk_key, digest) VALUES (?, ?, ?, ?)
ON CONFLICT (snapshot_key, block_index) DO UPDATE SET chunk_key = excluded.chunk_key, digest = excluded.digest
"""
# Only ever forward: a clock that is behind for a while must not bring the deadline nearer.
TOUCH_SNAPSHOT = """
UPDATE snapshot SET last_write_ms = ?, deadline_ms = ? + timeout_minutes * 60000
WHERE snapshot_key = ? AND last_write_ms < ?
"""
PUT_HOLD = """
INSERT INTO hold (snapshot_key, chunk_key) VALUES (?, ?) ON CONFLICT (snapshot_key, chunk_key) DO NOTHING
"""
CHUNK = """
SELECT domain_key, chunk_id, kind, encoding, segment.name, segment_offset, stored_bytes, plain_bytes
FROM chunk JOIN segment ON segment.segment_key = chunk.segment_key
WHERE domain_key = ? AND chunk_id = ?
"""
MARK_BAD = "UPDATE chunk SET bad = 1 WHERE domain_key = ? AND chunk_id = ?"
ROWS_SHOWN = """
SELECT 1 FROM snapshot WHERE snapshot_key = ? AND (state NOT IN ('error', 'deleted') OR completed_ms IS NOT NULL)
"""
BLOCKS = """
SELECT block_index, chunk_id, digest FROM block LEFT JOIN chunk ON chunk.chunk_key = block.chunk_key
WHERE snapshot_key = ? AND block_index > ? ORDER BY block_index LIMIT ?
"""
COUNT_BLOCKS_OF = "SELECT count(*) FROM block WHERE snapshot_key = ?"
