"""What a rehearsal has proven of the migrations that a deployment will run."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dbops.core.catalog import Catalog, ObjectKind
from dbops.core.compatibility import Break, Effect
from dbops.core.migration import MigrationId
from dbops.core.rehearsal import RoundTrip
from dbops.core.words import count_of

HOLDS_ROWS = frozenset({ObjectKind.TABLE, ObjectKind.COLUMN, ObjectKind.VIEW})
"""What may take rows or values along when it goes; a view may be a materialised one."""
MOST_TOLD = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What was seen of one migration on a copy."""

    migration: MigrationId
    round_trip: RoundTrip
    duration_s: float
    failure: str = ""
    losses: tuple[str, ...] = ()
    """What the database would lose as it is now."""
    reason: str = ""
    """Why it is irreversible."""
    effect: Effect | None = None
    over_budget: tuple[str, ...] = ()
    """Tables that it blocks for longer than it may."""
    deletes: tuple[str, ...] = ()
    """Tables that it was seen to delete rows of."""

    @property
    def leads_back(self) -> bool:
        """Whether the way back gives back what is there now."""
        if self.round_trip is RoundTrip.LOSSY:
            return not self.losses
        return self.round_trip in {RoundTrip.IDENTICAL, RoundTrip.EQUIVALENT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Proofs:
    """What one rehearsal has shown of all that is pending."""

    migrations: tuple[Proof, ...]
    breaks: tuple[Break, ...]
    """What the release that runs now cannot do any more after all of them."""
    rehearsed_at: datetime
    backup_id: str
    """The backup whose rows were there; empty where none were."""
    left: tuple[MigrationId, ...] = ()
    """Behind one that failed."""

    def get(self, migration: MigrationId) -> Proof | None:
        """Return what was seen of one migration."""
        return next(
            (one for one in self.migrations if one.migration == migration), None
        )

    @property
    def failures(self) -> tuple[str, ...]:
        """A line for each that does not run there and back and there again."""
        return (
            *(
                f'"{one.migration}" {one.failure}'
                for one in self.migrations
                if one.failure
            ),
            *(f'"{each}" was not reached' for each in self.left),
        )

    @property
    def over_budget(self) -> tuple[str, ...]:
        """A line for each table that is blocked for too long."""
        return tuple(
            f'"{one.migration}" {each}'
            for one in self.migrations
            for each in one.over_budget
        )


def list_no_way_back(
    proofs: Proofs | None, declared: Collection[MigrationId]
) -> tuple[str, ...]:
    """Return a line for each whose way back loses something that nobody declared."""
    if proofs is None:
        return ()
    return tuple(
        f'"{one.migration}" {_tell(one)}'
        for one in proofs.migrations
        if not one.leads_back
        and one.round_trip is not RoundTrip.FAILED
        and one.migration not in declared
    )


def _tell(proof: Proof) -> str:
    if proof.round_trip is RoundTrip.IRREVERSIBLE:
        return f"is irreversible: {proof.reason}"
    more = len(proof.losses) - MOST_TOLD
    told = "; ".join(proof.losses[:MOST_TOLD])
    return f"does not give back all: {told}" + (f"; {more} more" if more > 0 else "")


def find_removed(before: Catalog, after: Catalog) -> tuple[str, ...]:
    """Return what held rows or values before and is gone: its way back is empty."""
    left = {(each.kind, each.name) for each in after.objects}
    return tuple(
        f"{each.kind} {each.name}"
        for each in before.objects
        if each.kind in HOLDS_ROWS and (each.kind, each.name) not in left
    )


def build_proof(
    migration: MigrationId, plain: Mapping[str, Any], exposed: Collection[str]
) -> Proof:
    """Return what the JSON of a recorded rehearsal says of one migration.

    `exposed` are the tables and columns that may hold what the copy did not: an empty
    table of the copy says nothing of them.
    """
    reach = {each.replace('"', "") for each in exposed}
    failure = plain.get("failure")
    effect = plain.get("effect")
    return Proof(
        migration=migration,
        round_trip=RoundTrip(plain["round_trip"]),
        duration_s=plain["duration_s"],
        failure=f"{failure['stage'].replace('_', ' ')}: {failure['message']}"
        if failure
        else "",
        losses=tuple(
            each["text"]
            for each in plain.get("losses", ())
            if not each.get("is_latent") or reach & {*each["name"].split(", ")}
        ),
        reason=plain.get("reason", ""),
        effect=Effect(effect) if effect else None,
        over_budget=tuple(
            f"blocks {each['blocks']} of {each['table']} "
            f"for {each['blocked_s']:.1f} s, and may for {each['allowed_s']:.1f} s"
            for each in plain.get("over_budget", ())
        ),
        deletes=tuple(dict.fromkeys(_list_emptied(plain.get("statements", ())))),
    )


def _list_emptied(statements: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the tables that rows were deleted of; TRUNCATE counts no rows."""
    for each in statements:
        yield from (one["relation"] for one in each.get("deletes", ()))
        if each["sql"].lstrip().upper().startswith("TRUNCATE"):
            yield from each["rewrites"]


def tell_verdicts(proofs: Iterable[Proof]) -> str:
    """Return how many lead back, and how.

    >>> one = Proof(
    ...     migration=MigrationId("shop", "0002_a"),
    ...     round_trip=RoundTrip.LOSSY,
    ...     duration_s=1.0,
    ... )
    >>> tell_verdicts([one])
    '1 lossy'
    """
    verdicts = [one.round_trip for one in proofs]
    return ", ".join(
        f"{verdicts.count(each)} {each}" for each in RoundTrip if each in verdicts
    )


def tell_breaks(breaks: Collection[Break]) -> str:
    """Return the first of what the running release cannot do any more, and how many."""
    first = next(iter(breaks))
    return f"{count_of(len(breaks), 'statement')} would fail: {first}"
