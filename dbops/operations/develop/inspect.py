"""What is in the database?"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from dbops.core.catalog import Catalog, ObjectKind
from dbops.core.diagram import find_neighbours, write_mermaid
from dbops.core.relation import Grant, Relation, bare_name
from dbops.errors import UsageError
from dbops.operations.context import Context
from dbops.operations.develop.diagram import draw_diagram
from dbops.postgres.inspect import fetch_contents

LISTED = {
    ObjectKind.ENUM: "enums",
    ObjectKind.DOMAIN: "domains",
    ObjectKind.TYPE: "types",
    ObjectKind.SEQUENCE: "sequences",
    ObjectKind.FUNCTION: "functions",
    ObjectKind.EXTENSION: "extensions",
    ObjectKind.STATISTICS: "statistics",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """An object that is no relation, and no part of one."""

    name: str
    definition: str
    body: str | None = None
    """Source of a function."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectReport:
    """What a database consists of, or what was asked for of it."""

    place: str
    server: str
    relations: tuple[Relation, ...]
    enums: tuple[Named, ...]
    domains: tuple[Named, ...]
    types: tuple[Named, ...]
    sequences: tuple[Named, ...]
    functions: tuple[Named, ...]
    extensions: tuple[Named, ...]
    statistics: tuple[Named, ...]
    grants: tuple[Grant, ...]
    not_read: Mapping[str, str]
    """What could not be had without waiting, and why."""
    details: bool
    """Relations were named: all of them is told."""
    mermaid: str | None = None
    diagram: str | None = None
    """Path of the picture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectOptions:
    """What may be chosen."""

    names: tuple[str, ...] = ()
    """Of tables and views, `*` allowed; none for all."""
    mermaid: bool = False
    diagram: str | None = None


def inspect(context: Context, options: InspectOptions) -> InspectReport:
    """Read the database, and draw it where that is asked for.

    Waits for no lock: what another session hides is told as not read.

    Raises:
        UsageError: no table or view has the name.
        ToolFailed: Graphviz is missing, or fails.
    """
    connection = context.connect()
    contents = fetch_contents(connection)
    chosen = _choose(contents.relations, options.names)
    drawn: Sequence[Relation] = ()
    if options.mermaid or options.diagram:
        names = [each.name for each in chosen]
        drawn = [
            each
            for each in (
                find_neighbours(contents.relations, names) if options.names else chosen
            )
            if each.kind != "partition"
        ]
    if options.diagram:
        draw_diagram(drawn, Path(options.diagram))
    lists = _build_lists(contents.catalog, chosen if options.names else None)
    return InspectReport(
        place=context.target.place,
        server=f"PostgreSQL {connection.info.parameter_status('server_version')}",
        relations=tuple(chosen),
        grants=_choose_grants(contents.grants, chosen if options.names else None),
        not_read=contents.not_read,
        details=bool(options.names),
        mermaid=write_mermaid(drawn) if options.mermaid else None,
        diagram=options.diagram,
        **lists,
    )


def _choose(relations: Sequence[Relation], names: Sequence[str]) -> list[Relation]:
    if not names:
        return list(relations)
    found: dict[str, Relation] = {}
    for name in names:
        matches = [each for each in relations if _is_named(each.name, name)]
        if not matches:
            raise UsageError(
                f'there is no table or view "{name}"',
                hint="see which there are: manage.py dbops_inspect",
            )
        found |= {each.name: each for each in matches}
    return list(found.values())


def _is_named(name: str, pattern: str) -> bool:
    bare = bare_name(name)
    whole = bare if "." in name else f"public.{bare}"
    return any(
        text == pattern or fnmatchcase(text, pattern) for text in (bare, whole, name)
    )


def _choose_grants(
    grants: Iterable[Grant], chosen: Sequence[Relation] | None
) -> tuple[Grant, ...]:
    if chosen is None:
        return tuple(grants)
    return tuple(grant for each in chosen for grant in each.grants)


def _build_lists(
    catalog: Catalog, chosen: Sequence[Relation] | None
) -> dict[str, tuple[Named, ...]]:
    """Return the lists of the report; of named relations, the types they use."""
    lists: dict[str, list[Named]] = {name: [] for name in LISTED.values()}
    used = {
        re.sub(r"\[\]|\(.*\)", "", column.type)
        for each in chosen or ()
        for column in each.columns
    }
    types = {ObjectKind.ENUM, ObjectKind.DOMAIN, ObjectKind.TYPE}
    for each in catalog.objects:
        if each.kind not in LISTED:
            continue
        if chosen is not None and not (each.kind in types and each.name in used):
            continue
        lists[LISTED[each.kind]].append(
            Named(name=each.name, definition=each.definition, body=each.body)
        )
    return {name: tuple(found) for name, found in lists.items()}
