"""Rehearsals: what runs, what leads back, what is locked, and what stays untouched."""

from __future__ import annotations

import json
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from dbops.operations.check.digest import digest_migration
from dbops.operations.history import get_id, read_history
from dbops.postgres import copying, scratch
from dbops.postgres.rehearsals import fetch_rehearsal
from tests.databases import connect, temporary_database, temporary_role
from tests.lab import Lab, open_lab
from tests.processes import start_in_lab, wait_until

FIRST = """\
migrations.CreateModel(
    "Thing",
    [("id", models.BigAutoField(primary_key=True)),
     ("name", models.CharField(max_length=50, db_index=True)),
     ("slug", models.CharField(max_length=50, null=True)),
     ("size", models.IntegerField(default=0)),
     ("seen_at", models.DateTimeField(null=True))],
),
"""

GONE = "{} is dropped and made again: values would be gone; there are none here"
MOVED = "table {}: other values in column seen_at, with TimeZone Asia/Kathmandu"


@pytest.fixture
def lab(tmp_path: Path, django_db_blocker: Any) -> Iterator[Lab]:
    with (
        django_db_blocker.unblock(),
        temporary_database() as target,
        open_lab(tmp_path, target) as lab,
    ):
        lab.write_migration("0001_initial", FIRST)
        yield lab


@pytest.fixture
def filled(lab: Lab) -> Lab:
    """The lab with its first migration applied, and rows in its table."""
    assert lab.run("migrate", "-v", "0").code == 0
    lab.execute(
        f"INSERT INTO {lab.app}_thing (name, slug, size, seen_at)"
        " SELECT 'thing ' || n, 'slug ' || n, n, '2026-01-01 10:00+00'::timestamptz"
        " FROM generate_series(1, 500) AS n"
    )
    return lab


def rehearse(lab: Lab, *arguments: str, code: int = 0) -> dict[str, Any]:
    """Rehearse on a new backup, and return what was found by the migration's name."""
    if "--schema-only" not in arguments:
        arguments = ("--backup", "new", *arguments)
    outcome = lab.run("dbops_rehearse", "--json", *arguments)
    assert outcome.code == code, outcome.out + outcome.err
    found = outcome.json["migrations"]
    return {each["id"].removeprefix(f"{lab.app}."): each for each in found}


def get_verdicts(found: dict[str, Any]) -> dict[str, str]:
    return {name: each["round_trip"] for name, each in found.items()}


def tell_losses(found: Any) -> list[tuple[str, str]]:
    return [(each["kind"], each["text"]) for each in found["losses"]]


def test_tells_each_kind_of_verdict_apart(filled: Lab) -> None:
    table = f"{filled.app}_thing"
    filled.write_migration(
        "0002_add_color",
        'migrations.AddField("Thing", "color",'
        ' models.CharField(max_length=9, default="")),',
    )
    filled.write_migration(
        "0003_widen_name",
        'migrations.AlterField("Thing", "name",'
        " models.CharField(max_length=80, db_index=True)),",
        down=f"ALTER TABLE {table} ALTER COLUMN name TYPE varchar(50);",
    )
    filled.write_migration(
        "0004_remove_size",
        'migrations.RemoveField("Thing", "size"),',
        down="-- dbops: irreversible: sizes are of no use",
    )
    filled.write_migration(
        "0005_note", "migrations.RunSQL('COMMENT ON SCHEMA public IS NULL'),"
    )
    filled.write_migration(
        "0006_remove_color",
        'migrations.RemoveField("Thing", "color"),',
        down=f"ALTER TABLE {table} ADD COLUMN color varchar(9) NOT NULL DEFAULT '';"
        f"ALTER TABLE {table} ALTER COLUMN color DROP DEFAULT;",
    )
    filled.write_migration(
        "0007_remove_slug",
        'migrations.RemoveField("Thing", "slug"),',
    )
    filled.write_migration(
        "0008_count_rows",
        'migrations.RunSQL("SELECT 1", "SELECT 1 / 0"),',
    )

    found = rehearse(filled, code=3)

    assert get_verdicts(found) == {
        "0002_add_color": "identical",
        "0003_widen_name": "identical",
        "0004_remove_size": "irreversible",
        "0005_note": "irreversible",
        "0006_remove_color": "identical",
        "0007_remove_slug": "lossy",
        "0008_count_rows": "failed",
    }
    assert found["0004_remove_size"]["reason"] == "declared: sizes are of no use"
    assert found["0005_note"]["reason"].startswith("operation 1 (SQL COMMENT ON")
    assert tell_losses(found["0007_remove_slug"]) == [
        ("values", f"table {table}: other values in column slug")
    ]
    failure = found["0008_count_rows"]["failure"]
    assert failure["stage"] == "back"
    assert failure["message"] == "division by zero"
    assert failure["number"] == 1
    assert failure["file"].endswith("0008_count_rows.py")


def test_says_equivalent_where_only_the_order_of_columns_is_another(
    filled: Lab,
) -> None:
    filled.execute(f"UPDATE {filled.app}_thing SET slug = NULL")
    filled.write_migration(
        "0002_remove_and_keep",
        """
        migrations.RunSQL(
            'ALTER TABLE {app}_thing DROP COLUMN slug, ADD COLUMN old text',
            'ALTER TABLE {app}_thing DROP COLUMN old, ADD COLUMN slug varchar(50)'),
        """.replace("{app}", filled.app),
    )

    found = rehearse(filled, code=3)["0002_remove_and_keep"]

    # There were no values that could have been kept: nobody knows, and says so.
    assert tell_losses(found) == [
        ("values", GONE.format(f"column slug of {filled.app}_thing")),
    ]
    assert [note for note in found["notes"] if "column order" in note]


def test_notices_the_index_of_another_migration_that_a_reverse_drops(
    filled: Lab,
) -> None:
    filled.write_migration(
        "0002_make_names_unique",
        'migrations.AddConstraint("Thing", models.UniqueConstraint('
        'fields=["name"], condition=models.Q(size__gt=0), name="once")),',
    )
    assert filled.run("migrate", "-v", "0").code == 0
    filled.write_migration(
        "0003_drop_index",
        'migrations.AlterField("Thing", "name", models.CharField(max_length=50)),',
    )

    found = rehearse(filled, code=3)

    assert get_verdicts(found) == {"0003_drop_index": "lossy"}
    [loss] = found["0003_drop_index"]["losses"]
    assert loss["kind"] == "index"
    assert loss["migration"] == f"{filled.app}.0002_make_names_unique"


def test_notices_the_same_schema_with_other_instants(filled: Lab) -> None:
    column = f"{filled.app}_thing ALTER COLUMN seen_at TYPE"
    filled.write_migration(
        "0002_drop_zone",
        f"""
        migrations.RunSQL(
            "ALTER TABLE {column} timestamp USING seen_at AT TIME ZONE 'UTC'",
            "ALTER TABLE {column} timestamptz"),
        """,
    )

    found = rehearse(filled, code=3)["0002_drop_zone"]

    assert found["round_trip"] == "lossy"
    assert tell_losses(found) == [("values", MOVED.format(f"{filled.app}_thing"))]


def test_notices_rows_that_a_reverse_leaves(filled: Lab) -> None:
    filled.write_migration(
        "0002_add_rows",
        "migrations.RunPython(add, migrations.RunPython.noop),",
        helpers="def add(apps, editor):\n"
        f'    apps.get_model("{filled.app}", "Thing").objects.create(name="new")\n',
    )

    found = rehearse(filled, code=3)["0002_add_rows"]

    assert found["round_trip"] == "lossy"
    assert tell_losses(found) == [
        ("rows", f"table {filled.app}_thing: 501 rows, 500 before")
    ]
    [statement] = found["statements"]
    assert statement["line"] == 4
    assert statement["changes"] == [{"relation": f"{filled.app}_thing", "rows": 1}]


def test_a_lock_is_held_until_commit_however_short_its_statement(filled: Lab) -> None:
    filled.write_migration(
        "0002_add_color_and_sleep",
        """
        migrations.AddField("Thing", "color", models.IntegerField(null=True)),
        migrations.RunSQL("SELECT pg_sleep(0.5)", migrations.RunSQL.noop),
        migrations.AlterField("Thing", "size", models.BigIntegerField(default=0)),
        """,
    )

    found = rehearse(filled)["0002_add_color_and_sleep"]

    table = f"{filled.app}_thing"
    add, sleep, alter = found["statements"]
    assert add["duration_s"] < 0.3 < sleep["duration_s"]
    assert (add["operation"], sleep["operation"], alter["operation"]) == (1, 2, 3)
    assert add["line"] == 11
    assert add["locks"] == [{"relation": table, "mode": "AccessExclusiveLock"}]
    assert f'rewriting table "{table}"' in alter["words"]
    assert {table, f"{table}_pkey"} <= set(found["rewrites"])
    # The table, and once more for each of its three indexes.
    assert alter["scans"] == [{"relation": table, "rows": 2000}]
    assert alter["wal_bytes"] > 10_000
    [lock] = found["locks"]
    assert (lock["relation"], lock["mode"]) == (table, "AccessExclusiveLock")
    assert lock["blocks"] == "reads"
    assert 0.5 <= lock["held_s"] <= found["duration_s"]
    [blocked] = found["blocked"]
    assert blocked["reads_s"] == blocked["writes_s"] == lock["held_s"]


def test_watches_statements_without_a_transaction_from_outside(filled: Lab) -> None:
    table = f"{filled.app}_thing"
    filled.execute(
        f"INSERT INTO {table} (name, size) SELECT n::text, n"
        " FROM generate_series(1, 60000) AS n"
    )
    filled.write_migration(
        "0002_index_names",
        f"""
        migrations.RunSQL(
            "CREATE INDEX CONCURRENTLY by_name_and_size ON {table} (name, size)",
            "DROP INDEX CONCURRENTLY by_name_and_size"),
        """,
        atomic=False,
        down="-- dbops: no-transaction\nDROP INDEX CONCURRENTLY by_name_and_size;",
    )

    found = rehearse(filled)["0002_index_names"]

    [statement] = found["statements"]
    assert not statement["in_transaction"]
    modes = {(each["relation"], each["mode"]) for each in statement["locks"]}
    assert (table, "ShareUpdateExclusiveLock") in modes
    assert found["round_trip"] == "identical"
    assert found["effect"] == "neutral"
    assert found["blocked"] == []


def test_over_budget_is_a_finding_until_a_person_names_the_migration(
    filled: Lab,
) -> None:
    filled.write_migration(
        "0002_add_and_sleep",
        """
        migrations.AddField("Thing", "color", models.IntegerField(null=True)),
        migrations.RunSQL("SELECT pg_sleep(0.3)", migrations.RunSQL.noop),
        """,
    )
    assert filled.run("dbops_backup").code == 0
    budget = {"reads_s": 0.2, "writes_s": 5}

    over = filled.run("dbops_rehearse", LOCK_BUDGET=budget)
    allowed = filled.run(
        "dbops_rehearse",
        "--allow-over-budget",
        f"{filled.app}.0002_add_and_sleep",
        LOCK_BUDGET=budget,
    )
    wrong = filled.run("dbops_rehearse", LOCK_BUDGET={"read_s": 1})

    assert over.code == 3
    assert f"blocks reads and writes of {filled.app}_thing for 0.3" in over.out
    assert "and may for 0.20 s" in over.out
    assert allowed.code == 0
    assert wrong.code == 2
    assert '"read_s" is not one of' in wrong.err


def test_runs_verify_sql_after_the_way_forward(filled: Lab) -> None:
    filled.write_migration(
        "0002_note", "migrations.RunSQL('SELECT 1', 'SELECT 1'),", down="SELECT 1;"
    )
    folder = filled.directory / filled.app / "migrations" / "sql" / "0002_note"
    (folder / "verify.sql").write_text(
        f"SELECT count(*) = 500 FROM {filled.app}_thing;\n"
        f"SELECT count(*) > 500, max(size) FROM {filled.app}_thing;\n"
        "SELECT 1 / 0;\n"
        f"DELETE FROM {filled.app}_thing;\n"
    )

    failure = rehearse(filled, code=3)["0002_note"]["failure"]

    assert failure["stage"] == "verify"
    first, second, third = failure["message"].split("; ")
    assert first.startswith("statement 2 of verify.sql")
    assert first.endswith("returns False, 500")
    assert second.endswith("raises: division by zero")
    assert third.endswith("raises: cannot execute DELETE in a read-only transaction")


def test_applies_first_what_is_later_than_the_backup(filled: Lab) -> None:
    assert filled.run("dbops_backup").code == 0
    filled.write_migration(
        "0002_add_color",
        'migrations.AddField("Thing", "color", models.IntegerField(null=True)),',
    )
    assert filled.run("migrate", "-v", "0").code == 0
    filled.write_migration(
        "0003_index_color",
        'migrations.AddIndex("Thing", models.Index("color", name="by_color")),',
    )

    outcome = filled.run("dbops_rehearse", "--json")

    assert outcome.code == 0, outcome.err
    assert [each["id"] for each in outcome.json["migrations"]] == [
        f"{filled.app}.0003_index_color"
    ]
    assert "0002_add_color" in outcome.json["notes"][0]


def test_refuses_a_backup_that_has_later_migrations(filled: Lab) -> None:
    filled.write_migration(
        "0002_add_color",
        'migrations.AddField("Thing", "color", models.IntegerField(null=True)),',
    )
    assert filled.run("migrate", "-v", "0").code == 0
    assert filled.run("dbops_backup").code == 0
    assert filled.run("migrate", filled.app, "0001", "-v", "0").code == 0

    outcome = filled.run("dbops_rehearse")

    assert outcome.code == 4
    assert "has migrations that the database does not have" in outcome.err
    assert "Next: manage.py dbops_rehearse --backup new" in outcome.err


def test_says_what_to_do_without_a_backup(filled: Lab) -> None:
    filled.write_migration("0002_none", "")
    outcome = filled.run("dbops_rehearse")
    assert outcome.code == 2
    assert "manage.py dbops_backup" in outcome.err


def test_says_that_nothing_is_pending(filled: Lab) -> None:
    outcome = filled.run("dbops_rehearse")
    assert (outcome.code, outcome.out) == (0, "Nothing is pending\n")


def test_stops_at_a_migration_that_fails(filled: Lab) -> None:
    filled.write_migration(
        "0002_make_sizes_small",
        'migrations.AlterField("Thing", "name", models.CharField(max_length=5)),',
    )
    filled.write_migration("0003_none", "")

    outcome = filled.run("dbops_rehearse", "--backup", "new", "--json")

    assert outcome.code == 3
    [found] = outcome.json["migrations"]
    assert found["failure"]["stage"] == "forward"
    assert found["failure"]["message"] == "value too long for type character varying(5)"
    assert found["failure"]["operation"] == "Alter field name on Thing"
    assert found["failure"]["line"] == 10
    assert outcome.json["left"] == [f"{filled.app}.0003_none"]


def test_writes_markdown(filled: Lab) -> None:
    filled.write_migration(
        "0002_remove_slug", 'migrations.RemoveField("Thing", "slug"),'
    )

    outcome = filled.run("dbops_rehearse", "--backup", "new", "--markdown")

    assert outcome.code == 3
    lines = outcome.out.splitlines()
    assert lines[0] == "### Rehearsal: 1 migration, 1 to look at"
    [row] = [each for each in lines if each.startswith("| ❌ ")]
    assert "| lossy | contract |" in row
    assert "<details>" in outcome.out


def test_leaves_the_database_alone_and_no_scratch_database(filled: Lab) -> None:
    filled.write_migration(
        "0002_change_all",
        f"""
        migrations.AlterField("Thing", "size", models.BigIntegerField(default=0)),
        migrations.RunSQL("UPDATE {filled.app}_thing SET size = 0",
                          migrations.RunSQL.noop),
        """,
    )
    assert filled.run("dbops_backup").code == 0
    before = filled.fetch_catalog().fingerprint, fetch_state(filled)

    outcome = filled.run("dbops_rehearse", "--json")

    assert outcome.code == 3
    assert outcome.json["migrations"][0]["losses"][0]["kind"] == "values"
    after = filled.fetch_catalog().fingerprint, fetch_state(filled)
    assert after == (before[0], [(1, *before[1][0][1:])])
    assert find_copies(filled) == []


def fetch_state(lab: Lab) -> list[tuple[Any, ...]]:
    """Return what nobody may change: rows, and counters of changes."""
    with connect(lab.target) as session:
        session.execute("SELECT pg_stat_force_next_flush()")
        return session.execute(
            f"""SELECT (SELECT count(*) FROM dbops_rehearsal),
            (SELECT sum(hashtextextended(t::text, 0)) FROM {lab.app}_thing AS t),
            (SELECT count(*) FROM django_migrations),
            (SELECT pg_relation_filenode('{lab.app}_thing')),
            (SELECT n_tup_upd + n_tup_del FROM pg_stat_user_tables
              WHERE relname = '{lab.app}_thing'),
            (SELECT deadlocks + conflicts FROM pg_stat_database
              WHERE datname = current_database())""".encode()
        ).fetchall()


def find_copies(lab: Lab) -> list[str]:
    """Return the scratch databases that have the lab's table."""
    with connect(lab.target) as session:
        rows = session.execute(
            "SELECT datname FROM pg_database WHERE starts_with(datname, %s)",
            [scratch.PREFIX],
        ).fetchall()
    return [name for (name,) in rows if is_copy(lab, name)]


def is_copy(lab: Lab, name: str) -> bool:
    try:
        with connect(lab.target.with_database(name)) as session:
            row = session.execute(
                "SELECT to_regclass(%s)", [f"{lab.app}_thing"]
            ).fetchone()
    except psycopg.OperationalError:  # Of another test, and gone by now.
        return False
    return row is not None and row[0] is not None


def test_a_killed_rehearsal_is_swept_up_by_the_next_command(filled: Lab) -> None:
    filled.write_migration(
        "0002_sleep",
        "migrations.RunSQL('SELECT pg_sleep(1)', migrations.RunSQL.noop),",
    )
    with start_in_lab(filled, "dbops_rehearse", "--schema-only") as running:
        running.wait_for("rehearsing")
        running.interrupt(signal.SIGKILL)
        running.process.wait()
    [left] = find_copies(filled)

    def is_used() -> bool:
        with connect(filled.target) as session:
            row = session.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = %s", [left]
            ).fetchone()
        return row is not None and row[0] > 0

    wait_until(lambda: not is_used(), "its sessions to notice")
    # A minute has passed.
    old = re.sub(r"_\d+_", "_1000000000_", left)
    filled.execute(f'ALTER DATABASE "{left}" RENAME TO "{old}"')
    assert filled.run("dbops_rehearse", "--schema-only").code == 0
    assert find_copies(filled) == []


def test_keeps_the_rehearsal_in_the_ledger(filled: Lab) -> None:
    filled.write_migration("0002_none", "")
    rehearse(filled)
    with filled.open() as context:
        history = read_history(context)
        [migration] = history.pending
        row = fetch_rehearsal(
            context.connect(), get_id(migration), digest_migration(migration)
        )
    assert row is not None
    assert row.round_trip == "identical"
    assert json.loads(row.report)["id"] == f"{filled.app}.0002_none"
    assert row.backup_id


def test_notices_an_extension_that_was_there_before_and_is_dropped(filled: Lab) -> None:
    # One that is not trusted wants a superuser.
    name = filled.fetch_value(
        "SELECT name FROM pg_available_extension_versions WHERE name <> 'plpgsql'"
        " AND (trusted OR (SELECT rolsuper FROM pg_roles WHERE rolname = current_user))"
        " AND requires IS NULL ORDER BY name"
    )
    if name is None:
        pytest.skip("the server has no extension that could be created")
    filled.write_migration(
        "0002_extension",
        f"CreateExtension('{name}'),",
        helpers="from django.contrib.postgres.operations import CreateExtension\n",
    )
    filled.execute(f'CREATE EXTENSION "{name}"')

    found = rehearse(filled, code=3)["0002_extension"]

    assert ("extension", f"extension {name} is gone") in tell_losses(found)


def test_a_sample_fits_together_and_is_scaled(
    filled: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = f"{filled.app}_thing"
    filled.write_migration(
        "0002_add_part",
        """
        migrations.CreateModel(
            "Part",
            [("id", models.BigAutoField(primary_key=True)),
             ("thing", models.ForeignKey("Thing", models.CASCADE)),
             ("whole", models.ForeignKey("Part", models.CASCADE, null=True))]),
        """,
    )
    assert filled.run("migrate", "-v", "0").code == 0
    filled.execute(
        f"INSERT INTO {table} (name, size) SELECT n::text, n"
        " FROM generate_series(1, 20000) AS n",
        f"INSERT INTO {filled.app}_part (thing_id, whole_id)"
        f" SELECT id, nullif(row_number() OVER (ORDER BY id DESC), 1) FROM {table}",
        "VACUUM ANALYZE",
    )
    filled.write_migration(
        "0003_grow_size",
        'migrations.AlterField("Thing", "size", models.BigIntegerField(default=0)),',
    )
    monkeypatch.setattr(copying, "PORTION_BYTES", 128 << 10)
    assert filled.run("dbops_backup").code == 0

    outcome = filled.run("dbops_rehearse", "--sample", "20", "--json")

    assert outcome.code == 0, outcome.err
    report = outcome.json
    assert report["sample_percent"] == 20
    assert "deleted that referred to others" in report["notes"][0]
    [found] = report["migrations"]
    assert found["round_trip"] == "identical"
    [forecast] = found["forecasts"]
    assert forecast["scaled_by"] > 2
    [blocked] = found["blocked"]
    assert forecast["reads_s"] > 2 * blocked["reads_s"]
    assert filled.run("dbops_rehearse", "--sample", "0").code == 2


def test_rehearses_only_what_is_named(filled: Lab) -> None:
    for number, letter in enumerate("abc", start=2):
        filled.write_migration(
            f"000{number}_add_{letter}",
            f'migrations.AddField("Thing", "{letter}",'
            " models.IntegerField(null=True)),",
        )
    only = ("--schema-only", "--migration", filled.app)

    assert list(rehearse(filled, *only, "0003")) == ["0003_add_b"]
    outcome = filled.run("dbops_rehearse", *only, "0001")
    assert outcome.code == 2
    assert "is not pending" in outcome.err
    assert f"--migration with one of: {filled.app} 0002_add_a" in outcome.err
    for _ in "abc":
        filled.remove_last_migration()
    for name, told in (("0001", "is not pending"), ("0009", 'no migration "0009"')):
        outcome = filled.run("dbops_rehearse", *only, name)
        assert outcome.code == 2
        assert told in outcome.err
        assert "nothing is pending" in outcome.err


def test_says_who_would_be_waited_for(filled: Lab) -> None:
    filled.write_migration(
        "0002_add_color",
        'migrations.AddField("Thing", "color", models.IntegerField(null=True)),',
    )
    assert filled.run("dbops_backup").code == 0
    with connect(filled.target, autocommit=False) as holder:
        holder.execute(f"SELECT FROM {filled.app}_thing".encode())
        outcome = filled.run("dbops_rehearse", "--json")
        pid = holder.info.backend_pid

    assert outcome.code == 0, outcome.err
    [forecast] = outcome.json["migrations"][0]["forecasts"]
    [who] = forecast["waits_for"]
    assert f"pid {pid}" in who
    assert forecast["requests"] is None or forecast["requests"] >= 0


def test_a_way_back_that_fails_half_way_ends_the_rehearsal(filled: Lab) -> None:
    filled.write_migration(
        "0002_add_a",
        'migrations.AddField("Thing", "a", models.IntegerField(null=True)),',
        down="-- dbops: no-transaction\n"
        f"ALTER TABLE {filled.app}_thing DROP COLUMN a;\nSELECT 1 / 0;",
    )
    filled.write_migration("0003_none", "", down="-- dbops: nothing to do")
    filled.write_migration(
        "0004_odd", "migrations.RunSQL('SELECT 1', 'SELECT 1'),", down="COMMIT;"
    )

    outcome = filled.run("dbops_rehearse", "--schema-only", "--json")
    only = filled.run(
        "dbops_rehearse", "--schema-only", "--migration", filled.app, "0004", "--json"
    )

    [found] = outcome.json["migrations"]
    assert found["failure"]["message"] == "division by zero"
    assert len(outcome.json["left"]) == 2
    [odd] = only.json["migrations"]
    assert "dbops opens and ends the transaction itself" in odd["failure"]["message"]
    assert odd["failure"]["stage"] == "back"


def test_a_lock_that_was_rolled_back_is_not_held_until_commit(filled: Lab) -> None:
    table = f"{filled.app}_thing"
    filled.write_migration(
        "0002_try",
        "migrations.RunPython(change, migrations.RunPython.noop),",
        helpers=f"""\
from django.db import transaction

def change(apps, editor):
    run = editor.connection.cursor().execute
    try:
        with transaction.atomic():
            run("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
            run("SELECT 1 / 0")
    except Exception:
        pass
    run("SELECT pg_sleep(0.4)")
    for number in range(400):
        run(f"SELECT {{number}} FROM {table} WHERE id = {{number}}")
""",
    )

    found = rehearse(filled)["0002_try"]

    [lock] = found["locks"]
    assert (lock["relation"], lock["mode"]) == (table, "AccessExclusiveLock")
    assert lock["held_s"] < 0.3 < found["duration_s"]
    statements = found["statements"]
    assert len(statements) < 250
    assert sum(each["times"] for each in statements) >= 400
    assert statements[0]["line"] == 9
    assert found["round_trip"] == "identical"


def test_notices_rows_that_went_past_djangos_cursors(filled: Lab) -> None:
    filled.write_migration(
        "0002_copy",
        "migrations.RunPython(add, migrations.RunPython.noop),",
        helpers=f"""\
def add(apps, editor):
    with editor.connection.cursor() as cursor:
        with cursor.copy("COPY {filled.app}_thing (name, size) FROM STDIN") as copy:
            copy.write_row(("new", 1))
""",
    )

    found = rehearse(filled, code=3)["0002_copy"]

    assert found["round_trip"] == "lossy"
    [statement] = found["statements"]
    assert statement["sql"] == "-- what went past Django's cursors"
    assert statement["changes"] == [{"relation": f"{filled.app}_thing", "rows": 1}]


ADD_NOTE = 'migrations.AddField("Thing", "note", models.TextField(null=True)),'
INDEX = """\
migrations.AddIndex("Thing", models.Index(fields=["size"], name="thing_size_idx")),
"""
SMALL_IS_LARGE = {"LOCK_RULES_MIN_ROWS": 1}


def refuse(*_: object) -> None:
    raise AssertionError("a database was to be made")


def test_by_rule_nothing_is_run(filled: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    filled.write_migration("0002_add_thing_note", ADD_NOTE)
    filled.write_migration("0003_index_thing_size", INDEX)
    assert filled.run("makemigrations", "--sql", filled.app).code == 0
    monkeypatch.setattr(scratch, "create_database", refuse)

    outcome = filled.run("dbops_rehearse", "--static", "--json", **SMALL_IS_LARGE)

    assert outcome.code == 3, outcome.err
    report = outcome.json
    assert (report["source"], report["migrations"], report["left"]) == ("rules", [], [])
    note, index = report["by_rule"]
    table = f"public.{filled.app}_thing"
    assert note["findings"] == []
    assert note["locks"] == [
        {
            "relation": table,
            "mode": "AccessExclusiveLock",
            "blocks": "reads",
            "work": None,
        }
    ]
    assert [each["id"] for each in index["findings"]] == ["dbops.W104"]
    (lock,) = index["locks"]
    assert (lock["mode"], lock["work"]) == ("ShareLock", "build")
    told = filled.run("dbops_rehearse", "--static", **SMALL_IS_LARGE)
    assert "by rule; nothing was run" in told.out
    marked = filled.run("dbops_rehearse", "--static", "--markdown", **SMALL_IS_LARGE)
    assert marked.out.startswith("### By rule: 2 migrations, 1 to look at")
    small = filled.run("dbops_rehearse", "--static")
    assert small.code == 0
    mixed = filled.run("dbops_rehearse", "--static", "--schema-only")
    assert (mixed.code, "--static runs nothing" in mixed.err) == (2, True)


def test_rules_answer_where_no_copy_can_be_made(filled: Lab) -> None:
    filled.write_migration("0002_index_thing_size", INDEX)
    filled.write_migration("0003_unwritten", ADD_NOTE)
    assert filled.run("makemigrations", "--sql", filled.app).code == 0
    (folder,) = (filled.directory / filled.app).glob("migrations/sql/0003_*")
    shutil.rmtree(folder)
    assert filled.run("dbops_backup").code == 0
    owner = filled.target
    reads = "GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}"
    with temporary_role(owner, reads) as target:
        filled.target = target
        outcome = filled.run("dbops_rehearse", "--json", **SMALL_IS_LARGE)
        filled.target = owner

    assert outcome.code == 3, outcome.err
    report = outcome.json
    assert [each["id"] for each in report["by_rule"]] == [
        f"{filled.app}.0002_index_thing_size"
    ]
    assert report["left"] == [f"{filled.app}.0003_unwritten"]
    assert "may not create the scratch database" in report["notes"][0]
    assert not report["recorded"]
