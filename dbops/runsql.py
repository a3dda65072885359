"""SQL of a migration that needs what the operations before it have put off."""

from __future__ import annotations

from typing import Any

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations import RunSQL


class RunSQLAfterIndexes(RunSQL):
    """Run SQL when the indexes and foreign keys of the operations before are there.

    Django makes those of a new table at the end of the migration; this makes them now.

    Source: `deferred_sql` of
    https://docs.djangoproject.com/en/stable/ref/schema-editor/
    """

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: Any,
        to_state: Any,
    ) -> None:
        """Make what was put off, then run the SQL."""
        waiting, schema_editor.deferred_sql = schema_editor.deferred_sql, []
        for statement in waiting:
            schema_editor.execute(statement, None)
        super().database_forwards(app_label, schema_editor, from_state, to_state)
