"""Remove the backups that nobody needs any more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import psycopg
from django.core.exceptions import ImproperlyConfigured

from dbops.core.retention import Decision, Rules, decide_retention
from dbops.errors import DbopsError, Refused, UsageError
from dbops.operations.backup.backups import (
    Action,
    BackupRow,
    DraftState,
    build_candidate,
    list_drafts,
    open_storage,
    read_backups,
)
from dbops.operations.context import Context
from dbops.operations.storage import Vault
from dbops.operations.storage.directory import DirectoryVault
from dbops.postgres.ledger_reading import (
    NeededBackup,
    fetch_needed_backups,
    ledger_exists,
)
from dbops.postgres.session import open_session, tell_error

CUT_OFF_AFTER_S = 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PrunedBackup:
    """A backup, and what becomes of it."""

    backup_id: str
    taken_at: datetime
    age_s: float
    size_bytes: int | None
    level: str
    keep: bool
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PrunedDraft:
    """A backup that was never published, and what becomes of it."""

    backup_id: str
    age_s: float
    keep: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneReport:
    """What was removed and why; with `dry_run` what would be."""

    action: Action = Action.PRUNE
    place: str
    backups: tuple[PrunedBackup, ...]
    """Newest first."""
    drafts: tuple[PrunedDraft, ...]
    removed: tuple[str, ...]
    freed_bytes: int
    notes: tuple[str, ...]
    dry_run: bool


def require_rules(rules: Rules) -> None:
    """Refuse to prune by no rule, or by one that keeps nothing."""
    if rules.are_empty:
        raise UsageError(
            "say what to keep",
            hint="--keep-last 7, --keep-days 30, or "
            "--keep-daily 7 --keep-weekly 4 --keep-monthly 12",
        )
    for name in Rules.__slots__:
        value = getattr(rules, name)
        if value is not None and value < 1:
            raise UsageError(
                f"--keep-{name} is {value}, and has to be 1 or more",
                hint="leave a rule out that shall keep nothing",
            )


def prune_backups(
    context: Context,
    rules: Rules,
    *,
    storage: str | None = None,
    without_ledger: bool = False,
    dry_run: bool = False,
    now: datetime | None = None,
) -> PruneReport:
    """Remove the backups that no rule keeps and no deployment needs, oldest first.

    Drafts go, too, when they were cut off: in a directory those whose writer is gone,
    in an object store those that are older than a day.

    Raises:
        UsageError: there is no rule.
        Refused: the ledger cannot be read, and nobody said that it may be left out.
        ToolFailed: the storage failed; the report has what was removed until then.
    """
    require_rules(rules)
    vault, _ = open_storage(context, storage)
    now = now or datetime.now(UTC)
    # Before the ledger: what is published later is newer, and not among these.
    rows = read_backups(vault, now=now)
    drafts = list_drafts(vault, now)
    needed, notes = ({}, ()) if without_ledger else _read_ledger(context)
    decisions = decide_retention(
        map(build_candidate, rows), rules, now=now, needed=needed
    )
    plan = _build_plan(vault, rows, decisions, drafts, notes)
    return plan if dry_run else _remove(context, vault, plan)


def _read_ledger(context: Context) -> tuple[Mapping[str, str], tuple[str, ...]]:
    try:
        with open_session(context.target, purpose="prune:ledger") as session:
            if not ledger_exists(session):
                return {}, ("the database has no ledger of deployments",)
            return _explain(fetch_needed_backups(session)), ()
    except (DbopsError, psycopg.Error, ImproperlyConfigured) as error:
        raise Refused(
            "the ledger cannot be read, which knows the backups that deployments "
            f"still need: {tell_error(error)}",
            hint="where that does not matter, add --without-ledger",
        ) from error


def _explain(needed: Sequence[NeededBackup]) -> Mapping[str, str]:
    return {
        each.backup_id: (
            f"taken for the {_describe(each.state)} {each.kind} of "
            f"{each.started_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        )
        for each in reversed(needed)
    }


def _describe(state: str) -> str:
    return "last" if state == "done" else f"unfinished ({state.replace('_', ' ')})"


def _build_plan(
    vault: Vault,
    rows: Sequence[BackupRow],
    decisions: Sequence[Decision],
    drafts: Sequence[DraftState],
    notes: tuple[str, ...],
) -> PruneReport:
    known = {each.backup_id: each for each in rows}
    backups = tuple(
        PrunedBackup(
            backup_id=each.backup_id,
            taken_at=each.taken_at,
            age_s=known[each.backup_id].age_s,
            size_bytes=known[each.backup_id].size_bytes,
            level=each.level,
            keep=each.keep,
            reasons=each.reasons,
        )
        for each in decisions
    )
    gone = [each for each in backups if not each.keep]
    return PruneReport(
        place=vault.place,
        backups=backups,
        drafts=tuple(
            PrunedDraft(
                backup_id=each.backup_id,
                age_s=each.age_s,
                keep=each.age_s <= CUT_OFF_AFTER_S,
            )
            for each in drafts
        ),
        removed=tuple(each.backup_id for each in gone),
        freed_bytes=sum(each.size_bytes or 0 for each in gone),
        notes=notes,
        dry_run=True,
    )


def _remove(context: Context, vault: Vault, plan: PruneReport) -> PruneReport:
    """Do what the plan says, and return what was done."""
    sizes = {each.backup_id: each.size_bytes or 0 for each in plan.backups}
    removed: list[str] = []
    drafts = plan.drafts
    try:
        for backup_id in reversed(plan.removed):
            context.progress(f"removing {backup_id}")
            vault.remove(backup_id)
            removed.append(backup_id)
        drafts = _remove_drafts(vault, drafts)
    except DbopsError as error:
        error.report = _build_done(plan, removed, drafts, sizes)
        raise
    return _build_done(plan, removed, drafts, sizes)


def _build_done(
    plan: PruneReport,
    removed: Sequence[str],
    drafts: tuple[PrunedDraft, ...],
    sizes: Mapping[str, int],
) -> PruneReport:
    return replace(
        plan,
        drafts=drafts,
        removed=tuple(reversed(removed)),
        freed_bytes=sum(sizes[each] for each in removed),
        dry_run=False,
    )


def _remove_drafts(
    vault: Vault, drafts: Sequence[PrunedDraft]
) -> tuple[PrunedDraft, ...]:
    if not drafts:
        return ()
    if isinstance(vault, DirectoryVault):
        vault.prepare()  # It can tell whether somebody still writes one.
    else:
        for each in drafts:
            if not each.keep:
                vault.remove(each.backup_id)
    left = set(vault.list_drafts())
    return tuple(replace(each, keep=each.backup_id in left) for each in drafts)
