"""The report of `dbops_rehearse` as text."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from dbops.core.finding import Level
from dbops.core.measurement import MeasuredStatement
from dbops.core.rehearsal import RoundTrip
from dbops.core.words import count_of, format_size
from dbops.operations.rehearse.by_rule import RuledMigration
from dbops.operations.rehearse.report import MigrationRehearsal, RehearseReport
from dbops.render.text import build_facts, build_table, build_verdict, format_duration

MOST_LOSSES = 8
AS_LARGE = 0.1
WORTH_TELLING_S = 0.05


def render_rehearsal(report: RehearseReport, *, long: bool = False) -> RenderableType:
    """Return one line a migration, with `long` its statements, and the verdict."""
    parts: list[RenderableType] = []
    if report.migrations:
        parts.append(
            build_table(
                ("Migration", "Time", "Worst lock", "Way back", "Rollout"),
                [_build_row(each, report) for each in report.migrations],
            )
        )
    if report.by_rule:
        parts.append(
            build_table(
                ("Migration", "Worst lock, by rule"),
                [(str(each.id), tell_ruled_lock(each)) for each in report.by_rule],
            )
        )
        parts += [Text(line) for each in report.by_rule for line in tell_rules(each)]
    for each in report.migrations:
        parts += [Text(line) for line in tell_findings(each)]
        if long:
            parts += _build_details(each)
    parts.append(build_facts(_build_facts(report)))
    parts.append(_build_verdict(report))
    return Group(*parts)


def _build_row(each: MigrationRehearsal, report: RehearseReport) -> tuple[str, ...]:
    time = format_duration(each.duration_s) if report.is_measured else "-"
    return (
        str(each.id),
        time,
        tell_worst_lock(each, measured=report.is_measured),
        each.round_trip.value,
        each.effect.value if each.effect else "-",
    )


def tell_worst_lock(each: MigrationRehearsal, *, measured: bool) -> str:
    """Return the strongest lock that keeps anybody out, and for how long."""
    blocking = [lock for lock in each.locks if lock.blocks != "none"]
    if not blocking:
        return "blocks nobody"
    worst = blocking[0]
    text = f"{worst.relation}: {worst.mode.removesuffix('Lock')}"
    if measured:
        text += f", {format_duration(worst.held_s)}"
    return f"{text}, blocks {_tell_blocks(worst.blocks)}"


def _tell_blocks(blocks: str) -> str:
    return "reads and writes" if blocks == "reads" else blocks


def tell_ruled_lock(each: RuledMigration) -> str:
    """Return the strongest lock that keeps anybody out, and while what is done."""
    blocking = [lock for lock in each.locks if lock.blocks != "none"]
    if not blocking:
        return "blocks nobody"
    worst = max(blocking, key=lambda one: (one.work is not None, one.blocks == "reads"))
    text = f"{worst.relation}: {worst.mode.removesuffix('Lock')}"
    text += f", blocks {_tell_blocks(worst.blocks)}"
    return f"{text} during a {worst.work}" if worst.work else f"{text} for a moment"


def tell_rules(each: RuledMigration) -> Iterator[str]:
    """Yield what the rules have found, with the cure."""
    for one in each.findings:
        yield f"{one.message} ({one.id})"
        if one.level is not Level.INFO:
            yield f"  {one.hint}"


def tell_forecasts(each: MigrationRehearsal) -> Iterator[str]:
    """Yield what the real server's tables will feel, where it is worth a line."""
    for one in each.forecasts:
        longest = one.reads_s or one.writes_s
        if longest < WORTH_TELLING_S and not one.waits_for and not one.requests:
            continue
        what = "reads and writes" if one.reads_s else "writes"
        text = (
            f"{one.table}: {what} blocked for {format_duration(longest * one.low)} to "
            f"{format_duration(longest * one.high)}"
        )
        if abs(one.scaled_by - 1) > AS_LARGE:
            text += f", scaled by {one.scaled_by:g}"
        if one.requests:
            text += f"; about {count_of(one.requests, 'request')} would wait"
        for who in one.waits_for:
            text += f"; it would wait for {who}"
        yield text


def tell_findings(each: MigrationRehearsal) -> Iterator[str]:
    """Yield what a person has to know besides the one line."""
    if each.failure:
        where = (
            f" ({each.failure.file}:{each.failure.line})" if each.failure.line else ""
        )
        yield f"{each.id}: {each.failure}{where}"
    if each.round_trip is RoundTrip.IRREVERSIBLE:
        yield f"{each.id}: no way back: {each.reason}"
    for loss in each.losses[:MOST_LOSSES]:
        yield f"{each.id}: the way back loses: {loss}"
    if each.breaks:
        more = len(each.breaks) - 1
        rest = f" (and {more} more)" if more else ""
        yield f"{each.id}: breaks the release before it: {each.breaks[0]}{rest}"
    for over in each.over_budget:
        yield (
            f"{each.id}: blocks {_tell_blocks(over.blocks)} of {over.table} for "
            f"{format_duration(over.blocked_s)}, and may for "
            f"{format_duration(over.allowed_s)}"
        )
    yield from (f"{each.id}: {line}" for line in tell_forecasts(each))
    if len(each.losses) > MOST_LOSSES:
        yield f"{each.id}: and {len(each.losses) - MOST_LOSSES} more losses"


def _build_details(each: MigrationRehearsal) -> Iterator[RenderableType]:
    yield Text("")
    yield Text(str(each.id), style="bold")
    if each.statements:
        yield build_table(
            ("#", "Time", "WAL", "Statement and what was seen"),
            [_build_statement(one) for one in each.statements],
        )
    for blocked in each.blocked:
        yield Text(
            f"  until COMMIT: {blocked.table} no reads for "
            f"{format_duration(blocked.reads_s)}, no writes for "
            f"{format_duration(blocked.writes_s)}"
        )
    if each.back:
        yield Text(
            f"  back by {each.back.way} in {format_duration(each.back.duration_s)}: "
            + (
                ", ".join(f"{one.relation} {one.mode}" for one in each.back.locks)
                or "-"
            )
        )
    for broken in each.breaks:
        yield Text(f"  breaks the release before it: {broken}")
        if broken.sql:
            yield Text(f"    {broken.sql}")
    for note in each.notes:
        yield Text(f"  note: {note}")


def _build_statement(each: MeasuredStatement) -> tuple[str, str, str, str]:
    lines = [each.sql if each.times == 1 else f"{each.sql}  ({each.times} times)"]
    lines += [f"  {line}" for line in _tell_evidence(each)]
    return (
        str(each.number),
        format_duration(each.duration_s),
        format_size(each.wal_bytes),
        "\n".join(lines),
    )


def _tell_evidence(each: MeasuredStatement) -> Iterator[str]:
    if each.operation:
        place = f", {each.file}:{each.line}" if each.line else ""
        yield f"operation {each.operation}{place}"
    if each.locks:
        yield "takes " + ", ".join(f"{one.relation} {one.mode}" for one in each.locks)
    if each.rewrites:
        yield f"rewrites {', '.join(each.rewrites)}"
    for verb, found in (("reads", each.scans), ("changes", each.changes)):
        for one in found:
            yield f"{verb} {count_of(one.rows, 'row')} of {one.relation}"
    yield from each.words


def tell_source(report: RehearseReport) -> str:
    """Say what was copied."""
    if report.source == "rules":
        return f"nothing: the rules of locks for PostgreSQL {report.server_version}"
    source = f"a copy of backup {report.backup_id}"
    if report.backup_id is None:
        source = "the schema alone"
    elif report.sample_percent is not None:
        source = f"{report.sample_percent:g} % of backup {report.backup_id}"
    return f"{source}, PostgreSQL {report.server_version}"


def _build_facts(report: RehearseReport) -> Iterator[tuple[str, str]]:
    if report.migrations or report.by_rule:
        yield "On", tell_source(report)
    yield "Not rehearsed", ", ".join(map(str, report.left))
    yield "Noted", "\n".join(report.notes)


def _build_verdict(report: RehearseReport) -> RenderableType:
    number = count_of(len(report.migrations), "migration")
    if report.source == "rules":
        return _build_ruled_verdict(report)
    if not report.migrations:
        return build_verdict("Nothing is pending", good=True)
    if report.exit_code == 0:
        return build_verdict(
            f"{number} rehearsed: forward, back and forward again",
            good=True,
            hint="manage.py dbops_deploy",
        )
    told = f"{len(report.bad)} of {number} to look at"
    if report.left:
        told += f", {len(report.left)} not rehearsed"
    return build_verdict(told, good=False, hint=_find_hint(report))


def _build_ruled_verdict(report: RehearseReport) -> RenderableType:
    number = count_of(len(report.by_rule), "migration")
    rest = f", {len(report.left)} without SQL" if report.left else ""
    bad = sum(each.is_bad for each in report.by_rule)
    if report.exit_code == 0:
        return build_verdict(
            f"{number} looked at by rule; nothing was run",
            good=True,
            hint="manage.py dbops_rehearse, on a server where databases can be made",
        )
    return build_verdict(
        f"{bad} of {number} to look at by rule{rest}; nothing was run",
        good=False,
        hint="manage.py dbops_check --fix for what can be made safe"
        if bad
        else "manage.py makemigrations --sql APP",
    )


def _find_hint(report: RehearseReport) -> str:
    options = []
    if any(each.round_trip is RoundTrip.LOSSY for each in report.bad):
        options.append("--allow-lossy APP.NAME")
    if any(each.over_budget for each in report.bad):
        options.append("--allow-over-budget APP.NAME")
    passed = f", or pass it with {' and '.join(options)}" if options else ""
    return f"correct what is told{passed}, then manage.py dbops_rehearse"
