"""`neve copy`: a snapshot's content under an id, and perhaps a key, of its own."""

from typing import Annotated

import typer

from neve.cli.client_options import (
    WAIT_S_DEFAULT,
    EndpointOption,
    ProfileOption,
    QuietOption,
    RegionOption,
    Service,
    WaitSecondsOption,
    connected,
    tag_of,
)
from neve.cli.client_progress import lasting
from neve.cli.output import OutputFormat, OutputOption, result, result_json
from neve.client.context import ClientContext
from neve.client.copies import start_copy, wait_until_copied
from neve.client.errors import SnapshotFailed
from neve.client.snapshots import ERROR, PENDING
from neve.messages.ec2 import CopySnapshotRequest, TagSpecification


def copy(
    snapshot_id: Annotated[
        str, typer.Argument(metavar="SNAP", help="Completed snapshot: own, shared or public.")
    ],
    *,
    description: Annotated[str, typer.Option(help="What the copy is.", show_default=False)] = "",
    tag: Annotated[
        list[str] | None,
        typer.Option(
            "--tag", metavar="KEY=VALUE", help="Tag of the copy; may be repeated.", show_default=False
        ),
    ] = None,
    encrypted: Annotated[
        bool,
        typer.Option(
            "--encrypted",
            help="Encrypt the copy, under the account's default key. One of an encrypted snapshot always is.",
        ),
    ] = False,
    kms_key: Annotated[
        str,
        typer.Option(
            "--kms-key",
            metavar="KEY",
            help="Encrypt the copy under this key: a key id, alias, or ARN of either.",
            show_default=False,
        ),
    ] = "",
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Return when the copy is completed, or at once.")
    ] = True,
    timeout: WaitSecondsOption = WAIT_S_DEFAULT,
    quiet: QuietOption = False,
    endpoint_url: EndpointOption = "",
    profile: ProfileOption = "",
    region: RegionOption = "",
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """Copy a snapshot, under another key if need be.

    The service copies by itself: this command begins it, shows how far it is, and waits. The copy is the account's
    own, has description and tags of its own, and goes on without its source. The last line on standard output is its
    id.

    A source that is not there or a key that cannot be used does not keep a copy from being begun: it ends in error and
    says why. Ctrl-C ends the waiting and not the copy; deleting the copy does.

    \b
    Examples:
      neve copy snap-0123456789abcdef0 --kms-key alias/backups
      copy=$(neve copy snap-0123456789abcdef0 --description "before the move" --no-wait)

    \b
    Exit status:
      0    completed, or (--no-wait) begun
      1    ended in error; the message says why
      2    wrong usage, or AWS settings that are missing or cannot be used
      3    the service refuses: no permission, a limit
      5    the service cannot be reached or is too busy
      6    still pending after --timeout
      130  interrupted; the copy goes on
    """
    tags = tuple(tag_of(text) for text in tag or ())
    request = CopySnapshotRequest(
        source_region="",
        source_snapshot_id=snapshot_id,
        description=description or None,
        encrypted=encrypted or bool(kms_key),
        kms_key_id=kms_key or None,
        tag_specifications=(TagSpecification(resource_type="snapshot", tags=tags),) if tags else (),
    )
    service = Service(endpoint_url=endpoint_url, profile=profile, region=region)
    with connected(service, verb="copy", quiet=quiet or not wait, shows_bytes=False) as (client, reporter):
        started_s = client.engine.clock.monotonic_s()
        copy_id = start_copy(client, request)
        facts: dict[str, object] = {
            "snapshot_id": copy_id,
            "source_snapshot_id": snapshot_id,
            "state": PENDING,
        }
        try:
            if wait:
                facts |= _waited(client, copy_id, timeout)
                reporter.close()
                reporter.tell(f"copied in {lasting(client.engine.clock.monotonic_s() - started_s)}")
        except SnapshotFailed:
            facts["state"] = ERROR
            raise
        finally:
            # Whatever the waiting brought: the copy is there, and this is what it is called.
            if output is OutputFormat.JSON:
                result_json(facts)
            else:
                result(copy_id)


def _waited(client: ClientContext, copy_id: str, timeout_s: float) -> dict[str, object]:
    """Return what there is to say of a copy once it is completed."""
    try:
        found = wait_until_copied(client, copy_id, timeout_s=timeout_s)
    except KeyboardInterrupt as interruption:
        interruption.add_note(f"The copy {copy_id} goes on; `neve delete {copy_id}` ends it.")
        raise
    return {
        "state": found.state,
        "volume_size_gib": found.volume_size,
        "full_snapshot_bytes": found.full_snapshot_size_in_bytes,
        "encrypted": found.encrypted,
        "kms_key_id": found.kms_key_id,
    }
