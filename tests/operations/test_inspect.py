"""Looking at a database with one of everything, in text, JSON and pictures."""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from psycopg import sql

from dbops.core.diagram import write_dot, write_mermaid
from dbops.core.relation import ColumnView, ForeignKey, Relation
from tests.databases import connect, execute, require_superuser
from tests.lab import Lab

EVERYTHING = Path(__file__).parents[1] / "data" / "everything.sql"
WITHOUT_WAITING_S = 20

needs_graphviz = pytest.mark.skipif(
    shutil.which("gvpack") is None, reason="apt install graphviz to run this one"
)


@pytest.fixture
def lab(empty_lab: Lab) -> Lab:
    execute(empty_lab.target, EVERYTHING.read_text())
    return empty_lab


@pytest.fixture
def reader(lab: Lab) -> Iterator[str]:
    """A role that was granted something."""
    require_superuser(lab.target)
    role = f"reader_{secrets.token_hex(4)}"
    name = sql.Identifier(role)
    with connect(lab.target) as session:
        session.execute(sql.SQL("CREATE ROLE {}").format(name))
        for what in ("SELECT ON customer", "UPDATE (motto) ON profile"):
            session.execute(sql.SQL("GRANT {} TO {}").format(sql.SQL(what), name))
        yield role
        session.execute(sql.SQL("DROP OWNED BY {}; DROP ROLE {}").format(name, name))


def test_lists_all_kinds_of_objects(lab: Lab) -> None:
    lab.execute("INSERT INTO tag VALUES ('a'), ('b')", "ANALYZE tag")
    found = lab.run("dbops_inspect", "--json").json
    relations = {each["name"]: each for each in found["relations"]}

    assert relations["tag"]["rows"] == 2
    assert relations["animal"]["rows"] is None
    assert relations["customer"]["index_bytes"] > relations["tag"]["index_bytes"]
    assert relations["measurement"]["kind"] == "partitioned table"
    assert relations["measurement"]["partitions"] == 2
    assert relations["sales"]["kind"] == "materialized view"
    assert relations['"Odd Schema"."Odd ""Table"""']["foreign_keys"]
    (trigger,) = relations["customer"]["triggers"]
    assert trigger["name"] == "customer_log"
    (policy,) = relations["audit.log"]["policies"]
    assert policy["name"] == "own_rows"
    assert {each["name"] for each in found["enums"]} == {"mood", 'audit."Level"'}
    assert {"email", "audit.percent"} == {each["name"] for each in found["domains"]}
    assert {"slug(text)", "log_change()"} < {e["name"] for e in found["functions"]}
    assert "ticket_number" in {each["name"] for each in found["sequences"]}
    assert found["not_read"] == {}


def test_tells_who_refers_to_a_table_and_how(lab: Lab) -> None:
    (found,) = lab.run("dbops_inspect", "customer", "--json").json["relations"]
    keys = {each["name"]: each for each in found["referenced_by"]}

    assert keys["order_customer_fk"]["actions"] == "ON UPDATE CASCADE ON DELETE CASCADE"
    assert keys["order_referrer_fk"]["is_optional"]
    assert keys["profile_customer_id_fkey"]["is_unique"]
    assert not keys["order_customer_fk"]["is_unique"]
    assert keys["log_customer_id_fkey"]["table"] == "audit.log"


def test_tells_who_may_do_what(lab: Lab, reader: str) -> None:
    told = lab.run("dbops_inspect").out
    assert f"SELECT on table customer to {reader}" in told
    assert f"UPDATE on column profile.motto to {reader}" in told
    assert f"UPDATE on column profile.motto to {reader}" in (
        lab.run("dbops_inspect", "profile").out
    )


@pytest.mark.parametrize("names", [(), ("*",)])
def test_fits_into_80_columns_and_cuts_nothing(
    lab: Lab, names: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    told = lab.run("dbops_inspect", *names).out
    assert max(map(len, told.splitlines())) <= 80
    if names:
        assert "customer_this_name_is_far_too_long_for_a_model" in told
        assert "".join(told.split()).count("WHEN(new.is_active)EXECUTEFUNCTION") == 1


def test_waits_for_no_lock_and_says_what_it_could_not_have(lab: Lab) -> None:
    with connect(lab.target, autocommit=False) as session:
        session.execute("LOCK TABLE customer IN ACCESS EXCLUSIVE MODE")
        began = time.monotonic()
        found = lab.run("dbops_inspect", "--json").json
        took_s = time.monotonic() - began
    relations = {each["name"]: each for each in found["relations"]}

    assert took_s < WITHOUT_WAITING_S
    assert relations["customer"]["size_bytes"] is None
    assert relations["customer"]["columns"][0]["type"] == "bigint"
    assert relations["tag"]["size_bytes"] is not None
    assert "customer" in found["not_read"]["sizes"]
    assert "views" in found["not_read"]


def test_names_what_there_is_not(lab: Lab) -> None:
    done = lab.run("dbops_inspect", "nothing")
    assert done.code == 2
    assert 'there is no table or view "nothing"' in done.err


def test_mermaid_has_the_table_and_its_neighbours_alone(lab: Lab) -> None:
    told = lab.run("dbops_inspect", "order_line", "--mermaid").out
    lines = [line.strip() for line in told.splitlines()]

    assert lines[0] == "erDiagram"
    assert {line[:-2] for line in lines if line.endswith("{")} == {
        "line_note",
        "order",
        "order_line",
        "product",
    }
    assert "bigint order_id PK, FK" in lines
    assert "integer _pk" in lines  # Mermaid would take it for a key.
    assert 'order ||--o{ order_line : "order_id"' in lines
    assert 'product |o--o{ product : "parent_id"' in lines


@needs_graphviz
def test_draws_every_table(lab: Lab, tmp_path: Path) -> None:
    path = tmp_path / "all.svg"
    assert lab.run("dbops_inspect", "--diagram", str(path)).code == 0
    texts = {each.text for each in ElementTree.parse(path).iter() if each.text}
    assert {"customer", "order_line", 'Odd Schema.Odd "Table"', "sales"} <= texts
    assert "measurement_rest" not in texts  # Partitions look like their parent.


def test_says_how_to_have_graphviz(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    done = lab.run("dbops_inspect", "--diagram", "x.svg")
    assert done.code == 6
    assert 'its program "dot" is missing' in done.err
    assert "apt install graphviz" in done.err


def test_refuses_another_kind_of_picture(lab: Lab) -> None:
    done = lab.run("dbops_inspect", "--diagram", "x.png")
    assert done.code == 2
    assert "--diagram x.svg" in done.err


# Large schemas, without a server


def build_relation(name: str, *targets: str) -> Relation:
    keys = [
        ForeignKey(
            name=f"{name}_{target}_fkey",
            table=name,
            columns=(f"{target}_id",),
            target=target,
            target_columns=("id",),
            actions="",
            is_unique=False,
            is_optional=False,
        )
        for target in targets
    ]
    columns = [("id", "PK"), *((key.columns[0], "FK") for key in keys), ("note", "")]
    return Relation(
        name=name,
        kind="table",
        owner="app",
        rows=None,
        size_bytes=0,
        index_bytes=0,
        partitions=0,
        comment=None,
        definition="table",
        columns=tuple(
            ColumnView(
                name=column,
                type="bigint",
                not_null=True,
                value="",
                key=key,
                comment=None,
            )
            for column, key in columns
        ),
        foreign_keys=tuple(keys),
    )


def test_a_large_schema_is_drawn_app_by_app() -> None:
    relations = [build_relation("auth_user")]
    for app in range(20):
        relations.append(build_relation(f"app{app}_order", "auth_user"))
        relations.append(build_relation(f"app{app}_line", f"app{app}_order"))
    graphs = write_dot(relations)
    first = next(each for each in graphs if "<B>app7</B>" in each)

    assert len(graphs) == 21
    assert first.count(" -> ") == 1  # To its own app's order.
    assert "→ auth_user" in first
    assert "1 more" in first  # Keys alone.


def test_names_cannot_break_out_of_a_diagram() -> None:
    odd = build_relation('"a"" {} <b> %% \\"')
    (graph,) = write_dot([odd])
    assert "&lt;b&gt;" in graph
    assert "<b>" not in graph
    lines = write_mermaid([odd]).splitlines()
    assert lines[1].strip().startswith('"a\' {} <b> __ _" {')
