"""`neve audit`: whether the log of who did what is whole, and what it says."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import msgspec
import typer

from neve.assemble_audit import audit_key_of
from neve.cli.administering import DirectoryArgument
from neve.cli.exit_codes import CommandFailed, ExitCode
from neve.cli.output import OutputFormat, OutputOption, note, result, result_fields, result_json
from neve.cli.settings_options import load_settings
from neve.clock import SystemClock
from neve.domain.audit import AnyRecord, Line, Mark, time_text
from neve.errors import StoreUnavailable
from neve.server.administration.messages import AdministrationRefused
from neve.server.administration.texts import duration_ms
from neve.stores.audit.verifying import NoAuditLog, Verified, records, verify_log

app = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode=None)

_SHOWN_FINDINGS: Final = 10
_MARK_PARTS: Final = 2


@app.callback()
def _audit() -> None:
    """Verify and show the log of who did what. A server may be running."""


@app.command()
def verify(
    directory: DirectoryArgument,
    *,
    expect: Annotated[
        str,
        typer.Option(
            metavar="SEQUENCE:MAC",
            help="A line the log must have, as an earlier verify or the server's log told it.",
        ),
    ] = "",
    first: Annotated[
        int,
        typer.Option(
            "--from",
            metavar="SEQUENCE",
            min=1,
            help="The first line there is, where you keep older files elsewhere.",
        ),
    ] = 1,
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """Prove that every line of the audit log is as it was written, and that none is missing.

    Says what was altered, removed, inserted, moved or cut off, and where first; exit status 1 if anything was. Needs
    the store's master key. How far the log had come is sealed once a second: of what a server wrote in the second
    before it was killed, a cut would not be noticed. An older copy of the whole folder put back is noticed with
    --expect only: keep a mark elsewhere.
    """
    mark = _mark(expect) if expect else None
    try:
        verified = verify_log(
            directory, audit_key_of(directory, load_settings(directory).settings), first=first, expected=mark
        )
    except (NoAuditLog, StoreUnavailable) as error:
        raise CommandFailed(f"{error}.") from None
    if output is OutputFormat.JSON:
        result_json(_as_json(verified))
    else:
        _show_verified(verified)
    if verified.findings_count:
        raise typer.Exit(ExitCode.FAILURE)


@app.command()
def show(
    directory: DirectoryArgument,
    *,
    principal: Annotated[
        str, typer.Option(help="Only what they did: an ARN, a user's name, an account or an access key id.")
    ] = "",
    operation: Annotated[str, typer.Option(help="Only this, such as DeleteSnapshot or create-user.")] = "",
    snapshot: Annotated[str, typer.Option(metavar="SNAPSHOT", help="Only what names this snapshot.")] = "",
    since: Annotated[
        str, typer.Option(metavar="TIME", help="Only from then on: a date, a time, or 12h or 90d ago.")
    ] = "",
    failed: Annotated[bool, typer.Option("--failed", help="Only what was refused or failed.")] = False,
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """Show what the audit log says, in its order. Proves nothing: `neve audit verify` does.

    Filters go together: what is shown fits all that are given.
    """
    begins = _begins(since) if since else ""
    wanted = _Wanted(principal=principal, operation=operation, snapshot=snapshot, since=begins, failed=failed)
    write: Callable[[Iterator[dict[str, Any]]], None]
    write = _write_json if output is OutputFormat.JSON else _write_text
    try:
        write(facts for line, record in records(directory) if wanted.has(facts := _facts(line, record)))
    except (NoAuditLog, StoreUnavailable) as error:
        raise CommandFailed(f"{error}.") from None


# --- verify


def _mark(text: str) -> Mark:
    parts = text.split(":")
    if len(parts) != _MARK_PARTS or not parts[0].isdecimal() or not parts[0].isascii():
        raise CommandFailed("--expect wants a sequence and a MAC, such as 1024:9f86d0…", ExitCode.USAGE)
    return Mark(int(parts[0]), parts[1].lower())


def _show_verified(verified: Verified) -> None:
    first, last, head = verified.first, verified.last, verified.head
    shown = {"files": str(verified.files), "lines": str(verified.lines)}
    if first is not None and last is not None:
        shown["first"] = f"{first.sequence}  {_time(first)}"
        shown["last"] = f"{last.sequence}  {_time(last)}"
        shown["mark"] = f"{last.sequence}:{last.mac}"
    if head is not None:
        shown["sealed"] = f"up to {head.mark.sequence}, at {head.time}"
        if last is not None and last.sequence > head.mark.sequence:
            shown["not sealed"] = (
                f"{last.sequence - head.mark.sequence}: more behind them could be missing unnoticed"
            )
    result_fields(shown)
    for said in verified.notes:
        note(f"Note: {said}.")
    if not verified.findings_count:
        result("The log is whole.")
        return
    for finding in verified.findings[:_SHOWN_FINDINGS]:
        result(f"{finding.kind}: {finding.said} ({finding.place.file}, line {finding.place.line})")
    if verified.findings_count > _SHOWN_FINDINGS:
        result(f"… and {verified.findings_count - _SHOWN_FINDINGS} more.")
    result("The log was tampered with, or the disk lost what it had promised to keep.")


def _as_json(verified: Verified) -> dict[str, Any]:
    def line(each: Line | None) -> dict[str, Any] | None:
        return None if each is None else {"sequence": each.sequence, "mac": each.mac, "time": _time(each)}

    head = verified.head
    return {
        "whole": not verified.findings_count,
        "files": verified.files,
        "lines": verified.lines,
        "first": line(verified.first),
        "last": line(verified.last),
        "sealed": None
        if head is None
        else {"sequence": head.mark.sequence, "mac": head.mark.mac, "time": head.time},
        "findings_count": verified.findings_count,
        "findings": [
            {"kind": each.kind, "file": each.place.file, "line": each.place.line, "said": each.said}
            for each in verified.findings
        ],
        "notes": list(verified.notes),
    }


def _time(line: Line) -> str:
    record = line.record()
    return "" if record is None else record.time


# --- show


def _begins(since: str) -> str:
    """Return the moment that `12h`, a date or a time names, as records have it."""
    try:
        return time_text(SystemClock().now_ms() - duration_ms(since))
    except AdministrationRefused:
        try:
            moment = datetime.fromisoformat(since)
            return time_text(
                int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
            )
        except (ValueError, OverflowError):
            raise CommandFailed(
                f"--since {since}: write 12h or 90d, a date such as 2026-01-31, or a time such as "
                "2026-01-31T12:00:00Z.",
                ExitCode.USAGE,
            ) from None


class _Wanted:
    """The filters of `show`."""

    def __init__(self, *, principal: str, operation: str, snapshot: str, since: str, failed: bool) -> None:
        self._principal = principal
        self._operation = operation.lower()
        self._snapshot = snapshot
        self._since = since
        self._failed = failed

    def has(self, facts: dict[str, Any]) -> bool:
        """Return whether a line fits all of them."""
        done = facts.get("operation") or facts.get("request") or ""
        return (
            (not self._principal or self._is_theirs(facts))
            and (not self._operation or done.lower() == self._operation)
            and (not self._snapshot or self._snapshot in self._named(facts))
            and str(facts.get("time", "")) >= self._since
            and (not self._failed or _is_failure(facts))
        )

    def _is_theirs(self, facts: dict[str, Any]) -> bool:
        arn = facts.get("principal", "")
        names = {arn, arn.rpartition("/")[2], facts.get("account_id"), facts.get("access_key_id")}
        if "operator_uid" in facts:
            names.add(f"uid:{facts['operator_uid']}")
        return self._principal in names

    @staticmethod
    def _named(facts: dict[str, Any]) -> list[Any]:
        return [*facts.get("resources", ()), facts.get("parameters", {}).get("parent_snapshot_id")]


def _is_failure(facts: dict[str, Any]) -> bool:
    return bool(facts.get("status", 200) >= 400) or facts.get("outcome", "done") != "done"


def _facts(line: Line, record: AnyRecord | None) -> dict[str, Any]:
    if record is None:
        return {"sequence": line.sequence, "kind": "unknown"}
    return {"sequence": line.sequence, **msgspec.to_builtins(record)}


def _write_json(lines: Iterator[dict[str, Any]]) -> None:
    """Print one list, a line at a time: a log may be larger than memory."""
    separator = "["
    for facts in lines:
        result(separator + json.dumps(facts, ensure_ascii=False))
        separator = ","
    result("[]" if separator == "[" else "]")


def _write_text(lines: Iterator[dict[str, Any]]) -> None:
    for facts in lines:
        result(_sentence(facts))


def _sentence(facts: dict[str, Any]) -> str:
    kind = facts["kind"]
    parts = [str(facts.get("time", "")), str(facts["sequence"])]
    if kind == "call":
        who = facts.get("principal") or f"? {facts.get('access_key_id', '')}".rstrip()
        parts += [who, facts.get("source_address", ""), f"{facts['service']}:{facts['operation']}"]
        parts += [",".join(facts.get("resources", ())), str(facts["status"]), facts.get("error_code", "")]
    elif kind == "administration":
        parts += [f"uid:{facts['operator_uid']}", facts["via"], facts["request"]]
        parts += [f"{name}={value}" for name, value in facts.get("parameters", {}).items()]
        parts += [facts["outcome"]]
    else:
        parts += [
            kind,
            *(str(value) for name, value in facts.items() if name not in {"sequence", "kind", "time"}),
        ]
    return "  ".join(part for part in parts if part)
