"""Statements that drop tables or columns, as far as they can be read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from dbops.core.sql_script import BLANK, scan

Name = tuple[str, ...]
"""As stored: the schema, where one is given, and the name."""
HIDDEN = re.compile(r"\bdrop\s+(?:table|column|schema|owned)\b", re.IGNORECASE)
DEFINES = re.compile(r"\s*create\b(?:\s+or\s+replace)?\s+(?:function|procedure)", re.I)


@dataclass(frozen=True, slots=True, kw_only=True)
class DropTables:
    """DROP TABLE."""

    tables: tuple[Name, ...]
    cascade: bool
    if_exists: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DropColumns:
    """ALTER TABLE that drops columns, and maybe does more."""

    table: Name
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unread:
    """It may drop something, and what is not understood."""


Drop = DropTables | DropColumns | Unread


class _Words:
    """The tokens of a statement, read from the left."""

    def __init__(self, statement: str) -> None:
        self.tokens: list[Any] = [
            each for each in scan(statement) if each.kind not in BLANK
        ]
        self.at = 0

    @property
    def is_done(self) -> bool:
        """Whether all was read, but for a semicolon."""
        return all(each.text == ";" for each in self.tokens[self.at :])

    def take(self, *words: str) -> bool:
        """Go behind these words if they are next."""
        part = self.tokens[self.at : self.at + len(words)]
        if len(part) < len(words) or any(
            each.text.lower() != word for each, word in zip(part, words, strict=True)
        ):
            return False
        self.at += len(words)
        return True

    def take_name(self) -> str | None:
        """Go behind an identifier, and return it as it is stored."""
        if self.at >= len(self.tokens):
            return None
        token = self.tokens[self.at]
        if token.kind not in {"word", "quoted_name"}:
            return None
        self.at += 1
        if token.kind == "word":
            return str(token.text).lower()
        return str(token.text)[1:-1].replace('""', '"')

    def take_qualified(self) -> Name | None:
        """Go behind a name that may have its schema in front."""
        parts = [self.take_name()]
        while self.take("."):
            parts.append(self.take_name())
        names = tuple(each for each in parts if each is not None)
        return names if 0 < len(names) == len(parts) <= 2 else None  # noqa: PLR2004


def read_drop(statement: str) -> Drop | None:
    """Return what a statement drops of tables and columns; None where it drops none.

    >>> read_drop('ALTER TABLE "a" DROP COLUMN "B" CASCADE, ADD c int')
    DropColumns(table=('a',), columns=('B',))
    >>> read_drop("DROP TABLE IF EXISTS x.A, b")
    DropTables(tables=(('x', 'a'), ('b',)), cascade=False, if_exists=True)
    >>> read_drop("DO $$ BEGIN DROP TABLE a; END $$")
    Unread()
    >>> read_drop("ALTER TABLE a ALTER b DROP NOT NULL, DROP CONSTRAINT c")
    """
    words = _Words(statement)
    found: Drop | None = None
    if words.take("drop", "table"):
        found = _read_tables(words)
    elif words.take("alter", "table"):
        found = _read_columns(words)
    if found is not None:
        return found
    if HIDDEN.search(statement) and not DEFINES.match(statement):
        return Unread()
    return None


def _read_tables(words: _Words) -> Drop:
    if_exists = words.take("if", "exists")
    tables = []
    while (name := words.take_qualified()) is not None:
        tables.append(name)
        if not words.take(","):
            break
    cascade = words.take("cascade")
    if not cascade:
        words.take("restrict")
    if not tables or not words.is_done:
        return Unread()
    return DropTables(tables=tuple(tables), cascade=cascade, if_exists=if_exists)


def _read_columns(words: _Words) -> Drop | None:
    words.take("if", "exists")
    words.take("only")
    table = words.take_qualified()
    words.take("*")
    if table is None:
        return None
    columns = []
    for start, end in _split_actions(words.tokens, words.at):
        action = _Words("")
        action.tokens = list(words.tokens[start:end])
        if not action.take("drop") or action.take("constraint"):
            continue
        action.take("column")
        action.take("if", "exists")
        name = action.take_name()
        if not action.take("cascade"):
            action.take("restrict")
        if name is None or not action.is_done:
            return Unread()
        columns.append(name)
    return DropColumns(table=table, columns=tuple(columns)) if columns else None


def _split_actions(tokens: Sequence[Any], start: int) -> Iterator[tuple[int, int]]:
    """Yield from where to where each action reaches, between commas of its own."""
    depth = 0
    for number in range(start, len(tokens)):
        text = tokens[number].text
        depth += (text in "([") - (text in ")]")
        if text == "," and not depth:
            yield start, number
            start = number + 1
    yield start, len(tokens)
