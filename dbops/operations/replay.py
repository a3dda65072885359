"""Build what the migrations build, in a scratch database."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import (
    AbstractContextManager,
    ExitStack,
    contextmanager,
    nullcontext,
)
from typing import Any

import psycopg
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations import Migration
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ProjectState
from psycopg.conninfo import conninfo_to_dict

from dbops.core.catalog import Catalog
from dbops.core.made_schemas import find_made_schemas
from dbops.core.target import Target
from dbops.errors import DbopsError, Refused, ServerFailed, UsageError
from dbops.operations.check.digest import list_sql
from dbops.operations.context import Context
from dbops.operations.history import get_id
from dbops.postgres.catalog import fetch_catalog
from dbops.postgres.embedded import ensure_running, find_server
from dbops.postgres.scratch import (
    PathSchema,
    fetch_properties,
    fetch_search_path,
    may_create_databases,
    scratch_database,
)
from dbops.postgres.session import Connection, build_target, tell_error
from dbops.postgres.wheel import find_wheel

SETTINGS_OF_KEYWORDS = {
    "dbname": "NAME",
    "user": "USER",
    "password": "PASSWORD",
    "host": "HOST",
    "port": "PORT",
}


@contextmanager
def use_database(context: Context, target: Target) -> Iterator[BaseDatabaseWrapper]:
    """Let the alias mean another database, for this thread and this block.

    Migrations and routers see the alias they expect: a project with several databases
    decides by it what belongs where.
    """
    original = context.connection
    substitute = original.copy(context.alias)
    substitute.settings_dict = _build_settings(original, target)
    connections[context.alias] = substitute
    try:
        yield substitute
    finally:
        substitute.close()
        connections[context.alias] = original


def _build_settings(original: BaseDatabaseWrapper, target: Target) -> dict[str, object]:
    settings = copy.deepcopy(original.settings_dict)
    options = dict(settings.get("OPTIONS", {}))
    # A pool is kept by alias, so it would hand out sessions of the original.
    options.pop("pool", None)
    if target.parameters == _get_parameters(original, target.database):
        settings["NAME"] = target.database
    else:
        # What may be known on the original's server alone.
        options.pop("service", None)
        options.pop("assume_role", None)
        for key, value in target.parameters.items():
            if key in SETTINGS_OF_KEYWORDS:
                settings[SETTINGS_OF_KEYWORDS[key]] = value
            else:
                options[key] = value
    return {**settings, "OPTIONS": options, "CONN_MAX_AGE": None}


def _get_parameters(original: BaseDatabaseWrapper, database: str) -> object:
    target = build_target(original.alias, original.get_connection_params())
    return target.with_database(database).parameters


def get_scratch_server(context: Context) -> Target:
    """Return where scratch databases are made: `SCRATCH_URL`, or beside the database.

    Raises:
        UsageError: the URL cannot be read.
    """
    if not context.settings.scratch_url:
        return context.target
    try:
        parameters = conninfo_to_dict(context.settings.scratch_url)
    except psycopg.ProgrammingError as error:
        # The error's text repeats the URL, and there may be a password in it.
        raise UsageError(
            'DBOPS["SCRATCH_URL"] cannot be read',
            hint="use postgres://user@host:5432/postgres",
        ) from error
    return build_target(context.alias, {"dbname": "postgres", **parameters})


class Replay:
    """A scratch database, at `target`, on its way through the migrations of `own`.

    The state is carried along as a fresh `migrate` carries it.
    """

    def __init__(
        self,
        connection: BaseDatabaseWrapper,
        state: ProjectState,
        *,
        target: Target,
        own: Target,
    ) -> None:
        self.connection = connection
        self.state = state
        self.target = target
        self.own = own
        self._executor = MigrationExecutor(connection)

    def apply(
        self,
        migrations: Iterable[Migration],
        within: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        """Apply these, in the order given, each within such a block.

        Raises:
            ServerFailed: one of them fails, even on an empty database.
            Refused: one of them writes to another of the project's databases.
        """
        for migration in migrations:
            try:
                with within():
                    self.state = self._executor.apply_migration(self.state, migration)
            except (DbopsError, KeyboardInterrupt):
                raise
            except WritesElsewhere as error:
                raise Refused(
                    f'migration "{get_id(migration)}" writes to database "{error}", '
                    "and a replay may change nothing there",
                    hint="in the migration, use .using(schema_editor.connection.alias)",
                ) from error
            except Exception as error:
                raise ServerFailed(
                    f'migration "{get_id(migration)}" fails in an empty scratch '
                    f"database: {type(error).__name__}: {tell_error(error)}",
                    hint=self._tell_what_helps(),
                ) from error

    def _tell_what_helps(self) -> str:
        hint = "correct the migration, then run the command again"
        if self.target == self.own.with_database(self.target.database):
            return hint
        return f'{hint}; or name a server with all it needs in DBOPS["SCRATCH_URL"]'

    def connect(self) -> Connection:
        """Return the session with the scratch database, opened."""
        self.connection.ensure_connection()
        connection: Connection = self.connection.connection
        return connection

    def fetch_catalog(self) -> Catalog:
        """Return what has been built so far."""
        return fetch_catalog(self.connect())


def find_other_server(context: Context) -> Target | None:
    """Return the embedded server where the database's own lets nobody make databases.

    None where the settings name a server, the role may create databases, or the
    package with the embedded server is not installed.
    """
    if (
        context.settings.scratch_url
        or may_create_databases(context.connect())
        or not find_wheel()
    ):
        return None
    server = find_server(context.settings.cache_directory / "server")
    context.progress(
        f"the role may not create databases: using the embedded PostgreSQL "
        f"{server.version} for the scratch database"
    )
    ensure_running(server)
    return build_target(context.alias, server.build_parameters("postgres"))


@contextmanager
def open_replay(context: Context, server: Target | None = None) -> Iterator[Replay]:
    """Create a scratch database; inside the block the alias means it.

    On `server`, where one is given; else on the one that the settings choose.

    Raises:
        Refused: the role may not create databases.
        ServerFailed: the server could not create it.
    """
    own = context.target
    same_server = not (server or context.settings.scratch_url)
    server = server or get_scratch_server(context)
    live = context.connect()
    like = fetch_properties(live) if same_server else None
    loader = MigrationExecutor(None).loader
    path = fetch_search_path(live)
    with (
        scratch_database(
            server,
            like,
            _list_given_schemas(path, loader),
            [each.name for each in path],
        ) as target,
        use_database(context, target) as connection,
        guard_others(context),
    ):
        state = ProjectState(real_apps=loader.unmigrated_apps)
        yield Replay(connection, state, target=target, own=own)


class WritesElsewhere(Exception):
    """A migration writes to the database of this alias, which is the live one."""


@contextmanager
def guard_others(context: Context) -> Iterator[None]:
    """Let the project's other databases only be read: they are no scratch databases.

    A router sends a migration's query to them where it names no database.
    """
    with ExitStack() as stack:
        for alias in set(connections) - {context.alias}:

            def refuse(
                execute: Callable[..., Any],
                query: Any,
                *rest: Any,
                alias: str = alias,
            ) -> Any:
                if not str(query).lstrip().upper().startswith("SELECT"):
                    raise WritesElsewhere(alias)
                return execute(query, *rest)

            stack.enter_context(connections[alias].execute_wrapper(refuse))
        yield


def _list_given_schemas(
    path: Sequence[PathSchema], loader: MigrationLoader
) -> list[str]:
    """Return the schemas that somebody made before the first migration.

    Those of the search_path, where tables go, but for what a migration makes.
    """
    holders = [place for place, each in enumerate(path) if each.has_history]
    # `migrate` made its table in the first that was there.
    late = {each.name for each in path[: min(holders, default=0)]}
    made = {
        each.name
        for migration in loader.disk_migrations.values()
        for text, _ in list_sql(migration.operations)
        for each in find_made_schemas(text)
        if not each.if_missing or each.name in late
    }
    return [
        each.name
        for each in path
        if each.exists and each.name not in made and not each.name.startswith("pg_")
    ]
