"""What StartSnapshot's encryption parameters mean together (contract 3.3).

Until neve has keys, every combination that would encrypt is refused; none is ignored.
"""

from neve.errors import ValidationError, ValidationReason


def check_encryption(*, has_parent: bool, encrypted: bool | None, kms_key_arn: str | None) -> None:
    """Return if the combination means an unencrypted snapshot.

    Raises:
        ValidationError: INVALID_PARAMETER_VALUE for a combination that the API never allows, or one that
            asks for encryption.
    """
    if has_parent and kms_key_arn is not None:
        refusal = "ParentSnapshotId and KmsKeyArn cannot be specified together"
    elif has_parent and encrypted is not None:
        refusal = "ParentSnapshotId and Encrypt cannot be specified together"
    elif encrypted is False and kms_key_arn is not None:
        refusal = "Encrypt cannot be false when KmsKeyArn is specified"
    elif encrypted or kms_key_arn is not None:
        refusal = (
            "This server has no KMS keys, so it cannot create encrypted snapshots. "
            "Leave out Encrypted and KmsKeyArn."
        )
    else:
        return
    raise ValidationError(refusal, reason=ValidationReason.INVALID_PARAMETER_VALUE)
