"""What a CREATE INDEX CONCURRENTLY that was cut off leaves."""

from __future__ import annotations

import re

_MARKS = re.compile(r" INVALID(?: not ready)?\b")


def is_invalid(definition: str | None) -> bool:
    """Say whether a catalog tells an index as INVALID.

    >>> is_invalid("ON public.t USING btree (a) INVALID not ready")
    True
    """
    return definition is not None and _MARKS.search(definition) is not None


def forget_invalid(definition: str) -> str:
    """Return what the index would be, had its build come to an end.

    >>> forget_invalid("UNIQUE ON public.t USING btree (a) INVALID not ready")
    'UNIQUE ON public.t USING btree (a)'
    """
    return _MARKS.sub("", definition)
