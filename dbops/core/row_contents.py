"""The rows of a table before and after, and what is not there any more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from dbops.core.catalog import Catalog, ObjectKind
from dbops.core.repair.text import mentions
from dbops.core.words import count_of


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSums:
    """Rows counted and hashed; the sums do not depend on their order."""

    rows: int
    row_sum: int
    """Of the rows as a whole: values that change places show."""
    columns: Mapping[str, int]
    """Of the values of each column, by its name as stored."""
    identities: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Of each column, the table's oid and the column's number in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowsDiffer:
    """A table that does not hold what it held."""

    table: str
    columns: tuple[str, ...]
    """Whose values are others; empty where the number of rows says it all."""
    text: str
    is_latent: bool = False
    """Whether nothing was there that could be lost: what comes later could be."""


def compare_sums(
    before: Mapping[str, TableSums], after: Mapping[str, TableSums]
) -> Iterator[RowsDiffer]:
    """Yield the tables on both sides whose rows are others, over the common columns.

    >>> old = {"t": TableSums(rows=2, row_sum=7, columns={"a": 3, "b": 4})}
    >>> new = {"t": TableSums(rows=2, row_sum=9, columns={"a": 3, "b": 6})}
    >>> [each.text for each in compare_sums(old, new)]
    ['table t: other values in column b']
    """
    for table in sorted(before.keys() & after.keys()):
        one, other = before[table], after[table]
        common = one.columns.keys() & other.columns.keys()
        columns = tuple(
            sorted(each for each in common if one.columns[each] != other.columns[each])
        )
        if one.rows != other.rows:
            yield RowsDiffer(
                table=table,
                columns=(),
                text=f"table {table}: {count_of(other.rows, 'row')}, "
                f"{one.rows:,} before",
                is_latent=not one.rows,
            )
        elif columns:
            plural = "s" if len(columns) > 1 else ""
            yield RowsDiffer(
                table=table,
                columns=columns,
                text=f"table {table}: other values in column{plural} "
                f"{', '.join(columns)}",
            )
        elif one.columns.keys() == other.columns.keys() and (
            one.row_sum != other.row_sum
        ):
            yield RowsDiffer(
                table=table,
                columns=(),
                text=f"table {table}: values went to other rows",
            )


def find_made_again(
    before: Mapping[str, TableSums], after: Mapping[str, TableSums]
) -> Iterator[RowsDiffer]:
    """Yield what was dropped and made again, and had no values that would show it.

    Where values came back, somebody kept them; where there were none, nothing is known
    but that rows of later would have lost theirs.

    >>> old, new = (
    ...     {"t": TableSums(rows=0, row_sum=0, columns={}, identities={"a": (5, n)})}
    ...     for n in (1, 2)
    ... )
    >>> [each.columns for each in find_made_again(old, new)]
    [('a',)]
    """
    for table in sorted(before.keys() & after.keys()):
        one, other = before[table], after[table]
        columns = tuple(
            each
            for each in sorted(one.identities.keys() & other.identities.keys())
            if one.identities[each] != other.identities[each]
            and not one.columns.get(each)
        )
        kept = any(
            one.identities[each][0] == other.identities[each][0]
            for each in one.identities.keys() & other.identities.keys()
        )
        if not columns:
            continue
        if not kept and not one.rows:
            yield RowsDiffer(
                table=table,
                columns=(),
                is_latent=True,
                text=f"table {table} is dropped and made again: its rows would be "
                "gone; it has none here",
            )
        elif kept:
            plural = "s" if len(columns) > 1 else ""
            yield RowsDiffer(
                table=table,
                columns=columns,
                is_latent=True,
                text=f"column{plural} {', '.join(columns)} of {table} "
                f"{'are' if plural else 'is'} dropped and made again: "
                "values would be gone; there are none here",
            )


def find_relabelled(before: Catalog, after: Catalog) -> frozenset[str]:
    """Return the tables whose values read otherwise since an enum has other labels.

    Nothing locks or writes them when that happens.

    >>> from dbops.core.catalog import SchemaObject, build_catalog
    >>> def catalog(labels):
    ...     enum = SchemaObject(kind=ObjectKind.ENUM, name="mood", definition=labels)
    ...     column = SchemaObject(
    ...         kind=ObjectKind.COLUMN, name="t.a", definition="mood[]", parent="t"
    ...     )
    ...     return build_catalog([enum, column])
    >>> find_relabelled(catalog("('a')"), catalog("('b')"))
    frozenset({'t'})
    >>> find_relabelled(catalog("('a')"), catalog("('a')"))
    frozenset()
    """
    known = set(before.objects)
    names = {
        each.name
        for each in after.objects
        if each.kind == ObjectKind.ENUM and each not in known
    }
    through = {ObjectKind.DOMAIN, ObjectKind.TYPE}
    names |= {
        each.name
        for each in after.objects
        if each.kind in through and any(mentions(each.definition, one) for one in names)
    }
    return frozenset(
        each.parent
        for each in after.objects
        if each.kind == ObjectKind.COLUMN
        and each.parent is not None
        and any(mentions(each.definition, one) for one in names)
    )
