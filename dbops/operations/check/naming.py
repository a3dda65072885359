"""What a migration should be called, judged by its operations."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.migrations import (
    CreateModel,
    DeleteModel,
    Migration,
    RenameField,
    RenameModel,
    RunSQL,
)
from django.db.migrations.operations.base import Operation
from django.db.migrations.operations.fields import FieldOperation
from django.db.migrations.operations.models import ModelOperation

from dbops.core.names import EXAMPLE, NameFault, find_fault, suggest_from_sql
from dbops.operations.check.digest import read_sql


def find_name_fault(migration: Migration) -> NameFault | None:
    """Return why the migration's name says nothing, with a better one; or None."""
    same_app = [app for app, _ in migration.dependencies if app == migration.app_label]
    # Django splits an app's first migration in two where its models form a circle.
    is_initial = bool(migration.initial) or not same_app
    is_merge = len(same_app) > 1 and not migration.operations
    subjects = tuple(_list_subjects(migration))
    example = next(
        (
            each
            for each in map(_suggest, migration.operations)
            if each and find_fault(each, subjects=subjects) is None
        ),
        EXAMPLE,
    )
    return find_fault(
        migration.name,
        is_initial=is_initial,
        is_merge=is_merge,
        subjects=subjects,
        example=example,
    )


def _list_subjects(migration: Migration) -> Iterator[str]:
    for operation in migration.operations:
        for attribute in ("model_name", "old_name", "new_name"):
            # A RenameIndex may have the fields of the index instead of its old name.
            yield getattr(operation, attribute, None) or ""
        if isinstance(operation, (FieldOperation, ModelOperation)):
            yield operation.name


def _suggest(operation: Operation) -> str | None:
    match operation:
        case RenameField():
            name = (
                f"rename_{operation.model_name}_{operation.old_name}"
                f"_to_{operation.new_name}"
            )
        case RenameModel():
            name = f"rename_{operation.old_name}_to_{operation.new_name}"
        case FieldOperation():
            verb = type(operation).__name__.removesuffix("Field")
            name = f"{verb}_{operation.model_name}_{operation.name}"
        case CreateModel():
            name = f"add_{operation.name}"
        case DeleteModel():
            name = f"delete_{operation.name}"
        case RunSQL():
            texts = (text for text, _ in read_sql(operation))
            return next(filter(None, map(suggest_from_sql, texts)), None)
        case _:
            return operation.migration_name_fragment
    return name.lower()
