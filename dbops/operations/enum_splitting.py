"""Migrations of their own for what must not share a transaction with other changes.

A value that is added cannot be used before COMMIT, and a type that is made anew keeps
its tables locked until then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from django.db.migrations import Migration
from django.db.migrations.operations.base import Operation

from dbops.enum_operation import EnumOperation
from dbops.enums import (
    AddEnumValue,
    RemoveEnumValues,
    RenameEnum,
    RenameEnumValue,
)
from dbops.operations.check.enums import list_early_uses

FIRST = (AddEnumValue, RenameEnum, RenameEnumValue)

IsHarmless = Callable[[str, Operation], bool]


def split_migrations(
    changes: dict[str, list[Migration]], is_harmless: IsHarmless
) -> dict[str, list[Migration]]:
    """Return the migrations, those taken apart that have to be.

    `is_harmless` tells of an app's operation that it does nothing to the database.
    """
    return {
        app: list(_split_app(migrations, is_harmless))
        for app, migrations in changes.items()
    }


def _split_app(
    migrations: Sequence[Migration], is_harmless: IsHarmless
) -> Iterator[Migration]:
    renamed: dict[tuple[str, str], tuple[str, str]] = {}
    for migration in migrations:
        _arrange(
            migration,
            migration.operations,
            [renamed.get(each, each) for each in migration.dependencies],
        )
        parts = list(_split(migration, is_harmless))
        yield from parts
        app = migration.app_label
        renamed[app, migration.name] = (app, parts[-1].name)


def _split(migration: Migration, is_harmless: IsHarmless) -> Iterator[Migration]:
    operations = list(migration.operations)
    first: list[Operation] = []
    if any(True for _ in list_early_uses(operations)):
        first = [each for each in operations if isinstance(each, FIRST)]
    rest = [each for each in operations if each not in first]
    last = [each for each in rest if isinstance(each, RemoveEnumValues)]
    others = [
        each
        for each in rest
        if not isinstance(each, EnumOperation)
        and not is_harmless(migration.app_label, each)
    ]
    if not others:
        last = []
    previous: Migration | None = None
    needed = list(migration.dependencies)
    middle = [each for each in rest if each not in last]
    for word, part in (("first", first), ("", middle), ("last", last)):
        if not part:
            continue
        made = _copy(migration, word) if word else migration
        _arrange(
            made, part, [(previous.app_label, previous.name)] if previous else needed
        )
        previous = made
        yield made


def _arrange(
    migration: Migration,
    operations: Sequence[Operation],
    dependencies: Sequence[tuple[str, str]],
) -> None:
    # Django's stubs take these for attributes of the class alone.
    values: dict[str, Any] = vars(migration)
    values["operations"] = list(operations)
    values["dependencies"] = list(dependencies)


def _copy(migration: Migration, word: str) -> Migration:
    made = Migration(f"{migration.name}_{word}", migration.app_label)
    vars(made)["initial"] = migration.initial
    return made
