"""A transfer against an ideal copy, with a network that loses, repeats, delays and damages.

Whatever happens to the calls, an upload or a download ends in one of two ways: it is exact, or it fails
with an error of ours and leaves nothing that could be taken for whole.
"""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neve.client.download import download
from neve.client.errors import ClientError
from neve.client.parents import no_parent, open_parent
from neve.client.upload import UploadOrder, upload
from neve.limits import TINY
from neve.testing.client_kit import MemorySource, MemoryTarget, client_over
from neve.testing.memory_ebs import MemoryEbs
from neve.testing.unreliable_ebs import Fault, UnreliableEbs

BLOCK = TINY.block_bytes
VOLUME_BYTES = TINY.block_bytes * TINY.blocks_per_gib

fills = st.lists(st.integers(0, 3), min_size=1, max_size=24)
passing_faults = st.lists(
    st.sampled_from([fault for fault in Fault if fault is not Fault.REFUSED]), max_size=40
)
any_faults = st.lists(st.sampled_from(Fault), max_size=40)


def image(block_fills: list[int]) -> bytes:
    return b"".join(bytes([fill]) * BLOCK for fill in block_fills)


def one_after_another(faults: list[Fault]) -> Callable[[], Fault]:
    """Hand out the faults in order of arrival, from any thread; after the last one, all is well."""
    left, lock = iter(faults), threading.Lock()

    def take() -> Fault:
        with lock:
            return next(left, Fault.NOTHING)

    return take


@settings(max_examples=80)
@given(before=fills, after=fills, faults=any_faults, remembered=st.booleans())
def test_an_upload_is_exact_or_leaves_nothing(
    tmp_path_factory: pytest.TempPathFactory,
    before: list[int],
    after: list[int],
    faults: list[Fault],
    remembered: bool,
) -> None:
    folder = tmp_path_factory.mktemp("maps")
    api = MemoryEbs(page_results=5)
    good = client_over(api, folder)
    parent_id = upload(good, MemorySource(image(before)), no_parent(), UploadOrder()).snapshot_id

    network = UnreliableEbs(api, one_after_another(faults))
    client = client_over(network, folder if remembered else folder / "empty")
    try:
        report = upload(client, MemorySource(image(after)), open_parent(client, parent_id), UploadOrder())
    except ClientError:
        # Either taken back, or the one thing that could be wanted: complete and right. If the call that
        # takes it back fails too, an unfinished one stays and ends by its timeout.
        for held in api.snapshots.values():
            if held.snapshot_id != parent_id and held.state != "pending":
                assert held.state == "completed"
                assert blocks_of(api, held.snapshot_id) == image(after).ljust(VOLUME_BYTES, b"\0")
    else:
        assert api.snapshots[report.snapshot_id].state == "completed"
        assert blocks_of(api, report.snapshot_id) == image(after).ljust(VOLUME_BYTES, b"\0")


@settings(max_examples=40)
@given(after=fills, faults=passing_faults)
def test_an_upload_outlives_faults_that_pass(
    tmp_path_factory: pytest.TempPathFactory, after: list[int], faults: list[Fault]
) -> None:
    api = MemoryEbs()
    faults = [Fault.NOTHING, *faults[:11]]  # a start that is answered, and fewer faults than attempts
    client = client_over(UnreliableEbs(api, one_after_another(faults)), tmp_path_factory.mktemp("maps"))
    report = upload(client, MemorySource(image(after)), no_parent(), UploadOrder())
    assert api.snapshots[report.snapshot_id].state == "completed"
    assert blocks_of(api, report.snapshot_id) == image(after).ljust(VOLUME_BYTES, b"\0")
    assert len(api.snapshots) == 1, "a start that is repeated starts nothing new"


@settings(max_examples=60)
@given(block_fills=fills, faults=any_faults, in_order=st.booleans())
def test_a_download_is_exact_or_discarded(
    tmp_path_factory: pytest.TempPathFactory, block_fills: list[int], faults: list[Fault], in_order: bool
) -> None:
    folder = tmp_path_factory.mktemp("maps")
    api = MemoryEbs(page_results=5)
    good = client_over(api, folder)
    snapshot_id = upload(good, MemorySource(image(block_fills)), no_parent(), UploadOrder()).snapshot_id

    client = client_over(UnreliableEbs(api, one_after_another(faults)), folder / "empty")
    targets: list[MemoryTarget] = []

    def target_for(volume_bytes: int) -> MemoryTarget:
        targets.append(MemoryTarget(volume_bytes, in_order=in_order))
        return targets[-1]

    try:
        download(client, snapshot_id, target_for)
    except ClientError:
        assert [target.outcome for target in targets] in ([], ["discarded"])
    else:
        (target,) = targets
        assert target.outcome == "committed"
        assert target.content == image(block_fills).ljust(VOLUME_BYTES, b"\0")


def blocks_of(api: MemoryEbs, snapshot_id: str) -> bytes:
    volume = bytearray(VOLUME_BYTES)
    for index, data in api.snapshots[snapshot_id].image.items():
        volume[index * BLOCK : (index + 1) * BLOCK] = data
    return bytes(volume)


def test_the_network_of_these_tests_does_what_it_says(tmp_path: Path) -> None:
    """A network that never fails would make the rest of this file worthless."""
    api = MemoryEbs()
    faults = one_after_another([Fault.NOTHING, *[fault for fault in Fault if fault is not Fault.REFUSED]])
    client = client_over(UnreliableEbs(api, faults), tmp_path, workers=1)
    upload(client, MemorySource(image([1, 2, 3, 1])), no_parent(), UploadOrder())
    # request lost, answer lost, busy, damaged: four of the faults make a retry
    assert client.engine.statistics().retries == 4
    assert api.calls["put_snapshot_block"] > 4
