"""Prove what a migration did: before it is committed, where that can be."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db.migrations import Migration

from dbops.core.proof import Proof
from dbops.operations.context import Context
from dbops.operations.deploy.failure import Mismatch
from dbops.operations.deploy.lost_rows import watch_rows
from dbops.operations.history import get_id
from dbops.operations.sql_files.verify import find_untrue, read_verify


@contextmanager
def require_verified(
    context: Context, migration: Migration, proof: Proof | None = None
) -> Iterator[None]:
    """Let what the block has done be looked at before it stays, where that can be.

    The rows that it deletes are counted where all of it is one transaction.

    Raises:
        Mismatch: a table has lost rows of which nobody says so, or `verify.sql` returns
            something else than true, or raises.
        Refused: the file cannot be run.
    """
    if not migration.atomic:
        yield
        _require_true(context, migration)
        return
    require_rows = watch_rows(context, migration, proof)
    yield
    require_rows()
    _require_true(context, migration)


@contextmanager
def require_rows_kept(
    context: Context, migration: Migration, proof: Proof | None
) -> Iterator[None]:
    """Count what one operation of a non-atomic migration deletes.

    That can be done where the operation is one transaction; else nothing is looked at.

    Raises:
        Mismatch: a table has lost rows of which nobody says so; the operation is rolled
            back.
    """
    if not context.connection.in_atomic_block:
        yield
        return
    require_rows = watch_rows(context, migration, proof)
    yield
    require_rows()


def _require_true(context: Context, migration: Migration) -> None:
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
