"""What an operation works with, and on whose behalf."""

from collections.abc import Callable
from dataclasses import dataclass, field

from neve.clock import Clock, Entropy
from neve.domain.identities import AccountId
from neve.domain.policies.evaluation import RequestContext
from neve.domain.principals import Principal
from neve.domain.sessions import SessionMint
from neve.domain.tokens import TokenMint
from neve.limits import Limits
from neve.storage.chunk_store import ChunkStore
from neve.storage.committer import Committer
from neve.storage.domains import Domains
from neve.stores.keys.contract import KeyProvider
from neve.stores.keys.contract_managed import ManagedKeys
from neve.stores.metadata.contract import MetadataStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Quotas:
    """What an account may have. 0 is no limit (contract 3.8, 9.8, choices 16 and 17)."""

    pending_snapshots_max: int = 100
    snapshots_max: int = 0
    snapshot_copies_max: int = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The service an operation runs in. One for the process; every member is safe from any thread."""

    region: str
    limits: Limits
    quotas: Quotas
    clock: Clock
    entropy: Entropy
    metadata: MetadataStore
    committer: Committer
    chunks: ChunkStore
    domains: Domains
    keys: KeyProvider
    """Whoever keeps the KMS keys: what wraps the data keys of domains."""
    keyring: ManagedKeys | None
    """The same, where that is us: what the KMS operations work on. None where somebody else's KMS keeps the keys."""
    tokens: TokenMint
    sessions: SessionMint
    wake_background: Callable[[], None]
    """Tells the background work that a completion was accepted, or a copy begun."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who signed the request, and what policies may ask about it."""

    principal: Principal
    access_key_id: str
    context: RequestContext = field(default_factory=dict)
    """Condition keys that hold for every action of this request: `aws:SourceIp` and the like."""

    @property
    def account_id(self) -> AccountId:
        """Return the caller's account."""
        return self.principal.account_id
