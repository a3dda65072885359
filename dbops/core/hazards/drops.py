"""What DROP does, to what hangs on it too."""

from __future__ import annotations

from collections.abc import Iterator

from dbops.core.hazards.act import (
    Act,
    Names,
    below,
    name_from,
    partitions,
    sources_of,
    targets_of,
)
from dbops.core.hazards.facts import Facts, unique
from dbops.core.hazards.parsing import (
    Node,
    get_enum,
    get_kind,
    list_strings,
    unwrap,
)
from dbops.core.hazards.rule import Role
from dbops.core.table_name import TableName


def read_drop(node: Node, facts: Facts) -> Iterator[Act]:
    """Yield what DROP does, to what hangs on it too."""
    cascade = get_enum(node, "behavior") == "DROP_CASCADE"
    kind = get_enum(node, "remove_type")
    for item in node.objects:
        each = unwrap(item)
        if kind in ("OBJECT_TYPE", "OBJECT_DOMAIN"):
            yield Act(rule="no-table", subject=list_strings(each.names)[-1])
            continue
        strings = list_strings(each.items) if get_kind(each) == "List" else []
        if kind == "OBJECT_TABLE":
            yield from drop_table(name_from(strings, facts), facts, cascade=cascade)
        elif kind == "OBJECT_INDEX":
            yield from _drop_index(name_from(strings, facts), node, facts)
        elif kind in ("OBJECT_VIEW", "OBJECT_MATVIEW"):
            name = name_from(strings, facts)
            if facts.exists(name):
                yield Act(rule="change-view", roles={Role.TABLE: (name,)})
        elif kind == "OBJECT_SEQUENCE":
            yield from _drop_sequence(name_from(strings, facts), facts, cascade=cascade)
        elif kind in ("OBJECT_TRIGGER", "OBJECT_RULE", "OBJECT_POLICY"):
            name = name_from(strings[:-1], facts)
            rule = {
                "OBJECT_TRIGGER": "drop-trigger",
                "OBJECT_RULE": "change-rule",
                "OBJECT_POLICY": "change-policy",
            }[kind]
            deep = partitions(name, facts) if kind == "OBJECT_TRIGGER" else ()
            yield Act(
                rule=rule,
                roles={Role.TABLE: (name,), Role.BELOW: deep},
                subject=strings[-1],
            )
        elif kind == "OBJECT_STATISTIC_EXT":
            yield Act(
                rule="comment", roles={Role.TABLE: _of_statistics(strings, facts)}
            )
        else:
            yield Act(rule="no-table")


def drop_table(name: TableName, facts: Facts, *, cascade: bool) -> Iterator[Act]:
    """Yield what DROP TABLE of one table does."""
    if not facts.exists(name):
        yield Act(rule="create-table", subject=name.name)
        return
    table = facts.get(name)
    lower = below(name, facts) if cascade or table.kind == "p" else ()
    targets = unique(
        each
        for one in (name, *lower)
        for each in targets_of(facts.get(one), facts)
        if each != name
    )
    sources = sources_of(name, facts) if cascade else ()
    views = tuple(each.name for each in table.views) if cascade else ()
    sequences = tuple(each.name for each in table.sequences)
    roles = {
        Role.TABLE: (name,),
        Role.BELOW: lower,
        Role.TARGET: targets,
        Role.SOURCES: sources,
        Role.OTHERS: (*views, *sequences),
    }
    rule = "drop-table-foreign-key" if targets or sources else "drop-table"
    if table.is_partition:
        rule = "drop-partition"
        default = facts.find_default(table.parents[0])
        roles[Role.PARENT] = table.parents
        roles[Role.DEFAULT] = (default,) if default else ()
    yield Act(rule=rule, roles=roles, subject=name.name)


def _drop_index(name: TableName, node: Node, facts: Facts) -> Iterator[Act]:
    table = facts.indexes.get(name)
    if table is None:
        if facts.known:
            yield Act(rule="alter-index", subject=name.name)
        else:
            rule = f"drop-index{'-concurrently' if node.concurrent else ''}"
            yield Act(rule=rule, subject=name.name, assumed="its table is not known")
        return
    if node.concurrent:
        rule = "drop-index-concurrently"
        yield Act(rule=rule, roles={Role.TABLE: (table,)}, subject=name.name)
        return
    yield Act(
        rule="drop-index",
        roles={
            Role.TABLE: (table,),
            Role.BELOW: partitions(table, facts),
            Role.INDEX: (name,),
        },
        subject=name.name,
    )


def _drop_sequence(name: TableName, facts: Facts, *, cascade: bool) -> Iterator[Act]:
    users = tuple(
        each.name
        for each in facts.relations.values()
        if cascade and any(one.name == name for one in each.sequences)
    )
    if facts.exists(name) or users:
        yield Act(rule="drop-sequence", roles={Role.TABLE: (name,), Role.OTHERS: users})


def _of_statistics(strings: list[str], facts: Facts) -> Names:
    return tuple(
        each.name for each in facts.relations.values() if strings[-1] in each.statistics
    )
