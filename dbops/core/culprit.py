"""Who changed an object by hand, as the journal of DDL tells it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from dbops.core.compare import Difference
from dbops.core.generated_names import split_name


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalEntry:
    """One object that a statement made, changed or dropped."""

    at: datetime
    role: str
    application_name: str
    client: str
    """Address, or `local`."""
    command: str
    """As in `ALTER TABLE`."""
    identity: str
    """As PostgreSQL identifies the object, schema and all."""
    statement: str
    """All that the client sent at once; empty where a password may be in it."""


def find_culprit(
    difference: Difference, entries: Sequence[JournalEntry]
) -> JournalEntry | None:
    """Return the newest entry that is about what differs; None without one.

    `entries` come newest first. One that identifies the object itself counts most, then
    one about its table whose statement has the object's name. The last one about the
    table alone may be about anything.

    >>> entry = JournalEntry(
    ...     at=datetime(2026, 11, 23), role="ada", application_name="psql",
    ...     client="local", command="ALTER TABLE", identity="public.messages",
    ...     statement="ALTER TABLE messages ADD note text",
    ... )
    >>> from dbops.core.catalog import ObjectKind
    >>> from dbops.core.compare import DifferenceKind
    >>> note = Difference(
    ...     kind=DifferenceKind.EXTRA, object=ObjectKind.COLUMN,
    ...     name="messages.note", expected=None, actual="text",
    ... )
    >>> find_culprit(note, [entry]).role
    'ada'
    """
    own = _split(difference.name)
    bare = own[-1].strip('"').lower()
    for entry in entries:
        its = _split(entry.identity)
        if its[-len(own) :] == own:
            return entry
        is_part = len(own) > 1 and its[-1] == own[-2]
        if (is_part or its[-1] == own[-1]) and mentions(entry.statement, bare):
            return entry
        # Triggers, rules, policies and constraints: "name on schema.table".
        name, on, _ = entry.identity.partition(" on ")
        if on and name.strip('"').lower() == bare:
            return entry
    return None


def _split(name: str) -> tuple[str, ...]:
    """Return the parts of a name, of a function without its arguments."""
    return split_name(name.partition("(")[0]) or (name,)


def mentions(statement: str, name: str) -> bool:
    """Say whether a statement has the name, as a word.

    >>> mentions('alter table t drop "Note"', "note"), mentions("drop notes", "note")
    (True, False)
    """
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", statement.lower()) is not None
