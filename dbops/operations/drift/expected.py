"""What the applied migrations build: from the cache, or built and kept there."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from importlib.util import source_from_cache
from pathlib import Path
from typing import Any

from django.db.migrations import Migration

from dbops.core.catalog import Catalog, SchemaObject
from dbops.core.compare import Comparison, Difference
from dbops.core.migration import MigrationId
from dbops.core.origins import Mark, Origins, find_origins
from dbops.core.removals import Removal, find_removing_statements
from dbops.core.rules import Rules
from dbops.operations.context import Context
from dbops.operations.drift.content_key import (
    build_content_key,
    digest_file,
    is_installed,
)
from dbops.operations.drift.expected_cache import Entry, read_entry, write_entry
from dbops.operations.history import History, build_ignore, get_id
from dbops.operations.replay import Replay, find_other_server, open_replay
from dbops.operations.schema import find_accepted
from dbops.postgres.normalise import drop_equal_expressions, find_candidates
from dbops.postgres.origins import fetch_next_xid, fetch_origins
from dbops.postgres.scratch import fetch_properties, fetch_search_path
from dbops.postgres.session import open_session

TELL_EVERY = 50
READ_FLAGS = os.O_WRONLY | os.O_RDWR


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The live schema held against what the migrations build."""

    expected: Catalog
    origins: Origins
    removals: Sequence[Removal]
    """What the migrations have dropped: an object that is not expected may be one."""
    comparison: Comparison
    from_cache: bool


def measure(
    context: Context, history: History, live: Catalog, *, use_cache: bool = True
) -> Measured:
    """Compare the live schema with what the applied migrations build.

    What they build is kept by its content, and so is what was learned of texts that
    print in two ways: a second run needs no scratch database.

    Raises:
        Refused: the role may not create databases.
        ServerFailed: a migration fails even on an empty database.
    """
    migrations = history.applied_plan
    directory = context.settings.cache_directory
    key = build_content_key(migrations, _collect_facts(context))
    entry = read_entry(directory, key) if use_cache else None
    kept = entry
    rules = Rules(ignore=build_ignore(context, history.loader))
    found = rules.compare(entry.catalog, live) if entry else None
    if entry is None or found is None or _find_unknown(entry, found, live):
        context.progress(
            f"building the schema of {len(migrations)} migrations in a scratch database"
        )
        with open_replay(context, find_other_server(context)) as replay:
            entry = _build(context, replay, migrations)
            found = rules.compare(entry.catalog, live)
            entry = _learn(entry, found, live, replay)
        write_entry(directory, key, entry)
    return Measured(
        expected=entry.catalog,
        origins=entry.origins,
        removals=entry.removals,
        comparison=_accept(context, rules, entry, found, live),
        from_cache=entry is kept,
    )


def find_measured(
    context: Context, history: History, live: Catalog
) -> Comparison | None:
    """Return the comparison where the cache alone can tell it; None where it cannot."""
    key = build_content_key(history.applied_plan, _collect_facts(context))
    entry = read_entry(context.settings.cache_directory, key)
    rules = Rules(ignore=build_ignore(context, history.loader))
    if entry is None:
        return None
    found = rules.compare(entry.catalog, live)
    if _find_unknown(entry, found, live):
        return None
    return _accept(context, rules, entry, found, live)


def _collect_facts(context: Context) -> dict[str, object]:
    connection = context.connect()
    scratch = hashlib.sha256(context.settings.scratch_url.encode()).hexdigest()
    return {
        "alias": context.alias,
        "server": connection.info.server_version,
        "properties": repr(fetch_properties(connection)),
        "search_path": repr(fetch_search_path(connection)),
        "scratch": scratch if context.settings.scratch_url else "",
    }


def _build(context: Context, replay: Replay, migrations: Sequence[Migration]) -> Entry:
    connection = replay.connect()
    first = fetch_next_xid(connection)
    marks, removals = [], list[Removal]()
    with _watch_files() as files:
        for number, migration in enumerate(migrations, start=1):
            with _watch_removals(replay, get_id(migration), removals):
                replay.apply([migration])
            next_xid = fetch_next_xid(connection)
            marks.append(Mark(migration=get_id(migration), next_xid=next_xid))
            if number % TELL_EVERY == 0:
                context.progress(f"  {number} of {len(migrations)}")
    catalog = replay.fetch_catalog()
    known = {(each.kind, each.name) for each in catalog.objects}
    origins = find_origins(first, marks, fetch_origins(connection))
    return Entry(
        catalog=catalog,
        origins={key: each for key, each in origins.items() if key in known},
        files={
            path: digest_file(Path(path))
            for path in sorted(files)
            if not is_installed(path) and not Path(path).is_char_device()
        },
        removals=removals,
    )


@contextmanager
def _watch_removals(
    replay: Replay, migration: MigrationId, removals: list[Removal]
) -> Iterator[None]:
    """Collect what is run in the scratch database to remove an object."""

    def watch(execute: Callable[..., Any], query: object, *rest: Any) -> Any:
        removals.extend(
            Removal(migration=migration, statement=statement)
            for statement in find_removing_statements(str(query))
        )
        return execute(query, *rest)

    with replay.connection.execute_wrapper(watch):
        yield


_watched: set[str] | None = None


@contextmanager
def _watch_files() -> Iterator[set[str]]:
    """Collect the files that are opened to be read: some migrations read their SQL."""
    global _watched  # noqa: PLW0603  A hook of the interpreter cannot be taken back.
    if not getattr(_watch_files, "hooked", False):
        sys.addaudithook(_note_open)
        _watch_files.hooked = True  # type: ignore[attr-defined]
    found: set[str] = set()
    _watched = found
    try:
        yield found
    finally:
        _watched = None


def _note_open(event: str, arguments: tuple[Any, ...]) -> None:
    if event != "open" or _watched is None:
        return
    path, _, flags = arguments
    if not isinstance(path, (str, bytes)) or (flags or 0) & READ_FLAGS:
        return
    name = os.path.abspath(os.fsdecode(path))  # noqa: PTH100  Path would recurse.
    if name.endswith(".pyc"):
        # A module that a migration imports only while it runs.
        with suppress(ValueError):
            _watched.add(source_from_cache(name))
    elif not name.startswith(("/proc/", "/sys/")):
        _watched.add(name)


def _find_unknown(entry: Entry, found: Comparison, live: Catalog) -> list[Difference]:
    """Return the differences of which nobody knows yet whether they are of text."""
    pairs = _pair_texts(entry.catalog, live)
    return [
        each
        for each in find_candidates(found, entry.catalog, live)
        if _get_digest(pairs[each.object, each.name]) not in entry.sameness
    ]


def _learn(entry: Entry, found: Comparison, live: Catalog, replay: Replay) -> Entry:
    candidates = find_candidates(found, entry.catalog, live)
    if not candidates:
        return entry
    with open_session(replay.target, purpose="normalise") as session:
        left = drop_equal_expressions(found, entry.catalog, live, session).differences
    pairs = _pair_texts(entry.catalog, live)
    learned = {
        _get_digest(pairs[each.object, each.name]): each not in left
        for each in candidates
    }
    return replace(entry, sameness={**entry.sameness, **learned})


def _accept(
    context: Context, rules: Rules, entry: Entry, found: Comparison, live: Catalog
) -> Comparison:
    """Return the comparison without what counts as the same."""
    if not found.differences:
        return found
    pairs = _pair_texts(entry.catalog, live)
    accepted = [
        each
        for each in find_candidates(found, entry.catalog, live)
        if entry.sameness.get(_get_digest(pairs[each.object, each.name]))
    ]
    accepted += find_accepted(context.connect(), found, live)
    return rules.accept(accepted, entry.catalog, live).compare(entry.catalog, live)


Pairs = Mapping[tuple[object, str], tuple[SchemaObject, SchemaObject]]


def _pair_texts(expected: Catalog, live: Catalog) -> Pairs:
    wanted = {(each.kind, each.name): each for each in expected.objects}
    return {
        (each.kind, each.name): (wanted[each.kind, each.name], each)
        for each in live.objects
        if (each.kind, each.name) in wanted
    }


def _get_digest(pair: tuple[SchemaObject, SchemaObject]) -> str:
    texts = [(each.kind, each.name, each.definition, each.body) for each in pair]
    return hashlib.sha256(json.dumps(texts).encode()).hexdigest()
