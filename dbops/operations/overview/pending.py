"""Migrations: when they were applied, what is wrong with them, how rehearsals went."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from django.conf import settings as django_settings
from django.db.migrations import Migration
from django.db.migrations.recorder import MigrationRecorder

from dbops.core.finding import Finding
from dbops.core.hazards.sizes import Sizes
from dbops.core.known_rehearsal import KnownRehearsal, build_known_rehearsal
from dbops.core.migration import MigrationId
from dbops.core.table_name import TableName
from dbops.operations.check.check import apply_static_rules, build_broken
from dbops.operations.check.digest import digest_migration
from dbops.operations.check.graph import Project, read_project
from dbops.operations.check.locks import (
    build_missing_parser,
    judge_migration,
    needs_parser,
)
from dbops.operations.check.written import read_written
from dbops.operations.context import Context
from dbops.operations.history import History, get_id
from dbops.operations.overview.report import AppliedMigration, PendingMigration
from dbops.operations.sql_files.files import is_project_migration
from dbops.postgres.overview import KnownRehearsalRow, fetch_known_rehearsals
from dbops.postgres.session import Connection
from dbops.postgres.table_sizes import fetch_table_sizes

RULES = frozenset({"graph", "names", "files", "enums", "indexes"})
"""Those of `dbops_check` that are quick; what the models say is not among them."""

Rehearsals = Mapping[tuple[str, str, str], KnownRehearsal]
"""By app, name and digest."""


def list_applied(context: Context, history: History) -> tuple[AppliedMigration, ...]:
    """Return the applied migrations of the project and its packages, newest first."""
    rows = MigrationRecorder(context.connection).applied_migrations()
    found = [
        AppliedMigration(id=MigrationId(*key), applied_at=row.applied)
        for key, row in rows.items()
        if MigrationId(*key) in history.applied
    ]
    return tuple(sorted(found, key=lambda each: (each.applied_at, each.id))[::-1])


def list_pending(
    context: Context, history: History, session: Connection
) -> tuple[PendingMigration, ...]:
    """Return the pending migrations in their order, each with what is known of it."""
    if not history.pending:
        return ()
    rehearsals = fetch_rehearsals(
        session, [digest_migration(each) for each in history.pending]
    )
    findings = find_faults(context, history.pending, session)
    return tuple(
        PendingMigration(
            id=get_id(each),
            findings=tuple(
                one for one in findings if one.object in ("", str(get_id(each)))
            ),
            rehearsal=rehearsals.get(
                (each.app_label, each.name, digest_migration(each))
            ),
        )
        for each in history.pending
    )


def fetch_rehearsals(session: Connection, digests: Sequence[str]) -> Rehearsals:
    """Return the last rehearsal of each digest."""
    return {
        (row.app, row.migration, row.digest): _build(row)
        for row in fetch_known_rehearsals(session, digests)
    }


def _build(row: KnownRehearsalRow) -> KnownRehearsal:
    return build_known_rehearsal(
        rehearsed_at=row.rehearsed_at,
        round_trip=row.round_trip,
        duration_s=row.duration_s,
        with_rows=row.with_rows,
        report=row.report,
    )


def find_faults(
    context: Context, migrations: Iterable[Migration], session: Connection
) -> list[Finding]:
    """Return what `dbops_check` finds in these without a scratch database."""
    settings = context.settings
    wanted = [each for each in migrations if is_project_migration(each, settings)]
    if not wanted:
        return []
    names = {str(get_id(each)) for each in wanted}
    ids = [get_id(each) for each in wanted]
    try:
        project = read_project(settings, ())
        found = [
            each
            for rule, findings in apply_static_rules(project, settings, (), ids)
            if rule in RULES
            for each in findings
            if each.object in names
        ]
        found += _judge_written(context, project, wanted, session)
    except Exception as error:  # noqa: BLE001  Migrations are other people's.
        found = [build_broken(error)]
    silenced = set(django_settings.SILENCED_SYSTEM_CHECKS)
    return [each for each in found if each.id not in silenced]


def _judge_written(
    context: Context,
    project: Project,
    wanted: Sequence[Migration],
    session: Connection,
) -> list[Finding]:
    """Apply the rules of locks to what stands in the SQL files."""
    if needs_parser():
        return [build_missing_parser()]
    sizes = Sizes(
        tables={
            TableName(each.schema, each.name): each
            for each in fetch_table_sizes(session)
        },
        known=True,
    )
    return [
        finding
        for migration, steps in read_written(context, project, wanted)
        for finding in judge_migration(migration, steps, sizes, context.settings)[0]
    ]
