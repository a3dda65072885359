"""Tables that lose rows in a migration, and those of which it says so."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from dbops.core.words import count_of

_IDENTIFIER = r'(?:"(?:[^"]|"")+"|[A-Za-z_\u0080-\U0010ffff][\w$]*)'
_NAME = rf"{_IDENTIFIER}(?:\s*\.\s*{_IDENTIFIER})?"
_ONE = rf"(?:ONLY\s+)?{_NAME}(?:\s*\*)?"
_SAID = re.compile(
    rf"\b(?:DELETE\s+FROM|MERGE\s+INTO|TRUNCATE(?:\s+TABLE)?)\s+"
    rf"(?P<names>{_ONE}(?:\s*,\s*{_ONE})*)",
    re.IGNORECASE,
)
_EACH = re.compile(rf"(?:ONLY\s+)?(?P<name>{_NAME})", re.IGNORECASE)
_COMMENT = re.compile(r"(?P<text>'(?:[^']|'')*')|--[^\n]*|/\*.*?\*/", re.DOTALL)
_WHOLE = re.compile(_NAME)
MOST_TOLD = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class TableCount:
    """What a transaction has done with one table up to now."""

    oid: int
    root: int
    """The partitioned table at the top; the table itself where it is no partition."""
    root_name: str
    filenode: int
    """Another one once it was truncated or rewritten."""
    believed_rows: int
    """As the server's statistics have it."""
    deleted: int
    inserted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LostRows:
    """A table that has fewer rows."""

    table: str
    rows: int
    is_exact: bool
    """False: it was truncated, and the number is the statistics'."""

    def __str__(self) -> str:
        """Return it for a person.

        >>> print(LostRows(table="shop_note", rows=2, is_exact=True))
        2 rows of shop_note
        """
        about = "" if self.is_exact else "about "
        return f"{about}{count_of(self.rows, 'row')} of {self.table}"


def find_said_tables(sql: str) -> tuple[str, ...]:
    """Return the tables that the SQL says it deletes rows of, as they stand there.

    >>> find_said_tables('-- DELETE FROM a\\nDELETE FROM ONLY s."B c"; TRUNCATE d, e')
    ('s."B c"', 'd', 'e')
    """
    plain = _COMMENT.sub(lambda found: found["text"] or " ", sql)
    return tuple(
        re.sub(r"\s*\.\s*", ".", each["name"])
        for said in _SAID.finditer(plain)
        for each in _EACH.finditer(said["names"])
    )


def is_table_name(value: object) -> bool:
    """Say whether it is one as SQL writes it, its schema before it or not.

    >>> is_table_name('shop."Old Things"'), is_table_name("Old Things")
    (True, False)
    """
    return isinstance(value, str) and _WHOLE.fullmatch(value) is not None


def find_lost_rows(
    before: Mapping[int, TableCount],
    after: Iterable[TableCount],
    emptied: Collection[int],
    said: Collection[int],
) -> tuple[LostRows, ...]:
    """Return the tables that have lost rows of which nobody says so.

    `emptied` are the tables that were given a new, empty file; `said` the tables, or
    their roots, that may lose rows. Rows that move from one partition to another are
    deleted and inserted: only the sum of a root's tables counts.
    """
    net: dict[int, int] = {}
    names: dict[int, str] = {}
    truncated: dict[int, int] = {}
    for now in after:
        first = before.get(now.oid)
        names[now.root] = now.root_name
        if first is None or {now.oid, now.root} & set(said):
            continue
        if now.oid in emptied and now.filenode != first.filenode:
            truncated[now.root] = truncated.get(now.root, 0) + first.believed_rows
            continue
        lost = now.deleted - first.deleted - (now.inserted - first.inserted)
        net[now.root] = net.get(now.root, 0) + lost
    for table, rows in truncated.items():
        net[table] = net.get(table, 0) + rows
    return tuple(
        LostRows(table=names[table], rows=rows, is_exact=table not in truncated)
        for table, rows in sorted(net.items(), key=lambda each: names[each[0]])
        if rows > 0
    )


def tell_lost_rows(lost: Collection[LostRows]) -> str:
    """Return the first of them, and how many more there are."""
    more = len(lost) - MOST_TOLD
    told = ", ".join(map(str, list(lost)[:MOST_TOLD]))
    return told + (f" and {count_of(more, 'more table')}" if more > 0 else "")
