"""Sum up what tokens were spent on, for the overview of the admin site."""

import argparse
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DEFAULT_DB_ALIAS, connections

from neuroagent.models import SummedDay, TokenSum
from neuroagent.token_sums import Summed, UnknownTypeError, sum_up

USAGE = 2
REFUSED = 4


class Command(BaseCommand):
    help = (
        "Sum up the tokens of the days (of UTC) before the one of the newest message, "
        "for the overview in the admin site; days that were summed up before are "
        "compared with the messages again. To be run by cron."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--days", type=int, help="only that many, the newest (default: all)"
        )
        parser.add_argument(
            "--database",
            default=DEFAULT_DB_ALIAS,
            choices=tuple(connections),
            help="alias of the database (default: default)",
        )

    def handle(
        self, *, days: int | None, database: str, verbosity: int, **_: Any
    ) -> None:
        if days is not None and days < 1:
            raise CommandError(
                f"--days must be 1 or more, not {days}", returncode=USAGE
            )
        check_tables(database)
        began = time.monotonic()
        try:
            done = sum_up(database, days=days, report=self.report_progress)
        except UnknownTypeError:
            raise CommandError(
                f'database "{database}" has tokens of a type that is not in '
                '"token_sums"; nothing was changed for their days\n'
                "add the type to TokenType, and a column for it to TokenSum",
                returncode=REFUSED,
            ) from None
        if verbosity:
            self.stdout.write(describe(done, time.monotonic() - began))

    def report_progress(self, done: Summed) -> None:
        """Write how far it is, to somebody who waits for it."""
        if self.stderr.isatty():
            self.stderr.write(f"{done.days:,} days", style_func=str, ending="\r")


def check_tables(database: str) -> None:
    """Raise a CommandError if there is no place for the sums."""
    present = connections[database].introspection.table_names()
    for model in (SummedDay, TokenSum):
        table = model._meta.db_table  # noqa: SLF001
        if table not in present:
            raise CommandError(
                f'table "{table}" is not in database "{database}"\n'
                f"run: manage.py dbops_deploy --database {database}",
                returncode=REFUSED,
            )


def describe(done: Summed, took_s: float) -> str:
    """Return the line in the end."""
    if done.until is None:
        return "no messages, no sums"
    return (
        f"summed up {done.days:,} days before {done.until}: {done.sums:,} sums, "
        f"{done.changed:,} changed, in {took_s:.1f} s"
    )
