"""Single blocks of a snapshot: the right one, or none, in whatever order they are asked for."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neve.client import block_reading
from neve.client.block_reading import BlockReader
from neve.client.errors import SnapshotMissing
from neve.client.parents import no_parent
from neve.client.upload import UploadOrder, upload
from neve.limits import TINY
from neve.testing.client_kit import MemorySource, client_over
from neve.testing.memory_ebs import MemoryEbs

BLOCK = TINY.block_bytes


@settings(max_examples=60)
@given(
    fills=st.lists(st.integers(0, 2), min_size=1, max_size=60),
    asked=st.lists(st.integers(0, 70), min_size=1, max_size=30),
    listed_on=st.sampled_from([1, 5, 20_000]),
)
def test_any_block_in_any_order_is_the_one_that_was_written(
    tmp_path_factory: pytest.TempPathFactory, fills: list[int], asked: list[int], listed_on: int
) -> None:
    folder, api = tmp_path_factory.mktemp("maps"), MemoryEbs()
    content = b"".join(bytes([fill]) * BLOCK for fill in fills)
    order = UploadOrder(send_zero_blocks=False)
    snapshot_id = upload(client_over(api, folder), MemorySource(content), no_parent(), order).snapshot_id
    reader = BlockReader(client_over(api, folder), snapshot_id)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(block_reading, "_LISTED_ON_MAX", listed_on)
        for index in asked:
            written = index < len(fills) and fills[index] != 0
            assert reader.read(index) == (bytes([fills[index]]) * BLOCK if written else b"")


def test_a_snapshot_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(SnapshotMissing):
        BlockReader(client_over(MemoryEbs(), tmp_path), "snap-0fedcba9876543210").read(0)
