"""What of a request stands in the audit log: which resources it is about, and which of its parameters.

Numbers and flags always do. A text does only if its name stands here: a name of something, or a word of the model's
own. What users write freely (descriptions, tags, policies, encryption contexts), what is content and what is secret
does not; of lists of such things the log says how many there were. A test holds both lists to the messages.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, Final

TEXT_CHARS_MAX: Final = 256
RESOURCES_MAX: Final = 1000
"""As many as EC2 takes in one call (contract 9.5); past them comes one that says how many more there were."""
_ITEMS_MAX: Final = 100
_DEPTH_MAX: Final = 3
_NUMBER_MAX: Final = 1 << 63

RESOURCES: Final = (
    "snapshot_id",
    "first_snapshot_id",
    "second_snapshot_id",
    "source_snapshot_id",
    "snapshot_ids",
    "resources",
    "resource_id",
    "resource_arn",
    "identifier",
    "key_id",
    "target_key_id",
    "source_key_id",
    "destination_key_id",
    "alias_name",
)
"""Members that name what a request is about."""

TEXTS: Final = frozenset(
    {
        "attribute",
        "checksum_aggregation_method",
        "checksum_algorithm",
        "custom_key_store_id",
        "customer_master_key_spec",
        "destination_availability_zone",
        "destination_encryption_algorithm",
        "destination_outpost_arn",
        "destination_region",
        "encryption_algorithm",
        "grant_id",
        "grantee_principal",
        "grantee_service_principal",
        "group",
        "group_names",
        "include_key_material",
        "key_encryption_algorithm",
        "key_spec",
        "key_usage",
        "kms_key_id",  # EC2's, which its model does not call sensitive, as EBS's does with KmsKeyArn
        "lock_mode",
        "lock_state",
        "operation_type",
        "operations",
        "origin",
        "owner_ids",
        "parent_snapshot_id",
        "policy_name",
        "resource_owners",
        "resource_type",
        "restorable_by_user_ids",
        "retention_period_unit",
        "retention_period_value",
        "retiring_principal",
        "retiring_service_principal",
        "role_arn",
        "source_encryption_algorithm",
        "source_region",
        "state",
        "unit",
        "unlock_delay_unit",
        "user_id",
        "user_ids",
        "xks_key_id",
    }
)
"""Members that are recorded beside the resources, and those of their items."""

COUNTED: Final = frozenset(
    {"tags", "filters", "tag_keys", "grant_tokens", "resource_tags", "exclude_resource_tags"}
)
"""Of which only the number is recorded."""

LEFT_OUT: Final = frozenset(
    {
        "attestation_document",
        "block_data",
        "block_token",
        "checksum",
        "ciphertext_blob",
        "client_token",
        "description",
        "destination_encryption_context",
        "dry_run_modifiers",
        "encryption_context",
        "encryption_context_equals",
        "encryption_context_subset",
        "grant_token",
        "kms_key_arn",
        "marker",
        "name",
        "next_token",
        "plaintext",
        "policy",
        "presigned_url",
        "serial_number",
        "source_arn",
        "source_encryption_context",
        "tag_specifications",
        "token_code",
    }
)
"""Content, secrets, tokens, and what users write freely."""

TREES: Final = frozenset(
    {
        "create_volume_permission",
        "add",
        "remove",
        "constraints",
        "recipient",
        "retention_period",
        "lock_configuration",
        "unlock_delay",
    }
)
"""Members that have members."""


def resources_of(request: Any, response: Any) -> tuple[str, ...]:
    """Return the ids of what a request is about, and of what came of it."""
    found = dict.fromkeys([*_named_in(request), *_named_in(response), *_named_in(_made(response))])
    names = list(found)
    if len(names) > RESOURCES_MAX:
        names = [*names[:RESOURCES_MAX], f"and {len(names) - RESOURCES_MAX} more"]
    return tuple(names)


def parameters_of(request: Any) -> Mapping[str, Any]:
    """Return those members of a request that are recorded, by their names."""
    return _members(request, 0)


def shown(text: str) -> str:
    """Return a text as it may stand in the log: bounded, and without what is not printed."""
    cut = text[:TEXT_CHARS_MAX]
    return cut if cut.isprintable() else "".join(each if each.isprintable() else "?" for each in cut)


def _made(response: Any) -> Any:
    """Return the part of an answer that names what was made, where it is a part."""
    return getattr(response, "key_metadata", None) or getattr(response, "credentials", None)


def _named_in(message: Any) -> Iterator[str]:
    for name in (*RESOURCES, "access_key_id"):
        value = getattr(message, name, None)
        if isinstance(value, str) and value:
            yield shown(value)
        elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
            yield from (shown(each) for each in value if isinstance(each, str))


def _members(message: Any, depth: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if not is_dataclass(message) or depth > _DEPTH_MAX:
        return found
    for field in fields(message):
        name, value = field.name, getattr(message, field.name)
        if value is None or value is False or value in ((), "") or name in RESOURCES:
            continue
        if isinstance(value, int):
            found[name] = value if -_NUMBER_MAX <= value < _NUMBER_MAX else shown(str(value))
        elif name in COUNTED:
            found[f"{name}_count"] = len(value)
        elif name in TEXTS and isinstance(value, str):
            found[name] = shown(value)
        elif name in TEXTS:
            found[name] = [shown(str(each)) for each in value[:_ITEMS_MAX]]
        elif name in TREES and (inner := _tree(value, depth)):
            found[name] = inner
    return found


def _tree(value: Any, depth: int) -> Any:
    if isinstance(value, tuple):
        return [members for each in value[:_ITEMS_MAX] if (members := _members(each, depth + 1))]
    return _members(value, depth + 1)
