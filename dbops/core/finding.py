"""One thing that a check or the doctor has found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How much it matters; the values are the words of the JSON reports."""

    ERROR = "error"
    """It stops a deployment, or loses something."""
    WARNING = "warning"
    """It will, some day."""
    INFO = "info"
    """Worth knowing; never a reason for exit code 3."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What is wrong, with which object, and the cure."""

    id: str
    """Stable, as in `dbops.W003`; the letter is Django's for the level."""
    level: Level
    message: str
    """Names the object in quotes, starts in lower case, has no full stop."""
    object: str = ""
    """A migration, table, setting ...; empty where it is the database as a whole."""
    hint: str = ""
    """The cure: a command or a statement to type."""
    path: str = ""
    """The file that it is about, where there is one."""
    line: int | None = None
    """Within `path`, from 1."""


def find_exit_code(findings: Iterable[Finding]) -> int:
    """Return 3 where any of them is more than worth knowing, else 0."""
    return 3 if any(each.level is not Level.INFO for each in findings) else 0
