"""What all other statements do: CREATE, DROP, indexes, views, types, rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from dbops.core.hazards.act import (
    Act,
    Names,
    below,
    name_from,
    name_of,
    partitions,
    sources_of,
    targets_of,
    with_partitions,
)
from dbops.core.hazards.facts import Facts
from dbops.core.hazards.parsing import (
    Node,
    get_enum,
    get_kind,
    list_strings,
    unwrap,
)
from dbops.core.hazards.rule import Role
from dbops.core.table_name import TableName


def read_create_table(node: Node, facts: Facts) -> Iterator[Act]:
    """Yield what CREATE TABLE does to others."""
    name = name_of(node.relation, facts)
    if node.if_not_exists and facts.known and name in facts.relations:
        yield Act(rule="create-table", subject=name.name)
        return
    parents = tuple(name_of(unwrap(each), facts) for each in node.inh_relations)
    targets = _list_targets(node, name, facts)
    if node.HasField("partbound"):
        default = facts.find_default(parents[0])
        yield Act(
            rule="create-partition-default" if default else "create-partition",
            roles={
                Role.PARENT: parents,
                Role.DEFAULT: (default,) if default else (),
                Role.TARGET: targets_of(facts.get(parents[0]), facts),
            },
            subject=name.name,
        )
    elif parents:
        yield Act(
            rule="create-table-inherits",
            roles={Role.PARENT: parents},
            subject=name.name,
        )
    yield Act(
        rule="create-table-foreign-key" if targets else "create-table",
        roles={Role.TARGET: targets},
        subject=name.name,
    )


def _list_targets(node: Node, name: TableName, facts: Facts) -> Names:
    constraints = []
    for element in map(unwrap, node.table_elts):
        if get_kind(element) == "Constraint":
            constraints.append(element)
        elif get_kind(element) == "ColumnDef":
            constraints += map(unwrap, element.constraints)
    found = (
        name_of(each.pktable, facts)
        for each in constraints
        if get_enum(each, "contype") == "CONSTR_FOREIGN"
    )
    return with_partitions((each for each in found if each != name), facts)


def read_index(node: Node, facts: Facts) -> Iterator[Act]:
    """Yield what CREATE INDEX does."""
    name = name_of(node.relation, facts)
    table = facts.get(name)
    exists = node.if_not_exists and node.idxname in {
        each.name for each in table.indexes
    }
    if exists or (table.kind == "p" and not node.relation.inh):
        rule = "create-index-exists"
    else:
        rule = f"create-index{'-concurrently' if node.concurrent else ''}"
    yield Act(
        rule=rule,
        roles={Role.TABLE: (name,), Role.BELOW: partitions(name, facts)},
        subject=node.idxname,
    )


def read_reindex(node: Node, facts: Facts) -> Iterator[Act]:
    """Yield what REINDEX does."""
    concurrent = any(unwrap(each).defname == "concurrently" for each in node.params)
    rule = f"reindex{'-concurrently' if concurrent else ''}"
    match get_enum(node, "kind"):
        case "REINDEX_OBJECT_INDEX":
            name = name_of(node.relation, facts)
            table = facts.indexes.get(name)
            yield Act(
                rule=rule,
                roles={Role.TABLE: (table,) if table else (), Role.INDEX: (name,)},
                subject=name.name,
            )
        case "REINDEX_OBJECT_TABLE":
            name = name_of(node.relation, facts)
            indexes = tuple(
                TableName(name.schema, each.name) for each in facts.get(name).indexes
            )
            yield Act(
                rule=rule,
                roles={
                    Role.TABLE: with_partitions([name], facts),
                    Role.INDEX: indexes,
                },
            )
        case _:
            yield Act(rule=rule, assumed="all tables of the schema")


def read_vacuum(node: Node, facts: Facts) -> Iterator[Act]:
    """Yield what VACUUM and ANALYZE do."""
    full = any(unwrap(each).defname == "full" for each in node.options)
    names = tuple(name_of(unwrap(each).relation, facts) for each in node.rels)
    yield Act(
        rule="cluster" if full else "vacuum",
        roles={Role.TABLE: with_partitions(names, facts)},
        assumed="" if names else "all tables",
    )


def read_truncate(node: Node, facts: Facts) -> Iterator[Act]:
    """Yield what TRUNCATE does; with CASCADE to all that point to it, however far."""
    names = list(
        with_partitions(
            (name_of(unwrap(each), facts) for each in node.relations), facts
        )
    )
    named = tuple(names)
    if get_enum(node, "behavior") == "DROP_CASCADE":
        for name in names:
            names += [each for each in sources_of(name, facts) if each not in names]
    sequences = tuple(
        each.name
        for name in names
        for each in facts.get(name).sequences
        if node.restart_seqs
    )
    yield Act(
        rule="truncate",
        roles={
            Role.TABLE: named,
            Role.SOURCES: tuple(each for each in names if each not in named),
            Role.OTHERS: sequences,
        },
    )


def read_comment(node: Node, facts: Facts) -> Iterator[Act]:
    """Yield what COMMENT does."""
    kind = get_enum(node, "objtype")
    strings = (
        list_strings(unwrap(node.object).items)
        if get_kind(node.object) == "List"
        else []
    )
    if kind == "OBJECT_COLUMN":
        strings = strings[:-1]
    elif kind not in ("OBJECT_TABLE", "OBJECT_MATVIEW", "OBJECT_VIEW"):
        yield Act(rule="no-table")
        return
    yield Act(rule="comment", roles={Role.TABLE: (name_from(strings, facts),)})


RENAMES = {
    "OBJECT_COLUMN": "rename-column",
    "OBJECT_TABCONSTRAINT": "alter-constraint",
    "OBJECT_SEQUENCE": "drop-sequence",
    "OBJECT_TRIGGER": "drop-trigger",
    "OBJECT_POLICY": "change-policy",
    "OBJECT_RULE": "change-rule",
    "OBJECT_TABLE": "rename-table",
    "OBJECT_VIEW": "change-view",
    "OBJECT_MATVIEW": "change-view",
}
"""What is renamed, and the rule of it."""


def read_rename(node: Node, facts: Facts) -> Iterator[Act]:
    """Yield what RENAME does."""
    kind = get_enum(node, "rename_type")
    name = name_of(node.relation, facts) if node.HasField("relation") else None
    if kind == "OBJECT_INDEX" or name in facts.indexes:
        yield Act(rule="alter-index", subject=node.newname)
        return
    rule = RENAMES.get(kind)
    if name is None or rule is None:
        yield Act(rule="no-table", subject=node.newname)
        return
    lower: Names = ()
    if kind == "OBJECT_COLUMN":
        lower = below(name, facts)
    elif kind == "OBJECT_TRIGGER":
        lower = partitions(name, facts)
    yield Act(
        rule=rule,
        roles={Role.TABLE: (name,), Role.BELOW: lower},
        subject=node.subname,
    )


def read_domain(node: Node, facts: Facts) -> Iterator[Act]:
    """Yield what ALTER DOMAIN does to the tables that use it."""
    strings = list_strings(node.type_name)
    domain = facts.domains.get(strings[-1])
    users = with_partitions(domain.tables if domain else (), facts)
    kind = node.subtype
    checked = kind in ("O", "V") or (
        kind == "C" and not unwrap(getattr(node, "def")).skip_validation
    )
    yield Act(
        rule="check-domain" if checked else "alter-domain",
        roles={Role.USERS: users},
        subject=strings[-1],
        assumed="" if facts.known else "tables have columns of it",
    )


def read_schema_change(node: Node, facts: Facts) -> Iterator[Act]:
    """Yield what SET SCHEMA does."""
    if not node.HasField("relation"):
        yield Act(rule="no-table")
        return
    name = name_of(node.relation, facts)
    sequences = tuple(each.name for each in facts.get(name).sequences)
    yield Act(rule="set-schema", roles={Role.TABLE: (name,), Role.OTHERS: sequences})


def read_sequence_change(node: Node, facts: Facts) -> Iterator[Act]:
    """Yield what ALTER SEQUENCE does."""
    yield Act(
        rule="alter-sequence", roles={Role.TABLE: (name_of(node.sequence, facts),)}
    )


def read_statistics(node: Node, facts: Facts) -> Iterator[Act]:
    """Yield what CREATE STATISTICS does."""
    names = tuple(
        name_of(inner, facts)
        for each in node.relations
        if get_kind(inner := unwrap(each)) == "RangeVar"
    )
    yield Act(rule="comment", roles={Role.TABLE: names})


def read_trigger(node: Node, facts: Facts) -> Iterator[Act]:
    """Yield what CREATE TRIGGER does."""
    name = name_of(node.relation, facts)
    yield Act(
        rule="create-trigger",
        roles={Role.TABLE: (name,), Role.BELOW: partitions(name, facts)},
        subject=node.trigname,
    )


def build_reader(rule: str, field: str) -> Callable[[Node, Facts], Iterator[Act]]:
    """Return a reader of a statement that does one thing to one relation."""

    def read(node: Node, facts: Facts) -> Iterator[Act]:
        yield Act(
            rule=rule, roles={Role.TABLE: (name_of(getattr(node, field), facts),)}
        )

    return read
