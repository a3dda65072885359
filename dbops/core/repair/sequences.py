"""Sequences and their settings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from dbops.core.catalog import SchemaObject
from dbops.core.describe import HIGHEST_VALUE
from dbops.core.generated_names import split_name
from dbops.core.repair.text import (
    name_whole,
    split_clauses,
    split_comment,
    write_comment,
)

STARTS = {
    "start": "start",
    "increment": "increment",
    "minimum": "minimum",
    "maximum": "maximum",
    "cache": "cache",
    "cycle": "cycle",
    "owner": "owned by",
}
WORDS = {
    "start": "START WITH",
    "increment": "INCREMENT BY",
    "minimum": "MINVALUE",
    "maximum": "MAXVALUE",
    "cache": "CACHE",
    "cycle": "CYCLE",
}
DEFAULTS = {"increment": "1", "cache": "1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequence:
    """A sequence's definition, taken apart."""

    name: str
    """With its schema."""
    type: str
    unlogged: bool
    settings: str
    owner: str | None
    comment: str | None


def read_sequence(each: SchemaObject) -> Sequence:
    """Take a sequence's definition apart."""
    text, comment = split_comment(each.definition)
    clauses = split_clauses(text, {"owner": "owned by"})
    unlogged, kind, settings = re.fullmatch(  # type: ignore[union-attr]
        r"(unlogged )?(\w+) ?(.*)", clauses[""]
    ).groups()
    owner = clauses.get("owner")
    if owner and len(split_name(owner)) == len(("table", "column")):
        owner = f"public.{owner}"
    return Sequence(
        name=name_whole(each.name),
        type=kind,
        unlogged=bool(unlogged),
        settings=settings,
        owner=owner,
        comment=comment,
    )


def write_sequence(each: SchemaObject) -> Iterator[str]:
    """Yield the statements that make the sequence, not its owner."""
    sequence = read_sequence(each)
    unlogged = "UNLOGGED " if sequence.unlogged else ""
    settings = write_settings(sequence.settings)
    words = f"CREATE {unlogged}SEQUENCE {sequence.name} AS {sequence.type} {settings}"
    yield words.strip()
    if sequence.comment:
        yield write_comment(f"SEQUENCE {sequence.name}", sequence.comment)


def change_sequence(before: SchemaObject, after: SchemaObject) -> Iterator[str]:
    """Yield the statements that make the one like the other, but for the owner."""
    old, new = read_sequence(before), read_sequence(after)
    if old.unlogged != new.unlogged:
        how = "UNLOGGED" if new.unlogged else "LOGGED"
        yield f"ALTER SEQUENCE {new.name} SET {how}"
    changes = change_settings(old.settings, new.settings, old.type, new.type)
    if old.type != new.type:
        changes = [f"AS {new.type}", *changes]
    if changes:
        yield f"ALTER SEQUENCE {new.name} {' '.join(changes)}"
    if old.comment != new.comment:
        yield write_comment(f"SEQUENCE {new.name}", new.comment)


def write_settings(text: str) -> str:
    """Return a sequence's settings in SQL.

    >>> write_settings("increment 2 cycle")
    'INCREMENT BY 2 CYCLE'
    """
    return " ".join(
        f"{WORDS[name]} {value}".strip() for name, value in _read(text).items()
    )


def change_settings(old: str, new: str, old_type: str, new_type: str) -> list[str]:
    """Return the settings to be changed, each as a clause.

    >>> change_settings("increment 2 cycle", "start 5", "bigint", "bigint")
    ['INCREMENT BY 1', 'START WITH 5', 'NO CYCLE']
    """
    before, after = _fill(_read(old), old_type), _fill(_read(new), new_type)
    names = ("increment", "minimum", "maximum", "start", "cache")
    changes = [
        f"{WORDS[name]} {after[name]}" for name in names if before[name] != after[name]
    ]
    if ("cycle" in before) != ("cycle" in after):
        changes.append("CYCLE" if "cycle" in after else "NO CYCLE")
    return changes


def _read(text: str) -> dict[str, str]:
    clauses = split_clauses(text, STARTS)
    return {name: value for name, value in clauses.items() if name}


def _fill(settings: dict[str, str], kind: str) -> dict[str, str]:
    highest = HIGHEST_VALUE.get(kind, HIGHEST_VALUE["bigint"])
    up = int(settings.get("increment", "1")) > 0
    lowest, top = (1, highest) if up else (-highest - 1, -1)
    filled = {**DEFAULTS, "minimum": str(lowest), "maximum": str(top), **settings}
    return {"start": filled["minimum" if up else "maximum"], **filled}
