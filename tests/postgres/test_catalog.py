"""Reading the catalog of a real server."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.pq import TransactionStatus

from dbops.core.catalog import Catalog, ObjectKind
from dbops.core.compare import compare_catalogs
from dbops.core.target import Target
from dbops.errors import Busy, ServerFailed
from dbops.postgres import catalog
from dbops.postgres.catalog import fetch_catalog
from dbops.postgres.session import Connection
from dbops.sql import load
from tests.databases import (
    connect,
    dump_schema,
    execute,
    find_server,
    normalise_dump,
    require_superuser,
    restore_schema,
    temporary_database,
)

HERE = Path(__file__).parent
BASE = (HERE / "catalog_base.sql").read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One paragraph of catalog_changes.sql."""

    script: str
    told: tuple[str, ...]
    since: int

    def __str__(self) -> str:
        return " ".join(self.script.split())


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """A database's schema as dbops and as pg_dump see it."""

    database: str
    catalog: Catalog
    dump: str


def read_changes() -> Iterator[Change]:
    text = (HERE / "catalog_changes.sql").read_text(encoding="utf-8")
    for paragraph in text.split("\n\n")[1:]:
        since = re.search(r"^-- from (\d+)$", paragraph, re.MULTILINE)
        yield Change(
            script=re.sub(r"^--.*\n?", "", paragraph, flags=re.MULTILINE),
            told=tuple(re.findall(r"^-- => (.+)$", paragraph, re.MULTILINE)),
            since=int(since[1]) if since else 15,
        )


def read_state(target: Target) -> State:
    with connect(target) as session:
        found = fetch_catalog(session)
    return State(
        database=target.database,
        catalog=found,
        dump=normalise_dump(dump_schema(target)),
    )


def tell(expected: Catalog, actual: Catalog) -> list[str]:
    comparison = compare_catalogs(expected, actual)
    return [
        f"{each.kind} {each.object} {each.name}" for each in comparison.differences
    ] + [f"{each.kind} note {each.object} {each.name}" for each in comparison.notes]


def find_definition(found: Catalog, kind: ObjectKind, name: str) -> str:
    (definition,) = (
        each.definition
        for each in found.objects
        if (each.kind, each.name) == (kind, name)
    )
    return definition


def require_extension(session: Connection, name: str) -> None:
    row = session.execute(
        "SELECT FROM pg_available_extensions WHERE name = %s", [name]
    ).fetchone()
    if row is None:
        pytest.skip(f"the server has no extension {name}")


@pytest.fixture(scope="module")
def base() -> Iterator[State]:
    with temporary_database() as target:
        execute(target, BASE)
        yield read_state(target)


@pytest.fixture
def copy(base: State) -> Iterator[Target]:
    """Make a database like `base`, to be changed."""
    with temporary_database(template=base.database) as target:
        yield target


@pytest.mark.parametrize("change", [*read_changes()], ids=str)
def test_a_change_shows_exactly_when_pg_dump_shows_it(
    base: State, copy: Target, change: Change
) -> None:
    with connect(copy) as session:
        if session.info.server_version < change.since * 10000:
            pytest.skip(f"needs PostgreSQL {change.since}")
    if "LEAKPROOF" in change.script:
        require_superuser(copy)
    execute(copy, change.script)
    after = read_state(copy)
    assert after.dump != base.dump
    assert after.catalog.fingerprint != base.catalog.fingerprint
    assert sorted(tell(base.catalog, after.catalog)) == sorted(change.told)


@pytest.mark.parametrize(
    "statements",
    [
        ["INSERT INTO maker (code) VALUES ('a')", "UPDATE maker SET code = 'b'"],
        ["SELECT nextval('ticket'), setval('item_id_seq', 1000)"],
        ["INSERT INTO item (name) VALUES ('a')", "VACUUM FULL item"],
        ["ANALYZE", "VACUUM"],
        ["REINDEX TABLE item"],
        ["REFRESH MATERIALIZED VIEW dear", "REFRESH MATERIALIZED VIEW dear"],
        ["REFRESH MATERIALIZED VIEW dear WITH NO DATA"],
        ["ALTER TABLE item ADD COLUMN hole text", "ALTER TABLE item DROP COLUMN hole"],
        [
            "ALTER TABLE item DROP COLUMN valid",
            "ALTER TABLE item ADD COLUMN valid daterange",
        ],
        ["ALTER TABLE item DISABLE ROW LEVEL SECURITY"],
        ["DROP INDEX item_name_idx", "CREATE INDEX item_name_idx ON item (name)"],
        ["CREATE TEMPORARY TABLE item (x integer)"],
        ["REVOKE ALL ON item FROM PUBLIC", "GRANT SELECT ON item TO PUBLIC"],
        ["ALTER TABLE item OWNER TO pg_monitor"],
    ],
    ids="; ".join,
)
def test_what_is_not_schema_does_not_show(
    base: State, copy: Target, statements: list[str]
) -> None:
    if "OWNER TO" in " ".join(statements):
        require_superuser(copy)
    with connect(copy) as session:
        for statement in statements:
            session.execute(statement.encode())
        assert fetch_catalog(session).fingerprint == base.catalog.fingerprint
    assert normalise_dump(dump_schema(copy)) == base.dump


def test_a_dump_restored_elsewhere_has_the_same_fingerprint(
    base: State, database: Target
) -> None:
    restore_schema(dump_schema(find_server().with_database(base.database)), database)
    with connect(database) as session:
        found = fetch_catalog(session)
    assert tell(base.catalog, found) == []
    assert found.fingerprint == base.catalog.fingerprint


def test_tells_a_column_as_a_person_would(session: Connection) -> None:
    session.execute("CREATE TABLE messages (is_complete boolean NOT NULL)")
    before = fetch_catalog(session)
    session.execute("ALTER TABLE messages ALTER COLUMN is_complete DROP NOT NULL")
    comparison = compare_catalogs(before, fetch_catalog(session))
    assert [str(each) for each in comparison.differences] == [
        "column messages.is_complete: expected boolean not null, found boolean"
    ]


def test_quotes_names_as_the_server_does(session: Connection) -> None:
    session.execute(
        """
        CREATE SCHEMA "Über Schema";
        CREATE TYPE "Über Schema"."Mood" AS ENUM ('it''s', '', 'a, b');
        CREATE TYPE "select" AS ENUM ('x');
        CREATE TABLE "Über Schema"."Tab.le" (
            "a ""b"" c" integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            "order" "Über Schema"."Mood"[] DEFAULT '{}',
            "Ünder" "select"
        );
        CREATE INDEX "In dex" ON "Über Schema"."Tab.le" ("order", "Ünder");
        CREATE FUNCTION "F"("X" "select", y "Über Schema"."Mood") RETURNS void
            LANGUAGE sql AS '';
        """
    )
    found = {
        f"{each.kind} {each.name}": each.definition
        for each in fetch_catalog(session).objects
        if each.kind not in {ObjectKind.EXTENSION, ObjectKind.SCHEMA}
    }
    table = '"Über Schema"."Tab.le"'
    mood = '"Über Schema"."Mood"'
    assert found == {
        f"enum {mood}": "('it''s', '', 'a, b')",
        'enum "select"': "('x')",
        f"table {table}": "table",
        f'column {table}."a ""b"" c"': "integer not null generated always as identity",
        f'column {table}."order"': f"{mood}[] default '{{}}'::{mood}[]",
        f'column {table}."Ünder"': '"select"',
        f'constraint {table}."Tab.le_pkey"': 'PRIMARY KEY ("a ""b"" c")',
        'index "Über Schema"."In dex"': f'ON {table} USING btree ("order", "Ünder")',
        f'function "F"("select", {mood})': (
            f'function ("X" public."select", y {mood}) returns void language sql'
            " volatile"
        ),
    }


def test_keeps_schemas_with_the_same_names_apart(session: Connection) -> None:
    session.execute(
        """
        CREATE SCHEMA a; CREATE SCHEMA b;
        CREATE TABLE t (x integer); CREATE TABLE a.t (x text); CREATE TABLE b.t (x date)
        """
    )
    found = fetch_catalog(session)
    kinds = [
        find_definition(found, ObjectKind.COLUMN, name)
        for name in ("t.x", "a.t.x", "b.t.x")
    ]
    assert kinds == ["integer", "text", "date"]


def test_a_type_that_hides_behind_one_of_the_system_keeps_its_schema(
    session: Connection,
) -> None:
    session.execute("CREATE TYPE public.box AS ENUM ('x')")
    session.execute("CREATE TABLE t (a public.box, b pg_catalog.box, c public.box[])")
    found = fetch_catalog(session)
    assert [
        find_definition(found, ObjectKind.COLUMN, f"t.{name}") for name in "abc"
    ] == ["public.box", "box", "public.box[]"]


def test_an_invalid_index_says_so(session: Connection) -> None:
    session.execute("CREATE TABLE t (x integer); INSERT INTO t VALUES (1), (1)")
    with pytest.raises(psycopg.errors.UniqueViolation):
        session.execute("CREATE UNIQUE INDEX CONCURRENTLY i ON t (x)")
    definition = find_definition(fetch_catalog(session), ObjectKind.INDEX, "i")
    assert definition == "UNIQUE ON public.t USING btree (x) INVALID not ready"


@pytest.mark.parametrize(
    "settings",
    [
        "SET search_path = audit, public",
        "SET TimeZone = 'Asia/Kolkata'; SET DateStyle = 'German'",
        "SET IntervalStyle = 'iso_8601'; SET bytea_output = 'escape'",
        "SET quote_all_identifiers = on; SET standard_conforming_strings = off",
        "SET extra_float_digits = 0",
        "CREATE TEMPORARY TABLE item (x integer); CREATE TEMPORARY TABLE maker ()",
    ],
)
def test_the_session_s_settings_do_not_matter(copy: Target, settings: str) -> None:
    execute(
        copy,
        """
        CREATE TABLE moment (
            at timestamptz DEFAULT '2024-01-01 00:00Z', length interval DEFAULT '1 day',
            bytes bytea DEFAULT '\\x00ff', ratio float8 DEFAULT 0.1::float8
        ) PARTITION BY RANGE (at);
        CREATE TABLE moment_1 PARTITION OF moment
            FOR VALUES FROM ('2024-01-01 00:00Z') TO ('2024-02-01 00:00Z');
        """,
    )
    with connect(copy) as plain, connect(copy) as other:
        other.execute(settings.encode())
        assert tell(fetch_catalog(plain), fetch_catalog(other)) == []


def test_a_role_without_any_right_reads_the_same(base: State, copy: Target) -> None:
    require_superuser(copy)
    role = f"dbops_test_{secrets.token_hex(6)}"
    with connect(copy) as owner:
        owner.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(role)))
        try:
            with connect(copy) as session:
                session.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)))
                assert fetch_catalog(session).fingerprint == base.catalog.fingerprint
        finally:
            owner.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


@pytest.mark.parametrize("autocommit", [True, False])
def test_leaves_an_idle_session_as_it_was(copy: Target, autocommit: bool) -> None:
    with connect(copy, autocommit=autocommit) as session:
        fetch_catalog(session)
        assert session.info.transaction_status == TransactionStatus.IDLE
        assert session.execute("SHOW search_path").fetchone() == ('"$user", public',)
        assert session.execute("SHOW lock_timeout").fetchone() == ("0",)
        session.execute("CREATE TABLE writable ()")


def test_sees_uncommitted_changes_and_leaves_the_transaction_intact(
    base: State, copy: Target
) -> None:
    with connect(copy) as session, connect(copy) as other:
        with session.transaction():
            session.execute("SET LOCAL search_path = audit")
            session.execute("CREATE TABLE uncommitted (x integer)")
            session.execute("ALTER TABLE log DROP COLUMN what")
            inside = fetch_catalog(session)
            assert tell(base.catalog, inside) == [
                "missing column audit.log.what",
                "extra table audit.uncommitted",
            ]
            assert fetch_catalog(other).fingerprint == base.catalog.fingerprint
            assert session.execute("SHOW search_path").fetchone() == ("audit",)
        assert session.info.transaction_status == TransactionStatus.IDLE
        assert fetch_catalog(other).fingerprint == inside.fingerprint


def test_waits_for_a_lock_within_bounds_and_is_busy_then(
    copy: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog, "LOCK_TIMEOUT_S", 0.1)
    with connect(copy) as holder, connect(copy) as session, holder.transaction():
        holder.execute("LOCK TABLE item IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(Busy) as caught:
            fetch_catalog(session)
        assert caught.value.message == (
            "cannot read the catalog: another session holds a lock on a table for more "
            "than 0.1 s"
        )
        assert "dbops_locks" in (caught.value.hint or "")
        assert session.info.transaction_status == TransactionStatus.IDLE


def test_a_failed_transaction_is_the_server_s_failure(database: Target) -> None:
    with connect(database, autocommit=False) as session:
        with pytest.raises(psycopg.errors.DivisionByZero):
            session.execute("SELECT 1 / 0")
        with pytest.raises(ServerFailed, match="current transaction is aborted"):
            fetch_catalog(session)
        session.rollback()


def test_a_lost_connection_is_the_server_s_failure(database: Target) -> None:
    with connect(database) as session, connect(database) as other:
        other.execute("SELECT pg_terminate_backend(%s)", [session.info.backend_pid])
        with pytest.raises(ServerFailed, match="cannot read the catalog: "):
            fetch_catalog(session)


@pytest.mark.parametrize("name", ["citext", "pg_trgm", "hstore", "vector"])
def test_leaves_out_what_belongs_to_an_extension(
    session: Connection, name: str
) -> None:
    require_extension(session, name)
    before = fetch_catalog(session)
    session.execute("CREATE SCHEMA ext")
    session.execute(
        sql.SQL("CREATE EXTENSION {} SCHEMA ext").format(sql.Identifier(name))
    )
    after = fetch_catalog(session)
    assert tell(before, after) == [f"extra extension {name}", "extra schema ext"]
    definition = find_definition(after, ObjectKind.EXTENSION, name)
    assert re.match(r"version \d[\d.]* in schema ext comment '", definition)


def test_tells_what_is_added_to_an_extension_s_schema(session: Connection) -> None:
    require_extension(session, "citext")
    session.execute("CREATE EXTENSION citext")
    session.execute("CREATE TABLE t (x citext PRIMARY KEY)")
    definition = find_definition(fetch_catalog(session), ObjectKind.COLUMN, "t.x")
    assert definition == "citext not null"


def test_the_comment_of_schema_public_may_be_gone(session: Connection) -> None:
    before = fetch_catalog(session)
    session.execute("DROP SCHEMA public; CREATE SCHEMA public")
    assert fetch_catalog(session).fingerprint == before.fingerprint


def test_reads_a_database_without_an_encoding() -> None:
    server = find_server()
    with connect(server) as admin:
        name = f"dbops_test_{secrets.token_hex(6)}"
        identifier = sql.Identifier(name)
        admin.execute(
            sql.SQL(
                "CREATE DATABASE {} TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'"
            ).format(identifier)
        )
        try:
            with connect(server.with_database(name)) as session:
                session.execute("CREATE TABLE t (x integer)")
                found = fetch_catalog(session)
        finally:
            admin.execute(sql.SQL("DROP DATABASE {}").format(identifier))
    assert find_definition(found, ObjectKind.COLUMN, "t.x") == "integer"


def test_takes_the_query_s_variant_for_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variant in ("a", "a.pg16", "a.pg18", "ab.pg15", "b"):
        (tmp_path / f"{variant}.sql").write_text(variant, encoding="utf-8")
    monkeypatch.setattr("dbops.sql.files", lambda _package: tmp_path)
    versions = (0, 150018, 160001, 170004, 180004, 190000)
    chosen = [load.__wrapped__("a", version) for version in versions]
    assert chosen == ["a", "a", "a.pg16", "a.pg16", "a.pg18", "a.pg18"]
    assert load.__wrapped__("b", 180004) == "b"
