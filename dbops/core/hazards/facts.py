"""What the catalog says of the tables that a statement names, and of their partners.

`Facts` is all that a prediction may know beside the statement itself. Without a server
there are none, and a prediction says what it had to assume.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from dbops.core.table_name import TableName


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a table."""

    name: str
    type: str
    """The name in `pg_type` of what is stored; `_text` is text[], a domain its base."""
    modifier: int = -1
    """`atttypmod`; -1 is none."""
    domain: str = ""
    constrained: bool = False
    """Its domain, or one below it, has a CHECK or is NOT NULL."""
    not_null: bool = False
    collation: str = ""
    """Empty: that of the type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """One index of a table."""

    name: str
    columns: tuple[str, ...]
    """Plain columns of the key and of INCLUDE."""
    computed: tuple[str, ...] = ()
    """Columns that its expressions or its predicate use."""
    is_computed: bool = False
    """It has an expression or a predicate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint:
    """One constraint of a table."""

    name: str
    kind: str
    """As in `pg_constraint.contype`: c, f, p, u, x, n."""
    columns: tuple[str, ...] = ()
    valid: bool = True
    text: str = ""
    """Of a CHECK: its definition."""
    target: TableName | None = None
    """Of a foreign key: the table that it points to."""
    target_columns: tuple[str, ...] = ()
    index: str = ""
    """Of a key, and of a foreign key: the index that it rests on."""
    on_delete: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A view over a table, its own views included."""

    name: TableName
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequence:
    """A sequence that belongs to a column."""

    name: TableName
    column: str
    is_identity: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """A table, or what else a statement can lock by its name."""

    name: TableName
    kind: str = "r"
    """As in `pg_class.relkind`."""
    columns: Mapping[str, Column] = field(default_factory=dict)
    indexes: tuple[Index, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    parents: tuple[TableName, ...] = ()
    children: tuple[TableName, ...] = ()
    is_partition: bool = False
    is_default: bool = False
    """The default partition of its parent."""
    views: tuple[View, ...] = ()
    sequences: tuple[Sequence, ...] = ()
    statistics: tuple[str, ...] = ()
    partition_key: str = ""
    """Of a partitioned table: strategy and key, as in `RANGE (id)`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """A domain, and the columns that are of it."""

    name: str
    base: str
    modifier: int = -1
    constrained: bool = False
    tables: tuple[TableName, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known when a statement is to run."""

    version: int = 18
    """Major version of the server."""
    known: bool = False
    """False: there was no server to ask; nothing below is told."""
    search_path: tuple[str, ...] = ("public",)
    time_zone: str = ""
    relations: Mapping[TableName, Relation] = field(default_factory=dict)
    indexes: Mapping[TableName, TableName] = field(default_factory=dict)
    """The table of each index that is named."""
    domains: Mapping[str, Domain] = field(default_factory=dict)
    volatile: frozenset[str] = frozenset()
    """The functions, among those that are named, that are volatile."""
    functions: frozenset[str] = frozenset()
    """Those that are there at all."""

    def resolve(self, schema: str, name: str) -> TableName:
        """Return the full name; the first schema of the path where it is nowhere."""
        if schema:
            return TableName(schema, name)
        for each in self.search_path:
            found = TableName(each, name)
            if found in self.relations or found in self.indexes:
                return found
        return TableName(self.search_path[0] if self.search_path else "", name)

    def get(self, name: TableName) -> Relation:
        """Return what is known of a relation; an empty one where nothing is."""
        return self.relations.get(name) or Relation(name=name)

    def exists(self, name: TableName) -> bool:
        """Tell whether it is there; without a server, it is taken to be."""
        return not self.known or name in self.relations

    def list_below(self, name: TableName) -> Iterator[TableName]:
        """Yield the partitions and the inheriting tables, all levels down."""
        for child in self.get(name).children:
            yield child
            yield from self.list_below(child)

    def list_keys_to(self, name: TableName) -> Iterator[tuple[TableName, Constraint]]:
        """Yield the other tables that point to it, each with its foreign key."""
        for other in self.relations.values():
            for constraint in other.constraints:
                if constraint.target == name and other.name != name:
                    yield other.name, constraint

    def list_keys(self, name: TableName) -> Iterator[Constraint]:
        """Yield its foreign keys to other tables."""
        for constraint in self.get(name).constraints:
            if constraint.target not in (None, name):
                yield constraint

    def find_default(self, parent: TableName) -> TableName | None:
        """Return the default partition of a partitioned table."""
        for child in self.get(parent).children:
            if self.get(child).is_default:
                return child
        return None


def unique(names: Iterable[TableName]) -> tuple[TableName, ...]:
    """Return each name once, in their order."""
    return tuple(dict.fromkeys(names))
