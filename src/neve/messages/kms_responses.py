"""Answers of KMS, version 2014-11-01.

Fields are members of the model in snake case, in the model's order; `None` means that the member is absent. Times
are milliseconds since the epoch here and epoch seconds on the wire. Members that only other kinds of keys have are
not here: tests/unit/messages/test_kms_model.py lists them.
"""

from dataclasses import dataclass, field

from neve.messages.kms import GrantConstraints, Tag


@dataclass(frozen=True, slots=True, kw_only=True)
class EmptyResponse:
    """What operations answer that only do something."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyMetadata:
    aws_account_id: str
    key_id: str
    arn: str
    creation_date_ms: int
    enabled: bool
    description: str
    key_usage: str
    key_state: str
    deletion_date_ms: int | None = None
    origin: str
    key_manager: str
    customer_master_key_spec: str
    key_spec: str
    encryption_algorithms: tuple[str, ...]
    multi_region: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateKeyResponse:
    key_metadata: KeyMetadata


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeKeyResponse:
    key_metadata: KeyMetadata


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyListEntry:
    key_id: str
    key_arn: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListKeysResponse:
    keys: tuple[KeyListEntry, ...]
    next_marker: str | None
    truncated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleKeyDeletionResponse:
    key_id: str
    deletion_date_ms: int
    key_state: str
    pending_window_in_days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelKeyDeletionResponse:
    key_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AliasListEntry:
    alias_name: str
    alias_arn: str
    target_key_id: str
    creation_date_ms: int
    last_updated_date_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ListAliasesResponse:
    aliases: tuple[AliasListEntry, ...]
    next_marker: str | None
    truncated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class GetKeyRotationStatusResponse:
    key_rotation_enabled: bool
    key_id: str
    rotation_period_in_days: int | None = None
    next_rotation_date_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RotateKeyOnDemandResponse:
    key_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationsListEntry:
    key_id: str
    key_material_state: str | None = None
    rotation_date_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListKeyRotationsResponse:
    rotations: tuple[RotationsListEntry, ...]
    next_marker: str | None
    truncated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class GetKeyPolicyResponse:
    policy: str
    policy_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListKeyPoliciesResponse:
    policy_names: tuple[str, ...]
    next_marker: str | None
    truncated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateGrantResponse:
    grant_token: str = field(repr=False)
    grant_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantListEntry:
    key_id: str
    grant_id: str
    name: str | None
    creation_date_ms: int
    grantee_principal: str
    retiring_principal: str | None
    issuing_account: str
    operations: tuple[str, ...]
    constraints: GrantConstraints | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListGrantsResponse:
    grants: tuple[GrantListEntry, ...]
    next_marker: str | None
    truncated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerateDataKeyResponse:
    ciphertext_blob: bytes = field(repr=False)
    plaintext: bytes = field(repr=False)
    key_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerateDataKeyWithoutPlaintextResponse:
    ciphertext_blob: bytes = field(repr=False)
    key_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerateRandomResponse:
    plaintext: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class EncryptResponse:
    ciphertext_blob: bytes = field(repr=False)
    key_id: str
    encryption_algorithm: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DecryptResponse:
    key_id: str
    plaintext: bytes = field(repr=False)
    encryption_algorithm: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReEncryptResponse:
    ciphertext_blob: bytes = field(repr=False)
    source_key_id: str
    key_id: str
    source_encryption_algorithm: str
    destination_encryption_algorithm: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListResourceTagsResponse:
    tags: tuple[Tag, ...]
    next_marker: str | None
    truncated: bool


KmsResponse = (
    EmptyResponse
    | CreateKeyResponse
    | DescribeKeyResponse
    | ListKeysResponse
    | ScheduleKeyDeletionResponse
    | CancelKeyDeletionResponse
    | ListAliasesResponse
    | GetKeyRotationStatusResponse
    | RotateKeyOnDemandResponse
    | ListKeyRotationsResponse
    | GetKeyPolicyResponse
    | ListKeyPoliciesResponse
    | CreateGrantResponse
    | ListGrantsResponse
    | GenerateDataKeyResponse
    | GenerateDataKeyWithoutPlaintextResponse
    | GenerateRandomResponse
    | EncryptResponse
    | DecryptResponse
    | ReEncryptResponse
    | ListResourceTagsResponse
)
