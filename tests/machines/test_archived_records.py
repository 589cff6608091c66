"""The archive against the records it is made of, and the stores made again from it (archive_machine)."""

from hypothesis import settings

from machines.archive_machine import ArchiveMachine

TestArchivedRecords = ArchiveMachine.TestCase
TestArchivedRecords.settings = settings(max_examples=settings().max_examples // 10, stateful_step_count=30)
