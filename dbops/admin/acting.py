"""Cancel and terminate from the admin site: asked, guarded, and written down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core import signing

from dbops.models import Operations
from dbops.operations.context import Context
from dbops.operations.locks.acting import carry_out
from dbops.operations.locks.plan import Order, Plan, plan_acts

SALT = "dbops.operations"
VALID_S = 600
"""How long an answer counts; after that the question is asked again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What somebody wants done."""

    pid: int
    act: str
    user: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What was done, in words, for the person and for the admin's log."""

    pid: int
    alias: str
    text: str
    level: int

    def log(self, user: Any) -> None:
        """Write it into the admin's log."""
        LogEntry.objects.create(
            user_id=user.pk,
            content_type=ContentType.objects.get_for_model(
                Operations, for_concrete_model=False
            ),
            object_id=None,
            object_repr=f'session {self.pid}, database "{self.alias}"',
            action_flag=CHANGE,
            change_message=self.text,
        )


def plan(context: Context, asked: Request) -> Plan:
    """Look at the session, and say what a signal would do.

    Raises:
        UsageError: there is no such session.
        Refused: it must not be signalled, or the role may not.
    """
    return plan_acts(context, _build_order(asked))


def _build_order(asked: Request) -> Order:
    pids = (asked.pid,)
    return Order(cancel=pids) if asked.act == "cancel" else Order(terminate=pids)


def find_token(context: Context, found: Plan) -> str:
    """Return by what the session is known again: what it was when it was looked at."""
    return signing.dumps(_identify(context, found), salt=SALT)


def _identify(context: Context, found: Plan) -> list[Any]:
    (planned,) = found.acts
    session = planned.session
    doing = [session.xact_start_us]
    if planned.act == "cancel":
        doing += [session.query_start_us]
    return [
        context.alias,
        str(planned.act),
        session.pid,
        session.backend_start_us,
        *doing,
    ]


def act(context: Context, asked: Request, token: str) -> Done | None:
    """Signal the session, if it is in the transaction that somebody agreed to end.

    Returns None where it is not, or where the answer has come too late.

    Raises: as `plan`.
    """
    found = plan(context, asked)
    try:
        agreed = signing.loads(token, salt=SALT, max_age=VALID_S)
    except signing.BadSignature:
        return None
    if agreed != _identify(context, found):
        return None
    report = carry_out(context, found, on_behalf=f'"{asked.user}" in the admin site')
    (sent,) = report.acts
    if sent.outcome == "moved_on":
        return None
    outcome = sent.outcome.replace("_", " ")
    notes = "".join(f"; {note}" for note in report.notes)
    return Done(
        pid=sent.pid,
        alias=context.alias,
        text=f"{sent.act} {sent.who}: {outcome}, {sent.effect}{notes}",
        level=messages.SUCCESS if sent.outcome == "done" else messages.WARNING,
    )
