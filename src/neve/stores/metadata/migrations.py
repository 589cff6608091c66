"""How the tables came to be what they are: numbered steps, taken in order, never back.

    plan(session, dialect)      what would be done: the dry run
    migrate(session, dialect)   does it, in the caller's transaction: all outstanding steps, or none

A step that has been released never changes; whoever needs other tables adds a step. A database with a step this
program does not know was written by a newer one and is left alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from neve.errors import StoreUnusable
from neve.stores.metadata import schema, schema_access, schema_collection, schema_lifecycle, statements
from neve.stores.metadata.schema import Dialect
from neve.stores.metadata.session import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One change of the tables."""

    number: int
    title: str
    statements: Callable[[Dialect], Sequence[str]]


STEPS: Sequence[Step] = (
    Step(number=1, title="create the tables", statements=schema.first_step),
    Step(number=2, title="users, policies, KMS keys and sharing", statements=schema_access.second_step),
    Step(number=3, title="locks, recycle bin, copies, guests' tags", statements=schema_lifecycle.third_step),
    Step(
        number=4, title="collection, undoing, verification, archive", statements=schema_collection.fourth_step
    ),
)
"""In order, without a gap."""


def plan(session: Session, dialect: Dialect, steps: Sequence[Step] = STEPS) -> Sequence[Step]:
    """Return the steps `migrate` would take. Changes nothing.

    Raises:
        StoreUnusable: the database is newer than this program.
    """
    taken = steps_taken(session, dialect)
    newest = steps[-1].number
    if taken > newest:
        raise StoreUnusable(
            f"the metadata has schema version {taken}, this program knows versions up to {newest}: "
            "start a neve at least as new as the one that used this store last"
        )
    return [step for step in steps if step.number > taken]


def migrate(session: Session, dialect: Dialect, steps: Sequence[Step] = STEPS) -> Sequence[Step]:
    """Take every outstanding step; return which. Repeating it takes none.

    Raises:
        StoreUnusable: the database is newer than this program.
    """
    outstanding = plan(session, dialect, steps)
    if outstanding and not session.rows(dialect.has_migration_table):
        session.rows(schema.migration_table(dialect))
    for step in outstanding:
        for statement in step.statements(dialect):
            session.rows(statement)
        session.rows(statements.ADD_STEP, (step.number, step.title))
    return outstanding


def steps_taken(session: Session, dialect: Dialect) -> int:
    """Return the number of the newest step taken, 0 for a database without tables."""
    if not session.rows(dialect.has_migration_table):
        return 0
    ((newest,),) = session.rows(statements.STEPS_TAKEN)
    return int(newest or 0)
