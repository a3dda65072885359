"""Owners and grants of a restored database: what they need, and how they are given."""

from __future__ import annotations

import psycopg

from dbops.core.access import Access, list_needed
from dbops.errors import Refused, ToolFailed
from dbops.operations.backup.choosing import Chosen
from dbops.operations.restore.new_database import Means, comment_on_database
from dbops.postgres.properties import give_owner, give_properties
from dbops.postgres.roles import find_missing_roles
from dbops.postgres.scratch import open_maintenance_session
from dbops.postgres.session import Connection, tell_error

WITHOUT = (
    "or with --no-access: everything will belong to this role, and grants are yours to "
    "make"
)
SIGNS = ("OWNER TO", "GRANT ", "REVOKE ", "DEFAULT PRIVILEGES", "must be able to")
"""What pg_restore names when owners or grants were the trouble."""


def require_roles(connection: Connection, chosen: Chosen) -> Access | None:
    """Return the backup's roles, which the server has; None where it keeps none.

    Raises:
        Refused: some are missing.
    """
    access = chosen.backup.read_access()
    if access is None:
        return None
    missing = find_missing_roles(connection, list_needed(access))
    if missing:
        listed = ", ".join(f'"{each}"' for each in missing)
        backup = chosen.manifest.backup_id
        raise Refused(
            f"the server does not have the {'role' if len(missing) == 1 else 'roles'} "
            f"{listed}, to which things in backup {backup} belong",
            hint="make what is missing: manage.py dbops_backups show "
            f"{backup} --roles | psql postgres; {WITHOUT}",
        )
    return access


def own_database(means: Means, owner: str) -> None:
    """Let the new database have its owner early, who may then use schema `public`.

    Raises:
        Refused: this role cannot give it away.
    """
    name = means.target.database
    with open_maintenance_session(means.target) as connection:
        try:
            give_owner(connection, name, owner)
        except psycopg.Error as error:
            raise Refused(
                f'role "{connection.info.user}" cannot give a database to its owner, '
                f'"{owner}": {tell_error(error)}',
                hint=f"run it as that role or as a superuser; {WITHOUT}",
            ) from error


def finish_database(means: Means, access: Access | None) -> tuple[str, ...]:
    """Give it what it had besides its contents, and unmark it: it is whole now.

    Returns a line for each thing that this role may not give.
    """
    name = means.target.database
    with open_maintenance_session(means.target) as connection:
        if access is None:
            comment_on_database(connection, name, None)
            return ()
        try:
            with connection.transaction():
                return give_properties(
                    connection, name, access.properties, told_as=name
                )
        except psycopg.Error as error:
            comment_on_database(connection, name, None)
            told = tell_error(error)
            return (f"grants and settings of the database were not kept: {told}",)


def tell_way_out(error: ToolFailed, *, with_access: bool) -> ToolFailed:
    """Point to --no-access where owners or grants were the trouble."""
    if not with_access or not any(each in error.message for each in SIGNS):
        return error
    return ToolFailed(
        error.message,
        hint=f"create the missing role, or run it as a superuser; {WITHOUT}",
    )
