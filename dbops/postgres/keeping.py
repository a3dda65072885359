"""Keep what is about to be dropped, in a schema of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from psycopg import sql
from psycopg.rows import class_row

from dbops.core.kept import (
    SCHEMA,
    Kept,
    KeptKind,
    build_place,
    read_kept,
    write_kept,
)
from dbops.core.migration import MigrationId
from dbops.postgres.chain import write_attested
from dbops.postgres.ledger_reading import has_column
from dbops.postgres.session import Connection
from dbops.sql import load

Execute = Callable[[sql.Composed], int]
"""Runs a statement, and returns how many rows it was about."""
COUNTED_UP_TO_BYTES = 50_000_000
"""Rows of larger tables are estimated: nobody can read them while they are counted."""
LEDGER_TABLE = "dbops_kept_data"


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFacts:
    """A table, as far as it matters for keeping it."""

    oid: int
    schema: str
    relation: str
    name: str
    kind: str
    persistence: str
    rows: float
    size_bytes: int
    has_relatives: bool
    has_children: bool
    has_dependents: bool

    @property
    def identifier(self) -> sql.Identifier:
        """Its name in SQL."""
        return sql.Identifier(self.schema, self.relation)


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnFacts:
    """A column, as far as it matters for keeping it."""

    name: str
    type: str
    is_plain: bool
    generated: str
    identity: str
    has_default: bool
    not_null: bool
    key: int | None
    sequence: str | None

    @property
    def value(self) -> sql.Composable:
        """Its value, of a type that nobody else can drop."""
        if self.is_plain:
            return sql.Identifier(self.name)
        name = sql.Identifier(self.name)
        text = '{0}::pg_catalog.text COLLATE "pg_catalog"."default" AS {0}'
        return sql.SQL(text).format(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    kind: str
    schema: str
    relation: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """For whom something is kept, and for how long."""

    migration: MigrationId
    days: float
    deployment: UUID | None = None
    """The run of the ledger; None where nothing is written down, as on a copy."""


@dataclass(slots=True)
class Wardrobe:
    """Keeps tables and columns within the transaction of a session."""

    connection: Connection
    terms: Terms
    execute: Execute
    kept: list[Kept] = field(default_factory=list)

    def find(self, names: Sequence[str]) -> TableFacts | None:
        """Return the facts of a table, as the session would find it."""
        return fetch_table(self.connection, names)

    def keep_table(self, table: TableFacts, *, may_move: bool) -> bool:
        """Keep a table's rows; return whether it was moved, so that it is dropped."""
        columns = fetch_columns(self.connection, table.oid)
        rows, is_estimate = self._count(table)
        sequences = self._read_sequences(columns)
        place, identity = self._begin(table, "")
        is_moved = may_move and can_be_moved(table, columns)
        if is_moved:
            self._move(table, columns, place)
        else:
            stored = [each.value for each in columns if not each.generated]
            rows = self.execute(
                sql.SQL("CREATE TABLE {} AS SELECT {} FROM ONLY {}").format(
                    sql.Identifier(SCHEMA, place),
                    sql.SQL(", ").join(stored),
                    table.identifier,
                )
            )
            is_estimate = False
        self._label(
            id=identity,
            kind=KeptKind.TABLE,
            name=table.name,
            place=place,
            schema=table.schema,
            relation=table.relation,
            sequences=sequences,
            rows=rows,
            is_estimate=is_estimate,
        )
        return is_moved

    def keep_column(
        self, table: TableFacts, column: ColumnFacts, key: Sequence[ColumnFacts]
    ) -> None:
        """Copy a column's values beside the primary key; readers do not wait for it."""
        place, identity = self._begin(table, column.name)
        self.execute(
            sql.SQL("LOCK TABLE ONLY {} IN SHARE ROW EXCLUSIVE MODE").format(
                table.identifier
            )
        )
        condition = sql.SQL(" WHERE {} IS NOT NULL").format(sql.Identifier(column.name))
        if column.has_default and not column.not_null:
            # What comes back has the default: that it was null has to be known.
            condition = sql.Composed([])
        rows = self.execute(
            sql.SQL("CREATE TABLE {} AS SELECT {} FROM ONLY {}{}").format(
                sql.Identifier(SCHEMA, place),
                sql.SQL(", ").join(each.value for each in (*key, column)),
                table.identifier,
                condition,
            )
        )
        self._label(
            id=identity,
            kind=KeptKind.COLUMN,
            name=f"{table.name}.{quote(self.connection, column.name)}",
            place=place,
            schema=table.schema,
            relation=table.relation,
            column=column.name,
            key=tuple(each.name for each in key),
            sequences=self._read_sequences([column]),
            rows=rows,
            is_estimate=False,
        )

    def record(self) -> None:
        """Write what was kept into the ledger, if there is one that knows of it."""
        if self.terms.deployment is None or not has_column(
            self.connection, LEDGER_TABLE, "id"
        ):
            self.kept.clear()
            return
        for each in self.kept:
            fields = {
                **asdict(each),
                "kind": each.kind.value,
                "place": f"{SCHEMA}.{each.place}",
                "app": each.migration.app,
                "migration": each.migration.name,
                "deployment": self.terms.deployment,
                "size_bytes": self._measure(each.place),
            }
            write_attested(
                self.connection, "ledger_keep", fields, table=LEDGER_TABLE, key=each.id
            )
        self.kept.clear()

    def _begin(self, table: TableFacts, column: str) -> tuple[str, UUID]:
        """Make the schema where it is not, and return a name for what keeps it."""
        row = self.connection.execute(
            "SELECT pg_catalog.to_regnamespace(%s) IS NULL", [SCHEMA]
        ).fetchone()
        if row is not None and row[0]:
            self.execute(
                sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(SCHEMA)),
            )
        identity = uuid4()
        return build_place(table.relation, column, identity), identity

    def _label(self, **fields: Any) -> None:
        row = self.connection.execute("SELECT pg_catalog.clock_timestamp()").fetchone()
        assert row is not None  # noqa: S101  It has one row.
        now: datetime = row[0].astimezone()
        kept = Kept(
            migration=self.terms.migration,
            dropped_at=now,
            until=now + timedelta(days=self.terms.days),
            **fields,
        )
        self.execute(
            sql.SQL("COMMENT ON TABLE {} IS {}").format(
                sql.Identifier(SCHEMA, kept.place), sql.Literal(write_kept(kept))
            )
        )
        self.kept.append(kept)

    def _move(
        self, table: TableFacts, columns: Sequence[ColumnFacts], place: str
    ) -> None:
        """Take it there as it lies on disk, without what would be in others' way."""
        for part in _fetch_parts(self.connection, table.oid):
            self.execute(_build_drop(part, table))
        changes = [
            sql.SQL(text).format(sql.Identifier(each.name))
            for each in columns
            for text in _list_changes(each)
        ]
        if changes:
            self.execute(
                sql.SQL("ALTER TABLE {} {}").format(
                    table.identifier, sql.SQL(", ").join(changes)
                )
            )
        for each in columns:
            if each.sequence and not each.identity:
                # Quoted by the server.
                self.execute(sql.SQL("DROP SEQUENCE {}").format(sql.SQL(each.sequence)))
        self.execute(
            sql.SQL("ALTER TABLE {} RENAME TO {}").format(
                table.identifier, sql.Identifier(place)
            )
        )
        self.execute(
            sql.SQL("ALTER TABLE {} SET SCHEMA {}").format(
                sql.Identifier(table.schema, place), sql.Identifier(SCHEMA)
            )
        )

    def _count(self, table: TableFacts) -> tuple[int, bool]:
        if table.size_bytes > COUNTED_UP_TO_BYTES and table.rows >= 0:
            return round(table.rows), True
        return self._ask(
            sql.SQL("SELECT pg_catalog.count(*) FROM ONLY {}").format(table.identifier)
        ), False

    def _read_sequences(self, columns: Sequence[ColumnFacts]) -> dict[str, int]:
        found = {}
        for each in columns:
            if each.sequence:
                found[each.name] = self._ask(
                    sql.SQL(
                        "SELECT CASE WHEN is_called THEN last_value END FROM {}"
                    ).format(sql.SQL(each.sequence))
                )
        return {name: value for name, value in found.items() if value is not None}

    def _measure(self, place: str) -> int:
        name = sql.Identifier(SCHEMA, place).as_string(self.connection)
        query = "SELECT pg_catalog.pg_total_relation_size({}::regclass)"
        return int(self._ask(sql.SQL(query).format(sql.Literal(name))))

    def _ask(self, query: sql.Composed) -> Any:
        row = self.connection.execute(query).fetchone()
        return row[0] if row else None


def can_be_moved(table: TableFacts, columns: Sequence[ColumnFacts]) -> bool:
    """Say whether the table itself can be kept, and nobody would notice."""
    return (
        table.kind == "r"
        and table.persistence == "p"
        and not table.has_relatives
        and not table.has_dependents
        and all(each.is_plain for each in columns)
    )


def _list_changes(column: ColumnFacts) -> list[str]:
    """Return what makes it a column that only has values."""
    if column.generated:
        return ["DROP COLUMN {}"]
    changes = []
    if column.identity:
        changes.append("ALTER COLUMN {} DROP IDENTITY")
    elif column.has_default:
        changes.append("ALTER COLUMN {} DROP DEFAULT")
    if column.not_null:
        changes.append("ALTER COLUMN {} DROP NOT NULL")
    return changes


def _build_drop(part: _Part, table: TableFacts) -> sql.Composed:
    name = sql.Identifier(part.name)
    own = sql.Identifier(part.schema, part.name)
    match part.kind:
        case "reference" | "constraint":
            return sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(
                sql.Identifier(part.schema, part.relation), name
            )
        case "trigger":
            return sql.SQL("DROP TRIGGER {} ON {}").format(name, table.identifier)
        case "statistics":
            return sql.SQL("DROP STATISTICS {}").format(own)
        case _:
            return sql.SQL("DROP INDEX {}").format(own)


def _fetch_parts(connection: Connection, oid: int) -> list[_Part]:
    with connection.cursor(row_factory=class_row(_Part)) as cursor:
        return cursor.execute(load("kept_parts"), {"oid": oid}).fetchall()


def has_referrers(connection: Connection, oid: int) -> bool:
    """Say whether foreign keys of other tables refer to it."""
    return any(each.kind == "reference" for each in _fetch_parts(connection, oid))


def fetch_table(connection: Connection, names: Sequence[str]) -> TableFacts | None:
    """Return the facts of the table with this name, as the session would find it."""
    text = sql.Identifier(*names).as_string(connection)
    with connection.cursor(row_factory=class_row(TableFacts)) as cursor:
        row = connection.execute(
            "SELECT pg_catalog.to_regclass(%s)::oid::bigint", [text]
        ).fetchone()
        if row is None or row[0] is None:
            return None
        return cursor.execute(load("kept_facts"), {"oid": row[0]}).fetchone()


def fetch_columns(connection: Connection, oid: int) -> list[ColumnFacts]:
    """Return a table's columns, in order."""
    with connection.cursor(row_factory=class_row(ColumnFacts)) as cursor:
        return cursor.execute(load("kept_columns"), {"oid": oid}).fetchall()


def fetch_kept(
    connection: Connection, migration: MigrationId | None = None
) -> list[Kept]:
    """Return what is kept, or what is kept of one migration, the oldest first."""
    rows = connection.execute(load("kept_list")).fetchall()
    found = [kept for row in rows if (kept := read_kept(*row)) is not None]
    return [each for each in found if migration in {None, each.migration}]


def drop_kept(connection: Connection, kept: Kept, state: str) -> None:
    """Drop what keeps it, in this transaction, and write down why."""
    connection.execute(
        sql.SQL("DROP TABLE {}").format(sql.Identifier(SCHEMA, kept.place))
    )
    if has_column(connection, LEDGER_TABLE, "id"):
        write_attested(
            connection,
            "ledger_unkeep",
            {"id": kept.id, "state": state},
            table=LEDGER_TABLE,
            key=kept.id,
        )


def quote(connection: Connection, name: str) -> str:
    """Return a name as catalogs print it."""
    row = connection.execute("SELECT pg_catalog.quote_ident(%s)", [name]).fetchone()
    return str(row[0]) if row else name
