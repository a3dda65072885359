"""What a rollback says that it destroys, against what it destroys."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psycopg
import pytest

from dbops.core.loss import Return, find_lost, says_rename
from dbops.core.migration import MigrationId
from dbops.postgres.catalog import fetch_catalog
from dbops.postgres.loss import count_losses
from dbops.postgres.session import Connection
from tests.databases import connect, temporary_database
from tests.keeping import Keeper
from tests.lab import THING, Lab

MIGRATION = MigrationId("app", "0002_case")
Contents = dict[str, dict[str, dict[str, str | None]]]

START = """
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE TABLE people (id int PRIMARY KEY, name text, mood mood, moods mood[]);
INSERT INTO people SELECT n, 'p' || n, CASE WHEN n % 2 = 0 THEN 'ok'::mood END
  FROM generate_series(1, 10) AS n;
CREATE SCHEMA "Other";
CREATE TABLE "Other"."Odd name" (id int PRIMARY KEY, "a.b" int);
INSERT INTO "Other"."Odd name" SELECT n, n FROM generate_series(1, 7) AS n;
CREATE TABLE log (id int, at date, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE log_1 PARTITION OF log FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE log_2 PARTITION OF log FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
INSERT INTO log SELECT n, '2026-01-20'::date + n FROM generate_series(1, 20) AS n;
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    up: str
    fill: str = ""
    down: str
    defaults: Mapping[str, str] = field(default_factory=dict)
    """What nobody has written, by the column's name."""
    renamed: Mapping[str, str] = field(default_factory=dict)
    """The names before the migration of what is kept."""


CASES = {
    "a column with values": Case(
        up="ALTER TABLE people ADD a text",
        fill="UPDATE people SET a = name WHERE id < 5",
        down="ALTER TABLE people DROP a",
    ),
    "an empty column": Case(
        up="ALTER TABLE people ADD a text", down="ALTER TABLE people DROP a"
    ),
    "a column with a default": Case(
        up="ALTER TABLE people ADD a int NOT NULL DEFAULT 3",
        fill="UPDATE people SET a = id; INSERT INTO people (id) VALUES (90)",
        down="ALTER TABLE people DROP a",
        defaults={"people.a": "3"},
    ),
    "a default that was taken away again": Case(
        up="ALTER TABLE people ADD a text NOT NULL DEFAULT '';"
        "ALTER TABLE people ALTER a DROP DEFAULT",
        fill="UPDATE people SET a = 'x' WHERE id = 3",
        down="ALTER TABLE people DROP a",
        defaults={"people.a": ""},
    ),
    "a default in other words": Case(
        up="ALTER TABLE people ADD a numeric(6, 2) DEFAULT 0",
        fill="UPDATE people SET a = 1.5 WHERE id IN (1, 2)",
        down="ALTER TABLE people DROP a",
        defaults={"people.a": "0.00"},
    ),
    "a default made anew for each row": Case(
        up="ALTER TABLE people ADD a timestamptz DEFAULT clock_timestamp()",
        down="ALTER TABLE people DROP a",
    ),
    "a json column": Case(
        up="ALTER TABLE people ADD a json DEFAULT '{}'",
        fill="""UPDATE people SET a = '{"b": 1}' WHERE id > 8""",
        down="ALTER TABLE people DROP a",
        defaults={"people.a": "{}"},
    ),
    "an array column": Case(
        up="ALTER TABLE people ADD a int[] DEFAULT '{}'",
        fill="UPDATE people SET a = ARRAY[id] WHERE id > 6",
        down="ALTER TABLE people DROP a",
        defaults={"people.a": "{}"},
    ),
    "values that were set to null": Case(
        up="ALTER TABLE people ADD a boolean DEFAULT false",
        fill="UPDATE people SET a = NULL WHERE id < 4;"
        "UPDATE people SET a = true WHERE id = 9",
        down="ALTER TABLE people DROP a",
        defaults={"people.a": "false"},
    ),
    "two columns": Case(
        up="ALTER TABLE people ADD a int, ADD b int",
        fill="UPDATE people SET a = 1 WHERE id < 3; UPDATE people SET b = 1",
        down="ALTER TABLE people DROP a, DROP b",
    ),
    "a generated column": Case(
        up="ALTER TABLE people ADD a int GENERATED ALWAYS AS (id * 2) STORED",
        down="ALTER TABLE people DROP a",
    ),
    "an identity column": Case(
        up="ALTER TABLE people ADD a int GENERATED ALWAYS AS IDENTITY",
        down="ALTER TABLE people DROP a",
    ),
    "a table with rows": Case(
        up="CREATE TABLE review (id int PRIMARY KEY, text text)",
        fill="INSERT INTO review SELECT n FROM generate_series(1, 12) AS n",
        down="DROP TABLE review",
    ),
    "an empty table": Case(
        up="CREATE TABLE review (id int PRIMARY KEY)", down="DROP TABLE review"
    ),
    "two tables, one for the other": Case(
        up="CREATE TABLE a (id int PRIMARY KEY);"
        "CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a)",
        fill="INSERT INTO a VALUES (1), (2); INSERT INTO b VALUES (1, 1)",
        down="DROP TABLE b; DROP TABLE a",
    ),
    "odd names": Case(
        up='ALTER TABLE "Other"."Odd name" ADD "C ""d" int',
        fill='UPDATE "Other"."Odd name" SET "C ""d" = 1 WHERE id < 3',
        down='ALTER TABLE "Other"."Odd name" DROP "C ""d"',
    ),
    "a table in another schema": Case(
        up='CREATE TABLE "Other"."T%s" (id int PRIMARY KEY)',
        fill='INSERT INTO "Other"."T%s" VALUES (1)',
        down='DROP TABLE "Other"."T%s"',
    ),
    "a partitioned table's column": Case(
        up="ALTER TABLE log ADD a int",
        fill="UPDATE log SET a = 1 WHERE id > 5",
        down="ALTER TABLE log DROP a",
    ),
    "one more partition": Case(
        up="CREATE TABLE log_3 PARTITION OF log"
        " FOR VALUES FROM ('2026-03-01') TO ('2026-04-01')",
        fill="INSERT INTO log VALUES (1, '2026-03-05'), (2, '2026-03-06')",
        down="DROP TABLE log_3",
    ),
    "a partitioned table": Case(
        up="CREATE TABLE m (id int) PARTITION BY LIST (id);"
        "CREATE TABLE m_1 PARTITION OF m FOR VALUES IN (1)",
        fill="INSERT INTO m VALUES (1), (1), (1)",
        down="DROP TABLE m",
    ),
    "a table that inherits": Case(
        up="CREATE TABLE heir (age int) INHERITS (people)",
        fill="INSERT INTO heir (id) VALUES (50), (51)",
        down="DROP TABLE heir",
    ),
    "a label": Case(
        up="ALTER TYPE mood RENAME TO old; CREATE TYPE mood AS ENUM"
        " ('sad', 'ok', 'glad'); ALTER TABLE people ALTER mood TYPE mood USING"
        " mood::text::mood, ALTER moods TYPE mood[] USING moods::text[]::mood[];"
        "DROP TYPE old",
        fill="UPDATE people SET mood = 'glad' WHERE id < 8;"
        "UPDATE people SET moods = '{ok,glad,glad}' WHERE id > 8",
        down="CREATE TYPE new AS ENUM ('sad', 'ok');"
        "ALTER TABLE people ALTER mood TYPE new USING"
        " nullif(mood::text, 'glad')::new, ALTER moods TYPE new[] USING"
        " array_remove(moods::text[], 'glad')::new[];"
        "DROP TYPE mood; ALTER TYPE new RENAME TO mood",
    ),
    "two labels": Case(
        up="ALTER TABLE people ALTER mood TYPE text, DROP moods;"
        "DROP TYPE mood; CREATE TYPE mood AS ENUM ('sad', 'ok', 'it''s', 'b\\s');"
        "ALTER TABLE people ALTER mood TYPE mood USING mood::mood",
        fill="UPDATE people SET mood = 'it''s' WHERE id < 4;"
        "UPDATE people SET mood = 'b\\s' WHERE id = 4",
        down="ALTER TABLE people ALTER mood TYPE text, ADD moods text[];"
        "UPDATE people SET mood = NULL WHERE mood NOT IN ('sad', 'ok');"
        "DROP TYPE mood; CREATE TYPE mood AS ENUM ('sad', 'ok');"
        "ALTER TABLE people ALTER mood TYPE mood USING mood::mood,"
        " ALTER moods TYPE mood[] USING moods::mood[]",
    ),
    "a renamed column": Case(
        up="ALTER TABLE people RENAME name TO title",
        down="ALTER TABLE people RENAME title TO name",
        renamed={"people.title": "people.name"},
    ),
    "a renamed table, and a column that goes": Case(
        up="ALTER TABLE people RENAME TO persons; ALTER TABLE log ADD a int",
        fill="UPDATE log SET a = 5 WHERE id = 5",
        down="ALTER TABLE log DROP a; ALTER TABLE persons RENAME TO people",
        renamed={"persons": "people"},
    ),
    "a renamed column, and another one that goes": Case(
        up="ALTER TABLE people RENAME name TO title; ALTER TABLE people ADD a text",
        fill="UPDATE people SET a = 'x' WHERE id < 4",
        down="ALTER TABLE people DROP a; ALTER TABLE people RENAME title TO name",
        renamed={"people.title": "people.name"},
    ),
}


@pytest.fixture(scope="module")
def session() -> Iterator[Connection]:
    with temporary_database() as target, connect(target) as session:
        session.execute(START.encode())
        yield session


@pytest.mark.parametrize("name", CASES)
def test_quotes_what_a_full_comparison_finds(session: Connection, name: str) -> None:
    case = CASES[name]
    with session.transaction(force_rollback=True):
        before = fetch_catalog(session)
        session.execute(case.up.encode())
        after = fetch_catalog(session)
        session.execute(case.fill.encode())
        step = Return(
            migration=MIGRATION,
            before=before,
            after=after,
            renames=says_rename([case.down]),
        )
        quoted = count_losses(session, find_lost([step], after), {})
        contents = read_contents(session)
        session.execute(case.down.encode())
        # Values of a type that goes have to be looked at as they are now.
        assert fetch_catalog(session).keys == before.keys
        lost = find_truth(contents, read_contents(session), case)

    told: Counter[str] = Counter()
    for each in quoted:
        told[each.name] += each.count or 0
        assert each.count is not None
        assert not each.is_estimate
    assert +told == lost


def read_contents(session: Connection) -> Contents:
    tables = session.execute(
        "SELECT c.oid::regclass::text, c.oid::regclass::text FROM pg_class AS c"
        " JOIN pg_namespace AS n ON n.oid = c.relnamespace"
        " WHERE relkind = 'r' AND n.nspname IN ('public', 'Other')"
    ).fetchall()
    contents: Contents = {}
    for table, name in tables:
        cursor = session.execute(f"TABLE ONLY {table}".encode())
        columns = [each.name for each in cursor.description or ()]
        texts = ", ".join(
            f'"{each.replace(chr(34), 2 * chr(34))}"::text' for each in columns
        )
        rows = session.execute(f"SELECT {texts} FROM ONLY {table}".encode()).fetchall()
        contents[name] = {
            f"{number}:{row[0]}": dict(zip(columns, row, strict=True))
            for number, row in enumerate(sorted(rows, key=lambda row: str(row[0])))
        }
    return contents


def find_truth(before: Contents, after: Contents, case: Case) -> Counter[str]:
    """Count the rows and values that were there and are not there any more."""
    lost: Counter[str] = Counter()
    for table, rows in before.items():
        base = re.sub(r"_\d$", "", table)  # A partition's parent.
        now = after.get(case.renamed.get(table, table))
        if now is None:
            parent = base if base in {"m"} else table
            lost[parent] += len(rows)
            continue
        for key, row in rows.items():
            for column, value in row.items():
                quoted = quote(column)
                name = f"{base if base == 'log' else table}.{quoted}"
                place = case.renamed.get(name, f".{column}").partition(".")[2]
                other = now[key].get(place) if key in now else None
                is_default = value in {None, case.defaults.get(name)}
                if not is_default and other != value:
                    lost[name] += 1
    return +lost


def quote(column: str) -> str:
    if re.fullmatch(r"[a-z_][a-z0-9_]*", column):
        return column
    return '"' + column.replace('"', '""') + '"'


def test_estimates_what_takes_too_long_to_count(session: Connection) -> None:
    with session.transaction(force_rollback=True):
        before = fetch_catalog(session)
        session.execute(
            b"CREATE TABLE big AS SELECT n AS id, n AS a FROM"
            b" generate_series(1, 300000) AS n"
        )
        session.execute(b"ANALYZE big")
        after = fetch_catalog(session)
        step = Return(migration=MIGRATION, before=before, after=after)
        lost = find_lost([step], after)
        [loss] = count_losses(session, lost, {}, timeout_s=0.002)
    assert loss.is_estimate
    assert loss.count is not None
    assert abs(loss.count - 300_000) < 3000
    assert "loses about " in str(loss)


@pytest.fixture
def lab(keeper: Keeper) -> Iterator[Lab]:
    def prepare(lab: Lab) -> None:
        lab.write_migration(
            "0001_initial", THING, down=f'DROP TABLE "{lab.app}_thing";'
        )
        assert lab.run("dbops_deploy", "--no-backup").code == 0

    with keeper.open_lab(prepare) as lab:
        yield lab


def test_tells_what_goes_before_it_goes_and_changes_nothing(lab: Lab) -> None:
    lab.write_migration(
        "0002_add_summary",
        'migrations.AddField("Thing", "summary", models.TextField(null=True)),'
        'migrations.AddField("Thing", "updated_at", models.DateTimeField(null=True)),',
        down=f'ALTER TABLE "{lab.app}_thing" DROP COLUMN summary,'
        " DROP COLUMN updated_at;",
    )
    assert lab.run("dbops_deploy", "--no-backup").code == 0
    lab.execute(
        f"INSERT INTO {lab.app}_thing (name, summary, updated_at)"
        " SELECT 'x', 'y', '2026-01-02 03:04:05Z' FROM generate_series(1, 1284)",
        f"INSERT INTO {lab.app}_thing (name) VALUES ('x')",
    )

    dry = lab.run("dbops_rollback", lab.app, "0001", "--dry-run")
    done: Any = lab.run("dbops_rollback", lab.app, "0001", "--yes", "--json").json

    line = f"dropping {lab.app}_thing.summary loses 1,284 values written since"
    told = " ".join(dry.out.split())  # However wide the terminal is.
    assert line in told
    assert "lossless until then (newest row: 2026-01-02 03:04 UTC)" in told
    summary = next(each for each in done["losses"] if each["name"].endswith("summary"))
    since = datetime.fromisoformat(summary.pop("since"))
    assert since.tzinfo is not None
    assert summary == {
        "kind": "column",
        "name": f"{lab.app}_thing.summary",
        "migration": f"{lab.app}.0002_add_summary",
        "label": "",
        "count": 1284,
        "is_estimate": False,
        "counted": "",
        "newest": "2026-01-02T03:04:05Z",
    }
    with connect(lab.target) as session, pytest.raises(psycopg.errors.UndefinedColumn):
        session.execute(f"SELECT summary FROM {lab.app}_thing".encode())
