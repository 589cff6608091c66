"""What an operation works with, and on whose behalf."""

from collections.abc import Callable
from dataclasses import dataclass

from neve.clock import Clock, Entropy
from neve.domain.identities import AccountId
from neve.domain.tokens import TokenMint
from neve.limits import Limits
from neve.storage.chunk_store import ChunkStore
from neve.storage.committer import Committer
from neve.storage.domains import Domains
from neve.stores.metadata.contract import MetadataStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Quotas:
    """What an account may have. 0 is no limit (contract 3.8, choices 16 and 17)."""

    pending_snapshots_max: int = 100
    snapshots_max: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The service an operation runs in. One for the process; every member is safe from any thread."""

    limits: Limits
    quotas: Quotas
    clock: Clock
    entropy: Entropy
    metadata: MetadataStore
    committer: Committer
    chunks: ChunkStore
    domains: Domains
    tokens: TokenMint
    wake_sealer: Callable[[], None]
    """Tells the background work that a completion was accepted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who signed the request."""

    account_id: AccountId
    access_key_id: str
