"""The operations of KMS: their functions, and what is demanded of the few that are about no key.

Whoever asks for something with a key must have leave of the key's policy, of a grant or of their own policies: the
operation asks that itself, once it knows which key is named.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from neve.auth.authorization import Demand
from neve.auth.conditions import Value, of_tags
from neve.messages import kms
from neve.operations.context import Caller, Context
from neve.operations.kms.aliases import create_alias, delete_alias, list_aliases, update_alias
from neve.operations.kms.cryptography import decrypt, encrypt, re_encrypt
from neve.operations.kms.data_keys import (
    generate_data_key,
    generate_data_key_without_plaintext,
    generate_random,
)
from neve.operations.kms.grants import create_grant, list_grants, retire_grant, revoke_grant
from neve.operations.kms.key_policies import (
    bypass_condition,
    get_key_policy,
    list_key_policies,
    put_key_policy,
)
from neve.operations.kms.key_states import (
    cancel_key_deletion,
    disable_key,
    enable_key,
    schedule_key_deletion,
)
from neve.operations.kms.keys import create_key, describe_key, list_keys, update_key_description
from neve.operations.kms.rotation import (
    disable_key_rotation,
    enable_key_rotation,
    get_key_rotation_status,
    list_key_rotations,
    rotate_key_on_demand,
)
from neve.operations.kms.tagging import list_resource_tags, tag_resource, untag_resource

KMS_FUNCTIONS: Final[Mapping[type, Callable[[Context, Caller, Any], Any]]] = {
    kms.CreateKeyRequest: create_key,
    kms.DescribeKeyRequest: describe_key,
    kms.ListKeysRequest: list_keys,
    kms.UpdateKeyDescriptionRequest: update_key_description,
    kms.EnableKeyRequest: enable_key,
    kms.DisableKeyRequest: disable_key,
    kms.ScheduleKeyDeletionRequest: schedule_key_deletion,
    kms.CancelKeyDeletionRequest: cancel_key_deletion,
    kms.CreateAliasRequest: create_alias,
    kms.UpdateAliasRequest: update_alias,
    kms.DeleteAliasRequest: delete_alias,
    kms.ListAliasesRequest: list_aliases,
    kms.EnableKeyRotationRequest: enable_key_rotation,
    kms.DisableKeyRotationRequest: disable_key_rotation,
    kms.GetKeyRotationStatusRequest: get_key_rotation_status,
    kms.RotateKeyOnDemandRequest: rotate_key_on_demand,
    kms.ListKeyRotationsRequest: list_key_rotations,
    kms.PutKeyPolicyRequest: put_key_policy,
    kms.GetKeyPolicyRequest: get_key_policy,
    kms.ListKeyPoliciesRequest: list_key_policies,
    kms.CreateGrantRequest: create_grant,
    kms.ListGrantsRequest: list_grants,
    kms.RevokeGrantRequest: revoke_grant,
    kms.RetireGrantRequest: retire_grant,
    kms.GenerateDataKeyRequest: generate_data_key,
    kms.GenerateDataKeyWithoutPlaintextRequest: generate_data_key_without_plaintext,
    kms.GenerateRandomRequest: generate_random,
    kms.EncryptRequest: encrypt,
    kms.DecryptRequest: decrypt,
    kms.ReEncryptRequest: re_encrypt,
    kms.TagResourceRequest: tag_resource,
    kms.UntagResourceRequest: untag_resource,
    kms.ListResourceTagsRequest: list_resource_tags,
}
"""Every operation by its request."""


def kms_demands(request: kms.KmsRequest, _place: object) -> Sequence[Demand]:
    """Return what the caller's own policies must allow before an operation that is about no key."""
    match request:
        case kms.CreateKeyRequest(tags=tags):
            return [
                Demand(action=action) for action in ("kms:CreateKey", *(["kms:TagResource"] if tags else []))
            ]
        case kms.ListKeysRequest():
            return [Demand(action="kms:ListKeys")]
        case kms.ListAliasesRequest():
            return [Demand(action="kms:ListAliases")]
        case kms.GenerateRandomRequest():
            return [Demand(action="kms:GenerateRandom")]
    return ()


def kms_conditions(request: kms.KmsRequest, _place: object) -> Mapping[str, Value]:
    """Return condition keys about what a request brings; an operation adds those about its key."""
    match request:
        case kms.CreateKeyRequest():
            return {
                **of_tags([(tag.tag_key, tag.tag_value) for tag in request.tags or ()]),
                **bypass_condition(request.bypass_policy_lockout_safety_check),
                "kms:keyspec": (request.key_spec or request.customer_master_key_spec or "SYMMETRIC_DEFAULT",),
                "kms:keyusage": (request.key_usage or "ENCRYPT_DECRYPT",),
                "kms:keyorigin": (request.origin or "AWS_KMS",),
                "kms:multiregion": ("true" if request.multi_region else "false",),
            }
        case kms.TagResourceRequest():
            return of_tags([(tag.tag_key, tag.tag_value) for tag in request.tags])
        case kms.UntagResourceRequest():
            return of_tags([(name, None) for name in request.tag_keys])
    return {}
