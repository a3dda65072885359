"""Who has the tables that a migration wants, and locks that are asked for briefly."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from psycopg import sql
from psycopg.rows import namedtuple_row

from dbops.core.gaps import (
    LOCKABLE,
    Holder,
    Look,
    RelationRow,
    Target,
    WantedLock,
)
from dbops.core.lock_modes import LockMode
from dbops.core.locks.rows import PreparedRow
from dbops.core.table_name import TableName
from dbops.postgres.locks import build_session
from dbops.postgres.session import Connection
from dbops.sql import load


def fetch_look(connection: Connection, wanted: Sequence[WantedLock]) -> Look:
    """Return who else has the wanted relations or waits for them, in one query."""
    with connection.cursor(row_factory=namedtuple_row) as cursor:
        rows: list[Any] = cursor.execute(
            load("gap_holders"),
            {
                "schemas": [each.relation.schema for each in wanted],
                "names": [each.relation.name for each in wanted],
                "below": [each.below for each in wanted],
            },
        ).fetchall()
    targets = [
        _build_target(list(group), wanted)
        for _, group in groupby(rows, key=lambda row: (row.place, row.schema, row.name))
    ]
    return Look(now_us=rows[0].now_us if rows else 0, targets=_merge_targets(targets))


def _build_target(rows: list[Any], wanted: Sequence[WantedLock]) -> Target:
    first = rows[0]
    return Target(
        relation=TableName(first.schema, first.name),
        mode=wanted[first.place - 1].mode,
        may_lock=first.may_lock and first.kind in LOCKABLE,
        holders=tuple(_build_holder(row) for row in rows if row.mode is not None),
    )


def _merge_targets(targets: Iterable[Target]) -> tuple[Target, ...]:
    """Return each once, in its strongest mode: a partition may be wanted twice."""
    found: dict[TableName, Target] = {}
    for each in targets:
        old = found.get(each.relation)
        if old is None or old.mode < each.mode:
            found[each.relation] = each
    return tuple(found[name] for name in sorted(found))


def _build_holder(row: Any) -> Holder:
    return Holder(
        pid=row.lock_pid,
        virtualtransaction=row.virtualtransaction,
        mode=LockMode.parse(row.mode),
        granted=row.granted,
        who=_build_who(row),
    )


def _build_who(row: Any) -> Any:
    if row.pid is not None:
        return build_session(row)
    if row.gid is None:
        return None
    return PreparedRow(
        transaction=row.transaction,
        gid=row.gid,
        literal=row.literal,
        prepared_us=row.prepared_us,
        owner=row.owner,
        database=row.database,
    )


def lock_table(
    connection: Connection, relation: TableName, mode: LockMode, timeout_s: float
) -> None:
    """Take a lock on one table alone, until the end of the transaction.

    Raises:
        psycopg.errors.LockNotAvailable: it was not had in time.
    """
    connection.execute(
        "SELECT pg_catalog.set_config('lock_timeout', %s, true)",
        [f"{max(round(timeout_s * 1000), 1)}ms"],
    )
    connection.execute(
        sql.SQL("LOCK TABLE ONLY {} IN {} MODE").format(
            sql.Identifier(*relation), sql.SQL(mode.sql_name)
        )
    )


def fetch_deadlock_timeout_s(connection: Connection) -> float:
    """Return after how long of waiting an autovacuum in the way is cancelled."""
    row = connection.execute(
        "SELECT setting::float8 / 1000 FROM pg_catalog.pg_settings"
        " WHERE name = 'deadlock_timeout'"
    ).fetchone()
    return float(row[0]) if row else 1.0


def fetch_relations(connection: Connection) -> dict[int, RelationRow]:
    """Return the relations by oid, with the locks that the session has on them."""
    with connection.cursor(row_factory=namedtuple_row) as cursor:
        rows: list[Any] = cursor.execute(load("relation_locks")).fetchall()
    return {row.oid: _build_relation(row) for row in rows}


def _build_relation(row: Any) -> RelationRow:
    return RelationRow(
        oid=row.oid,
        name=TableName(row.schema, row.name) if row.name is not None else None,
        kind=row.kind or "",
        parents=tuple(row.parents),
        mode=max(map(LockMode.parse, row.modes)) if row.modes else None,
    )
