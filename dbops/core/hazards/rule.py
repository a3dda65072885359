"""What a rule is: one kind of statement, and what PostgreSQL does for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from dbops.core.lock_modes import LockMode


class Role(StrEnum):
    """What a relation is to the statement; the values are the words of the docs."""

    TABLE = "the table"
    BELOW = "each partition or inheriting table"
    TARGET = "the table that the foreign key points to"
    SOURCES = "the tables whose foreign keys point to it"
    CHECKED_SOURCES = "those of them whose foreign keys are validated"
    PARENT = "the parent"
    DEFAULT = "the default partition"
    CHILD = "the partition"
    OTHERS = "the other relations that go with it"
    USERS = "each table with a column of the domain"
    INDEX = "the index"
    READ = "the tables that it reads"


class Work(StrEnum):
    """What takes as long as the table is large."""

    SCAN = "scan"
    """All rows are read."""
    BUILD = "build"
    """They are read, and an index is built."""
    REWRITE = "rewrite"
    """They are read and written again, with all indexes."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What happens to the relations of one role."""

    role: Role
    mode: LockMode
    work: Work | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One kind of statement."""

    id: str
    syntax: str
    """The statement in one line, for people."""
    why: str
    """One line: what it costs, or why it costs nothing."""
    effects: tuple[Effect, ...] = ()
    earlier: Mapping[int, tuple[Effect, ...]] = field(default_factory=dict)
    """The effects up to and with a major version, where they were others."""
    bad: str = ""
    """SQL that does it."""
    good: str = ""
    """SQL that gets there without it; empty where there is no need or no way."""
    django: str = ""
    """Operations that make Django do it."""
    instead: str = ""
    """Operations that make Django do it the safe way."""
    since: int = 15
    """The first major version that has it."""

    def list_effects(self, version: int) -> tuple[Effect, ...]:
        """Return the effects on a server of this major version."""
        for last in sorted(self.earlier):
            if version <= last:
                return self.earlier[last]
        return self.effects


def merge_rules(*groups: tuple[Rule, ...]) -> dict[str, Rule]:
    """Return the rules by their ids."""
    return {each.id: each for group in groups for each in group}
