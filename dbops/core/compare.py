"""What differs between two catalogs, and what only looks as if it did."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import zip_longest

from dbops.core.catalog import RELATIONS, Catalog, Key, ObjectKind, SchemaObject
from dbops.core.generated_names import (
    Objects,
    give_names,
    pair_generated_names,
    pair_identity_sequences,
)
from dbops.core.left_out import BOOKKEEPING, find_foreign, find_named

VERSION = re.compile(r"^version \S+ ")


class DifferenceKind(StrEnum):
    """Which side has the object; the values are the words of the JSON reports."""

    MISSING = "missing"
    EXTRA = "extra"
    CHANGED = "changed"


class NoteKind(StrEnum):
    """Why something that is not the same is no difference either."""

    ORDER = "order"
    NAME = "name"
    BODY = "body"
    VERSION = "version"


class Verdict(StrEnum):
    """How near two catalogs are."""

    IDENTICAL = "identical"
    EQUIVALENT = "equivalent"
    DIFFERENT = "different"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One object that is not as expected."""

    kind: DifferenceKind
    object: ObjectKind
    name: str
    expected: str | None
    actual: str | None

    def __str__(self) -> str:
        """Return one line for a person.

        >>> print(
        ...     Difference(
        ...         kind=DifferenceKind.CHANGED,
        ...         object=ObjectKind.COLUMN,
        ...         name="messages.is_complete",
        ...         expected="boolean not null",
        ...         actual="boolean",
        ...     )
        ... )
        column messages.is_complete: expected boolean not null, found boolean
        """
        return f"{self.object} {self.name}: {self._tell()}"

    def swap(self) -> Difference:
        """Return the same, seen from the other side."""
        kind = {
            DifferenceKind.MISSING: DifferenceKind.EXTRA,
            DifferenceKind.EXTRA: DifferenceKind.MISSING,
        }.get(self.kind, self.kind)
        return Difference(
            kind=kind,
            object=self.object,
            name=self.name,
            expected=self.actual,
            actual=self.expected,
        )

    def _tell(self) -> str:
        # The bare word "table" says nothing that the line does not say already.
        expected, actual = (
            "" if text in {None, "", self.object.value} else f" {text}"
            for text in (self.expected, self.actual)
        )
        match self.kind:
            case DifferenceKind.MISSING:
                return f"expected{expected}, not found"
            case DifferenceKind.EXTRA:
                return f"not expected, found{actual}" if actual else "not expected"
            case DifferenceKind.CHANGED:
                return tell_change(self.expected or "", self.actual or "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Something not the same that does not count as a difference."""

    kind: NoteKind
    object: ObjectKind
    name: str
    text: str

    def __str__(self) -> str:
        """Return one line for a person."""
        return f"{self.object} {self.name}: {self.text}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """How a catalog stands to the expected one."""

    differences: tuple[Difference, ...]
    notes: tuple[Note, ...]
    ignored: int
    """Objects left out by rule or on request; one that both sides have counts once."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """The same, by the reason."""

    @property
    def verdict(self) -> Verdict:
        """Say whether the one catalog may stand for the other."""
        if self.differences:
            return Verdict.DIFFERENT
        return Verdict.EQUIVALENT if self.notes else Verdict.IDENTICAL


def compare_catalogs(
    expected: Catalog,
    actual: Catalog,
    *,
    ignore: Sequence[str] = (),
    strict_names: bool = False,
    lenient_function_bodies: bool = False,
    live: bool = False,
) -> Comparison:
    """Tell what differs, by kind and name.

    Column order and generated names are notes; with `strict_names` a name is a
    difference. With `lenient_function_bodies` the body of a function that is otherwise
    the same is a note too. `ignore` takes shell patterns for names as reports print
    them; a table takes its parts with it. Tables in which migration tools keep their
    history are always left out. Where `actual` is a `live` database, so is what other
    tools have put there, and partitions made at run time.
    """
    objects = (*expected.objects, *actual.objects)
    bookkeeping = tuple(f"{at}{name}" for name in BOOKKEEPING for at in ("", "*."))
    reasons = {
        'named in DBOPS["IGNORE"]': find_named(objects, ignore),
        "of migration tools": find_named(objects, bookkeeping),
    }
    for reason, keys in (find_foreign(expected, actual) if live else {}).items():
        reasons[reason] = reasons.get(reason, set()) | keys
    ignored = set().union(*reasons.values())
    wanted, found = _index(expected, ignored), _index(actual, ignored)
    notes = list(_note_other_orders(wanted, found))
    if not strict_names:
        names = pair_generated_names(wanted, found)
        wanted = give_names(wanted, names, {})
        sequences = pair_identity_sequences(wanted, found)
        wanted = give_names(wanted, {}, sequences)
        notes += _note_other_names(names, sequences)
    notes += _note_other_versions(wanted, found)
    differences = list(_find_differences(wanted, found))
    if lenient_function_bodies:
        lenient = {
            (each.object, each.name)
            for each in differences
            if _is_body_alone(each, wanted, found)
        }
        notes += [
            _note_other_body(each)
            for each in differences
            if (each.object, each.name) in lenient
        ]
        differences = [
            each for each in differences if (each.object, each.name) not in lenient
        ]
    return Comparison(
        differences=tuple(differences),
        notes=tuple(sorted(notes, key=lambda each: (each.object, each.name))),
        ignored=len(ignored),
        left_out={reason: len(keys) for reason, keys in reasons.items() if keys},
    )


def tell_change(expected: str, actual: str) -> str:
    r"""Say what was expected and what was found; of long texts the first line.

    >>> tell_change("a", "b")
    'expected a, found b'
    >>> tell_change("a\nb", "a\nc")
    'line 2: expected b, found c'
    """
    if "\n" not in expected + actual:
        return f"expected {expected or 'nothing'}, found {actual or 'nothing'}"
    lines = zip_longest(expected.splitlines(), actual.splitlines(), fillvalue="")
    for number, (left, right) in enumerate(lines, start=1):
        if left != right:
            return (
                f"line {number}: expected {left.strip() or 'nothing'}, "
                f"found {right.strip() or 'nothing'}"
            )
    return "the ends of lines differ"


def _index(catalog: Catalog, ignored: Collection[Key]) -> dict[Key, SchemaObject]:
    return {
        (each.kind, each.name): each
        for each in catalog.objects
        if (each.kind, each.name) not in ignored
    }


def _find_differences(wanted: Objects, found: Objects) -> Iterator[Difference]:
    gone = {name for kind, name in wanted.keys() - found.keys() if kind in RELATIONS}
    come = {name for kind, name in found.keys() - wanted.keys() if kind in RELATIONS}
    for key in sorted(wanted.keys() | found.keys()):
        expected, actual = wanted.get(key), found.get(key)
        # A missing or extra table stands for its parts.
        if actual is None and expected is not None and expected.parent not in gone:
            yield _tell(DifferenceKind.MISSING, key, expected.definition, None)
        elif expected is None and actual is not None and actual.parent not in come:
            yield _tell(DifferenceKind.EXTRA, key, None, actual.definition)
        elif (
            expected
            and actual
            and _mean(expected) != _mean(actual)
            and not _is_other_version(expected, actual)
        ):
            texts = _pick_texts(expected, actual)
            yield _tell(DifferenceKind.CHANGED, key, *texts)


def _is_other_version(expected: SchemaObject, actual: SchemaObject) -> bool:
    """Say whether only the version of an extension differs, and its own comment.

    CREATE EXTENSION takes what the server has, so no migration names a version.
    """
    return (
        expected.kind is ObjectKind.EXTENSION
        and _read_version(expected.definition) != _read_version(actual.definition)
        and _drop_version(expected.definition) == _drop_version(actual.definition)
    )


def _read_version(definition: str) -> str:
    hit = VERSION.match(definition)
    return hit[0] if hit else ""


def _drop_version(definition: str) -> str:
    return VERSION.sub("", definition).partition(" comment '")[0]


def _note_other_versions(wanted: Objects, found: Objects) -> Iterator[Note]:
    for key in sorted(wanted.keys() & found.keys()):
        expected, actual = wanted[key], found[key]
        if _is_other_version(expected, actual):
            yield Note(
                kind=NoteKind.VERSION,
                object=expected.kind,
                name=expected.name,
                text=f"{actual.definition.partition(' in ')[0]}, and the server would "
                f"now make {expected.definition.partition(' in ')[0]}",
            )


def _mean(each: SchemaObject) -> tuple[str, str | None, str | None]:
    return each.definition, each.parent, each.body


def _pick_texts(expected: SchemaObject, actual: SchemaObject) -> tuple[str, str]:
    if expected.body == actual.body:
        return expected.definition, actual.definition
    if expected.definition == actual.definition:
        return expected.body or "", actual.body or ""
    return (
        f"{expected.definition}\n{expected.body}",
        f"{actual.definition}\n{actual.body}",
    )


def _tell(
    kind: DifferenceKind, key: Key, expected: str | None, actual: str | None
) -> Difference:
    return Difference(
        kind=kind, object=key[0], name=key[1], expected=expected, actual=actual
    )


def _is_body_alone(each: Difference, wanted: Objects, found: Objects) -> bool:
    key = each.object, each.name
    return (
        each.kind == DifferenceKind.CHANGED
        and each.object == ObjectKind.FUNCTION
        and wanted[key].definition == found[key].definition
    )


def _note_other_body(each: Difference) -> Note:
    change = tell_change(each.expected or "", each.actual or "")
    return Note(
        kind=NoteKind.BODY, object=each.object, name=each.name, text=f"body, {change}"
    )


def _note_other_names(
    names: dict[Key, str], sequences: dict[Key, str]
) -> Iterator[Note]:
    for (kind, old), new in names.items():
        yield Note(kind=NoteKind.NAME, object=kind, name=old, text=f"named {new}")
    for kind, name in sequences:
        text = "the identity's sequence has another name"
        yield Note(kind=NoteKind.NAME, object=kind, name=name, text=text)


def _note_other_orders(wanted: Objects, found: Objects) -> Iterator[Note]:
    expected, actual = (
        _order_columns(here, common=there)
        for here, there in ((wanted, found), (found, wanted))
    )
    for table in sorted(expected.keys() & actual.keys()):
        if expected[table] != actual[table]:
            yield Note(
                kind=NoteKind.ORDER,
                object=ObjectKind.TABLE,
                name=table,
                text=f"column order, expected {', '.join(expected[table])}, "
                f"found {', '.join(actual[table])}",
            )


def _order_columns(here: Objects, *, common: Objects) -> dict[str, list[str]]:
    tables: dict[str, list[str]] = {}
    columns = [
        each
        for key, each in here.items()
        if each.kind == ObjectKind.COLUMN and key in common
    ]
    for each in sorted(columns, key=lambda each: each.position or 0):
        table = each.parent or ""
        tables.setdefault(table, []).append(each.name.removeprefix(f"{table}."))
    return tables
