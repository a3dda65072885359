"""Do with the new schema what the release does that is running now."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from django.apps.registry import Apps
from django.db import OperationalError, models, transaction
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ProjectState

from dbops.core.compatibility import Answer, Probe
from dbops.core.words import shorten
from dbops.operations.context import Context
from dbops.operations.rehearse.making_rows import NoValue, RowMaker, Variant
from dbops.postgres.session import tell_error

LONGEST_SQL = 300
INSERTS = {
    Variant.LEAST: "insert with as few values as it may have",
    Variant.FULL: "insert with all values",
    Variant.EXTREME: "insert with extreme values",
}
AGAIN = "insert the same values again"


def build_state(context: Context) -> ProjectState:
    """Return the project's state with what is applied now; its apps have the models."""
    loader = MigrationLoader(context.connection)
    applied = [key for key in loader.graph.nodes if key in loader.applied_migrations]
    return loader.project_state(applied, at_end=True)


def list_changed(before: ProjectState, after: ProjectState) -> set[str]:
    """Return the labels, in lower case, of models that are others or new."""
    return {
        f"{app}.{name}"
        for (app, name), model in after.models.items()
        if (app, name) not in before.models or before.models[app, name] != model
    }


def list_models(
    apps: Apps, tables: Collection[str] | None = None
) -> Iterator[type[models.Model]]:
    """Yield the models that have tables; with `tables` those of these tables.

    Names are compared without schema and quotes: one too many does no harm.
    """
    bare = None if tables is None else {_strip(each) for each in tables}
    for model in apps.get_models(include_auto_created=True):
        meta = model._meta  # noqa: SLF001
        has_table = meta.managed and not meta.proxy and not meta.swapped
        if has_table and (bare is None or _strip(meta.db_table) in bare):
            yield model


def _strip(name: str) -> str:
    return name.replace('"', "").rpartition(".")[2]


def list_with_referrers(
    every: Sequence[type[models.Model]], found: Collection[type[models.Model]]
) -> list[type[models.Model]]:
    """Return the models found, and those that refer to them, however indirectly."""
    reached = set(found)
    more = True
    while more:
        new = {
            model
            for model in every
            if model not in reached
            and any(each.related_model in reached for each in model._meta.fields)  # noqa: SLF001
        }
        reached |= new
        more = bool(new)
    return [each for each in every if each in reached]


class _PutBack(Exception):
    """Ends a probe whose work is not to stay."""


@dataclass(slots=True)
class Prober:
    """Tries what models do, and puts everything back."""

    context: Context
    last_sql: str = ""
    answers: dict[Probe, Answer] = field(default_factory=dict)

    def probe(self, found: Iterable[type[models.Model]]) -> dict[Probe, Answer]:
        """Query, insert, update and delete rows of these models."""
        self.answers = {}
        with self.context.connection.execute_wrapper(self._note), self._put_back():
            self.context.connect().execute("SET LOCAL statement_timeout = '30s'")
            for model in found:
                self._probe_model(model)
        return self.answers

    def _note(self, execute: Callable[..., Any], sql: Any, *rest: Any) -> Any:
        text = str(sql)
        if not text.startswith(("SAVEPOINT", "RELEASE", "ROLLBACK", "SET ")):
            self.last_sql = text
        return execute(sql, *rest)

    @contextmanager
    def _put_back(self) -> Iterator[None]:
        try:
            with transaction.atomic(using=self.context.alias):
                yield
                raise _PutBack
        except _PutBack:
            pass

    def _probe_model(self, model: type[models.Model]) -> None:
        label = model._meta.label  # noqa: SLF001
        alias = self.context.alias
        maker = RowMaker(self.context.connection)
        manager = model._base_manager.using(alias)  # noqa: SLF001

        def insert(variant: Variant) -> None:
            maker.make(model, variant)

        def insert_twice() -> None:
            values = maker.find_values(model, Variant.FULL)
            model(**values).save(force_insert=True, using=alias)
            fresh = maker.find_values(model, Variant.FULL)
            unique = {
                each.attname: fresh[each.attname]
                for each in model._meta.concrete_fields  # noqa: SLF001
                if each.unique and each.attname in fresh
            }
            model(**{**values, **unique}).save(force_insert=True, using=alias)

        def update() -> None:
            row = manager.first() or maker.make(model, Variant.LEAST)
            values = maker.find_values(model, Variant.FULL)
            changed = {
                each.name: values[each.attname]
                for each in model._meta.concrete_fields  # noqa: SLF001
                if each.attname in values and not each.primary_key
            }
            if changed:
                manager.filter(pk=row.pk).update(**changed)

        def delete() -> None:
            row = maker.make(model, Variant.LEAST)
            row.delete(using=alias)

        self._try(label, "select", lambda: list(manager.all()[:5]))
        for variant, words in INSERTS.items():
            self._try(label, words, partial(insert, variant))
        self._try(label, AGAIN, insert_twice)
        self._try(label, "update", update)
        self._try(label, "delete", delete)

    def _try(self, label: str, action: str, act: Callable[[], object]) -> None:
        self.last_sql = ""
        try:
            with self._put_back():
                act()
                with self.context.connection.cursor() as cursor:
                    # What COMMIT would check.
                    cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        except (NoValue, OperationalError) as error:
            # A statement that takes too long says nothing.
            answer = Answer(works=False, message=f"not tried: {error}")
        except Exception as error:  # noqa: BLE001  A field may raise anything.
            sql = shorten(self.last_sql, LONGEST_SQL)
            answer = Answer(works=False, message=tell_error(error), sql=sql)
        else:
            answer = Answer(works=True)
        self.answers[Probe(subject=label, action=action)] = answer
