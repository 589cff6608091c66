"""The locks are complete, pinned and hashed, and name no place to fetch from."""

import re
import tomllib

import pytest

from documents import ROOT, read

LOCKS = ("requirements/runtime.txt", "requirements/dev.txt")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def pinned(lock: str) -> set[str]:
    return set(re.findall(r"^([a-z0-9.-]+)==", read(lock), re.MULTILINE))


def wanted(requirements: list[str]) -> set[str]:
    names = (re.match(r"[A-Za-z0-9._-]+", requirement) for requirement in requirements)
    return {name[0].lower().replace("_", "-") for name in names if name}


def test_every_dependency_is_locked() -> None:
    assert wanted(PROJECT["dependencies"]) - pinned(LOCKS[0]) == set()
    assert wanted(PROJECT["optional-dependencies"]["dev"]) - pinned(LOCKS[1]) == set()


def test_tests_run_on_the_versions_that_users_get() -> None:
    runtime, dev = (set(re.findall(r"^[a-z0-9.-]+==\S+", read(lock), re.MULTILINE)) for lock in LOCKS)
    assert runtime - dev == set()


@pytest.mark.parametrize("lock", LOCKS)
def test_every_file_has_a_recorded_hash_and_no_address(lock: str) -> None:
    entries = re.split(r"^(?=[a-z0-9])", read(lock), flags=re.MULTILINE)[1:]
    assert [entry.split("==")[0] for entry in entries if "--hash=sha256:" not in entry] == []
    assert "://" not in read(lock)
    assert "index-url" not in read(lock)
