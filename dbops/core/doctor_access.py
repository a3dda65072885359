"""Judge how the server is reached: address, dialect, version, role, pooler."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from urllib.parse import parse_qsl, urlsplit

from dbops.core.doctor_facts import Pooling, Role, Server
from dbops.core.finding import Finding, Level
from dbops.core.words import in_quotes

NEWEST_TESTED_MAJOR = 18

_DRIVER = re.compile(r"(?:postgres(?:ql)?|psql|pgsql)\+([a-z0-9_]+)", re.IGNORECASE)
_OPTION = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_ALLOWED_BESIDE_LIBPQ = frozenset({"ssl"})
"""libpq reads `ssl=true` in a URL, for JDBC's sake."""

# Greedy in front of a name: the message tells of the alias before the server's words.
REFUSALS = (
    (
        r"does not support SSL",
        "enable SSL on the server (ssl = on), or leave sslmode out of DATABASE_URL",
    ),
    (r"certificate", "check sslmode and sslrootcert in DATABASE_URL"),
    (
        r'.*\brole "(?P<name>.*?)" does not exist',
        "CREATE ROLE {name} LOGIN, or name another user in DATABASE_URL",
    ),
    (
        r'.*\bdatabase "(?P<name>.*?)" does not exist',
        "CREATE DATABASE {name}, or name another one in DATABASE_URL",
    ),
    (
        r'.*\brole "(?P<name>.*?)" is not permitted to log in',
        "ALTER ROLE {name} LOGIN, or name another user in DATABASE_URL",
    ),
    (
        r'.*\bpermission denied for database "(?P<name>.*?)"',
        "GRANT CONNECT ON DATABASE {name} to the role in DATABASE_URL",
    ),
    (r"no password supplied", "add the password to DATABASE_URL"),
    (
        r"password authentication failed",
        "check user and password in DATABASE_URL",
    ),
    (r"pg_hba\.conf", "allow this client in the server's pg_hba.conf"),
    (
        r"too many clients|too many connections|connection slots are reserved",
        "close other sessions, or raise max_connections or the CONNECTION LIMIT",
    ),
    (
        r"session is read-only|server is in hot standby mode",
        "name the primary in DATABASE_URL",
    ),
    (
        r"invalid response to SSL negotiation",
        "check host and port in DATABASE_URL: no PostgreSQL answers there",
    ),
)


def judge_refusal(message: str, fallback: str) -> Finding:
    """Return the finding for a server that cannot be reached.

    >>> judge_refusal('FATAL:  database "My app" does not exist', "").hint
    'CREATE DATABASE "My app", or name another one in DATABASE_URL'
    """
    return Finding(
        id="dbops.D001",
        level=Level.ERROR,
        message=message,
        hint=_find_refusal_cure(message) or fallback,
    )


def _find_refusal_cure(message: str) -> str | None:
    for pattern, cure in REFUSALS:
        if found := re.search(pattern, message):
            names = found.groupdict()
            return cure.format(**{key: _quote(name) for key, name in names.items()})
    return None


def judge_role(role: Role, *, scratch_elsewhere: bool) -> Iterator[Finding]:
    """Yield the rights that the role lacks.

    `scratch_elsewhere`: scratch databases are made on another server.
    """
    if not role.may_create_databases and not scratch_elsewhere:
        yield Finding(
            id="dbops.D002",
            level=Level.ERROR,
            object=role.name,
            message=f"role {in_quotes(role.name)} may not create databases: no "
            "scratch database, no deployment",
            hint=f"ALTER ROLE {role.name} CREATEDB",
        )
    if not role.may_read_statistics:
        yield Finding(
            id="dbops.D003",
            level=Level.WARNING,
            object=role.name,
            message=f"role {in_quotes(role.name)} may not see other sessions: who "
            "blocks a deployment stays unknown",
            hint=f"GRANT pg_read_all_stats TO {role.name}",
        )
    if not role.may_signal_backends:
        yield Finding(
            id="dbops.D004",
            level=Level.WARNING,
            object=role.name,
            message=f"role {in_quotes(role.name)} may not end other roles' sessions",
            hint=f"GRANT pg_signal_backend TO {role.name}",
        )
    if role.schema is None:
        yield Finding(
            id="dbops.D031",
            level=Level.ERROR,
            object=role.search_path,
            message=f"no schema of search_path ({role.search_path}) is there, or role "
            f"{in_quotes(role.name)} may not use it: new tables have no place",
            hint="CREATE SCHEMA, or GRANT USAGE, CREATE ON SCHEMA, or correct "
            "search_path (?schema= in DATABASE_URL)",
        )
    elif not role.may_create_tables:
        yield Finding(
            id="dbops.D031",
            level=Level.ERROR,
            object=role.schema,
            message=f"role {in_quotes(role.name)} may not create tables in schema "
            f"{in_quotes(role.schema)}",
            hint=f"GRANT CREATE ON SCHEMA {role.schema} TO {role.name}",
        )


def judge_pooling(pooling: Pooling) -> Iterator[Finding]:
    """Yield a finding where one backend serves two sessions by turns."""
    pids = {pooling.first_pid, pooling.again_pid}
    if len(pids) > 1 or pooling.beside_pid in pids or pooling.mark_seen:
        yield Finding(
            id="dbops.D005",
            level=Level.WARNING,
            message="a pooler in transaction mode is in between: a setting of one "
            "session is seen by others",
            hint="name the server itself in DATABASE_URL for the dbops commands, or "
            "set pool_mode = session",
        )


def find_foreign_parts(url: str, known: Collection[str]) -> tuple[str, ...]:
    """Return what in a database URL is not libpq's: a driver, options' names.

    `known` are libpq's keywords. Nothing of a URL that cannot be read for sure is
    returned, since there may be a password in it.

    >>> find_foreign_parts("postgresql+asyncpg://u:p@h/d?schema=a", {"sslmode"})
    ('driver "asyncpg"', 'option "schema"')
    """
    try:
        parts = urlsplit(url)
        options = parse_qsl(parts.query, keep_blank_values=True)
    except ValueError:
        return ()
    found = []
    if driver := _DRIVER.fullmatch(parts.scheme):
        found.append(f'driver "{driver[1]}"')
    # An unquoted "?" in a password makes its rest look like options.
    if "@" not in parts.query + parts.fragment:
        allowed = {*known, *_ALLOWED_BESIDE_LIBPQ}
        names = dict.fromkeys(name for name, _ in options if name not in allowed)
        found += [tell_option(name) for name in names if _OPTION.fullmatch(name)]
    return tuple(found)


def judge_url(parts: Collection[str]) -> Iterator[Finding]:
    """Yield a finding for foreign parts of DATABASE_URL that the settings drop."""
    if parts:
        yield Finding(
            id="dbops.D007",
            level=Level.INFO,
            object="DATABASE_URL",
            message='"DATABASE_URL" is in another dialect: libpq does not know '
            f"{', '.join(parts)}, and the settings of this database do without",
            hint="nothing to do, unless psql or pg_dump are to read it, too: "
            "DATABASE_URL=postgres://USER:PASSWORD@HOST:PORT/NAME",
        )


def judge_parameters(unknown: Collection[str], *, alias: str) -> Iterator[Finding]:
    """Yield a finding for options with which Django cannot connect."""
    if unknown:
        options = ", ".join(tell_option(name) for name in unknown)
        cure = "take it out of" if len(unknown) == 1 else "take them out of"
        if "ssl" in unknown:
            cure = "write sslmode for ssl, as in ?sslmode=require, in"
        yield Finding(
            id="dbops.D007",
            level=Level.ERROR,
            object=f'DATABASES["{alias}"]',
            message=f'Django cannot connect to database "{alias}": libpq does not '
            f"know {options}",
            hint=f'{cure} DATABASE_URL, or DATABASES["{alias}"]["OPTIONS"]',
        )


def tell_option(name: str) -> str:
    """Return what messages call an option of a database URL."""
    return f'option "{name}"'


def judge_passed_over(directory: str, *, taken: str) -> Finding:
    """Return the finding for client tools that were asked for, and do not do."""
    return Finding(
        id="dbops.D006",
        level=Level.WARNING,
        object=directory,
        message=f'DBOPS["PG_BIN"], "{directory}", has no pg_dump and pg_restore for '
        f"this server: {taken} is taken instead",
        hint='name another directory in DBOPS["PG_BIN"], or none',
    )


def judge_old_server(message: str, hint: str) -> Finding:
    """Return the finding for a server that dbops does not work with."""
    return Finding(id="dbops.D027", level=Level.ERROR, message=message, hint=hint)


def judge_version(server: Server) -> Iterator[Finding]:
    """Yield a finding for a server newer than those of the tests."""
    if server.major > NEWEST_TESTED_MAJOR:
        yield Finding(
            id="dbops.D028",
            level=Level.INFO,
            message=f"the server is PostgreSQL {server.version}, and dbops is not "
            f"tested with one newer than {NEWEST_TESTED_MAJOR}",
            hint="pip install --upgrade django-dbops",
        )


def judge_recovery(server: Server, role: str) -> Iterator[Finding]:
    """Yield a finding where nothing can be written; `role` is quoted."""
    if server.in_recovery:
        yield Finding(
            id="dbops.D029",
            level=Level.WARNING,
            message="the server is a hot standby: nothing can be deployed here",
            hint="name the primary in DATABASE_URL, or both hosts (HOST1,HOST2) with "
            "target_session_attrs=read-write",
        )
    elif server.read_only_source:
        yield Finding(
            id="dbops.D029",
            level=Level.ERROR,
            object="default_transaction_read_only",
            message="sessions begin read-only (default_transaction_read_only = on, by "
            f"{server.read_only_source}): nothing can be deployed here",
            hint=_find_read_only_cure(server, role),
        )


def _find_read_only_cure(server: Server, role: str) -> str:
    name = "default_transaction_read_only"
    places = {
        "database": f"ALTER DATABASE {server.database_name} RESET {name}",
        "user": f"ALTER ROLE {role} RESET {name}",
        "database user": f"ALTER ROLE {role} IN DATABASE {server.database_name} "
        f"RESET {name}",
        "client": f"take {name} out of DATABASE_URL and PGOPTIONS",
    }
    cure = places.get(
        server.read_only_source or "",
        f"ALTER SYSTEM SET {name} = off, then SELECT pg_reload_conf()",
    )
    return cure if cure.startswith("take") else f"SET {name} = off, then {cure}"


def judge_failed_look(what: str, why: str) -> Finding:
    """Return the finding for a check that could not be done."""
    return Finding(
        id="dbops.D030",
        level=Level.INFO,
        object=what,
        message=f"{what} could not be looked at: {why}",
        hint="put right what it says, then: manage.py dbops_doctor",
    )


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
