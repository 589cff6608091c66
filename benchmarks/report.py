"""Measurements as a table for people and as JSON for comparisons.

A number is the median of its repetitions; the spread beside it is the smallest and the largest of them.
"""

import json
import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.collecting import CollectionMeasurement
from benchmarks.many_snapshots import CALLS, CallMeasurement
from benchmarks.throughput import Measurement, mib_per_s
from benchmarks.volume_sizes import SizeMeasurement

_MIB = 1 << 20


def throughput_table(measurements: Sequence[Measurement]) -> str:
    """Return one line for each of who, operation and connections."""
    rows = [
        [
            "who",
            "op",
            "conns",
            "req/s",
            "(min-max)",
            "MiB/s",
            "p50 ms",
            "p99 ms",
            "failed",
            "server CPU ms/req",
            "client CPU ms/req",
            "server peak MiB",
        ]
    ]
    for group in _groups(measurements):
        rates = [each.per_s for each in group]
        rows.append(
            [
                group[0].who,
                group[0].operation,
                str(group[0].connections),
                f"{median(rates):.0f}",
                f"({min(rates):.0f}-{max(rates):.0f})",
                f"{median(map(mib_per_s, group)):.0f}",
                f"{median(each.replayed.p50_us for each in group) / 1000:.1f}",
                f"{median(each.replayed.p99_us for each in group) / 1000:.1f}",
                str(sum(each.replayed.failures for each in group)),
                f"{1000 * median(each.server_cpu_s / each.replayed.requests for each in group):.2f}",
                f"{1000 * median(each.replayed.cpu_s / each.replayed.requests for each in group):.2f}",
                f"{max(each.server_peak_bytes for each in group) / _MIB:.0f}",
            ]
        )
    return _aligned(rows)


def encryption_table(measurements: Sequence[Measurement]) -> str:
    """Return what encryption leaves of the rate, for each operation and number of connections."""
    rows = [["op", "conns", "unsealed req/s", "sealed req/s", "sealed / unsealed", "(min-max)", "CPU"]]
    groups = {(each[0].who, each[0].operation, each[0].connections): each for each in _groups(measurements)}
    for (who, operation, connections), sealed in groups.items():
        if who != "sealed":
            continue
        plain = groups["neve", operation, connections]
        # Each pair was measured within seconds: their quotients spread less than the rates do.
        ratios = [one.per_s / other.per_s for one, other in zip(sealed, plain, strict=True)]
        cpu = [one.server_cpu_s / other.server_cpu_s for one, other in zip(sealed, plain, strict=True)]
        rows.append(
            [
                operation,
                str(connections),
                f"{median(each.per_s for each in plain):.0f}",
                f"{median(each.per_s for each in sealed):.0f}",
                f"{median(ratios):.2f}",
                f"({min(ratios):.2f}-{max(ratios):.2f})",
                f"{median(cpu):.2f}",
            ]
        )
    return _aligned(rows)


def sizes_table(measurements: Sequence[SizeMeasurement]) -> str:
    """Return one line for each volume size."""
    rows = [
        [
            "volume",
            "changes",
            "in leaves",
            "StartSnapshot p50 ms",
            "max",
            "ListChangedBlocks first ms",
            "p50",
            "max",
            "server idle MiB",
            "peak",
        ]
    ]
    rows += [
        [
            _volume(each.volume_gib),
            str(each.changed_blocks),
            str(each.changed_leaves),
            f"{each.start_p50_us / 1000:.1f}",
            f"{each.start_max_us / 1000:.1f}",
            f"{each.list_first_us / 1000:.1f}",
            f"{each.list_p50_us / 1000:.1f}",
            f"{each.list_max_us / 1000:.1f}",
            f"{each.server_idle_bytes / _MIB:.0f}",
            f"{each.server_peak_bytes / _MIB:.0f}",
        ]
        for each in measurements
    ]
    return _aligned(rows)


def snapshots_table(measurements: Sequence[CallMeasurement]) -> str:
    """Return one line for each call and number of snapshots."""
    rows = [
        [
            "call",
            "snapshots",
            "found",
            "pages",
            "first page ms",
            "CPU ms",
            "page p50 ms",
            "walk s",
            "CPU s",
            "server MiB before",
            "added",
        ]
    ]
    rows += [
        [
            each.call,
            str(each.snapshots),
            str(each.found),
            str(each.pages),
            f"{each.first_page_ms:.1f}",
            f"{each.first_page_cpu_ms:.1f}",
            f"{each.page_ms:.1f}",
            f"{each.walk_s:.2f}",
            f"{each.walk_cpu_s:.2f}",
            f"{each.idle_bytes / _MIB:.0f}",
            f"{each.grown_bytes / _MIB:.1f}",
        ]
        for each in sorted(measurements, key=lambda each: list(CALLS).index(each.call))
    ]
    return _aligned(rows)


def collection_table(measurements: Sequence[CollectionMeasurement]) -> str:
    """Return one line for each collection."""
    rows = [
        [
            "collection",
            "chunks",
            "snapshots",
            "rows gone",
            "chunks gone",
            "s",
            "CPU s",
            "MiB added",
            "transactions",
            "longest ms",
            "wait p50 ms",
            "p99 ms",
            "max ms",
        ]
    ]
    rows += [
        [
            each.what,
            str(each.chunks),
            str(each.snapshots),
            str(each.rows_dropped),
            str(each.chunks_dropped),
            f"{each.seconds:.1f}",
            f"{each.cpu_s:.1f}",
            f"{each.grown_bytes / _MIB:.0f}",
            str(each.transactions),
            f"{each.longest_ms:.0f}",
            f"{each.waits_p50_ms:.1f}",
            f"{each.waits_p99_ms:.1f}",
            f"{each.wait_max_ms:.0f}",
        ]
        for each in measurements
    ]
    return _aligned(rows)


def machine() -> dict[str, Any]:
    """Return what the numbers were measured on."""
    cpu = ""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            cpu = line.partition(":")[2].strip()
            break
    return {
        "cpu": cpu,
        "cores": len(os.sched_getaffinity(0)),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load_before": os.getloadavg()[0],
    }


def commit() -> str:
    """Return the commit that was measured, with a mark if there are changes on top of it."""
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=12"],
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    return done.stdout.strip() or "unknown"


def write(directory: Path, name: str, facts: dict[str, Any], tables: Sequence[str]) -> Path:
    """Write `name`.json and `name`.txt; return the latter's path."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / f"{name}.json").write_text(json.dumps(facts, indent=1) + "\n")
    path = directory / f"{name}.txt"
    path.write_text("\n\n".join(tables) + "\n")
    return path


def as_facts(
    measurement: Measurement | SizeMeasurement | CallMeasurement | CollectionMeasurement,
) -> dict[str, Any]:
    """Return a measurement as JSON can hold it."""
    return asdict(measurement)


def _groups(measurements: Sequence[Measurement]) -> list[list[Measurement]]:
    groups: dict[tuple[str, str, int], list[Measurement]] = {}
    for each in measurements:
        groups.setdefault((each.operation, each.who, each.connections), []).append(each)
    operations, who = ["PUT", "GET"], ["neve", "sealed", "floor"]
    return [
        groups[key]
        for key in sorted(groups, key=lambda key: (operations.index(key[0]), who.index(key[1]), key[2]))
    ]


def _volume(volume_gib: int) -> str:
    return f"{volume_gib // 1024} TiB" if volume_gib >= 1024 else f"{volume_gib} GiB"


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows
    )
