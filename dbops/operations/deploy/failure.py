"""What went wrong in a run, in our own errors."""

from __future__ import annotations

import psycopg
from django.db.migrations import Migration

from dbops.errors import DbopsError, Interrupted, ServerFailed
from dbops.operations.history import get_id
from dbops.postgres.session import tell_error

OTHER_SCHEMA = (
    psycopg.errors.DuplicateTable,
    psycopg.errors.DuplicateObject,
    psycopg.errors.DuplicateColumn,
    psycopg.errors.DuplicateSchema,
    psycopg.errors.DuplicateFunction,
    psycopg.errors.UndefinedTable,
    psycopg.errors.UndefinedColumn,
    psycopg.errors.UndefinedObject,
)
"""What the server says when a migration, or a part of it, was applied already, or was
recorded and is not there."""


class Mismatch(DbopsError):
    """The schema after a change is not the one that the migrations build."""

    exit_code = 8


def say_unchanged(cause: DbopsError) -> DbopsError:
    """Let an interruption say so, once that is known; other errors promise it."""
    if not isinstance(cause, Interrupted):
        return cause
    return Interrupted(f"{cause.message}; nothing was changed", hint=cause.hint)


def translate(error: BaseException, current: Migration | None) -> DbopsError:
    """Return our error for whatever a migration has raised."""
    where = f' in migration "{get_id(current)}"' if current else ""
    match error:
        case DbopsError():
            return error
        case KeyboardInterrupt():
            return Interrupted(
                f"interrupted{where}",
                hint="manage.py dbops_deploy",
            )
        case _:
            hint = "correct the migration or the data, then manage.py dbops_deploy"
            if current is not None and _shows_other_schema(error):
                hint = f"manage.py dbops_resolve {current.app_label} {current.name}"
            return ServerFailed(f"failed{where}: {tell_error(error)}", hint=hint)


def _shows_other_schema(error: BaseException) -> bool:
    """Say whether something is there already, or something is not there."""
    cause = error if isinstance(error, psycopg.Error) else error.__cause__
    return isinstance(cause, OTHER_SCHEMA)
