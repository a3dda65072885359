"""Settling a migration after a look at what the database has of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.databases import connect
from tests.keeping import Keeper
from tests.lab import THING, Lab, Outcome

COLOR = """
migrations.AddField("Thing", "color", models.CharField(max_length=9, default="")),
"""
OTHER = """
migrations.CreateModel("Other", [
    ("id", models.BigAutoField(primary_key=True)),
    ("thing", models.ForeignKey("Thing", models.CASCADE)),
    ("name", models.CharField(max_length=9, unique=True)),
]),
"""
THREE = """
migrations.RunSQL('CREATE INDEX CONCURRENTLY by_name ON "{app}_thing" (name)',
                  "DROP INDEX CONCURRENTLY by_name"),
migrations.AddField("Thing", "color", models.CharField(max_length=9, null=True)),
migrations.RunSQL('CREATE UNIQUE INDEX CONCURRENTLY once ON "{app}_thing" (name)',
                  "DROP INDEX CONCURRENTLY once"),
"""
BY_NAME = 'CREATE INDEX by_name ON "{app}_thing" (name)'
ADD_COLOR = 'ALTER TABLE "{app}_thing" ADD color varchar(9) NOT NULL'
PYTHON = """
def fill(apps, schema_editor):
    apps.get_model(APP, "Thing").objects.update(name="filled")

def clear(apps, schema_editor):
    apps.get_model(APP, "Thing").objects.update(name="cleared")
"""
FILL = "migrations.RunPython(fill, clear),"


def prepare(lab: Lab) -> None:
    lab.write_migration("0001_initial", THING, down="SELECT 1;")
    assert lab.run("dbops_deploy", "--no-backup").code == 0


@pytest.fixture
def lab(keeper: Keeper) -> Iterator[Lab]:
    with keeper.open_lab(prepare) as lab:
        yield lab


def write(lab: Lab, operations: str, *, atomic: bool = True) -> None:
    lab.write_migration(
        "0002_next",
        operations.replace("{app}", lab.app),
        atomic=atomic,
        helpers=f'APP = "{lab.app}"\n{PYTHON}',
        down="SELECT 1;",
    )


def execute(lab: Lab, *statements: str) -> None:
    lab.execute(*(each.format(app=lab.app) for each in statements))


def resolve(lab: Lab, *arguments: str, name: str = "0002") -> Outcome:
    return lab.run("dbops_resolve", lab.app, name, "--json", *arguments)


def settle(lab: Lab, *arguments: str) -> Outcome:
    outcome = resolve(lab, *arguments, "--yes")
    assert outcome.code == 0, outcome.err
    return outcome


def get_states(outcome: Outcome) -> list[str]:
    return [each["state"] for each in outcome.json["operations"]]


def get_message(outcome: Outcome) -> str:
    return str(outcome.json["error"]["message"])


def fetch_runs(lab: Lab) -> list[tuple[str, str, str]]:
    """Return kind, state and message of each run in the ledger."""
    with connect(lab.target) as connection:
        return connection.execute(
            "SELECT kind, state, message FROM dbops_deployment ORDER BY started_at"
        ).fetchall()


def require_clean(lab: Lab) -> None:
    """Whatever was done, a deployment has to find nothing to complain of."""
    outcome = lab.run("dbops_deploy", "--no-backup")
    assert outcome.code == 0, outcome.err
    assert lab.run("dbops_status", "--json").json["state"] == "up_to_date"
    assert lab.fetch_history() == lab.names


@pytest.fixture
def left_invalid(lab: Lab) -> Lab:
    """A UNIQUE index that could not be built, by hand, after two operations."""
    write(lab, THREE, atomic=False)
    execute(
        lab,
        "INSERT INTO {app}_thing (name) VALUES ('a'), ('a')",
        BY_NAME,
        'ALTER TABLE "{app}_thing" ADD color varchar(9)',
    )
    with pytest.raises(Exception, match="could not create unique index"):
        execute(lab, 'CREATE UNIQUE INDEX CONCURRENTLY once ON "{app}_thing" (name)')
    return lab


def test_looks_and_says_that_a_pending_migration_is_absent(lab: Lab) -> None:
    write(lab, COLOR)
    before = lab.fetch_catalog()

    outcome = resolve(lab)

    assert outcome.code == 0, outcome.err
    assert outcome.json["state"] == "absent"
    assert outcome.json["recorded"] is False
    assert outcome.json["action"] == "look"
    assert outcome.json["next"] == []
    assert get_states(outcome) == ["not_done"]
    assert lab.fetch_catalog() == before


def test_looks_and_says_that_an_applied_migration_is_applied(lab: Lab) -> None:
    write(lab, COLOR + OTHER)
    assert lab.run("dbops_deploy", "--no-backup").code == 0

    for name in ("0001", "0002"):
        outcome = resolve(lab, name=name)
        assert outcome.code == 0, outcome.err
        assert outcome.json["state"] == "applied"
        assert set(get_states(outcome)) == {"done"}


def test_tells_operation_by_operation_what_was_done_by_hand(lab: Lab) -> None:
    write(lab, THREE, atomic=False)
    execute(lab, BY_NAME)

    outcome = resolve(lab)
    text = lab.run("dbops_resolve", lab.app, "0002")

    assert outcome.code == text.code == 3
    assert outcome.json["state"] == "half"
    assert get_states(outcome) == ["done", "not_done", "not_done"]
    command = f"manage.py dbops_resolve {lab.app} 0002_next"
    assert outcome.json["next"] == [f"{command} --finish", f"{command} --undo"]
    assert (
        "2. Add field color to Thing: not done\n"
        "3. SQL CREATE UNIQUE INDEX CONCURRENTLY once ON "
        f'"{lab.app}_thing" (name): not done\n'
        "A part of it is there\n"
        f"Next: {command} --finish or {command} --undo" in text.out
    )


@pytest.mark.parametrize(
    "by_hand", [BY_NAME, 'ALTER TABLE "{app}_thing" ADD color varchar(9)']
)
@pytest.mark.parametrize("flag", ["--finish", "--undo"])
def test_settles_what_was_done_by_hand_of_three_operations(
    lab: Lab, by_hand: str, flag: str
) -> None:
    write(lab, THREE, atomic=False)
    before = lab.fetch_catalog()
    execute(lab, by_hand)

    outcome = settle(lab, flag)

    if flag == "--finish":
        assert outcome.json["state"] == "applied"
        assert lab.fetch_history() == lab.names
    else:
        assert outcome.json["state"] == "absent"
        assert lab.fetch_catalog() == before
    assert fetch_runs(lab)[-1][:2] == ("resolve", "done")
    require_clean(lab)


def test_finds_the_invalid_index_and_builds_it_again(left_invalid: Lab) -> None:
    lab = left_invalid

    found = resolve(lab)
    stopped = resolve(lab, "--finish", "--yes")
    execute(lab, "DELETE FROM {app}_thing")
    outcome = settle(lab, "--finish")

    assert get_states(found) == ["done", "done", "half_done"]
    assert [each["state"] for each in found.json["operations"][2]["objects"]] == [
        "invalid"
    ]
    assert stopped.code == 9
    assert "could not create unique index" in get_message(stopped)
    assert stopped.json["changed"] is True
    assert stopped.json["error"]["hint"].endswith(f"{lab.app} 0002_next")
    assert "dropping once, left INVALID" in outcome.err
    assert outcome.json["state"] == "applied"
    require_clean(lab)


def test_undoes_down_to_the_invalid_index(left_invalid: Lab) -> None:
    outcome = settle(left_invalid, "--undo")

    assert outcome.json["state"] == "absent"
    assert left_invalid.fetch_value("SELECT to_regclass('once')") is None
    execute(left_invalid, "DELETE FROM {app}_thing")
    require_clean(left_invalid)


def test_settles_what_a_deployment_has_left_half_done(lab: Lab) -> None:
    write(lab, THREE, atomic=False)
    execute(lab, "INSERT INTO {app}_thing (name) VALUES ('a'), ('a')")
    assert lab.run("dbops_deploy", "--no-backup").code == 9
    assert lab.run("dbops_status", "--json").json["state"] == "failed"

    refused = resolve(lab, "--rolled-back", "--yes")
    settle(lab, "--undo")

    assert refused.code == 4
    assert lab.run("dbops_status", "--json").json["state"] == "pending"
    execute(lab, "DELETE FROM {app}_thing")
    require_clean(lab)


def test_closes_the_record_once_the_half_was_removed_by_hand(lab: Lab) -> None:
    write(lab, THREE, atomic=False)
    execute(lab, "INSERT INTO {app}_thing (name) VALUES ('a'), ('a')")
    assert lab.run("dbops_deploy", "--no-backup").code == 9
    execute(lab, "DROP INDEX by_name", 'ALTER TABLE "{app}_thing" DROP color')

    outcome = settle(lab, "--rolled-back")

    assert outcome.json["state"] == "absent"
    assert lab.run("dbops_status", "--json").json["state"] == "pending"


def test_records_an_atomic_migration_that_was_made_by_hand(lab: Lab) -> None:
    write(lab, COLOR + OTHER)
    execute(
        lab,
        ADD_COLOR,
        'CREATE TABLE "{app}_other" ('
        "id bigint PRIMARY KEY GENERATED BY DEFAULT AS IDENTITY,"
        " name varchar(9) NOT NULL UNIQUE,"
        ' thing_id bigint NOT NULL REFERENCES "{app}_thing"'
        " DEFERRABLE INITIALLY DEFERRED)",
        'CREATE INDEX "{app}_other_name_0123abcd_like" ON "{app}_other"'
        " (name varchar_pattern_ops)",
        'CREATE INDEX "{app}_other_thing_id_0123abcd" ON "{app}_other" (thing_id)',
    )
    before = lab.fetch_catalog()

    found = resolve(lab)
    outcome = settle(lab, "--applied")
    again = settle(lab, "--applied")

    assert found.code == 3
    assert found.json["state"] == "unrecorded"
    assert outcome.json["state"] == "applied"
    assert outcome.json["changed"] is True
    assert again.json["changed"] is False
    assert "is recorded as applied already" in again.json["notes"][0]
    assert lab.fetch_catalog() == before
    kind, state, message = fetch_runs(lab)[-1]
    assert (kind, state) == ("resolve", "done")
    assert message == f"{lab.app}.0002_next: recorded by dbops_resolve --applied"
    require_clean(lab)


def test_refuses_a_claim_that_the_schema_contradicts(lab: Lab) -> None:
    write(lab, COLOR + OTHER)
    execute(lab, ADD_COLOR)

    applied = resolve(lab, "--applied", "--yes")
    rolled_back = resolve(lab, "--rolled-back", "--yes")

    assert applied.code == rolled_back.code == 4
    assert get_message(applied) == (
        f'"{lab.app}.0002_next" is not applied as a whole: operation 2 (Create model '
        f"Other): table {lab.app}_other is not there"
    )
    assert applied.json["error"]["hint"] == (
        f"manage.py dbops_resolve {lab.app} 0002_next --finish (or --undo); or --force "
        "records the claim all the same"
    )
    assert get_message(rolled_back) == (
        f'"{lab.app}.0002_next" is not gone: operation 1 (Add field color to Thing): '
        f"column {lab.app}_thing.color is there"
    )
    assert lab.fetch_history() == ["0001_initial"]


def test_tells_what_is_different_and_does_not_touch_it(lab: Lab) -> None:
    write(lab, COLOR)
    execute(lab, 'ALTER TABLE "{app}_thing" ADD color text')
    before = lab.fetch_catalog()
    told = (
        f"column {lab.app}_thing.color is different: expected character varying(9) not "
        "null, found text"
    )

    found = lab.run("dbops_resolve", lab.app, "0002")
    outcomes = [
        resolve(lab, flag, "--yes")
        for flag in ("--applied", "--rolled-back", "--finish", "--undo")
    ]

    assert found.code == 3
    assert told in found.out
    assert [each.code for each in outcomes] == [4, 4, 4, 4]
    assert all(told in get_message(each) for each in outcomes)
    assert lab.fetch_catalog() == before


@pytest.mark.parametrize("flag", ["--applied", "--rolled-back"])
def test_force_records_the_claim_and_what_it_goes_against(lab: Lab, flag: str) -> None:
    write(lab, COLOR + OTHER)
    execute(lab, ADD_COLOR)

    outcome = settle(lab, flag, "--force")

    assert outcome.json["recorded"] is (flag == "--applied")
    assert ("0002_next" in lab.fetch_history()) is (flag == "--applied")
    *_, message = fetch_runs(lab)[-1]
    assert f"recorded by dbops_resolve {flag} --force, against: operation " in message


def test_finishes_an_atomic_migration_in_one_transaction(lab: Lab) -> None:
    write(lab, COLOR + OTHER)
    execute(lab, ADD_COLOR)

    outcome = settle(lab, "--finish")

    assert get_states(outcome) == ["done", "done"]
    assert f"{lab.app}.0002_next: finished, operations run: 2" in outcome.json["notes"]
    require_clean(lab)


def test_undoes_an_atomic_migration_that_was_never_recorded(lab: Lab) -> None:
    write(lab, COLOR + OTHER)
    before = lab.fetch_catalog()
    execute(lab, ADD_COLOR)

    settle(lab, "--undo")

    assert lab.fetch_catalog() == before
    require_clean(lab)


def test_a_failing_rest_of_an_atomic_migration_changes_nothing(lab: Lab) -> None:
    constraint = "ALTER TABLE {app}_thing ADD CONSTRAINT ok CHECK (name <> 'a')"
    write(lab, f'{COLOR}{OTHER}migrations.RunSQL("{constraint}"),')
    execute(lab, ADD_COLOR, "INSERT INTO {app}_thing (name, color) VALUES ('a', '')")
    before = lab.fetch_catalog()

    outcome = resolve(lab, "--finish", "--yes")

    assert outcome.code == 7
    assert outcome.json["error"]["hint"] == (
        "remove the cause, then look again: manage.py dbops_resolve "
        f"{lab.app} 0002_next"
    )
    assert 'check constraint "ok"' in get_message(outcome)
    assert lab.fetch_catalog() == before
    assert lab.fetch_history() == ["0001_initial"]


@pytest.mark.parametrize("flag", ["--rolled-back", "--finish"])
def test_settles_what_is_recorded_and_not_there(lab: Lab, flag: str) -> None:
    write(lab, COLOR)
    assert lab.run("dbops_deploy", "--no-backup").code == 0
    execute(lab, 'ALTER TABLE "{app}_thing" DROP color')

    found = resolve(lab)
    refused = resolve(lab, "--applied", "--yes")
    settle(lab, flag)

    assert found.code == 3
    assert found.json["state"] == "recorded_only"
    assert refused.code == 4
    assert ("0002_next" in lab.fetch_history()) is (flag == "--finish")
    require_clean(lab)


@pytest.mark.parametrize("flag", ["--applied", "--rolled-back", "--finish", "--undo"])
def test_a_dry_run_says_the_same_and_does_nothing(lab: Lab, flag: str) -> None:
    write(lab, COLOR + OTHER)
    execute(lab, ADD_COLOR)
    before, runs = lab.fetch_catalog(), fetch_runs(lab)

    outcome = resolve(lab, flag, "--dry-run")

    assert outcome.code == (0 if flag in ("--finish", "--undo") else 4)
    assert outcome.json["dry_run"] is True
    assert outcome.json["action"] == flag[2:].replace("-", "_")
    if flag in ("--finish", "--undo"):
        verb, number = ("finished", 2) if flag == "--finish" else ("undone", 1)
        note = f"{lab.app}.0002_next: would be {verb}, operations to run: {number}"
        assert outcome.json["notes"] == [note]
    assert lab.fetch_catalog() == before
    assert fetch_runs(lab) == runs
    assert lab.fetch_history() == ["0001_initial"]


@pytest.mark.parametrize(
    ("cut_off", "name"), [("redo", "filled"), ("skip", "as it was")]
)
def test_asks_about_data_and_does_as_told(lab: Lab, cut_off: str, name: str) -> None:
    write(lab, COLOR + FILL + OTHER)
    execute(
        lab, ADD_COLOR, "INSERT INTO {app}_thing (name, color) VALUES ('as it was', '')"
    )

    found = resolve(lab)
    refused = resolve(lab, "--finish", "--yes")
    settle(lab, "--finish", "--cut-off", cut_off)

    assert get_states(found) == ["done", "no_trace", "not_done"]
    assert found.json["operations"][1]["journal"] == "unknown"
    assert refused.code == 4
    assert get_message(refused) == (
        f'operation 2 (Python fill) of "{lab.app}.0002_next" is on data, and the '
        "schema does not show whether it was done"
    )
    assert lab.fetch_value(f"SELECT name FROM {lab.app}_thing") == name
    require_clean(lab)


def test_the_ledger_knows_of_data_what_the_schema_does_not_show(lab: Lab) -> None:
    write(lab, FILL + THREE, atomic=False)
    execute(lab, "INSERT INTO {app}_thing (name) VALUES ('a'), ('a')")
    assert lab.run("dbops_deploy", "--no-backup").code == 9

    found = resolve(lab)
    settle(lab, "--undo")

    assert get_states(found) == ["no_trace", "done", "done", "not_done"]
    assert found.json["operations"][0]["journal"] == "done"
    assert lab.fetch_value(f"SELECT min(name) FROM {lab.app}_thing") == "cleared"


def test_what_runs_no_statement_is_not_asked_about(lab: Lab) -> None:
    state = 'migrations.AlterModelOptions("Thing", {"ordering": ["name"]}),'
    write(lab, COLOR + state + OTHER)
    execute(lab, ADD_COLOR)

    assert get_states(resolve(lab)) == ["done", "state_only", "not_done"]
    settle(lab, "--finish")
    require_clean(lab)


def test_what_is_made_and_dropped_again_says_nothing(lab: Lab) -> None:
    remove = 'migrations.RemoveField("Thing", "color"),'
    write(lab, COLOR + remove + OTHER)

    assert get_states(resolve(lab)) == ["no_trace", "no_trace", "not_done"]
    assert resolve(lab).json["state"] == "absent"


def test_what_was_removed_later_counts_as_done(lab: Lab) -> None:
    write(lab, COLOR)
    lab.write_migration("0003_drop", 'migrations.RemoveField("Thing", "color")')
    assert lab.run("dbops_deploy", "--no-backup").code == 0

    outcome = resolve(lab)

    assert outcome.code == 0
    assert outcome.json["state"] == "applied"


def test_undo_refuses_what_is_irreversible(lab: Lab) -> None:
    write(lab, f"migrations.RunSQL('{BY_NAME}'),{COLOR}")
    execute(lab, BY_NAME)

    outcome = resolve(lab, "--undo", "--yes")

    assert outcome.code == 4
    assert "is done and irreversible" in get_message(outcome)


def test_refuses_to_forget_what_others_depend_on(lab: Lab) -> None:
    write(lab, COLOR)
    lab.write_migration("0003_other", OTHER)
    assert lab.run("dbops_deploy", "--no-backup").code == 0
    execute(lab, 'ALTER TABLE "{app}_thing" DROP color')

    found = resolve(lab)
    outcomes = [resolve(lab, flag, "--yes") for flag in ("--rolled-back", "--undo")]
    settle(lab, "--finish")

    assert [each.split()[-1] for each in found.json["next"]] == ["--finish"]
    assert [each.code for each in outcomes] == [4, 4]
    assert all(
        get_message(each) == f'applied migrations depend on "{lab.app}.0002_next": '
        f"{lab.app}.0003_other"
        for each in outcomes
    )
    require_clean(lab)


def test_refuses_to_record_before_what_it_depends_on(lab: Lab) -> None:
    write(lab, COLOR)
    lab.write_migration("0003_other", OTHER)

    for flags in (["--applied", "--force"], ["--finish"]):
        outcome = resolve(lab, *flags, "--yes", name="0003")
        assert outcome.code == 4
        assert "depends on migrations that are not applied" in get_message(outcome)


def test_finishes_an_initial_migration(lab: Lab) -> None:
    """Where pre_migrate would see a database that was not adopted."""
    lab.remove_last_migration()
    execute(
        lab,
        'DROP TABLE "{app}_thing"',
        "DELETE FROM django_migrations WHERE app = '{app}'",
    )
    lab.write_migration("0001_initial", THING + OTHER)
    execute(
        lab,
        'CREATE TABLE "{app}_thing" (id bigint PRIMARY KEY GENERATED BY DEFAULT AS '
        "IDENTITY, name varchar(50) NOT NULL)",
    )

    outcome = resolve(lab, "--finish", "--yes", name="0001")

    assert outcome.code == 0, outcome.err
    require_clean(lab)


@pytest.mark.parametrize("hand", [ADD_COLOR, 'DROP TABLE "{app}_thing"'])
def test_a_deployment_that_meets_another_schema_leads_here(lab: Lab, hand: str) -> None:
    write(lab, COLOR)
    execute(lab, hand)

    outcome = lab.run("dbops_deploy", "--no-backup", "--allow-drift", "--json")

    assert outcome.code == 7
    hint = f"manage.py dbops_resolve {lab.app} 0002_next"
    assert outcome.json["error"]["hint"] == hint


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["nonsense", "0001"], 2, 'there is no app "nonsense"'),
        (["{app}", "0009"], 2, 'has no migration "0009"'),
        (["{app}", "0002"], 2, "is the beginning of several migrations"),
        (
            ["{app}", "0001", "--applied", "--undo"],
            2,
            "--applied and --undo do not go together",
        ),
        (["{app}", "0001", "--force"], 2, "--force goes with --applied or"),
        (["{app}", "0001", "--undo", "--force"], 2, "--force goes with --applied or"),
        (["{app}", "0001", "--cut-off", "redo"], 2, "--cut-off goes with --finish or"),
        (["{app}", "0001", "--database", "x"], 2, 'there is no database "x"'),
        (["dbops", "0001"], 4, "the ledger's own migrations cannot be settled"),
    ],
)
def test_one_clear_error_for_wrong_input(
    lab: Lab, arguments: list[str], code: int, told: str
) -> None:
    write(lab, COLOR)
    lab.write_migration("0002_other", "")
    words = [each.format(app=lab.app) for each in arguments]

    outcome = lab.run("dbops_resolve", *words, "--json", "--yes")

    assert outcome.code == code, outcome.err
    assert told in get_message(outcome)


def test_asks_before_it_changes_and_not_before_it_looks(lab: Lab) -> None:
    write(lab, COLOR)
    execute(lab, ADD_COLOR)

    assert resolve(lab).code == 3
    outcome = resolve(lab, "--applied")

    assert outcome.code == 2
    assert "again with --yes" in outcome.json["error"]["hint"]
    assert lab.fetch_history() == ["0001_initial"]


def test_settling_one_does_not_hide_that_another_needs_repair(lab: Lab) -> None:
    write(lab, THREE, atomic=False)
    execute(lab, "INSERT INTO {app}_thing (name) VALUES ('a'), ('a')")
    assert lab.run("dbops_deploy", "--no-backup").code == 9
    execute(lab, "DELETE FROM django_migrations WHERE app = '{app}'")

    outcome = resolve(lab, "--applied", "--yes", name="0001")

    assert outcome.code == 0, outcome.err
    assert outcome.json["notes"][-1] == (
        f"{lab.app}.0002_next needs repair, too: manage.py dbops_resolve {lab.app} "
        "0002_next"
    )
    assert lab.run("dbops_status", "--json").json["state"] == "failed"
    settle(lab, "--undo")
    assert lab.run("dbops_status", "--json").json["state"] == "pending"
