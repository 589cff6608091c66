"""The tables of migration step 2: who may do what, KMS keys, wrapped data keys, and sharing.

    account ◀── iam_user ◀── iam_attachment      iam_policy       account_settings
       ▲
       └── kms_key ◀── kms_material, kms_alias, kms_grant
    domain ◀── domain_wrapping       snapshot ◀── snapshot_permission

Every secret in them is sealed under the store's master key or wrapped by a KMS key. A released step never
changes; see `schema` for the rest of the house rules.
"""

from collections.abc import Sequence

from neve.stores.metadata.schema import Dialect, spell

# user_name   Whose it is: a user of the same account, or empty for the account's own. No foreign key, since the
#             account itself is no user; whoever removes a user removes their keys.
# expires_ms  From then on it signs nothing; null is never.
ACCESS_KEY_USER = "ALTER TABLE access_key ADD COLUMN user_name TEXT NOT NULL DEFAULT ''"
ACCESS_KEY_EXPIRY = "ALTER TABLE access_key ADD COLUMN expires_ms {integer}"

# user_id  AIDA…; never used twice.
IAM_USER = """
CREATE TABLE iam_user (
    account_id TEXT NOT NULL REFERENCES account,
    user_name  TEXT NOT NULL,
    user_id    TEXT NOT NULL UNIQUE,
    created_ms {integer} NOT NULL,
    PRIMARY KEY (account_id, user_name)
) {clustered_table}
"""

# document  AWS's JSON, checked before it came here.
IAM_POLICY = """
CREATE TABLE iam_policy (
    account_id  TEXT NOT NULL REFERENCES account,
    policy_name TEXT NOT NULL,
    document    TEXT NOT NULL,
    created_ms  {integer} NOT NULL,
    updated_ms  {integer} NOT NULL,
    PRIMARY KEY (account_id, policy_name)
) {clustered_table}
"""

# policy_name  A row of iam_policy, or a ready-made policy that only the program has: hence no foreign key.
IAM_ATTACHMENT = """
CREATE TABLE iam_attachment (
    account_id  TEXT NOT NULL,
    user_name   TEXT NOT NULL,
    policy_name TEXT NOT NULL,
    PRIMARY KEY (account_id, user_name, policy_name),
    FOREIGN KEY (account_id, user_name) REFERENCES iam_user (account_id, user_name)
) {clustered_table}
"""
IAM_ATTACHMENT_BY_POLICY = "CREATE INDEX iam_attachment_by_policy ON iam_attachment (account_id, policy_name)"

# default_kms_key  ARN of the account's default key; empty for the key provider's own default.
ACCOUNT_SETTINGS = """
CREATE TABLE account_settings (
    account_id            TEXT NOT NULL PRIMARY KEY REFERENCES account,
    encryption_by_default {integer} NOT NULL,
    default_kms_key       TEXT NOT NULL
) {clustered_table}
"""

# state             neve.domain.kms_keys.KeyState
# deletion_ms       When a key pending deletion goes; null in every other state.
# rotation_days     Null: its material rotates only by hand.
# rotated_ms        When its newest material was made.
# material_version  The newest version in kms_material.
# policy            Key policy, as it was put.
# tags              A JSON object.
# revision          Grows with every change, so that nobody overwrites what they did not read.
KMS_KEY = """
CREATE TABLE kms_key (
    key_id           TEXT NOT NULL PRIMARY KEY,
    account_id       TEXT NOT NULL REFERENCES account,
    arn              TEXT NOT NULL,
    description      TEXT NOT NULL,
    manager          TEXT NOT NULL,
    state            TEXT NOT NULL,
    created_ms       {integer} NOT NULL,
    deletion_ms      {integer},
    rotation_days    {integer},
    rotated_ms       {integer} NOT NULL,
    material_version {integer} NOT NULL,
    policy           TEXT NOT NULL,
    tags             TEXT NOT NULL,
    revision         {integer} NOT NULL
) {clustered_table}
"""
KMS_KEY_BY_ACCOUNT = "CREATE INDEX kms_key_by_account ON kms_key (account_id, key_id)"

# sealed_material  32 bytes, sealed under the store's master key and bound to key id and version.
KMS_MATERIAL = """
CREATE TABLE kms_material (
    key_id          TEXT NOT NULL REFERENCES kms_key,
    version         {integer} NOT NULL,
    sealed_material {content} NOT NULL,
    created_ms      {integer} NOT NULL,
    PRIMARY KEY (key_id, version)
) {clustered_table}
"""

KMS_ALIAS = """
CREATE TABLE kms_alias (
    account_id TEXT NOT NULL REFERENCES account,
    alias_name TEXT NOT NULL,
    key_id     TEXT NOT NULL REFERENCES kms_key,
    created_ms {integer} NOT NULL,
    updated_ms {integer} NOT NULL,
    PRIMARY KEY (account_id, alias_name)
) {clustered_table}
"""
KMS_ALIAS_BY_KEY = "CREATE INDEX kms_alias_by_key ON kms_alias (key_id)"

# operations                      A JSON array.
# context_equals, context_subset  A JSON object, or null.
KMS_GRANT = """
CREATE TABLE kms_grant (
    key_id             TEXT NOT NULL REFERENCES kms_key,
    grant_id           TEXT NOT NULL,
    grantee_principal  TEXT NOT NULL,
    retiring_principal TEXT,
    operations         TEXT NOT NULL,
    grant_name         TEXT,
    context_equals     TEXT,
    context_subset     TEXT,
    created_ms         {integer} NOT NULL,
    PRIMARY KEY (key_id, grant_id)
) {clustered_table}
"""

# generation   From 1; new chunks are sealed under the newest, older ones open what they sealed.
# wrapping     What the domain's KMS key made of the data key.
# key_version  Which material of that key did; empty if its provider does not tell.
DOMAIN_WRAPPING = """
CREATE TABLE domain_wrapping (
    domain_key  {integer} NOT NULL REFERENCES domain,
    generation  {integer} NOT NULL,
    wrapping    {content} NOT NULL,
    key_version TEXT NOT NULL,
    created_ms  {integer} NOT NULL,
    PRIMARY KEY (domain_key, generation)
) {clustered_table}
"""

# grantee  An account, recorded here or not, or `all`.
SNAPSHOT_PERMISSION = """
CREATE TABLE snapshot_permission (
    snapshot_key {integer} NOT NULL REFERENCES snapshot,
    grantee      TEXT NOT NULL,
    PRIMARY KEY (snapshot_key, grantee)
) {clustered_table}
"""
# What was shared with somebody, in the order of pages.
SNAPSHOT_PERMISSION_BY_GRANTEE = (
    "CREATE INDEX snapshot_permission_by_grantee ON snapshot_permission (grantee, snapshot_key)"
)

_IN_ORDER = (
    ACCESS_KEY_USER,
    ACCESS_KEY_EXPIRY,
    IAM_USER,
    IAM_POLICY,
    IAM_ATTACHMENT,
    IAM_ATTACHMENT_BY_POLICY,
    ACCOUNT_SETTINGS,
    KMS_KEY,
    KMS_KEY_BY_ACCOUNT,
    KMS_MATERIAL,
    KMS_ALIAS,
    KMS_ALIAS_BY_KEY,
    KMS_GRANT,
    DOMAIN_WRAPPING,
    SNAPSHOT_PERMISSION,
    SNAPSHOT_PERMISSION_BY_GRANTEE,
)


def second_step(dialect: Dialect) -> Sequence[str]:
    """Return the statements of migration step 2, in order."""
    return [spell(statement, dialect) for statement in _IN_ORDER]
