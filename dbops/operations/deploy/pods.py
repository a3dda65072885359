"""Many deployments at once: one leads, the others follow it and share its verdict."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from dbops.core.migration import MigrationId
from dbops.errors import BY_EXIT_CODE, DbopsError, Interrupted, ServerFailed
from dbops.operations.check.digest import digest_migration
from dbops.operations.context import Context
from dbops.operations.deploy.report import DeployOptions, DeployReport, DeployState
from dbops.operations.deploy.turn import open_turn
from dbops.operations.history import LEDGER_APP, History, get_id, read_history
from dbops.postgres.session import Connection
from dbops.postgres.turns import (
    Superseded,
    Turn,
    TurnRow,
    fetch_activity,
    fetch_newest_token,
    fetch_turns,
    turns_exist,
)

KIND = "deploy"
LOOK_EVERY_S = 1.0
"""How often a follower asks whether the sessions of the leader are at work."""
NOT_THE_WORK = ("lock_wait_s", "dry_run", "resume")
"""Options that two runs may have different, and do the same."""

Lead = Callable[[Context, DeployOptions, Turn], DeployReport]


def lead_or_follow(
    context: Context, options: DeployOptions, lead: Lead
) -> DeployReport:
    """Deploy, or wait for the run that does, and leave with its verdict.

    A leader that was killed or interrupted leaves no verdict: the next one leads. So
    does one that has other work to do than the leader had.

    Raises:
        Busy: the leader kept the lock for `lock_wait_s`, and did not get on.
        DbopsError: what this run, or its leader, has failed with.
    """
    follower = Follower(context)
    while True:
        token = 0
        try:
            with open_turn(
                context, KIND, wait_s=options.lock_wait_s, follow=follower.look
            ) as (led, turn):
                follower.look_back(led.connect())
                token = turn.token or 0
                return _lead(led, options, turn, lead)
        except _Led as verdict:
            report = _leave(context, options, verdict.leader)
            if report is not None:
                return report
            follower.since = verdict.leader.token + 1
        except Superseded as error:
            context.progress(error.message)
            context.connection.close()
            follower.since = token + 1


def announce(turn: Turn, history: History, options: DeployOptions) -> None:
    """Tell followers what it is that this run does."""
    turn.announce(json.dumps(_describe_work(history, options)))


def _describe_work(history: History, options: DeployOptions) -> dict[str, Any]:
    chosen = asdict(options)
    return {
        "options": {
            key: str(sorted(value) if isinstance(value, frozenset) else value)
            for key, value in chosen.items()
            if key not in NOT_THE_WORK
        },
        "pending": {
            str(get_id(each)): digest_migration(each)
            for each in history.pending
            if each.app_label != LEDGER_APP
        },
    }


def _is_same_work(
    theirs: Mapping[str, Any], mine: Mapping[str, Any], history: History
) -> bool:
    """Say whether what they left undone, if anything, is what this run has to do."""
    applied = set(map(str, history.applied))
    left = {
        name: digest
        for name, digest in theirs["pending"].items()
        if name not in applied
    }
    return bool(left == mine["pending"] and theirs["options"] == mine["options"])


class _Led(Exception):
    """Another run has ended, and its verdict is this one's."""

    def __init__(self, leader: TurnRow) -> None:
        super().__init__()
        self.leader = leader


class Follower:
    """What a waiting run sees and tells of the one that leads."""

    def __init__(
        self, context: Context, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.context = context
        self.since: int | None = None
        """The first turn whose verdict counts; None before the first look."""
        self._clock = clock
        self._told: tuple[int, str] | None = None
        self._asked_s: float | None = None
        self._moment: datetime | None = None

    def look(self, session: Connection, pid: int) -> bool:
        """Tell what the leader is at; say whether it got on since the last look.

        Raises:
            _Led: it has ended, and left a verdict.
        """
        told = self._told
        if turns_exist(session):
            self._look_at_turns(session)
        else:
            self.since = 1
        return self._is_at_work(session, pid) or self._told != told

    def look_back(self, session: Connection) -> None:
        """Look at what ended just before this run got the lock; it has a turn itself.

        Raises:
            _Led: a leader has left a verdict.
        """
        if self.since is None or not turns_exist(session):
            return
        self._raise_verdict(fetch_turns(session, self.since))

    def _look_at_turns(self, session: Connection) -> None:
        if self.since is None:
            newest = fetch_newest_token(session)
            ended = any(each.ended for each in fetch_turns(session, newest))
            self.since = newest + 1 if ended else newest
        rows = fetch_turns(session, self.since)
        self._raise_verdict(rows)
        if rows and not rows[-1].ended:
            self._tell(rows[-1])

    def _raise_verdict(self, rows: list[TurnRow]) -> None:
        for each in rows:
            if each.kind == KIND and each.exit_code is not None and each.plan:
                raise _Led(each)

    def _tell(self, leader: TurnRow) -> None:
        seen = (leader.token, leader.step)
        if self._told is None or self._told[0] != leader.token:
            self.context.progress(f"following the {leader.kind} of {leader.who}")
        if self._told != seen and leader.step:
            self.context.progress(f"  it is at: {leader.step}")
        self._told = seen

    def _is_at_work(self, session: Connection, pid: int) -> bool:
        now = self._clock()
        if self._asked_s is not None and now - self._asked_s < LOOK_EVERY_S:
            return False
        first = self._asked_s is None
        self._asked_s = now
        before, self._moment = self._moment, fetch_activity(session, pid)
        return not first and self._moment is not None and self._moment != before


def _lead(
    context: Context, options: DeployOptions, turn: Turn, lead: Lead
) -> DeployReport:
    try:
        report = lead(context, options, turn)
    except Superseded:
        raise
    except DbopsError as error:
        # Whoever was told to stop has not tried: somebody else may.
        stopped = isinstance(error, Interrupted) or isinstance(
            error.__cause__, KeyboardInterrupt
        )
        turn.end(None if stopped else error.exit_code, _write_verdict(error))
        raise
    turn.end(0, _write_verdict(report))
    return report


def _write_verdict(outcome: DeployReport | DbopsError) -> str:
    report = outcome if isinstance(outcome, DeployReport) else outcome.report
    fields: dict[str, Any] = {}
    if isinstance(report, DeployReport):
        fields = {
            "state": report.state.value,
            "applied": list(map(str, report.applied)),
            "reverted": list(map(str, report.reverted)),
            "pending": list(map(str, report.pending)),
            "backup_id": report.backup_id,
            "deployment_id": str(report.deployment_id or ""),
            "notes": list(report.notes),
        }
    if isinstance(outcome, DbopsError):
        fields |= {"message": outcome.message, "hint": outcome.hint}
    return json.dumps(fields)


def _leave(
    context: Context, options: DeployOptions, leader: TurnRow
) -> DeployReport | None:
    """Return the leader's report, or raise its error; None to go on by oneself."""
    history = read_history(context)
    mine = _describe_work(history, options)
    if not _is_same_work(json.loads(leader.plan), mine, history):
        context.progress(f"the deploy of {leader.who} was about other work than this")
        return None
    verdict = json.loads(leader.verdict)
    report = _read_report(verdict, leader)
    if leader.exit_code == 0:
        return report
    raise _build_error(verdict, leader, report)


def _read_report(verdict: Mapping[str, Any], leader: TurnRow) -> DeployReport:
    def read(key: str) -> tuple[MigrationId, ...]:
        return tuple(map(_read_id, verdict.get(key, ())))

    deployment = verdict.get("deployment_id")
    return DeployReport(
        state=DeployState(verdict.get("state", DeployState.FAILED)),
        applied=read("applied"),
        reverted=read("reverted"),
        pending=read("pending"),
        backup_id=verdict.get("backup_id"),
        deployment_id=UUID(deployment) if deployment else None,
        notes=tuple(verdict.get("notes", ())),
        led_by=leader.who,
    )


def _read_id(text: str) -> MigrationId:
    app, _, name = text.partition(".")
    return MigrationId(app, name)


def _build_error(
    verdict: Mapping[str, Any], leader: TurnRow, report: DeployReport
) -> DbopsError:
    kind = BY_EXIT_CODE.get(leader.exit_code or 0, ServerFailed)
    return kind(
        verdict.get("message") or "it failed", hint=verdict.get("hint"), report=report
    )
