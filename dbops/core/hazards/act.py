"""One thing that a statement does, and who takes which part in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from dbops.core.hazards.facts import Facts, Relation, unique
from dbops.core.hazards.parsing import Node
from dbops.core.hazards.rule import Role
from dbops.core.lock_modes import LockMode
from dbops.core.table_name import TableName

Names = tuple[TableName, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """A rule, and the relations of each role."""

    rule: str
    roles: Mapping[Role, Names] = field(default_factory=dict)
    subject: str = ""
    """The column, constraint or index that it is about."""
    assumed: str = ""
    """What had to be assumed, as nothing is known of the database."""
    mode: LockMode | None = None
    """Of LOCK TABLE: the mode that it asks for."""
    whole: bool = False
    """Of a change to rows: no WHERE limits it."""


def name_of(relation: Node, facts: Facts) -> TableName:
    """Return the full name of a `RangeVar`."""
    return facts.resolve(relation.schemaname, relation.relname)


def name_from(strings: list[str], facts: Facts) -> TableName:
    """Return the full name of a list of one or two names."""
    *schema, name = strings
    return facts.resolve(schema[-1] if schema else "", name)


def below(name: TableName, facts: Facts, *, only: bool = False) -> Names:
    """Return all levels of partitions and inheriting tables; none for ONLY."""
    return () if only else tuple(facts.list_below(name))


def partitions(name: TableName, facts: Facts) -> Names:
    """Return all levels of partitions."""
    return tuple(facts.list_below(name)) if facts.get(name).kind == "p" else ()


def with_partitions(names: Iterable[TableName], facts: Facts) -> Names:
    """Return the tables and all of their partitions."""
    return unique(each for name in names for each in (name, *partitions(name, facts)))


def targets_of(
    relation: Relation, facts: Facts, *, columns: frozenset[str] | None = None
) -> Names:
    """Return where its foreign keys point, of these columns alone where given."""
    return with_partitions(
        (
            each.target
            for each in facts.list_keys(relation.name)
            if each.target and (columns is None or columns & set(each.columns))
        ),
        facts,
    )


def sources_of(
    name: TableName,
    facts: Facts,
    *,
    columns: frozenset[str] | None = None,
    index: str | None = None,
    valid_only: bool = False,
) -> Names:
    """Return the tables that point to it, to these columns or this index alone."""
    return with_partitions(
        (
            other
            for other, key in facts.list_keys_to(name)
            if (columns is None or columns & set(key.target_columns))
            and (index is None or key.index == index)
            and (key.valid or not valid_only)
        ),
        facts,
    )
