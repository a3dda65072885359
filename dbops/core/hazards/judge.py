"""What of a migration's statements keeps an application waiting, and for how long.

A lock is kept until the transaction ends. So a statement that takes a moment by itself
is a hazard where one that takes long follows it in the same transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from dbops.core.hazards.facts import Facts
from dbops.core.hazards.parsing import NotUnderstood
from dbops.core.hazards.predict import PredictedLock, Prediction, predict_statements
from dbops.core.hazards.rule import Role, Work
from dbops.core.lock_modes import Blocks, LockMode
from dbops.core.sql_script import needs_no_transaction
from dbops.core.table_name import TableName

PARTNERS = (Role.TARGET, Role.SOURCES, Role.CHECKED_SOURCES, Role.PARENT, Role.DEFAULT)
AVOIDABLE = ("drop-index", "detach-partition", "drop-partition", "create-partition")
"""A moment of ACCESS EXCLUSIVE that another statement does without."""
LOCKS_INDEXES = "reindex"
"""Who reads the table looks at its indexes, so it is as if the table were locked."""
CHANGES_ROWS = ("insert", "update", "delete")

REWRITE = "dbops.W101"
SCAN = "dbops.W102"
BUILD = "dbops.W103"
WRITES_BUILD = "dbops.W104"
WRITES_SCAN = "dbops.W105"
HELD = "dbops.W106"
HELD_DATA = "dbops.W107"
PARTNER = "dbops.W108"
AVOIDABLE_LOCK = "dbops.W109"
NOT_UNDERSTOOD = "dbops.W110"
NO_REASON = "dbops.W111"
IN_TRANSACTION = "dbops.E112"

NOTES = (PARTNER, AVOIDABLE_LOCK, NOT_UNDERSTOOD)
"""Worth knowing, and nobody waits for longer than a moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One statement as it will run, or Python code."""

    sql: str
    facts: Facts = field(default_factory=Facts)
    """What is known when it is to run."""
    transaction: str | None = ""
    """Which it is part of; None: it is one by itself."""
    operation: str = ""
    """Who runs it; given back in the hazards."""
    is_python: bool = False
    """`sql` is what the code is called."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hazard:
    """One thing that makes an application wait."""

    id: str
    blocks: Blocks
    relations: tuple[TableName, ...]
    """Those that nobody may read, or write, meanwhile."""
    works_on: tuple[TableName, ...] = ()
    """Those whose size says how long it takes."""
    rule: str = ""
    subject: str = ""
    assumed: str = ""
    sql: str
    earlier_sql: str = ""
    """The statement that took the lock, where it was one before."""
    mode: LockMode | None = None
    operation: str = ""
    earlier_operation: str = ""
    reason: str = ""
    others: int = 0
    """How many more statements of the same operation, or transaction, do the same."""


@dataclass(slots=True)
class _Held:
    mode: LockMode
    step: Step


@dataclass(slots=True)
class _Transaction:
    held: dict[TableName, _Held] = field(default_factory=dict)
    created: set[TableName] = field(default_factory=set)


def judge_sql(statements: Iterable[str], facts: Facts) -> tuple[Hazard, ...]:
    """Return the hazards of statements that run in one transaction.

    What one of them changes is not known to the next.
    """
    return judge([Step(sql=each, facts=facts) for each in statements])


def judge(steps: Sequence[Step]) -> tuple[Hazard, ...]:
    """Return the hazards of the steps, in their order.

    What statements of one operation do alike is one hazard; so is what is kept, or
    taken along, for the length of one transaction.
    """
    transactions: dict[str, _Transaction] = {}
    found: dict[tuple[object, ...], Hazard] = {}
    for number, step in enumerate(steps):
        if step.transaction is None:
            transaction = _Transaction()
        else:
            transaction = transactions.setdefault(step.transaction, _Transaction())
        for hazard in _judge_step(step, transaction):
            together: object = step.operation
            if hazard.id in (HELD, HELD_DATA, PARTNER):
                together = number if step.transaction is None else step.transaction
            elif hazard.id == NOT_UNDERSTOOD:
                together = step.sql
            key = (hazard.id, hazard.blocks, together)
            found[key] = _join(found[key], hazard) if key in found else hazard
    return tuple(found.values())


def _join(first: Hazard, second: Hazard) -> Hazard:
    return replace(
        first,
        relations=tuple(dict.fromkeys(first.relations + second.relations)),
        works_on=tuple(dict.fromkeys(first.works_on + second.works_on)),
        others=first.others + 1,
    )


def _judge_step(step: Step, transaction: _Transaction) -> Iterator[Hazard]:
    if step.is_python:
        yield from _judge_hold(step, None, [], transaction, HELD_DATA)
        return
    try:
        predictions = predict_statements(step.sql, step.facts)
    except NotUnderstood as error:
        yield _build(NOT_UNDERSTOOD, step, (), reason=str(error))
        return
    for prediction in predictions:
        if "opaque" in prediction.rules:
            yield _build(NOT_UNDERSTOOD, step, (), sql=prediction.sql,
                         reason="what it runs is not in the statement")  # fmt: skip
        if step.transaction is not None and needs_no_transaction(prediction.sql):
            yield _build(IN_TRANSACTION, step, (), sql=prediction.sql)
        yield from _judge_prediction(step, prediction, transaction)


def _judge_prediction(
    step: Step, prediction: Prediction, transaction: _Transaction
) -> Iterator[Hazard]:
    if prediction.creates:
        transaction.created.add(prediction.creates)
    locks = [
        # A table that is new has no rows to look up in another one.
        replace(each, work=None) if each.table in transaction.created else each
        for each in prediction.locks
        if each.relation not in transaction.created
    ]
    yield from _judge_own(step, prediction, locks)
    # Row changes of some rows alone take as long as somebody else has decided.
    if any(each.rule in CHANGES_ROWS and each.whole for each in locks):
        yield from _judge_hold(step, prediction, locks, transaction, HELD_DATA)
    elif any(each.work for each in locks):
        yield from _judge_hold(step, prediction, locks, transaction, HELD)
    for each in locks:
        if each.role is Role.INDEX:
            continue
        held = transaction.held.get(each.relation)
        if each.mode.blocks != "none" and (held is None or each.mode > held.mode):
            transaction.held[each.relation] = _Held(each.mode, step)
    if prediction.renames:
        _rename(transaction, *prediction.renames)


def _rename(transaction: _Transaction, old: TableName, new: TableName) -> None:
    if old in transaction.created:
        transaction.created.add(new)
    if old in transaction.held:
        transaction.held[new] = transaction.held.pop(old)


def _judge_own(
    step: Step, prediction: Prediction, locks: Sequence[PredictedLock]
) -> Iterator[Hazard]:
    """Yield what the statement does by itself."""
    working = [each for each in locks if each.work and each.mode.blocks != "none"]
    for id_ in (REWRITE, BUILD, SCAN, WRITES_BUILD, WRITES_SCAN):
        if these := [each for each in working if _get_id(each) == id_]:
            first = these[0]
            yield _build(
                id_, step, [each.relation for each in these], sql=prediction.sql,
                lock=first,
            )  # fmt: skip
    brief = [
        each
        for each in locks
        if not each.work and each.mode.blocks != "none" and each.role is not Role.INDEX
    ]
    if avoidable := [each for each in brief if each.rule in AVOIDABLE]:
        yield _build(
            AVOIDABLE_LOCK, step, [each.relation for each in avoidable],
            sql=prediction.sql, lock=avoidable[0],
        )  # fmt: skip
    elif partners := [each for each in brief if each.role in PARTNERS]:
        yield _build(
            PARTNER, step, [each.relation for each in partners], sql=prediction.sql,
            lock=max(partners, key=lambda each: each.mode),
        )  # fmt: skip


def _get_id(lock: PredictedLock) -> str:
    if lock.mode.blocks == "reads" or lock.rule == LOCKS_INDEXES:
        return {Work.REWRITE: REWRITE, Work.BUILD: BUILD}.get(
            lock.work or Work.SCAN, SCAN
        )
    return WRITES_SCAN if lock.work is Work.SCAN else WRITES_BUILD


def _judge_hold(
    step: Step,
    prediction: Prediction | None,
    locks: Sequence[PredictedLock],
    transaction: _Transaction,
    id_: str,
) -> Iterator[Hazard]:
    """Yield the locks of earlier statements that are kept while this one takes long.

    What the statement blocks by itself as much is told of it alone.
    """
    own = {each.relation: each.mode.blocks for each in locks}
    kept = {
        name: held
        for name, held in transaction.held.items()
        if _is_more(held.mode.blocks, own.get(name, "none"))
    }
    if not kept:
        return
    first = max(kept.values(), key=lambda each: each.mode)
    lock = next((each for each in locks if each.work or each.whole), None)
    yield Hazard(
        id=id_,
        blocks=first.mode.blocks,
        relations=tuple(
            name for name, held in kept.items() if held.mode.blocks == first.mode.blocks
        ),
        works_on=tuple(each.relation for each in locks if each.work or each.whole),
        rule=lock.rule if lock else "update",
        subject=lock.subject if lock else "",
        sql=prediction.sql if prediction else step.sql,
        earlier_sql=first.step.sql,
        mode=first.mode,
        operation=step.operation,
        earlier_operation=first.step.operation,
    )  # fmt: skip


def _is_more(a: Blocks, b: Blocks) -> bool:
    order = ("none", "writes", "reads")
    return order.index(a) > order.index(b)


def _build(
    id_: str,
    step: Step,
    relations: Sequence[TableName],
    *,
    sql: str = "",
    lock: PredictedLock | None = None,
    reason: str = "",
) -> Hazard:
    blocks: Blocks = lock.mode.blocks if lock else "none"
    return Hazard(
        id=id_,
        blocks="reads" if lock and lock.rule == LOCKS_INDEXES else blocks,
        relations=tuple(relations),
        works_on=tuple(relations),
        rule=lock.rule if lock else "",
        subject=lock.subject if lock else "",
        assumed=lock.assumed if lock else "",
        mode=lock.mode if lock else None,
        sql=sql or step.sql,
        operation=step.operation,
        reason=reason,
    )
