"""Which schemas a script makes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from dbops.core.generated_names import strip_quotes

CREATE_SCHEMA = re.compile(
    r"\bcreate\s+schema\s+(?P<if_missing>if\s+not\s+exists\s+)?"
    r'(?P<name>"(?:[^"]|"")+"|(?!authorization\b)[\w$]+)',
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class MadeSchema:
    """A schema that a statement makes, named as the server stores it."""

    name: str
    if_missing: bool
    """It may have been there before."""


def find_made_schemas(script: str) -> Iterator[MadeSchema]:
    """Yield the schemas that the script makes.

    >>> script = 'CREATE SCHEMA A; create schema if not exists "B"'
    >>> for each in find_made_schemas(script):
    ...     print(each)
    MadeSchema(name='a', if_missing=False)
    MadeSchema(name='B', if_missing=True)
    """
    for found in CREATE_SCHEMA.finditer(script):
        name = found["name"]
        yield MadeSchema(
            strip_quotes(name) if name.startswith('"') else name.lower(),
            if_missing=bool(found["if_missing"]),
        )
