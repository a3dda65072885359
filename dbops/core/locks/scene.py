"""One look at the locks, put together: sessions, queues, names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from dbops.core.locks.comments import find_caller, strip_comments
from dbops.core.locks.graph import Graph, Wait, build_graph
from dbops.core.locks.names import Names, describe_object, find_relation
from dbops.core.locks.report import Person
from dbops.core.locks.rows import (
    IndexBuild,
    Key,
    LockTag,
    PreparedRow,
    SessionRow,
    Snapshot,
)
from dbops.core.statement import mask_secrets
from dbops.core.words import shorten

LONGEST_QUERY = 300
TRANSACTIONS = frozenset({"transactionid", "virtualxid"})


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One look, with its graph and the names of things."""

    snapshot: Snapshot
    names: Names
    graph: Graph
    sessions: Mapping[int, SessionRow]
    prepared: Mapping[str, PreparedRow]
    builds: Mapping[int, IndexBuild]
    leaders: Mapping[int, int]

    def find(self, key: Key) -> SessionRow | PreparedRow | None:
        """Return the row of a session or a prepared transaction."""
        if isinstance(key, int):
            return self.sessions.get(key)
        return self.prepared.get(key)

    def name(self, key: Key) -> str:
        """Return what to call it in a line."""
        if isinstance(key, int):
            return str(key)
        found = self.prepared.get(key)
        return (
            f'prepared transaction "{found.gid}"'
            if found
            else (f"prepared transaction {key.partition('/')[2]}")
        )

    @cached_property
    def databases(self) -> Mapping[int, str]:
        """The names of databases, as far as the sessions tell them."""
        return {
            lock.tag.database: session.database
            for lock in self.snapshot.locks
            if lock.tag.database
            and (session := self.sessions.get(lock.pid or 0))
            and session.database
        }

    @cached_property
    def rows_in_hand(self) -> Mapping[Key, LockTag]:
        """Of each process the row whose lock it has or waits for."""
        return {
            each.process: each.tag
            for each in self.snapshot.locks
            if each.tag.locktype == "tuple"
        }


def build_scene(snapshot: Snapshot, names: Names) -> Scene:
    """Put the rows together."""
    leaders = {
        each.pid: each.leader_pid
        for each in snapshot.sessions
        if each.leader_pid is not None and each.leader_pid != each.pid
    }
    sessions = {each.pid: each for each in snapshot.sessions}
    since: dict[Key, int] = {
        pid: each.xact_start_us
        for pid, each in sessions.items()
        if each.xact_start_us is not None
    }
    prepared = _find_prepared(snapshot)
    since |= {key: each.prepared_us for key, each in prepared.items()}
    return Scene(
        snapshot=snapshot,
        names=names,
        graph=build_graph(snapshot.locks, leaders, since),
        sessions=sessions,
        prepared=prepared,
        builds={each.pid: each for each in snapshot.builds},
        leaders=leaders,
    )


def _find_prepared(snapshot: Snapshot) -> dict[str, PreparedRow]:
    """Return the prepared transactions by what `pg_locks` calls them.

    It keeps the name that the transaction had in its session; what tells which one it
    is is the lock on its own id.
    """
    names = {
        lock.tag.transactionid: lock.virtualtransaction
        for lock in snapshot.locks
        if lock.pid is None and lock.tag.locktype == "transactionid"
    }
    return {
        names[each.transaction]: each
        for each in snapshot.prepared
        if each.transaction in names
    }


def build_person(scene: Scene, key: Key) -> Person:
    """Say who it is."""
    found = scene.find(key)
    age_s = scene.snapshot.age_s
    if isinstance(found, SessionRow):
        return Person(
            pid=found.pid,
            gid="",
            database=found.database,
            role=found.role,
            application_name=found.application_name,
            client=found.client,
            caller=find_caller(found.query),
            state=found.state or found.backend_type,
            transaction_age_s=age_s(found.xact_start_us),
            query=""
            if found.hidden
            else shorten(mask_secrets(strip_comments(found.query)), LONGEST_QUERY),
        )
    return Person(
        pid=key if isinstance(key, int) else 0,
        gid=found.gid if found else "" if isinstance(key, int) else key,
        database=found.database if found else "",
        role=found.owner if found else "",
        application_name="",
        client="",
        caller="",
        state="prepared" if found else "gone",
        transaction_age_s=age_s(found.prepared_us) if found else None,
        query="",
    )


def describe_wait(scene: Scene, wait: Wait) -> tuple[str, str]:
    """Return what a process waits for, in words, and the relation's name if any."""
    tag = wait.queue.tag
    row = scene.rows_in_hand.get(wait.waiter.process)
    if tag.locktype == "transactionid" and row is not None:
        tag = row
    if tag.locktype in TRANSACTIONS:
        holder = next(iter(wait.queue.holders), None)
        if holder is not None:
            return f"the end of the transaction of {scene.name(holder)}", ""
    told = describe_object(tag, scene.snapshot, scene.names, scene.databases)
    return told, find_relation(tag, scene.snapshot, scene.names)


def find_place(scene: Scene, wait: Wait) -> int:
    """Return the place in the queue, from 1; that for a row is one queue.

    The first waits for the transaction that has the row, and the others for the first.
    """
    if wait.queue.tag.locktype != "tuple":
        return wait.place
    ahead = any(
        each.queue.tag.locktype == "transactionid"
        for holder in wait.queue.holders
        for each in scene.graph.waits.get(holder, ())
    )
    return wait.place + ahead


def get_fields(person: Person) -> dict[str, Any]:
    """Return what a line about a session is made of."""
    return {name: getattr(person, name) for name in Person.__slots__}


def describe_note(scene: Scene, wait: Wait) -> str:
    """Say what a wait is that is not for a table or a row."""
    match wait.queue.tag.locktype:
        case "virtualxid":
            process = wait.waiter.process
            build = scene.builds.get(process) if isinstance(process, int) else None
            what = "CONCURRENTLY"
            if build is not None:
                what = f"{build.command or what} {build.index} on {build.table}"
                what = f"{' '.join(what.split())}, {build.phase}"
            return (
                f"{what}: no lock, but every transaction that is older has to end; "
                "cancelled, it leaves an INVALID index"
            )
        case "transactionid" if wait.waiter.process not in scene.rows_in_hand:
            return "a row or a key of it that is not committed yet"
        case "extend":
            return "many write to one table at once: load, and gone in a moment"
        case _:
            return ""
