"""dbops_check and the system checks: each rule once for and once against."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.test import override_settings

from dbops.core.finding import Finding, Level
from dbops.render.check import format_annotation
from tests.keeping import Keeper
from tests.lab import THING, Lab, Outcome

MODELS = """\
from django.db import models


class Thing(models.Model):
    id = models.BigAutoField(primary_key=True)
    name = models.CharField(max_length=50)
"""
# As the autodetector writes it.
KEYED = THING.replace("primary_key=True", "primary_key=True, serialize=False")
INDEXED = """\
migrations.CreateModel(
    "Thing",
    [("id", models.BigAutoField(primary_key=True)),
     ("name", models.TextField(%s)),
     ("size", models.IntegerField(null=True))],
    options={"constraints": [models.UniqueConstraint(name="uq_thing", %s)]},
),
"""
CREATE_MOOD = """migrations.RunSQL("CREATE TYPE mood AS ENUM ('sad')"),\n"""
ADD_HAPPY = """migrations.RunSQL("ALTER TYPE mood ADD VALUE 'happy'"),\n"""


def write(lab: Lab) -> None:
    (lab.directory / lab.app / "models.py").write_text(MODELS)
    lab.write_migration("0001_initial", KEYED)


@pytest.fixture
def lab(empty_lab: Lab) -> Lab:
    write(empty_lab)
    return empty_lab


def write_all(lab: Lab) -> None:
    write(lab)
    assert lab.run("makemigrations", "--sql").code == 0


@pytest.fixture
def held(keeper: Keeper) -> Iterator[Lab]:
    """A lab with the SQL files of its migration: nothing is wrong."""
    with keeper.open_lab(write_all) as lab:
        yield lab


def get_sql(lab: Lab, name: str, file: str) -> Path:
    return lab.directory / lab.app / "migrations" / "sql" / name / file


def get_migration(lab: Lab, name: str) -> Path:
    return lab.directory / lab.app / "migrations" / f"{name}.py"


def edit(lab: Lab, name: str, old: str, new: str) -> None:
    path = get_migration(lab, name)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    lab._forget_modules()


def find(outcome: Outcome, id_: str) -> list[str]:
    """Return the messages of one id."""
    findings = outcome.json["findings"]
    return [each["message"] for each in findings if each["id"] == id_]


def list_ids(outcome: Outcome) -> list[str]:
    return [each["id"] for each in outcome.json["findings"]]


def check(lab: Lab, *arguments: str) -> Outcome:
    return lab.run("dbops_check", "--json", *arguments)


def test_finds_nothing_where_nothing_is_wrong(held: Lab) -> None:
    outcome = check(held)

    assert (outcome.json["findings"], outcome.code) == ([], 0)
    assert outcome.json["checked"] == [
        "history", "graph", "names", "files", "enums", "indexes", "models", "edited",
        "sql", "locks",
    ]  # fmt: skip
    assert held.run("dbops_check", "--verbosity", "0").out == (
        "Nothing found in 1 migration\nNext: manage.py dbops_status\n"
    )


def test_an_app_is_held_from_its_first_migration_with_files_on(lab: Lab) -> None:
    noop = "migrations.RunSQL(migrations.RunSQL.noop),"
    lab.write_migration("0002_wip", noop)
    lab.write_migration("0003_count_things", noop, down="-- dbops: nothing to do")
    lab.write_migration("0004_fix", noop)

    outcome = check(lab, "--no-server")

    assert outcome.code == 3
    assert list_ids(outcome) == [f"dbops.W00{n}" for n in (1, 2, 2, 3)]
    assert find(outcome, "dbops.W001") == [
        f'"{lab.app}.0004_fix" says nothing: any migration could be called "fix"'
    ]
    assert find(outcome, "dbops.W002") == [
        f'"{lab.app}.0003_count_things" has no migration.sql',
        f'"{lab.app}.0004_fix" has no migration.sql',
    ]
    assert find(outcome, "dbops.W003") == [f'"{lab.app}.0004_fix" has no down.sql']


def test_pending_migrations_are_held(lab: Lab) -> None:
    assert check(lab, "--no-server").json["findings"] == []

    assert list_ids(check(lab)) == ["dbops.W002", "dbops.W003"]


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        ("SELECT 1;\nCOMMIT;", ('cannot be run: line 2: "COMMIT" is in the script, and '
         "dbops opens and ends the transaction itself"), 2),
        ("-- why\n-- dbops: not written: later", "is not written: later", 2),
        ("", "is not written: there is no statement in it", 1),
    ],
)  # fmt: skip
def test_a_way_back_that_cannot_be_run(
    held: Lab, text: str, message: str, line: int
) -> None:
    get_sql(held, "0001_initial", "down.sql").write_text(text)

    outcome = check(held, "--no-server")

    assert find(outcome, "dbops.E004") == [
        f'the way back of "{held.app}.0001_initial" {message}'
    ]
    assert outcome.json["findings"][0]["line"] == line


def test_a_reviewed_file_that_is_not_what_django_runs(held: Lab) -> None:
    path = get_sql(held, "0001_initial", "migration.sql")
    text = path.read_text()
    path.write_text(f"-- reviewed\n\n{text.replace(', ', ' ,  ')}")
    same = check(held)
    path.write_text(text.replace("varchar(50)", "varchar(40)"))

    changed = check(held)

    assert same.json["findings"] == []
    [message] = find(changed, "dbops.E005")
    assert message.startswith(
        f'migration.sql of "{held.app}.0001_initial" is not what Django runs: '
        "statement 1 is `CREATE TABLE"
    )
    [finding] = changed.json["findings"]
    assert path.read_text().splitlines()[finding["line"] - 1].startswith("CREATE")


def test_a_migration_that_fails_is_found(held: Lab) -> None:
    held.write_migration(
        "0002_ask_nobody", 'migrations.RunSQL("SELECT nothing"),', down="SELECT 1"
    )
    get_sql(held, "0002_ask_nobody", "migration.sql").write_text("SELECT nothing;")

    [message] = find(check(held), "dbops.E005")

    assert 'column "nothing" does not exist' in message


@pytest.mark.parametrize("how", ["dbops_deploy", "dbops_baseline"])
def test_a_migration_that_was_edited_after_it_was_applied(held: Lab, how: str) -> None:
    if how == "dbops_baseline":
        held.execute(get_sql(held, "0001_initial", "migration.sql").read_text())
    applied = held.run(how, *(["--yes"] if how == "dbops_baseline" else []))
    assert applied.code == 0, applied.err
    edit(held, "0001_initial", "class Migration", "# A comment.\nclass Migration")
    commented = check(held)
    edit(held, "0001_initial", "max_length=50", "max_length=50, blank=True")

    outcome = check(held)

    assert find(commented, "dbops.W006") == []
    [message] = find(outcome, "dbops.W006")
    assert message.startswith(
        f'"{held.app}.0001_initial" was edited after it was applied on 20'
    )
    with held.open():
        [told] = [
            each
            for each in run_checks(databases=["default"], include_deployment_checks=False,  # noqa: E501
                                   tags=["database"])
            if each.id == "dbops.W006"
        ]  # fmt: skip
    assert told.msg == message


def test_an_old_ledger_is_read_and_written(held: Lab) -> None:
    assert held.run("migrate", "dbops", "0001", "--verbosity", "0").code == 0

    assert check(held).json["findings"] == []
    assert held.run("dbops_status", "--json").json["state"] == "pending"
    deployed = held.run("dbops_deploy", "--json")

    assert deployed.code == 0, deployed.err
    assert deployed.json["applied"] == [
        "dbops.0002_add_step_digest",
        "dbops.0003_add_restore_kind",
        "dbops.0004_add_locks_kind",
        "dbops.0005_add_rehearsal",
        "dbops.0006_add_history",
        "dbops.0007_add_turns",
        "dbops.0008_add_operations",
        "dbops.0009_add_kept_data",
        f"{held.app}.0001_initial",
    ]
    assert held.fetch_value("SELECT digest FROM dbops_step").startswith("1:")


def test_several_last_migrations(held: Lab) -> None:
    after = [(held.app, "0001_initial")]
    held.write_migration("0002_a", "", down="SELECT 1", dependencies=after)
    held.write_migration("0002_b", "", down="SELECT 1", dependencies=after)

    outcome = check(held)

    assert find(outcome, "dbops.E007") == [
        f'app "{held.app}" has several last migrations: 0002_a, 0002_b'
    ]
    hints = {each["id"]: each["hint"] for each in outcome.json["findings"]}
    assert hints["dbops.E007"] == f"manage.py makemigrations --merge {held.app}"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("dependencies = []", f"dependencies = [({'nowhere'!r}, '0001')]", "NodeNotFo"),
        ("operations = [", "operations = [[", "SyntaxError"),
    ],
)
def test_broken_migrations_are_one_finding(
    held: Lab, old: str, new: str, message: str
) -> None:
    edit(held, "0001_initial", old, new)

    outcome = check(held)

    [told] = find(outcome, "dbops.E012")
    assert told.startswith(f"the project's migrations cannot be read: {message}")
    with held.open():
        assert [each.id for each in run_checks(tags=["dbops"])] == ["dbops.E012"]


def test_a_history_that_contradicts_itself(held: Lab) -> None:
    held.write_migration("0002_ask", "", down="-- dbops: nothing to do")
    held.run("migrate", "--verbosity", "0")
    held.execute("DELETE FROM django_migrations WHERE name = '0001_initial'"
                 f" AND app = '{held.app}'")  # fmt: skip

    [message] = find(check(held), "dbops.E013")

    assert message.startswith("the history is not consistent: ")


@pytest.mark.parametrize(
    "use",
    [
        """migrations.RunSQL("INSERT INTO t VALUES ('happy')"),""",
        """migrations.RunSQL([("INSERT INTO t VALUES (%s)", ["happy"])]),""",
        """migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(["SELECT 'happy'::mood"])]),""",
        """migrations.AddField("Thing", "mood", models.TextField(default="happy")),""",
        """migrations.AddField("Thing", "mood",
            models.TextField(db_default="happy")),""",
        """migrations.AddConstraint("Thing", models.CheckConstraint(
            condition=models.Q(name="happy"), name="c")),""",
    ],
)
def test_a_new_value_of_an_enum_used_at_once(lab: Lab, use: str) -> None:
    lab.write_migration("0002_be_happy", ADD_HAPPY + use)
    told = find(check(lab, "--no-server"), "dbops.E008")
    lab.remove_last_migration()
    lab.write_migration("0002_be_happy", ADD_HAPPY + use, atomic=False)
    in_pieces = find(check(lab, "--no-server"), "dbops.E008")
    lab.remove_last_migration()
    lab.write_migration("0002_be_happy", CREATE_MOOD + ADD_HAPPY + use)
    new_type = find(check(lab, "--no-server"), "dbops.E008")
    lab.remove_last_migration()
    lab.write_migration("0002_be_happy", ADD_HAPPY + use.replace("happy", "sad"))
    old_value = find(check(lab, "--no-server"), "dbops.E008")

    assert told == [
        (
            f'"{lab.app}.0002_be_happy" adds "happy" to an enum and uses it in the same '  # noqa: E501
            "transaction, which PostgreSQL refuses"
        )
    ]
    assert (in_pieces, new_type, old_value) == ([], [], [])


def test_python_after_a_new_value_of_an_enum(lab: Lab) -> None:
    python = "migrations.RunPython(migrations.RunPython.noop),\n"
    lab.write_migration("0002_be_happy", python + ADD_HAPPY)
    before = find(check(lab, "--no-server"), "dbops.W009")
    lab.remove_last_migration()
    lab.write_migration("0002_be_happy", ADD_HAPPY + python)

    assert before == []
    assert find(check(lab, "--no-server"), "dbops.W009") == [
        (
            f'"{lab.app}.0002_be_happy" adds "happy" to an enum, and its Python code may '  # noqa: E501
            "use it in the same transaction"
        )
    ]


def test_models_without_a_migration(held: Lab) -> None:
    edit(held, "0001_initial", "max_length=50", "max_length=40")

    assert find(check(held, "--no-server"), "dbops.E010") == [
        (
            f'the models of app "{held.app}" are not what its migrations build: '
            "Alter field name on thing"
        )
    ]


@pytest.mark.parametrize(
    ("constraint", "lost"),
    [
        ('fields=["name"], condition=models.Q(size=1)', True),
        ('fields=["name"], opclasses=["text_pattern_ops"]', True),
        ('fields=["name"], include=["size"]', False),
        ('fields=["name"]', False),
        ('fields=["name", "size"], condition=models.Q(size=1)', False),
        ('models.F("name").desc()', True),
    ],
)
def test_a_unique_index_that_goes_with_another_one(
    lab: Lab, constraint: str, lost: bool
) -> None:
    """The server has the last word on which are lost."""
    if constraint.startswith("models.F"):
        options = INDEXED.replace(
            'name="uq_thing", %s', f'{constraint}, name="uq_thing"'
        )
        operations = options % "db_index=True"
    else:
        operations = INDEXED % ("db_index=True", constraint)
    lab.remove_last_migration()
    lab.write_migration("0001_initial", operations)
    plain = 'migrations.AlterField("Thing", "name", models.TextField()),'
    lab.write_migration("0002_forget_name_index", plain)
    lab.run("migrate", "--verbosity", "0")

    told = find(check(lab, "--no-server"), "dbops.W011")
    left = lab.fetch_value("SELECT count(*) FROM pg_indexes"
                           " WHERE indexname = 'uq_thing'")  # fmt: skip

    assert left == (0 if lost else 1)
    assert told == ([
        (f'applying "{lab.app}.0002_forget_name_index" drops the unique index '
        '"uq_thing" too: Django drops every b-tree index on exactly "name" of "Thing"')
    ] if lost else [])  # fmt: skip


def test_a_unique_index_that_goes_on_the_way_back(lab: Lab) -> None:
    lab.remove_last_migration()
    lab.write_migration(
        "0001_initial", INDEXED % ("", 'fields=["name"], condition=models.Q(size=1)')
    )
    indexed = 'migrations.AlterField("Thing", "name", models.TextField(db_index=True)),'
    lab.write_migration("0002_index_names", indexed)

    [message] = find(check(lab, "--no-server"), "dbops.W011")

    assert message.startswith(f'taking back "{lab.app}.0002_index_names" drops the ')


def test_honours_what_the_project_has_silenced(held: Lab) -> None:
    get_sql(held, "0001_initial", "migration.sql").unlink()

    with override_settings(SILENCED_SYSTEM_CHECKS=["dbops.W002"]):
        outcome = held.run("dbops_check", "--no-server")

    assert (outcome.out, outcome.code) == (
        "Nothing found in 1 migration (1 silenced)\n", 0
    )  # fmt: skip


def test_tells_one_finding_a_line_and_the_cure(held: Lab) -> None:
    get_sql(held, "0001_initial", "migration.sql").unlink()

    outcome = held.run("dbops_check", held.app, "--verbosity", "0")

    lines = outcome.out.splitlines()
    assert lines[0].startswith("dbops.W002  ")
    assert lines[0].endswith(f': "{held.app}.0001_initial" has no migration.sql')
    assert lines[1:] == [
        f"  Next: manage.py makemigrations --sql {held.app}",
        "1 warning in 1 migration",
        "Next: correct them, then manage.py dbops_check",
    ]
    assert outcome.code == 3


def test_looks_only_at_the_apps_asked_for(held: Lab) -> None:
    get_sql(held, "0001_initial", "migration.sql").unlink()

    assert check(held, "dbops", "--no-server").json["findings"] == []
    unknown = check(held, "nowhere")
    assert unknown.json["error"]["message"] == 'there is no app "nowhere"'
    assert unknown.code == 2


def test_annotates_for_github(held: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(held.directory)
    get_sql(held, "0001_initial", "down.sql").write_text(
        "-- dbops: not written: 100%, or so"
    )

    outcome = held.run("dbops_check", "--github", "--no-server")

    assert outcome.out.splitlines()[0] == (
        f"::error file={held.app}/migrations/sql/0001_initial/down.sql,line=1,"
        f'title=dbops.E004::the way back of "{held.app}.0001_initial" is not written: '
        "100%25, or so%0ANext: write the statements, or declare: -- dbops: "
        "irreversible: <reason>"
    )


def test_escapes_what_github_would_read() -> None:
    finding = Finding(
        id="dbops.E005", level=Level.ERROR, message="a\r\nb: 1%, c", path="/a,b:c.sql"
    )

    assert format_annotation(finding) == (
        "::error file=/a%2Cb%3Ac.sql,title=dbops.E005::a%0D%0Ab: 1%25, c"
    )


def test_the_system_check_tells_the_same(held: Lab) -> None:
    get_sql(held, "0001_initial", "down.sql").write_text("COMMIT;")

    with held.open():
        [message] = run_checks(tags=["dbops"])
        with pytest.raises(SystemCheckError) as caught:
            call_command("check", tags=["dbops"], stdout=io.StringIO())

    assert (message.id, message.hint) == ("dbops.E004", "delete the statement")
    assert "(dbops.E004) the way back of" in str(caught.value)


def test_the_system_check_is_clean_and_needs_no_server(held: Lab) -> None:
    with held.open():
        held.execute("SELECT 1")
        assert run_checks(tags=["dbops"]) == []


def test_a_server_that_is_down_gives_no_finding(
    held: Lab, django_db_blocker: Any
) -> None:
    with held.open(), django_db_blocker.block():
        assert run_checks(tags=["dbops"], databases=["default"]) == []
