"""Watch the statements of a migration: an execute wrapper that only looks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from django.db import transaction

from dbops.core.hold_times import LockTaken
from dbops.core.lock_modes import LockMode
from dbops.core.measurement import MeasuredStatement, StatementLock
from dbops.operations.context import Context
from dbops.operations.rehearse.tracing import Place, find_place
from dbops.operations.rehearse.watching_drafts import Draft, OpenTransaction, add_rows
from dbops.postgres.measuring import (
    SAMPLE_EVERY_S,
    MeasuredRelation,
    Meter,
    Reading,
    Sample,
    Sampler,
    open_sampler,
)

LONGEST_SQL = 400
BOOKKEEPING = '"django_migrations"'
UNSEEN = "-- what went past Django's cursors"
QUIET = re.compile(
    r"\s*(?:(?:RELEASE )?SAVEPOINT\b"
    r"|SELECT\b.*\bpg_(?:class|constraint|attribute|index)\b)",
    re.IGNORECASE | re.DOTALL,
)
"""What only Django needs: savepoints, and a look at the catalog."""
ROLLBACK = re.compile(r"\s*ROLLBACK\b", re.IGNORECASE)
QUOTED = re.compile(r'"((?:[^"]|"")+)"')
MOST_STATEMENTS = 200
"""Of one operation that are told apart: some run one for each row."""
OTHERS = "-- and other statements of this operation"


class Watch:
    """Sees each statement that goes through Django's cursors while a migration runs.

    What it costs is left out of all times. A statement that comes again is counted, and
    looked at together with what follows.
    """

    def __init__(self, context: Context, meter: Meter, sampler: Sampler) -> None:
        self._context = context
        self._connection = context.connection
        self._meter = meter
        self._sampler = sampler
        self.relations = meter.fetch_relations()
        self._filenodes = {oid: each.filenode for oid, each in self.relations.items()}
        self._done: list[Draft] = []
        self._locks: list[LockTaken] = []
        self._open: OpenTransaction | None = None
        self._names_of: dict[str, tuple[Place, frozenset[str]]] = {}
        self._number = 0
        self.started_s = meter.now()

    def now(self) -> float:
        """Return the time on the clock of all this, without its own costs."""
        return self._meter.now()

    @property
    def statements(self) -> tuple[MeasuredStatement, ...]:
        """What was seen, in the order of the first time."""
        drafts = [*self._done, *(self._open.drafts.values() if self._open else ())]
        return tuple(each.finish() for each in drafts)

    @property
    def locks(self) -> tuple[LockTaken, ...]:
        """The locks of the transactions that were committed."""
        return tuple(self._locks)

    def __call__(
        self,
        execute: Any,
        sql: Any,
        params: Any,
        many: bool,  # noqa: FBT001  Django's signature.
        within: Any,
    ) -> Any:
        """Run one statement, and look at what it did."""
        call = partial(execute, sql, params, many, within)
        text = sql if isinstance(sql, str) else str(sql)
        if BOOKKEEPING in text:
            self.look_again()
            return call()
        if QUIET.match(text):
            return call()
        if ROLLBACK.match(text):
            result = call()
            self.look_again()
            return result
        if self._connection.in_atomic_block:
            return self._run_in_transaction(call, text)
        return self._run_alone(call, text)

    def _run_in_transaction(self, call: Callable[[], Any], text: str) -> Any:
        with self._meter.unmeasured():
            current = self._require_transaction()
            place = self._place(text)
            siblings = sum(1 for number, _ in current.drafts if number == place.number)
            key = place.number, text if siblings < MOST_STATEMENTS else OTHERS
            draft = current.drafts.get((place.number, text)) or current.drafts.get(key)
        repeated = draft is not None
        if draft is None:
            if current.stale is not None:
                self._look(current, current.stale, current.stale_since_s)
            draft = self._draft(key[1], place, in_transaction=True)
            current.drafts[key] = draft
        started = self._meter.now()
        result = call()
        draft.times += 1
        draft.duration_s += self._meter.now() - started
        if repeated:
            if current.stale is None:
                current.stale_since_s = started
            current.stale = draft
        else:
            self._look(current, draft, started)
        return result

    def _require_transaction(self) -> OpenTransaction:
        outer = self._connection.atomic_blocks[0]
        if self._open is None or self._open.outer is not outer:
            # One that was open and is not any more was rolled back.
            self._open = OpenTransaction(outer=outer, last=self._meter.read_first())
            self._meter.take_words()
        hooks = [each[1] for each in self._connection.run_on_commit]
        if self._finish_transaction not in hooks:
            transaction.on_commit(self._finish_transaction, using=self._context.alias)
        return self._open

    def _finish_transaction(self) -> None:
        """Be told of a COMMIT, right after it."""
        current, self._open = self._open, None
        if current is None:
            return
        now = self._meter.now()
        for (oid, mode), (taken_s, number) in current.held.items():
            current.locks.append(self._build_lock(oid, mode, taken_s, now, number))
        self._done += current.drafts.values()
        self._locks += current.locks

    def look_again(self) -> None:
        """Look at what went past Django's cursors, before the transaction ends."""
        if not self._connection.in_atomic_block:
            return
        outer = self._connection.atomic_blocks[0]
        if self._open is None or self._open.outer is not outer:
            self._look_first()
            return
        last = self._open.stale or next(reversed(self._open.drafts.values()), None)
        if last is not None:
            self._look(self._open, last, self._meter.now())

    def _look_first(self) -> None:
        """Look at a transaction of which no statement was seen."""
        current = self._require_transaction()
        # All that it has done is of this transaction, as far as anybody knows.
        current.last = replace(current.last, relations={})
        draft = self._draft(UNSEEN, Place(), in_transaction=True)
        draft.times = 1
        self._look(current, draft, self.started_s)
        if draft.locks or draft.changes or draft.scans:
            current.drafts[None, UNSEEN] = draft

    def _look(self, current: OpenTransaction, draft: Draft, started_s: float) -> None:
        ended_s = self._meter.now()
        reading = self._meter.read()
        with self._meter.unmeasured():
            current.stale = None
            draft.words |= dict.fromkeys(self._meter.take_words())
            draft.wal_bytes += reading.wal_bytes - current.last.wal_bytes
            self._follow_locks(current, reading, draft, started_s, ended_s)
            for oid, now in reading.relations.items():
                relation = self.relations.get(oid)
                if relation is None:
                    continue
                before = current.last.relations.get(oid)
                add_rows(
                    draft.scans,
                    relation,
                    now.rows_read - (before.rows_read if before else 0),
                )
                add_rows(
                    draft.changes,
                    relation,
                    now.rows_changed - (before.rows_changed if before else 0),
                )
                add_rows(
                    draft.deletes,
                    relation,
                    now.rows_deleted - (before.rows_deleted if before else 0),
                )
                self._note_filenode(draft, relation, now.filenode)
            relations = {**current.last.relations, **reading.relations}
            current.last = replace(reading, relations=relations)

    def _note_filenode(
        self, draft: Draft, relation: MeasuredRelation, filenode: int | None
    ) -> None:
        if filenode is None or filenode == self._filenodes[relation.oid]:
            return
        self._filenodes[relation.oid] = filenode
        draft.rewrites[relation.name] = None

    def _follow_locks(
        self,
        current: OpenTransaction,
        reading: Reading,
        draft: Draft,
        started_s: float,
        ended_s: float,
    ) -> None:
        now = {
            (oid, mode)
            for oid, each in reading.relations.items()
            for mode in each.modes
            if oid in self.relations
        }
        for key in sorted(now - current.held.keys()):
            current.held[key] = (started_s, draft.number)
            name = self.relations[key[0]].name
            draft.locks[StatementLock(relation=name, mode=key[1].pg_name)] = None
        for oid, mode in sorted(current.held.keys() - now):
            # A savepoint was rolled back.
            taken_s, number = current.held.pop((oid, mode))
            current.locks.append(self._build_lock(oid, mode, taken_s, ended_s, number))

    def _build_lock(
        self, oid: int, mode: LockMode, taken_s: float, released_s: float, number: int
    ) -> LockTaken:
        relation = self.relations[oid]
        return LockTaken(
            relation=relation.name,
            table=relation.table_name,
            mode=mode,
            taken_s=taken_s,
            released_s=released_s,
            statement=number,
        )

    def _run_alone(self, call: Callable[[], Any], text: str) -> Any:
        """Run a statement that commits by itself; its locks are seen from outside."""
        with self._meter.unmeasured():
            draft = self._draft(text, self._place(text), in_transaction=False)
            self._done.append(draft)
            wal_bytes = self._meter.read().wal_bytes
            self._meter.take_words()
        with self._sampler.watching() as samples:
            started = self._meter.now()
            result = call()
            ended = self._meter.now()
        draft.times, draft.duration_s = 1, ended - started
        with self._meter.unmeasured():
            draft.words |= dict.fromkeys(self._meter.take_words())
            draft.wal_bytes = self._meter.read().wal_bytes - wal_bytes
            for oid, each in self._meter.fetch_relations().items():
                if oid in self.relations:
                    self._note_filenode(draft, self.relations[oid], each.filenode)
            self._take_samples(draft, samples, started, ended)
        return result

    def _take_samples(
        self, draft: Draft, samples: list[Sample], started_s: float, ended_s: float
    ) -> None:
        seen: dict[tuple[int, LockMode], list[float]] = {}
        for each in samples:
            if each.oid in self.relations and started_s <= each.at_s <= ended_s:
                seen.setdefault((each.oid, each.mode), []).append(each.at_s)
        for (oid, mode), times in sorted(seen.items()):
            name = self.relations[oid].name
            draft.locks[StatementLock(relation=name, mode=mode.pg_name)] = None
            self._locks.append(
                self._build_lock(
                    oid,
                    mode,
                    max(started_s, min(times) - SAMPLE_EVERY_S),
                    min(ended_s, max(times) + SAMPLE_EVERY_S),
                    draft.number,
                )
            )

    def _draft(self, text: str, place: Place, *, in_transaction: bool) -> Draft:
        self._number += 1
        return Draft(self._number, text, place, in_transaction)

    def _place(self, text: str) -> Place:
        place = find_place()
        if place.number is not None:
            self._names_of[text] = place, frozenset(QUOTED.findall(text))
            return place
        # SQL that the schema editor kept for the end: of the operation that has used
        # most of its names, the last of those.
        names = frozenset(QUOTED.findall(text))
        ranked = [
            (len(names & known), place) for place, known in self._names_of.values()
        ]
        most = max((shared for shared, _ in ranked), default=0)
        found = [each for shared, each in ranked if shared == most and most]
        return found[-1] if found else place


@contextmanager
def open_watch(context: Context) -> Iterator[Watch]:
    """Watch what runs on the alias's connection, for the block."""
    raw = context.connect()
    meter = Meter(raw)
    with (
        open_sampler(context.target, raw.info.backend_pid, meter.now) as sampler,
        meter.listening(),
    ):
        meter.ask_for_words()
        meter.forget_counters()
        watch = Watch(context, meter, sampler)
        try:
            with context.connection.execute_wrapper(watch):
                yield watch
        finally:
            if not raw.closed:
                raw.execute("RESET client_min_messages")
