"""The statements of a plan, in the order in which they run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from dbops.core.catalog import Catalog, Key, ObjectKind, SchemaObject
from dbops.core.compare import Difference, DifferenceKind
from dbops.core.generated_names import (
    give_names,
    pair_generated_names,
    pair_identity_sequences,
)
from dbops.core.repair import columns, types
from dbops.core.repair.changing import change
from dbops.core.repair.dropping import drop
from dbops.core.repair.making import make
from dbops.core.repair.plan import Plan, build_plan, sort_by_need
from dbops.core.repair.steps import Step, is_in_view
from dbops.core.repair.text import CannotWriteError

Kind = ObjectKind


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
        elif key[0] == Kind.COLUMN and not is_in_view(plan, key):
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
    jobs += [((each.kind, each.name), drop) for each in reversed(dropped)]
    jobs += [((each.kind, each.name), make) for each in _sort_columns(made)]
    jobs += [((each.kind, each.name), change) for each in _sort_columns(changed)]
    written: list[tuple[Key, list[Step]]] = []
    failed: set[Key] = set()
    for key, write in jobs:
        side = plan.found[key] if write is drop else plan.wanted[key]
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
