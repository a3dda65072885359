"""How to go back in time: dbops says it, and does not stop anybody's server."""

from __future__ import annotations

from datetime import datetime
from typing import NoReturn

from dbops.core.pgbackrest.command import Moment, build_restore, choose_before
from dbops.core.pgbackrest.info import PhysicalBackup, Stanza
from dbops.core.pgbackrest.notes import find_point
from dbops.errors import Refused, UsageError
from dbops.operations.context import Context
from dbops.operations.pgbackrest.engine import (
    fetch_stanza,
    find_physical,
    open_pgbackrest,
)


def refuse_to_restore(
    context: Context, reference: str | datetime, *, single: bool
) -> NoReturn:
    """Say which command takes the server back, and do nothing.

    `reference` is a backup, a restore point that dbops has made, or a moment.
    `single`: not the whole server is wanted.

    Raises:
        Refused: always, with the command as its hint.
        UsageError: there is no such backup or moment.
    """
    pgbackrest = open_pgbackrest(context.settings)
    stanza = fetch_stanza(pgbackrest)
    backup, moment = _find_moment(stanza, reference)
    if single:
        raise Refused(
            "pgBackRest restores whole servers, and neither a single database nor "
            "single tables",
            hint="restore a dump: --storage says where it is; or have a server of its "
            f'own from backup "{backup.label}" and copy from there '
            "(docs/how-to/large-databases.md)",
        )
    raise Refused(
        f'stanza "{stanza.name}" is a whole server, with all its databases: dbops does '
        "not stop it, so the last steps are a person's",
        hint="stop the server, run this, and start it: "
        f"{build_restore(pgbackrest.repository, backup.label, moment)}",
    )


def _find_moment(
    stanza: Stanza, reference: str | datetime
) -> tuple[PhysicalBackup, Moment]:
    if isinstance(reference, datetime):
        backup = choose_before(stanza.backups, reference)
        if backup is None:
            raise UsageError(
                f"no backup is older than {reference:%Y-%m-%d %H:%M:%S %Z}",
                hint="manage.py dbops_backups",
            )
        return backup, Moment(time=reference)
    if found := find_point(stanza.backups, reference):
        backup, point = found
        return backup, Moment(point=point.name, timeline=point.timeline)
    return find_physical(stanza, reference), Moment()
