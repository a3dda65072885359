"""Where the operations of a migration are in its file."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from django.db.migrations import Migration

from dbops.operations.check.digest import get_path


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A migration's file, taken apart."""

    path: str
    text: str
    operations: tuple[ast.expr, ...]
    """Those of the class, where they are written as a list."""

    def find_line(self, number: str) -> int | None:
        """Return the line of an operation, by its number as in `2.1`."""
        node = self.find(number)
        return node.lineno if node else None

    def find(self, number: str) -> ast.expr | None:
        """Return an operation; the outer one where a nested one is not written out."""
        found: ast.expr | None = None
        level: tuple[ast.expr, ...] = self.operations
        for part in number.split(".") if number else ():
            position = int(part) - 1
            if position >= len(level):
                break
            found = level[position]
            level = _list_nested(found)
        return found


def read_source(migration: Migration) -> Source:
    """Return the migration's file; without operations where it cannot be read."""
    path = get_path(migration)
    try:
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text)
    except (OSError, SyntaxError, ValueError):
        return Source(path=str(path), text="", operations=())
    return Source(path=str(path), text=text, operations=_find_operations(tree))


def find_class(tree: ast.Module) -> ast.ClassDef | None:
    """Return the class of the migration."""
    return next(
        (
            each
            for each in tree.body
            if isinstance(each, ast.ClassDef) and each.name == "Migration"
        ),
        None,
    )


def _find_operations(tree: ast.Module) -> tuple[ast.expr, ...]:
    found = find_class(tree)
    for statement in found.body if found else ():
        if (
            isinstance(statement, ast.Assign)
            and isinstance(statement.value, ast.List)
            and any(
                isinstance(each, ast.Name) and each.id == "operations"
                for each in statement.targets
            )
        ):
            elements = statement.value.elts
            if not any(isinstance(each, ast.Starred) for each in elements):
                return tuple(elements)
    return ()


def _list_nested(node: ast.expr) -> tuple[ast.expr, ...]:
    """Return the operations on the database of a SeparateDatabaseAndState."""
    if not isinstance(node, ast.Call):
        return ()
    given = [each.value for each in node.keywords if each.arg == "database_operations"]
    for each in [*given, *node.args[:1]]:
        if isinstance(each, ast.List):
            return tuple(each.elts)
    return ()
