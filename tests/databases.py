"""Databases of a test's own, on the server that the settings name."""

from __future__ import annotations

import re
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import psycopg
import pytest
from django.db import connections
from psycopg import sql

from dbops.core.target import Target
from dbops.postgres.scratch import drop_database
from dbops.postgres.session import Connection, build_environment, build_target
from dbops.postgres.tools import find_tools

MAINTENANCE_DATABASE = "postgres"
DUMP_TIMEOUT_S = 180
ROLE_PASSWORD = "k33p-me-private"
"""Of the roles that are made here; nothing may ever say it."""

# pg_dump's comments, its session settings and the random key of \restrict.
NOISE = re.compile(r"--|\\(un)?restrict |SET |SELECT pg_catalog\.set_config\(")


def find_server() -> Target:
    """Return the server's maintenance database."""
    parameters = connections["default"].get_connection_params()
    return build_target("default", parameters).with_database(MAINTENANCE_DATABASE)


def connect(target: Target, *, autocommit: bool = True) -> Connection:
    """Open a session."""
    return psycopg.connect(**target.parameters, autocommit=autocommit)  # type: ignore[arg-type]


def require_superuser(target: Target) -> None:
    """Skip a test whose very subject only a superuser can set up."""
    with connect(target) as session:
        row = session.execute(
            "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
    if row is None or not row[0]:
        pytest.skip("name a superuser in DATABASE_URL to run this one")


def create_database(
    base: Connection, *, template: str = "template0", encoding: str = "UTF8"
) -> str:
    """Create a database by the session's server and return its name."""
    name = f"dbops_test_{secrets.token_hex(6)}"
    base.execute(
        sql.SQL("CREATE DATABASE {} TEMPLATE {} ENCODING {}").format(
            sql.Identifier(name), sql.Identifier(template), sql.Literal(encoding)
        )
    )
    return name


@contextmanager
def temporary_database(*, template: str = "template0") -> Iterator[Target]:
    """Yield a database that is dropped in the end, with whoever is in it."""
    server = find_server()
    with connect(server) as base:
        name = create_database(base, template=template)
        try:
            yield server.with_database(name)
        finally:
            drop_database(base, name)


def execute(target: Target, script: str) -> None:
    """Run an SQL script in one implicit transaction."""
    with connect(target) as connection:
        connection.execute(script.encode())


def dump_schema(target: Target) -> str:
    """Return the schema as pg_dump writes it, without owners and grants."""
    with connect(target) as connection:
        major = connection.info.server_version // 10000
    tools = find_tools(target, least_major=major)
    result = subprocess.run(
        [tools.directory / "pg_dump", "--schema-only", "--no-owner", "--no-acl"],
        env=build_environment(target),
        capture_output=True,
        text=True,
        timeout=DUMP_TIMEOUT_S,
        check=True,
    )
    return result.stdout


def normalise_dump(dump: str) -> str:
    """Return the statements alone, so that two dumps of one schema are equal."""
    lines = dump.splitlines()
    return "\n".join(line for line in lines if line and not NOISE.match(line))


def restore_schema(dump: str, target: Target) -> None:
    r"""Run a dump of `dump_schema`; \restrict and its like are psql's alone."""
    lines = dump.splitlines(keepends=True)
    execute(target, "".join(line for line in lines if not line.startswith("\\")))


@contextmanager
def temporary_role(
    database: Target, grants: str, options: str = ""
) -> Iterator[Target]:
    """Yield the database as a role of its own sees it."""
    with connect(database) as session:
        row = session.execute(
            "SELECT rolsuper OR rolcreaterole FROM pg_roles"
            " WHERE rolname = session_user"
        ).fetchone()
        if row != (True,):
            pytest.skip("this role may not create others; the embedded server's may")
        name = f"dbops_test_{secrets.token_hex(4)}"
        role = sql.Identifier(name)
        session.execute(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD {} " + options).format(
                role, ROLE_PASSWORD
            )
        )
        session.execute(sql.SQL(grants).format(role=role))
        try:
            yield replace(
                database,
                parameters={
                    **database.parameters,
                    "user": name,
                    "password": ROLE_PASSWORD,
                },
            )
        finally:
            # Who created a role is not a member of it, without being a superuser.
            session.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(role))
            session.execute(sql.SQL("DROP OWNED BY {}").format(role))
            session.execute(sql.SQL("DROP ROLE {}").format(role))
