"""`manage.py dbops_history`: see `dbops.operations.ledger`."""

from __future__ import annotations

import argparse
from functools import partial
from typing import Any

from django.core.management.base import CommandParser
from rich.console import RenderableType
from rich.text import Text

from dbops.errors import UsageError
from dbops.management.base import DbopsCommand, add_subcommand, add_yes_option
from dbops.models import Deployment
from dbops.operations.context import Context
from dbops.operations.kept.purge import list_kept, purge
from dbops.operations.ledger.accept import accept_ledger
from dbops.operations.ledger.history import (
    HistoryFilter,
    list_history,
    read_since,
    show_run,
)
from dbops.operations.ledger.report import HistoryAction
from dbops.operations.ledger.verify import export_ledger, verify_ledger
from dbops.render.history import render_history, render_history_markdown

HELP = {
    HistoryAction.LIST: "runs, newest first (also without a subcommand)",
    HistoryAction.SHOW: "everything about one run, with each statement as executed",
    HistoryAction.VERIFY: "was any row edited, deleted or inserted?",
    HistoryAction.EXPORT: "write the ledger to a file, as JSON Lines",
    HistoryAction.ACCEPT: "attest rows that were written past the chain, as they are",
    HistoryAction.KEPT: "what is kept of dropped tables and columns, until when",
    HistoryAction.PURGE: "drop for good what was kept and is over its time",
}


class Command(DbopsCommand):
    """What dbops did to the database."""

    help = (
        "The ledger: what ran, when, by whom and from where, how long, what a "
        "rehearsal foretold, which guards were let pass, and how it ended. All but "
        "accept and purge only read. "
        "Exit code 3: verify found what is not as it was written."
    )

    effect = "attests what was written past the chain, in the ledger of"

    def needs_consent(self, options: dict[str, Any]) -> bool:
        """Ask before an edit is accepted, or something is gone for good."""
        changing = {HistoryAction.ACCEPT, HistoryAction.PURGE}
        return options["action"] in changing and not options.get("dry_run")

    def find_effect(self, options: dict[str, Any]) -> str:
        """Return what it does to the database it asks for."""
        if options["action"] is HistoryAction.PURGE:
            return "drops for good what is kept over its time in"
        return self.effect

    def add_options(self, parser: CommandParser) -> None:
        """Declare the subcommands, and the filters of the list."""
        parser.set_defaults(action=HistoryAction.LIST)
        _add_filters(parser, is_default=True)
        subparsers = parser.add_subparsers(metavar="SUBCOMMAND")
        add = partial(_add_subcommand, parser, subparsers)
        _add_filters(add(HistoryAction.LIST), is_default=False)
        show = add(HistoryAction.SHOW)
        show.add_argument("run", metavar="ID", help="of a run, or the beginning of it")
        _add_markdown(show, default=argparse.SUPPRESS)
        verify = add(HistoryAction.VERIFY)
        verify.add_argument(
            "--head",
            default="",
            metavar="HASH",
            help="of an entry that was kept elsewhere: is it still in the chain?",
        )
        verify.add_argument(
            "--file", metavar="FILE", help="an export instead; no server is needed"
        )
        export = add(HistoryAction.EXPORT)
        export.add_argument("file", metavar="FILE", help="is replaced if it is there")
        accept = add(HistoryAction.ACCEPT)
        add_yes_option(accept, help_text="do not ask for the database's name")
        add(HistoryAction.KEPT)
        purging = add(HistoryAction.PURGE)
        purging.add_argument(
            "--dry-run", action="store_true", help="the same report, and nothing done"
        )
        add_yes_option(purging, help_text="do not ask for the database's name")

    def operate(self, context: Context, options: dict[str, Any]) -> object:
        """Do what the subcommand says."""
        self.markdown = options["markdown"]
        if self.markdown and options["json"]:
            raise UsageError("--markdown and --json exclude each other")
        match options["action"]:
            case HistoryAction.SHOW:
                return show_run(context, options["run"])
            case HistoryAction.VERIFY:
                return verify_ledger(
                    context, head=options["head"], file=options["file"]
                )
            case HistoryAction.EXPORT:
                return export_ledger(context, options["file"])
            case HistoryAction.ACCEPT:
                return accept_ledger(context)
            case HistoryAction.KEPT | HistoryAction.PURGE as action:
                return _look_at_kept(context, action, options)
            case _:
                return list_history(context, _read_filter(options))

    def render(self, report: Any) -> RenderableType:
        """Return the report's text."""
        if self.markdown:
            return Text(render_history_markdown(report))
        return render_history(report)


def _look_at_kept(
    context: Context, action: HistoryAction, options: dict[str, Any]
) -> object:
    if action is HistoryAction.KEPT:
        return list_kept(context)
    return purge(context, dry_run=options["dry_run"])


def _read_filter(options: dict[str, Any]) -> HistoryFilter:
    since = options["since"]
    return HistoryFilter(
        kinds=tuple(options["kind"] or ()),
        states=tuple(options["state"] or ()),
        since=read_since(since) if since else None,
        app=options["app"],
        limit=options["limit"],
    )


def _add_markdown(parser: CommandParser, *, default: Any) -> None:
    parser.add_argument(
        "--markdown",
        action="store_true",
        default=default,
        help="write Markdown, for a release or a pull request",
    )


def _add_filters(parser: CommandParser, *, is_default: bool) -> None:
    """Declare the filters; behind `list` they override what is before it."""

    def choose(value: Any) -> Any:
        return value if is_default else argparse.SUPPRESS

    parser.add_argument(
        "--kind",
        action="append",
        default=choose(None),
        choices=Deployment.Kind.values,
        help="only runs of this kind; may be repeated",
    )
    parser.add_argument(
        "--state",
        action="append",
        default=choose(None),
        choices=Deployment.State.values,
        help="only runs that ended so; may be repeated",
    )
    parser.add_argument(
        "--since",
        default=choose(None),
        metavar="TIME",
        help="like 7d, 12h or 2026-11-23T06:30:00Z",
    )
    parser.add_argument(
        "--app",
        default=choose(None),
        metavar="LABEL",
        help="only runs with a migration of this app",
    )
    parser.add_argument(
        "--limit",
        type=int,
        default=choose(20),
        metavar="N",
        help="how many at most (default: 20)",
    )
    _add_markdown(parser, default=choose(value=False))


def _add_subcommand(
    parser: CommandParser, subparsers: Any, action: HistoryAction
) -> CommandParser:
    added = add_subcommand(parser, subparsers, str(action), help_text=HELP[action])
    added.set_defaults(action=action)
    return added
