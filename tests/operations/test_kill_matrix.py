"""Deployments of a long mixed chain, killed at each statement, and the server, too.

A process that has loaded everything forks one for each run: that one counts the
statements which it is about to send to the database, and kills itself, or the server,
at one of them. `DEPLOY_KILLS` is how many of them are tried, or `all`, or `1/2` for the
first half of all, taken evenly; `DEPLOY_SEED` chooses which.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dbops.core.catalog import Catalog
from dbops.core.compare import Verdict, compare_catalogs
from dbops.core.target import Target
from dbops.postgres.scratch import drop_database
from tests.clusters import find_programs, make_cluster
from tests.databases import connect, create_database
from tests.lab import Lab, open_lab
from tests.operations.conftest import fetch_hashes
from tests.processes import CHECKOUT, MANAGE, SETTINGS, build_database

KILLS = os.environ.get("DEPLOY_KILLS", "3")
CRASHES = int(os.environ.get("DEPLOY_CRASHES", "1"))
SEED = int(os.environ.get("DEPLOY_SEED", "0")) or random.randrange(1, 10**6)
MOST_RUNS = 4
LENGTH = 32

DRIVER = """\
import json, os, signal, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "lab_settings"
import django
from django.conf import settings
django.setup()
import psycopg
from django.core.management import execute_from_command_line
from django.db import connections

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
    """One migration of the chain."""

    operations: str
    atomic: bool = True


def build_chain() -> list[Link]:
    """Return migrations of all kinds, over one another's tables."""
    thing = (
        'migrations.CreateModel("Thing", ['
        '("id", models.BigAutoField(primary_key=True)),'
        '("name", models.CharField(max_length=50, db_index=True))]),'
    )
    chain = [
        Link(thing),
        Link("migrations.RunPython(fill, nothing),"),
        Link(
            'migrations.AddField("Thing", "size", models.IntegerField(default=1)),'
            'migrations.RunSQL("CREATE TYPE mood AS ENUM (\'sad\')", "SELECT 1"),'
        ),
        Link(
            """
            migrations.RunSQL("ALTER TYPE mood ADD VALUE 'ok'"),
            migrations.RunSQL("ALTER TYPE mood ADD VALUE 'happy' AFTER 'ok'"),
            """,
            atomic=False,
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
        ),
        Link(
            """
            migrations.CreateModel("Part", [
                ("id", models.BigAutoField(primary_key=True)),
                ("thing", models.ForeignKey("{app}.Thing", models.CASCADE)),
            ]),
            migrations.RunSQL("INSERT INTO {app}_part (id, thing_id) SELECT id, id"
                              " FROM {app}_thing"),
            """
        ),
        Link(
            """
            migrations.AddField("Thing", "parent", models.ForeignKey(
                "{app}.Thing", models.CASCADE, null=True)),
            migrations.RunSQL("UPDATE {app}_thing SET parent_id = 1 WHERE id > 1"),
            """,
            atomic=False,
        ),
        Link("migrations.RunPython(raise_size, nothing, atomic=True),", atomic=False),
        Link(
            'migrations.AddField("Thing", "word", models.TextField(null=True)),'
            "migrations.RunPython(set_words, nothing),",
            atomic=False,
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
        ),
        Link(
            """
            migrations.RunSQL("ALTER TABLE {app}_part ADD CONSTRAINT positive"
                              " CHECK (id > 0) NOT VALID"),
            migrations.RunSQL("ALTER TABLE {app}_part VALIDATE CONSTRAINT positive"),
            """,
            atomic=False,
        ),
        Link(
            """
            migrations.RunSQL("CREATE VIEW {app}_names AS"
                              " SELECT name FROM {app}_thing"),
            migrations.RunSQL("CREATE FUNCTION {app}_f() RETURNS int LANGUAGE sql"
                              " AS 'SELECT 1'"),
            """
        ),
    ]
    for number in range(LENGTH - len(chain)):
        name = f"more_{number}"
        chain.append(
            [
                Link(
                    f'migrations.AddField("Part", "{name}", models.IntegerField('
                    "null=True, db_index=True)),"
                ),
                Link(
                    f"""
                    migrations.RunSQL("CREATE INDEX CONCURRENTLY {name}"
                                      " ON {{app}}_part (thing_id, id)"),
                    """,
                    atomic=False,
                ),
                Link(
                    f'migrations.RunSQL("INSERT INTO {{app}}_part (id, thing_id)'
                    f' VALUES ({number + 100}, 1)"),',
                    atomic=number % 2 == 0,
                ),
                Link(
                    f'migrations.AddField("Part", "{name}", models.ForeignKey('
                    f'"{{app}}.Thing", models.CASCADE, null=True, related_name="+")),'
                    f'migrations.RunSQL("UPDATE {{app}}_part SET {name}_id = 2"),',
                    atomic=False,
                ),
            ][number % 4]
        )
    return chain


class Chain:
    """The app, the process that forks runs, and databases for them."""

    def __init__(self, lab: Lab, process: subprocess.Popen[str]) -> None:
        self.lab = lab
        self.process = process

    def run(self, target: Target, *more: str, **order: Any) -> tuple[int, str]:
        """Run a deployment to its end; return its exit code and what it said."""
        folder = self.lab.directory
        given = {
            "name": target.database,
            "arguments": ["dbops_deploy", "--no-backup", *more],
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

    def count(self, target: Target) -> int:
        """Deploy without a kill, and return how many statements that sent."""
        code, err = self.run(target)
        assert code == 0, err
        return int((self.lab.directory / "counted").read_text())

    def finish(self, target: Target, told: str) -> list[str]:
        """Deploy until all is done; return what the runs said that were needed.

        What cannot be known is asked, and then it is answered that it may be redone.
        """
        said = [f"seed {SEED}, {told}"]
        more: list[str] = []
        for _ in range(MOST_RUNS):
            code, err = self.run(target, *more)
            said.append(err)
            if code == 0:
                return said[1:]
            assert code == 9, "\n".join(said)
            assert "--cut-off redo" in err, "\n".join(said)
            more = ["--cut-off", "redo"]
        raise AssertionError("\n".join(said))


@contextmanager
def open_chain(directory: Path, target: Target) -> Iterator[Chain]:
    with open_lab(directory, target) as lab:
        for number, link in enumerate(build_chain(), start=1):
            lab.write_migration(
                f"{number:04}_link",
                link.operations.replace("{app}", lab.app),
                helpers=HELPERS.format(app=lab.app),
                down="-- dbops: irreversible: a test",
                atomic=link.atomic,
            )
        (directory / "driver.py").write_text(DRIVER)
        (directory / "manage.py").write_text(MANAGE)
        (directory / "lab_settings.py").write_text(SETTINGS)
        given = {
            "DATABASES": {"default": build_database(target)},
            "INSTALLED_APPS": ["dbops", lab.app],
            "DBOPS": lab.settings | {"LOCK_TIMEOUT_S": 20, "LOCK_BUDGET_S": 40},
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
            yield Chain(lab, process)
        finally:
            process.kill()
            process.communicate()


@contextmanager
def fresh_database(server: Target) -> Iterator[Target]:
    with connect(server) as base:
        name = create_database(base)
        try:
            yield server.with_database(name)
        finally:
            drop_database(base, name)


@dataclass(frozen=True)
class Whole:
    """What a database is that nobody has killed."""

    catalog: Catalog
    rows: dict[str, tuple[int, int]]
    history: list[str]


def look(chain: Chain, target: Target) -> Whole:
    lab = replace(chain.lab, target=target)
    rows = {
        name: value
        for name, value in fetch_hashes(target).items()
        if not name.startswith(("public.dbops_", "public.django_"))
    }
    return Whole(lab.fetch_catalog(), rows, lab.fetch_history())


def require_same(chain: Chain, target: Target, whole: Whole, told: str) -> None:
    found = look(chain, target)
    comparison = compare_catalogs(whole.catalog, found.catalog)
    assert comparison.verdict is Verdict.IDENTICAL, f"{told}: {comparison.differences}"
    assert found.rows == whole.rows, told
    assert found.history == whole.history, told
    lab = replace(chain.lab, target=target)
    assert not lab.fetch_value("SELECT count(*) FROM pg_index WHERE NOT indisvalid")
    states = "SELECT count(*) FROM dbops_deployment WHERE state = 'running'"
    assert lab.fetch_value(states) == 0, told


def choose(count: int, wish: str) -> list[int]:
    every = range(1, count + 1)
    part, _, parts = wish.partition("/")
    if parts:
        return list(every[int(part) - 1 :: int(parts)])
    if wish == "all":
        return list(every)
    return sorted(random.Random(SEED).sample(every, int(wish)))


def tell(**numbers: object) -> None:
    """Print what was tried; pytest -rP or -s shows it."""
    print(json.dumps({"seed": SEED, "migrations": LENGTH, **numbers}))  # noqa: T201


def test_after_a_kill_at_any_statement_the_next_run_makes_it_whole(
    tmp_path: Path, server: Target
) -> None:
    with fresh_database(server) as reference, open_chain(tmp_path, reference) as chain:
        count = chain.count(reference)
        whole = look(chain, reference)
        places = choose(count, KILLS)
        runs = asked = 0
        for place in places:
            with fresh_database(server) as target:
                code, _ = chain.run(target, at=place)
                told = f"{place} of {count}: {(tmp_path / 'told').read_text()}"
                assert code == -9, told
                said = chain.finish(target, told)
                runs += len(said)
                asked += len(said) > 1
                require_same(chain, target, whole, f"seed {SEED}, {told}\n{said}")
            print(told, len(said))  # noqa: T201  Seen with -s.
    tell(
        boundaries=count,
        killed=len(places),
        runs_after=runs,
        asked=asked,
    )


def test_after_a_crash_of_the_server_the_next_run_makes_it_whole(
    tmp_path: Path,
) -> None:
    with make_cluster(find_programs()) as cluster, ExitStack() as servers:
        server = cluster.build_target()
        with connect(server) as base:
            names = [create_database(base) for _ in range(CRASHES + 1)]
        reference, *targets = map(server.with_database, names)
        with open_chain(tmp_path, reference) as chain:
            count = chain.count(reference)
            whole = look(chain, reference)
            places = choose(count, str(CRASHES))
            for place, target in zip(places, targets, strict=True):
                pidfile = cluster.data / "postmaster.pid"
                pid = int(pidfile.read_text().split()[0])
                code, err = chain.run(
                    target, at=place, postmaster=pid, pidfile=str(pidfile)
                )
                told = f"{place} of {count}: {(tmp_path / 'told').read_text()}"
                assert code in (7, 8, 9), f"{told}\n{err}"
                servers.enter_context(cluster.serve())
                chain.finish(target, told)
                require_same(chain, target, whole, f"seed {SEED}, {told}")
    tell(boundaries=count, crashed=len(places))
