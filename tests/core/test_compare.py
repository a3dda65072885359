"""What counts as a difference between two catalogs."""

from __future__ import annotations

import doctest
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbops.core import compare
from dbops.core.catalog import Catalog, ObjectKind, SchemaObject, build_catalog
from dbops.core.compare import DifferenceKind, Verdict, compare_catalogs
from tests.core.test_catalog import catalogs

OPPOSITE = {
    DifferenceKind.MISSING: DifferenceKind.EXTRA,
    DifferenceKind.EXTRA: DifferenceKind.MISSING,
    DifferenceKind.CHANGED: DifferenceKind.CHANGED,
}


def build(
    kind: ObjectKind,
    name: str,
    definition: str = "",
    parent: str | None = None,
    *,
    position: int | None = None,
    body: str | None = None,
) -> SchemaObject:
    return SchemaObject(
        kind=kind,
        name=name,
        definition=definition,
        parent=parent,
        position=position,
        body=body,
    )


def column(name: str, definition: str = "text", position: int = 1) -> SchemaObject:
    parent = name.rpartition(".")[0]
    return build(ObjectKind.COLUMN, name, definition, parent, position=position)


def constraint(name: str, definition: str) -> SchemaObject:
    return build(ObjectKind.CONSTRAINT, name, definition, name.rpartition(".")[0])


def index(name: str, table: str, definition: str) -> SchemaObject:
    return build(ObjectKind.INDEX, name, definition, table)


TABLE = build(ObjectKind.TABLE, "messages", "table")
FUNCTION = build(ObjectKind.FUNCTION, "f()", "language sql", body="SELECT 1\nFROM a")


def tell(
    expected: list[SchemaObject], actual: list[SchemaObject], **options: object
) -> list[str]:
    comparison = compare_catalogs(
        build_catalog(expected),
        build_catalog(actual),
        **options,  # type: ignore[arg-type]
    )
    notes = [f"note: {each}" for each in comparison.notes]
    return [str(each) for each in comparison.differences] + notes


def test_doctests() -> None:
    assert doctest.testmod(compare).failed == 0


@given(catalogs)
def test_a_catalog_is_identical_to_itself(one: Catalog) -> None:
    comparison = compare_catalogs(one, one)
    assert comparison.verdict == Verdict.IDENTICAL
    assert not comparison.differences
    assert not comparison.notes


@given(catalogs, catalogs, st.booleans())
def test_what_is_missing_from_one_side_is_extra_from_the_other(
    one: Catalog, other: Catalog, strict: bool
) -> None:
    there = compare_catalogs(one, other, strict_names=strict)
    back = compare_catalogs(other, one, strict_names=strict)
    assert {
        (OPPOSITE[each.kind], each.object, each.name) for each in there.differences
    } == {(each.kind, each.object, each.name) for each in back.differences}
    assert there.verdict == back.verdict


@pytest.mark.parametrize(
    ("expected", "actual", "told"),
    [
        (
            [column("messages.is_complete", "boolean not null")],
            [column("messages.is_complete", "boolean")],
            "column messages.is_complete: expected boolean not null, found boolean",
        ),
        (
            [column("messages.x", "boolean not null")],
            [],
            "column messages.x: expected boolean not null, not found",
        ),
        (
            [],
            [column("messages.y")],
            "column messages.y: not expected, found text",
        ),
        (
            [TABLE, column("messages.x"), index("x", "messages", "ON messages (x)")],
            [],
            "table messages: expected, not found",
        ),
        ([], [TABLE, column("messages.x")], "table messages: not expected"),
        (
            [TABLE],
            [build(ObjectKind.TABLE, "messages", "unlogged table")],
            "table messages: expected table, found unlogged table",
        ),
        (
            [build(ObjectKind.ENUM, "mood", "('a', 'b')")],
            [build(ObjectKind.ENUM, "mood", "('b', 'a')")],
            "enum mood: expected ('a', 'b'), found ('b', 'a')",
        ),
        (
            [FUNCTION],
            [replace(FUNCTION, body="SELECT 1\nFROM b")],
            "function f(): line 2: expected FROM a, found FROM b",
        ),
        (
            [build(ObjectKind.SCHEMA, "audit")],
            [],
            "schema audit: expected, not found",
        ),
    ],
)
def test_tells_a_difference_in_one_line(
    expected: list[SchemaObject], actual: list[SchemaObject], told: str
) -> None:
    assert tell(expected, actual) == [told]


def test_a_table_that_became_a_view_is_told_without_its_parts() -> None:
    view = build(ObjectKind.VIEW, "messages", "view", body="SELECT 1")
    assert tell([TABLE, column("messages.x")], [view]) == [
        "table messages: expected, not found",
        "view messages: not expected",
    ]


def test_another_order_of_the_common_columns_is_a_note() -> None:
    expected = [column("t.a", position=1), column("t.b", position=2)]
    actual = [column("t.b", position=1), column("t.a", position=2)]
    assert tell(expected, actual) == [
        "note: table t: column order, expected a, b, found b, a"
    ]


def test_a_column_more_is_not_another_order() -> None:
    expected = [column("t.a", position=1), column("t.b", position=2)]
    actual = [
        column("t.a", position=1),
        column("t.new", position=2),
        column("t.b", position=3),
    ]
    assert tell(expected, actual) == ["column t.new: not expected, found text"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("tag_name_key", "tag_name_91ca879e_uniq"),
        ("tag_name_key", "tag_name_key1"),
        ("tag_id_d7e51ab5_fk_threads_thread_id", "tag_id_fkey"),
        ("tag_pkey", "tag_id_0123abcd_pk"),
        ("tag_a_check", "tag_a_0123abcd_check"),
        ("tag_a_excl", "tag_a_excl1"),
    ],
)
def test_a_generated_name_is_a_note_unless_names_are_strict(old: str, new: str) -> None:
    expected = constraint(f"tag.{old}", "X (a)")
    actual = constraint(f"tag.{new}", "X (a)")
    assert tell([expected], [actual]) == [
        f"note: constraint tag.{old}: named tag.{new}"
    ]
    assert len(tell([expected], [actual], strict_names=True)) == 2


@pytest.mark.parametrize(
    ("old", "new", "definition"),
    [
        ("tag_name_key", "my_name", "X (a)"),
        ("unique_tags", "tag_name_key", "X (a)"),
        ("tag_name_key", "tag_name_key1", "X (b)"),
        ("other_name_key", "tag_name_key", "X (a)"),
    ],
)
def test_a_chosen_name_or_another_definition_is_a_difference(
    old: str, new: str, definition: str
) -> None:
    told = tell(
        [constraint(f"tag.{old}", "X (a)")], [constraint(f"tag.{new}", definition)]
    )
    assert len(told) == 2


def test_a_like_index_pairs_and_each_name_is_used_once() -> None:
    old = [index(f"tag_name_0000000{n}_like", "tag", "ON tag (name)") for n in (1, 2)]
    new = [index("tag_name_00000009_like", "tag", "ON tag (name)")]
    assert tell(old, new) == [
        "index tag_name_00000002_like: expected ON tag (name), not found",
        "note: index tag_name_00000001_like: named tag_name_00000009_like",
    ]


def test_a_renamed_sequence_is_not_told_again_by_its_column() -> None:
    def build_side(name: str) -> list[SchemaObject]:
        return [
            build(ObjectKind.SEQUENCE, name, "integer owned by t.id", "t"),
            column("t.id", f"integer default nextval('public.{name}'::regclass)"),
        ]

    assert tell(build_side("t_id_seq"), build_side("t_id_seq1")) == [
        "note: sequence t_id_seq: named t_id_seq1"
    ]


def test_a_renamed_index_is_not_told_again_by_partitions_and_replica_identity() -> None:
    def build_side(name: str) -> list[SchemaObject]:
        return [
            build(ObjectKind.TABLE, "s.t", f"replica identity using index {name}"),
            constraint(f"s.t.{name}", "PRIMARY KEY (id)"),
            constraint("s.part.part_pkey", f"PRIMARY KEY (id) partition of s.{name}"),
        ]

    assert tell(build_side("t_pkey"), build_side("t_pkey1")) == [
        "note: constraint s.t.t_pkey: named s.t.t_pkey1"
    ]


def test_the_name_of_an_identity_s_sequence_is_a_note() -> None:
    identity = "bigint not null generated by default as identity"
    expected = column("t.id", identity)
    actual = column("t.id", f"{identity} (sequence old_id_seq)")
    assert tell([expected], [actual]) == [
        "note: column t.id: the identity's sequence has another name"
    ]
    cached = column("t.id", f"{identity} (sequence old_id_seq cache 5)")
    assert len(tell([expected], [cached])) == 1
    assert not tell([expected], [cached])[0].startswith("note")


@pytest.mark.parametrize("schema", ["", "tenant."])
@pytest.mark.parametrize(
    "table", ["alembic_version", "_prisma_migrations", "django_migrations"]
)
def test_the_history_of_a_migration_tool_is_never_a_difference(
    schema: str, table: str
) -> None:
    name = f"{schema}{table}"
    found = [build(ObjectKind.TABLE, name, "table"), column(f"{name}.id")]
    comparison = compare_catalogs(build_catalog([]), build_catalog(found))
    assert comparison.verdict == Verdict.IDENTICAL
    assert comparison.ignored == 2


def test_ignores_by_pattern_and_a_table_takes_its_parts_with_it() -> None:
    found = [
        build(ObjectKind.TABLE, "tmp_a", "table"),
        column("tmp_a.x"),
        index("by_x", "tmp_a", "ON tmp_a (x)"),
        build(ObjectKind.FUNCTION, "audit.f()", "language sql"),
        column("messages.x"),
    ]
    assert tell([], found, ignore=["tmp_*", "audit.*"]) == [
        "column messages.x: not expected, found text"
    ]
    assert tell([], found[-1:], ignore=["messages.x"]) == []


def test_a_schema_s_pattern_does_not_reach_a_table_of_that_name() -> None:
    found = [
        build(ObjectKind.SCHEMA, "audit"),
        build(ObjectKind.TABLE, "audit.log", "table"),
        column("audit.log.id"),
        column("audit.id"),
    ]
    assert tell(found[:1], found, ignore=["audit.*"]) == [
        "column audit.id: not expected, found text"
    ]


def test_a_function_s_body_may_be_a_note() -> None:
    other = build(ObjectKind.FUNCTION, "f()", "language sql", body="SELECT 2\nFROM a")
    assert tell([FUNCTION], [other], lenient_function_bodies=True) == [
        "note: function f(): body, line 1: expected SELECT 1, found SELECT 2"
    ]
    loud = build(ObjectKind.FUNCTION, "f()", "language c", body="SELECT 2\nFROM a")
    told = tell([FUNCTION], [loud], lenient_function_bodies=True)
    assert told == [
        "function f(): line 1: expected language sql, found language c",
    ]


def test_verdict_is_equivalent_where_there_are_only_notes() -> None:
    comparison = compare_catalogs(
        build_catalog([constraint("t.t_a_key", "UNIQUE (a)")]),
        build_catalog([constraint("t.t_a_key1", "UNIQUE (a)")]),
    )
    assert comparison.verdict == Verdict.EQUIVALENT
