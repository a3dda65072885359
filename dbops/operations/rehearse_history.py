"""Rehearse migrations one by one from the beginning, not only those that are pending."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from django.db import Error, transaction
from django.db.migrations import Migration
from django.db.migrations.recorder import MigrationRecorder

from dbops.core.migration import MigrationId
from dbops.core.rehearsal import LABELS, ROWS, VALUES, RoundTrip
from dbops.errors import DbopsError
from dbops.operations.apply import StatementLog
from dbops.operations.context import Context
from dbops.operations.history import build_ignore, get_id, read_history
from dbops.operations.making_rows import NoValue, RowMaker, Variant
from dbops.operations.old_release import build_state, list_models
from dbops.operations.rehearsal_report import MigrationRehearsal
from dbops.operations.rehearse_one import Ground, find_return, rehearse_migration
from dbops.operations.replay import find_other_server, open_replay
from dbops.operations.run_plainly import apply_plainly
from dbops.operations.schema import fetch_live_catalog
from dbops.operations.unapply import unapply_migration
from dbops.postgres.table_contents import fetch_table_sums

Choose = Callable[[Migration], bool]
"""Say whether a migration is to be rehearsed, and not only applied."""


@dataclass(slots=True)
class HistoryWalk:
    """All migrations on disk, and a scratch database on its way through them."""

    context: Context
    plan: Sequence[Migration]
    choose: Choose
    made_up: bool = True
    """Whether tables without rows get some that are made up from the models' fields."""

    def run(self) -> Iterator[MigrationRehearsal]:
        """Yield what is seen of each chosen migration, from the first one on.

        Where one leaves the scratch database in no known state, another one is made.

        Raises:
            Refused: the role may not create databases.
            ServerFailed: a migration that is not chosen fails.
        """
        last = max(
            (n for n, each in enumerate(self.plan, 1) if self.choose(each)), default=0
        )
        done = 0
        while done < last:
            with open_replay(self.context, find_other_server(self.context)) as replay:
                MigrationRecorder(replay.connection).ensure_schema()
                replay.apply(self.plan[:done])
                ground: Ground | None = None
                while done < last:
                    migration = self.plan[done]
                    done += 1
                    if not self.choose(migration):
                        apply_plainly(self.context, migration)
                        ground = None
                        continue
                    if self.made_up:
                        make_up_rows(self.context)
                    ground = ground or build_ground(self.context)
                    if self.made_up:
                        ground.sums = fetch_table_sums(self.context.target)
                    found = rehearse_migration(ground, migration, None)
                    yield found
                    if ground.is_broken or is_changed_for_good(found):
                        break


def build_ground(context: Context) -> Ground:
    """Return the scratch database of the alias as it is now."""
    history = read_history(context)
    return Ground(
        context=context,
        catalog=fetch_live_catalog(context),
        sums=fetch_table_sums(context.target),
        ignore=build_ignore(context, history.loader),
    )


def is_changed_for_good(found: MigrationRehearsal) -> bool:
    """Say whether the schema is another one now than without the way back."""
    if found.round_trip is RoundTrip.FAILED:
        return True
    return any(each.kind not in {ROWS, VALUES, LABELS} for each in found.losses)


def make_up_rows(context: Context) -> dict[str, str]:
    """Give each table without rows some; return why not, by model, where that fails."""
    failed: dict[str, str] = {}
    maker = RowMaker(context.connection)
    for model in list_models(build_state(context).apps):
        if model._base_manager.using(context.alias).exists():  # noqa: SLF001
            continue
        for variant in (Variant.FULL, Variant.LEAST):
            try:
                with transaction.atomic(using=context.alias):
                    maker.make(model, variant)
            except (NoValue, Error, ValueError, TypeError) as error:
                failed[model._meta.label] = str(error)  # noqa: SLF001
    return failed


def go_back_far(context: Context, plan: Sequence[Migration]) -> list[MigrationId]:
    """Take back the applied migrations of the plan, newest first, as far as it goes.

    Returns what was taken back, in that order. Stops at the first that has no way back,
    or whose way back fails.
    """
    taken: list[MigrationId] = []
    for migration in reversed(plan):
        try:
            way = find_return(context, migration)
            if isinstance(way, str):
                break
            unapply_migration(
                context, migration, way, log=StatementLog(context), check=_accept
            )
        except (DbopsError, Error):
            break
        taken.append(get_id(migration))
    return taken


def _accept() -> None:
    """Whatever comes of it."""
