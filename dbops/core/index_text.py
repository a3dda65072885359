"""Definitions of indexes and exclusion constraints, taken apart."""

from __future__ import annotations

import re
from dataclasses import dataclass

from dbops.core.generated_names import strip_quotes
from dbops.core.repair.text import mask_text, split_list

WHOLE = re.compile(
    r"(?P<unique>UNIQUE )?ON (?P<only>ONLY )?(?P<table>[^ ]+) USING (?P<method>\w+) "
    r"(?P<items>\(~*\))(?: INCLUDE (?P<include>\(~*\)))?"
    r"(?P<same> NULLS NOT DISTINCT)?(?: WITH (?P<with>\(~*\)))?"
    r"(?: WHERE (?P<where>\(~*\)|\w+))?"
)
ITEM = re.compile(
    r"(?P<head>\(~*\)|\"~*\"|[\w$.]+(?:\(~*\))?)(?: COLLATE (?P<collation>\S+))?"
    r"(?: (?P<opclass>(?!DESC$|DESC |NULLS )[\w.\"~]+))?(?P<desc> DESC)?"
    r"(?: NULLS (?P<nulls>FIRST|LAST))?"
)
EXCLUDE = re.compile(
    r"EXCLUDE USING (?P<method>\w+) (?P<items>\(~*\))(?: WHERE (?P<where>\(~*\)))?"
    r"(?P<deferrable> DEFERRABLE)?(?P<deferred> INITIALLY DEFERRED)?"
)
COLUMN = re.compile(r'"(?:[^"]|"")*"|[a-z_][\w$]*')


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One column or expression of an index."""

    text: str
    column: str | None
    """Without quotes, where it is a column."""
    collation: str | None
    opclass: str | None
    is_descending: bool
    nulls: str | None
    """`FIRST` or `LAST`, where it is not what the direction means anyway."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexText:
    """What an index is made of."""

    is_unique: bool
    method: str
    items: tuple[Item, ...]
    include: tuple[str, ...]
    """Columns, without quotes."""
    nulls_distinct: bool
    options: dict[str, str]
    where: str | None

    @property
    def columns(self) -> tuple[str, ...] | None:
        """The columns, where it consists of nothing else."""
        found = [each.column for each in self.items if each.column is not None]
        return tuple(found) if len(found) == len(self.items) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExclusionText:
    """What an exclusion constraint is made of."""

    method: str
    items: tuple[tuple[Item, str], ...]
    """Each with its operator."""
    where: str | None
    deferrable: str | None
    """`DEFERRED` or `IMMEDIATE`."""


def read_index(text: str) -> IndexText | None:
    """Take the SQL after the index's name apart; None where it is another kind.

    >>> found = read_index("ON public.a USING btree (lower(b) DESC, c) WHERE (c > 1)")
    >>> [each.text for each in found.items], found.where
    (['lower(b)', 'c'], '(c > 1)')
    """
    hit = WHOLE.fullmatch(mask_text(text))
    if hit is None or hit["only"]:
        return None
    items = [read_item(each) for each in split_list(_cut(text, hit, "items")[1:-1])]
    if None in items:
        return None
    return IndexText(
        is_unique=bool(hit["unique"]),
        method=hit["method"],
        items=tuple(each for each in items if each),
        include=tuple(
            strip_quotes(each)
            for each in split_list((_cut(text, hit, "include") or "()")[1:-1])
        ),
        nulls_distinct=not hit["same"],
        options={
            name: value.strip("'")
            for name, _, value in (
                each.partition("=")
                for each in split_list((_cut(text, hit, "with") or "()")[1:-1])
            )
        },
        where=_cut(text, hit, "where") or None,
    )


def read_item(text: str) -> Item | None:
    """Take one column or expression apart.

    >>> read_item("name varchar_pattern_ops DESC").opclass
    'varchar_pattern_ops'
    """
    hit = ITEM.fullmatch(mask_text(text))
    if hit is None:
        return None
    head = _cut(text, hit, "head")
    return Item(
        text=head,
        column=strip_quotes(head) if COLUMN.fullmatch(head) else None,
        collation=_cut(text, hit, "collation") or None,
        opclass=_cut(text, hit, "opclass") or None,
        is_descending=bool(hit["desc"]),
        nulls=hit["nulls"],
    )


def read_exclusion(text: str) -> ExclusionText | None:
    """Take an exclusion constraint apart; None where it has what is not known here.

    >>> found = read_exclusion("EXCLUDE USING gist (room WITH =, during WITH &&)")
    >>> [(item.column, operator) for item, operator in found.items]
    [('room', '='), ('during', '&&')]
    """
    hit = EXCLUDE.fullmatch(mask_text(text))
    if hit is None:
        return None
    items = []
    for each in split_list(_cut(text, hit, "items")[1:-1]):
        at = mask_text(each).rfind(" WITH ")
        item = read_item(each[:at])
        if item is None:
            return None
        items.append((item, each[at + len(" WITH ") :]))
    how = "DEFERRED" if hit["deferred"] else "IMMEDIATE"
    return ExclusionText(
        method=hit["method"],
        items=tuple(items),
        where=_cut(text, hit, "where") or None,
        deferrable=how if hit["deferrable"] else None,
    )


def _cut(text: str, hit: re.Match[str], group: str) -> str:
    """Return what the mask hides."""
    begin, end = hit.span(group)
    return text[begin:end] if begin >= 0 else ""
