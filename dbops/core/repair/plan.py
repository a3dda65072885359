"""What has to be dropped, made and changed in place, dependents included."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from dbops.core.catalog import RELATIONS, Key, ObjectKind, SchemaObject
from dbops.core.compare import Difference, DifferenceKind
from dbops.core.generated_names import Objects
from dbops.core.repair.columns import is_retyped, must_be_added_again, read_column
from dbops.core.repair.parts import STARTS, change_part, read_part
from dbops.core.repair.routines import is_parsed, is_replaceable
from dbops.core.repair.tables import list_parents
from dbops.core.repair.text import mask_text, mentions, name_last, name_whole
from dbops.core.repair.types import has_new_labels_alone

TYPES = (ObjectKind.ENUM, ObjectKind.DOMAIN, ObjectKind.TYPE)
MOVABLE = frozenset({*STARTS, ObjectKind.FUNCTION})
"""Kinds that are dropped and made again without any loss."""


@dataclass(slots=True, kw_only=True)
class Plan:
    """The objects to be dropped, to be made, and to be changed in place."""

    wanted: Objects
    found: Objects
    drop: set[Key] = field(default_factory=set)
    make: set[Key] = field(default_factory=set)
    change: set[Key] = field(default_factory=set)


def build_plan(
    wanted: Objects, found: Objects, differences: Sequence[Difference]
) -> Plan:
    """Sort the differences, and add what stands in their way."""
    plan = Plan(wanted=wanted, found=found)
    for each in differences:
        _add(plan, each)
    while any(_add_dependents(plan, key) for key in [*_find_gone(plan)]):
        pass
    _add_parts_of_views(plan)
    return plan


def whole_name(key: Key) -> str:
    """Return a name as deparsed text has it, a function's without its arguments."""
    kind, name = key
    if kind == ObjectKind.FUNCTION:
        name = name[: mask_text(name).index("(")]
    return name_whole(name)


def text_of(each: SchemaObject) -> str:
    """Return all text by which the object may depend on another."""
    with_body = each.kind != ObjectKind.FUNCTION or is_parsed(each)
    return f"{each.definition} {each.body if with_body else ''}"


def sort_by_need(objects: Sequence[SchemaObject]) -> list[SchemaObject]:
    """Return the objects, each after those that it names."""
    done: list[SchemaObject] = []
    waiting = list(objects)
    while waiting:
        free = [
            each
            for each in waiting
            if not any(other is not each and _needs(each, other) for other in waiting)
        ] or waiting[:1]
        done += free
        waiting = [each for each in waiting if each not in free]
    return done


def _needs(each: SchemaObject, other: SchemaObject) -> bool:
    if each.kind == ObjectKind.TABLE:
        return name_whole(other.name) in list_parents(each)
    name = whole_name((other.kind, other.name))
    if each.kind in TYPES:  # These name a type in public by its name alone.
        return mentions(text_of(each), name.removeprefix("public."))
    return mentions(text_of(each), name)


def _add(plan: Plan, each: Difference) -> None:
    key = each.object, each.name
    match each.kind:
        case DifferenceKind.MISSING if each.object in RELATIONS:
            parts = (k for k, part in plan.wanted.items() if part.parent == each.name)
            plan.make |= {key, *parts}
        case DifferenceKind.MISSING:
            plan.make.add(key)
        case DifferenceKind.EXTRA:
            plan.drop.add(key)
        case DifferenceKind.CHANGED if _stays(plan.found[key], plan.wanted[key]):
            plan.change.add(key)
        case DifferenceKind.CHANGED:
            plan.drop.add(key)
            plan.make.add(key)


def _stays(old: SchemaObject, new: SchemaObject) -> bool:
    if old.kind == ObjectKind.COLUMN:
        return not must_be_added_again(read_column(old), read_column(new))
    if old.kind == ObjectKind.FUNCTION:
        return is_replaceable(old, new)
    return old.kind not in STARTS or change_part(old, new) is not None


def _find_gone(plan: Plan) -> Iterator[Key]:
    """Yield what is dropped, or changed so that what names it is in the way."""
    yield from plan.drop
    for key in plan.change:
        old, new = plan.found[key], plan.wanted[key]
        if key[0] == ObjectKind.COLUMN:
            if is_retyped(read_column(old), read_column(new)):
                yield key
        elif key[0] == ObjectKind.ENUM and not has_new_labels_alone(old, new):
            yield key


def _add_dependents(plan: Plan, gone: Key) -> bool:
    added = False
    for key, each in plan.found.items():
        if key in plan.drop or key not in plan.wanted:
            continue
        if _depends(plan, each, gone):
            plan.drop.add(key)
            plan.make.add(key)
            plan.change.discard(key)
            added = True
    return added


def _depends(plan: Plan, each: SchemaObject, gone: Key) -> bool:
    kind, name = gone
    if kind == ObjectKind.COLUMN:
        return _depends_on_column(plan, each, gone)
    if each.kind not in MOVABLE or kind in {ObjectKind.TABLE, ObjectKind.SCHEMA}:
        return False
    if kind in {ObjectKind.INDEX, ObjectKind.CONSTRAINT}:
        return _depends_on_index(plan, each, gone)
    if kind in {*TYPES, ObjectKind.FUNCTION, ObjectKind.VIEW}:
        return each.parent == name or mentions(text_of(each), whole_name(gone))
    return False


def _depends_on_column(plan: Plan, each: SchemaObject, gone: Key) -> bool:
    column = plan.found[gone]
    own = each.parent == column.parent
    text, table = text_of(each), name_whole(column.parent or "")
    if (each.kind, each.name) == gone or not mentions_word(text, name_last(gone[1])):
        return False
    if each.kind == ObjectKind.COLUMN:
        return own and "generated" in read_column(each).clauses
    if each.kind not in MOVABLE or not (own or mentions(text, table)):
        return False
    # The server itself takes these along when a type changes.
    settled = {ObjectKind.CONSTRAINT, ObjectKind.INDEX, ObjectKind.STATISTICS}
    return gone in plan.drop or each.kind not in settled


def mentions_word(text: str, name: str) -> bool:
    """Say whether the text has the name of a column."""
    return re.search(rf"(?<![\w$\"]){re.escape(name)}(?![\w$\"])", text) is not None


def _depends_on_index(plan: Plan, each: SchemaObject, gone: Key) -> bool:
    part = plan.found[gone]
    clauses, _ = read_part(each) if each.kind in STARTS else ({}, None)
    if "partition" in clauses:
        name = name_last(part.name)
        return name_last(clauses["partition"]) == name and each.kind == part.kind
    columns = re.match(r"(?:PRIMARY KEY|UNIQUE) (\(.*?\))", part.definition)
    if not columns or "FOREIGN KEY" not in each.definition:
        return False
    target = f"REFERENCES {name_whole(part.parent or '')}{columns[1]}"
    return target in each.definition


def _add_parts_of_views(plan: Plan) -> None:
    views = {name for kind, name in plan.make if kind == ObjectKind.VIEW}
    gone = {name for kind, name in plan.drop if kind in RELATIONS}
    plan.make |= {key for key, each in plan.wanted.items() if each.parent in views}
    plan.change = {k for k in plan.change if plan.wanted[k].parent not in views}
    implicit = {k for k in plan.drop if plan.found[k].parent in gone}
    plan.drop -= implicit
