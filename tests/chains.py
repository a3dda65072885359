"""A long chain of mixed migrations with ways back, and processes to be killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from dbops.core.target import Target
from dbops.postgres.scratch import drop_database
from tests.databases import connect, create_database
from tests.lab import Lab
from tests.processes import CHECKOUT, MANAGE, SETTINGS, build_database

DRIVER = """\
import json, os, signal, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "lab_settings"
import django
from django.conf import settings
django.setup()
import psycopg
from django.core.management import execute_from_command_line
from django.db import connections
import dbops.management.commands.dbops_deploy
import dbops.management.commands.dbops_rollback

QUIET = ("select", "show", "set ", "reset", "begin", "with recursive", "with lock",
         "lock table dbops_entry")
order = {}
count = 0

def is_ours(connection):
    return connection.info.dbname == order["name"]

def reach(text):
    global count
    count += 1
    if count != order["at"]:
        return
    with open(order["told"], "w") as told:
        told.write(text)
    if not order["postmaster"]:
        os.kill(os.getpid(), signal.SIGKILL)
    os.kill(order["postmaster"], signal.SIGQUIT)
    while os.path.exists(order["pidfile"]):
        pass

def watch(kind, name, tell):
    original = getattr(kind, name)
    def watched(self, *args, **kwargs):
        connection = getattr(self, "connection", self)
        text = tell(args)
        if text and is_ours(connection):
            reach(text)
        return original(self, *args, **kwargs)
    setattr(kind, name, watched)

def tell_statement(args):
    query = args[0]
    if isinstance(query, bytes):
        query = query.decode()
    if not isinstance(query, str):
        query = query.as_string(None)
    lines = [each for each in query.splitlines() if not each.startswith("--")]
    text = " ".join(" ".join(lines).split())
    return None if text.lower().startswith(QUIET) else text[:200]

watch(psycopg.Cursor, "execute", tell_statement)
watch(psycopg.Connection, "commit", lambda args: "COMMIT")
watch(psycopg.Transaction, "__exit__", lambda args: "COMMIT of a block")

for line in sys.stdin:
    order = json.loads(line)
    pid = os.fork()
    if not pid:
        code = 1
        try:
            for number, path in ((1, order["out"]), (2, order["err"])):
                os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
            settings.DATABASES["default"]["NAME"] = order["name"]
            connections["default"].settings_dict["NAME"] = order["name"]
            count = 0
            try:
                execute_from_command_line(["manage.py", *order["arguments"]])
                code = 0
            except SystemExit as error:
                code = error.code or 0
            if order["counted"]:
                with open(order["counted"], "w") as counted:
                    counted.write(str(count))
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    print(os.waitstatus_to_exitcode(status), flush=True)
"""

HELPERS = """
def fill(apps, schema_editor):
    Thing = apps.get_model("{app}", "Thing")
    for number in range(1, 6):
        Thing.objects.using(schema_editor.connection.alias).update_or_create(
            id=number, defaults={{"name": f"thing {{number}}"}})

def raise_size(apps, schema_editor):
    from django.db.models import F
    Thing = apps.get_model("{app}", "Thing")
    Thing.objects.using(schema_editor.connection.alias).update(size=F("size") + 7)

def set_words(apps, schema_editor):
    Thing = apps.get_model("{app}", "Thing")
    for each in Thing.objects.using(schema_editor.connection.alias).order_by("id"):
        each.word = f"word {{each.id}}"
        each.save(update_fields=["word"])

def nothing(apps, schema_editor):
    pass
"""
"""`set_words` may be done twice; `raise_size` may not."""


@dataclass(frozen=True)
class Link:
    """One migration of the chain; `{app}` and `{other}` stand for the apps."""

    operations: str
    atomic: bool = True
    down: str | None = None
    """Its down.sql; None where there is none, or Django derives the way back."""
    fill: str = ""
    """What the application writes afterwards, into what the migration has made."""
    is_other: bool = False
    """Whether it is of the other app, which is not the project's own."""
    defaults: Mapping[str, str] = field(default_factory=dict)
    """What nobody has written, by the column it made."""
    forgets: tuple[str, ...] = ()
    """Columns whose defaults the server forgets, for their table is written anew."""
    renames: Mapping[str, str] = field(default_factory=dict)
    """Names of tables and columns since, by those before."""


NO_TRANSACTION = "-- dbops: no-transaction\n"


def build_first_links() -> list[Link]:
    """Return migrations of all kinds, over one another's tables."""
    return [
        Link(
            'migrations.CreateModel("Thing", ['
            '("id", models.BigAutoField(primary_key=True)),'
            '("name", models.CharField(max_length=50, db_index=True))]),',
            down="DROP TABLE {app}_thing;",
            fill="INSERT INTO {app}_thing (id, name) VALUES (11, 'a'), (12, 'b')",
        ),
        Link(
            "migrations.RunPython(fill, nothing),",
            down="DELETE FROM {app}_thing WHERE id <= 5;",
        ),
        Link(
            'migrations.AddField("Thing", "size", models.IntegerField(default=1)),'
            'migrations.RunSQL("CREATE TYPE mood AS ENUM (\'sad\')", "SELECT 1"),',
            down="DROP TYPE mood; ALTER TABLE {app}_thing DROP COLUMN size;",
            fill="UPDATE {app}_thing SET size = id * 10 WHERE id IN (1, 11)",
            defaults={"{app}_thing.size": "1"},
        ),
        Link(
            """
            migrations.RunSQL("ALTER TYPE mood ADD VALUE 'ok'"),
            migrations.RunSQL("ALTER TYPE mood ADD VALUE 'happy' AFTER 'ok'"),
            """,
            atomic=False,
            down="ALTER TYPE mood RENAME TO mood_then;"
            "CREATE TYPE mood AS ENUM ('sad'); DROP TYPE mood_then;",
        ),
        Link(
            """
            migrations.RunSQL([
                'ALTER TABLE {app}_thing ADD mood mood',
                "UPDATE {app}_thing SET mood = 'ok' WHERE id < 3",
                "UPDATE {app}_thing SET mood = 'happy' WHERE id >= 3",
                'ALTER TABLE {app}_thing ALTER mood SET NOT NULL',
                "ALTER TABLE {app}_thing ALTER mood SET DEFAULT 'sad'",
            ]),
            """,
            atomic=False,
            down="ALTER TABLE {app}_thing DROP COLUMN mood;",
            fill="UPDATE {app}_thing SET mood = 'sad' WHERE id = 5",
            defaults={"{app}_thing.mood": "sad"},
        ),
        Link(
            """
            migrations.CreateModel("Part", [
                ("id", models.BigAutoField(primary_key=True)),
                ("thing", models.ForeignKey("{app}.Thing", models.CASCADE)),
            ]),
            migrations.RunSQL("INSERT INTO {app}_part (id, thing_id) SELECT id, id"
                              " FROM {app}_thing"),
            """,
            down="DROP TABLE {app}_part;",
            fill="INSERT INTO {app}_part (id, thing_id) VALUES (50, 1), (51, 1)",
        ),
        Link(
            """
            migrations.AddField("Thing", "parent", models.ForeignKey(
                "{app}.Thing", models.CASCADE, null=True)),
            migrations.RunSQL("UPDATE {app}_thing SET parent_id = 1 WHERE id > 1"),
            """,
            atomic=False,
            down="ALTER TABLE {app}_thing DROP COLUMN parent_id;",
        ),
        Link(
            "migrations.RunPython(raise_size, nothing, atomic=True),",
            atomic=False,
            down="UPDATE {app}_thing SET size = size - 7;",
        ),
        Link(
            'migrations.AddField("Thing", "word", models.TextField(null=True)),'
            "migrations.RunPython(set_words, nothing),",
            atomic=False,
            down="ALTER TABLE {app}_thing DROP COLUMN word;",
            fill="UPDATE {app}_thing SET word = NULL WHERE id = 3",
        ),
        Link(
            """
            migrations.RunSQL("CREATE INDEX CONCURRENTLY by_word"
                              " ON {app}_thing (word)"),
            migrations.RunSQL([
                "CREATE UNIQUE INDEX CONCURRENTLY one_name ON {app}_thing (name, id)",
                "UPDATE {app}_thing SET size = size + 1",
                "VACUUM {app}_thing",
                "DROP INDEX CONCURRENTLY by_word",
            ]),
            """,
            atomic=False,
            down="UPDATE {app}_thing SET size = size - 1; DROP INDEX one_name;",
        ),
        Link(
            """
            migrations.RunSQL("ALTER TABLE {app}_part ADD CONSTRAINT positive"
                              " CHECK (id > 0) NOT VALID"),
            migrations.RunSQL("ALTER TABLE {app}_part VALIDATE CONSTRAINT positive"),
            """,
            atomic=False,
            down=NO_TRANSACTION
            + "ALTER TABLE {app}_part DROP CONSTRAINT IF EXISTS positive;",
        ),
        Link(
            """
            migrations.RunSQL("CREATE VIEW {app}_names AS"
                              " SELECT name FROM {app}_thing"),
            migrations.RunSQL("CREATE FUNCTION {app}_f() RETURNS int LANGUAGE sql"
                              " AS 'SELECT 1'"),
            """,
            down="DROP FUNCTION {app}_f(); DROP VIEW {app}_names;",
        ),
    ]


def build_more_link(number: int) -> Link:
    """Return one of those that a chain is made longer with."""
    name = f"more_{number}"
    return [
        Link(
            f'migrations.AddField("Part", "{name}", models.IntegerField('
            "null=True, db_index=True)),",
            down=f"ALTER TABLE {{app}}_part DROP COLUMN {name};",
            fill=f"UPDATE {{app}}_part SET {name} = 5 WHERE id < 3",
        ),
        Link(
            f"""
            migrations.RunSQL("CREATE INDEX CONCURRENTLY {name}"
                              " ON {{app}}_part (thing_id, id)"),
            """,
            atomic=False,
            down=f"{NO_TRANSACTION}DROP INDEX CONCURRENTLY IF EXISTS {name};",
        ),
        Link(
            f'migrations.RunSQL("INSERT INTO {{app}}_part (id, thing_id)'
            f' VALUES ({number + 100}, 1)"),',
            atomic=number % 2 == 0,
            down=f"DELETE FROM {{app}}_part WHERE id = {number + 100};",
        ),
        Link(
            f'migrations.AddField("Part", "{name}", models.ForeignKey('
            f'"{{app}}.Thing", models.CASCADE, null=True, related_name="+")),'
            f'migrations.RunSQL("UPDATE {{app}}_part SET {name}_id = 2"),',
            atomic=False,
            down=f"ALTER TABLE {{app}}_part DROP COLUMN {name}_id;",
        ),
    ][number % 4]


class Forker:
    """A process that has loaded everything, and forks one for each run."""

    def __init__(self, lab: Lab, process: subprocess.Popen[str]) -> None:
        self.lab = lab
        self.process = process

    def run(
        self, target: Target, command: str, *more: str, **order: Any
    ) -> tuple[int, str]:
        """Run a command to its end; return its exit code and what it said."""
        folder = self.lab.directory
        given = {
            "name": target.database,
            "arguments": [command, *more],
            "out": str(folder / "out"),
            "err": str(folder / "err"),
            "told": str(folder / "told"),
            "counted": str(folder / "counted"),
            "at": 0,
            "postmaster": 0,
            "pidfile": "",
        } | order
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps(given) + "\n")
        self.process.stdin.flush()
        code = int(self.process.stdout.readline())
        return code, (folder / "err").read_text() + (folder / "out").read_text()

    def count(self, target: Target, command: str, *more: str) -> int:
        """Run it without a kill, and return how many statements that sent."""
        code, err = self.run(target, command, *more)
        assert code == 0, err
        return int((self.lab.directory / "counted").read_text())

    def read_out(self) -> str:
        """Return what the last run wrote to stdout."""
        return (self.lab.directory / "out").read_text()

    def read_told(self) -> str:
        """Return the statement that the last run was killed at."""
        return (self.lab.directory / "told").read_text()


@contextmanager
def start_forker(lab: Lab, **settings: Any) -> Iterator[Forker]:
    """Start it with the lab's apps as they are on disk then, and these settings."""
    directory = lab.directory
    (directory / "driver.py").write_text(DRIVER)
    (directory / "manage.py").write_text(MANAGE)
    (directory / "lab_settings.py").write_text(SETTINGS)
    given = {
        "DATABASES": {"default": build_database(lab.target)},
        "INSTALLED_APPS": ["dbops", *lab.more_apps, lab.app],
        "DBOPS": lab.settings | {"LOCK_TIMEOUT_S": 20, "LOCK_BUDGET_S": 40} | settings,
    }
    kept = {key: value for key, value in os.environ.items() if key[:2] != "PG"}
    environment = {
        "LAB_SETTINGS": json.dumps(given),
        "PYTHONPATH": str(CHECKOUT),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    process = subprocess.Popen(
        [sys.executable, "driver.py"],
        cwd=directory,
        env=kept | environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Forker(lab, process)
    finally:
        process.kill()
        process.communicate()


@contextmanager
def fresh_database(server: Target, template: str = "template0") -> Iterator[Target]:
    """Yield a database that is gone after the block."""
    with connect(server) as base:
        name = create_database(base, template=template)
        try:
            yield server.with_database(name)
        finally:
            drop_database(base, name)
