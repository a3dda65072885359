"""Whether a release that was written for the schema before still works after."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from dbops.core.catalog import Catalog, ObjectKind, SchemaObject

NEW_THINGS = frozenset(
    {
        ObjectKind.TABLE,
        ObjectKind.COLUMN,
        ObjectKind.ENUM,
        ObjectKind.DOMAIN,
        ObjectKind.TYPE,
        ObjectKind.VIEW,
        ObjectKind.SEQUENCE,
        ObjectKind.SCHEMA,
        ObjectKind.EXTENSION,
        ObjectKind.FUNCTION,
    }
)
"""What a release can use. Indexes, keys and triggers it does not name."""


class Effect(StrEnum):
    """What a migration is to the release that runs while it is applied."""

    EXPAND = "expand"
    """It adds what the old release does not know, and the old one goes on."""
    CONTRACT = "contract"
    """The old release breaks: its successor has to run everywhere before."""
    NEUTRAL = "neutral"
    """Neither release sees it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """Something that the old release does."""

    subject: str
    """A model (`shop.Order`), or `pg_stat_statements`."""
    action: str
    """In words, as in `insert with all values`; or the statement itself."""

    def __str__(self) -> str:
        """Return both.

        >>> print(Probe(subject="shop.Order", action="select"))
        shop.Order: select
        """
        return f"{self.subject}: {self.action}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the database said to a probe."""

    works: bool
    message: str = ""
    """Why it does not work, or could not be tried."""
    sql: str = ""
    """The statement that failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """Something that worked before a migration and does not any more."""

    subject: str
    action: str
    message: str
    """PostgreSQL's words."""
    sql: str

    def __str__(self) -> str:
        """Return one line for a person."""
        return f"{self.subject}: {self.action}: {self.message}"


Answers = Mapping[Probe, Answer]


def find_breaks(before: Answers, after: Answers) -> tuple[Break, ...]:
    """Return what worked and does not any more, in the order of `after`."""
    return tuple(
        Break(
            subject=probe.subject,
            action=probe.action,
            message=answer.message,
            sql=answer.sql,
        )
        for probe, answer in after.items()
        if not answer.works and probe in before and before[probe].works
    )


def name_effect(before: Catalog, after: Catalog, breaks: tuple[Break, ...]) -> Effect:
    """Say what a migration is, by what it did to the schema and to the old release."""
    if breaks:
        return Effect.CONTRACT
    known = {(each.kind, each.name): _get_use(each) for each in before.objects}
    for each in after.objects:
        key = each.kind, each.name
        if each.kind in NEW_THINGS and known.get(key) != _get_use(each):
            return Effect.EXPAND
    return Effect.NEUTRAL


def _get_use(each: SchemaObject) -> str:
    """Return what a release can see of an object: no comment."""
    return each.definition.partition(" comment '")[0]
