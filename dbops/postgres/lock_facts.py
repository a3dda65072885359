"""What the prediction of locks has to know, read from the catalog."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from psycopg.rows import dict_row

from dbops.core.hazards.facts import (
    Column,
    Constraint,
    Domain,
    Facts,
    Index,
    Relation,
    Sequence,
    View,
)
from dbops.core.table_name import TableName
from dbops.postgres.session import Connection
from dbops.sql import load

EVERY_HOP = 1000


def fetch_lock_facts(
    connection: Connection, names: Collection[str], *, every_hop: bool = False
) -> Facts:
    """Return what is known of what has one of these names, in any schema.

    In a transaction, its uncommitted changes are seen. With `every_hop`, foreign keys
    are followed as far as they lead, which TRUNCATE ... CASCADE does.
    """
    parameters = {"names": list(names), "hops": EVERY_HOP if every_hop else 1}
    with connection.cursor(row_factory=dict_row) as cursor:
        # Planning takes longer than running them, and they come before each statement.
        query = cursor.execute(load("lock_domains"), parameters, prepare=True)
        around = query.fetchone()
        query = cursor.execute(load("lock_facts"), parameters, prepare=True)
        rows = query.fetchall()
    assert around is not None  # noqa: S101  It is one row.
    relations = {each.name: each for each in map(_build_relation, rows)}
    return Facts(
        version=connection.info.server_version // 10000,
        known=True,
        search_path=tuple(around["search_path"]),
        time_zone=around["time_zone"],
        relations=relations,
        indexes={
            TableName(each.name.schema, index.name): each.name
            for each in relations.values()
            for index in each.indexes
        },
        domains={each.name: each for each in map(_build_domain, around["domains"])},
        volatile=frozenset(around["volatile"]),
        functions=frozenset(around["functions"]),
    )


def _build_relation(row: Mapping[str, Any]) -> Relation:
    return Relation(
        name=TableName(row["schema"], row["name"]),
        kind=row["kind"],
        columns={each["name"]: Column(**each) for each in row["columns"]},
        indexes=tuple(
            Index(
                name=each["name"],
                columns=tuple(each["columns"]),
                computed=tuple(each["computed"]),
                is_computed=each["is_computed"],
            )
            for each in row["indexes"]
        ),
        constraints=tuple(map(_build_constraint, row["constraints"])),
        parents=_build_names(row["parents"]),
        children=_build_names(row["children"]),
        is_partition=row["is_partition"],
        is_default=row["is_default"],
        views=tuple(
            View(name=TableName(*each["name"]), columns=tuple(each["columns"]))
            for each in row["views"]
        ),
        sequences=tuple(
            Sequence(
                name=TableName(*each["name"]),
                column=each["column"],
                is_identity=each["is_identity"],
            )
            for each in row["sequences"]
        ),
        statistics=tuple(row["statistics"]),
        partition_key=row["partition_key"],
    )


def _build_constraint(given: Mapping[str, Any]) -> Constraint:
    return Constraint(
        name=given["name"],
        kind=given["kind"],
        columns=tuple(given["columns"]),
        valid=given["valid"],
        text=given["text"],
        target=TableName(*given["target"]) if given["target"] else None,
        target_columns=tuple(given["target_columns"]),
        index=given["index"],
        on_delete=given["on_delete"].strip(),
    )


def _build_domain(given: Mapping[str, Any]) -> Domain:
    return Domain(
        name=given["name"],
        base=given["base"],
        modifier=given["modifier"],
        constrained=given["constrained"],
        tables=_build_names(given["tables"]),
    )


def _build_names(pairs: list[list[str]]) -> tuple[TableName, ...]:
    return tuple(TableName(*each) for each in pairs)
