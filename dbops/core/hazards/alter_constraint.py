"""What the parts of ALTER TABLE that are about a constraint do."""

from __future__ import annotations

from collections.abc import Iterator

from dbops.core.hazards.act import (
    Act,
    Names,
    below,
    name_of,
    partitions,
    sources_of,
    with_partitions,
)
from dbops.core.hazards.facts import Constraint, Facts, Relation
from dbops.core.hazards.parsing import Node, get_enum, unwrap
from dbops.core.hazards.rule import Role


def find_target(constraint: Node, table: Relation, facts: Facts) -> Names:
    """Return the table that a foreign key points to, unless it is the same one."""
    target = name_of(constraint.pktable, facts)
    return () if target == table.name else with_partitions([target], facts)


def add_constraint(
    table: Relation, command: Node, facts: Facts, *, only: bool
) -> Iterator[Act]:
    """Yield what ADD CONSTRAINT does."""
    constraint = unwrap(getattr(command, "def"))
    roles = {Role.TABLE: (table.name,), Role.BELOW: below(table.name, facts, only=only)}
    not_valid = constraint.skip_validation or not constraint.is_enforced
    match get_enum(constraint, "contype"):
        case "CONSTR_CHECK":
            rule = "add-check"
            if constraint.is_no_inherit:
                rule = "add-check-no-inherit"
            if not_valid:
                rule = "add-check-not-valid"
        case "CONSTR_NOTNULL":
            not_valid = constraint.skip_validation
            rule = "add-check-not-valid" if not_valid else "add-not-null"
        case "CONSTR_FOREIGN":
            rule = f"add-foreign-key{'-not-valid' if not_valid else ''}"
            roles = {
                Role.TABLE: (table.name,),
                Role.BELOW: partitions(table.name, facts),
                Role.TARGET: find_target(constraint, table, facts),
            }
        case "CONSTR_UNIQUE" | "CONSTR_PRIMARY":
            rule = _judge_key(table, constraint)
            roles[Role.BELOW] = partitions(table.name, facts)
        case "CONSTR_EXCLUSION":
            rule = "add-exclude"
            roles[Role.BELOW] = partitions(table.name, facts)
        case _:
            rule = "alter-constraint"
    yield Act(rule=rule, roles=roles, subject=constraint.conname)


def _judge_key(table: Relation, constraint: Node) -> str:
    primary = get_enum(constraint, "contype") == "CONSTR_PRIMARY"
    if not constraint.indexname:
        return "add-primary-key" if primary else "add-unique"
    if primary:
        # Imported here: it imports this module.
        from dbops.core.hazards.alter_column import is_proven_not_null

        for index in table.indexes:
            if index.name == constraint.indexname and not all(
                is_proven_not_null(table, each) for each in index.columns
            ):
                return "add-primary-key-nullable"
    return "add-key-using-index"


def validate_constraint(
    table: Relation, command: Node, facts: Facts, *, only: bool
) -> Iterator[Act]:
    """Yield what VALIDATE CONSTRAINT does."""
    found = _find(table, command.name)
    roles = {Role.TABLE: (table.name,), Role.BELOW: below(table.name, facts, only=only)}
    rule = "validate-check"
    if found and found.valid:
        rule = "validate-valid"
    elif found and found.kind == "f":
        rule = "validate-foreign-key"
        if found.target and found.target != table.name:
            roles[Role.TARGET] = with_partitions([found.target], facts)
    yield Act(rule=rule, roles=roles, subject=command.name)


def drop_constraint(
    table: Relation, command: Node, facts: Facts, *, only: bool
) -> Iterator[Act]:
    """Yield what DROP CONSTRAINT does; of a foreign key, at both ends."""
    found = _find(table, command.name)
    roles = {Role.TABLE: (table.name,), Role.BELOW: below(table.name, facts, only=only)}
    rule = "drop-constraint"
    if found and found.kind == "f" and found.target not in (None, table.name):
        assert found.target is not None  # noqa: S101
        rule = "drop-foreign-key"
        roles[Role.TARGET] = with_partitions([found.target], facts)
    elif found and get_enum(command, "behavior") == "DROP_CASCADE" and found.index:
        sources = sources_of(table.name, facts, index=found.index)
        if sources:
            rule = "drop-foreign-key"
            roles[Role.SOURCES] = sources
    yield Act(
        rule=rule,
        roles=roles,
        subject=command.name,
        assumed="" if found or facts.known else "it is no foreign key",
    )


def alter_constraint(
    table: Relation, command: Node, facts: Facts, *, only: bool
) -> Iterator[Act]:
    """Yield what ALTER CONSTRAINT does."""
    change = unwrap(getattr(command, "def"))
    found = _find(table, change.conname)
    if change.alter_enforceability and found and found.target:
        roles = {
            Role.TABLE: (table.name,),
            Role.TARGET: with_partitions([found.target], facts),
        }
        rule = "alter-constraint-enforced"
        if change.is_enforced:
            rule = "add-foreign-key"
        yield Act(rule=rule, roles=roles, subject=change.conname)
        return
    yield Act(
        rule="alter-constraint",
        roles={
            Role.TABLE: (table.name,),
            Role.BELOW: () if only else partitions(table.name, facts),
        },
        subject=change.conname,
    )


def _find(table: Relation, name: str) -> Constraint | None:
    return next((each for each in table.constraints if each.name == name), None)


def covers_indexes(parent: Relation, child: Relation) -> bool:
    """Tell whether each index of the parent has one on the same columns below it."""
    there = {each.columns for each in child.indexes}
    return all(each.columns in there for each in parent.indexes)


def list_key_columns(key: str) -> list[str]:
    """Return the columns of a partition key.

    >>> list_key_columns("RANGE (id)")
    ['id']
    """
    return [each.strip().strip('"') for each in key.partition("(")[2][:-1].split(",")]
