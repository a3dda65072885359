"""What counts as the same in one project, and what it leaves out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from dbops.core.catalog import Catalog, ObjectKind, SchemaObject, build_catalog
from dbops.core.compare import Comparison, Difference, Verdict, compare_catalogs

Text = tuple[ObjectKind, str, str, str | None]
"""An object by kind, name, definition and body."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How two schemas of a project are compared."""

    ignore: tuple[str, ...] = ()
    """Patterns of what belongs to somebody else."""
    same: Mapping[Text, SchemaObject] = field(default_factory=dict)
    """Objects of the live schema, and what they are to be taken for."""

    def compare(self, expected: Catalog, actual: Catalog) -> Comparison:
        """Compare the live schema with what it ought to be."""
        taken = (self._take(each) for each in actual.objects)
        return compare_catalogs(
            expected, build_catalog(taken), ignore=self.ignore, live=True
        )

    def translate(self, actual: Catalog) -> Catalog:
        """Return the live schema with each object as what it is to be taken for."""
        return build_catalog(self._take(each) for each in actual.objects)

    def is_same(self, expected: Catalog, actual: Catalog) -> bool:
        """Say whether the two are identical or equivalent."""
        return self.compare(expected, actual).verdict is not Verdict.DIFFERENT

    def accept(
        self, differences: Iterable[Difference], expected: Catalog, actual: Catalog
    ) -> Rules:
        """Return rules by which these differences are none any more."""
        keys = {(each.object, each.name) for each in differences}
        wanted = {(each.kind, each.name): each for each in expected.objects}
        same = {
            _get_text(each): wanted[each.kind, each.name]
            for each in actual.objects
            if (each.kind, each.name) in keys & wanted.keys()
        }
        return replace(self, same={**self.same, **same})

    def _take(self, each: SchemaObject) -> SchemaObject:
        other = self.same.get(_get_text(each))
        if other is None:
            return each
        return replace(each, definition=other.definition, body=other.body)


def find_adopted_bodies(
    comparison: Comparison, actual: Catalog, adopted: Iterable[Catalog]
) -> list[Difference]:
    """Return the differences that an adoption has reported and accepted.

    A function whose body is still the one that the database was adopted with.
    """
    known = {
        _get_text(each)
        for catalog in adopted
        for each in catalog.objects
        if each.kind is ObjectKind.FUNCTION
    }
    kept = {
        each.name
        for each in actual.objects
        if each.kind is ObjectKind.FUNCTION and _get_text(each) in known
    }
    return [
        each
        for each in comparison.differences
        if each.object is ObjectKind.FUNCTION
        and each.name in kept
        and each.expected is not None
        and each.actual is not None
    ]


def _get_text(each: SchemaObject) -> Text:
    return each.kind, each.name, each.definition, each.body
