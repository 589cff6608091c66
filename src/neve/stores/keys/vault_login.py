"""A token for a Vault server: had from a source or by AppRole, renewed while it lives, had anew when it does not.

    nothing ─▶ token ─▶ renewed at half its life ─▶ … ─▶ refused or at its end ─▶ had anew

A token is kept alive by a thread of its own, so that a night without requests does not end it: a renewable token is
renewed, an AppRole logs in again, a source is read again (an agent may have written a newer token there).
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Final

import msgspec

from neve.clock import Clock
from neve.errors import KeyProviderUnavailable
from neve.secret_sources import SecretKind, SecretSource, SecretUnavailable, read_secret
from neve.stores.keys.vault_http import Answer, VaultHttp, errors_in

_RENEW_AT: Final = 0.5
"""Of a token's life: the other half is for trying again."""
_LOOK_S_MIN, _LOOK_S_MAX, _LOOK_AGAIN_S = 1.0, 3600.0, 15.0
"""Pauses of the thread: between looks, and after a failure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AppRole:
    """A role of an application: its id, and where its secret id is."""

    role_id: str
    secret_id: SecretSource
    mount: str = "approle"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lease:
    token: str = field(repr=False)
    had_s: float
    life_s: float
    """From then; 0 is for ever, or nobody tells."""
    renewable: bool


class _Auth(msgspec.Struct):
    client_token: str
    lease_duration: int = 0
    renewable: bool = False


class _Login(msgspec.Struct):
    auth: _Auth


class _Token(msgspec.Struct):
    ttl: int = 0
    renewable: bool = False


class _LookUp(msgspec.Struct):
    data: _Token


class VaultLogin:
    """The token in use. Safe from any thread."""

    def __init__(
        self,
        http: VaultHttp,
        method: SecretSource | AppRole,
        *,
        relative_to: Path,
        clock: Clock,
        on_failure: Callable[[KeyProviderUnavailable], None] = lambda _: None,
    ) -> None:
        """`method` says where the token is, or who we are; nothing is read or sent yet."""
        self._http = http
        self._method = method
        self._relative_to = relative_to
        self._clock = clock
        self._on_failure = on_failure
        self._lock = Lock()
        self._lease: _Lease | None = None
        self._remembered: dict[SecretSource, str] = {}
        self._closing = Event()
        self._keeper: Thread | None = None

    def token(self) -> str:
        """Return a token that lives, renewed or had anew if it is time.

        Raises:
            KeyProviderUnavailable
        """
        with self._lock:
            return self._alive().token

    def refused(self, token: str) -> bool:
        """Tell of a 403 that `token` got; return whether the token itself is good, so that a policy refused.

        A token that is not is forgotten: the next one is had anew.

        Raises:
            KeyProviderUnavailable
        """
        answer = self._http.exchange("GET", "auth/token/lookup-self", token=token)
        if answer.status == 200:
            return True
        with self._lock:
            if self._lease is not None and self._lease.token == token:
                self._lease = None
        return False

    def keep_alive(self) -> None:
        """Start the thread that renews the token; `close` ends it."""
        assert self._keeper is None
        self._keeper = Thread(target=self._keep, name="neve-vault-token", daemon=True)
        self._keeper.start()

    def close(self) -> None:
        """Forget the token and end the thread. Repeating it changes nothing."""
        self._closing.set()
        if self._keeper is not None:
            self._keeper.join()
        with self._lock:
            self._lease = None
            self._remembered.clear()

    # --- under the lock

    def _alive(self) -> _Lease:
        lease = self._lease
        if lease is not None and lease.life_s:
            age_s = self._clock.monotonic_s() - lease.had_s
            if age_s >= lease.life_s:
                lease = None
            elif age_s >= lease.life_s * _RENEW_AT:
                lease = self._renewed(lease)
        if lease is None:
            lease = self._had_anew()
        self._lease = lease
        return lease

    def _renewed(self, lease: _Lease) -> _Lease:
        """Return a lease that ends later, or the one there is if nothing better can be had now."""
        with suppress(KeyProviderUnavailable):
            if lease.renewable:
                answer = self._http.exchange("POST", "auth/token/renew-self", token=lease.token, body={})
                if answer.status == 200:
                    renewed = self._leased(answer)
                    # At the end of what a renewal may add, the rest of a life is all there is: have another.
                    if renewed.life_s >= lease.life_s * _RENEW_AT:
                        return renewed
            return self._had_anew()
        return lease

    def _had_anew(self) -> _Lease:
        if isinstance(self._method, AppRole):
            return self._logged_in(self._method)
        token = self._secret(self._method)
        had_s = self._clock.monotonic_s()
        answer = self._http.exchange("GET", "auth/token/lookup-self", token=token)
        if answer.status != 200:
            # Perhaps its policy does not even let it look at itself: then the first use tells.
            return _Lease(token=token, had_s=had_s, life_s=0, renewable=False)
        told = self._http.decoded(answer, _LookUp).data
        return _Lease(token=token, had_s=had_s, life_s=told.ttl, renewable=told.renewable)

    def _logged_in(self, role: AppRole) -> _Lease:
        body = {"role_id": role.role_id, "secret_id": self._secret(role.secret_id)}
        answer = self._http.exchange("POST", f"auth/{role.mount}/login", body=body)
        if answer.status != 200:
            raise KeyProviderUnavailable(
                f"{self._http.name} does not let AppRole {role.role_id} in: {errors_in(answer)}. Check "
                f"vault_role_id and the secret id in {role.secret_id}"
            )
        return self._leased(answer)

    def _leased(self, answer: Answer) -> _Lease:
        auth = self._http.decoded(answer, _Login).auth
        return _Lease(
            token=auth.client_token,
            had_s=self._clock.monotonic_s(),
            life_s=auth.lease_duration,
            renewable=auth.renewable,
        )

    def _secret(self, source: SecretSource) -> str:
        if source in self._remembered:
            return self._remembered[source]
        try:
            secret = read_secret(source, relative_to=self._relative_to).decode("ascii").strip()
        except SecretUnavailable as unavailable:
            raise KeyProviderUnavailable(
                f"there is nothing to show to {self._http.name}: {unavailable}"
            ) from None
        except UnicodeDecodeError:
            secret = ""
        if not secret.isprintable() or not secret:
            raise KeyProviderUnavailable(
                f"{source} holds no token or secret id: it should be one line of ASCII"
            )
        if source.kind is SecretKind.ENVIRONMENT:
            # It can be read once: see secret_sources.
            self._remembered[source] = secret
        return secret

    # --- the thread

    def _keep(self) -> None:
        pause_s, failing = _LOOK_S_MIN, False
        while not self._closing.wait(pause_s):
            try:
                pause_s, failing = self._look(), False
            except KeyProviderUnavailable as failure:
                if not failing:
                    self._on_failure(failure)
                pause_s, failing = _LOOK_AGAIN_S, True

    def _look(self) -> float:
        with self._lock:
            lease = self._alive()
            left_s = lease.had_s + lease.life_s * _RENEW_AT - self._clock.monotonic_s()
        return min(max(left_s, _LOOK_S_MIN), _LOOK_S_MAX) if lease.life_s else _LOOK_S_MAX
