"""Statements taken apart by PostgreSQL's own parser.

It is libpg_query, in the package `postgast`: the grammar of PostgreSQL 18, which
reads what older servers read. The nodes are protobuf messages with the names and fields
of PostgreSQL's parse nodes; only this module imports the package.

Source: https://github.com/pganalyze/libpg_query/blob/18-latest/protobuf/pg_query.proto
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

PACKAGE = "postgast"
Node = Any
"""A message of the parse tree; which one its `DESCRIPTOR.name` says."""


class NotUnderstood(Exception):
    """The parser does not know what the statement is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """One statement, and its parse tree."""

    sql: str
    kind: str
    """The name of the node, as in `AlterTableStmt`."""
    node: Node


def has_parser() -> bool:
    """Tell whether the parser is installed."""
    return importlib.util.find_spec(PACKAGE) is not None


def parse_statements(text: str) -> tuple[Parsed, ...]:
    """Return the statements of the text.

    Raises:
        NotUnderstood: it is not PostgreSQL's SQL, or newer than the parser.

    >>> [each.kind for each in parse_statements("SELECT 1; DROP TABLE t")]
    ['SelectStmt', 'DropStmt']
    """
    from postgast import PgQueryError, parse

    try:
        tree = parse(text)
    except PgQueryError as error:
        raise NotUnderstood(str(error)) from error
    encoded = text.encode()
    found = []
    for raw in tree.stmts:
        node = unwrap(raw.stmt)
        end = raw.stmt_location + raw.stmt_len if raw.stmt_len else len(encoded)
        found.append(
            Parsed(
                sql=encoded[raw.stmt_location : end].decode().strip(),
                kind=node.DESCRIPTOR.name,
                node=node,
            )
        )
    return tuple(found)


def unwrap(node: Node) -> Node:
    """Return the message inside a `Node`; the message itself where it is no `Node`."""
    if node.DESCRIPTOR.name != "Node":
        return node
    which = node.WhichOneof("node")
    return getattr(node, which) if which else node


def get_kind(node: Node) -> str:
    """Return the name of the node."""
    return str(unwrap(node).DESCRIPTOR.name)


def get_enum(node: Node, field: str) -> str:
    """Return an enum's value by its name in PostgreSQL's source."""
    described = node.DESCRIPTOR.fields_by_name[field]
    return str(described.enum_type.values_by_number[getattr(node, field)].name)


def walk(node: Node) -> Iterator[Node]:
    """Yield the node and all below it."""
    node = unwrap(node)
    yield node
    for field, value in node.ListFields():
        if field.message_type is None:
            continue
        for child in value if hasattr(value, "append") else (value,):
            yield from walk(child)


def list_names(node: Node) -> frozenset[str]:
    """Return every name in the statement, of whatever; constants are none."""
    found: set[str] = set()
    stack = [unwrap(node)]
    while stack:
        current = unwrap(stack.pop())
        if current.DESCRIPTOR.name == "A_Const":
            continue
        for field, value in current.ListFields():
            several = value if hasattr(value, "append") else (value,)
            if field.message_type is not None:
                stack.extend(several)
            elif field.type == field.TYPE_STRING:
                found.update(several)
    return frozenset(found)


def list_strings(nodes: Any) -> list[str]:
    """Return the texts of a list of `String` nodes.

    >>> [stmt] = parse_statements("COMMENT ON TABLE a.b IS 'x'")
    >>> list_strings(unwrap(stmt.node.object).items)
    ['a', 'b']
    """
    return [inner.sval for each in nodes if hasattr(inner := unwrap(each), "sval")]
