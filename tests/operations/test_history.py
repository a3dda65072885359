"""The ledger for people, and its chain: each edit of it is found."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.datetime import TimestamptzLoader

from dbops.core.chain import find_flaws
from dbops.core.locks.standing import Blocked
from dbops.core.migration import MigrationId
from dbops.operations.deploy.run import open_run
from dbops.postgres.applications import fetch_application
from dbops.postgres.chain import ATTESTED, ENTRIES, fetch_entries, fetch_rows
from dbops.postgres.history import fetch_run_steps, fetch_runs
from dbops.postgres.ledger import Ledger
from dbops.postgres.session import Connection
from tests.databases import connect, temporary_database
from tests.lab import THING, Lab, open_lab

EDITS = int(os.environ.get("LEDGER_EDITS", "100"))
SEED = int(os.environ.get("LEDGER_SEED", str(random.SystemRandom().randrange(10**9))))
COLOR = (
    'migrations.AddField("Thing", "color", models.CharField(max_length=9, null=True))'
)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: Any, django_db_blocker: Any) -> Iterator[Lab]:
    """A ledger of a deployment, another with a rehearsal and a backup, a rollback."""
    with (
        django_db_blocker.unblock(),
        temporary_database() as target,
        open_lab(tmp_path_factory.mktemp("lab"), target) as made,
    ):
        made.write_migration("0001_initial", THING, down=f"DROP TABLE {made.app}_thing")
        run(made, "dbops_deploy", "--no-backup")
        made.write_migration(
            "0002_add_color",
            COLOR,
            down=f'ALTER TABLE "{made.app}_thing" DROP COLUMN "color";',
        )
        run(made, "dbops_rehearse", "--schema-only")
        run(made, "dbops_deploy")
        run(made, "dbops_rollback", made.app, "0001", "--yes")
        yield made


def run(lab: Lab, *arguments: str) -> Any:
    outcome = lab.run(*arguments)
    assert outcome.code == 0, outcome.err + outcome.out
    return outcome


def history(lab: Lab, *arguments: str) -> Any:
    return run(lab, "dbops_history", *arguments, "--json").json


# What people see


def test_lists_the_runs_newest_first(lab: Lab) -> None:
    listed = history(lab)

    assert [(each["kind"], each["state"]) for each in listed["runs"]] == [
        ("rollback", "done"),
        ("deploy", "done"),
        ("deploy", "done"),
    ]
    back, there, _ = listed["runs"]
    assert there["migrations"] == back["migrations"] == [f"{lab.app}.0002_add_color"]
    assert there["backup_id"]
    assert there["foretold_blocked_s"] is not None
    assert there["duration_s"] > 0
    assert back["foretold_blocked_s"] is None
    assert not listed["more"]


def test_the_list_fits_into_80_columns(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")

    text = run(lab, "dbops_history", "--limit", "2").out

    lines = text.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].split() == [
        *("ID", "Began", "(UTC)", "What", "Result", "Took", "Forecast", "Blocked")
    ]
    assert lines[-2:] == ["2 runs; there are older ones", "Next: --limit 4 for more"]


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        (("--kind", "rollback"), 1),
        (("--kind", "rollback", "--kind", "deploy"), 3),
        (("--state", "failed"), 0),
        (("--since", "1h"), 3),
        (("--since", "2999-01-01"), 0),
        (("--app", "elsewhere"), 0),
        (("list", "--limit", "1"), 1),
    ],
)
def test_filters(lab: Lab, arguments: tuple[str, ...], count: int) -> None:
    assert len(history(lab, *arguments)["runs"]) == count


def test_shows_a_run_with_its_statements_and_what_was_foretold(lab: Lab) -> None:
    there = history(lab)["runs"][1]

    shown = history(lab, "show", there["id"][:8].upper())
    text = run(lab, "dbops_history", "show", there["id"]).out
    markdown = run(lab, "dbops_history", "show", there["id"], "--markdown").out

    (step,) = shown["steps"]
    assert step["foretold"]["round_trip"] == "identical"
    assert step["down_digest"].startswith("1:")
    assert f'ALTER TABLE "{lab.app}_thing" ADD COLUMN "color"' in step["sql"]
    assert f'ALTER TABLE "{lab.app}_thing" ADD COLUMN "color"' in text
    assert "rehearsed " in text
    assert "forecast 0.0" in text
    assert f"\n```sql\n{step['sql']}\n```" in markdown


def test_writes_a_table_for_a_release(lab: Lab) -> None:
    lines = run(lab, "dbops_history", "--markdown").out.splitlines()

    assert len(lines) == 2 + 3
    assert len({line.count("|") for line in lines}) == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("show", "ffffffff-0"), 'the ledger has no run "ffffffff-0"'),
        (("show", "%"), 'the ledger has no run "%"'),
        (("--since", "yesterday"), '"yesterday" is neither a duration nor a time'),
        (("--limit", "0"), "--limit needs a positive number"),
        (("verify", "--head", "abc"), '"abc" is too short for a hash'),
        (("verify", "--file", "/nowhere"), '"/nowhere" cannot be read'),
        (("export", "/nowhere/at/all"), '"/nowhere/at/all" cannot be written'),
        (("--markdown",), "--markdown and --json exclude each other"),
    ],
)
def test_refuses_what_makes_no_sense(
    lab: Lab, arguments: tuple[str, ...], told: str
) -> None:
    outcome = lab.run("dbops_history", *arguments, "--json")

    assert outcome.code == 2
    assert told in outcome.json["error"]["message"]


def test_the_beginning_of_several_ids_is_refused(lab: Lab) -> None:
    with connect(lab.target) as session, forgetting(session):
        for last in "12":
            session.execute(
                "INSERT INTO dbops_deployment SELECT (jsonb_populate_record(d,"
                " jsonb_build_object('id', 'eeeeeeee-0000-0000-0000-00000000000'"
                " || %s))).* FROM dbops_deployment d LIMIT 1",
                [last],
            )
        session.execute("COMMIT")
        try:
            outcome = lab.run("dbops_history", "show", "eeee")
        finally:
            session.execute("DELETE FROM dbops_deployment WHERE id::text ~ '^eeee'")
            session.execute("BEGIN")

    assert outcome.code == 2
    assert "is the beginning of several: eeeeeeee-000" in outcome.err


# The chain


@contextmanager
def forgetting(session: Connection) -> Iterator[None]:
    """Let nothing of the block stay."""
    session.execute("BEGIN")
    try:
        yield
    finally:
        session.execute("ROLLBACK")


def test_the_ledger_is_as_it_was_written(lab: Lab) -> None:
    verified = history(lab, "verify")

    assert verified["flaws"] == []
    assert verified["entries"] > verified["rows"] > 5
    assert verified["ledger_head"] == history(lab)["ledger_head"]


def test_each_of_many_random_edits_is_found(lab: Lab) -> None:
    chance = random.Random(SEED)
    with connect(lab.target) as session, forgetting(session):
        heads = [fetch_entries(session)[-1].hash]
        assert find_flaws(fetch_entries(session), fetch_rows(session), heads) == ()
        for _ in range(EDITS):
            session.execute("SAVEPOINT before")
            edited = edit_at_random(session, chance)
            found = find_flaws(fetch_entries(session), fetch_rows(session), heads)
            assert found, f"not found with LEDGER_SEED={SEED}: {edited}"
            session.execute("ROLLBACK TO before")
        assert find_flaws(fetch_entries(session), fetch_rows(session), heads) == ()


def edit_at_random(session: Connection, chance: random.Random) -> str:
    """Do what somebody could who hides something, and return what it was."""
    tables = {**ATTESTED, ENTRIES: "position"}
    # Nothing was dropped, so nothing is kept.
    table = chance.choice(sorted(tables.keys() - {"dbops_kept_data"}))
    name, key = sql.Identifier(table), sql.Identifier(tables[table])
    with session.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            sql.SQL("SELECT * FROM {} ORDER BY {}").format(name, key)
        ).fetchall()
    row = chance.choice(rows)
    where = sql.SQL(" WHERE {} = {}").format(key, sql.Literal(row[tables[table]]))
    match chance.choice(["column", "column", "delete", "insert"]):
        case "delete":
            session.execute("SET LOCAL session_replication_role = replica")
            session.execute(sql.SQL("DELETE FROM {}").format(name) + where)
            return f"deleted {row[tables[table]]} of {table}"
        case "insert":
            new = alter(row[tables[table]], chance)
            values = {**row, tables[table]: new}
            session.execute(
                sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
                    name,
                    sql.SQL(", ").join(map(sql.Identifier, values)),
                    sql.SQL(", ").join(map(sql.Literal, values.values())),
                )
            )
            return f"inserted {new} into {table}"
        case _:
            return edit_column(session, chance, name, where, row)


def edit_column(
    session: Connection,
    chance: random.Random,
    name: sql.Identifier,
    where: sql.Composed,
    row: dict[str, Any],
) -> str:
    session.execute("SET LOCAL session_replication_role = replica")
    column = chance.choice(sorted(row))
    changed = sql.SQL("UPDATE {} SET {} = {}").format(
        name, sql.Identifier(column), change_of(row[column], column, chance)
    )
    session.execute(changed + where)
    return f"set {column} of {row}"


def change_of(value: Any, column: str, chance: random.Random) -> sql.Composable:
    if value is None:
        number = {"operation": "7", "duration_s": "1.5"}
        return sql.SQL(number.get(column, "now()"))
    return sql.Literal(alter(value, chance))


def alter(value: Any, chance: random.Random) -> Any:
    """Return another value of the same type, a little different."""
    match value:
        case str():
            at = chance.randrange(len(value) + 1)
            return f"{value[:at]}{chance.choice('abcdef0123456789')}{value[at:]}"
        case int() | float():
            return value + 1000  # Another position that is free.
        case _ if hasattr(value, "microsecond"):
            return value.replace(microsecond=(value.microsecond + 1) % 1_000_000)
        case _:
            return type(value)(int=(value.int + 1) % 2**128)


@pytest.fixture
def edited(lab: Lab) -> Iterator[Lab]:
    """The lab, with the revision of one deployment made up."""
    lab.execute("UPDATE dbops_deployment SET actor = actor || '?'")
    yield lab
    lab.execute("UPDATE dbops_deployment SET actor = rtrim(actor, '?')")


def test_says_which_columns_were_edited_and_ends_with_3(edited: Lab) -> None:
    outcome = edited.run("dbops_history", "verify")

    assert outcome.code == 3
    assert "actor is not what entry " in outcome.out
    assert outcome.out.splitlines()[-1] == "Not as it was written: 3 flaws"


def test_what_was_written_past_the_chain_is_accepted_by_a_person(lab: Lab) -> None:
    lab.execute(
        "CREATE TABLE entries_aside AS TABLE dbops_entry",
        "CREATE TABLE backups_aside AS TABLE dbops_backup",
        "UPDATE dbops_backup SET location = 'elsewhere'",
        "INSERT INTO dbops_backup SELECT (jsonb_populate_record(b, jsonb_build_object("
        "'backup_id', 'of an older release'))).* FROM dbops_backup b",
    )
    try:
        before = lab.run("dbops_history", "verify", "--json")
        alone = lab.run("dbops_history", "accept")
        accepted = history(lab, "accept", "--yes")
        lab.execute("DELETE FROM dbops_backup WHERE backup_id ~ '^of'")
        gone = history(lab, "accept", "--yes")
        after = history(lab, "verify", "--head", before.json["ledger_head"])
        events = lab.fetch_value(
            "SELECT array_agg(DISTINCT event) FROM dbops_entry WHERE event ~ '^acc'"
        )
        lab.execute("DELETE FROM dbops_entry WHERE position = 3")
        broken = lab.run("dbops_history", "accept", "--yes")
    finally:
        for table in ("entry", "backup"):
            aside = {"entry": "entries_aside", "backup": "backups_aside"}[table]
            lab.execute(
                f"DELETE FROM dbops_{table}",
                f"INSERT INTO dbops_{table} SELECT * FROM {aside}",
                f"DROP TABLE {aside}",
            )

    assert (before.code, alone.code, broken.code) == (3, 2, 4)
    assert [each["kind"] for each in accepted["accepted"]] == [
        "row_edited",
        "row_unattested",
    ]
    assert [each["kind"] for each in gone["accepted"]] == ["row_deleted"]
    assert after["flaws"] == []
    assert len(events) == 1


def test_an_export_is_verified_without_a_server(lab: Lab, tmp_path: Path) -> None:
    file = tmp_path / "ledger.jsonl"
    head = history(lab, "export", str(file))["ledger_head"]
    lab.target, target = lab.target.with_database("no_such_database"), lab.target
    try:
        good = lab.run("dbops_history", "verify", "--file", str(file), "--head", head)
        lines = file.read_text().splitlines()
        results = []
        for changed in (
            [*lines[:3], *lines[4:]],
            lines[:-1],
            [line.replace('"done"', '"failed"') for line in lines],
            [lines[0].replace(head, "0" * 64), *lines[1:]],
        ):
            file.write_text("\n".join(changed))
            results.append(lab.run("dbops_history", "verify", "--file", str(file)).code)
        for changed in (lines[1:], [*lines, lines[-1]], [], ["no JSON"], ["{}"]):
            file.write_text("\n".join(changed))
            results.append(lab.run("dbops_history", "verify", "--file", str(file)).code)
    finally:
        lab.target = target
    assert good.code == 0, good.out + good.err
    assert results == [3, 3, 3, 3, 2, 2, 2, 2, 2]


def test_a_cut_off_end_is_found_by_a_hash_that_was_kept(lab: Lab) -> None:
    gone = "f" * 64

    outcome = lab.run("dbops_history", "verify", "--head", gone, "--json")

    assert outcome.code == 3
    assert [each["kind"] for each in outcome.json["flaws"]] == ["head_unknown"]


def test_a_ledger_from_before_the_chain_is_attested_as_it_is(lab: Lab) -> None:
    with lab.open(), connect(lab.target) as session, forgetting(session):
        session.execute("TRUNCATE dbops_entry")
        assert [each.kind for each in find_flaws([], fetch_rows(session))] == [
            "no_chain"
        ]
        Ledger(session).record_act(done=True, message="terminated somebody")
        entries, rows = fetch_entries(session), fetch_rows(session)

    assert find_flaws(entries, rows) == ()
    assert {each.event for each in entries[:-1]} == {"genesis"}
    assert entries[-1].event == "record_act"
    assert len(entries) == len(rows)


def test_who_may_not_write_entries_writes_nothing_else(lab: Lab) -> None:
    """An entry and what it attests are one transaction."""
    with connect(lab.target) as session, forgetting(session):
        session.execute(
            "ALTER TABLE dbops_entry ADD CONSTRAINT none CHECK (position < 0) NOT VALID"
        )
        before = len(fetch_rows(session))
        with pytest.raises(psycopg.errors.CheckViolation):
            Ledger(session).record_act(done=True, message="terminated somebody")
        assert len(fetch_rows(session)) == before


def test_entries_of_many_sessions_make_one_chain(lab: Lab) -> None:
    tables = [*ATTESTED, ENTRIES]
    lab.execute(
        "CREATE SCHEMA crowd",
        *(
            f"CREATE TABLE crowd.{each} (LIKE public.{each} INCLUDING ALL)"
            for each in tables
        ),
    )

    def work(number: int) -> None:
        with connect(lab.target) as session:
            session.execute("SET search_path = crowd")
            for _ in range(10):
                Ledger(session).record_act(done=True, message=f"by {number}")

    with ThreadPoolExecutor(max_workers=4) as executor:
        list(executor.map(work, range(4)))
    with connect(lab.target) as session:
        session.execute("SET search_path = crowd")
        entries, rows = fetch_entries(session), fetch_rows(session)
        session.execute("DROP SCHEMA crowd CASCADE")

    assert len(entries) == len(rows) == 40
    assert find_flaws(entries, rows) == ()


def test_a_session_whose_times_have_no_zone_attests_the_same(lab: Lab) -> None:
    """Django's is one where USE_TZ is off."""

    class Naive(TimestamptzLoader):
        def load(self, data: Any) -> Any:
            return super().load(data).replace(tzinfo=None)

    with connect(lab.target) as session, forgetting(session):
        session.execute("SET LOCAL TimeZone = 'Asia/Kathmandu'")
        session.adapters.register_loader("timestamptz", Naive)
        Ledger(session).record_act(done=True, message="")
        session.adapters.register_loader("timestamptz", TimestamptzLoader)
        session.execute("SET LOCAL TimeZone = 'America/New_York'")

        assert find_flaws(fetch_entries(session), fetch_rows(session)) == ()


def test_an_older_ledger_is_read_and_written_without_a_chain(lab: Lab) -> None:
    with connect(lab.target) as session, forgetting(session):
        session.execute("DROP TABLE dbops_entry")
        session.execute("ALTER TABLE dbops_deployment DROP COLUMN allowed")
        session.execute(
            "ALTER TABLE dbops_step DROP COLUMN down_digest, DROP COLUMN blocked_s,"
            " DROP COLUMN blocked_sessions"
        )
        session.execute("ALTER TABLE dbops_rehearsal DROP COLUMN down_digest")
        ledger = Ledger(session)
        ledger.record_act(done=True, message="terminated somebody")
        migration = MigrationId(lab.app, "0002_add_color")
        step = ledger.start_step(
            migration,
            direction="forward",
            description="",
            before=None,
            digest="1:ab",
            down_digest="1:cd",
        )
        blocked = Blocked(sessions=2, longest_s=1.5)
        ledger.finish_step(step, state="done", sql="", duration_s=1, blocked=blocked)
        runs = fetch_runs(session)
        steps = fetch_run_steps(session, [each.id for each in runs])
        applied = fetch_application(session, migration)

    assert ledger.head == ""
    assert (runs[0].kind, runs[0].allowed) == ("locks", "[]")
    assert [each.blocked_s for each in steps[runs[0].id]] == [0]
    assert applied is not None
    assert (applied.digest, applied.down_digest) == ("1:ab", "")


def test_what_a_step_has_blocked_is_kept(lab: Lab) -> None:
    with connect(lab.target) as session, forgetting(session):
        ledger = Ledger(session)
        ledger.record_act(done=True, message="")
        step = ledger.start_step(
            MigrationId(lab.app, "0009_later"),
            direction="forward",
            description="",
            before=None,
        )
        blocked = Blocked(sessions=2, longest_s=1.5)
        ledger.finish_step(step, state="done", sql="", duration_s=1, blocked=blocked)
        [run_row, *_] = fetch_runs(session)
        [found] = fetch_run_steps(session, [run_row.id])[run_row.id]
        flaws = find_flaws(fetch_entries(session), fetch_rows(session))

    assert (found.blocked_sessions, found.blocked_s) == (2, 1.5)
    assert flaws == ()


def test_guards_that_were_let_pass_are_told_by_name(lab: Lab) -> None:
    with lab.open() as context:
        before = lab.fetch_catalog()
        allowed = ("stale_backup", "drift")
        with open_run(context, "deploy", before, allowed=allowed) as ledger:
            ledger.finish("done", after=before)
    listed = history(lab, "--limit", "1")["runs"]
    lab.execute(f"DELETE FROM dbops_deployment WHERE id = '{listed[0]['id']}'")
    lab.execute(
        "DELETE FROM dbops_entry WHERE row_key NOT IN (SELECT id::text FROM"
        f" dbops_deployment) AND row_key = '{listed[0]['id']}'"
    )

    assert [each["allowed"] for each in listed] == [["drift", "stale_backup"]]


def test_without_a_ledger_there_is_nothing_to_tell(
    tmp_path: Path, django_db_blocker: Any
) -> None:
    with (
        django_db_blocker.unblock(),
        temporary_database() as target,
        open_lab(tmp_path, target) as empty,
    ):
        listed = empty.run("dbops_history")
        verified = empty.run("dbops_history", "verify")

    assert (listed.code, listed.out) == (0, "Nothing in the ledger\n")
    assert verified.code == 4
    assert "has no ledger" in verified.err
