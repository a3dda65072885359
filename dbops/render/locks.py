"""The report of `dbops_locks` as text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from dbops.core.duration import format_age
from dbops.core.locks.kinds import BlockerKind
from dbops.core.locks.migrations import describe_place
from dbops.core.locks.report import (
    MigrationWait,
    OtherWait,
    Person,
    Root,
    WaitingSession,
    walk,
)
from dbops.core.words import count_of, shorten
from dbops.operations.locks.locks import ActReport, Event, LocksReport
from dbops.render.text import build_facts, build_verdict

MOST_ROOTS = 10
MOST_SIBLINGS = 5
MOST_LEVELS = 6
LONGEST_LINE = 110
LATEST = 5
"""Events that a screen shows; the report at the end has more."""
IN_WORDS = frozenset({"transactionid", "virtualxid", "tuple"})
"""Waits whose lock mode tells nobody anything."""
WORDS = {
    BlockerKind.OWN_BACKUP: "a backup of dbops",
    BlockerKind.DBOPS: "another command of dbops",
    BlockerKind.MIGRATION: "a migration",
    BlockerKind.PG_DUMP: "a dump",
    BlockerKind.WALSENDER: "a walsender",
    BlockerKind.AUTOVACUUM: "autovacuum",
    BlockerKind.WRAPAROUND_VACUUM: "autovacuum to prevent wraparound",
    BlockerKind.PREPARED: "",
    BlockerKind.IDLE_IN_TRANSACTION: "idle in transaction",
    BlockerKind.IDLE: "idle, with a lock of its session",
    BlockerKind.ACTIVE: "active",
    BlockerKind.REPLAY: "the standby's replay",
    BlockerKind.SERVER: "a process of the server",
    BlockerKind.DEADLOCK: "a deadlock",
    BlockerKind.HIDDEN: "not to be seen by this role",
    BlockerKind.GONE: "gone",
}


def render_locks(report: LocksReport, *, verdict: bool = True) -> RenderableType:
    """Return the roots with their queues, what else waits, and the verdict."""
    server = f"{report.server}, a standby" if report.standby else report.server
    parts: list[RenderableType] = [
        build_facts([("Database", f"{report.place}, {server}")])
    ]
    for root in report.roots[:MOST_ROOTS]:
        parts += ["", *_build_root(root)]
    if len(report.roots) > MOST_ROOTS:
        more = len(report.roots) - MOST_ROOTS
        parts += ["", Text(f"and {count_of(more, 'root')} more (--json has all)")]
    rest = [
        *(
            (f"Migration {each.pid}", _tell_migration(each))
            for each in report.migrations
        ),
        *((f"No lock {each.pid}", _tell_other(each)) for each in report.other_waits),
        *(
            (each.outcome.capitalize().replace("_", " "), _tell_act(each))
            for each in report.acts
        ),
        *(("Noted", each) for each in report.notes),
        *(("To see more", each) for each in report.missing_rights),
    ]
    if rest:
        parts += ["", build_facts(rest)]
    if report.history:
        parts += ["", _build_history(report.history)]
    if verdict:
        parts += ["", _build_verdict(report)]
    return Group(*parts)


def render_watch(report: LocksReport) -> RenderableType:
    """Return the report with its answer first: a screen shows what fits on it."""
    now = Text(f"{report.taken_at:%H:%M:%S} UTC", style="dim")
    parts: list[RenderableType] = [now, _build_verdict(report)]
    if report.history:
        parts.append(_build_history(report.history[-LATEST:]))
    calm = replace(report, history=())
    return Group(*parts, "", render_locks(calm, verdict=False), "")


def _build_history(history: tuple[Event, ...]) -> Text:
    lines = [f"{each.at_s:7.0f} s  {each.text}" for each in history]
    return Text("\n".join(lines), style="dim")


def render_acts(report: LocksReport) -> list[str]:
    """Return what a person is asked to agree to."""
    return [*(f"would {_tell_act(each)}" for each in report.acts), *report.notes]


def _build_root(root: Root) -> Iterator[RenderableType]:
    """Yield a blocker: who it is, what it holds, what to do, and who waits."""
    head = Table.grid()
    head.add_column(overflow="fold")
    head.add_row(Text.assemble((_name(root), "bold red"), f"  {describe_state(root)}"))
    yield head
    facts = build_facts(
        [
            ("Who", _tell_person(root)),
            ("Holds", _join(root.holds)),
            ("Query", shorten(root.query, LONGEST_LINE)),
            ("Noted", _join(_find_notes(root))),
            ("Blocks", _tell_blocks(root)),
            ("Advice", root.advice),
            ("Lost", root.lost if root.command else ""),
            ("Next", Text(root.command, style="bold")),
        ]
    )
    yield Padding(facts, (0, 0, 0, 2))
    tree = Text("\n".join(_draw(root.waiters)), no_wrap=True, overflow="ellipsis")
    yield Padding(tree, (0, 0, 0, 2))


def _find_notes(root: Root) -> tuple[str, ...]:
    """Return what the waits behind it are, where they are for no table or row."""
    notes = [f"{each.pid}: {each.note}" for each in walk(root.waiters) if each.note]
    return tuple(notes)


def _name(person: Person) -> str:
    return f'prepared transaction "{person.gid}"' if person.gid else str(person.pid)


def describe_state(root: Root) -> str:
    """Return what a blocker is and does, and since when."""
    told = WORDS[root.kind]
    if root.gid:
        return f"prepared {format_age(root.transaction_age_s or 0)} ago"
    if root.circle:
        return f"{told} of {', '.join(map(str, root.circle))}"
    if root.kind not in {BlockerKind.IDLE_IN_TRANSACTION, BlockerKind.ACTIVE} and (
        root.state in {"active", "idle in transaction"}
    ):
        told += f", {root.state}"
    if root.state_age_s is not None and root.state:
        told += f" for {format_age(root.state_age_s)}"
    if root.transaction_age_s is not None:
        told += f", transaction open for {format_age(root.transaction_age_s)}"
    return told


def _tell_person(person: Person) -> str:
    parts = [
        (person.role, f'role "{person.role}"'),
        (person.application_name, f'application "{person.application_name}"'),
        (person.client, f"from {person.client}"),
        (person.caller, f"at {person.caller}"),
        (person.database, f'database "{person.database}"'),
    ]
    return ", ".join(told for given, told in parts if given)


def _join(lines: tuple[str, ...]) -> str:
    shown = lines[:MOST_SIBLINGS]
    more = len(lines) - len(shown)
    return "\n".join(shown) + (f"\nand {more:,} more" if more else "")


def _tell_blocks(root: Root) -> str:
    told = count_of(root.blocks, "session")
    return f"{told}; ending it {root.effect}" if root.effect else told


def _draw(
    waiters: tuple[WaitingSession, ...],
    indent: str = "",
    level: int = 1,
    above: str = "",
) -> Iterator[str]:
    """Yield the lines of a tree, cut where it is wide or deep.

    What the one above waits for, too, is not said again.
    """
    shown = waiters[:MOST_SIBLINGS]
    if len(waiters) == MOST_SIBLINGS + 1:
        shown = waiters
    left = waiters[len(shown) :]
    for number, each in enumerate(shown):
        last = number == len(shown) - 1 and not left
        yield f"{indent}{'└' if last else '├'} {_tell_waiter(each, above)}"
        below = f"{indent}{' ' if last else '│'} "
        if level < MOST_LEVELS:
            yield from _draw(each.waiters, below, level + 1, each.object)
        elif each.waiters:
            yield f"{below}└ and {_count(each.waiters)} more behind it"
    if left:
        yield f"{indent}└ and {_count(left)} more, {_tell_range(left)}"


def _count(waiters: tuple[WaitingSession, ...]) -> str:
    return f"{sum(1 for _ in walk(waiters)):,}"


def _tell_range(waiters: tuple[WaitingSession, ...]) -> str:
    waited = [each.waited_s or 0.0 for each in walk(waiters)]
    least, most = format_age(min(waited)), format_age(max(waited))
    return f"waiting {least}" if least == most else f"waiting {least} to {most}"


def _tell_waiter(each: WaitingSession, above: str) -> str:
    since = "just now" if each.waited_s is None else format_age(each.waited_s)
    parts = [since]
    if each.locktype in IN_WORDS:
        parts.append(f"for {each.object}" if each.object != above else "for it, too")
    else:
        parts.append(
            f"{each.wants} on {each.object}" if each.object != above else each.wants
        )
    if not each.hard:
        parts.append("queued behind it")
    if each.also_behind:
        parts.append(f"also behind {', '.join(each.also_behind)}")
    who = each.caller or each.application_name
    if each.migration:
        who = f"migration {who}".rstrip()
    return f"{_name(each)}  {', '.join(parts)}" + (f"  ({who})" if who else "")


def _tell_migration(each: MigrationWait) -> str:
    who = f' ("{each.application_name}")' if each.application_name else ""
    verb = "waits" if each.behind == 1 else "wait"
    behind = f"{count_of(each.behind, 'session')} {verb} behind it"
    if not each.behind:
        behind = "nobody waits behind it"
    return (
        f"{describe_place(each.place)} in the queue for {each.object}{who}; {behind}; "
        f"in the way: {', '.join(each.in_the_way) or 'nobody any more'}"
    )


def _tell_other(each: OtherWait) -> str:
    running = f" for {format_age(each.running_s)}" if each.running_s is not None else ""
    return (
        f"{each.wait_event_type}/{each.wait_event}{running}: {each.explanation} "
        f"({_tell_person(each)})"
    )


def _tell_act(each: ActReport) -> str:
    told = {
        "planned": f"{each.act} {each.who}: {each.effect}; lost: {each.lost}",
        "done": f"{each.act} {each.who}: {each.effect}",
        "moved_on": f"{each.who} is not in that transaction any more: nothing was done",
        "still_there": f"{each.act} {each.who}: sent, without effect in 5 s",
    }
    return told[each.outcome]


def _build_verdict(report: LocksReport) -> RenderableType:
    if report.acts:
        return _judge_acts(report)
    waiting = count_of(report.waiting, "session")
    verb = "waits" if report.waiting == 1 else "wait"
    if report.exit_code:
        longest = format_age(report.longest_wait_s)
        roots = count_of(len(report.roots), "root")
        return build_verdict(
            f"{waiting} {verb}, the longest for {longest}, behind {roots}", good=False
        )
    if report.waiting:
        return build_verdict(
            f"{waiting} {verb} for a lock, nobody here for "
            f"{format_age(report.min_wait_s)}",
            good=True,
        )
    return build_verdict("Nobody waits for a lock", good=True)


def _judge_acts(report: LocksReport) -> RenderableType:
    planned = all(each.outcome == "planned" for each in report.acts)
    if planned:
        return build_verdict("Nothing was done (dry run)", good=True)
    failed = sum(each.outcome == "still_there" for each in report.acts)
    if failed:
        return build_verdict(f"{count_of(failed, 'session')} still there", good=False)
    return build_verdict("Done", good=True, hint="manage.py dbops_locks")
