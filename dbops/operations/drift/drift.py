"""Is the live schema what the migrations build?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from dbops.core.catalog import Catalog
from dbops.core.compare import Difference, DifferenceKind, Note
from dbops.core.culprit import JournalEntry, find_culprit
from dbops.core.migration import MigrationId
from dbops.core.removals import find_removal
from dbops.core.repair import build_repair, comment_out
from dbops.core.statement import mask_secrets
from dbops.operations.context import Context
from dbops.operations.deploy.guard import require_adopted
from dbops.operations.drift.expected import Measured, measure
from dbops.operations.drift.repair_proof import play_there_and_back
from dbops.operations.history import History, get_id, read_history
from dbops.operations.schema import fetch_live_catalog
from dbops.postgres.ddl_journal import fetch_entries
from dbops.postgres.deploy_lock import open_deploy_lock
from dbops.postgres.ledger_reading import fetch_last_deployment


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift(Difference):
    """One object that is not as the migrations build it."""

    migration: MigrationId | None
    """The last that touched it: what is not expected, the last that removed it. None
    where none did."""
    by: JournalEntry | None = None
    """Who changed it by hand, where the journal knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftReport:
    """How the live schema stands to the migrations."""

    differences: tuple[Drift, ...]
    notes: tuple[Note, ...]
    """Column order, generated names, versions of extensions: never drift."""
    left_out: Mapping[str, int]
    """How many objects were not looked at, by the reason."""
    objects: int
    """Schema objects of the live database."""
    applied: int
    pending: tuple[MigrationId, ...]
    unknown: tuple[MigrationId, ...]
    """Applied and not on disk: what they made is told as not expected."""
    unfinished: str
    """The run that did not end well, if the last one did not."""
    place: str
    server: str
    from_cache: bool
    """What the migrations build was known from an earlier run."""
    sql: str | None = None
    """With `--sql`: what would put the database back."""

    @property
    def exit_code(self) -> int:
        """3 where anything differs."""
        return 3 if self.differences else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftOptions:
    """What may be chosen."""

    use_cache: bool = True
    sql: bool = False
    lock_wait_s: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What is there, and how it stands to what the applied migrations build."""

    history: History
    live: Catalog
    measured: Measured
    unfinished: str

    @property
    def differences(self) -> tuple[Difference, ...]:
        """What is not as the migrations build it."""
        return self.measured.comparison.differences


def look(context: Context, options: DriftOptions) -> Look:
    """Read the live schema while no deployment runs, and compare it.

    Raises: as `find_drift`.
    """
    with open_deploy_lock(
        context.target,
        command="drift",
        wait_s=options.lock_wait_s,
        shared=True,
        progress=context.progress,
    ):
        history = read_history(context)
        live = fetch_live_catalog(context)
        unfinished = _find_unfinished(context)
    require_adopted(context, history)
    measured = measure(context, history, live, use_cache=options.use_cache)
    return Look(history=history, live=live, measured=measured, unfinished=unfinished)


def find_drift(context: Context, options: DriftOptions) -> DriftReport:
    """Compare the live schema with what the applied migrations build.

    Changes nothing in the database. A deployment that runs is waited for: its middle
    is no drift.

    Raises:
        Refused: the database was not adopted, or the role may not create the scratch
            database that the migrations are replayed in.
        Busy: a deployment went on for all of the time to wait.
        ServerFailed: a migration fails even on an empty database.
    """
    found = look(context, options)
    measured, history = found.measured, found.history
    connection = context.connect()
    entries = fetch_entries(connection) if found.differences else []
    return DriftReport(
        differences=tuple(
            build_drift(each, measured, entries) for each in found.differences
        ),
        notes=measured.comparison.notes,
        left_out=measured.comparison.left_out,
        objects=len(found.live.objects),
        applied=len(history.applied),
        pending=tuple(map(get_id, history.pending)),
        unknown=history.unknown,
        unfinished=found.unfinished,
        place=context.target.place,
        server=f"PostgreSQL {connection.info.parameter_status('server_version')}",
        from_cache=measured.from_cache,
        sql=_write_sql(context, found) if options.sql else None,
    )


def _write_sql(context: Context, found: Look) -> str:
    """Return the SQL that puts the database back, and what came of playing it."""
    expected = found.measured.expected
    back = build_repair(expected, found.live, found.differences)
    if not back.statements:
        return back.script
    there = build_repair(
        found.live, expected, [each.swap() for each in found.differences]
    )
    proof = play_there_and_back(
        context,
        found.history,
        found.live,
        there=there.statements,
        back=back.statements,
        left=there.by_hand,
    )
    outcome = proof.back or "gives what the migrations build"
    head = "NOT PROVEN" if proof.back else "played on a scratch database"
    return comment_out(f"{head}: {outcome}") + back.script


def build_drift(
    difference: Difference, measured: Measured, entries: Sequence[JournalEntry] = ()
) -> Drift:
    """Say which migration last touched what differs, and who changed it since."""
    by = find_culprit(difference, entries)
    key = difference.object, difference.name
    is_extra = difference.kind is DifferenceKind.EXTRA
    return Drift(
        kind=difference.kind,
        object=difference.object,
        name=difference.name,
        expected=difference.expected,
        actual=difference.actual,
        migration=find_removal(key, measured.removals)
        if is_extra
        else measured.origins.get(key),
        by=by and replace(by, statement=mask_secrets(by.statement)),
    )


def _find_unfinished(context: Context) -> str:
    """To be asked under the deploy lock: what is running then was cut off."""
    last = fetch_last_deployment(context.connect())
    if last is None or last.state not in ("running", "needs_repair"):
        return ""
    return f"the {last.kind} of {last.started_at:%Y-%m-%d %H:%M:%S} UTC did not finish"
