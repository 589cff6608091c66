"""Migrations: planned without touching anything, taken in order, whole or not at all, never back."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from neve.errors import StoreUnusable
from neve.stores.metadata import schema
from neve.stores.metadata.migrations import STEPS, Step, migrate, plan, steps_taken
from neve.stores.metadata.schema import SQLITE
from neve.stores.metadata.sqlite_database import SYSTEM_FILES, SqliteDatabase, create_file

TAKEN = len(STEPS)
NEXT = Step(number=TAKEN + 1, title="add a shelf", statements=lambda _: ["CREATE TABLE shelf (x INTEGER)"])
BROKEN = Step(
    number=TAKEN + 2,
    title="stumble",
    statements=lambda _: ["CREATE TABLE box (x INTEGER)", "CREATE nonsense"],
)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[SqliteDatabase]:
    path = tmp_path / "records.db"
    create_file(path, SYSTEM_FILES)
    opened = SqliteDatabase(path)
    yield opened
    opened.close()


def tables(database: SqliteDatabase) -> set[str]:
    with database.reading() as session:
        return {name for (name,) in session.rows("SELECT name FROM sqlite_master WHERE type = 'table'")}


def test_an_empty_database_needs_every_step_and_a_plan_takes_none(database: SqliteDatabase) -> None:
    with database.reading() as session:
        assert steps_taken(session, SQLITE) == 0
        assert plan(session, SQLITE) == list(STEPS)
    assert tables(database) == set()


def test_steps_are_taken_once_and_in_order(database: SqliteDatabase) -> None:
    with database.writing() as session:
        assert migrate(session, SQLITE) == list(STEPS)
        assert migrate(session, SQLITE) == []
    with database.writing() as session:
        assert plan(session, SQLITE, [*STEPS, NEXT]) == [NEXT]
        assert migrate(session, SQLITE, [*STEPS, NEXT]) == [NEXT]
        assert steps_taken(session, SQLITE) == TAKEN + 1
        assert session.rows("SELECT step, title FROM migration ORDER BY step") == [
            (step.number, step.title) for step in [*STEPS, NEXT]
        ]
    assert "shelf" in tables(database)


def test_a_step_that_fails_takes_the_ones_before_it_back(database: SqliteDatabase) -> None:
    with database.writing() as session:
        migrate(session, SQLITE)
    before = tables(database)
    with pytest.raises(StoreUnusable), database.writing() as session:
        migrate(session, SQLITE, [*STEPS, NEXT, BROKEN])
    assert tables(database) == before
    with database.reading() as session:
        assert steps_taken(session, SQLITE) == TAKEN


def test_a_newer_database_is_left_alone(database: SqliteDatabase) -> None:
    with database.writing() as session:
        migrate(session, SQLITE, [*STEPS, NEXT])
    refusal = f"version {TAKEN + 1}, this program knows versions up to {TAKEN}"
    with pytest.raises(StoreUnusable, match=refusal), database.writing() as session:
        migrate(session, SQLITE)


def test_steps_are_numbered_without_a_gap() -> None:
    assert [step.number for step in STEPS] == list(range(1, len(STEPS) + 1))


def test_a_released_step_never_changes() -> None:
    """Stores out there were made by these very statements. Another table or column is another step."""
    text = "\n".join([schema.migration_table(SQLITE), *schema.first_step(SQLITE)])
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "fd256941caa4a2c8"
