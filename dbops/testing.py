"""For the tests of a project: does every migration lead there and back?

One line tests all of it, another one with the project's own rows:

    from dbops.testing import test_round_trips  # noqa: F401
    test_with_rows = build_round_trip_test(rows=make_rows)

The fixture `migration_bench` is a pytest plugin's: in the topmost conftest.py,

    pytest_plugins = ["dbops.testing"]
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import pytest
from django.apps.registry import Apps
from django.db import connections
from django.db.migrations import Migration
from django.db.migrations.recorder import MigrationRecorder

from dbops.core.catalog import Catalog
from dbops.core.compare import compare_catalogs
from dbops.core.migration import MigrationId
from dbops.core.rehearsal import RoundTrip, judge_round_trip
from dbops.core.row_contents import TableSums
from dbops.operations.context import Context, build_context
from dbops.operations.deploy.apply import StatementLog
from dbops.operations.deploy.unapply import unapply_migration
from dbops.operations.history import History, find_migration, get_id, read_history
from dbops.operations.rehearse.back import find_return
from dbops.operations.rehearse.history import (
    HistoryWalk,
    rehearse_downwards,
)
from dbops.operations.rehearse.old_release import build_state
from dbops.operations.rehearse.report import MigrationRehearsal
from dbops.operations.rehearse.run_plainly import apply_plainly
from dbops.operations.replay import find_other_server, open_replay
from dbops.operations.schema import fetch_live_catalog
from dbops.operations.sql_files.files import is_project_migration
from dbops.postgres.table_contents import fetch_table_sums

Rows = Callable[[], object]
"""Makes rows with the project's factories, at the last migration."""
NOTHING: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Schema and rows at one moment."""

    catalog: Catalog
    sums: Mapping[str, TableSums]


@dataclass(slots=True)
class MigrationBench:
    """A scratch database that stands at a migration, and can be moved.

    Inside the fixture the alias means it: factories and queries go there.
    """

    context: Context
    history: History

    @property
    def apps(self) -> Apps:
        """The historical models of the migration that it stands at."""
        return build_state(self.context).apps

    def stand_at(self, app: str, name: str) -> None:
        """Apply this migration and all that come before it, in an empty database."""
        goal = find_migration(self.history, app, name)
        applied = read_history(self.context).applied
        for migration in self.history.plan:
            if get_id(migration) not in applied:
                apply_plainly(self.context, migration)
            if get_id(migration) == goal:
                return

    def apply(self, app: str, name: str) -> None:
        """Apply one migration, as a deployment does."""
        apply_plainly(self.context, self._find(app, name))

    def go_back(self, app: str, name: str) -> None:
        """Take this one migration back, by its `down.sql` or Django's reverse.

        Fails the test where there is no way back.
        """
        migration = self._find(app, name)
        way = find_return(self.context, migration)
        if isinstance(way, str):
            pytest.fail(f"{get_id(migration)} has no way back: {way}", pytrace=False)
        unapply_migration(
            self.context,
            migration,
            way,
            log=StatementLog(self.context),
            check=lambda: None,
        )

    def take_snapshot(self) -> Snapshot:
        """Return schema and rows as they are now."""
        return Snapshot(
            catalog=fetch_live_catalog(self.context),
            sums=fetch_table_sums(self.context.target),
        )

    def assert_same(self, before: Snapshot) -> None:
        """Fail with the differences, where schema or rows are not as they were."""
        judgement = judge_round_trip(
            compare_catalogs(before.catalog, fetch_live_catalog(self.context)),
            before.sums,
            fetch_table_sums(self.context.target, columns=before.sums),
            origins={},
            migration=MigrationId("", ""),
        )
        if judgement.losses:
            told = "\n".join(f"  {each}" for each in judgement.losses)
            pytest.fail(f"not as it was before:\n{told}", pytrace=False)

    def _find(self, app: str, name: str) -> Migration:
        return self.history.find(find_migration(self.history, app, name))


@contextmanager
def open_bench(alias: str = "default") -> Iterator[MigrationBench]:
    """Make a scratch database that no migration has been applied to.

    Raises:
        Refused: the role may not create databases.
    """
    context = build_context(alias)
    history = read_history(context)
    with open_replay(context, find_other_server(context)) as replay:
        MigrationRecorder(replay.connection).ensure_schema()
        yield MigrationBench(context, history)


@pytest.fixture
def migration_bench(request: pytest.FixtureRequest) -> Iterator[MigrationBench]:
    """A scratch database to stand at a migration, apply, go back and compare."""
    with _unblocked(request), open_bench() as bench:
        yield bench


@contextmanager
def _unblocked(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let the test use databases, where pytest-django keeps it from that."""
    with ExitStack() as stack:
        if request.config.pluginmanager.has_plugin("django"):
            stack.enter_context(request.getfixturevalue("django_db_blocker").unblock())
        try:
            yield
        finally:
            for connection in connections.all(initialized_only=True):
                connection.close()


def build_round_trip_test(
    rows: Rows | None = None,
    *,
    made_up: bool = True,
    lossy: Mapping[str, str] = NOTHING,
    irreversible: Mapping[str, str] = NOTHING,
    database: str = "default",
) -> Callable[..., None]:
    """Return a test that each of the project's migrations leads there and back.

    From an empty database up, with rows that are made up from the models' fields, and
    with `rows` once more: made at the last migration, carried down by the ways back,
    and up again. `lossy` and `irreversible` name the migrations that a person puts up
    with, `app.name`, and say why; what `down.sql` declares need not be named.
    """

    def test_round_trips(request: pytest.FixtureRequest) -> None:
        with _unblocked(request):
            found = rehearse_project(rows, made_up=made_up, database=database)
        told = [
            line
            for each in found
            for line in _tell(each, lossy=lossy, irreversible=irreversible)
        ]
        if told:
            pytest.fail("\n".join(told), pytrace=False)

    return test_round_trips


def rehearse_project(
    rows: Rows | None = None, *, made_up: bool = True, database: str = "default"
) -> list[MigrationRehearsal]:
    """Rehearse each of the project's migrations, from an empty database up.

    With `rows` each that they can be carried down to is there twice.

    Raises:
        Refused: the role may not create databases.
        ServerFailed: a migration of a package fails.
    """
    context = build_context(database)
    history = read_history(context)

    def choose(migration: Migration) -> bool:
        return is_project_migration(migration, context.settings)

    walk = HistoryWalk(context, history.plan, choose, made_up=made_up)
    found = list(walk.run())
    if rows is not None:
        found += _rehearse_with_rows(context, history, rows)
    return found


def _rehearse_with_rows(
    context: Context, history: History, rows: Rows
) -> Iterator[MigrationRehearsal]:
    """Make rows at the last migration, and go down with them."""
    own = [
        number
        for number, each in enumerate(history.plan)
        if is_project_migration(each, context.settings)
    ]
    if not own:
        return
    with open_replay(context, find_other_server(context)) as replay:
        replay.apply(history.plan)
        rows()
        yield from rehearse_downwards(
            context,
            history.plan[own[0] :],
            lambda each: is_project_migration(each, context.settings),
        )


def _tell(
    each: MigrationRehearsal,
    *,
    lossy: Mapping[str, str],
    irreversible: Mapping[str, str],
) -> Iterator[str]:
    name = str(each.id)
    match each.round_trip:
        case RoundTrip.FAILED:
            yield f"{name} fails: {each.failure}"
            if each.failure and each.failure.line:
                yield f"  {each.failure.file}:{each.failure.line}"
        case RoundTrip.LOSSY if name not in lossy:
            yield f"{name} does not lead back; after its way back"
            yield from (f"  {loss}" for loss in each.losses)
        case RoundTrip.IRREVERSIBLE if (
            name not in irreversible and not each.reason.startswith("declared: ")
        ):
            yield f"{name} has no way back: {each.reason}"
            yield "  declare it in its down.sql: -- dbops: irreversible: <reason>"
        case _:
            pass


test_round_trips = build_round_trip_test()
"""The test, to be imported into one of the project's test modules."""
