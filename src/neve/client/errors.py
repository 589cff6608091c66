"""What can go wrong between a disk and a service, told to the person who runs the command.

    NotConfigured       their settings           no credentials, no region, an endpoint that is no URL
    ServiceUnreachable  network, server          nobody answered, or the answer broke off
    ServiceBusy         the service              throttled, overloaded, failing: later is fine
    ServiceRefused      the request              will be refused again; carries the service's own code
    Answer…             whatever answered        the answer is not what was asked for
    …Unusable           a file, a device         the disk's side of the transfer
    SnapshotFailed, WaitTimedOut                 the snapshot did not become what was waited for

`advice` is one sentence that says what to do. Notes added on the way up (`BaseException.add_note`) say what
became of things already begun. Whether calling again may help is `safe_to_retry`, nothing else.
"""

from neve.errors import NeveError


class ClientError(NeveError):
    """What happened, and what to do about it."""

    def __init__(self, message: str, *, advice: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice


class NotConfigured(ClientError):
    """Something is missing or wrong in the user's own settings; nothing was sent."""


class ServiceUnreachable(ClientError):
    """No connection, or one that broke: whether the request had its effect is unknown."""

    safe_to_retry = True


class ServiceBusy(ClientError):
    """The service cannot serve this now: throttled, overloaded, failing, or a body that came too slowly."""

    safe_to_retry = True

    def __init__(self, message: str, *, retry_after_s: float = 0.0, advice: str = "") -> None:
        super().__init__(message, advice=advice)
        self.retry_after_s = retry_after_s


class ServiceRefused(ClientError):
    """The service refuses the request and would again."""

    def __init__(self, message: str, *, code: str = "", reason: str = "", advice: str = "") -> None:
        super().__init__(message, advice=advice)
        self.code = code
        self.reason = reason


class AccessRefused(ServiceRefused):
    """Unknown credentials, a wrong signature, or no permission."""


class SnapshotMissing(ServiceRefused):
    """No such snapshot for this caller, or not in a state in which it can be read or written."""


class PageTokenRefused(ServiceRefused):
    """A page token is too old (they live an hour): the listing goes on from where it stood."""


class AnswerDamaged(ClientError):
    """An answer whose bytes do not match their own checksum, or are too few: asking again is right."""

    safe_to_retry = True


class AnswerUnexpected(ClientError):
    """An answer that no EBS direct API gives: something else listens there."""


class SourceUnusable(ClientError):
    """The file or device to read cannot be read as a disk image."""


class TargetUnusable(ClientError):
    """The file, device or stream to write to cannot take the volume."""


class SnapshotFailed(ClientError):
    """The snapshot is in the state `error`, for the reason given."""


class WaitTimedOut(ClientError):
    """The snapshot was still pending when the time to wait was over."""


class Cancelled(ClientError):
    """The transfer is being stopped: seen by its workers only, never by a caller."""
