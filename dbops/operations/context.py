"""What each operation is given: the database, the settings, and whom to tell."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import psycopg
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import Error
from django.utils.connection import ConnectionDoesNotExist

from dbops.conf import Settings, read_settings
from dbops.core.progress import Progress, silent
from dbops.core.target import Target
from dbops.errors import ServerFailed, UsageError
from dbops.operations.deploy.waiting import Watcher, open_watcher
from dbops.postgres.session import (
    Connection,
    build_target,
    explain_connection_failure,
    require_server_version,
)
from dbops.postgres.turns import Turn


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """One database of the project, and how an operation on it behaves."""

    alias: str
    settings: Settings
    progress: Progress = silent
    watcher: Watcher | None = None
    """Who sees what a migration waits for; None where nobody looks."""
    seeks_gaps: bool = False
    """Strong locks are asked for when nobody would queue behind."""
    turn: Turn | None = None
    """The holding of the deploy lock that this is done under; None without."""

    @property
    def connection(self) -> BaseDatabaseWrapper:
        """Django's connection; it may be another one inside `use_database`."""
        return connections[self.alias]

    @property
    def target(self) -> Target:
        """The same database for a session or a client tool of dbops's own."""
        return build_target(self.alias, self.connection.get_connection_params())

    def connect(self) -> Connection:
        """Return Django's psycopg connection, opened.

        Raises:
            ServerFailed: the server cannot be reached, or it is too old.
        """
        try:
            self.connection.ensure_connection()
        except Error as error:
            cause = error.__cause__ or error
            raise explain_connection_failure(self.target, cause) from error
        connection: Connection | None = self.connection.connection
        if connection is None or not isinstance(connection, psycopg.Connection):
            raise ServerFailed(
                f'database "{self.alias}" is not reached through psycopg 3',
                hint="pip install 'psycopg>=3.2'",
            )
        require_server_version(connection)
        return connection


@contextmanager
def watch_locks(context: Context) -> Iterator[Context]:
    """Let what waits within the block say who is in its way."""
    with open_watcher(context.target, context.progress) as watcher:
        yield replace(
            context, watcher=watcher, seeks_gaps=context.settings.lock_gap_s > 0
        )


def build_context(alias: str, progress: Progress = silent) -> Context:
    """Return the context for a database of the project's settings.

    Raises:
        UsageError: there is no such alias, or it is not PostgreSQL.
    """
    try:
        vendor = connections[alias].vendor
    except ConnectionDoesNotExist as error:
        raise UsageError(
            f'there is no database "{alias}" in the settings',
            hint=f"use --database with one of: {', '.join(sorted(connections))}",
        ) from error
    if vendor != "postgresql":
        raise UsageError(
            f'database "{alias}" is {vendor}, and dbops is for PostgreSQL',
            hint="set DATABASE_URL=postgres://user@host/name",
        )
    return Context(alias=alias, settings=read_settings(), progress=progress)
