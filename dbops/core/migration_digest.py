"""What a migration says, as a hash that survives a formatter and a new Python."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Iterator

from dbops.core.sql_script import BLANK, scan, split_statements

VERSION = "1"
"""In front of each digest; those of two versions cannot be compared."""

NO_MEANING = frozenset(("kind", "type_comment", "type_params", "type_ignores"))
SILENCED = "dbops_silenced"
"""What a migration calls the findings that are left out: no part of what it does."""
WITH_DOCSTRING = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def digest_source(source: str, sql: Iterable[str] = ()) -> str:
    """Return the digest of a migration's source and of the SQL that it runs.

    Comments, docstrings, quotes and layout do not count, in Python as in `sql`: the
    texts of its RunSQL operations, which it may have read from files.

    Raises:
        SyntaxError: the source is no Python.
        ValueError: there is a null byte in it.

    >>> digest_source('a = "b"  # why') == digest_source("a = (\\n    'b'\\n)")
    True
    >>> digest_source("a = 1") == digest_source("a = 1.0")
    False
    """
    texts = tuple(sql)
    known = {each: normalise_sql(each) for each in texts}
    pieces = [*_write(ast.parse(source), known)]
    pieces += [f"\0{known[each]}" for each in texts]
    return f"{VERSION}:{hashlib.sha256(''.join(pieces).encode()).hexdigest()[:32]}"


def digest_sql(text: str) -> str:
    """Return the digest of an SQL file; comments count, for some of them are orders.

    >>> digest_sql("SELECT 1;\\n") == digest_sql("SELECT 1;\\r\\n\\n")
    True
    >>> digest_sql("SELECT 1;") == digest_sql("-- dbops: no-transaction\\nSELECT 1;")
    False
    """
    lines = "\n".join(line.rstrip() for line in text.strip().splitlines())
    return f"{VERSION}:{hashlib.sha256(lines.encode()).hexdigest()[:32]}"


def is_comparable(first: str, second: str) -> bool:
    """Tell whether two digests were made by the same rules.

    >>> is_comparable("1:ab", "1:cd"), is_comparable("1:ab", ""), is_comparable("", "")
    (True, False, False)
    """
    kind = first.partition(":")[0]
    return bool(kind) and kind == second.partition(":")[0]


def normalise_sql(text: str) -> str:
    """Return the statements without comments, one space between their tokens.

    >>> normalise_sql("SELECT  f( a ); -- why\\n/* and */ SELECT 2")
    'SELECT f ( a );\\nSELECT 2'
    """
    return ";\n".join(map(normalise_statement, split_statements(text)))


def normalise_statement(statement: str) -> str:
    """Return one statement without comments, one space between its tokens."""
    return " ".join(token.text for token in scan(statement) if token.kind not in BLANK)


def _write(value: object, sql: dict[str, str]) -> Iterator[str]:
    match value:
        case ast.Constant(value=str(text)) if text in sql:
            yield f"SQL({sql[text]!a})"
        case ast.Constant(value=constant):
            # Which characters repr() escapes depends on Python's version.
            yield f"{type(constant).__name__}({constant!a})"
        case ast.AST():
            yield f"{type(value).__name__}("
            for name, each in _list_fields(value):
                yield f"{name}="
                yield from _write(each, sql)
                yield ","
            yield ")"
        case list():
            yield "["
            for each in value:
                yield from _write(each, sql)
                yield ","
            yield "]"
        case _:
            yield f"{type(value).__name__}({value!a})"


def _list_fields(node: ast.AST) -> Iterator[tuple[str, object]]:
    """Yield the fields that say something; newer Pythons have more empty ones."""
    for name, value in sorted(ast.iter_fields(node)):
        told = value
        if name == "body" and isinstance(node, WITH_DOCSTRING):
            told = [
                each
                for each in node.body[
                    ast.get_docstring(node, clean=False) is not None :
                ]
                if not _is_silencing(each)
            ]
        elif isinstance(node, ast.JoinedStr):
            told = _join_constants(node.values)
        if name not in NO_MEANING and told is not None and told != []:
            yield name, told


def _is_silencing(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and any(
        isinstance(each, ast.Name) and each.id == SILENCED for each in node.targets
    )


def _join_constants(values: list[ast.expr]) -> list[ast.expr]:
    """Join the texts of an f-string, which Pythons cut in different places."""
    joined: list[ast.expr] = []
    for each in values:
        last = joined[-1] if joined else None
        if isinstance(each, ast.Constant) and isinstance(last, ast.Constant):
            joined[-1] = ast.Constant(value=f"{last.value!s}{each.value!s}")
        elif not isinstance(each, ast.Constant) or each.value:
            joined.append(each)
    return joined
