"""Have the server note who runs DDL, or stop that."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from psycopg import sql

from dbops.operations.context import Context
from dbops.postgres.ddl_journal import install_journal, remove_journal
from dbops.postgres.session import open_session
from dbops.sql import load


class JournalAction(StrEnum):
    """What to do about the journal."""

    INSTALL = "install"
    REMOVE = "remove"
    SQL = "sql"


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalReport:
    """What was done."""

    action: JournalAction
    sql: str
    """The statements that did it, or that a superuser has to run."""


def set_up_journal(context: Context, action: JournalAction) -> JournalReport:
    """Install the event trigger and its table, remove them, or return their SQL.

    Raises:
        Refused: the role may not create event triggers.
    """
    if action is JournalAction.SQL:
        return JournalReport(action=action, sql=_write_script(context))
    with open_session(context.target, purpose="journal") as session:
        if action is JournalAction.INSTALL:
            install_journal(session)
            return JournalReport(action=action, sql=load("journal_install"))
        remove_journal(session)
    return JournalReport(action=action, sql=load("journal_remove"))


def _write_script(context: Context) -> str:
    """Return what a superuser has to run, so that this role can read the journal."""
    role = sql.Identifier(context.connect().info.user).as_string()
    return (
        f"{load('journal_install')}"
        f"GRANT USAGE ON SCHEMA dbops_journal TO {role};\n"
        f"GRANT SELECT ON dbops_journal.ddl TO {role};\n"
    )
