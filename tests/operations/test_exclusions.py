"""Backups that something was left out of: what stays restores, and they never pass for
full ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dbops.core.exclusions import Exclusions, Extent, LeftOut
from dbops.core.target import Target
from dbops.errors import Refused, UsageError
from dbops.operations.backup.backup import take_backup
from dbops.operations.backup.report import Verified
from dbops.operations.restore.restore import restore_backup
from tests.databases import connect
from tests.keeping import Keeper
from tests.lab import THING, Lab
from tests.operations.conftest import ODD_NAME, execute, fetch_hashes, fetch_value

ORDER = '"Sales Data"."Or""d.er"'


def leave_out(
    schemas: tuple[str, ...] = (),
    tables: tuple[str, ...] = (),
    rows: tuple[str, ...] = (),
) -> Exclusions:
    return Exclusions(schemas=schemas, tables=tables, rows=rows)


CASES = [
    # Its sequence goes, too, and the index, and the key that points away.
    (leave_out(tables=(ORDER, "good")), ["table good", f"table {ORDER}"]),
    (leave_out(tables=("events",)), ["table events", "events_2025", "events_rest"]),
    (leave_out(rows=("events",)), ["the rows of events", "events_2025"]),
    (leave_out(rows=("AUTHORS", ORDER)), ["the rows of authors", ORDER]),
    (leave_out(rows=('"Sales Data".*',)), [f"the rows of {ORDER}"]),
    (leave_out(tables=('"Grüße"', "empt*")), ['table "Grüße"', "table empty"]),
    (leave_out(tables=("without_columns",), rows=("*",)), ["without_columns"]),
    (leave_out(schemas=('"Sales Data"',), tables=("good",)), ['schema "Sales Data"']),
    (leave_out(schemas=("*ales*",), tables=("g*",)), ['schema "Sales Data"']),
]


@pytest.mark.parametrize(("exclusions", "told"), CASES)
def test_what_stays_restores_and_is_proven(
    filled: Target,
    storage: str,
    new_name: str,
    exclusions: Exclusions,
    told: list[str],
) -> None:
    report = take_backup(
        filled, storage=storage, level=Verified.RESTORED, exclusions=exclusions
    )
    assert report.verified is Verified.RESTORED
    listed = ", ".join(map(str, report.left_out))
    assert [each for each in told if each not in listed] == []
    restored = restore_backup(
        filled, storage=storage, backup_id=report.backup_id, into=new_name
    )
    assert (restored.exit_code, restored.left_out) == (0, report.left_out)
    full, partial = fetch_hashes(filled), fetch_hashes(filled.with_database(new_name))
    assert partial != full
    totals = "public.totals"  # Filled from what was restored.
    for name, found in partial.items():
        assert found in (full[name], (0, 0)) or name == totals


def test_nothing_is_left_behind_of_a_table_that_is_left_out(
    filled: Target, storage: str, new_name: str
) -> None:
    exclusions = leave_out(tables=(ORDER, "good"))
    report = take_backup(filled, storage=storage, exclusions=exclusions)
    restore_backup(filled, storage=storage, backup_id=report.backup_id, into=new_name)
    left = "SELECT count(*) FROM pg_class c JOIN pg_namespace n"
    left += " ON n.oid = c.relnamespace WHERE nspname = 'Sales Data'"
    assert fetch_value(filled.with_database(new_name), left) == 0


@pytest.mark.parametrize(
    ("exclusions", "problem"),
    [
        (
            leave_out(tables=("authors",)),
            r'constraint Or"d\.er_author_id_fkey on table',
        ),
        (leave_out(tables=(ORDER,)), "view good"),
        (leave_out(schemas=('"Sales Data"',)), "view good"),
        (
            leave_out(rows=("authors",)),
            r'"Sales Data"\."Or""d\.er" has rows that refer',
        ),
        (leave_out(tables=("Author*",)), "has no"),
        (leave_out(tables=("authros",)), "like it are authors"),
        (leave_out(schemas=("sales",)), "has no"),
        (leave_out(rows=("good",)), "--exclude-table-data: the database has no"),
        (leave_out(rows=("",)), "has no"),
    ],
)
def test_refuses_what_could_not_be_restored_and_what_does_not_exist(
    filled: Target, storage: str, exclusions: Exclusions, problem: str
) -> None:
    with pytest.raises((Refused, UsageError), match=problem) as caught:
        take_backup(filled, storage=storage, exclusions=exclusions)
    assert caught.value.hint
    assert list(Path(storage).rglob("manifest.json")) == []


def test_rows_that_refer_to_nothing_are_no_obstacle(
    filled: Target, storage: str
) -> None:
    execute(filled, f"UPDATE {ORDER} SET author_id = NULL")
    report = take_backup(
        filled,
        storage=storage,
        level=Verified.RESTORED,
        exclusions=leave_out(rows=("authors",)),
    )
    assert report.left_out == (LeftOut(extent=Extent.ROWS, name="authors"),)


def test_a_table_that_is_left_out_may_be_locked_and_unreadable(
    filled: Target, storage: str
) -> None:
    with connect(filled) as other, other.transaction():
        other.execute('LOCK TABLE "Grüße" IN ACCESS EXCLUSIVE MODE')
        report = take_backup(
            filled,
            storage=storage,
            lock_wait_timeout_s=1,
            exclusions=leave_out(tables=('"Grüße"',)),
        )
    assert [str(each) for each in report.left_out] == ['table "Grüße"']


@pytest.mark.parametrize("exclusions", [None, leave_out(schemas=("public",))])
def test_a_database_without_schema_public_is_proven(
    database: Target, storage: str, exclusions: Exclusions | None
) -> None:
    execute(
        database,
        "CREATE SCHEMA app",
        "CREATE TABLE app.a (id int)",
        *(() if exclusions else ("DROP SCHEMA public",)),
    )
    report = take_backup(
        database, storage=storage, level=Verified.RESTORED, exclusions=exclusions
    )
    assert report.verified is Verified.RESTORED


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")


def prepare(lab: Lab) -> None:
    lab.write_migration("0001_initial", THING)
    assert lab.run("dbops_deploy", "--no-backup").code == 0


@pytest.fixture
def lab(keeper: Keeper) -> Iterator[Lab]:
    with keeper.open_lab(prepare, ODD_NAME) as lab:
        yield lab


def test_a_partial_backup_is_marked_and_counts_for_nothing_else(lab: Lab) -> None:
    full = lab.run("dbops_backup", "--json").json["backup_id"]
    arguments = ("--exclude-table-data", f"{lab.app}_thing,dbops_*")
    text = lab.run("dbops_backup", *arguments)
    assert text.code == 0, text.err
    assert "Left out  the rows of dbops_" in text.out
    partial = lab.run("dbops_backups", "--json").json["backups"][0]
    assert partial["left_out"][0]["extent"] == "rows"
    assert "contents, partial" in lab.run("dbops_backups").out
    assert "the rows of" in lab.run("dbops_backups", "show", "latest").out
    assert lab.run("dbops_backups", "verify", "latest", "--level", "restored").code == 0

    checked = lab.run("dbops_backups", "check", "--max-age", "1h", "--json").json
    assert (checked["backup_id"], checked["partial"]) == (full, 1)
    pruned = lab.run("dbops_backups", "prune", "--keep-last", "1", "--yes", "--json")
    kept = {each["backup_id"]: each["reasons"] for each in pruned.json["backups"]}
    assert "the newest" in kept[full]
    assert kept[partial["backup_id"]] == ["one of the last 1"]
    ledger = "SELECT string_agg(backup_id, ',') FROM dbops_backup"
    assert lab.fetch_value(ledger) == full

    refused = lab.run("dbops_restore", "latest", "--yes")
    assert refused.code == Refused.exit_code
    assert "it is without the rows of dbops_" in refused.err
    assert "--into NAME" in refused.err


def test_without_a_full_backup_there_is_none(lab: Lab) -> None:
    partial = ("--exclude-table-data", f"{lab.app}_thing")
    assert lab.run("dbops_backup", *partial).code == 0
    checked = lab.run("dbops_backups", "check", "--max-age", "1h")
    assert checked.code == 3
    assert "there is no full backup" in checked.out


def test_the_history_that_is_left_out_is_not_claimed(lab: Lab) -> None:
    arguments = ("--exclude-table-data", "django_migrations", "--json")
    assert lab.run("dbops_backup", *arguments).json["migrations"] == []


def test_a_name_that_is_none_is_an_error_in_the_document(lab: Lab) -> None:
    outcome = lab.run("dbops_backup", "--exclude-table", "nowhere.*", "--json")
    assert (outcome.code, outcome.json["error"]["type"]) == (2, "UsageError")


@pytest.mark.parametrize("option", ["schema", "table", "table-data"])
def test_an_option_that_is_empty_is_no_full_backup(lab: Lab, option: str) -> None:
    """As in a script whose variable was never set."""
    outcome = lab.run("dbops_backup", f"--exclude-{option}", "")
    assert (outcome.code, "names nothing" in outcome.err) == (2, True)


@pytest.mark.parametrize("option", ["--into", "--tables"])
def test_a_restore_to_an_empty_name_replaces_nothing(lab: Lab, option: str) -> None:
    assert lab.run("dbops_backup").code == 0
    outcome = lab.run("dbops_restore", "latest", "--yes", option, "")
    assert outcome.code == 2
    before = "SELECT count(*) FROM pg_database WHERE datname LIKE '%_before_%'"
    assert lab.fetch_value(before) == 0


def test_single_tables_without_their_rows_are_refused(lab: Lab) -> None:
    table = f"{lab.app}_thing"
    assert lab.run("dbops_backup", "--exclude-table-data", table).code == 0
    outcome = lab.run("dbops_restore", "latest", "--yes", "--tables", table)
    assert outcome.code == Refused.exit_code
    assert f'is without the rows of "{table}"' in outcome.err
