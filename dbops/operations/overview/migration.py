"""One migration: its SQL, what is wrong with it, and what became of it until now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.migrations import Migration
from django.db.migrations.recorder import MigrationRecorder

from dbops.core.finding import Finding
from dbops.core.known_rehearsal import KnownRehearsal
from dbops.core.migration import MigrationId
from dbops.errors import UsageError
from dbops.operations.check.digest import digest_migration
from dbops.operations.context import Context
from dbops.operations.history import get_id, read_history
from dbops.operations.overview.pending import fetch_rehearsals, find_faults
from dbops.operations.sql_files.files import DOWN_FILE, FORWARD_FILE, get_sql_directory
from dbops.postgres.doctor import open_look
from dbops.postgres.locks import open_look_session


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationReport:
    """All that is known of one migration."""

    id: MigrationId
    applied_at: datetime | None
    """None: it is pending."""
    sql: str | None
    """`migration.sql`; None where there is no such file."""
    down_sql: str | None
    findings: tuple[Finding, ...]
    rehearsal: KnownRehearsal | None


def show_migration(context: Context, app: str, name: str) -> MigrationReport:
    """Return what is on disk and in the ledger.

    Raises:
        UsageError: there is no migration of that name.
        ServerFailed: the database cannot be reached.
    """
    history = read_history(context)
    wanted = MigrationId(app, name)
    migration = next((each for each in history.plan if get_id(each) == wanted), None)
    if migration is None:
        raise UsageError(
            f'there is no migration "{wanted}"', hint="manage.py showmigrations"
        )
    row = MigrationRecorder(context.connection).applied_migrations().get((app, name))
    digest = digest_migration(migration)
    with (
        open_look_session(context.target, purpose="overview") as session,
        open_look(session),
    ):
        rehearsals = fetch_rehearsals(session, [digest])
        findings = find_faults(context, [migration], session)
    return MigrationReport(
        id=wanted,
        applied_at=row.applied if row else None,
        sql=_read(migration, FORWARD_FILE),
        down_sql=_read(migration, DOWN_FILE),
        findings=tuple(findings),
        rehearsal=rehearsals.get((app, name, digest)),
    )


def _read(migration: Migration, name: str) -> str | None:
    try:
        path = get_sql_directory(migration) / name
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
