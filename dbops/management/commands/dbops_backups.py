"""`manage.py dbops_backups`: see `dbops.operations.backup.backups`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser
from rich.console import RenderableType

from dbops.conf import read_settings
from dbops.core.duration import parse_duration
from dbops.core.retention import Rules
from dbops.errors import UsageError
from dbops.management.base import DbopsCommand, add_subcommand, add_yes_option
from dbops.operations.backup.backups import (
    Action,
    TableOrder,
    list_backups,
    show_backup,
    show_roles,
)
from dbops.operations.backup.check import (
    BackupCheckReport,
    build_metrics,
    check_backups,
    write_metrics,
)
from dbops.operations.backup.notify import tell_failure, tell_outcome
from dbops.operations.backup.prune import prune_backups, require_rules
from dbops.operations.backup.report import Verified
from dbops.operations.backup.verify import CHOICES, verify_backup
from dbops.operations.context import Context
from dbops.operations.pgbackrest.backups import (
    check_physical_backups,
    list_physical_backups,
    refuse_to_prune,
    show_physical_backup,
    verify_physical_backup,
)
from dbops.operations.pgbackrest.engine import uses_pgbackrest
from dbops.render.backups import render_backups

CHECK = "check of backups"
"""How people are told of it."""
HELP = {
    Action.LIST: "all of them, newest first (also without a subcommand)",
    Action.SHOW: "everything about one of them",
    Action.VERIFY: "look whether one can be restored, and write that down",
    Action.PRUNE: "remove those that no rule keeps",
    Action.CHECK: "for cron: is there one that is young and proven enough?",
}
RULES = {
    "last": "the newest N",
    "days": "those younger than N days",
    "daily": "the newest of each of the last N days that have one",
    "weekly": "the newest of each of the last N weeks",
    "monthly": "the newest of each of the last N months",
}


class Command(DbopsCommand):
    """The backups that there are."""

    help = (
        "List, show, verify, prune and check the backups of the database. All but "
        "verify --level restored and prune work without the server. "
        "Exit code 0: done, nothing is wrong; 3: a backup is damaged, or there is none "
        "that is young and proven enough."
    )
    effect = "removes backups of"

    def add_options(self, parser: CommandParser) -> None:
        """Declare the subcommands; what all commands share goes behind them, too."""
        parser.set_defaults(action=Action.LIST, storage=None)
        subparsers = parser.add_subparsers(metavar="SUBCOMMAND")
        add = partial(_add_subcommand, parser, subparsers)
        add(Action.LIST)
        show = add(Action.SHOW, takes_backup=True)
        show.add_argument(
            "--sort",
            choices=[str(each) for each in TableOrder],
            default=str(TableOrder.SIZE),
            help="order of the tables (default: size)",
        )
        show.add_argument(
            "--roles",
            action="store_true",
            help="instead: SQL that makes the roles which a restore with owners and "
            "grants needs, for psql on another server",
        )
        verify = add(Action.VERIFY, takes_backup=True)
        _add_level(
            verify,
            "--level",
            "how far to look (default: contents; pgBackRest: checksum)",
            default=None,
        )
        verify.add_argument(
            "--jobs",
            type=int,
            default=2,
            metavar="N",
            help="files or tables at a time (default: 2)",
        )
        prune = add(Action.PRUNE)
        for name, what in RULES.items():
            prune.add_argument(
                f"--keep-{name}", type=int, metavar="N", help=f"keep {what}"
            )
        prune.add_argument(
            "--without-ledger",
            action="store_true",
            help="do not ask the database which backups its deployments need",
        )
        prune.add_argument(
            "--dry-run", action="store_true", help="the same report, and nothing done"
        )
        add_yes_option(prune, help_text="do not ask for the database's name")
        check = add(Action.CHECK)
        check.add_argument(
            "--max-age",
            default="26h",
            metavar="AGE",
            help="like 90m, 26h or 7d (default: 26h)",
        )
        _add_level(
            check,
            "--min-level",
            "how far it is proven (default: contents; pgBackRest: checksum)",
            default=str(Verified.CONTENTS),
        )
        check.add_argument(
            "--prometheus",
            type=Path,
            metavar="FILE",
            help="write metrics for the exporter's text file collector",
        )

    def find_subject(self, context: Context, options: dict[str, Any]) -> str:
        """Return the name of the database whose backups are removed."""
        del options
        return str(context.connection.settings_dict["NAME"])

    def _run(self, options: dict[str, Any]) -> object:
        # Of all that is done here only removing is for good.
        self.destructive = options["action"] is Action.PRUNE
        if self.destructive:
            if uses_pgbackrest(settings := read_settings(), options["storage"]):
                raise refuse_to_prune(settings)
            require_rules(_read_rules(options))
        return super()._run(options)

    def operate(self, context: Context, options: dict[str, Any]) -> object:
        """Do what the subcommand says."""
        if options["action"] is Action.CHECK:
            return self._check(context, options)
        if uses_pgbackrest(context.settings, options["storage"]):
            return _operate_physically(context, options)
        return _operate(context, options)

    def _check(self, context: Context, options: dict[str, Any]) -> BackupCheckReport:
        max_age_s = parse_duration(options["max_age"])
        if max_age_s is None:
            raise UsageError(
                f'"{options["max_age"]}" is no duration',
                hint="--max-age 26h, 90m or 7d",
            )
        with tell_failure(context, CHECK, warn=self.stderr.write):
            min_level = Verified(options["min_level"])
            if uses_pgbackrest(context.settings, options["storage"]):
                report = check_physical_backups(
                    context, max_age_s=max_age_s, min_level=min_level
                )
            else:
                report = check_backups(
                    context,
                    max_age_s=max_age_s,
                    min_level=min_level,
                    storage=options["storage"],
                )
        problem = "\n".join(report.failures) or None
        tell_outcome(context, CHECK, problem, warn=self.stderr.write)
        if options["prometheus"]:
            write_metrics(options["prometheus"], build_metrics(report))
        return report

    def render(self, report: Any) -> RenderableType:
        """Return the report's text."""
        return render_backups(report)


def _read_rules(options: dict[str, Any]) -> Rules:
    return Rules(**{name: options[f"keep_{name}"] for name in RULES})


def _add_level(
    parser: CommandParser, option: str, help_text: str, *, default: str | None
) -> None:
    parser.add_argument(
        option,
        choices=[str(each) for each in CHOICES],
        default=default,
        help=help_text,
    )


def _add_subcommand(
    parser: CommandParser,
    subparsers: Any,
    action: Action,
    *,
    takes_backup: bool = False,
) -> CommandParser:
    added = add_subcommand(parser, subparsers, str(action), help_text=HELP[action])
    added.set_defaults(action=action)
    if takes_backup:
        added.add_argument(
            "backup", metavar="BACKUP", help="its id, the beginning of it, or latest"
        )
    added.add_argument(
        "--storage",
        metavar="DIR",
        help='directory or URL (default: DBOPS["BACKUP_STORAGE"])',
    )
    return added


def _operate(context: Context, options: dict[str, Any]) -> object:
    storage = options["storage"]
    match options["action"]:
        case Action.SHOW if options["roles"]:
            return show_roles(context, options["backup"], storage=storage)
        case Action.SHOW:
            order = TableOrder(options["sort"])
            return show_backup(context, options["backup"], storage=storage, order=order)
        case Action.VERIFY:
            return verify_backup(
                context,
                options["backup"],
                storage=storage,
                level=Verified(options["level"] or Verified.CONTENTS),
                jobs=options["jobs"],
            )
        case Action.PRUNE:
            return prune_backups(
                context,
                _read_rules(options),
                storage=storage,
                without_ledger=options["without_ledger"],
                dry_run=options["dry_run"],
            )
        case _:
            return list_backups(context, storage=storage)


def _operate_physically(context: Context, options: dict[str, Any]) -> object:
    match options["action"]:
        case Action.SHOW if options["roles"]:
            raise UsageError(
                "a backup of pgBackRest's has all roles of the server in it",
                hint="manage.py dbops_backups show ID",
            )
        case Action.SHOW:
            return show_physical_backup(context, options["backup"])
        case Action.VERIFY:
            level = Verified(options["level"]) if options["level"] else None
            return verify_physical_backup(context, options["backup"], level=level)
        case _:
            return list_physical_backups(context)
