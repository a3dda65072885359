"""`dbops_drift` with the scratch database on another version than the live one."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from psycopg import sql

from dbops.core.target import Target
from dbops.postgres import embedded
from dbops.postgres.scratch import drop_database
from dbops.postgres.wheel import find_wheel
from tests.clusters import list_programs, make_cluster
from tests.databases import (
    connect,
    create_database,
    dump_schema,
    find_server,
    restore_schema,
)
from tests.lab import Lab, open_lab
from tests.processes import build_url

HERE = Path(__file__).parent
BASE = (HERE.parent / "postgres" / "catalog_base.sql").read_text(encoding="utf-8")
RICH = (HERE / "drift_versions.sql").read_text(encoding="utf-8")
CHANGES = (HERE / "drift_versions_changes.sql").read_text(encoding="utf-8")

NEEDS_MORE = """
DO $$ BEGIN
    IF current_database() LIKE 'dbops_scratch_%' THEN RAISE 'it is not here'; END IF;
END $$
"""

Find = Callable[[int], Target]
Make = Callable[[Target], Lab]


def fetch_major(server: Target) -> int:
    with connect(server) as session:
        return session.info.server_version // 10000


@pytest.fixture(scope="module")
def find_version(django_db_blocker: Any) -> Iterator[Find]:
    """Find a server of another version than the one of the settings."""
    with ExitStack() as stack, django_db_blocker.unblock():
        found: dict[int, Target] = {}
        ours = fetch_major(find_server())

        def find(version: int) -> Target:
            if version == ours:
                pytest.skip("the server of the settings has this version itself")
            if version not in found:
                programs = [each for each in list_programs() if each.major == version]
                if not programs:
                    pytest.skip(f"there is no PostgreSQL {version} on this machine")
                cluster = stack.enter_context(make_cluster(programs[0]))
                found[version] = cluster.build_target()
            return found[version]

        yield find


@pytest.fixture
def make_lab(tmp_path: Path, django_db_blocker: Any) -> Iterator[Make]:
    """Make an app with the rich schema, and a database for it on a server."""
    with ExitStack() as stack, django_db_blocker.unblock():

        def make(server: Target) -> Lab:
            base = stack.enter_context(connect(server))
            name = create_database(base)
            stack.callback(drop_database, base, name)
            lab = stack.enter_context(open_lab(tmp_path, server.with_database(name)))
            lab.write_migration("0001_base", f"migrations.RunSQL({BASE!r}),")
            lab.write_migration("0002_rich", f"migrations.RunSQL({RICH!r}),")
            return lab

        yield make


def migrate(lab: Lab) -> None:
    outcome = lab.run("migrate", "--verbosity", "0")
    assert outcome.code == 0, outcome.err


def read_changes() -> Iterator[tuple[str, str]]:
    """Yield each statement with what it makes differ."""
    for paragraph in CHANGES.split("\n\n")[1:]:
        statement, _, told = paragraph.partition("-- => ")
        yield statement, told.strip()


def check(lab: Lab, **settings: str) -> None:
    """See that there is no drift, and after the changes exactly those."""
    migrate(lab)
    first = lab.run("dbops_drift", "--json", **settings)
    assert (first.code, first.json["differences"], first.json["notes"]) == (0, [], [])
    again = lab.run("dbops_drift", "--json", **settings)
    assert (again.code, again.json["from_cache"]) == (0, True)
    changes = [*read_changes()]
    lab.execute(*(statement for statement, _ in changes))
    outcome = lab.run("dbops_drift", "--json", **settings)
    assert outcome.code == 3
    assert sorted(
        "{kind} {object} {name}".format_map(each)
        for each in outcome.json["differences"]
    ) == sorted(told for _, told in changes)
    assert {
        each["migration"]
        for each in outcome.json["differences"]
        if each["kind"] != "extra"
    } == {f"{lab.app}.0001_base", f"{lab.app}.0002_rich"}


@pytest.mark.parametrize("version", [15, 16, 18])
def test_a_scratch_database_of_another_version(
    find_version: Find, make_lab: Make, version: int
) -> None:
    scratch = build_url(find_version(version))
    check(make_lab(find_server()), SCRATCH_URL=scratch)


@pytest.mark.parametrize("version", [15, 16, 18])
def test_a_live_database_of_another_version(
    find_version: Find, make_lab: Make, version: int
) -> None:
    live = find_version(version)
    check(make_lab(live), SCRATCH_URL=build_url(find_server()))


@pytest.mark.parametrize("version", [15, 16])
def test_a_database_that_was_moved_to_a_newer_version(
    find_version: Find, make_lab: Make, version: int
) -> None:
    server, older = find_server(), find_version(version)
    if fetch_major(server) < version:
        server, older = older, server
    lab = make_lab(older)
    migrate(lab)
    with connect(server) as base:
        name = create_database(base)
        try:
            copy = server.with_database(name)
            restore_schema(dump_schema(lab.target), copy)
            copy_history(lab.target, copy)
            lab.target = copy
            outcome = lab.run("dbops_drift", "--json")
        finally:
            drop_database(base, name)
    assert (outcome.json["differences"], outcome.code) == ([], 0)


def copy_history(source: Target, target: Target) -> None:
    with connect(source) as here, connect(target) as there:
        rows = here.execute("SELECT app, name, applied FROM django_migrations")
        with there.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO django_migrations (app, name, applied)"
                " VALUES (%s, %s, %s)",
                rows.fetchall(),
            )


@pytest.fixture
def owner(django_db_blocker: Any) -> Iterator[Target]:
    """Make a role that owns a database, and may create none."""
    name = f"dbops_test_{secrets.token_hex(6)}"
    server = find_server()
    with django_db_blocker.unblock(), connect(server) as base:
        role = sql.Identifier(name)
        base.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'pw'").format(role))
        base.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(role))
        base.execute(
            sql.SQL("CREATE DATABASE {0} TEMPLATE template0 OWNER {0}").format(role)
        )
        changes = {"user": name, "password": "pw", "dbname": name}
        try:
            yield Target(
                alias=server.alias, parameters={**server.parameters, **changes}
            )
        finally:
            drop_database(base, name)
            base.execute(sql.SQL("DROP ROLE {}").format(role))


@pytest.mark.parametrize("version", [16, 18])
def test_the_embedded_server_for_a_role_that_may_not_create_databases(
    owner: Target,
    make_lab: Make,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    version: int,
) -> None:
    if not find_wheel():
        pytest.skip("the package with the embedded server is not installed")
    if fetch_major(owner) == version:
        pytest.skip("the server of the settings has this version itself")
    monkeypatch.setenv("DBOPS_EMBEDDED_VERSION", str(version))
    lab = make_lab(find_server())
    lab.target = owner
    # On the other server "$user" is somebody else.
    lab.execute(f"CREATE SCHEMA {owner.parameters['user']}")
    migrate(lab)
    try:
        outcome = lab.run("dbops_drift", "--json")
        lab.write_migration("0003_needs_more", f"migrations.RunSQL({NEEDS_MORE!r}),")
        migrate(lab)
        failed = lab.run("dbops_drift")
    finally:
        embedded.reset(embedded.find_server(tmp_path / "cache" / "server"))
    assert f"using the embedded PostgreSQL {version}" in outcome.err
    assert (outcome.json["differences"], outcome.code) == ([], 0)
    assert failed.code == 7
    assert 'name a server with all it needs in DBOPS["SCRATCH_URL"]' in failed.err
