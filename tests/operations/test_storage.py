"""Where backups are kept: whole or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dbops.core.manifest import DamagedManifest, write_manifest
from dbops.errors import Refused, ToolFailed, UsageError
from dbops.operations.storage import (
    build_backup_id,
    find_backup,
    open_vault,
    read_stored_manifest,
)
from dbops.operations.storage.directory import DirectoryVault
from tests.core.test_manifest import MANIFEST

DATABASE = "app"
WRITER = """
import sys, time
from dbops.operations.storage import open_vault
with open_vault(sys.argv[1], "app").open_draft(sys.argv[2]) as draft:
    draft.write("data/000000.zst", b"half")
    print("ready", flush=True)
    time.sleep(600)
"""


def get_vault(storage: str, database: str = DATABASE) -> DirectoryVault:
    vault = open_vault(storage, database)
    assert isinstance(vault, DirectoryVault)
    return vault


def prepare(storage: str) -> DirectoryVault:
    vault = get_vault(storage)
    vault.prepare()
    return vault


def publish(storage: str, backup_id: str) -> Path:
    with prepare(storage).open_draft(backup_id) as draft:
        draft.write("data/000000.zst", b"whole")
        manifest = replace(MANIFEST, backup_id=backup_id)
        return Path(draft.publish(write_manifest(manifest)))


def list_names(directory: Path) -> list[str]:
    return sorted(entry.name for entry in directory.iterdir())


def test_publishes_under_the_final_name_for_nobody_else(storage: str) -> None:
    location = publish(storage, "20261123T063000Z-ab12cd")
    assert list_names(location.parent) == ["20261123T063000Z-ab12cd"]
    assert list_names(location) == ["data", "manifest.json"]
    for path in [location.parent, location, *location.rglob("*")]:
        expected = 0o700 if path.is_dir() else 0o600
        assert path.stat().st_mode & 0o777 == expected, path


def test_removes_the_partial_when_the_work_fails(storage: str) -> None:
    vault = prepare(storage)

    def fail() -> None:
        with vault.open_draft("20261123T063000Z-ab12cd") as draft:
            draft.write("data/000000.zst", b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert list_names(vault.directory) == []


def test_the_partial_of_a_living_writer_stays_and_that_of_a_killed_one_goes(
    storage: str,
) -> None:
    vault = prepare(storage)
    directory, name = vault.directory, "20261123T063000Z-ab12cd"
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, storage, name], stdout=subprocess.PIPE
    ) as writer:
        try:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"ready\n"
            vault.prepare()
            assert list_names(directory) == [f".{name}.partial"]
            assert vault.list_drafts() == [name]
        finally:
            writer.kill()
            writer.wait()
    assert vault.list_ids() == []
    vault.prepare()
    assert list_names(directory) == []


def test_touches_nothing_else_that_lies_there(storage: str) -> None:
    vault = prepare(storage)
    directory = vault.directory
    for name in (".partial", ".x.partial", "notes.txt", ".snapshot"):
        (directory / name).mkdir()
    vault.prepare()
    assert list_names(directory) == [".partial", ".snapshot", ".x.partial", "notes.txt"]
    assert vault.list_ids() == []


def test_finds_by_id_latest_and_unique_beginning(storage: str) -> None:
    ids = [
        "20261123T063000Z-ab12cd",
        "20261123T063000Z-ffffff",
        "20261124T063000Z-000000",
    ]
    for backup_id in ids:
        publish(storage, backup_id)

    def find(reference: str) -> str:
        return find_backup(get_vault(storage), DATABASE, reference)

    assert get_vault(storage).list_ids() == sorted(ids, reverse=True)
    assert find(ids[0]) == ids[0]
    assert find("latest") == ids[2]
    assert find("20261124") == ids[2]
    with pytest.raises(UsageError, match="is the beginning of several"):
        find("20261123")
    with pytest.raises(UsageError, match=f"newest are {ids[2]}, {ids[1]}, {ids[0]}"):
        find("2025")
    for odd in ("", "../app", ".", "%"):
        with pytest.raises(UsageError, match="is not the id of a backup"):
            find(odd)


def test_says_when_there_is_no_backup(storage: str) -> None:
    with pytest.raises(UsageError, match='there is no backup of "app"'):
        find_backup(get_vault(storage), DATABASE, "latest")


@pytest.mark.parametrize("url", ["ftp://host/x", "file://other/x"])
def test_names_what_is_supported(url: str) -> None:
    with pytest.raises(UsageError, match=r"a directory and .*s3:// are"):
        open_vault(url, DATABASE)


def test_takes_a_file_url(tmp_path: Path) -> None:
    url = f"file://{tmp_path}/my%20backups"
    assert get_vault(url, "a").directory == tmp_path / "my backups" / "a"


@pytest.mark.parametrize("name", ["..", "a/b", ".hidden", "My 100% app", "ü" * 31])
def test_any_database_name_is_one_directory(tmp_path: Path, name: str) -> None:
    vault = get_vault(str(tmp_path), name)
    vault.prepare()
    directory = vault.directory
    assert directory.parent == tmp_path
    assert not directory.name.startswith(".")


def test_refuses_a_storage_that_is_a_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("")
    vault = get_vault(str(path))
    for check in (vault.prepare, vault.check):
        with pytest.raises(Refused, match="cannot write to backup storage"):
            check()


def test_refuses_a_storage_without_permission(tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    if os.access(locked, os.W_OK):  # root writes everywhere but in /proc
        locked = Path("/proc/dbops")
    with pytest.raises(Refused, match="cannot write to backup storage"):
        get_vault(str(locked / "backups")).prepare()


def test_checking_changes_nothing(tmp_path: Path) -> None:
    get_vault(str(tmp_path / "a" / "b")).check()
    assert list_names(tmp_path) == []


def test_knows_its_manifest_from_another_backups(storage: str) -> None:
    location = publish(storage, "20261123T063000Z-ab12cd")
    location.rename(location.with_name("20261123T063000Z-ffffff"))
    vault = get_vault(storage)
    with pytest.raises(
        DamagedManifest, match='manifest of backup "20261123T063000Z-ab'
    ):
        read_stored_manifest(vault, find_backup(vault, DATABASE, "latest"))


def test_says_when_the_disk_is_full(small_disk: Path) -> None:
    vault = prepare(str(small_disk))
    with (
        pytest.raises(ToolFailed, match="no space left for a backup"),
        vault.open_draft("20261123T063000Z-ab12cd") as draft,
    ):
        draft.write("data/000000.zst", b"x" * (4 << 20))
    assert list_names(vault.directory) == []


def test_another_manifest_replaces_the_first_whole(storage: str) -> None:
    location = publish(storage, "20261123T063000Z-ab12cd")
    vault = get_vault(storage)
    other = replace(MANIFEST, backup_id=location.name, duration_s=7.0)
    vault.replace_manifest(location.name, write_manifest(other))
    assert read_stored_manifest(vault, location.name) == other
    assert list_names(location) == ["data", "manifest.json"]


def test_removes_a_backup(storage: str) -> None:
    location = publish(storage, "20261123T063000Z-ab12cd")
    vault = get_vault(storage)
    vault.remove(location.name)
    assert vault.list_ids() == list_names(location.parent) == []


def test_ids_sort_by_time() -> None:
    early, late = (
        build_backup_id(datetime(2026, 1, day, tzinfo=UTC)) for day in (1, 2)
    )
    assert early < late
