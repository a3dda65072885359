"""What a deployment would do with each migration."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.migrations import Migration

from dbops.core.sql_script import Script
from dbops.errors import DbopsError
from dbops.operations.context import Context
from dbops.operations.deploy.guarding import Guarded
from dbops.operations.deploy.phase import find_phase
from dbops.operations.deploy.report import PlannedMigration
from dbops.operations.deploy.unapply import find_way_back
from dbops.operations.history import get_id
from dbops.operations.sql_files.files import read_forward


def build_plan(context: Context, guarded: Guarded) -> Iterator[PlannedMigration]:
    """Yield what is pending with its SQL, its way back, and what is known of both."""
    for migration in guarded.history.pending:
        name = get_id(migration)
        proof = guarded.proofs.get(name) if guarded.proofs else None
        yield PlannedMigration(
            id=name,
            atomic=migration.atomic,
            phase=find_phase(migration, guarded.proofs),
            way_back=_tell_way_back(context, migration),
            round_trip=proof.round_trip if proof else None,
            sql=read_forward(migration),
        )


def _tell_way_back(context: Context, migration: Migration) -> str:
    try:
        way = find_way_back(context, migration)
    except DbopsError as error:
        return error.message
    return "down.sql" if isinstance(way, Script) else "reverse"
