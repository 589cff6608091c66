"""`neve upload` and `neve download`: disks into snapshots and back."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from neve.cli.client_options import (
    WAIT_S_DEFAULT,
    WORKERS_DEFAULT,
    EndpointOption,
    NoCacheOption,
    ProfileOption,
    QuietOption,
    RegionOption,
    Service,
    WaitSecondsOption,
    WorkersOption,
    connected,
    tag_of,
)
from neve.cli.client_progress import Reporter, lasting, sized
from neve.cli.exit_codes import CommandFailed, ExitCode
from neve.cli.output import OutputFormat, OutputOption, result, result_json
from neve.client.context import ClientContext
from neve.client.download import DownloadReport
from neve.client.download import download as download_volume
from neve.client.errors import SnapshotFailed
from neve.client.parents import no_parent, open_parent
from neve.client.snapshots import wait_until_completed
from neve.client.sources import ImageSource
from neve.client.targets import StreamTarget, Target, check_target, target_at
from neve.client.upload import UploadOrder, UploadReport
from neve.client.upload import upload as upload_volume
from neve.clock import SystemEntropy
from neve.limits import STANDARD

_STREAM = Path("-")
_APPEARS_WITHIN_S = 120.0
"""Contract 3.1: EC2 may not know a new snapshot of the live service at once."""
_DESCRIPTION_CHARS_MAX = 255


def upload(
    source: Annotated[
        Path, typer.Argument(metavar="FILE|DEVICE", help="Disk image (raw) or block device to read.")
    ],
    *,
    parent: Annotated[
        str,
        typer.Option(
            metavar="SNAP",
            help="Completed snapshot to build on: only blocks that differ are sent.",
            show_default=False,
        ),
    ] = "",
    description: Annotated[
        str | None, typer.Option(help="What the snapshot is. (default: the file's name)", show_default=False)
    ] = None,
    tag: Annotated[
        list[str] | None,
        typer.Option(
            "--tag", metavar="KEY=VALUE", help="Tag of the snapshot; may be repeated.", show_default=False
        ),
    ] = None,
    volume_size: Annotated[
        int,
        typer.Option(
            metavar="GIB",
            min=0,
            help="Size of the volume. (default: the smallest that fits)",
            show_default=False,
        ),
    ] = 0,
    wait: Annotated[bool, typer.Option("--wait", help="Return when the snapshot is completed.")] = False,
    wait_timeout: WaitSecondsOption = WAIT_S_DEFAULT,
    timeout_minutes: Annotated[
        int,
        typer.Option(
            metavar="MINUTES",
            min=STANDARD.timeout_minutes_min,
            max=STANDARD.timeout_minutes_max,
            help="The service gives the snapshot up when no block arrived for so long.",
        ),
    ] = STANDARD.timeout_minutes_default,
    send_zero_blocks: Annotated[
        bool,
        typer.Option(
            "--send-zero-blocks", help="Send blocks of zeros even where nothing else would be read."
        ),
    ] = False,
    keep_on_failure: Annotated[
        bool, typer.Option("--keep-on-failure", help="Do not delete a snapshot that cannot be finished.")
    ] = False,
    workers: WorkersOption = WORKERS_DEFAULT,
    no_cache: NoCacheOption = False,
    quiet: QuietOption = False,
    endpoint_url: EndpointOption = "",
    profile: ProfileOption = "",
    region: RegionOption = "",
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """Write a disk image or block device into a new snapshot.

    The last line on standard output is the snapshot's id; progress goes to standard error. Holes of a sparse
    file are not read, and blocks of zeros are not sent: what nobody wrote reads as zeros.

    With --parent, only blocks whose content differs from the parent's are sent. What neve has uploaded or
    downloaded from this machine before it remembers by checksum (~/.cache/neve); a parent unknown here is read
    back to be compared. A disk that is in use should be frozen first, or the snapshot is of a moving picture.

    An upload that fails deletes the snapshot it began. Once everything is sent nothing is deleted any more.

    \b
    Examples:
      neve upload disk.img --wait
      first=$(neve upload /dev/vg0/root-snap --tag host=web1 --wait)
      second=$(neve upload /dev/vg0/root-snap --parent "$first" --wait)

    \b
    Exit status:
      0    done
      1    the file cannot be read, or (--wait) the snapshot ended in error
      2    wrong usage, or AWS settings that are missing or cannot be used
      3    the service refuses: no permission, no such parent, a limit
      5    the service cannot be reached or is too busy
      6    (--wait) still pending after --wait-timeout
      130  interrupted
    """
    service = Service(endpoint_url=endpoint_url, profile=profile, region=region)
    order = UploadOrder(
        volume_gib=volume_size,
        description=(source.name if description is None else description)[:_DESCRIPTION_CHARS_MAX],
        tags=tuple(tag_of(text) for text in tag or ()),
        timeout_minutes=timeout_minutes,
        send_zero_blocks=send_zero_blocks,
        keep_on_failure=keep_on_failure,
    )
    image = ImageSource(source)
    try:
        with connected(service, verb="upload", workers=workers, quiet=quiet, no_cache=no_cache) as (
            client,
            reporter,
        ):
            report = _send(client, reporter, image, parent, order)
            status = report.status
            try:
                if wait:
                    status = _wait(client, report.snapshot_id, wait_timeout)
            finally:
                # Whatever the waiting brought: the snapshot is there, and this is what it is called.
                _print_upload(report, status, output)
    finally:
        image.close()


def _send(
    client: ClientContext, reporter: Reporter, image: ImageSource, parent: str, order: UploadOrder
) -> UploadReport:
    started_s = client.engine.clock.monotonic_s()
    origin = open_parent(client, parent) if parent else no_parent()
    report = upload_volume(client, image, origin, order)
    reporter.close()
    reporter.tell(_uploaded(report, client.engine.clock.monotonic_s() - started_s))
    return report


def _wait(client: ClientContext, snapshot_id: str, timeout_s: float) -> str:
    try:
        return wait_until_completed(
            client, snapshot_id, timeout_s=timeout_s, appears_within_s=_APPEARS_WITHIN_S
        ).state
    except SnapshotFailed:
        client.maps.forget(snapshot_id)
        raise


def download(
    snapshot_id: Annotated[str, typer.Argument(metavar="SNAP", help="Completed snapshot to read.")],
    target: Annotated[
        Path, typer.Argument(metavar="FILE|DEVICE|-", help="Where to write; - is standard output.")
    ],
    *,
    force: Annotated[
        bool, typer.Option("--force", "-f", help="Replace a file that exists; overwrite a device.")
    ] = False,
    workers: WorkersOption = WORKERS_DEFAULT,
    no_cache: NoCacheOption = False,
    quiet: QuietOption = False,
    endpoint_url: EndpointOption = "",
    profile: ProfileOption = "",
    region: RegionOption = "",
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """Read a snapshot into a sparse file, a block device, or standard output.

    Every block is compared with its checksum before it is used. A file gets its name only when it is complete
    and on the disk, so an interrupted download leaves nothing that looks whole. A device must not be in use;
    everything on it up to the volume's size is overwritten, and after a failure its content is undefined.

    A volume is whole GiB. A device smaller than that will do if only zeros would lie behind its end, as is the
    case when the snapshot was made from a device of that size.

    \b
    Examples:
      neve download snap-0123456789abcdef0 disk.img
      neve download snap-0123456789abcdef0 /dev/vg0/restore --force
      neve download snap-0123456789abcdef0 - | zstd > disk.img.zst

    \b
    Exit status:
      0    done
      1    the target cannot be written, or a block stays damaged
      2    wrong usage, or AWS settings that are missing or cannot be used
      3    the service refuses: no permission, no such snapshot, not completed
      5    the service cannot be reached, is too busy, or cannot give a block: neve answers so for a damaged one
      130  interrupted
    """
    service = Service(endpoint_url=endpoint_url, profile=profile, region=region)
    if target == _STREAM:
        _check_stream(output)
    else:
        check_target(target, force=force)

    def target_for(volume_bytes: int) -> Target:
        if target == _STREAM:
            return StreamTarget(sys.stdout.buffer, volume_bytes)
        return target_at(target, volume_bytes, force=force, entropy=SystemEntropy())

    with connected(service, verb="download", workers=workers, quiet=quiet, no_cache=no_cache) as (
        client,
        reporter,
    ):
        started_s = client.engine.clock.monotonic_s()
        report = download_volume(client, snapshot_id, target_for)
        reporter.close()
        reporter.tell(_downloaded(report, client.engine.clock.monotonic_s() - started_s))
    if output is OutputFormat.JSON:
        result_json(
            {
                "snapshot_id": report.snapshot_id,
                "volume_size_gib": report.volume_gib,
                "volume_bytes": report.volume_bytes,
                "fetched_blocks": report.fetched_blocks,
                "fetched_bytes": report.fetched_bytes,
            }
        )


def _check_stream(output: OutputFormat) -> None:
    if output is OutputFormat.JSON:
        raise CommandFailed("the volume and a JSON result cannot both go to standard output.", ExitCode.USAGE)
    if sys.stdout.isatty():
        raise CommandFailed(
            "a disk image would go to this terminal: redirect standard output, or name a file.",
            ExitCode.USAGE,
        )


def _uploaded(report: UploadReport, elapsed_s: float) -> str:
    return (
        f"Sent {report.sent_blocks} blocks ({sized(report.sent_bytes)}) in {lasting(elapsed_s)}; "
        f"{report.kept_blocks} as in the parent, {report.passed_blocks} of zeros."
    )


def _downloaded(report: DownloadReport, elapsed_s: float) -> str:
    return (
        f"Fetched {report.fetched_blocks} blocks ({sized(report.fetched_bytes)}) of a volume of "
        f"{report.volume_gib} GiB in {lasting(elapsed_s)}; every checksum matches."
    )


def _print_upload(report: UploadReport, status: str, output: OutputFormat) -> None:
    if output is OutputFormat.TEXT:
        result(report.snapshot_id)
        return
    result_json(
        {
            "snapshot_id": report.snapshot_id,
            "parent_snapshot_id": report.parent_snapshot_id or None,
            "volume_size_gib": report.volume_gib,
            "status": status,
            "sent_blocks": report.sent_blocks,
            "sent_bytes": report.sent_bytes,
            "unchanged_blocks": report.kept_blocks,
            "zero_blocks": report.passed_blocks,
            "checksum": report.checksum,
            "checksum_algorithm": "SHA256",
            "checksum_aggregation_method": "LINEAR",
        }
    )
