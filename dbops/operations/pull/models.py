"""Models for tables and views, as far as Django can say what they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from dbops.core.catalog import Catalog
from dbops.core.generated_names import split_name, strip_quotes
from dbops.core.model_names import name_field
from dbops.core.python_code import Call
from dbops.core.table_facts import Foreign, TableFacts
from dbops.operations.model_fields import find_any_field
from dbops.operations.pull.fields import plan_field
from dbops.operations.pull.keys import LIKE, find_single_index, says_unique
from dbops.operations.pull.names import RESERVED_FIELDS, Names
from dbops.operations.pull.parts import (
    find_positive,
    write_check,
    write_exclusion,
    write_index,
    write_unique,
    write_unique_index,
)
from dbops.operations.pull.plan import FieldPlan, ModelPlan, ModelsPlan, ViewColumns


def plan_models(
    catalog: Catalog, views: Sequence[ViewColumns], others: Mapping[str, str]
) -> ModelsPlan:
    """Return the models of all tables of the catalog, and of the views.

    `others` are models of installed apps, by their tables: foreign keys may lead there.
    """
    return _Planner(Names(catalog, views, others), views).plan()


class _Planner:
    def __init__(self, names: Names, views: Sequence[ViewColumns]) -> None:
        self.names, self.views = names, views
        self.part_names: set[str] = set()

    def plan(self) -> ModelsPlan:
        """Plan tables, then views."""
        planned = [self._plan_table(facts) for facts in self.names.tables.values()]
        for facts in self.names.tables.values():
            self._add_many_to_many(facts, planned)
        planned += [self._plan_view(view) for view in self.views]
        return ModelsPlan(enums=self.names.enums, models=tuple(planned))

    # Models

    def _plan_table(self, facts: TableFacts) -> ModelPlan:
        plan = ModelPlan(table=facts.name, class_name=self.names.classes[facts.name])
        reason = facts.reason_unmanaged
        if len(facts.primary_key) > 1:
            plan.fields.append(self._plan_composite_key(facts))
        plan.fields += [plan_field(self.names, facts, each) for each in facts.columns]
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
        one, other = (self.names.fields[facts.name][key.columns[0]] for key in keys)
        taken = {each.name for each in source.fields} | RESERVED_FIELDS
        name = name_field(f"{other}s", taken, ())
        target, mine = keys[1].target, self.names.classes[keys[0].target].lower()
        kwargs: dict[str, object] = {"through": through.class_name}
        if keys[0].target == target:
            kwargs |= {"through_fields": (one, other), "symmetrical": False}
        reverse = f"{mine}_set"
        known = set(self.names.fields.get(target, {}).values()) | RESERVED_FIELDS
        if {reverse, mine} & known or self.names.take(target, reverse, mine):
            kwargs["related_name"] = "+"
        to = self.names.tell_target(keys[1], by=keys[0].target)
        call = Call(
            "django.db.models.ManyToManyField",
            (to,),
            kwargs,
        )
        source.fields.append(FieldPlan(name=name, call=call))
        self.names.accessors.update([(keys[0].target, name)])

    def _find_pair(self, facts: TableFacts) -> tuple[Foreign, Foreign] | None:
        found = [
            self.names.find_relation(facts, strip_quotes(each.name))
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
            f"{name}_id" if self.names.find_relation(facts, column) else name
            for column in facts.primary_key
            for name in [self.names.fields[facts.name][column]]
        ]
        call = Call("django.db.models.CompositePrimaryKey", tuple(names))
        return FieldPlan(name="pk", call=call)

    def _plan_parts(self, plan: ModelPlan, facts: TableFacts) -> None:
        said = {name: each.call for name, each in self._map_fields(plan, facts).items()}
        calls: dict[str, list[Call | None]] = {"indexes": [], "constraints": []}
        names = self.names.fields[facts.name]
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
        names = self.names.fields[facts.name]
        for unique in facts.uniques:
            alone = len(unique.columns) == 1
            if not alone or not says_unique(said[unique.columns[0]]):
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
            column: by_name[name]
            for column, name in self.names.fields[facts.name].items()
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
            return each.name == find_single_index(facts, columns[0])
        return False

    def _plan_view(self, view: ViewColumns) -> ModelPlan:
        plan = ModelPlan(table=view.name, class_name=self.names.classes[view.name])
        names, enums = dict[str, str](), self.names.enum_classes
        for column in view.columns:
            bare = strip_quotes(column.name)
            name = name_field(bare, names.values(), RESERVED_FIELDS)
            names[bare] = name
            call, remark = find_any_field(column.type, enums, self.names.domains)
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
