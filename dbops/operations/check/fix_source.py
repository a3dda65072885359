"""Migration files rewritten: some operations become others, or migrations of their own.

What is not touched keeps its layout and its comments.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from dbops.operations.check.fix_steps import POSTGRES, Piece, Place
from dbops.operations.check.migration_source import find_class

NUMBER = re.compile(r"(\d+)_")
NOT_A_NAME = re.compile(r"\W+")
TEMPLATE = """\
{imports}


class Migration(migrations.Migration):
{atomic}    dependencies = [
        ("{app}", "{previous}"),
    ]

    operations = [
{operations}
    ]
"""


@dataclass(slots=True)
class Part:
    """One migration of those that the old one becomes."""

    alone: bool
    pieces: list[Piece] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A migration as it is to be on disk."""

    name: str
    text: str


def split_pieces(pieces: Iterable[Piece]) -> list[Part]:
    """Return the migrations that the pieces have to be in, in their order."""
    parts: list[Part] = []
    for piece in pieces:
        alone = piece.place is Place.ALONE
        fresh = not parts or alone or parts[-1].alone or piece.place is Place.NEXT
        if fresh:
            parts.append(Part(alone=alone))
        parts[-1].pieces.append(piece)
    return parts


def build_files(
    app: str, name: str, text: str, pieces: Sequence[Piece]
) -> tuple[File, ...]:
    """Return the files: the first under the old name, the others numbered after it."""
    parts = split_pieces(pieces)
    files = [File(name=name, text=rewrite(text, parts[0]))]
    number = NUMBER.match(name)
    for position, part in enumerate(parts[1:], start=1):
        slug = NOT_A_NAME.sub("_", part.pieces[0].name or "go_on").strip("_").lower()
        prefix = f"{int(number[1]) + position:0{len(number[1])}d}_" if number else ""
        files.append(
            File(
                name=f"{prefix}{slug}",
                text=_build_new(app, files[-1].name, text, part),
            )
        )
    return tuple(files)


def rewrite(text: str, part: Part) -> str:
    """Return the migration with these operations in the place of its own."""
    tree = ast.parse(text)
    found = find_class(tree)
    assert found is not None  # noqa: S101  Its operations were found in it.
    listed = next(
        each.value
        for each in found.body
        if isinstance(each, ast.Assign)
        and isinstance(each.value, ast.List)
        and any(isinstance(one, ast.Name) and one.id == "operations"
                for one in each.targets)
    )  # fmt: skip
    start, end = get_range(text, listed)
    body = "".join(f"\n        {each.text}," for each in part.pieces)
    text = f"{text[:start]}[{body}\n    ]{text[end:]}"
    if part.alone:
        text = _make_non_atomic(text, found)
    return add_imports(text, part.pieces)


def get_range(text: str, node: ast.expr) -> tuple[int, int]:
    """Return where the expression begins and ends in the text."""
    lines = text.splitlines(keepends=True)

    def find(line: int, column: int) -> int:
        before = sum(map(len, lines[: line - 1]))
        return before + len(lines[line - 1].encode()[:column].decode())

    return (
        find(node.lineno, node.col_offset),
        find(node.end_lineno or 0, node.end_col_offset or 0),
    )


def _get_line_start(text: str, node: ast.stmt) -> int:
    return sum(map(len, text.splitlines(keepends=True)[: node.lineno - 1]))


def _make_non_atomic(text: str, found: ast.ClassDef) -> str:
    """Return the text with `atomic = False`, which is above what was changed."""
    for statement in found.body:
        if isinstance(statement, ast.Assign) and any(
            isinstance(each, ast.Name) and each.id == "atomic"
            for each in statement.targets
        ):
            start, end = get_range(text, statement.value)
            return f"{text[:start]}False{text[end:]}"
    line = _get_line_start(text, found.body[0])
    return f"{text[:line]}    atomic = False\n\n{text[line:]}"


def add_imports(text: str, pieces: Iterable[Piece]) -> str:
    """Return the text with the imports that the pieces need."""
    wanted = _list_imports(pieces)
    tree = ast.parse(text)
    last = 0
    for statement in tree.body:
        if isinstance(statement, ast.ImportFrom):
            known = {each.name for each in statement.names}
            if statement.module in wanted:
                wanted[statement.module] -= known
        if isinstance(statement, (ast.Import, ast.ImportFrom)):
            last = statement.end_lineno or last
    lines = text.splitlines(keepends=True)
    for module, names in sorted(wanted.items()):
        if names:
            lines.insert(last, f"from {module} import {', '.join(sorted(names))}\n")
    return "".join(lines)


def _list_imports(pieces: Iterable[Piece]) -> dict[str, set[str]]:
    names = {name for each in pieces for name in each.imports}
    found: dict[str, set[str]] = {}
    if "models" in names:
        found["django.db"] = {"models"}
    if names - {"models"}:
        found[POSTGRES] = names - {"models"}
    return found


def _build_new(app: str, previous: str, source: str, part: Part) -> str:
    if any(each.keeps_source for each in part.pieces):
        head = _get_head(source)
    else:
        head = "from django.db import migrations\n"
    if "migrations" not in head:
        head = f"from django.db import migrations\n{head}"
    operations = "\n".join(f"        {each.text}," for each in part.pieces)
    text = TEMPLATE.format(
        imports=head.rstrip(),
        atomic="    atomic = False\n\n" if part.alone else "",
        app=app,
        previous=previous,
        operations=operations,
    )
    return add_imports(text, part.pieces)


def _get_head(source: str) -> str:
    """Return what stands before the class: imports, and functions that are named."""
    found = find_class(ast.parse(source))
    line = found.lineno - 1 if found else 0
    return "".join(source.splitlines(keepends=True)[:line])


def build_pieces(
    text: str,
    operations: Sequence[ast.expr],
    fixes: Mapping[int, tuple[Piece, ...]],
) -> list[Piece]:
    """Return all operations of the migration, the fixed ones as what they become.

    An operation that stays comes with the comments above it.
    """
    pieces: list[Piece] = []
    end = None
    head = text[: get_range(text, operations[0])[0]] if operations else ""
    first_comment = head[head.rfind("[") + 1 :].strip()
    for number, node in enumerate(operations, start=1):
        start, stop = get_range(text, node)
        between = first_comment
        if end is not None:
            # What stands behind an operation on its line is about that one.
            between = text[end:start].partition("\n")[2].strip()
        comment = f"{between}\n        " if between.startswith("#") else ""
        if number in fixes:
            first, *rest = fixes[number]
            pieces += [replace(first, text=f"{comment}{first.text}"), *rest]
        else:
            pieces.append(
                Piece(
                    place=Place.HERE,
                    text=f"{comment}{text[start:stop]}",
                    keeps_source=True,
                    name="go_on",
                )
            )
        end = stop
    return pieces
