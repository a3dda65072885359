"""A part of a backup's rows that still fits together."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from dbops.core.catalog import Catalog, ObjectKind
from dbops.core.manifest import StoredFile
from dbops.core.table_name import TableName, parse_table_name

NAME = r'(?:"(?:[^"]|"")+"|[^\s,()."]+)'
NAMES = rf"\(({NAME}(?:, {NAME})*)\)"
FOREIGN_KEY = re.compile(
    rf"FOREIGN KEY {NAMES} REFERENCES ({NAME}(?:\.{NAME})?) ?{NAMES}"
)
EACH_NAME = re.compile(NAME)


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignKey:
    """Which columns of a table lead to which of another one; quoted where needed."""

    table: TableName
    columns: tuple[str, ...]
    target: TableName
    target_columns: tuple[str, ...]


def choose_files(files: Iterable[StoredFile], percent: float) -> set[str]:
    """Return the paths that are kept: of each table the first ones, one at least.

    A table that is in one file is kept whole, so small tables are.

    >>> files = [
    ...     StoredFile(path=f"t/{n}", size_bytes=1, sha256="", table="t")
    ...     for n in range(10)
    ... ]
    >>> sorted(choose_files(files, 20))
    ['t/0', 't/1']
    """
    by_table: dict[str | None, list[str]] = {}
    for each in sorted(files, key=lambda each: each.path):
        by_table.setdefault(each.table, []).append(each.path)
    return {
        path
        for paths in by_table.values()
        for path in paths[: math.ceil(len(paths) * percent / 100)]
    }


def find_foreign_keys(catalog: Catalog) -> Iterator[ForeignKey]:
    """Yield the foreign keys of a schema, as far as their tables have rows."""
    for each in catalog.objects:
        if each.kind is not ObjectKind.CONSTRAINT or each.parent is None:
            continue
        found = FOREIGN_KEY.match(each.definition)
        if found:
            yield ForeignKey(
                table=parse_table_name(each.parent),
                columns=tuple(EACH_NAME.findall(found[1])),
                target=parse_table_name(found[2]),
                target_columns=tuple(EACH_NAME.findall(found[3])),
            )
