"""Read what an open transaction has locked, scanned, rewritten and logged."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg
from psycopg.rows import class_row

from dbops.core.lock_modes import LockMode
from dbops.core.target import Target
from dbops.postgres.session import Connection, open_session
from dbops.sql import load

SAMPLE_EVERY_S = 0.002
NOISE = ("will create implicit", "can safely use deduplication")
"""In words of no interest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredRelation:
    """A relation as it was before the migration."""

    oid: int
    name: str
    table: str | None
    kind: str
    filenode: int
    size_bytes: int

    @property
    def table_name(self) -> str:
        """The table itself, or the one that the index belongs to."""
        return self.table or self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    wal_bytes: int
    oid: int | None
    modes: list[str] | None
    filenode: int | None
    rows_read: int
    rows_changed: int
    rows_deleted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RelationReading:
    """What the transaction has done with one relation up to now."""

    modes: frozenset[LockMode]
    filenode: int | None
    rows_read: int
    rows_changed: int
    rows_deleted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What the transaction has done up to now; relations by oid."""

    wal_bytes: int
    relations: Mapping[int, RelationReading]


@dataclass(slots=True)
class Meter:
    """Reads on the session that does the work, and knows how long that took.

    A cursor of its own on the same connection sees the locks of the open transaction
    by their oid, also of what is renamed or dropped in it.
    """

    connection: Connection
    clock: Callable[[], float] = time.monotonic
    spent_s: float = 0.0
    """How long reading itself took."""
    words: list[str] = field(default_factory=list)

    def now(self) -> float:
        """Return the time without what measuring has cost."""
        return self.clock() - self.spent_s

    @contextmanager
    def unmeasured(self) -> Iterator[None]:
        """Leave the time of the block out of all that is measured."""
        started = self.clock()
        try:
            yield
        finally:
            self.spent_s += self.clock() - started

    def fetch_relations(self) -> dict[int, MeasuredRelation]:
        """Return the relations that exist now, by oid."""
        with (
            self.unmeasured(),
            self.connection.cursor(row_factory=class_row(MeasuredRelation)) as cursor,
        ):
            rows = cursor.execute(load("measure_relations")).fetchall()
        return {each.oid: each for each in rows}

    def read_first(self) -> Reading:
        """Return what a transaction has that has just begun.

        The counters of rows are those of the transactions before it.
        """
        first = self.read()
        with self.unmeasured():
            rows = self.connection.execute(load("measure_counters")).fetchall()
        relations = dict(first.relations)
        for oid, rows_read, rows_changed, rows_deleted in rows:
            relations.setdefault(
                oid,
                RelationReading(
                    modes=frozenset(),
                    filenode=None,
                    rows_read=rows_read,
                    rows_changed=rows_changed,
                    rows_deleted=rows_deleted,
                ),
            )
        return Reading(wal_bytes=first.wal_bytes, relations=relations)

    def read(self) -> Reading:
        """Return what the open transaction has done up to now."""
        with (
            self.unmeasured(),
            self.connection.cursor(row_factory=class_row(_Row)) as cursor,
        ):
            rows = cursor.execute(load("measure_reading")).fetchall()
        return Reading(
            wal_bytes=rows[0].wal_bytes,
            relations={
                each.oid: RelationReading(
                    modes=frozenset(map(LockMode.parse, each.modes or ())),
                    filenode=each.filenode,
                    rows_read=each.rows_read,
                    rows_changed=each.rows_changed,
                    rows_deleted=each.rows_deleted,
                )
                for each in rows
                if each.oid is not None
            },
        )

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Collect what the server says at DEBUG1, where the session asks for it."""
        self.connection.add_notice_handler(self._take)
        try:
            yield
        finally:
            self.connection.remove_notice_handler(self._take)

    def _take(self, notice: psycopg.errors.Diagnostic) -> None:
        text = notice.message_primary or ""
        if notice.severity_nonlocalized == "DEBUG" and not any(
            each in text for each in NOISE
        ):
            self.words.append(text)

    def take_words(self) -> tuple[str, ...]:
        """Return what was said since the last time."""
        found = tuple(dict.fromkeys(self.words))
        self.words.clear()
        return found

    def forget_counters(self) -> None:
        """Have the session report what it has counted, and begin at 0; outside of a
        transaction.
        """
        with self.unmeasured():
            self.connection.execute("SELECT pg_catalog.pg_stat_force_next_flush()")

    def ask_for_words(self) -> None:
        """Have the server say at DEBUG1 what it does."""
        with self.unmeasured():
            self.connection.execute("SET client_min_messages = debug1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A lock that was seen on another session, at a time of the meter's clock."""

    at_s: float
    oid: int
    mode: LockMode


class Sampler:
    """Looks at another session's locks from outside, again and again."""

    def __init__(self, connection: Connection, pid: int, now: Callable[[], float]):
        self._connection = connection
        self._pid = pid
        self._now = now
        self._samples: list[Sample] = []
        self._stop = threading.Event()
        self._watch = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin to look, where `watching` says so."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stop.set()
        self._watch.set()
        self._thread.join()

    @contextmanager
    def watching(self) -> Iterator[list[Sample]]:
        """Look as long as the block lasts; the list is whole after it."""
        found: list[Sample] = []
        self._samples = found
        self._watch.set()
        try:
            yield found
        finally:
            self._watch.clear()

    def _run(self) -> None:
        while True:
            self._watch.wait()
            if self._stop.is_set():
                return
            try:
                rows = self._connection.execute(
                    load("sample_locks"), {"pid": self._pid}
                ).fetchall()
            except psycopg.Error:  # What is not seen is not told.
                return
            at_s, samples = self._now(), self._samples
            samples += [
                Sample(at_s=at_s, oid=oid, mode=LockMode.parse(mode))
                for oid, mode in rows
            ]
            self._stop.wait(SAMPLE_EVERY_S)


@contextmanager
def open_sampler(
    target: Target, pid: int, now: Callable[[], float]
) -> Iterator[Sampler]:
    """Look at the locks of that session by a second one, for the block."""
    with open_session(target, purpose="rehearse:sampler") as connection:
        sampler = Sampler(connection, pid, now)
        sampler.start()
        try:
            yield sampler
        finally:
            sampler.stop()
