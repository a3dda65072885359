"""SQL files beside migrations: their text, their proof, and whom they belong to."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db.migrations import Migration
from django.test import override_settings

from dbops.conf import Settings
from dbops.core.sql_script import Irreversible, Script, Unwritten
from dbops.core.target import Target
from dbops.errors import Refused
from dbops.operations.sql_files.files import (
    get_sql_directory,
    is_project_migration,
    read_down,
)
from tests.databases import temporary_database
from tests.projects.project import Project, copy_project, read_golden

SHOP_SQL = "shop/migrations/sql"
MIGRATION = Migration("0002_add_thread_description", "neuroagent")


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    with temporary_database() as target:
        yield target


@pytest.fixture
def project(tmp_path: Path, target: Target) -> Project:
    return copy_project(tmp_path / "project", target, sql_files=True)


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the SQL files of a migration are, in a package that the settings name."""
    package = tmp_path / f"moved_{secrets.token_hex(4)}"
    package.mkdir()
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    with override_settings(MIGRATION_MODULES={MIGRATION.app_label: package.name}):
        yield package / "sql" / MIGRATION.name


@pytest.mark.parametrize(
    ("app", "project_apps", "expected"),
    [
        ("neuroagent", (), True),
        ("auth", (), False),
        ("dbops", (), False),
        ("neuroagent", ("auth",), False),
        ("auth", ("auth",), True),
        ("dbops", ("dbops",), True),
    ],
)
def test_tells_the_project_s_own_apps_from_packages(
    app: str, project_apps: tuple[str, ...], expected: bool
) -> None:
    settings = Settings(project_apps=project_apps)

    assert is_project_migration(Migration("0001_initial", app), settings) is expected


def test_the_files_are_beside_the_migrations(directory: Path) -> None:
    assert get_sql_directory(MIGRATION) == directory


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("DROP TABLE t;", Script),
        ("-- dbops: irreversible: gone", Irreversible),
        ("", Unwritten),
    ],
)
def test_reads_the_way_back(directory: Path, text: str, kind: type) -> None:
    assert read_down(MIGRATION) is None
    directory.mkdir(parents=True)
    (directory / "down.sql").write_text(text)

    assert isinstance(read_down(MIGRATION), kind)


def test_names_the_file_that_cannot_be_run(directory: Path) -> None:
    directory.mkdir(parents=True)
    (directory / "down.sql").write_text("-- why\nCOMMIT;")

    with pytest.raises(Refused) as caught:
        read_down(MIGRATION)

    assert caught.value.message == (
        f'"{directory / "down.sql"}", line 2: "COMMIT" is in the script, and dbops '
        "opens and ends the transaction itself"
    )


def test_writes_the_files_of_the_project_s_own_apps(
    tmp_path: Path, target: Target
) -> None:
    """The files in the checkout are the golden ones; `--sql` refreshes them."""
    project = copy_project(tmp_path / "project", target, sql_files=False)

    result = project.run("makemigrations", "--sql")

    assert (result.err, result.code) == ("", 0)
    assert project.read_all(".sql") == read_golden()
    assert not any("parcels" in path for path in project.read_all(".sql"))


def test_rewrites_what_is_stale_and_untouched(project: Project) -> None:
    project.replace("shop/migrations/0002_add_order_note.py", "'new'", "'used'")

    with project.changes() as changes:
        result = project.run("makemigrations", "--sql", "shop")

    assert result.code == 0
    assert list(changes) == [f"{SHOP_SQL}/0002_add_order_note/migration.sql"]
    assert "DEFAULT '100% ''used'''" in next(iter(changes.values()))


def test_writes_what_is_missing_and_nothing_else(project: Project) -> None:
    path = f"{SHOP_SQL}/0003_index_orders_by_total/down.sql"
    text = project.read(path)
    (project.directory / path).unlink()

    with project.changes() as changes:
        project.run("makemigrations", "--sql")

    assert changes == {path: text}


def test_keeps_what_a_person_has_edited_and_tells_whether_it_leads_back(
    project: Project,
) -> None:
    exact = f"{SHOP_SQL}/0010_index_order_notes/down.sql"
    concurrent = f"{SHOP_SQL}/0011_drop_index_of_order_notes/down.sql"
    wrong = f"{SHOP_SQL}/0002_add_order_note/down.sql"
    declared = f"{SHOP_SQL}/0006_forget_old_orders/down.sql"
    project.write(exact, 'DROP INDEX "Order_by_note";\n')
    project.write(
        concurrent,
        "-- dbops: no-transaction\n"
        'CREATE INDEX CONCURRENTLY "Order_by_note" ON "Shop_Order" (note);\n',
    )
    project.write(wrong, 'ALTER TABLE "Shop_Order" DROP COLUMN notes;\n')
    project.write(declared, "-- dbops: irreversible: the orders are gone\n")

    with project.changes() as changes:
        result = project.run("makemigrations", "--sql", "shop")

    assert changes == {}
    lines = result.out.splitlines()
    told = {path: lines[lines.index(f"  {path} (kept)") + 1].strip()
            for path in (exact, concurrent, wrong, declared)}  # fmt: skip
    assert told == {
        exact: "gives back the schema exactly",
        concurrent: "gives back the schema exactly",
        wrong: "a person must write it: played on a scratch database, it fails: "
        'column "notes" of relation "Shop_Order" does not exist',
        declared: "declared irreversible: the orders are gone",
    }


def test_stops_at_a_migration_that_fails_and_keeps_what_was_written(
    project: Project,
) -> None:
    project.replace(
        "shop/migrations/0004_fill_order_notes.py", "note LIKE", "notes LIKE"
    )
    for path in ("0003_index_orders_by_total", "0004_fill_order_notes"):
        (project.directory / SHOP_SQL / path / "down.sql").unlink()

    with project.changes() as changes:
        result = project.run("makemigrations", "--sql", "shop")

    assert result.code == 7
    assert result.err.startswith(
        'CommandError: migration "shop.0004_fill_order_notes" fails in an empty '
        'scratch database: ProgrammingError: column "notes" does not exist'
    )
    assert list(changes) == [f"{SHOP_SQL}/0003_index_orders_by_total/down.sql"]
