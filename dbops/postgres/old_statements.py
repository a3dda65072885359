"""The statements that ran on the real server, and whether a schema still takes them."""

from __future__ import annotations

import re
from collections.abc import Iterable

import psycopg
from psycopg import sql

from dbops.core.compatibility import Answer, Probe
from dbops.core.words import shorten
from dbops.postgres.session import Connection, tell_error
from dbops.sql import load

SOURCE = "pg_stat_statements"
MOST = 500
PREPARABLE = re.compile(
    r"\s*(?:/\*.*?\*/\s*)*(?:SELECT|INSERT|UPDATE|DELETE|MERGE|WITH|VALUES)\b",
    re.IGNORECASE | re.DOTALL,
)
LONGEST = 300


def fetch_statements(connection: Connection) -> list[str]:
    """Return the statements that ran most often on this database, constants left out.

    None where the server does not keep them, or this role may not see them.
    """
    row = connection.execute(load("statements_extension")).fetchone()
    if row is None:
        return []
    query = sql.SQL(load("statements_most_often")).format(
        view=sql.Identifier(row[0], SOURCE)
    )
    try:
        with connection.transaction():
            rows = connection.execute(query, {"most": MOST}).fetchall()
    except psycopg.Error:  # Not in shared_preload_libraries, or not for this role.
        return []
    return [text for (text,) in rows if PREPARABLE.match(text)]


def prepare_statements(
    connection: Connection, statements: Iterable[str]
) -> dict[Probe, Answer]:
    """Have the server parse and plan each statement; run none."""
    answers = {}
    for text in statements:
        answers[Probe(subject=SOURCE, action=text)] = _prepare(connection, text)
    return answers


def _prepare(connection: Connection, text: str) -> Answer:
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(f"PREPARE dbops_probe AS {text}".encode(), prepare=False)
    except psycopg.Error as error:
        return Answer(
            works=False, message=tell_error(error), sql=shorten(text, LONGEST)
        )
    connection.execute("DEALLOCATE dbops_probe")
    return Answer(works=True)
