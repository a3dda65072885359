"""What a person sees of smoke checks and the watch."""

from __future__ import annotations

from dbops.core.smoke import SmokeResult
from dbops.core.watch import Activity, Source, StatementPace, WatchReport
from dbops.operations.deploy.report import DeployReport, DeployState
from dbops.render.deploy import render_deploy
from dbops.render.text import render_text


def build_activity(source: Source, transactions: int, rollbacks: int) -> Activity:
    return Activity(
        source=source,
        duration_s=90.0,
        transactions=transactions,
        rollbacks=rollbacks,
        deadlocks=0,
        fatal_sessions=1,
        samples=3,
        most_waiting_sessions=2,
    )


def test_shows_before_and_after_side_by_side() -> None:
    report = DeployReport(
        state=DeployState.DEPLOYED,
        smoke_checks=(
            SmokeResult(name="ask", ok=True, tries=1, duration_s=0.25),
            SmokeResult(name="log in", ok=False, tries=4, duration_s=1.5, problem="x"),
        ),
        watch=WatchReport(
            planned_s=300,
            before=build_activity(Source.SINCE_RESET, 12000, 120),
            after=build_activity(Source.RUN, 400, 40),
            statements=(
                StatementPace(
                    query="SELECT a FROM b",
                    calls_before=7,
                    mean_before_ms=1.25,
                    calls=30,
                    mean_ms=250.0,
                ),
                StatementPace(
                    query="SELECT c FROM b",
                    calls_before=0,
                    mean_before_ms=None,
                    calls=1,
                    mean_ms=0.5,
                ),
            ),
            statements_readable=True,
            alarms=(),
        ),
    )

    text = render_text(render_deploy(report), width=200, color=False)

    assert text.splitlines() == [
        "Smoke check          Took",
        "ask          ok      0.25 s",
        "log in       failed  1.50 s",
        "Watch              Before                After",
        "Counted            1 min 30 s (all)      1 min 30 s",
        "Transactions       12,000                400",
        "Rolled back        120 (1.0%)            40 (10.0%)",
        "Deadlocks          0                     0",
        "Fatal sessions     1                     1",
        "Waiting for locks  2 at most, 3 moments  2 at most, 3 moments",
        "Before  After     Calls  Took most of the time",
        "1.2 ms  250.0 ms     30  SELECT a FROM b",
        "-       0.5 ms        1  SELECT c FROM b",
        "0 migrations deployed and verified",
    ]
