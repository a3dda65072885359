"""Runs that are killed, interrupted, or lose their server, at every place of the way.

Each one is a real process. What it waits for, so that the test knows where it is, is
held by a session of the test, or by a pg_dump that the test lets go on.
"""

from __future__ import annotations

import os
import shlex
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from dbops.core.catalog import Catalog
from dbops.core.compare import Verdict, compare_catalogs
from dbops.postgres.deploy_lock import fetch_holder
from dbops.postgres.session import Connection
from dbops.postgres.tools import find_tools
from tests.databases import connect
from tests.keeping import Keeper
from tests.lab import Lab, Outcome
from tests.operations.conftest import read_command_lines
from tests.processes import Running, start_in_lab, wait_until

# They wait within their transactions: before them there is nothing to lose.
PATIENT = {"LOCK_TIMEOUT_S": 60, "LOCK_BUDGET_S": 60, "LOCK_GAP_S": 0}

TABLES = """
*[migrations.CreateModel(name, [
    ("id", models.BigAutoField(primary_key=True)),
    ("name", models.CharField(max_length=50)),
]) for name in ("Thing", "Other")],
"""
WAIT = "SELECT pg_advisory_xact_lock(1, 1)"
"""Advisory locks are of one database: nobody waits in the scratch database."""
COLOR = f"""
migrations.AddField("Thing", "color", models.CharField(max_length=9, default="")),
migrations.RunSQL("{WAIT}"),
"""
COLOR_DOWN = 'ALTER TABLE "{app}_thing" DROP COLUMN "color";'
BY_COLOR = """
migrations.AddIndex("Thing", models.Index(fields=["color"], name="by_color"))
"""
BY_COLOR_DOWN = f"{WAIT};\nDROP INDEX by_color;"
INDEXES = """
migrations.RunSQL('CREATE INDEX CONCURRENTLY thing_name ON "{app}_thing" (name)'),
migrations.RunSQL('CREATE INDEX CONCURRENTLY other_name ON "{app}_other" (name)'),
"""
INDEXES_DOWN = """-- dbops: no-transaction
DROP INDEX CONCURRENTLY IF EXISTS other_name;
DROP INDEX CONCURRENTLY IF EXISTS thing_name;
"""
HALF_DONE = (
    'Done: 1. SQL CREATE INDEX CONCURRENTLY thing_name ON "app_thing" (name). '
    'Not done: 2. SQL CREATE INDEX CONCURRENTLY other_name ON "app_other" (name)'
)
SLOW_IN_SCRATCH = """
import time
from pathlib import Path

def wait(apps, schema_editor):
    name = schema_editor.connection.settings_dict["NAME"]
    Path({started!r}).touch()
    while name.startswith("dbops_scratch_") and Path({gate!r}).exists():
        time.sleep(0.01)
"""

DEPLOY = ("dbops_deploy", "--no-backup", "--json")


def build_rollback(lab: Lab) -> tuple[str, ...]:
    return ("dbops_rollback", lab.app, "0001", "--yes", "--json")


def build_finish(lab: Lab) -> tuple[str, ...]:
    return ("dbops_resolve", lab.app, "0002", "--finish", "--yes", "--json")


def prepare(lab: Lab) -> None:
    """Deploy two tables, with a row in each."""
    lab.write_migration("0001_initial", TABLES, down="SELECT 1;")
    outcome = lab.run("dbops_deploy", "--no-backup")
    assert outcome.code == 0, outcome.err
    lab.execute(
        f"INSERT INTO {lab.app}_thing (name) VALUES ('a')",
        f"INSERT INTO {lab.app}_other (name) VALUES ('a')",
    )


@pytest.fixture
def lab(keeper: Keeper) -> Iterator[Lab]:
    with keeper.open_lab(prepare) as lab:
        yield lab


def write_color(lab: Lab) -> None:
    lab.write_migration("0002_add_color", COLOR, down=COLOR_DOWN.format(app=lab.app))


def write_by_color(lab: Lab) -> None:
    lab.write_migration("0003_index_color", BY_COLOR, down=BY_COLOR_DOWN)


def write_indexes(lab: Lab) -> None:
    lab.write_migration(
        "0002_index_names",
        INDEXES.format(app=lab.app),
        down=INDEXES_DOWN,
        atomic=False,
    )


@dataclass(frozen=True)
class Held:
    """A run that waits for what the test holds, until it is let go."""

    running: Running
    let_go: Callable[[], object]


Reach = Callable[[Lab], AbstractContextManager[Held]]


@contextmanager
def hold(lab: Lab, statement: str) -> Iterator[Connection]:
    """Keep a transaction open that has run the statement."""
    with connect(lab.target, autocommit=False) as session:
        session.execute(statement.format(app=lab.app).encode())
        yield session
        session.rollback()


def wait_for_lock(
    lab: Lab, running: Running, application: str, holder: Connection | None = None
) -> None:
    """Wait until the session of that name waits for a lock, of this holder's.

    CREATE INDEX CONCURRENTLY waits for anybody for a moment, also for who asks here.
    """
    blockers = f"ARRAY[{holder.info.backend_pid}]" if holder else "blockers"
    wait_until(
        lambda: bool(
            lab.fetch_value(
                "SELECT count(*) FROM pg_stat_activity,"
                " LATERAL (SELECT pg_blocking_pids(pid) AS blockers) AS b"
                " WHERE datname = current_database() AND wait_event_type = 'Lock'"
                f" AND application_name = '{application}' AND blockers <> '{{}}'"
                f" AND blockers <@ {blockers}"
            )
        ),
        f"{application} to wait for a lock",
        while_runs=running,
    )


@contextmanager
def reach_lock(lab: Lab, kind: str, held: str, *command: str) -> Iterator[Held]:
    """Run the command until it waits for what is held."""
    with (
        hold(lab, held) as holder,
        start_in_lab(lab, *command, **PATIENT) as running,
    ):
        wait_for_lock(lab, running, f"dbops-worker:{kind}", holder)
        yield Held(running, holder.rollback)


def deploy_behind(held: str) -> Reach:
    return lambda lab: reach_lock(lab, "deploy", held, *DEPLOY)


def roll_back_behind(held: str) -> Reach:
    return lambda lab: reach_lock(lab, "rollback", held, *build_rollback(lab))


def reach_baseline(lab: Lab) -> AbstractContextManager[Held]:
    """Run an adoption until it makes the ledger's tables, in its transaction."""
    made = "CREATE TABLE dbops_deployment (id int)"
    return reach_lock(lab, "baseline", made, "dbops_baseline", "--yes", "--json")


@contextmanager
def reach_record(lab: Lab, kind: str, *command: str) -> Iterator[Held]:
    """Run the command until a migration is committed, and not yet in the ledger."""
    step = "SELECT FROM dbops_step WHERE state = 'running' FOR UPDATE"
    with reach_lock(lab, kind, WAIT, *command) as held, hold(lab, step) as holder:
        held.let_go()
        wait_for_lock(lab, held.running, f"dbops:{kind}:ledger", holder)
        yield Held(held.running, holder.rollback)


@contextmanager
def reach_guard(lab: Lab) -> Iterator[Held]:
    """Run a deployment until it builds the schema in a scratch database."""
    started, gate = lab.directory / "started", lab.directory / "gate"
    gate.touch()
    lab.write_migration(
        "0002_wait",
        "migrations.RunPython(wait)",
        helpers=SLOW_IN_SCRATCH.format(started=str(started), gate=str(gate)),
        down="SELECT 1;",
    )
    with start_in_lab(lab, *DEPLOY) as running:
        wait_until(started.exists, "the scratch database", while_runs=running)
        yield Held(running, lambda: gate.unlink(missing_ok=True))


@dataclass(frozen=True)
class GatedTools:
    """pg_dump that waits, before its work or after it, until it is let go."""

    directory: Path

    @property
    def reached(self) -> Path:
        return self.directory / "reached"

    def let_go(self) -> None:
        # Nobody reads any more when it was ended.
        with suppress(OSError):
            os.close(os.open(self.directory / "gate", os.O_WRONLY | os.O_NONBLOCK))

    def count_processes(self) -> int:
        marker = str(self.directory).encode()
        return sum(marker in line for line in read_command_lines().values())


def make_gated_tools(lab: Lab, *, waits: str) -> GatedTools:
    with connect(lab.target) as session:
        major = session.info.server_version // 10000
    real = shlex.quote(str(find_tools(lab.target, least_major=major).directory))
    gated = GatedTools(lab.directory / "gated")
    gated.directory.mkdir()
    os.mkfifo(gated.directory / "gate")
    wait = f"touch {gated.reached}\nread _ <{gated.directory}/gate\n"
    dump = f'{real}/pg_dump "$@"'
    work = f"{wait}exec {dump}\n" if waits == "before" else f"{dump} || exit\n{wait}:\n"
    scripts = {
        "pg_dump": f'case "$*" in *--snapshot=*) ;; *) exec {dump} ;; esac\n{work}',
        "pg_restore": f'exec {real}/pg_restore "$@"\n',
    }
    for name, script in scripts.items():
        (gated.directory / name).write_text(f"#!/bin/sh\n{script}")
        (gated.directory / name).chmod(0o755)
    return gated


@contextmanager
def reach_dump(lab: Lab, *command: str, waits: str = "after") -> Iterator[Held]:
    """Run the command until its pg_dump waits."""
    tools = make_gated_tools(lab, waits=waits)
    with start_in_lab(lab, *command, PG_BIN=str(tools.directory)) as running:
        wait_until(tools.reached.exists, "pg_dump", while_runs=running)
        yield Held(running, tools.let_go)
    wait_until(lambda: tools.count_processes() == 0, "the end of pg_dump")


def reach_backup(lab: Lab) -> AbstractContextManager[Held]:
    """Run a deployment until the pg_dump of its backup has done its work."""
    return reach_dump(lab, "dbops_deploy", "--json")


def deploy(lab: Lab) -> None:
    outcome = lab.run("dbops_deploy", "--no-backup")
    assert outcome.code == 0, outcome.err


def prepare_color_and_index(lab: Lab) -> None:
    write_color(lab)
    write_by_color(lab)


def deployed(prepare: Callable[[Lab], None]) -> Callable[[Lab], None]:
    def prepare_and_deploy(lab: Lab) -> None:
        prepare(lab)
        deploy(lab)

    return prepare_and_deploy


def forget_history(lab: Lab) -> None:
    """Leave what a database looks like that was never Django's."""
    lab.execute(
        "DO $$ DECLARE name text; BEGIN FOR name IN SELECT tablename FROM pg_tables"
        " WHERE tablename ~ '^(dbops|django)_' LOOP"
        " EXECUTE format('DROP TABLE %I CASCADE', name); END LOOP; END $$"
    )


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a run is when something happens to it, and what has to come of it."""

    prepare: Callable[[Lab], None]
    reach: Reach
    command: str = "dbops_deploy"
    state: str = "failed"
    """What status says after a kill."""
    failed: tuple[str, ...] = ()
    told: tuple[str, ...] = ()
    """What the run after a kill says."""
    orphan: bool = True
    """Whether the server goes on with the statement of a dead process."""
    code: int = 5
    """The exit code after Ctrl-C."""
    message: str = "interrupted"


def half_do_indexes(lab: Lab) -> None:
    """Leave what a run of somebody else, cut off, has made of the migration."""
    write_indexes(lab)
    lab.execute(f"CREATE INDEX thing_name ON {lab.app}_thing (name)")


def nothing(_lab: Lab) -> None:
    pass


PLACES = {
    "guard": Place(prepare=nothing, reach=reach_guard, state="pending", orphan=False),
    "backup": Place(
        prepare=write_color,
        reach=reach_backup,
        told=("was cut off, in no migration",),
        orphan=False,
    ),
    "atomic migration": Place(
        prepare=write_color,
        reach=deploy_behind(WAIT),
        failed=("0002_add_color",),
        told=('0002_add_color", which is not applied now',),
    ),
    "first operation": Place(
        prepare=write_indexes,
        reach=deploy_behind("INSERT INTO {app}_thing (name) VALUES ('b')"),
        failed=("0002_index_names",),
        told=("dropping thing_name, left INVALID",),
    ),
    "between operations": Place(
        prepare=write_indexes,
        reach=deploy_behind("LOCK TABLE {app}_other IN SHARE UPDATE EXCLUSIVE MODE"),
        failed=("0002_index_names",),
        told=("0002_index_names, from operation 2",),
        code=9,
        message=HALF_DONE,
    ),
    "second operation": Place(
        prepare=write_indexes,
        reach=deploy_behind("INSERT INTO {app}_other (name) VALUES ('b')"),
        failed=("0002_index_names",),
        told=("dropping other_name, left INVALID", "from operation 2"),
        code=9,
        message=HALF_DONE,
    ),
    "history row": Place(
        prepare=write_indexes,
        reach=deploy_behind("LOCK TABLE django_migrations IN SHARE MODE"),
        failed=("0002_index_names",),
        told=("0002_index_names, from operation 3",),
        code=9,
        message="Not done: nothing",
    ),
    "between migrations": Place(
        prepare=prepare_color_and_index,
        reach=lambda lab: reach_record(lab, "deploy", *DEPLOY),
        told=('0002_add_color", which is applied now',),
        orphan=False,
        code=8,
        message="was taken back",
    ),
    "rollback": Place(
        prepare=deployed(write_color),
        reach=roll_back_behind("SELECT FROM {app}_thing"),
        command="dbops_rollback",
        failed=("0002_add_color",),
        told=('0002_add_color", which is applied now',),
    ),
    "rollback outside a transaction": Place(
        prepare=deployed(write_indexes),
        reach=roll_back_behind("INSERT INTO {app}_other (name) VALUES ('b')"),
        command="dbops_rollback",
        failed=("0002_index_names",),
        told=('0002_index_names", which is applied now',),
        code=9,
        message="half taken back",
    ),
    "between rollbacks": Place(
        prepare=deployed(prepare_color_and_index),
        reach=lambda lab: reach_record(lab, "rollback", *build_rollback(lab)),
        command="dbops_rollback",
        told=('0003_index_color", which is not applied now',),
        orphan=False,
        code=9,
        message="0003_index_color",
    ),
    "resolve": Place(
        prepare=half_do_indexes,
        reach=lambda lab: reach_lock(
            lab,
            "resolve",
            "INSERT INTO {app}_other (name) VALUES ('b')",
            *build_finish(lab),
        ),
        command="dbops_resolve",
        failed=("0002_index_names",),
        told=("dropping other_name, left INVALID",),
        code=9,
        message="0002_index_names",
    ),
    "baseline": Place(
        prepare=forget_history,
        reach=reach_baseline,
        command="dbops_baseline",
        state="not_adopted",
    ),
}


def build_command(lab: Lab, place: Place) -> tuple[str, ...]:
    match place.command:
        case "dbops_rollback":
            return build_rollback(lab)
        case "dbops_resolve":
            return build_finish(lab)
        case "dbops_baseline":
            return ("dbops_baseline", "--yes", "--json")
        case _ if place.reach is reach_backup:
            return ("dbops_deploy", "--json")
        case _:
            return DEPLOY


def list_abandoned(lab: Lab) -> set[str]:
    """Return the scratch databases that nobody uses."""
    with connect(lab.target) as session:
        rows = session.execute(
            "SELECT datname FROM pg_database AS d WHERE datname LIKE 'dbops_scratch_%'"
            " AND NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.datid = d.oid)"
        ).fetchall()
    return {name for (name,) in rows}


def count_sessions(lab: Lab) -> int:
    """Return how many sessions of dbops and its tools are in the lab's database."""
    count: int = lab.fetch_value(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name ~ '^(dbops|pg_)'"
    )
    return count


def require_nothing_left(lab: Lab, abandoned: set[str]) -> None:
    """Look for what a run that was cut off could have left behind."""
    wait_until(lambda: not list_abandoned(lab) - abandoned, "scratch databases to go")
    wait_until(lambda: count_sessions(lab) == 0, "sessions to end")
    assert not list(lab.directory.glob("backups/*/.*"))
    assert lab.fetch_value("SELECT count(*) FROM pg_index WHERE NOT indisvalid") == 0
    if lab.fetch_value("SELECT to_regclass('dbops_deployment')"):
        assert not lab.fetch_value(
            "SELECT count(*) FROM dbops_deployment WHERE state = 'running'"
        )


def require_one_message(outcome: Outcome) -> None:
    """One failure, in one message, and no traceback."""
    assert "Traceback" not in outcome.err, outcome.err
    [message] = [
        line
        for line in outcome.err.splitlines()
        if line.partition(":")[0]
        in ("Interrupted", "Reverted", "NeedsRepair", "ServerFailed", "ToolFailed")
    ]
    error = outcome.json["error"]
    assert message == f"{error['type']}: {error['message']}"
    assert error["hint"]
    assert outcome.json["exit_code"] == outcome.code


def is_same_schema(before: Catalog, lab: Lab) -> bool:
    verdict = compare_catalogs(before, lab.fetch_catalog()).verdict
    return verdict is not Verdict.DIFFERENT


def is_locked(lab: Lab) -> bool:
    with connect(lab.target) as session:
        return fetch_holder(session) is not None


def fetch_history(lab: Lab) -> list[str]:
    if lab.fetch_value("SELECT to_regclass('django_migrations')") is None:
        return []
    return lab.fetch_history()


@pytest.mark.parametrize("name", PLACES)
def test_after_a_kill_the_next_run_explains_and_completes_it(
    lab: Lab, name: str
) -> None:
    place = PLACES[name]
    first = lab.fetch_catalog()
    place.prepare(lab)
    abandoned = list_abandoned(lab)

    with place.reach(lab) as held:
        held.running.process.kill()
        assert held.running.finish().code == -signal.SIGKILL
        # A session that has nothing to do notices; one that waits may be told later.
        terminate(lab, f"dbops:{place.command.removeprefix('dbops_')}:ledger")
        wait_until(lambda: not is_locked(lab), "the deploy lock to go")
        status = lab.run("dbops_status", "--json")
        with start_in_lab(lab, *build_command(lab, place), **PATIENT) as again:
            if place.orphan:
                again.wait_for("terminated session")
            held.let_go()
            outcome = again.finish()

    assert status.code == 3
    assert status.json["state"] == place.state
    assert status.json["failed"] == [f"{lab.app}.{each}" for each in place.failed]
    assert outcome.code == 0, outcome.err
    for told in place.told:
        assert told in outcome.err
    if place.command in {"dbops_deploy", "dbops_resolve"}:
        assert lab.fetch_history() == lab.names
    else:
        assert lab.fetch_history() == ["0001_initial"]
        assert is_same_schema(first, lab)
    if place.reach is reach_guard:
        make_old(lab, *(list_abandoned(lab) - abandoned))
    assert lab.run(*DEPLOY).code == 0
    assert lab.run("dbops_status").code == 0
    require_nothing_left(lab, abandoned)


def make_old(lab: Lab, scratch: str) -> None:
    """Let a scratch database look as if it was made long ago, and need another."""
    random = scratch.rpartition("_")[2]
    lab.execute(f"ALTER DATABASE {scratch} RENAME TO dbops_scratch_1000000000_{random}")
    lab.write_migration("0003_nothing", "", down="SELECT 1;")


@pytest.mark.parametrize(
    ("name", "number"),
    [
        *((name, signal.SIGINT) for name in PLACES),
        ("backup", signal.SIGTERM),
        ("atomic migration", signal.SIGTERM),
        ("second operation", signal.SIGTERM),
        ("between migrations", signal.SIGTERM),
    ],
)
def test_ctrl_c_and_sigterm_put_back_what_can_be_and_tell_the_rest(
    lab: Lab, name: str, number: signal.Signals
) -> None:
    place = PLACES[name]
    place.prepare(lab)
    before, history = lab.fetch_catalog(), fetch_history(lab)
    abandoned = list_abandoned(lab)

    with place.reach(lab) as held:
        held.running.interrupt(number)
        if "operation" in name and name != "between operations":
            # The INVALID index cannot be dropped as long as others use its table.
            held.running.wait_for("dropping ")
            held.let_go()
        outcome = held.running.finish()

    assert outcome.code == place.code, outcome.err
    require_one_message(outcome)
    message = outcome.json["error"]["message"]
    assert place.message in message.replace(lab.app, "app")
    assert ("nothing was changed" in message) is (place.code == 5)
    if place.code == 9:
        assert lab.run("dbops_status", "--json").json["state"] == "failed"
        again = lab.run(*build_command(lab, place))
        assert again.code == 0, again.err
    else:
        assert fetch_history(lab) == history
        assert is_same_schema(before, lab)
    require_nothing_left(lab, abandoned)


def terminate(lab: Lab, application: str) -> None:
    """End the sessions of that name, as an administrator would."""
    lab.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database()"
        f" AND application_name = '{application}'"
    )


@pytest.mark.parametrize(
    ("name", "code", "message"),
    [
        ("atomic migration", 7, "terminating connection"),
        ("first operation", 7, "terminating connection"),
        ("second operation", 9, HALF_DONE),
        ("rollback", 7, "terminating connection"),
        ("rollback outside a transaction", 9, "terminating connection"),
        ("baseline", 7, "terminating connection"),
    ],
)
def test_a_session_that_the_server_ends_is_explained(
    lab: Lab, name: str, code: int, message: str
) -> None:
    place = PLACES[name]
    place.prepare(lab)
    before, history = lab.fetch_catalog(), fetch_history(lab)
    abandoned = list_abandoned(lab)

    with place.reach(lab) as held:
        terminate(lab, f"dbops-worker:{place.command.removeprefix('dbops_')}")
        held.let_go()
        outcome = held.running.finish()

    assert outcome.code == code, outcome.err
    require_one_message(outcome)
    assert message in outcome.json["error"]["message"].replace(lab.app, "app")
    assert fetch_history(lab) == history
    if code == 7:
        assert is_same_schema(before, lab)
    again = lab.run(*build_command(lab, place))
    assert again.code == 0, again.err
    require_nothing_left(lab, abandoned)


def test_a_lost_deploy_lock_is_noticed_before_the_next_migration(lab: Lab) -> None:
    before = lab.fetch_catalog()
    prepare_color_and_index(lab)

    with reach_lock(lab, "deploy", WAIT, *DEPLOY) as held:
        terminate(lab, "dbops:deploy:lock")
        held.let_go()
        outcome = held.running.finish()

    assert outcome.code == 8, outcome.err
    require_one_message(outcome)
    assert "the deploy lock was lost" in outcome.json["error"]["message"]
    assert fetch_history(lab) == ["0001_initial"]
    assert is_same_schema(before, lab)


def test_a_lost_ledger_session_hides_nothing(lab: Lab) -> None:
    prepare_color_and_index(lab)

    with reach_record(lab, "deploy", *DEPLOY) as held:
        terminate(lab, "dbops:deploy:ledger")
        held.let_go()
        outcome = held.running.finish()

    applied = [f"{lab.app}.{each}" for each in fetch_history(lab)[1:]]
    require_one_message(outcome)
    assert outcome.json["applied"] == applied
    assert outcome.code == (9 if applied else 8), outcome.err
    again = lab.run(*DEPLOY)
    assert again.code == 0, again.err
    assert fetch_history(lab) == lab.names


@pytest.mark.parametrize("waits", ["before", "after"])
def test_a_backup_whose_snapshot_is_lost_is_not_published(lab: Lab, waits: str) -> None:
    write_color(lab)
    before = lab.fetch_catalog()

    with reach_dump(lab, "dbops_deploy", "--json", waits=waits) as held:
        terminate(lab, "dbops:backup")
        held.let_go()
        outcome = held.running.finish()

    assert outcome.code == 7, outcome.err
    require_one_message(outcome)
    assert "terminating connection" in outcome.json["error"]["message"]
    assert lab.fetch_catalog() == before
    assert not list(lab.directory.glob("backups/*/*"))
    assert lab.run("dbops_deploy").code == 0
    require_nothing_left(lab, list_abandoned(lab))


def test_a_backup_whose_pg_dump_loses_its_session_is_not_published(lab: Lab) -> None:
    table = f"LOCK TABLE {lab.app}_thing IN ACCESS EXCLUSIVE MODE"
    with (
        ThreadPoolExecutor(max_workers=1) as executor,
        reach_dump(lab, "dbops_backup", "--json", waits="before") as held,
    ):
        # pg_dump's own lock has to stand in line behind this one.
        change = executor.submit(lab.execute, f"BEGIN; {table}; COMMIT")
        wait_for_lock(lab, held.running, "")
        held.let_go()
        wait_for_lock(lab, held.running, "dbops:tool")
        terminate(lab, "dbops:tool")
        outcome = held.running.finish()
        change.result()

    assert outcome.code == 6, outcome.err
    require_one_message(outcome)
    assert "terminating connection" in outcome.json["error"]["message"]
    assert not list(lab.directory.glob("backups/*/*"))


def test_ctrl_c_does_not_wait_for_what_the_migration_waited_for(lab: Lab) -> None:
    write_indexes(lab)
    row = f"INSERT INTO {lab.app}_thing (name) VALUES ('b')"

    with hold(lab, row) as holder, start_in_lab(lab, *DEPLOY) as running:
        wait_for_lock(lab, running, "dbops-worker:deploy", holder)
        running.interrupt(signal.SIGINT)
        outcome = running.finish()
        status = lab.run("dbops_status", "--json")
        holder.rollback()

    assert outcome.code == 9, outcome.err
    require_one_message(outcome)
    message = outcome.json["error"]["message"]
    assert "Done: nothing. Not done: 1. SQL CREATE INDEX CONCURRENTLY" in message
    assert "nothing was changed" not in message
    assert "index thing_name is left INVALID" in message
    assert status.json["state"] == "failed"
    again = lab.run(*DEPLOY)
    assert again.code == 0, again.err
    assert "dropping thing_name, left INVALID" in again.err
    require_nothing_left(lab, list_abandoned(lab))


def test_of_two_deployments_one_does_it_and_the_other_says_so(lab: Lab) -> None:
    write_color(lab)

    with (
        reach_lock(lab, "deploy", WAIT, *DEPLOY) as held,
        start_in_lab(lab, *DEPLOY) as second,
    ):
        second.wait_for("waiting for another run to finish (pid ")
        held.let_go()
        outcomes = [held.running.finish(), second.finish()]

    assert [each.code for each in outcomes] == [0, 0], outcomes
    led, followed = (each.json for each in outcomes)
    assert led["state"] == followed["state"] == "deployed"
    assert led["led_by"] is None
    assert "(turn " in followed["led_by"]
    assert lab.fetch_value("SELECT count(*) FROM dbops_deployment") == 2


@pytest.mark.parametrize("command", ["dbops_deploy", "dbops_rollback"])
def test_changes_wait_for_a_backup_to_end(lab: Lab, command: str) -> None:
    write_color(lab)
    arguments = DEPLOY if command == "dbops_deploy" else build_rollback(lab)

    with (
        reach_dump(lab, "dbops_backup", "--json") as held,
        start_in_lab(lab, *arguments) as change,
    ):
        change.wait_for("waiting for another run to finish (pid ")
        assert '"dbops:backup:lock"' in change.err.read_text()
        assert fetch_history(lab) == ["0001_initial"]
        held.let_go()
        outcomes = [held.running.finish(), change.finish()]

    assert [each.code for each in outcomes] == [0, 0], outcomes
    assert outcomes[0].json["verified"] == "contents"
    assert lab.fetch_value("SELECT count(*) FROM dbops_backup") == 1
