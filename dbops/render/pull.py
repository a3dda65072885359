"""The report of `dbops_pull` as text."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from dbops.core.words import count_of
from dbops.operations.pull.pull import PullReport
from dbops.render.text import build_facts, build_verdict


def render_pull(report: PullReport) -> RenderableType:
    """Return the models alone, or, where files were written or checked, the proof."""
    if report.proven is None:
        return Text(report.models)
    return Group(
        build_facts(
            [
                ("Database", report.place),
                ("Models", _tell_models(report)),
                ("Written", "\n".join(report.files)),
                ("Noted", "\n".join(map(str, report.notes))),
                ("Problems", "\n".join(report.problems)),
            ]
        ),
        *(Text(str(each)) for each in report.differences),
        _build_verdict(report),
    )


def _tell_models(report: PullReport) -> str:
    told = count_of(report.tables, "table")
    if report.views:
        told += f", {count_of(report.views, 'view')}"
    return told


def _build_verdict(report: PullReport) -> RenderableType:
    if not report.proven:
        wrong = len(report.differences) + len(report.problems)
        return build_verdict(
            f"NOT proven: {count_of(wrong, 'thing')} an empty database would not have",
            good=False,
        )
    apps = ", ".join(f'"{each}"' for each in (*report.needs, report.app))
    hint = f"add {apps} to INSTALLED_APPS, then "
    return build_verdict(
        "Proven: migrating an empty database gives what is there, and makemigrations "
        "has nothing to add",
        good=True,
        hint=f"{hint}manage.py dbops_baseline" if report.files else None,
    )
