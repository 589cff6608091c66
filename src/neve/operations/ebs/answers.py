"""Refusals that several of the six operations share, in the live service's words (contract 2.2)."""

from neve.errors import ResourceNotFoundError, ResourceNotFoundReason, ValidationError, ValidationReason


def snapshot_not_found(*snapshot_ids: str) -> ResourceNotFoundError:
    """Return the 404 that unknown, foreign, deleted and otherwise unreadable snapshots share."""
    named = " or ".join(f"'{snapshot_id}'" for snapshot_id in snapshot_ids)
    return ResourceNotFoundError(
        f"The snapshot {named} does not exist.", reason=ResourceNotFoundReason.SNAPSHOT_NOT_FOUND
    )


def invalid_block_token(token: str) -> ValidationError:
    """Return the refusal of a block token that is forged, expired or bound to something else."""
    return ValidationError(
        f"The block token {token} is invalid.", reason=ValidationReason.INVALID_BLOCK_TOKEN
    )


def invalid_page_token(token: str) -> ValidationError:
    """Return the refusal of a page token that is forged, expired or bound to something else."""
    return ValidationError(
        f"The pagination token {token} is invalid.", reason=ValidationReason.INVALID_PAGE_TOKEN
    )


def invalid_parameter(message: str) -> ValidationError:
    """Return a refusal of a value or a combination of values."""
    return ValidationError(message, reason=ValidationReason.INVALID_PARAMETER_VALUE)
