"""Prove what a migration did: before it is committed, where that can be."""

from __future__ import annotations

from django.db.migrations import Migration

from dbops.operations.context import Context
from dbops.operations.deploy.settle import Mismatch
from dbops.operations.history import get_id
from dbops.operations.sql_files.verify import find_untrue, read_verify


def require_verified(context: Context, migration: Migration) -> None:
    """Let the migration's `verify.sql` have the last word, where there is one.

    Raises:
        Mismatch: a statement of it returns something else than true, or raises.
        Refused: the file cannot be run.
    """
    script = read_verify(migration)
    if script is None:
        return
    problems = find_untrue(context.connect(), script)
    if problems:
        raise Mismatch(
            f'"{get_id(migration)}" is not verified: {"; ".join(problems)}',
            hint=f"look at {script.path}, correct the migration or the data, then "
            "manage.py dbops_deploy",
        )
