"""`verify.sql` beside a migration: what has to be true once it is applied.

shop/migrations/sql/0002_add_note/verify.sql

Each statement returns nothing but true, or raises.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import psycopg
from django.db.migrations import Migration

from dbops.core.sql_script import Irreversible, Script, Unwritten, parse_down
from dbops.core.words import shorten
from dbops.errors import Refused
from dbops.operations.sql_files.files import get_sql_directory
from dbops.postgres.session import Connection, tell_error

VERIFY_FILE = "verify.sql"
LONGEST_TOLD = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyScript:
    """The statements of one `verify.sql`."""

    path: Path
    statements: tuple[str, ...]


def read_verify(migration: Migration) -> VerifyScript | None:
    """Return what has to be true after the migration; None without a file.

    Raises:
        Refused: the file cannot be run as it is.
    """
    path = get_sql_directory(migration) / VERIFY_FILE
    if not path.is_file():
        return None
    try:
        script = parse_down(path.read_text(encoding="utf-8"))
    except Refused as error:
        raise Refused(f'"{path}", {error.message}', hint=error.hint) from error
    match script:
        case Script(statements=statements):
            return VerifyScript(path=path, statements=statements)
        case Irreversible():
            raise Refused(f'"{path}" says that it is irreversible, and it verifies')
        case Unwritten(reason=reason):
            raise Refused(f'"{path}" is not written: {reason}')


def find_untrue(connection: Connection, script: VerifyScript) -> list[str]:
    """Return a line for each statement that raises or returns anything but true.

    All is read only, and rolled back. A statement without rows says nothing wrong.
    """
    found = []
    for number, statement in enumerate(script.statements, start=1):
        problem = _try(connection, statement)
        if problem:
            told = shorten(statement, LONGEST_TOLD)
            found.append(f"statement {number} of {VERIFY_FILE} ({told}) {problem}")
    return found


def _try(connection: Connection, statement: str) -> str:
    try:
        with connection.transaction(force_rollback=True):
            connection.execute("SET TRANSACTION READ ONLY")
            cursor = connection.execute(statement.encode(), prepare=False)
            if cursor.description is None:
                return ""
            for row in cursor:
                if any(value is not True for value in row):
                    return f"returns {', '.join(map(str, row))}"
    except psycopg.Error as error:
        return f"raises: {tell_error(error)}"
    return ""
