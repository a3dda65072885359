"""When a strong lock is asked for, and on what."""

from __future__ import annotations

from dataclasses import replace

from dbops.core.gaps import (
    Holder,
    Look,
    RelationRow,
    Sightings,
    Target,
    WantedLock,
    choose_gap_s,
    describe_conflicts,
    find_conflicts,
    find_cure,
    is_vacuum,
    list_wanted,
    merge_wanted,
)
from dbops.core.lock_modes import LockMode
from dbops.core.locks.rows import PreparedRow, SessionRow
from dbops.core.table_name import TableName

AX, SUX, AS = (
    LockMode.ACCESS_EXCLUSIVE,
    LockMode.SHARE_UPDATE_EXCLUSIVE,
    LockMode.ACCESS_SHARE,
)


def name(text: str) -> TableName:
    return TableName("public", text)


def relation(
    oid: int, *parents: int, kind: str = "r", mode: LockMode | None = None
) -> RelationRow:
    return RelationRow(
        oid=oid, name=name(f"t{oid}"), kind=kind, parents=parents, mode=mode
    )


def look_at(*holders: Holder, mode: LockMode = AX, now_us: int = 10_000_000) -> Look:
    target = Target(relation=name("t"), mode=mode, may_lock=True, holders=holders)
    return Look(now_us=now_us, targets=(target,))


def hold(who: SessionRow | PreparedRow | None, mode: LockMode = AS) -> Holder:
    return Holder(
        pid=who.pid if isinstance(who, SessionRow) else None,
        virtualtransaction="3/7",
        mode=mode,
        granted=True,
        who=who,
    )


def test_each_relation_is_wanted_once_in_the_order_of_the_names() -> None:
    wanted = merge_wanted(
        [
            WantedLock(relation=name("b"), mode=LockMode.SHARE),
            WantedLock(relation=TableName("a", "z"), mode=AX),
            WantedLock(relation=name("a"), mode=AX),
            WantedLock(relation=name("b"), mode=AX, below=True),
        ]
    )

    assert [(*each.relation, each.mode, each.below) for each in wanted] == [
        ("a", "z", AX, False),
        ("public", "a", AX, False),
        ("public", "b", AX, True),
    ]


def test_only_strong_locks_on_what_was_there_are_wanted() -> None:
    before = {each: relation(each) for each in (1, 2)}
    after = [relation(1, mode=AX), relation(2, mode=SUX), relation(3, mode=AX)]

    (only,) = list_wanted(before, after)

    assert only == WantedLock(relation=name("t1"), mode=AX)


def test_partitions_are_wanted_with_their_parent_when_all_were_locked() -> None:
    parent, child = relation(1, kind="p"), relation(2, 1)
    alone = list_wanted({1: parent}, [relation(1, kind="p", mode=AX)])
    both = list_wanted(
        {1: parent, 2: child}, [relation(1, kind="p", mode=AX), relation(2, mode=AX)]
    )
    one = list_wanted(
        {1: parent, 2: child, 3: relation(3, 1)},
        [relation(1, kind="p", mode=AX), relation(2, mode=AX)],
    )

    assert [each.below for each in alone] == [True]
    assert [each.below for each in both] == [True, False]
    assert [each.below for each in one] == [False, False]


def test_who_does_not_conflict_is_not_in_the_way() -> None:
    reader = hold(SessionRow(pid=1, xact_start_us=0))

    assert find_conflicts(look_at(reader, mode=AX), Sightings())
    assert not find_conflicts(look_at(reader, mode=LockMode.SHARE), Sightings())


def test_an_age_that_the_role_may_not_see_is_measured_from_look_to_look() -> None:
    seen = Sightings()
    hidden = hold(SessionRow(pid=1, hidden=True))
    first, second = look_at(hidden), look_at(hidden, now_us=10_060_000)

    seen.note(first)
    assert seen.is_unsure(hidden)
    seen.note(second)
    (conflict,) = find_conflicts(second, seen)
    late = Holder(pid=2, virtualtransaction="4/1", mode=AS, granted=True, who=None)

    assert not seen.is_unsure(hidden)
    assert not seen.is_unsure(late)
    assert conflict.age_s == 0.06


def test_vacuum_is_told_from_what_it_is_or_from_its_mode() -> None:
    def judge(row: SessionRow, mode: LockMode) -> bool:
        (conflict,) = find_conflicts(look_at(hold(row, mode)), Sightings())
        return is_vacuum(conflict)

    query = "autovacuum: VACUUM public.t"
    worker = SessionRow(pid=1, backend_type="autovacuum worker", query=query)

    assert judge(worker, SUX)
    assert not judge(replace(worker, query=f"{query} (to prevent wraparound)"), SUX)
    assert judge(SessionRow(pid=1, hidden=True), SUX)
    assert not judge(SessionRow(pid=1, hidden=True), AS)
    assert not judge(SessionRow(pid=1, backend_type="client backend"), SUX)


def test_the_gap_never_grows_beyond_what_a_statement_may_wait() -> None:
    assert choose_gap_s(0.05, 2.0, 1e6, 120) == 1.0
    assert choose_gap_s(0.05, 0.0, 1e6, 120) == 0.05
    assert choose_gap_s(0.05, 2.0, 5.0, 0) == 0.05


def test_a_prepared_transaction_is_named_with_what_ends_it() -> None:
    prepared = PreparedRow(
        transaction=7, gid="it's", literal="'it''s'", prepared_us=4_000_000, owner="o",
        database="d",
    )  # fmt: skip
    (conflict,) = find_conflicts(look_at(hold(prepared)), Sightings())

    assert describe_conflicts([conflict, conflict]) == (
        'prepared transaction "it\'s" (role "o", transaction open for 6 s) holds '
        "AccessShareLock on public.t"
    )
    assert find_cure(conflict) == "ROLLBACK PREPARED 'it''s'"
