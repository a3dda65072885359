"""What a deployment asks before it changes anything, and how it ends when that was
not enough."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.lab import THING, Lab, Outcome, install_lab, write_lab
from tests.operations.conftest import drop_database
from tests.operations.test_replace import drop_relatives

COLOR = 'migrations.AddField("Thing", "color", models.TextField(null=True))'
NO_COLOR = 'migrations.RemoveField("Thing", "color")'
RENAMED = 'migrations.RenameField("Thing", "name", "title")'
UNIQUE = """migrations.RunSQL(
    'CREATE UNIQUE INDEX by_name ON {app}_thing (name)', 'DROP INDEX by_name')"""


@pytest.fixture
def lab(empty_lab: Lab) -> Iterator[Lab]:
    """A table with two rows, deployed."""
    empty_lab.write_migration("0001_initial", THING, down="SELECT 1;")
    assert empty_lab.run("dbops_deploy", "--no-backup").code == 0
    empty_lab.execute(
        f"INSERT INTO {empty_lab.app}_thing (name) VALUES ('same'), ('same')"
    )
    try:
        yield empty_lab
    finally:
        drop_relatives(empty_lab.target)


def deploy(lab: Lab, *arguments: str, **settings: Any) -> Outcome:
    """Deploy as a project does that has said nothing but that it has no models."""
    given = {"DEPLOY_ALLOW": ["checks"], "REHEARSE": True} | settings
    return lab.run("dbops_deploy", "--json", *arguments, **given)


def get_guards(outcome: Outcome) -> dict[str, str]:
    return {each["name"]: each["state"] for each in outcome.json["guards"]}


def get_detail(outcome: Outcome, name: str) -> str:
    [found] = [each for each in outcome.json["guards"] if each["name"] == name]
    return str(found["detail"])


def add_color(lab: Lab) -> None:
    lab.write_migration(
        "0002_add_color",
        COLOR,
        down=f"ALTER TABLE {lab.app}_thing DROP COLUMN color;",
    )


def give_colors(lab: Lab) -> None:
    lab.execute(f"UPDATE {lab.app}_thing SET color = 'red'")


def drop_color(lab: Lab) -> None:
    lab.write_migration(
        "0003_drop_color",
        NO_COLOR,
        down=f"ALTER TABLE {lab.app}_thing ADD COLUMN color text;",
    )


def write_verify(lab: Lab, statement: str) -> None:
    folder = lab.directory / lab.app / "migrations" / "sql" / lab.names[-1]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "verify.sql").write_text(statement, encoding="utf-8")


def test_rehearses_on_its_backup_unless_that_was_done_today(lab: Lab) -> None:
    add_color(lab)

    done = deploy(lab)

    assert done.code == 0, done.err
    names = [step["name"] for step in done.json["steps"]]
    assert names[:3] == ["guard", "backup", "rehearse"]
    assert get_guards(done) == {
        "history": "ok",
        "drift": "ok",
        "doctor": "ok",
        "checks": "allowed",
        "backup": "ok",
        "rehearsal": "ok",
        "way-back": "ok",
        "lock-budget": "ok",
        "old-release": "ok",
    }
    assert get_detail(done, "rehearsal").startswith("1 identical on backup ")

    give_colors(lab)
    drop_color(lab)
    allowed = ("--allow-lossy", f"{lab.app}.0003_drop_color", "--json")
    assert lab.run("dbops_rehearse", "--backup", "new", *allowed).code == 0
    again = deploy(lab, "--allow", "way-back", "--allow", "old-release")

    assert again.code == 0, again.err
    assert "rehearse" not in [step["name"] for step in again.json["steps"]]
    assert get_guards(again)["way-back"] == "allowed"


def test_an_empty_database_has_nothing_to_rehearse(empty_lab: Lab) -> None:
    empty_lab.write_migration(
        "0001_initial", THING, down=f"DROP TABLE {empty_lab.app}_thing;"
    )

    done = deploy(empty_lab)

    assert done.code == 0, done.err
    assert get_guards(done)["rehearsal"] == "skipped"
    assert "rehearse" not in [step["name"] for step in done.json["steps"]]


def test_what_fails_on_the_data_fails_on_the_copy(lab: Lab) -> None:
    lab.write_migration(
        "0002_unique", UNIQUE.format(app=lab.app), down="DROP INDEX by_name;"
    )
    before = lab.fetch_catalog()

    refused = deploy(lab)

    assert refused.code == 4
    assert get_guards(refused)["rehearsal"] == "failed"
    assert "could not create unique index" in refused.json["error"]["message"]
    assert "--allow rehearsal" in refused.json["error"]["hint"]
    assert lab.fetch_catalog() == before
    assert lab.fetch_history() == ["0001_initial"]


def test_a_way_back_that_loses_rows_has_to_be_let_pass(lab: Lab) -> None:
    add_color(lab)
    assert deploy(lab).code == 0
    give_colors(lab)
    drop_color(lab)

    refused = deploy(lab)

    assert refused.code == 4
    guards = get_guards(refused)
    assert (guards["way-back"], guards["old-release"]) == ("failed", "failed")
    message = refused.json["error"]["message"]
    assert message.startswith("2 guards not passed: way-back: ")
    assert "other values in column color" in message
    assert "--allow way-back --allow old-release" in refused.json["error"]["hint"]
    passed = deploy(lab, "--allow", "way-back", "--phase", "contract")
    assert passed.code == 0, passed.err


def test_without_rows_in_the_copy_a_drop_counts_where_rows_may_be(lab: Lab) -> None:
    add_color(lab)
    drop_color(lab)
    # The column comes and goes within the run: nothing that is there now is lost.
    outcome = deploy(lab, "--no-backup")
    assert outcome.code == 0, outcome.err
    lab.write_migration(
        "0004_drop_name",
        'migrations.RemoveField("Thing", "name")',
        down=f"ALTER TABLE {lab.app}_thing ADD COLUMN name varchar(50) NOT NULL;",
    )

    refused = deploy(lab, "--no-backup")

    assert refused.code == 4
    assert get_guards(refused)["way-back"] == "failed"
    assert get_guards(refused)["lock-budget"] == "skipped"


def test_expand_first_and_contract_after_the_release(lab: Lab) -> None:
    add_color(lab)
    lab.write_migration(
        "0003_rename",
        RENAMED,
        down=f"ALTER TABLE {lab.app}_thing RENAME COLUMN title TO name;",
    )
    lab.write_migration(
        "0004_add_size",
        'migrations.AddField("Thing", "size", models.IntegerField(null=True))',
        down=f"ALTER TABLE {lab.app}_thing DROP COLUMN size;",
    )

    unknown = deploy(lab, "--phase", "expand")
    assert unknown.code == 4
    assert "dbops_rehearse" in unknown.json["error"]["hint"]

    assert lab.run("dbops_rehearse", "--backup", "new", "--json").code in {0, 3}
    early = deploy(lab, "--phase", "contract", "--dry-run")
    assert early.code == 4
    assert "0002_add_color" in early.json["error"]["message"]
    expanded = deploy(lab, "--phase", "expand")
    assert expanded.code == 0, expanded.err
    assert expanded.json["applied"] == [f"{lab.app}.0002_add_color"]
    assert lab.run("dbops_status", "--json").json["state"] == "pending"

    rest = ("--allow", "rehearsal", "--allow", "way-back")
    contracted = deploy(lab, "--phase", "contract", *rest, "--no-rehearse")
    assert contracted.code == 0, contracted.err
    assert lab.fetch_history()[-1] == "0004_add_size"


def test_a_migration_says_its_phase_itself(lab: Lab) -> None:
    add_color(lab)
    path = lab.directory / lab.app / "migrations" / "0002_add_color.py"
    text = path.read_text().replace(
        "    atomic =", "    phase = 'contract'\n    atomic ="
    )
    path.write_text(text)
    lab._forget_modules()

    nothing = deploy(lab, "--phase", "expand")

    assert (nothing.code, nothing.json["applied"]) == (0, [])
    assert nothing.json["state"] == "up_to_date"


@pytest.mark.parametrize("atomic", [True, False])
def test_verify_sql_has_the_last_word(lab: Lab, atomic: bool) -> None:
    add_color(lab)
    lab.write_migration(
        "0003_add_size",
        'migrations.AddField("Thing", "size", models.IntegerField(null=True))',
        down=f"ALTER TABLE {lab.app}_thing DROP COLUMN size;",
        atomic=atomic,
    )
    write_verify(lab, f"SELECT count(*) = 3 FROM {lab.app}_thing;")
    before = lab.fetch_catalog()

    failed = deploy(lab, "--no-rehearse")

    assert failed.code == 8
    assert "statement 1 of verify.sql" in failed.json["error"]["message"]
    assert failed.json["state"] == "reverted"
    assert lab.fetch_catalog() == before
    assert lab.fetch_history() == ["0001_initial"]

    lab.execute(f"INSERT INTO {lab.app}_thing (name) VALUES ('third')")
    assert deploy(lab).code == 0


def test_stops_where_the_way_back_would_lose_rows(lab: Lab) -> None:
    add_color(lab)
    assert deploy(lab).code == 0
    give_colors(lab)
    drop_color(lab)
    lab.write_migration(
        "0004_add_size",
        'migrations.AddField("Thing", "size", models.IntegerField(null=True))',
        down=f"ALTER TABLE {lab.app}_thing DROP COLUMN size;",
    )
    write_verify(lab, "SELECT false;")

    allowed = ("--allow", "way-back", "--allow", "old-release", "--allow", "rehearsal")
    failed = deploy(lab, *allowed)

    assert failed.code == 9
    message, hint = (failed.json["error"][each] for each in ("message", "hint"))
    assert f'these stay applied, since the way back of "{lab.app}.0003' in message
    assert hint.endswith(f"manage.py dbops_restore {failed.json['backup_id']}")
    restored = lab.run(*hint.rpartition("manage.py ")[2].split(), "--yes", "--json")
    assert restored.code == 0, restored.err
    assert lab.fetch_value(f"SELECT count(color) FROM {lab.app}_thing") == 2
    drop_database(lab.target, restored.json["previous_database"])


def test_leaves_it_to_a_person_with_no_revert(lab: Lab) -> None:
    add_color(lab)
    lab.write_migration("0003_empty", "", down="SELECT 1;")
    write_verify(lab, "SELECT 1/0 = 1;")

    failed = deploy(lab, "--no-revert", "--no-rehearse")

    assert failed.code == 9
    assert "since --no-revert" in failed.json["error"]["message"]
    assert "division by zero" in failed.json["error"]["message"]
    assert lab.fetch_history() == ["0001_initial", "0002_add_color"]


def test_every_guard_that_does_not_hold_is_told_at_once(lab: Lab) -> None:
    lab.write_migration("0002_no_way_back", "migrations.RunSQL('SELECT 1')")
    before = lab.fetch_history()

    refused = deploy(lab, "--plan", DEPLOY_ALLOW=[])

    assert refused.code == 4
    assert refused.json["error"]["message"].startswith("2 guards not passed: checks: ")
    assert "has no down.sql" in refused.json["error"]["message"]
    assert lab.fetch_history() == before


def test_the_plan_shows_guards_and_sql_and_does_nothing(lab: Lab) -> None:
    add_color(lab)
    assert lab.run("dbops_rehearse", "--backup", "new", "--json").code == 0
    folder = lab.directory / lab.app / "migrations" / "sql" / lab.names[-1]
    (folder / "migration.sql").write_text("-- head\n\nALTER TABLE the_thing;\n")

    plan = deploy(lab, "--plan")

    assert plan.code == 0, plan.err
    [planned] = plan.json["plan"]
    assert planned == {
        "id": f"{lab.app}.0002_add_color",
        "atomic": True,
        "phase": "expand",
        "way_back": "down.sql",
        "round_trip": "identical",
        "sql": "ALTER TABLE the_thing;",
    }
    text = lab.run("dbops_deploy", "--plan", REHEARSE=True).out
    assert "ALTER TABLE the_thing;" in text
    assert lab.fetch_history() == ["0001_initial"]


@pytest.mark.parametrize("name", ["history", "nonsense"])
def test_names_the_guards_that_can_be_passed(lab: Lab, name: str) -> None:
    outcome = deploy(lab, "--allow", name)

    assert outcome.code == 2
    assert f'"{name}"' in outcome.json["error"]["message"]
    assert "way-back" in outcome.json["error"]["hint"]


def test_an_app_may_take_over_a_table_that_another_has_made(lab: Lab) -> None:
    other = write_lab(lab.directory, lab.target)
    lab.more_apps.append(other.app)
    taken_over = THING.replace(
        "],\n)", f'], options={{"db_table": "{lab.app}_thing"}},\n)'
    )
    other.write_migration(
        "0001_initial",
        f"migrations.SeparateDatabaseAndState(state_operations=[{taken_over}]),",
        dependencies=[(lab.app, "0001_initial")],
    )
    lab.write_migration(
        "0002_give_thing_away",
        "migrations.SeparateDatabaseAndState(state_operations=["
        'migrations.DeleteModel("Thing")]),',
        down="SELECT 1;",
        dependencies=[(lab.app, "0001_initial"), (other.app, "0001_initial")],
    )

    with install_lab(other):
        outcome = lab.run("dbops_deploy", "--no-backup")

    assert outcome.code == 0, outcome.err
    assert lab.fetch_value(f"SELECT count(*) FROM {lab.app}_thing") == 2
