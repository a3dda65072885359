"""Repairs of small catalogs."""

from __future__ import annotations

from dbops.core.catalog import ObjectKind, SchemaObject, build_catalog
from dbops.core.compare import compare_catalogs
from dbops.core.repair import Repair, build_repair


def table(*columns: tuple[str, str]) -> list[SchemaObject]:
    return [
        SchemaObject(kind=ObjectKind.TABLE, name="messages", definition="table"),
        *(
            SchemaObject(
                kind=ObjectKind.COLUMN,
                name=f"messages.{name}",
                definition=definition,
                parent="messages",
                position=position,
            )
            for position, (name, definition) in enumerate(columns, start=1)
        ),
    ]


def repair(expected: list[SchemaObject], actual: list[SchemaObject]) -> Repair:
    sides = build_catalog(expected), build_catalog(actual)
    return build_repair(*sides, compare_catalogs(*sides).differences)


def test_writes_a_readable_statement() -> None:
    found = repair(
        table(("is_complete", "boolean not null")), table(("is_complete", "boolean"))
    )
    assert found.statements == (
        "ALTER TABLE public.messages ALTER COLUMN is_complete SET NOT NULL",
    )
    assert (found.by_hand, found.loses) == ((), ())


def test_tells_what_is_lost() -> None:
    found = repair(table(), table(("note", "text")))
    assert found.script == (
        "-- loses: drops column messages.note with its values\n"
        "ALTER TABLE public.messages DROP COLUMN note;\n"
    )


def test_leaves_a_foreign_table_to_a_person() -> None:
    foreign = SchemaObject(
        kind=ObjectKind.TABLE, name="far", definition="foreign table server there"
    )
    found = repair([foreign], [])
    assert found.statements == ()
    assert [each.name for each in found.by_hand] == ["far"]


def test_a_string_is_not_cut_in_silence() -> None:
    found = repair(table(("note", "character varying(3)")), table(("note", "text")))
    assert found.statements == (
        "ALTER TABLE public.messages ALTER COLUMN note TYPE character varying(3)",
    )
