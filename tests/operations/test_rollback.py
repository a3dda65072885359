"""Going back by SQL, and what keeps it from going wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from dbops.core.compare import Verdict, compare_catalogs
from tests.databases import connect
from tests.keeping import Keeper
from tests.lab import THING, Lab

ADD_COLOR = (
    'migrations.AddField("Thing", "color", models.CharField(max_length=9, default=""))'
)
DROP_COLOR = 'ALTER TABLE "{app}_thing" DROP COLUMN "color";'


def prepare(lab: Lab) -> None:
    lab.write_migration("0001_initial", THING, down=f'DROP TABLE "{lab.app}_thing";')
    assert lab.run("dbops_deploy", "--no-backup").code == 0


@pytest.fixture
def lab(keeper: Keeper) -> Iterator[Lab]:
    with keeper.open_lab(prepare) as lab:
        yield lab


def deploy_color(lab: Lab, down: str | None = DROP_COLOR) -> None:
    lab.write_migration(
        "0002_add_thing_color", ADD_COLOR, down=down and down.format(app=lab.app)
    )
    outcome = lab.run("dbops_deploy", "--no-backup")
    assert outcome.code == 0, outcome.err


def roll_back(lab: Lab, *arguments: str, to: str = "0001") -> Any:
    return lab.run("dbops_rollback", lab.app, to, *arguments)


def test_takes_back_each_migration_newest_first_and_forward_again(lab: Lab) -> None:
    before = lab.fetch_catalog()
    deploy_color(lab)
    lab.write_migration(
        "0003_index_thing_color",
        'migrations.AddIndex("Thing", models.Index(fields=["color"], name="by_color"))',
        down="DROP INDEX by_color;",
    )
    assert lab.run("dbops_deploy", "--no-backup").code == 0
    after = lab.fetch_catalog()

    outcome = roll_back(lab, "--yes", "--json")

    assert outcome.code == 0, outcome.err
    assert outcome.json["unapplied"] == [
        f"{lab.app}.0003_index_thing_color",
        f"{lab.app}.0002_add_thing_color",
    ]
    assert outcome.json["schema_matches"] is True
    assert outcome.json["differences"] == []
    assert lab.fetch_catalog() == before
    assert lab.fetch_history() == ["0001_initial"]
    assert lab.run("dbops_deploy", "--no-backup").code == 0
    assert compare_catalogs(after, lab.fetch_catalog()).verdict is not Verdict.DIFFERENT


def test_dry_run_shows_the_sql_and_does_nothing(lab: Lab) -> None:
    deploy_color(lab)
    before = lab.fetch_catalog()

    outcome = roll_back(lab, "--dry-run")

    assert outcome.code == 0
    assert f"-- {lab.app}.0002_add_thing_color" in outcome.out
    assert DROP_COLOR.format(app=lab.app) in outcome.out
    assert "1 migration would be taken back; nothing was changed" in outcome.out
    assert lab.fetch_catalog() == before
    assert "0002_add_thing_color" in lab.fetch_history()


def test_refuses_without_a_terminal_and_without_yes(lab: Lab) -> None:
    deploy_color(lab)

    outcome = roll_back(lab)

    assert outcome.code == 2
    assert "again with --yes" in outcome.err
    assert "0002_add_thing_color" in lab.fetch_history()


@pytest.mark.parametrize(
    ("down", "told"),
    [
        (None, "has no down.sql"),
        ("-- dbops: irreversible: data is gone\n", "irreversible: data is gone"),
        ("-- dbops: not written: operation 1\nSELECT 1;\n", "is not written"),
    ],
)
def test_refuses_a_way_back_that_is_not_there(
    lab: Lab, down: str | None, told: str
) -> None:
    deploy_color(lab, down)
    before = lab.fetch_catalog()

    outcome = roll_back(lab, "--yes", "--json")

    assert outcome.code == 4
    assert told in outcome.json["error"]["message"]
    assert lab.fetch_catalog() == before


@pytest.mark.parametrize(
    "down",
    [
        "SELECT 1;",
        'ALTER TABLE "{app}_thing" DROP COLUMN color, DROP COLUMN name;',
        "DROP TABLE {app}_thing;",
    ],
)
def test_puts_everything_back_when_the_schema_does_not_come_out_as_before(
    lab: Lab, down: str
) -> None:
    deploy_color(lab, down)
    before = lab.fetch_catalog()

    outcome = roll_back(lab, "--yes", "--json")

    assert outcome.code == 8
    assert outcome.json["schema_matches"] is False
    assert outcome.json["differences"]
    assert outcome.json["unapplied"] == []
    assert lab.fetch_catalog() == before
    assert "0002_add_thing_color" in lab.fetch_history()


@pytest.mark.parametrize(
    "down", ["DROP TABLE no_such_table;", 'ALTER TABLE "{app}_thing" DROP COLOUR;']
)
def test_a_failing_script_changes_nothing(lab: Lab, down: str) -> None:
    deploy_color(lab, down)
    before = lab.fetch_catalog()

    outcome = roll_back(lab, "--yes", "--json")

    assert outcome.code == 7
    assert lab.fetch_catalog() == before
    assert "0002_add_thing_color" in lab.fetch_history()


def test_a_script_cannot_end_its_transaction(lab: Lab) -> None:
    deploy_color(lab, "COMMIT;\n" + DROP_COLOR)
    before = lab.fetch_catalog()

    outcome = roll_back(lab, "--yes", "--json")

    assert outcome.code == 4
    assert lab.fetch_catalog() == before


def test_says_what_was_taken_back_when_the_next_cannot_be(lab: Lab) -> None:
    deploy_color(lab, "SELECT 1 / 0;")
    lab.write_migration(
        "0003_index_thing_color",
        'migrations.AddIndex("Thing", models.Index(fields=["color"], name="by_color"))',
        down="DROP INDEX by_color;",
    )
    assert lab.run("dbops_deploy", "--no-backup").code == 0

    outcome = roll_back(lab, "--yes", "--json")

    assert outcome.code == 9
    assert outcome.json["unapplied"] == [f"{lab.app}.0003_index_thing_color"]
    assert "Taken back: " in outcome.json["error"]["message"]
    assert lab.fetch_history() == ["0001_initial", "0002_add_thing_color"]


def test_says_what_was_taken_back_when_the_lock_is_lost_in_between(lab: Lab) -> None:
    deploy_color(lab)
    lab.write_migration(
        "0003_nothing",
        "migrations.RunSQL(migrations.RunSQL.noop, migrations.RunSQL.noop)",
        down="SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE"
        " application_name = 'dbops:rollback:lock' AND datname = current_database();",
    )
    assert lab.run("dbops_deploy", "--no-backup").code == 0

    outcome = roll_back(lab, "--yes", "--json")

    assert outcome.code == 9, outcome.err
    assert outcome.json["unapplied"] == [f"{lab.app}.0003_nothing"]
    assert f"Taken back: {lab.app}.0003_nothing" in outcome.json["error"]["message"]
    assert lab.fetch_history() == ["0001_initial", "0002_add_thing_color"]
    assert roll_back(lab, "--yes").code == 0


def test_proves_by_replay_what_the_ledger_does_not_know(lab: Lab) -> None:
    deploy_color(lab)
    lab.execute("TRUNCATE dbops_deployment CASCADE", "TRUNCATE dbops_catalog")

    outcome = roll_back(lab, "--yes", "--json")

    assert outcome.code == 0, outcome.err
    assert "building the schema of" in outcome.err
    assert outcome.json["schema_matches"] is True


def test_builds_nothing_anew_where_a_column_has_come_back_at_the_end(lab: Lab) -> None:
    deploy_color(lab)
    lab.write_migration(
        "0003_remove_thing_name",
        'migrations.RemoveField("Thing", "name")',
        down=f"ALTER TABLE {lab.app}_thing ADD name varchar(50);"
        f"ALTER TABLE {lab.app}_thing ALTER name SET NOT NULL;",
    )
    assert lab.run("dbops_deploy", "--no-backup").code == 0

    outcome = roll_back(lab, "--yes", "--json")

    assert outcome.code == 0, outcome.err
    assert len(outcome.json["unapplied"]) == 2
    assert "building the schema" not in outcome.err


def test_leaves_other_peoples_changes_alone(lab: Lab) -> None:
    deploy_color(lab)
    lab.execute("CREATE TABLE somebody_elses (id int)")

    outcome = roll_back(lab, "--yes", "--json")

    assert outcome.code == 0, outcome.err
    assert lab.fetch_value("SELECT to_regclass('somebody_elses')") is not None


@pytest.mark.parametrize(
    ("app", "name", "told"),
    [
        ("nonsense", "0001", 'there is no app "nonsense"'),
        (None, "0009", 'has no migration "0009"'),
        (None, "0003", "is not applied"),
    ],
)
def test_names_what_does_not_exist(
    lab: Lab, app: str | None, name: str, told: str
) -> None:
    deploy_color(lab)
    lab.write_migration("0003_later", "")

    outcome = lab.run("dbops_rollback", app or lab.app, name, "--yes", "--json")

    assert outcome.code == 2
    assert told in outcome.json["error"]["message"]


def test_goes_back_to_zero_but_not_through_the_ledger(lab: Lab) -> None:
    outcome = roll_back(lab, "--yes", "--json", to="zero")
    ledger = lab.run("dbops_rollback", "dbops", "zero", "--yes", "--json")

    assert outcome.code == 0, outcome.err
    assert lab.fetch_value(f"SELECT to_regclass('{lab.app}_thing')") is None
    assert ledger.code == 4


def test_runs_what_cannot_run_in_a_transaction_one_by_one(lab: Lab) -> None:
    before = lab.fetch_catalog()
    lab.write_migration(
        "0002_index_things",
        "migrations.RunSQL('CREATE INDEX CONCURRENTLY by_name ON "
        f"{lab.app}_thing (name)')",
        atomic=False,
        down="-- dbops: no-transaction\nDROP INDEX CONCURRENTLY IF EXISTS by_name;",
    )
    assert lab.run("dbops_deploy", "--no-backup").code == 0

    outcome = roll_back(lab, "--yes", "--json")

    assert outcome.code == 0, outcome.err
    assert lab.fetch_catalog() == before


def test_gives_up_when_a_lock_is_not_had(lab: Lab) -> None:
    deploy_color(lab)
    before = lab.fetch_catalog()
    with connect(lab.target, autocommit=False) as holder:
        holder.execute(f"SELECT * FROM {lab.app}_thing".encode())
        outcome = roll_back(lab, "--yes", "--json")

    assert outcome.code == 5
    assert lab.fetch_catalog() == before


@pytest.fixture
def half_applied(lab: Lab) -> Lab:
    """The lab with the first of two indexes built, and the second impossible."""
    lab.execute(
        f"INSERT INTO {lab.app}_thing (name) SELECT 'same' FROM generate_series(1, 3)"
    )
    table = f"{lab.app}_thing"
    lab.write_migration(
        "0002_index_things",
        f"""
        migrations.RunSQL(
            'CREATE INDEX CONCURRENTLY by_name ON "{table}" (name)',
            "DROP INDEX CONCURRENTLY by_name"),
        migrations.RunSQL(
            'CREATE UNIQUE INDEX CONCURRENTLY once ON "{table}" (name)',
            "DROP INDEX CONCURRENTLY once"),
        """,
        atomic=False,
    )
    assert lab.run("dbops_deploy", "--no-backup").code == 9
    return lab


def test_takes_back_the_half_of_a_migration_that_cannot_be_finished(
    half_applied: Lab,
) -> None:
    lab = half_applied

    dry = roll_back(lab, "--dry-run")
    outcome = roll_back(lab, "--yes", "--json")

    assert "reverse of what is done: SQL CREATE INDEX CONCURRENTLY by_name" in dry.out
    assert outcome.code == 0, outcome.err
    assert outcome.json["unapplied"] == [f"{lab.app}.0002_index_things"]
    assert lab.fetch_value("SELECT to_regclass('by_name')") is None
    assert lab.fetch_history() == ["0001_initial"]
    lab.remove_last_migration()
    assert lab.run("dbops_status", "--json").json["state"] == "up_to_date"


def test_undoes_a_deployment_that_stopped_half_way(half_applied: Lab) -> None:
    lab = half_applied
    (run,) = lab.run("dbops_history", "--limit", "1", "--json").json["runs"]

    outcome = lab.run("dbops_rollback", "--to-deployment", run["id"], "--yes", "--json")

    assert run["state"] == "needs_repair"
    assert outcome.code == 0, outcome.err
    assert outcome.json["unapplied"] == [f"{lab.app}.0002_index_things"]
    assert lab.fetch_history() == ["0001_initial"]


def test_deploys_again_from_the_start_after_the_half_was_taken_back(
    half_applied: Lab,
) -> None:
    assert roll_back(half_applied, "--yes").code == 0
    half_applied.execute(f"DELETE FROM {half_applied.app}_thing WHERE id > 1")

    outcome = half_applied.run("dbops_deploy", "--no-backup")

    assert outcome.code == 0, outcome.err
    assert "operation 1 of 2" in outcome.err


def test_says_when_a_script_outside_a_transaction_stopped_half_way(lab: Lab) -> None:
    lab.write_migration(
        "0002_index_things",
        f"""
        migrations.RunSQL('CREATE INDEX CONCURRENTLY a ON {lab.app}_thing (name)'),
        migrations.RunSQL('CREATE INDEX CONCURRENTLY b ON {lab.app}_thing (name)'),
        """,
        atomic=False,
        down="-- dbops: no-transaction\nDROP INDEX CONCURRENTLY a;\nSELECT 1 / 0;",
    )
    assert lab.run("dbops_deploy", "--no-backup").code == 0

    outcome = roll_back(lab, "--yes", "--json")

    assert outcome.code == 9
    assert "may be half taken back" in outcome.json["error"]["message"]


@pytest.mark.parametrize("own", [True, False], ids=["down.sql", "Django's reverse"])
def test_does_nothing_twice_after_a_way_back_that_stopped_half_way(
    lab: Lab, *, own: bool
) -> None:
    table = f"{lab.app}_thing"
    change = f"UPDATE {table} SET name = name || 'y'"
    fail = f"DELETE FROM {table} WHERE 1 / ((SELECT count(*) FROM {table}) - 1) = 9"
    lab.execute(f"INSERT INTO {table} (name) VALUES ('a')")
    lab.write_migration(
        "0002_change_things",
        f"""
        migrations.RunSQL("SELECT 1", {fail!r}),
        migrations.RunSQL("UPDATE {table} SET name = name || 'x'", {change!r}),
        """,
        atomic=False,
        down=f"-- dbops: no-transaction\n{change};\n{fail};",
    )
    assert lab.run("dbops_deploy", "--no-backup").code == 0
    settings = {} if own else {"PROJECT_APPS": ["another"]}

    first = lab.run("dbops_rollback", lab.app, "0001", "--yes", **settings)
    lab.execute(f"INSERT INTO {table} (name) VALUES ('b')")
    second = lab.run("dbops_rollback", lab.app, "0001", "--yes", **settings)

    assert first.code == 9, first.err
    assert second.code == 0, second.err
    assert "already" in second.err
    assert lab.fetch_value(f"SELECT string_agg(name, ' ') FROM {table}") == "axy b"
    assert lab.fetch_history() == ["0001_initial"]


@pytest.mark.parametrize("atomic", [True, False])
def test_content_types_follow_a_renamed_model_there_and_back(
    lab: Lab, *, atomic: bool
) -> None:
    query = (
        "SELECT array_agg(model::text ORDER BY id) FROM django_content_type"
        f" WHERE app_label = '{lab.app}'"
    )
    lab.more_apps.append("django.contrib.contenttypes")
    assert lab.run("dbops_deploy", "--no-backup").code == 0
    assert lab.fetch_value(query) == ["thing"]
    lab.write_migration(
        "0002_rename_thing_to_gadget",
        'migrations.RenameModel("Thing", "Gadget"),\n'
        'migrations.AddField("Gadget", "size", models.IntegerField(null=True)),',
        down=f'ALTER TABLE "{lab.app}_gadget" DROP COLUMN "size";\n'
        f'ALTER TABLE "{lab.app}_gadget" RENAME TO "{lab.app}_thing";',
        atomic=atomic,
    )
    assert lab.run("dbops_deploy", "--no-backup").code == 0
    assert lab.fetch_value(query) == ["gadget"]

    outcome = lab.run("dbops_rollback", lab.app, "0001", "--yes")

    assert outcome.code == 0, outcome.err
    assert lab.fetch_value(query) == ["thing"]
