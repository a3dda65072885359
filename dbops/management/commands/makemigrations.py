"""Django's makemigrations, with names that say something and SQL beside the Python."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.apps import apps
from django.core.management.base import CommandError, CommandParser, no_translations
from django.core.management.commands import makemigrations
from django.db import DEFAULT_DB_ALIAS
from django.db.migrations import Migration
from django.db.migrations.autodetector import MigrationAutodetector
from django.db.migrations.loader import MigrationLoader

from dbops.conf import read_settings
from dbops.errors import DbopsError
from dbops.operations.autodetector import Autodetector
from dbops.operations.check.naming import find_name_fault
from dbops.operations.context import build_context
from dbops.operations.develop.apply import (
    apply_migrations,
    require_way_back,
    show_migrations,
)
from dbops.operations.develop.development import require_development
from dbops.operations.history import read_history
from dbops.operations.sql_files.files import (
    FileState,
    MigrationSql,
    SqlReport,
    is_project_migration,
    remove_generated_files,
    write_sql_files,
)
from dbops.render.apply import render_applied, render_shown

MOST_VERBOSE = 2
DJANGO_ONLY = ("dry_run", "merge", "empty", "name", "check_changes", "update")
NOT_APPLIED = ("dry_run", "merge", "empty", "check_changes", "update")


class Command(makemigrations.Command):
    """Check names before, and write SQL files after, what Django does."""

    help = (
        "Creates new migration(s) for apps. For the project's own apps, refuses names "
        "that say nothing, and writes beside each migration sql/<name>/migration.sql "
        "(what Django runs) and sql/<name>/down.sql (the way back)."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare Django's options, and those for the SQL files."""
        super().add_arguments(parser)
        parser.add_argument(
            "--sql",
            action="store_true",
            dest="sql_only",
            help=(
                "Create no migration, but write the SQL files that are missing or "
                "stale for the existing ones."
            ),
        )
        parser.add_argument(
            "--apply",
            action="store_true",
            dest="apply",
            help=(
                "Show the SQL of what is created with the locks that it takes, apply "
                "it to the development database, and try the way back. Refuses where "
                "dbops_push does."
            ),
        )
        parser.add_argument(
            "--database",
            default=DEFAULT_DB_ALIAS,
            metavar="ALIAS",
            help=(
                "Database of the settings that the SQL files are for; they are tried "
                'in a scratch database on its server. Default: "default".'
            ),
        )

    @no_translations
    def handle(self, *app_labels: str, **options: Any) -> None:
        """Create the migrations, or only the SQL files of those that exist."""
        # Not of the class: Django wants `migrate` to have the same (commands.E001), and
        # that only asks whether there are changes at all, which both answer alike.
        if self.autodetector is MigrationAutodetector:
            self.autodetector = Autodetector  # type: ignore[misc]
        self.database: str = options["database"]
        self.check_changes: bool = options["check_changes"]
        self.sql_only: bool = options["sql_only"]
        self.apply: bool = options["apply"]
        if self.apply:
            self._prepare_to_apply(options)
        if self.sql_only:
            self._write_all_sql(app_labels, options)
        else:
            super().handle(*app_labels, **options)

    def write_migration_files(
        self,
        changes: dict[str, list[Migration]],
        update_previous_migration_paths: dict[str, str] | None = None,
    ) -> None:
        """Write the migrations, unless one has a bad name; then their SQL files."""
        migrations = [
            migration
            for each in changes.values()
            for migration in each
            if is_project_migration(migration, read_settings())
        ]
        if not self.check_changes:
            self._judge_names(migrations)
        super().write_migration_files(changes, update_previous_migration_paths)
        if self.dry_run or not migrations:
            return
        self._remove_updated(update_previous_migration_paths or {})
        command = self._build_sql_command(migrations)
        if self.empty:
            self.log(f"Fill in the operations, then write the SQL files:\n  {command}")
            return
        _forget_imports(migrations)
        try:
            written = self._write_sql(migrations)
        except DbopsError as error:
            raise CommandError(
                f"{error.message}\n"
                "  The migrations are written, and not all of their SQL files are.\n"
                f"  Next: {f'{error.hint}; then: ' if error.hint else ''}{command}",
                returncode=error.exit_code,
            ) from error
        if self.apply:
            with _as_command_errors():
                self._apply(migrations, written)

    def _prepare_to_apply(self, options: Any) -> None:
        for name in (*NOT_APPLIED, "sql_only"):
            if options[name]:
                option = {"check_changes": "check", "sql_only": "sql"}.get(name, name)
                raise CommandError(
                    f"--apply makes and runs a migration, so --"
                    f"{option.replace('_', '-')} does not go with it",
                    returncode=2,
                )
        with _as_command_errors():
            require_development(build_context(self.database))

    def _apply(self, migrations: list[Migration], written: SqlReport) -> None:
        require_way_back(written)
        context = build_context(self.database)
        self.log(render_shown(show_migrations(context, migrations)))
        report = apply_migrations(context, migrations)
        if report.problem:
            raise CommandError(
                f"applied {', '.join(report.applied)}, and its way back does not "
                f"work: {report.problem}\n  Next: correct down.sql, then: "
                f"{self._build_sql_command(migrations)}",
                returncode=3,
            )
        self.log(render_applied(report))

    def _build_sql_command(self, migrations: Iterable[Migration]) -> str:
        words = ["python manage.py makemigrations --sql"]
        words += sorted({each.app_label for each in migrations})
        if self.database != DEFAULT_DB_ALIAS:
            words.append(f"--database {self.database}")
        return " ".join(words)

    def _judge_names(self, migrations: Iterable[Migration]) -> None:
        mode = " --empty" if self.empty else " --update" if self.update else ""
        for migration in migrations:
            fault = find_name_fault(migration)
            if fault is None:
                continue
            text = (
                f'"{migration.name}" is no name for a migration of "'
                f'{migration.app_label}": {fault.reason}\n'
                f"  Next: python manage.py makemigrations{mode} "
                f"{migration.app_label} --name {fault.example}"
            )
            if not self.dry_run:
                raise CommandError(text, returncode=2)
            self.stderr.write(self.style.WARNING(text))

    def _remove_updated(self, previous_paths: Mapping[str, str]) -> None:
        for each in previous_paths.values():
            path = Path(each)
            if path.exists():
                continue  # Django left it for a person to port.
            for kept in remove_generated_files(path.parent / "sql" / path.stem):
                self.log(
                    f"Kept {self.get_relative_path(str(kept))}: it was edited by hand"
                )

    def _write_all_sql(self, app_labels: Iterable[str], options: Any) -> None:
        self.verbosity = options["verbosity"]
        self.scriptable = options["scriptable"]
        if self.scriptable:
            self.stderr.style_func = None
        for name in DJANGO_ONLY:
            if options[name]:
                option = "check" if name == "check_changes" else name.replace("_", "-")
                raise CommandError(
                    f"--sql creates no migration, so --{option} does not go with it",
                    returncode=2,
                )
        for label in app_labels:
            try:
                apps.get_app_config(label)
            except LookupError as error:
                raise CommandError(str(error), returncode=2) from error
        settings = read_settings()
        with _as_command_errors():
            plan = read_history(build_context(self.database)).plan
            written = self._write_sql(
                each
                for each in plan
                if (each.app_label in app_labels or not app_labels)
                and is_project_migration(each, settings)
            )
        if self.verbosity and not any(map(self._has_news, written.migrations)):
            self.log("No changes detected in the SQL files")

    def _write_sql(self, migrations: Iterable[Migration]) -> SqlReport:
        """Write the SQL files; return what became of them."""

        def tell(line: str) -> None:
            if self.verbosity >= MOST_VERBOSE:
                self.log(line)

        report = write_sql_files(build_context(self.database), migrations, tell)
        told = [each for each in report.migrations if self._has_news(each)]
        labels = list(dict.fromkeys(each.migration.app for each in told))
        for label in labels if self.verbosity else ():
            self.log(self.style.MIGRATE_HEADING(f"SQL files for '{label}':"))
            for each in told:
                if each.migration.app == label:
                    self._tell(each)
        return report

    def _has_news(self, each: MigrationSql) -> bool:
        states = {each.forward.state, each.down.state}
        return bool(each.problem) or states != {FileState.CURRENT}

    def _tell(self, each: MigrationSql) -> None:
        for file in (each.forward, each.down):
            path = self.get_relative_path(str(file.path))
            note = "" if file.state is FileState.WRITTEN else f" ({file.state})"
            self.log(f"  {self.style.MIGRATE_LABEL(path)}{note}")
            if self.scriptable and self.sql_only and file.state is FileState.WRITTEN:
                self.stdout.write(path)
        if each.problem:
            self.log(self.style.WARNING(f"    a person must write it: {each.problem}"))
        elif each.outcome:
            self.log(f"    {each.outcome}")


@contextmanager
def _as_command_errors() -> Iterator[None]:
    """Tell errors of dbops in Django's way."""
    try:
        yield
    except DbopsError as error:
        hint = f"\n  Next: {error.hint}" if error.hint else ""
        raise CommandError(
            f"{error.message}{hint}", returncode=error.exit_code
        ) from error


def _forget_imports(migrations: Iterable[Migration]) -> None:
    """Let Python find modules that did not exist when it last looked."""
    importlib.invalidate_caches()
    for each in migrations:
        name, _ = MigrationLoader.migrations_module(each.app_label)
        # A directory without __init__.py was no package to Django, and now it is.
        if name and getattr(sys.modules.get(name), "__file__", None) is None:
            sys.modules.pop(name, None)
