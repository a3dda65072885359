"""The field of a model for a column that is there."""

from __future__ import annotations

import re

from django.db import models

from dbops.core.generated_names import split_name, strip_quotes
from dbops.core.python_code import Call, Name
from dbops.core.repair.columns import Column
from dbops.core.repair.text import name_whole
from dbops.core.table_facts import DEFERRED, SERIAL, Foreign, TableFacts
from dbops.operations.model_fields import find_any_field, write_default, write_sql
from dbops.operations.pull.keys import (
    has_django_index,
    has_like_index,
    has_single_index,
    has_unique,
)
from dbops.operations.pull.names import Names
from dbops.operations.pull.parts import find_positive
from dbops.operations.pull.plan import FieldPlan

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
DB_ACTIONS = {"CASCADE": "DB_CASCADE", "SET NULL": "DB_SET_NULL"}


def plan_field(names: Names, facts: TableFacts, column: Column) -> FieldPlan:
    """Return the field of a column of a table."""
    bare = strip_quotes(column.name)
    name = names.fields[facts.name][bare]
    relation = names.find_relation(facts, bare)
    options = _read_options(column)
    if facts.primary_key == (bare,):
        options["primary_key"] = True
    if relation is not None:
        call, remarks = _write_relation(names, facts, relation, name)
    else:
        call, remarks = _write_plain(names, facts, column, options)
    own = f"{name}_id" if relation else name
    kwargs = {**call.kwargs, **options}
    if own != bare:
        kwargs["db_column"] = bare
    kwargs |= _write_common(column)
    call, more = _add_value(column, Call(call.path, call.args, kwargs))
    return FieldPlan(name=name, call=call, remarks=(*remarks, *more))


def _write_plain(
    names: Names, facts: TableFacts, column: Column, options: dict[str, object]
) -> tuple[Call, list[str]]:
    bare = strip_quotes(column.name)
    is_key = facts.primary_key == (bare,)
    if is_key and (counted := _find_counter(facts, column)):
        return Call(counted), []
    call, remark = find_any_field(column.type, names.enum_classes, names.domains)
    remarks = [remark] if remark else []
    if is_key and not has_like_index(facts, bare):
        call = _avoid_like(call, column.type)
    if _is_positive(facts, bare) and column.type in POSITIVES:
        call = Call(f"django.db.models.{POSITIVES[column.type]}")
    if not is_key:
        options |= _find_own_key(facts, bare, call)
    return call, remarks


def _find_own_key(facts: TableFacts, bare: str, call: Call) -> dict[str, object]:
    """Return `unique` or `db_index`, where Django would make just what is there."""
    is_text = call.path.endswith((".CharField", ".TextField"))
    has_like = has_like_index(facts, bare)
    if is_text != has_like:
        return {}
    if has_unique(facts, bare):
        return {"unique": True}
    if has_like or has_django_index(facts, bare):
        return {"db_index": True} if has_single_index(facts, bare) else {}
    return {}


def _write_relation(
    names: Names,
    facts: TableFacts,
    key: Foreign,
    name: str,
) -> tuple[Call, list[str]]:
    (column,) = key.columns
    kwargs: dict[str, object] = {}
    target = names.tables.get(key.target)
    is_one = facts.primary_key == (column,) or has_unique(facts, column)
    if target and target.primary_key != key.target_columns:
        kwargs["to_field"] = names.fields[key.target][key.target_columns[0]]
    accessor = names.find_accessor(facts, key, name, is_one=bool(is_one))
    if accessor:
        kwargs["related_name"] = accessor
    action = _read_action(key)
    remarks = [f"the database: {action}"] if action else []
    on_delete = "DO_NOTHING"
    if _is_django_like(names, facts, key):
        on_delete = _find_db_action(key) or on_delete
        remarks = []
    else:
        kwargs["db_constraint"] = False
    if not is_one and not has_single_index(facts, column):
        kwargs["db_index"] = False
    kind = "OneToOneField" if is_one else "ForeignKey"
    to = names.tell_target(key, by=facts.name)
    path = f"django.db.models.{kind}"
    return Call(path, (to, Name(f"models.{on_delete}")), kwargs), remarks


def _is_django_like(names: Names, facts: TableFacts, key: Foreign) -> bool:
    if facts.reason_unmanaged:
        return False
    target = names.tables.get(key.target)
    if target is not None and target.reason_unmanaged:
        return False
    return key.rest == DEFERRED or _find_db_action(key) is not None


def _add_value(column: Column, call: Call) -> tuple[Call, list[str]]:
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


def _is_positive(facts: TableFacts, bare: str) -> bool:
    table = strip_quotes(split_name(facts.name)[-1])
    return any(
        find_positive(text) == bare and name.startswith(f"{table}_{bare}_check"[:63])
        for name, text in facts.checks
    )


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
