"""The statements of a plan, in the order in which they run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

from dbops.core.catalog import Catalog, Key, ObjectKind, SchemaObject
from dbops.core.compare import Difference, DifferenceKind
from dbops.core.generated_names import (
    give_names,
    pair_generated_names,
    pair_identity_sequences,
)
from dbops.core.repair import columns, parts, routines, sequences, tables, types
from dbops.core.repair.plan import (
    TYPES,
    Plan,
    build_plan,
    mentions_word,
    sort_by_need,
    whole_name,
)
from dbops.core.repair.text import (
    CannotWriteError,
    mentions,
    name_last,
    name_parent,
    name_type,
    name_whole,
    split_clauses,
    split_comment,
    write_comment,
)

Kind = ObjectKind


class Phase(IntEnum):
    """When a statement's turn comes."""

    DETACH = 1
    DROP_DEPENDENT = 2
    DROP_FOREIGN_KEY = 3
    DROP_PART = 4
    DROP_TABLE = 5
    DROP_FUNCTION = 6
    SCHEMA = 7
    TYPE = 8
    SEQUENCE = 9
    FUNCTION = 10
    TABLE = 11
    DROP_COLUMN = 12
    COLUMN = 13
    OWNER = 14
    LATE_FUNCTION = 15
    CONSTRAINT = 16
    INDEX = 17
    ATTACH = 18
    ATTACH_INDEX = 19
    FOREIGN_KEY = 20
    TABLE_SETTING = 21
    VIEW = 22
    ON_VIEW = 23
    REST = 24
    DROP_REST = 25
    DROP_SCHEMA = 26


DEPENDENT = (Kind.TRIGGER, Kind.POLICY, Kind.RULE, Kind.STATISTICS)
Step = tuple[Phase, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """What makes a database with one schema have another."""

    statements: tuple[str, ...]
    """In the order in which they run, one by one, each without a semicolon."""
    by_hand: tuple[Difference, ...]
    """Differences that no statement here removes."""
    loses: tuple[str, ...]
    """What running it destroys, one sentence each."""

    @property
    def script(self) -> str:
        """All of it as one readable SQL file."""
        comments = [f"by hand: {each}" for each in self.by_hand]
        comments += [f"loses: {each}" for each in self.loses]
        return "".join(map(comment_out, comments)) + "".join(
            f"{each};\n" for each in self.statements
        )


def build_repair(
    expected: Catalog, actual: Catalog, differences: Sequence[Difference]
) -> Repair:
    """Return the SQL that makes a database with schema `actual` have `expected`.

    The differences are those of `compare_catalogs` for the two, or some of them.
    ALTER TYPE ... ADD VALUE is among the statements: a new label cannot be used before
    its transaction has ended.
    """
    wanted, found = (
        {(each.kind, each.name): each for each in side.objects}
        for side in (expected, actual)
    )
    told = {(each.object, each.name) for each in differences}
    names = {
        key: new
        for key, new in pair_generated_names(wanted, found).items()
        if key not in told
    }
    renamed = give_names(wanted, names, {})
    renamed = give_names(renamed, {}, pair_identity_sequences(renamed, found))
    plan = build_plan(renamed, found, differences)
    steps, failed = _collect(plan)
    ordered = sorted(steps, key=lambda step: step[0])
    return Repair(
        statements=tuple(dict.fromkeys(statement for _, statement in ordered)),
        by_hand=tuple(_tell_failed(plan, failed, differences)),
        loses=tuple(dict.fromkeys(_find_losses(plan, failed))),
    )


def comment_out(text: str) -> str:
    r"""Return the text as a comment of SQL, lines after the first set in.

    >>> comment_out("by hand:\nview v")
    '-- by hand:\n--   view v\n'
    """
    lines = text.splitlines()
    return "".join(
        f"--{'   ' if number else ' '}{line}\n" for number, line in enumerate(lines)
    )


def _tell_failed(
    plan: Plan, failed: set[Key], differences: Sequence[Difference]
) -> Iterator[Difference]:
    told = {(each.object, each.name): each for each in differences}
    for key in sorted(failed):
        side = plan.wanted.get(key) or plan.found[key]
        table = Kind.TABLE, side.parent or ""
        yield (
            told.get(key)
            or told.get(table)
            or Difference(
                kind=DifferenceKind.CHANGED,
                object=key[0],
                name=key[1],
                expected=side.definition,
                actual="what stands in the way of another change",
            )
        )


def _find_losses(  # noqa: C901  One case a kind.
    plan: Plan, failed: set[Key]
) -> Iterator[str]:
    for key in sorted(plan.drop - failed):
        if key[0] == Kind.TABLE:
            yield f"drops table {key[1]} with its rows"
        elif key[0] == Kind.COLUMN and not _is_in_view(plan, key):
            new = plan.wanted.get(key)
            if new is None or "generated" not in columns.read_column(new).clauses:
                yield f"drops column {key[1]} with its values"
        elif key[0] == Kind.EXTENSION:
            yield f"drops extension {key[1]}"
    for key in sorted(plan.change - failed):
        old, new = plan.found[key], plan.wanted[key]
        if key[0] == Kind.COLUMN:
            loss = columns.tell_loss(columns.read_column(old), columns.read_column(new))
            if loss:
                yield loss
        elif key[0] == Kind.TYPE:
            for each in types.change_composite(old, new):
                if " DROP ATTRIBUTE " in each:
                    yield f"drops attribute {each.rsplit(' ', 1)[1]} of type {key[1]}"


def _collect(plan: Plan) -> tuple[list[Step], set[Key]]:
    jobs: list[tuple[Key, Callable[[Plan, SchemaObject], Iterable[Step]]]] = []
    dropped = sort_by_need([plan.found[key] for key in sorted(plan.drop)])
    made = sort_by_need([plan.wanted[key] for key in sorted(plan.make, key=str)])
    changed = [plan.wanted[key] for key in sorted(plan.change)]
    jobs += [((each.kind, each.name), _drop) for each in reversed(dropped)]
    jobs += [((each.kind, each.name), _make) for each in _sort_columns(made)]
    jobs += [((each.kind, each.name), _change) for each in _sort_columns(changed)]
    written: list[tuple[Key, list[Step]]] = []
    failed: set[Key] = set()
    for key, write in jobs:
        side = plan.found[key] if write is _drop else plan.wanted[key]
        try:
            written.append((key, list(write(plan, side))))
        except CannotWriteError:
            failed.add(key)
    good = (step for key, steps in written if key not in failed for step in steps)
    return list(good), failed


def _sort_columns(objects: Sequence[SchemaObject]) -> list[SchemaObject]:
    """Return columns by position, generated ones after the others."""

    def rank(each: SchemaObject) -> tuple[bool, int]:
        if each.kind != Kind.COLUMN:
            return False, 0
        generated = "generated" in columns.read_column(each).clauses
        return generated, each.position or 0

    return sorted(objects, key=rank)


def _is_in_view(plan: Plan, key: Key) -> bool:
    side = plan.found.get(key) or plan.wanted[key]
    view = Kind.VIEW, side.parent or ""
    return view in plan.found or view in plan.wanted


def _head(plan: Plan, each: SchemaObject) -> str:
    view = plan.wanted.get((Kind.VIEW, each.parent or ""))
    if view is None:
        return "ALTER TABLE"
    words = "VIEW" if view.definition.startswith("view") else "MATERIALIZED VIEW"
    return f"ALTER {words}"


def _find_same_in_parents(plan: Plan, each: SchemaObject, keys: Iterable[Key]) -> bool:
    """Say whether a parent table has this part among the keys, and so gives it."""
    tables_found = (
        side.get((Kind.TABLE, each.parent or "")) for side in (plan.wanted, plan.found)
    )
    parents = {
        name for table in tables_found if table for name in tables.list_parents(table)
    }
    last = name_last(each.name)
    return any(
        kind == each.kind
        and name_last(name) == last
        and name_whole(name.removesuffix(f".{last}")) in parents
        for kind, name in keys
    )


def _drop(  # noqa: C901  One case a kind.
    plan: Plan, each: SchemaObject
) -> Iterator[Step]:
    name = name_whole(each.name)
    match each.kind:
        case Kind.TABLE:
            for part in plan.found.values():
                if part.parent == each.name and "FOREIGN KEY" in part.definition:
                    yield Phase.DROP_FOREIGN_KEY, parts.drop_part(part)
            yield Phase.DROP_TABLE, f"DROP TABLE {name}"
        case Kind.VIEW:
            yield Phase.DROP_DEPENDENT, parts.drop_part(each)
        case Kind.COLUMN:
            yield from _drop_column(plan, each)
        case Kind.FUNCTION:
            again = (each.kind, each.name) in plan.make
            phase = Phase.DROP_FUNCTION if again else Phase.DROP_REST
            yield phase, f"DROP {routines.name_kind(each)}"
        case Kind.TRIGGER if _find_same_in_parents(plan, each, plan.found):
            yield from _reset_copy(plan, each)
        case Kind.CONSTRAINT | Kind.INDEX:
            yield from _drop_on_table(plan, each)
        case kind if kind in DEPENDENT:
            yield Phase.DROP_DEPENDENT, parts.drop_part(each)
        case Kind.SCHEMA | Kind.EXTENSION:
            yield Phase.DROP_SCHEMA, f"DROP {each.kind.upper()} {each.name}"
        case Kind.SEQUENCE:
            yield Phase.DROP_REST, f"DROP SEQUENCE {name}"
        case _:
            word = "DOMAIN" if each.kind == Kind.DOMAIN else "TYPE"
            yield Phase.DROP_REST, f"DROP {word} {name}"


def _drop_column(plan: Plan, each: SchemaObject) -> Iterator[Step]:
    column = columns.read_column(each)
    if _is_in_view(plan, (each.kind, each.name)):
        bare = replace(column, clauses={"": column.type}, comment=None)
        for step in columns.change_column(column, bare, head=_head(plan, each)):
            yield Phase.ON_VIEW, step
    elif not _find_same_in_parents(plan, each, plan.drop):
        words = f"ALTER TABLE {column.table} DROP COLUMN {column.name}"
        yield Phase.DROP_COLUMN, words


def _drop_on_table(plan: Plan, each: SchemaObject) -> Iterator[Step]:
    clauses, _ = parts.read_part(each)
    if "partition" in clauses:
        parent = name_last(clauses["partition"])
        if any(k[0] == each.kind and name_last(k[1]) == parent for k in plan.drop):
            return
    elif each.kind == Kind.CONSTRAINT and _find_same_in_parents(plan, each, plan.drop):
        return
    foreign = clauses[""].startswith("FOREIGN KEY")
    yield Phase.DROP_FOREIGN_KEY if foreign else Phase.DROP_PART, parts.drop_part(each)


def _reset_copy(plan: Plan, each: SchemaObject) -> Iterator[Step]:
    if _find_same_in_parents(plan, each, plan.wanted):
        words = f"ENABLE TRIGGER {name_last(each.name)}"
        yield Phase.REST, f"ALTER TABLE {name_parent(each)} {words}"


def _make(plan: Plan, each: SchemaObject) -> Iterator[Step]:
    match each.kind:
        case Kind.TABLE:
            own = [
                part
                for part in plan.wanted.values()
                if part.parent == each.name and part.kind == Kind.COLUMN
            ]
            yield from _at(Phase.TABLE, tables.write_table(each, own))
            yield from _at(Phase.ATTACH, tables.reach_parents(None, each))
            late = tables.set_late(
                name_whole(each.name), {}, tables.read_table(each)[0]
            )
            yield from _at(Phase.TABLE_SETTING, late)
        case Kind.COLUMN:
            yield from _make_column(plan, each)
        case Kind.FUNCTION:
            steps = routines.write_routine(each)
            yield from _at(_find_function_phase(plan, each), steps)
        case Kind.SEQUENCE:
            yield from _at(Phase.SEQUENCE, sequences.write_sequence(each))
            yield from _own(plan, each)
        case Kind.SCHEMA | Kind.EXTENSION:
            yield from _at(Phase.SCHEMA, _write_schema(each))
        case kind if kind in TYPES:
            yield from _at(Phase.TYPE, types.write_type(each))
        case Kind.CONSTRAINT | Kind.INDEX:
            yield from _make_on_table(plan, each)
        case Kind.VIEW:
            yield from _at(Phase.VIEW, parts.write_part(each))
        case Kind.TRIGGER if _find_same_in_parents(plan, each, plan.wanted):
            copy = list(parts.write_part(each))[1:]
            yield from _at(Phase.DROP_REST, copy)
        case _:
            yield from _at(Phase.REST, parts.write_part(each))


def _at(phase: Phase, statements: Iterable[str]) -> Iterator[Step]:
    for statement in statements:
        yield phase, statement


def _make_column(plan: Plan, each: SchemaObject) -> Iterator[Step]:
    column = columns.read_column(each)
    if _is_in_view(plan, (each.kind, each.name)):
        head = _head(plan, each)
        yield from _at(Phase.ON_VIEW, columns.write_rest(column, view=head))
        return
    if (Kind.TABLE, each.parent) in plan.make:
        return
    if not _find_same_in_parents(plan, each, plan.make):
        if "inherited" in column.clauses:
            raise CannotWriteError
        words = columns.write_column(column)
        yield Phase.COLUMN, f"ALTER TABLE {column.table} ADD COLUMN {words}"
    yield from _at(Phase.COLUMN, columns.write_rest(column))


def _find_function_phase(plan: Plan, each: SchemaObject) -> Phase:
    name = whole_name((each.kind, each.name))
    needed = any(
        key[0] in {Kind.COLUMN, Kind.DOMAIN}
        and mentions(plan.wanted[key].definition, name)
        for key in plan.make | plan.change
    )
    return Phase.FUNCTION if needed else Phase.LATE_FUNCTION


def _own(plan: Plan, each: SchemaObject) -> Iterator[Step]:
    owner = sequences.read_sequence(each).owner
    words = f"ALTER SEQUENCE {name_whole(each.name)} OWNED BY {owner or 'NONE'}"
    if owner:
        yield Phase.OWNER, words
        table = name_whole(each.parent or "")
        new = (each.kind, each.name) in plan.make
        if new and (Kind.TABLE, each.parent) in plan.found:
            yield Phase.OWNER, columns.write_position(table, name_last(owner))


def _make_on_table(plan: Plan, each: SchemaObject) -> Iterator[Step]:
    clauses, _ = parts.read_part(each)
    table = plan.wanted.get((Kind.TABLE, each.parent or ""))
    split = table is not None and "partitioned" in tables.read_table(table)[0]
    if each.kind == Kind.CONSTRAINT and "partition" not in clauses:
        given = _find_same_in_parents(plan, each, plan.make)
        if given and clauses[""].startswith("CHECK"):
            return
        if "inherited" in clauses:
            # A table that is made takes it from its parents.
            if (Kind.TABLE, each.parent) in plan.make:
                return
            raise CannotWriteError
    for statement in parts.write_part(each):
        whole = statement
        if split and clauses[""].startswith(("PRIMARY", "UNIQUE (", "UNIQUE N")):
            whole = statement.replace("ALTER TABLE ", "ALTER TABLE ONLY ", 1)
        phase = Phase.INDEX if each.kind == Kind.INDEX else Phase.CONSTRAINT
        view = plan.wanted.get((Kind.VIEW, each.parent or ""))
        if clauses[""].startswith("FOREIGN KEY"):
            phase = Phase.FOREIGN_KEY
        elif view:
            phase = Phase.ON_VIEW
        elif " ATTACH PARTITION " in statement:
            phase = Phase.ATTACH_INDEX
        yield phase, whole.replace("ONLY ONLY", "ONLY")


def _write_schema(each: SchemaObject) -> Iterator[str]:
    text, comment = split_comment(each.definition)
    words = f"CREATE {each.kind.upper()} {each.name}"
    if each.kind == Kind.EXTENSION:
        version, schema = _read_extension(text)
        words += f" SCHEMA {schema} VERSION '{version}'"
    yield words
    if comment:
        yield write_comment(f"{each.kind.upper()} {each.name}", comment)


def _read_extension(text: str) -> tuple[str, str]:
    clauses = split_clauses(text, {"version": "version", "schema": "in schema"})
    return clauses["version"], clauses["schema"]


def _change(plan: Plan, each: SchemaObject) -> Iterator[Step]:
    old = plan.found[each.kind, each.name]
    match each.kind:
        case Kind.TABLE:
            yield from _at(Phase.DETACH, tables.leave_parents(old, each))
            yield from _at(Phase.ATTACH, tables.reach_parents(old, each))
            yield from _at(Phase.TABLE_SETTING, tables.change_table(old, each))
        case Kind.COLUMN:
            yield from _change_column(plan, old, each)
        case Kind.FUNCTION:
            phase = _find_function_phase(plan, each)
            yield from _at(phase, routines.write_routine(each, replace=True))
            what = routines.name_kind(each)
            yield from _at(Phase.REST, types.change_comment(old, each, what))
        case Kind.SEQUENCE:
            yield from _at(Phase.SEQUENCE, sequences.change_sequence(old, each))
            one, other = (sequences.read_sequence(side).owner for side in (old, each))
            if one != other:
                words = f"ALTER SEQUENCE {name_whole(each.name)}"
                yield Phase.OWNER, f"{words} OWNED BY {other or 'NONE'}"
        case Kind.SCHEMA | Kind.EXTENSION:
            yield from _at(Phase.SCHEMA, _change_schema(old, each))
        case Kind.ENUM:
            yield from _at(Phase.TYPE, _change_enum(plan, old, each))
        case Kind.DOMAIN:
            yield from _at(Phase.TYPE, types.change_domain(old, each))
        case Kind.TYPE:
            yield from _at(Phase.TYPE, _change_type(plan, old, each))
        case _:
            phases = {Kind.VIEW: Phase.ON_VIEW, Kind.INDEX: Phase.ATTACH_INDEX}
            phase = phases.get(each.kind, Phase.REST)
            yield from _at(phase, parts.change_part(old, each) or ())


def _change_column(plan: Plan, old: SchemaObject, each: SchemaObject) -> Iterator[Step]:
    before, after = columns.read_column(old), columns.read_column(each)
    head = _head(plan, each)
    if ("inherited" in before.clauses) != ("inherited" in after.clauses):
        # Leaving the parent makes it local; coming back does not undo it.
        if "inherited" in after.clauses:
            raise CannotWriteError
        clauses = {k: v for k, v in before.clauses.items() if k != "inherited"}
        before = replace(before, clauses=clauses)
    if _find_same_in_parents(plan, each, plan.change):
        before = replace(before, type=after.type)
    phase = Phase.COLUMN if head == "ALTER TABLE" else Phase.ON_VIEW
    yield from _at(phase, columns.change_column(before, after, head=head))


def _change_schema(old: SchemaObject, new: SchemaObject) -> Iterator[str]:
    what = f"{new.kind.upper()} {new.name}"
    if new.kind == Kind.EXTENSION:
        one, other = (
            _read_extension(split_comment(each.definition)[0]) for each in (old, new)
        )
        if one[0] != other[0]:
            yield f"ALTER EXTENSION {new.name} UPDATE TO '{other[0]}'"
        if one[1] != other[1]:
            yield f"ALTER EXTENSION {new.name} SET SCHEMA {other[1]}"
    yield from types.change_comment(old, new, what)


def _change_type(plan: Plan, old: SchemaObject, new: SchemaObject) -> Iterator[str]:
    if new.definition.startswith("range") or old.definition.startswith("range"):
        one, other = (split_comment(each.definition)[0] for each in (old, new))
        if one != other:
            raise CannotWriteError
        yield from types.change_comment(old, new, f"TYPE {name_whole(new.name)}")
        return
    statements = list(types.change_composite(old, new))
    used = list(_find_users(plan, new.name))
    # The server refuses to change the type of what a table has stored.
    if used and any(" ALTER ATTRIBUTE " in each for each in statements):
        raise CannotWriteError
    yield from statements


def _find_users(plan: Plan, name: str) -> Iterator[SchemaObject]:
    for each in plan.found.values():
        text = each.definition
        if each.kind == Kind.COLUMN:
            text = columns.read_column(each).type
        elif each.kind not in TYPES and " of " not in text:
            continue
        if each.name != name and mentions_word(text, name):
            yield each


def _change_enum(plan: Plan, old: SchemaObject, new: SchemaObject) -> Iterator[str]:
    name = name_whole(new.name)
    if types.has_new_labels_alone(old, new):
        yield from types.add_labels(old, new)
        yield from types.change_comment(old, new, f"TYPE {name}")
        return
    users = list(_find_users(plan, new.name))
    if any(each.kind != Kind.COLUMN for each in users):
        raise CannotWriteError
    last = name_last(new.name).strip('"')
    before = f'"{last} (old)"' if '"' in name_last(new.name) else f"{last}_old"
    yield f"ALTER TYPE {name} RENAME TO {before}"
    yield from types.write_type(new)
    for each in users:
        if (each.kind, each.name) not in plan.drop:
            yield from _move_to_enum(plan, each)
    whole = f"{name.removesuffix(name_last(name))}{before}"
    yield f"DROP TYPE {whole}"


def _move_to_enum(plan: Plan, each: SchemaObject) -> Iterator[str]:
    column = columns.read_column(each)
    if "generated" in column.clauses or "inherited" in column.clauses:
        raise CannotWriteError
    at = f"ALTER TABLE {column.table} ALTER COLUMN {column.name}"
    wanted = columns.read_column(plan.wanted.get((each.kind, each.name), each))
    if "default" in column.clauses:
        yield f"{at} DROP DEFAULT"
    kind = name_type(column.type)
    text = "text[]" if kind.endswith("[]") else "text"
    yield f"{at} TYPE {kind} USING {column.name}::{text}::{kind}"
    if "default" in column.clauses and "default" in wanted.clauses:
        yield f"{at} SET DEFAULT {wanted.clauses['default']}"
