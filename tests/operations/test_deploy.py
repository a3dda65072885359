"""Deployments that go well, and each way in which they may not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db.migrations.recorder import MigrationRecorder

from dbops.core.compare import Verdict, compare_catalogs
from dbops.postgres.deploy_lock import open_deploy_lock
from tests.databases import connect, require_superuser
from tests.keeping import Keeper
from tests.lab import THING, Lab

DROP_THING = 'DROP TABLE "{app}_thing";'
ADD_COLOR = (
    'migrations.AddField("Thing", "color", models.CharField(max_length=9, default=""))'
)


def write_thing(lab: Lab) -> None:
    lab.write_migration("0001_initial", THING, down=DROP_THING.format(app=lab.app))


@pytest.fixture
def lab(empty_lab: Lab) -> Lab:
    write_thing(empty_lab)
    return empty_lab


def deploy_thing(lab: Lab) -> None:
    write_thing(lab)
    assert lab.run("dbops_deploy").code == 0
    lab.execute(
        f"INSERT INTO {lab.app}_thing (name) SELECT 'same' FROM generate_series(1, 3)"
    )


@pytest.fixture
def deployed(keeper: Keeper) -> Iterator[Lab]:
    """A lab with its first migration deployed, and rows in its table."""
    with keeper.open_lab(deploy_thing) as lab:
        yield lab


def list_backups(lab: Lab) -> list[Path]:
    return sorted((lab.directory / "backups").glob("*/*/manifest.json"))


def write_color(lab: Lab) -> None:
    lab.write_migration(
        "0002_add_thing_color",
        ADD_COLOR,
        down=f'ALTER TABLE "{lab.app}_thing" DROP COLUMN "color";',
    )


def write_unique_name(lab: Lab, name: str = "0003_make_thing_name_unique") -> None:
    lab.write_migration(
        name,
        'migrations.AlterField("Thing", "name", '
        "models.CharField(max_length=50, unique=True))",
        down="-- dbops: irreversible: only for this test",
    )


def test_deploys_backs_up_verifies_and_records(lab: Lab) -> None:
    outcome = lab.run("dbops_deploy", "--json")

    report = outcome.json
    assert outcome.code == 0
    assert report["state"] == "deployed"
    assert report["applied"] == [
        "dbops.0001_initial",
        "dbops.0002_add_step_digest",
        "dbops.0003_add_restore_kind",
        "dbops.0004_add_locks_kind",
        "dbops.0005_add_rehearsal",
        "dbops.0006_add_history",
        "dbops.0007_add_turns",
        "dbops.0008_add_operations",
        "dbops.0009_add_kept_data",
        f"{lab.app}.0001_initial",
    ]
    assert [step["name"] for step in report["steps"]] == [
        "guard",
        "backup",
        f"apply {lab.app}.0001_initial",
        "verify",
    ]
    assert all(step["ok"] for step in report["steps"])
    [manifest] = list_backups(lab)
    assert manifest.parent.name == report["backup_id"]
    with connect(lab.target) as connection:
        kind, state, backup_id = connection.execute(
            "SELECT kind, state, backup_id FROM dbops_deployment"
        ).fetchone() or ("", "", "")
        migration, sql, before, after = connection.execute(
            "SELECT migration, sql, fingerprint_before, fingerprint_after"
            " FROM dbops_step"
        ).fetchone() or ("", "", "", "")
    assert (kind, state, backup_id) == ("deploy", "done", report["backup_id"])
    assert migration == "0001_initial"
    assert f'CREATE TABLE "{lab.app}_thing"' in sql
    assert before != after == lab.fetch_catalog().fingerprint


def test_says_up_to_date_and_takes_no_backup_when_nothing_is_pending(
    deployed: Lab,
) -> None:
    before = list_backups(deployed)

    outcome = deployed.run("dbops_deploy")

    assert outcome.code == 0
    assert outcome.out == "Database schema is up to date!\n"
    assert list_backups(deployed) == before


def test_dry_run_changes_nothing(lab: Lab) -> None:
    outcome = lab.run("dbops_deploy", "--dry-run", "--json")

    assert outcome.code == 0
    assert outcome.json["state"] == "dry_run"
    assert outcome.json["pending"] == [
        "dbops.0001_initial",
        "dbops.0002_add_step_digest",
        "dbops.0003_add_restore_kind",
        "dbops.0004_add_locks_kind",
        "dbops.0005_add_rehearsal",
        "dbops.0006_add_history",
        "dbops.0007_add_turns",
        "dbops.0008_add_operations",
        "dbops.0009_add_kept_data",
        f"{lab.app}.0001_initial",
    ]
    assert (
        lab.fetch_value("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
        == 0
    )
    assert not list_backups(lab)


def test_leaves_the_database_as_it_was_when_an_atomic_migration_fails(
    deployed: Lab,
) -> None:
    write_unique_name(deployed, "0002_make_thing_name_unique")
    before = deployed.fetch_catalog()

    outcome = deployed.run("dbops_deploy", "--json")

    assert outcome.code == 7
    assert outcome.json["state"] == "failed"
    assert outcome.json["applied"] == []
    assert "0002_make_thing_name_unique" in outcome.json["error"]["message"]
    assert "could not create unique index" in outcome.json["error"]["message"]
    assert deployed.fetch_catalog() == before
    assert deployed.fetch_history() == ["0001_initial"]
    assert (
        deployed.fetch_value(
            "SELECT state FROM dbops_deployment ORDER BY started_at DESC LIMIT 1"
        )
        == "failed"
    )


def test_takes_back_what_it_applied_when_a_later_migration_fails(
    deployed: Lab,
) -> None:
    write_color(deployed)
    write_unique_name(deployed)
    before = deployed.fetch_catalog()

    outcome = deployed.run("dbops_deploy", "--json")

    assert outcome.code == 8
    assert outcome.json["state"] == "reverted"
    assert outcome.json["reverted"] == [f"{deployed.app}.0002_add_thing_color"]
    assert outcome.json["applied"] == []
    assert compare_catalogs(before, deployed.fetch_catalog()).verdict is (
        Verdict.IDENTICAL
    )
    assert deployed.fetch_history() == ["0001_initial"]


def test_says_what_stays_when_it_cannot_be_taken_back(deployed: Lab) -> None:
    deployed.write_migration(
        "0002_add_thing_color", ADD_COLOR, down="-- dbops: irreversible: a test"
    )
    write_unique_name(deployed)

    outcome = deployed.run("dbops_deploy", "--json")

    assert outcome.code == 9
    assert outcome.json["applied"] == [f"{deployed.app}.0002_add_thing_color"]
    assert "these stay applied" in outcome.json["error"]["message"]
    assert deployed.run("dbops_status", "--json").json["state"] == "failed"


def write_two_indexes(lab: Lab) -> None:
    table = f"{lab.app}_thing"
    lab.write_migration(
        "0002_index_things",
        f"""
        migrations.RunSQL(
            'CREATE INDEX CONCURRENTLY thing_name ON "{table}" (name)'),
        migrations.RunSQL(
            'CREATE UNIQUE INDEX CONCURRENTLY thing_once ON "{table}" (name)'),
        """,
        atomic=False,
        down="-- dbops: no-transaction\n"
        "DROP INDEX CONCURRENTLY IF EXISTS thing_once;\n"
        "DROP INDEX CONCURRENTLY IF EXISTS thing_name;\n",
    )


def test_tells_what_is_done_of_a_non_atomic_migration_and_goes_on_there(
    deployed: Lab,
) -> None:
    write_two_indexes(deployed)

    failed = deployed.run("dbops_deploy", "--json")

    assert failed.code == 9
    message = failed.json["error"]["message"]
    assert (
        "is half applied. Done: 1. SQL CREATE INDEX CONCURRENTLY thing_name" in message
    )
    assert "dbops_deploy goes on with operation 2" in failed.json["error"]["hint"]
    assert (
        deployed.fetch_value("SELECT count(*) FROM pg_index WHERE NOT indisvalid") == 0
    )

    deployed.execute(f"DELETE FROM {deployed.app}_thing WHERE id > 1")
    again = deployed.run("dbops_deploy")

    assert again.code == 0, again.err
    assert "from operation 2" in again.err
    assert deployed.fetch_history() == ["0001_initial", "0002_index_things"]
    back = deployed.run("dbops_rollback", deployed.app, "0001", "--yes", "--json")
    assert back.code == 0, back.err
    assert back.json["schema_matches"]


def write_data_then_index(lab: Lab) -> None:
    table = f"{lab.app}_thing"
    lab.write_migration(
        "0002_fill_and_index",
        f"""
        migrations.RunPython(fill),
        migrations.RunSQL(
            'CREATE UNIQUE INDEX CONCURRENTLY thing_once ON "{table}" (name)'),
        """,
        helpers="""
def fill(apps, schema_editor):
    schema_editor.connection.cursor().execute(
        "INSERT INTO TABLE (name) VALUES ('filled')")
""".replace("TABLE", table),
        atomic=False,
    )


def count_filled(lab: Lab) -> Any:
    return lab.fetch_value(
        f"SELECT count(*) FROM {lab.app}_thing WHERE name = 'filled'"
    )


def test_does_not_repeat_an_operation_on_data_that_is_done(deployed: Lab) -> None:
    write_data_then_index(deployed)

    failed = deployed.run("dbops_deploy", "--json")
    deployed.execute(f"DELETE FROM {deployed.app}_thing WHERE name = 'same'")
    again = deployed.run("dbops_deploy", "--json")

    assert failed.code == 9
    assert "Done: 1. Python fill." in failed.json["error"]["message"]
    assert again.code == 0, again.err
    assert count_filled(deployed) == 1


@pytest.mark.parametrize(("choice", "filled"), [("skip", 1), ("redo", 2)])
def test_asks_about_an_operation_on_data_that_was_cut_off(
    deployed: Lab, choice: str, filled: int
) -> None:
    write_data_then_index(deployed)
    assert deployed.run("dbops_deploy").code == 9
    # As kill -9 leaves it, between the operation's commit and the journal's.
    deployed.execute("UPDATE dbops_step SET state = 'running' WHERE operation = 1")
    deployed.execute(f"DELETE FROM {deployed.app}_thing WHERE name = 'same'")

    asked = deployed.run("dbops_deploy", "--json")
    if choice == "redo":
        deployed.execute(f"UPDATE {deployed.app}_thing SET name = 'filled '")
    decided = deployed.run("dbops_deploy", "--cut-off", choice)

    assert asked.code == 9
    assert "does not show whether it was done" in asked.json["error"]["message"]
    assert decided.code == 0, decided.err
    assert (
        deployed.fetch_value(
            f"SELECT count(*) FROM {deployed.app}_thing WHERE name LIKE 'filled%'"
        )
        == filled
    )


def test_does_not_say_nothing_changed_when_data_may_have(deployed: Lab) -> None:
    deployed.write_migration(
        "0002_fill",
        "migrations.RunPython(fill)",
        helpers=f"""
def fill(apps, schema_editor):
    cursor = schema_editor.connection.cursor()
    cursor.execute("SELECT count(*) FROM {deployed.app}_thing")
    if cursor.fetchone()[0]:
        cursor.execute("INSERT INTO {deployed.app}_thing (name) VALUES ('filled')")
        raise RuntimeError("in the middle")
""",
        atomic=False,
    )

    outcome = deployed.run("dbops_deploy", "--json")

    assert outcome.code == 9
    assert count_filled(deployed) == 1
    assert "is half applied" in outcome.json["error"]["message"]


def test_a_failed_first_operation_leaves_no_invalid_index(deployed: Lab) -> None:
    table = f"{deployed.app}_thing"
    deployed.write_migration(
        "0002_index_things",
        "migrations.RunSQL('CREATE UNIQUE INDEX CONCURRENTLY thing_once "
        f'ON "{table}" (name)\')',
        atomic=False,
    )
    before = deployed.fetch_catalog()

    outcome = deployed.run("dbops_deploy", "--json")

    assert outcome.code == 7
    assert deployed.fetch_catalog() == before


def test_cleans_up_an_index_that_a_killed_build_left_invalid(deployed: Lab) -> None:
    write_two_indexes(deployed)
    table = f"{deployed.app}_thing"
    with connect(deployed.target, autocommit=False) as writer:
        writer.execute(f"UPDATE {table} SET name = name".encode())
        with pytest.raises(psycopg.errors.LockNotAvailable):
            deployed.execute(
                "SET lock_timeout = '100ms'",
                f"CREATE INDEX CONCURRENTLY thing_name ON {table} (name)",
            )
        writer.rollback()
    deployed.execute(f"DELETE FROM {table} WHERE id > 1")

    outcome = deployed.run("dbops_deploy")

    assert outcome.code == 0, outcome.err
    assert "dropping thing_name, left INVALID" in outcome.err


def test_gives_up_when_a_lock_is_not_had_and_changes_nothing(deployed: Lab) -> None:
    write_color(deployed)
    before = deployed.fetch_catalog()
    with connect(deployed.target, autocommit=False) as holder:
        holder.execute(f"SELECT FROM {deployed.app}_thing FOR UPDATE".encode())
        outcome = deployed.run("dbops_deploy", "--json")

    assert outcome.code == 5
    assert "a lock could not be had in" in outcome.json["error"]["message"]
    assert deployed.fetch_catalog() == before
    assert deployed.run("dbops_deploy").code == 0


def test_a_second_deployment_waits_and_then_says_who_is_at_work(lab: Lab) -> None:
    with open_deploy_lock(lab.target, command="deploy", wait_s=0):
        outcome = lab.run("dbops_deploy", "--lock-wait", "0.3", "--json")
        status = lab.run("dbops_status", "--json")

    assert outcome.code == 5
    assert '"dbops:deploy:lock"' in outcome.json["error"]["message"]
    assert "dbops:deploy:lock" in status.json["running"]
    assert lab.run("dbops_deploy").code == 0


def test_the_deploy_lock_keeps_no_snapshot_that_an_index_build_would_wait_for(
    lab: Lab,
) -> None:
    with open_deploy_lock(lab.target, command="deploy", wait_s=0) as lock:
        for _ in range(10):
            lock.check()
        held = lab.fetch_value(
            "SELECT count(*) FROM pg_stat_activity WHERE backend_xmin IS NOT NULL"
            " AND application_name LIKE 'dbops:deploy:lock'"
        )

    assert held == 0


def test_writes_the_history_row_in_the_transaction_of_the_schema(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.write_migration(
        "0002_add_owned",
        """
        migrations.CreateModel("Owned", [
            ("id", models.BigAutoField(primary_key=True)),
            ("thing", models.ForeignKey("Thing", models.CASCADE)),
        ])
        """,
        down="-- dbops: irreversible: a test",
    )
    record = MigrationRecorder.record_applied

    def fail(self: MigrationRecorder, app: str, name: str) -> None:
        if name == "0002_add_owned" and self.connection.settings_dict["NAME"] == (
            lab.target.database
        ):
            raise RuntimeError("killed here")
        record(self, app, name)

    monkeypatch.setattr(MigrationRecorder, "record_applied", fail)

    outcome = lab.run("dbops_deploy", "--json")

    assert outcome.code == 8
    assert lab.fetch_value(f"SELECT to_regclass('{lab.app}_owned')") is None


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            "ALTER TABLE {app}_thing ADD COLUMN hand int",
            "column {app}_thing.hand: not expected, found integer",
        ),
        (
            "ALTER TABLE {app}_thing ALTER COLUMN name DROP NOT NULL",
            (
                "column {app}_thing.name: expected character varying(50) not null, "
                "found character varying(50)"
            ),
        ),
    ],
)
def test_refuses_a_schema_that_the_migrations_do_not_build(
    deployed: Lab, change: str, told: str
) -> None:
    write_color(deployed)
    deployed.execute(change.format(app=deployed.app))

    refused = deployed.run("dbops_deploy")
    accepted = deployed.run("dbops_deploy", "--allow-drift")

    again = deployed.run("dbops_deploy")

    assert refused.code == 4
    assert told.format(app=deployed.app) in refused.out
    assert accepted.code == 0, accepted.err
    assert again.code == 4
    assert told.format(app=deployed.app) in again.out


def test_does_not_say_up_to_date_when_somebody_changed_the_schema(
    deployed: Lab,
) -> None:
    deployed.execute(f"ALTER TABLE {deployed.app}_thing ADD COLUMN hand int")

    outcome = deployed.run("dbops_deploy")

    assert outcome.code == 4
    assert "hand" in outcome.out


def test_refuses_migrations_that_are_not_on_disk(deployed: Lab) -> None:
    write_color(deployed)
    assert deployed.run("dbops_deploy").code == 0
    deployed.remove_last_migration()

    outcome = deployed.run("dbops_deploy")

    assert outcome.code == 4
    assert f"{deployed.app}.0002_add_thing_color" in outcome.err
    assert deployed.run("dbops_status", "--json").json["state"] == "diverged"


def test_takes_everything_back_when_verification_fails(deployed: Lab) -> None:
    deployed.write_migration(
        "0002_depend_on_data",
        "migrations.RunPython(change)",
        helpers=f"""
def change(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM {deployed.app}_thing")
        if cursor.fetchone()[0]:
            cursor.execute("ALTER TABLE {deployed.app}_thing ADD COLUMN odd int")
""",
        down=f"ALTER TABLE {deployed.app}_thing DROP COLUMN odd;",
    )
    before = deployed.fetch_catalog()

    outcome = deployed.run("dbops_deploy", "--json")

    assert outcome.code == 8
    assert outcome.json["state"] == "reverted"
    assert [each["name"] for each in outcome.json["differences"]] == [
        f"{deployed.app}_thing.odd"
    ]
    assert compare_catalogs(before, deployed.fetch_catalog()).verdict is (
        Verdict.IDENTICAL
    )


def test_finds_a_broken_migration_before_it_touches_the_database(
    deployed: Lab,
) -> None:
    deployed.write_migration(
        "0002_break", "migrations.RunSQL('SELECT 1 / 0')", atomic=False
    )
    before = list_backups(deployed)

    outcome = deployed.run("dbops_deploy", "--json")

    assert outcome.code == 7
    assert "fails in an empty scratch database" in outcome.json["error"]["message"]
    assert list_backups(deployed) == before


def test_names_the_right_that_the_role_lacks(lab: Lab) -> None:
    require_superuser(lab.target)
    role, owner = f"dbops_{lab.app}", lab.target
    lab.execute(
        f"CREATE ROLE {role} LOGIN PASSWORD 'secret'",
        f"GRANT ALL ON SCHEMA public TO {role}",
    )
    lab.target = replace(
        owner, parameters={**owner.parameters, "user": role, "password": "secret"}
    )
    try:
        outcome = lab.run("dbops_deploy", "--json")
    finally:
        lab.target = owner
        lab.execute(f"REVOKE ALL ON SCHEMA public FROM {role}", f"DROP ROLE {role}")

    assert outcome.code == 4
    assert f'ALTER ROLE "{role}" CREATEDB' in outcome.json["error"]["hint"]


def test_deploys_into_the_schema_of_the_search_path(lab: Lab) -> None:
    lab.execute('CREATE SCHEMA "App Data"')
    lab.target = replace(
        lab.target,
        parameters={
            **lab.target.parameters,
            "options": '-c search_path=\\"App\\ Data\\",public',
        },
    )

    deployed = lab.run("dbops_deploy", "--no-backup")
    again = lab.run("dbops_deploy")
    back = lab.run("dbops_rollback", lab.app, "zero", "--yes")

    assert deployed.code == 0, deployed.err
    assert again.code == 0, again.err
    assert back.code == 0, back.err
    assert (
        lab.fetch_value("SELECT count(*) FROM pg_tables WHERE schemaname = 'App Data'")
        == 10
    )
