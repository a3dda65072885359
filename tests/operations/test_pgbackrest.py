"""Backups by the real pgBackRest, of a real server that archives its WAL."""

from __future__ import annotations

import os
import re
import secrets
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dbops.core.finding import Level
from tests.checkups import find_all, find_one
from tests.clusters import mount_disk
from tests.databases import temporary_database
from tests.lab import THING, Lab, Outcome, open_lab
from tests.operations.conftest import read_command_lines
from tests.processes import start_in_lab, wait_until
from tests.repositories import STANZA, Archived, make_archived

DROP_NAME = 'migrations.RemoveField("Thing", "name"),\n'
BROKEN = "/bin/false pgbackrest"
FOREIGN = "/bin/false"


@contextmanager
def short_directory() -> Iterator[Path]:
    """A directory that the server's user may enter, which pytest's own it may not."""
    root = os.environ.get("PYTEST_DEBUG_TEMPROOT")
    place = Path(tempfile.mkdtemp(prefix="dbops-", dir=root))
    place.chmod(0o755)
    try:
        yield place
    finally:
        shutil.rmtree(place)


@pytest.fixture(scope="module")
def archived() -> Iterator[Archived]:
    """A server with one full backup, which nobody has verified."""
    with short_directory() as place, make_archived(place) as archived:
        archived.run("backup", "--type=full")
        yield archived


@contextmanager
def open_archived_lab(directory: Path, archived: Archived) -> Iterator[Lab]:
    name = f"Lab {secrets.token_hex(4)} a=b'c"
    archived.cluster.execute(f'CREATE DATABASE "{name}"')
    target = archived.cluster.build_target(dbname=name)
    with open_lab(directory, target) as lab:
        lab.settings |= archived.settings
        lab.write_migration("0001_initial", THING, down=f"DROP TABLE {lab.app}_thing;")
        yield lab


@pytest.fixture
def lab(tmp_path: Path, archived: Archived, django_db_blocker: Any) -> Iterator[Lab]:
    """A database of that server, for superusers."""
    with django_db_blocker.unblock(), open_archived_lab(tmp_path, archived) as lab:
        yield lab
    archived.cluster.execute(f'DROP DATABASE "{lab.target.database}" WITH (FORCE)')


@pytest.fixture
def elsewhere(tmp_path: Path, django_db_blocker: Any) -> Iterator[Lab]:
    """A database of the settings' server, which has no stanza."""
    with (
        django_db_blocker.unblock(),
        temporary_database() as target,
        open_lab(tmp_path, target) as lab,
    ):
        lab.settings |= {"BACKUP_ENGINE": "pgbackrest", "PGBACKREST_STANZA": STANZA}
        yield lab


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """PgBackRest waits for a second only until a segment is archived."""
    monkeypatch.setenv("PGBACKREST_ARCHIVE_TIMEOUT", "1")


@contextmanager
def archive_with(archived: Archived, command: str) -> Iterator[None]:
    """Let the server archive its WAL in another way, or not at all."""
    archived.archive_with(command)
    try:
        yield
    finally:
        archived.archive_with(archived.archive_command)
        archived.cluster.execute("SELECT pg_switch_wal()")
        wait_until(
            lambda: archived.cluster.fetch_value(
                "SELECT coalesce(last_archived_time > last_failed_time, true)"
                " FROM pg_stat_archiver"
            ),
            "the WAL to be archived",
        )


def only_json(outcome: Outcome, code: int = 0) -> Any:
    assert outcome.code == code, outcome
    return outcome.json


# Taking and looking


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty directory for temporary files, for everybody."""
    with short_directory() as place:
        place.chmod(0o1777)
        monkeypatch.setattr(tempfile, "tempdir", str(place))
        monkeypatch.setenv("TMPDIR", str(place))
        yield place


def find_sockets(directory: Path) -> set[str]:
    """Return where the server of a restored directory keeps its socket, if it runs."""
    option = re.compile(rb"--hba_file=([^\0]+)/pg_hba\.conf")
    lines = (line for line in read_command_lines().values() if bytes(directory) in line)
    return {hit[1].decode() for line in lines if (hit := option.search(line))}


def test_takes_shows_and_verifies_at_both_levels(
    lab: Lab, archived: Archived, room: Path
) -> None:
    lab.run("migrate")

    taken = only_json(lab.run("dbops_backup", "--type", "incr", "--json"))

    label = taken["backup_id"]
    assert label == archived.list_labels()[-1]
    assert label.endswith("I")
    assert (taken["engine"], taken["kind"]) == ("pgbackrest", "incr")
    assert (taken["location"], taken["verified"]) == (f"repo1/{STANZA}", "checksum")
    assert taken["tables"] == []
    assert 0 < taken["size_bytes"] < taken["database_size_bytes"]
    assert taken["fingerprint"] == lab.fetch_catalog().fingerprint
    assert f"{lab.app}.0001_initial" in taken["migrations"]
    assert lab.fetch_value("SELECT verified FROM dbops_backup") == "checksum"

    listed = only_json(lab.run("dbops_backups", "list", "--json"))
    first, *_, oldest = listed["backups"]
    assert (first["backup_id"], first["verified"]) == (label, "checksum")
    assert first["migrations"]["pending"] == []
    assert (oldest["kind"], oldest["migrations"]) == ("full", None)

    lab.execute(f"INSERT INTO {lab.app}_thing (name) VALUES ('written later')")
    verify = ("dbops_backups", "verify", label, "--level", "restored", "--json")
    report = only_json(lab.run(*verify))
    assert (report["problems"], report["verified"]) == ([], "restored")
    # The row that was written later is not in it, only those of the migrations are.
    query = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
    tables = lab.fetch_value(query)
    rows = len(taken["migrations"])
    assert report["notes"] == [f"{tables} tables with {rows} rows were read"]
    assert list(room.iterdir()) == []
    assert lab.fetch_value("SELECT verified FROM dbops_backup") == "restored"

    shown = lab.run("dbops_backups", "show", label)
    assert "restored into a server of its own, all rows read" in shown.out
    assert f"Needs        {oldest['backup_id']}" in shown.out
    checked = lab.run("dbops_backups", "check", "--min-level", "restored", "--json")
    assert only_json(checked)["backup_id"] == label

    with start_in_lab(lab, *verify) as running:
        running.wait_for("reading all rows")
        (directory,) = room.glob("dbops-verify-*")
        (place,) = find_sockets(directory)
        running.interrupt(signal.SIGKILL)
        running.finish()
    wait_until(lambda: not find_sockets(directory), "the restored server to end")
    shutil.rmtree(directory)
    shutil.rmtree(place)

    archived.run("annotate", f"--set={label}", "--annotation=dbops-fingerprint=0000")
    report = only_json(lab.run(*verify), 3)
    (problem,) = report["problems"]
    assert problem.startswith(f'the schema of "{lab.target.database}" is not the one')
    with damage(archived, oldest["backup_id"]) as path:
        report = only_json(lab.run(*verify), 3)
    assert report["problems"] == [f'invalid checksum "{path}"']
    assert list(room.iterdir()) == []


def test_refuses_to_restore_where_there_is_no_room(
    lab: Lab, archived: Archived, room: Path
) -> None:
    with mount_disk(room, "1m"):
        outcome = lab.run(
            "dbops_backups", "verify", archived.list_labels()[0], "--level", "restored"
        )
    assert outcome.code == 4
    assert f'below "{room}", which has 1.0 MB free' in outcome.err


@contextmanager
def damage(archived: Archived, label: str) -> Iterator[str]:
    """Change a file of a backup; yield its path as pgBackRest has it."""
    path = f"{label}/pg_data/PG_VERSION"
    file = archived.repository / "backup" / STANZA / path
    right = file.read_bytes()
    file.write_bytes(b"14\n")
    try:
        yield path
    finally:
        file.write_bytes(right)
        shutil.chown(file, file.parent.owner(), file.parent.group())


def test_finds_and_names_what_was_damaged(lab: Lab, archived: Archived) -> None:
    full = archived.list_labels()[0]
    with damage(archived, full) as path:
        report = only_json(lab.run("dbops_backups", "verify", full, "--json"), 3)
        assert report["problems"] == [f'invalid checksum "{path}"']
        assert report["verified"] == "damaged"
        listed = lab.run("dbops_backups")
        assert f'- {full}: invalid checksum "{path}"' in listed.out
        rows = only_json(lab.run("dbops_backups", "list", "--json"))["backups"]
        # Other tests may have damaged others.
        bad = [each["backup_id"] for each in rows if each["verified"] == "damaged"]
        assert full in bad
        assert f"{len(bad)} damaged" in listed.out
        (archived.repository / "backup" / STANZA / path).unlink()
        outcome = lab.run("dbops_backups", "verify", full)
        assert (outcome.code, f'file missing "{path}"' in outcome.out) == (3, True)

    report = only_json(lab.run("dbops_backups", "verify", full, "--json"))
    assert report["verified"] == "checksum"


def test_does_not_prove_what_came_later(lab: Lab, archived: Archived) -> None:
    full = archived.list_labels()[0]

    outcome = lab.run("dbops_backups", "verify", full, "--level", "restored")

    assert outcome.code == 4
    assert f'database "{lab.target.database}" is not in it' in outcome.err


def test_finds_wal_that_is_missing(lab: Lab, archived: Archived) -> None:
    backup = archived.fetch_info()["backup"][0]
    needed = backup["archive"]["stop"]
    (file,) = archived.repository.rglob(f"{needed}-*")
    hidden = archived.place / file.name
    file.rename(hidden)

    report = only_json(lab.run("dbops_backups", "verify", backup["label"], "--json"), 3)

    hidden.rename(file)
    assert report["problems"] == [
        f'segment "{needed}" of the WAL, which the backup needs, is not in the archive'
    ]
    assert lab.run("dbops_backups", "verify", backup["label"]).code == 0


def test_is_busy_while_another_one_runs(lab: Lab, archived: Archived) -> None:
    words = archived.build("backup", "--type=full")
    process = subprocess.Popen(words, cwd="/", stderr=subprocess.DEVNULL)
    try:
        wait_until(
            lambda: archived.fetch_info()["status"]["lock"]["backup"]["held"],
            "pgBackRest to take its lock",
        )
        process.send_signal(signal.SIGSTOP)
        outcome = lab.run("dbops_backup")
    finally:
        process.terminate()
        process.send_signal(signal.SIGCONT)
        process.wait()

    assert outcome.code == 5
    assert f'another pgBackRest is at work on stanza "{STANZA}"' in outcome.err
    assert shlex.join(archived.build("info")) in outcome.err


# What it needs


def test_says_why_wal_does_not_get_into_the_archive(
    lab: Lab, archived: Archived, impatient: None
) -> None:
    with archive_with(archived, FOREIGN):
        outcome = lab.run("dbops_backup")
        assert outcome.code == 4
        assert "the server does not archive its WAL with pgBackRest" in outcome.err
        assert "archive_command = 'pgbackrest --config=" in outcome.err
    with archive_with(archived, BROKEN):
        outcome = lab.run("dbops_backup")
        assert outcome.code == 6
        assert f'the server\'s WAL does not reach the archive of stanza "{STANZA}"' in (
            outcome.err
        )
        refused = lab.run("dbops_deploy", "--json", BACKUP_LEVEL="none")
        assert (refused.code, refused.json["error"]["type"]) == (4, "Refused")
        assert "could not be archived at" in refused.json["error"]["message"]
        outcome = lab.run(
            *("dbops_deploy", "--json", "--allow", "doctor"), BACKUP_LEVEL="none"
        )
        assert (outcome.code, outcome.json["error"]["type"]) == (6, "ToolFailed")
        last = outcome.json["steps"][-1]
        assert (last["name"], last["ok"]) == ("restore point", False)
        assert lab.fetch_history() == []


def test_tells_the_doctor_when_archiving_fails(lab: Lab, archived: Archived) -> None:
    assert not find_all(lab, "D034")
    with archive_with(archived, BROKEN):
        before = lab.fetch_value("SELECT failed_count FROM pg_stat_archiver")
        lab.execute("CREATE TABLE for_the_wal ()", "SELECT pg_switch_wal()")
        query = "SELECT failed_count FROM pg_stat_archiver"
        wait_until(lambda: lab.fetch_value(query) > before, "a failure")
        wait_until(lambda: bool(find_all(lab, "D034")), "the finding")

        finding = find_one(lab, "D034")

        assert finding.level is Level.ERROR
        assert "could not be archived at" in finding.message
        lab.settings["BACKUP_ENGINE"] = "dump"
        assert find_one(lab, "D034").level is Level.WARNING
        lab.settings["BACKUP_ENGINE"] = "pgbackrest"
    assert not find_all(lab, "D034")


def test_is_told_how_to_allow_restore_points(lab: Lab, archived: Archived) -> None:
    role = f"Guest {secrets.token_hex(4)}"
    archived.cluster.execute(
        f'CREATE ROLE "{role}" LOGIN CREATEDB',
        f'ALTER DATABASE "{lab.target.database}" OWNER TO "{role}"',
    )
    superuser = replace(lab)
    lab.target = archived.cluster.build_target(
        dbname=superuser.target.database, user=role
    )

    refused = lab.run("dbops_deploy", "--dry-run")

    assert refused.code == 4
    assert f'role "{role}" may not make restore points' in refused.err
    grant = refused.err.partition("in that database: ")[2]
    assert find_one(lab, "D036").hint == grant
    superuser.execute(grant)
    assert lab.run("dbops_deploy", "--dry-run").code == 0
    assert not find_all(lab, "D036")
    superuser.execute(f'DROP OWNED BY "{role}"')


def test_refuses_a_server_without_stanza_archive_or_tool(
    elsewhere: Lab, archived: Archived, tmp_path: Path
) -> None:
    elsewhere.settings |= archived.settings
    assert f'stanza "{STANZA}" is of another server than' in (
        find_one(elsewhere, "D032").message
    )
    assert elsewhere.run("dbops_backup").code == 4
    assert "archive_mode = on and archive_command = 'pgbackrest --config=" in (
        find_one(elsewhere, "D033").hint
    )

    elsewhere.settings["PGBACKREST_STANZA"] = "nobodys"
    outcome = elsewhere.run("dbops_backups")
    assert outcome.code == 4
    assert 'pgBackRest has no stanza "nobodys" (missing stanza path)' in outcome.err
    assert "--stanza=nobodys stanza-create" in outcome.err

    missing = str(tmp_path / "bin" / "pgbackrest")
    for command in ((missing,), ("env", missing)):
        elsewhere.settings["PGBACKREST_COMMAND"] = command
        outcome = elsewhere.run("dbops_backups")
        assert outcome.code == 6
        assert f'"{missing}" is not installed' in outcome.err
        assert find_one(elsewhere, "D032").message.startswith(f'"{missing}"')


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"BACKUP_ENGINE": "barman"}, 'DBOPS["BACKUP_ENGINE"] is "barman"'),
        ({"PGBACKREST_STANZA": ""}, "no stanza is named"),
        ({"PGBACKREST_CONFIG": "a.conf"}, '"a.conf", is no absolute path'),
        ({"PGBACKREST_COMMAND": "sudo pgbackrest"}, "has to be a list of words"),
    ],
)
def test_refuses_settings_that_do_not_fit(
    elsewhere: Lab, settings: dict[str, str], told: str
) -> None:
    elsewhere.settings |= settings
    outcome = elsewhere.run("dbops_backups")
    assert outcome.code == 2
    assert told in outcome.err
    assert told in find_one(elsewhere, "D032").message


def test_refuses_what_a_whole_server_cannot_do(lab: Lab, archived: Archived) -> None:
    label = archived.list_labels()[0]
    lab.run("migrate")

    outcome = lab.run("dbops_backup", "--level", "contents")
    assert (outcome.code, "checksum, restored" in outcome.err) == (2, True)
    assert lab.run("dbops_backups", "verify", label, "--level", "contents").code == 2
    assert lab.run("dbops_backups", "show", "1999").code == 2
    outcome = lab.run("dbops_backups", "prune", "--keep-last", "1")
    assert outcome.code == 4
    assert "repo1-retention-full" in outcome.err
    for options in (["--into", "x"], ["--tables", "a"]):
        outcome = lab.run("dbops_restore", label, *options)
        assert outcome.code == 4
        assert "neither a single database nor single tables" in outcome.err
    outcome = lab.run("dbops_restore", "--before", "2999-01-01")
    assert outcome.code == 4
    assert "--type=time '--target=2999-01-01 00:00:00+00'" in outcome.err
    assert lab.run("dbops_restore", "--before", "1999-01-01").code == 2

    place = str(lab.directory / "dumps")
    dump = only_json(lab.run("dbops_backup", "--storage", place, "--json"))
    assert (dump["engine"], dump["verified"]) == ("dump", "contents")
    assert lab.run("dbops_backups", "list", "--storage", place).code == 0
    assert lab.run("dbops_backup", "--type", "incr", "--storage", place).code == 2


# Back in time


def test_goes_back_to_before_a_deployment_by_the_printed_command(
    tmp_path: Path, django_db_blocker: Any
) -> None:
    with (
        django_db_blocker.unblock(),
        short_directory() as place,
        make_archived(place) as archived,
        open_archived_lab(tmp_path, archived) as lab,
    ):
        assert find_one(lab, "D024")
        first = only_json(lab.run("dbops_deploy", "--json"))
        assert first["backup_id"].endswith("F")
        assert not find_all(lab, "D024")
        table = f"{lab.app}_thing"
        lab.execute(f"INSERT INTO {table} (name) VALUES ('one'), ('two')")
        lab.write_migration(
            "0002_drop_name", DROP_NAME, down="-- dbops: irreversible: a test"
        )

        deployed = lab.run("dbops_deploy", "--json")

        report = only_json(deployed)
        assert f"backup {first['backup_id']} will do" in deployed.err
        point = report["restore_point"]
        assert report["backup_id"] == point["backup_id"] == first["backup_id"]
        assert point["name"] == f"dbops-{report['deployment_id']}"
        message = lab.fetch_value(
            "SELECT message FROM dbops_deployment ORDER BY started_at DESC LIMIT 1"
        )
        assert message.startswith(f"restore point {point['name']} at {point['lsn']}")
        # A later backup must not lead away from the point.
        only_json(lab.run("dbops_backup", "--level", "none", "--json"))
        assert point["command"] in lab.run("dbops_restore", point["name"]).err
        assert point["name"] in lab.run("dbops_backups", "show", point["backup_id"]).out

        archived.cluster.run("pg_ctl", "stop", "-D", str(archived.cluster.data))
        subprocess.run(shlex.split(point["command"]), cwd="/", check=True)
        with archived.cluster.serve():
            wait_until(
                lambda: not archived.cluster.fetch_value("SELECT pg_is_in_recovery()"),
                "the end of recovery",
            )
            assert lab.fetch_history() == ["0001_initial"]
            assert lab.fetch_value(f"SELECT string_agg(name, ',') FROM {table}") == (
                "one,two"
            )
            again = lab.run("dbops_deploy")
            assert again.code == 0, again
            assert "was cut off, in no migration" in again.err
            assert "To go back     stop the server, run this, and start it" in again.out
            status = lab.run("dbops_status")
            assert (status.code, lab.fetch_history()[-1]) == (0, "0002_drop_name")


def test_points_back_in_time_when_a_person_has_to_repair(
    lab: Lab, archived: Archived
) -> None:
    lab.run("migrate")
    table = f"{lab.app}_thing"
    lab.execute(f"INSERT INTO {table} (name) VALUES ('same'), ('same')")
    lab.write_migration(
        "0002_half",
        'migrations.RunSQL("CREATE TABLE half ()"),'
        f'migrations.RunSQL("CREATE UNIQUE INDEX one ON {table} (name)"),',
        atomic=False,
        down="-- dbops: irreversible: a test",
    )

    outcome = lab.run("dbops_deploy", "--json", BACKUP_LEVEL="none")

    assert outcome.code == 9, outcome
    (name,) = (
        name
        for each in archived.fetch_info()["backup"]
        for name in each.get("annotation", {})
        if name == f"dbops-{outcome.json['deployment_id']}"
    )
    command = outcome.json["restore_point"]["command"]
    assert f"--target={name} " in command
    assert (
        f"or stop the server, go back in time with {command}, and start it"
        in (outcome.json["error"]["hint"])
    )


def test_makes_a_restore_point_before_a_rollback(lab: Lab, archived: Archived) -> None:
    lab.settings["BACKUP_LEVEL"] = "none"
    lab.run("migrate")

    rolled = only_json(lab.run("dbops_rollback", lab.app, "zero", "--yes", "--json"))

    point = rolled["restore_point"]
    assert point["backup_id"] in archived.list_labels()
    assert point["command"].endswith("--target-action=promote restore")
    assert lab.fetch_history() == []
    lab.run("migrate")
    with archive_with(archived, FOREIGN):
        outcome = lab.run("dbops_rollback", lab.app, "zero", "--yes")
    assert outcome.code == 0
    assert "no restore point was made: the server does not archive" in outcome.out


# When to change over


def test_says_from_a_slow_dump_when_to_change_over(lab: Lab) -> None:
    lab.settings["BACKUP_ENGINE"] = "dump"
    lab.run("migrate")
    lab.run("dbops_backup")
    assert not find_all(lab, "D035")

    lab.execute("UPDATE dbops_backup SET duration_s = 11160")

    finding = find_one(lab, "D035")
    assert finding.level is Level.WARNING
    assert "took 3 h 6 min: pgBackRest is the better tool above" in finding.message
    lab.settings["BACKUP_ENGINE"] = "pgbackrest"
    assert not find_all(lab, "D035")
