"""What the server shows before and after, with a clock that the test turns."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from dbops.core.target import Target
from dbops.core.watch import Source, Thresholds
from dbops.operations.deploy.watching import Watch
from tests.databases import connect, temporary_database
from tests.operations.conftest import wait_until

PLANNED_S = 300.0


class Clock:
    """Goes on only when somebody sleeps; then other things may happen, too."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.happen: Callable[[], None] = lambda: None

    def read(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds
        self.happen()


@pytest.fixture(scope="module")
def target(django_db_blocker: pytest.FixtureRequest) -> Iterator[Target]:
    with django_db_blocker.unblock(), temporary_database() as made:  # type: ignore[attr-defined]
        yield made


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def watch(target: Target, clock: Clock, told: list[str]) -> Watch:
    """One that has looked for a minute before the first change."""
    made = Watch(
        target,
        Thresholds(least_rollbacks=5, rollback_share=0.3),
        planned_s=PLANNED_S,
        progress=told.append,
        clock=clock.read,
        sleep=clock.sleep,
    )
    made.look_before()
    clock.sleep(60)
    made.look_before()
    return made


def roll_back(target: Target, times: int) -> None:
    with connect(target) as session:
        for _ in range(times):
            with session.transaction(force_rollback=True):
                session.execute("SELECT 1")


def test_watches_to_its_end_and_tells_how_it_goes(
    watch: Watch, clock: Clock, told: list[str]
) -> None:
    checks = []

    def check() -> str:
        checks.append(clock.now_s)
        return ""

    report = watch.run(check)

    assert not report.alarms
    assert not report.interrupted
    assert (report.before.source, report.before.duration_s) == (Source.RUN, 60.0)
    assert report.after.duration_s == PLANNED_S
    assert len(checks) == PLANNED_S / Thresholds().every_s == report.after.samples - 1
    assert told[0] == "watching for 5 min; Ctrl-C ends it"
    assert told[1].startswith("  30 s: ")
    assert len(told) < 12


def test_an_alarm_ends_it_at_once(watch: Watch, clock: Clock, target: Target) -> None:
    clock.happen = lambda: roll_back(target, 20)

    report = watch.run(lambda: "")

    assert "of the transactions were rolled back" in report.alarms[0]
    assert report.after.rollbacks >= 20
    assert clock.now_s < 60 + 60


def test_a_smoke_check_that_fails_is_an_alarm(watch: Watch) -> None:
    assert watch.run(lambda: "it is gone").alarms == ("it is gone",)


def test_ctrl_c_ends_it_and_the_deployment_stands(
    watch: Watch, clock: Clock, told: list[str]
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    clock.happen = interrupt

    report = watch.run(lambda: "")

    assert (report.alarms, report.interrupted) == ((), True)
    assert told[-1] == "the watch was ended; the deployment stands"


def test_a_server_that_is_gone_is_an_alarm(clock: Clock) -> None:
    with temporary_database() as target:
        watch = Watch(
            target,
            Thresholds(),
            planned_s=60,
            progress=lambda _line: None,
            clock=clock.read,
            sleep=clock.sleep,
        )
        watch.look_before()

    report = watch.run(lambda: "")

    assert report.alarms[0].startswith("the server does not answer: ")
    assert report.before.source is Source.SINCE_RESET


def test_counts_those_that_wait_for_locks(watch: Watch, target: Target) -> None:
    with connect(target) as holder, connect(target) as waiter:
        holder.execute("CREATE TABLE busy (); SET application_name = 'web'")
        waiter.execute("SET lock_timeout = '60s'; SET application_name = 'web'")
        with holder.transaction():
            holder.execute("LOCK TABLE busy")
            thread = threading.Thread(target=waiter.execute, args=("TABLE busy",))
            thread.start()
            wait_until(
                lambda: watch._look(statements=False).waiting_sessions == 1, "a waiter"
            )
        thread.join()
    assert watch._look(statements=False).waiting_sessions == 0
