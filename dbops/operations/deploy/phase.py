"""Expand, then roll out the release, then contract: which migrations belong where.

A rehearsal names each migration by what it does to the release that runs; a class
attribute of the migration, `phase = "contract"`, says it in its place.
"""

from __future__ import annotations

from django.db.migrations import Migration

from dbops.core.compatibility import Effect
from dbops.core.migration import MigrationId
from dbops.core.proof import Proofs
from dbops.errors import Refused
from dbops.operations.history import LEDGER_APP, History, get_id

PHASES = (Effect.EXPAND, Effect.CONTRACT)


def find_phase(migration: Migration, proofs: Proofs | None) -> Effect | None:
    """Return what a migration is to the running release; None where nobody knows.

    Raises:
        Refused: its own word for it is none.
    """
    said = getattr(migration, "phase", None)
    if said is not None:
        try:
            return Effect(said)
        except ValueError as error:
            raise Refused(
                f'migration "{get_id(migration)}" says phase = {said!r}',
                hint=f"use one of: {', '.join(each.value for each in Effect)}",
            ) from error
    if migration.app_label == LEDGER_APP:
        return Effect.EXPAND
    proof = proofs.get(get_id(migration)) if proofs else None
    return proof.effect if proof else None


def choose_left(
    history: History, phase: Effect, proofs: Proofs | None
) -> frozenset[MigrationId]:
    """Return the pending migrations that a run of one phase leaves alone.

    To expand leaves what contracts, and what depends on that. To contract leaves
    nothing, and has to come after.

    Raises:
        Refused: a migration's phase is not known, or the other phase comes first.
    """
    left: set[MigrationId] = set()
    for migration in history.pending:
        found = find_phase(migration, proofs)
        if found is None:
            raise Refused(
                f'nobody knows whether "{get_id(migration)}" expands or contracts',
                hint="manage.py dbops_rehearse names each; or say it in the migration: "
                'phase = "contract"',
            )
        if found is Effect.CONTRACT or _depends(history, migration, left):
            left.add(get_id(migration))
    if phase is Effect.EXPAND:
        return frozenset(left)
    first = [get_id(each) for each in history.pending if get_id(each) not in left]
    if first and left:
        raise Refused(
            f"these expand, and come first: {', '.join(map(str, first))}",
            hint="manage.py dbops_deploy --phase expand, roll out the release, "
            "then --phase contract",
        )
    return frozenset()


def _depends(history: History, migration: Migration, left: set[MigrationId]) -> bool:
    plan = history.loader.graph.forwards_plan((migration.app_label, migration.name))
    return any(MigrationId(*key) in left for key in plan)
