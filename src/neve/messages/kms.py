"""Requests of KMS, version 2014-11-01: the operations a key for snapshots can need.

Fields are the model's members in snake case, in the model's order; what the model demands of them is part of their
types (`kms_shapes`). `None` means that the member is absent. Plaintexts never show in a representation.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from neve.messages import kms_shapes as shapes

_NAMES: Final[Mapping[str, str]] = {"aws_account_id": "AWSAccountId"}
"""Where the model's name is not the field's in other letters."""


def member_name(field_name: str) -> str:
    """Return the model's name for a field, in a request or an answer; times lose their unit."""
    if (name := _NAMES.get(field_name)) is not None:
        return name
    return re.sub(r"(?:^|_)([a-z])", lambda match: match[1].upper(), field_name.removesuffix("_ms"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    tag_key: shapes.TagKey
    tag_value: shapes.TagValue


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantConstraints:
    encryption_context_subset: shapes.EncryptionContext | None = None
    encryption_context_equals: shapes.EncryptionContext | None = None
    source_arn: shapes.SourceArn | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientInfo:
    key_encryption_algorithm: shapes.KeyEncryptionMechanism | None = None
    attestation_document: shapes.AttestationDocument | None = field(default=None, repr=False)


# --- keys


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateKeyRequest:
    policy: shapes.PolicyDocument | None = None
    description: shapes.Description | None = None
    key_usage: shapes.KeyUsage | None = None
    customer_master_key_spec: shapes.CustomerMasterKeySpec | None = None
    key_spec: shapes.KeySpec | None = None
    origin: shapes.Origin | None = None
    custom_key_store_id: shapes.CustomKeyStoreId | None = None
    bypass_policy_lockout_safety_check: bool | None = None
    tags: tuple[Tag, ...] | None = None
    multi_region: bool | None = None
    xks_key_id: shapes.XksKeyId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeKeyRequest:
    key_id: shapes.KeyId
    grant_tokens: shapes.GrantTokens | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListKeysRequest:
    limit: shapes.Limit | None = None
    marker: shapes.Marker | None = None
    resource_owners: shapes.ResourceOwners | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateKeyDescriptionRequest:
    key_id: shapes.KeyId
    description: shapes.Description


@dataclass(frozen=True, slots=True, kw_only=True)
class EnableKeyRequest:
    key_id: shapes.KeyId


@dataclass(frozen=True, slots=True, kw_only=True)
class DisableKeyRequest:
    key_id: shapes.KeyId


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleKeyDeletionRequest:
    key_id: shapes.KeyId
    pending_window_in_days: shapes.PendingWindowInDays | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelKeyDeletionRequest:
    key_id: shapes.KeyId


# --- aliases


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateAliasRequest:
    alias_name: shapes.AliasName
    target_key_id: shapes.KeyId


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateAliasRequest:
    alias_name: shapes.AliasName
    target_key_id: shapes.KeyId


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteAliasRequest:
    alias_name: shapes.AliasName


@dataclass(frozen=True, slots=True, kw_only=True)
class ListAliasesRequest:
    key_id: shapes.KeyId | None = None
    limit: shapes.Limit | None = None
    marker: shapes.Marker | None = None


# --- rotation


@dataclass(frozen=True, slots=True, kw_only=True)
class EnableKeyRotationRequest:
    key_id: shapes.KeyId
    rotation_period_in_days: shapes.RotationPeriodInDays | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DisableKeyRotationRequest:
    key_id: shapes.KeyId


@dataclass(frozen=True, slots=True, kw_only=True)
class GetKeyRotationStatusRequest:
    key_id: shapes.KeyId


@dataclass(frozen=True, slots=True, kw_only=True)
class RotateKeyOnDemandRequest:
    key_id: shapes.KeyId


@dataclass(frozen=True, slots=True, kw_only=True)
class ListKeyRotationsRequest:
    key_id: shapes.KeyId
    include_key_material: shapes.IncludeKeyMaterial | None = None
    limit: shapes.Limit | None = None
    marker: shapes.Marker | None = None


# --- policies


@dataclass(frozen=True, slots=True, kw_only=True)
class PutKeyPolicyRequest:
    key_id: shapes.KeyId
    policy_name: shapes.PolicyName | None = None
    policy: shapes.PolicyDocument
    bypass_policy_lockout_safety_check: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GetKeyPolicyRequest:
    key_id: shapes.KeyId
    policy_name: shapes.PolicyName | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListKeyPoliciesRequest:
    key_id: shapes.KeyId
    limit: shapes.Limit | None = None
    marker: shapes.Marker | None = None


# --- grants


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateGrantRequest:
    key_id: shapes.KeyId
    grantee_principal: shapes.PrincipalId | None = None
    retiring_principal: shapes.PrincipalId | None = None
    operations: shapes.GrantOperations
    constraints: GrantConstraints | None = None
    grant_tokens: shapes.GrantTokens | None = None
    name: shapes.GrantName | None = None
    dry_run: bool | None = None
    grantee_service_principal: shapes.ServicePrincipal | None = None
    retiring_service_principal: shapes.ServicePrincipal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListGrantsRequest:
    limit: shapes.Limit | None = None
    marker: shapes.Marker | None = None
    key_id: shapes.KeyId
    grant_id: shapes.GrantId | None = None
    grantee_principal: shapes.PrincipalId | None = None
    grantee_service_principal: shapes.ServicePrincipal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokeGrantRequest:
    key_id: shapes.KeyId
    grant_id: shapes.GrantId
    dry_run: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RetireGrantRequest:
    grant_token: shapes.GrantToken | None = None
    key_id: shapes.KeyId | None = None
    grant_id: shapes.GrantId | None = None
    dry_run: bool | None = None


# --- using keys


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerateDataKeyRequest:
    key_id: shapes.KeyId
    encryption_context: shapes.EncryptionContext | None = None
    number_of_bytes: shapes.NumberOfBytes | None = None
    key_spec: shapes.DataKeySpec | None = None
    grant_tokens: shapes.GrantTokens | None = None
    recipient: RecipientInfo | None = None
    dry_run: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerateDataKeyWithoutPlaintextRequest:
    key_id: shapes.KeyId
    encryption_context: shapes.EncryptionContext | None = None
    key_spec: shapes.DataKeySpec | None = None
    number_of_bytes: shapes.NumberOfBytes | None = None
    grant_tokens: shapes.GrantTokens | None = None
    dry_run: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerateRandomRequest:
    number_of_bytes: shapes.NumberOfBytes | None = None
    custom_key_store_id: shapes.CustomKeyStoreId | None = None
    recipient: RecipientInfo | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EncryptRequest:
    key_id: shapes.KeyId
    plaintext: shapes.Plaintext = field(repr=False)
    encryption_context: shapes.EncryptionContext | None = None
    grant_tokens: shapes.GrantTokens | None = None
    encryption_algorithm: shapes.EncryptionAlgorithm | None = None
    dry_run: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DecryptRequest:
    ciphertext_blob: shapes.Ciphertext | None = field(default=None, repr=False)
    encryption_context: shapes.EncryptionContext | None = None
    grant_tokens: shapes.GrantTokens | None = None
    key_id: shapes.KeyId | None = None
    encryption_algorithm: shapes.EncryptionAlgorithm | None = None
    recipient: RecipientInfo | None = None
    dry_run: bool | None = None
    dry_run_modifiers: shapes.DryRunModifiers | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReEncryptRequest:
    ciphertext_blob: shapes.Ciphertext | None = field(default=None, repr=False)
    source_encryption_context: shapes.EncryptionContext | None = None
    source_key_id: shapes.KeyId | None = None
    destination_key_id: shapes.KeyId
    destination_encryption_context: shapes.EncryptionContext | None = None
    source_encryption_algorithm: shapes.EncryptionAlgorithm | None = None
    destination_encryption_algorithm: shapes.EncryptionAlgorithm | None = None
    grant_tokens: shapes.GrantTokens | None = None
    dry_run: bool | None = None
    dry_run_modifiers: shapes.DryRunModifiers | None = None


# --- tags


@dataclass(frozen=True, slots=True, kw_only=True)
class TagResourceRequest:
    key_id: shapes.KeyId
    tags: tuple[Tag, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class UntagResourceRequest:
    key_id: shapes.KeyId
    tag_keys: shapes.TagKeys


@dataclass(frozen=True, slots=True, kw_only=True)
class ListResourceTagsRequest:
    key_id: shapes.KeyId
    limit: shapes.Limit | None = None
    marker: shapes.Marker | None = None


KmsRequest = (
    CreateKeyRequest
    | DescribeKeyRequest
    | ListKeysRequest
    | UpdateKeyDescriptionRequest
    | EnableKeyRequest
    | DisableKeyRequest
    | ScheduleKeyDeletionRequest
    | CancelKeyDeletionRequest
    | CreateAliasRequest
    | UpdateAliasRequest
    | DeleteAliasRequest
    | ListAliasesRequest
    | EnableKeyRotationRequest
    | DisableKeyRotationRequest
    | GetKeyRotationStatusRequest
    | RotateKeyOnDemandRequest
    | ListKeyRotationsRequest
    | PutKeyPolicyRequest
    | GetKeyPolicyRequest
    | ListKeyPoliciesRequest
    | CreateGrantRequest
    | ListGrantsRequest
    | RevokeGrantRequest
    | RetireGrantRequest
    | GenerateDataKeyRequest
    | GenerateDataKeyWithoutPlaintextRequest
    | GenerateRandomRequest
    | EncryptRequest
    | DecryptRequest
    | ReEncryptRequest
    | TagResourceRequest
    | UntagResourceRequest
    | ListResourceTagsRequest
)
