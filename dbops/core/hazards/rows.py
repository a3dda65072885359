"""What the statements that read and change rows do."""

from __future__ import annotations

from collections.abc import Iterator

from dbops.core.hazards.act import (
    Act,
    below,
    name_of,
    partitions,
    sources_of,
    targets_of,
)
from dbops.core.hazards.facts import Facts
from dbops.core.hazards.parsing import Node, get_kind, unwrap
from dbops.core.hazards.rule import Role
from dbops.core.lock_modes import LockMode
from dbops.core.table_name import TableName

SET_NULL_OR_CASCADE = ("c", "n", "d")


def read_insert(node: Node, facts: Facts) -> Iterator[Act]:
    """Yield what INSERT does."""
    name = name_of(node.relation, facts)
    yield Act(
        rule="insert",
        roles={
            Role.TABLE: (name,),
            Role.TARGET: targets_of(facts.get(name), facts),
        },
        whole=node.HasField("select_stmt")
        and not len(unwrap(node.select_stmt).values_lists),
    )


def read_update(node: Node, facts: Facts) -> Iterator[Act]:
    """Yield what UPDATE and MERGE do."""
    name = name_of(node.relation, facts)
    columns = frozenset(
        inner.name
        for each in getattr(node, "target_list", ())
        if get_kind(inner := unwrap(each)) == "ResTarget"
    )
    yield Act(
        rule="update",
        roles={
            Role.TABLE: (name,),
            Role.BELOW: below(name, facts),
            Role.TARGET: targets_of(facts.get(name), facts, columns=columns),
            Role.SOURCES: sources_of(name, facts, columns=columns),
        },
        whole=get_kind(node) == "UpdateStmt" and not node.HasField("where_clause"),
    )


def read_delete(node: Node, facts: Facts) -> Iterator[Act]:
    """Yield what DELETE does; with ON DELETE CASCADE to the rows that point to it."""
    name = name_of(node.relation, facts)
    changed: list[TableName] = []
    looked_at: list[TableName] = []
    for other, key in facts.list_keys_to(name):
        rest = changed if key.on_delete in SET_NULL_OR_CASCADE else looked_at
        rest += [other, *partitions(other, facts)]
    yield Act(
        rule="delete",
        roles={
            Role.TABLE: (name,),
            Role.BELOW: below(name, facts),
            Role.SOURCES: tuple(looked_at),
            Role.OTHERS: tuple(changed),
        },
        whole=not node.HasField("where_clause"),
    )


def read_select(node: Node, facts: Facts) -> Iterator[Act]:
    """Yield what SELECT does: the changes in its WITH, and the rows that it locks."""
    for each in node.with_clause.ctes if node.HasField("with_clause") else ():
        inner = unwrap(unwrap(each).ctequery)
        reader = READERS.get(get_kind(inner))
        if reader:
            yield from reader(inner, facts)
    locked = tuple(
        name_of(inner, facts)
        for each in (node.from_clause if len(node.locking_clause) else ())
        if get_kind(inner := unwrap(each)) == "RangeVar"
    )
    yield Act(rule="select", roles={Role.TABLE: locked})
    if node.HasField("into_clause"):
        yield Act(rule="create-table-as")


def read_copy(node: Node, facts: Facts) -> Iterator[Act]:
    """Yield what COPY does."""
    if not node.is_from:
        yield Act(rule="select")
        return
    name = name_of(node.relation, facts)
    yield Act(
        rule="insert",
        roles={
            Role.TABLE: (name,),
            Role.TARGET: targets_of(facts.get(name), facts),
        },
        whole=True,
    )


def read_lock(node: Node, facts: Facts) -> Iterator[Act]:
    """Yield what LOCK TABLE does."""
    for each in node.relations:
        relation = unwrap(each)
        name = name_of(relation, facts)
        yield Act(
            rule="lock-table",
            roles={Role.TABLE: (name, *below(name, facts, only=not relation.inh))},
            mode=LockMode(node.mode),
        )


READERS = {
    "InsertStmt": read_insert,
    "UpdateStmt": read_update,
    "MergeStmt": read_update,
    "DeleteStmt": read_delete,
    "SelectStmt": read_select,
}
