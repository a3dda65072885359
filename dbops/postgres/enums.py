"""Enum types on the server, and what uses them."""

from __future__ import annotations

from typing import Any

from dbops.core.enum_change import EnumColumn, EnumPart, EnumType
from dbops.postgres.session import Connection
from dbops.sql import load


def fetch_enum(session: Connection, name: str) -> EnumType | None:
    """Return the type and all that uses it; None where there is no such type.

    `name` is as in SQL. Takes no lock.
    """
    row = session.execute(load("enum_type").encode(), {"name": name}).fetchone()
    if row is None:
        return None
    oid, array_oid, schema, labels, extras = row
    oids = {"oid": oid, "array_oid": array_oid}
    columns = session.execute(load("enum_columns").encode(), oids).fetchall()
    users = session.execute(load("enum_users").encode(), oids).fetchall()
    return EnumType(
        labels=tuple(labels),
        schema=schema,
        extras=tuple(extras),
        columns=tuple(_build_column(*each) for each in columns),
        parts=tuple(_build_part(*each) for each in users if each[0] is not None),
        others=tuple(each[-1] for each in users if each[-1] is not None),
    )


def _build_column(table: str, column: str, is_array: Any, default: Any) -> EnumColumn:
    return EnumColumn(
        table=table, column=column, is_array=bool(is_array), default=default
    )


def _build_part(
    drop: str, create: str, comment: str, has_comment: Any, _other: None
) -> EnumPart:
    return EnumPart(drop=drop, create=create, comment=comment if has_comment else None)
