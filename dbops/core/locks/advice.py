"""What may be done about a session that is in the way, and what that costs.

What a transaction has written is told as yes or no: PostgreSQL counts a session's WAL
(`pg_stat_get_backend_wal`, 18) only when its transaction is over.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from dbops.core.locks.kinds import PROTECTED, BlockerKind
from dbops.core.locks.rows import PreparedRow, SessionRow
from dbops.core.words import count_of

LOOK_AGAIN = "manage.py dbops_locks"


class Act(StrEnum):
    """What can be done to a session."""

    CANCEL = "cancel"
    """Its query ends with an error; the session stays."""
    TERMINATE = "terminate"
    """The session ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What to do about one blocker."""

    text: str
    """What is safe, and why."""
    lost: str
    """What acting would cost; empty where acting is no answer."""
    command: str
    """What to type; empty: wait."""
    act: Act | None
    """What `command` does to the session; None: nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """All that the advice depends on."""

    kind: BlockerKind
    blocker: SessionRow | PreparedRow | None
    freed: int = 0
    """Sessions that wait for it and for no other root."""
    behind: int = 0
    """Sessions that wait for it at all."""

    @property
    def session(self) -> SessionRow | None:
        """The blocker, where it is a session."""
        return self.blocker if isinstance(self.blocker, SessionRow) else None


def advise(case: Case) -> Advice:
    """Return what is safe to do.

    >>> row = SessionRow(pid=812, state="idle in transaction", xact_start_us=1)
    >>> found = advise(
    ...     Case(kind=BlockerKind.IDLE_IN_TRANSACTION, blocker=row, freed=3, behind=3)
    ... )
    >>> found.command, found.lost
    ('manage.py dbops_locks --terminate 812', 'nothing: it has written nothing')
    """
    match case.kind, case.blocker:
        case BlockerKind.PREPARED, PreparedRow() as prepared:
            return _advise_prepared(prepared)
        case (
            (BlockerKind.ACTIVE | BlockerKind.PG_DUMP | BlockerKind.MIGRATION),
            (SessionRow() as session),
        ):
            return _advise_running(case.kind, session)
        case BlockerKind.IDLE_IN_TRANSACTION, SessionRow() as session:
            return _signal(
                session,
                Act.TERMINATE,
                "it does nothing and keeps its locks: terminate it, and look in the "
                "application why the transaction stays open (a cancel has no effect)",
            )
        case BlockerKind.IDLE, SessionRow() as session:
            return _signal(
                session,
                Act.TERMINATE,
                "it is in no transaction and has a lock of the session: it ends with "
                "pg_advisory_unlock() there, or with the session",
            )
        case kind, _:
            return Advice(
                text=WORDS[kind], lost=COSTS.get(kind, ""), command="", act=None
            )


WORDS = {
    BlockerKind.OWN_BACKUP: "wait: a backup of dbops reads here; stop its command "
    "(Ctrl-C) if it cannot be waited for",
    BlockerKind.DBOPS: "wait: another command of dbops is at work; "
    "manage.py dbops_status tells which",
    BlockerKind.WALSENDER: "leave it: it feeds a replica, a subscription or a base "
    "backup",
    BlockerKind.AUTOVACUUM: "wait: whoever waits for it longer than deadlock_timeout "
    "(1 s) has it cancelled; a lock_timeout below that gives up before",
    BlockerKind.WRAPAROUND_VACUUM: "wait: it keeps transaction ids from running out, "
    "gives way to nobody, and starts again when it is cancelled; "
    "pg_stat_progress_vacuum tells how far it is",
    BlockerKind.REPLAY: "look at the primary: what locks there is replayed here, until "
    "that transaction ends",
    BlockerKind.SERVER: "leave it: it is a process of the server",
    BlockerKind.DEADLOCK: "wait: PostgreSQL ends one of them after deadlock_timeout "
    "(1 s)",
    BlockerKind.HIDDEN: "the role may not see what it does: look with one that may",
    BlockerKind.GONE: "look again: it ended just now",
    BlockerKind.PREPARED: "look again: it ended just now",
    BlockerKind.ACTIVE: "look again: it ended just now",
    BlockerKind.PG_DUMP: "look again: it ended just now",
    BlockerKind.MIGRATION: "look again: it ended just now",
    BlockerKind.IDLE_IN_TRANSACTION: "look again: it ended just now",
    BlockerKind.IDLE: "look again: it ended just now",
}
COSTS = {
    BlockerKind.OWN_BACKUP: "the backup",
    BlockerKind.WALSENDER: "the replica's connection, or the base backup",
    BlockerKind.WRAPAROUND_VACUUM: "what it has vacuumed since its last index pass",
    BlockerKind.AUTOVACUUM: "what it has vacuumed since its last index pass",
    BlockerKind.DBOPS: "what that command has done so far",
}


def _advise_prepared(prepared: PreparedRow) -> Advice:
    rollback = f"ROLLBACK PREPARED {prepared.literal}"
    return Advice(
        text="it outlives sessions and restarts, and no signal reaches it: ask the "
        "transaction manager; or decide here, connected to database "
        f'"{prepared.database}" as role "{prepared.owner}" or a superuser (COMMIT '
        f"PREPARED {prepared.literal} keeps what it has done)",
        lost="what the prepared transaction has done, which its client believes safe",
        command=rollback,
        act=None,
    )


def _advise_running(kind: BlockerKind, session: SessionRow) -> Advice:
    if session.is_idle_in_transaction:
        return _signal(
            session,
            Act.TERMINATE,
            f"{_name(kind)} is idle in its transaction: wait, or terminate it (a "
            "cancel has no effect)",
        )
    if kind is BlockerKind.ACTIVE:
        text = "wait for its query, or cancel that"
    else:
        text = (
            f"let {_name(kind)} finish if that can be waited for, or cancel its query"
        )
    return _signal(session, Act.CANCEL, text)


def _name(kind: BlockerKind) -> str:
    return "the dump" if kind is BlockerKind.PG_DUMP else "the migration"


def _signal(session: SessionRow, act: Act, text: str) -> Advice:
    return Advice(
        text=text,
        lost=describe_loss(session),
        command=f"manage.py dbops_locks --{act} {session.pid}",
        act=act,
    )


def describe_loss(session: SessionRow) -> str:
    """Say what ends with its transaction."""
    dump = session.application_name == "pg_dump"
    if session.hidden:
        return "not known: the role may not see it"
    if dump:
        return "the dump, which has to begin anew"
    if session.xact_start_us is None:
        return "what its session holds: locks, temporary tables, settings"
    if not session.has_written:
        return "nothing: it has written nothing"
    return "all that its transaction has written (how much, the server does not tell)"


def describe_effect(case: Case, others: int) -> str:
    """Say whom it would let go on.

    >>> describe_effect(
    ...     Case(kind=BlockerKind.ACTIVE, blocker=None, freed=2, behind=3), 1
    ... )
    'frees 2 of the 3 sessions behind it; the others wait for 1 other root, too'
    """
    if not case.behind:
        return "frees nobody: nobody waits for it"
    if case.freed == case.behind:
        return f"frees {count_of(case.freed, 'session')}"
    rest = f"the others wait for {count_of(others, 'other root')}, too"
    if not case.freed:
        return (
            f"frees nobody alone: the {case.behind:,} behind it wait for "
            f"{count_of(others, 'other root')}, too"
        )
    return f"frees {case.freed:,} of the {case.behind:,} sessions behind it; {rest}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """What the role that acts may do to a session."""

    role: str
    """Quoted."""
    superuser: bool
    same_role: bool
    """It has the rights of the session's role."""
    may_signal_backends: bool
    may_signal_autovacuum: bool | None
    """None where the server has no role for it (before PostgreSQL 18)."""


def find_missing_right(rights: Rights, session: SessionRow) -> str:
    """Return what the role lacks to signal a session, as SQL or words; or nothing.

    Source: pg_signal_backend() in src/backend/storage/ipc/signalfuncs.c.
    """
    if rights.superuser:
        return ""
    if session.backend_type == "autovacuum worker":
        return {
            True: "",
            False: f"GRANT pg_signal_autovacuum_worker TO {rights.role}",
            None: "only a superuser may signal autovacuum",
        }[rights.may_signal_autovacuum]
    if session.superuser:
        return "only a superuser may signal a superuser's session"
    if rights.same_role or rights.may_signal_backends:
        return ""
    return f"GRANT pg_signal_backend TO {rights.role}"


def find_refusal(kind: BlockerKind, session: SessionRow, act: Act) -> str:
    """Return why the session is not signalled, or nothing."""
    if act is Act.CANCEL and session.is_idle_in_transaction:
        return "it is idle in transaction: a cancel reports success and does nothing"
    if act is Act.CANCEL and session.state == "idle":
        return "it is idle: there is no query to cancel"
    if kind in PROTECTED:
        return WORDS[kind]
    return ""


def is_forcible(kind: BlockerKind, session: SessionRow, act: Act) -> bool:
    """Say whether insisting makes sense: a cancel without effect stays one."""
    return kind in PROTECTED and not (
        act is Act.CANCEL and session.state.startswith("idle")
    )
