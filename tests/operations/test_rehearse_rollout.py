"""What breaks the release that runs while a migration is applied, and what does not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dbops.postgres.activity import look_at_activity
from dbops.postgres.old_statements import SOURCE
from tests.clusters import LOWEST_MAJOR, Programs, list_programs, make_cluster
from tests.databases import connect, temporary_database
from tests.lab import Lab, open_lab

FIRST = """\
migrations.CreateModel(
    "Owner",
    [("id", models.BigAutoField(primary_key=True)),
     ("name", models.CharField(max_length=50))],
),
migrations.CreateModel(
    "Thing",
    [("id", models.BigAutoField(primary_key=True)),
     ("name", models.CharField(max_length=50)),
     ("slug", models.CharField(max_length=50, null=True)),
     ("code", models.CharField(max_length=50, null=True)),
     ("size", models.IntegerField(default=0)),
     ("count", models.BigIntegerField(default=0)),
     ("state", models.CharField(max_length=9, db_default="new")),
     ("owner", models.ForeignKey("Owner", models.CASCADE, db_constraint=False))],
),
migrations.CreateModel(
    "Unused", [("id", models.BigAutoField(primary_key=True))],
),
"""
KINDS = {
    "add_null": ("expand", 'AddField("Thing", "a", models.IntegerField(null=True))'),
    "add_required": (
        "contract",
        'AddField("Thing", "b", models.IntegerField(default=1))',
    ),
    "add_db_default": (
        "expand",
        'AddField("Thing", "c", models.IntegerField(db_default=1))',
    ),
    "add_model": (
        "expand",
        'CreateModel("New", [("id", models.BigAutoField(primary_key=True))])',
    ),
    "add_key": (
        "expand",
        'AddField("Thing", "new", models.ForeignKey("New", models.CASCADE, null=True))',
    ),
    "add_many": (
        "expand",
        'AddField("Thing", "news", models.ManyToManyField("New", related_name="+"))',
    ),
    "add_index": ("neutral", 'AddIndex("Thing", models.Index("name", name="by_name"))'),
    "rename_index": (
        "neutral",
        'RenameIndex("Thing", new_name="by_names", old_name="by_name")',
    ),
    "widen": ("expand", 'AlterField("Thing", "name", models.CharField(max_length=80))'),
    "narrow": (
        "contract",
        'AlterField("Thing", "name", models.CharField(max_length=5))',
    ),
    "require": (
        "contract",
        'AlterField("Thing", "slug", models.CharField(max_length=50, default="a"))',
    ),
    "free": (
        "expand",
        'AlterField("Thing", "slug", models.CharField(max_length=50, null=True))',
    ),
    "make_unique": (
        "contract",
        """AlterField("Thing", "slug",
        models.CharField(max_length=50, null=True, unique=True))""",
    ),
    "drop_unique": (
        "neutral",
        'AlterField("Thing", "slug", models.CharField(max_length=50, null=True))',
    ),
    "add_check": (
        "contract",
        """AddConstraint("Thing", models.CheckConstraint(name="positive",
        condition=models.Q(size__gte=0)))""",
    ),
    "drop_check": ("neutral", 'RemoveConstraint("Thing", "positive")'),
    "unique_pair": (
        "contract",
        """AddConstraint("Thing",
        models.UniqueConstraint(fields=["code", "size"], name="pair"))""",
    ),
    "grow": (
        "expand",
        'AlterField("Thing", "size", models.BigIntegerField(default=0))',
    ),
    "shrink": (
        "contract",
        'AlterField("Thing", "count", models.SmallIntegerField(default=0))',
    ),
    "drop_default": (
        "contract",
        'AlterField("Thing", "state", models.CharField(max_length=9))',
    ),
    "check_key": (
        "contract",
        'AlterField("Thing", "owner", models.ForeignKey("Owner", models.CASCADE))',
    ),
    "rename_field": ("contract", 'RenameField("Thing", "code", "label")'),
    "remove_field": ("contract", 'RemoveField("Thing", "label")'),
    "rename_model": ("contract", 'RenameModel("Owner", "Keeper")'),
    "delete_model": ("contract", 'DeleteModel("Unused")'),
    "data_only": ("neutral", "RunPython(noop, noop)"),
    "state_only": (
        "neutral",
        """SeparateDatabaseAndState(state_operations=[migrations.AddField(
        "New", "z", models.IntegerField(null=True))])""",
    ),
    "comment": ("neutral", 'AlterModelTableComment("Thing", "what there is")'),
    "trigger": (
        "contract",
        """RunSQL('''CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql
        AS 'BEGIN RAISE EXCEPTION $$no$$; END';
        CREATE TRIGGER refuse BEFORE DELETE ON {app}_thing
        FOR EACH ROW EXECUTE FUNCTION refuse()''',
        "DROP TRIGGER refuse ON {app}_thing; DROP FUNCTION refuse")""",
    ),
    "drop_by_sql": (
        "contract",
        """RunSQL("ALTER TABLE {app}_thing DROP COLUMN size",
        "ALTER TABLE {app}_thing ADD COLUMN size bigint")""",
    ),
    "view": ("expand", "RunSQL('CREATE VIEW seen AS SELECT 1', 'DROP VIEW seen')"),
}
"""What each kind of migration is to the release before it."""


@pytest.fixture
def lab(tmp_path: Path, django_db_blocker: Any) -> Iterator[Lab]:
    with (
        django_db_blocker.unblock(),
        temporary_database() as target,
        open_lab(tmp_path, target) as lab,
    ):
        lab.write_migration("0001_initial", FIRST)
        assert lab.run("migrate", "-v", "0").code == 0
        yield lab


def test_tells_the_kinds_apart(lab: Lab) -> None:
    for number, (name, (_, operation)) in enumerate(KINDS.items(), start=2):
        lab.write_migration(
            f"{number:04}_{name}",
            f"migrations.{operation},".replace("{app}", lab.app),
            helpers="def noop(apps, editor):\n    pass\n",
        )

    outcome = lab.run("dbops_rehearse", "--schema-only", "--json")

    found = {
        each["id"].partition("_")[2].partition(".")[2][5:]: (
            each["effect"],
            [f"{one['action']}: {one['message']}" for one in each["breaks"]],
        )
        for each in outcome.json["migrations"]
    }
    assert {name: effect for name, (effect, _) in found.items()} == {
        name: effect for name, (effect, _) in KINDS.items()
    }, found
    assert len(KINDS) >= 20
    for name, (effect, told) in found.items():
        assert bool(told) == (effect == "contract"), name


def find_programs_with_statistics() -> Programs:
    """Return a server whose packages have pg_stat_statements."""
    for programs in reversed(list_programs()):
        home = programs.directory.parent
        if programs.major >= LOWEST_MAJOR and list(home.rglob("pg_stat_statements.so")):
            return programs
    pytest.skip("no server here with pg_stat_statements: apt install postgresql")


def test_prepares_the_statements_that_ran(
    tmp_path: Path, django_db_blocker: Any
) -> None:
    with (
        django_db_blocker.unblock(),
        make_cluster(
            find_programs_with_statistics(),
            shared_preload_libraries="pg_stat_statements",
        ) as cluster,
        open_lab(tmp_path, cluster.build_target()) as lab,
    ):
        lab.write_migration("0001_initial", FIRST)
        assert lab.run("migrate", "-v", "0").code == 0
        lab.execute(
            "CREATE EXTENSION pg_stat_statements",
            f"SELECT slug FROM {lab.app}_thing WHERE size = 1",
            f"SELECT name FROM {lab.app}_thing WHERE size = 1",
        )
        lab.write_migration(
            "0002_add_note",
            'migrations.AddField("Thing", "note", models.IntegerField(null=True)),',
        )
        lab.write_migration(
            "0003_remove_slug", 'migrations.RemoveField("Thing", "slug"),'
        )

        report = lab.run("dbops_rehearse", "--schema-only", "--json").json

        add, remove = report["migrations"]
        assert add["breaks"] == []
        ran = [each for each in remove["breaks"] if each["subject"] == SOURCE]
        assert [each["action"] for each in ran] == [
            f"SELECT slug FROM {lab.app}_thing WHERE size = $1"
        ]
        assert ran[0]["message"] == 'column "slug" does not exist'
        assert ran[0] in report["breaks"]

        with connect(lab.target) as session:
            look = look_at_activity(session, statements=True)
        calls = {each.query: each.calls for each in look.statements or ()}
        assert calls[f"SELECT slug FROM {lab.app}_thing WHERE size = $1"] == 1
