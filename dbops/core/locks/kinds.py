"""What a session in the way is: that decides what may be done about it."""

from __future__ import annotations

import re
from enum import StrEnum

from dbops.core.locks.rows import PreparedRow, SessionRow

WORKER_PREFIX = "dbops-worker:"
"""The application_name of the session that applies migrations."""
BACKUP_PREFIX = "dbops:backup"
PREFIX = "dbops:"
DUMPS = frozenset({"pg_dump", "pg_dumpall", "pg_basebackup"})

_MIGRATION = re.compile(r"migrat|alembic|flyway|liquibase|pgroll|sqitch", re.IGNORECASE)
_DDL = re.compile(
    r"(?:\s|/\*.*?\*/|--[^\n]*\n)*(?:ALTER|CREATE|DROP|REINDEX|TRUNCATE|CLUSTER|REFRESH|COMMENT|LOCK"
    r"|VACUUM\b[^;]*\bFULL)\b",
    re.IGNORECASE | re.DOTALL,
)
_WRAPAROUND = "(to prevent wraparound)"


class BlockerKind(StrEnum):
    """What it is; the values are the words of the JSON report."""

    OWN_BACKUP = "own_backup"
    DBOPS = "dbops"
    """Another command of dbops, a deployment's silent session among them."""
    MIGRATION = "migration"
    PG_DUMP = "pg_dump"
    WALSENDER = "walsender"
    AUTOVACUUM = "autovacuum"
    WRAPAROUND_VACUUM = "wraparound_vacuum"
    PREPARED = "prepared"
    IDLE_IN_TRANSACTION = "idle_in_transaction"
    IDLE = "idle"
    """In no transaction, with a lock of the session: an advisory one."""
    ACTIVE = "active"
    REPLAY = "replay"
    """The startup process of a standby, which does what the primary did."""
    SERVER = "server"
    """Another process of the server's own."""
    DEADLOCK = "deadlock"
    HIDDEN = "hidden"
    """The role may not see what it does."""
    GONE = "gone"
    """It ended while the server was looked at."""


PROTECTED = frozenset(
    {
        BlockerKind.OWN_BACKUP,
        BlockerKind.WALSENDER,
        BlockerKind.WRAPAROUND_VACUUM,
        BlockerKind.REPLAY,
        BlockerKind.SERVER,
    }
)
"""What is not signalled unless somebody insists."""


def classify(session: SessionRow | PreparedRow | None) -> BlockerKind:
    """Say what it is; None: it is not there any more."""
    match session:
        case None:
            return BlockerKind.GONE
        case PreparedRow():
            return BlockerKind.PREPARED
        case SessionRow():
            return (
                _classify_process(session)
                or _classify_name(session.application_name)
                or _classify_state(session)
            )


def _classify_process(session: SessionRow) -> BlockerKind | None:
    match session.backend_type:
        case "startup":
            return BlockerKind.REPLAY
        case "walsender":
            return BlockerKind.WALSENDER
        case "autovacuum worker":
            if _WRAPAROUND in session.query:
                return BlockerKind.WRAPAROUND_VACUUM
            return BlockerKind.AUTOVACUUM
        case "client backend" | "parallel worker" | "":
            return None
        case _:
            return BlockerKind.SERVER


def _classify_name(name: str) -> BlockerKind | None:
    if name.startswith(BACKUP_PREFIX):
        return BlockerKind.OWN_BACKUP
    if name.startswith(WORKER_PREFIX):
        return BlockerKind.MIGRATION
    if name.startswith(PREFIX):
        return BlockerKind.DBOPS
    if name in DUMPS:
        return BlockerKind.PG_DUMP
    return BlockerKind.MIGRATION if _MIGRATION.search(name) else None


def _classify_state(session: SessionRow) -> BlockerKind:
    if session.hidden:
        return BlockerKind.HIDDEN
    if session.is_idle_in_transaction:
        return BlockerKind.IDLE_IN_TRANSACTION
    if session.state == "idle":
        return BlockerKind.IDLE
    return (
        BlockerKind.MIGRATION if changes_schema(session.query) else (BlockerKind.ACTIVE)
    )


def changes_schema(query: str) -> bool:
    """Say whether a query is one of those that migrations are made of.

    >>> changes_schema("ALTER TABLE a ADD b int"), changes_schema("UPDATE a SET b = 1")
    (True, False)
    """
    return bool(_DDL.match(query))


def is_migration(session: SessionRow) -> bool:
    """Say whether the session changes the schema, whoever started it."""
    named = _classify_name(session.application_name)
    if named is not None:
        return named is BlockerKind.MIGRATION
    return session.backend_type in ("client backend", "") and changes_schema(
        session.query
    )
