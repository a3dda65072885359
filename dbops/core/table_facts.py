"""Tables as a catalog tells them, with their keys and indexes taken apart."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from dbops.core.catalog import Catalog, ObjectKind, SchemaObject
from dbops.core.generated_names import split_name, strip_quotes
from dbops.core.index_text import IndexText, read_index
from dbops.core.relation import FOREIGN_KEY
from dbops.core.repair.columns import Column, read_column
from dbops.core.repair.parts import read_part
from dbops.core.repair.sequences import read_sequence
from dbops.core.repair.tables import read_table
from dbops.core.repair.text import name_whole, split_list

UNIQUE = re.compile(
    r"UNIQUE(?P<same> NULLS NOT DISTINCT)? \((?P<columns>.*?)\)"
    r"(?P<deferrable> DEFERRABLE)?(?P<deferred> INITIALLY DEFERRED)?"
)
PRIMARY = re.compile(r"PRIMARY KEY \((?P<columns>.*?)\).*")
DEFERRED = " DEFERRABLE INITIALLY DEFERRED"
SERIAL = re.compile(r"nextval\('(?P<sequence>.*)'::regclass\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unique:
    """A UNIQUE constraint."""

    name: str
    columns: tuple[str, ...]
    nulls_distinct: bool
    deferrable: str | None
    is_plain: bool
    """Nothing else is set on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    """A foreign key."""

    name: str
    columns: tuple[str, ...]
    target: str
    """The catalog's name of the table."""
    target_columns: tuple[str, ...]
    rest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """An index that is behind no constraint; `text` is None where it is special."""

    name: str
    text: IndexText | None
    comment: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFacts:
    """What a model of a table has to know. Names of columns are without quotes."""

    name: str
    """As in the catalog."""
    clauses: Mapping[str, str]
    comment: str | None
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...]
    uniques: tuple[Unique, ...]
    foreign_keys: tuple[Foreign, ...]
    checks: tuple[tuple[str, str], ...]
    """Name and SQL."""
    exclusions: tuple[tuple[str, str], ...]
    indexes: tuple[Index, ...]
    owned: Mapping[str, str]
    """The sequence that a column owns, by the column."""

    @property
    def reason_unmanaged(self) -> str:
        """Why Django cannot make this table; empty if it can."""
        if "server" in self.clauses:
            return "a foreign table"
        for clause, words in (
            ("partitioned", "partitioned"),
            ("inherits", "inherits from another table"),
            ("of", "of a composite type"),
        ):
            if clause in self.clauses:
                return words
        return "" if self.primary_key else "has no primary key"

    @property
    def is_partition(self) -> bool:
        """Whether the rows are those of another table."""
        return "partition" in self.clauses


def read_tables(catalog: Catalog) -> dict[str, TableFacts]:
    """Return the facts of each table, by the catalog's name."""
    parts: dict[str, list[SchemaObject]] = {}
    for each in catalog.objects:
        if each.parent is not None:
            parts.setdefault(each.parent, []).append(each)
    return {
        each.name: _read(each, parts.get(each.name, []))
        for each in catalog.objects
        if each.kind == ObjectKind.TABLE
    }


def _read(table: SchemaObject, parts: Iterable[SchemaObject]) -> TableFacts:
    parts = list(parts)
    clauses, comment = read_table(table)
    columns = sorted(
        (each for each in parts if each.kind == ObjectKind.COLUMN),
        key=lambda each: each.position or 0,
    )
    constraints = [
        (split_name(each.name)[-1], *read_part(each))
        for each in parts
        if each.kind == ObjectKind.CONSTRAINT
    ]
    texts = [(strip_quotes(name), found[""]) for name, found, _ in constraints]
    primary = [hit for _, text in texts if (hit := PRIMARY.fullmatch(text))]
    return TableFacts(
        name=table.name,
        clauses=clauses,
        comment=_unquote(comment),
        columns=tuple(map(read_column, columns)),
        primary_key=_names(primary[0]["columns"]) if primary else (),
        uniques=tuple(_read_uniques(constraints)),
        foreign_keys=tuple(_read_foreign_keys(texts)),
        checks=tuple(pair for pair in texts if pair[1].startswith("CHECK")),
        exclusions=tuple(pair for pair in texts if pair[1].startswith("EXCLUDE")),
        indexes=tuple(
            _read_index(each) for each in parts if each.kind == ObjectKind.INDEX
        ),
        owned=dict(_read_owned(parts)),
    )


def _read_uniques(
    constraints: Iterable[tuple[str, dict[str, str], str | None]],
) -> Iterator[Unique]:
    for name, clauses, comment in constraints:
        hit = UNIQUE.fullmatch(clauses[""])
        if hit:
            how = "DEFERRED" if hit["deferred"] else "IMMEDIATE"
            yield Unique(
                name=strip_quotes(name),
                columns=_names(hit["columns"]),
                nulls_distinct=not hit["same"],
                deferrable=how if hit["deferrable"] else None,
                is_plain=len(clauses) == 1 and comment is None,
            )


def _read_foreign_keys(texts: Iterable[tuple[str, str]]) -> Iterator[Foreign]:
    for name, text in texts:
        hit = FOREIGN_KEY.fullmatch(text)
        if hit:
            yield Foreign(
                name=name,
                columns=_names(hit["columns"]),
                target=hit["table"].removeprefix("public."),
                target_columns=_names(hit["target"]),
                rest=hit["rest"],
            )


def _read_index(each: SchemaObject) -> Index:
    clauses, comment = read_part(each)
    is_special = len(clauses) > 1
    return Index(
        name=strip_quotes(split_name(each.name)[-1]),
        text=None if is_special else read_index(clauses[""]),
        comment=comment,
    )


def _read_owned(parts: Iterable[SchemaObject]) -> Iterator[tuple[str, str]]:
    for each in parts:
        if each.kind == ObjectKind.SEQUENCE:
            owner = read_sequence(each).owner
            if owner:
                yield strip_quotes(split_name(owner)[-1]), name_whole(each.name)


def _names(text: str) -> tuple[str, ...]:
    return tuple(strip_quotes(each) for each in split_list(text))


def _unquote(comment: str | None) -> str | None:
    return comment[1:-1].replace("''", "'") if comment else None
