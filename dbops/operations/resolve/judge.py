"""Whether a migration may be settled in the way that was asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from dbops.core.evidence import Evidence, ObjectState, OperationEvidence
from dbops.errors import Refused, UsageError
from dbops.operations.deploy.report import CutOff
from dbops.operations.resolve.plan import Case
from dbops.operations.resolve.report import (
    Action,
    OperationReport,
    ResolveReport,
    ResolveState,
    Word,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolveOptions:
    """What a person may choose."""

    action: Action = Action.LOOK
    force: bool = False
    """Record a claim that the schema contradicts."""
    cut_off: CutOff = CutOff.ASK
    dry_run: bool = False
    lock_wait_s: float = 30.0


def require_sense(options: ResolveOptions) -> None:
    recording = options.action in (Action.APPLIED, Action.ROLLED_BACK)
    if options.force and not recording:
        raise UsageError(
            "--force goes with --applied or --rolled-back alone",
            hint="manage.py dbops_resolve --help",
        )
    running = options.action in (Action.FINISH, Action.UNDO)
    if options.cut_off is not CutOff.ASK and not running:
        raise UsageError(
            "--cut-off goes with --finish or --undo alone",
            hint="manage.py dbops_resolve --help",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What is to be done, once it is known that it may be."""

    done: frozenset[int] = frozenset()
    """Operations that count as done."""
    contradictions: tuple[str, ...] = ()
    """What a forced claim goes against."""
    needless: str = ""
    """Why there is nothing to do."""


def examine(case: Case, report: ResolveReport, options: ResolveOptions) -> Verdict:
    """Find out whether it may be done.

    Raises:
        Refused: it may not.
    """
    match options.action:
        case Action.APPLIED:
            return _examine_claim(case, report, options)
        case Action.ROLLED_BACK:
            _require_no_dependents(case, report)
            return _examine_claim(case, report, options)
        case Action.FINISH:
            return _examine_finish(case, report, options)
        case _:
            return _examine_undo(case, report, options)


def _examine_claim(
    case: Case, report: ResolveReport, options: ResolveOptions
) -> Verdict:
    claims_applied = options.action is Action.APPLIED
    if claims_applied:
        _require_dependencies(case, report)
    found = find_contradictions(report, options.action)
    if found and not options.force:
        what = "not applied as a whole" if claims_applied else "not gone"
        ways = " (or ".join(each.split()[-1] for each in report.next)
        raise Refused(
            f'"{case.name}" is {what}: {"; ".join(found)}',
            hint=(
                f"manage.py dbops_resolve {case.name.app} {case.name.name} {ways}"
                f"{')' if len(report.next) > 1 else ''}; or --force records the "
                "claim all the same"
            ),
            report=replace(report, action=options.action, dry_run=options.dry_run),
        )
    needless = ""
    if case.recorded and claims_applied:
        needless = f'"{case.name}" is recorded as applied already'
    return Verdict(contradictions=found, needless=needless)


def _examine_finish(
    case: Case, report: ResolveReport, options: ResolveOptions
) -> Verdict:
    if report.state is ResolveState.APPLIED:
        return Verdict(needless=f'"{case.name}" is applied as a whole already')
    _require_dependencies(case, report)
    if report.state is ResolveState.ABSENT:
        raise Refused(
            f'nothing of "{case.name}" is there, so there is nothing to finish',
            hint="manage.py dbops_deploy",
            report=report,
        )
    return Verdict(done=find_done(report, options.cut_off))


def _examine_undo(
    case: Case, report: ResolveReport, options: ResolveOptions
) -> Verdict:
    if report.state is ResolveState.ABSENT:
        return Verdict(needless=f'nothing of "{case.name}" is there')
    _require_no_dependents(case, report)
    if report.state is ResolveState.APPLIED:
        raise Refused(
            f'"{case.name}" is applied as a whole, and recorded',
            hint=f"manage.py dbops_rollback {case.name.app} PREVIOUS",
            report=report,
        )
    done = find_done(report, options.cut_off)
    for each in report.operations:
        operation = case.migration.operations[each.number - 1]
        if each.number in done and not operation.reversible:
            raise Refused(
                f'{each} of "{case.name}" is done and irreversible',
                hint=f"manage.py dbops_resolve {case.name.app} {case.name.name} "
                "--finish",
                report=report,
            )
    return Verdict(done=done)


def _require_dependencies(case: Case, report: ResolveReport) -> None:
    if case.missing:
        raise Refused(
            f'"{case.name}" depends on migrations that are not applied: '
            f"{', '.join(map(str, case.missing))}",
            hint=f"settle these first: manage.py dbops_resolve {case.missing[0].app} "
            f"{case.missing[0].name}",
            report=report,
        )


def _require_no_dependents(case: Case, report: ResolveReport) -> None:
    if case.dependents:
        raise Refused(
            f'applied migrations depend on "{case.name}": '
            f"{', '.join(map(str, case.dependents))}",
            hint=f"take these back first: manage.py dbops_rollback {case.name.app} "
            f"{case.name.name}",
            report=report,
        )


def find_contradictions(report: ResolveReport, action: Action) -> tuple[str, ...]:
    """Return what speaks against the claim, one line for each operation."""
    wanted, right = {
        Action.APPLIED: (Evidence.DONE, ObjectState.DONE),
        Action.ROLLED_BACK: (Evidence.NOT_DONE, ObjectState.NOT_DONE),
    }[action]
    return tuple(_contradict(report.operations, wanted, right))


def _contradict(
    operations: Sequence[OperationReport], wanted: Evidence, right: ObjectState
) -> Iterator[str]:
    against = {Evidence.DONE: Word.NOT_DONE, Evidence.NOT_DONE: Word.DONE}[wanted]
    for each in operations:
        if each.state is Evidence.NO_TRACE and each.journal is against:
            word = "done" if against is Word.DONE else "not done"
            yield f"{each}: {word}, says the ledger"
        elif each.state not in (wanted, Evidence.NO_TRACE, Evidence.STATE_ONLY):
            wrong = [one for one in each.objects if one.state is not right]
            yield f"{each}: {', '.join(map(str, wrong))}"


def find_done(report: ResolveReport, cut_off: CutOff) -> frozenset[int]:
    """Return the numbers of the operations that count as done.

    Raises:
        Refused: one of them is neither done nor not done, or nobody knows.
    """
    done = set()
    for each in report.operations:
        match each.state:
            case Evidence.DONE:
                done.add(each.number)
            case Evidence.NO_TRACE if _was_done(report, each, cut_off):
                done.add(each.number)
            case Evidence.HALF_DONE if not is_cut_off_build(each):
                raise _build_refusal(report, each)
            case Evidence.DIFFERENT:
                raise _build_refusal(report, each)
            case _:
                pass
    return frozenset(done)


def is_cut_off_build(operation: OperationReport) -> bool:
    """Say whether nothing of it is there but INVALID indexes."""
    return OperationEvidence(
        number=operation.number, state=operation.state, objects=operation.objects
    ).is_cut_off_build


def _was_done(
    report: ResolveReport, operation: OperationReport, cut_off: CutOff
) -> bool:
    if operation.journal in (Word.DONE, Word.NOT_DONE):
        return operation.journal is Word.DONE
    if cut_off is not CutOff.ASK:
        return cut_off is CutOff.SKIP
    what = (
        "was cut off, and" if operation.journal is Word.CUT_OFF else "is on data, and"
    )
    raise Refused(
        f'{operation} of "{report.migration}" {what} the schema does not show whether '
        "it was done",
        hint="look at the data, then run the command again with --cut-off redo, or "
        "--cut-off skip when it was done",
        report=report,
    )


def _build_refusal(report: ResolveReport, operation: OperationReport) -> Refused:
    found = ", ".join(map(str, operation.objects))
    return Refused(
        f'{operation} of "{report.migration}" is neither done nor not done: {found}',
        hint="put these right by hand, then run the command again",
        report=report,
    )
