"""Values as HTML, none of which is ever made of data without escaping."""

from collections.abc import Iterable
from datetime import UTC, datetime
from uuid import UUID

from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import formats, timezone
from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from neuroagent.admin.charts import Rect
from neuroagent.admin.content import Text

START, STOP, LESS = "\ue000", "\ue001", "\ue002"
"""What ts_headline puts around a word, and what it reads in place of "<", since it
leaves out what looks like a tag: of Unicode's private use, and of ours alone."""

NOTHING = "–"  # noqa: RUF001  An en dash, as the admin site shows it.


def show_time(value: datetime) -> SafeString:
    """Return the time in the reader's zone, with UTC on hover.

    >>> str(show_time(datetime(2026, 11, 23, 8, 5, tzinfo=UTC)))
    '<time datetime="2026-11-23T08:05:00+00:00" \
title="2026-11-23 08:05:00 UTC">2026-11-23 08:05:00</time>'
    """
    utc = value.astimezone(UTC)
    return format_html(
        '<time datetime="{}" title="{} UTC">{}</time>',
        utc.isoformat(),
        f"{utc:%Y-%m-%d %H:%M:%S}",
        f"{timezone.localtime(value):%Y-%m-%d %H:%M:%S}",
    )


def show_count(value: int) -> str:
    """Return a number with separators."""
    return str(formats.number_format(value, use_l10n=True, force_grouping=True))


def show_marked(headline: str) -> SafeString:
    """Return a headline of PostgreSQL's as HTML, its words marked.

    >>> str(show_marked(f"a <b> {START}cell{STOP}"))
    'a &lt;b&gt; <mark>cell</mark>'
    """
    before, *found = headline.replace(f" {LESS} ", "<").replace(LESS, "<").split(START)
    parts = [each.partition(STOP) for each in found]
    return format_html(
        "{}{}",
        before,
        format_html_join(
            "", "<mark>{}</mark>{}", ((word, rest) for word, _, rest in parts)
        ),
    )


def draw(rects: Iterable[Rect]) -> SafeString:
    """Return parts of bars as SVG; in a template each would take ten times as long.

    >>> str(draw([Rect(kind="a", x="0", y="1", width="2", height="3", title="<4>")]))
    '<rect class="a" x="0" y="1" width="2" height="3"><title>&lt;4&gt;</title></rect>'
    """
    return format_html_join(
        "",
        '<rect class="{}" x="{}" y="{}" width="{}" height="{}">{}</rect>',
        (
            (
                each.kind,
                each.x,
                each.y,
                each.width,
                each.height,
                format_html("<title>{}</title>", each.title) if each.title else "",
            )
            for each in rects
        ),
    )


def link_to_filter(model: str, name: str, value: UUID | None) -> SafeString | str:
    """Return the value as a link to the list of those that have it."""
    if value is None:
        return NOTHING
    query = urlencode({name: str(value)})
    url = reverse(f"admin:neuroagent_{model}_changelist")
    return format_html('<a class="id" href="{}?{}">{}</a>', url, query, value)


def render_text(text: Text | None, *, is_broken: bool = False) -> SafeString | str:
    """Return a text as HTML: shown, or folded where it is long."""
    if text is None:
        return NOTHING
    return render_to_string(
        "admin/neuroagent/text.html", {"text": text, "is_broken": is_broken}
    )
