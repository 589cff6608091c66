"""Every link leads somewhere."""

import re

import pytest

from documents import ROOT, anchors, documents, prose, read

LINK = re.compile(r"\]\(([^)\s]+)\)")


@pytest.mark.parametrize("name", documents())
def test_links_inside_the_repository_resolve(name: str) -> None:
    page = ROOT / name
    broken = []
    for link in LINK.findall(prose(read(name))):
        if "://" in link:
            continue  # where a reader may be sent outside, tidy decides
        target, _, anchor = link.partition("#")
        path = (page.parent / target).resolve() if target else page
        if not path.exists() or (anchor and anchor not in anchors(path.read_text(encoding="utf-8"))):
            broken.append(link)
    assert broken == []


def test_every_page_can_be_found() -> None:
    linked = {
        ((ROOT / name).parent / link.partition("#")[0]).resolve()
        for name in documents()
        for link in LINK.findall(prose(read(name)))
    }
    pages = {ROOT / name for name in documents() if name.startswith("docs/")}
    assert sorted(str(page) for page in pages - linked) == []
