"""Audit logs in a folder, made without a server: for tests of what is noticed about them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from neve.domain.audit import Call, Category, audit_key, encoded
from neve.domain.keyring import Keyring
from neve.stores.audit.verifying import Verified, verify_log
from neve.stores.audit.writer import AuditWriter
from neve.stores.file_operations import FileOperations, SystemFileOperations
from neve.testing.time_and_chance import ManualClock, SeededEntropy

STORE_ID = "0123456789abcdef0123456789abcdef"
KEY = audit_key(Keyring(bytes(range(32)), SeededEntropy()), STORE_ID)


def call(name: str, **facts: Any) -> Call:
    """Return the record of a call that a test can tell from others."""
    return Call(
        time="2026-01-01T00:00:00.000Z",
        category=Category.MANAGEMENT,
        request_id=name,
        service="ec2",
        operation="DeleteSnapshot",
        region="us-east-1",
        status=200,
        duration_ms=1.5,
        **facts,
    )


def content(name: str) -> bytes:
    """Return the same record as a line has it."""
    return encoded(call(name))


class HastyFiles(SystemFileOperations):
    """The operating system's, without waiting for the medium: no test cuts the power."""

    def sync(self, descriptor: int) -> None:
        pass

    def sync_directory(self, path: str) -> None:
        pass


@dataclass
class Log:
    """A log in a folder."""

    store: Path
    clock: ManualClock = field(default_factory=ManualClock)
    file_bytes_max: int = 1 << 30

    def writer(self, files: FileOperations | None = None) -> AuditWriter:
        return AuditWriter.open(
            self.store,
            key=KEY,
            store_id=STORE_ID,
            clock=self.clock,
            file_bytes_max=self.file_bytes_max,
            files=files or HastyFiles(),
        )

    def write(self, names: Sequence[str], *, seal: bool = True) -> None:
        """Write a line for each name and stop, in good order or, without a seal, as a kill does it."""
        writer = self.writer()
        for name in names:
            writer.append([content(name)])
            writer.sync()
        if seal:
            writer.seal()
        writer.close()

    def verified(self, **options: Any) -> Verified:
        return verify_log(self.store, KEY, **options)

    def kinds(self) -> list[str]:
        """Return what is found to be wrong, the first thing first."""
        return [finding.kind.value for finding in self.verified().findings]

    @property
    def files(self) -> list[Path]:
        return sorted((self.store / "audit").glob("*.jsonl"))

    @property
    def head(self) -> Path:
        return self.store / "audit" / "head"

    def lines(self) -> list[bytes]:
        """Return every line of every file, its end included."""
        return [line for file in self.files for line in file.read_bytes().splitlines(keepends=True)]

    def names(self) -> list[str]:
        """Return the names of the calls, in their order, as often as they stand there."""
        found = (json.loads(line) for line in self.lines() if line.endswith(b"\n"))
        return [each["request_id"] for each in found if each["kind"] == "call"]
