"""ARCHITECTURE.md's tree is the package's."""

from tools.tidy import captions, read_tracked

from documents import ROOT


def test_the_tree_is_true() -> None:
    assert list(captions(read_tracked(ROOT))) == []
