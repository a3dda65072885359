"""Bring single tables of a backup back, next to the live ones."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import psycopg
from psycopg import errors, sql

from dbops.core.contents import Contents
from dbops.core.database_name import is_name
from dbops.core.details import Details
from dbops.core.manifest import TableRows
from dbops.core.single_tables import (
    SingleTable,
    UnknownTableError,
    find_single_tables,
    split_table_names,
)
from dbops.core.words import in_quotes
from dbops.errors import DbopsError, Refused, Reverted, ServerFailed, UsageError
from dbops.operations.backup.backup import require_jobs
from dbops.operations.backup.choosing import Chosen
from dbops.operations.backup.sealing import build_seal
from dbops.operations.backup.writing import DATA
from dbops.operations.context import Context
from dbops.operations.restore.filling import read_file
from dbops.operations.restore.restore import (
    OTHER_BACKUPS,
    RestoreReport,
    build_plan,
    choose_intact,
)
from dbops.postgres.copying import (
    Portion,
    open_copy_session,
    read_rows,
    write_rows,
)
from dbops.postgres.session import Connection, open_session, tell_error
from dbops.postgres.snapshot import Relation


@dataclass(frozen=True, slots=True, kw_only=True)
class BringBackOptions:
    """Which tables are brought back, and where to."""

    tables: str
    """Names with commas between them."""
    as_schema: str | None = None
    """Default: `restored_` and the backup's id."""
    storage: str | None = None
    reference: str | datetime = "latest"
    jobs: int = 2
    dry_run: bool = False


def bring_back(
    context: Context,
    options: BringBackOptions,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> RestoreReport:
    """Make a new schema with these tables, their rows as they were in the backup.

    In one transaction: all of them, or nothing. They have columns, NOT NULL and primary
    key; a partitioned table comes back as one table. Defaults, other indexes, foreign
    keys and triggers are left out: the live tables and their sequences are not touched.

    Raises:
        UsageError: there is no such table, or the schema's name does not do.
        Refused: the schema exists, or this role may not create it.
        ServerFailed: a type is not there any more, or not as it was.
        Reverted: the rows are not those of the backup.
    """
    started = clock()
    require_jobs(options.jobs)
    chosen = choose_intact(
        context.target,
        storage=options.storage or context.settings.backup_directory,
        reference=options.reference,
        seal=build_seal(context.settings),
        progress=context.progress,
        jobs=options.jobs,
    )
    details = chosen.details
    tables = _find_tables(details, options.tables)
    _require_rows(chosen, tables)
    schema = options.as_schema or _name_schema(chosen.manifest.backup_id)
    _require_schema(context, schema)
    report = replace(
        build_plan(chosen.manifest, context.target.database, ""),
        as_schema=schema,
        tables=tuple(_count(details, each) for each in tables),
    )
    if not options.dry_run:
        _bring(context, chosen, details, tables, schema)
        report = replace(report, dry_run=False)
    return replace(report, duration_s=round(clock() - started, 3))


def _name_schema(backup_id: str) -> str:
    """Return a name that needs no quotes.

    >>> _name_schema("20261123T063000Z-ab12cd")
    'restored_20261123t063000z_ab12cd'
    """
    return f"restored_{backup_id.lower().replace('-', '_')}"


def _find_tables(details: Details, names: str) -> list[SingleTable]:
    try:
        tables = find_single_tables(details.catalog, split_table_names(names))
    except UnknownTableError as error:
        near = f"; like it are {', '.join(error.near)}" if error.near else ""
        raise UsageError(
            f"the backup has no table {error.name!s}{near}",
            hint="write it as in the report of the backup, with its schema: "
            "--tables threads,'\"Sales\".orders'",
        ) from error
    if not tables:
        raise UsageError("--tables names no table", hint="--tables threads,messages")
    twice = [name for name, n in Counter(each.bare for each in tables).items() if n > 1]
    if twice:
        raise UsageError(
            f'two of the tables are called "{twice[0]}", and go into one schema',
            hint="bring back one after the other, each with its own --as-schema",
        )
    return tables


def _require_rows(chosen: Chosen, tables: Sequence[SingleTable]) -> None:
    """Refuse a table whose rows were left out of the backup."""
    kept = {each.name for each in chosen.details.tables}
    for table in tables:
        for source in table.sources:
            if source not in kept:
                raise Refused(
                    f"backup {chosen.manifest.backup_id} is without the rows of "
                    f"{in_quotes(source)}",
                    hint=OTHER_BACKUPS,
                )


def _count(details: Details, table: SingleTable) -> TableRows:
    rows = {each.name: each.rows for each in details.tables}
    return TableRows(
        name=table.name, rows=sum(rows.get(each, 0) for each in table.sources)
    )


def _create_schema(connection: Connection, schema: str) -> None:
    try:
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
    except (errors.DuplicateSchema, errors.UniqueViolation) as error:
        # The second is what the slower of two at once gets.
        raise _build_taken(schema) from error


def _build_taken(schema: str) -> Refused:
    return Refused(
        f'schema "{schema}" exists already', hint="name a new one with --as-schema"
    )


def _require_schema(context: Context, schema: str) -> None:
    if not is_name(schema) or schema.startswith("pg_"):
        raise UsageError(f'"{schema}" cannot be the name of a schema')
    with open_session(context.target, purpose="restore") as connection:
        row = connection.execute(
            "SELECT pg_catalog.has_database_privilege("
            "pg_catalog.current_database(), 'CREATE'),"
            " EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = %s)",
            [schema],
        ).fetchone()
        role, database = connection.info.user, context.target.database
    assert row is not None  # noqa: S101  It is one row by its making.
    may_create, exists = row
    if exists:
        raise _build_taken(schema)
    if not may_create:
        raise Refused(
            f'role "{role}" may not create a schema in database "{database}"',
            hint=f'GRANT CREATE ON DATABASE "{database}" TO "{role}";',
        )


def _bring(
    context: Context,
    chosen: Chosen,
    details: Details,
    tables: Sequence[SingleTable],
    schema: str,
) -> None:
    with open_copy_session(context.target, purpose="restore:tables") as connection:
        try:
            with connection.transaction():
                _create_schema(connection, schema)
                for table in tables:
                    context.progress(f"bringing back {table.name}")
                    _bring_one(connection, chosen, details, table, schema)
                context.progress(f'publishing schema "{schema}"')
        except psycopg.Error as error:
            raise _explain(error) from error
        for table in tables:
            connection.execute(
                sql.SQL("ANALYZE {}").format(sql.Identifier(schema, table.bare))
            )


def _bring_one(
    connection: Connection,
    chosen: Chosen,
    details: Details,
    table: SingleTable,
    schema: str,
) -> None:
    name = sql.Identifier(schema, table.bare)
    definitions = ", ".join(table.columns).encode()
    created = sql.SQL("CREATE TABLE {} (").format(name).as_bytes(connection)
    connection.execute(created + definitions + b")")
    expected = {each.name: each for each in details.tables}
    for source in table.sources:
        columns = expected[source].columns
        for file in chosen.backup.list(DATA):
            if file.table == source:
                write_rows(connection, name, columns, read_file(chosen.backup, file))
    _require_contents(connection, details, table, schema)
    if table.primary_key is not None:
        key = sql.SQL("ALTER TABLE {} ADD ").format(name).as_bytes(connection)
        connection.execute(key + table.primary_key.encode())


def _require_contents(
    connection: Connection, details: Details, table: SingleTable, schema: str
) -> None:
    sources = [each for each in details.tables if each.name in table.sources]
    orders = {each.columns for each in sources}
    columns = next(iter(orders), ())
    found = Contents()
    for rows in read_rows(connection, _build_portion(schema, table, columns)):
        found.merge(rows.contents)
    expected = Contents(
        rows=sum(each.rows for each in sources),
        total=sum(int(each.checksum, 16) for each in sources),
    )
    # Partitions may have their columns in another order, and so other rows as text.
    comparable = len(orders) <= 1
    if found.rows != expected.rows or (
        comparable and found.checksum != expected.checksum
    ):
        raise Reverted(
            f'"{table.name}" was not brought back whole: {found.rows:,} rows, and '
            f"{expected.rows:,} in the backup; nothing was changed",
            hint=OTHER_BACKUPS,
        )


def _build_portion(
    schema: str, table: SingleTable, columns: tuple[str, ...]
) -> Portion:
    return Portion(
        relation=Relation(
            oid=0,
            schema=schema,
            relation=table.bare,
            name=table.name,
            is_partitioned=False,
        ),
        columns=columns,
        size_bytes=0,
    )


def _explain(error: psycopg.Error) -> DbopsError:
    told = f"the tables were not brought back: {tell_error(error)}"
    if isinstance(
        error,
        errors.UndefinedObject
        | errors.InvalidTextRepresentation
        | errors.CheckViolation,
    ):
        return ServerFailed(
            f"{told}; the database's types are not those of the backup any more",
            hint="restore all of it beside the database: manage.py dbops_restore "
            "BACKUP --into NAME",
        )
    return ServerFailed(told, hint="see the server's log, and run the command again")
