"""The live catalog, read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import TypeVar

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import class_row

from dbops.core.catalog import Catalog, ObjectKind, SchemaObject, build_catalog
from dbops.core.describe import (
    ColumnRow,
    ObjectRow,
    SequenceRow,
    describe_column,
    describe_object,
    describe_sequence,
)
from dbops.core.kept import is_kept
from dbops.errors import Busy, ServerFailed
from dbops.postgres.session import WHO_IS_AT_WORK
from dbops.sql import load

LOCK_TIMEOUT_S = 10

Row = TypeVar("Row")

DESCRIBED_IN_SQL = {
    "catalog_schemas": ObjectKind.SCHEMA,
    "catalog_extensions": ObjectKind.EXTENSION,
    "catalog_enums": ObjectKind.ENUM,
    "catalog_domains": ObjectKind.DOMAIN,
    "catalog_composites": ObjectKind.TYPE,
    "catalog_ranges": ObjectKind.TYPE,
    "catalog_tables": ObjectKind.TABLE,
    "catalog_constraints": ObjectKind.CONSTRAINT,
    "catalog_indexes": ObjectKind.INDEX,
    "catalog_functions": ObjectKind.FUNCTION,
    "catalog_triggers": ObjectKind.TRIGGER,
    "catalog_views": ObjectKind.VIEW,
    "catalog_policies": ObjectKind.POLICY,
    "catalog_rules": ObjectKind.RULE,
    "catalog_statistics": ObjectKind.STATISTICS,
}


def fetch_catalog(
    connection: psycopg.Connection,
    *,
    lock_timeout_s: float = LOCK_TIMEOUT_S,
    again: bool = False,
) -> Catalog:
    """Read the schemas of the connection's database.

    With `again` the server keeps the plans of the queries for the next time: two thirds
    of the time are planning. Not for a session that a pooler may hand to others.

    Outside a transaction, all is read under one REPEATABLE READ READ ONLY snapshot
    (deparsed text still follows the newest state, as PostgreSQL's functions do). Inside
    one, its uncommitted changes are seen, and it stays as it was. Tables that a view or
    an expression names are locked ACCESS SHARE while being read.

    Left out: what dbops keeps of dropped tables and columns; owners, grants, security
    labels, tablespaces; members of extensions; casts, operators, operator classes,
    collations, text search objects, languages, foreign servers, publications, event
    triggers, base types; the names of PostgreSQL
    18's NOT NULL constraints; triggers of foreign keys that were switched off.

    Raises:
        Busy: another session holds a lock in the way, or changes the schema right now.
        ServerFailed: any other failure.
    """
    with (
        _translate_errors(),
        _pin_session(connection, lock_timeout_s),
        _keep_plans(connection) if again else nullcontext(),
    ):
        return build_catalog(_fetch_objects(connection))


def fetch_readable_catalog(
    connection: psycopg.Connection, *, lock_timeout_s: float
) -> tuple[Catalog, Mapping[str, str]]:
    """Read what can be read without waiting: a list that is locked is left out.

    The second is what was left out, and why.

    Raises:
        ServerFailed: as `fetch_catalog`.
    """
    objects: list[SchemaObject] = []
    left: dict[str, str] = {}
    with _translate_errors(), _pin_session(connection, lock_timeout_s):
        for name, fetch in _list_fetches(connection):
            try:
                with connection.transaction():
                    objects += [each for each in fetch() if not is_kept(each)]
            except (psycopg.errors.LockNotAvailable, psycopg.errors.InternalError_):
                what = name.removeprefix("catalog_")
                left[what] = "another session holds a lock in the way"
    return build_catalog(objects), left


def _fetch_objects(connection: psycopg.Connection) -> Iterator[SchemaObject]:
    for _, fetch in _list_fetches(connection):
        yield from (each for each in fetch() if not is_kept(each))


def _list_fetches(
    connection: psycopg.Connection,
) -> Iterator[tuple[str, Callable[[], list[SchemaObject]]]]:
    def fetch(name: str, kind: ObjectKind) -> list[SchemaObject]:
        rows = _fetch(connection, name, ObjectRow)
        return [describe_object(kind, row) for row in rows]

    for name, kind in DESCRIBED_IN_SQL.items():
        yield name, partial(fetch, name, kind)
    yield "catalog_sequences", partial(_fetch_sequences, connection)
    yield "catalog_columns", partial(_fetch_columns, connection)


def _fetch_sequences(connection: psycopg.Connection) -> list[SchemaObject]:
    rows = _fetch(connection, "catalog_sequences", SequenceRow)
    return [describe_sequence(row) for row in rows]


def _fetch_columns(connection: psycopg.Connection) -> list[SchemaObject]:
    rows = _fetch(connection, "catalog_columns", ColumnRow)
    return [describe_column(row) for row in rows]


def _fetch(connection: psycopg.Connection, name: str, row: type[Row]) -> list[Row]:
    query = load(name, connection.info.server_version)
    with connection.cursor(row_factory=class_row(row)) as cursor:
        return cursor.execute(query.encode()).fetchall()


@contextmanager
def _keep_plans(connection: psycopg.Connection) -> Iterator[None]:
    before = connection.prepare_threshold
    connection.prepare_threshold = 0
    try:
        yield
    finally:
        connection.prepare_threshold = before


@contextmanager
def _pin_session(
    connection: psycopg.Connection, lock_timeout_s: float = LOCK_TIMEOUT_S
) -> Iterator[None]:
    idle = connection.info.transaction_status == TransactionStatus.IDLE
    with connection.transaction(force_rollback=True):
        if idle:
            connection.execute(
                "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
            )
        connection.execute(
            load("pin_catalog_session").encode(),
            {"lock_timeout": f"{round(lock_timeout_s * 1000)}ms"},
        )
        yield


@contextmanager
def _translate_errors() -> Iterator[None]:
    try:
        yield
    except psycopg.errors.LockNotAvailable as error:
        raise Busy(
            "cannot read the catalog: another session holds a lock on a table for more "
            f"than {LOCK_TIMEOUT_S} s",
            hint=WHO_IS_AT_WORK,
        ) from error
    except psycopg.errors.InternalError_ as error:
        # "cache lookup failed": dropped between the snapshot and its deparsing.
        raise Busy(
            f"cannot read the catalog: it changed while being read ({_tell(error)})",
            hint="run the command again when no other session changes the schema",
        ) from error
    except psycopg.Error as error:
        raise ServerFailed(f"cannot read the catalog: {_tell(error)}") from error


def _tell(error: psycopg.Error) -> str:
    return " ".join(str(error).split())
