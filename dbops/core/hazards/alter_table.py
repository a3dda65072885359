"""What ALTER TABLE does, command by command."""

from __future__ import annotations

from collections.abc import Iterator

from dbops.core.hazards.act import Act, below, name_of, partitions
from dbops.core.hazards.alter_column import (
    add_column,
    alter_type,
    drop_column,
    drop_not_null,
    find_sequences,
    is_proven_not_null,
    set_not_null,
)
from dbops.core.hazards.alter_constraint import (
    add_constraint,
    alter_constraint,
    covers_indexes,
    drop_constraint,
    list_key_columns,
    validate_constraint,
)
from dbops.core.hazards.expressions import get_constant, parse_check, proves_range
from dbops.core.hazards.facts import Facts, Relation
from dbops.core.hazards.parsing import Node, get_enum, get_kind, unwrap
from dbops.core.hazards.rule import Role

# What only the named table is locked for, by the command.
PLAIN = {
    "AT_ChangeOwner": "alter-table",
    "AT_AddOf": "alter-table",
    "AT_DropOf": "alter-table",
    "AT_ReplicaIdentity": "alter-table",
    "AT_GenericOptions": "alter-table",
    "AT_AlterColumnGenericOptions": "alter-table",
    "AT_ClusterOn": "set-options",
    "AT_DropCluster": "set-options",
    "AT_EnableRule": "change-rule",
    "AT_EnableAlwaysRule": "change-rule",
    "AT_EnableReplicaRule": "change-rule",
    "AT_DisableRule": "change-rule",
    "AT_EnableRowSecurity": "change-policy",
    "AT_DisableRowSecurity": "change-policy",
    "AT_ForceRowSecurity": "change-policy",
    "AT_NoForceRowSecurity": "change-policy",
}
# What goes down to partitions and inheriting tables as well.
DEEP = {
    "AT_ColumnDefault": "alter-column-default",
    "AT_CookedColumnDefault": "alter-column-default",
    "AT_SetExpression": "set-expression",
    "AT_DropExpression": "drop-expression",
    "AT_SetStatistics": "set-statistics",
    "AT_SetOptions": "set-statistics",
    "AT_ResetOptions": "set-statistics",
    "AT_SetStorage": "set-storage",
    "AT_SetCompression": "set-storage",
}
READERS = {
    "AT_AddColumn": add_column,
    "AT_DropColumn": drop_column,
    "AT_SetNotNull": set_not_null,
    "AT_DropNotNull": drop_not_null,
    "AT_AlterColumnType": alter_type,
    "AT_AddConstraint": add_constraint,
    "AT_ValidateConstraint": validate_constraint,
    "AT_DropConstraint": drop_constraint,
    "AT_AlterConstraint": alter_constraint,
}
TRIGGERS = ("Trig", "TrigAll", "TrigUser", "AlwaysTrig", "ReplicaTrig")
WEAK_OPTIONS = (
    "autovacuum_enabled", "fillfactor", "parallel_workers", "toast_tuple_target",
    "n_distinct", "n_distinct_inherited", "vacuum_index_cleanup", "vacuum_truncate",
    "deduplicate_items", "fastupdate", "gin_pending_list_limit", "autosummarize",
    "pages_per_range", "log_autovacuum_min_duration",
)  # fmt: skip
"""Storage parameters that a running query need not notice; and all of autovacuum_."""


def read_alter_table(node: Node, facts: Facts) -> Iterator[Act]:
    """Yield what the statement does."""
    name = name_of(node.relation, facts)
    match get_enum(node, "objtype"):
        case "OBJECT_INDEX":
            yield Act(rule="alter-index", subject=name.name)
        case "OBJECT_SEQUENCE":
            yield Act(rule="alter-sequence", roles={Role.TABLE: (name,)})
        case "OBJECT_VIEW":
            yield Act(rule="change-view", roles={Role.TABLE: (name,)})
        case "OBJECT_TYPE":
            yield Act(rule="no-table")
        case _:
            table = facts.get(name)
            for command in node.cmds:
                yield from _read_command(
                    table, unwrap(command), facts, only=not node.relation.inh
                )


def _read_command(
    table: Relation, command: Node, facts: Facts, *, only: bool
) -> Iterator[Act]:
    kind = get_enum(command, "subtype")
    here = {Role.TABLE: (table.name,)}
    if kind in PLAIN:
        yield Act(rule=PLAIN[kind], roles=here, subject=command.name)
        return
    if kind in DEEP:
        deep = {**here, Role.BELOW: below(table.name, facts, only=only)}
        yield Act(rule=DEEP[kind], roles=deep, subject=command.name)
        return
    if kind in READERS:
        yield from READERS[kind](table, command, facts, only=only)
    else:
        yield from _read_rest(kind, table, command, facts)


def _read_rest(
    kind: str, table: Relation, command: Node, facts: Facts
) -> Iterator[Act]:
    here = {Role.TABLE: (table.name,)}
    match kind:
        case "AT_AddIdentity" | "AT_DropIdentity" | "AT_SetIdentity":
            rule = "set-identity" if kind == "AT_SetIdentity" else "alter-identity"
            sequences = find_sequences(table, command.name)
            yield Act(
                rule=rule, roles={**here, Role.OTHERS: sequences}, subject=command.name
            )
        case "AT_SetRelOptions" | "AT_ResetRelOptions" | "AT_ReplaceRelOptions":
            names = [
                unwrap(each).defname for each in unwrap(getattr(command, "def")).items
            ]
            weak = all(
                each in WEAK_OPTIONS or each.startswith("autovacuum_") for each in names
            )
            yield Act(rule="set-options" if weak else "alter-table", roles=here)
        case "AT_SetLogged" | "AT_SetUnLogged":
            sequences = tuple(each.name for each in table.sequences)
            yield Act(rule="rewrite-table", roles={**here, Role.OTHERS: sequences})
        case "AT_SetAccessMethod" | "AT_SetTableSpace":
            same = command.name in ("heap", "pg_default")
            yield Act(
                rule="alter-table" if same else "rewrite-table",
                roles=here,
                assumed="it is not there already" if not same else "",
            )
        case "AT_AddInherit" | "AT_DropInherit":
            parent = name_of(unwrap(getattr(command, "def")), facts)
            rule = "inherit" if kind == "AT_AddInherit" else "no-inherit"
            yield Act(rule=rule, roles={**here, Role.PARENT: (parent,)})
        case "AT_AttachPartition" | "AT_DetachPartition" | "AT_DetachPartitionFinalize":
            yield _read_partition(kind, table, unwrap(getattr(command, "def")), facts)
        case _ if kind.endswith(TRIGGERS):
            deep = {**here, Role.BELOW: partitions(table.name, facts)}
            yield Act(rule="create-trigger", roles=deep, subject=command.name)
        case _:
            yield Act(
                rule="alter-table", roles=here, assumed="it does what most commands do"
            )


def _is_weak(option: str) -> bool:
    return option in WEAK_OPTIONS or option.startswith("autovacuum_")


def _read_partition(kind: str, table: Relation, command: Node, facts: Facts) -> Act:
    child = name_of(command.name, facts)
    default = facts.find_default(table.name)
    roles = {
        Role.TABLE: (table.name,),
        Role.CHILD: (child, *partitions(child, facts)),
        Role.DEFAULT: (default,) if default and default != child else (),
    }
    if kind == "AT_AttachPartition":
        proven = _is_within(table, facts.get(child), command.bound)
        rule = "attach-partition-proven" if proven else "attach-partition"
    elif kind == "AT_DetachPartitionFinalize" or command.concurrent:
        rule = "detach-partition-concurrently"
    else:
        rule = "detach-partition"
    return Act(rule=rule, roles=roles, subject=child.name)


def _is_within(parent: Relation, child: Relation, bound: Node) -> bool:
    """Tell whether a CHECK of the table proves that all rows are of the partition."""
    columns = list_key_columns(parent.partition_key)
    if (
        len(columns) != 1
        or bound.strategy != "r"
        or not covers_indexes(parent, child)
        or not is_proven_not_null(child, columns[0])
    ):
        return False
    bounds = []
    for side in (bound.lowerdatums, bound.upperdatums):
        value = unwrap(side[0])
        unbounded = get_kind(value) == "PartitionRangeDatum" or (
            get_kind(value) == "ColumnRef"
        )
        bounds.append(None if unbounded else get_constant(value))
    return any(
        each.kind == "c"
        and each.valid
        and (expression := parse_check(each.text)) is not None
        and proves_range(expression, columns[0], bounds[0], bounds[1])
        for each in child.constraints
    )
