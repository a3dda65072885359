"""The chain of entries: each edit is found, and nothing else is."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from dbops.core.chain import (
    Entry,
    FlawKind,
    Row,
    RowKey,
    build_entry,
    canonicalise,
    find_flaws,
)

MOMENT = datetime(2026, 11, 23, 6, 30, tzinfo=UTC)
TABLE = "dbops_step"


def build_chain(length: int = 6) -> tuple[list[Entry], dict[RowKey, Row]]:
    """Return entries about three rows, each written twice, and the rows."""
    entries: list[Entry] = []
    rows: dict[RowKey, Row] = {}
    for number in range(length):
        key = str(number % 3)
        row = {"id": key, "state": f"state {number}", "sql": "x" * 300, "at": MOMENT}
        rows[TABLE, key] = row
        entry = build_entry(
            entries[-1] if entries else None,
            recorded_at=MOMENT + timedelta(seconds=number),
            event="finish_step",
            table_name=TABLE,
            row_key=key,
            content=canonicalise(row),
        )
        entries.append(entry)
    return entries, rows


def find_kinds(
    entries: list[Entry], rows: dict[RowKey, Row], *heads: str
) -> set[FlawKind]:
    return {each.kind for each in find_flaws(entries, rows, heads)}


def test_finds_nothing_in_what_nobody_touched() -> None:
    entries, rows = build_chain()

    shuffled = random.Random(1).sample(entries, len(entries))

    assert find_flaws(shuffled, rows, [entries[2].hash[:12]]) == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"content": "{}"},
        {"content": "no JSON"},
        {"hash": "0" * 64},
        {"previous": ""},
        {"event": "genesis"},
        {"row_key": "7"},
        {"table_name": "dbops_deployment"},
        {"recorded_at": MOMENT - timedelta(microseconds=1)},
        {"position": 99},
    ],
)
@pytest.mark.parametrize("index", [1, 5])
def test_finds_an_entry_that_was_edited(index: int, changes: dict[str, Any]) -> None:
    entries, rows = build_chain()
    entries[index] = replace(entries[index], **changes)

    assert FlawKind.ENTRY_EDITED in find_kinds(entries, rows)


@pytest.mark.parametrize("index", range(5))
def test_finds_an_entry_that_was_deleted(index: int) -> None:
    entries, rows = build_chain()
    del entries[index]

    assert FlawKind.ENTRY_MISSING in find_kinds(entries, rows)


def test_an_entry_made_anew_breaks_the_chain_behind_it() -> None:
    entries, rows = build_chain()
    entries[1] = build_entry(
        entries[0],
        recorded_at=MOMENT,
        event="finish_step",
        table_name=TABLE,
        row_key="1",
        content="{}",
    )

    assert find_kinds(entries, rows) == {FlawKind.ENTRY_OUT_OF_CHAIN}


def test_finds_an_entry_that_is_there_twice() -> None:
    entries, rows = build_chain()

    assert FlawKind.ENTRY_OUT_OF_CHAIN in find_kinds([*entries, entries[2]], rows)


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"state": "done"}, FlawKind.ROW_EDITED),
        ({"sql": "x" * 299 + "y"}, FlawKind.ROW_EDITED),
        ({"at": MOMENT + timedelta(microseconds=1)}, FlawKind.ROW_EDITED),
        ({"later_column": "something"}, FlawKind.ROW_EDITED),
    ],
)
def test_finds_a_row_that_was_edited(
    changes: dict[str, object], kind: FlawKind
) -> None:
    entries, rows = build_chain()
    rows[TABLE, "1"] = {**rows[TABLE, "1"], **changes}

    assert find_kinds(entries, rows) == {kind}


def test_finds_rows_that_were_deleted_and_inserted() -> None:
    entries, rows = build_chain()
    rows[TABLE, "4"] = rows.pop((TABLE, "1"))

    assert find_kinds(entries, rows) == {
        FlawKind.ROW_DELETED,
        FlawKind.ROW_UNATTESTED,
    }


def test_only_a_hash_that_was_kept_tells_that_the_end_was_cut_off() -> None:
    entries, _ = build_chain(4)
    shorter, fewer = build_chain(3)

    assert find_flaws(shorter, fewer) == ()
    assert find_kinds(shorter, fewer, entries[-1].hash) == {FlawKind.HEAD_UNKNOWN}
    assert find_kinds([], {}, entries[-1].hash) == {FlawKind.HEAD_UNKNOWN}


def test_rows_without_any_chain_are_told_once() -> None:
    _, rows = build_chain()

    assert find_kinds([], rows) == {FlawKind.NO_CHAIN}
    assert find_flaws([], {}) == ()


def test_neither_the_time_zone_nor_a_new_column_is_an_edit() -> None:
    entries, rows = build_chain()
    elsewhere = MOMENT.astimezone(timezone(timedelta(hours=5)))
    for key, row in rows.items():
        rows[key] = {"later": "", **row, "at": elsewhere, "count": 0}

    assert find_flaws(entries, rows) == ()
