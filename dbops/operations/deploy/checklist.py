"""The guards of a deployment, judged one after the other and told as they are."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from django.db.migrations import Migration

from dbops.core.finding import Finding, Level
from dbops.core.guards import (
    Guard,
    GuardName,
    GuardState,
    judge,
    list_allowed,
    list_failed,
)
from dbops.core.migration import MigrationId
from dbops.core.progress import Progress
from dbops.core.proof import Proofs, list_no_way_back, tell_breaks, tell_verdicts
from dbops.core.rehearsal import RoundTrip
from dbops.core.sql_script import Irreversible
from dbops.core.words import count_of
from dbops.errors import DbopsError, Refused, UsageError
from dbops.operations.check.check import apply_static_rules, find_edited
from dbops.operations.check.graph import read_project
from dbops.operations.context import Context
from dbops.operations.deploy.report import DeployReport, DeployState, SoFar
from dbops.operations.deploy.unapply import find_way_back
from dbops.operations.doctor.doctor import examine
from dbops.operations.history import History, get_id
from dbops.operations.sql_files.files import is_project_migration, read_down

MOST_TOLD = 3
CUT_OFF = "dbops.D023"
"""A run that left something half done: this one looks how far it came, and goes on."""


def require_names(names: Iterable[str]) -> frozenset[str]:
    """Return the guards' names.

    Raises:
        UsageError: one of them is no guard, or cannot be passed.
    """
    known = {each.value for each in GuardName} - {GuardName.HISTORY.value}
    given = frozenset(names)
    for each in sorted(given - known):
        raise UsageError(
            f'there is no guard "{each}" that could be passed',
            hint=f"use --allow with one of: {', '.join(sorted(known))}",
        )
    return given


class Checklist:
    """The guards judged so far; each is told at once."""

    def __init__(self, allowed: Collection[str], progress: Progress) -> None:
        self._allowed = allowed
        self._progress = progress
        self._judged: dict[GuardName, Guard] = {}

    @property
    def guards(self) -> tuple[Guard, ...]:
        """Those judged so far, in their order; of one judged again, the last word."""
        return tuple(self._judged[each] for each in GuardName if each in self._judged)

    @property
    def passed(self) -> tuple[str, ...]:
        """The names of those that do not hold, and that a person lets pass."""
        return list_allowed(self.guards)

    def tick(self, name: GuardName, detail: str = "") -> None:
        """Note that it holds."""
        self._add(Guard(name=name, state=GuardState.OK, detail=detail))

    def waive(self, name: GuardName, detail: str) -> None:
        """Note that nothing was looked at, since a person does without."""
        self._add(Guard(name=name, state=GuardState.ALLOWED, detail=detail))

    def skip(self, name: GuardName, why: str) -> None:
        """Note that nothing was looked at."""
        self._add(Guard(name=name, state=GuardState.SKIPPED, detail=why))

    def judge(
        self, name: GuardName, problems: Collection[str], ok: str, *, hint: str = ""
    ) -> None:
        """Note whether it holds: it does where there is no problem."""
        if not problems:
            self.tick(name, ok)
            return
        more = len(problems) - MOST_TOLD
        told = "; ".join(list(problems)[:MOST_TOLD])
        problem = told + (f"; and {more} more" if more > 0 else "")
        self._add(judge(name, problem, self._allowed, hint=hint))

    def _add(self, guard: Guard) -> None:
        self._judged[guard.name] = guard
        self._progress(str(guard))

    def require(self) -> None:
        """Go on only where all hold, or a person lets them pass.

        Raises:
            Refused: some do not; all of them are told.
        """
        failed = list_failed(self.guards)
        if not failed:
            return
        told = "; ".join(f"{each.name}: {each.detail}" for each in failed)
        names = " ".join(f"--allow {each.name}" for each in failed)
        cures = "; ".join(dict.fromkeys(each.hint for each in failed if each.hint))
        raise Refused(
            f"{count_of(len(failed), 'guard')} not passed: {told}",
            hint=f"{cures}; or let it pass by its name: {names}" if cures else names,
        )


@contextmanager
def tell_guards(checklist: Checklist, so_far: SoFar | None = None) -> Iterator[None]:
    """Put the guards into the report, and into that of a refusal."""
    try:
        yield
    except DbopsError as error:
        if error.report is None:
            error.report = so_far.report if so_far else _build_failed()
        if isinstance(error.report, DeployReport):
            error.report = replace(error.report, guards=checklist.guards)
        raise
    finally:
        if so_far is not None:
            so_far.update(guards=checklist.guards)


def _build_failed() -> DeployReport:
    return DeployReport(state=DeployState.FAILED)


def look_at_surroundings(
    context: Context, history: History, checklist: Checklist
) -> None:
    """Judge what needs neither a backup nor a copy."""
    found = examine(context).findings
    findings = [each for each in found if each.id != CUT_OFF]
    checklist.judge(
        GuardName.DOCTOR,
        _list_errors(findings),
        _count_warnings(findings),
        hint="manage.py dbops_doctor",
    )
    faults = tuple(_check(context, history))
    checklist.judge(
        GuardName.CHECKS,
        _list_errors(faults),
        _count_warnings(faults),
        hint="manage.py dbops_check",
    )


def _check(context: Context, history: History) -> Iterable[Finding]:
    """Yield what is wrong with what is pending, or with what was applied."""
    pending = {get_id(each) for each in history.pending}
    project = read_project(context.settings, ())
    names = {str(each) for each in pending}
    for _, findings in apply_static_rules(project, context.settings, (), pending):
        yield from (each for each in findings if _is_about(each, names))
    yield from find_edited(context, project.loader, context.settings)


def _is_about(finding: Finding, pending: Collection[str]) -> bool:
    """Leave out what is wrong with migrations that are applied already."""
    return "." not in finding.object or finding.object in pending


def _list_errors(findings: Iterable[Finding]) -> list[str]:
    return [each.message for each in findings if each.level is Level.ERROR]


def _count_warnings(findings: Iterable[Finding]) -> str:
    warnings = [each for each in findings if each.level is Level.WARNING]
    return count_of(len(warnings), "warning") if warnings else ""


def look_at_ways_back(
    context: Context, history: History, checklist: Checklist, proofs: Proofs | None
) -> None:
    """Judge whether each leads back, as far as its files and a rehearsal tell."""
    declared: set[MigrationId] = set()
    problems = []
    for migration in history.pending:
        try:
            find_way_back(context, migration)
        except DbopsError as error:
            if _is_declared(context, migration):
                declared.add(get_id(migration))
            else:
                problems.append(error.message)
    problems += list_no_way_back(proofs, declared)
    checklist.judge(
        GuardName.WAY_BACK,
        problems,
        f"{len(declared)} declared irreversible" if declared else "",
        hint=_advise_way_back(context, proofs),
    )


def _advise_way_back(context: Context, proofs: Proofs | None) -> str:
    hint = "manage.py dbops_rehearse"
    lossy = proofs and any(
        each.round_trip is RoundTrip.LOSSY and not each.leads_back
        for each in proofs.migrations
    )
    if lossy and not context.settings.keep_dropped:
        return f'{hint}; or keep what is dropped: DBOPS["KEEP_DROPPED"] = 30 (days)'
    return hint


def _is_declared(context: Context, migration: Migration) -> bool:
    """Say whether its author says so; Django's operations say it of others' apps."""
    if not is_project_migration(migration, context.settings):
        return True
    try:
        return isinstance(read_down(migration), Irreversible)
    except Refused:  # It cannot be run as it is.
        return False


def look_at_proofs(checklist: Checklist, proofs: Proofs) -> None:
    """Judge what a rehearsal has shown, but for the ways back."""
    hint = "manage.py dbops_rehearse -v 2"
    where = f"on backup {proofs.backup_id}" if proofs.backup_id else "without rows"
    checklist.judge(
        GuardName.REHEARSAL,
        proofs.failures,
        f"{tell_verdicts(proofs.migrations)} {where}",
        hint=hint,
    )
    if proofs.backup_id:
        checklist.judge(GuardName.LOCK_BUDGET, proofs.over_budget, "", hint=hint)
    else:
        checklist.skip(GuardName.LOCK_BUDGET, "no rows, so no times")
    breaks = [tell_breaks(proofs.breaks)] if proofs.breaks else []
    checklist.judge(GuardName.OLD_RELEASE, breaks, "", hint=hint)
