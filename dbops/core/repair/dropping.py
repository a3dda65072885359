"""The statements that remove an object."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from dbops.core.catalog import ObjectKind, SchemaObject
from dbops.core.repair import columns, parts, routines
from dbops.core.repair.plan import Plan
from dbops.core.repair.steps import (
    Phase,
    Step,
    find_same_in_parents,
    is_in_view,
    write_head,
)
from dbops.core.repair.text import name_last, name_parent, name_whole

Kind = ObjectKind
DEPENDENT = (Kind.TRIGGER, Kind.POLICY, Kind.RULE, Kind.STATISTICS)


def drop(  # noqa: C901  One case a kind.
    plan: Plan, each: SchemaObject
) -> Iterator[Step]:
    """Yield what removes the object; nothing where another one takes it along."""
    name = name_whole(each.name)
    match each.kind:
        case Kind.TABLE:
            for part in plan.found.values():
                if part.parent == each.name and "FOREIGN KEY" in part.definition:
                    yield Phase.DROP_FOREIGN_KEY, parts.drop_part(part)
            yield Phase.DROP_TABLE, f"DROP TABLE {name}"
        case Kind.VIEW:
            yield Phase.DROP_DEPENDENT, parts.drop_part(each)
        case Kind.COLUMN:
            yield from _drop_column(plan, each)
        case Kind.FUNCTION:
            again = (each.kind, each.name) in plan.make
            phase = Phase.DROP_FUNCTION if again else Phase.DROP_REST
            yield phase, f"DROP {routines.name_kind(each)}"
        case Kind.TRIGGER if find_same_in_parents(plan, each, plan.found):
            yield from _reset_copy(plan, each)
        case Kind.CONSTRAINT | Kind.INDEX:
            yield from _drop_on_table(plan, each)
        case kind if kind in DEPENDENT:
            yield Phase.DROP_DEPENDENT, parts.drop_part(each)
        case Kind.SCHEMA | Kind.EXTENSION:
            yield Phase.DROP_SCHEMA, f"DROP {each.kind.upper()} {each.name}"
        case Kind.SEQUENCE:
            yield Phase.DROP_REST, f"DROP SEQUENCE {name}"
        case _:
            word = "DOMAIN" if each.kind == Kind.DOMAIN else "TYPE"
            yield Phase.DROP_REST, f"DROP {word} {name}"


def _drop_column(plan: Plan, each: SchemaObject) -> Iterator[Step]:
    column = columns.read_column(each)
    if is_in_view(plan, (each.kind, each.name)):
        bare = replace(column, clauses={"": column.type}, comment=None)
        for step in columns.change_column(column, bare, head=write_head(plan, each)):
            yield Phase.ON_VIEW, step
    elif not find_same_in_parents(plan, each, plan.drop):
        words = f"ALTER TABLE {column.table} DROP COLUMN {column.name}"
        yield Phase.DROP_COLUMN, words


def _drop_on_table(plan: Plan, each: SchemaObject) -> Iterator[Step]:
    clauses, _ = parts.read_part(each)
    if "partition" in clauses:
        parent = name_last(clauses["partition"])
        if any(k[0] == each.kind and name_last(k[1]) == parent for k in plan.drop):
            return
    elif each.kind == Kind.CONSTRAINT and find_same_in_parents(plan, each, plan.drop):
        return
    foreign = clauses[""].startswith("FOREIGN KEY")
    yield Phase.DROP_FOREIGN_KEY if foreign else Phase.DROP_PART, parts.drop_part(each)


def _reset_copy(plan: Plan, each: SchemaObject) -> Iterator[Step]:
    if find_same_in_parents(plan, each, plan.wanted):
        words = f"ENABLE TRIGGER {name_last(each.name)}"
        yield Phase.REST, f"ALTER TABLE {name_parent(each)} {words}"
