"""The repository's own documents, as the tests of `docs/` read them."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def read(name: str) -> str:
    """Return the text of a document, named from the top of the repository."""
    return (ROOT / name).read_text(encoding="utf-8")


def documents() -> list[str]:
    """Return the names of all documents."""
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "tests").glob("*.md")]
    return sorted(str(path.relative_to(ROOT)) for path in pages)


def code_blocks(text: str, language: str) -> list[str]:
    """Return what stands in fences of one language."""
    return [code for found, code in _FENCE.findall(text) if found == language]


def prose(text: str) -> str:
    """Return a document without its fenced blocks."""
    return _FENCE.sub("", text)


def anchors(text: str) -> set[str]:
    """Return what links can point at inside a document, as the usual hosts make it from headings."""
    headings = (heading.strip().lower() for heading in _HEADING.findall(prose(text)))
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in headings}


def table_rows(text: str) -> Iterator[list[str]]:
    """Yield the cells of every row of every table."""
    for line in text.splitlines():
        if line.startswith("|") and not set(line) <= set("|- :"):
            yield [cell.strip() for cell in line.strip().strip("|").split("|")]
