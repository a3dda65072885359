"""Models for tables and views, as far as Django can say what they are."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from django.db import models

from dbops.core.catalog import Catalog, ObjectKind
from dbops.core.generated_names import split_name, strip_quotes
from dbops.core.model_names import name_class, name_field, name_member
from dbops.core.python_code import Call, Name
from dbops.core.repair.columns import Column
from dbops.core.repair.text import name_whole, split_clauses, split_comment
from dbops.core.repair.types import DOMAIN, list_labels
from dbops.core.table_facts import DEFERRED, SERIAL, Foreign, TableFacts, read_tables
from dbops.operations.model_fields import find_any_field, write_default, write_sql
from dbops.operations.pull_parts import (
    find_positive,
    write_check,
    write_exclusion,
    write_index,
    write_unique,
    write_unique_index,
)

RESERVED_FIELDS = frozenset(dir(models.Model)) | {"objects", "meta", "id_"}
IDENTITIES = {
    "smallint": "SmallAutoField",
    "integer": "AutoField",
    "bigint": "BigAutoField",
}
SERIALS = {
    "smallint": "dbops.fields.SmallSerialField",
    "integer": "dbops.fields.SerialField",
    "bigint": "dbops.fields.BigSerialField",
}
POSITIVES = {
    "smallint": "PositiveSmallIntegerField",
    "integer": "PositiveIntegerField",
    "bigint": "PositiveBigIntegerField",
}
KEY_TYPES = {"varchar": "character varying", "text": "pg_catalog.text"}
LIKE = re.compile(r".*_[0-9a-f]{8}_like")
DB_ACTIONS = {"CASCADE": "DB_CASCADE", "SET NULL": "DB_SET_NULL"}


@dataclass(frozen=True, slots=True, kw_only=True)
class EnumPlan:
    """The choices of an enum type."""

    type: str
    class_name: str
    members: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldPlan:
    """One field and what is remarked beside it."""

    name: str
    call: Call
    remarks: tuple[str, ...] = ()


@dataclass(slots=True, kw_only=True)
class ModelPlan:
    """One model."""

    table: str
    """The catalog's name."""
    class_name: str
    fields: list[FieldPlan] = field(default_factory=list)
    meta: dict[str, object] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    """Beside the class: what only the database knows."""

    @property
    def is_managed(self) -> bool:
        """Whether Django makes the table."""
        return "managed" not in self.meta


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewColumns:
    """A view, and the columns that it gives."""

    name: str
    kind: str
    columns: tuple[Column, ...]
    comment: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelsPlan:
    """All that models.py has."""

    enums: tuple[EnumPlan, ...]
    models: tuple[ModelPlan, ...]


def plan_models(
    catalog: Catalog, views: Sequence[ViewColumns], others: Mapping[str, str]
) -> ModelsPlan:
    """Return the models of all tables of the catalog, and of the views.

    `others` are models of installed apps, by their tables: foreign keys may lead there.
    """
    return _Planner(catalog, views, others).plan()


class _Planner:
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
        self.views, self.others = views, others
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
        self.part_names: set[str] = set()

    def plan(self) -> ModelsPlan:
        """Plan tables, then views."""
        planned = [self._plan_table(facts) for facts in self.tables.values()]
        for facts in self.tables.values():
            self._add_many_to_many(facts, planned)
        planned += [self._plan_view(view) for view in self.views]
        return ModelsPlan(enums=self.enums, models=tuple(planned))

    def _plan_enums(self, catalog: Catalog) -> Iterable[EnumPlan]:
        taken = list(self.classes.values())
        for each in catalog.objects:
            if each.kind != ObjectKind.ENUM:
                continue
            members: dict[str, str] = {}
            for quoted in list_labels(each):
                label = quoted.removeprefix("E")[1:-1].replace("''", "'")
                members[name_member(label, members)] = label
            last = strip_quotes(split_name(each.name)[-1])
            found = name_class(last, taken)
            if found.lower() != name_class(last, ()).lower():
                found = name_class(f"{last}_choice", taken)
            taken.append(found)
            yield EnumPlan(
                type=each.name, class_name=found, members=tuple(members.items())
            )

    # Fields

    def _name_fields(self, facts: TableFacts) -> dict[str, str]:
        """Return the fields' names by column; of a relation without its `_id`."""
        names: dict[str, str] = {}
        reserved = set(RESERVED_FIELDS)
        columns = [strip_quotes(each.name) for each in facts.columns]
        if facts.primary_key != ("id",):
            reserved.add("id")
        for column in columns:
            base = column
            if self._find_relation(facts, column) and column.endswith("_id"):
                short = column.removesuffix("_id")
                if short not in columns and short not in names.values():
                    base = short
            taken = {*names.values(), *(f"{each}_id" for each in names.values())}
            names[column] = name_field(base, taken, reserved)
        return names

    def _find_relation(self, facts: TableFacts, column: str) -> Foreign | None:
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

    def _plan_field(self, facts: TableFacts, column: Column) -> FieldPlan:
        bare = strip_quotes(column.name)
        name = self.fields[facts.name][bare]
        relation = self._find_relation(facts, bare)
        options = _read_options(column)
        if facts.primary_key == (bare,):
            options["primary_key"] = True
        if relation is not None:
            call, remarks = self._write_relation(facts, relation, name)
        else:
            call, remarks = self._write_plain(facts, column, options)
        own = f"{name}_id" if relation else name
        kwargs = {**call.kwargs, **options}
        if own != bare:
            kwargs["db_column"] = bare
        kwargs |= _write_common(column)
        call, more = self._add_value(column, Call(call.path, call.args, kwargs))
        return FieldPlan(name=name, call=call, remarks=(*remarks, *more))

    def _write_plain(
        self, facts: TableFacts, column: Column, options: dict[str, object]
    ) -> tuple[Call, list[str]]:
        bare = strip_quotes(column.name)
        is_key = facts.primary_key == (bare,)
        if is_key and (counted := _find_counter(facts, column)):
            return Call(counted), []
        call, remark = find_any_field(column.type, self.enum_classes, self.domains)
        remarks = [remark] if remark else []
        if is_key and not self._has_like(facts, bare):
            call = _avoid_like(call, column.type)
        if self._is_positive(facts, bare) and column.type in POSITIVES:
            call = Call(f"django.db.models.{POSITIVES[column.type]}")
        if not is_key:
            options |= self._find_own_key(facts, bare, call)
        return call, remarks

    def _find_own_key(
        self, facts: TableFacts, bare: str, call: Call
    ) -> dict[str, object]:
        """Return `unique` or `db_index`, where Django would make just what is there."""
        is_text = call.path.endswith((".CharField", ".TextField"))
        has_like = self._has_like(facts, bare)
        if is_text != has_like:
            return {}
        if _find_unique(facts, bare):
            return {"unique": True}
        if has_like or _find_django_index(facts, bare):
            return {"db_index": True} if _has_index(facts, bare) else {}
        return {}

    def _write_relation(
        self,
        facts: TableFacts,
        key: Foreign,
        name: str,
    ) -> tuple[Call, list[str]]:
        (column,) = key.columns
        kwargs: dict[str, object] = {}
        target = self.tables.get(key.target)
        is_one = facts.primary_key == (column,) or _find_unique(facts, column)
        if target and target.primary_key != key.target_columns:
            kwargs["to_field"] = self.fields[key.target][key.target_columns[0]]
        accessor = self._find_accessor(facts, key, name, is_one=bool(is_one))
        if accessor:
            kwargs["related_name"] = accessor
        action = _read_action(key)
        remarks = [f"the database: {action}"] if action else []
        on_delete = "DO_NOTHING"
        if self._is_django_like(facts, key):
            on_delete = _find_db_action(key) or on_delete
            remarks = []
        else:
            kwargs["db_constraint"] = False
        if not is_one and not _has_index(facts, column):
            kwargs["db_index"] = False
        kind = "OneToOneField" if is_one else "ForeignKey"
        if key.target == facts.name:
            to = "self"
        else:
            to = self.others.get(key.target) or self.classes[key.target]
        path = f"django.db.models.{kind}"
        return Call(path, (to, Name(f"models.{on_delete}")), kwargs), remarks

    def _is_django_like(self, facts: TableFacts, key: Foreign) -> bool:
        if facts.reason_unmanaged:
            return False
        target = self.tables.get(key.target)
        if target is not None and target.reason_unmanaged:
            return False
        return key.rest == DEFERRED or _find_db_action(key) is not None

    def _find_accessor(
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
            and not self._take(key.target, usual, model)
        )
        if is_free:
            return ""
        found = f"{model}_{name}" + ("" if is_one else "_set")
        if found in taken or self._take(key.target, found, found):
            return "+"
        return found

    def _take(self, target: str, *names: str) -> bool:
        """Say whether a name is taken; take them otherwise."""
        if any(self.accessors[target, each] for each in names):
            return True
        self.accessors.update((target, each) for each in set(names))
        return False

    def _add_value(self, column: Column, call: Call) -> tuple[Call, list[str]]:
        clauses = column.clauses
        kwargs = dict(call.kwargs)
        if "generated" in clauses:
            return _write_generated(column, call)
        counts = call.path.endswith(("AutoField", "SerialField"))
        if column.identity is not None and not counts:
            kwargs["db_default"] = write_sql("NULL")
            remark = f"the database: generated {column.how} as identity"
            return Call(call.path, call.args, kwargs), [remark]
        if "default" not in clauses or counts:
            return call, []
        value = write_default(column, call)
        if value is None:
            return call, [f"the database: default {clauses['default']}"]
        kwargs["db_default"] = value
        return Call(call.path, call.args, kwargs), []

    # Facts about columns

    def _has_like(self, facts: TableFacts, bare: str) -> bool:
        return any(
            LIKE.fullmatch(each.name)
            and each.text is not None
            and each.text.columns == (bare,)
            and (each.text.items[0].opclass or "").endswith("_pattern_ops")
            for each in facts.indexes
        )

    def _is_positive(self, facts: TableFacts, bare: str) -> bool:
        table = strip_quotes(split_name(facts.name)[-1])
        return any(
            find_positive(text) == bare
            and name.startswith(f"{table}_{bare}_check"[:63])
            for name, text in facts.checks
        )

    # Models

    def _plan_table(self, facts: TableFacts) -> ModelPlan:
        plan = ModelPlan(table=facts.name, class_name=self.classes[facts.name])
        reason = facts.reason_unmanaged
        if len(facts.primary_key) > 1:
            plan.fields.append(self._plan_composite_key(facts))
        plan.fields += [self._plan_field(facts, each) for each in facts.columns]
        if reason:
            plan.meta["managed"] = False
            plan.remarks.append(f"the migration makes it by SQL: {reason}")
            _choose_key(plan, facts)
        plan.meta["db_table"] = _write_table(facts.name)
        if facts.comment:
            plan.meta["db_table_comment"] = facts.comment
        if not reason:
            self._plan_parts(plan, facts)
        return plan

    def _add_many_to_many(self, facts: TableFacts, planned: list[ModelPlan]) -> None:
        """Give the first of two tables a field, where this one only pairs them."""
        keys = self._find_pair(facts)
        if keys is None:
            return
        models_by_table = {each.table: each for each in planned}
        source = models_by_table.get(keys[0].target)
        through = models_by_table[facts.name]
        if source is None or not (source.is_managed and through.is_managed):
            return
        one, other = (self.fields[facts.name][key.columns[0]] for key in keys)
        taken = {each.name for each in source.fields} | RESERVED_FIELDS
        name = name_field(f"{other}s", taken, ())
        target, mine = keys[1].target, self.classes[keys[0].target].lower()
        kwargs: dict[str, object] = {"through": through.class_name}
        if keys[0].target == target:
            kwargs |= {"through_fields": (one, other), "symmetrical": False}
        reverse = f"{mine}_set"
        known = set(self.fields.get(target, {}).values()) | RESERVED_FIELDS
        if {reverse, mine} & known or self._take(target, reverse, mine):
            kwargs["related_name"] = "+"
        to = self.others.get(target) or self.classes[target]
        call = Call(
            "django.db.models.ManyToManyField",
            ("self" if target == keys[0].target else to,),
            kwargs,
        )
        source.fields.append(FieldPlan(name=name, call=call))
        self.accessors.update([(keys[0].target, name)])

    def _find_pair(self, facts: TableFacts) -> tuple[Foreign, Foreign] | None:
        found = [
            self._find_relation(facts, strip_quotes(each.name))
            for each in facts.columns
            if facts.primary_key != (strip_quotes(each.name),)
        ]
        keys = [each for each in found if each is not None]
        if len(found) != len(keys) or len(keys) != 2:  # noqa: PLR2004  It is a pair.
            return None
        pair = {each.columns[0] for each in keys}
        unique = [
            set(facts.primary_key),
            *(set(each.columns) for each in facts.uniques),
        ]
        return (keys[0], keys[1]) if pair in unique else None

    def _plan_composite_key(self, facts: TableFacts) -> FieldPlan:
        names = [
            f"{name}_id" if self._find_relation(facts, column) else name
            for column in facts.primary_key
            for name in [self.fields[facts.name][column]]
        ]
        call = Call("django.db.models.CompositePrimaryKey", tuple(names))
        return FieldPlan(name="pk", call=call)

    def _plan_parts(self, plan: ModelPlan, facts: TableFacts) -> None:
        said = {name: each.call for name, each in self._map_fields(plan, facts).items()}
        calls: dict[str, list[Call | None]] = {"indexes": [], "constraints": []}
        names = self.fields[facts.name]
        for index in facts.indexes:
            if self._is_said(facts, index.name, said):
                continue
            if index.text and index.text.is_unique:
                calls["constraints"].append(write_unique_index(index, names))
            else:
                calls["indexes"].append(write_index(index, names))
        calls["constraints"] += self._plan_constraints(facts, said)
        for option, found in calls.items():
            fresh = [each for each in found if each and self._is_new(option, each)]
            if fresh:
                plan.meta[option] = fresh

    def _plan_constraints(
        self, facts: TableFacts, said: Mapping[str, Call]
    ) -> Iterator[Call | None]:
        names = self.fields[facts.name]
        for unique in facts.uniques:
            alone = len(unique.columns) == 1
            if not alone or not _says_unique(said[unique.columns[0]]):
                yield write_unique(unique, names)
        for name, text in facts.checks:
            column = find_positive(text) or ""
            if column not in said or "Positive" not in said[column].path:
                yield write_check(name, text)
        for name, text in facts.exclusions:
            yield write_exclusion(name, text, names)

    def _is_new(self, option: str, call: Call) -> bool:
        """Say whether no other model has one of that name: Django refuses two."""
        name = f"{option} {call.kwargs['name']}"
        if name in self.part_names:
            return False
        self.part_names.add(name)
        return True

    def _map_fields(
        self, plan: ModelPlan, facts: TableFacts
    ) -> Mapping[str, FieldPlan]:
        by_name = {each.name: each for each in plan.fields}
        return {
            column: by_name[name] for column, name in self.fields[facts.name].items()
        }

    def _is_said(self, facts: TableFacts, index: str, said: Mapping[str, Call]) -> bool:
        """Say whether a field's own `db_index` or `unique` makes the index."""
        for each in facts.indexes:
            if each.name != index or each.text is None or each.text.is_unique:
                continue
            columns = each.text.columns
            if columns is None or len(columns) != 1 or columns[0] not in said:
                return False
            call = said[columns[0]]
            if LIKE.fullmatch(index):
                return True
            is_key = call.path.endswith("ForeignKey") and "db_index" not in call.kwargs
            if not is_key and not call.kwargs.get("db_index"):
                return False
            return each.name == _find_single_index(facts, columns[0])
        return False

    def _plan_view(self, view: ViewColumns) -> ModelPlan:
        plan = ModelPlan(table=view.name, class_name=self.classes[view.name])
        names: dict[str, str] = {}
        for column in view.columns:
            bare = strip_quotes(column.name)
            name = name_field(bare, names.values(), RESERVED_FIELDS)
            names[bare] = name
            call, remark = find_any_field(column.type, self.enum_classes, self.domains)
            kwargs: dict[str, object] = {**call.kwargs, "null": True, "blank": True}
            if name != bare:
                kwargs["db_column"] = bare
            plan.fields.append(
                FieldPlan(
                    name=name,
                    call=Call(call.path, call.args, kwargs),
                    remarks=(remark,) if remark else (),
                )
            )
        _choose_key(plan, None)
        plan.meta["managed"] = False
        plan.meta["db_table"] = _write_table(view.name)
        if view.comment:
            plan.meta["db_table_comment"] = view.comment
        plan.remarks.append(f"a {view.kind}: the migration makes it by SQL")
        return plan


def _rank(name: str) -> tuple[bool, str]:
    """Return what puts public first, then the other schemas."""
    return len(split_name(name)) > 1, name.replace('"', "")


def _read_options(column: Column) -> dict[str, object]:
    if "null" in column.clauses:
        return {}
    return {"null": True, "blank": True}


def _write_common(column: Column) -> dict[str, object]:
    found: dict[str, object] = {}
    if "collate" in column.clauses:
        parts = split_name(column.clauses["collate"])
        found["db_collation"] = strip_quotes(parts[-1])
    if column.comment:
        found["db_comment"] = column.comment[1:-1].replace("''", "'")
    return found


def _find_counter(facts: TableFacts, column: Column) -> str | None:
    if column.identity is not None and column.type in IDENTITIES:
        return f"django.db.models.{IDENTITIES[column.type]}"
    hit = SERIAL.fullmatch(column.clauses.get("default", ""))
    owned = facts.owned.get(strip_quotes(column.name))
    if hit and owned and name_whole(hit["sequence"]) == owned:
        return SERIALS.get(column.type)
    return None


def _avoid_like(call: Call, text: str) -> Call:
    """Return a key that gets no second index from Django."""
    if call.path.endswith(".CharField"):
        kwargs = {"sql_type": text, **call.kwargs}
        return Call("dbops.fields.TypedCharField", (), kwargs)
    if call.path.endswith(".TextField"):
        return Call("dbops.fields.TypedTextField", (), {"sql_type": KEY_TYPES["text"]})
    return call


def _find_unique(facts: TableFacts, column: str) -> bool:
    return any(
        each.columns == (column,)
        and each.is_plain
        and each.nulls_distinct
        and not each.deferrable
        for each in facts.uniques
    )


def _says_unique(call: Call) -> bool:
    return bool(call.kwargs.get("unique")) or call.path.endswith("OneToOneField")


def _find_single_index(facts: TableFacts, column: str) -> str | None:
    """Return the plain index on this column alone, Django's own name first."""
    found = [
        each.name
        for each in facts.indexes
        if each.text is not None
        and each.text.columns == (column,)
        and each.text.method == "btree"
        and not each.text.is_unique
        and not each.text.where
        and not each.text.include
        and not each.text.options
        and each.text.items[0].opclass is None
        and each.text.items[0].collation is None
        and not each.text.items[0].is_descending
        and each.text.items[0].nulls is None
        and each.comment is None
    ]
    generated = [name for name in found if re.fullmatch(r".*_[0-9a-f]{8}", name)]
    return next(iter(generated or found), None)


def _has_index(facts: TableFacts, column: str) -> bool:
    return _find_single_index(facts, column) is not None


def _find_django_index(facts: TableFacts, column: str) -> bool:
    name = _find_single_index(facts, column)
    return name is not None and re.fullmatch(r".*_[0-9a-f]{8}", name) is not None


def _read_action(key: Foreign) -> str:
    hit = re.search(r"ON DELETE (CASCADE|SET NULL|SET DEFAULT|RESTRICT)", key.rest)
    return hit[0] if hit else ""


def _find_db_action(key: Foreign) -> str | None:
    """Return the `on_delete` of Django 6.1 that the database carries out."""
    for words, name in DB_ACTIONS.items():
        if key.rest == f" ON DELETE {words}{DEFERRED}" and hasattr(models, name):
            return name
    return None


def _write_generated(column: Column, call: Call) -> tuple[Call, list[str]]:
    expression, _, how = column.clauses["generated"].rpartition(" ")
    options = {
        name: value
        for name, value in call.kwargs.items()
        if name in {"null", "blank", "db_column", "db_comment", "db_index", "unique"}
    }
    inner = {name: value for name, value in call.kwargs.items() if name not in options}
    options.pop("blank", None)
    is_virtual = how == "virtual"
    remarks = [f"the database: {how}"] if is_virtual else []
    kwargs = {
        "expression": write_sql(expression[1:-1].replace("%", "%%")),
        "output_field": Call(call.path, call.args, inner),
        "db_persist": True,
        **options,
    }
    return Call("django.db.models.GeneratedField", (), kwargs), remarks


def _choose_key(plan: ModelPlan, facts: TableFacts | None) -> None:
    """Name a primary key where there is none: Django insists on one."""
    if facts is not None and facts.primary_key:
        return
    unique = [each.columns[0] for each in facts.uniques] if facts else []
    for wanted in (*unique, "id"):
        place = next((i for i, e in enumerate(plan.fields) if e.name == wanted), 0)
        if plan.fields and plan.fields[place].name == wanted:
            break
    else:
        place = 0
    if not plan.fields:
        return
    old = plan.fields[place]
    dropped = {"null", "blank", "db_default", "unique", "db_index"}
    kwargs = {k: v for k, v in old.call.kwargs.items() if k not in dropped}
    call = Call(old.call.path, old.call.args, {"primary_key": True, **kwargs})
    remark = "no key of the database's: only Django takes it for one"
    plan.fields[place] = FieldPlan(
        name=old.name, call=call, remarks=(*old.remarks, remark)
    )


def _write_table(name: str) -> str:
    """Return what `db_table` says.

    >>> _write_table("item"), _write_table('audit."Log"')
    ('item', '"audit"."Log"')
    """
    parts = [strip_quotes(each) for each in split_name(name)]
    if len(parts) == 1 and not parts[0].startswith('"'):
        return parts[0]
    return ".".join('"' + each.replace('"', '""') + '"' for each in parts)
