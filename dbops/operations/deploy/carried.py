"""What one migration of a run leaves for the next, so that it is not made anew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ModelState, ProjectState

Models = Mapping[tuple[str, str], ModelState]


@dataclass(slots=True)
class Carried:
    """The loader, and the state that the next migration is applied to.

    A state that Django carries along keeps models which refer to others as they were:
    it gives other DDL than one that is rendered anew, as `migrate` does for each
    command. Here all that is related to what a migration has changed is rendered anew.
    """

    loader: MigrationLoader | None = None
    _models: Models = field(default_factory=dict)
    """As the last migration left them; nothing renders these."""
    _state: ProjectState | None = None
    """Theirs, rendered; None when somebody has it, or there is nothing to spare."""
    _real_apps: set[str] = field(default_factory=set)

    def keep(self, executor: MigrationExecutor, state: ProjectState) -> None:
        """Keep what a migration has left, once it is applied."""
        self.loader = executor.loader
        before, self._models = self._models, _clone(state.models)
        self._real_apps = state.real_apps
        self._state = state if _render_changed(state, before) else None

    def get_state(self) -> ProjectState | None:
        """Return a state to apply the next migration to; None before the first.

        An attempt that fails has spoiled it: the next one gets another.
        """
        state, self._state = self._state, None
        if state is not None:
            return state
        if not self._models:
            return None
        return ProjectState(_clone(self._models), real_apps=self._real_apps)


def _clone(models: Models) -> dict[tuple[str, str], ModelState]:
    return {key: model.clone() for key, model in models.items()}


def _render_changed(state: ProjectState, before: Models) -> bool:
    """Render what changed, and all that is related to it; False: all has to be.

    What does not change keeps its classes, for nothing leads from it to what does.
    """
    if state.models.keys() != before.keys():
        return False
    changed = [
        key for key, model in state.models.items() if not _is_same(model, before[key])
    ]
    state.reload_models(changed, delay=False)
    state.is_delayed = False
    return True


def _is_same(model: ModelState, other: ModelState) -> bool:
    """Say whether a migration has left it alone: it puts new fields in place of old."""
    return (
        model.fields.keys() == other.fields.keys()
        and all(each is other.fields[name] for name, each in model.fields.items())
        and model.options == other.options
        and model.bases == other.bases
        and model.managers == other.managers
    )
