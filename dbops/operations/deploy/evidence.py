"""What is known of a way back before it is gone: proofs, edits, and the code for it."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC
from pathlib import Path

from dbops.core.migration import MigrationId
from dbops.operations.check.digest import digest_down, digest_migration, get_path
from dbops.operations.context import Context
from dbops.operations.deploy.rollback_plan import RollbackReport, RollbackStep
from dbops.operations.history import History
from dbops.postgres.applications import (
    ApplicationRow,
    fetch_application,
    fetch_release,
)
from dbops.postgres.rehearsals import RehearsalRow, fetch_rehearsal
from dbops.postgres.session import Connection

GIT_TIMEOUT_S = 5
NOT_REHEARSED = "not rehearsed"


def add_evidence(
    context: Context, history: History, report: RollbackReport
) -> RollbackReport:
    """Return the report with the proof of each step, and the code that fits then."""
    if not report.steps:
        return report
    connection = context.connect()
    applied = {
        each.migration: fetch_application(connection, each.migration)
        for each in report.steps
    }
    steps = tuple(
        _add(connection, history, each, applied[each.migration])
        for each in report.steps
    )
    last = applied[report.steps[-1].migration]
    release = ""
    if last is not None and last.fingerprint_before:
        release = fetch_release(connection, last.fingerprint_before)
    return replace(report, steps=steps, release=release)


def _add(
    connection: Connection,
    history: History,
    step: RollbackStep,
    applied: ApplicationRow | None,
) -> RollbackStep:
    migration = history.find(step.migration)
    down = digest_down(migration)
    digest = (applied.digest if applied else "") or digest_migration(migration)
    row = fetch_rehearsal(connection, step.migration, digest) if digest else None
    proof, notes = _judge_rehearsal(row, down)
    if applied and applied.down_digest and applied.down_digest != down:
        notes = (*notes, "its down.sql was edited since it was deployed")
    return replace(
        step,
        proof=proof,
        rehearsed_at=row.rehearsed_at if row else None,
        notes=notes,
        commit=find_commit(get_path(migration)),
    )


def _judge_rehearsal(
    row: RehearsalRow | None, down: str
) -> tuple[str, tuple[str, ...]]:
    """Return the verdict that counts for the way back as it is on disk, and notes."""
    if row is None:
        return NOT_REHEARSED, ()
    if row.down_digest and row.down_digest != down:
        when = f"{row.rehearsed_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
        told = f"rehearsed {when} with another down.sql: {row.round_trip}"
        return NOT_REHEARSED, (told,)
    return row.round_trip, ()


def find_commit(path: Path) -> str:
    """Return the commit that brought a file; empty where git does not know."""
    try:
        done = subprocess.run(
            ["git", "log", "--diff-filter=A", "--format=%h", "--", path.name],
            cwd=path.parent,
            capture_output=True,
            text=True,
            check=False,
            timeout=GIT_TIMEOUT_S,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.partition("\n")[0].strip() if done.returncode == 0 else ""


def list_commits(steps: Sequence[RollbackStep]) -> list[tuple[str, list[MigrationId]]]:
    """Return the commits to revert, newest first, each with its migrations."""
    found: dict[str, list[MigrationId]] = {}
    for step in steps:
        if step.commit:
            found.setdefault(step.commit, []).append(step.migration)
    return list(found.items())
