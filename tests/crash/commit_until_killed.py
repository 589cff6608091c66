"""A process that commits and says so, until it is killed: `commit_until_killed.py DATABASE FIRST`.

Started by test_metadata_survives_kill. It puts block n, n+1, … of the one pending snapshot, two threads at once, and
prints each number once its commit has returned.
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

from neve.domain.blocks import BlockIndex
from neve.limits import TINY
from neve.stores.metadata.contract import Batch, BlockWrite
from neve.stores.metadata.sqlite import SqliteMetadataStore
from neve.testing.metadata_scene import ACCOUNT, START_MS, chunk_id, chunk_record, digest, segment_name


def main(path: Path, first: int) -> None:
    store = SqliteMetadataStore.open(path, limits=TINY)
    store.cancel_reservations()
    (snapshot,) = store.snapshots(ACCOUNT, after=None, limit=1)

    def put(number: int) -> None:
        segment = segment_name(number)
        store.reserve_segments([segment], now_ms=START_MS)
        write = BlockWrite(
            domain_key=snapshot.domain_key,
            snapshot_key=snapshot.key,
            block_index=BlockIndex(number),
            chunk_id=chunk_id(number),
            digest=digest(number),
        )
        chunks = [chunk_record(number, segment, snapshot.domain_key)]
        store.publish(Batch(segment=segment, segment_bytes=1, chunks=chunks, blocks=[write]), now_ms=START_MS)
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()

    def put_every_other(offset: int) -> None:
        for number in count(first + offset, 2):
            put(number)

    with ThreadPoolExecutor(2) as pool:
        for future in [pool.submit(put_every_other, offset) for offset in (0, 1)]:
            future.result()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
