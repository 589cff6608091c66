"""`neve repair`: have back what was lost, from wherever it still is."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from threading import Event
from typing import Annotated, Final

import typer

from neve.cli.administering import DirectoryArgument, administering, plain
from neve.cli.client_options import (
    EndpointOption,
    ProfileOption,
    QuietOption,
    RegionOption,
    Service,
    connected,
    interruptible,
)
from neve.cli.client_progress import sized
from neve.cli.exit_codes import CommandFailed, ExitCode
from neve.cli.findings import findings_json, show_findings
from neve.cli.managing import printable
from neve.cli.output import OutputFormat, OutputOption, note, result, result_json
from neve.cli.task_progress import task_reporter
from neve.cli.tasks import Finished, awaited
from neve.client.block_reading import BlockReader
from neve.client.sources import ImageSource
from neve.errors import NeveError
from neve.limits import STANDARD
from neve.server.administration.messages import Administrator
from neve.server.administration.messages_tasks import FeedTask, RepairStore, ShowTask, TaskView
from neve.server.administration.messages_upkeep import RepairOutcome, SourceRow, WantedBlock

_LOOKS_MAX: Final = 1_000
"""At what is wanted, between two looks at how far the repair is."""
_PAUSE_FIRST_S: Final = 0.002
_PAUSE_S_MAX: Final = 0.5
_NO_ROWS: Final = 1 << 40
"""A first row behind all there are."""

ReadBlock = Callable[[int], bytes]


def repair(
    directory: DirectoryArgument,
    *,
    from_image: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Image or device that still holds the data of a snapshot that lost some; may be repeated.",
            show_default=False,
        ),
    ] = None,
    from_store: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="DIR",
            help="Copy of this store, or of its segments, on the store's machine; may be repeated.",
            show_default=False,
        ),
    ] = None,
    from_snapshot: Annotated[
        str,
        typer.Option(
            metavar="SNAP",
            help="Snapshot with the same data, at the service that --endpoint-url and the AWS settings name.",
            show_default=False,
        ),
    ] = "",
    endpoint_url: EndpointOption = "",
    profile: ProfileOption = "",
    region: RegionOption = "",
    quiet: QuietOption = False,
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """Look for what is lost wherever it may still be, and store it anew.

    It looks at the store as `neve verify` does, then in the store's own segments, those that wait to go included, and in its
    records; then in what is named: images, copies of the store, a snapshot of another service. Whatever is found is proven by
    its hash before it is used, so a wrong source does no harm. What comes back heals every snapshot that has it. Damage in
    data that nobody has read yet is found by `neve verify --data` first.

    A server may be running: it repairs, and this command hands it the blocks of images and snapshots; so only --from-store must
    be readable for the server's own user. Nothing is taken away, and it may be interrupted and repeated.

    \b
    Examples:
      neve repair /var/lib/neve --from-image /dev/vg0/root
      neve repair /var/lib/neve --from-store /mnt/backup/neve
      neve repair /var/lib/neve --from-snapshot snap-0123456789abcdef0 --endpoint-url https://other.example.org

    \b
    Exit status:
      0    everything is whole
      1    it could not go on, or another repair is under way
      2    wrong usage, no copy of the store there, or AWS settings that are missing or cannot be used
      3    the service that --from-snapshot asks refuses
      4    no store there, or it cannot be opened
      5    the server, or the service that --from-snapshot asks, did not answer
      7    something is still damaged or lost; the result says what
      130  interrupted
    """
    if endpoint_url and not from_snapshot:
        raise CommandFailed("--endpoint-url names a service: say --from-snapshot, too.", ExitCode.USAGE)
    service = Service(endpoint_url=endpoint_url, profile=profile, region=region)
    with ExitStack() as opened:
        volumes: list[tuple[str, ReadBlock]] = [
            (f"image {path}", opened.enter_context(_image(path))) for path in from_image or ()
        ]
        if from_snapshot:
            volumes.append((from_snapshot, opened.enter_context(_snapshot(service, from_snapshot))))
        request = RepairStore(
            replicas=[str(path.resolve()) for path in from_store or ()],
            volumes=[name for name, _ in volumes],
        )
        administrator = opened.enter_context(administering(directory))
        opened.enter_context(interruptible())
        found = _repair(administrator, request, [read for _, read in volumes], quiet=quiet)
    outcome = found.outcome
    assert isinstance(outcome, RepairOutcome), "that is what was asked for"
    if output is OutputFormat.JSON:
        result_json(_facts(found, outcome))
    else:
        _show(found, outcome)
    if outcome.findings or outcome.touched:
        raise CommandFailed(
            f"{outcome.findings} findings and {outcome.touched} snapshots are left that cannot be mended from there.",
            ExitCode.FOUND,
        )


def _repair(
    administrator: Administrator, request: RepairStore, volumes: list[ReadBlock], *, quiet: bool
) -> Finished:
    reporter = task_reporter(quiet=quiet)

    def serve(view: TaskView) -> None:
        reporter(view)
        if view.wanted is not None:
            _serve(administrator, view, volumes)

    try:
        return awaited(administrator, request, serve)
    finally:
        reporter.close()


def _serve(administrator: Administrator, view: TaskView, volumes: list[ReadBlock]) -> None:
    """Give what is wanted for as long as one block after the other is, or for a while."""
    ask = ShowTask(task_id=view.task_id, first_row=_NO_ROWS)
    given_last, pause_s = 0, _PAUSE_FIRST_S
    for _ in range(_LOOKS_MAX):
        if view.wanted is None or view.wanted.number == given_last:
            if pause_s > _PAUSE_S_MAX:
                return
            Event().wait(pause_s)
            pause_s *= 2
        else:
            given_last, pause_s = view.wanted.number, _PAUSE_FIRST_S
            administrator.ask(_answer(view.task_id, view.wanted, volumes))
        view = administrator.ask(ask)


def _answer(task_id: str, wanted: WantedBlock, volumes: list[ReadBlock]) -> FeedTask:
    try:
        data, failure = volumes[wanted.volume](wanted.block_index), ""
    except NeveError as error:
        data, failure = b"", str(error)
    return FeedTask(task_id=task_id, number=wanted.number, data=data, failure=failure)


@contextmanager
def _image(path: Path) -> Iterator[ReadBlock]:
    source = ImageSource(path)
    with closing(source):

        def read(index: int) -> bytes:
            offset = index * STANDARD.block_bytes
            return source.read_block(offset, STANDARD.block_bytes) if offset < source.size_bytes else b""

        yield read


@contextmanager
def _snapshot(service: Service, snapshot_id: str) -> Iterator[ReadBlock]:
    with connected(service, verb="read") as (client, _):
        reader = BlockReader(client, snapshot_id)
        reader.read(0)  # one that is not there is said before anything begins
        yield reader.read


# --- what came of it


def _facts(found: Finished, outcome: RepairOutcome) -> dict[str, object]:
    fields = plain(outcome)
    del fields["outcome"]
    fields |= {"finding_count": fields.pop("findings"), "touched_count": fields.pop("touched")}
    sources = [
        {
            "name": row.name,
            "candidates": row.candidates,
            "restored": row.restored,
            "failure": row.failure or None,
        }
        for row in found.rows
        if isinstance(row, SourceRow)
    ]
    return fields | {"sources": sources} | findings_json(found.rows)


def _show(found: Finished, outcome: RepairOutcome) -> None:
    for row in found.rows:
        if isinstance(row, SourceRow):
            result(printable(f"{row.name}: {row.restored} chunks of {row.candidates} that might have been."))
            if row.failure:
                note(printable(f"neve: {row.name} could not be read to its end: {row.failure}"))
    show_findings(found.rows)
    result(
        f"{outcome.chunks_restored} of {outcome.chunks_wanted} chunks are back ({sized(outcome.stored_bytes)}); "
        f"{outcome.chunks_moved} were moved out of broken segments; {outcome.objects_renewed} objects of the archive were "
        "written anew."
    )
    if outcome.without_key:
        note(f"neve: {outcome.without_key} could not be used: their KMS key cannot be used now.")
    if not outcome.findings and not outcome.touched:
        result("Everything is whole.")
