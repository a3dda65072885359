"""Which tables have lost rows, and which were said to."""

from __future__ import annotations

from typing import Any

import pytest

from dbops.core.lost_rows import (
    LostRows,
    TableCount,
    find_lost_rows,
    find_said_tables,
    tell_lost_rows,
)


@pytest.mark.parametrize(
    ("sql", "tables"),
    [
        ("DELETE FROM a WHERE b IN (SELECT c FROM d)", ["a"]),
        ('delete\nfrom only "My ""a" AS x', ['"My ""a"']),
        ("WITH x AS (DELETE FROM s . a RETURNING *) INSERT INTO b", ["s.a"]),
        ("TRUNCATE TABLE a, ONLY b, s.c * CASCADE", ["a", "b", "s.c"]),
        ("MERGE INTO a USING b ON true WHEN MATCHED THEN DELETE", ["a"]),
        ("DO $$ BEGIN EXECUTE 'DELETE FROM a'; END $$", ["a"]),
        ("/* DELETE FROM a */ SELECT '-- x' -- TRUNCATE b", []),
        ("CREATE TABLE a (b int REFERENCES c ON DELETE CASCADE)", []),
        ("UPDATE a SET b = 1", []),
    ],
)
def test_finds_the_tables_that_sql_deletes_from(sql: str, tables: list[str]) -> None:
    assert list(find_said_tables(sql)) == tables


def count(oid: int, **given: Any) -> TableCount:
    fields: dict[str, Any] = {
        "root": oid,
        "root_name": f"t{given.get('root', oid)}",
        "filenode": oid,
        "believed_rows": 0,
        "deleted": 0,
        "inserted": 0,
    }
    return TableCount(oid=oid, **(fields | given))


def find(
    before: list[TableCount], after: list[TableCount], **given: Any
) -> tuple[LostRows, ...]:
    return find_lost_rows(
        {each.oid: each for each in before},
        after,
        given.get("emptied", ()),
        given.get("said", ()),
    )


def test_only_what_is_deleted_since_and_not_said_is_lost() -> None:
    before = [count(1, deleted=5), count(2), count(3)]
    after = [count(1, deleted=7), count(2, deleted=4, inserted=4), count(3, deleted=1)]

    lost = find([*before], [*after, count(4, deleted=9)], said=[3])

    assert lost == (LostRows(table="t1", rows=2, is_exact=True),)


def test_rows_that_move_between_partitions_are_not_lost() -> None:
    before = [count(1, root=9), count(2, root=9)]

    assert not find(before, [count(1, root=9, deleted=3), count(2, root=9, inserted=3)])
    [lost] = find(before, [count(1, root=9, deleted=3), count(2, root=9, inserted=2)])
    assert (lost.table, lost.rows) == ("t9", 1)
    assert not find(before, [count(1, root=9, deleted=3)], said=[9])


def test_a_table_that_was_emptied_has_lost_what_it_was_believed_to_have() -> None:
    before = [count(1, believed_rows=1200), count(2, believed_rows=1)]
    after = [count(1, filenode=7), count(2, filenode=8)]

    [lost] = find(before, after, emptied=[1])

    assert str(lost) == "about 1,200 rows of t1"
    assert not find(before, after, emptied=[1], said=[1])


def test_tells_the_first_and_how_many_more() -> None:
    lost = [LostRows(table=f"t{n}", rows=n, is_exact=True) for n in range(1, 8)]

    assert tell_lost_rows(lost).startswith("1 row of t1, 2 rows of t2")
    assert tell_lost_rows(lost).endswith("5 rows of t5 and 2 more tables")
