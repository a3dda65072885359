"""A value added to an enum, and used before the transaction that added it is over.

PostgreSQL refuses that with "unsafe use of new value", unless the type itself is new.
Source: https://www.postgresql.org/docs/current/sql-altertype.html (Notes)
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from django.db.migrations import (
    AddConstraint,
    AddField,
    AddIndex,
    AlterField,
    CreateModel,
    Migration,
    RunPython,
    RunSQL,
)
from django.db.migrations.operations import SeparateDatabaseAndState
from django.db.migrations.operations.base import Operation
from django.db.models import Field, Value
from django.db.models.fields import NOT_PROVIDED

from dbops.core.describe import quote_text
from dbops.core.finding import Finding, Level
from dbops.core.migration_digest import normalise_statement
from dbops.core.sql_script import split_statements
from dbops.enum_operation import EnumOperation
from dbops.enums import AddEnumValue, CreateEnum
from dbops.operations.check.digest import get_path, read_sql
from dbops.operations.history import get_id

ADD_VALUE = re.compile(
    r"alter type (?P<type>.+?) add value (if not exists )?'(?P<value>(?:[^']|'')*)'",
    re.IGNORECASE,
)
CREATE_TYPE = re.compile(r"create type (?P<type>.+?) as enum\b", re.IGNORECASE)


def find_early_uses(migration: Migration) -> Iterator[Finding]:
    """Yield where an atomic migration uses a value that it has just added."""
    if not migration.atomic:
        return
    for value, added in list_early_uses(migration.operations):
        if value is None:
            yield _build_warning(migration, added)
        else:
            yield _build_error(migration, value)


def list_early_uses(
    operations: Iterable[Operation],
) -> Iterator[tuple[str | None, Sequence[str]]]:
    """Yield each value that is added and then used, or None where Python code may.

    With it come the values that were added so far.
    """
    seen = _Seen()
    for operation in _flatten(operations):
        if isinstance(operation, RunSQL):
            used = list(_follow_sql(operation, seen))
        elif isinstance(operation, RunPython):
            if seen.added and not seen.told_python:
                seen.told_python = True
                yield None, seen.added
            continue
        elif isinstance(operation, EnumOperation):
            _follow_operation(operation, seen)
            continue
        else:
            used = [each for each in seen.added if _mentions(operation, each)]
        for value in used:
            if value not in seen.told:
                seen.told.add(value)
                yield value, seen.added


@dataclass(slots=True)
class _Seen:
    added: list[str] = field(default_factory=list)
    created: set[str] = field(default_factory=set)
    told: set[str] = field(default_factory=set)
    told_python: bool = False


def _flatten(operations: Iterable[Operation]) -> Iterator[Operation]:
    for operation in operations:
        if isinstance(operation, SeparateDatabaseAndState):
            yield from _flatten(operation.database_operations)
        else:
            yield operation


def _follow_operation(operation: EnumOperation, seen: _Seen) -> None:
    name = operation.bare_name
    if isinstance(operation, CreateEnum):
        seen.created.add(name)
    elif isinstance(operation, AddEnumValue) and name not in seen.created:
        seen.added.append(operation.value)


def _follow_sql(operation: RunSQL, seen: _Seen) -> Iterator[str]:
    """Take in what the statements create and add; yield what they use too early."""
    for text, parameters in read_sql(operation):
        for statement in map(normalise_statement, split_statements(text)):
            if match := CREATE_TYPE.match(statement):
                seen.created.add(_normalise_name(match["type"]))
            elif match := ADD_VALUE.match(statement):
                if _normalise_name(match["type"]) not in seen.created:
                    seen.added.append(match["value"].replace("''", "'"))
            else:
                for value in seen.added:
                    if quote_text(value) in statement or _holds(parameters, value):
                        yield value


def _normalise_name(name: str) -> str:
    """Return the type's name without its schema, in the case that the server has."""
    last = name.rpartition(" . ")[2]
    return last[1:-1] if last.startswith('"') else last.lower()


def _holds(parameters: object, value: str) -> bool:
    if isinstance(parameters, dict):
        return value in parameters.values()
    return isinstance(parameters, (list, tuple)) and value in parameters


def _mentions(operation: Operation, value: str) -> bool:
    match operation:
        case AddField() | AlterField():
            return _is_default(operation.field, value)
        case AddConstraint():
            return repr(value) in repr(operation.constraint)
        case AddIndex():
            return repr(value) in repr(operation.index)
        case CreateModel():
            parts = [
                *operation.options.get("constraints", ()),
                *operation.options.get("indexes", ()),
            ]
            return any(_is_default(each, value) for _, each in operation.fields) or any(
                repr(value) in repr(each) for each in parts
            )
        case _:
            return False


def _is_default(candidate: object, value: str) -> bool:
    if not isinstance(candidate, Field):
        return False
    for default in (candidate.default, getattr(candidate, "db_default", NOT_PROVIDED)):
        plain = default.value if isinstance(default, Value) else default
        if isinstance(plain, str) and plain == value:
            return True
    return False


def _build_error(migration: Migration, value: str) -> Finding:
    return Finding(
        id="dbops.E008",
        level=Level.ERROR,
        message=f'"{get_id(migration)}" adds "{value}" to an enum and uses it in the '
        "same transaction, which PostgreSQL refuses",
        object=str(get_id(migration)),
        hint="use it in a migration of its own, after this one",
        path=str(get_path(migration)),
    )


def _build_warning(migration: Migration, values: Iterable[str]) -> Finding:
    told = ", ".join(f'"{each}"' for each in values)
    return Finding(
        id="dbops.W009",
        level=Level.WARNING,
        message=f'"{get_id(migration)}" adds {told} to an enum, and its Python code '
        "may use it in the same transaction",
        object=str(get_id(migration)),
        hint="run the code in a migration of its own, after this one",
        path=str(get_path(migration)),
    )
