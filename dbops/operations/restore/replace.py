"""Replace a database by one restored from a backup, while it is in use."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from shlex import quote

import psycopg

from dbops.core.catalog import Catalog
from dbops.core.database_name import name_beside
from dbops.core.manifest import Manifest
from dbops.core.target import Target
from dbops.errors import DbopsError, Refused, Reverted
from dbops.operations.backup.backup import (
    list_some,
    require_jobs,
)
from dbops.operations.backup.choosing import Chosen
from dbops.operations.backup.sealing import build_seal
from dbops.operations.context import Context
from dbops.operations.restore.access import require_roles
from dbops.operations.restore.new_database import (
    Means,
    drop_abandoned,
    find_abandoned,
    find_means,
    new_database,
    require_absent,
)
from dbops.operations.restore.restore import (
    RestoreReport,
    build_plan,
    build_report,
    choose_intact,
    fill_and_verify,
)
from dbops.operations.schema import fetch_live_catalog
from dbops.postgres.carrying import carry_ledger
from dbops.postgres.deploy_lock import DeployLock, open_deploy_lock
from dbops.postgres.properties import copy_owner
from dbops.postgres.scratch import drop_database, open_maintenance_session
from dbops.postgres.session import open_session, tell_error
from dbops.postgres.snapshot import explain_server_failures
from dbops.postgres.swap import Swapped, require_swappable, swap_databases


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaceOptions:
    """How a database is replaced."""

    storage: str | None = None
    reference: str | datetime = "latest"
    jobs: int = 2
    lock_wait_s: float = 30
    with_access: bool = True
    """Restore owners and grants of tables and the like, too."""
    drop_previous: bool = False
    dry_run: bool = False


def replace_database(
    context: Context,
    options: ReplaceOptions,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> RestoreReport:
    """Restore a backup beside the database, and then let it take its name and clients.

    Nothing changes for anybody until the swap at the end. Holds the deploy lock until
    then: no deployment runs meanwhile.

    Raises:
        UsageError: there is no such backup.
        Refused: a file of it is damaged, something was left out of it, or this role may
            not do it.
        Busy: a deployment runs, or the sessions would not end.
        ToolFailed: pg_restore is missing or failed.
        Reverted: the rows are not those of the backup.
    """
    started = clock()
    require_jobs(options.jobs)
    target = context.target
    with open_maintenance_session(target) as connection:
        require_swappable(connection, target.database)
    chosen = choose_intact(
        target,
        storage=options.storage or context.settings.backup_directory,
        reference=options.reference,
        seal=build_seal(context.settings),
        progress=context.progress,
        jobs=options.jobs,
    )
    _require_full(chosen.manifest)
    if options.with_access:
        with open_maintenance_session(target) as connection:
            require_roles(connection, chosen)
    if options.dry_run:
        report = _plan(context, chosen.manifest, options)
    else:
        report = _replace(context, chosen, options)
    return replace(report, duration_s=round(clock() - started, 3))


def _require_full(manifest: Manifest) -> None:
    if manifest.left_out:
        missing = list_some([str(each) for each in manifest.left_out])
        raise Refused(
            f"backup {manifest.backup_id} cannot replace the database, it is without "
            f"{missing}",
            hint="restore a full one (manage.py dbops_backups), or this one beside the "
            f"database: manage.py dbops_restore {manifest.backup_id} --into NAME",
        )


def _name_restored(database: str, manifest: Manifest) -> str:
    return name_beside(database, f"_restoring_{manifest.backup_id}")


def _find_means(context: Context, manifest: Manifest) -> Means:
    target = context.target
    with open_maintenance_session(target) as connection:
        name = _name_restored(target.database, manifest)
        return find_means(target, connection, manifest, name, context.settings.pg_bin)


def _plan(
    context: Context, manifest: Manifest, options: ReplaceOptions
) -> RestoreReport:
    target = context.target
    means = _find_means(context, manifest)
    with open_maintenance_session(target) as connection:
        left = find_abandoned(connection, target.database)
    return replace(
        build_plan(manifest, target.database, str(means.tools)),
        previous_database=name_beside(target.database, "_before_TIME"),
        previous_dropped=options.drop_previous,
        notes=tuple(
            f'database "{each}" was left by a killed restore, if none runs: '
            "the next one drops it"
            for each in left
        ),
    )


def _replace(
    context: Context, chosen: Chosen, options: ReplaceOptions
) -> RestoreReport:
    target, manifest, tell = context.target, chosen.manifest, context.progress
    means = _find_means(context, manifest)
    plan = build_plan(manifest, target.database, str(means.tools))
    with ExitStack() as stack:
        lock = stack.enter_context(
            open_deploy_lock(
                target,
                command="restore",
                wait_s=options.lock_wait_s,
                progress=tell,
            )
        )
        with open_maintenance_session(target) as connection:
            drop_abandoned(connection, target.database, tell)
            require_absent(connection, means.target.database)
        # Early, while nothing is lost yet: it needs locks on all tables for a moment.
        before = fetch_live_catalog(context)
        context.connection.close()
        tell(f'creating database "{means.target.database}"')
        with new_database(means, manifest, to_replace=target.database) as notes:
            _give_owner(target, means.target)
            comparison = fill_and_verify(
                means,
                chosen,
                jobs=options.jobs,
                progress=tell,
                with_access=options.with_access,
            )
            report = build_report(plan, comparison, notes)
            _require_same_schema(report)
            previous = name_beside(
                target.database, f"_before_{datetime.now(UTC):%Y%m%dT%H%M%S}"
            )
            carried = _carry_ledger(context, means.target, manifest, before, previous)
            lock.check()
            tell(f'replacing "{target.database}": its sessions are ended')
            swapped = _swap(context, means.target, previous, lock, stack.close)
    return _finish(
        target,
        replace(
            report,
            previous_database=previous,
            sessions_terminated=swapped.terminated,
            downtime_s=swapped.downtime_s,
            ledger_entries=carried,
            notes=(
                *report.notes,
                *swapped.notes,
                *_tell_lost_ledger(carried, previous),
            ),
        ),
        drop_previous=options.drop_previous,
    )


def _give_owner(live: Target, restored: Target) -> None:
    """Let it have the owner early, who may then make tables in schema `public`."""
    with open_maintenance_session(live) as connection:
        try:
            copy_owner(connection, live.database, restored.database)
        except psycopg.Error as error:
            role = connection.info.user
            raise Refused(
                f'role "{role}" cannot give a database the owner of '
                f'"{live.database}": {tell_error(error)}',
                hint=f'run it as the owner, or GRANT its role TO "{role}"',
            ) from error


def _carry_ledger(
    context: Context,
    restored: Target,
    manifest: Manifest,
    before: Catalog,
    previous: str,
) -> int | None:
    context.progress("carrying the ledger over")
    with (
        explain_server_failures(),
        open_session(context.target, purpose="restore:ledger") as old,
        open_session(restored, purpose="restore:ledger") as new,
    ):
        return carry_ledger(
            old,
            new,
            backup_id=manifest.backup_id,
            before=before,
            message=f'replaced the database that is now "{previous}"',
        )


def _swap(
    context: Context,
    restored: Target,
    previous: str,
    lock: DeployLock,
    leave: Callable[[], object],
) -> Swapped:
    return swap_databases(
        context.target,
        live=context.target.database,
        restored=restored.database,
        previous=previous,
        spared=lock.pid,
        leave=leave,
    )


def _finish(
    target: Target, report: RestoreReport, *, drop_previous: bool
) -> RestoreReport:
    """Drop the previous database, if that is wanted; the restore is done by now."""
    if not drop_previous or report.previous_database is None:
        return report
    try:
        with open_maintenance_session(target) as connection:
            drop_database(connection, report.previous_database)
    except (psycopg.Error, DbopsError, KeyboardInterrupt) as error:
        note = (
            f'"{report.previous_database}" was not dropped '
            f"({str(error).strip() or 'interrupted'}): "
            f"dropdb {quote(report.previous_database)}"
        )
        return replace(report, notes=(*report.notes, note))
    return replace(report, previous_dropped=True)


def _require_same_schema(report: RestoreReport) -> None:
    if report.differences:
        raise Reverted(
            f"backup {report.backup_id} was restored with another schema: "
            f"{list_some([str(each) for each in report.differences])}",
            hint="restore it beside the database, and look: "
            f"manage.py dbops_restore {report.backup_id} --into NAME",
        )


def _tell_lost_ledger(carried: int | None, previous: str) -> tuple[str, ...]:
    if carried is not None:
        return ()
    note = (
        "the backup has no ledger, or an unlike one: what was recorded since, and this "
        f'restore, is not in it; the ledger until now is in "{previous}"'
    )
    return (note,)
