"""How much of a database the models of a tool make, side by side."""

from __future__ import annotations

import re
import traceback
from contextlib import suppress
from dataclasses import dataclass
from io import StringIO

from django.core.management import call_command
from django.db import models
from django.db.migrations import Migration
from django.db.migrations.state import ProjectState

from dbops.core.catalog import Catalog
from dbops.core.generated_names import give_names, pair_generated_names
from dbops.errors import DbopsError
from dbops.operations.context import Context
from dbops.operations.pull import pull as operation
from dbops.operations.pull.order import build_operations
from dbops.operations.pull.source import PullOptions, Source, prepare, read_source
from dbops.operations.pull.state import build_other_state, build_state, load_models
from dbops.operations.replay import open_replay

APP = "pulled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How many objects of a database come out right."""

    objects: int
    inspectdb: int
    dbops_pull: int


def score(context: Context) -> Score:
    """Make the database anew in both ways, and count what is the same."""
    source = read_source(context, PullOptions(app=APP))
    report = operation.pull(context, PullOptions(app=APP, check=True))
    wrong = len(report.differences) + len(report.problems)
    return Score(
        objects=len(source.live.objects),
        inspectdb=_count(_make(source, run_inspectdb(context)), source.live),
        dbops_pull=len(source.live.objects) - wrong,
    )


def run_inspectdb(context: Context) -> str:
    """Return what it writes, with Django as the maker of the tables."""
    out = StringIO()
    call_command("inspectdb", database=context.alias, stdout=out)
    return re.sub(r"^ +managed = False.*\n", "", out.getvalue(), flags=re.MULTILINE)


def _make(source: Source, text: str) -> Catalog:
    others = build_other_state(source.history.loader, APP)
    state = build_state(_load(text, others), others)
    with open_replay(source.context) as replay:
        prepare(replay, source, ())
        for number, each in enumerate(build_operations(state, APP)):
            kind = type("Migration", (Migration,), {"operations": [each]})
            # One that fails leaves the others alone.
            with suppress(DbopsError):
                replay.apply([kind(f"{number:04}", APP)])
        return source.select(replay.fetch_catalog())


def _load(text: str, others: ProjectState) -> list[type[models.Model]]:
    """Load the models; one that Django refuses is left out."""
    while True:
        try:
            return load_models(text, APP, others)
        except (NameError, ValueError, TypeError) as error:
            lines = [
                frame.lineno or 0
                for frame in traceback.extract_tb(error.__traceback__)
                if frame.filename == f"<{APP}/models.py>"
            ]
            if not lines:
                raise
            text = _drop_class(text, lines[0])


def _drop_class(text: str, number: int) -> str:
    lines = text.splitlines(keepends=True)
    starts = [i for i, line in enumerate(lines) if line.startswith("class ")]
    begin = max(i for i in starts if i < number)
    end = min((i for i in starts if i > begin), default=len(lines))
    return "".join([*lines[:begin], *lines[end:]])


def _count(made: Catalog, live: Catalog) -> int:
    wanted, found = (
        {(each.kind, each.name): each for each in side.objects} for side in (live, made)
    )
    found = give_names(found, pair_generated_names(found, wanted), {})
    return sum(
        key in found
        and (found[key].definition, found[key].body) == (each.definition, each.body)
        for key, each in wanted.items()
    )
