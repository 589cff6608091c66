"""Every error this package raises on purpose, sorted by who must act.

    RequestError     the caller: what was sent is refused              4xx, logged at INFO
    RecordRefused    nobody yet: a store's answer about a record       an operation translates it
    StoreError       the operator: a store could not do its part       5xx, logged at ERROR
    InvariantError   us: something we rely on does not hold            500, logged with its trace

An error carries facts; the wire layer turns them into HTTP, the command line into an exit status, a
client into a retry. None of them parses `str(error)`. Codes, statuses and reasons of the EBS errors
are pinned to the service model that botocore ships by tests/unit/messages.
"""

from enum import StrEnum
from typing import ClassVar

from neve import limits


class NeveError(Exception):
    """The root: `except NeveError` catches what we raise on purpose, and nothing else."""

    safe_to_retry: ClassVar[bool] = False
    """True if the very same call may succeed later and repeating it does no harm."""


# --- the caller -----------------------------------------------------------------------------------


class RequestError(NeveError):
    """A request we refuse. `code` and `status` go on the wire; the message is for a person."""

    code: str
    status: int

    def __init__(self, message: str) -> None:
        super().__init__(message[: limits.ERROR_MESSAGE_CHARS_MAX])

    @property
    def message(self) -> str:
        """The sentence the caller reads."""
        return str(self.args[0])


class EbsError(RequestError):
    """An error shape of the EBS model (contract 1.4): capital `Message`, a Reason where it has one."""

    def __init__(self, message: str, *, reason: StrEnum | None = None) -> None:
        super().__init__(message)
        self.reason = reason


class AccessDeniedReason(StrEnum):
    UNAUTHORIZED_ACCOUNT = "UNAUTHORIZED_ACCOUNT"
    DEPENDENCY_ACCESS_DENIED = "DEPENDENCY_ACCESS_DENIED"


class ValidationReason(StrEnum):
    INVALID_CUSTOMER_KEY = "INVALID_CUSTOMER_KEY"
    INVALID_PAGE_TOKEN = "INVALID_PAGE_TOKEN"  # noqa: S105 - the model's word
    INVALID_BLOCK_TOKEN = "INVALID_BLOCK_TOKEN"  # noqa: S105
    INVALID_GRANT_TOKEN = "INVALID_GRANT_TOKEN"  # noqa: S105
    INVALID_SNAPSHOT_ID = "INVALID_SNAPSHOT_ID"
    UNRELATED_SNAPSHOTS = "UNRELATED_SNAPSHOTS"
    INVALID_BLOCK = "INVALID_BLOCK"
    INVALID_CONTENT_ENCODING = "INVALID_CONTENT_ENCODING"
    INVALID_TAG = "INVALID_TAG"
    INVALID_DEPENDENCY_REQUEST = "INVALID_DEPENDENCY_REQUEST"
    INVALID_PARAMETER_VALUE = "INVALID_PARAMETER_VALUE"
    INVALID_VOLUME_SIZE = "INVALID_VOLUME_SIZE"
    CONFLICTING_BLOCK_UPDATE = "CONFLICTING_BLOCK_UPDATE"
    INVALID_IMAGE_ID = "INVALID_IMAGE_ID"
    WRITE_REQUEST_TIMEOUT = "WRITE_REQUEST_TIMEOUT"


class ResourceNotFoundReason(StrEnum):
    SNAPSHOT_NOT_FOUND = "SNAPSHOT_NOT_FOUND"
    GRANT_NOT_FOUND = "GRANT_NOT_FOUND"
    DEPENDENCY_RESOURCE_NOT_FOUND = "DEPENDENCY_RESOURCE_NOT_FOUND"
    IMAGE_NOT_FOUND = "IMAGE_NOT_FOUND"


class RequestThrottledReason(StrEnum):
    ACCOUNT_THROTTLED = "ACCOUNT_THROTTLED"
    DEPENDENCY_REQUEST_THROTTLED = "DEPENDENCY_REQUEST_THROTTLED"
    RESOURCE_LEVEL_THROTTLE = "RESOURCE_LEVEL_THROTTLE"


class ServiceQuotaExceededReason(StrEnum):
    DEPENDENCY_SERVICE_QUOTA_EXCEEDED = "DEPENDENCY_SERVICE_QUOTA_EXCEEDED"


class AccessDeniedError(EbsError):
    code, status = "AccessDeniedException", 403


class ValidationError(EbsError):
    code, status = "ValidationException", 400


class ResourceNotFoundError(EbsError):
    code, status = "ResourceNotFoundException", 404


class RequestThrottledError(EbsError):
    code, status = "RequestThrottledException", 400
    safe_to_retry = True


class ServiceQuotaExceededError(EbsError):
    code, status = "ServiceQuotaExceededException", 402


class ConcurrentLimitExceededError(EbsError):
    code, status = "ConcurrentLimitExceededException", 400


class ConflictError(EbsError):
    code, status = "ConflictException", 409


class InternalServerError(EbsError):
    code, status = "InternalServerException", 500
    safe_to_retry = True


class ModelViolationError(RequestError):
    """A member breaks a constraint of the model ("coral", contract 1.4): lower-case `message`."""

    code, status = "ValidationException", 400

    def __init__(self, *violations: str) -> None:
        noun = "error" if len(violations) == 1 else "errors"
        super().__init__(f"{len(violations)} validation {noun} detected: {'; '.join(violations)}")


class CommonError(RequestError):
    """An error every service of the family has (contract 1.4, 1.5): lower-case `message`.

    Authentication failures, unknown operations, unreadable bodies, account throttling, overload.
    """

    def __init__(self, code: str, status: int, message: str, *, retry_after_s: int = 0) -> None:
        super().__init__(message)
        self.code, self.status, self.retry_after_s = code, status, retry_after_s


class Ec2Error(RequestError):
    """An error of the EC2 query protocol (contract 9.1), with one of EC2's own codes."""

    def __init__(self, code: str, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.status = code, status


class KmsError(RequestError):
    """An error of KMS (contract 10), with one of KMS's own codes. EBS wraps it into its own (contract 3.4)."""

    def __init__(self, code: str, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.status = code, status


class StsError(RequestError):
    """An error of the STS query protocol."""

    def __init__(self, code: str, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.status = code, status


class RbinReason(StrEnum):
    INVALID_PAGE_TOKEN = "INVALID_PAGE_TOKEN"  # noqa: S105 - the model's word
    INVALID_PARAMETER_VALUE = "INVALID_PARAMETER_VALUE"
    RULE_NOT_FOUND = "RULE_NOT_FOUND"
    SERVICE_QUOTA_EXCEEDED = "SERVICE_QUOTA_EXCEEDED"


class RbinError(RequestError):
    """An error shape of the Recycle Bin's model."""

    def __init__(self, code: str, message: str, *, reason: RbinReason, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.reason, self.status = code, reason, status


# --- a store's answer about a record ----------------------------------------------------------------


class RecordRefused(NeveError):
    """The metadata store did nothing, because of what its records say."""


class AccessKeyNotFound(RecordRefused):
    """No such access key."""


class SnapshotNotFound(RecordRefused):
    """No such snapshot in this account, or it is deleted, or in a state that answers so."""

    def __init__(self, snapshot_id: str) -> None:
        super().__init__(f"snapshot {snapshot_id} is not there")
        self.snapshot_id = snapshot_id


class SnapshotSealed(RecordRefused):
    """The snapshot's completion was accepted: it takes no more blocks."""


class SnapshotNotComplete(RecordRefused):
    """The parent is still pending."""


class ParentLargerThanChild(RecordRefused):
    """The child's volume is smaller than the parent's."""


class ClientTokenMismatch(RecordRefused):
    """The client token was used before, with other parameters."""


class PendingLimitReached(RecordRefused):
    """The account has as many pending snapshots as it may."""


class SnapshotLimitReached(RecordRefused):
    """The account has as many snapshots as it may."""


class TagLimitReached(RecordRefused):
    """A snapshot would carry more tags than it may."""

    def __init__(self, snapshot_id: str) -> None:
        super().__init__(f"snapshot {snapshot_id} has no room for these tags")
        self.snapshot_id = snapshot_id


class SnapshotLocked(RecordRefused):
    """A lock keeps the snapshot from being deleted."""

    def __init__(self, snapshot_id: str, mode: str) -> None:
        super().__init__(f"snapshot {snapshot_id} has a {mode} lock")
        self.snapshot_id, self.mode = snapshot_id, mode


class RuleNotFound(RecordRefused):
    """No such retention rule in this account."""


class CopyLimitReached(RecordRefused):
    """The account has as many copies under way as it may."""


class UserExists(RecordRefused):
    """The account has a user of this name."""


class UserNotFound(RecordRefused):
    """No such user in this account."""


class PolicyNotFound(RecordRefused):
    """No such policy in this account."""


class PolicyInUse(RecordRefused):
    """The policy is attached to somebody."""


class KmsKeyNotFound(RecordRefused):
    """No such key."""


class KmsKeyChanged(RecordRefused):
    """The key's record is no longer the one that was read."""


class AliasExists(RecordRefused):
    """The account has an alias of this name."""


class AliasNotFound(RecordRefused):
    """No such alias in this account."""


class GrantNotFound(RecordRefused):
    """The key has no such grant."""


class ReservationCancelled(RecordRefused):
    """The segment name is no longer reserved for this writer: its batch must not be published."""


class EpochLost(RecordRefused):
    """Another collector began since: this one may take nothing away any more."""


# --- the operator -----------------------------------------------------------------------------------


class StoreError(NeveError):
    """A store failed. The request was fine; its outcome is unknown unless said otherwise."""


class StoreUnavailable(StoreError):
    """A fault that may pass: a timeout, a lost connection, no room, a failed write."""

    safe_to_retry = True


class StoreFull(StoreUnavailable):
    """No room. Nothing was acknowledged; it works again once there is room."""


class KeyProviderUnavailable(StoreUnavailable):
    """The key provider cannot be reached, is sealed, or does not let us in. The message says which and what to do."""


class StoreUnusable(StoreError):
    """The store cannot be opened as it is: damaged, of another version, or in use. Says what to do."""


class StoreInUse(StoreUnusable):
    """Another process has the store open. Says which one."""


class SegmentMissing(StoreError):
    """A segment that was published is not there: this is data loss, and it is loud."""


class ChunkMissing(StoreError):
    """A chunk that a snapshot needs has no record: this is data loss, and it is loud."""


class ArchiveMissing(StoreError):
    """The archive has no object of this name."""


class ArchiveDamaged(StoreError):
    """An object of the archive is not what was written."""


class CollectionStopped(StoreError):
    """A collection met something it does not understand, and takes nothing away. The message says what and what to do."""


class ChunkDamaged(StoreError):
    """The bytes found are not the bytes stored. Never served."""


class Overloaded(StoreError):
    """More is in flight than the settings allow. Nothing was done; call again shortly."""

    safe_to_retry = True


class InvariantError(NeveError):
    """Something only a bug can cause."""
