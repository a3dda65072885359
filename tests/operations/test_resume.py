"""Non-atomic migrations that stop within an operation, and how they go on."""

from __future__ import annotations

import pytest

from tests.lab import Lab

THING = """
migrations.CreateModel("Thing", [
    ("id", models.BigAutoField(primary_key=True)),
    ("size", models.IntegerField(default=0)),
]),
"""
STATEMENTS = """
migrations.RunSQL('CREATE INDEX CONCURRENTLY by_size ON "{app}_thing" (size)',
                  "DROP INDEX CONCURRENTLY by_size"),
migrations.RunSQL([
    'ALTER TABLE "{app}_thing" ADD a int',
    'UPDATE "{app}_thing" SET size = size + 1',
    'CREATE UNIQUE INDEX CONCURRENTLY one ON "{app}_thing" (size)',
    'INSERT INTO "{app}_thing" (size) VALUES (100)',
], 'ALTER TABLE "{app}_thing" DROP a'),
"""
DEPLOY = ("dbops_deploy", "--no-backup")


@pytest.fixture
def lab(empty_lab: Lab) -> Lab:
    """One table with two rows that are the same."""
    empty_lab.write_migration("0001_initial", THING, down="SELECT 1;")
    outcome = empty_lab.run(*DEPLOY)
    assert outcome.code == 0, outcome.err
    empty_lab.execute(f"INSERT INTO {empty_lab.app}_thing (size) VALUES (1), (1)")
    return empty_lab


def write_statements(lab: Lab) -> None:
    lab.write_migration(
        "0002_statements",
        STATEMENTS.format(app=lab.app),
        down="-- dbops: irreversible: a test",
        atomic=False,
    )


def test_goes_on_with_the_statement_that_is_not_done(lab: Lab) -> None:
    write_statements(lab)

    failed = lab.run(*DEPLOY)
    looked = lab.run(*DEPLOY, "--resume", "--dry-run", "--json")
    undone = lab.run(*DEPLOY, "--undo", "--dry-run")
    lab.execute(f"UPDATE {lab.app}_thing SET size = 7 WHERE id = 1")
    resumed = lab.run(*DEPLOY, "--resume")

    assert failed.code == 9
    assert "; of operation 2, 2 statements done" in failed.err
    assert looked.code == 0, looked.err
    notes = looked.json["notes"]
    assert notes[0].endswith('0002_statements" is half done, and would be finished:')
    assert notes[1].endswith("(size): is done")
    assert notes[2].endswith("would run, but for 2 statements that it has done")
    assert undone.code == 4
    assert "operation 2" in undone.err
    assert "manage.py dbops_deploy --resume" in undone.err
    assert resumed.code == 0, resumed.err
    assert "statement 2 is done already" in resumed.err
    assert lab.fetch_value(f"SELECT sum(size) FROM {lab.app}_thing") == 7 + 2 + 100
    assert lab.fetch_history() == lab.names
    assert lab.run(*DEPLOY, "--dry-run").code == 0


def test_undoes_what_is_done_when_asked_to(lab: Lab) -> None:
    before = lab.fetch_catalog()
    lab.write_migration(
        "0002_two",
        f"""
        migrations.RunSQL("ALTER TABLE {lab.app}_thing ADD a int",
                          "ALTER TABLE {lab.app}_thing DROP a"),
        migrations.RunSQL("CREATE UNIQUE INDEX CONCURRENTLY one"
                          " ON {lab.app}_thing (size)", "DROP INDEX one"),
        """,
        down="-- dbops: irreversible: a test",
        atomic=False,
    )

    failed = lab.run(*DEPLOY)
    looked = lab.run(*DEPLOY, "--undo", "--dry-run")
    half = lab.fetch_catalog()
    undone = lab.run(*DEPLOY, "--undo")
    again = lab.run(*DEPLOY, "--undo")
    resumed = lab.run(*DEPLOY, "--resume")

    assert failed.code == 9
    assert looked.code == 0, looked.err
    assert "its operations would be undone" in " ".join(looked.out.split())
    assert half != before
    assert undone.code == 0, undone.err
    assert f"{lab.app}.0002_two undone" in undone.out
    assert lab.fetch_catalog() == before
    assert again.code == resumed.code == 4
    assert "nothing to undo" in again.err
    assert "nothing to resume" in resumed.err


def test_an_invalid_index_of_that_name_that_is_another_is_refused(lab: Lab) -> None:
    write_statements(lab)
    lab.execute(f"ALTER TABLE {lab.app}_thing ADD b int DEFAULT 1")
    with pytest.raises(Exception, match="could not create unique index"):
        lab.execute(
            f"CREATE UNIQUE INDEX CONCURRENTLY by_size ON {lab.app}_thing (size, b)"
        )

    refused = lab.run(*DEPLOY)

    assert refused.code == 4
    assert 'index "by_size" is INVALID and is not what' in refused.err
    assert "DROP INDEX CONCURRENTLY by_size" in refused.err
    assert lab.fetch_value("SELECT count(*) FROM pg_index WHERE NOT indisvalid") == 1


def test_an_operation_in_a_transaction_is_never_asked_about(lab: Lab) -> None:
    """Its entry in the journal is in the transaction of its work."""
    lab.write_migration(
        "0002_data",
        "migrations.RunPython(raise_sizes, atomic=True),"
        f"""migrations.RunSQL("SELECT 1 / (2 - count(*)) FROM {lab.app}_thing"),""",
        helpers=f"""
def raise_sizes(apps, schema_editor):
    schema_editor.execute("UPDATE {lab.app}_thing SET size = size + 1")
""",
        down="-- dbops: irreversible: a test",
        atomic=False,
    )

    failed = lab.run(*DEPLOY)
    lab.execute(f"INSERT INTO {lab.app}_thing (size) VALUES (0)")
    again = lab.run(*DEPLOY)

    assert failed.code == 9, failed.err
    assert again.code == 0, again.err
    assert lab.fetch_value(f"SELECT sum(size) FROM {lab.app}_thing") == 4
