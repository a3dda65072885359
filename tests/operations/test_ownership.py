"""Two servers with a database of the same name do not share one place for backups."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dbops.core.manifest import Manifest, write_manifest
from dbops.operations.storage import open_vault, read_stored_manifest
from dbops.postgres.identity import fetch_identity
from tests.clusters import find_programs, make_cluster
from tests.databases import connect, temporary_role
from tests.lab import THING, Lab, Outcome, open_lab

ELSEWHERE = "7000000000000000001"


@pytest.fixture(scope="module")
def lab(
    tmp_path_factory: pytest.TempPathFactory, django_db_blocker: Any
) -> Iterator[Lab]:
    """A database on a server that keeps what it writes."""
    with django_db_blocker.unblock(), make_cluster(find_programs(), fsync="on") as made:
        made.execute("CREATE DATABASE shop")
        target = made.build_target(dbname="shop")
        with open_lab(tmp_path_factory.mktemp("lab"), target) as lab:
            lab.write_migration("0001_initial", THING)
            outcome = lab.run("dbops_deploy", "--no-backup")
            assert outcome.code == 0, outcome.err
            yield lab


@pytest.fixture
def storage(tmp_path: Path) -> str:
    return str(tmp_path / "backups")


def back_up(lab: Lab, storage: str, *more: str) -> Outcome:
    return lab.run("dbops_backup", "--storage", storage, "--level", "none", *more)


def read_all(lab: Lab, storage: str) -> list[Manifest]:
    """Return the manifests, newest first."""
    vault = open_vault(storage, lab.target.database)
    return [read_stored_manifest(vault, each) for each in vault.list_ids()]


def give_away(lab: Lab, storage: str, identifier: str) -> None:
    """Let another server have taken the newest backup."""
    vault = open_vault(storage, lab.target.database)
    newest = read_all(lab, storage)[0]
    text = write_manifest(replace(newest, system_identifier=identifier))
    assert vault.replace_manifest(newest.backup_id, text)


def test_a_backup_says_which_server_it_is_of(lab: Lab, storage: str) -> None:
    assert back_up(lab, storage).code == 0
    assert back_up(lab, storage).code == 0
    with connect(lab.target) as session:
        identity = fetch_identity(session)
    assert identity.isdecimal()
    assert [each.system_identifier for each in read_all(lab, storage)] == [identity] * 2
    shown = lab.run("dbops_backups", "show", "latest", "--storage", storage, "--json")
    assert shown.json["system_identifier"] == identity


def test_another_servers_place_is_refused_until_a_person_says_it_moved(
    lab: Lab, storage: str
) -> None:
    assert back_up(lab, storage).code == 0
    give_away(lab, storage, ELSEWHERE)
    for refused in (
        back_up(lab, storage),
        back_up(lab, storage, "--dry-run"),
        _deploy(lab, storage),
    ):
        assert refused.code == 4
        assert f"server {ELSEWHERE}" in refused.err
        assert "dbops_backup --moved" in refused.err
    assert len(read_all(lab, storage)) == 1
    assert back_up(lab, storage, "--moved").code == 0
    assert back_up(lab, storage).code == 0


def _deploy(lab: Lab, storage: str) -> Outcome:
    lab.write_migration("0002_more", 'migrations.RunSQL("SELECT 1", "SELECT 1"),')
    try:
        return lab.run("dbops_deploy", BACKUP_STORAGE=storage)
    finally:
        lab.remove_last_migration()


def test_backups_of_before_belong_to_whoever_comes(lab: Lab, storage: str) -> None:
    assert back_up(lab, storage).code == 0
    give_away(lab, storage, "")
    assert back_up(lab, storage).code == 0


def test_who_may_not_ask_is_not_told_apart(lab: Lab) -> None:
    with temporary_role(lab.target, "SELECT 1") as stranger:
        lab.execute("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM public")
        try:
            with connect(stranger) as session:
                assert fetch_identity(session) == ""
        finally:
            lab.execute("GRANT EXECUTE ON FUNCTION pg_control_system() TO public")
