"""Which engine takes the backups, and whether pgBackRest is fit for it."""

from __future__ import annotations

from pathlib import PurePosixPath

import psycopg

from dbops.conf import Settings
from dbops.core.pgbackrest.command import Repository
from dbops.core.pgbackrest.info import PhysicalBackup, Stanza
from dbops.errors import Refused, ServerFailed, UsageError
from dbops.operations.backup.report import Verified
from dbops.operations.context import Context
from dbops.postgres.archiving import Archiving, fetch_archiving
from dbops.postgres.pgbackrest import PgBackRest
from dbops.postgres.session import open_session, tell_error

ENGINES = ("dump", "pgbackrest")
LEVELS = (Verified.NONE, Verified.CHECKSUM, Verified.RESTORED)
"""There is no `contents`: who reads the rows of a physical backup has restored it."""


def uses_pgbackrest(settings: Settings, storage: str | None = None) -> bool:
    """Tell whether pgBackRest is meant; a storage that is named has dumps.

    Raises:
        UsageError: the setting is no engine.
    """
    if settings.backup_engine not in ENGINES:
        raise UsageError(
            f'DBOPS["BACKUP_ENGINE"] is "{settings.backup_engine}", which is no engine',
            hint=f"use one of: {', '.join(ENGINES)}",
        )
    return settings.backup_engine == "pgbackrest" and storage is None


def open_pgbackrest(settings: Settings) -> PgBackRest:
    """Return pgBackRest as the settings name it.

    Raises:
        UsageError: a setting is missing, or none that pgBackRest can be run with.
    """
    given: object = settings.pgbackrest_command
    config = settings.pgbackrest_config
    if not isinstance(given, tuple) or not given:
        raise UsageError(
            'DBOPS["PGBACKREST_COMMAND"] has to be a list of words',
            hint='as ["sudo", "-u", "postgres", "pgbackrest"]',
        )
    if not settings.pgbackrest_stanza:
        raise UsageError(
            'DBOPS["BACKUP_ENGINE"] is "pgbackrest", and no stanza is named',
            hint='name the one of pgbackrest.conf in DBOPS["PGBACKREST_STANZA"]',
        )
    if config and not PurePosixPath(config).is_absolute():
        raise UsageError(
            f'DBOPS["PGBACKREST_CONFIG"], "{config}", is no absolute path',
            hint="write all of it, as /etc/pgbackrest/pgbackrest.conf",
        )
    return PgBackRest(
        Repository(command=given, stanza=settings.pgbackrest_stanza, config=config)
    )


def fetch_stanza(pgbackrest: PgBackRest) -> Stanza:
    """Return the stanza and its backups.

    Raises:
        Refused: it was not created.
        ToolFailed: pgBackRest is missing or failed.
    """
    stanza = pgbackrest.fetch_stanza()
    if stanza.is_missing:
        repository = pgbackrest.repository
        raise Refused(
            f'pgBackRest has no stanza "{stanza.name}" ({stanza.message})',
            hint=f"{repository.write('stanza-create')}, or name another one in "
            'DBOPS["PGBACKREST_STANZA"]',
        )
    return stanza


def require_own_stanza(context: Context, pgbackrest: PgBackRest) -> Stanza:
    """Return the stanza once it is known to be of this server, which archives its WAL.

    Raises:
        Refused: it is not.
        ServerFailed: the server cannot be reached.
    """
    archiving = look_at_archiving(context)
    stanza = fetch_stanza(pgbackrest)
    if archiving.system_id not in stanza.system_ids:
        raise Refused(
            f'stanza "{stanza.name}" is of another server than database '
            f'"{archiving.database}"',
            hint='name the stanza of this server in DBOPS["PGBACKREST_STANZA"]',
        )
    return stanza


def look_at_archiving(context: Context) -> Archiving:
    """Return how the server archives its WAL.

    Raises:
        Refused: it is a standby.
        ServerFailed: it cannot be reached, or does not tell.
    """
    try:
        with open_session(context.target, purpose="backup") as session:
            archiving = fetch_archiving(session)
    except psycopg.Error as error:
        raise ServerFailed(
            f"the server does not tell how it archives its WAL: {tell_error(error)}",
            hint="manage.py dbops_doctor",
        ) from error
    if archiving.in_recovery:
        raise Refused(
            "the server is a hot standby, and pgBackRest's stanza is its primary's",
            hint="name the primary in DATABASE_URL",
        )
    return archiving


def read_physical_level(settings: Settings) -> Verified:
    """Return how far backups are to be proven: `contents` counts as `checksum`.

    Raises:
        UsageError: the setting is no level.
    """
    try:
        wished = Verified(settings.backup_level)
    except ValueError:
        wished = Verified.DAMAGED
    if wished is Verified.CONTENTS:
        return Verified.CHECKSUM
    return require_level(wished)


def require_level(level: Verified) -> Verified:
    """Refuse a level that physical backups do not have."""
    if level not in LEVELS:
        raise UsageError(
            f'"{level}" is no level of a physical backup: rows can be read only once '
            "it is restored",
            hint="use one of: checksum, restored",
        )
    return level


def locate(stanza: Stanza, backup: PhysicalBackup) -> str:
    """Return where a backup is, for people: `repo1/main`."""
    return f"repo{backup.repository}/{stanza.name}"


def find_physical(stanza: Stanza, reference: str) -> PhysicalBackup:
    """Return a backup by its label, the beginning of it, or `latest`.

    Raises:
        UsageError: there is none, or more than one.
    """
    if reference == "latest" and stanza.backups:
        return stanza.backups[0]
    exact = [each for each in stanza.backups if each.label == reference]
    found = exact or [
        each
        for each in stanza.backups
        if reference and each.label.startswith(reference)
    ]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(
            f'"{reference}" is the beginning of {len(found)} backups: '
            f"{', '.join(each.label for each in found[:5])}",
            hint="write more of it: manage.py dbops_backups",
        )
    raise UsageError(
        f'there is no backup "{reference}" in stanza "{stanza.name}"',
        hint="manage.py dbops_backups",
    )
