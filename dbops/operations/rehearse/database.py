"""The scratch database of a rehearsal: a restored backup, or the schema alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from django.db.migrations import Migration

from dbops.core.catalog import Key
from dbops.core.manifest import Manifest
from dbops.core.migration import MigrationId
from dbops.core.origins import Mark, find_origins
from dbops.core.progress import Progress
from dbops.core.sampling import choose_files, find_foreign_keys
from dbops.core.target import Target
from dbops.core.words import count_of, name_few
from dbops.errors import Refused
from dbops.operations.backup.back_up import back_up
from dbops.operations.backup.choosing import Chosen
from dbops.operations.backup.sealing import build_seal
from dbops.operations.backup.writing import DATA
from dbops.operations.context import Context
from dbops.operations.history import History, get_id
from dbops.operations.rehearse.report import RehearseOptions
from dbops.operations.rehearse.run_plainly import apply_plainly
from dbops.operations.replay import (
    Replay,
    find_other_server,
    get_scratch_server,
    guard_others,
    open_replay,
    use_database,
)
from dbops.operations.restore.filling import fill_database
from dbops.operations.restore.new_database import find_means
from dbops.operations.restore.restore import choose_intact
from dbops.postgres.origins import fetch_next_xid, fetch_origins
from dbops.postgres.sampling import drop_orphans
from dbops.postgres.scratch import (
    fetch_search_path,
    open_maintenance_session,
    scratch_database,
)
from dbops.postgres.session import open_session
from dbops.postgres.snapshot import explain_server_failures
from dbops.postgres.tools import ClientTools

NEW = "new"


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """What the alias means inside the block, and where it comes from."""

    source: str
    """`backup` or `schema`."""
    backup_id: str | None = None
    taken_at: datetime | None = None
    sample_percent: float | None = None
    """How much of the large tables was copied; None for all."""
    origins: Mapping[Key, MigrationId] = field(default_factory=dict)
    """Which migration last touched each object, where it is known."""
    notes: tuple[str, ...] = ()


@contextmanager
def open_copy(
    context: Context, history: History, options: RehearseOptions
) -> Iterator[Copy]:
    """Make the scratch database; inside the block the alias means it.

    Nothing may be written to the project's other databases meanwhile.

    Raises:
        UsageError: there is no such backup.
        Refused: the role may not create databases, or the backup is damaged or newer
            than the database.
        ToolFailed, ServerFailed: the copy could not be made.
    """
    if options.schema_only:
        with _open_schema(context, history) as copy:
            yield copy
    else:
        with _open_backup(context, history, options) as copy:
            yield copy


@contextmanager
def _open_schema(context: Context, history: History) -> Iterator[Copy]:
    context.progress(
        f"building the schema of {len(history.applied_plan)} migrations in a scratch "
        "database"
    )
    with open_replay(context, find_other_server(context)) as replay:
        yield Copy(
            source="schema",
            origins=_apply_with_marks(replay, history.applied_plan),
            notes=("no rows were copied: times and sizes say nothing",),
        )


def _apply_with_marks(
    replay: Replay, migrations: Sequence[Migration]
) -> Mapping[Key, MigrationId]:
    """Apply them, and return which of them last touched each object."""
    connection = replay.connect()
    first = fetch_next_xid(connection)
    marks = []
    for migration in migrations:
        replay.apply([migration])
        next_xid = fetch_next_xid(connection)
        marks.append(Mark(migration=get_id(migration), next_xid=next_xid))
    return find_origins(first, marks, fetch_origins(connection))


@contextmanager
def _open_backup(
    context: Context, history: History, options: RehearseOptions
) -> Iterator[Copy]:
    chosen = _choose(context, options)
    manifest = chosen.manifest
    missing = _find_missing(history, manifest)
    server = get_scratch_server(context)
    is_own = not context.settings.scratch_url
    with open_maintenance_session(server) as session:
        means = find_means(server, session, manifest, "", context.settings.pg_bin)
    path = [each.name for each in fetch_search_path(context.connect())]
    with scratch_database(
        server, means.collations_from if is_own else None, search_path=path
    ) as target:
        notes = _fill(target, means.tools, chosen, options, context.progress)
        with use_database(context, target), guard_others(context):
            for migration in missing:
                context.progress(f"applying {get_id(migration)}, later than the backup")
                apply_plainly(context, migration)
            _settle(target, context.progress)
            yield Copy(
                source="backup",
                backup_id=manifest.backup_id,
                taken_at=manifest.taken_at,
                sample_percent=options.sample_percent,
                notes=(*notes, *_tell_missing(missing)),
            )


def _fill(
    target: Target,
    tools: ClientTools,
    chosen: Chosen,
    options: RehearseOptions,
    progress: Progress,
) -> tuple[str, ...]:
    """Restore the backup, or a part of its rows; return what is to be said of it."""
    details = chosen.backup.read_details()
    fill = partial(
        fill_database,
        target,
        tools,
        chosen.backup,
        details,
        jobs=options.jobs,
        progress=progress,
    )
    if options.sample_percent is None:
        fill()
        return ()
    files = list(chosen.backup.list(DATA))
    kept = choose_files(files, options.sample_percent)
    orphans = 0

    def fit_together() -> None:
        nonlocal orphans
        progress("deleting rows whose other end was not copied")
        orphans = drop_orphans(target, find_foreign_keys(details.catalog))

    fill(keep=lambda file: file.path in kept, before_keys=fit_together)
    note = (
        f"a sample: {len(kept)} of {len(files)} files of rows were copied, and "
        f"{count_of(orphans, 'row')} deleted that referred to others; "
        "times are scaled by the sizes of tables"
    )
    return (note,)


def _choose(context: Context, options: RehearseOptions) -> Chosen:
    storage = options.storage or context.settings.backup_directory
    reference = options.backup
    if reference == NEW:
        reference = back_up(context, storage=storage, jobs=options.jobs).backup_id
    return choose_intact(
        context.target,
        storage=storage,
        reference=reference,
        seal=build_seal(context.settings),
        progress=context.progress,
        jobs=options.jobs,
    )


def _find_missing(history: History, manifest: Manifest) -> tuple[Migration, ...]:
    """Return what was applied since the backup, in order.

    Raises:
        Refused: the backup has migrations that the database does not have.
    """
    held = set(manifest.migrations)
    for migration in history.plan:
        held |= {get_id(migration)} if _is_replaced(migration, held) else set()
    known = {get_id(each) for each in history.plan}
    later = sorted((held & known) - history.applied)
    if later:
        raise Refused(
            f"backup {manifest.backup_id} has migrations that the database does not "
            f"have: {', '.join(map(str, later))}",
            hint="manage.py dbops_rehearse --backup new",
        )
    return tuple(each for each in history.applied_plan if get_id(each) not in held)


def _is_replaced(migration: Migration, held: set[MigrationId]) -> bool:
    """Say whether all that a squash stands for is there."""
    replaced = {MigrationId(*key) for key in migration.replaces}
    return bool(replaced) and replaced <= held


def _tell_missing(missing: Sequence[Migration]) -> tuple[str, ...]:
    if not missing:
        return ()
    told = name_few([str(get_id(each)) for each in missing], "migration")
    return (f"applied since the backup, and so before the rehearsal: {told}",)


def _settle(target: Target, progress: Progress) -> None:
    """Leave the tables as a running server has them: analysed, and with hints set."""
    progress("gathering statistics for the planner")
    with (
        open_session(target, purpose="rehearse") as connection,
        explain_server_failures(),
    ):
        connection.execute("SET statement_timeout = 0")
        connection.execute("VACUUM (ANALYZE)")
