"""A database is replaced by a restored one under its clients, or nothing happens."""

from __future__ import annotations

import dataclasses
import secrets
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from dbops.core.migration import MigrationId
from dbops.core.progress import silent
from dbops.core.target import Target
from dbops.errors import DbopsError, Refused, ServerFailed
from dbops.operations.backup.choosing import choose_backup, read_moment
from dbops.operations.project_migrations import Project
from dbops.operations.restore.replace import ReplaceOptions, replace_database
from dbops.operations.restore.restore import RestoreReport
from dbops.postgres import swap
from dbops.postgres.scratch import drop_database
from dbops.render.restore import render_restore
from dbops.render.text import render_text
from tests.databases import (
    connect,
    find_server,
    require_superuser,
)
from tests.keeping import Keeper
from tests.lab import THING, Lab
from tests.processes import start_in_lab, wait_until

COLOR = 'migrations.AddField("Thing", "color", models.TextField(default="red"))'
SIZE = 'migrations.AddField("Thing", "size", models.IntegerField(default=1))'
RESTORE = ("dbops_restore", "latest", "--yes", "--json")
STEPS = (
    "verifying the checksums",
    "creating database",
    "restoring the tables",
    "restoring indexes",
    "verifying rows",
    "gathering statistics",
    "carrying the ledger",
    "replacing ",
)

PAUSE = """
import time
from pathlib import Path
from dbops.management.base import DbopsCommand
tell = DbopsCommand._build_progress
def build(self, options):
    progress = tell(self, options)
    def pause(line):
        progress(line)
        if line.startswith({step!r}):
            Path("reached").touch()
            time.sleep(60)
    return pause
DbopsCommand._build_progress = build
"""
PAUSE_IN_SWAP = """
import time
from pathlib import Path
from dbops.postgres import swap
rename, calls = swap._rename, []
def pause(*arguments):
    rename(*arguments)
    calls.append(1)
    if len(calls) == {number}:
        Path("reached").touch()
        time.sleep(60)
swap._rename = pause
"""


def prepare(lab: Lab) -> None:
    """Make a table of one migration, with 100 rows, and a backup of that."""
    lab.write_migration("0001_initial", THING, down="SELECT 1;")
    run(lab, "dbops_deploy", "--no-backup")
    lab.execute(
        f"INSERT INTO {lab.app}_thing (name) SELECT 'old' FROM generate_series(1, 100)"
    )
    run(lab, "dbops_backup")


@pytest.fixture
def lab(keeper: Keeper) -> Iterator[Lab]:
    with keeper.open_lab(prepare) as lab:
        try:
            yield lab
        finally:
            drop_relatives(lab.target)


def drop_relatives(target: Target) -> None:
    for name in list_relatives(target):
        with connect(find_server()) as base:
            drop_database(base, name)


def list_relatives(target: Target) -> list[str]:
    """Return the databases that restores have made beside this one."""
    with connect(find_server()) as base:
        rows = base.execute(
            "SELECT datname FROM pg_database WHERE starts_with(datname, %s)"
            " AND datname <> %s ORDER BY datname",
            [target.database + "_", target.database],
        ).fetchall()
    return [name for (name,) in rows]


def run(lab: Lab, *arguments: str) -> Any:
    outcome = lab.run(*arguments)
    assert outcome.code == 0, outcome.err + outcome.out
    return outcome


def replace(
    lab: Lab, progress: Callable[[str], None] = silent, **options: Any
) -> RestoreReport:
    with lab.open() as opened:
        context = dataclasses.replace(opened, progress=progress)
        return replace_database(context, ReplaceOptions(**options))


def back_up(lab: Lab) -> None:
    run(lab, "dbops_backup")


def change(lab: Lab) -> None:
    """Do what comes after the backup: a migration, a loss."""
    lab.write_migration(
        "0002_add_color", COLOR, down=f"ALTER TABLE {lab.app}_thing DROP COLUMN color;"
    )
    run(lab, "dbops_deploy", "--no-backup")
    lab.execute(f"DELETE FROM {lab.app}_thing WHERE id > 50")


def count(lab: Lab) -> int:
    return int(lab.fetch_value(f"SELECT count(*) FROM {lab.app}_thing"))


def fetch_oid(target: Target) -> int:
    with connect(find_server()) as base:
        row = base.execute(
            "SELECT oid FROM pg_database WHERE datname = %s", [target.database]
        ).fetchone()
    assert row is not None
    return int(row[0])


# What is there afterwards


def test_the_backup_takes_the_place_and_the_old_one_is_kept(lab: Lab) -> None:
    change(lab)
    report = replace(lab)
    assert report.database == lab.target.database
    assert report.exit_code == 0
    assert count(lab) == 100
    assert lab.fetch_history() == ["0001_initial"]
    previous = report.previous_database
    assert previous is not None
    assert list_relatives(lab.target) == [previous]
    with connect(lab.target.with_database(previous)) as old:
        assert old.execute(f"SELECT count(color) FROM {lab.app}_thing").fetchone() == (
            50,
        )


def test_the_ledger_goes_on(lab: Lab) -> None:
    change(lab)
    lab.execute(
        "UPDATE dbops_deployment SET state = 'running', finished_at = NULL"
        " WHERE started_at = (SELECT max(started_at) FROM dbops_deployment)"
    )
    report = replace(lab)
    with connect(lab.target) as session:
        runs = session.execute(
            "SELECT kind, state, backup_id FROM dbops_deployment ORDER BY started_at"
        ).fetchall()
        steps = session.execute(
            "SELECT migration, direction, description FROM dbops_step"
            " WHERE app = %s ORDER BY started_at",
            [lab.app],
        ).fetchall()
        backups = session.execute("SELECT backup_id FROM dbops_backup").fetchall()
    assert runs == [
        ("deploy", "done", ""),
        ("deploy", "reverted", ""),
        ("restore", "done", report.backup_id),
    ]
    assert [each[:2] for each in steps] == [
        ("0001_initial", "forward"),
        ("0002_add_color", "forward"),
        ("0002_add_color", "backward"),
    ]
    assert steps[-1][2] == "restored"
    assert backups == [(report.backup_id,)]
    assert report.ledger_entries is not None
    assert report.ledger_entries >= 3


def test_the_next_deployment_applies_what_the_restore_took_back(lab: Lab) -> None:
    change(lab)
    head = run(lab, "dbops_history", "verify", "--json").json["ledger_head"]
    report = replace(lab)
    assert report.pending == (MigrationId(lab.app, "0002_add_color"),)
    assert report.unknown == ()
    status = lab.run("dbops_status", "--json").json
    assert status["state"] == "pending"
    assert status["last"]["kind"] == "restore"
    deployed = run(lab, "dbops_deploy", "--no-backup", "--json").json
    assert deployed["applied"] == [f"{lab.app}.0002_add_color"]
    run(lab, "dbops_rollback", lab.app, "0001", "--yes")
    assert count(lab) == 100
    run(lab, "dbops_history", "verify", "--head", head)


def test_brings_back_migrations_that_were_rolled_back_since(lab: Lab) -> None:
    change(lab)
    back_up(lab)
    run(lab, "dbops_rollback", lab.app, "0001", "--yes")
    lab.remove_last_migration()
    report = replace(lab)
    assert report.unknown == (MigrationId(lab.app, "0002_add_color"),)
    assert lab.fetch_history() == ["0001_initial", "0002_add_color"]
    assert (
        lab.fetch_value(
            "SELECT direction FROM dbops_step WHERE migration = '0002_add_color'"
            " ORDER BY started_at DESC LIMIT 1"
        )
        == "forward"
    )
    text = render_text(render_restore(report), width=100, color=False)
    assert "migrations that this release does not know" in text
    assert f"Next: deploy the release that has {lab.app}.0002_add_color" in text


def test_the_restored_state_is_not_taken_for_proven(lab: Lab) -> None:
    """A backup of a drifted database is one after the restore, too."""
    lab.execute(f"ALTER TABLE {lab.app}_thing ADD stray int")
    back_up(lab)
    replace(lab)
    assert lab.run("dbops_deploy", "--no-backup").code == 4


def test_a_backup_without_a_ledger_is_told(lab: Lab) -> None:
    lab.execute(
        *(f"DROP TABLE dbops_{each} CASCADE" for each in ("step", "backup", "catalog")),
        "DROP TABLE dbops_deployment CASCADE",
        "DELETE FROM django_migrations WHERE app = 'dbops'",
    )
    back_up(lab)
    report = replace(lab)
    assert report.ledger_entries is None
    assert any("has no ledger" in note for note in report.notes)
    assert count(lab) == 100


def test_an_older_ledger_takes_the_newer_entries(lab: Lab) -> None:
    lab.execute(
        "CREATE TABLE aside AS SELECT id, digest FROM dbops_step",
        "ALTER TABLE dbops_step DROP COLUMN digest",
    )
    back_up(lab)
    lab.execute(
        "ALTER TABLE dbops_step ADD digest text NOT NULL DEFAULT ''",
        "UPDATE dbops_step s SET digest = a.digest FROM aside a WHERE a.id = s.id",
        "DROP TABLE aside",
    )
    change(lab)
    report = replace(lab)
    # What the older ledger has no place for is no edit.
    run(lab, "dbops_history", "verify")
    assert report.ledger_entries is not None
    assert (
        lab.fetch_value("SELECT count(*) FROM dbops_deployment WHERE kind = 'deploy'")
        == 2
    )


def test_statistics_are_fresh(lab: Lab) -> None:
    replace(lab)
    assert lab.fetch_value(
        f"SELECT count(*) > 0 FROM pg_stats WHERE tablename = '{lab.app}_thing'"
    )
    assert (
        lab.fetch_value(
            f"SELECT reltuples FROM pg_class WHERE oid = '{lab.app}_thing'::regclass"
        )
        == 100
    )


def test_the_previous_database_is_dropped_when_told(lab: Lab) -> None:
    report = replace(lab, drop_previous=True)
    assert report.previous_dropped
    assert list_relatives(lab.target) == []
    assert count(lab) == 100


def test_a_dry_run_changes_nothing(lab: Lab) -> None:
    oid = fetch_oid(lab.target)
    report = replace(lab, dry_run=True)
    assert report.dry_run
    assert report.previous_database == f"{lab.target.database}_before_TIME"
    assert fetch_oid(lab.target) == oid
    assert list_relatives(lab.target) == []


@pytest.fixture
def role(request: pytest.FixtureRequest) -> Iterator[str]:
    """A role that others are, too."""
    name = f"dbops_test_{secrets.token_hex(4)}"
    identifier = sql.Identifier(name)
    with connect(find_server()) as base:
        base.execute(sql.SQL("CREATE ROLE {} CREATEDB").format(identifier))
        base.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(identifier))
    lab = request.getfixturevalue("lab")
    yield name
    release(lab, name)
    with connect(find_server()) as base:
        base.execute(sql.SQL("DROP OWNED BY {}").format(identifier))
        base.execute(sql.SQL("DROP ROLE {}").format(identifier))


def release(lab: Lab, role: str) -> None:
    """Take everything away from a role, so that it can be dropped."""
    names = (lab.target.database, *list_relatives(lab.target))
    identifier = sql.Identifier(role)
    for target in map(lab.target.with_database, names):
        with connect(target) as session:
            session.execute("SET default_transaction_read_only = off")
            session.execute(
                sql.SQL("REASSIGN OWNED BY {} TO CURRENT_USER").format(identifier)
            )
            session.execute(sql.SQL("DROP OWNED BY {}").format(identifier))


def is_superuser() -> bool:
    with connect(find_server()) as base:
        row = base.execute(
            "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
    return bool(row and row[0])


def fetch_properties(target: Target) -> dict[str, Any]:
    with connect(target) as session:
        row = session.execute(
            "SELECT pg_get_userbyid(datdba), datconnlimit,"
            " shobj_description(oid, 'pg_database'),"
            " (SELECT array_agg(a ORDER BY a) FROM unnest(datacl::text[]) AS a),"
            " (SELECT array_agg(setrole::text || entry ORDER BY setrole, entry)"
            "    FROM pg_db_role_setting, unnest(setconfig) AS entry"
            "   WHERE setdatabase = d.oid)"
            " FROM pg_database AS d WHERE datname = current_database()"
        ).fetchone()
    assert row is not None
    return dict(
        zip(("owner", "limit", "comment", "grants", "settings"), row, strict=True)
    )


def test_owner_grants_settings_and_comment_stay(lab: Lab, role: str) -> None:
    name = f'"{lab.target.database}"'
    lab.execute(
        f"COMMENT ON DATABASE {name} IS 'it''s ours'",
        f"ALTER DATABASE {name} CONNECTION LIMIT 77",
        f'ALTER DATABASE {name} SET search_path = public, "$user", \'My "App"\'',
        f"ALTER DATABASE {name} SET lock_timeout = '3s'",
        f"ALTER ROLE CURRENT_USER IN DATABASE {name} SET work_mem = '5MB'",
        f"REVOKE ALL ON DATABASE {name} FROM PUBLIC; "
        f"GRANT CONNECT ON DATABASE {name} TO pg_monitor WITH GRANT OPTION; "
        f"GRANT TEMPORARY ON DATABASE {name} TO PUBLIC",
    )
    with connect(lab.target) as session:
        session.execute(f"GRANT SELECT ON {lab.app}_thing TO {role}")
        session.execute(f"GRANT UPDATE (name) ON {lab.app}_thing TO {role}")
        session.execute(f"GRANT CREATE ON SCHEMA public TO {role}")
        session.execute(f"ALTER TABLE django_migrations OWNER TO {role}")
        session.execute(f"ALTER DATABASE {name} OWNER TO {role}")
    back_up(lab)
    lab.execute(
        *([f"ALTER DATABASE {name} SET my.own = 'a, \"b\"'"] if is_superuser() else []),
        f"ALTER DATABASE {name} SET default_transaction_read_only = on",
    )
    before = fetch_properties(lab.target)
    assert before["owner"] == role
    report = replace(lab)
    assert fetch_properties(lab.target) == before
    assert not [each for each in report.notes if "setting" in each]
    assert lab.fetch_value(
        f"SELECT has_table_privilege('{role}', '{lab.app}_thing', 'SELECT')"
        f" AND has_column_privilege('{role}', '{lab.app}_thing', 'name', 'UPDATE')"
        f" AND NOT has_table_privilege('{role}', '{lab.app}_thing', 'DELETE')"
    )
    assert (
        lab.fetch_value(
            "SELECT tableowner FROM pg_tables WHERE tablename = 'django_migrations'"
        )
        == role
    )
    assert report.ledger_entries is not None


def test_a_setting_that_only_a_superuser_may_make_is_told(lab: Lab) -> None:
    require_superuser(lab.target)
    name = f'"{lab.target.database}"'
    with use_role(lab, "CREATEDB IN ROLE pg_read_all_data, pg_signal_backend") as other:
        user = other.target.parameters["user"]
        lab.execute(
            f"ALTER DATABASE {name} OWNER TO {user}",
            f"ALTER DATABASE {name} SET my.own = 'a, b'",
            f"ALTER DATABASE {name} SET work_mem = '5MB'",
        )
        report = replace(other, with_access=False)
        kept = lab.fetch_value("SELECT current_setting('work_mem')")
        release(lab, user)
    assert kept == "5MB"
    (note,) = [each for each in report.notes if "a setting was not kept" in each]
    assert note.endswith(f'ALTER DATABASE {name} SET "my"."own" TO \'a, b\';')


def test_without_access_everything_belongs_to_the_restoring_role(
    lab: Lab, role: str
) -> None:
    lab.execute(f"GRANT SELECT ON {lab.app}_thing TO {role}")
    back_up(lab)
    replace(lab, with_access=False)
    assert not lab.fetch_value(
        f"SELECT has_table_privilege('{role}', '{lab.app}_thing', 'SELECT')"
    )


def test_a_role_that_is_gone_is_told_with_the_way_out(lab: Lab) -> None:
    name = f"dbops_test_{secrets.token_hex(4)}"
    lab.execute(
        f"CREATE ROLE {name}",
        f"GRANT {name} TO CURRENT_USER",
        f"GRANT SELECT ON {lab.app}_thing TO {name}",
    )
    back_up(lab)
    lab.execute(f"DROP OWNED BY {name}", f"DROP ROLE {name}")
    with pytest.raises(Refused, match=f'does not have the role "{name}"') as caught:
        replace(lab)
    assert "--no-access" in str(caught.value.hint)
    assert list_relatives(lab.target) == []
    replace(lab, with_access=False)
    assert count(lab) == 100


# Clients


TOLD = ("administrator command", "does not exist", "closed the connection")
"""What clients hear: they were ended, or came while the names changed."""


@dataclass
class Clients:
    """Sessions that write all the time, and connect again when they are ended."""

    target: Target
    table: str
    writers: int = 4
    errors: list[tuple[float, str]] = field(default_factory=list)
    done: list[tuple[float, int]] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def work(self) -> None:
        while not self.stop.is_set():
            try:
                with connect(self.target) as session:
                    self._write(session)
            except psycopg.Error as error:
                self.errors.append((time.monotonic(), str(error)))

    def _write(self, session: Any) -> None:
        row = session.execute(
            "SELECT oid FROM pg_database WHERE datname = current_database()"
        ).fetchone()
        while not self.stop.is_set():
            session.execute(f"INSERT INTO {self.table} (name) VALUES ('new')")
            self.done.append((time.monotonic(), row[0]))
            time.sleep(0.002)

    @contextmanager
    def running(self) -> Iterator[None]:
        threads = [threading.Thread(target=self.work) for _ in range(self.writers)]
        for each in threads:
            each.start()
        try:
            wait_until(lambda: len(self.done) > 20, "the clients")
            yield
            end = len(self.done) + 50
            wait_until(lambda: len(self.done) > end, "the clients to be back")
        finally:
            self.stop.set()
            for each in threads:
                each.join()


def test_clients_are_out_for_a_moment_and_write_on(lab: Lab) -> None:
    clients = Clients(lab.target, f"{lab.app}_thing")
    before = fetch_oid(lab.target)
    swapped_at = 0.0

    def tell(line: str) -> None:
        nonlocal swapped_at
        if line.startswith("replacing "):
            swapped_at = time.monotonic()

    with clients.running():
        report = replace(lab, tell)
        back_at = time.monotonic()
    after = fetch_oid(lab.target)
    assert after != before
    assert report.sessions_terminated is not None
    assert report.downtime_s is not None
    assert report.sessions_terminated >= clients.writers
    told = {text.splitlines()[0] for _, text in clients.errors}
    assert told
    assert all(any(sign in each for sign in TOLD) for each in told), told
    # Nobody was troubled before the swap, nor after it.
    assert min(at for at, _ in clients.errors) > swapped_at
    assert max(at for at, _ in clients.errors) < back_at + 0.5
    last_old = max(at for at, oid in clients.done if oid == before)
    first_new = min(at for at, oid in clients.done if oid == after)
    told_s = f"down for {first_new - last_old:.3f} s, told {report.downtime_s} s"
    sys.stderr.write(told_s + "\n")
    assert first_new - last_old < 3
    assert report.downtime_s < 3
    assert (
        lab.fetch_value(f"SELECT count(*) FROM {lab.app}_thing WHERE name = 'old'")
        == 100
    )


def test_the_name_is_never_missing(lab: Lab) -> None:
    stop = threading.Event()
    seen: list[int] = []

    def watch() -> None:
        with connect(find_server()) as base:
            while not stop.is_set():
                row = base.execute(
                    "SELECT count(*) FROM pg_database"
                    " WHERE datname = %s AND datallowconn",
                    [lab.target.database],
                ).fetchone()
                assert row is not None
                seen.append(row[0])

    watcher = threading.Thread(target=watch)
    watcher.start()
    replace(lab)
    stop.set()
    watcher.join()
    assert len(seen) > 50
    assert set(seen) == {1}


def test_superusers_are_held_out_too(lab: Lab) -> None:
    require_superuser(lab.target)
    clients = Clients(lab.target, f"{lab.app}_thing", writers=2)
    with clients.running():
        report = replace(lab)
    assert report.downtime_s is not None
    assert report.downtime_s < 3


def test_a_session_that_does_not_end_leaves_the_original(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that hangs where the server does not look for signals."""
    oid = fetch_oid(lab.target)
    monkeypatch.setattr(swap._Swap, "_terminate", lambda self, oid: 1)
    monkeypatch.setattr(swap, "TRIES", 1)
    with connect(lab.target) as held:
        with pytest.raises(DbopsError, match="being accessed by other users") as caught:
            replace(lab)
        assert held.execute("SELECT 1").fetchone() == (1,)
    assert caught.value.exit_code == 5
    assert fetch_oid(lab.target) == oid
    assert list_relatives(lab.target) == []


def test_somebody_who_holds_the_database_is_waited_for(lab: Lab) -> None:
    """CREATE DATABASE ... TEMPLATE and the like lock it."""
    with connect(find_server(), autocommit=False) as holder:

        def hold(line: str) -> None:
            if line.startswith("replacing "):
                holder.execute(
                    sql.SQL("COMMENT ON DATABASE {} IS NULL").format(
                        sql.Identifier(lab.target.database)
                    )
                )
                threading.Timer(1, holder.rollback).start()

        report = replace(lab, hold)
    assert report.database == lab.target.database
    assert count(lab) == 100


def test_who_looks_into_the_restored_database_is_not_in_the_way(lab: Lab) -> None:
    """As monitoring does that connects to all there are."""
    sessions: list[Any] = []

    def look(line: str) -> None:
        if line.startswith("replacing "):
            (name,) = list_relatives(lab.target)
            sessions.append(connect(lab.target.with_database(name)))

    started = time.monotonic()
    report = replace(lab, look)
    assert report.sessions_terminated == 1
    assert time.monotonic() - started < 20
    sessions[0].close()


def test_a_lost_answer_to_the_commit_counts_as_done(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_swap = swap._Swap.run

    def lose(self: Any) -> tuple[str, ...]:
        run_swap(self)
        raise psycopg.OperationalError("the connection is lost")

    monkeypatch.setattr(swap._Swap, "run", lose)
    oid = fetch_oid(lab.target)
    report = replace(lab)
    assert fetch_oid(lab.target) != oid
    assert list_relatives(lab.target) == [report.previous_database]


# Failures


class Broken(Exception):
    pass


@pytest.mark.parametrize("kind", [Broken, KeyboardInterrupt])
@pytest.mark.parametrize("step", STEPS)
def test_a_failure_leaves_the_original(
    lab: Lab, step: str, kind: type[BaseException]
) -> None:
    oid = fetch_oid(lab.target)

    def fail(line: str) -> None:
        if line.startswith(step):
            raise kind

    with pytest.raises(kind):
        replace(lab, fail)
    assert fetch_oid(lab.target) == oid
    assert list_relatives(lab.target) == []
    lab.execute(f"INSERT INTO {lab.app}_thing (name) VALUES ('b')")
    replace(lab)
    assert count(lab) == 100


@pytest.mark.parametrize(
    ("at", "number"),
    [("copy_properties", 1), ("_rename", 1), ("_rename", 2), ("_rename", 3)],
)
@pytest.mark.parametrize("kind", [Broken, KeyboardInterrupt, psycopg.OperationalError])
def test_a_failure_within_the_swap_leaves_the_original(
    lab: Lab,
    monkeypatch: pytest.MonkeyPatch,
    at: str,
    number: int,
    kind: type[BaseException],
) -> None:
    oid = fetch_oid(lab.target)
    original = getattr(swap, at)
    calls = 0

    def fail(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        result = original(*arguments)
        if calls == number:
            raise kind("no luck")
        return result

    monkeypatch.setattr(swap, at, fail)
    with pytest.raises((Broken, KeyboardInterrupt, ServerFailed)):
        replace(lab)
    assert fetch_oid(lab.target) == oid
    assert list_relatives(lab.target) == []
    assert count(lab) == 100


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_a_step_the_next_run_explains_and_completes(
    lab: Lab, step: str
) -> None:
    oid = fetch_oid(lab.target)
    held = PAUSE.format(step=step)
    with start_paused(lab, held) as running:
        wait_until((lab.directory / "reached").exists, step, while_runs=running)
        running.interrupt(signal.SIGKILL)
        running.process.wait(30)
    assert fetch_oid(lab.target) == oid
    assert count(lab) == 100
    left = list_relatives(lab.target)
    outcome = run(lab, *RESTORE)
    assert outcome.json["database"] == lab.target.database
    for name in left:
        assert f'dropping database "{name}", left by a restore' in outcome.err
    assert list_relatives(lab.target) == [outcome.json["previous_database"]]
    assert count(lab) == 100


@contextmanager
def start_paused(lab: Lab, code: str) -> Iterator[Any]:
    """Start a restore that waits in the middle."""
    models = lab.directory / lab.app / "models.py"
    models.write_text(code)
    try:
        with start_in_lab(lab, *RESTORE) as running:
            yield running
    finally:
        models.write_text("")


@pytest.mark.parametrize("number", [1, 2, 3])
def test_killed_within_the_swap_the_original_serves(lab: Lab, number: int) -> None:
    oid = fetch_oid(lab.target)
    with (
        connect(lab.target) as client,
        start_paused(lab, PAUSE_IN_SWAP.format(number=number)) as running,
    ):
        client.execute("SELECT 1")
        wait_until((lab.directory / "reached").exists, "the swap", while_runs=running)
        running.interrupt(signal.SIGKILL)
        running.process.wait(30)
    killed_at = time.monotonic()
    assert count(lab) == 100  # It waits for the lock, as a client does.
    assert time.monotonic() - killed_at < 6
    assert fetch_oid(lab.target) == oid
    (left,) = list_relatives(lab.target)
    outcome = run(lab, *RESTORE)
    assert f'dropping database "{left}", left by a restore' in outcome.err
    assert list_relatives(lab.target) == [outcome.json["previous_database"]]


def test_a_deployment_waits_for_the_restore(lab: Lab) -> None:
    code = 0

    def deploy(line: str) -> None:
        nonlocal code
        if line.startswith("verifying rows"):
            with start_in_lab(
                lab, "dbops_deploy", "--no-backup", "--lock-wait", "0.3", "--json"
            ) as running:
                code = running.finish().code

    replace(lab, deploy)
    assert code == 5


# Refusals


@contextmanager
def use_role(lab: Lab, options: str) -> Iterator[Lab]:
    """Let the lab's sessions be of another role."""
    name = f"dbops_test_{secrets.token_hex(4)}"
    with connect(find_server()) as base:
        base.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'pw' {options}".encode())
        base.execute(f"GRANT {name} TO CURRENT_USER".encode())
        try:
            yield Lab(
                app=lab.app,
                directory=lab.directory,
                target=Target(
                    alias=lab.target.alias,
                    parameters={
                        **lab.target.parameters,
                        "user": name,
                        "password": "pw",
                    },
                ),
                settings=lab.settings,
                names=lab.names,
            )
        finally:
            base.execute(f"DROP OWNED BY {name}".encode())
            base.execute(f"DROP ROLE {name}".encode())


def test_refuses_a_role_that_does_not_own_the_database(lab: Lab) -> None:
    with use_role(lab, "CREATEDB") as other, pytest.raises(Refused) as caught:
        replace(other)
    assert 'does not own it, but "' in caught.value.message
    assert str(caught.value.hint).startswith("GRANT ")
    assert count(lab) == 100


def test_refuses_a_database_that_is_gone(lab: Lab) -> None:
    with connect(find_server()) as base:
        drop_database(base, lab.target.database)
    with pytest.raises(Refused, match="there is nothing to replace") as caught:
        replace(lab)
    assert f"--into {lab.target.database}" in str(caught.value.hint)


def test_refuses_sessions_that_may_not_be_ended(lab: Lab) -> None:
    with use_role(lab, "CREATEDB") as other:
        user = other.target.parameters["user"]
        with connect(find_server()) as base:
            base.execute(f"GRANT {user} TO CURRENT_USER".encode())
            base.execute(
                f'ALTER DATABASE "{lab.target.database}" OWNER TO {user}'.encode()
            )
        with connect(lab.target), pytest.raises(Refused, match="may not end") as caught:
            replace(other)
        with connect(find_server()) as base:
            base.execute(
                f'ALTER DATABASE "{lab.target.database}" OWNER TO CURRENT_USER'.encode()
            )
    assert "GRANT pg_signal_backend" in str(caught.value.hint)


def test_the_plain_command_needs_a_name_or_yes(lab: Lab) -> None:
    outcome = lab.run("dbops_restore", "latest")
    assert outcome.code == 2
    assert f'this replaces database "{lab.target.database}"' in outcome.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "name a backup"),
        (("latest", "--before", "2026-01-01"), "one of them"),
        (("latest", "--as-schema", "x"), "--as-schema does not go with"),
        (("latest", "--into", "x", "--drop-previous"), "--drop-previous does not go"),
        (("latest", "--tables", "x", "--drop-previous"), "--drop-previous does not go"),
        (("--before", "yesterday"), '"yesterday" is not a time'),
        (("--before", "2001-01-01"), "from before 2001-01-01 00:00:00 UTC"),
    ],
)
def test_refuses_options_that_do_not_fit(
    lab: Lab, arguments: tuple[str, ...], told: str
) -> None:
    outcome = lab.run("dbops_restore", *arguments, "--yes")
    assert outcome.code == 2, outcome.err
    assert told in outcome.err


# Which backup, which release


def test_before_finds_the_newest_from_before(lab: Lab) -> None:
    first = replace(lab, dry_run=True)
    lab.execute(f"DELETE FROM {lab.app}_thing")
    between = datetime.now(UTC)
    back_up(lab)
    report = replace(lab, reference=between)
    assert report.backup_id == first.backup_id
    assert count(lab) == 100
    storage = lab.settings["BACKUP_STORAGE"]
    chosen = choose_backup(
        lab.target, storage=storage, reference=read_moment("2999-01-01")
    )
    assert chosen.manifest.backup_id > first.backup_id


def test_before_passes_over_an_unreadable_manifest(lab: Lab) -> None:
    first = replace(lab, dry_run=True)
    back_up(lab)
    newest = max(Path(lab.settings["BACKUP_STORAGE"]).glob("*/*/manifest.json"))
    newest.write_text("{}")
    said: list[str] = []
    report = replace(lab, said.append, reference=datetime.now(UTC))
    assert report.backup_id == first.backup_id
    assert any(line.startswith("passing over backup") for line in said)


def test_a_squash_stands_for_what_it_replaced(lab: Lab) -> None:
    lab.write_migration("0002_add_color", COLOR)
    lab.write_migration("0003_add_size", SIZE)
    lab.write_migration(
        "0002_squashed", COLOR + ",\n" + SIZE, dependencies=[(lab.app, "0001_initial")]
    )
    path = lab.directory / lab.app / "migrations" / "0002_squashed.py"
    parts = [(lab.app, "0002_add_color"), (lab.app, "0003_add_size")]
    path.write_text(
        path.read_text().replace("    atomic", f"    replaces = {parts}\n    atomic", 1)
    )

    def find(*names: str) -> list[str]:
        applied = [MigrationId(lab.app, each) for each in ("0001_initial", *names)]
        fit = Project().compare(applied)
        assert not fit.unknown
        return [each.name for each in fit.pending if each.app == lab.app]

    with lab.open():
        assert find() == ["0002_squashed"]
        assert find("0002_add_color") == ["0003_add_size"]
        assert find("0002_add_color", "0003_add_size") == []
        assert find("0002_squashed") == []
