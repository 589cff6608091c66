"""How long a server takes to its first answer, on a store of many chunks, with a log of any size left by a kill.

    python tests/crash/restarting.py [CHUNKS [LOG_MIB]]        prints one line for each size of log

The records are made with SQLite itself, a million in seconds; no segment has bytes. A process commits the last of them
without a checkpoint until the log is as long as was asked for, and is killed: what the server finds is a real kill's.
"""

import os
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import apsw

from neve.testing.server import ServerProcess

CHUNKS_A_SEGMENT: Final = 64
LONGEST_LOG_MIB: Final = 128
"""From here on a server makes its log begin anew, whoever reads meanwhile."""
_ROWS_A_COMMIT: Final = 2_000
_SEGMENTS: Final = """
WITH RECURSIVE n (i) AS (SELECT ?1 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?2)
INSERT OR IGNORE INTO segment (segment_key, name, state, reserved_ms, size_bytes)
SELECT i + 1000, printf('%032x', i), 'live', 0, 1 FROM n
"""
# A chunk id is as good as random: rows go everywhere in its index, which is what makes a log long.
_CHUNKS: Final = """
WITH RECURSIVE n (i) AS (SELECT ?1 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?2)
INSERT INTO chunk (domain_key, chunk_id, kind, encoding, segment_key, segment_offset, stored_bytes, plain_bytes, bad)
SELECT ?3, randomblob(32), 0, 1, i / ?4 + 1000, i, 1000, 524288, 0 FROM n
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restart:
    """What a start was like."""

    chunk_rows: int
    log_bytes: int
    ready_s: float
    """From the start of the process to where it takes requests."""
    answered_s: float
    """… to where a signed request was answered."""
    computed_s: float
    """The process's own time until then, which other programs do not make longer."""

    def __str__(self) -> str:
        return (
            f"{self.chunk_rows:,} chunk rows, log of {self.log_bytes / (1 << 20):.0f} MiB: first answer after "
            f"{self.answered_s:.2f} s (ready after {self.ready_s:.2f} s, computing for {self.computed_s:.2f} s)"
        )


def fill(database: Path, chunks: int, *, first: int = 0, log_bytes: int = 0) -> int:
    """Add records of chunks, numbered from `first`, up to `chunks`, or until the log is so long; return how many."""
    connection = apsw.Connection(str(database))
    connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, int(bool(log_bytes)))
    connection.execute(f"PRAGMA wal_autocheckpoint = {0 if log_bytes else 10_000}").fetchall()
    connection.execute("PRAGMA synchronous = OFF").fetchall()
    ((domain_key,),) = connection.execute("SELECT min(domain_key) FROM domain").fetchall()
    made = first
    log = database.with_name(f"{database.name}-wal")
    while made < chunks or log_bytes:
        count = _ROWS_A_COMMIT if log_bytes else min(chunks - made, 100_000)
        _add(connection, domain_key, made, count)
        made += count
        if log_bytes and log.stat().st_size >= log_bytes:
            break
    if not log_bytes:
        connection.close()
    return made - first


def _add(connection: apsw.Connection, domain_key: Any, first: int, count: int) -> None:
    segments = (first // CHUNKS_A_SEGMENT, (first + count - 1) // CHUNKS_A_SEGMENT + 1)
    with connection:
        connection.execute(_SEGMENTS, segments)
        connection.execute(_CHUNKS, (first, first + count, domain_key, CHUNKS_A_SEGMENT))


def fill_and_be_killed(database: Path, *, first: int, log_bytes: int) -> int:
    """Have a process make the log so long and be killed; return how many records it added."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, str(fill(database, first, first=first, log_bytes=log_bytes)).encode())
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(writing)
    with os.fdopen(reading) as said:
        return int(said.read())


def restart(server: ServerProcess) -> Restart:
    """Start a server on what is there, ask it something, and kill it again."""
    database = server.directory / "metadata.db"
    log = database.with_name("metadata.db-wal")
    log_bytes = log.stat().st_size if log.exists() else 0
    started_s = time.monotonic()
    server.start()
    ready_s = time.monotonic() - started_s
    server.client("ec2").describe_snapshots(OwnerIds=["self"], MaxResults=5)
    answered_s = time.monotonic() - started_s
    computed_s = _computed_s(server.pid)
    server.kill()
    connection = apsw.Connection(
        f"file:{database}?mode=ro", flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    )
    ((rows,),) = connection.execute("SELECT count(*) FROM chunk").fetchall()
    connection.close()
    return Restart(
        chunk_rows=int(str(rows)),
        log_bytes=log_bytes,
        ready_s=ready_s,
        answered_s=answered_s,
        computed_s=computed_s,
    )


def _computed_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")  # proc(5): utime and stime


def prepared(server: ServerProcess, chunks: int) -> None:
    """Give a running server's account a domain, stop it, and make the records."""
    server.client("ebs").start_snapshot(VolumeSize=1)
    server.terminate()
    fill(server.directory / "metadata.db", chunks)


def main() -> None:
    """Measure."""
    chunks = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    log_mib = int(sys.argv[2]) if len(sys.argv) > 2 else LONGEST_LOG_MIB
    settings = {"collect_interval_s": 0, "scrub_period_s": 0}
    with (
        tempfile.TemporaryDirectory() as folder,
        ServerProcess(Path(folder) / "store", settings=settings) as server,
    ):
        prepared(server, chunks)
        sys.stdout.write(f"{restart(server)}\n")
        fill_and_be_killed(server.directory / "metadata.db", first=chunks, log_bytes=log_mib << 20)
        sys.stdout.write(f"{restart(server)}\n")


if __name__ == "__main__":
    main()
