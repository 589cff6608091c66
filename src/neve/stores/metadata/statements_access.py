"""The statements about users, policies and the settings of accounts. See `statements` for how they are written."""

USER = "SELECT user_name, user_id, created_ms FROM iam_user WHERE account_id = ? AND user_name = ?"
USERS = "SELECT user_name, user_id, created_ms FROM iam_user WHERE account_id = ? ORDER BY user_name"
ADD_USER = "INSERT INTO iam_user (account_id, user_name, user_id, created_ms) VALUES (?, ?, ?, ?)"
REMOVE_USER = "DELETE FROM iam_user WHERE account_id = ? AND user_name = ?"
REMOVE_ATTACHMENTS_OF_USER = "DELETE FROM iam_attachment WHERE account_id = ? AND user_name = ?"
REMOVE_ACCESS_KEYS_OF_USER = "DELETE FROM access_key WHERE account_id = ? AND user_name = ?"

_POLICY = "SELECT policy_name, document, created_ms, updated_ms FROM iam_policy"
"""The columns that `records.identities` reads, in its order."""

POLICY = f"{_POLICY} WHERE account_id = ? AND policy_name = ?"
POLICIES = f"{_POLICY} WHERE account_id = ? ORDER BY policy_name"
PUT_POLICY = """
INSERT INTO iam_policy (account_id, policy_name, document, created_ms, updated_ms) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (account_id, policy_name) DO UPDATE SET document = excluded.document, updated_ms = excluded.updated_ms
"""
REMOVE_POLICY = "DELETE FROM iam_policy WHERE account_id = ? AND policy_name = ? RETURNING policy_name"
POLICY_IS_ATTACHED = "SELECT 1 FROM iam_attachment WHERE account_id = ? AND policy_name = ? LIMIT 1"

ATTACH_POLICY = """
INSERT INTO iam_attachment (account_id, user_name, policy_name) VALUES (?, ?, ?)
ON CONFLICT (account_id, user_name, policy_name) DO NOTHING
"""
DETACH_POLICY = "DELETE FROM iam_attachment WHERE account_id = ? AND user_name = ? AND policy_name = ?"
ATTACHMENTS = """
SELECT iam_attachment.policy_name, iam_policy.document FROM iam_user
LEFT JOIN iam_attachment ON iam_attachment.account_id = iam_user.account_id
                        AND iam_attachment.user_name = iam_user.user_name
LEFT JOIN iam_policy ON iam_policy.account_id = iam_attachment.account_id
                    AND iam_policy.policy_name = iam_attachment.policy_name
WHERE iam_user.account_id = ? AND iam_user.user_name = ? ORDER BY iam_attachment.policy_name
"""
"""A row for each attachment, one without a name if there is none, no row if there is no user."""

ACCOUNT_SETTINGS = """
SELECT encryption_by_default, default_kms_key, public_access FROM account_settings WHERE account_id = ?
"""
PUT_ACCOUNT_SETTINGS = """
INSERT INTO account_settings (account_id, encryption_by_default, default_kms_key, public_access)
VALUES (?, ?, ?, ?)
ON CONFLICT (account_id) DO UPDATE SET
    encryption_by_default = excluded.encryption_by_default,
    default_kms_key = excluded.default_kms_key,
    public_access = excluded.public_access
"""
