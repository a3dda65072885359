"""What PostgreSQL does for each statement of cases.sql: seen on a real server.

    python benchmarks/locks/measure.py 'host=/tmp port=5432 user=postgres' [server ...]

Each statement runs in a transaction of its own on the tables of lab.sql, in a database
that is made for it and dropped; what it locks, scans, rewrites and writes is read from
the same session before it is rolled back. What cannot run in a transaction is held up
by a second session at three points, and watched by a third. The result of each major
version goes into measured.json, beside this file, in the place of what was there.
"""

from __future__ import annotations

import json
import re
import secrets
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg.rows import dict_row, tuple_row

HERE = Path(__file__).parent
MEASURED = HERE / "measured.json"
MODES = (
    "AccessShareLock",
    "RowShareLock",
    "RowExclusiveLock",
    "ShareUpdateExclusiveLock",
    "ShareLock",
    "ShareRowExclusiveLock",
    "ExclusiveLock",
    "AccessExclusiveLock",
)
LIMIT_S = 60
LEAST_ROWS = 300
"""Each table has a thousand or more: who reads fewer has not read all."""
NOISE = re.compile(r"^(drop auto-cascades|rehashing catalog|identifier )")
RELATIONS = """
    SELECT c.oid::int8 AS oid, c.relname::text AS name, c.relkind::text AS kind,
        i.indrelid::int8 AS owner,
        pg_relation_filenode(c.oid)::int8 AS filenode,
        COALESCE(pg_stat_get_xact_tuples_returned(c.oid), 0)
            + COALESCE(pg_stat_get_xact_tuples_fetched(c.oid), 0) AS rows
    FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace
        LEFT JOIN pg_index i ON i.indexrelid = c.oid
    WHERE n.nspname IN ('lab', 'public') AND c.relkind <> 'c'
"""
# Outside a transaction its counters are gone at any time, so those of all are read.
RELATIONS_OUTSIDE = RELATIONS.replace("_xact", "")
LOCKS = """
    SELECT l.relation::int8 AS oid, l.mode::text AS mode
    FROM pg_locks l
    WHERE l.locktype = 'relation' AND l.pid = %s
        AND l.database =
            (SELECT oid FROM pg_database WHERE datname = current_database())
"""
OBJECT_LOCKS = """
    SELECT l.classid::regclass::text AS class, l.mode::text AS mode
    FROM pg_locks l
    WHERE l.locktype = 'object' AND l.pid = %s
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One paragraph of cases.sql."""

    id: str
    sql: str
    since: int
    """The first major version that understands it."""
    first: str
    """Runs before it in the same transaction, and is not measured."""
    after: str
    """Puts back what a statement outside a transaction has changed."""
    outside: bool
    """It cannot run in a transaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What one statement did to what was there before it."""

    locks: dict[str, str]
    """The strongest mode of each relation that is no index."""
    index_locks: dict[str, str] = field(default_factory=dict)
    object_locks: dict[str, str] = field(default_factory=dict)
    """By the catalog that the object is in."""
    scans: list[str] = field(default_factory=list)
    """Tables of which all rows were read."""
    rewrites: list[str] = field(default_factory=list)
    """Tables whose file is another one now."""
    builds: list[str] = field(default_factory=list)
    """Tables on which an index was built or built again."""
    words: list[str] = field(default_factory=list)
    """What the server says about it at debug1."""
    wal_bytes: int = 0


def read_cases() -> list[Case]:
    """Return the statements, in the order of the file."""
    cases = []
    for paragraph in (HERE / "cases.sql").read_text(encoding="utf-8").split("\n\n"):
        head = re.findall(r"^-- (.+)$", paragraph, re.MULTILINE)
        told = dict(each.split(": ", 1) for each in head[1:] if ": " in each)
        cases.append(
            Case(
                id=head[0],
                sql=re.sub(r"^--.*\n?", "", paragraph, flags=re.MULTILINE).strip(),
                since=int(told.get("since", 15)),
                first=told.get("first", ""),
                after=told.get("after", ""),
                outside="outside" in head,
            )
        )
    return cases


@contextmanager
def open_lab(conninfo: str) -> Iterator[psycopg.Connection[Any]]:
    """Make a database with the tables, and drop it in the end."""
    name = f"dbops_locks_{secrets.token_hex(4)}"
    with psycopg.connect(conninfo, autocommit=True) as base:
        base.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE template0 LOCALE 'C'").format(
                sql.Identifier(name)
            )
        )
        try:
            with psycopg.connect(conninfo, dbname=name, autocommit=True) as session:
                session.execute((HERE / "lab.sql").read_bytes())
                yield session
        finally:
            base.execute(
                sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
            )


def measure_all(
    session: psycopg.Connection[Any], cases: Iterable[Case]
) -> dict[str, Seen]:
    """Return what each statement did; those that the server is too old for left out."""
    major = session.info.server_version // 10000
    session.execute("SET max_parallel_maintenance_workers = 0")
    session.execute("SET max_parallel_workers_per_gather = 0")
    session.execute("SET TimeZone = 'UTC'")
    return {
        case.id: (measure_outside if case.outside else measure)(session, case)
        for case in cases
        if case.since <= major
    }


def measure(session: psycopg.Connection[Any], case: Case) -> Seen:
    """Run one statement in a transaction that is rolled back."""
    words: list[str] = []

    def listen(notice: psycopg.errors.Diagnostic) -> None:
        if notice.severity_nonlocalized == "DEBUG" and notice.message_primary:
            words.append(notice.message_primary)

    with session.transaction(force_rollback=True):
        if case.first:
            session.execute(case.first.encode())
        before = _fetch_relations(session)
        held = _fetch_locks(session)
        wal = _fetch_wal(session)
        session.add_notice_handler(listen)
        session.execute("SET LOCAL client_min_messages = debug1")
        session.execute(case.sql.encode())
        session.execute("SET LOCAL client_min_messages = warning")
        session.remove_notice_handler(listen)
        wal = _fetch_wal(session) - wal
        locks, objects = _fetch_locks(session), _fetch_object_locks(session)
        after = _fetch_relations(session)
    new = {key: mode for key, mode in locks.items() if mode != held.get(key)}
    return replace(
        _build_seen(before, after, new),
        object_locks=dict(sorted(objects.items())),
        words=[each for each in words if not NOISE.match(each)],
        wal_bytes=wal,
    )


def measure_outside(session: psycopg.Connection[Any], case: Case) -> Seen:
    """Run a statement that wants no transaction, and look where others hold it up."""
    tables = "lab.plain, lab.plain2" if "plain" in case.sql else "lab.solo"
    runs = []
    # The first two keep it from its first lock; the others from what it waits for then.
    for blocker in (
        f"LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE",
        f"LOCK TABLE {tables} IN SHARE UPDATE EXCLUSIVE MODE",
        f"LOCK TABLE {tables} IN ROW EXCLUSIVE MODE",
        f"LOCK TABLE {tables} IN ACCESS SHARE MODE",
        f"LOCK TABLE {tables.rpartition(' ')[2]} IN ACCESS SHARE MODE",
    ):
        before = _fetch_relations(session, RELATIONS_OUTSIDE)
        wal = _fetch_wal(session)
        locks = _watch(session, case.sql, blocker)
        wal = _fetch_wal(session) - wal
        after = _fetch_relations(session, RELATIONS_OUTSIDE)
        runs.append(replace(_build_seen(before, after, locks), wal_bytes=wal))
        if case.after:
            session.execute(case.after.encode())
    strongest: dict[str, str] = {}
    for run in runs:
        _merge(strongest, run.locks)
    # The locks of indexes are had for too short a moment to be seen each time.
    return replace(runs[-1], locks=dict(sorted(strongest.items())), index_locks={})


def _watch(
    session: psycopg.Connection[Any], statement: str, blocker: str
) -> dict[int, str]:
    """Return the locks that it has and waits for while a second session holds one."""
    conninfo = make_conninfo(session.info.dsn, password=session.info.password or None)
    seen: dict[int, str] = {}
    failures: list[BaseException] = []

    def run() -> None:
        try:
            session.execute(statement.encode())
        except BaseException as error:  # noqa: BLE001  Told by the caller.
            failures.append(error)

    with (
        psycopg.connect(conninfo) as other,
        psycopg.connect(conninfo, autocommit=True) as watcher,
    ):
        other.execute(blocker.encode())
        pid = session.info.backend_pid
        thread = threading.Thread(target=run)
        thread.start()
        limit = time.monotonic() + LIMIT_S
        while thread.is_alive() and time.monotonic() < limit:
            _merge(seen, _read_locks(watcher, pid))
            waiting = watcher.execute(
                "SELECT 1 FROM pg_locks WHERE pid = %s AND NOT granted", (pid,)
            ).fetchone()
            if waiting:
                _merge(seen, _read_locks(watcher, pid))
                other.rollback()
                break
        other.rollback()
        while thread.is_alive() and time.monotonic() < limit:
            _merge(seen, _read_locks(watcher, pid))
        thread.join(LIMIT_S)
    if failures:
        raise failures[0]
    return seen


def _merge(into: dict[Any, str], more: Mapping[Any, str]) -> None:
    for key, mode in more.items():
        if MODES.index(mode) > MODES.index(into.get(key, MODES[0])) or key not in into:
            into[key] = mode


def _fetch_relations(
    session: psycopg.Connection[Any], query: str = RELATIONS
) -> dict[int, dict[str, Any]]:
    if query == RELATIONS_OUTSIDE:
        session.execute("SELECT pg_stat_force_next_flush()")
    with session.cursor(row_factory=dict_row) as cursor:
        return {row["oid"]: row for row in cursor.execute(query.encode())}


def _fetch_locks(session: psycopg.Connection[Any]) -> dict[int, str]:
    return _read_locks(session, session.info.backend_pid)


def _read_locks(session: psycopg.Connection[Any], pid: int) -> dict[int, str]:
    locks: dict[int, str] = {}
    with session.cursor(row_factory=tuple_row) as cursor:
        for oid, mode in cursor.execute(LOCKS, (pid,)).fetchall():
            _merge(locks, {oid: mode})
    return locks


def _fetch_object_locks(session: psycopg.Connection[Any]) -> dict[str, str]:
    locks: dict[str, str] = {}
    with session.cursor(row_factory=tuple_row) as cursor:
        pid = session.info.backend_pid
        for name, mode in cursor.execute(OBJECT_LOCKS, (pid,)).fetchall():
            if MODES.index(mode) > MODES.index(locks.get(name, MODES[0])):
                locks[name] = mode
    return locks


def _fetch_wal(session: psycopg.Connection[Any]) -> int:
    row = session.execute(
        "SELECT (pg_current_wal_insert_lsn() - '0/0')::int8"
    ).fetchone()
    assert row is not None
    return int(row[0])


def _build_seen(
    before: Mapping[int, dict[str, Any]],
    after: Mapping[int, dict[str, Any]],
    locks: Mapping[int, str],
) -> Seen:
    old_files = {row["filenode"] for row in before.values()}
    tables = {oid for oid in before if before[oid]["kind"] not in "iI"}

    def name(oids: Iterable[int]) -> list[str]:
        return sorted({before[oid]["name"] for oid in oids})

    def name_modes(kept: Iterable[int]) -> dict[str, str]:
        return dict(sorted((before[oid]["name"], locks[oid]) for oid in kept))

    scanned = {
        oid
        for oid in tables & after.keys()
        if before[oid]["kind"] in "rm"
        and _count_rows(after, oid) - _count_rows(before, oid) > LEAST_ROWS
    }
    # TRUNCATE gives a table another file, too, and reads none of its rows.
    rewritten = {
        oid for oid in scanned if after[oid]["filenode"] != before[oid]["filenode"]
    }
    built = {
        row["owner"]
        for row in after.values()
        if row["kind"] == "i" and row["filenode"] not in old_files
    }
    return Seen(
        locks=name_modes(locks.keys() & tables),
        index_locks=name_modes(locks.keys() & before.keys() - tables),
        scans=name(scanned),
        rewrites=name(rewritten),
        builds=name(built & scanned),
    )


def _count_rows(relations: Mapping[int, dict[str, Any]], oid: int) -> int:
    """Return how many rows were read, from the table itself or by its indexes."""
    return sum(
        row["rows"] for row in relations.values() if oid in (row["oid"], row["owner"])
    )


def write(results: Mapping[str, Mapping[str, Seen]]) -> None:
    """Put the results in the place of those of the same versions."""
    found = json.loads(MEASURED.read_text()) if MEASURED.exists() else {}
    for major, seen in results.items():
        found[major] = {key: asdict(each) for key, each in seen.items()}
    lines = [
        f'"{major}": {{\n'
        + ",\n".join(
            f"  {json.dumps(id_)}: {json.dumps(seen)}"
            for id_, seen in found[major].items()
        )
        + "\n}"
        for major in sorted(found)
    ]
    MEASURED.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def main(servers: Iterable[str]) -> None:
    """Measure on each server."""
    cases = read_cases()
    for conninfo in servers:
        with open_lab(conninfo) as session:
            begun = time.monotonic()
            seen = measure_all(session, cases)
            major = str(session.info.server_version // 10000)
            write({major: seen})
            print(f"{major}: {len(seen)} statements, {time.monotonic() - begun:.1f} s")


if __name__ == "__main__":
    main(sys.argv[1:])
