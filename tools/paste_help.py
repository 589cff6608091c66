"""Paste what each command says of itself into docs/commands.md, so that the page cannot lag behind.

python -m tools.paste_help              writes the page
python -m tools.paste_help --check      exits 1 if the page in the repository is not up to date

A help text stands between `<!-- help: neve upload -->` and `<!-- end of help -->`; everything else on the page is
written by hand and left alone.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from typer.core import TyperGroup
from typer.testing import CliRunner

from neve.cli.main import COMMANDS, build

PAGE = Path(__file__).resolve().parent.parent / "docs" / "commands.md"
WIDTH = 88
MARKED = re.compile(
    r"^<!-- help: neve((?: [\w-]+)*) -->\n.*?^<!-- end of help -->$", re.MULTILINE | re.DOTALL
)


def command_words() -> Iterator[tuple[str, ...]]:
    """Yield the words of every command there is: `()` for `neve` alone, `("config", "show")`, and so on."""
    yield ()
    for name, lazy in COMMANDS.items():
        yield (name,)
        command = lazy.load()
        if isinstance(command, TyperGroup):
            yield from ((name, below) for below in command.commands)


def help_of(words: tuple[str, ...]) -> str:
    """Return what `neve … --help` prints on a terminal of a fixed width."""
    result = CliRunner().invoke(build(), [*words, "--help"], terminal_width=WIDTH, prog_name="neve")
    assert result.exit_code == 0, result.output
    return result.output.strip()


def pasted(page: str) -> str:
    """Return the page with every help text as it is now."""

    def block(found: re.Match[str]) -> str:
        words = tuple(found[1].split())
        name = " ".join(["neve", *words])
        return f"<!-- help: {name} -->\n```text\n{help_of(words)}\n```\n<!-- end of help -->"

    return MARKED.sub(block, page)


def main(arguments: list[str]) -> int:
    """Write the page, or only say whether it is up to date."""
    page = PAGE.read_text(encoding="utf-8")
    new = pasted(page)
    if "--check" not in arguments:
        PAGE.write_text(new, encoding="utf-8")
        return 0
    if new == page:
        return 0
    print("docs/commands.md does not say what the commands say of themselves; run: make docs")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
