"""Judge what the doctor saw of disks, database and ledger: facts in, findings out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dbops.core.describe import quote_text
from dbops.core.doctor_facts import (
    ChangedCollation,
    ChoiceField,
    Disk,
    EnumColumn,
    IdleSlot,
    InvalidIndex,
    LooseConstraint,
    OldExtension,
    PreparedTransaction,
    Replica,
    Transaction,
    VerifiedBackup,
)
from dbops.core.finding import Finding, Level
from dbops.core.words import format_size, in_quotes

LONG_TRANSACTION_S = 5 * 60.0
OLD_PREPARED_S = 5 * 60.0
REPLICA_LAG_S = 60.0
REPLICA_LAG_BYTES = 1_000_000_000
RETAINED_WAL_BYTES = 1_000_000_000
OLD_BACKUP_S = 24 * 3600.0


def judge_storage_space(disk: Disk, database_size_bytes: int) -> Iterator[Finding]:
    """Yield a finding where a backup may not fit."""
    if disk.free_bytes < database_size_bytes:
        yield Finding(
            id="dbops.D009",
            level=Level.WARNING,
            object=disk.place,
            message=f'the disk of backup storage "{disk.place}" has '
            f"{format_size(disk.free_bytes)} free, and the database "
            f"{format_size(database_size_bytes)}",
            hint="free space there, or name another directory in "
            'DBOPS["BACKUP_STORAGE"]',
        )


def judge_server_space(disk: Disk, database_size_bytes: int) -> Iterator[Finding]:
    """Yield a finding where a restored copy would not fit beside the database."""
    if disk.free_bytes < database_size_bytes:
        yield Finding(
            id="dbops.D010",
            level=Level.WARNING,
            object=disk.place,
            message=f'the disk of the server\'s "{disk.place}" has '
            f"{format_size(disk.free_bytes)} free; a copy of the database needs "
            f"{format_size(database_size_bytes)}",
            hint="free space there, or enlarge the disk",
        )


def judge_transactions(transactions: Iterable[Transaction]) -> Iterator[Finding]:
    """Yield the transactions that a change of the schema would wait for."""
    for each in transactions:
        who = f'pid {each.pid}, role "{each.role}"'
        if each.application:
            who += f', "{each.application}"'
        if each.idle and each.state_s > LONG_TRANSACTION_S:
            yield Finding(
                id="dbops.D012",
                level=Level.WARNING,
                object=str(each.pid),
                message=f"a session is idle in transaction for {_time(each.state_s)} "
                f"({who})",
                hint=f"manage.py dbops_locks --terminate {each.pid}",
            )
        elif each.open_s > LONG_TRANSACTION_S:
            yield Finding(
                id="dbops.D011",
                level=Level.WARNING,
                object=str(each.pid),
                message=f"a transaction is open for {_time(each.open_s)} ({who})",
                hint=f"wait for it, or: manage.py dbops_locks --cancel {each.pid}",
            )


def judge_prepared(prepared: Iterable[PreparedTransaction]) -> Iterator[Finding]:
    """Yield the prepared transactions that nobody seems to finish."""
    for each in prepared:
        if each.prepared_s > OLD_PREPARED_S:
            yield Finding(
                id="dbops.D013",
                level=Level.WARNING,
                object=each.gid,
                message=f'transaction "{each.gid}" is prepared for '
                f'{_time(each.prepared_s)} (role "{each.role}"), and keeps its locks',
                hint=f"ROLLBACK PREPARED {each.literal}, or COMMIT PREPARED "
                f"{each.literal}",
            )


def judge_indexes(indexes: Iterable[InvalidIndex]) -> Iterator[Finding]:
    """Yield the INVALID indexes."""
    for each in indexes:
        if each.partitioned:
            hint = (
                f"ALTER INDEX {each.name} ATTACH PARTITION an index of each partition, "
                f"or DROP INDEX {each.name}"
            )
        elif each.leftover:
            hint = f"DROP INDEX CONCURRENTLY {each.name}"
        else:
            hint = (
                f"REINDEX INDEX CONCURRENTLY {each.name}, or "
                f"DROP INDEX CONCURRENTLY {each.name}"
            )
        yield Finding(
            id="dbops.D014",
            level=Level.WARNING,
            object=each.name,
            message=f"index {in_quotes(each.name)} of {in_quotes(each.table)} is "
            "INVALID: written, never used",
            hint=hint,
        )


def judge_constraints(constraints: Iterable[LooseConstraint]) -> Iterator[Finding]:
    """Yield the constraints that old rows may break."""
    for each in constraints:
        yield Finding(
            id="dbops.D015",
            level=Level.WARNING,
            object=f"{each.owner_name}.{each.name}",
            message=f"constraint {in_quotes(each.name)} of "
            f"{in_quotes(each.owner_name)} is NOT VALID: old rows were never checked",
            hint=f"ALTER {each.owner} VALIDATE CONSTRAINT {each.name}",
        )


def judge_collations(collations: Iterable[ChangedCollation]) -> Iterator[Finding]:
    """Yield the collations whose indexes may be out of order."""
    for each in collations:
        kind = "database" if each.is_database else "collation"
        cure = (
            f"REINDEX DATABASE CONCURRENTLY {each.name}, then ALTER DATABASE "
            f"{each.name} REFRESH COLLATION VERSION"
            if each.is_database
            else "REINDEX INDEX CONCURRENTLY each index that uses it, then ALTER "
            f"COLLATION {each.name} REFRESH VERSION"
        )
        yield Finding(
            id="dbops.D016" if each.is_database else "dbops.D017",
            level=Level.WARNING,
            object=each.name,
            message=f"{kind} {in_quotes(each.name)} was sorted by collation version "
            f"{each.recorded}, and the server has {each.actual}: indexes of text may "
            "be wrong",
            hint=cure,
        )


def judge_extensions(extensions: Iterable[OldExtension]) -> Iterator[Finding]:
    """Yield the extensions that can be updated."""
    for each in extensions:
        yield Finding(
            id="dbops.D019",
            level=Level.INFO,
            object=each.name,
            message=f'extension "{each.name}" is {each.installed}, and the server has '
            f"{each.available}",
            hint=f"ALTER EXTENSION {each.quoted} UPDATE",
        )


def judge_enums(
    columns: Iterable[EnumColumn], fields: Iterable[ChoiceField]
) -> Iterator[Finding]:
    """Yield the fields whose choices are not the labels of their column's type."""
    by_column = {(each.table, each.column): each for each in columns}
    for field in fields:
        column = by_column.get((field.table, field.column))
        if column is None:
            continue
        missing = [value for value in field.values if value not in column.labels]
        extra = [label for label in column.labels if label not in field.values]
        told = [
            f"{what} {', '.join(map(in_quotes, values))}"
            for what, values in (("it lacks", missing), ("it has also", extra))
            if values
        ]
        if told:
            cure = (
                "; ".join(
                    f"ALTER TYPE {column.type} ADD VALUE {quote_text(value)}"
                    for value in missing
                )
                or f"add {', '.join(map(in_quotes, extra))} to the choices"
            )
            yield Finding(
                id="dbops.D020",
                level=Level.WARNING,
                object=field.label,
                message=f'the choices of "{field.label}" are not the labels of type '
                f"{in_quotes(column.type)}: {'; '.join(told)}",
                hint=cure,
            )


def judge_replicas(replicas: Iterable[Replica]) -> Iterator[Finding]:
    """Yield the replicas that are far behind."""
    for each in replicas:
        late = each.lag_s is not None and each.lag_s > REPLICA_LAG_S
        far = each.lag_bytes is not None and each.lag_bytes > REPLICA_LAG_BYTES
        if late or far:
            behind = [
                *([_time(each.lag_s)] if each.lag_s is not None else []),
                *([format_size(each.lag_bytes)] if each.lag_bytes is not None else []),
            ]
            place = f" on {each.address}" if each.address else ""
            yield Finding(
                id="dbops.D021",
                level=Level.WARNING,
                object=each.name,
                message=f'replica "{each.name}"{place} is behind by '
                f"{', '.join(behind)} ({each.state})",
                hint="SELECT * FROM pg_stat_replication, and the replica's own log",
            )


def judge_slots(slots: Iterable[IdleSlot]) -> Iterator[Finding]:
    """Yield the unused slots that fill the server's disk."""
    for each in slots:
        if each.retained_bytes > RETAINED_WAL_BYTES:
            yield Finding(
                id="dbops.D022",
                level=Level.WARNING,
                object=each.name,
                message=f'replication slot "{each.name}" is not used, and keeps '
                f"{format_size(each.retained_bytes)} of WAL on the server's disk",
                hint="start its replica again, or: "
                f"SELECT pg_drop_replication_slot({each.literal})",
            )


def judge_deployment(
    *, kind: str, state: str, started: str, running: bool
) -> Iterator[Finding]:
    """Yield a finding for a run that has left something half done.

    `running`: somebody holds the deploy lock.
    """
    if state == "needs_repair" or (state == "running" and not running):
        how = "needs repair" if state == "needs_repair" else "was cut off"
        yield Finding(
            id="dbops.D023",
            level=Level.ERROR,
            object=kind,
            message=f'the last run, "{kind}" of {started}, {how}',
            hint="manage.py dbops_status",
        )


def judge_backup(backup: VerifiedBackup | None) -> Iterator[Finding]:
    """Yield a finding where there is no backup, or an old one."""
    if backup is None:
        yield Finding(
            id="dbops.D024",
            level=Level.WARNING,
            message="the ledger knows of no verified backup",
            hint="manage.py dbops_backup",
        )
    elif backup.age_s > OLD_BACKUP_S:
        yield Finding(
            id="dbops.D025",
            level=Level.WARNING,
            object=backup.backup_id,
            message=f'the last verified backup, "{backup.backup_id}", is '
            f"{_time(backup.age_s)} old",
            hint="manage.py dbops_backup",
        )


def judge_missing_ledger() -> Finding:
    """Return the finding for a database that dbops has never changed."""
    return Finding(
        id="dbops.D026",
        level=Level.INFO,
        message="there is no ledger yet: nothing is known of deployments and backups",
        hint="manage.py dbops_status",
    )


def _time(duration_s: float) -> str:
    """Return a duration for people.

    >>> _time(42), _time(400), _time(93_600)
    ('42 s', '6 min', '1 d 2 h')
    """
    seconds = int(duration_s)
    if seconds < 60:  # noqa: PLR2004
        return f"{seconds} s"
    minutes = seconds // 60
    if minutes < 60:  # noqa: PLR2004
        return f"{minutes} min"
    days, hours = divmod(minutes // 60, 24)
    return f"{days} d {hours} h" if days else f"{hours} h {minutes % 60} min"
