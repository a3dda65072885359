"""Numbers as bars: the geometry of small SVG pictures, for templates to draw.

A template gives each part a class, and a file the class a colour: the content security
policy allows no other way. Numbers are strings, so that no locale puts a comma in.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

WIDTH = 100
HEIGHT = 40
GAP_SHARE = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Rect:
    """A part of a bar."""

    kind: str
    x: str
    y: str
    width: str
    height: str
    title: str = ""


def stack(parts: Mapping[str, int], *, largest: int) -> tuple[Rect, ...]:
    """Return a lying bar of several parts, 10 high; WIDTH is the largest of all bars.

    >>> [(each.kind, each.x, each.width) for each in stack({"a": 1, "b": 3}, largest=8)]
    [('a', '0.00', '12.50'), ('b', '12.50', '37.50')]
    """
    rects = []
    x = 0.0
    for kind, count in parts.items():
        width = WIDTH * count / largest if largest else 0.0
        if width > 0:
            rects.append(
                Rect(kind=kind, x=f"{x:.2f}", y="0", width=f"{width:.2f}", height="10")
            )
        x += max(width, 0)
    return tuple(rects)


def columns(bars: Sequence[tuple[str, Mapping[str, int]]]) -> tuple[Rect, ...]:
    """Return standing bars of several parts, HEIGHT high, beside each other.

    `bars` are titles with their parts, the lowest first.
    """
    largest = max((sum(parts.values()) for _, parts in bars), default=0)
    if not largest:
        return ()
    step = WIDTH / len(bars)
    rects = []
    for number, (title, parts) in enumerate(bars):
        y = float(HEIGHT)
        for kind, count in parts.items():
            height = HEIGHT * count / largest
            y -= height
            rects.append(
                Rect(
                    kind=kind,
                    x=f"{number * step:.2f}",
                    y=f"{y:.2f}",
                    width=f"{step * (1 - GAP_SHARE):.2f}",
                    height=f"{height:.2f}",
                    title=title,
                )
            )
    return tuple(rects)
