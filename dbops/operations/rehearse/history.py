"""Rehearse migrations one by one from the beginning, not only those pending."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from django.db import Error, models, transaction
from django.db.migrations import Migration
from django.db.migrations.recorder import MigrationRecorder
from django.db.migrations.state import ProjectState

from dbops.core.rehearsal import LABELS, ROWS, VALUES, RoundTrip
from dbops.errors import DbopsError
from dbops.operations.context import Context
from dbops.operations.deploy.apply import StatementLog
from dbops.operations.deploy.unapply import Way, unapply_migration
from dbops.operations.history import build_ignore, read_history
from dbops.operations.rehearse.back import find_return
from dbops.operations.rehearse.ground import Ground
from dbops.operations.rehearse.making_rows import RowMaker, Variant
from dbops.operations.rehearse.old_release import build_state, list_changed, list_models
from dbops.operations.rehearse.one import rehearse_migration
from dbops.operations.rehearse.report import MigrationRehearsal
from dbops.operations.rehearse.run_plainly import apply_plainly
from dbops.operations.replay import find_other_server, open_replay
from dbops.operations.schema import fetch_live_catalog
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
    """Whether tables get rows that are made up from the models' fields."""

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
                filler = RowFiller(self.context)
                while done < last:
                    migration = self.plan[done]
                    done += 1
                    if not self.choose(migration):
                        apply_plainly(self.context, migration)
                        ground = None
                        continue
                    if self.made_up:
                        filler.fill()
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


class RowFiller:
    """Gives tables rows that are made up from the fields of their models."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._maker = RowMaker(context.connection)
        self._state = ProjectState()

    def fill(self) -> dict[str, str]:
        """Give rows to tables without any, and to those whose model is another now.

        Returns why not, by model, where that fails.
        """
        before, self._state = self._state, build_state(self._context)
        changed = list_changed(before, self._state)
        failed: dict[str, str] = {}
        for model in list_models(self._state.apps):
            meta = model._meta  # noqa: SLF001
            rows = model._base_manager.using(self._context.alias)  # noqa: SLF001
            try:
                if meta.label_lower in changed or not rows.exists():
                    self._make(model)
            except Exception as error:  # noqa: BLE001  A field may raise anything.
                failed[meta.label] = str(error)
        return failed

    def _make(self, model: type[models.Model]) -> None:
        for variant in (Variant.FULL, Variant.LEAST):
            with transaction.atomic(using=self._context.alias):
                self._maker.make(model, variant)


def rehearse_downwards(
    context: Context, plan: Sequence[Migration], choose: Choose
) -> Iterator[MigrationRehearsal]:
    """Go down from the last migration of the plan, and rehearse each on the way.

    Rows are carried along by the ways back, and so each migration is tried with what
    they have made of the rows. Ends at the first that has no way back, or whose way
    back fails or loses a part of the schema.
    """
    for migration in reversed(plan):
        way = find_return(context, migration)
        if isinstance(way, str) or not _take_back(context, migration, way):
            return
        if not choose(migration):
            continue
        ground = build_ground(context)
        found = rehearse_migration(ground, migration, None)
        yield found
        if ground.is_broken or is_changed_for_good(found):
            return
        _take_back(context, migration, way)


def _take_back(context: Context, migration: Migration, way: Way) -> bool:
    log = StatementLog(context)
    try:
        unapply_migration(context, migration, way, log=log, check=_accept)
    except (DbopsError, Error):
        return False
    return True


def _accept() -> None:
    """Whatever comes of it."""
