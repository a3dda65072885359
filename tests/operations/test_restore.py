"""Restores: equal to the original, or gone again; a bad backup is named."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from dbops.core.contents import sum_rows
from dbops.core.manifest import DamagedManifest, TableRows, write_manifest
from dbops.core.packing import Packer, pack, unpack
from dbops.core.target import Target
from dbops.errors import (
    NeedsRepair,
    Refused,
    Reverted,
    ServerFailed,
    ToolFailed,
    UsageError,
)
from dbops.operations.backup.backup import take_backup
from dbops.operations.backup.report import BackupReport
from dbops.operations.restore import new_database as module
from dbops.operations.restore.restore import restore_backup
from dbops.operations.storage import open_vault, read_stored_manifest
from dbops.render.restore import render_restore
from dbops.render.text import render_text
from tests.keeping import Copy, Keeper
from tests.operations.conftest import (
    FILLED,
    ODD_NAME,
    HeldTools,
    database_exists,
    drop_database,
    execute,
    fetch_hashes,
    fetch_value,
)


def prepare(target: Target, directory: Path) -> BackupReport:
    execute(target, FILLED)
    return take_backup(target, storage=str(directory))


@pytest.fixture
def copy(keeper: Keeper) -> Iterator[Copy[BackupReport]]:
    with keeper.open(prepare, ODD_NAME) as copy:
        yield copy


@pytest.fixture
def filled(copy: Copy[BackupReport]) -> Target:
    """What is backed up."""
    return copy.target


@pytest.fixture
def storage(copy: Copy[BackupReport]) -> str:
    return str(copy.directory)


@pytest.fixture
def backup(copy: Copy[BackupReport]) -> BackupReport:
    return copy.value


def find_data_file(backup: BackupReport) -> Path:
    files = Path(backup.location, "data").glob("*.zst")
    return max(files, key=lambda path: path.stat().st_size)


def flip_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


DAMAGES: dict[Callable[[Path], None], str] = {
    flip_byte: "was changed after it was written",
    cut_off: "bytes instead of",
    Path.unlink: "is missing",
}


def test_the_restored_database_equals_the_original(
    filled: Target, storage: str, backup: BackupReport, new_name: str
) -> None:
    report = restore_backup(filled, storage=storage, backup_id="latest", into=new_name)
    assert report.database == new_name
    assert report.backup_id == backup.backup_id
    assert report.differences == ()
    assert report.schema_matches
    assert report.exit_code == 0
    assert report.tables == backup.tables
    restored = filled.with_database(new_name)
    hashes = fetch_hashes(filled)
    assert len(hashes) == 8
    assert fetch_hashes(restored) == hashes
    assert (
        fetch_value(restored, 'SELECT nextval(\'"Sales Data"."Or""d.er_Id_seq"\')')
        == 2001
    )
    for column in ("encoding", "datcollate", "datctype"):
        query = f"SELECT {column} FROM pg_database WHERE datname = current_database()"
        assert fetch_value(restored, query) == fetch_value(filled, query)
    assert fetch_value(
        restored, "SELECT count(*) > 0 FROM pg_stats WHERE tablename = 'authors'"
    )


def test_a_backup_of_the_restored_database_is_the_same_backup(
    filled: Target, storage: str, backup: BackupReport, new_name: str
) -> None:
    restore_backup(filled, storage=storage, backup_id="latest", into=new_name)
    again = take_backup(filled.with_database(new_name), storage=storage)
    assert again.tables == backup.tables
    assert again.fingerprint == backup.fingerprint


def test_restores_what_was_there_then_not_what_is_there_now(
    filled: Target, storage: str, backup: BackupReport, new_name: str
) -> None:
    before = fetch_hashes(filled)
    execute(
        filled,
        "DELETE FROM events",
        "DROP TABLE empty",
        "UPDATE authors SET id = -id WHERE id > 4000",
    )
    restore_backup(filled, storage=storage, backup_id=backup.backup_id, into=new_name)
    assert fetch_hashes(filled.with_database(new_name)) == before


def test_restores_a_database_that_is_gone(
    server: Target, filled: Target, storage: str, backup: BackupReport
) -> None:
    hashes = fetch_hashes(filled)
    drop_database(server, filled.database)
    restore_backup(filled, storage=storage, backup_id="latest", into=filled.database)
    assert fetch_hashes(filled) == hashes


def test_refuses_a_name_that_is_taken(
    filled: Target, storage: str, backup: BackupReport
) -> None:
    with pytest.raises(Refused, match="exists already"):
        restore_backup(
            filled, storage=storage, backup_id="latest", into=filled.database
        )
    assert fetch_value(filled, "SELECT count(*) FROM authors") == 5000


@pytest.mark.parametrize("name", ["", "ü" * 32, "x" * 64, "a\0b"])
def test_refuses_what_cannot_be_a_name(filled: Target, storage: str, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be the name of a database"):
        restore_backup(filled, storage=storage, backup_id="latest", into=name)


def test_takes_a_name_of_the_greatest_length(
    filled: Target, storage: str, backup: BackupReport, server: Target
) -> None:
    name = "ü\"'" + "x" * 59
    try:
        restore_backup(filled, storage=storage, backup_id="latest", into=name)
        assert fetch_hashes(filled.with_database(name)) == fetch_hashes(filled)
    finally:
        drop_database(server, name)


def test_a_dry_run_creates_nothing(
    filled: Target, storage: str, backup: BackupReport, new_name: str
) -> None:
    report = restore_backup(
        filled, storage=storage, backup_id="latest", into=new_name, dry_run=True
    )
    assert report.tables == backup.tables
    assert not database_exists(filled, new_name)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("which", ["data", "schema/000000.dump", "details.json.zst"])
def test_names_the_damaged_file_and_creates_nothing(  # noqa: PLR0917
    filled: Target,
    storage: str,
    backup: BackupReport,
    new_name: str,
    damage: Callable[[Path], None],
    which: str,
) -> None:
    path = find_data_file(backup) if which == "data" else Path(backup.location, which)
    damage(path)
    with pytest.raises(Refused, match=DAMAGES[damage]) as caught:
        restore_backup(filled, storage=storage, backup_id="latest", into=new_name)
    assert f'"{path.relative_to(backup.location)}"' in caught.value.message
    assert caught.value.exit_code == 4
    assert not database_exists(filled, new_name)


def test_notices_an_edited_manifest(
    filled: Target, storage: str, backup: BackupReport, new_name: str
) -> None:
    path = Path(backup.location, "manifest.json")
    path.write_text(path.read_text().replace('"rows": 5000', '"rows": 5001'))
    with pytest.raises(DamagedManifest, match="changed after it was written"):
        restore_backup(filled, storage=storage, backup_id="latest", into=new_name)
    path.unlink()
    with pytest.raises(DamagedManifest, match="cannot read"):
        restore_backup(filled, storage=storage, backup_id="latest", into=new_name)


def forge(
    backup: BackupReport, filled: Target, storage: str, **changes: object
) -> None:
    """Write another manifest for the backup, with checksums that fit."""
    vault = open_vault(storage, filled.database)
    manifest = read_stored_manifest(vault, backup.backup_id)
    files = []
    for each in manifest.files:
        data = vault.read(backup.backup_id, each.path)
        digest = hashlib.sha256(data).hexdigest()
        files.append(replace(each, size_bytes=len(data), sha256=digest))
    forged = replace(manifest, files=tuple(files), **changes)  # type: ignore[arg-type]
    vault.replace_manifest(backup.backup_id, write_manifest(forged))


def test_drops_a_database_whose_rows_are_not_those_of_the_manifest(
    filled: Target, storage: str, backup: BackupReport, new_name: str
) -> None:
    tables = tuple(
        TableRows(name=each.name, rows=each.rows + (each.name == "authors"))
        for each in backup.tables
    )
    forge(backup, filled, storage, tables=tables)
    with pytest.raises(Reverted) as caught:
        restore_backup(filled, storage=storage, backup_id="latest", into=new_name)
    assert '"authors" has 5,000 rows instead of 5,001 rows' in caught.value.message
    assert caught.value.message.endswith("was dropped again")
    assert not database_exists(filled, new_name)


def test_drops_the_database_when_pg_restore_fails(
    filled: Target, storage: str, backup: BackupReport, new_name: str
) -> None:
    path = find_data_file(backup)
    lines = unpack(path.read_bytes()).splitlines(keepends=True)
    packer = Packer()
    packer.add(sum_rows(b"".join([*lines[:3], *lines])))
    path.write_bytes(packer.finish())
    forge(backup, filled, storage)
    with pytest.raises(ToolFailed, match="could not create unique index") as caught:
        restore_backup(filled, storage=storage, backup_id="latest", into=new_name)
    assert caught.value.message.endswith("was dropped again")
    assert not database_exists(filled, new_name)


def test_a_check_that_cannot_be_restored_is_found(
    filled: Target, storage: str, new_name: str
) -> None:
    """Dump, checksum and list are all good: only the restore finds it."""
    execute(
        filled,
        "CREATE TABLE allowed (id int)",
        "INSERT INTO allowed VALUES (1)",
        "CREATE FUNCTION is_allowed(int) RETURNS bool LANGUAGE sql AS"
        " 'SELECT count(*) > 0 FROM allowed WHERE id = $1'",
        "CREATE TABLE checked (id int CHECK (is_allowed(id)))",
        "INSERT INTO checked VALUES (1)",
    )
    take_backup(filled, storage=storage)
    with pytest.raises(ServerFailed, match='relation "allowed" does not exist'):
        restore_backup(filled, storage=storage, backup_id="latest", into=new_name)
    assert not database_exists(filled, new_name)


def test_keeps_the_database_and_tells_when_only_the_schema_differs(
    filled: Target, storage: str, backup: BackupReport, new_name: str
) -> None:
    path = Path(backup.location, "details.json.zst")
    details = unpack(path.read_bytes())
    assert b'"authors.born", "date"' in details
    details = details.replace(b'"authors.born", "date"', b'"authors.born", "time"')
    path.write_bytes(pack(details))
    forge(backup, filled, storage)
    report = restore_backup(filled, storage=storage, backup_id="latest", into=new_name)
    assert not report.schema_matches
    assert report.exit_code == 3
    assert [each.name for each in report.differences] == ["authors.born"]
    text = render_text(render_restore(report), width=120, color=False)
    assert "column authors.born: expected time, found date" in text
    assert "but its schema differs in 1 place." in text
    assert database_exists(filled, new_name)


def test_an_interrupt_drops_the_database(
    filled: Target,
    storage: str,
    backup: BackupReport,
    new_name: str,
    held_tools: HeldTools,
) -> None:
    def interrupt() -> None:
        held_tools.wait()
        os.kill(os.getpid(), signal.SIGINT)

    # Workers of pytest-xdist may have another handler, or none.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    interrupting = threading.Thread(target=interrupt)
    interrupting.start()
    with pytest.raises(KeyboardInterrupt):
        restore_backup(
            filled,
            storage=storage,
            backup_id="latest",
            into=new_name,
            pg_bin=str(held_tools.directory),
        )
    interrupting.join()
    signal.signal(signal.SIGINT, before)
    assert not database_exists(filled, new_name)
    assert held_tools.count_processes() == 0


def test_says_what_a_killed_restore_left(
    filled: Target, storage: str, backup: BackupReport, new_name: str
) -> None:
    message = ""

    def try_again(line: str) -> None:
        nonlocal message
        if line.startswith("verifying rows"):
            with pytest.raises(Refused) as caught:
                restore_backup(
                    filled, storage=storage, backup_id="latest", into=new_name
                )
            message = caught.value.message

    restore_backup(
        filled,
        storage=storage,
        backup_id="latest",
        into=new_name,
        progress=try_again,
    )
    assert "was left by a restore that was killed" in message
    with pytest.raises(Refused, match="exists already"):
        restore_backup(filled, storage=storage, backup_id="latest", into=new_name)


def test_says_when_it_could_not_drop_what_it_made(
    filled: Target,
    storage: str,
    backup: BackupReport,
    new_name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def cut(line: str) -> None:
        if line.startswith("verifying rows"):
            monkeypatch.setattr(module, "open_maintenance_session", fail)
            raise ToolFailed("no luck")

    def fail(_target: Target) -> Iterator[None]:
        raise ToolFailed("no way in")

    with pytest.raises(NeedsRepair, match="could not be dropped: no way in"):
        restore_backup(
            filled,
            storage=storage,
            backup_id="latest",
            into=new_name,
            progress=cut,
        )


def test_an_older_server_is_refused(
    filled: Target, storage: str, backup: BackupReport, new_name: str
) -> None:
    forge(backup, filled, storage, server_version_num=990001)
    with pytest.raises(Refused, match="an older server cannot take it"):
        restore_backup(filled, storage=storage, backup_id="latest", into=new_name)


def test_a_pg_restore_older_than_the_archives_pg_dump_is_refused(
    filled: Target,
    storage: str,
    backup: BackupReport,
    new_name: str,
) -> None:
    forge(backup, filled, storage, pg_dump_version="99.1")
    with pytest.raises(ToolFailed, match="99 or later are needed"):
        restore_backup(filled, storage=storage, backup_id="latest", into=new_name)
    assert not database_exists(filled, new_name)


def test_a_locale_that_the_server_lacks_is_replaced_and_told(
    filled: Target, storage: str, backup: BackupReport, new_name: str
) -> None:
    forge(
        backup, filled, storage, collation="xx_XX.UTF-8", character_type="xx_XX.UTF-8"
    )
    report = restore_backup(filled, storage=storage, backup_id="latest", into=new_name)
    assert any("does not have the backup's locale" in note for note in report.notes)
    assert fetch_hashes(filled.with_database(new_name)) == fetch_hashes(filled)


def test_two_restores_at_once_into_one_name(
    filled: Target, storage: str, backup: BackupReport, new_name: str
) -> None:
    barrier = threading.Barrier(2, timeout=30)

    def meet(line: str) -> None:
        if line.startswith("creating"):
            barrier.wait()

    def restore() -> str:
        try:
            restore_backup(
                filled,
                storage=storage,
                backup_id="latest",
                into=new_name,
                progress=meet,
            )
        except Refused:
            return "refused"
        return "restored"

    with ThreadPoolExecutor(max_workers=2) as executor:
        running = [executor.submit(restore) for _ in range(2)]
        assert sorted(each.result() for each in running) == ["refused", "restored"]
    assert fetch_hashes(filled.with_database(new_name)) == fetch_hashes(filled)


def test_a_backup_copied_elsewhere_restores_from_there(
    filled: Target, storage: str, backup: BackupReport, new_name: str, tmp_path: Path
) -> None:
    shutil.copytree(storage, tmp_path / "copy")
    shutil.rmtree(storage)
    url = (tmp_path / "copy").as_uri()
    restore_backup(filled, storage=url, backup_id="latest", into=new_name)
    assert fetch_hashes(filled.with_database(new_name)) == fetch_hashes(filled)


def test_the_text_ends_with_verdict_and_next_command(
    filled: Target, storage: str, backup: BackupReport, new_name: str
) -> None:
    report = restore_backup(filled, storage=storage, backup_id="latest", into=new_name)
    lines = render_text(render_restore(report), width=100, color=False).splitlines()
    assert lines[-2].startswith(f"Backup {backup.backup_id} restored into ")
    assert lines[-1].startswith("Next: ")
