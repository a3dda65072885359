"""What Django's state of the models says of the tables, where there is no server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.state import ProjectState

from dbops.core.hazards.facts import Column, Constraint, Facts, Index, Relation
from dbops.core.hazards.parsing import NotUnderstood, parse_statements, unwrap
from dbops.core.hazards.types import read_type
from dbops.core.table_name import TableName

SCHEMA = "public"


def build_state_facts(state: ProjectState, connection: BaseDatabaseWrapper) -> Facts:
    """Return the tables of the models, as far as Django knows them.

    `known` stays false: what was made by SQL, or by somebody else, is not among them.
    """
    relations = (
        _build_relation(model, connection)
        for model in state.apps.get_models(include_auto_created=True)
        if get_options(model).managed
    )
    return Facts(relations={each.name: each for each in relations})


def get_options(model: Any) -> Any:
    """Return what Django knows of a model."""
    return model._meta  # noqa: SLF001  Its documented name.


def _build_relation(model: Any, connection: BaseDatabaseWrapper) -> Relation:
    options = get_options(model)
    columns = {
        column.name: column
        for field in options.local_concrete_fields
        if (column := _build_column(field, connection))
    }
    return Relation(
        name=_get_name(options.db_table),
        columns=columns,
        indexes=tuple(_list_indexes(model)),
        constraints=tuple(_list_keys(model)),
    )


def _get_name(table: str) -> TableName:
    return TableName(SCHEMA, table.strip('"'))


def _build_column(field: Any, connection: BaseDatabaseWrapper) -> Column | None:
    written = field.db_parameters(connection)["type"]
    try:
        [statement] = parse_statements(f"SELECT NULL::{written}")
    except NotUnderstood:
        return None
    cast = unwrap(unwrap(statement.node.target_list[0]).val)
    kind = read_type(cast.type_name, Facts())
    return Column(
        name=field.column,
        type=kind.name,
        modifier=kind.modifier,
        not_null=not field.null,
        collation=getattr(field, "db_collation", None) or "",
    )


def _list_indexes(model: Any) -> Iterator[Index]:
    options = get_options(model)
    for field in options.local_concrete_fields:
        if field.unique or field.db_index:
            yield Index(name="", columns=(field.column,))
    for index in options.indexes:
        columns = [options.get_field(each).column for each, _ in index.fields_orders]
        computed = bool(index.expressions) or index.condition is not None
        yield Index(name=index.name, columns=tuple(columns), is_computed=computed)
    for group in options.unique_together:
        columns = [options.get_field(each).column for each in group]
        yield Index(name="", columns=tuple(columns))


def _list_keys(model: Any) -> Iterator[Constraint]:
    for field in get_options(model).local_concrete_fields:
        target = field.remote_field and field.remote_field.model
        if target and getattr(field, "db_constraint", False):
            yield Constraint(
                name="",
                kind="f",
                columns=(field.column,),
                target=_get_name(get_options(target).db_table),
                target_columns=tuple(
                    each.column for each in getattr(field, "foreign_related_fields", ())
                ),
            )
