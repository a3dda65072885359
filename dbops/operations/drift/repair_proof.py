"""SQL between two schemas, proven by playing it on a scratch database."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import psycopg

from dbops.core.catalog import Catalog, Key
from dbops.core.compare import Difference
from dbops.core.words import count_of
from dbops.operations.context import Context
from dbops.operations.history import History
from dbops.operations.replay import Replay, find_other_server, open_replay
from dbops.operations.schema import learn_rules
from dbops.postgres.session import tell_error


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What playing the SQL has shown; empty texts where it does what it shall."""

    there: str
    """Why it does not make the live schema out of what the migrations build."""
    back: str
    """Why it does not lead back, or was not tried."""


def play_there_and_back(
    context: Context,
    history: History,
    live: Catalog,
    *,
    there: Sequence[str],
    back: Sequence[str],
    left: Collection[Difference] = (),
) -> Proof:
    """Build what the migrations build, make it like the live schema, and go back.

    The differences that are `left` remain all the time. The scratch database has no
    rows: what only fails on data is not found.

    Raises:
        Refused: the role may not create databases.
        ServerFailed: a migration fails on an empty database.
    """
    context.progress("playing the SQL on a scratch database, there and back")
    with open_replay(context, find_other_server(context)) as replay:
        replay.apply(history.applied_plan)
        before = replay.fetch_catalog()
        except_for = {(each.object, each.name) for each in left}
        problem = _play(replay, there) or _compare(
            context, history, replay, live, except_for
        )
        if problem:
            return Proof(
                there=problem,
                back=f"the scratch database cannot be made like this one: {problem}",
            )
        problem = _play(replay, back) or _compare(context, history, replay, before)
    return Proof(there="", back=problem)


def _play(replay: Replay, statements: Sequence[str]) -> str:
    connection = replay.connect()
    statement = ""
    try:
        with connection.transaction():
            for statement in statements:
                connection.execute(statement.encode())
    except psycopg.Error as error:
        return f"{tell_error(error)}, at: {statement}"
    return ""


def _compare(
    context: Context,
    history: History,
    replay: Replay,
    wanted: Catalog,
    except_for: Collection[Key] = (),
) -> str:
    found = replay.fetch_catalog()
    rules = learn_rules(context, history, replay, found, wanted)
    left = [
        each
        for each in rules.compare(found, wanted).differences
        if (each.object, each.name) not in except_for
    ]
    if not left:
        return ""
    more = f", and {count_of(len(left) - 1, 'more')}" if len(left) > 1 else ""
    # The sides are swapped, so the text of a difference would be, too.
    return f"{left[0].object} {left[0].name} comes out otherwise{more}"
