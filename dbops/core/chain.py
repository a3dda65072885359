"""The entries that attest what the ledger's rows said, each with the hash of the last.

An entry holds a row as it was after one write, and the hash of the entry before it. So
no entry can be changed, taken out or put in between without breaking the chain, and
no row without differing from the last entry about it. Two things it cannot tell by
itself: that the newest entries were cut off with their rows, and that a whole chain
was made anew. Whoever has kept a hash of it can (`heads`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from uuid import UUID

LONGEST_TEXT = 200
"""Longer texts (SQL, catalogs, reports) are attested by their SHA-256."""
SHORTEST_HEAD = 8
"""Of a hash that somebody has kept, and that is looked for by its beginning."""
GONE = "null"
"""The content of an entry that attests that there is no such row."""
EMPTY: tuple[object, ...] = (None, "", 0, 0.0, "[]")
"""What a column may hold that did not exist when its row was attested."""

RowKey = tuple[str, str]
"""A table of the ledger, and the primary key of one row, as text."""
Row = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What was written to one row of the ledger."""

    position: int
    """From 1, without gaps."""
    recorded_at: datetime
    event: str
    """The write; `genesis` for a row that was there before the chain."""
    table_name: str
    row_key: str
    content: str
    """The row after it, as `canonicalise` writes it."""
    previous: str
    """The hash of the entry before it; empty in the first."""
    hash: str


class FlawKind(StrEnum):
    """What is wrong."""

    ENTRY_EDITED = "entry_edited"
    ENTRY_MISSING = "entry_missing"
    ENTRY_OUT_OF_CHAIN = "entry_out_of_chain"
    ROW_EDITED = "row_edited"
    ROW_DELETED = "row_deleted"
    ROW_UNATTESTED = "row_unattested"
    HEAD_UNKNOWN = "head_unknown"
    NO_CHAIN = "no_chain"


OF_ROWS = (FlawKind.ROW_EDITED, FlawKind.ROW_DELETED, FlawKind.ROW_UNATTESTED)
"""The flaws that leave the chain itself whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaw:
    """One thing that is not as the chain has it."""

    kind: FlawKind
    name: str
    """The entry or the row."""
    text: str

    def __str__(self) -> str:
        """Return one line for a person."""
        return f"{self.name}: {self.text}"


def canonicalise(row: Row) -> str:
    """Return a row as JSON that does not depend on time zones or the columns' order.

    >>> canonicalise({"b": datetime(2026, 1, 1, tzinfo=UTC), "a": None})
    '{"a":null,"b":"2026-01-01T00:00:00+00:00"}'
    >>> canonicalise({"sql": "x" * 201})[:30]
    '{"sql":{"length":201,"sha256":'
    """
    return _write({name: _build_short(value) for name, value in row.items()})


def build_plain(value: object) -> object:
    """Return a value of a row as JSON has it."""
    match value:
        case datetime():
            return value.astimezone(UTC).isoformat()
        case UUID():
            return str(value)
        case _:
            return value


def _build_short(value: object) -> object:
    if isinstance(value, str) and len(value) > LONGEST_TEXT:
        digest = hashlib.sha256(value.encode()).hexdigest()
        return {"sha256": digest, "length": len(value)}
    return build_plain(value)


def _write(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def build_entry(
    last: Entry | None,
    *,
    recorded_at: datetime,
    event: str,
    table_name: str,
    row_key: str,
    content: str,
) -> Entry:
    """Return the entry that follows `last`."""
    entry = Entry(
        position=last.position + 1 if last else 1,
        recorded_at=recorded_at,
        event=event,
        table_name=table_name,
        row_key=row_key,
        content=content,
        previous=last.hash if last else "",
        hash="",
    )
    return Entry(
        position=entry.position,
        recorded_at=recorded_at,
        event=event,
        table_name=table_name,
        row_key=row_key,
        content=content,
        previous=entry.previous,
        hash=hash_entry(entry),
    )


def hash_entry(entry: Entry) -> str:
    """Return the SHA-256 of all of an entry but its own hash."""
    text = _write(
        [
            entry.position,
            entry.recorded_at.astimezone(UTC).isoformat(),
            entry.event,
            entry.table_name,
            entry.row_key,
            entry.content,
            entry.previous,
        ]
    )
    return hashlib.sha256(text.encode()).hexdigest()


def find_flaws(
    entries: Iterable[Entry], rows: Mapping[RowKey, Row], heads: Iterable[str] = ()
) -> tuple[Flaw, ...]:
    """Return what was edited, deleted or inserted, in the order of the entries.

    `rows` are all rows of the attested tables; `heads` are hashes that somebody has
    kept, or their beginnings.
    """
    ordered = sorted(entries, key=lambda each: each.position)
    if ordered or not rows:
        flaws = [*_check_chain(ordered), *_check_rows(find_attested(ordered), rows)]
    else:
        flaws = [
            Flaw(
                kind=FlawKind.NO_CHAIN,
                name=f"{len(rows):,} rows",
                text="are attested by no entry: the chain begins with the next run "
                "that writes, or was deleted",
            )
        ]
    flaws += [
        Flaw(
            kind=FlawKind.HEAD_UNKNOWN,
            name=f"hash {head[:16]}",
            text="is of no entry: the newest were cut off, or the chain was made anew",
        )
        for head in heads
        if not any(each.hash.startswith(head.lower()) for each in ordered)
    ]
    return tuple(flaws)


def _check_chain(ordered: list[Entry]) -> Iterator[Flaw]:
    last: Entry | None = None
    for each in ordered:
        expected = last.position + 1 if last else 1
        name = f"entry {each.position}"
        if each.position > expected:
            yield _build_missing(expected, each.position - 1)
        if each.position < expected:
            yield Flaw(
                kind=FlawKind.ENTRY_OUT_OF_CHAIN, name=name, text="is there twice"
            )
        if hash_entry(each) != each.hash:
            yield Flaw(
                kind=FlawKind.ENTRY_EDITED,
                name=name,
                text="does not give its hash: it was edited",
            )
        elif each.position == expected and each.previous != (last.hash if last else ""):
            yield Flaw(
                kind=FlawKind.ENTRY_OUT_OF_CHAIN,
                name=name,
                text="does not follow the one before it: that was exchanged or edited",
            )
        last = each


def _build_missing(first: int, until: int) -> Flaw:
    one = first == until
    return Flaw(
        kind=FlawKind.ENTRY_MISSING,
        name=f"entry {first}" if one else f"entries {first} to {until}",
        text="was deleted" if one else "were deleted",
    )


def find_attested(entries: Iterable[Entry]) -> dict[RowKey, Entry]:
    """Return the last entry about each row."""
    return {(each.table_name, each.row_key): each for each in entries}


def _check_rows(
    attested: Mapping[RowKey, Entry], rows: Mapping[RowKey, Row]
) -> Iterator[Flaw]:
    for key, entry in attested.items():
        name = f"{key[0]} {key[1][:36]}"
        if key not in rows:
            if entry.content == GONE:
                continue
            yield Flaw(
                kind=FlawKind.ROW_DELETED,
                name=name,
                text=f"was deleted; entry {entry.position} attests it",
            )
            continue
        changed = find_changed(entry, rows[key])
        if changed:
            yield Flaw(
                kind=FlawKind.ROW_EDITED,
                name=name,
                text=f"{', '.join(changed)} is not what entry {entry.position} attests",
            )
    for table, row_key in sorted(rows.keys() - attested.keys()):
        yield Flaw(
            kind=FlawKind.ROW_UNATTESTED,
            name=f"{table} {row_key[:36]}",
            text="no entry attests it: it was inserted, or written by a release of "
            "dbops that keeps no chain",
        )


def find_changed(entry: Entry, row: Row) -> list[str]:
    """Return the columns of a row that are not as the entry has them, by name."""
    try:
        expected = json.loads(entry.content)
        found = json.loads(canonicalise(row))
        names = sorted(expected.keys() | found.keys())
    except (ValueError, AttributeError):
        return ["its entry"]
    return [each for each in names if not _is_same(expected, found, each)]


def is_attested(entry: Entry | None, row: Row | None) -> bool:
    """Say whether a row, or that there is none, is as its last entry has it."""
    if row is None:
        return entry is None or entry.content == GONE
    return entry is not None and not find_changed(entry, row)


def _is_same(expected: Row, found: Row, name: str) -> bool:
    if name not in expected:
        return found[name] in EMPTY
    return name in found and expected[name] == found[name]
