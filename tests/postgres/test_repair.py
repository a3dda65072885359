"""Playing a repair on a real server."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from dbops.core.catalog import Catalog
from dbops.core.compare import compare_catalogs
from dbops.core.repair import Repair, build_repair
from dbops.core.target import Target
from dbops.postgres.catalog import fetch_catalog
from tests.databases import (
    connect,
    execute,
    require_superuser,
    temporary_database,
)
from tests.postgres.test_catalog import BASE, Change, read_changes

# A column that was made local stays so when its table inherits again.
BACK_BY_HAND = {"ALTER TABLE cat NO INHERIT animal;"}


@pytest.fixture(scope="module")
def base() -> Iterator[tuple[Target, Catalog]]:
    with temporary_database() as target:
        execute(target, BASE)
        yield target, fetch(target)


def fetch(target: Target) -> Catalog:
    with connect(target) as session:
        return fetch_catalog(session)


def plan(expected: Catalog, actual: Catalog) -> Repair:
    comparison = compare_catalogs(expected, actual)
    return build_repair(expected, actual, comparison.differences)


def play(target: Target, repair: Repair) -> None:
    with connect(target) as session:
        session.execute("SET search_path = pg_catalog")
        for statement in repair.statements:
            try:
                session.execute(statement.encode())
            except psycopg.Error as error:
                raise AssertionError(f"{error}\n{repair.script}") from error


def leads(target: Target, expected: Catalog) -> bool:
    """Play the repair and say whether nothing of it was left to be done by hand."""
    repair = plan(expected, fetch(target))
    if repair.by_hand:
        return False
    play(target, repair)
    left = compare_catalogs(expected, fetch(target)).differences
    assert not left, "\n".join([*map(str, left), repair.script])
    return True


@pytest.mark.parametrize("change", [*read_changes()], ids=str)
def test_a_repair_leads_back_and_there(
    base: tuple[Target, Catalog], change: Change
) -> None:
    before, catalog = base
    with temporary_database(template=before.database) as changed:
        with connect(changed) as session:
            if session.info.server_version < change.since * 10000:
                pytest.skip(f"needs PostgreSQL {change.since}")
        if "LEAKPROOF" in change.script:
            require_superuser(changed)
        execute(changed, change.script)
        after = fetch(changed)
        assert leads(changed, catalog) == (str(change) not in BACK_BY_HAND)
    with temporary_database(template=before.database) as target:
        assert leads(target, after)
