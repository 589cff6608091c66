"""What the client commands share: how to reach the service, how to be interrupted, how to tell the time left."""

import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer

from neve.cli.client_progress import Reporter, quiet_reporter, reporter_for
from neve.cli.exit_codes import CommandFailed, ExitCode
from neve.client.context import ClientContext
from neve.client.digest_maps import DigestMaps
from neve.client.engine import Engine
from neve.client.progress import Meter
from neve.clock import SystemClock, SystemEntropy
from neve.limits import STANDARD
from neve.messages.ebs import Tag

EndpointOption = Annotated[
    str,
    typer.Option(
        "--endpoint-url",
        metavar="URL",
        help="Where the service is. (default: AWS_ENDPOINT_URL_EBS and _EC2, AWS_ENDPOINT_URL, the profile, "
        "then AWS itself)",
        show_default=False,
    ),
]
ProfileOption = Annotated[
    str,
    typer.Option(
        "--profile",
        metavar="NAME",
        help="Profile of ~/.aws to use. (default: AWS_PROFILE)",
        show_default=False,
    ),
]
RegionOption = Annotated[
    str,
    typer.Option(
        "--region",
        metavar="NAME",
        help="Region to sign for. (default: AWS_REGION, AWS_DEFAULT_REGION, the profile)",
        show_default=False,
    ),
]
WorkersOption = Annotated[
    int, typer.Option("--workers", metavar="N", min=1, max=256, help="Blocks to move at the same time.")
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors and the result.")]
NoCacheOption = Annotated[
    bool,
    typer.Option(
        "--no-cache",
        help="Neither use nor keep what is remembered of snapshots in ~/.cache/neve (XDG_CACHE_HOME).",
    ),
]
WaitSecondsOption = Annotated[
    float, typer.Option(metavar="SECONDS", min=0, help="How long to wait for the snapshot to be completed.")
]

WORKERS_DEFAULT: Final = 16
"""Two cores are busy with fewer; over a long line, `--workers 64` hides the distance."""
WAIT_S_DEFAULT: Final = 3600.0
PLAIN_WORKERS: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """Where to, and as whom, as the options say."""

    endpoint_url: str
    profile: str
    region: str


@contextmanager
def connected(
    service: Service,
    *,
    verb: str,
    workers: int = PLAIN_WORKERS,
    quiet: bool = True,
    no_cache: bool = True,
    shows_bytes: bool = True,
) -> Iterator[tuple[ClientContext, Reporter]]:
    """Give a client for the time of the block; Ctrl-C and SIGTERM end it with what became of things begun.

    Raises:
        CommandFailed: interrupted.
        NeveError
    """
    # Imported here: botocore takes half a second to load, which `--help` need not wait for.
    from neve.client.boto import BotoEbsApi, Connection  # noqa: PLC0415

    api = BotoEbsApi(
        Connection(
            endpoint_url=service.endpoint_url,
            profile=service.profile,
            region=service.region,
            # One more than workers: after a stop, the clean-up asks while they may still be inside a request.
            connections=workers + 1,
        ),
        os.environ,
    )
    clock, entropy, meter = SystemClock(), SystemEntropy(), Meter()
    reporter = quiet_reporter() if quiet else reporter_for(verb, meter, clock, shows_bytes=shows_bytes)
    engine = Engine(workers=workers, clock=clock, entropy=entropy, on_tick=reporter.tick)
    reporter.watch(engine)
    folder = Path(os.devnull) if no_cache else cache_folder(os.environ)
    client = ClientContext(
        api=api,
        engine=engine,
        maps=DigestMaps(folder, api.endpoint, entropy),
        limits=STANDARD,
        meter=meter,
        tell=reporter.tell,
    )
    with interruptible():
        try:
            yield client, reporter
        finally:
            reporter.close()


def tag_of(text: str) -> Tag:
    """Return a tag as `--tag` has it.

    Raises:
        CommandFailed: it is none.
    """
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise CommandFailed(f"--tag {text}: a tag looks like KEY=VALUE.", ExitCode.USAGE)
    return Tag(key, value)


def cache_folder(environment: Mapping[str, str]) -> Path:
    """Return where caches go (XDG base directory specification: a relative path does not count)."""
    configured = Path(environment.get("XDG_CACHE_HOME", ""))
    return (configured if configured.is_absolute() else Path.home() / ".cache") / "neve"


@contextmanager
def interruptible() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end a command as cleanly as Ctrl-C does, with what became of things begun."""
    # A signal that is ignored stays so: that is what nohup is for.
    numbers = [each for each in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(each) is signal.SIG_DFL]
    for number in numbers:
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt as interruption:
        notes = getattr(interruption, "__notes__", [])
        raise CommandFailed(" ".join(["interrupted.", *notes]), ExitCode.INTERRUPTED) from None
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)
