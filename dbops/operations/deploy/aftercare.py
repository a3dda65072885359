"""What surrounds the schema change: hooks, smoke checks, and the watch.

The settings are read with the guards, so that a mistake in them is told before anything
is touched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from django.db.migrations import Migration

from dbops.core.hooks import Hook, HookEvent, HookKind
from dbops.core.progress import Progress, silent
from dbops.core.smoke import SmokeCheck
from dbops.core.watch import parse_thresholds
from dbops.errors import DbopsError, Refused, find_run_state
from dbops.operations.context import Context
from dbops.operations.deploy.failure import Mismatch
from dbops.operations.deploy.hooks import read_hooks, run_hooks
from dbops.operations.deploy.lost_rows import read_deletes
from dbops.operations.deploy.report import SoFar
from dbops.operations.deploy.smoke import read_smoke_checks, run_smoke_checks
from dbops.operations.deploy.watching import Watch


@dataclass(frozen=True, slots=True, kw_only=True)
class Aftercare:
    """What one run does around its changes."""

    context: Context
    checks: tuple[SmokeCheck, ...]
    hooks: tuple[Hook, ...]
    watch: Watch | None

    def look_before(self) -> None:
        """Note how busy the server is, where it will be watched."""
        if self.watch is not None:
            self.watch.look_before()

    def begin(self, so_far: SoFar) -> None:
        """Run the hooks that come right before the first change.

        Raises:
            Refused: one of them failed; nothing was changed.
        """
        if any(each.kind is HookKind.BEFORE for each in self.hooks):
            with so_far.step("hooks before"):
                problem = self._run_hooks(HookKind.BEFORE, so_far)
                if problem:
                    raise Refused(
                        f"{problem}; nothing was changed",
                        hint="see what the hook says above, then manage.py "
                        "dbops_deploy",
                    )
        self.look_before()

    def finish(self, so_far: SoFar, keep_alive: Callable[[], object]) -> None:
        """Run what comes once the schema is verified: hooks, smoke checks, watch.

        `keep_alive` is called at each look of the watch, which may last for hours.

        Raises:
            Mismatch: one of them fails, or finds something wrong.
        """
        if any(each.kind is HookKind.AFTER for each in self.hooks):
            with so_far.step("hooks after"):
                _require(self._run_hooks(HookKind.AFTER, so_far), HOOK_HINT)
        if self.checks:
            with so_far.step("smoke checks"):
                problem = self._run_checks(so_far, self.context.progress)
                _require(problem, SMOKE_HINT)
        if self.watch is not None:
            with so_far.step("watch"):
                self._watch(self.watch, so_far, keep_alive)

    def _watch(
        self, watch: Watch, so_far: SoFar, keep_alive: Callable[[], object]
    ) -> None:
        def check() -> str:
            keep_alive()
            return self._run_checks(so_far, silent)

        report = watch.run(check)
        so_far.update(watch=report)
        if report.interrupted:
            _add_note(so_far, "the watch was ended by a person before its time")
        _require("; ".join(report.alarms), WATCH_HINT)

    def fail(self, so_far: SoFar, failure: DbopsError) -> None:
        """Run the hooks that tell of a failure; one that fails itself is a note."""
        try:
            problem = self._run_hooks(HookKind.ON_FAILURE, so_far, failure)
        except KeyboardInterrupt:
            problem = "the hooks on_failure were interrupted"
        if problem:
            _add_note(so_far, problem)
        if failure.report is not None:
            failure.report = so_far.report

    def _run_hooks(
        self, kind: HookKind, so_far: SoFar, failure: DbopsError | None = None
    ) -> str:
        event = HookEvent(
            kind=kind,
            database=self.context.alias,
            deployment_id=so_far.report.deployment_id,
            state=find_run_state(failure) if failure else "running",
            applied=so_far.report.applied,
            problem=failure.message if failure else "",
        )
        return run_hooks(self.hooks, kind, event, self.context.progress)

    def _run_checks(self, so_far: SoFar, progress: Progress) -> str:
        results = run_smoke_checks(self.checks, progress)
        so_far.update(smoke_checks=results)
        return "; ".join(
            f'smoke check "{each.name}": {each.problem}'
            for each in results
            if not each.ok
        )


HOOK_HINT = "see what the hook says above, then manage.py dbops_deploy"
SMOKE_HINT = (
    "look at the application, and correct it, the migration or the check; then "
    "manage.py dbops_deploy"
)
WATCH_HINT = (
    'look at the application and the server; DBOPS["WATCH"] says what is an alarm; '
    "then manage.py dbops_deploy"
)


def _require(problem: str, hint: str) -> None:
    if problem:
        raise Mismatch(f"verification failed: {problem}", hint=hint)


def _add_note(so_far: SoFar, note: str) -> None:
    so_far.update(notes=(*so_far.report.notes, note))


def read_aftercare(
    context: Context, pending: Iterable[Migration], *, watch_s: float | None
) -> Aftercare:
    """Read what the project wants around its deployments; touches nothing.

    Raises:
        Refused: a setting cannot be read, a variable is not set, a hook is not there,
            or a migration's `deletes` is no list of tables.
    """
    thresholds = parse_thresholds(context.settings.watch)
    for migration in pending:
        read_deletes(migration)
    return Aftercare(
        context=context,
        checks=read_smoke_checks(context.settings),
        hooks=read_hooks(context.settings),
        watch=None
        if watch_s is None
        else Watch(
            context.target,
            thresholds,
            planned_s=watch_s,
            progress=context.progress,
        ),
    )
