"""A server comes back after a kill on a store of many chunks, whatever the size of its log; how soon is a figure."""

from collections.abc import Callable

import pytest

from crash.restarting import LONGEST_LOG_MIB, fill_and_be_killed, prepared, restart
from fix_scoreboard import Figure
from neve.testing.server import ServerProcess


@pytest.mark.slow
@pytest.mark.row(26)
@pytest.mark.timeout(900)
def test_a_server_comes_back_on_many_chunks_and_a_long_log(
    make_server: Callable[..., ServerProcess], full_size: bool, figure: Figure
) -> None:
    chunks, log_mib = (1_000_000, LONGEST_LOG_MIB) if full_size else (100_000, 16)
    server = make_server(collect_interval_s=0, scrub_period_s=0)
    prepared(server, chunks)
    clean = restart(server)
    added = fill_and_be_killed(server.directory / "metadata.db", first=chunks, log_bytes=log_mib << 20)
    killed = restart(server)
    assert clean.chunk_rows == chunks
    assert killed.log_bytes >= log_mib << 20
    assert killed.chunk_rows == chunks + added, "every commit of the killed process is there"
    figure(f"{clean}; {killed}")
