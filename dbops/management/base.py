"""What all `dbops_*` commands have in common."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import threading
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from django.core.management.base import (
    BaseCommand,
    CommandError,
    CommandParser,
    SystemCheckError,
)
from django.db import DEFAULT_DB_ALIAS, Error
from rich.console import RenderableType

from dbops.core.progress import Progress, silent
from dbops.errors import DbopsError, Interrupted, ServerFailed, UsageError
from dbops.operations.context import Context, build_context
from dbops.postgres.session import tell_error
from dbops.render import json
from dbops.render.text import render_error, render_text

PIPE_WIDTH = 200


class Findings(SystemCheckError):
    """The exit code of a report that was already written, and no text of its own."""


class DbopsCommand(BaseCommand):
    """Write one report to stdout; progress, questions and errors go to stderr.

    A subclass says `help`, `add_options`, `operate` and `render`, and `destructive`
    when a person has to agree first.
    """

    requires_system_checks = []
    requires_migrations_checks = False
    destructive = False
    effect = "changes"
    """What a destructive command does to the database it asks for."""

    @abstractmethod
    def operate(self, context: Context, options: dict[str, Any]) -> object:
        """Do the work and return its report."""

    @abstractmethod
    def render(self, report: Any) -> RenderableType:
        """Return what a person shall see of the report."""

    def find_subject(self, context: Context, options: dict[str, Any]) -> str:
        """Return the name of the database that a person has to type."""
        del options
        return context.target.database

    def needs_consent(self, options: dict[str, Any]) -> bool:
        """Say whether a person has to agree before the operation begins."""
        return self.destructive and not options.get("dry_run")

    def find_effect(self, options: dict[str, Any]) -> str:
        """Return what a destructive command does to that database."""
        del options
        return self.effect

    def add_options(self, parser: CommandParser) -> None:
        """Declare the options that only this command has."""

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options that all `dbops_*` commands share."""
        parser.add_argument(
            "--database",
            default=DEFAULT_DB_ALIAS,
            metavar="ALIAS",
            help='database of the settings (default: "default")',
        )
        parser.add_argument(
            "--json", action="store_true", help="write one JSON document to stdout"
        )
        if self.destructive:
            add_yes_option(parser, help_text="do not ask for the database's name")
        self.add_options(parser)

    def create_parser(
        self, prog_name: str, subcommand: str, **kwargs: Any
    ) -> CommandParser:
        """Let a wrong option be a document, too, where one was asked for."""
        # An option that changes things has to be written out.
        parser = super().create_parser(
            prog_name, subcommand, allow_abbrev=False, **kwargs
        )
        fail = parser.error

        def tell(message: str) -> None:
            if parser.called_from_command_line and "--json" in sys.argv:
                error = UsageError(message, hint=f"manage.py {subcommand} --help")
                self.stdout.write(
                    json.render_error(subcommand, DEFAULT_DB_ALIAS, error)
                )
            fail(message)

        parser.error = tell  # type: ignore[method-assign]
        return parser

    def handle(self, *_args: Any, **options: Any) -> None:
        """Run the operation; turn its outcome into text and an exit code."""
        name = type(self).__module__.rpartition(".")[2]
        alias = options["database"]
        try:
            with _terminate_like_ctrl_c():
                report = self._run(options)
        except DbopsError as error:
            self._tell_failure(name, alias, options, error)
            raise build_command_error(error) from error
        if options["json"]:
            self.stdout.write(json.render_report(name, alias, report))
        else:
            self._write_text(self.render(report), options)
        exit_code = getattr(report, "exit_code", 0)
        if exit_code:
            raise Findings("", returncode=exit_code)

    def _run(self, options: dict[str, Any]) -> object:
        context = build_context(options["database"], self._build_progress(options))
        try:
            if self.needs_consent(options):
                self._confirm(context, options)
            return self.operate(context, options)
        except KeyboardInterrupt as error:
            raise Interrupted(
                "interrupted; nothing was changed", hint="run the command again"
            ) from error
        except (psycopg.Error, Error) as error:
            raise ServerFailed(
                f'database "{context.alias}" ({context.target.place}): '
                f"{tell_error(error)}",
                hint="manage.py dbops_status",
            ) from error

    def _tell_failure(
        self, name: str, alias: str, options: dict[str, Any], error: DbopsError
    ) -> None:
        if options["json"]:
            self.stdout.write(json.render_error(name, alias, error))
        elif error.report is not None:
            self._write_text(self.render(error.report), options)

    def _write_text(self, renderable: RenderableType, options: dict[str, Any]) -> None:
        self.stdout.write(
            render_text(
                renderable,
                width=_find_width(),
                color=bool(
                    options["force_color"]
                    or (
                        self.stdout.isatty()
                        and not options["no_color"]
                        and not os.environ.get("NO_COLOR")
                    )
                ),
            )
        )

    def _build_progress(self, options: dict[str, Any]) -> Progress:
        if options["verbosity"] == 0:
            return silent

        def tell(line: str) -> None:
            # Who listened may have gone: no reason to stop half-way.
            with suppress(BrokenPipeError):
                self.stderr.write(line, style_func=str)
                self.stderr.flush()

        return tell

    def _confirm(self, context: Context, options: dict[str, Any]) -> None:
        if options["yes"]:
            return
        database = self.find_subject(context, options)
        effect = self.find_effect(options)
        if not sys.stdin.isatty():
            raise UsageError(
                f'this {effect} database "{database}", and there is no terminal '
                "to ask on",
                hint="look first with --dry-run, then run the command again with --yes",
            )
        place = context.target.with_database(database).place
        self.stderr.write(
            f'This {effect} database "{database}" ({place}).\nType its name to go on: ',
            ending="",
            style_func=str,
        )
        self.stderr.flush()
        if input().strip() != database:
            raise UsageError("that is not its name; nothing was done")


def build_command_error(error: DbopsError) -> CommandError:
    """Return Django's error for ours, with its exit code."""
    # BaseCommand prints the class's name in front of the message.
    kind: type[CommandError] = type(type(error).__name__, (CommandError,), {})
    return kind(render_error(error), returncode=error.exit_code)


def _find_width() -> int:
    if sys.stdout.isatty() or os.environ.get("COLUMNS"):
        return shutil.get_terminal_size().columns
    return PIPE_WIDTH


@contextmanager
def _terminate_like_ctrl_c() -> Iterator[None]:
    """Let SIGTERM clean up the way Ctrl-C does, as long as the work lasts."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(_signum: int, _frame: object) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def add_yes_option(parser: CommandParser, *, help_text: str) -> None:
    """Declare --yes, and the names that Django's own commands have for it."""
    parser.add_argument(
        "--yes",
        "--no-input",
        "--noinput",
        action="store_true",
        dest="yes",
        help=help_text,
    )


def add_subcommand(
    parser: CommandParser, subparsers: Any, name: str, *, help_text: str
) -> CommandParser:
    """Declare a subcommand; what all commands share may stand before or behind it."""
    added: CommandParser = subparsers.add_parser(
        name, help=help_text, allow_abbrev=False
    )
    # The parser's own is replaced later, by one that can tell it in JSON.
    added.error = lambda message: parser.error(message)  # type: ignore[method-assign]  # noqa: PLW0108
    for flags, settings in (
        (["--database"], {"metavar": "ALIAS"}),
        (["--json"], {"action": "store_true"}),
        (["--no-color"], {"action": "store_true"}),
        (["-v", "--verbosity"], {"type": int, "choices": [0, 1, 2, 3]}),
    ):
        # Not given here, they are what they are before the subcommand.
        added.add_argument(
            *flags, default=argparse.SUPPRESS, help=argparse.SUPPRESS, **settings
        )
    return added


def add_migration_arguments(parser: CommandParser, *, name_help: str) -> None:
    """Declare the arguments that name one migration."""
    parser.add_argument("app_label", metavar="APP", help="label of the app")
    parser.add_argument("migration", metavar="NAME", help=name_help)


def add_archive_options(parser: CommandParser, *, jobs_help: str) -> None:
    """Declare what taking a backup and restoring it share."""
    parser.add_argument(
        "--storage",
        metavar="DIR",
        help='directory, or s3://, gs://, az:// URL (default: DBOPS["BACKUP_STORAGE"])',
    )
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help=jobs_help)


def add_change_options(parser: CommandParser) -> None:
    """Declare what all commands share that change the database."""
    parser.add_argument(
        "--dry-run", action="store_true", help="the same report, and nothing done"
    )
    add_lock_wait_option(parser)


def add_lock_wait_option(parser: CommandParser) -> None:
    """Declare how long a command waits for the deploy lock."""
    parser.add_argument(
        "--lock-wait",
        type=float,
        default=30.0,
        metavar="SECONDS",
        help="how long to wait for another run to finish (default: 30)",
    )
