"""Judge each migration by what it does to the release that runs while it is applied."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from dbops.core.catalog import Catalog, ObjectKind
from dbops.core.compatibility import (
    Answer,
    Break,
    Effect,
    Probe,
    find_breaks,
    name_effect,
)
from dbops.operations.context import Context
from dbops.operations.rehearse.old_release import (
    Prober,
    build_state,
    list_changed,
    list_models,
    list_with_referrers,
)
from dbops.postgres.old_statements import prepare_statements

FAR_REACHING = frozenset({ObjectKind.FUNCTION, ObjectKind.DOMAIN, ObjectKind.ENUM})
"""What tables depend on without being locked when it changes."""

Tables = Collection[str] | None
"""Names of tables; None for all."""


class Rollout:
    """What the releases do, tried on the scratch database after each migration.

    One release is the one that runs now; another one knows all migrations but the last.
    """

    def __init__(self, context: Context, statements: Sequence[str]) -> None:
        self._context = context
        self._prober = Prober(context)
        self._first = self._state = build_state(context)
        self._answers = self._prober.probe(list_models(self._state.apps))
        self._first_answers = dict(self._answers)
        prepared = prepare_statements(context.connect(), statements)
        self._prepared = {
            probe: answer for probe, answer in prepared.items() if answer.works
        }
        self._broken: list[Break] = []
        self._touched: set[str] | None = set()

    def judge(
        self, before: Catalog, after: Catalog, touched: Tables
    ) -> tuple[Effect, tuple[Break, ...]]:
        """Try what the release before this migration does, and name the migration.

        The scratch database is where the migration leads; `touched` are the tables that
        it has changed.
        """
        tables = self._widen(before, after, touched)
        found = self._prober.probe(list_models(self._state.apps, tables))
        breaks = (*find_breaks(self._answers, found), *self._prepare_again())
        self._move_on(tables)
        return name_effect(before, after, breaks), breaks

    def finish(self) -> tuple[Break, ...]:
        """Return what the release that runs now would break, after all migrations."""
        models = list_models(self._first.apps, self._touched)
        found = self._prober.probe(models)
        return (*find_breaks(self._first_answers, found), *self._broken)

    def _widen(self, before: Catalog, after: Catalog, touched: Tables) -> Tables:
        known = {(each.kind, each.name): each for each in before.objects}
        reaching = any(
            each.kind in FAR_REACHING and known.get((each.kind, each.name)) != each
            for each in after.objects
        )
        tables = None if reaching else touched
        if tables is None or self._touched is None:
            self._touched = None
        else:
            self._touched |= set(tables)
        return tables

    def _prepare_again(self) -> tuple[Break, ...]:
        texts = [each.action for each in self._prepared]
        found = prepare_statements(self._context.connect(), texts)
        breaks = find_breaks(self._prepared, found)
        self._broken += breaks
        for each in breaks:
            del self._prepared[Probe(subject=each.subject, action=each.action)]
        return breaks

    def _move_on(self, tables: Tables) -> None:
        """Let the release know this migration, for the next one."""
        before, self._state = self._state, build_state(self._context)
        if tables is None:
            self._answers = self._prober.probe(list_models(self._state.apps))
            return
        known = {each.subject for each in self._answers}
        changed = list_changed(before, self._state)
        affected = set(list_models(self._state.apps, tables))
        every = list(list_models(self._state.apps))
        affected |= {
            model
            for model in every
            if model._meta.label not in known  # noqa: SLF001
            or model._meta.label_lower in changed  # noqa: SLF001
        }
        stale = list_with_referrers(every, affected)
        fresh = self._prober.probe(stale)
        labels = {model._meta.label for model in stale}  # noqa: SLF001
        kept: dict[Probe, Answer] = {
            probe: answer
            for probe, answer in self._answers.items()
            if probe.subject not in labels
        }
        self._answers = kept | fresh
