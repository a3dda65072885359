"""Small pieces that all reports are made of."""

from __future__ import annotations

from collections.abc import Iterable
from io import StringIO

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from dbops.errors import DbopsError


def render_text(renderable: RenderableType, *, width: int, color: bool) -> str:
    """Return the text that a console of this width would show."""
    out = StringIO()
    console = Console(
        file=out,
        width=width,
        force_terminal=color,
        no_color=not color,
        color_system="standard" if color else None,
        highlight=False,
        markup=False,
        emoji=False,
    )
    console.print(renderable, soft_wrap=True)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def build_facts(rows: Iterable[tuple[str, str | Text]]) -> Table:
    """Return `name  value` rows, aligned; a row without a value is left out."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        if value:
            table.add_row(name, value if isinstance(value, Text) else Text(value))
    return table


def build_table(headings: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Table:
    """Return a plain aligned table; a column of numbers is set to the right."""
    listed = list(rows)
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for index, heading in enumerate(headings):
        numbers = listed and all(
            row[index].replace(",", "").replace(".", "").isdigit() for row in listed
        )
        table.add_column(
            heading, justify="right" if numbers else "left", overflow="fold"
        )
    for row in listed:
        table.add_row(*(Text(cell) for cell in row))
    return table


def build_verdict(text: str, *, good: bool, hint: str | None = None) -> RenderableType:
    """Return the last line of a report and, under it, the next command."""
    verdict = Text(text, style="bold green" if good else "bold yellow")
    if hint is None:
        return verdict
    return Group(verdict, Text(f"Next: {hint}"))


def render_error(error: DbopsError) -> str:
    """Return the message and, on a line of its own, the next step.

    >>> print(render_error(DbopsError("no backup", hint="manage.py dbops_backup")))
    no backup
      Next: manage.py dbops_backup
    """
    if error.hint is None:
        return error.message
    return f"{error.message}\n  Next: {error.hint}"


def format_duration(duration_s: float) -> str:
    """Return a duration for people.

    >>> format_duration(0.0421), format_duration(75)
    ('0.04 s', '1 min 15 s')
    """
    if duration_s < 60:  # noqa: PLR2004
        return f"{duration_s:.2f} s" if duration_s < 10 else f"{duration_s:.0f} s"  # noqa: PLR2004
    minutes, seconds = divmod(round(duration_s), 60)
    return f"{minutes} min {seconds} s"
