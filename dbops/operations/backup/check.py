"""Is there a backup that is young and proven enough? For cron and monitoring."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from dbops.core.duration import format_age
from dbops.core.gauge import Gauge
from dbops.core.manifest import LEVELS
from dbops.errors import ToolFailed
from dbops.operations.backup.backup import CLOCKS_DIFFER
from dbops.operations.backup.backups import (
    Action,
    BackupRow,
    list_drafts,
    open_storage,
    read_backups,
)
from dbops.operations.backup.report import Engine, Verified
from dbops.operations.context import Context

METRICS_MODE = 0o644
"""The exporter that reads them is another user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupCheckReport:
    """The newest backup that is proven enough, and what is wrong."""

    action: Action = Action.CHECK
    place: str
    database_name: str
    max_age_s: float
    min_level: Verified
    checked_at: datetime
    backup_id: str | None
    """The newest that is proven enough; the newest where none is; None without any."""
    taken_at: datetime | None
    age_s: float | None
    size_bytes: int | None
    duration_s: float | None
    verified: Verified
    backups: int
    damaged: int
    partial: int
    """Those that something was left out of; they count for nothing else."""
    drafts: int
    failures: tuple[str, ...]
    engine: Engine = Engine.DUMP

    @property
    def exit_code(self) -> int:
        """3 when there is anything wrong."""
        return 3 if self.failures else 0


def check_backups(
    context: Context,
    *,
    max_age_s: float,
    min_level: Verified = Verified.CONTENTS,
    storage: str | None = None,
    now: datetime | None = None,
) -> BackupCheckReport:
    """Look whether there is a backup of that level which is not older than that.

    Only manifests are read: no file of a backup, and no server.

    Raises:
        ToolFailed: the storage cannot be reached.
        Refused: the storage may not be read.
    """
    vault, database = open_storage(context, storage)
    now = now or datetime.now(UTC)
    return judge_backups(
        read_backups(vault, now=now),
        place=vault.place,
        database=database,
        max_age_s=max_age_s,
        min_level=min_level,
        drafts=len(list_drafts(vault, now)),
        now=now,
    )


def judge_backups(
    all_rows: Sequence[BackupRow],
    *,
    place: str,
    database: str,
    max_age_s: float,
    min_level: Verified,
    drafts: int,
    now: datetime,
) -> BackupCheckReport:
    """Return the backup that counts, and what is wrong with them; newest first."""
    rows = tuple(each for each in all_rows if not each.left_out)
    proven = next((each for each in rows if _reaches(each, min_level)), None)
    shown = proven or next(iter(rows), None)
    return BackupCheckReport(
        place=place,
        database_name=database,
        max_age_s=max_age_s,
        min_level=min_level,
        checked_at=now,
        backup_id=shown.backup_id if shown else None,
        taken_at=shown.taken_at if shown else None,
        age_s=shown.age_s if shown else None,
        size_bytes=shown.size_bytes if shown else None,
        duration_s=shown.duration_s if shown else None,
        verified=shown.verified if shown else Verified.NONE,
        backups=len(all_rows),
        damaged=sum(each.verified is Verified.DAMAGED for each in all_rows),
        partial=len(all_rows) - len(rows),
        drafts=drafts,
        failures=tuple(_judge(rows, proven, min_level, max_age_s))
        if rows
        else (f'there is no {"full " if all_rows else ""}backup in "{place}"',),
    )


def _reaches(row: BackupRow, least: Verified) -> bool:
    return row.verified in LEVELS and LEVELS.index(row.verified) >= LEVELS.index(least)


def _judge(
    rows: Sequence[BackupRow],
    proven: BackupRow | None,
    min_level: Verified,
    max_age_s: float,
) -> Iterator[str]:
    newest = rows[0]
    if newest.age_s < -CLOCKS_DIFFER.total_seconds():
        yield (
            f'backup "{newest.backup_id}" was taken {format_age(-newest.age_s)} in the '
            "future: the clock here or that of the server is wrong"
        )
    if newest.verified is Verified.DAMAGED:
        yield f'the newest backup, "{newest.backup_id}", is damaged: ' + "; ".join(
            newest.problems
        )
    if proven is None:
        yield (
            f'no backup is verified to "{min_level}"; the newest, '
            f'"{newest.backup_id}", is "{newest.verified}"'
        )
    elif proven.age_s > max_age_s:
        yield (
            f'the newest backup that is verified to "{min_level}", '
            f'"{proven.backup_id}", is {format_age(proven.age_s)} old, and '
            f"{format_age(max_age_s)} are allowed"
        )


def list_gauges(report: BackupCheckReport) -> Iterator[Gauge]:
    """Yield the report's numbers; those of a backup that is not there are left out."""
    level = LEVELS.index(report.verified) if report.verified in LEVELS else -1
    taken_at = report.taken_at.timestamp() if report.taken_at else None
    values: list[tuple[str, str, float | None]] = [
        ("backup_taken_timestamp_seconds", "When the backup was taken.", taken_at),
        ("backup_age_seconds", "Its age at the time of the check.", report.age_s),
        ("backup_size_bytes", "Its size.", report.size_bytes),
        ("backup_duration_seconds", "How long it took.", report.duration_s),
        (
            "backup_verified_level",
            "0 none, 1 checksum, 2 contents, 3 restored, -1 damaged.",
            level,
        ),
        ("backups", "Published backups.", report.backups),
        ("backups_damaged", "Those that are damaged.", report.damaged),
        ("backups_partial", "Those that something was left out of.", report.partial),
        ("backup_check_failures", "What the check found.", len(report.failures)),
        (
            "backup_check_timestamp_seconds",
            "When it looked.",
            report.checked_at.timestamp(),
        ),
    ]
    for name, text, value in values:
        if value is not None:
            yield Gauge(name=f"dbops_{name}", help=text, value=value)


def build_metrics(report: BackupCheckReport) -> str:
    """Return the report in the text format of Prometheus."""
    return write_gauges(list_gauges(report), report.database_name)


def write_gauges(gauges: Iterable[Gauge], database: str) -> str:
    """Return numbers in the text format of Prometheus, with the database as label.

    Source: https://prometheus.io/docs/instrumenting/exposition_formats/
    """
    label = _escape(database)
    lines = []
    for each in gauges:
        lines += [f"# HELP {each.name} {each.help}", f"# TYPE {each.name} gauge"]
        lines.append(f'{each.name}{{database="{label}"}} {each.value}')
    return "\n".join(lines) + "\n"


def write_metrics(path: Path, text: str) -> None:
    """Write the file whole or not at all: its reader may come at any moment.

    Raises:
        ToolFailed: it cannot be written.
    """
    # The exporter reads every *.prom.
    new = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        try:
            with new.open("x", encoding="utf-8") as file:
                new.chmod(METRICS_MODE)
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            new.replace(path)
        finally:
            new.unlink(missing_ok=True)
    except OSError as error:
        raise ToolFailed(
            f'cannot write "{path}": {error.strerror}',
            hint="name a file in a directory that this user may write to",
        ) from error


def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
