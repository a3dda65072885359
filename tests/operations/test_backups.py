"""Backups looked at, verified, pruned and checked, with and without the server."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from django.db import connections

from dbops.core.manifest import Manifest, Verification, write_manifest
from dbops.core.target import Target
from dbops.errors import ToolFailed
from dbops.operations.storage import build_backup_id, open_vault, read_stored_manifest
from dbops.operations.storage.directory import DirectoryVault
from dbops.postgres import amcheck
from dbops.postgres.tools import ClientTools, find_tools
from tests.clusters import LOWEST_MAJOR, Cluster, list_programs, make_cluster
from tests.core.test_manifest import MANIFEST
from tests.lab import THING, Lab, Outcome, open_lab
from tests.operations.conftest import execute, fetch_value
from tests.operations.object_stores import run_s3
from tests.operations.test_restore import DAMAGES, flip_byte
from tests.processes import run_manage

KINDS = ("data/*", "schema/*", "details.json.zst")
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def lab(tmp_path: Path, database: Target, django_db_blocker: Any) -> Iterator[Lab]:
    with django_db_blocker.unblock(), open_lab(tmp_path, database) as lab:
        yield lab


@pytest.fixture
def backed_up(lab: Lab, filled: Target) -> Path:
    """Where a real backup is."""
    assert lab.target == filled
    return Path(lab.run("dbops_backup", "--json").json["location"])


def get_vault(lab: Lab) -> DirectoryVault:
    vault = open_vault(lab.settings["BACKUP_STORAGE"], lab.target.database)
    assert isinstance(vault, DirectoryVault)
    return vault


def run(lab: Lab, *arguments: str, code: int = 0, **settings: Any) -> Any:
    """Run `dbops_backups --json`, and return the document."""
    outcome = lab.run("dbops_backups", *arguments, "--json", **settings)
    assert outcome.code == code, outcome
    document = outcome.json
    assert document["exit_code"] == code
    return document


def look(lab: Lab, *arguments: str, code: int = 0) -> str:
    """Run `dbops_backups`, and return its text."""
    outcome = lab.run("dbops_backups", *arguments)
    assert outcome.code == code, outcome
    return outcome.out


def publish(lab: Lab, age: timedelta, level: str = "contents") -> str:
    """Publish a backup of that age that is a manifest and one small file."""
    taken_at = datetime.now(UTC) - age
    backup_id = build_backup_id(taken_at)
    looks = [Verification(level=level, at=taken_at, problems=())]
    if level == "damaged":
        looks = [Verification(level="contents", at=taken_at, problems=("broken",))]
    manifest = replace(
        MANIFEST,
        backup_id=backup_id,
        database=lab.target.database,
        taken_at=taken_at,
        verifications=tuple(looks if level != "none" else ()),
    )
    vault = get_vault(lab)
    vault.prepare()
    with vault.open_draft(backup_id) as draft:
        draft.write("data/000000.zst", b"0123456789")
        draft.publish(write_manifest(manifest))
    return backup_id


def cut_off_draft(lab: Lab, age: timedelta) -> str:
    """Leave what a killed backup leaves."""
    vault = get_vault(lab)
    vault.prepare()
    backup_id = build_backup_id(datetime.now(UTC) - age)
    partial = vault.directory / f".{backup_id}.partial"
    partial.mkdir()
    (partial / "lock").touch()
    return backup_id


def read_manifest(lab: Lab, backup_id: str) -> Manifest:
    return read_stored_manifest(get_vault(lab), backup_id)


def unreachable(lab: Lab) -> Lab:
    """The same lab on a machine from where there is no way to the server."""
    parameters = {**lab.target.parameters, "host": "/nonexistent"}
    return replace(lab, target=replace(lab.target, parameters=parameters))


# List and show


def test_lists_what_there_is_newest_first(lab: Lab) -> None:
    ages = (2 * DAY, timedelta(hours=3), 9 * DAY)
    ids = [publish(lab, age) for age in ages]
    report = run(lab, "list")
    assert [each["backup_id"] for each in report["backups"]] == [
        ids[1],
        ids[0],
        ids[2],
    ]
    first = report["backups"][0]
    assert first["age_s"] == pytest.approx(3 * 3600, abs=60)
    assert (first["size_bytes"], first["database_size_bytes"]) == (10, 1000)
    assert first["ratio"] == 0.01
    assert first["verified"] == "contents"
    assert report["size_bytes"] == 30
    assert [each["backup_id"] for each in run(lab)["backups"]] == [
        each["backup_id"] for each in report["backups"]
    ]
    lines = look(lab, "list").splitlines()
    assert re.match(rf"{ids[1]} +3 h +10 B +1\.0% +contents +1, \d+ pending$", lines[1])
    assert lines[-2].startswith("3 backups, 30 B, in ")
    assert lines[-1] == f"Next: manage.py dbops_backups show {ids[1]}"


def test_compares_the_migrations_with_those_on_disk(lab: Lab) -> None:
    lab.write_migration("0001_initial", THING)
    assert lab.run("migrate").code == 0
    lab.run("dbops_backup")
    state = run(lab)["backups"][0]["migrations"]
    assert (state["newest"], state["pending"], state["unknown"]) == (
        f"{lab.app}.0001_initial",
        [],
        [],
    )
    assert "all of the project's" in look(lab)
    lab.write_migration("0002_more", THING.replace("Thing", "Other"))
    assert run(lab)["backups"][0]["migrations"]["pending"] == [f"{lab.app}.0002_more"]
    lab.remove_last_migration()
    lab.remove_last_migration()
    shown = run(lab, "show", "latest")
    assert shown["unknown"] == [f"{lab.app}.0001_initial"]


def test_tells_when_there_is_none(lab: Lab) -> None:
    assert run(lab)["backups"] == []
    text = look(lab)
    assert text.startswith("There is no backup in")
    assert "Next: manage.py dbops_backup" in text
    assert run(lab, "show", "latest", code=2)["error"]["type"] == "UsageError"


def test_needs_no_server_to_look(
    lab: Lab, backed_up: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a connection was made")

    away = unreachable(lab)
    with monkeypatch.context() as patch:
        patch.setattr(psycopg, "connect", refuse)
        patch.setattr(connections["default"].__class__, "connect", refuse)
        assert run(away, "list")["backups"][0]["backup_id"] == backed_up.name
        assert run(away, "show", "latest")["files"] > 0
        assert run(away, "check")["failures"] == []


def test_verifies_without_the_server_but_for_a_restore(
    lab: Lab, backed_up: Path
) -> None:
    away = unreachable(lab)
    for level in ("checksum", "contents"):
        assert run(away, "verify", "latest", "--level", level)["problems"] == []
    error = run(away, "verify", "latest", "--level", "restored", code=7)["error"]
    assert error["type"] == "ServerFailed"
    assert len(read_manifest(lab, backed_up.name).verifications) == 3


def test_starts_no_embedded_server(tmp_path: Path) -> None:
    outcome = run_manage(
        "dbops_backups",
        "list",
        "--json",
        url="",
        logs=tmp_path / "logs",
        environment={
            "DBOPS_EMBEDDED_DIRECTORY": str(tmp_path / "local"),
            "DBOPS_BACKUP_STORAGE": str(tmp_path / "backups"),
        },
    )
    assert outcome.code == 0, outcome
    assert outcome.json["backups"] == []
    assert not (tmp_path / "local").exists()


def test_a_damaged_manifest_is_a_row_that_says_so(lab: Lab) -> None:
    good, bad, gone = (publish(lab, age * DAY) for age in (1, 2, 3))
    path = Path(get_vault(lab).locate(bad), "manifest.json")
    path.write_text(path.read_text().replace('"rows": 3', '"rows": 4'))
    Path(get_vault(lab).locate(gone), "manifest.json").unlink()
    rows = {each["backup_id"]: each for each in run(lab, "list")["backups"]}
    assert list(rows) == [good, bad, gone]
    assert "changed after it was written" in rows[bad]["problems"][0]
    assert "cannot read" in rows[gone]["problems"][0]
    assert rows[bad]["verified"] == "damaged"
    assert rows[bad]["size_bytes"] is None
    text = look(lab, "list")
    assert f"- {bad}: " in text
    assert "; 2 damaged" in text


def test_tells_of_drafts(lab: Lab) -> None:
    draft = cut_off_draft(lab, timedelta(hours=2))
    assert run(lab)["drafts"][0]["backup_id"] == draft
    assert f"draft {draft}, begun 2 h ago: being written, or cut off" in look(lab)


def test_shows_all_of_one_backup(lab: Lab, backed_up: Path) -> None:
    report = run(lab, "show", backed_up.name[:12])
    manifest = read_manifest(lab, backed_up.name)
    assert report["backup_id"] == backed_up.name
    assert report["database_name"] == lab.target.database
    assert report["files"] == len(manifest.files)
    sizes = [each["size_bytes"] for each in report["tables"]]
    assert sizes == sorted(sizes, reverse=True)
    assert 0 < sum(sizes) < report["size_bytes"]
    assert {each["name"]: each["rows"] for each in report["tables"]} == {
        each.name: each.rows for each in manifest.tables
    }
    names = [
        each["name"] for each in run(lab, "show", "latest", "--sort", "name")["tables"]
    ]
    assert names == sorted(names)
    text = look(lab, "show", "latest")
    assert "contents: nothing wrong" in text
    assert f"Next: manage.py dbops_restore {backed_up.name} --dry-run" in text


# Verify


def find_files(backup: Path) -> Iterator[Path]:
    """Yield the largest file of each kind."""
    for kind in KINDS:
        yield max(backup.glob(kind), key=lambda path: path.stat().st_size)


def test_finds_every_damage_and_names_the_file(lab: Lab, backed_up: Path) -> None:
    for path, damage, level in itertools.product(
        find_files(backed_up), DAMAGES, ("checksum", "contents", "restored")
    ):
        content = path.read_bytes()
        damage(path)
        report = run(lab, "verify", "latest", "--level", level, code=3)
        named = f'"{path.relative_to(backed_up)}"'
        assert named in report["problems"][0], (damage, level)
        assert DAMAGES[damage] in report["problems"][0]
        assert report["verified"] == "damaged"
        known = read_manifest(lab, backed_up.name)
        assert known.verified == "damaged"
        assert known.verifications[-1].level == level
        assert list(known.verifications[-1].problems) == report["problems"]
        path.write_bytes(content)
    text = look(lab, "verify", "latest", "--level", "contents")
    assert "Nothing is wrong with backup" in text


def test_finds_each_of_several(lab: Lab, backed_up: Path) -> None:
    paths = list(find_files(backed_up))
    for path in paths:
        flip_byte(path)
    for level in ("checksum", "contents"):
        problems = run(lab, "verify", "latest", "--level", level, code=3)["problems"]
        assert len(problems) == 3
        for path in paths:
            assert any(f'"{path.relative_to(backed_up)}"' in each for each in problems)
    text = look(lab, "verify", "latest", code=3)
    assert f"Backup {backed_up.name} is damaged in 3 places" in text


@pytest.mark.parametrize("damage", DAMAGES)
def test_finds_a_damaged_manifest(
    lab: Lab, backed_up: Path, damage: Callable[[Path], None]
) -> None:
    path = backed_up / "manifest.json"
    damage(path)
    report = run(lab, "verify", backed_up.name, code=3)
    assert str(path) in report["problems"][0]
    assert report["verified"] == "damaged"


def test_finds_an_edited_manifest(lab: Lab, backed_up: Path) -> None:
    path = backed_up / "manifest.json"
    path.write_text(path.read_text().replace('"rows": 5000', '"rows": 5001'))
    before = path.read_bytes()
    report = run(lab, "verify", backed_up.name, code=3)
    assert report["problems"] == [
        f'"{path}": the manifest was changed after it was written'
    ]
    assert path.read_bytes() == before


def test_a_proven_restore_is_written_down(lab: Lab, backed_up: Path) -> None:
    lab.run("migrate")
    lab.execute(
        "INSERT INTO dbops_backup VALUES"
        f" ('{backed_up.name}', '', now(), 1, 1, 1, '', 'contents')"
    )
    report = run(lab, "verify", "latest", "--level", "restored")
    assert (report["problems"], report["verified"]) == ([], "restored")
    assert read_manifest(lab, backed_up.name).verified == "restored"
    assert lab.fetch_value("SELECT verified FROM dbops_backup") == "restored"
    # What proves less takes nothing away.
    assert run(lab, "verify", "latest", "--level", "checksum")["verified"] == "restored"
    assert run(lab)["backups"][0]["verified"] == "restored"
    assert (
        fetch_value(
            lab.target,
            "SELECT count(*) FROM pg_database WHERE datname LIKE 'dbops_scratch%'"
            f" AND obj_description(oid) = '{backed_up.name}'",
        )
        == 0
    )


def test_only_a_restore_finds_what_cannot_be_restored(lab: Lab, filled: Target) -> None:
    execute(
        filled,
        "CREATE TABLE allowed (id int)",
        "INSERT INTO allowed VALUES (1)",
        "CREATE FUNCTION is_allowed(int) RETURNS bool LANGUAGE sql AS"
        " 'SELECT count(*) > 0 FROM allowed WHERE id = $1'",
        "CREATE TABLE checked (id int CHECK (is_allowed(id)))",
        "INSERT INTO checked VALUES (1)",
    )
    lab.run("dbops_backup")
    assert run(lab, "verify", "latest")["problems"] == []
    problems = run(lab, "verify", "latest", "--level", "restored", code=3)["problems"]
    assert 'relation "allowed" does not exist' in problems[0]
    # A look that goes less far does not clear it.
    assert run(lab, "verify", "latest")["verified"] == "damaged"


def test_a_storage_that_cannot_be_written_to_is_a_note(
    lab: Lab, backed_up: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ToolFailed("read-only")

    monkeypatch.setattr(DirectoryVault, "replace_manifest", fail)
    report = run(lab, "verify", "latest")
    assert report["notes"] == ["not written into the manifest: read-only"]


def test_an_encrypted_backup_without_its_key_is_refused_not_damaged(
    lab: Lab, filled: Target, tmp_path: Path
) -> None:
    pyrage = pytest.importorskip("pyrage")
    key = pyrage.x25519.Identity.generate()
    keys = {"BACKUP_RECIPIENTS": [str(key.to_public())]}
    assert lab.run("dbops_backup", **keys).code == 0
    assert run(lab)["backups"][0]["verified"] == "checksum"
    assert run(lab, "verify", "latest", "--level", "checksum")["problems"] == []
    assert run(lab, "verify", "latest", code=4)["error"]["type"] == "Refused"
    identity = tmp_path / "key"
    identity.write_text(f"{key}\n")
    given: dict[str, Any] = {"BACKUP_IDENTITY_FILE": str(identity)}
    assert run(lab, "verify", "latest", **given)["verified"] == "contents"
    flip_byte(max(get_vault(lab).directory.glob("*/data/*")))
    assert run(lab, "verify", "latest", code=3, **given)["verified"] == "damaged"


def test_says_why_amcheck_was_not_run(
    database: Target, tools: ClientTools, tmp_path: Path
) -> None:
    bare = replace(tools, directory=tmp_path)
    assert amcheck.find_corruption(database, bare).notes == (
        f'pg_amcheck was not run: there is no "{tmp_path}/pg_amcheck"',
    )


@pytest.fixture
def with_amcheck() -> Iterator[Cluster]:
    """A server with PostgreSQL's contributed extensions."""
    for programs in list_programs():
        if programs.major < LOWEST_MAJOR:
            continue
        with make_cluster(programs) as cluster:
            if cluster.fetch_value(
                "SELECT count(*) FROM pg_available_extensions WHERE name = 'amcheck'"
            ):
                yield cluster
                return
    pytest.skip("install postgresql-contrib to run this one")


def test_amcheck_finds_an_index_that_lacks_a_row(with_amcheck: Cluster) -> None:
    target = with_amcheck.build_target()
    tools = find_tools(target, least_major=with_amcheck.programs.major)
    execute(
        target,
        "CREATE FUNCTION f(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1'",
        "CREATE TABLE t AS SELECT generate_series(1, 9) AS n",
        "CREATE INDEX by_f ON t (f(n))",
    )
    found = amcheck.find_corruption(target, tools)
    assert (found.problems, found.notes) == ((), ())
    execute(
        target,
        "CREATE OR REPLACE FUNCTION f(int) RETURNS int IMMUTABLE LANGUAGE sql AS"
        " 'SELECT -$1'",
    )
    problems = "\n".join(amcheck.find_corruption(target, tools).problems)
    assert "amcheck: " in problems
    assert "by_f" in problems


# Prune


def prune(lab: Lab, *rules: str, code: int = 0) -> Any:
    return run(lab, "prune", *rules, "--yes", "--without-ledger", code=code)


def test_prunes_by_rule_and_says_why(lab: Lab) -> None:
    ids = [publish(lab, age * DAY) for age in range(5)]
    plan = run(lab, "prune", "--keep-last", "2", "--without-ledger", "--dry-run")
    assert plan["dry_run"]
    assert get_vault(lab).list_ids() == ids
    done = prune(lab, "--keep-last", "2")
    assert plan == done | {"dry_run": True, "backups": plan["backups"]}
    assert done["removed"] == ids[2:]
    assert done["freed_bytes"] == 30
    assert get_vault(lab).list_ids() == ids[:2]
    assert not [
        each for each in get_vault(lab).directory.iterdir() if each.name not in ids
    ]
    assert prune(lab, "--keep-last", "2")["removed"] == []


def test_a_dry_run_shows_the_reasons(lab: Lab) -> None:
    publish(lab, timedelta(minutes=1))
    publish(lab, 3 * DAY)
    text = look(lab, "prune", "--keep-last", "1", "--without-ledger", "--dry-run")
    lines = text.splitlines()
    assert lines[1].endswith(
        "keep    one of the last 1, the newest, the last verified one (contents)"
    )
    assert lines[2].endswith("remove  no rule keeps it")
    assert lines[-2] == "Nothing was removed; 1 backup would be, 10 B, and 1 kept."


def test_keeps_the_last_verified_one(lab: Lab) -> None:
    newest = publish(lab, DAY, "none")
    publish(lab, 2 * DAY, "damaged")
    verified = publish(lab, 3 * DAY)
    publish(lab, 4 * DAY, "damaged")
    prune(lab, "--keep-last", "1")
    assert get_vault(lab).list_ids()[::2] == [newest, verified]
    assert len(get_vault(lab).list_ids()) == 3


def test_keeps_what_cannot_be_read(lab: Lab) -> None:
    ids = [publish(lab, age * DAY) for age in (1, 2)]
    Path(get_vault(lab).locate(ids[1]), "manifest.json").write_text("{")
    assert prune(lab, "--keep-last", "1")["removed"] == []


def record_deployment(
    lab: Lab, backup_id: str, state: str, age: timedelta = DAY, kind: str = "deploy"
) -> None:
    lab.execute(
        "INSERT INTO dbops_deployment (id, kind, state, started_at, actor, role, host,"
        " git_revision, dbops_version, backup_id, fingerprint_before,"
        f" fingerprint_after, message) VALUES ('{uuid4()}', '{kind}', '{state}',"
        f" '{datetime.now(UTC) - age}', '', '', '', '', '', '{backup_id}', '', '', '')"
    )


def test_keeps_what_a_deployment_still_needs(lab: Lab) -> None:
    assert lab.run("migrate").code == 0
    publish(lab, timedelta(hours=1))
    ids = [publish(lab, age * DAY) for age in range(1, 7)]
    states = ["done", "done", "running", "needs_repair", "failed", "reverted"]
    for number, (backup_id, state) in enumerate(zip(ids, states, strict=True), 1):
        record_deployment(lab, backup_id, state, number * DAY)
    other = publish(lab, 9 * DAY)
    record_deployment(lab, other, "done", 9 * DAY, kind="rollback")
    report = run(lab, "prune", "--keep-last", "1", "--yes")
    assert report["removed"] == [ids[1], *ids[4:]]
    reasons = {each["backup_id"]: each["reasons"] for each in report["backups"]}
    assert reasons[ids[0]][0].startswith("taken for the last deploy of ")
    assert "unfinished (running) deploy" in reasons[ids[2]][0]
    assert "unfinished (needs repair) deploy" in reasons[ids[3]][0]


def test_refuses_without_the_ledger_unless_told(lab: Lab) -> None:
    ids = [publish(lab, age * DAY) for age in (1, 2)]
    away = unreachable(lab)
    error = run(away, "prune", "--keep-last", "1", "--yes", code=4)["error"]
    assert "the ledger cannot be read" in error["message"]
    assert "--without-ledger" in error["hint"]
    assert get_vault(lab).list_ids() == ids
    assert prune(away, "--keep-last", "1")["removed"] == ids[1:]


def test_a_database_without_a_ledger_is_no_obstacle(lab: Lab) -> None:
    publish(lab, DAY)
    report = run(lab, "prune", "--keep-last", "1", "--yes")
    assert report["notes"] == ["the database has no ledger of deployments"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "say what to keep"),
        (["--keep-last", "0"], "--keep-last is 0, and has to be 1 or more"),
        (["--keep-days", "-3"], "--keep-days is -3, and has to be 1 or more"),
        (["--keep-last", "1", "--without-ledger"], "there is no terminal"),
    ],
)
def test_prune_refuses_what_is_not_meant(
    lab: Lab, arguments: list[str], message: str
) -> None:
    ids = [publish(lab, age * DAY) for age in (1, 2)]
    error = run(lab, "prune", *arguments, code=2)["error"]
    assert message in error["message"]
    assert get_vault(lab).list_ids() == ids


def test_removes_drafts_that_were_cut_off_but_not_what_is_written(lab: Lab) -> None:
    cut_off_draft(lab, 2 * DAY)
    vault = get_vault(lab)
    living = build_backup_id(datetime.now(UTC) - 2 * DAY)
    with vault.open_draft(living):
        planned = run(lab, "prune", "--keep-last", "1", "--without-ledger", "--dry-run")
        assert len(planned["drafts"]) == len(vault.list_drafts()) == 2
        done = prune(lab, "--keep-last", "1")
        assert vault.list_drafts() == [living]
        assert {each["backup_id"]: each["keep"] for each in done["drafts"]}[living]


def test_what_a_killed_prune_leaves_is_swept_up(lab: Lab) -> None:
    backup_id = publish(lab, DAY)
    vault = get_vault(lab)
    left = vault.directory / f".{backup_id}.removed"
    Path(vault.locate(backup_id)).rename(left)
    assert vault.list_ids() == []
    vault.prepare()
    assert not left.exists()


def test_tells_what_was_removed_before_the_storage_failed(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [publish(lab, age * DAY) for age in (1, 2, 3)]
    remove = DirectoryVault.remove

    def fail(vault: DirectoryVault, backup_id: str) -> None:
        if backup_id == ids[1]:
            raise ToolFailed("the disk is gone")
        remove(vault, backup_id)

    monkeypatch.setattr(DirectoryVault, "remove", fail)
    report = prune(lab, "--keep-last", "1", code=6)
    assert report["removed"] == [ids[2]]
    outcome = lab.run(
        "dbops_backups", "prune", "--keep-last", "1", "--yes", "--without-ledger"
    )
    assert re.search(rf"{ids[1]} .* not removed", outcome.out)


# Check


def test_is_content_with_a_young_and_proven_one(lab: Lab) -> None:
    newest = publish(lab, timedelta(hours=25))
    report = run(lab, "check")
    assert report["failures"] == []
    assert report["backup_id"] == newest
    assert "as they have to be" in look(lab, "check")


@pytest.mark.parametrize(
    ("backups", "arguments", "failure"),
    [
        ([], [], "there is no backup in"),
        ([(27, "contents")], [], "is 1 d 3 h old, and 1 d 2 h are allowed"),
        ([(2, "contents")], ["--max-age", "90m"], "and 1 h 30 min are allowed"),
        ([(2, "checksum")], [], 'no backup is verified to "contents"; the newest'),
        ([(2, "contents")], ["--min-level", "restored"], 'verified to "restored"'),
        ([(1, "none"), (48, "restored")], [], "is 2 d old"),
        ([(1, "damaged"), (2, "contents")], [], "is damaged: broken"),
    ],
)
def test_finds_what_is_not_good_enough(
    lab: Lab, backups: list[tuple[int, str]], arguments: list[str], failure: str
) -> None:
    for age_h, level in backups:
        publish(lab, timedelta(hours=age_h), level)
    report = run(lab, "check", *arguments, code=3)
    assert failure in " ".join(report["failures"])
    assert failure in look(lab, "check", *arguments, code=3)


@pytest.mark.parametrize("age", ["26", "1 day", "h", "-1h", ""])
def test_refuses_what_is_no_duration(lab: Lab, age: str) -> None:
    error = run(lab, "check", f"--max-age={age}", code=2)["error"]
    assert error["message"] == f'"{age}" is no duration'


def read_metrics(path: Path, database: str) -> dict[str, float]:
    label = database.replace('"', '\\"')
    lines = [each for each in path.read_text().splitlines() if each[0] != "#"]
    values = {}
    for line in lines:
        name, _, rest = line.partition("{")
        found, _, value = rest.rpartition("} ")
        assert found == f'database="{label}"'
        values[name.removeprefix("dbops_")] = float(value)
    return values


def test_writes_metrics_for_prometheus(lab: Lab, tmp_path: Path) -> None:
    path = tmp_path / "metrics" / "dbops.prom"
    path.parent.mkdir()
    run(lab, "check", "--prometheus", str(path), code=3)
    values = read_metrics(path, lab.target.database)
    assert (values["backups"], values["backup_check_failures"]) == (0, 1)
    assert "backup_age_seconds" not in values
    publish(lab, timedelta(hours=1))
    run(lab, "check", "--prometheus", str(path))
    values = read_metrics(path, lab.target.database)
    assert values["backup_age_seconds"] == pytest.approx(3600, abs=60)
    assert values["backup_size_bytes"] == 10
    assert values["backup_duration_seconds"] == 1.25
    assert values["backup_verified_level"] == 2
    assert values["backup_check_failures"] == 0
    assert [each.name for each in path.parent.iterdir()] == ["dbops.prom"]
    assert path.stat().st_mode & 0o777 == 0o644


def test_says_when_the_metrics_cannot_be_written(lab: Lab, tmp_path: Path) -> None:
    publish(lab, timedelta(hours=1))
    path = tmp_path / "nowhere" / "dbops.prom"
    error = run(lab, "check", "--prometheus", str(path), code=6)["error"]
    assert f'cannot write "{path}"' in error["message"]


# In an object store


def test_all_of_it_works_in_an_object_store(
    lab: Lab, filled: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("moto")
    with run_s3() as store, ExitStack() as stack:
        store.use(monkeypatch)
        storage = ("--storage", store.url)
        ids: list[str] = []
        for _ in range(2):
            assert lab.run("dbops_backup", *storage).code == 0
            ids.insert(0, run(lab, "list", *storage)["backups"][0]["backup_id"])
        vault = open_vault(store.url, lab.target.database)
        old, young = (build_backup_id(datetime.now(UTC) - age * DAY) for age in (2, 0))
        for each in (old, young):
            # To everybody else they look cut off.
            draft = stack.enter_context(vault.open_draft(each))
            draft.write("data/000000.zst", b"half")
        assert vault.list_drafts() == [old, young]
        level = ("--level", "restored")
        assert run(lab, "verify", "latest", *level, *storage)["verified"] == "restored"
        report = run(lab, "check", "--min-level", "restored", *storage)
        assert (report["backup_id"], report["drafts"]) == (ids[0], 2)
        done = run(
            lab,
            *("prune", "--keep-last", "1", "--yes", "--without-ledger", *storage),
        )
        assert done["removed"] == [ids[1]]
        assert (vault.list_ids(), vault.list_drafts()) == ([ids[0]], [young])


# The command line


def test_options_may_stand_before_and_after_the_subcommand(lab: Lab) -> None:
    publish(lab, DAY)
    for arguments in (["--json", "list"], ["list", "--json"], ["--json"]):
        outcome = lab.run("dbops_backups", *arguments)
        assert outcome.json["action"] == "list"
    error = lab.run("dbops_backups", "list", "--json", "--database", "nowhere")
    assert error.code == 2
    assert error.json["error"]["message"].startswith('there is no database "nowhere"')


def test_a_wrong_option_is_a_document_too(tmp_path: Path) -> None:
    for wrong in (["show"], ["verify", "latest", "--level", "all"], ["remove"]):
        outcome: Outcome = run_manage(
            "dbops_backups", *wrong, "--json", url="", logs=tmp_path / "logs"
        )
        assert outcome.code == 2
        assert outcome.json["error"]["type"] == "UsageError"
