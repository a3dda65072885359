"""The report of `dbops_resolve` as text."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from dbops.core.evidence import Evidence
from dbops.operations.resolve.report import (
    Action,
    OperationReport,
    ResolveReport,
    ResolveState,
    Word,
)
from dbops.render.text import build_facts, build_verdict

WORDS = {
    Evidence.DONE: "done",
    Evidence.NOT_DONE: "not done",
    Evidence.HALF_DONE: "half done",
    Evidence.DIFFERENT: "different",
    Evidence.NO_TRACE: "leaves no trace in the schema",
    Evidence.STATE_ONLY: "changes nothing in the database",
}
JOURNAL = {
    Word.DONE: "done, says the ledger",
    Word.NOT_DONE: "never begun, says the ledger",
    Word.CUT_OFF: "cut off, says the ledger",
    Word.UNKNOWN: "the ledger does not know it",
}
STATES = {
    ResolveState.APPLIED: "All of it is there, and it is recorded",
    ResolveState.ABSENT: "Nothing of it is there, and it is not recorded",
    ResolveState.UNRECORDED: "All of it is there, and it is not recorded",
    ResolveState.RECORDED_ONLY: "Nothing of it is there, and it is recorded",
    ResolveState.HALF: "A part of it is there",
    ResolveState.DIFFERENT: "Something is neither as before it nor as after it",
}


def render_resolve(report: ResolveReport) -> RenderableType:
    """Return each operation with its objects, and the verdict."""
    lines = [line for each in report.operations for line in _list_lines(each)]
    facts = build_facts(
        [
            ("Migration", str(report.migration)),
            ("Recorded", "yes" if report.recorded else "no"),
            ("Noted", "\n".join(report.notes)),
        ]
    )
    return Group(facts, *lines, _build_verdict(report))


def _list_lines(operation: OperationReport) -> Iterator[Text]:
    word = WORDS[operation.state]
    if operation.journal is not None:
        word += f"; {JOURNAL[operation.journal]}"
    yield Text(f"{operation.number}. {operation.description}: {word}")
    if operation.state in (Evidence.HALF_DONE, Evidence.DIFFERENT):
        for each in operation.objects:
            yield Text(f"   {each}")


def _build_verdict(report: ResolveReport) -> RenderableType:
    settled = report.state in (ResolveState.APPLIED, ResolveState.ABSENT)
    text = STATES[report.state]
    if report.action is not Action.LOOK and not report.changed:
        text += (
            "; nothing was changed (dry run)"
            if report.dry_run
            else "; nothing was changed"
        )
    if report.state is ResolveState.DIFFERENT:
        hint: str | None = "put these right by hand, then look again"
    else:
        hint = " or ".join(report.next) or None
    return build_verdict(
        text, good=settled, hint=None if report.action is not Action.LOOK else hint
    )
