"""`dbops_drift` for projects of all shapes: schemas, squashes, many migrations."""

from __future__ import annotations

import doctest
import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from psycopg import sql

from dbops.core import made_schemas, removals
from dbops.core.target import Target
from tests.databases import connect, temporary_database
from tests.lab import THING, Lab, Outcome
from tests.processes import CHECKOUT, build_database, start


@pytest.fixture
def lab(empty_lab: Lab) -> Lab:
    return empty_lab


def migrate(lab: Lab) -> None:
    outcome = lab.run("migrate", "--verbosity", "0")
    assert outcome.code == 0, outcome.err


def find(lab: Lab, *arguments: str) -> dict[str, str | None]:
    """Return what differs, and the migration that last touched it."""
    outcome = lab.run("dbops_drift", "--json", *arguments)
    assert outcome.code in (0, 3), outcome.err
    return {
        "{kind} {object} {name}".format_map(each): each["migration"]
        for each in outcome.json["differences"]
    }


def count_replays(outcome: Outcome) -> int:
    assert outcome.code in (0, 3), outcome.err
    return outcome.err.count("in a scratch database")


def use_search_path(lab: Lab, *schemas: str) -> None:
    """Have the project's own sessions look there, as OPTIONS say it."""
    path = ",".join('"' + each.replace(" ", "\\ ") + '"' for each in schemas)
    parameters = {**lab.target.parameters, "options": f"-c search_path={path}"}
    lab.target = Target(alias="default", parameters=parameters)


def write_schemas(lab: Lab, *, create: str = "CREATE SCHEMA") -> None:
    """Write migrations that put things into several schemas."""
    lab.write_migration("0001_initial", THING)
    lab.write_migration(
        "0002_add_others",
        f"""
        migrations.RunSQL('{create} other; CREATE SCHEMA "Odd Schema"'),
        migrations.CreateModel("Elsewhere",
            [("id", models.BigAutoField(primary_key=True)),
             ("kind", models.CharField(max_length=5, db_index=True)),
             ("thing", models.ForeignKey("Thing", models.CASCADE))],
            options={{"db_table": 'other"."elsewhere'}}),
        migrations.RunSQL('''
            CREATE TABLE "Odd Schema"."T" (x varchar(5) CHECK (x IN ('a', 'b')));
            CREATE INDEX "I" ON "Odd Schema"."T" (x) WHERE x IN ('a', 'b');
            CREATE VIEW "Odd Schema"."V" AS SELECT x FROM "Odd Schema"."T"
                WHERE x IN ('a', 'b');
            CREATE FUNCTION other.f() RETURNS integer LANGUAGE sql AS 'SELECT 1';
            CREATE TYPE other.mood AS ENUM ('ok');
        '''),""",
    )


class TestSchemas:
    def test_of_the_search_path_and_of_tables_and_sql(self, lab: Lab) -> None:
        lab.execute('CREATE SCHEMA "Shop App"')
        use_search_path(lab, "Shop App", "public")
        write_schemas(lab)
        migrate(lab)
        assert find(lab) == {}
        lab.execute(
            f'ALTER TABLE "Shop App".{lab.app}_thing ALTER name DROP NOT NULL',
            "ALTER TABLE other.elsewhere ALTER kind DROP NOT NULL",
            'DROP INDEX "Odd Schema"."I"',
            """CREATE INDEX "I" ON "Odd Schema"."T" (x) WHERE x IN ('a', 'c')""",
            'CREATE OR REPLACE VIEW "Odd Schema"."V" AS SELECT x FROM "Odd Schema"."T"',
            "CREATE OR REPLACE FUNCTION other.f() RETURNS integer LANGUAGE sql"
            " AS 'SELECT 2'",
            "ALTER TYPE other.mood ADD VALUE 'sad'",
            "CREATE SCHEMA by_hand",
        )
        first, second = (f"{lab.app}.{name}" for name in lab.names)
        assert find(lab) == {
            f'changed column "Shop App".{lab.app}_thing.name': first,
            "changed column other.elsewhere.kind": second,
            'changed index "Odd Schema"."I"': second,
            'changed view "Odd Schema"."V"': second,
            "changed function other.f()": second,
            "changed enum other.mood": second,
            "extra schema by_hand": None,
        }

    @pytest.mark.parametrize("create", ["CREATE SCHEMA", "CREATE SCHEMA IF NOT EXISTS"])
    def test_of_the_search_path_that_a_migration_makes(
        self, lab: Lab, create: str
    ) -> None:
        use_search_path(lab, "other", "public")
        write_schemas(lab, create=create)
        lab.write_migration(
            "0003_later",
            'migrations.CreateModel("Later",'
            ' [("id", models.BigAutoField(primary_key=True))]),',
        )
        migrate(lab)
        assert find(lab) == {}
        lab.execute(f"DROP TABLE other.{lab.app}_later")
        assert find(lab) == {
            f"missing table other.{lab.app}_later": f"{lab.app}.0003_later"
        }

    @pytest.mark.parametrize("path", [("other", "public"), ("public", "pg_catalog")])
    def test_of_the_search_path_that_was_there_before(
        self, lab: Lab, path: tuple[str, ...]
    ) -> None:
        lab.execute("CREATE SCHEMA other")
        use_search_path(lab, *path)
        write_schemas(lab, create="CREATE SCHEMA IF NOT EXISTS")
        migrate(lab)
        assert find(lab) == {}

    def test_of_the_database_s_own_search_path(self, lab: Lab) -> None:
        lab.execute("CREATE SCHEMA shop")
        name = sql.Identifier(lab.target.database)
        with connect(lab.target) as session:
            session.execute(
                sql.SQL("ALTER DATABASE {} SET search_path = shop, public").format(name)
            )
        write_schemas(lab)
        migrate(lab)
        assert lab.fetch_value(f"SELECT to_regclass('shop.{lab.app}_thing')::text")
        assert find(lab) == {}

    def test_of_the_role_s_name(self, lab: Lab) -> None:
        role = str(lab.fetch_value("SELECT current_user"))
        lab.execute(f"CREATE SCHEMA {role}")
        write_schemas(lab)
        migrate(lab)
        assert lab.fetch_value(f"SELECT to_regclass('{role}.{lab.app}_thing')::text")
        assert find(lab) == {}

    def test_without_public(self, lab: Lab) -> None:
        lab.execute("CREATE SCHEMA shop", "DROP SCHEMA public")
        use_search_path(lab, "shop")
        write_schemas(lab)
        migrate(lab)
        assert find(lab) == {}
        lab.execute("DROP TABLE other.elsewhere")
        assert find(lab) == {
            "missing table other.elsewhere": f"{lab.app}.0002_add_others"
        }


def write_squash(lab: Lab, name: str, replaced: list[str], operations: str) -> None:
    """Write a migration that takes the place of others."""
    lab.write_migration(name, operations, dependencies=[])
    path = lab.directory / lab.app / "migrations" / f"{name}.py"
    replaces = [(lab.app, each) for each in replaced]
    text = path.read_text().replace(
        "    operations =", f"    replaces = {replaces}\n    operations ="
    )
    path.write_text(text)


class TestSquashes:
    note = 'migrations.AddField("Thing", "note", models.TextField(null=True)),'
    squash = "0001_squashed_0002_add_note"

    def write_first(self, lab: Lab) -> None:
        lab.write_migration("0001_initial", THING)

    def write_rest(self, lab: Lab) -> None:
        lab.write_migration("0002_add_note", self.note)
        names = ["0001_initial", "0002_add_note"]
        write_squash(lab, self.squash, names, THING + self.note)

    def remove_replaced(self, lab: Lab) -> None:
        for name in ("0001_initial", "0002_add_note"):
            (lab.directory / lab.app / "migrations" / f"{name}.py").unlink()

    def check(self, lab: Lab, migration: str) -> None:
        """See that the one change is found, and whose column it is."""
        assert find(lab) == {}
        lab.execute(f"ALTER TABLE {lab.app}_thing ALTER name DROP NOT NULL")
        told = f"changed column {lab.app}_thing.name"
        assert find(lab) == {told: f"{lab.app}.{migration}"}

    def test_one_that_took_part_in_no_migrate_yet(self, lab: Lab) -> None:
        self.write_first(lab)
        lab.write_migration("0002_add_note", self.note)
        migrate(lab)
        lab.names.pop()
        self.write_rest(lab)
        self.check(lab, self.squash)

    def test_one_of_which_a_part_is_applied(self, lab: Lab) -> None:
        self.write_first(lab)
        migrate(lab)
        self.write_rest(lab)
        self.check(lab, "0001_initial")
        pending = lab.run("dbops_drift", "--json").json["pending"]
        assert pending == [f"{lab.app}.0002_add_note"]

    def test_one_that_was_applied_itself(self, lab: Lab) -> None:
        self.write_first(lab)
        self.write_rest(lab)
        migrate(lab)
        self.check(lab, self.squash)

    @pytest.mark.parametrize("keeps_replaces", [True, False])
    def test_one_whose_replaced_files_are_gone(
        self, lab: Lab, keeps_replaces: bool
    ) -> None:
        self.write_first(lab)
        self.write_rest(lab)
        migrate(lab)
        self.remove_replaced(lab)
        path = lab.directory / lab.app / "migrations" / f"{self.squash}.py"
        if not keeps_replaces:
            path.write_text(path.read_text().replace("replaces =", "forgotten ="))
        lab._forget_modules()
        self.check(lab, self.squash)


NUMBER = 300


@pytest.fixture
def long(lab: Lab) -> Lab:
    """Write migrations as a project has them after years, and apply them."""
    lab.write_migration("0001_initial", THING)
    for number in range(10, NUMBER + 10):
        field = f"field_{number // 10}"
        index = f'models.Index(fields=["{field}"], name="on_{field}")'
        operation = {
            0: f'AddField("Thing", "{field}", models.TextField(null=True))',
            1: f'AddIndex("Thing", {index})',
            2: f'RemoveIndex("Thing", "on_{field}")',
        }.get(number % 10, f'RunSQL("CREATE TABLE table_{number} (x integer)")')
        lab.write_migration(f"{number:04}_more", f"migrations.{operation},")
    migrate(lab)
    return lab


def test_hundreds_of_migrations(long: Lab) -> None:
    runs = [long.run("dbops_drift") for _ in range(2)]
    assert [(each.code, count_replays(each)) for each in runs] == [(0, 1), (0, 0)]
    path = long.directory / long.app / "migrations" / "0155_more.py"
    path.write_text(path.read_text().replace("(x integer)", "(x bigint)"))
    long._forget_modules()
    assert find(long) == {"changed column table_155.x": f"{long.app}.0155_more"}


class TestCache:
    @pytest.mark.parametrize(
        ("head", "body"),
        [
            ("import {app}.models", "{app}.models.LENGTH"),
            ("from {app}.models import LENGTH", "LENGTH"),
            ("from ..models import LENGTH", "LENGTH"),
            ("from {app} import between", "between.tell()"),
        ],
    )
    def test_a_constant_that_a_migration_reads(
        self, lab: Lab, head: str, body: str
    ) -> None:
        folder = lab.directory / lab.app
        (folder / "models.py").write_text("LENGTH = 5\n")
        (folder / "between.py").write_text(
            f"def tell():\n    from {lab.app}.models import LENGTH\n    return LENGTH\n"
        )
        lab.write_migration("0001_initial", THING)
        lab.write_migration(
            "0002_add_code",
            'migrations.AddField("Thing", "code", models.CharField('
            f'max_length={body.format(app=lab.app)}, default="")),',
            helpers=head.format(app=lab.app),
        )
        migrate(lab)
        runs = [lab.run("dbops_drift") for _ in range(2)]
        assert [count_replays(each) for each in runs] == [1, 0]
        (folder / "models.py").write_text("LENGTH = 55\n")
        assert count_replays(lab.run("dbops_drift")) == 1

    @pytest.mark.parametrize("is_loaded", [True, False])
    @pytest.mark.parametrize(
        "statement",
        [
            "from {app}.lazy import SQL",
            "from ..lazy import SQL",
            "from .. import lazy; SQL = lazy.SQL",
            "import {app}.lazy as lazy; SQL = lazy.SQL",
        ],
    )
    def test_a_module_that_a_function_imports(
        self, lab: Lab, statement: str, is_loaded: bool
    ) -> None:
        lazy = lab.directory / lab.app / "lazy.py"
        lazy.write_text('SQL = "CREATE TABLE lazy (x integer)"\n')
        lab.write_migration(
            "0001_initial",
            "migrations.RunPython(run),",
            helpers="def run(apps, editor):\n"
            f"    {statement.format(app=lab.app)}\n    editor.execute(SQL)\n",
        )
        migrate(lab)

        def run() -> int:
            if not is_loaded:
                sys.modules.pop(f"{lab.app}.lazy", None)
            return count_replays(lab.run("dbops_drift"))

        assert [run(), run()] == [1, 0]
        lazy.write_text('SQL = "CREATE TABLE lazy (x bigint)" \n')
        assert run() == 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Portal:
    """A copy of a project with two databases and a user model of its own."""

    directory: Path
    targets: dict[str, Target]

    def run(self, *arguments: str) -> Outcome:
        databases = {name: build_database(each) for name, each in self.targets.items()}
        environment = {
            "PORTAL_DATABASES": json.dumps(databases),
            "PORTAL_DBOPS": json.dumps({"CACHE_DIR": str(self.directory / "cache")}),
            "PYTHONPATH": str(CHECKOUT),
        }
        with start(
            [*arguments],
            directory=self.directory,
            environment=environment,
            logs=self.directory / "logs",
        ) as running:
            return running.finish()

    def migrate(self, alias: str) -> None:
        outcome = self.run("migrate", "--database", alias, "--verbosity", "0")
        assert outcome.code == 0, outcome.err

    def find(self, alias: str) -> tuple[dict[str, str | None], int]:
        """Return what differs with its migration, and how often it was replayed."""
        outcome = self.run("dbops_drift", "--json", "--database", alias)
        replays = count_replays(outcome)
        return {
            "{kind} {object} {name}".format_map(each): each["migration"]
            for each in outcome.json["differences"]
        }, replays


@pytest.fixture
def portal(tmp_path: Path, django_db_blocker: Any) -> Iterator[Portal]:
    directory = tmp_path / "portal"
    source = CHECKOUT / "tests" / "projects" / "portal"
    shutil.copytree(source, directory, ignore=shutil.ignore_patterns("__pycache__"))
    with (
        django_db_blocker.unblock(),
        temporary_database() as one,
        temporary_database() as other,
    ):
        yield Portal(directory=directory, targets={"default": one, "metrics": other})


def test_databases_with_a_router_and_a_user_model_of_the_project(
    portal: Portal,
) -> None:
    for alias in portal.targets:
        portal.migrate(alias)
    assert [portal.find(alias) for alias in ("default", "metrics") * 2] == [
        ({}, 1),
        ({}, 1),
        ({}, 0),
        ({}, 0),
    ]
    with connect(portal.targets["default"]) as session:
        session.execute("ALTER TABLE accounts_user ALTER nickname DROP NOT NULL")
        session.execute(
            "ALTER TABLE django_admin_log DROP CONSTRAINT"
            " django_admin_log_user_id_c564eba6_fk_accounts_user_id"
        )
        session.execute("CREATE TABLE metrics_sample (id integer)")
    found, _ = portal.find("default")
    assert found == {
        "changed column accounts_user.nickname": "accounts.0001_initial",
        "missing constraint django_admin_log."
        "django_admin_log_user_id_c564eba6_fk_accounts_user_id": "admin.0001_initial",
        "extra table metrics_sample": None,
    }
    assert portal.find("metrics") == ({}, 0)
    with connect(portal.targets["metrics"]) as session:
        session.execute("CREATE OR REPLACE VIEW high AS SELECT 1 AS value")
        session.execute("DROP INDEX samples")
    found, _ = portal.find("metrics")
    assert found == {
        "changed view high": "stock.0002_views",
        "missing index samples": "metrics.0002_index",
    }


WRITES = """\
from django.db import migrations


def write(apps, schema_editor):
    sample = apps.get_model("metrics", "Sample")
    if not sample.objects.exists():
        sample.objects.create(value=1)


class Migration(migrations.Migration):
    dependencies = [("stock", "0002_views"), ("metrics", "0002_index")]
    operations = [migrations.RunPython(write)]
"""


def test_a_migration_that_writes_to_the_other_database_is_stopped(
    portal: Portal,
) -> None:
    path = portal.directory / "stock" / "migrations" / "0003_write.py"
    path.write_text(WRITES)
    for alias in ("metrics", "default"):
        portal.migrate(alias)
    assert portal.find("default") == ({}, 1)
    with connect(portal.targets["metrics"]) as session:
        session.execute("DELETE FROM metrics_sample")
    outcome = portal.run("dbops_drift", "--no-cache")
    assert outcome.code == 4
    assert (
        'migration "stock.0003_write" writes to database "metrics", and a replay may '
        "change nothing there"
    ) in outcome.err
    with connect(portal.targets["metrics"]) as session:
        assert session.execute("SELECT count(*) FROM metrics_sample").fetchone() == (0,)


@pytest.mark.parametrize("module", [made_schemas, removals])
def test_doctests(module: ModuleType) -> None:
    assert doctest.testmod(module).failed == 0


def test_knows_which_migration_removed_what_is_there_again(lab: Lab) -> None:
    lab.write_migration("0001_initial", THING)
    table = f"{lab.app}_thing"
    lab.write_migration(
        "0002_add",
        """
        migrations.AddField("Thing", "note", models.TextField(null=True)),
        migrations.AddField("Thing", "old", models.TextField(default="")),
        migrations.AddIndex("Thing", models.Index(fields=["name"], name="by_name")),
        migrations.AddConstraint("Thing", models.CheckConstraint(
            name="named", condition=~models.Q(name=""))),
        migrations.CreateModel("Gone", [("id", models.BigAutoField(primary_key=True))]),
        migrations.RunSQL("CREATE VIEW seen AS SELECT 1 AS x; CREATE SEQUENCE ticket"),
        """,
    )
    lab.write_migration(
        "0003_remove",
        """
        migrations.RemoveIndex("Thing", "by_name"),
        migrations.RemoveConstraint("Thing", "named"),
        migrations.RemoveField("Thing", "note"),
        migrations.RenameField("Thing", "old", "new"),
        migrations.RunSQL("DROP VIEW IF EXISTS seen; DROP SEQUENCE public.ticket"),
        """,
    )
    lab.write_migration("0004_remove_model", 'migrations.DeleteModel("Gone"),')
    migrate(lab)
    lab.execute(
        f"ALTER TABLE {table} ADD note text, ADD old text, ADD by_hand text,"
        " ADD CONSTRAINT named CHECK (name <> '')",
        f"CREATE INDEX by_name ON {table} (name)",
        f"CREATE TABLE {lab.app}_gone (id integer)",
        "CREATE VIEW seen AS SELECT 1 AS x",
        "CREATE SEQUENCE ticket",
        "CREATE TABLE by_hand (id integer)",
    )
    outcome = lab.run("dbops_drift", "--json")
    found = {
        f"{each['object']} {each['name']}": str(each["migration"]).removeprefix(
            f"{lab.app}."
        )
        for each in outcome.json["differences"]
    }
    assert found == {
        f"column {table}.note": "0003_remove",
        f"column {table}.old": "0003_remove",
        f"column {table}.by_hand": "None",
        f"constraint {table}.named": "0003_remove",
        "index by_name": "0003_remove",
        f"table {lab.app}_gone": "0004_remove_model",
        "view seen": "0003_remove",
        "sequence ticket": "0003_remove",
        "table by_hand": "None",
    }
    assert f"  removed by {lab.app}.0004_remove_model" in lab.run("dbops_drift").out
