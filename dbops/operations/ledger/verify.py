"""Is the ledger as it was written? In the database, or in an export of it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from dbops.core.chain import (
    SHORTEST_HEAD,
    Entry,
    Row,
    RowKey,
    build_plain,
    find_flaws,
)
from dbops.errors import Refused, UsageError
from dbops.operations.context import Context
from dbops.operations.ledger.report import ExportReport, LedgerVerifyReport
from dbops.postgres.chain import chain_exists, fetch_entries, fetch_rows
from dbops.postgres.ledger_reading import ledger_exists
from dbops.postgres.session import open_session

FORMAT = 1
"""Of the file; another one is not read."""
TEXTS = ("event", "table_name", "row_key", "content", "previous", "hash")
EXPORT = "manage.py dbops_history export FILE"


@dataclass(slots=True)
class _Copy:
    """A ledger as it was at one moment."""

    entries: list[Entry] = field(default_factory=list)
    rows: dict[RowKey, Row] = field(default_factory=dict)
    head: str = ""
    """The newest hash, as the file itself has it."""
    is_begun: bool = False
    """The file has the line that an export begins with."""

    @property
    def newest(self) -> str:
        """The hash of the newest entry."""
        return self.entries[-1].hash if self.entries else ""


def verify_ledger(
    context: Context, *, head: str = "", file: str | None = None
) -> LedgerVerifyReport:
    """Compare each row with the last entry about it, and each entry with its hash.

    `head` is the hash of an entry that somebody has kept, or the beginning of it. With
    a file nothing is asked of the server.

    Raises:
        UsageError: the file is no export, or the hash is too short.
        Refused: there is no ledger.
    """
    if head and len(head) < SHORTEST_HEAD:
        raise UsageError(
            f'"{head}" is too short for a hash',
            hint=f"give {SHORTEST_HEAD} or more of its characters",
        )
    copy = _read_file(Path(file)) if file else _fetch(context)
    flaws = find_flaws(copy.entries, copy.rows, {head, copy.head} - {""})
    return LedgerVerifyReport(
        source=file or "database",
        entries=len(copy.entries),
        rows=len(copy.rows),
        begun_at=copy.entries[0].recorded_at if copy.entries else None,
        ledger_head=copy.newest,
        flaws=flaws,
    )


def export_ledger(context: Context, file: str) -> ExportReport:
    """Write entries and rows as JSON Lines; the file is replaced as a whole.

    Raises:
        UsageError: the file cannot be written.
        Refused: there is no ledger.
    """
    copy = _fetch(context)
    path = Path(file)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("w", encoding="utf-8") as out:
            for each in _list_lines(context.target.database, copy):
                out.write(json.dumps(each, ensure_ascii=False) + "\n")
        partial.replace(path)
    except OSError as error:
        with suppress(OSError):
            partial.unlink()
        raise UsageError(
            f'"{file}" cannot be written: {error.strerror}', hint="name another file"
        ) from error
    return ExportReport(
        file=file,
        entries=len(copy.entries),
        rows=len(copy.rows),
        ledger_head=copy.newest,
    )


def _list_lines(database: str, copy: _Copy) -> Iterator[dict[str, Any]]:
    yield {
        "line": "ledger",
        "format": FORMAT,
        "database": database,
        "head": copy.newest,
    }
    for entry in copy.entries:
        yield {"line": "entry", **_build_plain_row(asdict(entry))}
    for (table, key), row in copy.rows.items():
        yield {
            "line": "row",
            "table_name": table,
            "row_key": key,
            "row": _build_plain_row(row),
        }


def _build_plain_row(row: Row) -> dict[str, object]:
    return {name: build_plain(value) for name, value in row.items()}


def _fetch(context: Context) -> _Copy:
    """Read all of it at one moment, while others may write."""
    with (
        open_session(context.target, purpose="history") as session,
        session.transaction(),
    ):
        session.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        if not ledger_exists(session):
            raise Refused(
                f'database "{context.target.database}" has no ledger',
                hint="manage.py dbops_deploy makes it",
            )
        entries = fetch_entries(session) if chain_exists(session) else []
        return _Copy(entries=entries, rows=fetch_rows(session))


def _read_file(path: Path) -> _Copy:
    try:
        with path.open(encoding="utf-8") as lines:
            return _read_lines(path, lines)
    except OSError as error:
        raise UsageError(
            f'"{path}" cannot be read: {error.strerror}',
            hint=EXPORT,
        ) from error


def _read_lines(path: Path, lines: Iterable[str]) -> _Copy:
    copy = _Copy()
    for number, line in enumerate(lines, start=1):
        try:
            _read_line(copy, json.loads(line))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UsageError(
                f'line {number} of "{path}" is not from an export of the ledger',
                hint=EXPORT,
            ) from error
    if not copy.is_begun:
        raise UsageError(f'"{path}" does not begin as an export does', hint=EXPORT)
    copy.entries.sort(key=lambda each: each.position)
    return copy


def _read_line(copy: _Copy, told: dict[str, Any]) -> None:
    match told["line"]:
        case "ledger" if told["format"] == FORMAT:
            copy.head, copy.is_begun = str(told["head"]), True
        case "entry":
            copy.entries.append(
                Entry(
                    position=int(told["position"]),
                    recorded_at=datetime.fromisoformat(told["recorded_at"]),
                    **{name: str(told[name]) for name in TEXTS},
                )
            )
        case "row":
            key = str(told["table_name"]), str(told["row_key"])
            if key in copy.rows:
                raise ValueError(key)
            copy.rows[key] = dict(told["row"])
        case other:
            raise ValueError(other)
