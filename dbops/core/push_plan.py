"""SQL that is safe to run on tables with rows, from SQL for empty ones."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

NAME = r'(?:"(?:[^"]|"")*"|[\w$]+)'
TABLE = rf"{NAME}\.{NAME}"
ADD = re.compile(
    rf"ALTER TABLE (?P<table>{TABLE}) ADD COLUMN (?P<column>{NAME}) (?P<rest>.*)"
    r" NOT NULL",
    re.DOTALL,
)
SET = re.compile(
    rf"ALTER TABLE (?P<table>{TABLE}) ALTER COLUMN (?P<column>{NAME}) SET NOT NULL"
)
HAS_VALUE = re.compile(r" (?:DEFAULT|GENERATED) ")
LOSS = re.compile(
    r"drops table (?P<table>\S.*) with its rows"
    r"|drops column (?P<column>\S.*) with its values"
    r"|rounds values of (?P<rounded>\S.*?) from .*"
)
NEW_VALUE = re.compile(r"ALTER TYPE .* ADD VALUE ", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """A column that has to get a value in the rows that there are."""

    table: str
    column: str
    is_new: bool


def list_fills(statements: Iterable[str]) -> Iterator[Fill]:
    """Yield the columns that become NOT NULL without a value of their own.

    >>> list(list_fills(["ALTER TABLE public.a ADD COLUMN b integer NOT NULL"]))
    [Fill(table='public.a', column='b', is_new=True)]
    >>> list(list_fills(["ALTER TABLE public.a ADD COLUMN b int DEFAULT 1 NOT NULL"]))
    []
    """
    for each in statements:
        if (hit := ADD.fullmatch(each)) and not HAS_VALUE.search(f" {hit['rest']} "):
            yield Fill(table=hit["table"], column=hit["column"], is_new=True)
        elif hit := SET.fullmatch(each):
            yield Fill(table=hit["table"], column=hit["column"], is_new=False)


def fill_in(
    statements: Iterable[str], find_value: Callable[[Fill], str | None]
) -> Iterator[str]:
    """Yield the statements with the values, as SQL, that rows get by them.

    >>> statements = ["ALTER TABLE public.a ALTER COLUMN b SET NOT NULL"]
    >>> for each in fill_in(statements, lambda fill: "0"):
    ...     print(each)
    UPDATE public.a SET b = 0 WHERE b IS NULL
    ALTER TABLE public.a ALTER COLUMN b SET NOT NULL
    """
    for each in statements:
        (fill,) = (*list_fills([each]), None)[:1]
        value = find_value(fill) if fill else None
        if fill is None or value is None:
            yield each
            continue
        table, column = fill.table, fill.column
        if fill.is_new:
            bare = each.removesuffix(" NOT NULL")
            yield f"{bare} DEFAULT {value} NOT NULL"
            yield f"ALTER TABLE {table} ALTER COLUMN {column} DROP DEFAULT"
        else:  # Names are quoted by the server, values by the driver.
            yield f"UPDATE {table} SET {column} = {value} WHERE {column} IS NULL"  # noqa: S608
            yield each


def split_new_values(statements: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return what adds labels to enums, and the rest.

    A label cannot be used before the transaction that adds it has ended.
    """
    listed = list(statements)
    first = [each for each in listed if NEW_VALUE.match(each)]
    return first, [each for each in listed if each not in first]
