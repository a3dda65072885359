"""`manage.py dbops_restore`: `restore`, `replace` or `bring_back`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.core.management.base import CommandParser
from rich.console import RenderableType

from dbops.conf import read_settings
from dbops.errors import UsageError
from dbops.management.base import (
    DbopsCommand,
    add_archive_options,
    add_lock_wait_option,
)
from dbops.operations.backup.choosing import read_moment
from dbops.operations.backup.sealing import build_seal
from dbops.operations.context import Context, build_context
from dbops.operations.pgbackrest.engine import uses_pgbackrest
from dbops.operations.pgbackrest.runbook import refuse_to_restore
from dbops.operations.restore.bring_back import BringBackOptions, bring_back
from dbops.operations.restore.replace import ReplaceOptions, replace_database
from dbops.operations.restore.restore import RestoreReport, restore_backup
from dbops.render.restore import render_restore

OPTIONS = {"with_access": "no-access"}


class Command(DbopsCommand):
    help = (
        "Restore a backup into a new database, prove that it is the original, and let "
        "it take the place of the live one; or keep it beside that, or bring back "
        "single tables."
    )
    destructive = True
    effect = "replaces"

    def find_subject(self, context: Context, options: dict[str, Any]) -> str:
        """Return the database that is replaced or created, or gets the tables."""
        into = options["into"]
        return str(into if into is not None else context.target.database)

    def find_effect(self, options: dict[str, Any]) -> str:
        """Return what is done to it."""
        if options["into"] is not None:
            return "creates"
        return "replaces" if options["tables"] is None else "adds a schema to"

    def add_options(self, parser: CommandParser) -> None:
        """Declare which backup, and where it goes."""
        parser.add_argument(
            "backup",
            metavar="BACKUP",
            nargs="?",
            help="its id, the beginning of it, or latest",
        )
        parser.add_argument(
            "--before",
            metavar="TIME",
            help="instead of BACKUP: the newest from before this time (ISO 8601; UTC "
            "where it has no zone)",
        )
        where = parser.add_mutually_exclusive_group()
        where.add_argument(
            "--into",
            metavar="NAME",
            help="restore into a new database of this name; replace nothing",
        )
        where.add_argument(
            "--tables",
            metavar="NAMES",
            help="bring back only these tables (a,b), in a new schema of the live "
            "database",
        )
        parser.add_argument(
            "--as-schema",
            metavar="NAME",
            help="with --tables: name of the new schema (default: restored_ID)",
        )
        parser.add_argument(
            "--drop-previous",
            action="store_true",
            help="drop the replaced database; without this it is kept under another "
            "name",
        )
        parser.add_argument(
            "--no-access",
            action="store_false",
            dest="with_access",
            help="let everything belong to this role, and leave grants out",
        )
        add_archive_options(
            parser, jobs_help="tables and indexes restored at a time (default: 2)"
        )
        add_lock_wait_option(parser)
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help="verify the backup and the way, but create nothing",
        )

    def _run(self, options: dict[str, Any]) -> object:
        # Before anybody is asked for the database's name.
        if uses_pgbackrest(read_settings(), options["storage"]):
            context = build_context(options["database"])
            refuse_to_restore(
                context,
                _read_reference(options),
                single=bool(options["into"] or options["tables"] is not None),
            )
        return super()._run(options)

    def operate(self, context: Context, options: dict[str, Any]) -> RestoreReport:
        """Restore the backup, in one of the three ways."""
        reference = _read_reference(options)
        if options["into"] is not None:
            _refuse(options, "--into", as_schema=None, drop_previous=False)
            return restore_backup(
                context.target,
                storage=options["storage"] or context.settings.backup_directory,
                backup_id=reference,
                into=options["into"],
                seal=build_seal(context.settings),
                pg_bin=context.settings.pg_bin,
                progress=context.progress,
                jobs=options["jobs"],
                with_access=options["with_access"],
                dry_run=options["dry_run"],
            )
        if options["tables"] is not None:
            _refuse(options, "--tables", drop_previous=False, with_access=True)
            return bring_back(
                context,
                BringBackOptions(
                    tables=options["tables"],
                    as_schema=options["as_schema"],
                    storage=options["storage"],
                    reference=reference,
                    jobs=options["jobs"],
                    dry_run=options["dry_run"],
                ),
            )
        _refuse(options, "a whole restore", as_schema=None)
        return replace_database(
            context,
            ReplaceOptions(
                storage=options["storage"],
                reference=reference,
                jobs=options["jobs"],
                lock_wait_s=options["lock_wait"],
                with_access=options["with_access"],
                drop_previous=options["drop_previous"],
                dry_run=options["dry_run"],
            ),
        )

    def render(self, report: RestoreReport) -> RenderableType:
        """Return the report's text."""
        return render_restore(report)


def _read_reference(options: dict[str, Any]) -> str | datetime:
    backup, before = options["backup"], options["before"]
    if (backup is None) == (before is None):
        raise UsageError(
            "name a backup, or a time with --before; one of them",
            hint="manage.py dbops_restore latest --dry-run",
        )
    return read_moment(before) if before is not None else str(backup)


def _refuse(options: dict[str, Any], what: str, **without: object) -> None:
    """Refuse options that this way of restoring does not have."""
    for name, default in without.items():
        if options[name] != default:
            option = OPTIONS.get(name, name.replace("_", "-"))
            raise UsageError(f"--{option} does not go with {what}")
