"""Look at a backup of pgBackRest's as far as a level says."""

from __future__ import annotations

from dataclasses import dataclass

from dbops.core.pgbackrest.info import PhysicalBackup
from dbops.core.pgbackrest.verify import (
    find_damage,
    find_gap,
    find_missing_segments,
)
from dbops.errors import ToolFailed
from dbops.operations.backup.report import Verified
from dbops.operations.context import Context
from dbops.operations.pgbackrest.proving import find_false_server
from dbops.postgres.pgbackrest import PgBackRest


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What a look found, and what could not be looked at."""

    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def find_problems(
    context: Context, pgbackrest: PgBackRest, backup: PhysicalBackup, level: Verified
) -> Looked:
    """Return what keeps the backup from being restored.

    `checksum`: pgBackRest reads the files of all backups of the stanza, and the WAL
    that this one needs is there. `restored`: that, and it is restored into a server of
    its own on this machine.

    Raises:
        Refused: it cannot be restored here.
        ToolFailed: pgBackRest failed.
    """
    context.progress("verifying: pgBackRest reads every file of the repository")
    damage = _find_damage(pgbackrest, backup)
    names = list_archive(pgbackrest, backup)
    missing = [
        f'segment "{each}" of the WAL, which the backup needs, is not in the archive'
        for each in find_missing_segments(names, backup)
    ]
    problems = (*damage, *missing)
    gap = find_gap(names, backup)
    notes = (
        (f'the archive lacks segment "{gap}": nothing after it can be restored',)
        if gap
        else ()
    )
    if problems or level is not Verified.RESTORED:
        return Looked(problems=problems, notes=notes)
    found = find_false_server(context, pgbackrest, backup)
    return Looked(problems=tuple(found.problems), notes=(*notes, *found.notes))


def _find_damage(pgbackrest: PgBackRest, backup: PhysicalBackup) -> tuple[str, ...]:
    lines: list[str] = []
    answer = pgbackrest.run(
        "verify", "--output=text", "--verbose", on_line=lines.append
    )
    try:
        return find_damage([*answer.splitlines(), *lines], backup)
    except ValueError as error:
        raise ToolFailed(
            f"the answer of pgbackrest verify cannot be read: {error}",
            hint=pgbackrest.repository.write("verify", "--output=text", "--verbose"),
        ) from error


def list_archive(pgbackrest: PgBackRest, backup: PhysicalBackup) -> list[str]:
    """Return the paths of all that is in the archive of the backup's server."""
    path = f"archive/{pgbackrest.repository.stanza}/{backup.archive_id}"
    return pgbackrest.run("repo-ls", "--recurse", operand=path).splitlines()
