"""Deployments of a long mixed chain, killed at each statement, and the server, too.

A process that has loaded everything forks one for each run: that one counts the
statements which it is about to send to the database, and kills itself, or the server,
at one of them. `DEPLOY_KILLS` is how many of them are tried, or `all`, or `1/2` for the
first half of all, taken evenly; `DEPLOY_SEED` chooses which.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dbops.core.catalog import Catalog
from dbops.core.compare import Verdict, compare_catalogs
from dbops.core.target import Target
from tests.chains import (
    HELPERS,
    Forker,
    Link,
    build_first_links,
    build_more_link,
    fresh_database,
    start_forker,
)
from tests.clusters import find_programs, make_cluster
from tests.databases import connect, create_database
from tests.lab import Lab, open_lab
from tests.operations.conftest import fetch_hashes

KILLS = os.environ.get("DEPLOY_KILLS", "3")
CRASHES = int(os.environ.get("DEPLOY_CRASHES", "1"))
SEED = int(os.environ.get("DEPLOY_SEED", "0")) or random.randrange(1, 10**6)
MOST_RUNS = 4
LENGTH = 32
LAST = 3
"""Statements after the last migration, at the least."""

DEPLOY = ("dbops_deploy", "--no-backup")


def build_chain() -> list[Link]:
    """Return migrations of all kinds, over one another's tables."""
    first = build_first_links()
    return [*first, *map(build_more_link, range(LENGTH - len(first)))]


@dataclass(frozen=True)
class Chain:
    """The app, the process that forks runs, and databases for them."""

    forker: Forker

    @property
    def lab(self) -> Lab:
        return self.forker.lab

    def run(self, target: Target, *more: str, **order: Any) -> tuple[int, str]:
        """Run a deployment to its end; return its exit code and what it said."""
        return self.forker.run(target, *DEPLOY, *more, **order)

    def count(self, target: Target) -> int:
        """Deploy without a kill, and return how many statements that sent."""
        return self.forker.count(target, *DEPLOY)

    def finish(self, target: Target, told: str) -> list[str]:
        """Deploy until all is done; return what the runs said that were needed.

        What cannot be known is asked, and then it is answered that it may be redone.
        """
        said = [f"seed {SEED}, {told}"]
        more: list[str] = []
        for _ in range(MOST_RUNS):
            code, err = self.run(target, *more)
            said.append(err)
            if code == 0:
                return said[1:]
            assert code == 9, "\n".join(said)
            assert "--cut-off redo" in err, "\n".join(said)
            more = ["--cut-off", "redo"]
        raise AssertionError("\n".join(said))


@contextmanager
def open_chain(directory: Path, target: Target) -> Iterator[Chain]:
    with open_lab(directory, target) as lab:
        for number, link in enumerate(build_chain(), start=1):
            lab.write_migration(
                f"{number:04}_link",
                link.operations.replace("{app}", lab.app),
                helpers=HELPERS.format(app=lab.app),
                down="-- dbops: irreversible: a test",
                atomic=link.atomic,
            )
        with start_forker(lab) as forker:
            yield Chain(forker)


@dataclass(frozen=True)
class Whole:
    """What a database is that nobody has killed."""

    catalog: Catalog
    rows: dict[str, tuple[int, int]]
    history: list[str]


def look(chain: Chain, target: Target) -> Whole:
    lab = replace(chain.lab, target=target)
    rows = {
        name: value
        for name, value in fetch_hashes(target).items()
        if not name.startswith(("public.dbops_", "public.django_"))
    }
    return Whole(lab.fetch_catalog(), rows, lab.fetch_history())


def require_same(chain: Chain, target: Target, whole: Whole, told: str) -> None:
    found = look(chain, target)
    comparison = compare_catalogs(whole.catalog, found.catalog)
    assert comparison.verdict is Verdict.IDENTICAL, f"{told}: {comparison.differences}"
    assert found.rows == whole.rows, told
    assert found.history == whole.history, told
    lab = replace(chain.lab, target=target)
    assert not lab.fetch_value("SELECT count(*) FROM pg_index WHERE NOT indisvalid")
    states = "SELECT count(*) FROM dbops_deployment WHERE state = 'running'"
    assert lab.fetch_value(states) == 0, told


def choose(count: int, wish: str) -> list[int]:
    every = range(1, count + 1)
    part, _, parts = wish.partition("/")
    if parts:
        return list(every[int(part) - 1 :: int(parts)])
    if wish == "all":
        return list(every)
    return sorted(random.Random(SEED).sample(every, int(wish)))


def tell(**numbers: object) -> None:
    """Print what was tried; pytest -rP or -s shows it."""
    print(json.dumps({"seed": SEED, "migrations": LENGTH, **numbers}))  # noqa: T201


def test_after_a_kill_at_any_statement_the_next_run_makes_it_whole(
    tmp_path: Path, server: Target
) -> None:
    with fresh_database(server) as reference, open_chain(tmp_path, reference) as chain:
        count = chain.count(reference)
        whole = look(chain, reference)
        places = choose(count, KILLS)
        runs = asked = 0
        for place in places:
            with fresh_database(server) as target:
                code, _ = chain.run(target, at=place)
                told = f"{place} of {count}: {chain.forker.read_told()}"
                assert code == -9, told
                said = chain.finish(target, told)
                runs += len(said)
                asked += len(said) > 1
                require_same(chain, target, whole, f"seed {SEED}, {told}\n{said}")
            print(told, len(said))  # noqa: T201  Seen with -s.
    tell(
        boundaries=count,
        killed=len(places),
        runs_after=runs,
        asked=asked,
    )


def require_untouched_if_promised(
    chain: Chain, target: Target, code: int, told: str
) -> None:
    """See that exit code 7, which says that nothing was changed, was right."""
    lab = replace(chain.lab, target=target)
    if code == 7 and lab.fetch_value("SELECT to_regclass('django_migrations')"):
        assert not lab.fetch_history(), told


def test_after_a_crash_of_the_server_the_next_run_makes_it_whole(
    tmp_path: Path,
) -> None:
    with make_cluster(find_programs()) as cluster, ExitStack() as servers:
        server = cluster.build_target()
        with connect(server) as base:
            names = [create_database(base) for _ in range(CRASHES + 2)]
        reference, *targets = map(server.with_database, names)
        with open_chain(tmp_path, reference) as chain:
            count = chain.count(reference)
            whole = look(chain, reference)
            # One of them when all is applied, and is being verified.
            places = [*choose(count, str(CRASHES)), count - LAST]
            for place, target in zip(places, targets, strict=True):
                pidfile = cluster.data / "postmaster.pid"
                pid = int(pidfile.read_text().split()[0])
                code, err = chain.run(
                    target, at=place, postmaster=pid, pidfile=str(pidfile)
                )
                told = f"{place} of {count}: {chain.forker.read_told()}"
                assert code in (7, 8, 9), f"{told}\n{err}"
                print(told, code)  # noqa: T201  Seen with -s.
                servers.enter_context(cluster.serve())
                require_untouched_if_promised(chain, target, code, f"{told}\n{err}")
                chain.finish(target, told)
                require_same(chain, target, whole, f"seed {SEED}, {told}")
    tell(boundaries=count, crashed=len(places))
