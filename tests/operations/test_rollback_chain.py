"""Going back over a long mixed chain: from each state to each earlier one, and killed.

`ROLLBACK_PAIRS` and `ROLLBACK_KILLS` are how many are tried, or `all`; `ROLLBACK_SEED`
chooses which.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from psycopg import sql

from dbops.core.catalog import Catalog
from dbops.core.compare import Verdict, compare_catalogs
from dbops.core.target import Target
from dbops.postgres.scratch import drop_database
from tests.chains import HELPERS, Forker, fresh_database, start_forker
from tests.databases import connect, create_database
from tests.lab import Lab, Outcome, install_lab, write_lab
from tests.rollback_chain import build_rollback_chain

PAIRS = os.environ.get("ROLLBACK_PAIRS", "2")
KILLS = os.environ.get("ROLLBACK_KILLS", "3")
SEED = int(os.environ.get("ROLLBACK_SEED", "0")) or random.randrange(1, 10**6)
LONGEST_SPAN = 2
"""How many migrations a rollback that is killed takes back, at most."""
LINKS = build_rollback_chain()
NUMBER = len(LINKS)
MORE_HELPERS = "from django.contrib.postgres.operations import AddIndexConcurrently\n"
KEEP: dict[str, Any] = {"KEEP_DROPPED": 30}

Pair = tuple[int, int]
Row = dict[str, Any]
Contents = dict[str, list[Row]]


@dataclass(frozen=True, kw_only=True)
class State:
    """The database after the first migrations of the chain."""

    number: int
    """Of these migrations."""
    database: str
    """A copy of it."""
    following: str
    """The deployment that goes on from here; empty at the end."""
    catalog: Catalog
    contents: Contents
    history: list[tuple[str, str]]


@dataclass(frozen=True)
class Chain:
    """Two apps of which the second one is not the project's own."""

    lab: Lab
    other: Lab
    """Of which Django derives the ways back."""

    def write(self, numbers: Sequence[int]) -> None:
        """Write the migrations of these numbers, each after the one before."""
        for number in numbers:
            link = LINKS[number - 1]
            lab = self.other if link.is_other else self.lab
            needed = {(each.app, each.names[-1]) for each in self.apps if each.names}
            lab.write_migration(
                name(number),
                self.fit(link.operations),
                helpers=MORE_HELPERS + HELPERS.format(app=self.lab.app),
                down=None if link.down is None else self.fit(link.down),
                atomic=link.atomic,
                dependencies=sorted(needed),
            )

    @property
    def apps(self) -> tuple[Lab, Lab]:
        return self.lab, self.other

    def fit(self, text: str) -> str:
        """Return a text with the names of the apps."""
        editor: Any = connection.schema_editor()
        for suffix in ("", "_like"):
            index = editor._create_index_name(f"{self.lab.app}_thing", ["name"], suffix)
            text = text.replace(f"{{by_name{suffix}}}", index)
        return text.replace("{app}", self.lab.app).replace("{other}", self.other.app)

    def run(self, target: Target, *arguments: str) -> Outcome:
        """Run a command on a database, in this process."""
        return replace(self.lab, target=target).run(*arguments, **KEEP)


def name(number: int) -> str:
    return f"{number:04}_link"


@contextmanager
def open_chain(directory: Path, target: Target) -> Iterator[Chain]:
    lab, other = write_lab(directory, target), write_lab(directory, target)
    lab.more_apps.append(other.app)
    with install_lab(lab), install_lab(other):
        yield Chain(lab, other)


@contextmanager
def climb(
    directory: Path, server: Target, stops: Sequence[int]
) -> Iterator[tuple[Chain, dict[int, State]]]:
    """Deploy the chain from stop to stop; yield what the database was at each."""
    states: list[State] = []
    with (
        connect(server) as base,
        ExitStack() as stack,
        fresh_database(server) as target,
        open_chain(directory, target) as chain,
    ):
        for start, stop in itertools.pairwise([0, *stops]):
            chain.write(range(start + 1, stop + 1))
            done = chain.run(target, "dbops_deploy", "--no-backup", "--json")
            assert done.code == 0, done.err + done.out
            if states:
                following = done.json["deployment_id"]
                states[-1] = replace(states[-1], following=following)
            if stop and (fill := LINKS[stop - 1].fill):
                chain.lab.execute(chain.fit(fill))
            copy = create_database(base, template=target.database)
            stack.callback(drop_database, base, copy)
            states.append(look(chain, target, stop, copy))
        yield chain, {each.number: each for each in states}


def look(chain: Chain, target: Target, number: int, database: str = "") -> State:
    with connect(target) as session:
        history = session.execute(
            "SELECT app, name FROM django_migrations ORDER BY id"
        ).fetchall()
    return State(
        number=number,
        database=database,
        following="",
        catalog=replace(chain.lab, target=target).fetch_catalog(),
        contents=read_contents(target),
        history=[(app, each) for app, each in history],
    )


def read_contents(target: Target) -> Contents:
    """Return all rows by table, but for Django's and the ledger's own."""
    contents: Contents = {}
    with connect(target) as session:
        tables = session.execute(
            "SELECT c.oid::regclass::text, n.nspname, c.relname FROM pg_class c"
            " JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE c.relkind IN ('r', 'm') AND n.nspname !~ '^pg_'"
            " AND n.nspname <> 'information_schema'"
            " AND c.relname !~ '^(dbops_|django_)'"
        ).fetchall()
        for place, schema, relation in tables:
            rows = session.execute(
                sql.SQL("SELECT to_jsonb(t) FROM ONLY {} AS t ORDER BY 1").format(
                    sql.Identifier(schema, relation)
                )
            ).fetchall()
            contents[place] = [row for (row,) in rows]
    return contents


def list_goals(chain: Chain, states: dict[int, State], low: int) -> list[list[str]]:
    """Return the ways to say where to go back to; each means the same."""
    goals = [["--to-deployment", states[low].following]]
    if low == 0:
        return [*goals, [chain.lab.app, "zero"]]
    apps = [each.is_other for each in LINKS[low - 1 : low + 1]]
    if apps[0] is apps[-1]:
        app = chain.other.app if apps[0] else chain.lab.app
        goals.append([app, name(low)])
    return goals


def require_state(
    chain: Chain,
    target: Target,
    low: State,
    losses: Sequence[Row],
) -> Verdict:
    """Require that the database is what it was at the lower state.

    Rows with a label that has gone cannot be; there must be as many as was quoted.
    """
    found = look(chain, target, low.number)
    comparison = compare_catalogs(low.catalog, found.catalog)
    assert comparison.verdict is not Verdict.DIFFERENT, [*comparison.differences]
    assert found.history == low.history
    assert found.contents.keys() == low.contents.keys()
    cells = Counter(
        f"{place}.{column}"
        for place, rows in low.contents.items()
        for column in find_changed(rows, found.contents[place])
    )
    labels = {each["name"]: each["count"] for each in losses if each["label"]}
    assert cells == +Counter(labels)
    lab = replace(chain.lab, target=target)
    states = "SELECT count(*) FROM dbops_deployment WHERE state = 'running'"
    assert lab.fetch_value(states) == 0
    assert not lab.fetch_value("SELECT count(*) FROM pg_index WHERE NOT indisvalid")
    return comparison.verdict


def find_changed(expected: Sequence[Row], found: Sequence[Row]) -> list[str]:
    """Return the columns of all values that are not as expected."""
    left = [each for each in expected if each not in found]
    more = [each for each in found if each not in expected]
    ids = [[each.get("id") for each in rows] for rows in (left, more)]
    assert ids[0] == ids[1], f"expected {left}, found {more}"
    assert len(expected) == len(found)
    return [
        column
        for one, other in zip(left, more, strict=True)
        for column in one.keys() | other.keys()
        if one.get(column) != other.get(column)
    ]


def find_loss(chain: Chain, high: State, low: State) -> Counter[str]:
    """Count the rows and values of what is there above and not below."""
    lost: Counter[str] = Counter()
    links = LINKS[low.number : high.number]
    names = {
        chain.fit(new): chain.fit(old)
        for link in links
        for old, new in link.renames.items()
    }
    forgotten = {each for link in LINKS[: high.number] for each in link.forgets}
    defaults = {
        chain.fit(column): value
        for link in LINKS
        for column, value in link.defaults.items()
        if column not in forgotten
    }
    for table, rows in high.contents.items():
        if table.startswith("dbops_kept."):
            continue
        before = names.get(table, table)
        if table == "sums":  # Made of others' rows.
            continue
        if before not in low.contents:
            lost[_parent(table, low)] += len(rows)
            continue
        known = _list_columns(low, before)
        for column in _list_columns(high, table) - known:
            place = f"{table}.{column}"
            if names.get(place, "").partition(".")[2] in known:
                continue
            default = defaults.get(place)
            lost[place] += sum(
                _tell(row[column]) not in {None, default} for row in rows
            )
    return +lost


def _parent(table: str, low: State) -> str:
    """Return the partitioned table whose rows they count with, where that goes."""
    has_parent = table.startswith("log_") and not low.contents.keys() & {"log_1"}
    return "log" if has_parent else table


def _list_columns(state: State, table: str) -> set[str]:
    return {
        each.name.rpartition(".")[2]
        for each in state.catalog.objects
        if each.kind == "column" and each.parent == table
    }


def _tell(value: object) -> str | None:
    return None if value is None else str(value)


def require_quote(chain: Chain, high: State, low: State, losses: Sequence[Row]) -> None:
    """Require that what was quoted is what goes, and how much."""
    quoted: Counter[str] = Counter()
    for each in losses:
        assert not each["is_estimate"]
        if not each["label"]:
            quoted[each["name"]] += each["count"]
    truth = find_loss(chain, high, low)
    assert +quoted == truth, f"untold {truth - quoted}, too much {quoted - truth}"


def choose(cases: Sequence[Any], wish: str) -> list[Any]:
    if wish == "all":
        return list(cases)
    return sorted(random.Random(SEED).sample(cases, int(wish)))


def tell(**numbers: object) -> None:
    """Print what was tried; pytest -rP or -s shows it."""
    print(json.dumps({"seed": SEED, "migrations": NUMBER, **numbers}))  # noqa: T201


@dataclass(frozen=True, kw_only=True)
class Cases:
    """What is tried, and the states that it takes."""

    pairs: list[Pair]
    spans: list[Pair]
    """From where to where the rollbacks go that are killed."""

    @property
    def stops(self) -> list[int]:
        return sorted({0, NUMBER, *itertools.chain(*self.pairs, *self.spans)})


def choose_cases() -> Cases:
    every = range(NUMBER + 1)
    pairs = choose([(high, low) for high in every for low in range(high)], PAIRS)
    spans = [
        (min(low + LONGEST_SPAN, NUMBER), low) for low in range(0, NUMBER, LONGEST_SPAN)
    ]
    if KILLS != "all" and int(KILLS) < len(spans):
        spans = [random.Random(SEED).choice(spans)]
    return Cases(pairs=pairs, spans=spans)


@pytest.fixture(scope="module")
def cases() -> Cases:
    return choose_cases()


@pytest.fixture(scope="module")
def climbed(
    cases: Cases,
    server: Target,
    tmp_path_factory: pytest.TempPathFactory,
    django_db_blocker: Any,
) -> Iterator[tuple[Chain, dict[int, State]]]:
    directory = tmp_path_factory.mktemp("chain")
    with (
        django_db_blocker.unblock(),
        climb(directory, server, cases.stops) as (chain, states),
    ):
        yield chain, states


def test_from_each_state_to_each_earlier_one(
    climbed: tuple[Chain, dict[int, State]], cases: Cases, server: Target
) -> None:
    chain, states = climbed
    verdicts: Counter[str] = Counter()
    failed = []
    started = time.monotonic()
    for high, low in cases.pairs:
        told = f"seed {SEED}, from {high} to {low}"
        goals = list_goals(chain, states, low)
        goal = goals[(high + low) % len(goals)]
        with fresh_database(server, states[high].database) as target:
            try:
                done = chain.run(target, "dbops_rollback", *goal, "--yes", "--json")
                assert done.code == 0, f"{done.out}\n{done.err}"
                assert done.json["schema_matches"] is True
                losses = done.json["losses"]
                verdict = require_state(chain, target, states[low], losses)
                require_quote(chain, states[high], states[low], losses)
            except AssertionError as error:
                failed.append(f"{told}, {' '.join(goal)}: {error}")
                tell(failed=failed[-1][:3000])
            else:
                verdicts[verdict] += 1
    took_s = round(time.monotonic() - started)
    tell(pairs=len(cases.pairs), failed=len(failed), took_s=took_s, **verdicts)
    assert not failed, "\n".join(failed)


def test_after_a_kill_at_any_statement_the_same_command_reaches_the_same_end(
    climbed: tuple[Chain, dict[int, State]], cases: Cases, server: Target
) -> None:
    chain, states = climbed
    failed = []
    killed: Counter[str] = Counter()
    started = time.monotonic()
    with start_forker(chain.lab, **KEEP) as forker:
        places = list(count_statements(forker, chain, states, cases, server))
        chosen = choose(range(len(places)), KILLS)
        for each in map(places.__getitem__, chosen):
            with fresh_database(server, states[each.high].database) as target:
                code, _ = forker.run(target, *each.arguments, at=each.at)
                told = f"seed {SEED}, {each}: {forker.read_told()}"
                try:
                    # Whoever watches the locks sends more or fewer statements.
                    assert code in {-9, 0}
                    killed["not reached"] += code == 0
                    killed["explained"] += run_again(chain, target, each)
                    require_state(chain, target, states[each.low], each.losses)
                except AssertionError as error:
                    failed.append(f"{told}: {error}")
                    tell(failed=failed[-1][:3000])
    tell(
        boundaries=len(places),
        killed=len(chosen),
        failed=len(failed),
        took_s=round(time.monotonic() - started),
        **killed,
    )
    assert not failed, "\n".join(failed)


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a rollback is killed."""

    high: int
    low: int
    arguments: tuple[str, ...]
    at: int
    losses: list[Row] = field(repr=False)
    """What is quoted where nobody kills it."""


def count_statements(
    forker: Forker,
    chain: Chain,
    states: dict[int, State],
    cases: Cases,
    server: Target,
) -> Iterator[Place]:
    for high, low in cases.spans:
        goals = list_goals(chain, states, low)
        goal = goals[high // LONGEST_SPAN % len(goals)]
        arguments = ("dbops_rollback", *goal, "--yes", "--json")
        with fresh_database(server, states[high].database) as target:
            count = forker.count(target, *arguments)
        losses = json.loads(forker.read_out())["losses"]
        for at in range(1, count + 1):
            yield Place(high=high, low=low, arguments=arguments, at=at, losses=losses)


def run_again(chain: Chain, target: Target, place: Place) -> bool:
    """Run the same command to its end; return whether it had something to explain."""
    lab = replace(chain.lab, target=target)
    is_open = lab.fetch_value(
        "SELECT count(*) FROM dbops_deployment WHERE state = 'running'"
    )
    done = chain.run(target, *place.arguments)
    assert done.code == 0, f"{done.out}\n{done.err}"
    if is_open:
        assert "was cut off" in done.err, done.err
    return bool(is_open)
