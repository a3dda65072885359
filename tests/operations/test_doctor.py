"""The doctor on a real server: each finding is made, found, and told with its cure."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import models
from django.test.utils import isolate_apps
from psycopg import sql

from dbops.core import doctor as judge
from dbops.core.finding import Finding, Level
from dbops.core.target import Target
from dbops.operations.doctor import doctor as operation
from dbops.operations.doctor.doctor import DoctorReport, find_choice_fields
from dbops.render.doctor import render_doctor
from dbops.render.text import render_text
from tests.checkups import find_all, find_one, look_at, only
from tests.clusters import list_programs
from tests.databases import connect, find_server, temporary_database
from tests.lab import THING, Lab, open_lab
from tests.processes import CHECKOUT, build_url, run_manage, start_in_lab, wait_until

ID = re.compile(r"\bD0\d\d\b")
PGBOUNCER = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin:/usr/local/bin")


@pytest.fixture
def lab(tmp_path: Path, database: Target, django_db_blocker: Any) -> Iterator[Lab]:
    with django_db_blocker.unblock(), open_lab(tmp_path, database) as lab:
        yield lab


@pytest.fixture
def look(lab: Lab) -> Callable[[str], list[Finding]]:
    """Examine the lab's database, and return the findings with this id."""

    def look(number: str) -> list[Finding]:
        return find_all(lab, number)

    return look


def find_ids(*patterns: str) -> set[str]:
    files = [path for pattern in patterns for path in CHECKOUT.glob(pattern)]
    return {each for path in files for each in ID.findall(path.read_text())}


def test_each_finding_is_documented_and_made_on_a_server() -> None:
    known = find_ids("dbops/core/doctor*.py", "dbops/operations/doctor/*.py")

    assert known == find_ids("docs/how-to/find-trouble-early.md")
    assert known == find_ids(
        "tests/operations/test_doctor*.py", "tests/operations/test_pgbackrest.py"
    )


# What needs no server


@pytest.mark.parametrize(
    ("changes", "told", "cure"),
    [
        ({"host": "nowhere.invalid"}, "nowhere.invalid", "check the host"),
        ({"host": "127.0.0.1", "port": "1"}, "Connection refused", "start the server"),
    ],
)
def test_tells_why_it_cannot_connect_and_looks_on(
    lab: Lab, changes: dict[str, str], told: str, cure: str
) -> None:
    report = look_at(lab, **changes, password="s3cret-word")

    finding = only([each for each in report.findings if each.id == "dbops.D001"])
    assert finding.level is Level.ERROR
    assert told in finding.message
    assert finding.hint.startswith(cure)
    assert report.exit_code == 3
    assert report.checked == (
        "connection",
        "client tools",
        "DATABASE_URL",
        "disk space",
        "backup engine",
    )
    assert "indexes" in report.not_checked
    assert "s3cret-word" not in repr(report)


def test_tells_of_a_database_that_does_not_exist(lab: Lab) -> None:
    report = look_at(lab, dbname="No such one")

    finding = only([each for each in report.findings if each.id == "dbops.D001"])
    assert finding.hint.startswith('CREATE DATABASE "No such one"')


def test_tells_of_a_role_that_does_not_exist(lab: Lab) -> None:
    role = f"nobody_{secrets.token_hex(4)}"

    report = look_at(lab, user=role)

    finding = only([each for each in report.findings if each.id == "dbops.D001"])
    # A server that asks for a password does not tell which of the two is wrong.
    assert role in finding.message or "password" in finding.message


def test_tells_that_the_client_tools_are_missing(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("dbops.postgres.tools.VERSIONED_DIRECTORIES", ())
    monkeypatch.setattr("dbops.postgres.tools.find_wheel_directories", list)
    monkeypatch.setenv("PATH", str(tmp_path))

    report = look_at(lab)

    finding = only([each for each in report.findings if each.id == "dbops.D006"])
    assert finding.message.endswith("found: none")
    assert "postgresql-client-" in finding.hint


def test_tells_of_client_tools_that_are_too_old(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with connect(lab.target) as session:
        major = session.info.server_version // 10000
    found = [each for each in list_programs() if each.major < major]
    older = [each for each in found if (each.directory / "pg_restore").exists()]
    if not older:
        pytest.skip(f"no pg_dump older than {major} on this machine")
    monkeypatch.setattr("dbops.postgres.tools.VERSIONED_DIRECTORIES", ())
    monkeypatch.setattr("dbops.postgres.tools.find_wheel_directories", list)
    monkeypatch.setenv("PATH", str(older[0].directory))

    finding = find_one(lab, "D006")

    assert finding.level is Level.ERROR
    assert finding.message.startswith(f"pg_dump and pg_restore {major} or later are")
    assert f"found: pg_dump {older[0].major}" in finding.message


def test_tells_that_the_wished_tools_are_not_taken(lab: Lab, tmp_path: Path) -> None:
    lab.settings["PG_BIN"] = str(tmp_path / "nowhere")

    finding = find_one(lab, "D006")

    assert finding.level is Level.WARNING
    assert f'"{tmp_path}/nowhere", has no pg_dump' in finding.message
    assert finding.message.endswith(" is taken instead")


def test_tells_of_a_storage_directory_that_is_a_file(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "backups").touch()

    report = look_at(lab)

    assert "dbops.D008" in {each.id for each in report.findings}


def test_reaches_the_server_by_a_url_in_another_dialect(
    database: Target, tmp_path: Path
) -> None:
    url = build_url(database).replace("postgres://", "postgresql+asyncpg://")

    done = run_manage(
        "dbops_doctor",
        "--json",
        url=f"{url}?schema=public&connection_limit=5",
        logs=tmp_path / "logs",
    )

    assert done.json["server"].startswith("PostgreSQL ")
    found = [each for each in done.json["findings"] if each["id"] == "dbops.D007"]
    assert [each["level"] for each in found] == ["info"]
    told = 'driver "asyncpg", option "schema", option "connection_limit"'
    assert told in found[0]["message"]
    assert done.json["not_checked"] == []


@pytest.mark.parametrize(
    ("option", "cure"),
    [
        ("sslaccept=strict", "take it out of DATABASE_URL"),
        ("ssl=require", "write sslmode for ssl, as in ?sslmode=require"),
    ],
)
def test_tells_of_an_option_with_which_django_cannot_connect(
    database: Target, tmp_path: Path, option: str, cure: str
) -> None:
    url = f"{build_url(database)}?{option}"

    done = run_manage("dbops_doctor", "--json", url=url, logs=tmp_path / "logs")
    other = run_manage("dbops_status", "--json", url=url, logs=tmp_path / "logs")

    assert other.code == 7
    name = option.partition("=")[0]
    assert f'invalid connection option "{name}"' in other.json["error"]["message"]
    found = [each for each in done.json["findings"] if each["id"] == "dbops.D007"]
    assert [each["level"] for each in found] == ["error"]
    assert f'libpq does not know option "{name}"' in found[0]["message"]
    assert found[0]["hint"].startswith(cure)
    assert done.code == 3


def test_never_shows_the_password_of_another_dialect(
    look: Callable[[str], list[Finding]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(
        "DATABASE_URL", "postgresql+asyncpg://me:s3cret@db/app?schema=public"
    )

    finding = only(look("D007"))

    assert 'driver "asyncpg", option "schema"' in finding.message
    assert not {"s3cret", "me:", "@db"} & set(finding.message.split())
    assert "s3cret" not in repr(finding)


def test_tells_of_a_disk_too_small_for_a_backup(lab: Lab, small_disk: Path) -> None:
    lab.settings["BACKUP_STORAGE"] = str(small_disk / "not yet" / "there")

    report = look_at(lab)

    finding = only([each for each in report.findings if each.id == "dbops.D009"])
    assert "1.0 MB free" in finding.message


# The role


@pytest.fixture
def bare_role(lab: Lab) -> Iterator[dict[str, str]]:
    """The parameters of a role that may log in, and nothing else."""
    role, password = f"Bare {secrets.token_hex(4)}", secrets.token_hex(8)
    quoted = sql.Identifier(role)
    with connect(lab.target) as session:
        session.execute(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(quoted, password)
        )
        yield {"user": role, "password": password}
        session.execute(sql.SQL("DROP ROLE {}").format(quoted))


def test_tells_which_rights_are_missing(lab: Lab, bare_role: dict[str, str]) -> None:
    report = look_at(lab, **bare_role)

    role = f'"{bare_role["user"]}"'
    cures = {each.id: each.hint for each in report.findings}
    assert cures["dbops.D002"] == f"ALTER ROLE {role} CREATEDB"
    assert cures["dbops.D003"] == f"GRANT pg_read_all_stats TO {role}"
    assert cures["dbops.D004"] == f"GRANT pg_signal_backend TO {role}"
    assert cures["dbops.D031"] == f"GRANT CREATE ON SCHEMA public TO {role}"


def test_every_look_works_without_any_right(
    lab: Lab, bare_role: dict[str, str]
) -> None:
    lab.execute("CREATE SEQUENCE hidden")

    report = look_at(lab, **bare_role)

    unseen = [each for each in report.findings if each.id == "dbops.D030"]
    assert [each.object for each in unseen] == ["public.hidden"]
    assert unseen[0].hint == (
        f'GRANT SELECT ON SEQUENCE public.hidden TO "{bare_role["user"]}"'
    )
    assert not report.not_checked


# The database


def test_tells_nothing_of_a_healthy_one(lab: Lab) -> None:
    lab.execute(
        "CREATE TABLE a (id serial PRIMARY KEY, b int CHECK (b > 0), UNIQUE (b))"
    )

    report = look_at(lab)

    assert {each.id for each in report.findings} <= {
        "dbops.D003",
        "dbops.D004",
        "dbops.D026",
    }


def test_tells_of_a_session_that_is_idle_in_transaction(
    lab: Lab,
    look: Callable[[str], list[Finding]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert not look("D012")
    monkeypatch.setattr(judge, "LONG_TRANSACTION_S", 0.0)
    with connect(lab.target, autocommit=False) as other:
        other.execute("SELECT 1")

        finding = only(look("D012"))

        pid = other.info.backend_pid
    assert finding.object == str(pid)
    assert finding.hint == f"manage.py dbops_locks --terminate {pid}"


def test_tells_of_a_long_statement(
    lab: Lab,
    look: Callable[[str], list[Finding]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(judge, "LONG_TRANSACTION_S", 0.0)
    with connect(lab.target) as holder, closing(connect(lab.target)) as waiter:
        holder.execute("SELECT pg_advisory_lock(1)")
        pid = waiter.info.backend_pid
        waiter.pgconn.send_query(b"SELECT pg_advisory_lock(1)")
        wait_until(
            lambda: lab.fetch_value(f"SELECT pg_blocking_pids({pid}) <> '{{}}'"),
            "the wait",
        )

        finding = only(look("D011"))

    assert finding.hint == f"wait for it, or: manage.py dbops_locks --cancel {pid}"


def fail_to_build(lab: Lab, name: str) -> None:
    with pytest.raises(psycopg.errors.UniqueViolation):
        lab.execute(f'CREATE UNIQUE INDEX CONCURRENTLY "{name}" ON "Odd name" (a)')


def test_tells_of_an_invalid_index(
    lab: Lab, look: Callable[[str], list[Finding]]
) -> None:
    lab.execute('CREATE TABLE "Odd name" AS SELECT 1 AS a FROM generate_series(1, 2)')
    fail_to_build(lab, "Cut off")

    finding = only(look("D014"))

    assert finding.hint == (
        'REINDEX INDEX CONCURRENTLY public."Cut off", or '
        'DROP INDEX CONCURRENTLY public."Cut off"'
    )
    lab.execute(finding.hint.split(", or ")[1])
    assert not look("D014")


def test_tells_of_what_a_reindex_that_was_cut_off_has_left(
    lab: Lab, look: Callable[[str], list[Finding]]
) -> None:
    lab.execute('CREATE TABLE "Odd name" AS SELECT 1 AS a FROM generate_series(1, 2)')
    fail_to_build(lab, "Cut off")
    with pytest.raises(psycopg.errors.UniqueViolation):
        lab.execute('REINDEX INDEX CONCURRENTLY "Cut off"')

    cures = {each.object: each.hint for each in look("D014")}

    leftover = 'public."Cut off_ccnew"'
    assert cures[leftover] == f"DROP INDEX CONCURRENTLY {leftover}"
    lab.execute(cures[leftover], 'DELETE FROM "Odd name"')
    lab.execute(cures['public."Cut off"'].split(", or ")[0])
    assert not look("D014")


def test_tells_of_an_index_of_a_partitioned_table_alone(
    lab: Lab, look: Callable[[str], list[Finding]]
) -> None:
    lab.execute(
        "CREATE TABLE whole (a int) PARTITION BY LIST (a)",
        "CREATE TABLE part PARTITION OF whole FOR VALUES IN (1)",
        "CREATE INDEX by_a ON ONLY whole (a)",
        "CREATE INDEX part_by_a ON part (a)",
    )

    attach, drop = only(look("D014")).hint.split(", or ")

    assert drop == "DROP INDEX public.by_a"
    lab.execute(attach.replace("an index of each partition", "part_by_a"))
    assert not look("D014")


@pytest.mark.parametrize("privileged", [True, False])
def test_tells_nothing_of_an_index_that_is_being_built(
    lab: Lab, bare_role: dict[str, str], privileged: bool
) -> None:
    lab.execute("CREATE TABLE a (b int)", "INSERT INTO a VALUES (1)")
    with (
        connect(lab.target, autocommit=False) as writer,
        closing(connect(lab.target)) as maker,
    ):
        writer.execute("INSERT INTO a VALUES (2)")
        maker.pgconn.send_query(b"CREATE INDEX CONCURRENTLY slow ON a (b)")
        wait_until(
            lambda: lab.fetch_value(
                f"SELECT pg_blocking_pids({maker.info.backend_pid}) <> '{{}}'"
            ),
            "the build to wait for the writer",
        )
        assert not lab.fetch_value(
            "SELECT indisvalid FROM pg_index WHERE indexrelid = 'slow'::regclass"
        )

        report = look_at(lab, **({} if privileged else bare_role))

        writer.rollback()
    assert "dbops.D014" not in {each.id for each in report.findings}


def test_tells_of_constraints_that_were_never_checked(
    lab: Lab, look: Callable[[str], list[Finding]]
) -> None:
    lab.execute(
        'CREATE TABLE "T" (a int)',
        'ALTER TABLE "T" ADD CONSTRAINT "C" CHECK (a > 0) NOT VALID',
        "CREATE DOMAIN d AS int",
        "ALTER DOMAIN d ADD CONSTRAINT e CHECK (VALUE > 0) NOT VALID",
    )

    cures = [each.hint for each in look("D015")]

    assert cures == [
        "ALTER DOMAIN public.d VALIDATE CONSTRAINT e",
        'ALTER TABLE public."T" VALIDATE CONSTRAINT "C"',
    ]
    lab.execute(*cures)
    assert not look("D015")


def test_tells_nothing_of_a_constraint_that_is_not_enforced(
    lab: Lab, look: Callable[[str], list[Finding]]
) -> None:
    if lab.fetch_value("SHOW server_version_num") < "180000":
        pytest.skip("NOT ENFORCED is of PostgreSQL 18")
    lab.execute("CREATE TABLE a (b int CHECK (b > 0) NOT ENFORCED)")

    assert not look("D015")


def test_tells_of_a_sequence_near_its_end(
    lab: Lab, look: Callable[[str], list[Finding]]
) -> None:
    lab.execute(
        'CREATE TABLE "T" (id serial, narrow smallserial, wide bigserial)',
        "SELECT setval('\"T_id_seq\"', 2147000000)",
        "SELECT setval('\"T_narrow_seq\"', 27000)",
        "SELECT setval('\"T_wide_seq\"', 2147000000)",
        'ALTER SEQUENCE "T_id_seq" AS bigint',
        "CREATE SEQUENCE down INCREMENT -1 MINVALUE -100",
        "SELECT setval('down', -99)",
        "CREATE SEQUENCE round MAXVALUE 10 CYCLE",
        "SELECT setval('round', 10)",
    )

    found = [(each.object, each.level) for each in look("D018")]

    assert found == [
        ('public."T_id_seq"', Level.ERROR),
        ("public.down", Level.ERROR),
        ('public."T_narrow_seq"', Level.WARNING),
    ]


def test_does_not_wait_for_a_locked_sequence(
    lab: Lab, look: Callable[[str], list[Finding]]
) -> None:
    lab.execute("CREATE SEQUENCE busy")
    with connect(lab.target, autocommit=False) as other:
        other.execute("ALTER SEQUENCE busy OWNER TO CURRENT_USER")
        other.execute("ALTER SEQUENCE busy RENAME TO busier")

        finding = only(look("D030"))

    assert finding.message == (
        'sequence "public.busy" could not be looked at: it is locked'
    )


def test_tells_of_labels_that_are_not_the_choices(
    lab: Lab,
    look: Callable[[str], list[Finding]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with isolate_apps("dbops") as registry:

        class Task(models.Model):  # noqa: DJ008
            kind = models.TextField(
                choices=[("a", "A"), ("Group", [("b", "B")])], blank=True
            )

            class Meta:
                app_label = "dbops"
                db_table = "Task"

        monkeypatch.setattr(operation, "apps", registry)
        assert [each.values for each in find_choice_fields("default")] == [("a", "b")]
        lab.execute(
            "CREATE TYPE \"Kind\" AS ENUM ('a', 'old')",
            'CREATE TABLE "Task" (id bigint, kind "Kind")',
        )

        finding = only(look("D020"))

        lab.execute(finding.hint)
        again = only(look("D020"))

    assert finding.hint == "ALTER TYPE public.\"Kind\" ADD VALUE 'b'"
    assert 'it lacks "b"; it has also "old"' in finding.message
    assert again.hint == 'add "old" to the choices'


# The ledger


def test_tells_of_the_ledger_and_the_backups(
    lab: Lab,
    look: Callable[[str], list[Finding]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert only(look("D026")).level is Level.INFO
    assert lab.run("migrate", "dbops").code == 0
    assert not look("D026")
    assert only(look("D024")).hint == "manage.py dbops_backup"
    assert lab.run("dbops_backup").code == 0
    assert not look("D024")
    assert not look("D025")
    with monkeypatch.context() as patch:
        patch.setattr(judge, "OLD_BACKUP_S", 0.0)
        assert only(look("D025")).hint == "manage.py dbops_backup"
    lab.execute("UPDATE dbops_backup SET taken_at = now() - interval '26 hours'")
    assert "is 1 d 2 h old" in only(look("D025")).message
    assert lab.run("dbops_backup").code == 0
    assert not look("D025")
    lab.execute("UPDATE dbops_backup SET verified = 'none'")
    assert only(look("D024"))


COLUMNS = """
migrations.RunSQL("ALTER TABLE {app}_thing ADD a int"),
migrations.RunSQL("SELECT pg_advisory_lock(1, 1)"),
"""


def test_tells_of_a_deployment_that_was_killed(
    lab: Lab, look: Callable[[str], list[Finding]]
) -> None:
    lab.write_migration("0001_initial", THING, down="SELECT 1;")
    assert lab.run("dbops_deploy", "--no-backup").code == 0
    lab.write_migration(
        "0002_wait", COLUMNS.format(app=lab.app), down="SELECT 1;", atomic=False
    )
    patient = {"LOCK_TIMEOUT_S": 60, "LOCK_BUDGET_S": 60}
    with connect(lab.target) as holder:
        holder.execute("SELECT pg_advisory_lock(1, 1)")
        with start_in_lab(lab, "dbops_deploy", "--no-backup", **patient) as running:
            wait_until(lambda: bool(lab.fetch_value(WAITERS)), "it", while_runs=running)
            assert not look("D023"), "it is at work"
            running.interrupt(signal.SIGKILL)
            running.finish()
        wait_until(lambda: bool(look("D023")), "its end to be seen")

        finding = only(look("D023"))

    assert finding.message.startswith('the last run, "deploy" of ')
    assert finding.message.endswith(" UTC, was cut off")
    assert finding.level is Level.ERROR
    told = lab.run(*finding.hint.removeprefix("manage.py ").split())
    assert "Next: " in told.out


WAITERS = (
    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    " AND objid = 1 AND classid = 1 AND database ="
    " (SELECT oid FROM pg_database WHERE datname = current_database())"
)


def test_tells_of_a_deployment_that_needs_repair(
    lab: Lab, look: Callable[[str], list[Finding]]
) -> None:
    lab.write_migration("0001_initial", THING, down="SELECT 1;")
    assert lab.run("dbops_deploy", "--no-backup").code == 0
    lab.execute(f"INSERT INTO {lab.app}_thing (name) VALUES ('same'), ('same')")
    lab.write_migration(
        "0002_half",
        f'migrations.RunSQL("ALTER TABLE {lab.app}_thing ADD a int"),'
        f'migrations.RunSQL("CREATE UNIQUE INDEX ON {lab.app}_thing (name)"),',
        down="-- dbops: irreversible: a test",
        atomic=False,
    )
    assert lab.run("dbops_deploy", "--no-backup").code == 9

    finding = only(look("D023"))

    assert finding.message.endswith(" UTC, needs repair")
    assert finding.level is Level.ERROR
    told = lab.run(*finding.hint.removeprefix("manage.py ").split())
    assert "Next: " in told.out


def test_a_look_that_fails_is_a_finding_and_stops_no_other(
    lab: Lab, look: Callable[[str], list[Finding]]
) -> None:
    assert lab.run("migrate", "dbops").code == 0
    with connect(lab.target, autocommit=False) as other:
        other.execute("LOCK TABLE dbops_backup IN ACCESS EXCLUSIVE MODE")

        report = look_at(lab)

    finding = only([each for each in report.findings if each.id == "dbops.D030"])
    assert finding.message.startswith("backups could not be looked at: canceling")
    assert not report.not_checked
    assert not look("D030")


def test_a_lost_session_is_an_error(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def end(patient: operation.Patient) -> list[Finding]:
        lab.execute(f"SELECT pg_terminate_backend({patient.session.info.backend_pid})")
        patient.session.execute("SELECT 1")
        return []

    monkeypatch.setitem(operation.SERVER_CHECKS, "indexes", end)

    report = look_at(lab)

    finding = only([each for each in report.findings if each.id == "dbops.D001"])
    assert "does not answer" in finding.message
    assert "indexes" in report.not_checked
    assert "client tools" in report.checked


# Poolers


@contextmanager
def start_pooler(server: Target, directory: Path, mode: str) -> Iterator[int]:
    """Start pgbouncer in front of the server."""
    if PGBOUNCER is None:
        pytest.skip("install pgbouncer to run this one")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    parameters = server.parameters
    words = [f"host={parameters['host']}", f"user={parameters['user']}"]
    if parameters.get("port"):
        words.append(f"port={parameters['port']}")
    if parameters.get("password"):
        words.append(f"password={parameters['password']}")
    configuration = directory / "pgbouncer.ini"
    configuration.write_text(
        f"[databases]\n* = {' '.join(words)}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n"
        f"unix_socket_dir =\nauth_type = any\npool_mode = {mode}\n"
        "ignore_startup_parameters = extra_float_digits,options\n"
    )
    configuration.chmod(0o644)
    directory.chmod(0o755)
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            [PGBOUNCER, str(configuration)],
            stdout=log,
            stderr=log,
            cwd="/",
            **find_user(parameters["host"]),
        )
    try:
        wait_until(lambda: answers(port, process), "pgbouncer")
        yield port
    finally:
        process.kill()
        process.wait()


def find_user(host: str) -> dict[str, Any]:
    """Return who runs pgbouncer, which root may not: the socket's owner, or nobody."""
    if os.getuid():
        return {}
    if not host.startswith("/"):
        return {"user": "nobody", "group": "nogroup", "extra_groups": []}
    owner = Path(host).stat()
    return {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}


def answers(port: int, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, "pgbouncer has ended"
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize(
    ("mode", "expected"), [("transaction", ["dbops.D005"]), ("session", [])]
)
def test_knows_a_pooler_in_transaction_mode(
    lab: Lab, mode: str, expected: list[str]
) -> None:
    with (
        tempfile.TemporaryDirectory() as directory,
        temporary_database() as plain,
        start_pooler(plain, Path(directory), mode) as port,
    ):
        lab.target = plain
        report = look_at(lab, host="127.0.0.1", port=str(port))

    assert [each.id for each in report.findings if each.id == "dbops.D005"] == expected
    assert not report.not_checked


# The command


def test_lists_a_few_of_a_kind_and_all_as_json(lab: Lab) -> None:
    lab.execute(
        "CREATE TABLE t (a int)",
        *(
            f"ALTER TABLE t ADD CONSTRAINT c{n} CHECK (a > 0) NOT VALID"
            for n in range(8)
        ),
    )

    text = lab.run("dbops_doctor")
    document = lab.run("dbops_doctor", "--json").json

    assert text.code == document["exit_code"] == 3
    assert text.out.count("is NOT VALID") == 5
    assert "and 3 more (--json has all)" in text.out
    found = [each for each in document["findings"] if each["id"] == "dbops.D015"]
    assert len(found) == 8


def test_screen_has_levels_messages_cures_and_a_verdict() -> None:
    report = DoctorReport(
        place="app on db1:5432",
        server="PostgreSQL 18.4",
        checked=("connection",),
        not_checked=(),
        findings=(
            Finding(id="dbops.D023", level=Level.ERROR, message="one", hint="cure one"),
            Finding(
                id="dbops.D015", level=Level.WARNING, message="two", hint="cure two"
            ),
            Finding(id="dbops.D019", level=Level.INFO, message="three"),
        ),
    )

    assert render_text(render_doctor(report), width=80, color=False) == (
        "Database  app on db1:5432, PostgreSQL 18.4\n"
        "error    dbops.D023  one\n"
        "                       Cure: cure one\n"
        "warning  dbops.D015  two\n"
        "                       Cure: cure two\n"
        "info     dbops.D019  three\n"
        "1 error, 1 warning, 1 note"
    )
    healthy = replace(report, findings=())
    assert render_text(render_doctor(healthy), width=80, color=False).endswith(
        "Healthy: 1 check, nothing found"
    )


def test_a_password_is_never_shown(tmp_path: Path) -> None:
    server = find_server()
    url = build_url(
        replace(server, parameters={**server.parameters, "host": "nowhere.invalid"}),
        password="s3cret-word",
    )

    done = run_manage("dbops_doctor", "--json", url=url, logs=tmp_path / "logs")

    assert done.code == 3
    assert done.json["findings"][0]["id"] == "dbops.D001"
    assert "s3cret-word" not in done.out + done.err
