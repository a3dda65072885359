"""What a table holds, in one number that does not depend on the order of its rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xxhash import xxh3_128_intdigest

MODULUS = 1 << 128
hash_row = xxh3_128_intdigest
"""Return what a row, its newline included, adds to the sum."""


@dataclass(slots=True)
class Contents:
    """Rows counted, and the sum of their hashes; what is there twice counts twice.

    A row is a line of COPY's text format.

    >>> one, other = Contents(), Contents()
    >>> one.add(b"a\\nb\\n")
    >>> other.add(b"b\\n")
    >>> other.add(b"a\\n")
    >>> one == other, one.rows, len(one.checksum)
    (True, 2, 32)
    """

    rows: int = 0
    total: int = 0

    @property
    def checksum(self) -> str:
        """The sum, as 32 hexadecimal digits."""
        return f"{self.total % MODULUS:032x}"

    def add(self, lines: bytes) -> None:
        """Take whole lines, the last newline included."""
        # Within a value both, carriage return and newline, are escaped.
        rows = lines.splitlines(keepends=True)
        self.rows += len(rows)
        self.total += sum(map(hash_row, rows))

    def merge(self, other: Contents) -> None:
        """Take the rows of another one."""
        self.rows += other.rows
        self.total += other.total


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Whole rows in COPY's text format, and what they add up to."""

    lines: bytes
    contents: Contents


def sum_rows(lines: bytes) -> Rows:
    """Count and sum whole lines.

    >>> sum_rows(b"a\\nb\\n").contents.rows
    2
    """
    return join_rows(lines.splitlines(keepends=True))


def join_rows(rows: Sequence[bytes]) -> Rows:
    """Count and sum rows that are known one by one.

    >>> join_rows([b"a\\n", b"b\\n"]) == sum_rows(b"a\\nb\\n")
    True
    """
    contents = Contents(rows=len(rows), total=sum(map(hash_row, rows)))
    return Rows(lines=b"".join(rows), contents=contents)
