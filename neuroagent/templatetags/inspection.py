"""What the templates of the admin site need."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django import template

from neuroagent.admin.charts import Rect
from neuroagent.admin.content import make_visible
from neuroagent.admin.display import draw, link_to_filter, show_count, show_time

register = template.Library()


@register.filter
def moment(value: datetime) -> str:
    """Return the time in the reader's zone, with UTC on hover."""
    return show_time(value)


@register.filter
def grouped(value: int) -> str:
    """Return a number with separators."""
    return show_count(value)


@register.filter
def drawn(rects: Iterable[Rect]) -> str:
    """Return parts of bars as SVG."""
    return draw(rects)


@register.filter
def visible(value: str) -> str:
    """Return a text whose control characters can be seen."""
    return make_visible(value)


@register.simple_tag
def filter_link(model: str, name: str, value: UUID | None) -> str:
    """Return the value as a link to the list of those that have it."""
    return link_to_filter(model, name, value)
