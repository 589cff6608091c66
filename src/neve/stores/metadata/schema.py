"""The tables every SQL metadata store keeps, and why each column is there.

    account ◀── access_key                          store: one row of facts     migration: steps taken
       ▲  ▲
       │  └──── domain ◀──────────── chunk ───▶ segment
       │          ▲                   ▲  ▲
       └───── snapshot ◀── block ─────┘  │      ◀─ and ▶ are foreign keys: the row at the head
               ▲  ▲  ▲                   │         cannot go while one at the tail exists
             tag  │  └──── hold ─────────┘
             client_token

Collection (design, section 6) rests on three things here. Block rows and holds name chunk rows through foreign
keys, so the database itself refuses to let a needed chunk row go. Keys of chunks, segments and snapshots only
ever grow and are never used twice, so "chunk rows that existed then" is a comparison of integers. A segment's
name stays recorded whatever became of its reservation, so a late writer meets a record, never an absence.

The text is one for every database; what differs between them is in `Dialect`. This module is the schema as
migration step 1 makes it: a released step never changes, later steps are added in `migrations`.
Times are milliseconds since the epoch; booleans are 0 and 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How one database spells what standard SQL leaves open."""

    serial_key: str
    """An integer primary key the database hands out, ascending, never twice."""
    integer: str
    """Eight bytes, signed."""
    content: str
    """Bytes of any length."""
    heap_table: str
    """Ends a table whose rows lie in order of arrival."""
    clustered_table: str
    """Ends a table whose rows lie in order of its primary key, where the database can do that."""
    trigger: str
    """Runs a statement after an event on each row of a table: `name`, `event`, `table`, `condition`, `statement`."""
    text_of_integer: str
    """An integer as text in decimal: `value`."""
    has_migration_table: str
    """A query with one row if the table `migration` exists, and none if it does not."""


SQLITE = Dialect(
    serial_key="INTEGER PRIMARY KEY AUTOINCREMENT",
    integer="INTEGER",
    content="BLOB",
    heap_table="STRICT",
    clustered_table="STRICT, WITHOUT ROWID",
    trigger="CREATE TRIGGER {name} AFTER {event} ON {table} {condition} BEGIN {statement}; END",
    text_of_integer="CAST({value} AS TEXT)",
    has_migration_table="SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'migration'",
)

# step        Number of a migration step that has been taken.
# title       What it did, for whoever looks.
MIGRATION = """
CREATE TABLE migration (
    step  {integer} NOT NULL PRIMARY KEY,
    title TEXT NOT NULL
) {heap_table}
"""

# singleton       Always 1: there is one row.
# format_version  Version of the bytes in segments (docs/format.md), not of these tables.
# store_id        Tells this store from every other, so that a segment folder and a database can be matched.
# block_bytes, node_fanout
#                 Shape every chunk ever written; a service with other limits may not open the store.
# created_ms      When the store was created.
# epoch           The collector that took this number last owns the right to collect: each of its transactions
#                 demands that the number is still its own (design, section 6).
STORE = """
CREATE TABLE store (
    singleton      {integer} NOT NULL PRIMARY KEY CHECK (singleton = 1),
    format_version {integer} NOT NULL,
    store_id       {content} NOT NULL,
    block_bytes    {integer} NOT NULL,
    node_fanout    {integer} NOT NULL,
    created_ms     {integer} NOT NULL,
    epoch          {integer} NOT NULL
) {heap_table}
"""

# account_id  Twelve digits.
# name        For people; not unique.
# created_ms  When it was recorded first.
ACCOUNT = """
CREATE TABLE account (
    account_id TEXT NOT NULL PRIMARY KEY,
    name       TEXT NOT NULL,
    created_ms {integer} NOT NULL
) {clustered_table}
"""

# access_key_id  AKIA…; unique over all accounts, since a request names nothing else.
# account_id     Whose it is.
# sealed_secret  The secret, sealed under the store's master key and bound to the id. Never in the clear.
# enabled        0 stops it from signing without forgetting that it existed.
ACCESS_KEY = """
CREATE TABLE access_key (
    access_key_id TEXT NOT NULL PRIMARY KEY,
    account_id    TEXT NOT NULL REFERENCES account,
    sealed_secret {content} NOT NULL,
    created_ms    {integer} NOT NULL,
    enabled       {integer} NOT NULL
) {clustered_table}
"""
ACCESS_KEY_BY_ACCOUNT = "CREATE INDEX access_key_by_account ON access_key (account_id)"

# domain_key     Short name of the domain in the tables below.
# uid            The domain's name in segments, which outlive this database: 16 random bytes.
# account_id     Whose content it is. Unique with domain_key, so that a snapshot can be held to both at once.
# kms_key_arn    Empty for the unencrypted domain.
# sealed_id_key  The key of chunk ids, sealed under the store's master key.
DOMAIN = """
CREATE TABLE domain (
    domain_key    {serial_key},
    uid           {content} NOT NULL UNIQUE,
    account_id    TEXT NOT NULL REFERENCES account,
    kms_key_arn   TEXT NOT NULL,
    sealed_id_key {content} NOT NULL,
    UNIQUE (account_id, kms_key_arn),
    UNIQUE (domain_key, account_id)
) {heap_table}
"""

# segment_key   Short name of the segment in chunk rows.
# name          Random, reserved before the first byte is written, never used twice.
# state         reserved   somebody may be writing it
#               live       published: its chunks count
#               cancelled  its reservation was taken back: whoever comes to publish it is refused
#               condemned  no chunk row names it any more: its bytes go after the undo window
# reserved_ms   When its name was reserved.
# condemned_ms  When the undo window began; null until then. Of a cancelled one: when an object of it was first found.
# size_bytes    Size of the file or object, null until published. The live part of it is the sum of stored_bytes
#               over its chunk rows; the rest is table, or chunks that somebody else had stored first or that
#               nobody needs any more.
SEGMENT = """
CREATE TABLE segment (
    segment_key  {serial_key},
    name         TEXT NOT NULL UNIQUE,
    state        TEXT NOT NULL CHECK (state IN ('reserved', 'live', 'cancelled', 'condemned')),
    reserved_ms  {integer} NOT NULL,
    condemned_ms {integer},
    size_bytes   {integer}
) {heap_table}
"""
# Small whatever the store's size: what is on its way in, and what is on its way out.
SEGMENT_RESERVED = "CREATE INDEX segment_reserved ON segment (reserved_ms) WHERE state = 'reserved'"
SEGMENT_CONDEMNED = "CREATE INDEX segment_condemned ON segment (condemned_ms) WHERE state = 'condemned'"

# chunk_key       Ascending in order of publication, never used twice: a collector that notes the highest one when
#                 it takes its list of snapshots knows which chunk rows existed then.
# domain_key, chunk_id
#                 What the chunk is called: one row for each content of a domain.
# kind            neve.domain.blocks.ChunkKind: a block's content, or a node of a block map.
# encoding        placement.Encoding: how the bytes stand in the segment.
# segment_key, segment_offset, stored_bytes
#                 Where they stand.
# plain_bytes     Their size once decoded: a reader knows what it will need before it begins.
# bad             1 once verification has failed. A bad row is no deduplication hit; publishing the same chunk anew
#                 points the row at the new bytes, which heals every snapshot that uses it.
CHUNK = """
CREATE TABLE chunk (
    chunk_key      {serial_key},
    domain_key     {integer} NOT NULL REFERENCES domain,
    chunk_id       {content} NOT NULL,
    kind           {integer} NOT NULL,
    encoding       {integer} NOT NULL,
    segment_key    {integer} NOT NULL REFERENCES segment,
    segment_offset {integer} NOT NULL,
    stored_bytes   {integer} NOT NULL,
    plain_bytes    {integer} NOT NULL,
    bad            {integer} NOT NULL,
    UNIQUE (domain_key, chunk_id)
) {heap_table}
"""
# Which segments have no rows left, and how much of each is alive, without touching the table.
CHUNK_BY_SEGMENT = "CREATE INDEX chunk_by_segment ON chunk (segment_key, stored_bytes)"

# snapshot_key      Ascending in order of start, never used twice. Pages of DescribeSnapshots go by it.
# snapshot_id       snap-…; unique over all accounts, and for as long as the row stays, deleted or not.
# account_id, domain_key
#                   Owner, and where its chunks live. One foreign key over both: a snapshot in another account's
#                   domain cannot be written down.
# lineage_id        Id of the first ancestor, which may be gone. Related snapshots have the same.
# parent_id         Id of the parent, which may be gone; no foreign key for that reason.
# state             neve.domain.snapshots.State. A deleted row stays until collection has taken back what it
#                   referred to and its client token is forgotten.
# state_message     Why it is in error; empty otherwise.
# changed_ms        When it came into its state.
# last_write_ms, deadline_ms
#                   When the newest block was accepted (or the start), and timeout_minutes later. The sum is
#                   stored because the sweeper's index is on it.
# completed_ms      When it was completed; null if it never was. Stays when it is deleted: that is how one tells
#                   whose block rows collection may still need.
# base_root, base_block_count
#                   The parent's root and count when this one was started. Null and 0 without a parent. Kept here
#                   since the parent may be deleted; collection marks from base roots too.
# root, block_count The block map once completed, and how many blocks are present in it.
# claim_count, claim_aggregate
#                   What CompleteSnapshot said; null until accepted. The aggregate is null if none was given, and
#                   masked as the digests of block rows are.
# reaping           1 while dropped block rows or holds of it may still be there for `reap` to take.
SNAPSHOT = """
CREATE TABLE snapshot (
    snapshot_key     {serial_key},
    snapshot_id      TEXT NOT NULL UNIQUE,
    account_id       TEXT NOT NULL REFERENCES account,
    domain_key       {integer} NOT NULL,
    lineage_id       TEXT NOT NULL,
    parent_id        TEXT,
    state            TEXT NOT NULL CHECK (state IN ('pending', 'sealing', 'completed', 'error', 'deleted')),
    state_message    TEXT NOT NULL,
    changed_ms       {integer} NOT NULL,
    volume_gib       {integer} NOT NULL,
    description      TEXT,
    timeout_minutes  {integer} NOT NULL,
    started_ms       {integer} NOT NULL,
    last_write_ms    {integer} NOT NULL,
    deadline_ms      {integer} NOT NULL,
    completed_ms     {integer},
    base_root        {content},
    base_block_count {integer} NOT NULL,
    root             {content},
    block_count      {integer} NOT NULL,
    claim_count      {integer},
    claim_aggregate  {content},
    reaping          {integer} NOT NULL,
    FOREIGN KEY (domain_key, account_id) REFERENCES domain (domain_key, account_id)
) {heap_table}
"""
SNAPSHOT_BY_ACCOUNT = (
    "CREATE INDEX snapshot_by_account ON snapshot (account_id, snapshot_key) WHERE state <> 'deleted'"
)
# The account serves the quota on pending snapshots: both are counted from this index alone.
SNAPSHOT_PENDING = (
    "CREATE INDEX snapshot_pending ON snapshot (deadline_ms, account_id) WHERE state = 'pending'"
)
SNAPSHOT_SEALING = "CREATE INDEX snapshot_sealing ON snapshot (snapshot_key) WHERE state = 'sealing'"
SNAPSHOT_REAPING = "CREATE INDEX snapshot_reaping ON snapshot (snapshot_key) WHERE reaping = 1"

# Tags as they stand; those of a deleted snapshot are gone.
TAG = """
CREATE TABLE tag (
    snapshot_key {integer} NOT NULL REFERENCES snapshot,
    tag_key      TEXT NOT NULL,
    tag_value    TEXT NOT NULL,
    PRIMARY KEY (snapshot_key, tag_key)
) {clustered_table}
"""

# account_id, token  A client token means something only inside its account.
# fingerprint        Digest of the request it came with; another one is refused.
# snapshot_key       What it started. The foreign key keeps the row, deleted or not, and with it all of the first
#                    answer that never changes.
# tags               What of the first answer does change: the tags as first given, a JSON object.
# used_ms            When it was first used.
# released           1 once the snapshot is deleted: from then on age alone keeps the token.
CLIENT_TOKEN = """
CREATE TABLE client_token (
    account_id   TEXT NOT NULL REFERENCES account,
    token        TEXT NOT NULL,
    fingerprint  {content} NOT NULL,
    snapshot_key {integer} NOT NULL UNIQUE REFERENCES snapshot,
    tags         TEXT NOT NULL,
    used_ms      {integer} NOT NULL,
    released     {integer} NOT NULL,
    PRIMARY KEY (account_id, token)
) {clustered_table}
"""  # noqa: S105 - SQL
CLIENT_TOKEN_RELEASED = "CREATE INDEX client_token_released ON client_token (used_ms) WHERE released = 1"  # noqa: S105 - SQL

# snapshot_key, block_index
#            What was written. A volume of 64 TiB has 134,217,728 of these rows, which is why they lie clustered,
#            without a key of their own, and why nothing ever touches all of a snapshot's at once.
# chunk_key  The content; null for a block of zeros, which has no chunk.
# digest     SHA-256 of the content: completion's aggregate needs it in index order. In an encrypted domain it is
#            masked under a key of the domain (a plain digest tells whoever holds the database which known content a
#            disk has); readers must not compare it with anything but its own kind.
BLOCK = """
CREATE TABLE block (
    snapshot_key {integer} NOT NULL REFERENCES snapshot,
    block_index  {integer} NOT NULL,
    chunk_key    {integer} REFERENCES chunk,
    digest       {content} NOT NULL,
    PRIMARY KEY (snapshot_key, block_index)
) {clustered_table}
"""
# Deleting a chunk row asks whether a block row names it: without this index that reads the whole table.
BLOCK_BY_CHUNK = "CREATE INDEX block_by_chunk ON block (chunk_key) WHERE chunk_key IS NOT NULL"

# snapshot_key, chunk_key  A block-map node that completing this snapshot made or found. Named `hold` since it does
#                          nothing else: no tree is read from here.
HOLD = """
CREATE TABLE hold (
    snapshot_key {integer} NOT NULL REFERENCES snapshot,
    chunk_key    {integer} NOT NULL REFERENCES chunk,
    PRIMARY KEY (snapshot_key, chunk_key)
) {clustered_table}
"""
HOLD_BY_CHUNK = "CREATE INDEX hold_by_chunk ON hold (chunk_key)"

_IN_ORDER = (
    STORE,
    ACCOUNT,
    ACCESS_KEY,
    ACCESS_KEY_BY_ACCOUNT,
    DOMAIN,
    SEGMENT,
    SEGMENT_RESERVED,
    SEGMENT_CONDEMNED,
    CHUNK,
    CHUNK_BY_SEGMENT,
    SNAPSHOT,
    SNAPSHOT_BY_ACCOUNT,
    SNAPSHOT_PENDING,
    SNAPSHOT_SEALING,
    SNAPSHOT_REAPING,
    TAG,
    CLIENT_TOKEN,
    CLIENT_TOKEN_RELEASED,
    BLOCK,
    BLOCK_BY_CHUNK,
    HOLD,
    HOLD_BY_CHUNK,
)


def migration_table(dialect: Dialect) -> str:
    """Return the statement that makes the table of steps, which comes before every step."""
    return spell(MIGRATION, dialect)


def first_step(dialect: Dialect) -> Sequence[str]:
    """Return the statements of migration step 1, in order."""
    return [spell(statement, dialect) for statement in _IN_ORDER]


def spell(statement: str, dialect: Dialect) -> str:
    """Return a statement in one database's words."""
    return statement.strip().format(
        serial_key=dialect.serial_key,
        integer=dialect.integer,
        content=dialect.content,
        heap_table=dialect.heap_table,
        clustered_table=dialect.clustered_table,
    )
