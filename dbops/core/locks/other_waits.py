"""Waits that look like waits for a lock, and are not."""

from __future__ import annotations

from dataclasses import dataclass

from dbops.core.locks.report import OtherWait
from dbops.core.locks.rows import SessionRow
from dbops.core.locks.scene import Scene, build_person, get_fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What a session that waits for no lock waits for."""

    text: str
    hangs: bool = True
    """It may last; otherwise it is what work looks like."""


EVENTS = {
    "SyncRep": "a synchronous standby has not confirmed its commit yet: look at "
    "pg_stat_replication and synchronous_standby_names",
    "BufferPin": "others have a page of the table in use: a cursor that stays open, or "
    "a long query",
    "SafeSnapshot": "SERIALIZABLE READ ONLY DEFERRABLE waits for the writing "
    "serializable transactions to end",
    "RecoveryConflictSnapshot": "replay waits for queries of this standby that still "
    "see rows which the primary has removed (max_standby_streaming_delay)",
    "RecoveryConflictTablespace": "replay waits for queries with files in a tablespace "
    "that is dropped",
    "RecoveryPause": "replay is paused until somebody calls pg_wal_replay_resume()",
    "ClientRead": "it waits for its client to send more: COPY FROM STDIN, or a client "
    "that is gone",
    "ClientWrite": "it waits for its client to read the result",
    "PgSleep": "it sleeps: pg_sleep()",
    "ProcSignalBarrier": "other processes have not closed files of a dropped database "
    "or tablespace yet",
}
KINDS = {
    "LWLock": Explanation(
        text="it waits within the server: load, and no lock", hangs=False
    ),
    "IO": Explanation(text="it waits for the disk", hangs=False),
    "IPC": Explanation(text="it waits for another process of the server", hangs=False),
    "Extension": Explanation(text="it waits in an extension", hangs=False),
    "Timeout": Explanation(text="it sleeps for a moment", hangs=False),
    "Client": Explanation(text="it waits for its client"),
    "BufferPin": Explanation(text=EVENTS["BufferPin"]),
}


def explain_wait(session: SessionRow) -> Explanation | None:
    """Say what a session waits for; None: it works, or waits for a lock.

    Source: https://www.postgresql.org/docs/current/monitoring-stats.html
    """
    if session.wait_event in EVENTS:
        return Explanation(text=EVENTS[session.wait_event])
    return KINDS.get(session.wait_event_type)


def find_other_waits(
    scene: Scene, *, least_s: float, asked: int | None = None
) -> tuple[OtherWait, ...]:
    """Return the sessions that hang for so long and wait for no lock, longest first.

    Of the one `asked` every wait is told.
    """
    busy = {
        scene.leaders.get(each, each)
        for each in scene.graph.waits
        if isinstance(each, int)
    }
    found = []
    for session in scene.sessions.values():
        explanation = explain_wait(session)
        if explanation is None or session.pid in busy or session.leader_pid:
            continue
        since = session.query_start_us or session.state_change_us
        running_s = scene.snapshot.age_s(since)
        long = running_s is None or running_s >= least_s
        if session.pid != asked and not (explanation.hangs and long):
            continue
        if session.state not in ("active", "") or not session.wait_event:
            continue
        found.append(
            OtherWait(
                **get_fields(build_person(scene, session.pid)),
                wait_event_type=session.wait_event_type,
                wait_event=session.wait_event,
                running_s=running_s,
                explanation=explanation.text,
            )
        )
    return tuple(sorted(found, key=lambda each: (-(each.running_s or 0), each.pid)))
