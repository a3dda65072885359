"""The rules against what PostgreSQL does: no hazard missed, and no false alarm.

The statements and the tables are those of benchmarks/locks, which was run on each
version. Here they are measured again on the server of the tests, so that what is
written there stays true.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from benchmarks.locks.measure import (
    MEASURED,
    Case,
    measure_all,
    open_lab,
    read_cases,
)
from dbops.core.hazards.facts import Facts
from dbops.core.hazards.parsing import list_names, parse_statements
from dbops.core.hazards.predict import predict_locks
from dbops.core.hazards.rule import Work
from dbops.core.hazards.rules import RULES
from dbops.core.lock_modes import LockMode
from dbops.postgres.lock_facts import fetch_lock_facts
from tests.databases import find_server

LEAST_KINDS = 150
VERSIONS = ("15", "16", "18")


@dataclass(frozen=True, slots=True, kw_only=True)
class Effects:
    """What a statement does, as far as anybody may have to wait for it."""

    locks: Mapping[str, str]
    scans: tuple[str, ...]
    rewrites: tuple[str, ...]
    builds: tuple[str, ...]


@pytest.fixture(scope="module")
def lab(django_db_blocker: Any) -> Iterator[psycopg.Connection[Any]]:
    with django_db_blocker.unblock():
        parameters = find_server().parameters
    with open_lab(make_conninfo(**parameters)) as session:
        yield session


@pytest.fixture(scope="module")
def facts(lab: psycopg.Connection[Any]) -> dict[str, Facts]:
    """What the catalog says before each statement."""
    major = lab.info.server_version // 10000
    cases = [each for each in read_cases() if each.since <= major]
    names = {name for each in cases for name in list_all_names(each)}
    # Who names nothing that another has made gets what is known of all.
    common = fetch_facts(lab, names)
    return {
        case.id: fetch_facts(lab, names, case.first) if case.first else common
        for case in cases
    }


def list_all_names(case: Case) -> set[str]:
    return {
        name for each in parse_statements(case.sql) for name in list_names(each.node)
    }


def fetch_facts(
    session: psycopg.Connection[Any], names: set[str], first: str = ""
) -> Facts:
    with session.transaction(force_rollback=True):
        session.execute("SET LOCAL TimeZone = 'UTC'")
        if first:
            session.execute(first.encode())
        return fetch_lock_facts(session, names, every_hop=True)


def read_measured(version: str) -> dict[str, dict[str, Any]]:
    measured: dict[str, dict[str, Any]] = json.loads(MEASURED.read_text())[version]
    return measured


def build_seen(seen: Mapping[str, Any]) -> Effects:
    """Return the effects that were measured.

    ACCESS SHARE keeps nobody waiting but who wants to alter the table; so does nextval
    on a sequence.
    """
    locks = {
        name: mode
        for name, mode in seen["locks"].items()
        if LockMode.parse(mode) > LockMode.ACCESS_SHARE
        and not (
            name.endswith(("_seq", "counter"))
            and LockMode.parse(mode) is LockMode.ROW_EXCLUSIVE
        )
    }
    exclusive = LockMode.ACCESS_EXCLUSIVE.pg_name
    if exclusive not in seen["locks"].values():
        locks |= {n: m for n, m in seen["index_locks"].items() if m == exclusive}
    strong = {n for n, m in locks.items() if LockMode.parse(m) > LockMode.ROW_EXCLUSIVE}
    return Effects(
        locks=dict(sorted(locks.items())),
        scans=tuple(each for each in seen["scans"] if each in strong),
        rewrites=tuple(each for each in seen["rewrites"] if each in strong),
        builds=tuple(each for each in seen["builds"] if each in strong),
    )


def build_predicted(case: Case, facts: Facts) -> Effects:
    """Return the effects that the rules tell."""
    found = predict_locks(case.sql, facts)
    has_exclusive = any(
        each.mode is LockMode.ACCESS_EXCLUSIVE and each.relation not in facts.indexes
        for each in found
    )
    kept = [
        each
        for each in found
        if each.mode > LockMode.ACCESS_SHARE
        and not (each.relation in facts.indexes and has_exclusive)
    ]
    working = [each for each in kept if each.mode > LockMode.ROW_EXCLUSIVE]
    return Effects(
        locks=dict(sorted((each.relation.name, each.mode.pg_name) for each in kept)),
        scans=tuple(sorted(each.relation.name for each in working if each.work)),
        rewrites=tuple(
            sorted(each.relation.name for each in working if each.work is Work.REWRITE)
        ),
        builds=tuple(sorted(each.relation.name for each in working if each.builds)),
    )


@pytest.mark.parametrize("version", VERSIONS)
def test_rules_tell_what_was_measured(version: str, facts: dict[str, Facts]) -> None:
    measured = read_measured(version)
    wrong = {}
    checked = 0
    for case in read_cases():
        if case.id not in measured or case.id not in facts:
            continue
        there = replace(facts[case.id], version=int(version))
        seen, told = build_seen(measured[case.id]), build_predicted(case, there)
        checked += 1
        if seen != told:
            wrong[case.id] = (seen, told)

    assert wrong == {}
    assert checked >= LEAST_KINDS


def test_what_was_measured_is_still_so(lab: psycopg.Connection[Any]) -> None:
    version = str(lab.info.server_version // 10000)
    if version not in VERSIONS:
        pytest.skip(f"PostgreSQL {version} was not measured")
    written = read_measured(version)

    seen = {key: asdict(each) for key, each in measure_all(lab, read_cases()).items()}

    assert seen.keys() == written.keys()
    assert {key: build_seen(each) for key, each in seen.items()} == {
        key: build_seen(each) for key, each in written.items()
    }


def test_every_rule_is_measured(facts: dict[str, Facts]) -> None:
    """But for what locks nothing, and what the server is too old for."""
    told = set()
    major = next(iter(facts.values())).version
    for case in read_cases():
        if case.id in facts:
            for each in predict_locks(case.sql, facts[case.id]):
                told.add(each.rule)
    silent = {
        "alter-domain", "alter-index", "add-enum-value", "no-table", "opaque",
        "create-table", "create-table-as", "drop-type",
    }  # fmt: skip

    known = {key for key, each in RULES.items() if each.since <= major}
    assert known - told - silent == set()
