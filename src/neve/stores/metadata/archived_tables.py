"""Which tables and columns the archive has, kind by kind; and why it has not the others.

The one place that says so. A test compares it with the database: every column of every table is either here or
among `NOT_ARCHIVED`, so that whoever adds one must decide.

Objects of the archive are written at different moments. What moves from one thing to another (an alias to another
key) may be in both for a while: `newest` names the column that says which of the two is right.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from neve.stores.metadata.contract_archive import ArchiveKind


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedTable:
    """A table of which an archived record has rows."""

    table: str
    named_by: str
    """The column that says whose rows they are."""
    key: Sequence[str]
    """Its primary key: rows stand in the order of it."""
    columns: Sequence[str]
    newest: str | None = None
    """Of two rows with one key, from two records, the one where this is higher is right. None: there are no two."""
    restored_as: Mapping[str, int] = field(default_factory=dict)
    """Columns that are not archived and what they are in a restored row."""


ARCHIVED: Final[Mapping[ArchiveKind, Sequence[ArchivedTable]]] = {
    ArchiveKind.STORE: (
        ArchivedTable(
            table="store",
            named_by="singleton",
            key=("singleton",),
            columns=("format_version", "store_id", "block_bytes", "node_fanout", "created_ms"),
            restored_as={"singleton": 1, "epoch": 0},
        ),
    ),
    ArchiveKind.ACCOUNT: (
        ArchivedTable(
            table="account",
            named_by="account_id",
            key=("account_id",),
            columns=("account_id", "name", "created_ms"),
        ),
        ArchivedTable(
            table="account_settings",
            named_by="account_id",
            key=("account_id",),
            columns=("account_id", "encryption_by_default", "default_kms_key", "public_access"),
        ),
        ArchivedTable(
            table="iam_user",
            named_by="account_id",
            key=("account_id", "user_name"),
            columns=("account_id", "user_name", "user_id", "created_ms"),
        ),
        ArchivedTable(
            table="iam_policy",
            named_by="account_id",
            key=("account_id", "policy_name"),
            columns=("account_id", "policy_name", "document", "created_ms", "updated_ms"),
        ),
        ArchivedTable(
            table="iam_attachment",
            named_by="account_id",
            key=("account_id", "user_name", "policy_name"),
            columns=("account_id", "user_name", "policy_name"),
        ),
        ArchivedTable(
            table="access_key",
            named_by="account_id",
            key=("access_key_id",),
            columns=(
                "access_key_id",
                "account_id",
                "sealed_secret",
                "created_ms",
                "enabled",
                "user_name",
                "expires_ms",
            ),
            newest="created_ms",
        ),
        ArchivedTable(
            table="bin_rule",
            named_by="account_id",
            key=("account_id", "rule_id"),
            columns=(
                "account_id",
                "rule_id",
                "description",
                "retention_days",
                "resource_tags",
                "exclude_resource_tags",
                "tags",
                "created_ms",
            ),
        ),
    ),
    ArchiveKind.DOMAIN: (
        ArchivedTable(
            table="domain",
            named_by="domain_key",
            key=("domain_key",),
            columns=("domain_key", "uid", "account_id", "kms_key_arn", "sealed_id_key"),
        ),
        ArchivedTable(
            table="domain_wrapping",
            named_by="domain_key",
            key=("domain_key", "generation"),
            columns=("domain_key", "generation", "wrapping", "key_version", "created_ms"),
        ),
    ),
    ArchiveKind.KEY: (
        ArchivedTable(
            table="kms_key",
            named_by="key_id",
            key=("key_id",),
            columns=(
                "key_id",
                "account_id",
                "arn",
                "description",
                "manager",
                "state",
                "created_ms",
                "deletion_ms",
                "rotation_days",
                "rotated_ms",
                "material_version",
                "policy",
                "tags",
                "revision",
            ),
        ),
        ArchivedTable(
            table="kms_material",
            named_by="key_id",
            key=("key_id", "version"),
            columns=("key_id", "version", "sealed_material", "created_ms"),
        ),
        ArchivedTable(
            table="kms_alias",
            named_by="key_id",
            key=("account_id", "alias_name"),
            columns=("account_id", "alias_name", "key_id", "created_ms", "updated_ms"),
            newest="updated_ms",
        ),
        ArchivedTable(
            table="kms_grant",
            named_by="key_id",
            key=("key_id", "grant_id"),
            columns=(
                "key_id",
                "grant_id",
                "grantee_principal",
                "retiring_principal",
                "operations",
                "grant_name",
                "context_equals",
                "context_subset",
                "created_ms",
            ),
        ),
    ),
    ArchiveKind.SNAPSHOT: (
        ArchivedTable(
            table="snapshot",
            named_by="snapshot_key",
            key=("snapshot_key",),
            columns=(
                "snapshot_key",
                "snapshot_id",
                "account_id",
                "domain_key",
                "lineage_id",
                "parent_id",
                "state",
                "recycled",
                "state_message",
                "changed_ms",
                "volume_gib",
                "description",
                "timeout_minutes",
                "started_ms",
                "last_write_ms",
                "deadline_ms",
                "completed_ms",
                "base_root",
                "base_block_count",
                "root",
                "block_count",
                "claim_count",
                "claim_aggregate",
                "origin",
            ),
            restored_as={"reaping": 0, "unsettled": 0},
        ),
        ArchivedTable(
            table="tag",
            named_by="snapshot_key",
            key=("snapshot_key", "tag_key"),
            columns=("snapshot_key", "tag_key", "tag_value"),
        ),
        ArchivedTable(
            table="snapshot_permission",
            named_by="snapshot_key",
            key=("snapshot_key", "grantee"),
            columns=("snapshot_key", "grantee"),
        ),
        ArchivedTable(
            table="guest_tag",
            named_by="snapshot_key",
            key=("snapshot_key", "account_id", "tag_key"),
            columns=("snapshot_key", "account_id", "tag_key", "tag_value"),
        ),
        ArchivedTable(
            table="snapshot_lock",
            named_by="snapshot_key",
            key=("snapshot_key",),
            columns=(
                "snapshot_key",
                "account_id",
                "mode",
                "created_ms",
                "duration_days",
                "expires_ms",
                "cool_off_hours",
            ),
        ),
        ArchivedTable(
            table="snapshot_bin",
            named_by="snapshot_key",
            key=("snapshot_key",),
            columns=("snapshot_key", "account_id", "entered_ms", "exits_ms"),
        ),
        ArchivedTable(
            table="snapshot_undo",
            named_by="snapshot_key",
            key=("snapshot_key",),
            columns=("snapshot_key", "account_id", "deleted_ms", "kept"),
        ),
    ),
}
"""Of each kind, its tables in the order to restore them in: nothing refers to what comes later. The first one has the
row without which there is no record."""

NOT_ARCHIVED: Final[Mapping[str, str]] = {
    "migration": "says how this database came to be; another one is made by the steps of whoever makes it",
    "archive_change": "says what this archive lacks; what is restored counts as changed",
    "segment": "segments themselves are the list of segments",
    "chunk": "each segment has a table of its chunks",
    "block": "rows of snapshots that are not completed, or whose root says the same",
    "hold": "as block",
    "snapshot_copy": "a copy under way is not completed: it is asked for again",
    "client_token": "guards against repeating a request that got no answer: what is asked again after a loss starts anew",
    "store.singleton": "there is one row",
    "store.epoch": "collectors of a lost database are gone with it",
    "snapshot.reaping": "says that rows are left, and a restored snapshot has none",
    "snapshot.unsettled": "as reaping",
}
"""Tables, and columns of archived tables, that the archive has not, and why."""
