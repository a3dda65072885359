"""Names for all that is pulled, none of them twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from django.db import models

from dbops.core.catalog import Catalog, ObjectKind
from dbops.core.generated_names import split_name, strip_quotes
from dbops.core.model_names import name_class, name_field, name_member
from dbops.core.repair.text import split_clauses, split_comment
from dbops.core.repair.types import DOMAIN, list_labels
from dbops.core.table_facts import Foreign, TableFacts, read_tables
from dbops.operations.pull.plan import EnumPlan, ViewColumns

RESERVED_FIELDS = frozenset(dir(models.Model)) | {"objects", "meta", "id_"}


class Names:
    """Classes, fields and accessors, and the tables that they are for."""

    def __init__(
        self, catalog: Catalog, views: Sequence[ViewColumns], others: Mapping[str, str]
    ) -> None:
        self.tables = {
            name: facts
            for name, facts in sorted(
                read_tables(catalog).items(), key=lambda each: _rank(each[0])
            )
            if not facts.is_partition
        }
        self.others = others
        self.classes: dict[str, str] = {}
        for name in sorted([*self.tables, *(view.name for view in views)], key=_rank):
            last = strip_quotes(split_name(name)[-1])
            if last in {strip_quotes(split_name(e)[-1]) for e in self.classes}:
                last = "_".join(map(strip_quotes, split_name(name)))
            self.classes[name] = name_class(last, self.classes.values())
        self.enums = tuple(self._plan_enums(catalog))
        self.enum_classes = {each.type: each.class_name for each in self.enums}
        self.domains = {
            each.name: split_clauses(split_comment(each.definition)[0], DOMAIN)[""]
            for each in catalog.objects
            if each.kind == ObjectKind.DOMAIN
        }
        self.fields: dict[str, dict[str, str]] = {
            name: self._name_fields(facts) for name, facts in self.tables.items()
        }
        self.accessors: Counter[tuple[str, str]] = Counter()

    def _plan_enums(self, catalog: Catalog) -> Iterable[EnumPlan]:
        taken = list(self.classes.values())
        for each in catalog.objects:
            if each.kind != ObjectKind.ENUM:
                continue
            members: dict[str, str] = {}
            for quoted in list_labels(each):
                label = _read_label(quoted)
                members[name_member(label, members)] = label
            last = strip_quotes(split_name(each.name)[-1])
            found = name_class(last, taken)
            if found.lower() != name_class(last, ()).lower():
                found = name_class(f"{last}_choice", taken)
            taken.append(found)
            yield EnumPlan(
                type=each.name, class_name=found, members=tuple(members.items())
            )

    def _name_fields(self, facts: TableFacts) -> dict[str, str]:
        """Return the fields' names by column; of a relation without its `_id`."""
        names: dict[str, str] = {}
        reserved = set(RESERVED_FIELDS)
        columns = [strip_quotes(each.name) for each in facts.columns]
        if facts.primary_key != ("id",):
            reserved.add("id")
        for column in columns:
            base = column
            if self.find_relation(facts, column) and column.endswith("_id"):
                short = column.removesuffix("_id")
                if short not in columns and short not in names.values():
                    base = short
            taken = {*names.values(), *(f"{each}_id" for each in names.values())}
            names[column] = name_field(base, taken, reserved)
        return names

    def find_relation(self, facts: TableFacts, column: str) -> Foreign | None:
        """Return the foreign key on this column that a field can be."""
        for each in facts.foreign_keys:
            if each.columns == (column,) and self._is_target(each):
                return each
        return None

    def _is_target(self, key: Foreign) -> bool:
        if key.target in self.others:
            return True
        target = self.tables.get(key.target)
        if target is None or len(key.target_columns) != 1:
            return False
        if target.primary_key == key.target_columns:
            return True
        return len(target.primary_key) == 1 and any(
            each.columns == key.target_columns and each.is_plain
            for each in target.uniques
        )

    def find_accessor(
        self, facts: TableFacts, key: Foreign, name: str, *, is_one: bool
    ) -> str:
        """Return `related_name` where the one that Django takes is ambiguous."""
        model = self.classes[facts.name].lower()
        usual = model if is_one else f"{model}_set"
        keys = [
            each
            for each in facts.foreign_keys
            if each.target == key.target and len(each.columns) == 1
        ]
        taken = set(self.fields.get(key.target, {}).values()) | RESERVED_FIELDS
        is_free = (
            len({each.columns for each in keys}) == 1
            and not {usual, model} & taken
            and not self.take(key.target, usual, model)
        )
        if is_free:
            return ""
        found = f"{model}_{name}" + ("" if is_one else "_set")
        if found in taken or self.take(key.target, found, found):
            return "+"
        return found

    def take(self, target: str, *names: str) -> bool:
        """Say whether a name is taken; take them otherwise."""
        if any(self.accessors[target, each] for each in names):
            return True
        self.accessors.update((target, each) for each in set(names))
        return False

    def tell_target(self, key: Foreign, *, by: str) -> str:
        """Return what a field of the table `by` says of whom it refers to."""
        if key.target == by:
            return "self"
        return self.others.get(key.target) or self.classes[key.target]


def _rank(name: str) -> tuple[bool, str]:
    """Return what puts public first, then the other schemas."""
    return len(split_name(name)) > 1, name.replace('"', "")


def _read_label(quoted: str) -> str:
    r"""Return a label without its quotes.

    >>> _read_label("'it''s'"), _read_label(r"E'a\\b'")
    ("it's", 'a\\b')
    """
    if quoted.startswith("E"):
        quoted = quoted[1:].replace("\\\\", "\\")
    return quoted[1:-1].replace("''", "'")
