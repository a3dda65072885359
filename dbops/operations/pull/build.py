"""The first migration of pulled models: Django's operations, and SQL for the rest."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import psycopg
from django.db import Error
from django.db.migrations import Migration
from django.db.migrations.operations import RunSQL
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

from dbops.core.catalog import (
    RELATIONS,
    Catalog,
    Key,
    ObjectKind,
    SchemaObject,
    build_catalog,
)
from dbops.core.compare import Comparison, Difference, compare_catalogs
from dbops.core.generated_names import PARTITION_OF, split_name
from dbops.core.left_out import OPERATING_EXTENSIONS
from dbops.core.repair import build_repair
from dbops.core.repair.plan import whole_name
from dbops.core.repair.steps import read_extension
from dbops.core.repair.text import mentions, name_beside, name_whole, split_comment
from dbops.errors import Refused
from dbops.operations.pull.state import build_migration
from dbops.operations.replay import Replay
from dbops.postgres.normalise import drop_equal_expressions
from dbops.postgres.session import open_session, tell_error
from dbops.runsql import RunSQLAfterIndexes

NAME = "0001_initial"
FIRST = (ObjectKind.ENUM, ObjectKind.DOMAIN, ObjectKind.TYPE)
UNCHECKED = "SET LOCAL check_function_bodies = off"
"""Functions may name tables that come later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A migration, and what came of building it."""

    migration: Migration
    unsaid: Mapping[str, Sequence[str]]
    """What the SQL does that models cannot say, by table."""
    by_hand: tuple[Difference, ...]
    """What no SQL was found for."""


def build_first_migration(
    replay: Replay,
    app: str,
    operations: Sequence[Operation],
    dependencies: Sequence[tuple[str, str]],
    wanted: Catalog,
    *,
    select: Callable[[Catalog], Catalog],
) -> Built:
    """Make of the scratch database what is wanted, and note the way.

    `select` leaves what is not compared out of a catalog.

    Raises:
        Refused: a statement fails on the empty database.
    """
    base, state = select(replay.fetch_catalog()), replay.state.clone()
    before = _write_before(wanted, base)
    _run(replay, before)
    prepared = select(replay.fetch_catalog())
    middle = build_migration(NAME, app, operations, dependencies)
    replay.apply([middle])
    plain = select(replay.fetch_catalog())
    renames = _write_renames(wanted, plain)
    _run(replay, renames)
    made = select(replay.fetch_catalog())
    found = _compare(replay, wanted, made)
    repair = build_repair(wanted, made, found.differences)
    _run(replay, repair.statements)
    full = select(replay.fetch_catalog())
    ways_back = _write_back(full, plain), _write_back(prepared, base)
    left = _go_back(replay, middle, state, ways_back)
    is_reversible = left is not None and _are_equal(base, select(left))
    back = ways_back if is_reversible else ((), ())
    first = _write_sql(RunSQL, before, back[1])
    last = _write_sql(RunSQLAfterIndexes, [*renames, *repair.statements], back[0])
    return Built(
        migration=build_migration(
            NAME, app, [*first, *operations, *last], dependencies
        ),
        unsaid=_tell_unsaid(wanted, found.differences),
        by_hand=repair.by_hand,
    )


def _write_back(there: Catalog, goal: Catalog) -> Sequence[str]:
    differences = compare_catalogs(goal, there, strict_names=True).differences
    return build_repair(goal, there, differences).statements


def _go_back(
    replay: Replay,
    middle: Migration,
    state: ProjectState,
    ways_back: tuple[Sequence[str], Sequence[str]],
) -> Catalog | None:
    """Return what the way back leaves of the scratch database; None where it fails."""
    try:
        _run(replay, ways_back[0])
        with replay.connection.schema_editor(atomic=True) as editor:
            middle.unapply(state, editor)
        _run(replay, ways_back[1])
    except (Refused, Error):
        return None
    return replay.fetch_catalog()


def _are_equal(one: Catalog, other: Catalog) -> bool:
    return not compare_catalogs(one, other).differences


def _write_sql(
    kind: type[RunSQL], statements: Sequence[str], back: Sequence[str]
) -> list[Operation]:
    if not statements:
        return []
    has_functions = any(" FUNCTION " in f" {each[:40]} " for each in statements)
    head = [UNCHECKED] if has_functions else []
    return [kind([*head, *statements], list(back) or RunSQL.noop)]


def _run(replay: Replay, statements: Sequence[str]) -> None:
    connection = replay.connect()
    statement = ""
    try:
        with connection.transaction():
            connection.execute(UNCHECKED)
            for statement in statements:
                connection.execute(statement.encode())
    except psycopg.Error as error:
        raise Refused(
            f"the database cannot be built anew: {tell_error(error)}, at: {statement}",
            hint="name the tables that are wanted: manage.py dbops_pull TABLE ...",
        ) from error


def _write_before(wanted: Catalog, base: Catalog) -> list[str]:
    """Return what makes all that tables and columns refer to."""
    known = {(each.kind, each.name) for each in base.objects}
    chosen = [
        each for each in _choose_first(wanted) if (each.kind, each.name) not in known
    ]
    statements = [
        f"CREATE SCHEMA IF NOT EXISTS {each.name}"
        for each in chosen
        if each.kind == ObjectKind.SCHEMA
    ]
    statements += [
        _write_extension(each) for each in chosen if each.kind == ObjectKind.EXTENSION
    ]
    rest = [
        each
        for each in chosen
        if each.kind not in {ObjectKind.SCHEMA, ObjectKind.EXTENSION}
    ]
    goal = build_catalog([*base.objects, *rest])
    missing = compare_catalogs(goal, base, strict_names=True).differences
    return [*statements, *build_repair(goal, base, missing).statements]


def _write_extension(each: SchemaObject) -> str:
    _, schema = read_extension(split_comment(each.definition)[0])
    return f"CREATE EXTENSION IF NOT EXISTS {each.name} WITH SCHEMA {schema}"


def _choose_first(wanted: Catalog) -> Iterator[SchemaObject]:
    texts = [
        each.definition
        for each in wanted.objects
        if each.kind
        in {
            ObjectKind.COLUMN,
            ObjectKind.CONSTRAINT,
            ObjectKind.INDEX,
            ObjectKind.DOMAIN,
        }
    ]
    functions: list[SchemaObject] = []
    for each in wanted.objects:
        match each.kind:
            case ObjectKind.SCHEMA if each.name != "public":
                yield replace(each, definition="")
            case ObjectKind.EXTENSION if each.name not in OPERATING_EXTENSIONS:
                yield each
            case kind if kind in FIRST:
                yield each
            case ObjectKind.SEQUENCE if not _is_key(wanted, each):
                yield _disown(each)
            case ObjectKind.FUNCTION:
                name = whole_name((each.kind, each.name))
                if any(mentions(text, name) for text in texts):
                    functions.append(each)
    yield from functions


def _is_key(wanted: Catalog, sequence: SchemaObject) -> bool:
    """Say whether the sequence is that of a serial key, which makes it itself."""
    if sequence.parent is None:
        return False
    for each in wanted.objects:
        if each.kind == ObjectKind.CONSTRAINT and each.parent == sequence.parent:
            text = each.definition
            column = split_name(_read_owner(sequence))[-1]
            if text.startswith(f"PRIMARY KEY ({column})"):
                return True
    return False


def _read_owner(sequence: SchemaObject) -> str:
    return split_comment(sequence.definition)[0].rpartition(" owned by ")[2]


def _disown(each: SchemaObject) -> SchemaObject:
    text, comment = split_comment(each.definition)
    text = text.partition(" owned by ")[0]
    if comment:
        text += f" comment {comment}"
    return replace(each, definition=text, parent=None)


def _write_renames(wanted: Catalog, made: Catalog) -> list[str]:
    """Return what gives parts of tables the names that they are to have."""
    goal, found = (
        {(each.kind, each.name): each for each in side.objects}
        for side in (wanted, made)
    )
    missing, extra = _group(goal, found), _group(found, goal)
    statements = []
    for meaning, olds in extra.items():
        for old, new in zip(olds, missing.get(meaning, ()), strict=False):
            statements.append(_write_rename(old, split_name(new.name)[-1]))
    return statements


Meaning = tuple[str, str | None, str]


def _group(
    here: Mapping[Key, SchemaObject], there: Mapping[Key, SchemaObject]
) -> dict[Meaning, list[SchemaObject]]:
    groups: dict[Meaning, list[SchemaObject]] = {}
    kinds = {ObjectKind.CONSTRAINT, ObjectKind.INDEX, ObjectKind.SEQUENCE}
    for key in sorted(here.keys() - there.keys()):
        each = here[key]
        if each.kind in kinds and each.parent is not None:
            text = PARTITION_OF.sub("", split_comment(each.definition)[0])
            groups.setdefault((each.kind, each.parent, text), []).append(each)
    return groups


def _write_rename(old: SchemaObject, new: str) -> str:
    last = split_name(old.name)[-1]
    table = name_whole(old.parent or "")
    if old.kind == ObjectKind.CONSTRAINT:
        return f"ALTER TABLE {table} RENAME CONSTRAINT {last} TO {new}"
    whole = name_beside(old.parent or "", last)
    return f"ALTER {old.kind.upper()} {whole} RENAME TO {new}"


def _compare(replay: Replay, wanted: Catalog, made: Catalog) -> Comparison:
    found = compare_catalogs(wanted, made, strict_names=True)
    with open_session(replay.target, purpose="normalise") as session:
        return drop_equal_expressions(found, wanted, made, session)


def _tell_unsaid(
    wanted: Catalog, differences: Collection[Difference]
) -> dict[str, list[str]]:
    tables = {each.name for each in wanted.objects if each.kind in RELATIONS}
    parents = {(each.kind, each.name): each.parent for each in wanted.objects}
    told: dict[str, list[str]] = {}
    for each in differences:
        parent = parents.get((each.object, each.name))
        if parent in tables and each.expected is not None:
            name = split_name(each.name)[-1]
            told.setdefault(parent, []).append(f"{each.object} {name}: {each.expected}")
    return told
