"""Judge the engine of the backups: is pgBackRest fit, is a dump still the right one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dbops.core.duration import format_age
from dbops.core.finding import Finding, Level
from dbops.core.words import format_size

LARGE_BYTES = 200_000_000_000
"""A dump of 2.5 GB was taken in 30 s and restored in 110 s on two cores: 200 GB take
about 40 minutes and two and a half hours. Longer than that is too long to be down."""
LONG_DUMP_S = 3600.0
"""Each deployment waits for its backup, and dead rows stay as long as a dump lasts."""
BUSY_BYTES = 50_000_000_000
"""Below this a dump can be taken as often as is wanted."""
BUSY_SHARE = 0.5
"""Of its own size in WAL a day: last night's dump is far from today's rows."""
LEAST_OBSERVED_S = 6 * 3600.0
"""A rate of fewer hours says nothing of a day."""
DAY_S = 86400.0
GUIDE = "docs/how-to/large-databases.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class WalRate:
    """How much WAL the server has written, and in how long."""

    wal_bytes: int
    observed_s: float

    @property
    def bytes_a_day(self) -> float | None:
        """None where it was not observed for long enough."""
        if self.observed_s < LEAST_OBSERVED_S:
            return None
        return self.wal_bytes / self.observed_s * DAY_S


@dataclass(frozen=True, slots=True, kw_only=True)
class LastDump:
    """The newest dump of the ledger."""

    duration_s: float
    database_size_bytes: int


def judge_dump(
    size_bytes: int, dump: LastDump | None, rate: WalRate | None
) -> Iterator[Finding]:
    """Yield a finding where pgBackRest is the better tool than a dump.

    A warning where the last dump took too long already, a note where the size, or the
    size and the rate of changes, say that it will.

    >>> [each.level.value for each in judge_dump(420 * 10**9, None, None)]
    ['info']
    """
    a_day = rate.bytes_a_day if rate else None
    slow = dump is not None and dump.duration_s >= LONG_DUMP_S
    busy = (
        a_day is not None
        and size_bytes >= BUSY_BYTES
        and a_day >= size_bytes * BUSY_SHARE
    )
    if not (slow or busy or size_bytes >= LARGE_BYTES):
        return
    told = [f"the database has {format_size(size_bytes)}"]
    if dump:
        told.append(
            f"the last dump, of {format_size(dump.database_size_bytes)}, took "
            f"{format_age(dump.duration_s)}"
        )
    if a_day:
        told.append(f"the server writes {format_size(round(a_day))} of WAL a day")
    yield Finding(
        id="dbops.D035",
        level=Level.WARNING if slow else Level.INFO,
        object="BACKUP_ENGINE",
        message=f"{', '.join(told)}: pgBackRest is the better tool above "
        f"{format_size(LARGE_BYTES)}, above {format_age(LONG_DUMP_S)} for a dump, and "
        f"above {format_size(BUSY_BYTES)} where half of it is written anew each day",
        hint=f'{GUIDE}, then DBOPS["BACKUP_ENGINE"] = "pgbackrest"',
    )


def judge_unfit(message: str, hint: str) -> Finding:
    """Return the finding for a pgBackRest that cannot take the backups."""
    return Finding(
        id="dbops.D032",
        level=Level.ERROR,
        object="BACKUP_ENGINE",
        message=message,
        hint=hint,
    )


def judge_archive_mode(mode: str, push: str) -> Iterator[Finding]:
    """Yield a finding where pgBackRest would get no WAL; `push` is its command."""
    if mode == "off":
        yield Finding(
            id="dbops.D033",
            level=Level.ERROR,
            object="archive_mode",
            message="the server does not archive its WAL (archive_mode = off), and "
            'DBOPS["BACKUP_ENGINE"] is "pgbackrest"',
            hint=f"archive_mode = on and archive_command = '{push}' in "
            "postgresql.conf, then restart the server",
        )


def judge_archiving(
    segment: str, *, failed: str, archived: str | None, needed: bool
) -> Finding:
    """Return the finding for WAL that piles up on the server's disk.

    `needed`: the backups are worth nothing without it.
    """
    since = (
        f"the last that got there did at {archived}" if archived else "none ever did"
    )
    return Finding(
        id="dbops.D034",
        level=Level.ERROR if needed else Level.WARNING,
        object="archive_command",
        message=f'segment "{segment}" of the WAL could not be archived at {failed}; '
        f"{since}: WAL piles up on the server's disk",
        hint="the server's log says why; SELECT * FROM pg_stat_archiver",
    )


def judge_points(*, role: str, may_make_points: bool) -> Iterator[Finding]:
    """Yield a finding where a deployment cannot make its restore point; quoted role."""
    if not may_make_points:
        yield Finding(
            id="dbops.D036",
            level=Level.ERROR,
            object=role,
            message=f'role "{role.strip(chr(34))}" may not make restore points: '
            "dbops_deploy refuses",
            hint="GRANT EXECUTE ON FUNCTION "
            f"pg_catalog.pg_create_restore_point(text) TO {role}",
        )
