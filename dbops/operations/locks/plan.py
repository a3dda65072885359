"""What would be done to whom: looked at, judged, and shown before it is done."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from dbops.core.duration import format_age
from dbops.core.locks.advice import (
    Act,
    Case,
    Rights,
    describe_effect,
    describe_loss,
    find_missing_right,
    find_refusal,
    is_forcible,
)
from dbops.core.locks.kinds import classify
from dbops.core.locks.rows import SessionRow
from dbops.core.locks.scene import Scene
from dbops.core.locks.trees import build_roots, count_freed
from dbops.errors import DbopsError, Refused, UsageError
from dbops.operations.context import Context
from dbops.operations.locks.locks import (
    CHANGED,
    ActReport,
    LocksOptions,
    LocksReport,
    Look,
)
from dbops.postgres.locks import Viewer, open_look_session
from dbops.postgres.signals import (
    fetch_idle_sessions,
    fetch_session_now,
)

MOST_CHECKED = 10
"""Waiters whose blockers the server is asked for before one is signalled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a person wants done."""

    cancel: tuple[int, ...] = ()
    terminate: tuple[int, ...] = ()
    idle_older_than_s: float | None = None
    """Terminate all that have been idle in transaction for so long."""
    force: bool = False

    @property
    def is_empty(self) -> bool:
        """Nothing is to be done."""
        return not (self.cancel or self.terminate) and self.idle_older_than_s is None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedAct:
    """One signal, and the session as it was when somebody agreed to it."""

    act: Act
    session: SessionRow
    only_idle: bool
    report: ActReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What would be done, and the waiting as it was then."""

    acts: tuple[PlannedAct, ...]
    report: LocksReport


def plan_acts(context: Context, order: Order) -> Plan:
    """Look, and say for each signal what it frees and what it costs.

    Raises:
        UsageError: there is no such session.
        Refused: it must not be signalled, or the role may not.
    """
    with open_look_session(context.target) as session:
        look = Look(context, session, LocksOptions(min_wait_s=0))
        planner = _Planner(look, order)
        acts = tuple(planner.plan())
        report = replace(look.take(), acts=tuple(each.report for each in acts))
    notes = (*report.notes, *planner.notes)
    return Plan(acts=acts, report=replace(report, notes=notes))


class _Planner:
    def __init__(self, look: Look, order: Order) -> None:
        self.look = look
        self.order = order
        self.notes: list[str] = []

    def plan(self) -> Iterator[PlannedAct]:
        for pid in self.order.cancel:
            yield self._plan_one(pid, Act.CANCEL)
        for pid in self.order.terminate:
            yield self._plan_one(pid, Act.TERMINATE)
        if self.order.idle_older_than_s is not None:
            yield from self._plan_idle(self.order.idle_older_than_s)

    def _plan_one(self, pid: int, act: Act) -> PlannedAct:
        self.look.options = LocksOptions(pid=pid, min_wait_s=0)
        scene = self._fetch_checked(pid)
        self.look.options = LocksOptions(min_wait_s=0)
        if pid == 0:
            raise _refuse_prepared(scene)
        session = scene.sessions.get(pid)
        if session is None:
            raise UsageError(
                f"there is no session {pid} on this server",
                hint="manage.py dbops_locks",
            )
        if session.leader_pid:
            raise UsageError(
                f"{pid} is a parallel worker of session {session.leader_pid}",
                hint=f"manage.py dbops_locks --{act} {session.leader_pid}",
            )
        self._require_allowed(session, act)
        return _build_act(scene, session, act, only_idle=False)

    def _plan_idle(self, older_than_s: float) -> Iterator[PlannedAct]:
        scene = self.look.fetch_scene()
        found = fetch_idle_sessions(self.look.session, older_than_s)
        for session in found:
            missing = self._find_missing_right(session)
            if missing:
                self.notes.append(f"{session.pid} is left alone: {missing}")
            else:
                yield _build_act(scene, session, Act.TERMINATE, only_idle=True)
        if not found:
            self.notes.append(
                "no session of this database has been idle in transaction for "
                f"{format_age(older_than_s)}"
            )

    def _fetch_checked(self, pid: int) -> Scene:
        """Look, and let the server say that those behind it do wait for it."""
        scene = self.look.fetch_scene()
        if not self._agrees(scene, pid):
            scene = self.look.fetch_scene()
            if not self._agrees(scene, pid):
                self.notes.append(CHANGED)
        return scene

    def _agrees(self, scene: Scene, pid: int) -> bool:
        behind = [key for key, parent in scene.graph.parents.items() if parent == pid]
        pids = [key for key in behind if isinstance(key, int)]
        return all(self.look.agrees(scene, each) for each in pids[:MOST_CHECKED])

    def _require_allowed(self, session: SessionRow, act: Act) -> None:
        """Raise unless the session may be signalled, by reason and by right."""
        viewer, pid = self.look.viewer, session.pid
        if session.backend_start_us is None:
            raise Refused(
                f"session {pid} cannot be told from another one that gets its pid: "
                "this role may not see when it began",
                hint=f"GRANT pg_read_all_stats TO {viewer.role}",
            )
        kind = classify(session)
        reason = find_refusal(kind, session, act)
        forcible = is_forcible(kind, session, act)
        if reason and not (forcible and self.order.force):
            raise Refused(
                f"session {pid} is not signalled: {reason}",
                hint=_find_other_way(
                    session, act, forcible=is_forcible(kind, session, act)
                ),
            )
        if session.database not in ("", viewer.database) and not self.order.force:
            raise Refused(
                f'session {pid} is in database "{session.database}", not in '
                f'"{viewer.database}"',
                hint="name that database with --database, or insist with --force",
            )
        missing = self._find_missing_right(session)
        if missing:
            raise Refused(
                f"role {viewer.role} may not signal session {pid} of role "
                f'"{session.role}"',
                hint=missing,
            )

    def _find_missing_right(self, session: SessionRow) -> str:
        now = fetch_session_now(self.look.session, session.pid)
        same_role = now is not None and now.same_role
        rights = _build_rights(self.look.viewer, same_role=same_role)
        return find_missing_right(rights, session)


def _build_rights(viewer: Viewer, *, same_role: bool) -> Rights:
    return Rights(
        role=viewer.role,
        superuser=viewer.superuser,
        same_role=same_role,
        may_signal_backends=viewer.may_signal_backends,
        may_signal_autovacuum=viewer.may_signal_autovacuum,
    )


def _refuse_prepared(scene: Scene) -> DbopsError:
    """Return the statements that end the prepared transactions in the way."""
    found = [each for each in build_roots(scene) if each.gid]
    if not found:
        return UsageError(
            "pid 0 stands for a prepared transaction, and none is in the way",
            hint="manage.py dbops_locks",
        )
    return Refused(
        "no signal reaches a prepared transaction: "
        + "; ".join(f'"{each.gid}" in database "{each.database}"' for each in found),
        hint="; ".join(each.command for each in found),
    )


def _find_other_way(session: SessionRow, act: Act, *, forcible: bool) -> str:
    if forcible:
        return f"wait; or insist: manage.py dbops_locks --{act} {session.pid} --force"
    return f"manage.py dbops_locks --terminate {session.pid}"


def _build_act(
    scene: Scene, session: SessionRow, act: Act, *, only_idle: bool
) -> PlannedAct:
    graph, pid = scene.graph, session.pid
    case = Case(
        kind=classify(session),
        blocker=session,
        freed=count_freed(scene, pid),
        behind=len(graph.find_behind(pid)),
    )
    others = len([each for each in graph.roots if each != pid])
    return PlannedAct(
        act=act,
        session=session,
        only_idle=only_idle,
        report=ActReport(
            pid=pid,
            act=act,
            who=_describe(scene, session),
            effect=describe_effect(case, others),
            lost=describe_loss(session),
            outcome="planned",
        ),
    )


def _describe(scene: Scene, session: SessionRow) -> str:
    """Return who it is in a few words."""
    age_s = scene.snapshot.age_s(session.state_change_us)
    state = session.state or session.backend_type
    parts = [
        f'role "{session.role}"' if session.role else "",
        f'application "{session.application_name}"' if session.application_name else "",
        f"{state} for {format_age(age_s)}" if age_s is not None else state,
    ]
    return f"session {session.pid} ({', '.join(each for each in parts if each)})"
