"""Statements about what needs chunks. See `statements` for the house rules."""

LIVING = """
SELECT snapshot.snapshot_key, snapshot_id, account_id, lineage_id,
       CASE WHEN recycled = 1 THEN 'recycled' ELSE state END,
       volume_gib, domain_key, base_root, base_block_count, root, block_count, source_domain_key, source_root
FROM snapshot LEFT JOIN snapshot_copy ON snapshot_copy.snapshot_key = snapshot.snapshot_key
WHERE snapshot.snapshot_key > ? AND state IN ('pending', 'sealing', 'completed')
ORDER BY snapshot.snapshot_key LIMIT ?
"""
# Sorted anew for each slice: a snapshot of the largest size holds 131,200 nodes.
HELD_NODES = """
SELECT chunk_id FROM hold JOIN chunk ON chunk.chunk_key = hold.chunk_key
WHERE hold.snapshot_key = ? AND chunk_id > ?
  AND EXISTS (SELECT 1 FROM snapshot WHERE snapshot.snapshot_key = hold.snapshot_key AND state = 'sealing')
ORDER BY chunk_id LIMIT ?
"""
