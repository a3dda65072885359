"""The rules of locks without a server: on the SQL files beside the migrations."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from django.db.migrations import Migration
from django.db.migrations.state import ProjectState

from dbops.core.hazards.facts import Facts
from dbops.core.hazards.judge import Step
from dbops.core.sql_script import NO_TRANSACTION, split_statements
from dbops.operations.check.files import list_files
from dbops.operations.check.graph import Project
from dbops.operations.check.state_facts import build_state_facts
from dbops.operations.context import Context
from dbops.operations.history import get_id


def read_written(
    context: Context, project: Project, judged: Collection[Migration]
) -> Iterator[tuple[Migration, list[Step]]]:
    """Yield what the `migration.sql` of each judged migration runs.

    What is known of the tables is what Django's state of the models says.
    """
    files = list_files(judged)
    state = ProjectState(real_apps=project.loader.unmigrated_apps)
    for migration in project.plan:
        path = files.get(get_id(migration))
        if path:
            text = path.read_text(encoding="utf-8", errors="replace")
            facts = build_state_facts(state.clone(), context.connection)
            yield migration, list(_build_steps(text, facts))
        migration.mutate_state(state, preserve=False)


def _build_steps(text: str, facts: Facts) -> Iterator[Step]:
    transaction = None if f"-- dbops: {NO_TRANSACTION}" in text else ""
    for statement in split_statements(text):
        yield Step(sql=statement, facts=facts, transaction=transaction)
