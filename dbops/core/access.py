"""Who may do what with a database: its roles, and what it has besides its contents.

Passwords are no part of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from dbops.core.manifest import DamagedManifest

LISTS = frozenset(
    {
        "local_preload_libraries",
        "search_path",
        "session_preload_libraries",
        "temp_tablespaces",
    }
)
"""Settings that are lists of names: each name is a literal of its own in SET.

Source: https://www.postgresql.org/docs/current/sql-set.html
"""

_NAME = re.compile(r'"((?:[^"]|"")*)"|([^\s,"]+)')


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """A role that something in the database belongs to, or a member of one."""

    name: str
    is_needed: bool
    """A restore with owners and grants fails without it."""
    options: tuple[str, ...]
    """As CREATE ROLE has them: LOGIN, NOINHERIT, CONNECTION LIMIT 5 ..."""
    settings: tuple[tuple[str, str], ...]
    """Name and value, as stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """A role that another one is a member of."""

    role: str
    member: str
    options: tuple[str, ...]
    """As GRANT has them: ADMIN OPTION, INHERIT FALSE, SET FALSE."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a role may do with the database itself."""

    role: str | None
    """None: everybody."""
    privilege: str
    is_grantable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a session in the database begins with."""

    role: str | None
    """None: each role."""
    setting: str
    value: str
    """As stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Properties:
    """What a database has besides its contents."""

    owner: str
    connection_limit: int
    """-1 is none."""
    comment: str | None
    grants: tuple[Grant, ...] | None
    """None: those that every new database has."""
    settings: tuple[Setting, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """All that is needed for owners and grants on another server."""

    roles: tuple[Role, ...]
    memberships: tuple[Membership, ...]
    properties: Properties


def write_access(access: Access) -> bytes:
    """Return it as JSON."""
    return json.dumps(asdict(access), ensure_ascii=False, indent=1).encode()


def read_access(data: bytes) -> Access:
    """Return what `write_access` wrote.

    Raises:
        DamagedManifest: it did not.
    """
    try:
        contents = json.loads(data)
        properties = contents["properties"]
        grants = properties["grants"]
        return Access(
            roles=tuple(
                Role(
                    name=each["name"],
                    is_needed=each["is_needed"],
                    options=tuple(each["options"]),
                    settings=tuple((name, value) for name, value in each["settings"]),
                )
                for each in contents["roles"]
            ),
            memberships=tuple(
                Membership(**{**each, "options": tuple(each["options"])})
                for each in contents["memberships"]
            ),
            properties=Properties(
                owner=properties["owner"],
                connection_limit=properties["connection_limit"],
                comment=properties["comment"],
                grants=None
                if grants is None
                else tuple(Grant(**each) for each in grants),
                settings=tuple(Setting(**each) for each in properties["settings"]),
            ),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedManifest(f"the roles cannot be read: {error!r}") from error


def write_roles_script(access: Access, title: str) -> str:
    """Return SQL that makes the roles which are missing; it may run twice.

    Roles that are there already keep what they have.
    """
    lines = [
        f"-- {' '.join(title.split())}",
        "-- No password is in a backup: set one with \\password in psql.",
    ]
    lines += [_write_role(each) for each in access.roles]
    lines += list(map(_write_membership, access.memberships))
    return "\n".join(lines) + "\n"


def _write_role(role: Role) -> str:
    name = quote_name(role.name)
    options = "".join(f" {each}" for each in role.options)
    body = [f"    CREATE ROLE {name}{options};"]
    body += [
        f"    ALTER ROLE {name} SET {write_setting(setting, value)};"
        for setting, value in role.settings
    ]
    text = "\n".join(
        [
            "BEGIN",
            "  IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles",
            f"      WHERE rolname = {quote_text(role.name)}) THEN",
            *body,
            "  END IF;",
            "END",
        ]
    )
    tag = "$dbops$"
    while tag in text:
        tag = f"{tag[:-1]}_$"
    return f"DO {tag}\n{text}\n{tag};"


def _write_membership(membership: Membership) -> str:
    options = ", ".join(membership.options)
    return (
        f"GRANT {quote_name(membership.role)} TO {quote_name(membership.member)}"
        + (f" WITH {options}" if options else "")
        + ";"
    )


def write_setting(setting: str, value: str) -> str:
    r"""Return the rest of a SET statement.

    >>> write_setting("search_path", '"$user", "a\'b"')
    '"search_path" TO \'$user\', \'a\'\'b\''
    """
    values = split_names(value) if setting in LISTS else [value]
    name = ".".join(map(quote_name, setting.split(".")))
    return f"{name} TO {', '.join(map(quote_text, values))}"


def split_names(value: str) -> list[str]:
    r"""Return the names of a list as it is stored.

    >>> split_names('"$user", "My ""App\x22", public')
    ['$user', 'My "App', 'public']
    >>> split_names('\x22\x22')
    ['']
    """
    return [
        each[2] if each[1] is None else each[1].replace('""', '"')
        for each in _NAME.finditer(value)
    ]


def quote_name(name: str) -> str:
    """Return a name as an identifier of SQL.

    >>> print(quote_name('a"b'))
    "a""b"
    """
    return '"' + name.replace('"', '""') + '"'


def quote_text(text: str) -> str:
    r"""Return a text as a literal of SQL, whatever `standard_conforming_strings` says.

    >>> print(quote_text("it's"), quote_text("a\\b"))
    'it''s' E'a\\b'
    """
    quoted = "'" + text.replace("'", "''") + "'"
    return "E" + quoted.replace("\\", "\\\\") if "\\" in quoted else quoted


def list_needed(access: Access) -> Iterator[str]:
    """Yield the roles without which owners and grants cannot be restored."""
    return (each.name for each in access.roles if each.is_needed)
