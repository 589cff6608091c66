"""`make bench`: what the service does on this machine, next to the least that any service would have to do.

    python -m benchmarks.run                  three repetitions, about fifteen minutes
    python -m benchmarks.run --full           five times as many requests, five repetitions
    python -m benchmarks.run --part sizes     only one part: throughput, sizes, snapshots or collection

The table goes to standard output, and with all details to bench-results/. How to read it: benchmarks/README.md.
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks import report
from benchmarks.collecting import Collecting
from benchmarks.many_snapshots import SNAPSHOT_COUNTS, CallMeasurement, ManySnapshots
from benchmarks.programs import BenchmarkError, Programs
from benchmarks.requests_file import Pool
from benchmarks.throughput import FULL, SHORT, Measurement, Repetition
from benchmarks.volume_sizes import SIZES_GIB, SizeMeasurement, VolumeSizes

_RESULTS: Final = Path(__file__).resolve().parent.parent / "bench-results"
_LOAD_MAX: Final = 0.5
"""A load average above this belongs to somebody else, and the numbers to nobody."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write; return the exit status."""
    options = _parser().parse_args(arguments)
    facts = {"commit": report.commit(), "machine": report.machine(), "full": options.full}
    name = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    _RESULTS.mkdir(exist_ok=True)
    directory = Path(tempfile.mkdtemp(prefix="run-", dir=options.directory or _RESULTS))
    try:
        tables = [_heading(facts)]
        tools, pool = Programs(directory), Pool(directory / "pool")
        if options.part in {None, "throughput"}:
            measurements = _throughput(tools, pool, directory, full=options.full)
            facts["throughput"] = [report.as_facts(each) for each in measurements]
            tables += [report.throughput_table(measurements), report.encryption_table(measurements)]
        if options.part in {None, "sizes"}:
            sizes = _sizes(tools, pool, directory)
            facts["sizes"] = [report.as_facts(each) for each in sizes]
            tables.append(report.sizes_table(sizes))
        if options.part in {None, "snapshots"}:
            calls = _snapshots(directory)
            facts["snapshots"] = [report.as_facts(each) for each in calls]
            tables.append(report.snapshots_table(calls))
        if options.part in {None, "collection"}:
            collections = Collecting(directory / "collection").measure()
            facts["collection"] = [report.as_facts(each) for each in collections]
            tables.append(report.collection_table(collections))
    except BenchmarkError as error:
        print(f"No numbers: {error}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    print("\n\n".join(tables))
    print(f"\nwritten to {report.write(_RESULTS, name, facts, tables)} and .json beside it", file=sys.stderr)
    return 0


def _throughput(tools: Programs, pool: Pool, directory: Path, *, full: bool) -> list[Measurement]:
    measurements: list[Measurement] = []
    repetitions = 5 if full else 3
    for number in range(1, repetitions + 1):
        repetition = Repetition(
            tools,
            pool,
            directory / "repetition",
            FULL if full else SHORT,
            sealed_first=number % 2 == 0,
        )
        for each in repetition.run():
            measurements.append(each)
            print(
                f"{number}/{repetitions}  {each.who:6}  {each.operation}  {each.connections:2} connections  "
                f"{each.per_s:6.0f} req/s",
                file=sys.stderr,
            )
    return measurements


def _sizes(tools: Programs, pool: Pool, directory: Path) -> list[SizeMeasurement]:
    measurements = []
    for volume_gib in SIZES_GIB:
        measurements.append(VolumeSizes(tools, pool, directory / "sizes").measure(volume_gib))
        print(f"volume of {volume_gib} GiB measured", file=sys.stderr)
    return measurements


def _snapshots(directory: Path) -> list[CallMeasurement]:
    measurements: list[CallMeasurement] = []
    for count in SNAPSHOT_COUNTS:
        measurements += ManySnapshots(directory / "snapshots").measure(count)
        print(f"{count} snapshots measured", file=sys.stderr)
    return measurements


def _heading(facts: dict[str, object]) -> str:
    machine = facts["machine"]
    assert isinstance(machine, dict)
    lines = [
        f"neve {facts['commit']}; {machine['cores']} cores of {machine['cpu']}",
        f"Linux {machine['kernel']}, Python {machine['python']}",
        "PUT: 512 KiB random blocks, all different, durable when answered. GET: verified blocks.",
        "Load generator: benchmarks/replay.c, on the same machine. Floor: benchmarks/floor.c.",
    ]
    if machine["load_before"] > _LOAD_MAX:
        lines.append(f"CAUTION: the machine was busy before the run (load {machine['load_before']:.2f}).")
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make bench", description="Measure throughput and latency.")
    parser.add_argument("--full", action="store_true", help="more requests, more repetitions")
    parser.add_argument(
        "--part", choices=["throughput", "sizes", "snapshots", "collection"], help="measure only this"
    )
    parser.add_argument(
        "--directory", type=Path, help="put the stores on this file system instead of bench-results/"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
