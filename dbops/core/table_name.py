"""Names of tables, as reports print them and as the catalog has them."""

from __future__ import annotations

import re
from typing import NamedTuple

_IDENTIFIER = r'(?:"(?:[^"]|"")*"|[^\s."(]+)'
_QUALIFIED = re.compile(rf"({_IDENTIFIER})(?:\.({_IDENTIFIER}))?")


class TableName(NamedTuple):
    """A table's schema and name as the catalog has them, without quotes."""

    schema: str
    name: str


def parse_table_name(text: str) -> TableName:
    """Return the name at the start of the text; a bare one is in `public`.

    >>> parse_table_name('"Sales Data"."a""b" (id)')
    TableName(schema='Sales Data', name='a"b')
    >>> parse_table_name("messages")
    TableName(schema='public', name='messages')
    """
    match = _QUALIFIED.match(text)
    if not match:
        raise ValueError(f"not a table's name: {text!r}")
    first, second = match.groups()
    if second is None:
        return TableName("public", parse_identifier(first))
    return TableName(parse_identifier(first), parse_identifier(second))


def parse_identifier(identifier: str) -> str:
    """Return a name without its quotes.

    >>> parse_identifier('"a""b"'), parse_identifier("a")
    ('a"b', 'a')
    """
    if len(identifier) > 1 and identifier[0] == identifier[-1] == '"':
        return identifier[1:-1].replace('""', '"')
    return identifier
