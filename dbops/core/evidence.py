"""What a schema says about each operation of one migration."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise

from dbops.core.catalog import RELATIONS, Catalog, Key, ObjectKind, SchemaObject
from dbops.core.compare import tell_change
from dbops.core.generated_names import (
    Objects,
    give_names,
    pair_generated_names,
    pair_identity_sequences,
)
from dbops.core.invalid_index import forget_invalid, is_invalid

Meaning = tuple[str, str | None, str | None]
"""Definition, parent and body: what must be equal for two objects to be the same."""


class Evidence(StrEnum):
    """What is known of an operation; the values are the words of the JSON reports."""

    DONE = "done"
    NOT_DONE = "not_done"
    HALF_DONE = "half_done"
    DIFFERENT = "different"
    NO_TRACE = "no_trace"
    """Its effect is not in the schema: data, or what a later operation takes back."""
    STATE_ONLY = "state_only"
    """It has no effect on the database at all."""


class ObjectState(StrEnum):
    """What is known of an object that an operation makes, changes or removes."""

    DONE = "done"
    NOT_DONE = "not_done"
    INVALID = "invalid"
    DIFFERENT = "different"


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectEvidence:
    """One object that an operation makes, changes or removes."""

    kind: ObjectKind
    name: str
    state: ObjectState
    expected: str | None
    """Its definition after the operation; None where that removes it."""
    found: str | None

    def __str__(self) -> str:
        """Return one line for a person.

        >>> print(
        ...     ObjectEvidence(
        ...         kind=ObjectKind.COLUMN,
        ...         name="thing.color",
        ...         state=ObjectState.DIFFERENT,
        ...         expected="text not null",
        ...         found="text",
        ...     )
        ... )
        column thing.color is different: expected text not null, found text
        """
        what = f"{self.kind} {self.name}"
        match self.state:
            case ObjectState.DONE:
                done = "is there" if self.expected is not None else "is gone"
                return f"{what} {done}"
            case ObjectState.INVALID:
                return f"{what} is INVALID"
            case ObjectState.DIFFERENT:
                change = tell_change(self.expected or "", self.found or "")
                return f"{what} is different: {change}"
            case ObjectState.NOT_DONE if self.expected is None:
                return f"{what} is still there"
            case ObjectState.NOT_DONE if self.found is None:
                return f"{what} is not there"
            case ObjectState.NOT_DONE:
                return f"{what} is as before"


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationEvidence:
    """What the schema says of one operation, numbered from 1."""

    number: int
    state: Evidence
    objects: tuple[ObjectEvidence, ...] = ()
    """A table stands for those of its parts that are as it is."""

    @property
    def is_cut_off_build(self) -> bool:
        """Whether nothing of it is there but INVALID indexes."""
        states = {each.state for each in self.objects}
        return ObjectState.INVALID in states and states <= {
            ObjectState.INVALID,
            ObjectState.NOT_DONE,
        }


def weigh_operations(
    stages: Sequence[Catalog],
    live: Catalog,
    *,
    later: Sequence[Catalog] = (),
    silent: Collection[int] = (),
) -> tuple[OperationEvidence, ...]:
    """Tell of each operation what the live schema shows of it.

    `stages` has the schema before the first operation, then the one after each;
    `later` the ones after migrations that came on top. An object that is the same
    before an operation and after a later one (made, then dropped) says nothing.
    `silent` operations are known to run no statement.
    """
    rows = [_index(each) for each in (*stages, *later)]
    found = _align(_index(live), rows[len(stages) - 1])
    weighed = (_weigh(number, rows, found) for number in range(1, len(stages)))
    return tuple(
        replace(each, state=Evidence.STATE_ONLY)
        if each.number in silent and each.state is Evidence.NO_TRACE
        else each
        for each in weighed
    )


def find_unlike(
    stages: Sequence[Catalog],
    live: Catalog,
    *,
    at: int,
    later: Sequence[Catalog] = (),
) -> tuple[ObjectEvidence, ...]:
    """Return what the operations touch and what is not as it is at stage `at`.

    For the last stage, as it is after a migration that came on top counts, too.
    """
    rows = [_index(each) for each in stages]
    found = _align(_index(live), rows[-1])
    good = [rows[at]]
    if at == len(stages) - 1:
        good += [_index(each) for each in later]
    touched = {
        key for before, after in pairwise(rows) for key in _find_delta(before, after)
    }
    return tuple(
        _build_object(key, ObjectState.DIFFERENT, rows[at].get(key), found.get(key))
        for key in sorted(touched)
        if _mean(found.get(key)) not in [_mean(each.get(key)) for each in good]
    )


def _weigh(number: int, rows: Sequence[Objects], found: Objects) -> OperationEvidence:
    before, after = rows[number - 1], rows[number]
    objects = [
        _build_object(key, state, after.get(key), found.get(key))
        for key in sorted(_find_delta(before, after))
        if (state := _judge(key, number, rows, found)) is not None
    ]
    parents = {key: each.parent for row in (before, after) for key, each in row.items()}
    return OperationEvidence(
        number=number,
        state=_sum_up({each.state for each in objects}),
        objects=tuple(_leave_out_parts(objects, parents)),
    )


def _judge(
    key: Key, number: int, rows: Sequence[Objects], found: Objects
) -> ObjectState | None:
    """Return None where the object is the same before and after."""
    actual = _mean(found.get(key))
    not_done = actual in [_mean(row.get(key)) for row in rows[:number]]
    done = actual in [_mean(row.get(key)) for row in rows[number:]]
    match not_done, done:
        case True, True:
            return None
        case True, False:
            return ObjectState.NOT_DONE
        case False, True:
            return ObjectState.DONE
    if key[0] is ObjectKind.INDEX and actual is not None and is_invalid(actual[0]):
        # Another index that happens to have the name is not the operation's.
        whole = (forget_invalid(actual[0]), *actual[1:])
        if whole in [_mean(row.get(key)) for row in rows[number:]]:
            return ObjectState.INVALID
    return ObjectState.DIFFERENT


def _sum_up(states: set[ObjectState]) -> Evidence:
    if not states:
        return Evidence.NO_TRACE
    if ObjectState.DIFFERENT in states:
        return Evidence.DIFFERENT
    if states == {ObjectState.DONE}:
        return Evidence.DONE
    if states == {ObjectState.NOT_DONE}:
        return Evidence.NOT_DONE
    return Evidence.HALF_DONE


def _leave_out_parts(
    objects: Sequence[ObjectEvidence], parents: dict[Key, str | None]
) -> Iterator[ObjectEvidence]:
    whole = {(each.name, each.state) for each in objects if each.kind in RELATIONS}
    for each in objects:
        if (parents[each.kind, each.name], each.state) not in whole:
            yield each


def _build_object(
    key: Key,
    state: ObjectState,
    expected: SchemaObject | None,
    found: SchemaObject | None,
) -> ObjectEvidence:
    wanted, actual = (_tell(each) for each in (expected, found))
    if expected and found and wanted == actual and expected.body != found.body:
        wanted, actual = expected.body, found.body
    return ObjectEvidence(
        kind=key[0], name=key[1], state=state, expected=wanted, found=actual
    )


def _tell(each: SchemaObject | None) -> str | None:
    return None if each is None else each.definition


def _index(catalog: Catalog) -> Objects:
    return {(each.kind, each.name): each for each in catalog.objects}


def _align(found: Objects, wanted: Objects) -> Objects:
    """Give what is there the generated names that it would have been given."""
    names = pair_generated_names(found, wanted)
    found = give_names(found, names, {})
    return give_names(found, {}, pair_identity_sequences(found, wanted))


def _find_delta(before: Objects, after: Objects) -> Iterator[Key]:
    for key in before.keys() | after.keys():
        if _mean(before.get(key)) != _mean(after.get(key)):
            yield key


def _mean(each: SchemaObject | None) -> Meaning | None:
    return None if each is None else (each.definition, each.parent, each.body)
