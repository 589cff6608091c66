"""SQLite against the store in memory: equal answers to every program (neve.testing.metadata_machine)."""

from hypothesis import settings

from machines.sqlite_records import SqliteCollectionMachine, SqliteLifecycleMachine, SqliteMachine

TestSqliteRecords = SqliteMachine.TestCase
TestSqliteRecords.settings = settings(max_examples=settings().max_examples // 3, stateful_step_count=40)
TestSqliteLives = SqliteLifecycleMachine.TestCase
TestSqliteLives.settings = settings(max_examples=settings().max_examples // 3, stateful_step_count=40)
TestSqliteCollection = SqliteCollectionMachine.TestCase
TestSqliteCollection.settings = settings(max_examples=settings().max_examples // 3, stateful_step_count=40)
