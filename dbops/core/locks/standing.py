"""A migration among the others: who is in its way, and whom it keeps waiting."""

from __future__ import annotations

from dataclasses import dataclass

from dbops.core.duration import format_age
from dbops.core.locks.migrations import describe_place
from dbops.core.locks.report import Root
from dbops.core.locks.rows import Key
from dbops.core.locks.scene import Scene, describe_wait, find_place
from dbops.core.locks.trees import build_roots
from dbops.core.words import count_of

MOST_NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """Why a session waits."""

    roots: frozenset[Key]
    """To tell whether it is another one than before."""
    waited_s: float
    text: str
    who: str
    """Of the text what names those in the way."""
    cure: str
    """What to type about the first of them, or why to wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocked:
    """Whom a migration has kept waiting, as far as it was seen."""

    sessions: int = 0
    """The most at one moment."""
    longest_s: float = 0.0
    """The longest that one of them waited."""

    def combine(self, other: Blocked) -> Blocked:
        """Return the worse of both, each by itself."""
        return Blocked(
            sessions=max(self.sessions, other.sessions),
            longest_s=max(self.longest_s, other.longest_s),
        )


def describe_blocked(blocked: Blocked) -> str:
    """Return it in words.

    >>> describe_blocked(Blocked(sessions=37, longest_s=2.04))
    '37 sessions waiting, one of them for 2.0 s'
    """
    return (
        f"{count_of(blocked.sessions, 'session')} waiting, one of them for "
        f"{blocked.longest_s:.1f} s"
    )


def find_obstacle(scene: Scene, pid: int) -> Obstacle | None:
    """Say who keeps a session waiting; None: nobody."""
    waits = scene.graph.waits.get(pid)
    if not waits:
        return None
    keys = frozenset(scene.graph.find_roots(pid))
    names = {scene.name(key) for key in keys}
    roots = [
        root
        for root in build_roots(scene)
        if (f'prepared transaction "{root.gid}"' if root.gid else str(root.pid))
        in names
    ]
    wait = waits[0]
    waited_s = scene.snapshot.age_s(wait.waiter.since_us) or 0.0
    told, _ = describe_wait(scene, wait)
    behind = len(scene.graph.find_behind(pid))
    who = "; ".join(map(_describe_root, roots[:MOST_NAMED]))
    if len(roots) > MOST_NAMED:
        who += f"; and {len(roots) - MOST_NAMED:,} more"
    return Obstacle(
        roots=keys,
        waited_s=waited_s,
        text=f"waits for {told}, {describe_place(find_place(scene, wait))} in the "
        f"queue, {count_of(behind, 'session')} behind it; in the way: "
        f"{who or 'nobody any more'}",
        who=who,
        cure=next((root.command or root.advice for root in roots), ""),
    )


def _describe_root(root: Root) -> str:
    """Name it with what matters when one waits for it."""
    name = f'prepared transaction "{root.gid}"' if root.gid else str(root.pid)
    age_s = root.transaction_age_s
    parts = [
        f'role "{root.role}"' if root.role else "",
        f'application "{root.application_name}"' if root.application_name else "",
        f"at {root.caller}" if root.caller else "",
        root.state,
        f"transaction open for {format_age(age_s)}" if age_s is not None else "",
    ]
    told = f"{name} ({', '.join(each for each in parts if each)})"
    return f"{told} holds {root.holds[0]}" if root.holds else told


def measure_blocked(scene: Scene, pid: int, since_us: int) -> Blocked:
    """Say whom a session keeps waiting now, and for how long since a moment."""
    behind = scene.graph.find_behind(pid)
    waited_s = [
        scene.snapshot.age_s(max(wait.waiter.since_us, since_us)) or 0.0
        for key in behind
        for wait in scene.graph.waits[key][:1]
        if wait.waiter.since_us is not None
    ]
    return Blocked(sessions=len(behind), longest_s=max(waited_s, default=0.0))
