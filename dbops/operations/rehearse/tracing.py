"""Which operation a statement or an error comes from, and where it is written."""

from __future__ import annotations

import ast
import inspect
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

import django
import psycopg
from django.db.migrations import Migration
from django.db.migrations.operations.base import Operation

import dbops
from dbops.operations.deploy.observing import ObservedOperation, describe_operation

APPLY = {Migration.apply.__code__, Migration.unapply.__code__}
PLUMBING = tuple(
    str(Path(place).resolve())
    for place in (
        *django.__path__,
        *dbops.__path__,
        *psycopg.__path__,
        sysconfig.get_path("stdlib"),
    )
    if place
)
SITE = tuple(sysconfig.get_path(name) for name in ("purelib", "platlib"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where in a migration something comes from."""

    number: int | None = None
    """Of the operation, from 1."""
    description: str = ""
    file: str = ""
    line: int | None = None


def find_place() -> Place:
    """Return where the statement comes from that runs now."""
    return _find_place(_walk_up(sys._getframe(1)))  # noqa: SLF001  There is no other way.


def find_place_of_error(error: BaseException) -> Place:
    """Return where in a migration an error was raised."""
    frames: list[FrameType] = []
    step = error.__traceback__
    while step is not None:
        frames.append(step.tb_frame)
        step = step.tb_next
    return _find_place(reversed(frames))


def _walk_up(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _find_place(frames: Iterator[FrameType]) -> Place:
    """Go outwards, from the innermost frame to the migration's own."""
    own: tuple[str, int] | None = None
    for frame in frames:
        if frame.f_code in APPLY:
            return _build_place(frame, own)
        if own is None and not _is_plumbing(frame.f_code.co_filename):
            own = frame.f_code.co_filename, frame.f_lineno
    return Place()


def _build_place(frame: FrameType, own: tuple[str, int] | None) -> Place:
    migration: Migration = frame.f_locals["self"]
    operation = frame.f_locals.get("operation")
    number = next(
        (n for n, each in enumerate(migration.operations, 1) if each is operation), None
    )
    if number is None or operation is None:
        return Place()
    lines = _find_lines(type(migration))
    return Place(
        number=number,
        description=describe_operation(_unwrap(operation)),
        file=_shorten(own[0]) if own else _find_file(type(migration)),
        line=own[1] if own else lines[number - 1] if number <= len(lines) else None,
    )


def _unwrap(operation: Operation) -> Operation:
    if isinstance(operation, ObservedOperation):
        return operation.operation
    return operation


@cache
def _is_plumbing(filename: str) -> bool:
    """Say whether the file is of those that run migrations, and not of one."""
    if filename.startswith("<"):
        return True
    path = Path(filename).resolve()
    if "migrations" in path.parts[:-1] and path.name[:1].isdigit():
        return False
    in_site = any(path.is_relative_to(each) for each in SITE)
    return any(path.is_relative_to(each) for each in PLUMBING) and not (
        in_site
        and not any(
            path.is_relative_to(Path(place).resolve())
            for place in (*django.__path__, *dbops.__path__, *psycopg.__path__)
        )
    )


def _find_file(kind: type[Migration]) -> str:
    return _shorten(inspect.getsourcefile(kind) or "")


def _shorten(file: str) -> str:
    """Return the path as seen from the working directory, where it is below."""
    path, here = Path(file), Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else file


def _find_lines(kind: type[Migration]) -> Sequence[int | None]:
    names = tuple(type(each).__name__ for each in kind.operations)
    return _read_lines(_find_file(kind), names)


@cache
def _read_lines(file: str, names: tuple[str, ...]) -> Sequence[int | None]:
    """Return the line of each operation, as far as they stand in a list.

    An operation that was put in between while the program runs has none.
    """
    try:
        tree = ast.parse(Path(file).read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError):
        return ()
    written = _find_list(tree)
    lines: list[int | None] = []
    for name in names:
        if written and _get_name(written[0]) == name:
            lines.append(written.pop(0).lineno)
        else:
            lines.append(None)
    return lines


def _find_list(tree: ast.Module) -> list[ast.expr]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.ClassDef) or node.name != "Migration":
            continue
        for statement in node.body:
            if isinstance(statement, ast.Assign) and isinstance(
                statement.value, ast.List
            ):
                names = [getattr(target, "id", "") for target in statement.targets]
                if "operations" in names:
                    return list(statement.value.elts)
    return []


def _get_name(node: ast.expr) -> str:
    called: Any = node.func if isinstance(node, ast.Call) else node
    return str(getattr(called, "attr", getattr(called, "id", "")))
