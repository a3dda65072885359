"""Hazards in words: what is wrong, and the way out."""

from __future__ import annotations

from collections.abc import Sequence

from dbops.core.hazards import judge as ids
from dbops.core.hazards.judge import Hazard
from dbops.core.hazards.rules import RULES
from dbops.core.table_name import TableName
from dbops.core.words import shorten

LONGEST_SQL = 70
MOST_NAMES = 3
WORK = {
    ids.REWRITE: "rewrites",
    ids.SCAN: "reads all rows of",
    ids.BUILD: "builds an index of",
    ids.WRITES_BUILD: "builds an index of",
    ids.WRITES_SCAN: "reads all rows of",
}
NOBODY = {
    "reads": "nobody may read or write",
    "writes": "nobody may write to",
    "none": "others go on with",
}
SPLIT = (
    "put what takes long in a migration of its own, after this one: locks are kept "
    "until the transaction ends"
)


def tell_hazard(hazard: Hazard) -> str:
    """Return what is wrong, without the migration."""
    names = tell_names(hazard.relations)
    statement = f"`{shorten(hazard.sql, LONGEST_SQL)}`"
    if hazard.others:
        statement += f" (and {hazard.others} more)"
    match hazard.id:
        case ids.NOT_UNDERSTOOD:
            return f"what {statement} locks is not understood: {hazard.reason}"
        case ids.IN_TRANSACTION:
            return f"{statement} cannot run in a transaction"
        case ids.PARTNER | ids.AVOIDABLE_LOCK:
            mode = hazard.mode.sql_name if hazard.mode else ""
            return f"{statement} takes {mode} on {names} until the transaction ends"
        case ids.HELD | ids.HELD_DATA:
            return (
                f"{NOBODY[hazard.blocks]} {names} while {statement} runs: "
                f"`{shorten(hazard.earlier_sql, LONGEST_SQL)}` before it keeps its "
                "lock until the transaction ends"
            )
    told = (
        f"{statement} {WORK[hazard.id]} {names} while {NOBODY[hazard.blocks]} "
        f"{'it' if len(hazard.relations) == 1 else 'them'}"
    )
    return f"{told}, assuming that {hazard.assumed}" if hazard.assumed else told


def tell_names(names: Sequence[TableName]) -> str:
    """Return names in quotes, a few of them."""
    told = [f'"{each.schema}.{each.name}"' for each in names[:MOST_NAMES]]
    more = len(names) - MOST_NAMES
    return ", ".join(told) + (f" and {more} more" if more > 0 else "")


def tell_way_out(hazard: Hazard) -> str:
    """Return what to do instead, in Django's terms where there are any."""
    match hazard.id:
        case ids.HELD | ids.HELD_DATA:
            return SPLIT
        case ids.PARTNER:
            return "keep the migration short: nothing in it that takes long"
        case ids.IN_TRANSACTION:
            return "set `atomic = False` in the migration, with nothing else in it"
        case ids.NOT_UNDERSTOOD:
            return "look at what it locks in a rehearsal"
    rule = RULES[hazard.rule]
    return rule.instead or rule.good
