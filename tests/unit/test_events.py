"""The log: one line for each event, each in one piece, and nobody stops because nobody can take it."""

import io
import os

import msgspec

from neve.events import RowsReaped, ServerStopped, open_report


class Pieces(io.StringIO):
    """A stream that keeps apart what was written at once."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []

    def write(self, text: str) -> int:
        self.pieces.append(text)
        return len(text)


def test_a_line_is_written_in_one_piece_so_that_a_kill_leaves_no_half_of_one() -> None:
    stream = Pieces()
    report = open_report(level="info", log_format="json", stream=stream)
    report(ServerStopped())
    report(RowsReaped(kind="too quiet to be written", count=1))
    (line,) = stream.pieces
    assert line.endswith("}\n")
    assert msgspec.json.decode(line)["event"] == "stopped"


def test_a_log_on_a_full_disk_loses_lines_and_stops_nobody() -> None:
    with io.FileIO("/dev/full", "w") as raw:
        report = open_report(
            level="info", log_format="json", stream=io.TextIOWrapper(raw, write_through=True)
        )
        for _ in range(3):
            report(ServerStopped())


def test_a_log_whose_reader_has_gone_loses_lines_and_stops_nobody() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with io.FileIO(writing, "w") as raw:
        report = open_report(
            level="info", log_format="json", stream=io.TextIOWrapper(raw, write_through=True)
        )
        for _ in range(3):
            report(ServerStopped())
