"""What is pulled from a database, and what it stands on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from django.db.migrations import Migration
from django.db.migrations.state import ProjectState

from dbops.core.catalog import RELATIONS, Catalog, ObjectKind
from dbops.core.left_out import BOOKKEEPING, find_whole
from dbops.core.relation import Relation, bare_name
from dbops.core.repair.columns import Column
from dbops.core.selection import leave_out, select
from dbops.errors import UsageError
from dbops.operations.context import Context
from dbops.operations.drift.adopt_state import map_models
from dbops.operations.history import History, get_id, read_history
from dbops.operations.pull.plan import ViewColumns
from dbops.operations.pull.state import build_other_state, find_closure
from dbops.operations.replay import Replay
from dbops.operations.schema import fetch_live_catalog
from dbops.postgres.inspect import fetch_contents

Select = Callable[[Catalog], Catalog]


@dataclass(frozen=True, slots=True, kw_only=True)
class PullOptions:
    """What may be chosen."""

    names: tuple[str, ...] = ()
    """Of tables and views, `*` allowed; none for all that no other app has."""
    app: str = "pulled"
    schema: str | None = None
    output: str | None = None
    check: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What is pulled, and from where."""

    context: Context
    history: History
    app: str
    live: Catalog
    """What the models are of, and nothing else."""
    views: tuple[ViewColumns, ...]
    others: Mapping[str, str]
    select: Select


def read_source(context: Context, options: PullOptions) -> Source:
    """Read the live schema, and choose what is pulled of it.

    Raises:
        UsageError: there is no such table, view or schema.
    """
    history = read_history(context)
    live = fetch_live_catalog(context)
    relations = fetch_contents(context.connect()).relations
    state = build_other_state(history.loader, options.app)
    labels = {
        table: model._meta.label  # noqa: SLF001
        for table, model in map_models(state.apps).items()
    }
    others = {
        name: labels[bare]
        for name in list_tables(live)
        if (bare := bare_name(name).split(".")[-1]) in labels
    }
    ignored = _list_ignored(context, live)
    wanted = _choose(relations, options, {*others, *ignored})
    if options.names or options.schema:
        kept = _add_partitions(live, {each.name for each in wanted})

        def pick(catalog: Catalog) -> Catalog:
            return select(catalog, kept)
    else:
        left = {*others, *ignored}

        def pick(catalog: Catalog) -> Catalog:
            return leave_out(catalog, left)

    return Source(
        context=context,
        history=history,
        app=options.app,
        live=pick(live),
        views=tuple(_read_views(wanted)),
        others=others,
        select=pick,
    )


def _add_partitions(catalog: Catalog, names: set[str]) -> set[str]:
    """Return the tables with all their partitions, and those of the partitions."""
    found, grown = set(names), True
    while grown:
        new = {
            each.name
            for each in catalog.objects
            if each.kind == ObjectKind.TABLE and find_whole(each) in found
        } - found
        found |= new
        grown = bool(new)
    return found


def _list_ignored(context: Context, live: Catalog) -> set[str]:
    patterns = (*context.settings.ignore, *BOOKKEEPING)
    return {
        each.name
        for each in live.objects
        if each.kind in RELATIONS
        and any(fnmatchcase(each.name, pattern) for pattern in patterns)
    }


def _choose(
    relations: Iterable[Relation], options: PullOptions, left: set[str]
) -> list[Relation]:
    found = [
        each for each in relations if each.name not in left and each.kind != "partition"
    ]
    if options.schema:
        found = [each for each in found if _get_schema(each.name) == options.schema]
        if not found:
            raise UsageError(f'schema "{options.schema}" has no table to pull')
    chosen: list[Relation] = []
    for name in options.names:
        matches = [
            each
            for each in found
            if fnmatchcase(bare_name(each.name), name) or each.name == name
        ]
        if not matches:
            raise UsageError(
                f'there is no table or view "{name}" to pull',
                hint="see which there are: manage.py dbops_inspect",
            )
        chosen += [each for each in matches if each not in chosen]
    return chosen if options.names else found


def _get_schema(name: str) -> str:
    schema, dot, _ = bare_name(name).rpartition(".")
    return schema if dot else "public"


def _read_views(relations: Iterable[Relation]) -> Iterable[ViewColumns]:
    for each in relations:
        if "view" in each.kind:
            yield ViewColumns(
                name=each.name,
                kind=each.kind,
                comment=each.comment,
                columns=tuple(
                    Column(
                        table=each.name,
                        name=column.name,
                        type=column.type,
                        clauses={"": column.type},
                        how="",
                        comment=None,
                    )
                    for column in each.columns
                ),
            )


def list_tables(catalog: Catalog) -> set[str]:
    """Return the names of the tables."""
    return {each.name for each in catalog.objects if each.kind == ObjectKind.TABLE}


def prepare(
    replay: Replay, source: Source, dependencies: Iterable[tuple[str, str]]
) -> None:
    """Make what the other apps have."""
    replay.state = ProjectState(real_apps=replay.state.real_apps - {source.app})
    replay.apply(_find_base(source, dependencies))


def _find_base(
    source: Source, dependencies: Iterable[tuple[str, str]]
) -> Sequence[Migration]:
    """Return what is applied of the other apps, and what the models refer to."""
    needed = find_closure(source.history.loader, dependencies)
    return [
        each
        for each in source.history.plan
        if each.app_label != source.app
        and (
            get_id(each) in source.history.applied
            or (each.app_label, each.name) in needed
        )
    ]
