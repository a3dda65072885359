"""`dbops_drift`: what the migrations build against what is there."""

from __future__ import annotations

import re
import secrets
from pathlib import Path

import pytest
from psycopg import sql

from dbops.operations.drift import expected
from dbops.operations.drift.expected_cache import MOST_ENTRIES
from dbops.postgres.ddl_journal import fetch_entries
from dbops.postgres.wheel import find_wheel
from tests.databases import (
    connect,
    dump_schema,
    require_superuser,
    restore_schema,
    temporary_database,
)
from tests.lab import THING, Lab

PART = 'migrations.RunSQL("CREATE TABLE part (at date) PARTITION BY RANGE (at)"),'


@pytest.fixture
def lab(empty_lab: Lab) -> Lab:
    empty_lab.write_migration("0001_initial", THING)
    empty_lab.write_migration(
        "0002_add_thing_note",
        'migrations.AddField("Thing", "note", models.TextField(null=True)),'
        'migrations.RunSQL("CREATE VIEW named AS SELECT name FROM '
        f'{empty_lab.app}_thing"),',
    )
    return empty_lab


def migrate(lab: Lab) -> None:
    outcome = lab.run("migrate", "--verbosity", "0")
    assert outcome.code == 0, outcome.err


def count_replays(lab: Lab, *arguments: str) -> tuple[int, str]:
    """Return how often a scratch database was needed, and what the command said."""
    outcome = lab.run("dbops_drift", *arguments)
    return outcome.err.count("in a scratch database"), outcome.out


def test_finds_nothing_on_a_migrated_database(lab: Lab) -> None:
    migrate(lab)
    outcome = lab.run("dbops_drift")
    assert (outcome.code, outcome.out.splitlines()[-1]) == (
        0,
        "No drift: the schema is what the migrations build",
    )


def test_tells_each_difference_with_the_migration_that_touched_it(lab: Lab) -> None:
    migrate(lab)
    table = f"{lab.app}_thing"
    lab.execute(
        f"ALTER TABLE {table} ALTER COLUMN note SET NOT NULL",
        f"DROP VIEW named; ALTER TABLE {table} ALTER COLUMN name TYPE varchar(60)",
        f"CREATE INDEX by_hand ON {table} (note)",
        "CREATE TABLE extra (x integer)",
        "CREATE VIEW named AS SELECT note FROM " + table,
    )
    outcome = lab.run("dbops_drift", "--json")
    assert outcome.code == 3
    told = {
        each["name"]: (each["kind"], each["object"], each["migration"])
        for each in outcome.json["differences"]
    }
    assert told == {
        f"{table}.name": ("changed", "column", f"{lab.app}.0001_initial"),
        f"{table}.note": ("changed", "column", f"{lab.app}.0002_add_thing_note"),
        "by_hand": ("extra", "index", None),
        "extra": ("extra", "table", None),
        "named": ("changed", "view", f"{lab.app}.0002_add_thing_note"),
    }


def test_says_it_in_words(lab: Lab) -> None:
    migrate(lab)
    lab.execute(f"ALTER TABLE {lab.app}_thing DROP COLUMN note CASCADE")
    outcome = lab.run("dbops_drift")
    lines = outcome.out.splitlines()
    assert f"column {lab.app}_thing.note: expected text, not found" in lines
    assert f"  last touched by {lab.app}.0002_add_thing_note" in lines
    assert lines[-2] == "Drift: 1 difference"
    assert lines[-1] == (
        "Next: manage.py dbops_drift --sql to put the database back, or --adopt for a "
        "migration that follows it"
    )


def test_leaves_pending_migrations_out(lab: Lab) -> None:
    migrate(lab)
    lab.write_migration(
        "0003_add_thing_price",
        'migrations.AddField("Thing", "price", models.IntegerField(null=True)),',
    )
    outcome = lab.run("dbops_drift", "--json")
    assert outcome.code == 0
    assert outcome.json["pending"] == [f"{lab.app}.0003_add_thing_price"]


def test_a_database_that_was_not_adopted_is_refused(lab: Lab) -> None:
    migrate(lab)
    lab.execute("DELETE FROM django_migrations WHERE app <> 'dbops'")
    outcome = lab.run("dbops_drift")
    assert outcome.code == 4
    assert "was not adopted" in outcome.err
    assert "dbops_baseline --dry-run" in outcome.err


def test_a_dumped_and_restored_database_has_no_drift(lab: Lab) -> None:
    lab.write_migration(
        "0003_add_thing_rules",
        f"""migrations.RunSQL('''
            ALTER TABLE {lab.app}_thing ADD kind varchar(9) DEFAULT 'a'
                CHECK (kind IN ('a', 'b'));
            CREATE INDEX picky ON {lab.app}_thing (id) WHERE kind IN ('a', 'b');
        '''),""",
    )
    migrate(lab)
    with temporary_database() as copy:
        restore_schema(dump_schema(lab.target), copy)
        with connect(lab.target) as source, connect(copy) as target:
            rows = source.execute("SELECT app, name, applied FROM django_migrations")
            with target.cursor() as cursor:
                cursor.executemany(
                    "INSERT INTO django_migrations (app, name, applied)"
                    " VALUES (%s, %s, %s)",
                    rows.fetchall(),
                )
        lab.target = copy
        assert count_replays(lab)[0] == 1
        replays, out = count_replays(lab)
    assert (replays, out.splitlines()[-1]) == (
        0,
        "No drift: the schema is what the migrations build",
    )


class TestLeftOut:
    def test_partitions_made_at_run_time(self, lab: Lab) -> None:
        lab.write_migration("0003_add_part", PART)
        migrate(lab)
        lab.execute(
            "CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM "
            "('2026-01-01') TO ('2026-02-01')",
            "CREATE INDEX ON part_1 (at)",
            "CREATE TABLE part_rest PARTITION OF part DEFAULT PARTITION BY LIST (at)",
            "CREATE TABLE part_2 PARTITION OF part_rest DEFAULT",
        )
        outcome = lab.run("dbops_drift", "--json")
        assert outcome.code == 0
        # Three tables with a column each, and an index.
        assert outcome.json["left_out"]["partitions made at run time"] == 7

    def test_tables_of_other_tools(self, lab: Lab) -> None:
        migrate(lab)
        lab.execute(
            "CREATE TABLE flyway_schema_history (x integer PRIMARY KEY)",
            "CREATE SCHEMA sqitch; CREATE TABLE sqitch.changes (x integer)",
        )
        outcome = lab.run("dbops_drift")
        assert outcome.code == 0, outcome.out
        assert "objects of other tools" in outcome.out

    def test_what_the_settings_name(self, lab: Lab) -> None:
        migrate(lab)
        lab.execute("CREATE TABLE report_1 (x integer)")
        assert lab.run("dbops_drift").code == 3
        outcome = lab.run("dbops_drift", IGNORE=["report_*"])
        assert outcome.code == 0
        assert '2 objects named in DBOPS["IGNORE"]' in outcome.out

    def test_column_order_and_generated_names_are_noted(self, lab: Lab) -> None:
        migrate(lab)
        lab.execute(
            f"ALTER TABLE {lab.app}_thing DROP COLUMN name CASCADE",
            f"ALTER TABLE {lab.app}_thing ADD COLUMN name varchar(50) NOT NULL",
            f"CREATE VIEW named AS SELECT name FROM {lab.app}_thing",
        )
        outcome = lab.run("dbops_drift", "--json")
        assert outcome.code == 0
        assert [each["kind"] for each in outcome.json["notes"]] == ["order"]


class TestCache:
    def test_the_second_run_builds_nothing(self, lab: Lab) -> None:
        migrate(lab)
        assert [count_replays(lab)[0] for _ in range(3)] == [1, 0, 0]

    def test_it_is_not_used_where_that_is_not_wished(self, lab: Lab) -> None:
        migrate(lab)
        count_replays(lab)
        assert count_replays(lab, "--no-cache")[0] == 1

    def test_drift_of_a_text_is_known_the_second_time(self, lab: Lab) -> None:
        migrate(lab)
        count_replays(lab)
        lab.execute(f"ALTER TABLE {lab.app}_thing ALTER note SET DEFAULT 'by hand'")
        assert [count_replays(lab)[0] for _ in range(2)] == [1, 0]
        assert lab.run("dbops_drift").code == 3

    def test_an_edited_migration_is_built_again(self, lab: Lab) -> None:
        migrate(lab)
        count_replays(lab)
        name = lab.names[-1]
        lab.remove_last_migration()
        lab.write_migration(
            name,
            'migrations.AddField("Thing", "note", models.TextField(default="")),'
            'migrations.RunSQL("CREATE VIEW named AS SELECT name FROM '
            f'{lab.app}_thing"),',
        )
        outcome = lab.run("dbops_drift", "--json")
        assert [each["name"] for each in outcome.json["differences"]] == [
            f"{lab.app}_thing.note"
        ]

    def test_a_helper_module_that_changed_is_noticed(self, lab: Lab) -> None:
        helper = lab.directory / lab.app / "texts.py"
        helper.write_text('SQL = "CREATE TABLE helped (x integer)"\n')
        lab.write_migration(
            "0003_add_helped",
            "migrations.RunPython(run),",
            helpers=f"from {lab.app} import texts\n"
            "def run(apps, editor):\n    editor.execute(texts.SQL)\n",
        )
        migrate(lab)
        assert [count_replays(lab)[0] for _ in range(2)] == [1, 0]
        helper.write_text(helper.read_text() + "# edited\n")
        assert count_replays(lab)[0] == 1

    def test_a_file_that_a_migration_reads_is_noticed(self, lab: Lab) -> None:
        script = lab.directory / "setup.sql"
        script.write_text("CREATE TABLE scripted (x integer)")
        lab.write_migration(
            "0003_add_scripted",
            "migrations.RunPython(run),",
            helpers="def run(apps, editor):\n"
            f"    editor.execute(open({str(script)!r}).read())\n".replace(
                "open(", "__import__('pathlib').Path("
            ).replace(".read()", ".read_text()"),
        )
        migrate(lab)
        assert [count_replays(lab)[0] for _ in range(2)] == [1, 0]
        script.write_text("CREATE TABLE scripted (x bigint)")
        outcome = lab.run("dbops_drift", "--json")
        assert [each["name"] for each in outcome.json["differences"]] == ["scripted.x"]

    def test_a_setting_of_the_project_is_noticed(
        self, lab: Lab, settings: pytest.FixtureRequest
    ) -> None:
        migrate(lab)
        count_replays(lab)
        settings.SHOP_LANGUAGES = ["en"]  # type: ignore[attr-defined]
        assert [count_replays(lab)[0] for _ in range(2)] == [1, 0]

    @pytest.mark.parametrize("content", ["", "{", '{"catalog": 1}', "[]"])
    def test_a_spoilt_file_is_as_good_as_none(self, lab: Lab, content: str) -> None:
        migrate(lab)
        count_replays(lab)
        (file,) = Path(lab.settings["CACHE_DIR"]).glob("*.json")
        file.write_text(content)
        assert [count_replays(lab)[0] for _ in range(2)] == [1, 0]

    def test_a_directory_that_cannot_be_written_is_done_without(
        self, lab: Lab, tmp_path: Path
    ) -> None:
        migrate(lab)
        (tmp_path / "file").touch()
        lab.settings["CACHE_DIR"] = str(tmp_path / "file" / "cache")
        assert [count_replays(lab)[0] for _ in range(2)] == [1, 1]

    def test_is_for_its_owner_alone_and_stays_small(self, lab: Lab) -> None:
        migrate(lab)
        directory = Path(lab.settings["CACHE_DIR"])
        directory.mkdir()
        for number in range(MOST_ENTRIES + 5):
            (directory / f"expected-{number}.json").touch()
        count_replays(lab)
        entries = list(directory.glob("expected-*.json"))
        assert len(entries) == MOST_ENTRIES
        (ours,) = [each for each in entries if each.stat().st_size]
        assert ours.stat().st_mode & 0o077 == 0
        assert not list(directory.glob("*.new"))


def test_a_role_that_may_not_create_databases_uses_the_embedded_server(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not find_wheel():
        pytest.skip("the package with the embedded server is not installed")
    migrate(lab)
    monkeypatch.setattr(
        "dbops.operations.replay.may_create_databases", lambda _connection: False
    )
    outcome = lab.run("dbops_drift")
    assert "using the embedded PostgreSQL" in outcome.err
    assert outcome.code == 0, outcome.out


def test_status_says_up_to_date_only_when_it_is_proven(lab: Lab) -> None:
    migrate(lab)
    first = lab.run("dbops_status")
    assert first.out.splitlines()[-2:] == [
        "All migrations are applied; the schema itself was not compared",
        "Next: manage.py dbops_drift",
    ]
    lab.run("dbops_drift")
    second = lab.run("dbops_status")
    assert second.out.splitlines()[-1] == "Database schema is up to date!"
    lab.execute(f"ALTER TABLE {lab.app}_thing ALTER note SET NOT NULL")
    third = lab.run("dbops_status", "--json")
    assert (third.code, third.json["state"], third.json["schema"]) == (
        3,
        "diverged",
        "differs",
    )


def test_tells_the_versions_of_extensions_as_a_note(lab: Lab) -> None:
    with connect(lab.target) as session:
        row = session.execute(
            "SELECT v.version FROM pg_available_extension_versions AS v"
            " JOIN pg_available_extensions AS x USING (name) WHERE name = 'citext'"
            " AND v.version <> x.default_version AND v.version ~ '^1.[4-9]'"
        ).fetchone()
    if row is None:
        pytest.skip("the server has no other version of citext to install")
    lab.write_migration(
        "0003_add_citext", 'migrations.RunSQL("CREATE EXTENSION citext"),'
    )
    migrate(lab)
    with connect(lab.target) as session:
        session.execute("DROP EXTENSION citext")
        session.execute(
            sql.SQL("CREATE EXTENSION citext VERSION {}").format(sql.Literal(row[0]))
        )
    outcome = lab.run("dbops_drift", "--json")
    assert outcome.code == 0, outcome.json["differences"]
    (note,) = outcome.json["notes"]
    assert re.match(r"version 1\.\d+, and the server would now make", note["text"])


def test_only_reading_opens_count(tmp_path: Path) -> None:
    with expected._watch_files() as found:
        (tmp_path / "written").write_text("x")
        (tmp_path / "written").read_text()
        (tmp_path / "other").write_text("x")
    assert {Path(each).name for each in found} >= {"written"}
    assert str(tmp_path / "other") not in found


class TestJournal:
    def test_names_who_when_and_which_statement(self, lab: Lab) -> None:
        require_superuser(lab.target)
        migrate(lab)
        assert lab.run("dbops_drift", "--journal", "install").code == 0
        table = f"{lab.app}_thing"
        with connect(lab.target) as session:
            session.execute("SET application_name = 'psql'")
            session.execute(f"ALTER TABLE {table} ADD COLUMN extra integer".encode())
            session.execute(f"ALTER TABLE {table} ADD COLUMN other integer".encode())
            session.execute(f"CREATE INDEX by_hand ON {table} (extra)".encode())
            session.execute(f"DROP VIEW named; SELECT 'x' FROM {table}".encode())
        report = lab.run("dbops_drift", "--json").json
        told = {each["name"]: each["by"]["statement"] for each in report["differences"]}
        assert told == {
            "by_hand": f"CREATE INDEX by_hand ON {table} (extra)",
            f"{table}.extra": f"ALTER TABLE {table} ADD COLUMN extra integer",
            f"{table}.other": f"ALTER TABLE {table} ADD COLUMN other integer",
            "named": f"DROP VIEW named; SELECT 'x' FROM {table}",
        }
        assert {each["by"]["application_name"] for each in report["differences"]} == {
            "psql"
        }
        out = lab.run("dbops_drift").out
        assert re.search(
            r"  by \S+ \(psql, \S+\), \d{4}-\d\d-\d\d .*: ALTER TABLE", out
        )

    def test_is_no_drift_itself_and_goes_without_a_trace(self, lab: Lab) -> None:
        require_superuser(lab.target)
        migrate(lab)
        before = lab.fetch_catalog().fingerprint
        for _ in range(2):
            assert lab.run("dbops_drift", "--journal", "install").code == 0
        assert lab.run("dbops_drift").code == 0
        assert lab.run("dbops_drift", "--journal", "remove").code == 0
        assert lab.fetch_catalog().fingerprint == before
        assert lab.fetch_value("SELECT count(*) FROM pg_event_trigger") == 0

    def test_what_dbops_does_and_what_is_temporary_is_not_noted(self, lab: Lab) -> None:
        require_superuser(lab.target)
        lab.run("dbops_drift", "--journal", "install")
        with connect(lab.target) as session:
            session.execute("SET application_name = 'dbops-worker:deploy'")
            session.execute("CREATE TABLE ours (x integer)")
        lab.execute("CREATE TEMPORARY TABLE passing (x integer)")
        assert lab.fetch_value("SELECT count(*) FROM dbops_journal.ddl") == 0

    def test_a_journal_that_cannot_be_written_holds_up_nobody(self, lab: Lab) -> None:
        require_superuser(lab.target)
        lab.run("dbops_drift", "--journal", "install")
        lab.execute(
            "ALTER TABLE dbops_journal.ddl ADD CHECK (command <> 'CREATE TABLE')",
            "CREATE TABLE made_anyway (x integer)",
        )
        assert lab.fetch_value("SELECT to_regclass('made_anyway')::text") is not None

    def test_another_role_may_do_ddl_and_reads_nothing(self, lab: Lab) -> None:
        require_superuser(lab.target)
        migrate(lab)
        lab.run("dbops_drift", "--journal", "install")
        role = f"dbops_test_{secrets.token_hex(6)}"
        lab.execute(f"CREATE ROLE {role}", f"GRANT CREATE ON SCHEMA public TO {role}")
        try:
            with connect(lab.target) as session:
                session.execute(f"SET ROLE {role}".encode())
                session.execute("CREATE TABLE theirs (x integer)")
                assert fetch_entries(session) == []
            noted = (
                "SELECT statement FROM dbops_journal.ddl WHERE command = 'CREATE TABLE'"
            )
            assert lab.fetch_value(noted) == "CREATE TABLE theirs (x integer)"
        finally:
            lab.execute(f"DROP OWNED BY {role}", f"DROP ROLE {role}")

    def test_the_sql_is_for_a_superuser_to_run(self, lab: Lab) -> None:
        outcome = lab.run("dbops_drift", "--journal", "sql")
        assert outcome.code == 0
        assert "CREATE EVENT TRIGGER dbops_journal_end" in outcome.out
        assert "GRANT SELECT ON dbops_journal.ddl TO " in outcome.out
