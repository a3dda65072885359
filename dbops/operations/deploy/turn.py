"""Hold the deploy lock, and be the only run of dbops that works on the database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from dbops.core.doctor_access import judge_pooling
from dbops.errors import Refused
from dbops.operations.context import Context
from dbops.operations.deploy.run import claim_session, release_session
from dbops.operations.deploy.waiting import describe_stuck_run
from dbops.postgres.deploy_lock import open_deploy_lock
from dbops.postgres.doctor import look_for_pooler
from dbops.postgres.session import Connection, open_session
from dbops.postgres.turns import Turn

Follow = Callable[[Connection, int], bool]


@contextmanager
def open_turn(
    context: Context,
    kind: str,
    *,
    wait_s: float,
    follow: Follow = lambda _session, _pid: False,
) -> Iterator[tuple[Context, Turn]]:
    """Hold the lock for the length of the block, and have a token where that is kept.

    Sessions that a killed run has left at work are ended first.

    Raises:
        Busy: another run kept the lock for all of `wait_s` seconds, and did not get on.
        Refused: a pooler in transaction mode is in between.
    """
    require_direct_session(context)
    with open_deploy_lock(
        context.target,
        command=kind,
        wait_s=wait_s,
        progress=context.progress,
        explain=lambda: describe_stuck_run(context.target),
        follow=follow,
    ) as lock:
        turn = Turn(context.target, kind, lock)
        try:
            claim_session(context, kind)
            turn.take(context.connect())
            yield replace(context, turn=turn), turn
        finally:
            release_session(context)
            turn.close()


def require_direct_session(context: Context) -> None:
    """Make sure that one backend serves Django's session, and no other one.

    Settings of a session (lock_timeout, application_name) would reach other clients,
    and statements outside a transaction would be spread over several backends.

    Raises:
        Refused: a pooler in transaction mode is in between.
    """
    connection = context.connect()
    row = connection.execute("SELECT pg_catalog.pg_backend_pid()").fetchone()
    if row is not None and row[0] == connection.info.backend_pid:
        return
    # A pooler invents the pid that clients are told; one in session mode does no harm.
    with open_session(context.target, purpose="pooler") as session:
        found = list(judge_pooling(look_for_pooler(session, context.target)))
    if not found:
        return
    raise Refused(
        f'a pooler in transaction mode is between dbops and database "{context.alias}" '
        f"({context.target.place}): locks and settings of a session do not hold there",
        hint="make an alias of DATABASES that names the server itself, and run the "
        "command with --database ALIAS; or set pool_mode = session",
    )
