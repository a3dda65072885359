"""What became of the values of an enum."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

Choices = dict[str, str]
"""Labels for people by value, in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AddedValue:
    """A value that comes, after one that is there by then, or before one."""

    value: str
    after: str | None
    before: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EnumDiff:
    """The way from old values to new ones, in the order in which it is gone."""

    renamed: tuple[tuple[str, str], ...]
    added: tuple[AddedValue, ...]
    removed: tuple[str, ...]
    order: tuple[str, ...]
    """All values when the others are to be removed."""


def merge_choices(parts: Iterable[Choices]) -> Choices:
    """Return the choices of fields that are of one type; the longest decide the order.

    >>> merge_choices([{"b": "B"}, {"a": "A", "b": "B", "c": "C"}, {"d": "D"}])
    {'a': 'A', 'b': 'B', 'c': 'C', 'd': 'D'}
    """
    merged: Choices = {}
    for each in sorted(parts, key=len, reverse=True):
        for value, label in each.items():
            merged.setdefault(value, label)
    return merged


def compare_values(
    old: Choices, new: Choices, ask_rename: Callable[[str, str], bool]
) -> EnumDiff:
    """Return what leads from old to new; `ask_rename(old, new)` decides on renames.

    It is asked of each pair of a value that goes and one that comes, the likeliest
    first. Another order of the same values is no difference.
    """
    renamed = _find_renames(old, new, ask_rename)
    names = dict(renamed)
    order = [names.get(each, each) for each in old]
    added = []
    for value, place in zip(new, _find_places(list(new), order), strict=True):
        if value not in order:
            added.append(AddedValue(value=value, after=place[0], before=place[1]))
            order.insert(_find_index(order, place), value)
    return EnumDiff(
        renamed=tuple(renamed),
        added=tuple(added),
        removed=tuple(each for each in order if each not in new),
        order=tuple(order),
    )


def _find_renames(
    old: Choices, new: Choices, ask: Callable[[str, str], bool]
) -> list[tuple[str, str]]:
    gone = [each for each in old if each not in new]
    come = [each for each in new if each not in old]
    places = {each: list(old).index(each) for each in gone}
    others = {each: list(new).index(each) for each in come}
    pairs = sorted(
        ((one, other) for one in gone for other in come),
        key=lambda pair: (
            old[pair[0]] != new[pair[1]],
            abs(places[pair[0]] - others[pair[1]]),
        ),
    )
    found: list[tuple[str, str]] = []
    for one, other in pairs:
        taken = {name for pair in found for name in pair}
        if not {one, other} & taken and ask(one, other):
            found.append((one, other))
    return found


def _find_places(
    new: Sequence[str], there: Sequence[str]
) -> list[tuple[str | None, str | None]]:
    """Return for each new value the one before it, or else the next that is there."""
    places: list[tuple[str | None, str | None]] = []
    for at in range(len(new)):
        after = new[at - 1] if at else None
        before = None
        if after is None:
            before = next((each for each in new[1:] if each in there), None)
        places.append((after, before))
    return places


def _find_index(order: Sequence[str], place: tuple[str | None, str | None]) -> int:
    after, before = place
    if after in order:
        return order.index(after) + 1
    return order.index(before) if before in order else len(order)
