"""What the templates of the operations page need."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from django import template
from django.utils import formats, timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from dbops.core.duration import format_age
from dbops.core.known_rehearsal import KnownRehearsal
from dbops.core.locks.report import Root, WaitingSession
from dbops.core.words import format_size
from dbops.models import Deployment
from dbops.render.locks import describe_state
from dbops.render.text import format_duration

register = template.Library()

DEEPEST = 8
MOST_LINES = 40
"""Waiting sessions that are shown of one root."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A waiting session, and how deep in the tree it stands, from 1."""

    depth: int
    session: WaitingSession


@register.filter
def moment(value: datetime) -> SafeString:
    """Return the time in the reader's zone, with UTC on hover."""
    utc = value.astimezone(UTC)
    return format_html(
        '<time datetime="{}" title="{} UTC">{}</time>',
        utc.isoformat(timespec="seconds"),
        f"{utc:%Y-%m-%d %H:%M:%S}",
        f"{timezone.localtime(value):%Y-%m-%d %H:%M:%S}",
    )


@register.filter
def age(value: float | None) -> str:
    """Return an age of seconds for people."""
    return "" if value is None else format_age(value)


@register.filter
def seconds(value: float | None) -> str:
    """Return how long something took."""
    return "" if value is None else format_duration(value)


@register.filter
def size(value: int | None) -> str:
    """Return bytes for people."""
    return "" if value is None else format_size(value)


@register.filter
def number(value: int | None) -> str:
    """Return a number with separators."""
    if value is None:
        return ""
    return str(formats.number_format(value, use_l10n=True, force_grouping=True))


@register.filter
def kind_label(value: str) -> str:
    """Return what kind of run it was; one of a later release as it is."""
    return str(dict(Deployment.Kind.choices).get(value, value))


@register.filter
def state_label(value: str) -> str:
    """Return how a run ended; a word of a later release as it is."""
    return str(dict(Deployment.State.choices).get(value, value))


@register.filter
def root_state(root: Root) -> str:
    """Return what a blocker does, as `dbops_locks` says it."""
    return describe_state(root)


@register.filter
def tree(root: Root) -> list[Line]:
    """Return the lines of a root's tree, each before those behind it."""
    lines: list[Line] = []
    for line in _walk(root.waiters, 1):
        if len(lines) == MOST_LINES:
            break
        lines.append(line)
    return lines


@register.filter
def left_out(root: Root) -> int:
    """Return how many waiting sessions of a root are not shown."""
    return max(sum(1 for _line in _walk(root.waiters, 1)) - MOST_LINES, 0)


def _walk(waiters: tuple[WaitingSession, ...], depth: int) -> Iterator[Line]:
    for each in waiters:
        yield Line(depth=min(depth, DEEPEST), session=each)
        yield from _walk(each.waiters, depth + 1)


@register.filter
def forecast(rehearsal: KnownRehearsal) -> str:
    """Return for how long the worst table would be blocked, as it was forecast."""
    if not rehearsal.with_rows:
        return _("no rows were copied: no times")
    if not rehearsal.forecasts:
        return _("blocks nobody")
    worst = rehearsal.forecasts[0]
    return _("%(table)s: %(what)s blocked for %(least)s to %(most)s") % {
        "table": worst.table,
        "what": _("reads and writes") if worst.reads_s else _("writes"),
        "least": format_duration(worst.least_s),
        "most": format_duration(worst.most_s),
    }


@register.filter
def act_of(root: Root) -> str:
    """Return what the advice would do to a root: cancel, terminate, or nothing."""
    for each in ("cancel", "terminate"):
        if f"--{each} " in root.command:
            return each
    return ""
