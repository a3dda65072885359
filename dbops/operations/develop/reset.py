"""Begin again: drop, create, migrate, seed. For development alone."""

from __future__ import annotations

import shlex
import time
from dataclasses import dataclass

import psycopg
from django.core.management import CommandError, call_command, get_commands
from django.db import Error

from dbops.errors import DbopsError, NeedsRepair, Refused, UsageError
from dbops.operations.context import Context
from dbops.operations.develop.development import (
    ON,
    mark_development,
    require_development,
)
from dbops.operations.history import read_history
from dbops.postgres.marks import Mark, set_mark
from dbops.postgres.scratch import (
    create_database,
    drop_database,
    fetch_properties,
    open_maintenance_session,
)
from dbops.postgres.session import tell_error

COUNT = """
SELECT count(*) FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_'
    AND n.nspname <> 'information_schema'
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetReport:
    """A database that was made anew, or marked, or would be."""

    place: str
    dropped_tables: int
    applied: int
    """Migrations."""
    seed: str
    """The command that filled it; empty for none."""
    duration_s: float
    marked: bool
    """It was only marked as one for development."""
    dry_run: bool


def mark(context: Context) -> ResetReport:
    """Mark the database as one for development, and do nothing else.

    Raises: as `mark_development`.
    """
    mark_development(context)
    return ResetReport(
        place=context.target.place,
        dropped_tables=0,
        applied=0,
        seed="",
        duration_s=0.0,
        marked=True,
        dry_run=False,
    )


def reset(context: Context, *, seed: bool = True, dry_run: bool = False) -> ResetReport:
    """Drop the database with all that is in it, make it anew, migrate, and seed it.

    Raises:
        Refused: it is not for development, or the role may not create databases.
        UsageError: there is no such seed command.
        NeedsRepair: a migration or the seed failed: the database is new and half done.
    """
    require_development(context)
    began = time.monotonic()
    command = shlex.split(context.settings.seed) if seed else []
    if command and command[0] not in get_commands():
        raise UsageError(
            f'DBOPS["SEED"] names a command that there is not: "{command[0]}"',
            hint="see which there are: manage.py help",
        )
    connection = context.connect()
    row = connection.execute(COUNT).fetchone()
    planned = len(read_history(context).plan)
    if not dry_run:
        _make_anew(context)
        _fill(context, command)
    return ResetReport(
        place=context.target.place,
        dropped_tables=int(row[0]) if row else 0,
        applied=planned,
        seed=shlex.join(command),
        duration_s=round(time.monotonic() - began, 3),
        marked=False,
        dry_run=dry_run,
    )


def _make_anew(context: Context) -> None:
    target = context.target
    like = fetch_properties(context.connect())
    context.connection.close()
    context.progress(f'dropping database "{target.database}"')
    with open_maintenance_session(target) as session:
        try:
            row = session.execute(
                "SELECT rolcreatedb OR rolsuper FROM pg_catalog.pg_roles"
                " WHERE rolname = current_user"
            ).fetchone()
            if not row or not row[0]:
                raise Refused(
                    f'role "{session.info.user}" may not create databases',
                    hint=f'ALTER ROLE "{session.info.user}" CREATEDB;',
                )
            drop_database(session, target.database)
        except psycopg.Error as error:
            raise Refused(
                f'database "{target.database}" cannot be dropped: {tell_error(error)}',
                hint="end the sessions that use it, then run the command again",
            ) from error
        create_database(session, target.database, like)
    set_mark(context.connect(), Mark.DEVELOPMENT, ON)


def _fill(context: Context, command: list[str]) -> None:
    step = "migrate"
    try:
        context.progress("migrating")
        call_command("migrate", database=context.alias, verbosity=0, interactive=False)
        if command:
            step = shlex.join(command)
            context.progress(f"seeding: {step}")
            call_command(*command)
    except (CommandError, DbopsError, Error, psycopg.Error) as error:
        raise NeedsRepair(
            f'database "{context.target.database}" was made anew, and then "{step}" '
            f"failed: {tell_error(error)}",
            hint="correct it, then: manage.py dbops_reset",
        ) from error
