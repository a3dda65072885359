"""`manage.py dbops_locks`."""

from __future__ import annotations

import sys
from argparse import ArgumentTypeError
from typing import Any

from django.core.management.base import CommandParser
from rich.console import Console, RenderableType
from rich.live import Live

from dbops.core.duration import parse_duration
from dbops.errors import UsageError
from dbops.management.base import DbopsCommand
from dbops.operations.context import Context
from dbops.operations.locks.acting import carry_out
from dbops.operations.locks.locks import MIN_WAIT_S, LocksOptions, LocksReport, look
from dbops.operations.locks.plan import Order, Plan, plan_acts
from dbops.operations.locks.watch import watch
from dbops.render.locks import render_acts, render_locks, render_watch

WATCH_S = 2.0


class Command(DbopsCommand):
    """Who blocks whom?"""

    help = (
        "Tell who waits for whom, since when, behind whom, and what is safe to do; "
        "cancel or terminate who is in the way. Waits for nobody itself. Exit codes: 0 "
        "nobody waits as long as --min-wait; 3 somebody does, or what was signalled is "
        "still there; 4 it must not be signalled."
    )
    destructive = True
    effect = "ends what others do in"

    def add_options(self, parser: CommandParser) -> None:
        """Declare what to look at, and what to do."""
        parser.add_argument(
            "--table", default="", metavar="NAME", help="only this table or index"
        )
        parser.add_argument(
            "--pid",
            type=int,
            metavar="PID",
            help="only what this session waits for, and what waits for it",
        )
        parser.add_argument(
            "--min-wait",
            type=float,
            default=MIN_WAIT_S,
            metavar="SECONDS",
            help="shorter waits are not told, and are no reason for exit code 3 "
            f"(default: {MIN_WAIT_S:g})",
        )
        parser.add_argument(
            "--watch",
            nargs="?",
            type=_read_interval,
            const=WATCH_S,
            metavar="SECONDS",
            help=f"look again and again, until Ctrl-C (default: every {WATCH_S:g})",
        )
        _add_acts(parser)

    def needs_consent(self, options: dict[str, Any]) -> bool:
        """Look first: a person agrees to what was found."""
        del options
        return False

    def operate(self, context: Context, options: dict[str, Any]) -> LocksReport:
        """Look, once or again and again; or act."""
        order = Order(
            cancel=tuple(options["cancel"]),
            terminate=tuple(options["terminate"]),
            idle_older_than_s=options["idle_older_than_s"],
            force=options["force"],
        )
        wished = LocksOptions(
            table=options["table"],
            pid=options["pid"],
            min_wait_s=options["min_wait"],
        )
        if not order.is_empty:
            return self._act(context, order, options)
        if options["watch"] is None:
            return look(context, wished)
        if options["json"]:
            raise UsageError(
                "--json writes one document, and --watch many reports",
                hint="manage.py dbops_locks --json, as often as needed",
            )
        return self._watch(context, wished, options)

    def _act(
        self, context: Context, order: Order, options: dict[str, Any]
    ) -> LocksReport:
        if options["watch"] is not None:
            raise UsageError("act or watch, not both", hint="leave --watch out")
        plan = plan_acts(context, order)
        if options["dry_run"] or not plan.acts:
            return plan.report
        self._tell(plan)
        self._confirm(context, options)
        return carry_out(context, plan)

    def _tell(self, plan: Plan) -> None:
        """Show what somebody is asked to agree to; the report comes on stdout."""
        for line in render_acts(plan.report):
            self.stderr.write(line, style_func=str)
        self.stderr.flush()

    def _watch(
        self, context: Context, wished: LocksOptions, options: dict[str, Any]
    ) -> LocksReport:
        interval_s = options["watch"]
        if not self.stdout.isatty():

            def write(report: LocksReport) -> None:
                self._write_text(render_watch(report), options)
                self.stdout.flush()

            return watch(context, wished, write, interval_s=interval_s)
        console = Console(
            file=sys.stdout,
            highlight=False,
            markup=False,
            no_color=options["no_color"] or None,
        )
        with Live(console=console, screen=True, auto_refresh=False) as live:
            return watch(
                context,
                wished,
                lambda report: live.update(render_watch(report), refresh=True),
                interval_s=interval_s,
            )

    def render(self, report: LocksReport) -> RenderableType:
        """Return roots, queues and verdict."""
        return render_locks(report)


def _add_acts(parser: CommandParser) -> None:
    parser.add_argument(
        "--cancel",
        type=int,
        action="append",
        default=[],
        metavar="PID",
        help="end this session's query; its transaction is rolled back",
    )
    parser.add_argument(
        "--terminate",
        type=int,
        action="append",
        default=[],
        metavar="PID",
        help="end this session",
    )
    parser.add_argument(
        "--terminate-idle-in-transaction-older-than",
        type=_read_duration,
        dest="idle_older_than_s",
        metavar="DURATION",
        help="end all sessions of the database that do nothing in a transaction for so "
        "long: 90s, 10m, 2h",
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="signal what is refused otherwise: a walsender, a vacuum to prevent "
        "wraparound, a backup of dbops, a session of another database",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="the same report, and nothing done"
    )


def _read_duration(text: str) -> float:
    found = parse_duration(text)
    if found is None:
        raise ArgumentTypeError(f'"{text}" is no duration: 90s, 10m, 2h')
    return found


def _read_interval(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not found > 0:
        raise ArgumentTypeError(f'"{text}" is no number of seconds above 0')
    return found
