"""Find what a backup leaves out, and what could not be restored without it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from psycopg import sql
from psycopg.rows import class_row

from dbops.core.exclusions import (
    TABLES,
    Exclusions,
    KnownRelation,
    LeftOut,
    UnknownNameError,
    add_partitions,
    find_relations,
    find_schemas,
    list_left_out,
)
from dbops.core.table_name import parse_identifier
from dbops.core.words import in_quotes
from dbops.errors import Refused, UsageError
from dbops.postgres.session import Connection
from dbops.sql import load

MOST_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Omission:
    """What is left out of one backup."""

    left_out: tuple[LeftOut, ...] = ()
    schemas: tuple[str, ...] = ()
    """As stored."""
    relations: tuple[KnownRelation, ...] = ()
    """Those outside of these schemas."""
    gone: frozenset[int] = field(default_factory=frozenset)
    """Oids of all tables that are not in the backup at all."""
    without_rows: frozenset[int] = field(default_factory=frozenset)
    """Oids of the tables that are in it without their rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Schema:
    oid: int
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reference:
    constraint_name: str
    name: str
    schema: str
    relation: str
    columns: list[str]
    referred: str


def find_omission(connection: Connection, exclusions: Exclusions) -> Omission:
    """Return what the database has of what is to be left out.

    Raises:
        UsageError: a name or pattern names nothing.
        Refused: something else, which stays, needs what is to be left out.
    """
    if not exclusions:
        return Omission()
    with connection.cursor(row_factory=class_row(KnownRelation)) as cursor:
        known = cursor.execute(load("backup_relations")).fetchall()
    with connection.cursor(row_factory=class_row(_Schema)) as cursor:
        schemas = {
            each.name: each
            for each in cursor.execute(load("backup_schemas")).fetchall()
        }
    tables = [each for each in known if each.kind in TABLES]
    try:
        chosen = find_schemas(exclusions.schemas, schemas.keys())
        relations = find_relations("--exclude-table", exclusions.tables, known)
        rows = find_relations("--exclude-table-data", exclusions.rows, tables)
    except UnknownNameError as error:
        raise _explain(error) from error
    gone = _find_gone(
        connection,
        [schemas[each].oid for each in chosen],
        [each.oid for each in relations],
    )
    rows = [each for each in add_partitions(rows, tables) if each.oid not in gone]
    stored = tuple(map(parse_identifier, chosen))
    return Omission(
        left_out=tuple(
            list_left_out(chosen, [each for each in known if each.oid in gone], rows)
        ),
        schemas=stored,
        relations=tuple(
            each for each in known if each.oid in gone and each.schema not in stored
        ),
        gone=gone,
        without_rows=frozenset(each.oid for each in rows),
    )


def require_no_references(connection: Connection, omission: Omission) -> None:
    """Refuse rows that refer to rows which are left out: a restore would fail.

    Raises:
        Refused: there are some.
    """
    if not omission.without_rows:
        return
    with connection.cursor(row_factory=class_row(_Reference)) as cursor:
        references = cursor.execute(
            load("backup_references"),
            {"without": list(omission.without_rows), "gone": list(omission.gone)},
        ).fetchall()
    for each in references:
        if _has_rows(connection, each):
            raise Refused(
                f"{in_quotes(each.name)} has rows that refer to "
                f"{in_quotes(each.referred)}, whose rows are to be left out (foreign "
                f'key "{each.constraint_name}"): they could not be restored',
                hint=f"leave them out as well: --exclude-table-data {each.name}",
            )


def _has_rows(connection: Connection, reference: _Reference) -> bool:
    """Say whether a row refers to anything."""
    statement = sql.SQL("SELECT EXISTS (SELECT FROM ONLY {} WHERE {})").format(
        sql.Identifier(reference.schema, reference.relation),
        sql.SQL(" AND ").join(
            sql.SQL("{} IS NOT NULL").format(sql.Identifier(each))
            for each in reference.columns
        ),
    )
    row = connection.execute(statement).fetchone()
    return row is not None and bool(row[0])


def _find_gone(
    connection: Connection, schemas: Sequence[int], relations: Sequence[int]
) -> frozenset[int]:
    rows = connection.execute(
        load("backup_left_out"), {"schemas": schemas, "relations": relations}
    ).fetchall()
    _require_independent(sorted({dependent for _, dependent in rows if dependent}))
    return frozenset(relation for relation, _ in rows if relation is not None)


def _require_independent(dependents: Sequence[str]) -> None:
    if not dependents:
        return
    more = len(dependents) - MOST_SHOWN
    listed = "; ".join(dependents[:MOST_SHOWN])
    raise Refused(
        f"what stays in the backup needs what is to be left out: {listed}"
        + (f"; and {more} more" if more > 0 else ""),
        hint="leave that out as well, or keep the table and leave out its rows alone: "
        "--exclude-table-data",
    )


def _explain(error: UnknownNameError) -> UsageError:
    near = f"; like it are {', '.join(error.near)}" if error.near else ""
    return UsageError(
        f"{error.option}: the database has no {in_quotes(error.name)}{near}",
        hint="write it as in the report of a backup, with its schema unless that is "
        "public; * stands for anything",
    )


def build_pattern(*names: str) -> str:
    """Return the pattern of pg_dump that only this name has.

    >>> build_pattern("public", 'a"b')
    '"public"."a""b"'
    """
    return ".".join('"' + each.replace('"', '""') + '"' for each in names)


def list_arguments(omission: Omission) -> Iterable[str]:
    """Yield what pg_dump is told to leave out, down to the table itself."""
    for schema in omission.schemas:
        yield f"--exclude-schema={build_pattern(schema)}"
    for each in omission.relations:
        yield f"--exclude-table={build_pattern(each.schema, each.relation)}"
