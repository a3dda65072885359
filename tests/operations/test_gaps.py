"""A migration asks for its strong locks only when nobody would queue behind it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import transaction

from dbops.core.gaps import Sightings, WantedLock
from dbops.core.lock_modes import LockMode
from dbops.core.table_name import TableName
from dbops.operations.context import watch_locks
from dbops.operations.deploy.gaps import Gaps
from dbops.postgres.gaps import fetch_look
from tests.crowd import Crowd, open_crowd
from tests.databases import connect, require_superuser, temporary_database
from tests.lab import Lab, open_lab
from tests.processes import start_in_lab

TABLES = """
migrations.CreateModel("Thing", [
    ("id", models.BigAutoField(primary_key=True)),
    ("name", models.TextField()),
]),
migrations.CreateModel("Another", [("id", models.BigAutoField(primary_key=True))]),
"""
# In the other order than that of their names.
ADD_TO_BOTH = """
migrations.AddField("Thing", "{0}", models.TextField(null=True)),
migrations.AddField("Another", "{0}", models.TextField(null=True)),
"""
FILL_FIRST = (
    "migrations.RunPython(lambda apps, editor: "
    "apps.get_model('{0}', 'Thing').objects.create(name='x')),"
    'migrations.AddField("Another", "late", models.TextField(null=True)),'
)
PATIENT = {"LOCK_TIMEOUT_S": 2.0, "LOCK_BUDGET_S": 60.0}


@pytest.fixture(scope="module")
def lab(
    tmp_path_factory: pytest.TempPathFactory,
    django_db_blocker: Any,
) -> Iterator[Lab]:
    """Two tables, with dbops deployed beside them."""
    directory: Path = tmp_path_factory.mktemp("gaps")
    with (
        django_db_blocker.unblock(),
        temporary_database() as target,
        open_lab(directory, target) as lab,
    ):
        lab.write_migration("0001_initial", TABLES)
        outcome = lab.run("dbops_deploy", "--no-backup")
        assert outcome.code == 0, outcome.err
        yield lab


@pytest.fixture
def crowd(lab: Lab) -> Iterator[Crowd]:
    with open_crowd(lab.target, options="-c application_name=gunicorn") as crowd:
        yield crowd


def count_strong(lab: Lab) -> Any:
    """Return how many strong locks somebody waits for."""
    return lab.fetch_value(
        "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND "
        "NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = "
        "current_database())"
    )


def write_next(
    lab: Lab, word: str, operations: str, *, down: str = "", atomic: bool = True
) -> str:
    """Write the migration after the last, and return its name."""
    name = f"{len(lab.names) + 1:04}_{word}"
    lab.write_migration(
        name, operations, down=down or "-- dbops: irreversible: a test", atomic=atomic
    )
    return name


@pytest.mark.parametrize(
    ("word", "operations", "atomic"),
    [
        ("at_once", ADD_TO_BOTH.format("at_once"), True),
        ("data_before", FILL_FIRST, True),
        ("one_by_one", ADD_TO_BOTH.format("one_by_one"), False),
    ],
)
def test_no_reader_queues_behind_a_migration_that_waits(
    lab: Lab, crowd: Crowd, word: str, operations: str, *, atomic: bool
) -> None:
    name = write_next(lab, word, operations.format(lab.app), atomic=atomic)
    holder, reader = crowd.add(2)
    crowd.execute(holder, "BEGIN", f"SELECT * FROM {lab.app}_another")
    with start_in_lab(lab, "dbops_deploy", "--no-backup", **PATIENT) as running:
        running.wait_for(f"waits for a gap on public.{lab.app}_another")
        for _ in range(20):
            crowd.start(reader, statement=f"SELECT * FROM {lab.app}_another")
            assert crowd.settle(reader), "a reader waited"
            assert count_strong(lab) == 0
        crowd.execute(holder, "COMMIT")
        outcome = running.finish()

    assert outcome.code == 0, outcome.err
    pid = crowd.pids[holder]
    assert f"in the way: {pid} (" in outcome.err
    assert f"what to do: manage.py dbops_locks --terminate {pid}" in outcome.err
    assert lab.fetch_history()[-1] == name


def test_what_it_names_can_be_terminated_as_it_says(lab: Lab, crowd: Crowd) -> None:
    write_next(lab, "more", ADD_TO_BOTH.format("more"))
    (holder,) = crowd.add()
    crowd.execute(holder, "BEGIN", f"SELECT * FROM {lab.app}_thing")
    with start_in_lab(lab, "dbops_deploy", "--no-backup", **PATIENT) as running:
        running.wait_for(f"dbops_locks --terminate {crowd.pids[holder]}")
        done = lab.run("dbops_locks", "--terminate", str(crowd.pids[holder]), "--yes")
        assert done.code == 0, done.err
        assert running.finish().code == 0


def test_a_way_back_waits_for_a_gap_and_gives_up_within_its_budget(
    lab: Lab, crowd: Crowd
) -> None:
    down = f"ALTER TABLE {lab.app}_thing DROP COLUMN back;\n"
    operations = 'migrations.AddField("Thing", "back", models.TextField(null=True)),'
    before = lab.names[-1]
    write_next(lab, "back", operations, down=down)
    assert lab.run("dbops_deploy", "--no-backup").code == 0
    (writer,) = crowd.add()
    crowd.execute(writer, "BEGIN", f"DELETE FROM {lab.app}_thing")

    outcome = lab.run("dbops_rollback", lab.app, before, "--yes", "--json")

    assert outcome.code == 5
    message = outcome.json["error"]["message"]
    assert f"no gap on public.{lab.app}_thing" in message
    assert f"in the way: {crowd.pids[writer]} (" in message
    crowd.execute(writer, "ROLLBACK")
    assert lab.run("dbops_rollback", lab.app, before, "--yes").code == 0
    lab.remove_last_migration()


def test_takes_all_of_its_locks_in_the_order_of_the_names_or_none(
    lab: Lab, crowd: Crowd
) -> None:
    another, thing = f"{lab.app}_another", f"{lab.app}_thing"
    wanted = [
        WantedLock(relation=TableName("public", each), mode=LockMode.ACCESS_EXCLUSIVE)
        for each in (thing, another)
    ]
    (holder,) = crowd.add()
    crowd.execute(holder, "BEGIN", f"SELECT * FROM {thing}")
    held = "SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid()"
    held += " AND mode = 'AccessExclusiveLock' AND locktype = 'relation'"
    settings = {"LOCK_GAP_S": 60.0, "LOCK_TIMEOUT_S": 0.1}
    with lab.open(**settings) as context, watch_locks(context) as watched:
        gaps = Gaps(watched, wanted)
        session = watched.connect()
        with transaction.atomic():
            session.execute("SELECT 1")
            with pytest.raises(
                psycopg.errors.LockNotAvailable, match="many short ones"
            ):
                gaps.take()
            assert session.execute(held).fetchone() == (0,)
            crowd.execute(holder, "COMMIT")
            gaps.take()
            assert session.execute(held).fetchone() == (2,)


def test_a_look_sees_partitions_and_holders_that_hide(lab: Lab) -> None:
    require_superuser(lab.target)
    lab.execute(
        "CREATE TABLE parts (id int) PARTITION BY LIST (id)",
        "CREATE TABLE one PARTITION OF parts FOR VALUES IN (1)",
        "DROP ROLE IF EXISTS dbops_plain",
        "CREATE ROLE dbops_plain",
    )
    wanted = [
        WantedLock(relation=name, mode=LockMode.ACCESS_EXCLUSIVE, below=True)
        for name in (TableName("public", "parts"), TableName("public", "gone"))
    ]
    with (
        connect(lab.target) as viewer,
        connect(lab.target, autocommit=False) as reader,
    ):
        pid = reader.info.backend_pid
        reader.execute("SELECT * FROM ONLY one")
        seen = fetch_look(viewer, wanted)
        viewer.execute("SET ROLE dbops_plain")
        hidden = fetch_look(viewer, wanted)
        viewer.execute("RESET ROLE; DROP ROLE dbops_plain")
    lab.execute("DROP TABLE parts")

    assert [each.relation.name for each in seen.targets] == ["one", "parts"]
    ((holder,), ()) = (each.holders for each in seen.targets)
    assert (holder.pid, holder.mode) == (pid, LockMode.ACCESS_SHARE)
    assert all(each.may_lock for each in seen.targets)
    assert not any(each.may_lock for each in hidden.targets)
    sightings = Sightings()
    sightings.note(hidden)
    assert sightings.is_unsure(hidden.targets[0].holders[0])
