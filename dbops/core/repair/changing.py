"""The statements that change an object in place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from dbops.core.catalog import ObjectKind, SchemaObject
from dbops.core.repair import columns, parts, routines, sequences, tables, types
from dbops.core.repair.making import find_function_phase
from dbops.core.repair.plan import TYPES, Plan, mentions_word
from dbops.core.repair.steps import (
    Phase,
    Step,
    at,
    find_same_in_parents,
    read_extension,
    write_head,
)
from dbops.core.repair.text import (
    CannotWriteError,
    name_last,
    name_type,
    name_whole,
    split_comment,
)

Kind = ObjectKind


def change(plan: Plan, each: SchemaObject) -> Iterator[Step]:
    """Yield what makes of the object that is there the one that is wanted.

    Raises:
        CannotWriteError: no statement leads there.
    """
    old = plan.found[each.kind, each.name]
    match each.kind:
        case Kind.TABLE:
            yield from at(Phase.DETACH, tables.leave_parents(old, each))
            yield from at(Phase.ATTACH, tables.reach_parents(old, each))
            yield from at(Phase.TABLE_SETTING, tables.change_table(old, each))
        case Kind.COLUMN:
            yield from _change_column(plan, old, each)
        case Kind.FUNCTION:
            phase = find_function_phase(plan, each)
            yield from at(phase, routines.write_routine(each, replace=True))
            what = routines.name_kind(each)
            yield from at(Phase.REST, types.change_comment(old, each, what))
        case Kind.SEQUENCE:
            yield from at(Phase.SEQUENCE, sequences.change_sequence(old, each))
            one, other = (sequences.read_sequence(side).owner for side in (old, each))
            if one != other:
                words = f"ALTER SEQUENCE {name_whole(each.name)}"
                yield Phase.OWNER, f"{words} OWNED BY {other or 'NONE'}"
        case Kind.SCHEMA | Kind.EXTENSION:
            yield from at(Phase.SCHEMA, _change_schema(old, each))
        case Kind.ENUM:
            yield from at(Phase.TYPE, _change_enum(plan, old, each))
        case Kind.DOMAIN:
            yield from at(Phase.TYPE, types.change_domain(old, each))
        case Kind.TYPE:
            yield from at(Phase.TYPE, _change_type(plan, old, each))
        case _:
            phases = {Kind.VIEW: Phase.ON_VIEW, Kind.INDEX: Phase.ATTACH_INDEX}
            phase = phases.get(each.kind, Phase.REST)
            yield from at(phase, parts.change_part(old, each) or ())


def _change_column(plan: Plan, old: SchemaObject, each: SchemaObject) -> Iterator[Step]:
    before, after = columns.read_column(old), columns.read_column(each)
    head = write_head(plan, each)
    if ("inherited" in before.clauses) != ("inherited" in after.clauses):
        # Leaving the parent makes it local; coming back does not undo it.
        if "inherited" in after.clauses:
            raise CannotWriteError
        clauses = {k: v for k, v in before.clauses.items() if k != "inherited"}
        before = replace(before, clauses=clauses)
    if find_same_in_parents(plan, each, plan.change):
        before = replace(before, type=after.type)
    phase = Phase.COLUMN if head == "ALTER TABLE" else Phase.ON_VIEW
    yield from at(phase, columns.change_column(before, after, head=head))


def _change_schema(old: SchemaObject, new: SchemaObject) -> Iterator[str]:
    what = f"{new.kind.upper()} {new.name}"
    if new.kind == Kind.EXTENSION:
        one, other = (
            read_extension(split_comment(each.definition)[0]) for each in (old, new)
        )
        if one[0] != other[0]:
            yield f"ALTER EXTENSION {new.name} UPDATE TO '{other[0]}'"
        if one[1] != other[1]:
            yield f"ALTER EXTENSION {new.name} SET SCHEMA {other[1]}"
    yield from types.change_comment(old, new, what)


def _change_type(plan: Plan, old: SchemaObject, new: SchemaObject) -> Iterator[str]:
    if new.definition.startswith("range") or old.definition.startswith("range"):
        one, other = (split_comment(each.definition)[0] for each in (old, new))
        if one != other:
            raise CannotWriteError
        yield from types.change_comment(old, new, f"TYPE {name_whole(new.name)}")
        return
    statements = list(types.change_composite(old, new))
    used = list(_find_users(plan, new.name))
    # The server refuses to change the type of what a table has stored.
    if used and any(" ALTER ATTRIBUTE " in each for each in statements):
        raise CannotWriteError
    yield from statements


def _find_users(plan: Plan, name: str) -> Iterator[SchemaObject]:
    for each in plan.found.values():
        text = each.definition
        if each.kind == Kind.COLUMN:
            text = columns.read_column(each).type
        elif each.kind not in TYPES and " of " not in text:
            continue
        if each.name != name and mentions_word(text, name):
            yield each


def _change_enum(plan: Plan, old: SchemaObject, new: SchemaObject) -> Iterator[str]:
    name = name_whole(new.name)
    if types.has_new_labels_alone(old, new):
        yield from types.add_labels(old, new)
        yield from types.change_comment(old, new, f"TYPE {name}")
        return
    users = list(_find_users(plan, new.name))
    if any(each.kind != Kind.COLUMN for each in users):
        raise CannotWriteError
    last = name_last(new.name).strip('"')
    before = f'"{last} (old)"' if '"' in name_last(new.name) else f"{last}_old"
    yield f"ALTER TYPE {name} RENAME TO {before}"
    yield from types.write_type(new)
    for each in users:
        if (each.kind, each.name) not in plan.drop:
            yield from _move_to_enum(plan, each)
    whole = f"{name.removesuffix(name_last(name))}{before}"
    yield f"DROP TYPE {whole}"


def _move_to_enum(plan: Plan, each: SchemaObject) -> Iterator[str]:
    column = columns.read_column(each)
    if "generated" in column.clauses or "inherited" in column.clauses:
        raise CannotWriteError
    at = f"ALTER TABLE {column.table} ALTER COLUMN {column.name}"
    wanted = columns.read_column(plan.wanted.get((each.kind, each.name), each))
    if "default" in column.clauses:
        yield f"{at} DROP DEFAULT"
    kind = name_type(column.type)
    text = "text[]" if kind.endswith("[]") else "text"
    yield f"{at} TYPE {kind} USING {column.name}::{text}::{kind}"
    if "default" in column.clauses and "default" in wanted.clauses:
        yield f"{at} SET DEFAULT {wanted.clauses['default']}"
