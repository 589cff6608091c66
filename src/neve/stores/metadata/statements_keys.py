"""The statements about KMS keys and wrapped data keys; see `statements` for the rest of the house rules."""

# --- keys

_KEY_COLUMNS = """
       key_id, account_id, arn, description, manager, state, created_ms, deletion_ms, rotation_days, rotated_ms,
       material_version, policy, tags, revision
"""
ADD_KEY = f"""
INSERT INTO kms_key ({_KEY_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""  # noqa: S608 - our own names of columns
KEY = f"SELECT {_KEY_COLUMNS} FROM kms_key WHERE key_id = ?"  # noqa: S608
KEYS = f"""
SELECT {_KEY_COLUMNS} FROM kms_key WHERE account_id = ? AND key_id > ? ORDER BY key_id LIMIT ?
"""  # noqa: S608
KEYS_TO_DELETE = f"""
SELECT {_KEY_COLUMNS} FROM kms_key WHERE state = 'PendingDeletion' AND deletion_ms <= ?
ORDER BY deletion_ms, key_id LIMIT ?
"""  # noqa: S608
KEYS_TO_ROTATE = f"""
SELECT {_KEY_COLUMNS} FROM kms_key WHERE state = 'Enabled' AND rotated_ms + rotation_days * 86400000 <= ?
ORDER BY key_id LIMIT ?
"""  # noqa: S608
REVISION = "SELECT revision FROM kms_key WHERE key_id = ?"
REPLACE_KEY = """
UPDATE kms_key SET
    account_id = ?, arn = ?, description = ?, manager = ?, state = ?, created_ms = ?, deletion_ms = ?,
    rotation_days = ?, rotated_ms = ?, material_version = ?, policy = ?, tags = ?, revision = revision + 1
WHERE key_id = ?
"""
REMOVE_KEY = "DELETE FROM kms_key WHERE key_id = ?"

ADD_MATERIAL = "INSERT INTO kms_material (key_id, version, sealed_material, created_ms) VALUES (?, ?, ?, ?)"
MATERIALS = (
    "SELECT key_id, version, sealed_material, created_ms FROM kms_material WHERE key_id = ? ORDER BY version"
)
REMOVE_MATERIALS = "DELETE FROM kms_material WHERE key_id = ?"

# --- aliases

ADD_ALIAS = """
INSERT INTO kms_alias (account_id, alias_name, key_id, created_ms, updated_ms) VALUES (?, ?, ?, ?, ?)
"""
ALIAS = """
SELECT account_id, alias_name, key_id, created_ms, updated_ms FROM kms_alias
WHERE account_id = ? AND alias_name = ?
"""
ALIASES = """
SELECT account_id, alias_name, key_id, created_ms, updated_ms FROM kms_alias
WHERE account_id = ? AND alias_name > ? ORDER BY alias_name LIMIT ?
"""
MOVE_ALIAS = "UPDATE kms_alias SET key_id = ?, updated_ms = ? WHERE account_id = ? AND alias_name = ?"
REMOVE_ALIAS = "DELETE FROM kms_alias WHERE account_id = ? AND alias_name = ? RETURNING 1"
REMOVE_ALIASES_OF_KEY = "DELETE FROM kms_alias WHERE key_id = ?"

# --- grants

ADD_GRANT = """
INSERT INTO kms_grant (
    key_id, grant_id, grantee_principal, retiring_principal, operations, grant_name, context_equals, context_subset,
    created_ms
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (key_id, grant_id) DO NOTHING
"""
GRANTS = """
SELECT key_id, grant_id, grantee_principal, retiring_principal, operations, grant_name, context_equals,
       context_subset, created_ms
FROM kms_grant WHERE key_id = ? AND grant_id > ? ORDER BY grant_id LIMIT ?
"""
REMOVE_GRANT = "DELETE FROM kms_grant WHERE key_id = ? AND grant_id = ? RETURNING 1"
REMOVE_GRANTS = "DELETE FROM kms_grant WHERE key_id = ?"

# --- data keys of domains

NEWEST_GENERATION = "SELECT coalesce(max(generation), 0) FROM domain_wrapping WHERE domain_key = ?"
ADD_WRAPPING = """
INSERT INTO domain_wrapping (domain_key, generation, wrapping, key_version, created_ms) VALUES (?, ?, ?, ?, ?)
"""
WRAPPINGS = """
SELECT domain_key, generation, wrapping, key_version, created_ms FROM domain_wrapping
WHERE domain_key = ? ORDER BY generation
"""
REWRAP = """
UPDATE domain_wrapping SET wrapping = ?, key_version = ?, created_ms = ?
WHERE domain_key = ? AND generation = ? AND wrapping = ? AND key_version = ? AND created_ms = ? RETURNING 1
"""
