"""Which strong locks a statement or an operation will want, by rule."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from django.db.migrations.operations import (
    RunPython,
    RunSQL,
    SeparateDatabaseAndState,
)
from django.db.migrations.operations.base import Operation

from dbops.core.gaps import WEAKEST, WantedLock
from dbops.core.hazards.parsing import (
    NotUnderstood,
    has_parser,
    list_names,
    parse_statements,
)
from dbops.operations.context import Context
from dbops.postgres.lock_facts import fetch_lock_facts

WITHOUT = frozenset(
    {
        "SelectStmt", "InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt",
        "VariableSetStmt", "VariableShowStmt", "TransactionStmt", "ConstraintsSetStmt",
    }
)  # fmt: skip
"""Statements without a strong lock on a table."""

_ROWS = re.compile(
    r"\b(?:INSERT|UPDATE|DELETE|MERGE|COPY|SELECT|CALL|DO|REFRESH|TRUNCATE|LOCK)\b",
    re.IGNORECASE,
)


def changes_rows(operations: Sequence[Operation]) -> bool:
    """Tell whether an operation may take its time over rows: Python, or SQL of a kind.

    What it cannot tell counts as one: then locks are only asked for when they are
    needed.
    """
    return any(_changes_rows(each) for each in operations)


def _changes_rows(operation: Operation) -> bool:
    match operation:
        case RunPython(code=code):
            return code is not RunPython.noop
        case RunSQL(sql=str(text)):
            return bool(_ROWS.search(text))
        case RunSQL(sql=parts):
            texts = (each if isinstance(each, str) else each[0] for each in parts)
            return any(_ROWS.search(text) for text in texts)
        case SeparateDatabaseAndState(database_operations=inner):
            return changes_rows(inner)
        case _:
            return False


def takes_time(text: str) -> bool:
    """Tell whether SQL may take its time over rows."""
    return bool(_ROWS.search(text))


def predict_locks(
    context: Context, text: str, parameters: Any = None
) -> list[WantedLock]:
    """Return the strong locks of a statement; nothing where no rule knows it."""
    if not has_parser():
        return []
    # Commands that apply nothing would load all rules, too.
    from dbops.core.hazards.predict import predict

    if parameters is not None:
        text = context.connection.ops.compose_sql(text, parameters)  # type: ignore[attr-defined]
    try:
        statements = parse_statements(text)
    except NotUnderstood:
        return []
    statements = tuple(each for each in statements if each.kind not in WITHOUT)
    if not statements:
        return []
    facts = fetch_lock_facts(
        context.connect(),
        frozenset().union(*(list_names(each.node) for each in statements)),
        every_hop=any(each.kind == "TruncateStmt" for each in statements),
    )
    return [
        WantedLock(relation=lock.relation, mode=lock.mode)
        for each in statements
        for lock in predict(each, facts).locks
        if lock.mode >= WEAKEST and lock.relation in facts.relations
    ]
