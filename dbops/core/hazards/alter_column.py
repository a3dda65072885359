"""What the parts of ALTER TABLE that are about a column do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dbops.core.hazards.act import Act, Names, below, sources_of, targets_of
from dbops.core.hazards.alter_constraint import find_target
from dbops.core.hazards.expressions import is_volatile, parse_check, proves_not_null
from dbops.core.hazards.facts import Column, Facts, Relation
from dbops.core.hazards.parsing import Node, get_enum, list_strings, unwrap
from dbops.core.hazards.rule import Role
from dbops.core.hazards.types import (
    SERIALS,
    Change,
    Type,
    is_plain_cast,
    judge_change,
    read_type,
)

LAST_WITH_DEEP_DROP = 17


def add_column(
    table: Relation, command: Node, facts: Facts, *, only: bool
) -> Iterator[Act]:
    """Yield what ADD COLUMN does."""
    column = unwrap(getattr(command, "def"))
    roles = {Role.TABLE: (table.name,), Role.BELOW: below(table.name, facts, only=only)}
    if command.missing_ok and column.colname in table.columns:
        yield Act(rule="add-column", roles=roles, subject=column.colname)
        return
    constraints = map(unwrap, column.constraints)
    parts = {get_enum(each, "contype"): each for each in constraints}
    rewrites = list(_list_rewrites(column, parts, facts))
    rules = ["add-column", *rewrites]
    if "CONSTR_CHECK" in parts:
        rules.append("add-column-check")
    if parts.keys() & {"CONSTR_UNIQUE", "CONSTR_PRIMARY"}:
        rules.append("add-column-unique")
    if key := parts.get("CONSTR_FOREIGN"):
        has_values = "CONSTR_DEFAULT" in parts or bool(rewrites)
        rules.append(f"add-column-foreign-key{'-default' if has_values else ''}")
        roles[Role.TARGET] = find_target(key, table, facts)
    for rule in rules:
        yield Act(rule=rule, roles=roles, subject=column.colname)


def _list_rewrites(
    column: Node, parts: Mapping[str, Node], facts: Facts
) -> Iterator[str]:
    """Yield why all rows are written again; nothing where they are not."""
    default = parts.get("CONSTR_DEFAULT")
    new = read_type(column.type_name, facts)
    if new.name in SERIALS:
        yield "add-column-serial"
    elif "CONSTR_IDENTITY" in parts:
        yield "add-column-identity"
    elif generated := parts.get("CONSTR_GENERATED"):
        if generated.generated_kind != "v":
            yield "add-column-generated-stored"
    elif new.constrained:
        yield "add-column-constrained-domain"
    elif default is not None and is_volatile(default.raw_expr, facts):
        yield "add-column-volatile-default"


def drop_column(
    table: Relation, command: Node, facts: Facts, *, only: bool
) -> Iterator[Act]:
    """Yield what DROP COLUMN does, with what goes with the column."""
    columns = frozenset({command.name})
    targets = targets_of(table, facts, columns=columns)
    sources: Names = ()
    views: Names = ()
    if get_enum(command, "behavior") == "DROP_CASCADE":
        sources = sources_of(table.name, facts, columns=columns)
        views = tuple(each.name for each in table.views if command.name in each.columns)
    sequences = tuple(
        each.name for each in table.sequences if each.column == command.name
    )
    yield Act(
        rule="drop-column-foreign-key" if targets or sources else "drop-column",
        roles={
            Role.TABLE: (table.name,),
            Role.BELOW: below(table.name, facts, only=only),
            Role.TARGET: targets,
            Role.SOURCES: sources,
            Role.OTHERS: (*views, *sequences),
        },
        subject=command.name,
    )


def set_not_null(
    table: Relation, command: Node, facts: Facts, *, only: bool
) -> Iterator[Act]:
    """Yield what SET NOT NULL does: a valid CHECK, or NOT NULL itself, proves it."""
    proven = is_proven_not_null(table, command.name)
    yield Act(
        rule="set-not-null-proven" if proven else "set-not-null",
        roles={
            Role.TABLE: (table.name,),
            Role.BELOW: below(table.name, facts, only=only),
        },
        subject=command.name,
        assumed="" if facts.known else "no valid CHECK proves it",
    )


def is_proven_not_null(table: Relation, column: str) -> bool:
    """Tell whether no row can have a null there."""
    known = table.columns.get(column)
    if known and known.not_null:
        return True
    return any(
        each.kind == "c"
        and each.valid
        and (expression := parse_check(each.text)) is not None
        and proves_not_null(expression, column)
        for each in table.constraints
    )


def drop_not_null(
    table: Relation, command: Node, facts: Facts, *, only: bool
) -> Iterator[Act]:
    """Yield what DROP NOT NULL does."""
    column = table.columns.get(command.name)
    is_deep = facts.version <= LAST_WITH_DEEP_DROP or not column or column.not_null
    yield Act(
        rule="drop-not-null",
        roles={
            Role.TABLE: (table.name,),
            Role.BELOW: below(table.name, facts, only=only or not is_deep),
        },
        subject=command.name,
    )


def alter_type(
    table: Relation, command: Node, facts: Facts, *, only: bool
) -> Iterator[Act]:
    """Yield what ALTER COLUMN ... TYPE does, indexes, checks and keys included."""
    definition = unwrap(getattr(command, "def"))
    old = table.columns.get(command.name)
    roles = {Role.TABLE: (table.name,), Role.BELOW: below(table.name, facts, only=only)}
    if old is None:
        yield Act(
            rule="alter-type-rewrite",
            roles=roles,
            subject=command.name,
            assumed="the old type is none that the new one only widens",
        )
        return
    change = _judge(old, definition, read_type(definition.type_name, facts), facts)
    rules = [_choose_rule(change, table, command.name)]
    if change is not Change.REWRITE and _has_check(table, command.name):
        rules.append("alter-type-check")
    columns = frozenset({command.name})
    targets = targets_of(table, facts, columns=columns)
    sources = sources_of(table.name, facts, columns=columns)
    if targets or sources:
        roles = {
            **roles,
            Role.TARGET: targets,
            Role.SOURCES: sources,
            Role.CHECKED_SOURCES: sources_of(
                table.name, facts, columns=columns, valid_only=True
            ),
        }
        moved = change is Change.REWRITE
        rules.append(f"alter-type-key{'-rewrite' if moved else ''}")
    for rule in rules:
        yield Act(rule=rule, roles=roles, subject=command.name)


def _judge(old: Column, definition: Node, new: Type, facts: Facts) -> Change:
    using = definition.raw_default
    if definition.HasField("raw_default") and not is_plain_cast(
        using, old.name, definition.type_name
    ):
        return Change.REWRITE
    collation = (
        list_strings(definition.coll_clause.collname)[-1]
        if definition.HasField("coll_clause")
        else None
    )
    return judge_change(old, new, collation, facts)


def _choose_rule(change: Change, table: Relation, column: str) -> str:
    if change is Change.REWRITE:
        return "alter-type-rewrite"
    for index in table.indexes:
        if column in index.computed:
            return "alter-type-index"
        if column in index.columns and (change is Change.INDEXES or index.is_computed):
            return "alter-type-index"
    return "alter-type"


def _has_check(table: Relation, column: str) -> bool:
    return any(each.kind == "c" and column in each.columns and each.valid
               for each in table.constraints)  # fmt: skip


def find_sequences(table: Relation, column: str) -> Names:
    """Return the sequences of an identity column."""
    return tuple(each.name for each in table.sequences if each.column == column)
