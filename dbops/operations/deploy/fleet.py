"""Deploy several databases: the canary first, then in waves, until one fails.

Each is deployed by a process of its own, so that those of a wave go on at the same time
and a crash of one stays its own. What is done is in each database's ledger and history:
a later run finds it up to date, and goes on with the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from dbops.core.fleet import (
    BUSY,
    CRASHED,
    SIGNALLED,
    FleetDatabase,
    FleetError,
    FleetPlan,
    FleetState,
    find_worst,
    name_database,
)
from dbops.core.progress import Progress
from dbops.errors import BY_EXIT_CODE, DbopsError, Interrupted
from dbops.operations.deploy.members import (
    FleetOptions,
    build_plan,
    tell_shared_backups,
)
from dbops.operations.deploy.processes import (
    Ended,
    Fleet,
    call_on_signals,
    find_program,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetReport:
    """What became of each, in the order in which they were deployed."""

    databases: tuple[FleetDatabase, ...]
    left: tuple[str, ...]
    """Not reached, since it ended before."""
    dry_run: bool
    again: str
    """The command that goes on from here, or that does what was only looked at."""


def deploy_fleet(options: FleetOptions, progress: Progress) -> FleetReport:
    """Deploy all of them, or as many as go well.

    Raises:
        UsageError: an alias is unknown, or not PostgreSQL; nothing was begun.
        DbopsError: one failed; the kind and the exit code are those of the one that
            matters most, and the report tells of all.
        Interrupted: it was asked to stop, and those that ran were deployed.
    """
    program = find_program(from_command_line=options.from_command_line)
    fleet = Fleet(program, progress)
    done: list[FleetDatabase] = []
    with call_on_signals(fleet.stop):
        plan = build_plan(options)
        for line in tell_shared_backups(plan.aliases):
            progress(line)
        for wave in plan.waves:
            if plan.is_over(done) or fleet.is_stopping:
                break
            done += _run_wave(fleet, wave, options.arguments)
    report = _build_report(plan, done, options)
    _raise_for(report, options, stopped=fleet.is_stopping)
    return report


def _run_wave(
    fleet: Fleet, wave: Sequence[str], arguments: tuple[str, ...]
) -> list[FleetDatabase]:
    """Deploy these at the same time, and return what became of them in their order."""
    with ThreadPoolExecutor(len(wave)) as pool:
        ended = list(pool.map(partial(fleet.run, arguments=arguments), wave))
    return [
        _judge(alias, each, stopped=fleet.is_stopping)
        for alias, each in zip(wave, ended, strict=True)
    ]


def _judge(alias: str, ended: Ended, *, stopped: bool) -> FleetDatabase:
    """Return what became of one database, as far as its process has told."""
    document = ended.document
    if document is None:
        return _judge_silent(alias, ended, stopped=stopped)
    told = document.get("error")
    return FleetDatabase(
        database=alias,
        exit_code=ended.returncode,
        state=FleetState(document.get("state", FleetState.FAILED)),
        applied=tuple(document.get("applied", ())),
        pending=tuple(document.get("pending", ())),
        backup_id=document.get("backup_id"),
        duration_s=ended.duration_s,
        error=FleetError(
            type=told["type"],
            message=told["message"],
            hint=name_database(told["hint"], alias) if told["hint"] else None,
        )
        if told
        else None,
        report=document,
    )


def _judge_silent(alias: str, ended: Ended, *, stopped: bool) -> FleetDatabase:
    code = ended.returncode
    if code < 0 and stopped and not ended.last_line:
        return FleetDatabase(
            database=alias,
            exit_code=BUSY,
            state=FleetState.FAILED,
            duration_s=ended.duration_s,
            error=FleetError(
                type=Interrupted.__name__, message="interrupted before it began"
            ),
        )
    how = f"was ended by signal {-code}" if code < 0 else f"ended with {code}"
    last = f"; its last words: {ended.last_line}" if ended.last_line else ""
    return FleetDatabase(
        database=alias,
        exit_code=SIGNALLED - code if code < 0 else code or CRASHED,
        state=FleetState.CRASHED,
        duration_s=ended.duration_s,
        error=FleetError(
            type=DbopsError.__name__,
            message=f"its deployment {how}, without a report{last}",
            hint=name_database("manage.py dbops_status", alias),
        ),
    )


def _build_report(
    plan: FleetPlan, done: Sequence[FleetDatabase], options: FleetOptions
) -> FleetReport:
    reached = {each.database for each in done}
    return FleetReport(
        databases=tuple(done),
        left=tuple(each for each in plan.aliases if each not in reached),
        dry_run=plan.dry_run,
        again=options.again,
    )


def _raise_for(report: FleetReport, options: FleetOptions, *, stopped: bool) -> None:
    """Raise for the worst of them.

    Raises:
        DbopsError: one has failed, or it was stopped before all were reached.
    """
    worst = find_worst(each.exit_code for each in report.databases)
    if not worst:
        if report.left and stopped:
            raise Interrupted(
                f"interrupted; not reached: {', '.join(report.left)}",
                hint=f"{options.again} goes on there",
                report=report,
            )
        return
    failed = [each.database for each in report.databases if each.exit_code]
    what = "would not be deployed" if options.dry_run else "not deployed"
    raise BY_EXIT_CODE[worst](
        f"{what}: {', '.join(failed)}",
        hint=f"do what is told for each of them, then {options.again}",
        report=report,
    )
