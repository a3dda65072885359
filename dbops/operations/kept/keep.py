"""Keep what a migration drops: between its statements and the server."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from uuid import UUID

import psycopg
from django.db import transaction
from psycopg import sql

from dbops.core.dropping import DropColumns, DropTables, Unread, read_drop
from dbops.core.migration import MigrationId
from dbops.core.sql_script import split_statements
from dbops.core.statement import mask_secrets
from dbops.core.words import shorten
from dbops.errors import Refused
from dbops.operations.context import Context
from dbops.postgres.keeping import (
    ColumnFacts,
    TableFacts,
    Terms,
    Wardrobe,
    fetch_columns,
    has_referrers,
)

if TYPE_CHECKING:
    from dbops.operations.deploy.apply import StatementLog

LONGEST_TOLD = 60
DROPS = re.compile(r"\bdrop\b", re.IGNORECASE)
Run = Callable[[str], Any]


def keep_dropped(
    context: Context,
    log: StatementLog,
    migration: MigrationId,
    *,
    deployment: UUID | None = None,
    atomic: bool = True,
) -> StatementLog:
    """Let what passes the log be kept, where the settings say so; return the log.

    Without a `deployment` nothing is written into the ledger: it is a rehearsal. What a
    migration that is not `atomic` drops is written down with each statement.
    """
    days = context.settings.keep_dropped
    if days > 0:
        terms = Terms(migration=migration, days=days, deployment=deployment)
        log.keeper = Keeper(context, log, terms, atomic=atomic)
    return log


class Keeper:
    """Keeps what the statements of one migration drop."""

    def __init__(
        self, context: Context, log: StatementLog, terms: Terms, *, atomic: bool
    ) -> None:
        self._context = context
        self._is_atomic = atomic
        self._log = log
        self._wardrobe = Wardrobe(
            connection=context.connect(), terms=terms, execute=self._execute
        )
        self.notes: list[str] = []
        """What was not kept, and why."""

    def begin(self) -> None:
        """Forget an attempt that was rolled back."""
        self._wardrobe.connection = self._context.connect()
        self._wardrobe.kept.clear()
        self.notes.clear()

    def concerns(self, text: str, parameters: object) -> bool:
        """Say whether the statement may drop something."""
        return not parameters and DROPS.search(text) is not None

    def run(self, text: str, run: Run) -> Any:
        """Run the statements of the text, and keep before each what it drops.

        In one transaction; outside of one, in a transaction of its own.
        """
        statements = split_statements(text)
        drops = [read_drop(each) for each in statements]
        if not any(isinstance(each, DropTables | DropColumns) for each in drops):
            # As it is: a DO may end transactions of its own.
            for each, drop in zip(statements, drops, strict=True):
                if drop is not None:
                    self._say_unread(each)
            return run(text)
        if self._is_atomic and self._context.connection.in_atomic_block:
            return self._run_each(text, statements, run)
        with transaction.atomic(using=self._context.alias):
            result = self._run_each(text, statements, run)
            self.finish()
            return result

    def finish(self) -> None:
        """Write what was kept into the ledger, in the transaction of the migration."""
        self._wardrobe.record()

    def _run_each(self, text: str, statements: tuple[str, ...], run: Run) -> Any:
        # In its place comes what is executed indeed.
        self._log.statements.pop()
        result = None
        for each in (text,) if len(statements) == 1 else statements:
            left = self._keep(each)
            if left:
                self._log.statements.append(left)
                result = run(left)
        return result

    def _keep(self, statement: str) -> str:
        """Keep what it drops, and return what is left to be run; maybe nothing."""
        drop = read_drop(statement)
        try:
            match drop:
                case DropTables():
                    return self._keep_tables(statement, drop)
                case DropColumns():
                    self._keep_columns(drop)
                case Unread():
                    self._say_unread(statement)
        except psycopg.errors.InsufficientPrivilege as error:
            raise Refused(
                "what the migration drops cannot be kept: "
                f"{error.diag.message_primary}",
                hint='CREATE SCHEMA dbops_kept AUTHORIZATION ROLE, or take DBOPS["KEEP_'
                'DROPPED"] out of the settings',
            ) from error
        return statement

    def _keep_tables(self, statement: str, drop: DropTables) -> str:
        found = [(name, self._wardrobe.find(name)) for name in drop.tables]
        if not drop.if_exists and any(table is None for _, table in found):
            return statement
        left = []
        for name, table in found:
            if table is None or not self._keep_table(table, drop):
                left.append(name)
        if len(left) == len(found):
            return statement
        return self._build_rest(left, drop)

    def _keep_table(self, table: TableFacts, drop: DropTables) -> bool:
        """Return whether nothing of it is left to be dropped."""
        connection = self._wardrobe.connection
        if table.kind != "r" or table.persistence == "t":
            self._say(f"{table.name} is not an ordinary table")
            return False
        # Without CASCADE it is the server that says whether they are in the way.
        is_referred = not drop.cascade and has_referrers(connection, table.oid)
        if is_referred and len(drop.tables) == 1:
            return False
        self._execute(
            sql.SQL("LOCK TABLE ONLY {} IN ACCESS EXCLUSIVE MODE").format(
                table.identifier
            )
        )
        return self._wardrobe.keep_table(table, may_move=not is_referred)

    def _build_rest(self, left: list[tuple[str, ...]], drop: DropTables) -> str:
        if not left:
            return ""
        query = sql.SQL("DROP TABLE {}{}{}").format(
            sql.SQL("IF EXISTS " if drop.if_exists else ""),
            sql.SQL(", ").join(sql.Identifier(*each) for each in left),
            sql.SQL(" CASCADE" if drop.cascade else ""),
        )
        return query.as_string(self._wardrobe.connection)

    def _keep_columns(self, drop: DropColumns) -> None:
        connection = self._wardrobe.connection
        table = self._wardrobe.find(drop.table)
        if table is None:
            return
        columns = {each.name: each for each in fetch_columns(connection, table.oid)}
        key = sorted(
            (each for each in columns.values() if each.key is not None),
            key=lambda each: each.key or 0,
        )
        for name in drop.columns:
            column = columns.get(name)
            if column is None:
                continue
            if why := _find_obstacle(table, column, key):
                self._say(f"column {table.name}.{name}: {why}")
            else:
                self._wardrobe.keep_column(table, column, key)

    def _say_unread(self, statement: str) -> None:
        told = shorten(mask_secrets(statement), LONGEST_TOLD)
        self._say(f"what this drops is not understood: {told}")

    def _say(self, why: str) -> None:
        note = f"not kept: {why}"
        self.notes.append(note)
        self._context.progress(note)

    def _execute(self, query: sql.Composed) -> int:
        connection = self._wardrobe.connection
        self._log.statements.append(query.as_string(connection))
        return connection.execute(query).rowcount


def _find_obstacle(
    table: TableFacts, column: ColumnFacts, key: list[ColumnFacts]
) -> str:
    """Return why the values of a column cannot be kept; empty where they can."""
    if table.kind != "r" or table.has_children:
        return "its table is partitioned, or others inherit from it"
    if column.generated:
        return "it is generated, and comes back by itself"
    if column.identity == "a":
        return "it is an identity, whose values nobody may write"
    if not key:
        return "its table has no primary key to keep the values beside"
    if column.key is not None:
        return "it is part of the primary key"
    return ""
