"""Fill what was made again with what was kept of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from psycopg import sql
from psycopg.rows import class_row

from dbops.core.kept import SCHEMA, Kept, KeptKind, choose_newest, order_for_return
from dbops.core.words import count_of
from dbops.postgres.keeping import (
    ColumnFacts,
    TableFacts,
    drop_kept,
    fetch_columns,
    fetch_table,
)
from dbops.postgres.session import Connection
from dbops.sql import load


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reference:
    columns: list[str]
    target_oid: int
    schema: str
    relation: str
    target_columns: list[str]
    name: str


def give_back(connection: Connection, kept: Sequence[Kept]) -> list[tuple[Kept, str]]:
    """Fill each in, within this transaction; return what is in again, and a note of it.

    Of a thing that was kept twice, the newest. A row that is there already stays as it
    is; one whose reference is gone is left out. Triggers of the tables do not fire.
    """
    newest = choose_newest(kept)
    tables = {each.name: each for each in newest if each.kind is KeptKind.TABLE}
    pairs = [
        (name, reference.name)
        for name, each in tables.items()
        if (table := fetch_table(connection, (each.schema, each.relation)))
        for reference in _fetch_references(connection, table.oid)
    ]
    columns = [each for each in newest if each.kind is KeptKind.COLUMN]
    done = []
    for each in (*order_for_return(tables, pairs), *columns):
        table = fetch_table(connection, (each.schema, each.relation))
        if table is None:
            continue
        note = _fill(connection, each, table)
        if note:
            drop_kept(connection, each, "returned")
            done.append((each, note))
    return done


def _fill(connection: Connection, kept: Kept, table: TableFacts) -> str:
    """Return what came of it; empty where there is nothing to fill."""
    targets = {each.name: each for each in fetch_columns(connection, table.oid)}
    with _without_triggers(connection, table):
        if kept.kind is KeptKind.TABLE:
            filled = _fill_table(connection, kept, table, targets)
            noun = "row"
        else:
            if not _can_be_filled(targets, kept):
                return ""
            filled = _fill_column(connection, kept, table, targets)
            noun = "value"
    _set_sequences(connection, kept, table, targets)
    return f"{kept.name} has {count_of(filled, noun)} again"


def _can_be_filled(targets: dict[str, ColumnFacts], kept: Kept) -> bool:
    column = targets.get(kept.column)
    return (
        column is not None
        and not column.generated
        and column.identity != "a"
        and all(each in targets for each in kept.key)
    )


def _fill_table(
    connection: Connection,
    kept: Kept,
    table: TableFacts,
    targets: dict[str, ColumnFacts],
) -> int:
    place = sql.Identifier(SCHEMA, kept.place)
    names = [
        each.name
        for each in fetch_columns(connection, _find_oid(connection, kept))
        if each.name in targets and not targets[each.name].generated
    ]
    conditions = [
        _build_reference(each, dict.fromkeys(each.columns, "k"))
        for each in _fetch_references(connection, table.oid)
        if each.target_oid != table.oid and {*each.columns} <= {*names}
    ]
    query = sql.SQL(
        "INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {} AS k"
        " WHERE true{} ON CONFLICT DO NOTHING"
    ).format(
        table.identifier,
        sql.SQL(", ").join(map(sql.Identifier, names)),
        sql.SQL(", ").join(_cast(targets[each]) for each in names),
        place,
        sql.SQL("").join(conditions),
    )
    return connection.execute(query).rowcount


def _fill_column(
    connection: Connection,
    kept: Kept,
    table: TableFacts,
    targets: dict[str, ColumnFacts],
) -> int:
    column = targets[kept.column]
    name = sql.Identifier(kept.column)
    conditions = [
        sql.SQL(" AND t.{} = {}").format(sql.Identifier(each), _cast(targets[each]))
        for each in kept.key
    ]
    conditions += [
        _build_reference(
            each, {one: "k" if one == kept.column else "t" for one in each.columns}
        )
        for each in _fetch_references(connection, table.oid)
        if kept.column in each.columns
    ]
    if column.not_null:
        conditions.append(sql.SQL(" AND k.{} IS NOT NULL").format(name))
    query = sql.SQL("UPDATE ONLY {} AS t SET {} = {} FROM {} AS k WHERE true{}").format(
        table.identifier,
        name,
        _cast(column),
        sql.Identifier(SCHEMA, kept.place),
        sql.SQL("").join(conditions),
    )
    return connection.execute(query).rowcount


def _cast(column: ColumnFacts) -> sql.Composed:
    # The type as the server prints it.
    return sql.SQL("k.{}::{}").format(
        sql.Identifier(column.name),
        sql.SQL(column.type),
    )


def _build_reference(reference: _Reference, sources: dict[str, str]) -> sql.Composed:
    """Leave out what refers to a row that is not there any more."""
    own = [sql.Identifier(sources[each], each) for each in reference.columns]
    nulls = sql.SQL(" OR ").join(sql.SQL("{} IS NULL").format(each) for each in own)
    same = sql.SQL(" AND ").join(
        sql.SQL("r.{}::text = {}::text").format(sql.Identifier(target), each)
        for target, each in zip(reference.target_columns, own, strict=True)
    )
    return sql.SQL(" AND ({} OR EXISTS (SELECT FROM {} AS r WHERE {}))").format(
        nulls, sql.Identifier(reference.schema, reference.relation), same
    )


def _fetch_references(connection: Connection, oid: int) -> list[_Reference]:
    with connection.cursor(row_factory=class_row(_Reference)) as cursor:
        return cursor.execute(load("kept_references"), {"oid": oid}).fetchall()


def _find_oid(connection: Connection, kept: Kept) -> int:
    found = fetch_table(connection, (SCHEMA, kept.place))
    assert found is not None  # noqa: S101  It was listed just now.
    return found.oid


@contextmanager
def _without_triggers(connection: Connection, table: TableFacts) -> Iterator[None]:
    """Let the table's own triggers rest: they saw these values already."""
    triggers = connection.execute(load("kept_triggers"), {"oid": table.oid}).fetchall()
    if not triggers:
        yield
        return
    # A table with checks that are still due cannot be altered.
    connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
    for name, _ in triggers:
        _alter(connection, table, "DISABLE TRIGGER {}", name)
    yield
    connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
    for name, enabled in triggers:
        how = "ENABLE ALWAYS TRIGGER {}" if enabled == "A" else "ENABLE TRIGGER {}"
        _alter(connection, table, how, name)


def _alter(connection: Connection, table: TableFacts, how: str, name: str) -> None:
    connection.execute(
        sql.SQL("ALTER TABLE {} {}").format(
            table.identifier,
            sql.SQL(how).format(sql.Identifier(name)),
        )
    )


def _set_sequences(
    connection: Connection,
    kept: Kept,
    table: TableFacts,
    targets: dict[str, ColumnFacts],
) -> None:
    """Let numbers go on behind those that were given before, and those given since."""
    for name, value in kept.sequences.items():
        sequence = targets[name].sequence if name in targets else None
        if sequence is None:
            continue
        query = sql.SQL(
            "SELECT pg_catalog.setval({}, GREATEST({}, coalesce((SELECT"
            " pg_catalog.max({}) FROM {}), {}))::bigint)"
        ).format(
            sql.Literal(sequence),
            sql.Literal(value),
            sql.Identifier(name),
            table.identifier,
            sql.Literal(value),
        )
        connection.execute(query)
