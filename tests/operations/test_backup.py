"""Backups: of one moment, whole or not at all, proven before they are published."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from dbops.core.manifest import Manifest
from dbops.core.packing import Packer, pack
from dbops.core.target import Target
from dbops.errors import Busy, DbopsError, Refused, ToolFailed, UsageError
from dbops.operations.backup import writing
from dbops.operations.backup.backup import take_backup
from dbops.operations.backup.reading import Backup
from dbops.operations.backup.report import BackupReport, Verified
from dbops.operations.backup.sealing import Seal
from dbops.operations.storage import find_backup, open_vault, read_stored_manifest
from dbops.operations.storage.directory import DirectoryVault
from dbops.postgres import tools as tools_module
from dbops.postgres.copying import (
    open_copy_session,
    plan_portions,
    read_rows,
    use_snapshot,
)
from dbops.postgres.session import build_environment
from dbops.postgres.snapshot import fetch_relations
from dbops.render.backup import render_backup
from dbops.render.text import render_text
from tests.databases import connect, require_superuser
from tests.operations.conftest import (
    HeldTools,
    execute,
    fetch_value,
    read_command_lines,
    wait_until,
)

ROOT = Path(__file__).parents[2]
SECRET = "p@ss w0rd%:/#'\"\\ $x"
COUNTING = "reading the catalog"


def read_manifest(target: Target, storage: str) -> Manifest:
    vault = open_vault(storage, target.database)
    return read_stored_manifest(vault, find_backup(vault, target.database, "latest"))


def count_rows(manifest: Manifest | BackupReport) -> dict[str, int]:
    return {table.name: table.rows for table in manifest.tables}


def list_leftovers(target: Target, storage: str) -> list[str]:
    vault = open_vault(storage, target.database)
    assert isinstance(vault, DirectoryVault)
    return sorted(entry.name for entry in vault.directory.iterdir())


def count_sessions(target: Target) -> int:
    """Return how many sessions of dbops and its tools are in the database."""
    found = fetch_value(
        target,
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND (application_name LIKE 'dbops:%' OR application_name LIKE 'pg\\_%')",
    )
    assert isinstance(found, int)
    return found


def start_command(
    target: Target, storage: str, *arguments: str, pg_bin: Path | None = None
) -> subprocess.Popen[str]:
    """Start `manage.py dbops_backup` for the target in a process of its own."""
    environment = {
        **{key: value for key, value in os.environ.items() if key[:2] != "PG"},
        # An URL would need its own quoting of host and name; libpq reads these.
        **build_environment(target),
        "DATABASE_URL": "postgres:///postgres",
        "DJANGO_SETTINGS_MODULE": "neuroagent.settings",
        "SECRET_KEY": "tests",
        "DEBUG": "1",
        "DBOPS_PG_BIN": str(pg_bin or ""),
    }
    code = (
        "import sys, django.conf as c\n"
        "c.settings.DATABASES['default']['NAME'] = sys.argv.pop(1)\n"
        "from django.core.management import execute_from_command_line as run\n"
        "run(sys.argv)\n"
    )
    return subprocess.Popen(
        [
            sys.executable,
            "-c",
            code,
            target.database,
            "dbops_backup",
            "--storage",
            storage,
            *arguments,
        ],
        cwd=ROOT,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


@contextmanager
def background(work: Callable[[threading.Event], None]) -> Iterator[None]:
    """Run work in a thread until the end of the block; it may not fail."""
    stop = threading.Event()
    with ThreadPoolExecutor(max_workers=1) as executor:
        running = executor.submit(work, stop)
        try:
            yield
        finally:
            stop.set()
            running.result()


def test_the_report_says_what_the_manifest_says(filled: Target, storage: str) -> None:
    execute(
        filled,
        "CREATE TABLE django_migrations (id int PRIMARY KEY, app text, name text)",
        "INSERT INTO django_migrations VALUES (2, 'b', '0001_x'), (1, 'a', '0001_y')",
    )
    report = take_backup(filled, storage=storage)
    manifest = read_manifest(filled, storage)
    location = Path(report.location)
    assert report.verified is Verified.CONTENTS
    assert [str(each) for each in report.migrations] == ["a.0001_y", "b.0001_x"]
    assert report.backup_id == manifest.backup_id == location.name
    assert report.tables == manifest.tables
    assert report.fingerprint == manifest.fingerprint
    details = Backup(
        files=manifest.files,
        read=lambda path: (location / path).read_bytes(),
        seal=Seal(),
    ).read_details()
    assert details.catalog.fingerprint == manifest.fingerprint
    assert {each.name: each.rows for each in details.tables} == count_rows(report)
    assert manifest.database == filled.database
    assert manifest.encoding == "UTF8"
    assert report.size_bytes == sum(
        path.stat().st_size
        for path in location.rglob("*")
        if path.is_file() and path.name != "manifest.json"
    )
    assert count_rows(report) == {
        '"Grüße"': 3,
        '"Sales Data"."Or""d.er"': 2000,
        "authors": 5000,
        "django_migrations": 2,
        "empty": 0,
        "events_2025": 213,
        "events_rest": 187,
        "without_columns": 1,
    }
    assert list_leftovers(filled, storage) == [report.backup_id]
    assert count_sessions(filled) == 0


def test_an_empty_database_has_a_backup_too(database: Target, storage: str) -> None:
    report = take_backup(database, storage=storage)
    assert report.tables == ()
    assert report.verified is Verified.CONTENTS


def test_the_text_ends_with_verdict_and_next_command(
    filled: Target, storage: str
) -> None:
    report = take_backup(filled, storage=storage)
    text = render_text(render_backup(report), width=80, color=False)
    lines = text.splitlines()
    assert lines[-2].startswith(f"Backup {report.backup_id} taken in ")
    assert lines[-1] == f"Next: manage.py dbops_restore {report.backup_id} --dry-run"
    assert "Contents  7 tables, 7,404 rows, 0 applied migrations\n" in text


def test_a_dry_run_says_the_same_and_writes_nothing(
    filled: Target, storage: str
) -> None:
    plan = take_backup(filled, storage=storage, dry_run=True)
    assert not Path(storage).exists()
    report = take_backup(filled, storage=storage)
    assert plan.tables == report.tables
    assert plan.fingerprint == report.fingerprint
    assert plan.verified is Verified.NONE


@pytest.mark.parametrize("jobs", [0, -1, 65])
def test_refuses_an_impossible_number_of_jobs(
    database: Target, storage: str, jobs: int
) -> None:
    with pytest.raises(UsageError, match="is no number of jobs"):
        take_backup(database, storage=storage, jobs=jobs)


def test_counts_are_of_the_dumps_own_snapshot_while_writers_insert(
    database: Target, storage: str
) -> None:
    execute(database, "CREATE TABLE a (id int)", "CREATE TABLE b (id int)")

    def write(stop: threading.Event) -> None:
        with connect(database) as connection:
            while not stop.is_set():
                with connection.transaction():
                    connection.execute("INSERT INTO a VALUES (1)")
                    connection.execute("INSERT INTO b VALUES (1)")

    with background(write):
        wait_until(lambda: fetch_value(database, "SELECT count(*) FROM a") != 0, "rows")
        reports = [take_backup(database, storage=storage) for _ in range(3)]
    counts = [count_rows(report) for report in reports]
    assert all(each["a"] == each["b"] > 0 for each in counts)
    assert counts[0] != counts[-1]


def test_a_snapshot_taken_before_the_locks_is_dumped_empty(
    database: Target,
) -> None:
    """The fact that the order of locks and snapshot is about."""
    execute(
        database,
        "CREATE TABLE t (id int)",
        "INSERT INTO t SELECT generate_series(1, 1000)",
    )
    with connect(database) as session, session.transaction():
        session.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        row = session.execute("SELECT pg_export_snapshot()").fetchone()
        assert row is not None
        execute(database, "ALTER TABLE t ALTER id TYPE bigint")
        with open_copy_session(database, purpose="test") as connection:
            (portion,) = plan_portions(connection, fetch_relations(connection))
            with use_snapshot(connection, row[0]):
                assert list(read_rows(connection, portion)) == []
            with connection.transaction():
                rows = b"".join(each.lines for each in read_rows(connection, portion))
                assert rows.count(b"\n") == 1000


def test_no_table_is_dumped_empty_while_others_rewrite_it(
    database: Target, storage: str
) -> None:
    execute(
        database,
        "CREATE TABLE t (id int)",
        "INSERT INTO t SELECT generate_series(1, 1000)",
    )
    rewrites = 0

    def rewrite(stop: threading.Event) -> None:
        nonlocal rewrites
        with connect(database) as connection:
            connection.execute("SET lock_timeout = '20ms'")
            while not stop.is_set():
                for kind in ("bigint", "int"):
                    try:
                        connection.execute(f"ALTER TABLE t ALTER id TYPE {kind}")
                    except psycopg.errors.LockNotAvailable:
                        continue
                    rewrites += 1

    taken = 0
    with background(rewrite):
        for _ in range(12):
            try:
                report = take_backup(database, storage=storage, jobs=1)
            except Busy:
                continue
            taken += 1
            assert count_rows(report) == {"t": 1000}
    assert rewrites > 0
    assert taken > 0
    assert len(list_leftovers(database, storage)) == taken


def test_a_table_made_between_list_and_locks_is_in_the_backup(
    filled: Target, storage: str
) -> None:
    made: list[str] = []

    def intrude(line: str) -> None:
        if line.startswith("locking") and len(made) < 2:
            made.append(f"late_{len(made)}")
            execute(
                filled,
                f"CREATE TABLE {made[-1]} AS SELECT 1 AS id",
                "DROP TABLE IF EXISTS empty",
            )

    report = take_backup(filled, storage=storage, progress=intrude)
    counts = count_rows(report)
    assert counts["late_0"] == counts["late_1"] == 1
    assert "empty" not in counts


def test_gives_up_when_tables_come_and_go_all_the_time(
    database: Target, storage: str
) -> None:
    made = 0

    def intrude(line: str) -> None:
        nonlocal made
        if line.startswith("locking"):
            made += 1
            execute(database, f"CREATE TABLE t{made} ()")

    with pytest.raises(Busy, match="created or dropped all the time"):
        take_backup(database, storage=storage, progress=intrude)
    assert list_leftovers(database, storage) == []


def test_names_the_table_that_somebody_has_locked(filled: Target, storage: str) -> None:
    with connect(filled) as holder, holder.transaction():
        holder.execute("""LOCK TABLE "Sales Data"."Or""d.er" """)
        with pytest.raises(Busy) as caught:
            take_backup(filled, storage=storage, lock_wait_timeout_s=0.2)
    assert '"Sales Data"."Or""d.er"' in caught.value.message
    assert caught.value.exit_code == 5
    assert list_leftovers(filled, storage) == []
    assert count_sessions(filled) == 0


def test_gives_way_to_a_migration_that_waits_for_the_dump(
    filled: Target, storage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "LOCK_WAIT_S", 0.2)
    waiting = (
        "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND database ="
        " (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    with ThreadPoolExecutor(max_workers=1) as executor:
        running = []

        def migrate(line: str) -> None:
            if line.startswith(COUNTING):
                running.append(
                    executor.submit(
                        execute, filled, "ALTER TABLE empty ALTER id TYPE bigint"
                    )
                )
                wait_until(lambda: fetch_value(filled, waiting) is True, "the ALTER")

        with pytest.raises(Busy, match="waits to change a table"):
            take_backup(filled, storage=storage, progress=migrate)
        running[0].result(timeout=30)
    assert list_leftovers(filled, storage) == []


def test_row_security_that_hides_rows_is_refused(
    server: Target, filled: Target, storage: str
) -> None:
    require_superuser(server)
    role = "dbops_test_reader"
    execute(
        filled,
        f"DROP ROLE IF EXISTS {role}",
        f"CREATE ROLE {role} LOGIN PASSWORD 'x'",
    )
    try:
        execute(
            filled,
            f'GRANT USAGE ON SCHEMA public, "Sales Data" TO {role}',
            f'GRANT SELECT ON ALL TABLES IN SCHEMA public, "Sales Data" TO {role}',
            f'GRANT SELECT ON ALL SEQUENCES IN SCHEMA public, "Sales Data" TO {role}',
            "ALTER TABLE authors ENABLE ROW LEVEL SECURITY",
        )
        reader = Target(
            alias="reader",
            parameters={**filled.parameters, "user": role, "password": "x"},
        )
        with pytest.raises(Refused, match='row-level security policy for table "auth'):
            take_backup(reader, storage=storage)
        execute(filled, "ALTER TABLE authors DISABLE ROW LEVEL SECURITY")
        take_backup(reader, storage=storage)
        execute(filled, f"REVOKE SELECT ON authors FROM {role}")
        with pytest.raises(Refused, match="permission denied for table authors"):
            take_backup(reader, storage=storage)
    finally:
        execute(filled, f"DROP OWNED BY {role}", f"DROP ROLE {role}")


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("data/*.zst", "was changed after it was written"),
        ("schema/*", "was changed after it was written"),
    ],
)
def test_a_file_that_the_storage_spoils_is_noticed_before_it_is_published(
    filled: Target, storage: str, pattern: str, problem: str
) -> None:
    def spoil(line: str) -> None:
        if line.startswith("verifying"):
            path = next(Path(storage).glob(f"*/.*/{pattern}"))
            path.write_bytes(path.read_bytes()[:-1] + b"!")

    with pytest.raises(ToolFailed, match=problem):
        take_backup(filled, storage=storage, progress=spoil)
    assert list_leftovers(filled, storage) == []


def test_rows_that_come_out_of_a_file_otherwise_are_noticed(
    filled: Target, storage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def finish(packer: Packer) -> bytes:
        return pack(b"1\n" * packer.contents.rows)

    monkeypatch.setattr(Packer, "finish", finish)
    with pytest.raises(ToolFailed, match=r"zst\": other rows come out than went in"):
        take_backup(filled, storage=storage)
    assert list_leftovers(filled, storage) == []


def test_says_which_client_tools_are_missing(
    database: Target, storage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tools_module, "find_directories", lambda _target: iter(()))
    with pytest.raises(ToolFailed, match="found: none") as caught:
        take_backup(database, storage=storage)
    assert "apt-get install postgresql-client-" in (caught.value.hint or "")
    assert list_leftovers(database, storage) == []


def test_refuses_an_unwritable_storage_before_it_connects(tmp_path: Path) -> None:
    nowhere = Target(alias="a", parameters={"dbname": "a", "host": "/nowhere"})
    (tmp_path / "file").write_text("")
    with pytest.raises(Refused, match="cannot write to backup storage"):
        take_backup(nowhere, storage=str(tmp_path / "file"))


def test_a_full_disk_leaves_nothing_behind(
    database: Target, storage: str, small_disk: Path
) -> None:
    execute(
        database,
        "CREATE TABLE t AS SELECT md5(n::text) || md5((-n)::text) AS t"
        " FROM generate_series(1, 60000) AS n",
    )
    with pytest.raises(ToolFailed, match=r"(?i)no space left|disk space") as caught:
        take_backup(database, storage=str(small_disk))
    assert caught.value.exit_code == 6
    assert list_leftovers(database, str(small_disk)) == []
    assert count_sessions(database) == 0


def test_two_backups_at_once_both_succeed(filled: Target, storage: str) -> None:
    with ThreadPoolExecutor(max_workers=2) as executor:
        running = [
            executor.submit(take_backup, filled, storage=storage) for _ in range(4)
        ]
        ids = {each.result().backup_id for each in running}
    assert set(list_leftovers(filled, storage)) == ids
    assert len(ids) == 4


def test_kill_9_publishes_nothing_and_the_next_run_cleans_up(
    filled: Target, storage: str, held_tools: HeldTools
) -> None:
    with start_command(filled, storage, pg_bin=held_tools.directory) as command:
        held_tools.wait()
        assert held_tools.count_processes() > 0
        command.kill()
        command.communicate()
    [partial] = list_leftovers(filled, storage)
    assert partial.endswith(".partial")
    assert open_vault(storage, filled.database).list_ids() == []
    wait_until(lambda: held_tools.count_processes() == 0, "pg_dump to end")
    wait_until(lambda: count_sessions(filled) == 0, "its sessions to end")
    report = take_backup(filled, storage=storage)
    assert list_leftovers(filled, storage) == [report.backup_id]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_nothing_behind(
    filled: Target, storage: str, held_tools: HeldTools, number: signal.Signals
) -> None:
    with start_command(
        filled, storage, "--json", pg_bin=held_tools.directory
    ) as command:
        held_tools.wait()
        command.send_signal(number)
        out, err = command.communicate(timeout=180)
    assert command.returncode == 5, err
    assert json.loads(out)["error"]["type"] == "Interrupted"
    assert "Traceback" not in err
    assert list_leftovers(filled, storage) == []
    wait_until(lambda: held_tools.count_processes() == 0, "pg_dump to end")
    wait_until(lambda: count_sessions(filled) == 0, "its sessions to end")


def test_the_command_writes_one_document(filled: Target, storage: str) -> None:
    with start_command(filled, storage, "--json") as command:
        out, err = command.communicate(timeout=180)
    assert command.returncode == 0, err
    document = json.loads(out)
    assert document["ok"] is True
    assert document["command"] == "dbops_backup"
    assert document["verified"] == "contents"
    assert {"name": "authors", "rows": 5000} in document["tables"]
    assert "dumping" in err


def test_a_password_is_in_no_argument_no_output_and_no_file(
    filled: Target, storage: str, held_tools: HeldTools
) -> None:
    require_superuser(filled)
    role = "dbops_test_secret"
    execute(filled, f"DROP ROLE IF EXISTS {role}")
    with connect(filled) as connection:
        quoted = psycopg.sql.Literal(SECRET).as_string(connection)
        connection.execute(
            f"CREATE ROLE {role} SUPERUSER LOGIN PASSWORD {quoted}".encode()
        )
    secretive = Target(
        alias="a", parameters={**filled.parameters, "user": role, "password": SECRET}
    )
    try:
        with start_command(secretive, storage, pg_bin=held_tools.directory) as command:
            held_tools.wait()
            lines = read_command_lines()
            command.send_signal(signal.SIGINT)
            out, err = command.communicate(timeout=180)
        ours = [line for line in lines.values() if b"dbops" in line or b"held" in line]
        assert any(b"--snapshot" in line for line in ours)
        assert not any(SECRET.encode() in line for line in lines.values())
        report = take_backup(secretive, storage=storage)
        with pytest.raises(Refused) as caught:
            take_backup(secretive, storage=f"{report.location}/manifest.json")
    finally:
        execute(filled, f"DROP ROLE {role}")
    texts = [out, err, repr(report), str(caught.value)]
    texts += [
        path.read_bytes().decode(errors="replace")
        for path in Path(report.location).rglob("*")
        if path.is_file()
    ]
    assert not any("p@ss" in text or "w0rd" in text for text in texts)


def test_a_session_ended_by_somebody_else_ends_the_backup(
    filled: Target, storage: str
) -> None:
    def end(line: str) -> None:
        if line.startswith("dumping"):
            execute(
                filled,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'dbops:backup'"
                " AND datname = current_database()",
            )

    with pytest.raises(DbopsError) as caught:
        take_backup(filled, storage=storage, progress=end, jobs=1)
    assert caught.value.exit_code == 7
    assert list_leftovers(filled, storage) == []
