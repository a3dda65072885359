"""Fill a database with made-up conversations."""

import argparse
import dataclasses
import time
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import chain, islice
from operator import attrgetter
from typing import Any

import psycopg
from django.core.management.base import BaseCommand, CommandError
from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.db.backends.utils import CursorWrapper
from psycopg.sql import SQL, Identifier

from neuroagent.demo import generate_conversations
from neuroagent.demo_rows import Conversation, Row
from neuroagent.models import Thread

BATCH_SIZE = 100
"""Threads held in memory and copied at a time."""

TABLES: dict[str, Callable[[Conversation], Sequence[Row]]] = {
    "threads": lambda conversation: (conversation.thread,),
    "messages": attrgetter("messages"),
    "tool_calls": attrgetter("tool_calls"),
    "tool_selection": attrgetter("tool_selections"),
    "token_consumption": attrgetter("token_consumption"),
    "complexity_estimation": attrgetter("complexity_estimations"),
}
"""What of a conversation goes where, in the order that the foreign keys ask for."""

USAGE = 2
REFUSED = 4


class Command(BaseCommand):
    help = (
        "Add made-up conversations about neuroscience, in one transaction. "
        "The same seed always gives the same rows."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--threads", type=int, default=2000, help="conversations (default: 2000)"
        )
        parser.add_argument(
            "--messages-per-thread",
            type=int,
            default=12,
            help="messages in a conversation, on average (default: 12)",
        )
        parser.add_argument(
            "--seed", type=int, default=1, help="which conversations (default: 1)"
        )
        parser.add_argument(
            "--database",
            default=DEFAULT_DB_ALIAS,
            choices=tuple(connections),
            help="alias of the database to fill (default: default)",
        )

    def handle(
        self,
        *,
        threads: int,
        messages_per_thread: int,
        seed: int,
        database: str,
        verbosity: int,
        **_: Any,
    ) -> None:
        check_at_least("--threads", threads, 1)
        check_at_least("--messages-per-thread", messages_per_thread, 2)
        check_at_least("--seed", seed, 0)
        check_tables(database)
        started = time.monotonic()
        conversations = generate_conversations(
            seed=seed, threads=threads, messages_per_thread=messages_per_thread
        )
        first = next(conversations)
        if Thread.objects.using(database).filter(pk=first.thread.thread_id).exists():
            raise already_there(seed, database)
        conversations = chain([first], conversations)
        copied: Counter[str] = Counter()
        try:
            with (
                transaction.atomic(using=database),
                connections[database].cursor() as cursor,
            ):
                while batch := list(islice(conversations, BATCH_SIZE)):
                    copied += copy_conversations(cursor, batch)
                    if verbosity:
                        self.report_progress(copied, threads)
                analyze_tables(cursor)
        except psycopg.errors.UniqueViolation as error:
            raise already_there(seed, database) from error
        rows = ", ".join(f"{count:,} {table}" for table, count in copied.items())
        self.stdout.write(
            f'added to "{database}" from seed {seed}: {rows}, '
            f"in {time.monotonic() - started:.1f} s"
        )

    def report_progress(self, copied: Counter[str], threads: int) -> None:
        """Write how far it is: one line that moves, or a line for every tenth."""
        done = copied["threads"]
        is_last = done == threads
        in_place = self.stderr.isatty()
        step = max(threads // 10, BATCH_SIZE)
        if is_last or in_place or done % step < BATCH_SIZE:
            self.stderr.write(
                f"{done:,} of {threads:,} threads, {copied['messages']:,} messages",
                style_func=str,
                ending="\r" if in_place and not is_last else "\n",
            )


def check_at_least(option: str, value: int, least: int) -> None:
    """Raise a CommandError for an option that is too small."""
    if value < least:
        raise CommandError(
            f"{option} must be {least} or more, not {value}", returncode=USAGE
        )


def check_tables(database: str) -> None:
    """Raise a CommandError if one of the tables is not in the database."""
    present = connections[database].introspection.table_names()
    missing = [table for table in TABLES if table not in present]
    if missing:
        raise CommandError(
            f'table "{missing[0]}" is not in database "{database}"\n'
            f"run: manage.py dbops_deploy --database {database}",
            returncode=REFUSED,
        )


def already_there(seed: int, database: str) -> CommandError:
    """Return the error for rows that cannot be added twice."""
    return CommandError(
        f'demo data of seed {seed} is already in database "{database}"\n'
        "use another --seed, or delete its threads",
        returncode=REFUSED,
    )


def copy_conversations(
    cursor: CursorWrapper, batch: Sequence[Conversation]
) -> Counter[str]:
    """Copy the conversations into their tables, and count the rows by table."""
    copied: Counter[str] = Counter()
    for table, rows_of in TABLES.items():
        rows = list(chain.from_iterable(map(rows_of, batch)))
        copy_rows(cursor, table, rows)
        copied[table] = len(rows)
    return copied


def copy_rows(cursor: CursorWrapper, table: str, rows: Sequence[Row]) -> None:
    """Copy rows of one kind, whose fields are named as the table's columns.

    Source: https://www.psycopg.org/psycopg3/docs/basic/copy.html
    """
    if not rows:
        return
    columns = [field.name for field in dataclasses.fields(rows[0])]
    values_of = attrgetter(*columns)
    statement = SQL("COPY {} ({}) FROM STDIN").format(
        Identifier(table), SQL(", ").join(map(Identifier, columns))
    )
    with cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(values_of(row))


def analyze_tables(cursor: CursorWrapper) -> None:
    """Tell the planner of the new rows, as autovacuum would a minute later."""
    cursor.execute(SQL("ANALYZE {}").format(SQL(", ").join(map(Identifier, TABLES))))
