"""A backup restored is the database again, whatever was in it."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from dbops.core.contents import Contents
from dbops.core.target import Target
from dbops.errors import Refused, ToolFailed
from dbops.operations.backup.backup import take_backup
from dbops.operations.backup.proving import fetch_contents
from dbops.operations.backup.report import Verified
from dbops.operations.restore.restore import restore_backup
from dbops.operations.storage import open_vault
from tests.clusters import Cluster, list_programs, make_cluster
from tests.databases import connect
from tests.operations.conftest import drop_database, execute, fetch_value
from tests.operations.random_schemas import Author

OLDEST, NEWEST = 15, 18
RICH = (Path(__file__).parent / "round_trip.sql").read_text()
TYPES = {
    "smallint": ["-32768", "0", "32767"],
    "integer": ["-2147483648", "1"],
    "bigint": ["-9223372036854775808", "9223372036854775807"],
    "numeric": ["NaN", "Infinity", "-Infinity", "0.00000000000000000001", "-1e40"],
    "numeric(10,3)": ["-1234567.891", "0.000"],
    "real": ["NaN", "Infinity", "-0", "1e-45", "3.4028235e38", "0.1"],
    "double precision": ["NaN", "-Infinity", "-0", "5e-324", "0.1", "1e15"],
    "money": ["-12.34", "92233720368547758.07"],
    "text": ["", "\\", "\\.", "\\N", "a\tb\r\nc\x0b\x0c\b", "ü€😀", "'\"", "x" * 9000],
    "character varying(5)": ["", "äöüß€", "     "],
    "character(5)": ["", "a", "  b"],
    '"char"': ["", "x"],
    "name": ["n"],
    "bytea": ["", "\\x00ff5c0a0d09", "\\x" + "ab" * 5000],
    "boolean": ["true", "false"],
    "date": ["4713-01-01 BC", "infinity", "-infinity", "5874897-12-31", "2024-02-29"],
    "time": ["00:00", "24:00", "12:34:56.789012"],
    "time with time zone": ["12:00+15:59", "00:00-15:59:59"],
    "timestamp": ["4713-01-01 00:00 BC", "infinity", "294276-12-31 23:59:59.999999"],
    "timestamptz": ["0044-03-15 12:00 BC", "-infinity", "2026-03-29 02:30+01"],
    "interval": ["-1 year 2 mons -3 days 04:05:06.7", "178000000 years", "0"],
    "uuid": ["00000000-0000-0000-0000-000000000000"],
    "json": ['{"b": 1, "a":  "\\u00e9", "b": 2}', "null", '"\\\\N"'],
    "jsonb": ['{"b": 1e400, "a": ["\\t", null, {}]}', "[]"],
    "inet": ["::1/64", "10.0.0.1", "255.255.255.255/32"],
    "cidr": ["10.0.0.0/8"],
    "macaddr8": ["08:00:2b:01:02:03:04:05"],
    "bit(3)": ["101"],
    "bit varying": ["", "1"],
    "integer[]": ["{}", "{NULL,1}", "[-1:0]={5,6}", "{{1,2},{3,4}}"],
    "text[]": ['{"",NULL,"NULL","a,b","{}","\\\\","\\""}'],
    "int4range": ["empty", "(,)", "[1,5)"],
    "tstzrange": ['["2026-01-01 00:00+00",infinity)'],
    "nummultirange": ["{}", "{[1.0,2.0),(3,)}"],
    "tsvector": ["'a':1A 'it''s':2,3B", ""],
    "tsquery": ["'a' & !'b' <2> 'c'"],
    "point": ["(NaN,Infinity)", "(0.1,-0)"],
    "polygon": ["((0,0),(1,1),(1,0))"],
    "circle": ["<(0,0),1e-300>"],
    "pg_lsn": ["16/B374D848"],
    "oid": ["4294967295"],
    "jsonpath": ['$."a"[*] ? (@ > 1)'],
    '"Mixed Case"."Mood"': ["O'k", "späß", 'gl"ad'],
    "pair": ['(1,"a,""b")', "(,)"],
    "pair[]": ['{"(1,\\"x y\\")",NULL}'],
    "positive": ["1"],
}
"""Values of each type, as its input function takes them."""

rows = st.fixed_dictionaries(
    {name: st.none() | st.sampled_from(values) for name, values in TYPES.items()}
)


def fill(target: Target, data: list[Mapping[str, str | None]]) -> None:
    """Make the schema, and a table with a column of each type."""
    execute(target, RICH)
    columns = [
        sql.SQL("{} {}").format(sql.Identifier(f"c {name}"), sql.SQL(name))
        for name in TYPES
    ]
    values = [
        sql.SQL("{}::{}").format(sql.Placeholder(), sql.SQL(name)) for name in TYPES
    ]
    table = sql.Identifier("Mixed Case", "every % type")
    with connect(target) as session:
        joined = sql.SQL(", ").join(columns)
        session.execute(sql.SQL("CREATE TABLE {} ({})").format(table, joined))
        statement = sql.SQL("INSERT INTO {} VALUES ({})").format(
            sql.SQL(table.as_string(session).replace("%", "%%")),
            sql.SQL(", ").join(values),
        )
        with session.cursor() as cursor:
            cursor.executemany(
                statement, [[each[name] for name in TYPES] for each in data]
            )
        session.execute("SELECT lo_from_bytea(4711, decode(repeat('00ff', 99), 'hex'))")


def tell(found: Mapping[str, Contents]) -> dict[str, tuple[int, str]]:
    return {name: (each.rows, each.checksum) for name, each in found.items()}


ORDERS = '"Mixed Case"."Order ""1"""'
ASK = {
    "large object": "SELECT md5(lo_get(4711))",
    "sequence": "SELECT last_value || ' ' || is_called FROM wide_id_seq",
    "cycling sequence": "SELECT last_value || ' ' || is_called FROM counter",
    "identity": f"SELECT nextval(pg_get_serial_sequence('{ORDERS}', 'Id'))",
    "view of a view": "SELECT sum(number) FROM happy",
    "view that was not filled": "SELECT relispopulated FROM pg_class"
    " WHERE relname = 'not_filled'",
    "generated": f"SELECT md5(string_agg(doubled, ',' ORDER BY id)) FROM {ORDERS}"
    ' AS o ("id")',
    "inherited": "SELECT count(*) FROM animal",
    "policy": "SELECT relrowsecurity FROM pg_class WHERE relname = 'secret'",
}


def ask(target: Target) -> dict[str, object]:
    return {what: fetch_value(target, query) for what, query in ASK.items()}


@settings(
    max_examples=5,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.lists(rows, min_size=1, max_size=40))
def test_a_restored_database_is_the_one_that_was_backed_up(
    make_database: Callable[[str], Target],
    server: Target,
    storage: str,
    data: list[dict[str, str | None]],
) -> None:
    target = make_database(f"Round trip {secrets.token_hex(4)}")
    fill(target, [dict.fromkeys(TYPES), *data])
    before = tell(fetch_contents(target, jobs=1))
    backup = take_backup(target, storage=storage)
    assert before == tell(fetch_contents(target, jobs=2))
    into = f"restored_{secrets.token_hex(4)}"
    try:
        report = restore_backup(
            target, storage=storage, backup_id=backup.backup_id, into=into
        )
        assert report.differences == ()
        restored = target.with_database(into)
        assert tell(fetch_contents(restored, jobs=2)) == before
        assert ask(restored) == ask(target)
    finally:
        drop_database(server, into)


PLAIN_TYPES = {
    name: values
    for name, values in TYPES.items()
    if not name.startswith(('"Mixed', "pair", "positive"))
}
"""Those of every database."""


@pytest.mark.parametrize("seed", range(int(os.environ.get("ROUND_TRIPS", "4"))))
def test_any_schema_comes_back(
    make_database: Callable[[str], Target], server: Target, storage: str, seed: int
) -> None:
    target = make_database(f"Any {secrets.token_hex(4)}")
    execute(target, *Author(seed, PLAIN_TYPES).write())
    before = tell(fetch_contents(target, jobs=1))
    backup = take_backup(target, storage=storage)
    into = f"restored_{secrets.token_hex(4)}"
    try:
        report = restore_backup(
            target, storage=storage, backup_id=backup.backup_id, into=into
        )
        assert report.differences == ()
        assert before
        assert tell(fetch_contents(target.with_database(into), jobs=2)) == before
    finally:
        drop_database(server, into)


@pytest.fixture(scope="module")
def clusters() -> Iterator[dict[int, Cluster]]:
    """A server of the oldest and of the newest version, where they are installed."""
    found = {each.major: each for each in list_programs()}
    with ExitStack() as stack:
        yield {
            major: stack.enter_context(make_cluster(found[major]))
            for major in (OLDEST, NEWEST)
            if major in found
        }


def find_cluster(clusters: dict[int, Cluster], major: int) -> Cluster:
    if major not in clusters:
        pytest.skip(f"no PostgreSQL {major} on this machine")
    return clusters[major]


def make_filled(cluster: Cluster) -> Target:
    """A database with every value of every type."""
    name = f"trip_{secrets.token_hex(4)}"
    cluster.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    target = cluster.build_target(dbname=name)
    longest = max(map(len, TYPES.values()))
    fill(
        target,
        [
            {name: values[n % len(values)] for name, values in TYPES.items()}
            for n in range(longest)
        ],
    )
    return target


@pytest.mark.parametrize(
    ("old", "new"), [(OLDEST, OLDEST), (NEWEST, NEWEST), (OLDEST, NEWEST)]
)
def test_a_database_goes_from_version_to_version(
    clusters: dict[int, Cluster], storage: str, old: int, new: int
) -> None:
    source = make_filled(find_cluster(clusters, old))
    target = find_cluster(clusters, new).build_target(dbname=source.database)
    before = tell(fetch_contents(source, jobs=1))
    backup = take_backup(source, storage=storage)
    into = f"restored_{secrets.token_hex(4)}"
    report = restore_backup(
        target, storage=storage, backup_id=backup.backup_id, into=into
    )
    assert report.differences == ()
    assert tell(fetch_contents(target.with_database(into), jobs=2)) == before
    assert ask(target.with_database(into)) == ask(source)


def test_an_older_server_refuses_before_anything_is_done(
    clusters: dict[int, Cluster], storage: str
) -> None:
    older = find_cluster(clusters, OLDEST)
    source = make_filled(find_cluster(clusters, NEWEST))
    take_backup(source, storage=storage, level=Verified.NONE)
    target = older.build_target(dbname=source.database)
    said: list[str] = []
    with pytest.raises(Refused, match="an older server cannot take it"):
        restore_backup(
            target,
            storage=storage,
            backup_id="latest",
            into="never",
            progress=said.append,
        )
    assert not [line for line in said if "creating" in line]
    count = "SELECT count(*) FROM pg_database WHERE datname = 'never'"
    assert older.fetch_value(count) == 0
    # To prove it there is refused before anything is dumped, too.
    said.clear()
    with pytest.raises(Refused, match="the scratch server is 15"):
        take_backup(
            source,
            storage=storage,
            level=Verified.RESTORED,
            scratch_server=older.build_target(),
            progress=said.append,
        )
    assert not [line for line in said if "dumping" in line]


def test_a_backup_is_proven_as_far_as_is_asked_for(
    filled: Target, storage: str
) -> None:
    levels = [Verified.NONE, Verified.CHECKSUM, Verified.CONTENTS, Verified.RESTORED]
    for level in levels:
        report = take_backup(filled, storage=storage, level=level)
        assert report.verified is level


def test_a_backup_that_cannot_be_restored_is_not_published(
    filled: Target, storage: str
) -> None:
    execute(
        filled,
        "CREATE TABLE allowed (id int)",
        "INSERT INTO allowed VALUES (1)",
        "CREATE FUNCTION is_allowed(int) RETURNS bool LANGUAGE sql AS"
        " 'SELECT count(*) > 0 FROM allowed WHERE id = $1'",
        "CREATE TABLE checked (id int CHECK (is_allowed(id)))",
        "INSERT INTO checked VALUES (1)",
    )
    with pytest.raises(ToolFailed, match=r"cannot be restored.*allowed"):
        take_backup(filled, storage=storage, level=Verified.RESTORED)
    assert open_vault(storage, filled.database).list_ids() == []
