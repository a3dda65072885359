"""Are the migrations fit to be deployed? What is wrong, with the cure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from django.apps import apps
from django.conf import settings as django_settings
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from dbops.conf import Settings
from dbops.core.finding import Finding, Level, find_exit_code
from dbops.core.hazards.judge import Step
from dbops.core.hazards.sizes import Sizes
from dbops.core.migration import MigrationId
from dbops.core.migration_digest import is_comparable
from dbops.errors import DbopsError, Refused, UsageError
from dbops.operations.check.digest import digest_migration, get_path
from dbops.operations.check.enums import find_early_uses
from dbops.operations.check.files import find_file_faults, find_name_faults
from dbops.operations.check.graph import (
    Project,
    find_conflicts,
    find_drift,
    hold_pending,
    read_project,
)
from dbops.operations.check.indexes import find_lost_indexes
from dbops.operations.check.locks import (
    Silenced,
    build_missing_parser,
    choose_judged,
    fetch_sizes,
    judge_migration,
    needs_parser,
)
from dbops.operations.check.replay import play_plan
from dbops.operations.check.squawk import run_squawk
from dbops.operations.check.written import read_written
from dbops.operations.context import Context
from dbops.operations.history import get_id, read_history
from dbops.operations.sql_files.files import is_project_migration
from dbops.postgres.ledger_reading import fetch_digests, ledger_exists


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """What was found, and what was looked for."""

    findings: tuple[Finding, ...]
    checked: tuple[str, ...]
    """The rules that were applied; those that could not be are left out."""
    migrations: int
    """How many of the project's migrations were looked at."""
    silenced: int = 0
    """Findings left out for SILENCED_SYSTEM_CHECKS, and those of `answered_for`."""
    answered_for: tuple[Silenced, ...] = ()
    """Findings that their migrations have a reason for."""
    squawk: tuple[Finding, ...] = ()
    """What squawk says of the same SQL, where it was asked."""

    @property
    def exit_code(self) -> int:
        """3 for any error or warning."""
        return find_exit_code(self.findings)


def check_migrations(
    context: Context,
    labels: Collection[str] = (),
    *,
    server: bool = True,
    squawk: bool = False,
) -> CheckReport:
    """Apply all rules; with `server` also those that need one. Changes nothing.

    With `squawk`, that linter looks at the same SQL.

    Raises:
        ToolFailed: squawk is not installed, or fails.
        UsageError: there is no app of that label.
        ServerFailed: the server cannot be reached.
        Refused: the role may not create the scratch database.
    """
    for label in labels:
        _require_app(label)
    run = _Run(context, labels)
    try:
        run.check(server=server)
        if squawk:
            run.ask_squawk()
    except DbopsError as error:
        error.report = run.build_report()
        raise
    return run.build_report()


def _require_app(label: str) -> None:
    if label not in apps.app_configs:
        raise UsageError(
            f'there is no app "{label}"',
            hint=f"use one of: {', '.join(sorted(apps.app_configs))}",
        )


class _Run:
    def __init__(self, context: Context, labels: Collection[str]) -> None:
        self.context = context
        self.labels = labels
        self.findings: list[Finding] = []
        self.checked: list[str] = []
        self.migrations = 0
        self.answered_for: list[Silenced] = []
        self.squawk: list[Finding] = []
        self._steps: Mapping[MigrationId, Sequence[Step]] = {}
        self._is_empty = False
        self._pending: tuple[MigrationId, ...] = ()

    def build_report(self) -> CheckReport:
        silenced = set(django_settings.SILENCED_SYSTEM_CHECKS)
        told = tuple(each for each in self.findings if each.id not in silenced)
        return CheckReport(
            findings=told,
            checked=tuple(self.checked),
            migrations=self.migrations,
            silenced=len(self.findings) - len(told) + len(self.answered_for),
            answered_for=tuple(self.answered_for),
            squawk=tuple(self.squawk),
        )

    def add(self, rule: str, findings: Iterable[Finding]) -> None:
        self.findings.extend(findings)
        self.checked.append(rule)

    def check(self, *, server: bool) -> None:
        settings = self.context.settings
        try:
            project = read_project(settings, self.labels)
        except Exception as error:  # noqa: BLE001  Migrations are other people's.
            self.add("graph", [build_broken(error)])
            return
        self.migrations = len(project.own)
        if server:
            self._check_history(project)
        pending = self._pending if server else ()
        for rule, findings in apply_static_rules(
            project, settings, self.labels, pending
        ):
            self.add(rule, findings)
        if not server and not project.conflicts:
            self._check_written(project)
        if server:
            self.add(
                "edited",
                find_edited(self.context, project.loader, settings, self.labels),
            )
            if not project.conflicts:
                self._check_played(project)

    def _check_written(self, project: Project) -> None:
        if needs_parser():
            self.findings.append(build_missing_parser())
            return
        judged = choose_judged(project, self.labels, (), is_empty=True)
        sizes = Sizes(tables={}, known=False)
        steps: dict[MigrationId, Sequence[Step]] = {}
        found: list[Finding] = []
        for migration, run in read_written(self.context, project, judged):
            steps[get_id(migration)] = run
            findings, silenced = judge_migration(
                migration, run, sizes, self.context.settings
            )
            found += findings
            self.answered_for += silenced
        self.add("locks", found)
        self._steps = steps

    def ask_squawk(self) -> None:
        """Let squawk look at what the judged migrations run."""
        self.squawk += run_squawk(self._steps)

    def _check_played(self, project: Project) -> None:
        judged = choose_judged(
            project, self.labels, self._pending, is_empty=self._is_empty
        )
        if needs_parser():
            judged = ()
        played = play_plan(
            self.context,
            project.plan,
            hold_pending(project, self._pending),
            judged,
            fetch_sizes(self.context, known=not self._is_empty),
        )
        self.add("sql", played.files)
        if needs_parser():
            self.findings.append(build_missing_parser())
            return
        self.add("locks", played.locks)
        self.answered_for += played.silenced
        self._steps = played.steps

    def _check_history(self, project: Project) -> None:
        try:
            history = read_history(self.context)
        except Refused as error:
            if not project.conflicts:
                self.add("history", [_build_contradiction(error)])
            return
        self._pending = tuple(map(get_id, history.pending))
        self._is_empty = not history.applied
        self.checked.append("history")


def apply_static_rules(
    project: Project,
    settings: Settings,
    labels: Collection[str],
    pending: Collection[MigrationId] = (),
) -> Iterator[tuple[str, list[Finding]]]:
    """Yield each rule that needs no server with what it found."""
    held = hold_pending(project, pending)
    yield "graph", list(find_conflicts(project, settings, labels))
    yield "names", list(find_name_faults(held))
    yield "files", list(find_file_faults(held))
    yield "enums", [each for one in project.own for each in find_early_uses(one)]
    yield "indexes", list(find_lost_indexes(project.plan, project.own))
    if not project.conflicts:
        yield "models", list(find_drift(project, settings, labels))


def find_edited(
    context: Context,
    loader: MigrationLoader,
    settings: Settings,
    labels: Collection[str] = (),
) -> Iterator[Finding]:
    """Yield the applied migrations that are no longer what was applied.

    One whose digest was not recorded is left out.
    """
    connection = context.connect()
    if not ledger_exists(connection):
        return
    applied = MigrationRecorder(context.connection).applied_migrations()
    for row in fetch_digests(connection):
        migration = loader.disk_migrations.get((row.app, row.migration))
        if (
            migration is None
            or (row.app, row.migration) not in applied
            or (labels and row.app not in labels)
            or not is_project_migration(migration, settings)
        ):
            continue
        now = digest_migration(migration)
        if is_comparable(row.digest, now) and row.digest != now:
            yield Finding(
                id="dbops.W006",
                level=Level.WARNING,
                message=f'"{get_id(migration)}" was edited after it was applied on '
                f"{row.started_at:%Y-%m-%d}",
                object=str(get_id(migration)),
                hint="put it back as it was, and make the change in a new migration",
                path=str(get_path(migration)),
            )


def build_broken(error: Exception) -> Finding:
    """Return the finding for migrations that cannot be read at all."""
    place = error if isinstance(error, SyntaxError) else None
    return Finding(
        id="dbops.E012",
        level=Level.ERROR,
        message="the project's migrations cannot be read: "
        f"{type(error).__name__}: {' '.join(str(error).split()).rstrip('.')}",
        hint="correct the migration; see them with: manage.py showmigrations",
        path=(place.filename or "") if place else "",
        line=place.lineno if place else None,
    )


def _build_contradiction(error: Refused) -> Finding:
    return Finding(
        id="dbops.E013",
        level=Level.ERROR,
        message=error.message,
        hint=error.hint or "",
    )
