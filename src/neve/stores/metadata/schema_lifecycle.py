"""The tables of migration step 3: locks, the recycle bin, copies, and each account's own tags.

    snapshot ◀── snapshot_lock, snapshot_bin, snapshot_copy, guest_tag       account ◀── bin_rule

A released step never changes; see `schema` for the house rules.
"""

from collections.abc import Sequence

from neve.stores.metadata.schema import Dialect, spell

# origin  neve.domain.snapshots.Origin: made of blocks by a client, or a copy, which takes none from clients.
SNAPSHOT_ORIGIN = "ALTER TABLE snapshot ADD COLUMN origin TEXT NOT NULL DEFAULT 'direct'"

# recycled  1 for a snapshot in the recycle bin, whose state then is `recycled` while the column `state` says
#           `completed`: step 1 holds that column to the words it knew, and not every database can take such a
#           condition back from a table that others refer to. Who looks for snapshots says `recycled = 0` wherever
#           they say `state <> 'deleted'`.
SNAPSHOT_RECYCLED = "ALTER TABLE snapshot ADD COLUMN recycled {integer} NOT NULL DEFAULT 0"

# mode           neve.domain.locks.LockMode
# duration_days, expires_ms
#                Exactly one is not null: how long from the lock or completion, or until when.
# cool_off_hours Null: none.
SNAPSHOT_LOCK = """
CREATE TABLE snapshot_lock (
    snapshot_key   {integer} NOT NULL PRIMARY KEY REFERENCES snapshot,
    account_id     TEXT NOT NULL REFERENCES account,
    mode           TEXT NOT NULL,
    created_ms     {integer} NOT NULL,
    duration_days  {integer},
    expires_ms     {integer},
    cool_off_hours {integer}
) {clustered_table}
"""
SNAPSHOT_LOCK_BY_ACCOUNT = "CREATE INDEX snapshot_lock_by_account ON snapshot_lock (account_id, snapshot_key)"

# A snapshot in the bin is `recycled` and has a row here. Its block map is needed as if it were completed.
# exits_ms  From then on it cannot be restored and goes for good.
SNAPSHOT_BIN = """
CREATE TABLE snapshot_bin (
    snapshot_key {integer} NOT NULL PRIMARY KEY REFERENCES snapshot,
    account_id   TEXT NOT NULL REFERENCES account,
    entered_ms   {integer} NOT NULL,
    exits_ms     {integer} NOT NULL
) {clustered_table}
"""
SNAPSHOT_BIN_BY_ACCOUNT = "CREATE INDEX snapshot_bin_by_account ON snapshot_bin (account_id, snapshot_key)"
SNAPSHOT_BIN_BY_EXIT = "CREATE INDEX snapshot_bin_by_exit ON snapshot_bin (exits_ms)"

# resource_tags, exclude_resource_tags  JSON arrays of [key, value or null].
# tags                                  The rule's own: a JSON object.
BIN_RULE = """
CREATE TABLE bin_rule (
    account_id            TEXT NOT NULL REFERENCES account,
    rule_id               TEXT NOT NULL,
    description           TEXT NOT NULL,
    retention_days        {integer} NOT NULL,
    resource_tags         TEXT NOT NULL,
    exclude_resource_tags TEXT NOT NULL,
    tags                  TEXT NOT NULL,
    created_ms            {integer} NOT NULL,
    PRIMARY KEY (account_id, rule_id)
) {clustered_table}
"""

# A row stays for as long as its copy is pending.
# source_id    As it was asked for: it may name nothing.
# encrypted, kms_key, refusal, principal_arn
#              What was decided when it was asked for, and who asked: refusal is what it is to fail with, or empty.
# source_domain_key, source_root, source_block_count
#              What is copied, once that is known. Collection marks from it too: the source may be deleted meanwhile.
# next_index   Blocks below it are copied; copied_count of them.
SNAPSHOT_COPY = """
CREATE TABLE snapshot_copy (
    snapshot_key       {integer} NOT NULL PRIMARY KEY REFERENCES snapshot,
    source_id          TEXT NOT NULL,
    encrypted          {integer} NOT NULL,
    kms_key            TEXT NOT NULL,
    refusal            TEXT NOT NULL,
    principal_arn      TEXT NOT NULL,
    source_domain_key  {integer} REFERENCES domain,
    source_root        {content},
    source_block_count {integer} NOT NULL,
    next_index         {integer} NOT NULL,
    copied_count       {integer} NOT NULL
) {clustered_table}
"""

# Tags that an account gave to somebody else's snapshot: tag sets are each account's own (contract 9.3).
GUEST_TAG = """
CREATE TABLE guest_tag (
    snapshot_key {integer} NOT NULL REFERENCES snapshot,
    account_id   TEXT NOT NULL REFERENCES account,
    tag_key      TEXT NOT NULL,
    tag_value    TEXT NOT NULL,
    PRIMARY KEY (snapshot_key, account_id, tag_key)
) {clustered_table}
"""
# Tag filters: which snapshots have a tag, in the order of pages, without looking at those that do not. The value comes
# last: one is looked for among those of its key in the index alone, and every key and value has the order of pages.
TAG_BY_KEY = "CREATE INDEX tag_by_key ON tag (tag_key, snapshot_key, tag_value)"
GUEST_TAG_BY_KEY = """
CREATE INDEX guest_tag_by_key ON guest_tag (account_id, tag_key, snapshot_key, tag_value)
"""

# What public sharing is allowed (contract 9.10).
SETTINGS_PUBLIC_ACCESS = (
    "ALTER TABLE account_settings ADD COLUMN public_access TEXT NOT NULL DEFAULT 'unblocked'"
)

_IN_ORDER = (
    SNAPSHOT_ORIGIN,
    SNAPSHOT_RECYCLED,
    SNAPSHOT_LOCK,
    SNAPSHOT_LOCK_BY_ACCOUNT,
    SNAPSHOT_BIN,
    SNAPSHOT_BIN_BY_ACCOUNT,
    SNAPSHOT_BIN_BY_EXIT,
    BIN_RULE,
    SNAPSHOT_COPY,
    GUEST_TAG,
    TAG_BY_KEY,
    GUEST_TAG_BY_KEY,
    SETTINGS_PUBLIC_ACCESS,
)


def third_step(dialect: Dialect) -> Sequence[str]:
    """Return the statements of migration step 3, in order."""
    return [spell(statement, dialect) for statement in _IN_ORDER]
