"""The rows of the reliability scoreboard: what each counts, what it must come to, and how well others are known to do.

docs/reliability.md says how each is found out. A row that this machine's tests cannot find out says what it would take.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the scoreboard."""

    number: int
    name: str
    target: str
    anchor: str
    """The best figure known for it elsewhere."""
    needs: str = ""
    """What is not here yet, for a row that cannot be run."""


ROWS: Final[Sequence[Row]] = (
    Row(1, "kill -9 at random under 32 writers: acknowledged blocks lost", "0", "restic: interrupt anywhere"),
    Row(2, "SIGKILL at every call of put, complete, delete, collect: lost", "0", "SQLite's crash tests"),
    Row(
        3,
        "power cut at every call, programs of up to 3 calls: acknowledged lost",
        "0 of 100,000 cuts",
        "SQLite WAL FULL 0 of 616; NATS lost 14.1 %",
    ),
    Row(4, "cache of a real mount dropped under load: acknowledged lost", "0", "SQLite FULL 0 of 20 rows"),
    Row(5, "block device replayed at every flush: clean", "100 %", "CrashMonkey", needs="a virtual machine"),
    Row(6, "EIO at every change: wrong answers, syncs tried again", "0, 0", "PostgreSQL: panics"),
    Row(7, "no room at every change, then room: full recovery", "100 %", "14 of 14 of a toy"),
    Row(8, "every byte of every stored file flipped: detected", "100 %", "restic 59 of 60, borg 53 of 60"),
    Row(9, "verify without data: missing, short, foreign objects found", "100 %", "restic check 25 of 60"),
    Row(10, "model of collection: states safe, variants caught", "all, all", "24,149 states, 9 of 9"),
    Row(11, "real collections beside writers, crashes: lost, leaked", "0, 0", "six tools had such a bug"),
    Row(
        12, "programs of calls against a model: steps without disagreement", "5,000", "ShardStore: 16 issues"
    ),
    Row(13, "clock stepped by years: lost, live objects taken away", "0, 0", "kopia needs 24 h margins"),
    Row(14, "database connection dropped at every statement", "0", "none known", needs="PostgreSQL"),
    Row(
        15, "object store failing in 12 ways at every call", "0 wrong", "none known", needs="an object store"
    ),
    Row(16, "signatures: vectors, real requests, mutations", "0 wrong accepts", "MinIO CVE-2026-40344"),
    Row(17, "every bound of the model broken in turn: refused", "all", "moto 1 of 204"),
    Row(18, "fuzzed requests: 5xx, crashes, leaked traces", "0", "moto 6 of 6 operations"),
    Row(19, "raw hostile HTTP: rightly answered", "all of 100 or more", "gunicorn 98 of 101"),
    Row(20, "400 dribbling connections: closed by the deadline", "400 of 400", "hypercorn, granian: headers"),
    Row(21, "accounts against each other, tokens: leaks", "0 of all pairs", "none known"),
    Row(22, "restored file systems: clean and equal", "3 of 3", "none known", needs="the NBD server"),
    Row(23, "fio, nbdcopy, qemu-img over NBD: errors", "0", "nbdkit 0", needs="the NBD server"),
    Row(24, "database rebuilt from the store: snapshots recovered", "100 %", "restic repair index"),
    Row(25, "scrub: age of the oldest byte not proven", "7 days at most", "Ceph 7 days"),
    Row(26, "restart after a kill with a million chunks", "5 s at most", "none known"),
    Row(
        27, "protocol vectors", "never fewer", "none known", needs="published vectors of ec2Query, awsJson1_1"
    ),
    Row(28, "a day of mixed load, killed every minute", "0 lost, no slope", "none known", needs="a day"),
    Row(29, "seeded bugs that turn their row red", "all", "mutation testing"),
)
