"""Policies that come with the program: the three roles most installations need, and the policies keys begin with.

Ready-made policies have names no policy of an account may take. They are documents like any other and can be read,
copied and cut down (docs/policies.md).
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from neve.domain.identities import AccountId
from neve.domain.principals import root_arn

_SNAPSHOTS: Final = "arn:aws:ec2:*::snapshot/*"
_NEW_SNAPSHOTS: Final = "arn:aws:ec2:*::snapshot/${*}"
"""The name tags are asked for when a snapshot begins, whose id nobody knows yet: the star is a star. CreateTags on a
snapshot that is there asks for its id, and is not allowed by this."""
_LOOK: Final = ("ec2:DescribeSnapshots", "ec2:DescribeTags")
_LOOK_FURTHER: Final = (
    "ec2:DescribeLockedSnapshots",
    "ec2:GetSnapshotBlockPublicAccessState",
    "ec2:ListSnapshotsInRecycleBin",
    "rbin:GetRule",
    "rbin:ListRules",
    "rbin:ListTagsForResource",
)
_SETTINGS: Final = ("ec2:GetEbsDefaultKmsKeyId", "ec2:GetEbsEncryptionByDefault")
_THROUGH_SNAPSHOTS: Final = {"StringLike": {"kms:ViaService": "ec2.*.amazonaws.com"}}
"""Keys may be used for reading and writing snapshots, and not to open ciphertexts by hand."""


def _document(*statements: Mapping[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, indent=2)


def _allow(sid: str, actions: Sequence[str], resource: str, **more: Any) -> Mapping[str, Any]:
    return {"Sid": sid, "Effect": "Allow", "Action": list(actions), "Resource": resource, **more}


READY_MADE: Final[Mapping[str, str]] = {
    "NeveReadOnly": _document(
        _allow("Look", [*_LOOK, *_LOOK_FURTHER, *_SETTINGS], "*"),
        _allow(
            "Read",
            [
                "ebs:GetSnapshotBlock",
                "ebs:ListChangedBlocks",
                "ebs:ListSnapshotBlocks",
                "ec2:DescribeSnapshotAttribute",
            ],
            _SNAPSHOTS,
        ),
        _allow("Open", ["kms:Decrypt", "kms:DescribeKey"], "*", Condition=_THROUGH_SNAPSHOTS),
    ),
    "NeveWriter": _document(
        _allow("Look", [*_LOOK, *_SETTINGS], "*"),
        _allow("Write", ["ebs:CompleteSnapshot", "ebs:PutSnapshotBlock", "ebs:StartSnapshot"], _SNAPSHOTS),
        _allow("TagAtTheStart", ["ec2:CreateTags"], _NEW_SNAPSHOTS),
        _allow(
            "Seal",
            [
                "kms:CreateGrant",
                "kms:Decrypt",
                "kms:DescribeKey",
                "kms:Encrypt",
                "kms:GenerateDataKey*",
                "kms:ReEncrypt*",
            ],
            "*",
            Condition=_THROUGH_SNAPSHOTS,
        ),
    ),
    "NeveOperator": _document(
        _allow(
            "Everything",
            [
                "ebs:*",
                "ec2:*Ebs*",
                "ec2:*Snapshot*",
                "ec2:CreateTags",
                "ec2:DeleteTags",
                "ec2:DescribeTags",
                "kms:*",
                "rbin:*",
            ],
            "*",
        ),
    ),
}
"""Documents by name."""


def default_key_policy(account_id: AccountId) -> str:
    """Return the policy of a key that was made without one: its account may say who does what with it."""
    return _document(
        {
            "Sid": "Enable IAM User Permissions",
            "Effect": "Allow",
            "Principal": {"AWS": root_arn(account_id)},
            "Action": "kms:*",
            "Resource": "*",
        }
    )


def aws_managed_key_policy(account_id: AccountId) -> str:
    """Return the policy of an account's `alias/aws/ebs`.

    Everybody in the account may use the key through snapshots and nobody by hand; the account may look at it, and
    change nothing. Nobody from another account may do anything, so snapshots under it cannot be shared (contract 10).
    """
    return _document(
        {
            "Sid": "Allow access through EBS for all principals in the account that are authorized to use EBS",
            "Effect": "Allow",
            "Principal": {"AWS": "*"},
            "Action": [
                "kms:Encrypt",
                "kms:Decrypt",
                "kms:ReEncrypt*",
                "kms:GenerateDataKey*",
                "kms:CreateGrant",
                "kms:DescribeKey",
            ],
            "Resource": "*",
            "Condition": {
                "StringEquals": {"kms:CallerAccount": account_id},
                "StringLike": {"kms:ViaService": "ec2.*.amazonaws.com"},
            },
        },
        {
            "Sid": "Allow direct access to key metadata to the account",
            "Effect": "Allow",
            "Principal": {"AWS": root_arn(account_id)},
            "Action": ["kms:Describe*", "kms:Get*", "kms:List*", "kms:RevokeGrant"],
            "Resource": "*",
        },
    )
