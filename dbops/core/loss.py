"""What going back by SQL would destroy, as the schemas tell."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from dbops.core.catalog import Catalog, ObjectKind, SchemaObject
from dbops.core.migration import MigrationId
from dbops.core.renames import LiveNames, Renames, find_renames, list_columns
from dbops.core.sql_script import scan
from dbops.core.words import count_of


class LostKind(StrEnum):
    """What goes; the values are the words of the JSON reports."""

    TABLE = "table"
    COLUMN = "column"
    LABEL = "label"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """A table, a column or a label of an enum that will not be there any more."""

    kind: LostKind
    name: str
    """As catalogs print it; of a label, its enum's."""
    migration: MigrationId
    """The one that is taken back."""
    table: str = ""
    """The column's."""
    label: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Return:
    """One migration to be taken back, and the schemas that it stands between."""

    migration: MigrationId
    before: Catalog
    after: Catalog
    renames: bool = False
    """Whether its way back gives something another name, and keeps what is in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """How much of it there is now."""

    kind: LostKind
    name: str
    """Of a label: the column that holds it."""
    migration: MigrationId
    label: str = ""
    count: int | None
    """Rows of a table, values of a column, rows that hold a label; None where nobody
    could count."""
    is_estimate: bool = False
    counted: str = ""
    """Which values count, where not all do."""
    since: datetime | None = None
    """When the migration was applied: nothing of it was there before."""
    newest: datetime | None = None
    """Of the newest row that is lost, where a column tells."""

    def __str__(self) -> str:
        """Return one line for a person.

        >>> from datetime import UTC
        >>> print(
        ...     Loss(
        ...         kind=LostKind.COLUMN,
        ...         name="messages.summary",
        ...         migration=MigrationId("chat", "0002_a"),
        ...         count=1284,
        ...         since=datetime(2026, 11, 23, 14, 2, tzinfo=UTC),
        ...     )
        ... )
        dropping messages.summary loses 1,284 values written since 2026-11-23 14:02 \
UTC; lossless until then
        """
        what = f"dropping {self.name}"
        if self.kind is LostKind.LABEL:
            what = f"dropping label {self.label!r} of {self.name}"
        if self.count is None:
            return f"{what} loses what nobody could count"
        if not self.count:
            return f"{what} loses nothing: there is nothing in it"
        about = "about " if self.is_estimate else ""
        noun = "row" if self.kind is LostKind.TABLE else "value"
        told = f"{what} loses {about}{count_of(self.count, noun)}"
        if self.counted:
            told += f" {self.counted}"
        if self.since:
            told += f" written since {_tell_moment(self.since)}; lossless until then"
        if self.newest:
            told += f" (newest row: {_tell_moment(self.newest)})"
        return told


@dataclass(frozen=True, slots=True, kw_only=True)
class LossQuote:
    """What going back would destroy, counted at one moment."""

    losses: tuple[Loss, ...] = ()
    notes: tuple[str, ...] = ()
    """What could not be told."""


def _tell_moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def find_lost(steps: Sequence[Return], live: Catalog) -> tuple[Lost, ...]:
    """Return what is there now and goes on the way back, newest migration first.

    Under the names of now, whatever it was called when it was made. What holds no rows
    of its own is none of it, and neither are the columns of a table that goes, nor a
    partition beside its parent: their rows count once.
    """
    there = {(each.kind, each.name): each for each in live.objects}
    found: dict[tuple[LostKind, str, str], Lost] = {}
    names = LiveNames()
    for step in steps:
        renames = find_renames(step.before, step.after) if step.renames else Renames()
        for each in _find_in_step(step, renames):
            now = _name_as_now(each, names)
            if now is not None:
                found.setdefault((now.kind, now.name, now.label), now)
        names.go_back(_add_labels(step, renames))
    tables = {each.name for each in found.values() if each.kind is LostKind.TABLE}
    return tuple(
        each
        for each in found.values()
        if _is_there(each, there)
        and each.table not in tables
        and not _is_of_parent(each, there, found.values())
    )


def _find_in_step(step: Return, renames: Renames) -> Iterator[Lost]:
    """Yield what one step drops, by the names after its migration."""
    yield from _find_tables(step, renames)
    yield from _find_columns(step, renames)
    yield from _find_labels(step, renames)


def _name_as_now(each: Lost, names: LiveNames) -> Lost | None:
    """Return it under the names of now; None where those are something else's."""
    whole = each.table or each.name
    now = names.find_whole(whole)
    if now is None:
        return None
    match each.kind:
        case LostKind.TABLE:
            return replace(each, name=now)
        case LostKind.COLUMN:
            column = names.find_part(whole, each.name.removeprefix(f"{whole}."))
            if column is None:
                return None
            return replace(each, name=f"{now}.{column}", table=now)
        case LostKind.LABEL:
            label = names.find_part(whole, each.label)
            return None if label is None else replace(each, name=now, label=label)


def _is_there(each: Lost, live: dict[tuple[ObjectKind, str], SchemaObject]) -> bool:
    kinds = {
        LostKind.TABLE: ObjectKind.TABLE,
        LostKind.COLUMN: ObjectKind.COLUMN,
        LostKind.LABEL: ObjectKind.ENUM,
    }
    found = live.get((kinds[each.kind], each.name))
    if found is None:
        return False
    return not each.label or each.label in list_labels(found.definition)


def _is_of_parent(
    each: Lost,
    live: dict[tuple[ObjectKind, str], SchemaObject],
    others: Collection[Lost],
) -> bool:
    """Say whether its rows are counted with those of the partitioned table above it."""
    if each.kind is LostKind.LABEL:
        return False
    table = live.get((ObjectKind.TABLE, each.table or each.name))
    if table is None or " partition of " not in f" {table.definition}":
        return False
    definition = f" {table.definition} "
    column = each.name.removeprefix(each.table)
    return any(
        f" partition of {other.table or other.name} " in definition
        and other.kind is each.kind
        and (not each.table or other.name == f"{other.table}{column}")
        for other in others
    )


def _find_tables(step: Return, renames: Renames) -> Iterator[Lost]:
    before = {each.name for each in step.before.objects if _is_table(each)}
    for each in step.after.objects:
        is_new = _is_table(each) and each.name not in before
        if is_new and each.name not in renames.wholes:
            yield Lost(kind=LostKind.TABLE, name=each.name, migration=step.migration)


def _is_table(each: SchemaObject) -> bool:
    return each.kind is ObjectKind.TABLE


def _find_columns(step: Return, renames: Renames) -> Iterator[Lost]:
    tables = {each.name for each in step.before.objects if _is_table(each)}
    before = list_columns(step.before)
    for key, each in list_columns(step.after, renames.wholes).items():
        # Those of a table that goes, too, go with it.
        if key[0] in tables and key not in before and key not in renames.parts:
            yield Lost(
                kind=LostKind.COLUMN,
                name=each.name,
                migration=step.migration,
                table=each.parent or "",
            )


def _find_labels(step: Return, renames: Renames) -> Iterator[Lost]:
    before = _list_enums(step.before)
    for name, labels in _list_enums(step.after).items():
        old = before.get(renames.wholes.get(name, name))
        if old is None or (step.renames and len(labels) == len(old)):
            continue
        for label in labels:
            if label not in old:
                yield Lost(
                    kind=LostKind.LABEL,
                    name=name,
                    migration=step.migration,
                    label=label,
                )


def _add_labels(step: Return, renames: Renames) -> Renames:
    """Return the renames with those of labels, which keep their places."""
    if not step.renames:
        return renames
    before = _list_enums(step.before)
    labels = {
        (whole, one): other
        for name, new in _list_enums(step.after).items()
        if (whole := renames.wholes.get(name, name)) in before
        and len(old := before[whole]) == len(new)
        for one, other in zip(new, old, strict=True)
        if one != other
    }
    return Renames(wholes=renames.wholes, parts={**renames.parts, **labels})


def _list_enums(catalog: Catalog) -> dict[str, list[str]]:
    return {
        each.name: list_labels(each.definition)
        for each in catalog.objects
        if each.kind is ObjectKind.ENUM
    }


def list_labels(definition: str) -> list[str]:
    """Return an enum's labels from its definition in a catalog.

    >>> list_labels("('a', 'it''s') comment 'b'")
    ['a', "it's"]
    """
    labels = []
    for token in scan(definition):
        if token.text == ")":
            break
        if token.kind in {"string", "escape_string"}:
            text = token.text[token.text.index("'") + 1 : -1].replace("''", "'")
            is_escaped = token.kind == "escape_string"
            labels.append(text.replace("\\\\", "\\") if is_escaped else text)
    return labels


def says_rename(statements: Iterable[str]) -> bool:
    """Say whether something gets another name or schema, and keeps what is in it.

    >>> says_rename(['ALTER TABLE "rename" DROP a'])
    False
    >>> says_rename(["ALTER TYPE mood RENAME VALUE 'a' TO 'b'"])
    True
    """
    for statement in statements:
        words = [each.text.lower() for each in scan(statement) if each.kind == "word"]
        pairs = itertools.pairwise(words)
        if "rename" in words or ("set", "schema") in pairs:
            return True
    return False
