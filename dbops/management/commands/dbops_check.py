"""`manage.py dbops_check`."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import CommandParser
from rich.console import RenderableType

from dbops.errors import UsageError
from dbops.management.base import DbopsCommand, add_yes_option
from dbops.operations.check.check import CheckReport, check_migrations
from dbops.operations.check.fix_locks import FixReport, fix_migrations
from dbops.operations.context import Context
from dbops.render.check import render_check, render_github
from dbops.render.fix import render_fix

MOST_VERBOSE = 2


class Command(DbopsCommand):
    """Are the migrations fit to be deployed?"""

    help = (
        "Check the project's migrations: names, SQL files, edits after they were "
        "applied, enums, indexes, models without a migration, locks. Changes nothing "
        "without --fix; plays the migrations on a scratch database. Exit code 0: "
        "nothing found; 3: errors or warnings."
    )

    def add_options(self, parser: CommandParser) -> None:
        """Declare what to look at, and how to tell."""
        parser.add_argument(
            "labels",
            nargs="*",
            metavar="app_label",
            help="only these apps (default: all of the project)",
        )
        parser.add_argument(
            "--no-server",
            action="store_true",
            help="only what needs no connection to the database",
        )
        parser.add_argument(
            "--github",
            action="store_true",
            help="write annotations for GitHub Actions",
        )
        parser.add_argument(
            "--squawk",
            action="store_true",
            help="let squawk look at the same SQL; its findings are told apart",
        )
        parser.add_argument(
            "--fix",
            action="store_true",
            help="rewrite migrations that are not applied and would keep others "
            "waiting, where that can be done safely",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="with --fix: show what it would do"
        )
        add_yes_option(parser, help_text="with --fix: do not ask")

    def operate(
        self, context: Context, options: dict[str, Any]
    ) -> CheckReport | FixReport:
        """Apply the rules, or rewrite what breaks them."""
        self.verbosity: int = options["verbosity"]
        self.github: bool = options["github"]
        if self.github and options["json"]:
            raise UsageError("--github does not go with --json", hint="choose one")
        if options["fix"]:
            if options["no_server"]:
                raise UsageError("--fix needs the server", hint="leave out --no-server")
            return self._fix(context, options)
        return check_migrations(
            context,
            options["labels"],
            server=not options["no_server"],
            squawk=options["squawk"],
        )

    def _fix(self, context: Context, options: dict[str, Any]) -> FixReport:
        plan = fix_migrations(context, options["labels"], dry_run=True)
        if options["dry_run"] or not plan.fixes:
            return plan
        if not options["yes"]:
            if not sys.stdin.isatty():
                raise UsageError(
                    "this rewrites migrations, and there is no terminal to ask on",
                    hint="look first with --dry-run, then run it again with --yes",
                )
            self.stderr.write("".join(each.diff for each in plan.fixes))
            self.stderr.write("Rewrite them? [y/N] ", ending="")
            self.stderr.flush()
            if input().strip().lower() not in ("y", "yes"):
                return plan
        return fix_migrations(context, options["labels"])

    def render(self, report: CheckReport | FixReport) -> RenderableType:
        """Return the findings and the verdict."""
        if isinstance(report, FixReport):
            return render_fix(report)
        if self.github:
            return render_github(report)
        return render_check(report, detailed=self.verbosity >= MOST_VERBOSE)
