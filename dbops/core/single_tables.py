"""Single tables of a backup: which they are, and how to make them again elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from difflib import get_close_matches

from dbops.core.catalog import Catalog, ObjectKind
from dbops.core.repair.columns import Column, read_column, write_column
from dbops.core.table_name import TableName, parse_table_name

_LISTED = re.compile(r'(?:"(?:[^"]|"")*"|[^",])+')
LEFT_OUT = ("default", "identity")
"""What ties a column to sequences and functions of the database."""


class UnknownTableError(Exception):
    """The backup has no such table; `near` are names like it."""

    def __init__(self, name: str, near: list[str]) -> None:
        super().__init__(name)
        self.name = name
        self.near = near


@dataclass(frozen=True, slots=True, kw_only=True)
class SingleTable:
    """A table to bring back."""

    name: str
    """As in the manifest."""
    bare: str
    """Without schema and quotes."""
    sources: tuple[str, ...]
    """The tables whose rows it has: itself, or the partitions below it."""
    columns: tuple[str, ...]
    """Definitions, as CREATE TABLE has them."""
    primary_key: str | None
    """A definition, too."""


def split_table_names(text: str) -> list[str]:
    """Return the names of a list; a comma within quotes belongs to a name.

    >>> split_table_names('threads, "Sales".orders,"a,b"')
    ['threads', '"Sales".orders', '"a,b"']
    """
    return [each.strip() for each in _LISTED.findall(text) if each.strip()]


def find_single_tables(catalog: Catalog, names: Iterable[str]) -> list[SingleTable]:
    """Return the tables of these names, each once.

    Raises:
        UnknownTableError: there is no such table.
    """
    known = {
        parse_table_name(each.name): each.name
        for each in catalog.objects
        if each.kind is ObjectKind.TABLE and not each.definition.startswith("foreign")
    }
    found: dict[str, SingleTable] = {}
    for text in names:
        name = _find(text, known)
        found[name] = _build(catalog, name)
    return list(found.values())


def _find(text: str, known: dict[TableName, str]) -> str:
    try:
        asked = parse_table_name(text)
    except ValueError:
        asked = TableName("", text)
    # As it is written, or as the server would understand it without quotes.
    for each in (asked, TableName(asked.schema.lower(), asked.name.lower())):
        if each in known:
            return known[each]
    listed = sorted(known.values())
    same = [each for key, each in known.items() if key.name == asked.name]
    raise UnknownTableError(text, same or get_close_matches(text, listed, cutoff=0.5))


def _build(catalog: Catalog, name: str) -> SingleTable:
    columns = [
        each
        for each in catalog.objects
        if each.kind is ObjectKind.COLUMN and each.parent == name
    ]
    keys = [
        each.definition
        for each in catalog.objects
        if each.kind is ObjectKind.CONSTRAINT
        and each.parent == name
        and each.definition.startswith("PRIMARY KEY")
    ]
    columns.sort(key=lambda each: each.position or 0)
    return SingleTable(
        name=name,
        bare=parse_table_name(name).name,
        sources=tuple(_find_sources(catalog, name)),
        columns=tuple(_write_bare(read_column(each)) for each in columns),
        primary_key=keys[0] if keys else None,
    )


def _write_bare(column: Column) -> str:
    clauses = {
        key: value for key, value in column.clauses.items() if key not in LEFT_OUT
    }
    return write_column(replace(column, clauses=clauses))


def _find_sources(catalog: Catalog, name: str) -> Iterator[str]:
    """Yield the table itself, or the partitions at the lowest level below it."""
    (table,) = (
        each
        for each in catalog.objects
        if each.kind is ObjectKind.TABLE and each.name == name
    )
    if "partitioned by " not in table.definition:
        yield name
        return
    for each in catalog.objects:
        if each.kind is ObjectKind.TABLE and f"partition of {name} " in each.definition:
            yield from _find_sources(catalog, each.name)
