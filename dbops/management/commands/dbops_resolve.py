"""`manage.py dbops_resolve`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from rich.console import RenderableType

from dbops.errors import UsageError
from dbops.management.base import (
    DbopsCommand,
    add_change_options,
    add_migration_arguments,
)
from dbops.operations.context import Context
from dbops.operations.deploy.report import CutOff
from dbops.operations.resolve.judge import ResolveOptions
from dbops.operations.resolve.report import Action, ResolveReport
from dbops.operations.resolve.resolve import resolve
from dbops.render.resolve import render_resolve

FLAGS = {
    Action.APPLIED: "record it as applied, when all of it is there",
    Action.ROLLED_BACK: "record it as not applied, when nothing of it is there",
    Action.FINISH: "run the operations that are not done, then record it",
    Action.UNDO: "reverse the operations that are done, then forget it",
}


class Command(DbopsCommand):
    """Settle a migration that was left half done."""

    help = (
        "Tell operation by operation what the database has of one migration; with a "
        "flag, settle it. Exit codes: 3 there is something to settle; 4 refused; 8 put "
        "back; 9 stopped on the way."
    )
    destructive = True

    def add_options(self, parser: CommandParser) -> None:
        """Declare the migration, and what to do about it."""
        add_migration_arguments(parser, name_help="the migration (or its beginning)")
        for action, text in FLAGS.items():
            parser.add_argument(
                f"--{action.replace('_', '-')}",
                action="append_const",
                const=action,
                dest="actions",
                help=text,
            )
        parser.add_argument(
            "--force",
            action="store_true",
            help="with --applied or --rolled-back: record it although the schema "
            "contradicts it",
        )
        parser.add_argument(
            "--cut-off",
            choices=[CutOff.REDO.value, CutOff.SKIP.value],
            default=CutOff.ASK.value,
            help="with --finish or --undo: whether an operation on data that nobody "
            "knows of is to be done (redo) or was done (skip)",
        )
        add_change_options(parser)

    def operate(self, context: Context, options: dict[str, Any]) -> ResolveReport:
        """Look, and do what was asked for."""
        return resolve(
            context,
            options["app_label"],
            options["migration"],
            ResolveOptions(
                action=find_action(options),
                force=options["force"],
                cut_off=CutOff(options["cut_off"]),
                dry_run=options["dry_run"],
                lock_wait_s=options["lock_wait"],
            ),
        )

    def render(self, report: ResolveReport) -> RenderableType:
        """Return what is there of the migration."""
        return render_resolve(report)

    def _confirm(self, context: Context, options: dict[str, Any]) -> None:
        if find_action(options) is not Action.LOOK:
            super()._confirm(context, options)


def find_action(options: dict[str, Any]) -> Action:
    """Return what was asked for.

    Raises:
        UsageError: several things were.
    """
    actions = list(dict.fromkeys(options["actions"] or ()))
    if len(actions) > 1:
        flags = " and ".join(f"--{each.replace('_', '-')}" for each in actions)
        raise UsageError(
            f"{flags} do not go together", hint="manage.py dbops_resolve --help"
        )
    return actions[0] if actions else Action.LOOK
