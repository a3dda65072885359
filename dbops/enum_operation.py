"""What operations on enum types share: how they run, and how a type is made anew."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import router
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations.base import Operation

from dbops.core.describe import quote_text
from dbops.core.enum_change import EnumType, write_rebuild
from dbops.core.generated_names import split_name, strip_quotes
from dbops.errors import Refused
from dbops.postgres.enums import fetch_enum

MOST_USERS_TOLD = 3
LONGEST_FRAGMENT = 40


class EnumOperation(Operation):
    """A change of the enum type `name`, as written in SQL; models stay as they are."""

    name: str
    reduces_to_sql = True
    reversible = True

    def state_forwards(self, app_label: str, state: Any) -> None:
        """Change nothing: the choices are in the fields."""

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: Any,  # noqa: ARG002
        to_state: Any,  # noqa: ARG002
    ) -> None:
        """Run the statements."""
        if _is_wanted(schema_editor, app_label):
            _run(schema_editor, self.write_forward(schema_editor))

    def database_backwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: Any,  # noqa: ARG002
        to_state: Any,  # noqa: ARG002
    ) -> None:
        """Run the statements of the way back."""
        if _is_wanted(schema_editor, app_label):
            _run(schema_editor, self.write_backward(schema_editor))

    def write_forward(self, editor: BaseDatabaseSchemaEditor) -> Sequence[str]:
        """Return the statements."""
        raise NotImplementedError

    def write_backward(self, editor: BaseDatabaseSchemaEditor) -> Sequence[str]:
        """Return the statements of the way back."""
        raise NotImplementedError

    @property
    def bare_name(self) -> str:
        """The type's name without schema and quotes."""
        return strip_quotes(split_name(self.name)[-1])

    def _name_fragment(self, verb: str, *rest: str) -> str:
        words = "_".join([verb, self.bare_name, *rest]).lower()
        bare = "".join(each if each.isalnum() else "_" for each in words)
        return bare[:LONGEST_FRAGMENT].rstrip("_")


def _is_wanted(editor: BaseDatabaseSchemaEditor, app_label: str) -> bool:
    connection = editor.connection
    return connection.vendor == "postgresql" and router.allow_migrate(
        connection.alias, app_label
    )


def _run(editor: BaseDatabaseSchemaEditor, statements: Sequence[str]) -> None:
    for each in statements:
        # Without parameters, a % in a value is only a %.
        editor.execute(each, None)


def write_rebuild_here(
    editor: BaseDatabaseSchemaEditor, name: str, values: Sequence[str]
) -> Sequence[str]:
    """Return the statements that make the type of this database anew without values.

    Raises:
        Refused: it lacks a value, or something uses it that cannot be carried along.
    """
    connection = editor.connection
    connection.ensure_connection()
    found = fetch_enum(connection.connection, name)
    if found is None or not set(values) <= set(found.labels):
        if editor.collect_sql:
            return [f"-- enum {name} is made anew without {', '.join(values)}"]
        raise Refused(
            f"enum {name} does not have {_tell(values, found)}",
            hint="see what it has: manage.py dbops_inspect",
        )
    if found.others:
        told = ", ".join(found.others[:MOST_USERS_TOLD])
        more = len(found.others) - MOST_USERS_TOLD
        raise Refused(
            f"enum {name} is used by {told}{f' and {more} more' if more > 0 else ''}: "
            "it cannot be made anew while they are there",
            hint="drop them in the operation before, and make them again in the one "
            "after",
        )
    return write_rebuild(name, values, found)


def _tell(values: Sequence[str], found: EnumType | None) -> str:
    missing = [each for each in values if found is None or each not in found.labels]
    return "the value " + ", ".join(map(quote_text, missing))
