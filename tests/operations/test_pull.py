"""Models pulled from databases: loaded, migrated, compared with where they are from."""

from __future__ import annotations

import ast
import shutil
import sys
from pathlib import Path

import pytest

from dbops.core.target import Target
from tests.databases import connect, execute, temporary_database
from tests.lab import THING, Lab
from tests.pulling import score

DATA = Path(__file__).parents[1] / "data"
EVERYTHING = DATA / "everything.sql"
EXISTING = DATA / "existing_schema.sql"


@pytest.fixture
def lab(empty_lab: Lab) -> Lab:
    empty_lab.more_apps.append("django.contrib.postgres")
    return empty_lab


def fetch_major(target: Target) -> int:
    with connect(target) as session:
        return session.info.server_version // 10000


def fill(target: Target, path: Path) -> None:
    """Make the schema, with what this server's version has besides."""
    execute(target, path.read_text())
    if path == EVERYTHING and fetch_major(target) >= 18:
        execute(target, (DATA / "everything_18.sql").read_text())


def has_extensions(target: Target) -> bool:
    with connect(target) as session:
        row = session.execute(
            "SELECT count(*) FROM pg_available_extensions"
            " WHERE name IN ('citext', 'hstore', 'btree_gist')"
        ).fetchone()
    return row is not None and row[0] == 3


def put_into_app(lab: Lab) -> None:
    """Write the models into the lab's own app, as a person would."""
    folder = lab.directory / lab.app
    shutil.rmtree(folder / "migrations")
    done = lab.run("dbops_pull", "--app", lab.app, "--output", str(folder))
    assert done.code == 0, done.out + done.err
    for name in [each for each in sys.modules if each.startswith(f"{lab.app}.")]:
        del sys.modules[name]


@pytest.mark.parametrize("path", [EVERYTHING, EXISTING], ids=lambda path: path.stem)
def test_what_is_pulled_is_adopted_and_nothing_differs(lab: Lab, path: Path) -> None:
    fill(lab.target, path)
    put_into_app(lab)

    assert lab.run("makemigrations", "--check", "--dry-run").out == (
        "No changes detected\n"
    )
    done = lab.run("dbops_baseline", "--yes", "--json")
    assert done.json["adopted"] == [f"{lab.app}.0001_initial"], done.out
    found = lab.run("dbops_drift", "--json").json
    assert (found["differences"], found["notes"]) == ([], [])


@pytest.mark.parametrize("path", [EVERYTHING, EXISTING], ids=lambda path: path.stem)
def test_pull_and_migrate_give_the_same_catalog(lab: Lab, path: Path) -> None:
    fill(lab.target, path)
    put_into_app(lab)
    live = {each for each in lab.fetch_catalog().objects if "alembic" not in each.name}
    with temporary_database() as empty:
        other = Lab(
            app=lab.app,
            directory=lab.directory,
            target=empty,
            settings=lab.settings,
            more_apps=lab.more_apps,
        )
        assert other.run("migrate", "-v0", lab.app).code == 0
        made = {
            each
            for each in other.fetch_catalog().objects
            if "django_migrations" not in f"{each.name} {each.parent}"
        }
        assert {each.name for each in made ^ live} == set()
        # And back: nothing is left of it.
        assert other.run("migrate", "-v0", lab.app, "zero").code == 0
        left = {each.name for each in other.fetch_catalog().objects}
        assert not {name for name in left if "django_migrations" not in name} - {
            "public",
            "plpgsql",
        }


def test_gets_more_right_than_inspectdb(lab: Lab) -> None:
    fill(lab.target, EVERYTHING)
    with lab.open() as context:
        found = score(context)
    assert found.dbops_pull == found.objects
    assert found.inspectdb < found.objects / 2


def test_what_needs_extensions_is_pulled_where_they_are(lab: Lab) -> None:
    if not has_extensions(lab.target):
        pytest.skip("the server has no citext, hstore and btree_gist")
    fill(lab.target, EVERYTHING)
    execute(lab.target, (DATA / "everything_extensions.sql").read_text())
    found = lab.run("dbops_pull", "--check", "--json").json
    assert found["proven"], found


def test_models_can_be_used(lab: Lab) -> None:
    fill(lab.target, EVERYTHING)
    put_into_app(lab)
    assert lab.run("dbops_baseline", "--yes").code == 0
    with lab.open():
        from django.apps import apps

        customer = apps.get_model(lab.app, "Customer")
        order = apps.get_model(lab.app, "Order")
        product = apps.get_model(lab.app, "Product")
        one = customer.objects.create(
            email="a@b.c", name="Ada", mood="happy", contact="d@e.f"
        )
        made = order.objects.create(customer=one, placed_at="2026-01-01T00:00Z")
        made.refresh_from_db()
        pen = product.objects.create(sku="p", title="Red Pen", price="2.00", position=1)
        pen.refresh_from_db()
        pen.tags.add(apps.get_model(lab.app, "Tag").objects.create(name="x"))
        view = apps.get_model(lab.app, "ActiveCustomer")

        assert customer.objects.filter(mood="happy").get().is_active
        assert (made.pk, made.number, made.ticket, made.state) == (100, 1, 1, "new")
        assert (str(pen.vat), pen.slug, pen.code) == ("0.40", "red-pen", "c1000")
        assert [each.name for each in pen.tags.all()] == ["x"]
        assert view.objects.get().email == "a@b.c"
        assert one.order_customer_set.get() == made


def test_tables_of_installed_apps_are_referred_to_and_not_pulled(lab: Lab) -> None:
    lab.write_migration("0001_initial", THING)
    assert lab.run("migrate", "-v0").code == 0
    lab.execute(
        f"CREATE TABLE note (id integer PRIMARY KEY, thing_id bigint"
        f" REFERENCES {lab.app}_thing, text varchar(9))"
    )
    told = lab.run("dbops_pull").out
    assert told.count("(models.Model)") == 1
    assert f'thing = models.ForeignKey(\n        "{lab.app}.Thing",' in told
    found = lab.run("dbops_pull", "--check", "--json").json
    assert found["proven"], found
    assert f'("{lab.app}", "0001_initial")' in found["migration"].replace("'", '"')


def test_pulls_named_tables_with_what_they_need(lab: Lab) -> None:
    fill(lab.target, EVERYTHING)
    found = lab.run("dbops_pull", "audit.log", "--check", "--json").json
    assert found["proven"], found
    assert found["tables"] == 1
    names = {
        each.name for each in ast.parse(found["models"]).body if hasattr(each, "name")
    }
    assert names == {"Level", "Log"}  # The other enum is of no use to it.
    found = lab.run("dbops_pull", "--schema", "audit", "--check", "--json").json
    assert (found["proven"], found["tables"]) == (True, 2)


def test_says_which_app_the_models_need(lab: Lab) -> None:
    lab.more_apps.clear()
    lab.execute("CREATE TABLE doc (id integer PRIMARY KEY, words tsvector)")
    folder = lab.directory / "docs"
    done = lab.run("dbops_pull", "--output", str(folder))
    assert done.code == 0, done.out
    assert '"django.contrib.postgres", "docs" to INSTALLED_APPS' in done.out


def test_overwrites_nothing(lab: Lab) -> None:
    fill(lab.target, EXISTING)
    put_into_app(lab)
    path = lab.directory / lab.app / "models.py"
    before = path.read_text()
    done = lab.run("dbops_pull", "--app", lab.app, "--output", str(path.parent))
    assert done.code == 4
    assert "has something in it already" in done.err
    assert path.read_text() == before


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("nothing",), 2, 'there is no table or view "nothing" to pull'),
        (("--app", "not a label"), 2, "cannot be the label of an app"),
        (("--schema", "nowhere"), 2, 'schema "nowhere" has no table to pull'),
        ((), 4, "there is no table to pull that no installed app has"),
    ],
)
def test_says_what_is_wrong(
    lab: Lab, arguments: tuple[str, ...], code: int, told: str
) -> None:
    done = lab.run("dbops_pull", *arguments)
    assert done.code == code
    assert told in done.err
