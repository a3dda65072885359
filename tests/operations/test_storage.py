"""Where backups are kept: whole or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dbops.core.manifest import DamagedManifest, Manifest
from dbops.errors import Refused, ToolFailed, UsageError
from dbops.operations import storage as store
from tests.core.test_manifest import MANIFEST

DATABASE = "app"
WRITER = """
import sys, time
from pathlib import Path
from dbops.operations.storage import open_partial
with open_partial(Path(sys.argv[1]), sys.argv[2]) as partial:
    (partial / "data").write_text("half")
    print("ready", flush=True)
    time.sleep(600)
"""


def build_manifest(backup_id: str) -> Manifest:
    return Manifest(
        **{name: getattr(MANIFEST, name) for name in MANIFEST.__slots__}
        | {"backup_id": backup_id}
    )


def publish(storage: str, backup_id: str) -> Path:
    directory = store.prepare_directory(storage, DATABASE)
    with store.open_partial(directory, backup_id) as partial:
        (partial / "archive").mkdir()
        (partial / "archive" / "toc.dat").write_text("whole")
        return store.publish(partial, build_manifest(backup_id))


def list_names(directory: Path) -> list[str]:
    return sorted(entry.name for entry in directory.iterdir())


def test_publishes_under_the_final_name_for_nobody_else(storage: str) -> None:
    location = publish(storage, "20261123T063000Z-ab12cd")
    assert list_names(location.parent) == ["20261123T063000Z-ab12cd"]
    assert list_names(location) == ["archive", "manifest.json"]
    for path in [location.parent, location, *location.rglob("*")]:
        expected = 0o700 if path.is_dir() else 0o600
        assert path.stat().st_mode & 0o777 == expected, path


def test_removes_the_partial_when_the_work_fails(storage: str) -> None:
    directory = store.prepare_directory(storage, DATABASE)

    def fail() -> None:
        with store.open_partial(directory, "20261123T063000Z-ab12cd") as partial:
            (partial / "data").write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert list_names(directory) == []


def test_the_partial_of_a_living_writer_stays_and_that_of_a_killed_one_goes(
    storage: str,
) -> None:
    directory = store.prepare_directory(storage, DATABASE)
    name = "20261123T063000Z-ab12cd"
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(directory), name], stdout=subprocess.PIPE
    ) as writer:
        try:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"ready\n"
            store.prepare_directory(storage, DATABASE)
            assert list_names(directory) == [f".{name}.partial"]
        finally:
            writer.kill()
            writer.wait()
    assert store.list_backups(storage, DATABASE) == ()
    store.prepare_directory(storage, DATABASE)
    assert list_names(directory) == []


def test_touches_nothing_else_that_lies_there(storage: str) -> None:
    directory = store.prepare_directory(storage, DATABASE)
    for name in (".partial", ".x.partial", "notes.txt", ".snapshot"):
        (directory / name).mkdir()
    store.prepare_directory(storage, DATABASE)
    assert list_names(directory) == [".partial", ".snapshot", ".x.partial", "notes.txt"]
    assert store.list_backups(storage, DATABASE) == ()


def test_finds_by_id_latest_and_unique_beginning(storage: str) -> None:
    ids = [
        "20261123T063000Z-ab12cd",
        "20261123T063000Z-ffffff",
        "20261124T063000Z-000000",
    ]
    for backup_id in ids:
        publish(storage, backup_id)

    def find(reference: str) -> str:
        return store.find_backup(storage, DATABASE, reference).backup_id

    assert [each.backup_id for each in store.list_backups(storage, DATABASE)] == (
        sorted(ids, reverse=True)
    )
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
        store.find_backup(storage, DATABASE, "latest")


@pytest.mark.parametrize("url", ["s3://bucket/x", "gs://b", "file://other/x"])
def test_names_what_is_supported(url: str) -> None:
    with pytest.raises(UsageError, match="a directory or a file:// URL is"):
        store.find_directory(url, DATABASE)


def test_takes_a_file_url(tmp_path: Path) -> None:
    url = f"file://{tmp_path}/my%20backups"
    assert store.find_directory(url, "a") == tmp_path / "my backups" / "a"


@pytest.mark.parametrize("name", ["..", "a/b", ".hidden", "My 100% app", "ü" * 31])
def test_any_database_name_is_one_directory(tmp_path: Path, name: str) -> None:
    directory = store.prepare_directory(str(tmp_path), name)
    assert directory.parent == tmp_path
    assert not directory.name.startswith(".")


def test_refuses_a_storage_that_is_a_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("")
    for check in (store.prepare_directory, store.check_directory):
        with pytest.raises(Refused, match="cannot write to backup storage"):
            check(str(path), DATABASE)


def test_refuses_a_storage_without_permission(tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    if os.access(locked, os.W_OK):  # root writes everywhere but in /proc
        locked = Path("/proc/dbops")
    with pytest.raises(Refused, match="cannot write to backup storage"):
        store.prepare_directory(str(locked / "backups"), DATABASE)


def test_checking_changes_nothing(tmp_path: Path) -> None:
    store.check_directory(str(tmp_path / "a" / "b"), DATABASE)
    assert list_names(tmp_path) == []


def test_knows_its_manifest_from_another_backups(storage: str) -> None:
    location = publish(storage, "20261123T063000Z-ab12cd")
    location.rename(location.with_name("20261123T063000Z-ffffff"))
    backup = store.find_backup(storage, DATABASE, "latest")
    with pytest.raises(
        DamagedManifest, match='manifest of backup "20261123T063000Z-ab'
    ):
        store.read_stored_manifest(backup)


def test_says_when_the_disk_is_full(small_disk: Path) -> None:
    directory = store.prepare_directory(str(small_disk), DATABASE)
    with (
        pytest.raises(ToolFailed, match="no space left for a backup"),
        store.open_partial(directory, "20261123T063000Z-ab12cd") as partial,
    ):
        (partial / "data").write_bytes(b"x" * (4 << 20))
    assert list_names(directory) == []


def test_ids_sort_by_time() -> None:
    early, late = (
        store.build_backup_id(datetime(2026, 1, day, tzinfo=UTC)) for day in (1, 2)
    )
    assert early < late
