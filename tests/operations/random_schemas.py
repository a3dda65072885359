"""Schemas and rows that nobody would think of, from a seed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

NAMES = (
    "order",
    "Order",
    'qu"ote',
    "it's",
    "dot.ted",
    "ünïcødé",
    " spaces ",
    "100 % s",
    "%s",
    "back\\slash",
    "semi;--",
    "$1",
    "select",
    "tab\tbed",
    "x" * 63,
    "😀",
)
UNORDERED = (
    *("json", "point", "polygon", "circle", "jsonpath", "xid", "tsquery"),
    *("nummultirange", "jsonb", "tsvector", "text", "bytea"),
)
"""Types without a B-tree, or with values too long for one."""
MOST_ROWS = 25


def quote(name: str) -> str:
    """Return an identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: str | None) -> str:
    """Return a constant."""
    if value is None:
        return "NULL"
    return "E'" + value.replace("\\", "\\\\").replace("'", "''") + "'"


@dataclass(slots=True)
class Table:
    """One table that was made."""

    name: str
    columns: dict[str, str] = field(default_factory=dict)
    """Type by quoted name, of those that are given values."""
    parent: str | None = None


class Author:
    """Writes the statements of one database."""

    def __init__(self, seed: int, types: Mapping[str, Sequence[str]]) -> None:
        self.random = Random(seed)
        self.types = types
        self.keyed: list[str] = []

    def write(self) -> Iterator[str]:
        """Yield them in the order in which they run."""
        for schema in self.random.sample(NAMES, self.random.randint(1, 3)):
            yield f"CREATE SCHEMA {quote(schema)}"
            # A table is a type, too.
            enum, *names = self.random.sample(NAMES, self.random.randint(2, 4))
            mood = f"{quote(schema)}.{quote(enum)}"
            labels = self.random.sample(NAMES, 3)
            listed = ", ".join(map(literal, labels))
            yield f"CREATE TYPE {mood} AS ENUM ({listed})"
            for name in names:
                table = Table(f"{quote(schema)}.{quote(name)}")
                yield from self._write_table(table, mood, labels)

    def _write_table(
        self, table: Table, mood: str, labels: Sequence[str]
    ) -> Iterator[str]:
        random = self.random
        known: dict[str, Sequence[str]] = {**self.types, mood: labels}
        chosen = random.sample([*known], random.randint(1, 8))
        parts = [
            self._write_column(
                table, quote(f"{number} {random.choice(NAMES)[:40]}"), each
            )
            for number, each in enumerate(chosen)
        ]
        is_split = random.random() < 0.25
        is_keyed = not is_split and random.random() < 0.7
        if is_keyed:
            kind = random.choice(["ALWAYS", "BY DEFAULT"])
            step = random.choice([1, 7, -3])
            parts.append(
                f"id bigint GENERATED {kind} AS IDENTITY (INCREMENT {step}) PRIMARY KEY"
            )
            if self.keyed and random.random() < 0.6:
                table.parent = random.choice(self.keyed)
                parts.append(f"parent bigint REFERENCES {table.parent}")
        is_unlogged = not is_split and table.parent is None and random.random() < 0.1
        if table.parent is not None or (is_keyed and not is_unlogged):
            self.keyed.append(table.name)
        if random.random() < 0.4:
            parts.append("twice text GENERATED ALWAYS AS (repeat('ab', 2)) STORED")
        unlogged = "UNLOGGED " if is_unlogged else ""
        split = ""
        if is_split:
            parts.append("part int NOT NULL DEFAULT 1")
            split = " PARTITION BY LIST (part)"
        yield f"CREATE {unlogged}TABLE {table.name} ({', '.join(parts)}){split}"
        if is_split:
            schema, _, _ = table.name.partition('".')
            child = quote(f"rest {random.random()}")
            yield f'CREATE TABLE {schema}".{child} PARTITION OF {table.name} DEFAULT'
        yield from self._write_index(table)
        yield f"COMMENT ON TABLE {table.name} IS {literal(random.choice(NAMES))}"
        for _ in range(random.randint(0, MOST_ROWS)):
            yield self._write_row(table, known)

    def _write_column(self, table: Table, name: str, type_: str) -> str:
        table.columns[name] = type_
        values = self.types.get(type_)
        if values and self.random.random() < 0.2:
            default = literal(self.random.choice(values))
            return f"{name} {type_} NOT NULL DEFAULT {default}::{type_}"
        return f"{name} {type_}"

    def _write_index(self, table: Table) -> Iterator[str]:
        fit = [
            name
            for name, type_ in table.columns.items()
            if not type_.startswith(UNORDERED)
        ]
        if fit and self.random.random() < 0.7:
            column = self.random.choice(fit)
            where = self.random.choice(["", f" WHERE {column} IS NOT NULL"])
            yield f"CREATE INDEX ON {table.name} ({column}){where}"

    def _write_row(self, table: Table, known: Mapping[str, Sequence[str]]) -> str:
        given = {
            name: f"{literal(self.random.choice(known[type_]))}::{type_}"
            for name, type_ in table.columns.items()
            if self.random.random() < 0.8
        }
        if table.parent and self.random.random() < 0.8:
            given["parent"] = f"(SELECT id FROM {table.parent} LIMIT 1)"
        if not given:
            return f"INSERT INTO {table.name} DEFAULT VALUES"
        return (
            f"INSERT INTO {table.name} ({', '.join(given)})"
            f" VALUES ({', '.join(given.values())})"
        )
