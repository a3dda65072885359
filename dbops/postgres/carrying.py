"""The ledger of a database, continued in the one that replaces it."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import sql

from dbops.core.catalog import Catalog
from dbops.core.migration import MigrationId
from dbops.postgres.applications import fetch_application
from dbops.postgres.chain import (
    ATTESTED,
    ENTRIES,
    attest_restored,
    chain_exists,
    fetch_head,
    fetch_rows,
    write_attested,
)
from dbops.postgres.ledger import Ledger
from dbops.postgres.ledger_reading import (
    fetch_digests,
    fetch_known_catalog,
    ledger_exists,
)
from dbops.postgres.session import Connection
from dbops.postgres.snapshot import fetch_applied_migrations
from dbops.sql import load

KEYS = {**ATTESTED, ENTRIES: "position"}
"""The ledger's tables and their primary keys, in an order that foreign keys allow.
Those that an older ledger does not have are passed over."""
RESTORED = "restored"
"""The description of a step that a restore took, forward or backward."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    """What a database says of its migrations."""

    applied: frozenset[MigrationId]
    begun: frozenset[MigrationId]
    """Those of whose operations the ledger tells."""
    digests: dict[MigrationId, str]


def carry_ledger(
    live: Connection,
    restored: Connection,
    *,
    backup_id: str,
    before: Catalog,
    message: str,
) -> int | None:
    """Bring the entries of the live ledger into the restored one, and tell the restore.

    What both have is as the live one has it: it is the later one. What a deployment
    left half done is put back by the restore, and told so. For each migration that was
    applied or taken back by the restore there is a step.

    Returns how many entries were new or changed; None, and nothing is done, when the
    restored database has no ledger, or one with columns that the live one lacks.
    """
    path = live.execute("SELECT pg_catalog.current_setting('search_path')").fetchone()
    assert path is not None  # noqa: S101  It is one row by its making.
    with restored.transaction():
        # The restored database does not have the settings of the live one yet.
        restored.execute(
            "SELECT pg_catalog.set_config('search_path', %s, true),"
            " pg_catalog.set_config('transaction_read_only', 'off', true)",
            [path[0]],
        )
        if not ledger_exists(restored):
            return None
        was, becomes = _fetch_state(live), _fetch_state(restored)
        carried = _carry_chained(live, restored) if ledger_exists(live) else 0
        if carried is None:
            return None
        ended = f"ended by the restore of backup {backup_id}"
        write_attested(
            restored,
            "ledger_end_unfinished",
            {"message": ended},
            table="dbops_deployment",
        )
        ledger = Ledger(restored)
        ledger.start("restore", before=before)
        ledger.name_backup(backup_id)
        _record_steps(restored, ledger, was, becomes)
        # No fingerprint: nobody has compared the schema with the migrations' yet.
        ledger.finish("done", message=f"{message}{_tell_lost_chain(live, restored)}")
    return carried


def _carry_chained(live: Connection, restored: Connection) -> int | None:
    """Carry the tables, and go on with the chain of the live ledger.

    The backup's own entries are the beginning of those, or of another chain: of a
    ledger that was begun anew since.
    """
    columns = _find_columns(live, restored)
    if columns is None:
        return None
    if ENTRIES not in columns:
        return _carry_tables(live, restored, columns)
    known, had = fetch_rows(live), fetch_rows(restored).keys()
    restored.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(ENTRIES)))
    carried = _carry_tables(live, restored, columns)
    attest_restored(restored, known, frozenset(had - known.keys()))
    return carried


def _tell_lost_chain(live: Connection, restored: Connection) -> str:
    """Say which chain has ended, where the backup is older than any."""
    if chain_exists(restored) or not chain_exists(live):
        return ""
    head = fetch_head(live)
    return f"; the chain of entries until now ended with {head.hash}" if head else ""


def _fetch_state(connection: Connection) -> _State:
    known = ledger_exists(connection)
    begun = (
        connection.execute(load("ledger_begun_migrations")).fetchall() if known else []
    )
    digests = fetch_digests(connection) if known else []
    return _State(
        applied=frozenset(fetch_applied_migrations(connection)),
        begun=frozenset(MigrationId(*each) for each in begun),
        digests={
            MigrationId(each.app, each.migration): each.digest for each in digests
        },
    )


def _find_columns(
    live: Connection, restored: Connection
) -> dict[str, list[str]] | None:
    """Return the columns of the restored ledger; None where the live one lacks some."""
    columns = {
        name: found for name in KEYS if (found := _fetch_columns(restored, name))
    }
    if any(set(columns[name]) - set(_fetch_columns(live, name)) for name in columns):
        return None
    return columns


def _carry_tables(
    live: Connection, restored: Connection, columns: dict[str, list[str]]
) -> int:
    """Return how many rows were new or changed, without the entries about them."""
    counts = {name: _carry(live, restored, name, columns[name]) for name in columns}
    return sum(count for name, count in counts.items() if name != ENTRIES)


def _fetch_columns(connection: Connection, table: str) -> list[str]:
    rows = connection.execute(load("ledger_columns"), {"name": table}).fetchall()
    return [name for (name,) in rows]


def _carry(
    live: Connection, restored: Connection, table: str, columns: list[str]
) -> int:
    names = {
        "table": sql.Identifier(table),
        "key": sql.Identifier(KEYS[table]),
        "copy": sql.Identifier("pg_temp", f"carried_{table}"),
        "columns": sql.SQL(", ").join(map(sql.Identifier, columns)),
        "new": sql.SQL(", ").join(sql.Identifier("excluded", each) for each in columns),
        "old": sql.SQL(", ").join(sql.Identifier("t", each) for each in columns),
    }
    restored.execute(
        sql.SQL("CREATE TEMPORARY TABLE {copy} (LIKE {table}) ON COMMIT DROP").format(
            **names
        )
    )
    _pipe(
        live,
        sql.SQL("COPY {table} ({columns}) TO STDOUT").format(**names),
        restored,
        sql.SQL("COPY {copy} ({columns}) FROM STDIN").format(**names),
    )
    return restored.execute(
        sql.SQL(
            "INSERT INTO {table} AS t ({columns}) SELECT {columns} FROM {copy}"
            " ON CONFLICT ({key}) DO UPDATE SET ({columns}) = ROW ({new})"
            " WHERE ROW ({old}) IS DISTINCT FROM ROW ({new})"
        ).format(**names)
    ).rowcount


def _pipe(
    source: Connection, out: sql.Composed, target: Connection, into: sql.Composed
) -> None:
    with (
        source.cursor() as reading,
        target.cursor() as writing,
        reading.copy(out) as rows,
        writing.copy(into) as copy,
    ):
        for row in rows:
            copy.write(row)


def _record_steps(
    connection: Connection, ledger: Ledger, was: _State, becomes: _State
) -> None:
    begun = was.begun - becomes.begun - becomes.applied
    for migration in sorted((was.applied - becomes.applied) | begun):
        step = ledger.start_step(
            migration, direction="backward", description=RESTORED, before=None
        )
        ledger.finish_step(step, state="done", sql="", duration_s=None)
    for migration in sorted(becomes.applied - was.applied):
        last = fetch_application(connection, migration)
        known = [
            fetch_known_catalog(connection, fingerprint) if fingerprint else None
            for fingerprint in (
                (last.fingerprint_before, last.fingerprint_after) if last else ("", "")
            )
        ]
        step = ledger.start_step(
            migration,
            direction="forward",
            description=RESTORED,
            before=known[0],
            digest=becomes.digests.get(migration, ""),
        )
        ledger.finish_step(step, state="done", sql="", duration_s=None, after=known[1])
