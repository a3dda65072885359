"""What dbops writes beside a backup of pgBackRest's: annotations in its repository.

Values are percent-encoded: any command line and any shell carries them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, unquote

from dbops.core.manifest import LEVELS, Verification, judge_looks
from dbops.core.migration import MigrationId
from dbops.core.pgbackrest.info import PhysicalBackup

DATABASE, FINGERPRINT = "dbops-database", "dbops-fingerprint"
MIGRATIONS, TOKEN = "dbops-migrations", "dbops-token"
LOOK = "dbops-look-"
MOST_CHARACTERS = 60_000
"""One argument of a command has at most 128 kB on Linux."""

_POINT = re.compile(r"dbops-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class RestorePoint:
    """A moment with a name that the whole server can go back to."""

    name: str
    lsn: str
    timeline: int
    made_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaNote:
    """The schema of one database of the server when the backup was taken."""

    database: str
    fingerprint: str
    migrations: tuple[MigrationId, ...]


def write_schema_note(note: SchemaNote) -> dict[str, str]:
    """Return the annotations; the migrations are left out where they are too many.

    >>> write_schema_note(
    ...     SchemaNote(
    ...         database="My app",
    ...         fingerprint="ab12",
    ...         migrations=(MigrationId("app", "0001_initial"),),
    ...     )
    ... )["dbops-database"]
    'My%20app'
    """
    migrations = ",".join(quote(str(each)) for each in note.migrations)
    written = {DATABASE: quote(note.database), FINGERPRINT: note.fingerprint}
    if migrations and len(migrations) <= MOST_CHARACTERS:
        written[MIGRATIONS] = migrations
    return written


def read_schema_note(backup: PhysicalBackup, database: str) -> SchemaNote | None:
    """Return what is noted of this database; None where dbops has noted nothing."""
    given = backup.annotations
    if unquote(given.get(DATABASE, "")) != database:
        return None
    listed = given.get(MIGRATIONS, "")
    split = (unquote(each).partition(".") for each in listed.split(",") if each)
    return SchemaNote(
        database=database,
        fingerprint=given.get(FINGERPRINT, ""),
        migrations=tuple(MigrationId(app, name) for app, _, name in split),
    )


def write_look(look: Verification) -> dict[str, str]:
    """Return the annotation of a look; it takes the place of the last at its level.

    >>> at = datetime(2026, 11, 23, 6, 30, tzinfo=UTC)
    >>> write_look(Verification(level="checksum", at=at, problems=("a b",)))
    {'dbops-look-checksum': '2026-11-23T06:30:00Z,a%20b'}
    """
    moment = f"{look.at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    problems = [quote(each[:1000]) for each in look.problems[:10]]
    return {f"{LOOK}{look.level}": ",".join([moment, *problems])}


def read_looks(annotations: Mapping[str, str]) -> tuple[Verification, ...]:
    """Return the last look at each level, in the order of time."""
    found = [
        _read_look(key.removeprefix(LOOK), value)
        for key, value in annotations.items()
        if key.startswith(LOOK) and key.removeprefix(LOOK) in LEVELS
    ]
    return tuple(sorted(found, key=lambda each: each.at))


def _read_look(level: str, value: str) -> Verification:
    moment, *problems = value.split(",")
    try:
        at = datetime.fromisoformat(moment)
    except ValueError:  # Annotated by hand: not a look that counts.
        return Verification(
            level=level,
            at=datetime.fromtimestamp(0, UTC),
            problems=("what was noted of the look cannot be read",),
        )
    return Verification(
        level=level,
        at=at.astimezone(UTC),
        problems=tuple(unquote(each) for each in problems),
    )


def judge_backup(backup: PhysicalBackup) -> str:
    """Return the level that the backup has reached, or `damaged`."""
    return "damaged" if backup.has_page_errors else judge_looks(_list_looks(backup))


def _list_looks(backup: PhysicalBackup) -> tuple[Verification, ...]:
    return read_looks(backup.annotations)


def list_problems(backup: PhysicalBackup) -> tuple[str, ...]:
    """Return what is wrong with a damaged backup, as far as it is noted."""
    looks = _list_looks(backup)
    noted = next((each.problems for each in reversed(looks) if each.problems), ())
    if backup.has_page_errors:
        return ("pages had wrong checksums when it was taken", *noted)
    return noted if judge_backup(backup) == "damaged" else ()


def build_point_name(deployment: object) -> str:
    """Return the name of a deployment's restore point; PostgreSQL takes 63 bytes."""
    return f"dbops-{deployment}"


def write_point(point: RestorePoint) -> dict[str, str]:
    """Return the annotation of a restore point that comes after the backup."""
    moment = f"{point.made_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    return {point.name: f"{point.lsn},{point.timeline},{moment}"}


def read_points(annotations: Mapping[str, str]) -> tuple[RestorePoint, ...]:
    """Return the restore points that follow on a backup, in the order of time."""
    found = (
        _read_point(name, value)
        for name, value in annotations.items()
        if _POINT.fullmatch(name)
    )
    return tuple(sorted(filter(None, found), key=lambda each: each.made_at))


def _read_point(name: str, value: str) -> RestorePoint | None:
    """None where somebody else has written it."""
    try:
        lsn, timeline, moment = value.split(",")
        made_at = datetime.fromisoformat(moment).astimezone(UTC)
        return RestorePoint(name=name, lsn=lsn, timeline=int(timeline), made_at=made_at)
    except ValueError:
        return None


def find_point(
    backups: Iterable[PhysicalBackup], name: str
) -> tuple[PhysicalBackup, RestorePoint] | None:
    """Return a restore point by its name, and the backup that leads to it."""
    for backup in backups:
        for point in read_points(backup.annotations):
            if point.name == name:
                return backup, point
    return None
