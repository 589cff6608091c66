"""Stores that programs of Hypothesis fill, and a mark of what lives in them that is too simple to be wrong.

A program starts, writes, completes, deletes, throws into the bin and copies, in two domains of one account and one of
another. Equal contents and neighbouring nodes are frequent; snapshots are left pending, half sealed and half copied.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Final

from hypothesis import strategies as st

from copy_scene import ask
from neve.domain.blocks import ZERO_CHUNK_ID, ChunkId, digest
from neve.domain.identities import AccountId, DomainKey, SnapshotId
from neve.domain.retention import RetentionRule
from neve.domain.snapshots import CompletionClaim, Origin, Snapshot, SnapshotKey, State
from neve.limits import TINY
from neve.storage.usage import Reckoner
from neve.testing.memory_keys import MemoryKeys
from neve.testing.memory_marks import MemoryMarkStore
from neve.testing.world import ACCOUNT, OTHER_ACCOUNT, World

ACCOUNTS = (ACCOUNT, OTHER_ACCOUNT)
INDEXES = (0, 1, 2, 15, 16, 17, 31, 255, 256, 272, 2047)

KEEP_ALL: Final = RetentionRule(
    account_id=ACCOUNT,
    rule_id="all",
    description="",
    retention_days=1,
    resource_tags=(),
    exclude_resource_tags=(),
    tags={},
    created_ms=0,
)

Name = tuple[DomainKey, ChunkId]
Step = tuple[str, int, int, int]
"""What is done, and three numbers that say to what."""

_VERBS = (
    *("start", "child", "child", "child"),
    *("put",) * 8,
    *("complete",) * 4,
    *("delete", "recycle", "copy", "carry away", "advance", "advance", "accept", "half seal"),
)
_numbers = st.integers(min_value=0, max_value=40)
steps = st.tuples(st.sampled_from(_VERBS), _numbers, _numbers, _numbers)
_FIRST_STEPS: Final[Sequence[Step]] = (
    *(("start", 0, 0, 0), ("put", 0, 0, 3), ("put", 0, 4, 7), ("complete", 0, 0, 0)),
    *(("start", 1, 0, 0), ("put", 0, 2, 3), ("complete", 0, 0, 0)),
)
"""Something in both domains, so that no program is about nothing."""
programs = st.lists(steps, min_size=20, max_size=100).map(lambda later: [*_FIRST_STEPS, *later])


def content(fill: int) -> bytes:
    """Return a block: of zeros, or one that compresses, or one that does not."""
    if fill % 3 == 0:
        return bytes(TINY.block_bytes) if fill == 0 else fill.to_bytes(1) * TINY.block_bytes
    return digest(b"%d" % fill) + digest(b"other half of %d" % fill)


class Filled:
    """A world that a program fills."""

    def __init__(self, world: World, keys: MemoryKeys) -> None:
        self.world = world
        self._arn = keys.make_key(ACCOUNT)
        self._written: dict[SnapshotId, set[int]] = {}

    def run(self, program: Iterable[Step]) -> None:
        """Do the steps that can be done."""
        for verb, *numbers in program:
            self._do(verb, *numbers)

    def those(self, *states: State) -> list[Snapshot]:
        """Return the first account's snapshots in these states that are made of blocks, or completed."""
        return [
            snapshot
            for snapshot in self.world.metadata.snapshots(ACCOUNT, after=None, limit=1_000)
            if snapshot.state in states
            and (snapshot.origin is Origin.DIRECT or snapshot.state is State.COMPLETED)
        ]

    def _do(self, verb: str, first: int, second: int, third: int) -> None:
        match verb:
            case "start":
                self.world.start(kms_key_arn=self._arn if first % 2 else None)
            case "advance":
                for copy in self.world.metadata.lifecycle.copies(after=None, limit=100):
                    self.world.copier.advance(copy)
            case "put" | "complete" | "accept" | "half seal":
                if pending := self.those(State.PENDING):
                    self._go_on(_pick(pending, first), verb, second, third)
            case _:
                if completed := self.those(State.COMPLETED):
                    self._use(_pick(completed, first), verb, second)

    def _go_on(self, snapshot: Snapshot, verb: str, second: int, third: int) -> None:
        if verb == "put":
            for step in range(1 + third % 4):
                self._put(snapshot, INDEXES[(second + step) % len(INDEXES)], content((third + step) % 9))
        else:
            self._end(snapshot, verb)

    def _use(self, snapshot: Snapshot, verb: str, second: int) -> None:
        match verb:
            case "child":
                self.world.start(parent=snapshot.snapshot_id)
            case "delete":
                self.world.delete(snapshot.snapshot_id)
            case "recycle":
                self._recycle(snapshot)
            case "copy":
                encrypted = bool(second % 2)
                key = self._arn if encrypted else None
                ask(self.world, snapshot.snapshot_id, encrypted=encrypted, kms_key_id=key)
            case "carry away":
                self._carry_away(snapshot)

    def _put(self, snapshot: Snapshot, index: int, data: bytes) -> None:
        self.world.put(snapshot.snapshot_id, index, data)
        self._written.setdefault(snapshot.snapshot_id, set()).add(index)

    def _end(self, snapshot: Snapshot, verb: str) -> None:
        count = len(self._written.get(snapshot.snapshot_id, ()))
        claim = CompletionClaim(changed_blocks_count=count, aggregate=None)
        if verb == "half seal":
            self.half_seal(self.world, snapshot, claim)
            return
        metadata, now_ms = self.world.metadata, self.world.clock.now_ms()
        accepted = metadata.accept_completion(ACCOUNT, snapshot.snapshot_id, claim, now_ms=now_ms)
        if verb == "complete":
            self.world.sealer.seal(accepted)

    @staticmethod
    def half_seal(world: World, snapshot: Snapshot, claim: CompletionClaim) -> None:
        """Accept a completion, make and hold its nodes, and be killed before its last step."""
        metadata, now_ms = world.metadata, world.clock.now_ms()
        accepted = metadata.accept_completion(ACCOUNT, snapshot.snapshot_id, claim, now_ms=now_ms)
        finish = metadata.finish_completion
        metadata.finish_completion = lambda *_, **__: False  # type: ignore[method-assign]
        world.sealer.seal(accepted)
        metadata.finish_completion = finish  # type: ignore[method-assign]

    def _recycle(self, snapshot: Snapshot) -> None:
        records = self.world.metadata.lifecycle
        records.change_rules(ACCOUNT, lambda _: KEEP_ALL)
        self.world.delete(snapshot.snapshot_id)
        records.remove_rule(ACCOUNT, KEEP_ALL.rule_id)

    def _carry_away(self, snapshot: Snapshot) -> None:
        """Let another account begin to copy a snapshot that is not encrypted."""
        if not self.world.context.domains.by_key(snapshot.domain_key).is_encrypted:
            self.world.metadata.modify_permissions(ACCOUNT, snapshot.snapshot_id, add=[OTHER_ACCOUNT])
            ask(self.world, snapshot.snapshot_id, caller=World.caller(OTHER_ACCOUNT))


def _pick(choices: Sequence[Snapshot], number: int) -> Snapshot:
    return choices[number % len(choices)]


# --- what lives


class Mark:
    """What lives in a world, by looking at everything, one chunk after another."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.needed_by: dict[SnapshotKey, set[Name]] = {}
        self.owner: dict[SnapshotKey, AccountId] = {}
        for account_id in ACCOUNTS:
            for snapshot in world.metadata.snapshots(account_id, after=None, limit=1_000):
                self._note(snapshot, self._chunks_of(snapshot))
            for found in world.metadata.lifecycle.recycled(account_id, after=None, limit=1_000):
                self._note(found.snapshot, self._tree(found.snapshot.domain_key, found.snapshot.root))
        for copy in world.metadata.lifecycle.copies(after=None, limit=1_000):
            if copy.source_domain_key is not None:
                self.needed_by[copy.snapshot.key] |= self._tree(copy.source_domain_key, copy.source_root)

    def bytes_of(self, names: Iterable[Name]) -> int:
        """Return how many bytes these chunks have where they are stored."""
        return sum(
            self._world.metadata.chunks(domain_key, [chunk_id])[chunk_id].stored_bytes
            for domain_key, chunk_id in names
        )

    def live_bytes(self) -> int:
        return self.bytes_of(set().union(*self.needed_by.values()))

    def unique_bytes(self, keys: Collection[SnapshotKey]) -> int:
        """Return how many bytes these snapshots need and no other."""
        own = set().union(*(self.needed_by[key] for key in keys))
        others = set().union(*(names for key, names in self.needed_by.items() if key not in keys))
        return self.bytes_of(own - others)

    def _note(self, snapshot: Snapshot, names: set[Name]) -> None:
        self.needed_by[snapshot.key] = names
        self.owner[snapshot.key] = snapshot.account_id

    def _chunks_of(self, snapshot: Snapshot) -> set[Name]:
        match snapshot.state:
            case State.COMPLETED:
                return self._tree(snapshot.domain_key, snapshot.root)
            case State.PENDING | State.SEALING:
                names = self._tree(snapshot.domain_key, snapshot.base_root)
                rows = self._world.metadata.blocks(snapshot.key, after=None, limit=10_000)
                names |= {
                    (snapshot.domain_key, row.chunk_id) for row in rows if row.chunk_id != ZERO_CHUNK_ID
                }
                if snapshot.state is State.SEALING:
                    names |= self._world.stores.open_metadata()._holds[snapshot.key]  # type: ignore[attr-defined]
                return names
            case _:
                return set()

    def _tree(self, domain_key: DomainKey, name: ChunkId | None) -> set[Name]:
        if name is None:
            return set()
        (node,) = self._world.context.chunks.nodes(self._world.context.domains.by_key(domain_key), [name])
        names = {(domain_key, name)}
        for _, child in node.children():
            if node.level:
                names |= self._tree(domain_key, child)
            elif child != ZERO_CHUNK_ID:
                names.add((domain_key, child))
        return names


def reckoner(world: World) -> Reckoner:
    """Return what answers for a world."""
    return Reckoner(
        metadata=world.metadata,
        chunks=world.context.chunks,
        domains=world.context.domains,
        open_marks=MemoryMarkStore,
        limits=world.limits,
    )


def unwatched(_done: int, _steps: int) -> None:
    """Let a reckoning take as long as it does."""
