"""Who holds an access key, the secret that proves it, and what whoever it is may do.

    access key id, token ─find─▶ Credential (a secret) ─verify─▶ ─principal─▶ Principal with its policies

Every request looks its key up in the metadata store, so that a key that is disabled, expired or gone stops at once,
and with it the sessions that hang on it. What a user may do is looked up only after the signature proved to be
theirs, so that the time of a refusal tells nobody which keys there are. Only what cannot change is kept: opened
secrets by their sealed form, parsed policies by their text.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Final, Generic, TypeVar

from neve.auth import failures
from neve.domain.identities import AccessKey
from neve.domain.keyring import Keyring, Purpose
from neve.domain.policies.documents import Policy, PolicyInvalid, PolicyKind, parse_policy
from neve.domain.policies.ready_made import READY_MADE
from neve.domain.principals import (
    Principal,
    federated_arn,
    federated_user_id,
    root_principal,
    user_arn,
)
from neve.domain.sessions import ACCESS_KEY_ID_PREFIX, Session, SessionMint, SessionTokenInvalid
from neve.errors import AccessKeyNotFound, UserNotFound
from neve.events import PolicyUnreadable, Report
from neve.operations.parsed_policies import ParsedPolicies
from neve.stores.metadata.contract import MetadataStore
from neve.stores.metadata.contract_identities import Attachment

_OPEN_SECRETS_MAX: Final = 256
_DENY_ALL: Final = '{"Version":"2012-10-17","Statement":[{"Sid":"ThisPolicyCannotBeRead","Effect":"Deny","Action":"*","Resource":"*"}]}'

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """An access key that may be used, opened."""

    access_key_id: str
    """As the request names it: the session's, if it is one."""
    secret: str = field(repr=False)
    key: AccessKey
    """The long-term key: itself, or what the session hangs on."""
    session: Session | None = None


def seal_secret(keyring: Keyring, access_key_id: str, secret: str) -> bytes:
    """Return an access key's secret in the form its record keeps."""
    return keyring.seal(Purpose.ACCESS_KEY_SECRET, secret.encode("ascii"), belongs_to=access_key_id)


class Credentials:
    """Looks access keys and their owners up. Safe from any thread."""

    def __init__(
        self, metadata: MetadataStore, keyring: Keyring, sessions: SessionMint, report: Report
    ) -> None:
        self._metadata = metadata
        self._keyring = keyring
        self._sessions = sessions
        self._report = report
        self._secrets: _Kept[bytes, str] = _Kept(_OPEN_SECRETS_MAX)
        self._policies = ParsedPolicies()

    def find(self, access_key_id: str, session_token: str | None, *, now_ms: int) -> Credential | None:
        """Return the credential; None if there is no such key, it may not be used, or the token is not its own.

        A session whose time is over is still found: only who proves to hold it is told so, by `principal`.

        Raises:
            StoreError
        """
        session = None
        if session_token is not None or access_key_id.startswith(ACCESS_KEY_ID_PREFIX):
            try:
                session = self._sessions.read(session_token or "", access_key_id)
            except SessionTokenInvalid:
                return None
        try:
            key = self._metadata.access_key(
                access_key_id if session is None else session.parent_access_key_id
            )
        except AccessKeyNotFound:
            return None
        if not key.enabled or (key.expires_ms is not None and now_ms >= key.expires_ms):
            return None
        if session is None:
            return Credential(access_key_id=access_key_id, secret=self._secret_of(key), key=key)
        if session.account_id != key.account_id:
            return None
        return Credential(access_key_id=access_key_id, secret=session.secret, key=key, session=session)

    def principal(self, credential: Credential, *, now_ms: int) -> Principal:
        """Return who holds a credential that a signature proved, with everything their policies say now.

        Raises:
            CommonError: the session's time is over, or its owner has gone.
            StoreError
        """
        session = credential.session
        if session is not None and now_ms >= session.expires_ms:
            raise failures.expired()
        owner = self._owner_of(credential.key)
        if session is None:
            return owner
        if session.user_id != owner.user_id:
            raise failures.unrecognized()
        return self._in_session(owner, session)

    def _owner_of(self, key: AccessKey) -> Principal:
        if not key.user_name:
            return root_principal(key.account_id)
        identities = self._metadata.identities
        try:
            user = identities.user(key.account_id, key.user_name)
            attachments = identities.attachments(key.account_id, key.user_name)
        except UserNotFound:
            raise failures.unrecognized() from None
        owner = Principal(
            account_id=key.account_id,
            arn=user_arn(key.account_id, key.user_name),
            user_id=user.user_id,
            user_name=key.user_name,
        )
        return replace(owner, policies=tuple(self._policy_of(owner, attached) for attached in attachments))

    def _in_session(self, owner: Principal, session: Session) -> Principal:
        name = session.federated_name
        bound = None
        if session.policy is not None:
            bound = self._parsed(owner, PolicyKind.SESSION, "", session.policy)
        return replace(
            owner,
            arn=federated_arn(owner.account_id, name) if name else owner.arn,
            user_id=federated_user_id(owner.account_id, name) if name else owner.user_id,
            session_policy=bound,
            session_issued_ms=session.issued_ms,
        )

    def _policy_of(self, owner: Principal, attached: Attachment) -> Policy:
        if attached.document is not None:
            return self._parsed(owner, PolicyKind.IDENTITY, attached.policy_name, attached.document)
        ready_made = READY_MADE.get(attached.policy_name)
        # A name nobody knows a document of: what it was to allow or deny cannot be told.
        return self._parsed(owner, PolicyKind.IDENTITY, attached.policy_name, ready_made or "")

    def _parsed(self, owner: Principal, kind: PolicyKind, name: str, text: str) -> Policy:
        """Return a policy. One that cannot be read denies everything: what it would have denied cannot be told."""
        return self._policies.get(kind, name, text, lambda: self._parse(owner, kind, name, text))

    def _parse(self, owner: Principal, kind: PolicyKind, name: str, text: str) -> Policy:
        try:
            return parse_policy(text, kind, name=name)
        except PolicyInvalid as invalid:
            self._report(PolicyUnreadable(principal=owner.arn, policy=name, error=str(invalid)))
            return parse_policy(_DENY_ALL, kind, name=f"{name} (which cannot be read: {invalid})")

    def _secret_of(self, key: AccessKey) -> str:
        return self._secrets.get(key.sealed_secret, lambda: self._opened_secret(key))

    def _opened_secret(self, key: AccessKey) -> str:
        return self._keyring.open(
            Purpose.ACCESS_KEY_SECRET, key.sealed_secret, belongs_to=key.access_key_id
        ).decode("ascii")


class _Kept(Generic[Key, Value]):
    """The values used last, up to a number of them. Safe from any thread."""

    def __init__(self, values_max: int) -> None:
        self._values_max = values_max
        self._lock = Lock()
        self._values: OrderedDict[Key, Value] = OrderedDict()

    def get(self, key: Key, make: Callable[[], Value]) -> Value:
        """Return what is kept under `key`, made now if it is not: perhaps by two threads at once."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
        made = make()
        with self._lock:
            self._values[key] = made
            while len(self._values) > self._values_max:
                self._values.popitem(last=False)
        return made
