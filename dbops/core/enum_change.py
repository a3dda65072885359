"""The statements that change an enum type, and rebuild one without some of its values.

Source: https://www.postgresql.org/docs/current/sql-altertype.html
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from dbops.core.describe import quote_text
from dbops.core.generated_names import split_name

GUARD = re.compile(
    r"\A\s*DECLARE told text;\s+BEGIN\s+"
    r"SELECT string_agg\(.*?\)\s+INTO told FROM \((?P<counts>.*)\) AS held"
    r" WHERE held\.n > 0;\s+"
    r"IF told IS NOT NULL THEN\s+RAISE EXCEPTION USING .*;\s+END IF;\s+"
    r"END\s*\Z",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnumColumn:
    """A column of an enum type, or of an array of it; all names as in SQL."""

    table: str
    column: str
    is_array: bool
    default: str | None
    """As the server prints it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnumPart:
    """What has to go while the type is rebuilt, and comes back."""

    drop: str
    create: str
    comment: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EnumType:
    """An enum type and all that uses it."""

    labels: tuple[str, ...]
    schema: str
    """Quoted."""
    extras: tuple[str, ...] = ()
    """Statements that give the rebuilt type its owner, grants and comment."""
    columns: tuple[EnumColumn, ...] = ()
    parts: tuple[EnumPart, ...] = ()
    others: tuple[str, ...] = ()
    """What uses it and cannot be carried along: views, functions, domains."""


def write_create(name: str, values: Sequence[str]) -> str:
    """Return the statement that makes the type.

    >>> write_create("mood", ["sad", "don't know"])
    "CREATE TYPE mood AS ENUM ('sad', 'don''t know')"
    """
    return f"CREATE TYPE {name} AS ENUM ({', '.join(map(quote_text, values))})"


def write_add(
    name: str, value: str, *, before: str | None = None, after: str | None = None
) -> str:
    """Return the statement that adds a value.

    >>> write_add("mood", "ok", after="sad")
    "ALTER TYPE mood ADD VALUE 'ok' AFTER 'sad'"
    """
    where = ""
    if after is not None:
        where = f" AFTER {quote_text(after)}"
    elif before is not None:
        where = f" BEFORE {quote_text(before)}"
    return f"ALTER TYPE {name} ADD VALUE {quote_text(value)}{where}"


def write_returns(
    name: str, values: Collection[str], order: Sequence[str]
) -> list[str]:
    """Return the statements that add values again, each where it was in `order`.

    >>> for each in write_returns("mood", ["a", "c"], ["a", "b", "c"]):
    ...     print(each)
    ALTER TYPE mood ADD VALUE 'a' BEFORE 'b'
    ALTER TYPE mood ADD VALUE 'c' AFTER 'b'
    """
    missing = [each for each in order if each in values]
    missing += [each for each in values if each not in order]
    statements = []
    there = [each for each in order if each not in values]
    for value in missing:
        after, before = find_place(value, order, there)
        statements.append(write_add(name, value, after=after, before=before))
        there.append(value)
    return statements


def find_place(
    value: str, order: Sequence[str], there: Collection[str]
) -> tuple[str | None, str | None]:
    """Return the value that is there and comes next before, or else next after.

    >>> find_place("b", ["a", "b", "c"], ["a", "c"])
    ('a', None)
    >>> find_place("a", ["a", "b", "c"], ["b", "c"])
    (None, 'b')
    """
    if value not in order:
        return None, None
    at = order.index(value)
    after = next((each for each in reversed(order[:at]) if each in there), None)
    if after is not None:
        return after, None
    return None, next((each for each in order[at + 1 :] if each in there), None)


def write_rebuild(name: str, removed: Collection[str], found: EnumType) -> list[str]:
    """Return the statements that make the type anew without some values.

    First comes one that counts rows that hold them, and fails where there are any,
    before anything is locked.
    """
    left = [each for each in found.labels if each not in removed]
    last = split_name(name)[-1]
    bare = last[1:-1] if last.startswith('"') else last
    old = f'"{bare} (old)"' if last.startswith('"') else f"{bare}_old"
    whole_old = ".".join([*split_name(name)[:-1], old])
    tables = sorted({each.table for each in found.columns})
    statements = []
    if tables:
        statements.append(write_guard(name, removed, found.columns))
    if len(tables) > 1:
        statements.append(f"LOCK TABLE {', '.join(tables)} IN ACCESS EXCLUSIVE MODE")
    statements += [each.drop for each in found.parts]
    statements += [f"ALTER TYPE {name} RENAME TO {old}", write_create(name, left)]
    statements += _move_columns(name, found.columns)
    for part in found.parts:
        statements.append(part.create)
        if part.comment:
            statements.append(part.comment)
    return [*statements, f"DROP TYPE {whole_old}", *found.extras]


def _move_columns(name: str, columns: Collection[EnumColumn]) -> Iterator[str]:
    by_table = sorted(columns, key=lambda each: (each.table, each.column))
    for table, group in groupby(by_table, key=lambda each: each.table):
        changes = []
        for each in group:
            at = f"ALTER COLUMN {each.column}"
            array = "[]" if each.is_array else ""
            if each.default is not None:
                changes.append(f"{at} DROP DEFAULT")
            to = f"{name}{array}"
            changes.append(f"{at} TYPE {to} USING {each.column}::text{array}::{to}")
            if each.default is not None:
                changes.append(f"{at} SET DEFAULT {each.default}")
        yield f"ALTER TABLE {table} {', '.join(changes)}"


def write_guard(
    name: str, values: Collection[str], columns: Collection[EnumColumn]
) -> str:
    """Return the statement that fails, with the numbers, where rows hold a value."""
    counts = []
    for each in columns:
        place = quote_text(f"{each.table}.{each.column}")
        for value in values:
            label = quote_text(value)
            test = f"{label} = ANY ({each.column})"
            if not each.is_array:
                test = f"{each.column} = {label}"
            held = f"{quote_text(value)} AS value, {place} AS place"
            counts.append(
                f"        SELECT count(*) AS n, {held} FROM {each.table} WHERE {test}"  # noqa: S608
            )
    union = "\n        UNION ALL\n".join(counts)
    told = quote_text(f" of enum {name} cannot be removed: ")
    return f"""\
DO $enum$
DECLARE told text;
BEGIN
    SELECT string_agg(format('%L is in %s %s of %s', held.value, held.n,
        CASE held.n WHEN 1 THEN 'row' ELSE 'rows' END, held.place), '; ')
    INTO told FROM (
{union}
    ) AS held WHERE held.n > 0;
    IF told IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'check_violation',
            MESSAGE = 'values' || {told} || told,
            HINT = 'give these rows another value, then run it again';
    END IF;
END $enum$"""  # noqa: S608  Names and values are quoted.


def find_guard(body: str) -> str | None:
    """Return the query in the body of a DO that `write_guard` has written; else None.

    >>> column = EnumColumn(table="t", column="c", is_array=False, default=None)
    >>> _, body, _ = write_guard("mood", ["a"], [column]).split("$enum$")
    >>> find_guard(body)
    "SELECT count(*) AS n, 'a' AS value, 't.c' AS place FROM t WHERE c = 'a'"
    >>> find_guard("BEGIN DELETE FROM t; END")
    """
    hit = GUARD.match(body)
    return hit["counts"].strip() if hit else None


def parse_array(text: str) -> list[object]:
    """Return the items of an array as the server prints it.

    >>> parse_array('{a,"b, c",NULL,"say \\\\"x\\\\""}')
    ['a', 'b, c', None, 'say "x"']
    >>> parse_array("{{a,b},{c,d}}"), parse_array("{}")
    ([['a', 'b'], ['c', 'd']], [])
    """
    stack: list[list[object]] = [[]]
    for hit in ITEM.finditer(text[text.index("{") :]):
        if hit[0] == "{":
            stack.append([])
        elif hit[0] == "}":
            inner = stack.pop()
            stack[-1].append(inner)
        elif hit["quoted"] is not None:
            stack[-1].append(re.sub(r"\\(.)", r"\1", hit["quoted"], flags=re.DOTALL))
        elif hit["bare"] is not None:
            bare = hit["bare"]
            stack[-1].append(None if bare.upper() == "NULL" else bare)
    (found,) = stack[0]
    return list(found) if isinstance(found, list) else []


ITEM = re.compile(r'[{}]|"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<bare>[^{},"]+)', re.DOTALL)
