"""How long work tells what it is doing."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str], None]
"""Takes one short line, without a newline, for a person who waits."""


def silent(_line: str) -> None:
    """Tell nobody."""
