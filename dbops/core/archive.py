"""What pg_restore's script says of an archive's contents."""

from __future__ import annotations

import re
from typing import NamedTuple

_COPY = b"\nCOPY "
_FROM_STDIN = b" FROM stdin;\n"
_END_OF_DATA = b"\n\\.\n"
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
        return TableName("public", _unquote(first))
    return TableName(_unquote(first), _unquote(second))


def _unquote(identifier: str) -> str:
    if identifier.startswith('"'):
        return identifier[1:-1].replace('""', '"')
    return identifier


class RowCounter:
    r"""Counts the rows of each table in a data-only script that is fed in chunks.

    A row of COPY's text format is one line: a newline inside a value is escaped.

    >>> counter = RowCounter()
    >>> counter.feed(b"--\nCOPY public.a (id) FROM stdin;\n1\n2\n")
    >>> counter.feed(b"\\.\n\nCOPY public.b (id) FROM stdin;\n\\.\n")
    >>> sorted((table.name, rows) for table, rows in counter.rows.items())
    [('a', 2), ('b', 0)]
    """

    def __init__(self) -> None:
        self.rows: dict[TableName, int] = {}
        self._table: TableName | None = None
        self._buffer = b"\n"

    @property
    def is_complete(self) -> bool:
        """Tell whether the script did not end inside a table's data."""
        return self._table is None

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the script."""
        self._buffer += chunk
        while self._take_rows() if self._table else self._take_header():
            pass

    def _take_header(self) -> bool:
        """Skip to the data of the next table; false when more bytes are needed."""
        start = self._buffer.find(_COPY)
        if start < 0:
            self._buffer = self._buffer[-len(_COPY) + 1 :]
            return False
        end = self._buffer.find(_FROM_STDIN, start)
        if end < 0:
            self._buffer = self._buffer[start:]
            return False
        header = self._buffer[start + len(_COPY) : end]
        self._table = parse_table_name(header.decode(errors="surrogateescape"))
        # The header's own newline is counted with the rows'.
        self.rows[self._table] = self.rows.get(self._table, 0) - 1
        self._buffer = self._buffer[end + len(_FROM_STDIN) - 1 :]
        return True

    def _take_rows(self) -> bool:
        """Count the rows in the buffer; false when more bytes are needed."""
        assert self._table is not None  # noqa: S101  Only called inside a table.
        end = self._buffer.find(_END_OF_DATA)
        upto = end + 1 if end >= 0 else len(self._buffer) - len(_END_OF_DATA) + 1
        upto = max(upto, 0)
        self.rows[self._table] += self._buffer.count(b"\n", 0, upto)
        if end < 0:
            self._buffer = self._buffer[upto:]
            return False
        self._table = None
        self._buffer = self._buffer[end + len(_END_OF_DATA) - 1 :]
        return True
