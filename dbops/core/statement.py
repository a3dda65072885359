"""What kind of waiting a statement may do."""

from __future__ import annotations

import re
from enum import Enum

_PATIENT = re.compile(
    r"""^\s*(?:
        (?:CREATE\s+(?:UNIQUE\s+)?|DROP\s+|RE)INDEX\s.*\bCONCURRENTLY\b
      | REINDEX\s.*\bCONCURRENTLY\b
      | REFRESH\s+MATERIALIZED\s+VIEW\s+CONCURRENTLY\b
      | ALTER\s+TABLE\b.*\bDETACH\s+PARTITION\b.*\b(?:CONCURRENTLY|FINALIZE)\b
      | ALTER\s+TABLE\b.*\bVALIDATE\s+CONSTRAINT\b
      | VACUUM\b
      | ANALYZE\b
    )""",
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)
_SECRET = re.compile(
    r"""(?P<before>\bpassword\s*)
        (?:(?P<literal>E?'(?:[^']|'')*')|(?P<is>=\s*)[^\s'"]+)""",
    re.IGNORECASE | re.VERBOSE,
)
_COMMENT = re.compile(r"\A(?:\s|--[^\n]*\n|/\*.*?\*/)*", re.DOTALL)


class StatementClass(Enum):
    """How a statement waits for its locks."""

    STRONG = "strong"
    """Others queue behind it while it waits: give up early and try again."""
    PATIENT = "patient"
    """Nobody that reads or writes queues behind it: let it wait. A CONCURRENTLY that
    is cut off leaves an INVALID index."""


def classify_statement(sql: str) -> StatementClass:
    """Say how the statement may wait.

    >>> classify_statement('CREATE INDEX CONCURRENTLY "a" ON "t" ("c")').value
    'patient'
    >>> classify_statement('-- why\\nALTER TABLE "t" ADD COLUMN "c" int').value
    'strong'

    Source: https://www.postgresql.org/docs/current/explicit-locking.html
    """
    if _PATIENT.match(_COMMENT.sub("", sql, count=1)):
        return StatementClass.PATIENT
    return StatementClass.STRONG


def mask_secrets(sql: str) -> str:
    """Return the statement without the passwords that are written in it.

    >>> mask_secrets("ALTER ROLE app PASSWORD 'it''s secret' LOGIN")
    "ALTER ROLE app PASSWORD '***' LOGIN"
    >>> mask_secrets("CREATE SUBSCRIPTION s CONNECTION 'host=a password=x user=b'")
    "CREATE SUBSCRIPTION s CONNECTION 'host=a password=*** user=b'"
    """
    return _SECRET.sub(
        lambda found: (
            f"{found['before']}'***'"
            if found["literal"]
            else f"{found['before']}{found['is']}***"
        ),
        sql,
    )


def join_statements(statements: list[str], *, limit: int = 200_000) -> str:
    """Return the statements as one text; the same one in a row is counted.

    Passwords are left out.

    >>> print(join_statements(["UPDATE t SET a = %s", "UPDATE t SET a = %s"]))
    UPDATE t SET a = %s;  -- 2 times
    """
    lines: list[str] = []
    size = 0
    index = 0
    while index < len(statements):
        first = index
        while index < len(statements) and statements[index] == statements[first]:
            index += 1
        text = mask_secrets(statements[first].rstrip().rstrip(";"))
        times = index - first
        lines.append(f"{text};" if times == 1 else f"{text};  -- {times} times")
        size += len(text)
        if size > limit:
            lines.append(f"-- and {len(statements) - index} more statements")
            break
    return "\n".join(lines)
