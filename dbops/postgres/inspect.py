"""Lists of relations, columns and grants, read without waiting for locks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import psycopg
from psycopg.rows import class_row

from dbops.core.catalog import Catalog
from dbops.core.describe import qualify
from dbops.core.relation import Grant, Relation, build_relations
from dbops.core.relation_rows import ColumnListRow, GrantRow, RelationRow
from dbops.errors import ServerFailed
from dbops.postgres.catalog import fetch_readable_catalog
from dbops.sql import load

LOCK_TIMEOUT_S = 0.3

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What a database consists of."""

    relations: tuple[Relation, ...]
    catalog: Catalog
    grants: tuple[Grant, ...]
    not_read: Mapping[str, str]
    """What a lock of another session has hidden."""


def fetch_contents(connection: psycopg.Connection) -> Contents:
    """Read all there is; where another session holds a lock, go on without.

    Raises:
        ServerFailed: the server refuses a query.
    """
    catalog, left = fetch_readable_catalog(connection, lock_timeout_s=LOCK_TIMEOUT_S)
    not_read = dict(left)
    with _explain():
        try:
            rows = _fetch_relations(connection, with_sizes=True)
        except psycopg.errors.LockNotAvailable:
            rows = _fetch_relations(connection, with_sizes=False)
            not_read["sizes"] = "another session holds a lock in the way"
        columns = _fetch(connection, "inspect_columns", ColumnListRow)
        grants = tuple(
            Grant(
                object=each.name
                if each.kind == "schema"
                else qualify(each.schema, each.name),
                kind=each.kind,
                role=each.role,
                privileges=each.privileges,
            )
            for each in _fetch(connection, "inspect_grants", GrantRow)
        )
    hidden = [
        qualify(row.schema, row.name)
        for row in rows
        if row.size_bytes is None and row.kind in {"table", "materialized view"}
    ]
    if hidden and "sizes" not in not_read:
        not_read["sizes"] = f"locked by another session: {', '.join(hidden)}"
    return Contents(
        relations=build_relations(rows, columns, grants, catalog),
        catalog=catalog,
        grants=grants,
        not_read=not_read,
    )


def _fetch_relations(
    connection: psycopg.Connection, *, with_sizes: bool
) -> list[RelationRow]:
    return _fetch(
        connection, "inspect_relations", RelationRow, {"with_sizes": with_sizes}
    )


def _fetch(
    connection: psycopg.Connection,
    name: str,
    row: type[Row],
    parameters: Mapping[str, object] | None = None,
) -> list[Row]:
    with connection.transaction(force_rollback=True):
        connection.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT_S}s'".encode())
        with connection.cursor(row_factory=class_row(row)) as cursor:
            query = load(name, connection.info.server_version)
            return cursor.execute(query.encode(), parameters).fetchall()


@contextmanager
def _explain() -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        text = " ".join(str(error).split())
        raise ServerFailed(f"cannot read the database: {text}") from error
