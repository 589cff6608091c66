"""Is the schema in a SQLite database the one that this program's migrations make?

The database runs what stands in its schema: a trigger that a disk has altered notes changes under a wrong name, or
none, and nothing about its pages is wrong. What it should say is made anew, in memory, and compared word for word.
"""

from collections.abc import Mapping, Sequence

import apsw

from neve.stores.metadata import migrations
from neve.stores.metadata.schema import SQLITE
from neve.stores.metadata.session import Session
from neve.stores.metadata.sqlite_database import SqliteSession

_STATEMENTS = "SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL"


def altered_schema(session: Session) -> Sequence[str]:
    """Return a sentence for each table, index and trigger that is not what it should be."""
    found, expected = _schema(session), _expected()
    return [
        f"{name} of the schema {_what(name, found, expected)}: it was altered"
        for name in sorted(found.keys() | expected.keys())
        if found.get(name) != expected.get(name)
    ]


def _what(name: str, found: Mapping[str, str], expected: Mapping[str, str]) -> str:
    if name not in found:
        return "is not there"
    return "is not what its version says" if name in expected else "is nothing of ours"


def _schema(session: Session) -> Mapping[str, str]:
    return {f"{kind} {name}": statement for kind, name, statement in session.rows(_STATEMENTS)}


def _expected() -> Mapping[str, str]:
    database = apsw.Connection(":memory:")
    try:
        session = SqliteSession(database)
        migrations.migrate(session, SQLITE)
        return _schema(session)
    finally:
        database.close()
