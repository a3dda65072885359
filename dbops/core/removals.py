"""Which migration last removed an object that is there again, or still."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dbops.core.catalog import Key, ObjectKind
from dbops.core.culprit import mentions
from dbops.core.generated_names import split_name, strip_quotes
from dbops.core.migration import MigrationId
from dbops.core.sql_script import split_statements

DROPS = re.compile(r"\bdrop\b", re.IGNORECASE)
MOVES = re.compile(r"\brename\b|\bset\s+schema\b", re.IGNORECASE)
DROPS_NO_OBJECT = re.compile(
    r"\bdrop\s+(?:default|not\s+null|identity|expression)\b", re.IGNORECASE
)
ALTERS = re.compile(r"\s*alter\b", re.IGNORECASE)
INSIDE = frozenset({ObjectKind.COLUMN, ObjectKind.CONSTRAINT})
"""Kinds that ALTER TABLE drops; all others have a DROP of their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """A statement that dropped, renamed or moved something."""

    migration: MigrationId
    statement: str


def find_removing_statements(script: str) -> Iterator[str]:
    """Yield the statements that drop, rename or move an object.

    >>> script = "DROP VIEW a; ALTER TABLE b ALTER x DROP DEFAULT"
    >>> list(find_removing_statements(script))
    ['DROP VIEW a']
    """
    if not (DROPS.search(script) or MOVES.search(script)):
        return
    for statement in split_statements(script):
        rest = DROPS_NO_OBJECT.sub("", statement)
        if DROPS.search(rest) or MOVES.search(rest):
            yield statement


def find_removal(key: Key, removals: Sequence[Removal]) -> MigrationId | None:
    """Return the migration that last removed the object; None where none is known.

    `removals` come in the order of the migrations. Functions are never told: a
    statement may have removed one with other arguments.

    >>> removal = Removal(
    ...     migration=MigrationId("shop", "0003"),
    ...     statement='ALTER TABLE "item" DROP COLUMN "note" CASCADE',
    ... )
    >>> str(find_removal((ObjectKind.COLUMN, "item.note"), [removal]))
    'shop.0003'
    >>> find_removal((ObjectKind.TABLE, "item"), [removal])
    """
    kind, name = key
    if kind is ObjectKind.FUNCTION:
        return None
    # A part is named with its table, which may stand in a schema: so may others.
    parts = [strip_quotes(each).lower() for each in split_name(name)]
    names = parts[-2:] if kind in INSIDE else parts[-1:]
    for removal in reversed(removals):
        text = removal.statement
        drops_part = ALTERS.match(text) is not None and not MOVES.search(text)
        if drops_part and kind not in INSIDE:
            continue
        if all(mentions(text, each) for each in names):
            return removal.migration
    return None
