"""A part of a catalog that can stand alone."""

from __future__ import annotations

from collections.abc import Collection

from dbops.core.catalog import (
    RELATIONS,
    Catalog,
    ObjectKind,
    SchemaObject,
    build_catalog,
)
from dbops.core.generated_names import split_name
from dbops.core.relation import FOREIGN_KEY
from dbops.core.repair.plan import text_of, whole_name
from dbops.core.repair.text import mentions, split_comment


def leave_out(catalog: Catalog, relations: Collection[str]) -> Catalog:
    """Return the catalog without these tables and views, their parts, and what needs
    them: foreign keys that lead there stay, for others may make those tables.
    """
    return build_catalog(
        each
        for each in catalog.objects
        if (each.parent or "") not in relations
        and not (each.kind in RELATIONS and each.name in relations)
    )


def select(catalog: Catalog, relations: Collection[str]) -> Catalog:
    """Return these tables and views with all that they need, and nothing else.

    Foreign keys to other tables are left out: what they lead to is not there.
    """
    kept = [
        each
        for each in catalog.objects
        if each.parent in relations
        or (each.kind in RELATIONS and each.name in relations)
    ]
    kept = [each for each in kept if _get_target(each) in {None, *relations}]
    others = [
        each
        for each in catalog.objects
        if each.parent is None and each.kind not in RELATIONS
    ]
    found: list[SchemaObject] = []
    grown = True
    while grown:
        new = [each for each in others if _is_needed(each, [*kept, *found])]
        others = [each for each in others if each not in new]
        found += new
        grown = bool(new)
    return build_catalog([*kept, *found])


def _get_target(each: SchemaObject) -> str | None:
    if each.kind != ObjectKind.CONSTRAINT:
        return None
    hit = FOREIGN_KEY.fullmatch(split_comment(each.definition)[0])
    return hit["table"].removeprefix("public.") if hit else None


def _is_needed(each: SchemaObject, by: Collection[SchemaObject]) -> bool:
    if each.kind == ObjectKind.SCHEMA:
        return any(split_name(other.name)[0] == each.name for other in by)
    if each.kind == ObjectKind.EXTENSION:
        # Nothing tells which types and operators are its own.
        return True
    whole = whole_name((each.kind, each.name))
    bare = whole.removeprefix("public.")
    return any(
        mentions(text_of(other), whole) or mentions(text_of(other), bare)
        for other in by
    )
