"""Bugs planted one at a time, and the snapshot machine that must catch each.

A green board from a blind harness is worth nothing: whoever weakens the machine, or a rule of it, finds a
planted bug alive here. A bug is a small function that breaks the product through `monkeypatch`.
"""

from array import array
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from fix_world import MemoryStores
from machines.snapshot_machine import SnapshotMachine
from neve.domain import block_map, tokens
from neve.domain.block_map import Node
from neve.domain.blocks import ZERO_CHUNK_ID, checksum_b64, digest
from neve.operations.ebs import list_changed_blocks, list_snapshot_blocks, put_snapshot_block
from neve.operations.ebs.reading import next_page_token
from neve.storage import data_keys, domains
from neve.storage.chunk_cipher import Locked, Unsealed
from neve.storage.chunk_store import ChunkStore
from neve.storage.committer import Committer
from neve.storage.domains import Domains, OpenDomain
from neve.storage.sealing import Sealer
from neve.stores.keys.key_arns import check_usable
from neve.stores.metadata.contract import WriteOutcome
from neve.testing.memory_metadata import MemoryMetadataStore

Plant = Callable[[pytest.MonkeyPatch], None]


class Machine(SnapshotMachine):
    """Without the rules that these bugs have nothing to do with: the others are tried the more often."""

    make_stores = MemoryStores
    collect = undelete = None  # type: ignore[assignment]


def acknowledged_before_the_row(patch: pytest.MonkeyPatch) -> None:
    """The second write of a batch is answered without having been published."""
    publish = MemoryMetadataStore.publish

    def forgetful(self: MemoryMetadataStore, batch: Any, *, now_ms: int) -> Any:
        if any(write.block_index == 17 for write in batch.blocks):
            outcomes = [WriteOutcome.WRITTEN] * len(batch.blocks)
            return type(publish(self, _empty(batch), now_ms=now_ms))(blocks=outcomes, holds=[])
        return publish(self, batch, now_ms=now_ms)

    patch.setattr(MemoryMetadataStore, "publish", forgetful)


def _empty(batch: Any) -> Any:
    return type(batch)(segment=None, segment_bytes=0)


def the_first_write_to_an_index_wins(patch: pytest.MonkeyPatch) -> None:
    put = Committer.put_block
    seen: set[tuple[str, int]] = set()

    def stubborn(self: Committer, domain: Any, snapshot: Any, index: Any, *content: Any) -> None:
        written = (snapshot.snapshot_id, index)
        if written not in seen:
            put(self, domain, snapshot, index, *content)
        seen.add(written)

    patch.setattr(Committer, "put_block", stubborn)


def a_parents_block_hides_the_childs(patch: pytest.MonkeyPatch) -> None:
    with_children = Node.with_children

    def hiding(self: Node, changes: Any) -> Node:
        if self.level > 0:
            return with_children(self, changes)
        present = dict(self.children())
        return with_children(self, {slot: present.get(slot, new) for slot, new in changes.items()})

    patch.setattr(Node, "with_children", hiding)


def a_written_zero_block_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    merge = block_map.merge

    def forgetting(load: Any, store: Any, base: Any, writes: Any, fanout: int) -> Any:
        return merge(load, store, base, (w for w in writes if w[1] != ZERO_CHUNK_ID), fanout)

    patch.setattr("neve.storage.sealing.merge", forgetting)


def the_checksum_is_not_compared(patch: pytest.MonkeyPatch) -> None:
    check = put_snapshot_block.put_snapshot_block

    def trusting(ctx: Any, caller: Any, request: Any) -> Any:
        right = checksum_b64(digest(request.block_data))
        return check(ctx, caller, type(request)(**{**_members(request), "checksum": right}))

    patch.setattr("neve.testing.world.put_snapshot_block", trusting)


def _members(request: Any) -> dict[str, Any]:
    return {name: getattr(request, name) for name in request.__dataclass_fields__}


def the_claimed_count_is_not_compared(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Sealer, "_mismatch", lambda _self, _snapshot, _domain: "")


def a_page_skips_the_block_it_stops_at(patch: pytest.MonkeyPatch) -> None:
    token = next_page_token

    def skipping(ctx: Any, operation: str, subject: Any, position: int) -> str:
        return token(ctx, operation, subject, position + 1)

    patch.setattr(list_snapshot_blocks, "next_page_token", skipping)


def changed_pages_repeat_a_block(patch: pytest.MonkeyPatch) -> None:
    token = next_page_token

    def repeating(ctx: Any, operation: str, subject: Any, position: int) -> str:
        return token(ctx, operation, subject, max(0, position - 1))

    patch.setattr(list_changed_blocks, "next_page_token", repeating)


def a_block_that_went_away_is_not_a_change(patch: pytest.MonkeyPatch) -> None:
    diff = block_map.diff

    def blind(load: Any, first: Any, second: Any, start: int = 0) -> Any:
        return (change for change in diff(load, first, second, start) if change[2] is not None)

    patch.setattr(list_changed_blocks, "diff", blind)


def a_token_is_good_for_any_index(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(tokens, "_block_binding", lambda snapshot_id, _index: [b"block", snapshot_id.encode()])


def a_deleted_snapshot_is_still_there(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(MemoryMetadataStore, "delete_snapshot", lambda _self, _account, _snapshot, *, now_ms: None)


def the_node_cache_mixes_two_nodes_up(patch: pytest.MonkeyPatch) -> None:
    nodes = ChunkStore.nodes

    def mixed(self: ChunkStore, domain: Any, chunk_ids: Any) -> list[Node]:
        return [
            Node(0, node.fanout, array("H", node.slots[:-1]), node.ids[:-32])
            if node.level == 0 and len(node) > 1
            else node
            for node in nodes(self, domain, chunk_ids)
        ]

    patch.setattr(ChunkStore, "nodes", mixed)


def equal_contents_are_told_apart_by_length_only(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(OpenDomain, "chunk_id", lambda _self, _digest: b"c" * 32)


def nodes_of_encrypted_snapshots_are_not_sealed(patch: pytest.MonkeyPatch) -> None:
    sealing = Domains._sealing

    def half(self: Domains, domain: OpenDomain) -> OpenDomain:
        return replace(sealing(self, domain), nodes=Unsealed())

    patch.setattr(Domains, "_sealing", half)


def nodes_need_the_kms_key(patch: pytest.MonkeyPatch) -> None:
    sealing = Domains._sealing

    def locked(self: Domains, domain: OpenDomain) -> OpenDomain:
        return replace(sealing(self, domain), nodes=Locked())

    patch.setattr(Domains, "_sealing", locked)


def digests_of_encrypted_snapshots_are_not_masked(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(domains._Masked, "mask", lambda _self, value: value)
    patch.setattr(domains._Masked, "unmask", lambda _self, value: value)


def a_data_key_in_memory_works_whatever_became_of_its_kms_key(patch: pytest.MonkeyPatch) -> None:
    asked: set[str] = set()

    def once(description: Any) -> None:
        if description.arn not in asked:
            check_usable(description)
        asked.add(description.arn)

    patch.setattr("neve.storage.data_keys.check_usable", once)


def every_chunk_is_opened_with_the_newest_data_key(patch: pytest.MonkeyPatch) -> None:
    key = data_keys._Generations.key
    patch.setattr(data_keys._Generations, "key", lambda self, _generation: key(self, self.newest()))


def a_renewal_forgets_the_older_data_keys(patch: pytest.MonkeyPatch) -> None:
    wrap_anew = data_keys._Wrapper.wrap_anew

    def mixed(self: Any, domain: Any, old: Any) -> None:
        wrap_anew(self, domain, old)
        fresh = self._provider.generate_data_key(
            domain.kms_key_arn, data_keys._context(domain, old.generation), size_bytes=32
        )
        (stored, *_) = [
            w for w in self._metadata.keys.wrappings(domain.key) if w.generation == old.generation
        ]
        self._metadata.keys.rewrap(stored, replace(stored, wrapping=fresh.wrapping))

    patch.setattr(data_keys._Wrapper, "wrap_anew", mixed)


PLANTED: list[Plant] = [
    nodes_of_encrypted_snapshots_are_not_sealed,
    nodes_need_the_kms_key,
    digests_of_encrypted_snapshots_are_not_masked,
    a_data_key_in_memory_works_whatever_became_of_its_kms_key,
    every_chunk_is_opened_with_the_newest_data_key,
    a_renewal_forgets_the_older_data_keys,
    acknowledged_before_the_row,
    the_first_write_to_an_index_wins,
    a_parents_block_hides_the_childs,
    a_written_zero_block_is_forgotten,
    the_checksum_is_not_compared,
    the_claimed_count_is_not_compared,
    a_page_skips_the_block_it_stops_at,
    changed_pages_repeat_a_block,
    a_block_that_went_away_is_not_a_change,
    a_token_is_good_for_any_index,
    a_deleted_snapshot_is_still_there,
    the_node_cache_mixes_two_nodes_up,
    equal_contents_are_told_apart_by_length_only,
]


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__)
def test_the_machine_catches(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    search = settings(
        max_examples=1000,
        stateful_step_count=30,
        phases=[Phase.generate],
        report_multiple_bugs=False,
        derandomize=True,
        print_blob=False,
        database=None,
    )
    with pytest.raises(BaseException) as caught:  # noqa: PT011 - an assertion, or pytest's own Failed
        run_state_machine_as_test(Machine, settings=search)
    assert not isinstance(caught.value, AttributeError | TypeError | KeyboardInterrupt), (
        "the bug itself is broken"
    )


def test_without_a_planted_bug_the_same_search_finds_nothing() -> None:
    search = settings(
        settings.default, max_examples=100, stateful_step_count=30, derandomize=True, database=None
    )
    run_state_machine_as_test(Machine, settings=search)
