"""`neve serve`: the server, in the foreground."""

import ctypes
import gc
import resource
from pathlib import Path
from typing import Annotated, Final

import typer

from neve import __version__, assemble
from neve.cli.output import result
from neve.cli.settings_options import load_settings
from neve.events import Report, ServerReady, ServerStopped, open_report
from neve.limits import MIB
from neve.settings import Settings

_FILES_WANTED: Final = 8192
"""Open files: a socket for each connection, and the segments that are being read."""

_OBJECTS_BETWEEN_COLLECTIONS: Final = 50_000

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
"""malloc.h"""


def serve(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Directory of the store.")],
    *,
    listen: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT", help="Where to listen; port 0 takes a free one. (default: 127.0.0.1:9753)"
        ),
    ] = None,
    region: Annotated[
        str | None, typer.Option(help="Region that clients must sign for. (default: as `neve init` said)")
    ] = None,
    base_path: Annotated[str | None, typer.Option(help="Prefix of every path, such as /base.")] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
    log_format: Annotated[str | None, typer.Option(help="auto, json or console.")] = None,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Settings file instead of DIR/neve.toml.")
    ] = None,
) -> None:
    """Serve a store until told to stop (SIGTERM, Ctrl-C).

    Requests in flight finish first; a second signal does not wait for them. Every other setting comes from the
    environment (NEVE_...) or the settings file: see `neve config show`. One server at a time has a store open.
    """
    flags = {
        "listen": listen,
        "region": region,
        "base_path": base_path,
        "log_level": log_level,
        "log_format": log_format,
    }
    settings = load_settings(directory, config=config, flags=flags).settings
    report = open_report(level=settings.log_level, log_format=settings.log_format)
    _allow_open_files()
    _keep_freed_memory()
    _collect_less_often()

    def on_ready(host: str, port: int) -> None:
        _announce(directory, settings, host, port, report)

    assemble.serve(directory, settings, report=report, on_ready=on_ready)
    report(ServerStopped())


def _announce(directory: Path, settings: Settings, host: str, port: int, report: Report) -> None:
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    # Nobody can connect to "every address of this machine"; the machine itself is the nearest example.
    reachable = {"0.0.0.0": f"127.0.0.1:{port}", "::": f"[::1]:{port}"}.get(host, address)  # noqa: S104
    endpoint = f"http://{reachable}{settings.base_path}"
    result("# Point AWS tools at this server:")
    result(f"export AWS_ENDPOINT_URL_EBS={endpoint} AWS_ENDPOINT_URL_EC2={endpoint}")
    result(f"export AWS_REGION={settings.region} AWS_DEFAULT_REGION={settings.region}")
    result(f"# Ready: {directory} on {address}. Ctrl-C stops it.")
    report(ServerReady(listen=address, region=settings.region, store=str(directory), version=__version__))


def _allow_open_files() -> None:
    """Raise this process's own bound on open files as far as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES_WANTED if hard == resource.RLIM_INFINITY else min(_FILES_WANTED, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _collect_less_often() -> None:
    """Have Python look for cycles less often, and never among what every process keeps for its life.

    Requests leave few behind; looking for them every 700 objects was a tenth of the processor time of a put.
    """
    gc.freeze()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS, 20, 50)


def _keep_freed_memory() -> None:
    """Have the C library keep freed blocks for the next ones instead of giving them back to the kernel.

    It would unmap half a MiB when it is freed, and the next block would wait for a hundred pages to be cleared
    and mapped again: a tenth of the processor time of a put. How much is kept is what was once in use, which
    the settings bound. Only glibc has these knobs.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, 32 * MIB)
        mallopt(_M_TRIM_THRESHOLD, 128 * MIB)
        mallopt(_M_ARENA_MAX, 2)
