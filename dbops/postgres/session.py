"""Connections of dbops's own, apart from Django's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import pq
from psycopg.conninfo import make_conninfo

from dbops.core.target import Target
from dbops.errors import ServerFailed

CONNECT_TIMEOUT_S = 10
LOWEST_SERVER_VERSION = 150000

WHO_IS_AT_WORK = "see who is in the way: manage.py dbops_locks"
"""A hint for whoever did not get a lock."""

Connection = psycopg.Connection[tuple[Any, ...]]


def build_target(alias: str, parameters: Mapping[str, Any]) -> Target:
    """Keep what libpq understands of a Django connection's parameters."""
    keywords = {option.keyword.decode() for option in pq.Conninfo.get_defaults()}
    return Target(
        alias=alias,
        parameters={
            key: str(value)
            for key, value in parameters.items()
            if key in keywords and value is not None
        },
    )


def build_environment(target: Target) -> dict[str, str]:
    """Return the PG* variables for a client tool, so that no argument holds a secret.

    A keyword that has no variable (`keepalives` and its kind) is left out.
    """
    variables = {
        option.keyword.decode(): option.envvar.decode()
        for option in pq.Conninfo.get_defaults()
        if option.envvar
    }
    return {
        variables[key]: value
        for key, value in target.parameters.items()
        if key in variables
    }


@contextmanager
def open_session(
    target: Target, *, purpose: str, autocommit: bool = True
) -> Iterator[Connection]:
    """Connect for the length of a `with` block.

    `purpose` ends up in `application_name` as `dbops:<purpose>`.

    Raises:
        ServerFailed: the server cannot be reached, or it is too old.
    """
    try:
        connection = psycopg.connect(
            _build_conninfo(target, purpose),
            autocommit=autocommit,
        )
    except psycopg.OperationalError as error:
        raise explain_connection_failure(target, error) from error
    try:
        require_server_version(connection)
        yield connection
    finally:
        # Ends an open transaction, too, and never fails on a lost connection.
        connection.close()


def _build_conninfo(target: Target, purpose: str) -> str:
    keywords: dict[str, Any] = {
        "connect_timeout": CONNECT_TIMEOUT_S,
        **target.parameters,
        "application_name": f"dbops:{purpose}",
    }
    return make_conninfo(**keywords)


def require_server_version(connection: Connection) -> None:
    """Refuse a server older than the lowest one supported."""
    version = connection.info.server_version
    if version < LOWEST_SERVER_VERSION:
        raise ServerFailed(
            f"the server is PostgreSQL {version // 10000}, and dbops needs "
            f"{LOWEST_SERVER_VERSION // 10000} or later",
            hint="upgrade the server, or name another one in DATABASE_URL",
        )


def tell_error(error: BaseException) -> str:
    """Return an error's text on one line; of the server's, message and detail."""
    cause = error if isinstance(error, psycopg.Error) else error.__cause__
    if isinstance(cause, psycopg.Error) and cause.diag.message_primary:
        primary, detail = cause.diag.message_primary, cause.diag.message_detail
        if primary in str(error):
            return f"{primary} ({detail.rstrip('.')})" if detail else primary
    return " ".join(str(error).split()) or type(error).__name__


def explain_connection_failure(target: Target, error: BaseException) -> ServerFailed:
    """Turn libpq's words into one line and a next step."""
    text = " ".join(str(error).split())
    return ServerFailed(
        f'cannot connect to database "{target.alias}" ({target.place}): {text}',
        hint=_find_hint(text),
    )


def _find_hint(text: str) -> str:
    hints = {
        "does not exist": "check the names in DATABASE_URL, or create what is missing: "
        "createdb NAME",
        "password": "check the password in DATABASE_URL",
        "authentication failed": "check user and password in DATABASE_URL",
        "Connection refused": "start the server, or check host and port in "
        "DATABASE_URL",
        "No such file": "start the server, or check host and port in DATABASE_URL",
        "could not translate host name": "check the host in DATABASE_URL",
        "resolve host": "check the host in DATABASE_URL",
        "timeout": "check host, port and firewall",
    }
    return next(
        (hint for sign, hint in hints.items() if sign in text), "check DATABASE_URL"
    )
