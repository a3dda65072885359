"""Read DATABASE_URL, in the dialects that people have."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

EXAMPLE = "postgres://user:password@host:5432/name"
SCHEMES = ("postgres", "postgresql", "psql", "pgsql")
# Prisma's own options; libpq refuses them.
FOREIGN_OPTIONS = frozenset(
    {
        "schema",
        "connection_limit",
        "pool_timeout",
        "pgbouncer",
        "statement_cache_size",
        "socket_timeout",
    }
)


def read_inspection_url(url: str, *, timeout_s: float) -> dict[str, Any]:
    """Return Django's settings of a database that is only looked at.

    The server refuses to write in its sessions, and ends statements that take longer
    than `timeout_s`. Tests use the test database of "default" for it.

    Raises: ImproperlyConfigured, as `read_database_url`.
    """
    settings = read_database_url(url, variable="ADMIN_DATABASE_URL")
    options = settings.setdefault("OPTIONS", {})
    options["options"] = " ".join(
        (
            *filter(None, [options.get("options")]),
            "-c default_transaction_read_only=on",
            f"-c statement_timeout={timeout_s * 1000:.0f}",
        )
    )
    options.setdefault("application_name", "neuroagent-admin")
    settings["TEST"] = {"MIRROR": "default"}
    return settings


def read_database_url(url: str, *, variable: str = "DATABASE_URL") -> dict[str, Any]:
    """Return Django's settings of the database.

    A driver in the scheme (`postgresql+asyncpg`) and Prisma's options are left out;
    its `?schema=` becomes the search_path.

    Raises:
        ImproperlyConfigured: it is no PostgreSQL URL; the message does not repeat it,
            for there may be a password in it.
    """
    try:
        parts = urlsplit(url)
        scheme = parts.scheme.partition("+")[0]
        parts.port  # noqa: B018  Raises where the port is no number.
    except ValueError as error:
        raise ImproperlyConfigured(
            f"{variable} cannot be read ({error}); use {EXAMPLE}"
        ) from None
    if scheme not in SCHEMES:
        raise ImproperlyConfigured(
            f'{variable} begins with "{scheme or "no scheme"}", and this project is '
            f"for PostgreSQL; use {EXAMPLE}"
        )
    if not parts.path.strip("/"):
        raise ImproperlyConfigured(f"{variable} names no database; use {EXAMPLE}")
    options = [
        (key, value)
        for key, value in parse_qsl(parts.query, keep_blank_values=True)
        if key not in FOREIGN_OPTIONS
    ]
    # Not by urlunsplit, which takes the first directory of a socket's path for a host.
    query = f"?{urlencode(options)}" if options else ""
    settings: dict[str, Any] = environ.Env.db_url_config(
        f"postgres://{parts.netloc}{parts.path}{query}"
    )
    # libpq's way to name a socket's directory: postgres://user@%2Frun%2Fpostgresql/name
    settings["HOST"] = unquote(settings["HOST"] or "")
    schema = dict(parse_qsl(parts.query)).get("schema", "public")
    if schema != "public":
        settings.setdefault("OPTIONS", {})["options"] = f"-c search_path={schema}"
    return settings
