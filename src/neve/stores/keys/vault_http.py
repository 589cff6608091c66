"""One exchange with a Vault or OpenBao server: JSON over TLS, everything bounded, every failure a sentence.

It knows headers, timeouts and statuses, and neither tokens' lives nor keys. urllib3 is used directly: redirects,
retries and the sizes of answers are decided here and nowhere else (docs/decisions/014-vault-over-plain-https.md).
"""

import ssl
from dataclasses import dataclass, field
from typing import Final, TypeVar

import msgspec
import urllib3
from urllib3.exceptions import HTTPError, ProtocolError

from neve.errors import KeyProviderUnavailable
from neve.limits import MIB

CONNECTIONS_MAX: Final = 16
"""Sockets to one server; whoever finds none free waits for one."""
_ANSWER_BYTES_MAX: Final = MIB
"""A key that was rotated thirty thousand times still fits."""
_ATTEMPTS: Final = 2
"""A kept connection may have been closed by the other side: that is tried once more, and nothing else."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultAddress:
    """Where a server is and how it is reached."""

    url: str
    """`https://host:8200`, without a path."""
    namespace: str = ""
    ca_file: str = ""
    """Certificates to trust instead of the system's."""
    timeout_s: float = 5.0
    """For the connection and for the answer, each."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    body: bytes = field(repr=False)


class _Errors(msgspec.Struct):
    errors: list[str] = []


class _SealStatus(msgspec.Struct):
    sealed: bool
    initialized: bool = True


class VaultHttp:
    """A bounded pool of connections to one server. Safe from any thread."""

    def __init__(self, address: VaultAddress) -> None:
        """Read the certificates; nothing is sent.

        Raises:
            OSError: the file with certificates cannot be read, or holds none (ssl.SSLError is an OSError).
        """
        self._address = address
        self._pool = urllib3.PoolManager(
            num_pools=1,
            maxsize=CONNECTIONS_MAX,
            block=True,
            retries=False,
            timeout=urllib3.Timeout(connect=address.timeout_s, read=address.timeout_s),
            ssl_context=ssl.create_default_context(cafile=address.ca_file or None),
        )

    @property
    def name(self) -> str:
        """What operators call the server."""
        return f"Vault at {self._address.url}"

    def exchange(self, method: str, path: str, *, token: str = "", body: object = None) -> Answer:
        """Ask once, and return an answer whose status is 2xx, 400, 403, 404 or 429.

        Repeating it is safe for everything that key providers ask.

        Raises:
            KeyProviderUnavailable: no answer, or one that says that the server cannot answer now.
        """
        answer = self._sent(method, path, token, body)
        if answer.status < 300 or answer.status in {400, 403, 404, 429}:
            return answer
        if answer.status < 400:
            raise KeyProviderUnavailable(
                f"{self.name} sends us to another server, and we follow nobody with a token: set vault_address to "
                "the active one, or let standbys forward requests"
            )
        if answer.status == 503:
            raise KeyProviderUnavailable(f"{self.name} {self._why_unavailable(answer)}")
        raise KeyProviderUnavailable(f"{self.name} failed with status {answer.status}: {errors_in(answer)}")

    def decoded(self, answer: Answer, form: type[T]) -> T:
        """Return the answer as `form`.

        Raises:
            KeyProviderUnavailable: it is something else.
        """
        try:
            return msgspec.json.decode(answer.body, type=form)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise KeyProviderUnavailable(
                f"{self.name} answered {answer.status} with something that is no such answer: is it a Vault?"
            ) from None

    def close(self) -> None:
        """Close the connections that are not in use."""
        self._pool.clear()

    def _sent(self, method: str, path: str, token: str, body: object) -> Answer:
        headers = {"X-Vault-Request": "true", "Content-Type": "application/json"}
        if token:
            headers["X-Vault-Token"] = token
        if self._address.namespace:
            headers["X-Vault-Namespace"] = self._address.namespace
        content = None if body is None else msgspec.json.encode(body)
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return self._once(method, f"{self._address.url}/v1/{path}", headers, content)
            except ProtocolError as lost:
                if attempt == _ATTEMPTS:
                    raise KeyProviderUnavailable(f"{self.name} does not answer: {_said(lost)}") from None
            except HTTPError as error:
                raise KeyProviderUnavailable(f"{self.name} does not answer: {_said(error)}") from None
        raise AssertionError("the last attempt returns or raises")

    def _once(self, method: str, url: str, headers: dict[str, str], content: bytes | None) -> Answer:
        response = self._pool.request(
            method,
            url,
            headers=headers,
            body=content,
            redirect=False,
            preload_content=False,
            pool_timeout=self._address.timeout_s,
        )
        try:
            body = response.read(_ANSWER_BYTES_MAX + 1)
            if len(body) > _ANSWER_BYTES_MAX:
                response.close()
                raise KeyProviderUnavailable(f"{self.name} answers without end: is it a Vault?")
            return Answer(response.status, body)
        finally:
            response.release_conn()

    def _why_unavailable(self, answer: Answer) -> str:
        # Asked for, not read from the refusal's text: texts change.
        status = self._sent("GET", "sys/seal-status", "", None)
        if status.status == 200:
            told = self.decoded(status, _SealStatus)
            if not told.initialized:
                return "is not initialized: run `operator init`"
            if told.sealed:
                return "is sealed: unseal it"
        return f"cannot answer now: {errors_in(answer)}"


def errors_in(answer: Answer) -> str:
    """Return what a server says of a refusal, shortened; it repeats no secret of ours."""
    try:
        told = msgspec.json.decode(answer.body, type=_Errors).errors
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        told = []
    return "; ".join(told)[:300] or f"status {answer.status}"


def has_errors(answer: Answer) -> bool:
    """Return whether a refusal has words: a 404 without any means that the thing named is absent."""
    try:
        return bool(msgspec.json.decode(answer.body, type=_Errors).errors)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return True


def _said(error: HTTPError) -> str:
    """Return what went wrong without the objects that urllib3 puts into its texts."""
    cause = error.__cause__ or error.__context__
    text = str(cause) if isinstance(cause, OSError) else str(error)
    return text.rpartition(": ")[2][:200] if " object at 0x" in text else text[:200]
