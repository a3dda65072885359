"""End a query or a session that is in the way, and nobody else's."""

from __future__ import annotations

from dataclasses import replace

import psycopg

from dbops.errors import DbopsError
from dbops.operations.context import Context
from dbops.operations.locks.locks import ActReport, LocksOptions, LocksReport, Look
from dbops.operations.locks.plan import Plan
from dbops.postgres.ledger import Ledger
from dbops.postgres.ledger_reading import ledger_exists
from dbops.postgres.locks import open_look_session
from dbops.postgres.session import open_session, tell_error
from dbops.postgres.signals import Outcome, signal_session


def carry_out(context: Context, plan: Plan, *, on_behalf: str = "") -> LocksReport:
    """Send the signals, see what they did, and write it into the ledger.

    `on_behalf` is who asked for it, where that is not the user of this process.
    """
    done: list[ActReport] = []
    try:
        with open_look_session(context.target) as session:
            for each in plan.acts:
                outcome = signal_session(
                    session, each.session, each.act, only_idle=each.only_idle
                )
                done.append(replace(each.report, outcome=outcome))
            look = Look(context, session, LocksOptions(min_wait_s=0))
            report = look.take()
    finally:
        notes = _record(context, done, on_behalf)
    notes = (*plan.report.notes, *notes)
    return replace(report, acts=tuple(done), notes=notes)


def _record(context: Context, done: list[ActReport], on_behalf: str) -> tuple[str, ...]:
    """Write down what was sent; what is done is done, also without a ledger."""
    sent = [each for each in done if each.outcome != Outcome.MOVED_ON]
    if not sent:
        return ()
    message = "; ".join(
        f"{each.act} {each.who}: {each.outcome}, {each.effect}" for each in sent
    )
    if on_behalf:
        message = f"asked for by {on_behalf}: {message}"
    ended = all(each.outcome == Outcome.DONE for each in sent)
    try:
        with (
            open_session(context.target, purpose="locks:ledger") as session,
            session.transaction(),
        ):
            session.execute("SET LOCAL lock_timeout = '1s'")
            if not ledger_exists(session):
                return ("not written down: this database has no ledger",)
            Ledger(session).record_act(done=ended, message=message)
    except (psycopg.Error, DbopsError) as error:
        return (f"not written into the ledger: {tell_error(error)}",)
    return ()
