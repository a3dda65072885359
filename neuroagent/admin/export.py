"""Rows as CSV or JSON Lines, sent while they are read."""

import csv
import json
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from datetime import UTC, datetime
from io import StringIO
from typing import Any, cast
from uuid import UUID

from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django.utils import timezone

from neuroagent.admin.access import limit_time

Row = tuple[Any, ...]
Writer = Callable[[tuple[str, ...], Iterator[Row]], Iterator[str]]

BATCH = 500
"""Rows that are fetched at a time."""
CHUNK_CHARS = 1 << 16
FORMULA_STARTS = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
"""With the wide forms that East Asian spreadsheets take for the same."""


def stream(
    queryset: QuerySet[Any], format_name: str, *, exclude: frozenset[str]
) -> StreamingHttpResponse:
    """Return all rows of a query as a download.

    The first rows are read before the answer begins: what is wrong with the query is
    still an error page then, and not a file that ends early.
    """
    content_type, write = WRITERS[format_name]
    meta = queryset.model._meta  # noqa: SLF001
    columns = tuple(
        field.attname for field in meta.concrete_fields if field.attname not in exclude
    )
    rows = read_rows(queryset, columns)
    chunks = join_chunks(write(columns, rows))
    first = next(chunks, "")
    name = f"{meta.db_table}-{timezone.localdate()}.{format_name}"
    return StreamingHttpResponse(
        resume(first, chunks, rows),
        content_type=f"{content_type}; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def read_rows(
    queryset: QuerySet[Any], columns: tuple[str, ...]
) -> Generator[Row, None, None]:
    """Yield the rows, by a cursor of the server's.

    Outside a transaction PostgreSQL would write the whole result to its disk first.
    """
    with limit_time(queryset.db):
        rows = queryset.values_list(*columns)
        # To be closed before the transaction, which would take the cursor with it.
        found = cast("Generator[Row, None, None]", rows.iterator(chunk_size=BATCH))
        with closing(found):
            yield from found


def resume(
    first: str, rest: Iterator[str], rows: Generator[Row, None, None]
) -> Generator[str, None, None]:
    """Yield all, and end the query when the reader goes away."""
    with closing(rows):
        yield first
        yield from rest


def join_chunks(lines: Iterator[str]) -> Iterator[str]:
    """Yield the lines in pieces that are worth sending."""
    held: list[str] = []
    size = 0
    for line in lines:
        held.append(line)
        size += len(line)
        if size >= CHUNK_CHARS:
            yield "".join(held)
            held, size = [], 0
    if held:
        yield "".join(held)


def write_csv(columns: tuple[str, ...], rows: Iterator[Row]) -> Iterator[str]:
    """Yield a line for the names, and one for each row."""
    buffer = StringIO()
    writer = csv.writer(buffer)

    def write(values: tuple[Any, ...]) -> str:
        writer.writerow(values)
        line = buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
        return line

    yield write(columns)
    for row in rows:
        yield write(tuple(map(write_cell, row)))


def write_cell(value: object) -> object:
    """Return a value for CSV, in which no program finds a formula.

    >>> write_cell("=HYPERLINK(1)"), write_cell("plain"), write_cell(-3)
    ("'=HYPERLINK(1)", 'plain', -3)

    Source: https://owasp.org/www-community/attacks/CSV_Injection
    """
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, str) and value.startswith(FORMULA_STARTS):
        return f"'{value}"
    return value


def write_json_lines(columns: tuple[str, ...], rows: Iterator[Row]) -> Iterator[str]:
    """Yield a JSON object for each row, with texts as they are in the database."""
    for row in rows:
        values = dict(zip(columns, map(write_value, row), strict=True))
        yield f"{json.dumps(values, ensure_ascii=False)}\n"


def write_value(value: object) -> object:
    """Return a value that JSON has, too."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return str(value) if isinstance(value, UUID) else value


WRITERS: dict[str, tuple[str, Writer]] = {
    "csv": ("text/csv", write_csv),
    "jsonl": ("application/jsonl", write_json_lines),
}
FORMATS = {"csv": "CSV", "jsonl": "JSON Lines"}
