"""Tables and indexes of a database, checked by PostgreSQL's own amcheck."""

from __future__ import annotations

import os
from dataclasses import dataclass

import psycopg
from psycopg.conninfo import make_conninfo

from dbops.core.target import Target
from dbops.errors import ToolFailed
from dbops.postgres.session import open_session, tell_error
from dbops.postgres.tools import ClientTools, run_tool

MOST_LINES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Corruption:
    """What amcheck found, or why it was not asked."""

    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def find_corruption(target: Target, tools: ClientTools) -> Corruption:
    """Check all tables and indexes of a scratch database, each row against each index.

    The extension is made there; what it takes is told where it is missing.

    Source: https://www.postgresql.org/docs/current/app-pgamcheck.html
    """
    program = tools.directory / "pg_amcheck"
    if not os.access(program, os.X_OK):
        return _skip(f'there is no "{program}"')
    try:
        with open_session(target, purpose="verify:amcheck") as connection:
            connection.execute("CREATE EXTENSION IF NOT EXISTS amcheck")
    except psycopg.Error as error:
        return _skip(tell_error(error))
    told = bytearray()
    try:
        run_tool(
            program,
            [
                "--heapallindexed",
                "--no-password",
                make_conninfo(dbname=target.database),
            ],
            target=target,
            on_output=told.extend,
        )
    except ToolFailed as error:
        # 2 and lines on stdout where it found something; else it did not come that far.
        lines = told.decode(errors="replace").splitlines()
        if not lines:
            return _skip(error.message)
        return Corruption(problems=tuple(f"amcheck: {each}" for each in _cut(lines)))
    return Corruption()


def _skip(reason: str) -> Corruption:
    return Corruption(notes=(f"pg_amcheck was not run: {reason}",))


def _cut(lines: list[str]) -> list[str]:
    rest = len(lines) - MOST_LINES
    return lines[:MOST_LINES] + ([f"and {rest} more lines"] if rest > 0 else [])
