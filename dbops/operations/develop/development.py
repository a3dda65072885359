"""Is this a database that somebody develops with, and nobody else needs?"""

from __future__ import annotations

import ipaddress
from pathlib import Path

import psycopg
from django.conf import settings

from dbops.errors import Refused
from dbops.operations.context import Context
from dbops.postgres.marks import Mark, fetch_marks, fetch_server_address, set_mark

MARK_COMMAND = "manage.py dbops_reset --mark-development"
ON = "on"


def require_development(context: Context) -> None:
    """Refuse a database that is not marked as one for development, or may be another's.

    Raises:
        Refused: DEBUG is off, the server is not on this machine, or nobody marked the
            database.
    """
    _require_debug(context)
    _require_local(context)
    if fetch_marks(context.connect()).get(Mark.DEVELOPMENT) != ON:
        raise Refused(
            f'database "{context.target.database}" has no mark that it is for '
            "development",
            hint=f"if nobody needs what is in it: {_write_command(context)}",
        )


def mark_development(context: Context) -> None:
    """Note on the database that it is for development.

    Raises:
        Refused: DEBUG is off, the server is not on this machine, or the role does not
            own the database.
    """
    _require_debug(context)
    _require_local(context)
    try:
        set_mark(context.connect(), Mark.DEVELOPMENT, ON)
    except psycopg.errors.InsufficientPrivilege as error:
        role = context.connect().info.user
        raise Refused(
            f'role "{role}" does not own database "{context.target.database}", and so '
            "may not mark it",
            hint=f'ALTER DATABASE "{context.target.database}" OWNER TO "{role}";',
        ) from error


def _write_command(context: Context) -> str:
    alias = "" if context.alias == "default" else f" --database {context.alias}"
    return f"{MARK_COMMAND}{alias}"


def _require_debug(context: Context) -> None:
    if not settings.DEBUG:
        raise Refused(
            f'DEBUG is off, and this is for development: database "{context.alias}" is '
            "left alone",
            hint="set DEBUG=true in the settings of a development checkout",
        )


def _require_local(context: Context) -> None:
    parameters = context.target.parameters
    given = parameters.get("hostaddr") or parameters.get("host") or ""
    for host in given.split(","):
        if not _is_local(host):
            raise Refused(
                f'the server of database "{context.alias}" is not on this machine: '
                f"{host}",
                hint="use a server of your own: unset DATABASE_URL, or name localhost",
            )
    address = fetch_server_address(context.connect())
    if address and not ipaddress.ip_address(address).is_loopback:
        raise Refused(
            f'the server of database "{context.alias}" says that it is at {address}, '
            "and not on this machine",
            hint="use a server of your own, reached by localhost or a socket",
        )


def _is_local(host: str) -> bool:
    """Say whether a host is this machine, as far as its name tells.

    >>> _is_local(""), _is_local("/run/postgresql"), _is_local("::1")
    (True, True, True)
    >>> _is_local("db1.example.org"), _is_local("10.0.0.5")
    (False, False)
    """
    if not host or host == "localhost" or host.startswith("@"):
        return True
    if Path(host).is_absolute():
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
