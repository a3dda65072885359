"""Tell a person of many small steps, without flooding the terminal."""

from __future__ import annotations

import time
from collections.abc import Callable

from dbops.core.progress import Progress

INTERVAL_S = 0.25


class Pace:
    """Passes on at most one line in an interval, and counts those it left out."""

    def __init__(
        self, progress: Progress, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._progress = progress
        self._clock = clock
        self._last = float("-inf")
        self._left_out = 0

    def __call__(self, line: str) -> None:
        """Tell the line, or count it as left out."""
        now = self._clock()
        if now - self._last < INTERVAL_S:
            self._left_out += 1
            return
        suffix = f" ({self._left_out:,} more before it)" if self._left_out else ""
        self._progress(line + suffix)
        self._last, self._left_out = now, 0
