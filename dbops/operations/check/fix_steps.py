"""What an operation becomes so that nobody has to wait for it.

Each way gives the same schema and the same state of the models as the operation itself.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from django.contrib.postgres.operations import (
    AddConstraintNotValid,
    AddIndexConcurrently,
    RemoveIndexConcurrently,
)
from django.db.migrations import (
    AddConstraint,
    AddField,
    AddIndex,
    AlterField,
    RemoveIndex,
)
from django.db.migrations.operations.base import Operation
from django.db.models import CheckConstraint, UniqueConstraint

from dbops.core.hazards.judge import Step
from dbops.core.hazards.parsing import Parsed, get_enum, parse_statements, unwrap

ALREADY_SAFE = (AddConstraintNotValid, AddIndexConcurrently, RemoveIndexConcurrently)
POSTGRES = "django.contrib.postgres.operations"


class Place(Enum):
    """Which transaction a piece belongs in."""

    HERE = "here"
    """That of the operations around it."""
    ALONE = "alone"
    """None: a migration with `atomic = False`, and nothing else in it."""
    NEXT = "next"
    """A later one: a migration after the one before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Part of what an operation becomes."""

    place: Place
    text: str
    """Python, as it stands in the list of operations."""
    imports: tuple[str, ...] = ()
    """Names from django.contrib.postgres.operations; `models` from django.db."""
    name: str = ""
    """What a migration of its own is called."""
    keeps_source: bool = False
    """It has text of the migration in it, and what that text imports."""


def fix_operation(
    operation: Operation, call: ast.Call, text: str, steps: Sequence[Step]
) -> tuple[Piece, ...]:
    """Return what the operation becomes; nothing where there is no safe way to write.

    `text` is the operation's own, `call` the tree of it, and `steps` what it runs.
    """
    if isinstance(operation, ALREADY_SAFE):
        return ()
    pieces: tuple[Piece, ...] = ()
    match operation:
        case AddIndex():
            migration = f"add_{operation.index.name}"
            pieces = (_rename(call, text, "AddIndexConcurrently", migration),)
        case RemoveIndex():
            migration = f"remove_{operation.name}"
            pieces = (_rename(call, text, "RemoveIndexConcurrently", migration),)
        case AddConstraint(constraint=CheckConstraint()):
            pieces = _fix_check(operation, call, text, steps)
        case AddConstraint(constraint=UniqueConstraint()):
            pieces = _fix_unique(operation, text, steps)
        case AlterField():
            pieces = _fix_not_null(operation, text, steps)
        case AddField():
            pieces = _fix_indexed(operation, call, text, steps)
    return pieces


def _rename(call: ast.Call, text: str, name: str, migration: str) -> Piece:
    return Piece(
        place=Place.ALONE,
        text=_replace_function(call, text, name),
        imports=(name,),
        name=migration,
        keeps_source=True,
    )


def _replace_function(call: ast.Call, text: str, name: str) -> str:
    """Return the call with another function; the rest stays as it is laid out."""
    end = _get_offset(text, call.func.end_lineno, call.func.end_col_offset)
    return f"{name}{text[end:]}"


def _fix_check(
    operation: AddConstraint, call: ast.Call, text: str, steps: Sequence[Step]
) -> tuple[Piece, ...]:
    name = operation.constraint.name
    statements = _parse(steps)
    if [each.kind for each in statements] != ["AlterTableStmt"]:
        return ()
    [statement] = statements
    return (
        Piece(
            place=Place.HERE,
            text=_replace_function(call, text, "AddConstraintNotValid"),
            imports=("AddConstraintNotValid",),
            name=f"add_{name}",
            keeps_source=True,
        ),
        *_validate(operation.model_name, name, statement, f"{statement.sql} NOT VALID"),
    )


def _validate(
    model: str, name: str, statement: Parsed, way_back: str
) -> tuple[Piece, ...]:
    """Return the validation, with its way back: Django has none."""
    drop = f"ALTER TABLE {_name_table(statement)} DROP CONSTRAINT {_identify(name)}"
    return (
        Piece(
            place=Place.NEXT,
            text=f"ValidateConstraint({_quote(model)}, {_quote(name)})",
            imports=("ValidateConstraint",),
            name=f"validate_{name}",
        ),
        Piece(
            place=Place.HERE,
            text="migrations.RunSQL(\n"
            "            migrations.RunSQL.noop,\n            [\n"
            f"                {_quote(drop)},\n"
            f"                {_quote(way_back)},\n            ],\n        )",
            name=f"validate_{name}",
        ),
    )


def _name_table(statement: Parsed) -> str:
    relation = statement.node.relation
    return ".".join(
        _identify(each) for each in (relation.schemaname, relation.relname) if each
    )


def _fix_unique(
    operation: AddConstraint, text: str, steps: Sequence[Step]
) -> tuple[Piece, ...]:
    statements = _parse(steps)
    if len(statements) != 1:
        return ()
    [statement] = statements
    name = operation.constraint.name
    if statement.kind == "IndexStmt":
        pairs = [(_make_concurrent(statement.sql), _drop_index(statement))]
    elif statement.kind == "AlterTableStmt":
        pairs = _split_unique(statement)
    else:
        return ()
    return (
        _separate(pairs, text, name=f"add_{name}", place=Place.ALONE),
    ) if pairs else ()  # fmt: skip


def _split_unique(statement: Parsed) -> list[tuple[str, str]]:
    """Return how to add the constraint by an index that is built beforehand."""
    [command] = statement.node.cmds
    constraint = unwrap(getattr(unwrap(command), "def"))
    if (
        get_enum(constraint, "contype") != "CONSTR_UNIQUE"
        or constraint.nulls_not_distinct
        or len(constraint.including)
        or constraint.options
    ):
        return []
    table = _name_table(statement)
    name = _identify(constraint.conname)
    columns = ", ".join(_identify(unwrap(each).sval) for each in constraint.keys)
    when = ""
    if constraint.deferrable:
        when = " DEFERRABLE" + (
            " INITIALLY DEFERRED" if constraint.initdeferred else ""
        )
    add = f"ALTER TABLE {table} ADD CONSTRAINT {name}"
    return [
        (
            f"CREATE UNIQUE INDEX CONCURRENTLY {name} ON {table} ({columns})",
            f"DROP INDEX CONCURRENTLY IF EXISTS {name}",
        ),
        (
            f"{add} UNIQUE USING INDEX {name}{when}",
            f"ALTER TABLE {table} DROP CONSTRAINT {name}",
        ),
    ]


def _fix_not_null(
    operation: AlterField, text: str, steps: Sequence[Step]
) -> tuple[Piece, ...]:
    """Return the way by a CHECK, where SET NOT NULL is all that the operation does."""
    statements = _parse(steps)
    commands = [
        get_enum(unwrap(one), "subtype")
        for each in statements
        for one in (each.node.cmds if each.kind == "AlterTableStmt" else ())
    ]
    if len(statements) != 1 or commands != ["AT_SetNotNull"]:
        return ()
    [statement] = statements
    [command] = statement.node.cmds
    model, field = operation.model_name, operation.name
    name = f"{operation.model_name_lower}_{field}_nn"
    way_back = (
        f"ALTER TABLE {_name_table(statement)} ADD CONSTRAINT {_identify(name)} "
        f"CHECK ({_identify(unwrap(command).name)} IS NOT NULL) NOT VALID"
    )
    constraint = (
        "models.CheckConstraint(\n"
        f"                condition=models.Q({field}__isnull=False),\n"
        f"                name={_quote(name)},\n"
        "            )"
    )
    return (
        Piece(
            place=Place.HERE,
            text=f"AddConstraintNotValid(\n            {_quote(model)},\n"
            f"            {constraint},\n        )",
            imports=("AddConstraintNotValid", "models"),
            name=f"add_{name}",
        ),
        *_validate(model, name, statement, way_back),
        Piece(place=Place.NEXT, text=text, name=f"require_{field}", keeps_source=True),
        Piece(
            place=Place.HERE,
            text=f"migrations.RemoveConstraint({_quote(model)}, {_quote(name)})",
            name=f"remove_{name}",
        ),
    )


def _fix_indexed(
    operation: AddField, call: ast.Call, text: str, steps: Sequence[Step]
) -> tuple[Piece, ...]:
    """Return the field without its index, and the index built concurrently."""
    statements = _parse(steps)
    indexes = [each for each in statements if each.kind == "IndexStmt"]
    field = _find_field(call)
    if not indexes or any(each.node.unique for each in indexes) or field is None:
        return ()
    if any(each.arg == "db_index" for each in field.keywords):
        return ()
    bare = _insert_argument(text, field, "db_index=False")
    pairs = [(_make_concurrent(each.sql), _drop_index(each)) for each in indexes]
    return (
        Piece(
            place=Place.HERE,
            text="migrations.SeparateDatabaseAndState(\n"
            f"            database_operations=[\n                {_indent(bare)},\n"
            f"            ],\n            state_operations=[\n"
            f"                {_indent(text)},\n            ],\n        )",
            name=f"add_{operation.name}",
            keeps_source=True,
        ),
        _separate(pairs, "", name=f"index_{operation.name}", place=Place.ALONE),
    )


def _find_field(call: ast.Call) -> ast.Call | None:
    given = [each.value for each in call.keywords if each.arg == "field"]
    for each in given or call.args[2:3]:
        if isinstance(each, ast.Call):
            return each
    return None


def _insert_argument(text: str, field: ast.Call, argument: str) -> str:
    """Return the text with one more argument of the field, behind the last."""
    last = [*field.args, *(each.value for each in field.keywords)]
    if not last:
        end = _get_offset(text, field.end_lineno, field.end_col_offset) - 1
        return f"{text[:end]}{argument}{text[end:]}"
    end = _get_offset(text, last[-1].end_lineno, last[-1].end_col_offset)
    return f"{text[:end]}, {argument}{text[end:]}"


def _get_offset(text: str, line: int | None, column: int | None) -> int:
    lines = text.splitlines(keepends=True)
    line, column = line or 1, column or 0
    before = sum(len(each) for each in lines[: line - 1])
    return before + len(lines[line - 1].encode()[:column].decode())


def _separate(
    pairs: Sequence[tuple[str, str]], state: str, *, name: str, place: Place
) -> Piece:
    """Return SQL with its way back, and what it means for the models."""
    lines = []
    for forward, backward in pairs:
        lines += [
            "migrations.RunSQL(",
            f"    {_quote(forward)},",
            f"    {_quote(backward)},",
            "),",
        ]
    if not state:
        rest = "\n        ".join(lines).removesuffix(",")
        return Piece(place=place, text=rest, name=name)
    body = "\n                ".join(lines)
    return Piece(
        place=place,
        text="migrations.SeparateDatabaseAndState(\n"
        f"            database_operations=[\n                {body}\n"
        "            ],\n            state_operations=[\n"
        f"                {_indent(state)},\n            ],\n        )",
        name=name,
        keeps_source=True,
    )


def _indent(text: str) -> str:
    return text.replace("\n", "\n        ")


def _parse(steps: Sequence[Step]) -> list[Parsed]:
    return [
        each
        for step in steps
        if not step.is_python
        for each in parse_statements(step.sql)
    ]


def _make_concurrent(sql: str) -> str:
    return sql.replace(" INDEX ", " INDEX CONCURRENTLY ", 1)


def _drop_index(statement: Parsed) -> str:
    return f"DROP INDEX CONCURRENTLY IF EXISTS {_identify(statement.node.idxname)}"


def _identify(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _quote(value: str) -> str:
    """Return the text as Python's formatters write it."""
    if '"' in value and not set("'\\\n") & set(value):
        return f"'{value}'"
    return f'"{value}"' if '"' not in value and "\\" not in value else repr(value)
