"""What one look at the server's locks gives, as rows.

Moments are microseconds since 1970 by the server's clock: exact, so that a session is
known again by the moments at which it and its transaction began.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from dbops.core.lock_modes import LockMode

Key = int | str
"""A session: its pid (of parallel workers their leader's), or of a prepared
transaction what `pg_locks` calls its virtual transaction (`3/42`)."""


class LockTag(NamedTuple):
    """The object that a lock is on; None for what its kind has no use for."""

    locktype: str
    database: int | None = None
    relation: int | None = None
    page: int | None = None
    tuple: int | None = None
    virtualxid: str | None = None
    transactionid: int | None = None
    classid: int | None = None
    objid: int | None = None
    objsubid: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LockRow:
    """One row of `pg_locks`."""

    tag: LockTag
    virtualtransaction: str
    pid: int | None
    """None for a prepared transaction."""
    mode: LockMode
    granted: bool
    wait_start_us: int | None = None
    """None for a moment after the wait has begun, too."""

    @property
    def process(self) -> Key:
        """The process that it belongs to, or the prepared transaction."""
        return self.virtualtransaction if self.pid is None else self.pid


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRow:
    """One row of `pg_stat_activity`; empty or None where the role may not see it."""

    pid: int
    leader_pid: int | None = None
    database: str = ""
    role: str = ""
    superuser: bool = False
    """Its role is one, or it is a process of the server's without a role."""
    application_name: str = ""
    client: str = ""
    backend_type: str = ""
    state: str = ""
    wait_event_type: str = ""
    wait_event: str = ""
    backend_start_us: int | None = None
    xact_start_us: int | None = None
    query_start_us: int | None = None
    state_change_us: int | None = None
    has_written: bool = False
    """It has a transaction id, so there is something to roll back."""
    query: str = ""
    hidden: bool = False
    """The role that looks may not see what it does."""

    @property
    def is_idle_in_transaction(self) -> bool:
        """It keeps its transaction open and does nothing."""
        return self.state.startswith("idle in transaction")


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedRow:
    """One row of `pg_prepared_xacts`."""

    transaction: int
    gid: str
    literal: str
    """The gid as SQL writes it."""
    prepared_us: int
    owner: str
    database: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexBuild:
    """One row of `pg_stat_progress_create_index` in this database."""

    pid: int
    command: str
    phase: str
    current_locker_pid: int
    table: str
    index: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All that one look gives."""

    taken_us: int
    database: str
    database_oid: int
    own_pid: int
    locks: tuple[LockRow, ...]
    sessions: tuple[SessionRow, ...]
    prepared: tuple[PreparedRow, ...] = ()
    builds: tuple[IndexBuild, ...] = ()

    def age_s(self, moment_us: int | None) -> float | None:
        """Return for how long that is past, never less than nothing."""
        if moment_us is None:
            return None
        return max(self.taken_us - moment_us, 0) / 1_000_000
