"""Play a way back on a scratch database, and see whether it leads there."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from enum import Enum

from django.db import Error, transaction

from dbops.core.catalog import Catalog
from dbops.core.compare import Comparison, NoteKind, compare_catalogs
from dbops.core.sql_script import (
    Irreversible,
    Script,
    Unwritten,
    needs_empty_table,
    parse_down,
)
from dbops.errors import Refused
from dbops.operations.replay import Replay

MOST_DIFFERENCES_TOLD = 3


class Left(Enum):
    """Where playing a way back has left the scratch database."""

    APPLIED = "applied"
    UNAPPLIED = "unapplied"
    BETWEEN = "between"


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What became of a way back; one of the three texts, or none if there is none."""

    outcome: str = ""
    """It gives back the schema, and how exactly."""
    declared: str = ""
    """It says that there is no way back."""
    problem: str = ""
    """It does not lead back."""
    left: Left = Left.APPLIED


def play_way_back(replay: Replay, text: str, expected: Catalog) -> Played:
    """Run a `down.sql`, if it can be run, and compare with what was there before.

    A script that has a transaction is rolled back.
    """
    try:
        script = parse_down(text)
    except Refused as error:
        return Played(problem=error.message)
    match script:
        case Irreversible(reason=reason):
            return Played(declared=f"declared irreversible: {reason}")
        case Unwritten(reason=reason):
            return Played(problem=reason)
    when_failed = Left.APPLIED if script.transactional else Left.BETWEEN
    try:
        found = _run(replay, script)
    except Error as error:
        told = " ".join(str(error).split())
        return Played(
            problem=f"played on a scratch database, it fails: {told}", left=when_failed
        )
    comparison = compare_catalogs(expected, found)
    if comparison.differences:
        return Played(problem=_tell_differences(comparison), left=when_failed)
    return Played(
        outcome=_tell_outcome(comparison) + _tell_risk(script),
        left=Left.APPLIED if script.transactional else Left.UNAPPLIED,
    )


def _run(replay: Replay, script: Script) -> Catalog:
    alias = replay.connection.alias
    with transaction.atomic(using=alias) if script.transactional else nullcontext():
        with replay.connection.cursor() as cursor:
            for statement in script.statements:
                cursor.execute(statement)
            if script.transactional:
                # What COMMIT would check.
                cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        found = replay.fetch_catalog()
        if script.transactional:
            transaction.set_rollback(True, using=alias)
    return found


def _tell_differences(comparison: Comparison) -> str:
    told = [" ".join(str(each).split()) for each in comparison.differences]
    more = len(told) - MOST_DIFFERENCES_TOLD
    text = "; ".join(told[:MOST_DIFFERENCES_TOLD])
    return (
        "played on a scratch database, it does not give back the schema: "
        f"{text}{f'; and {more} more' if more > 0 else ''}"
    )


def _tell_outcome(comparison: Comparison) -> str:
    kinds = {note.kind for note in comparison.notes}
    if not kinds:
        return "gives back the schema exactly"
    told = [
        words
        for kind, words in (
            (NoteKind.ORDER, "column order"),
            (NoteKind.NAME, "generated names"),
        )
        if kind in kinds
    ]
    return f"gives back the schema, all but {' and '.join(told)}"


def _tell_risk(script: Script) -> str:
    """Say what an empty scratch database cannot show."""
    if any(map(needs_empty_table, script.statements)):
        return "; fails where a table has rows: a new NOT NULL column has no DEFAULT"
    return ""
