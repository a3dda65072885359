"""The statements that make an object."""

from __future__ import annotations

from collections.abc import Iterator

from dbops.core.catalog import ObjectKind, SchemaObject
from dbops.core.repair import columns, parts, routines, sequences, tables, types
from dbops.core.repair.plan import TYPES, Plan, whole_name
from dbops.core.repair.steps import (
    Phase,
    Step,
    at,
    find_same_in_parents,
    is_in_view,
    read_extension,
    write_head,
)
from dbops.core.repair.text import (
    CannotWriteError,
    mentions,
    name_last,
    name_whole,
    split_comment,
    write_comment,
)

Kind = ObjectKind


def make(plan: Plan, each: SchemaObject) -> Iterator[Step]:
    """Yield what makes the object.

    Raises:
        CannotWriteError: no statement does.
    """
    match each.kind:
        case Kind.TABLE:
            own = [
                part
                for part in plan.wanted.values()
                if part.parent == each.name and part.kind == Kind.COLUMN
            ]
            yield from at(Phase.TABLE, tables.write_table(each, own))
            yield from at(Phase.ATTACH, tables.reach_parents(None, each))
            late = tables.set_late(
                name_whole(each.name), {}, tables.read_table(each)[0]
            )
            yield from at(Phase.TABLE_SETTING, late)
        case Kind.COLUMN:
            yield from _make_column(plan, each)
        case Kind.FUNCTION:
            steps = routines.write_routine(each)
            yield from at(find_function_phase(plan, each), steps)
        case Kind.SEQUENCE:
            yield from at(Phase.SEQUENCE, sequences.write_sequence(each))
            yield from _own(plan, each)
        case Kind.SCHEMA | Kind.EXTENSION:
            yield from at(Phase.SCHEMA, _write_schema(each))
        case kind if kind in TYPES:
            yield from at(Phase.TYPE, types.write_type(each))
        case Kind.CONSTRAINT | Kind.INDEX:
            yield from _make_on_table(plan, each)
        case Kind.VIEW:
            yield from at(Phase.VIEW, parts.write_part(each))
        case Kind.TRIGGER if find_same_in_parents(plan, each, plan.wanted):
            copy = list(parts.write_part(each))[1:]
            yield from at(Phase.DROP_REST, copy)
        case _:
            yield from at(Phase.REST, parts.write_part(each))


def _make_column(plan: Plan, each: SchemaObject) -> Iterator[Step]:
    column = columns.read_column(each)
    if is_in_view(plan, (each.kind, each.name)):
        head = write_head(plan, each)
        yield from at(Phase.ON_VIEW, columns.write_rest(column, view=head))
        return
    if (Kind.TABLE, each.parent) in plan.make:
        return
    if not find_same_in_parents(plan, each, plan.make):
        if "inherited" in column.clauses:
            raise CannotWriteError
        words = columns.write_column(column)
        yield Phase.COLUMN, f"ALTER TABLE {column.table} ADD COLUMN {words}"
    yield from at(Phase.COLUMN, columns.write_rest(column))


def find_function_phase(plan: Plan, each: SchemaObject) -> Phase:
    """Say when a function can be made: before what needs it, after what it needs."""
    name = whole_name((each.kind, each.name))
    needed = any(
        key[0] in {Kind.COLUMN, Kind.DOMAIN}
        and mentions(plan.wanted[key].definition, name)
        for key in plan.make | plan.change
    )
    return Phase.FUNCTION if needed else Phase.LATE_FUNCTION


def _own(plan: Plan, each: SchemaObject) -> Iterator[Step]:
    owner = sequences.read_sequence(each).owner
    words = f"ALTER SEQUENCE {name_whole(each.name)} OWNED BY {owner or 'NONE'}"
    if owner:
        yield Phase.OWNER, words
        table = name_whole(each.parent or "")
        new = (each.kind, each.name) in plan.make
        if new and (Kind.TABLE, each.parent) in plan.found:
            yield Phase.OWNER, columns.write_position(table, name_last(owner))


def _make_on_table(plan: Plan, each: SchemaObject) -> Iterator[Step]:
    clauses, _ = parts.read_part(each)
    table = plan.wanted.get((Kind.TABLE, each.parent or ""))
    split = table is not None and "partitioned" in tables.read_table(table)[0]
    if each.kind == Kind.CONSTRAINT and "partition" not in clauses:
        given = find_same_in_parents(plan, each, plan.make)
        if given and clauses[""].startswith("CHECK"):
            return
        if "inherited" in clauses:
            # A table that is made takes it from its parents.
            if (Kind.TABLE, each.parent) in plan.make:
                return
            raise CannotWriteError
    for statement in parts.write_part(each):
        whole = statement
        if split and clauses[""].startswith(("PRIMARY", "UNIQUE (", "UNIQUE N")):
            whole = statement.replace("ALTER TABLE ", "ALTER TABLE ONLY ", 1)
        phase = Phase.INDEX if each.kind == Kind.INDEX else Phase.CONSTRAINT
        view = plan.wanted.get((Kind.VIEW, each.parent or ""))
        if clauses[""].startswith("FOREIGN KEY"):
            phase = Phase.FOREIGN_KEY
        elif view:
            phase = Phase.ON_VIEW
        elif " ATTACH PARTITION " in statement:
            phase = Phase.ATTACH_INDEX
        yield phase, whole.replace("ONLY ONLY", "ONLY")


def _write_schema(each: SchemaObject) -> Iterator[str]:
    text, comment = split_comment(each.definition)
    words = f"CREATE {each.kind.upper()} {each.name}"
    if each.kind == Kind.EXTENSION:
        version, schema = read_extension(text)
        words += f" SCHEMA {schema} VERSION '{version}'"
    yield words
    if comment:
        yield write_comment(f"{each.kind.upper()} {each.name}", comment)
