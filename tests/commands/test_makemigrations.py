"""makemigrations: names, SQL files, and all that stays Django's."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from psycopg import sql

from dbops.core.target import Target
from tests.databases import connect, find_server, temporary_database
from tests.projects.project import Project, copy_project, fit_django

FIELD = '    gift = models.TextField(default="")\n'
MODELS = "shop/models.py"
MIGRATION = "shop/migrations/0013_add_order_gift.py"
SQL = "shop/migrations/sql/0013_add_order_gift"

MIGRATION_SQL = """\
-- shop.0013_add_order_gift: what Django runs, made by makemigrations for review
-- dbops: generated 6d88c54a44c7f28e

-- Add field gift to order
ALTER TABLE "Shop_Order" ADD COLUMN "gift" text DEFAULT '' NOT NULL;

ALTER TABLE "Shop_Order" ALTER COLUMN "gift" DROP DEFAULT;
"""

DOWN_SQL = fit_django("""\
-- shop.0013_add_order_gift: the way back, made by makemigrations
-- dbops: generated 98e90a342158d030

-- Played on a scratch database: gives back the schema exactly.

-- Undo: Add field gift to order
ALTER TABLE "Shop_Order" DROP COLUMN "gift" CASCADE;
""")

OUTPUT = f"""\
Migrations for 'shop':
  {MIGRATION}
    + Add field gift to order
SQL files for 'shop':
  {SQL}/migration.sql
  {SQL}/down.sql
    gives back the schema exactly
"""


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    with temporary_database() as target:
        yield target


@pytest.fixture
def project(tmp_path: Path, target: Target) -> Project:
    """The shop, with a field that has no migration yet."""
    project = copy_project(tmp_path / "project", target, sql_files=True)
    project.replace(MODELS, "    class Meta:", f"{FIELD}\n    class Meta:")
    return project


@pytest.fixture
def nowhere(target: Target) -> Target:
    """A server that is down."""
    parameters = {"host": "127.0.0.1", "port": "1", "user": "nobody"}
    return replace(target, parameters={**target.parameters, **parameters})


@contextmanager
def role_without_rights(target: Target) -> Iterator[Target]:
    """Yield the target for a role that may not create databases."""
    name, password = f"dbops_test_{secrets.token_hex(4)}", secrets.token_hex(8)
    role = sql.Identifier(name)
    with connect(find_server()) as server:
        server.execute(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(
                role, sql.Literal(password)
            )
        )
        try:
            yield replace(
                target,
                parameters={**target.parameters, "user": name, "password": password},
            )
        finally:
            server.execute(sql.SQL("DROP ROLE {}").format(role))


def test_writes_the_migration_and_its_sql(project: Project) -> None:
    with project.changes() as changes:
        result = project.run("makemigrations", "--name", "add_order_gift")

    assert (result.out, result.err, result.code) == (OUTPUT, "", 0)
    assert list(changes) == [MIGRATION, f"{SQL}/down.sql", f"{SQL}/migration.sql"]
    assert changes[f"{SQL}/migration.sql"] == MIGRATION_SQL
    assert changes[f"{SQL}/down.sql"] == DOWN_SQL


def test_takes_the_name_that_django_finds(project: Project) -> None:
    with project.changes() as changes:
        project.run("makemigrations", "--verbosity", "0")

    assert list(changes) == [
        "shop/migrations/0013_order_gift.py",
        "shop/migrations/sql/0013_order_gift/down.sql",
        "shop/migrations/sql/0013_order_gift/migration.sql",
    ]


def test_begins_an_app_without_migrations(project: Project) -> None:
    for path in (project.directory / "ledger/migrations").rglob("*.*"):
        path.unlink()
    project.write("ledger/models.py", project.read("ledger/models.py").replace(
        '\'"Ledger"."entry"\'', '"entry"'))  # fmt: skip

    with project.changes() as changes:
        result = project.run("makemigrations", "ledger")

    assert result.code == 0, result.err
    assert list(changes) == [
        "ledger/migrations/0001_initial.py",
        "ledger/migrations/__init__.py",
        "ledger/migrations/sql/0001_initial/down.sql",
        "ledger/migrations/sql/0001_initial/migration.sql",
    ]


@pytest.mark.parametrize("name", ["update_schema", "wip", "fix_bug", "_2"])
def test_refuses_a_name_that_says_nothing(project: Project, name: str) -> None:
    with project.changes() as changes:
        result = project.run("makemigrations", "--name", name)

    assert (result.out, result.code, changes) == ("", 2, {})
    assert result.err.startswith(
        f'CommandError: "0013_{name}" is no name for a migration of "shop": '
    )
    assert result.err.endswith(
        "\n  Next: python manage.py makemigrations shop --name add_order_gift\n"
    )


def test_refuses_the_name_that_django_makes_up(project: Project) -> None:
    with project.changes() as changes:
        result = project.run("makemigrations", "--empty", "shop")

    assert (result.out, result.code, changes) == ("", 2, {})
    assert result.err.startswith('CommandError: "0013_auto_')
    assert result.err.endswith(
        ' is no name for a migration of "shop": it is the one that Django makes up '
        "when it knows no better\n  Next: python manage.py makemigrations --empty shop "
        "--name add_thread_description\n"
    )


def test_leaves_packages_alone(project: Project) -> None:
    models = "site-packages/parcels/models.py"
    project.replace(
        models, "weight_g", "weight_mg = models.IntegerField()\n    weight_g"
    )
    project.replace(models, "IntegerField()\n    weight_g",
                    "IntegerField(null=True)\n    weight_g")  # fmt: skip

    with project.changes() as changes:
        result = project.run("makemigrations", "parcels", "--name", "wip")

    assert result.code == 0, result.err
    assert list(changes) == ["site-packages/parcels/migrations/0002_wip.py"]


def test_only_looks_with_check_or_dry_run(project: Project, nowhere: Target) -> None:
    """The server is down: whatever needed one would fail."""
    with project.changes() as changes:
        check = project.run(
            "makemigrations",
            "--check",
            "--name",
            "wip",
            target=nowhere,
            warnings="ignore",
        )
        dry_run = project.run(
            "makemigrations",
            "--dry-run",
            "--name",
            "wip",
            target=nowhere,
            warnings="ignore",
        )

    assert changes == {}
    assert (check.code, check.err) == (1, "")
    assert (dry_run.code, dry_run.out) == (0, check.out)
    assert dry_run.err.startswith('"0013_wip" is no name for a migration of "shop": ')


def test_says_what_is_missing_when_the_server_is_down(
    project: Project, nowhere: Target
) -> None:
    with project.changes() as changes:
        result = project.run(
            "makemigrations", "-n", "add_order_gift", target=nowhere, warnings="ignore"
        )

    assert result.code == 7
    assert list(changes) == [MIGRATION]
    assert result.err.startswith('CommandError: cannot connect to database "default" (')
    assert result.err.endswith(
        "\n  The migrations are written, and not all of their SQL files are."
        "\n  Next: start the server, or check host and port in DATABASE_URL; then: "
        "python manage.py makemigrations --sql shop\n"
    )

    with project.changes() as changes:
        result = project.run("makemigrations", "--sql", "shop")

    assert result.code == 0
    assert changes == {
        f"{SQL}/down.sql": DOWN_SQL,
        f"{SQL}/migration.sql": MIGRATION_SQL,
    }


def test_says_what_is_missing_when_the_role_may_not_create_databases(
    project: Project, target: Target
) -> None:
    with role_without_rights(target) as limited, project.changes() as changes:
        result = project.run("makemigrations", "-n", "add_order_gift", target=limited)

    assert result.code == 4
    assert list(changes) == [MIGRATION]
    assert "may not create the scratch database" in result.err
    assert result.err.endswith("python manage.py makemigrations --sql shop\n")


def test_updates_the_sql_with_the_migration(project: Project) -> None:
    project.run("makemigrations", "--name", "add_order_gift")
    project.replace(MODELS, FIELD, f"{FIELD}{FIELD.replace('gift', 'wrapping')}")

    with project.changes() as changes:
        result = project.run(
            "makemigrations", "--update", "--name", "add_gift_wrapping"
        )

    updated = "0013_add_gift_wrapping"
    assert result.code == 0, result.err
    assert {path: text == "(removed)" for path, text in changes.items()} == {
        f"shop/migrations/{updated}.py": False,
        f"shop/migrations/sql/{updated}/down.sql": False,
        f"shop/migrations/sql/{updated}/migration.sql": False,
        MIGRATION: True,
        f"{SQL}/down.sql": True,
        f"{SQL}/migration.sql": True,
    }
    assert not (project.directory / SQL).exists()
    assert '"wrapping"' in changes[f"shop/migrations/sql/{updated}/migration.sql"]


def test_an_update_keeps_what_a_person_has_written(project: Project) -> None:
    project.run("makemigrations", "--name", "add_order_gift")
    project.write(f"{SQL}/down.sql", "SELECT 1;\n")
    project.replace(MODELS, FIELD, f"{FIELD}{FIELD.replace('gift', 'wrapping')}")

    result = project.run("makemigrations", "--update", "--name", "add_gift_wrapping")

    assert project.read(f"{SQL}/down.sql") == "SELECT 1;\n"
    assert f"Kept {SQL}/down.sql: it was edited by hand\n" in result.out


def test_writes_the_sql_of_an_empty_migration_once_it_is_filled(
    project: Project,
) -> None:
    name = "0013_forget_gifts"
    with project.changes() as changes:
        result = project.run("makemigrations", "--empty", "shop", "-n", name[5:])

    assert list(changes) == [f"shop/migrations/{name}.py"]
    assert result.out.endswith(
        "Fill in the operations, then write the SQL files:\n"
        "  python manage.py makemigrations --sql shop\n"
    )

    statement = 'UPDATE "Shop_Order" SET note = DEFAULT'
    project.replace(
        f"shop/migrations/{name}.py",
        "operations = [",
        f"operations = [migrations.RunSQL({statement!r}, migrations.RunSQL.noop)",
    )
    with project.changes() as changes:
        result = project.run("makemigrations", "--sql", "shop")

    directory = f"shop/migrations/sql/{name}"
    assert list(changes) == [f"{directory}/down.sql", f"{directory}/migration.sql"]
    assert (
        f"-- Raw SQL operation\n{statement};\n" in changes[f"{directory}/migration.sql"]
    )
    assert "-- dbops: nothing to do\n" in changes[f"{directory}/down.sql"]


def test_merges_as_django_does(project: Project, nowhere: Target) -> None:
    for name in ("0013_a", "0013_b"):
        project.write(
            f"shop/migrations/{name}.py",
            "from django.db import migrations\n\n\n"
            "class Migration(migrations.Migration):\n"
            '    dependencies = [("shop", "0012_close_order_books")]\n',
        )

    with project.changes() as changes:
        result = project.run(
            "makemigrations", "--merge", "--no-input", target=nowhere, warnings="ignore"
        )

    assert result.code == 0, result.err
    assert list(changes) == ["shop/migrations/0014_merge_0013_a_0013_b.py"]


def test_writes_only_paths_to_stdout_on_request(project: Project) -> None:
    made = project.run("makemigrations", "-n", "add_order_gift", "--scriptable")
    for path in (project.directory / SQL).iterdir():
        path.unlink()
    written = project.run("makemigrations", "--sql", "shop", "--scriptable")

    assert made.out == f"{MIGRATION}\n"
    assert made.err == OUTPUT
    assert written.out == f"{SQL}/migration.sql\n{SQL}/down.sql\n"
    assert f"  {SQL}/down.sql\n    gives back the schema exactly\n" in written.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--check"], "--sql creates no migration, so --check does not go with it"),
        (["-n", "a"], "--sql creates no migration, so --name does not go with it"),
        (["shops"], "No installed app with label 'shops'."),
    ],
)
def test_refuses_options_that_contradict(
    project: Project, arguments: list[str], message: str
) -> None:
    result = project.run("makemigrations", "--sql", *arguments)

    assert result.code == 2
    assert result.err == f"CommandError: {message}\n"


def test_says_so_when_there_is_nothing_to_write(project: Project) -> None:
    result = project.run("makemigrations", "--sql", "ledger")

    assert (result.out, result.code) == ("No changes detected in the SQL files\n", 0)
