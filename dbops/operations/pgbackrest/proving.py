"""A backup of pgBackRest's, restored into a server of its own, and looked through."""

from __future__ import annotations

from dataclasses import dataclass, field

import psycopg

from dbops.core.pgbackrest.info import PhysicalBackup
from dbops.core.pgbackrest.notes import read_schema_note
from dbops.core.target import Target
from dbops.core.words import count_of
from dbops.errors import DbopsError, Refused, ToolFailed
from dbops.operations.context import Context
from dbops.postgres.amcheck import find_corruption
from dbops.postgres.catalog import fetch_catalog
from dbops.postgres.pgbackrest import PgBackRest
from dbops.postgres.session import Connection, open_session, tell_error
from dbops.postgres.snapshot import (
    fetch_applied_migrations,
    fetch_relations,
    fetch_row_counts,
)
from dbops.postgres.throwaway import (
    SUPERUSER,
    Throwaway,
    find_server_tools,
    make_throwaway,
    serve,
)
from dbops.postgres.tools import ClientTools

SPARE = 1.1
"""A restored server needs room for its WAL, too."""


@dataclass(slots=True)
class Proof:
    """What was found in a restored server, and what could not be looked at."""

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def find_false_server(
    context: Context, pgbackrest: PgBackRest, backup: PhysicalBackup
) -> Proof:
    """Restore a backup into a throw-away server here, and say what is wrong with it.

    It is brought to the backup's own consistent point, without archive or network. All
    rows of this database are read, schema and migrations compared with what was noted
    when the backup was taken, and `pg_amcheck` looks at tables and indexes. How many
    rows there have to be is not known: others write while a backup is taken.

    Raises:
        Refused: the programs, the room or the right for it are not here.
    """
    prefix = pgbackrest.repository.prefix
    if prefix is None:
        raise Refused(
            "a server can be restored only where pgBackRest runs, and "
            f'"{" ".join(pgbackrest.repository.command)}" runs it elsewhere, or in a '
            "way that dbops does not know",
            hint="run the command on that machine, or verify with --level checksum",
        )
    tools = find_server_tools(backup.server_major, context.settings.pg_bin)
    needed_bytes = int(backup.server_size_bytes * SPARE)
    proof = Proof()
    with make_throwaway(prefix, needed_bytes=needed_bytes) as place:
        context.progress(f'verifying: restoring the server into "{place.directory}"')
        _restore(pgbackrest, backup, place)
        settings = context.connection.settings_dict
        role = settings.get("USER") or SUPERUSER
        name = str(settings["NAME"] or "postgres")
        try:
            with serve(place, tools, roles=(role,)):
                target = _find_target(place, backup, name, role)
                _look(context, backup, target, tools, proof)
        except ToolFailed as error:
            proof.problems.append(error.message)
    return proof


def _restore(pgbackrest: PgBackRest, backup: PhysicalBackup, place: Throwaway) -> None:
    pgbackrest.run(
        "restore",
        f"--set={backup.label}",
        "--type=immediate",
        "--target-action=promote",
        "--archive-mode=off",
        "--reset-pg1-host",
        f"--pg1-path={place.data}",
        f"--tablespace-map-all={place.tablespaces}",
    )


def _look(
    context: Context,
    backup: PhysicalBackup,
    target: Target,
    tools: ClientTools,
    proof: Proof,
) -> None:
    name = target.database
    context.progress(f'verifying: reading all rows of "{name}"')
    try:
        with open_session(target, purpose="verify") as session:
            _compare(session, backup, name, proof)
    except (psycopg.Error, DbopsError) as error:
        proof.problems.append(f'"{name}" cannot be read: {tell_error(error)}')
        return
    context.progress("verifying: checking tables and indexes with pg_amcheck")
    found = find_corruption(target, tools)
    proof.problems.extend(found.problems)
    proof.notes.extend(found.notes)


def _find_target(
    place: Throwaway, backup: PhysicalBackup, name: str, role: str
) -> Target:
    """Return the database as the superuser sees it, or as our own role does.

    Raises:
        Refused: it was made after the backup.
        ToolFailed: it should be there.
    """
    for user in dict.fromkeys((SUPERUSER, role)):
        target = place.build_target(name, user)
        try:
            psycopg.connect(**target.parameters).close()  # type: ignore[arg-type]
        except psycopg.OperationalError as error:
            told = tell_error(error)
        else:
            return target
    if read_schema_note(backup, name) is None and "does not exist" in told:
        raise Refused(
            f'backup "{backup.label}" is sound as far as was looked, and database '
            f'"{name}" is not in it',
            hint="verify a later one: manage.py dbops_backups",
        )
    raise ToolFailed(f'database "{name}" cannot be opened when restored: {told}')


def _compare(
    session: Connection, backup: PhysicalBackup, name: str, proof: Proof
) -> None:
    counts = fetch_row_counts(session, fetch_relations(session))
    rows = sum(each.rows for each in counts)
    proof.notes.append(
        f"{count_of(len(counts), 'table')} with {count_of(rows, 'row')} were read"
    )
    note = read_schema_note(backup, name)
    if note is None or not note.fingerprint:
        proof.notes.append("the schema is not noted with this backup: not compared")
        return
    if fetch_catalog(session).fingerprint != note.fingerprint:
        proof.problems.append(
            f'the schema of "{name}" is not the one that was noted with the backup'
        )
    if note.migrations and fetch_applied_migrations(session) != note.migrations:
        proof.problems.append(
            f'the applied migrations of "{name}" are not those that were noted'
        )
