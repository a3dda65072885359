"""Which of the pending migrations are rehearsed."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.migrations import Migration

from dbops.core.migration import MigrationId
from dbops.errors import UsageError
from dbops.operations.history import History, find_migration, get_id
from dbops.operations.rehearse.report import RehearseOptions

ALL_PERCENT = 100
MOST_TOLD = 10


def require_options(options: RehearseOptions) -> None:
    """Refuse what does not go together.

    Raises:
        UsageError: it does not.
    """
    percent = options.sample_percent
    if percent is not None and not 0 < percent <= ALL_PERCENT:
        raise UsageError(
            f"--sample {percent:g} is no part of the rows",
            hint="say how many per cent of large tables to copy: --sample 10",
        )
    if percent is not None and options.schema_only:
        raise UsageError("--schema-only copies no rows, and --sample some of them")
    if options.static and (percent is not None or options.schema_only):
        raise UsageError("--static runs nothing, so there is nothing to copy")


def choose_pending(
    history: History, only: Sequence[tuple[str, str]]
) -> frozenset[MigrationId]:
    """Return the pending migrations that are asked for; all where none is named.

    Raises:
        UsageError: there is no such migration, or it is not pending.
    """
    pending = {get_id(each) for each in history.pending}
    if not only:
        return frozenset(pending)
    found = set()
    for app, name in only:
        each = _find_pending(history, app, name)
        if each not in pending:
            raise UsageError(
                f'migration "{each}" is not pending', hint=_tell_pending(history)
            )
        found.add(each)
    return frozenset(found)


def _find_pending(history: History, app: str, name: str) -> MigrationId:
    """Return the migration of that name.

    Raises:
        UsageError: there is none, or several; it names those that are pending.
    """
    try:
        return find_migration(history, app, name)
    except UsageError as error:
        error.hint = _tell_pending(history)
        raise


def _tell_pending(history: History) -> str:
    """Say what could be named instead."""
    names = [f"{each.app_label} {each.name}" for each in history.pending]
    if not names:
        return "nothing is pending: manage.py dbops_status"
    more = f" (and {len(names) - MOST_TOLD} more)" if len(names) > MOST_TOLD else ""
    return f"--migration with one of: {', '.join(names[:MOST_TOLD])}{more}"


def list_until_last(
    history: History, chosen: frozenset[MigrationId]
) -> list[Migration]:
    """Return the pending migrations up to the last one chosen."""
    ends = [n for n, each in enumerate(history.pending, 1) if get_id(each) in chosen]
    return list(history.pending[: max(ends)])
