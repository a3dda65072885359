"""Keep what a rehearsal showed in the ledger, for deploy and rollback to quote."""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

import psycopg

from dbops.core.migration import MigrationId
from dbops.operations.check.digest import digest_down, digest_migration
from dbops.operations.context import Context
from dbops.operations.history import History
from dbops.operations.rehearse.report import MigrationRehearsal, RehearseReport
from dbops.postgres.rehearsals import (
    RehearsalEntry,
    record_rehearsals,
    rehearsals_exist,
)
from dbops.postgres.session import open_session


def record_report(context: Context, history: History, report: RehearseReport) -> bool:
    """Write the report into the ledger, where there is one; return whether it is there.

    A role that may only read goes without.
    """
    with open_session(context.target, purpose="rehearse:ledger") as session:
        if not rehearsals_exist(session):
            return False
        try:
            record_rehearsals(
                session,
                [
                    _build_entry(context, history, report, each)
                    for each in report.migrations
                ],
                server_version=report.server_version,
                backup_id=report.backup_id or "",
            )
        except (
            psycopg.errors.InsufficientPrivilege,
            psycopg.errors.ReadOnlySqlTransaction,
        ):
            context.progress("not written into the ledger: this role may not write")
            return False
    return True


def _build_entry(
    context: Context,
    history: History,
    report: RehearseReport,
    each: MigrationRehearsal,
) -> RehearsalEntry:
    migration = history.find(each.id)
    run = {
        "breaks": build_plain(report.breaks),
        "left": build_plain(report.left),
        "keeps": context.settings.keep_dropped > 0,
    }
    return RehearsalEntry(
        migration=each.id,
        digest=digest_migration(migration),
        round_trip=each.round_trip.value,
        duration_s=each.duration_s,
        report=json.dumps({**build_plain(each), "run": run}, ensure_ascii=False),
        down_digest=digest_down(migration),
    )


def build_plain(value: Any) -> Any:
    """Return what JSON knows of a report."""
    match value:
        case MigrationId():
            return str(value)
        case Enum():
            return value.value
        case tuple() | list():
            return [build_plain(each) for each in value]
        case _ if is_dataclass(value):
            return {
                each.name: build_plain(getattr(value, each.name))
                for each in fields(value)
            }
        case _:
            return value
