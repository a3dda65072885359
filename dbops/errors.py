"""What can go wrong, and the exit code that each kind of it has.

    DbopsError
     +-- UsageError      2  untouched
     +-- Refused         4  untouched: a precondition does not hold
     +-- Busy            5  untouched: may be retried
     |    +-- Interrupted
     +-- ToolFailed      6  previous state kept: pg_dump, pg_restore ...
     +-- ServerFailed    7  previous state kept: cannot connect, query failed
     +-- Reverted        8  previous state restored after a failure
     +-- NeedsRepair     9  half done: a person must act

Exit code 3 (findings) is a report's, not an error's. A message names the object in
double quotes, starts in lower case and has no full stop; the hint is the next command
to type.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar


class DbopsError(Exception):
    """An expected failure, with the next step for the person who reads it."""

    exit_code: ClassVar[int] = 1

    def __init__(
        self, message: str, *, hint: str | None = None, report: object | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.report = report
        """What was found up to here, as the operation would have returned it."""


class UsageError(DbopsError):
    """An option or a name that does not fit; nothing was touched."""

    exit_code = 2


class Refused(DbopsError):
    """A precondition does not hold; nothing was touched."""

    exit_code = 4


class Busy(DbopsError):
    """Another run, or another session's lock, is in the way; try again."""

    exit_code = 5


class Interrupted(Busy):
    """A person or the system asked the command to stop; nothing was changed."""


class ToolFailed(DbopsError):
    """A client tool is missing, too old, or failed; the previous state is kept."""

    exit_code = 6


class ServerFailed(DbopsError):
    """The server cannot be reached or refused a query; the previous state is kept."""

    exit_code = 7


class Reverted(DbopsError):
    """Something failed after a change, and everything was put back."""

    exit_code = 8


class NeedsRepair(DbopsError):
    """The database is between two states; the message says which."""

    exit_code = 9


BY_EXIT_CODE: Mapping[int, type[DbopsError]] = {
    kind.exit_code: kind
    for kind in (
        DbopsError,
        UsageError,
        Refused,
        Busy,
        ToolFailed,
        ServerFailed,
        Reverted,
        NeedsRepair,
    )
}
"""The error that another process meant by its exit code."""


def find_run_state(error: BaseException) -> str:
    """Return what the ledger calls a run that ended with this error."""
    match error:
        case NeedsRepair():
            return "needs_repair"
        case Reverted():
            return "reverted"
        case _:
            return "failed"
