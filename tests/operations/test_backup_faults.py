"""Servers, tools and disks that go away while a backup is taken or restored: what was
there stays, and nothing is published that is not whole."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import secrets
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dbops.core.manifest import Verification, read_manifest, write_manifest
from dbops.core.progress import Progress, silent
from dbops.core.target import Target
from dbops.errors import DbopsError, ToolFailed
from dbops.operations.backup import verify as verifying
from dbops.operations.backup.backup import take_backup
from dbops.operations.backup.report import Verified
from dbops.operations.restore.replace import ReplaceOptions, replace_database
from dbops.operations.restore.restore import RestoreReport, restore_backup
from dbops.operations.storage import (
    MANIFEST,
    build_backup_id,
    open_vault,
    read_id_moment,
)
from dbops.operations.storage.directory import DirectoryVault
from tests.clusters import Cluster, find_programs, make_cluster, mount_disk
from tests.lab import Lab, open_lab
from tests.operations.conftest import (
    HeldTools,
    execute,
    fetch_value,
    read_command_lines,
)
from tests.operations.test_backup import list_leftovers
from tests.processes import wait_until

ROWS = 20_000


class _Once:
    """Does something at the first line of progress that begins so."""

    def __init__(self, beginning: str, what: Callable[[], object]) -> None:
        self.beginning, self.what, self.done = beginning, what, False

    def __call__(self, line: str) -> None:
        if line.startswith(self.beginning) and not self.done:
            self.done = True
            self.what()


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with make_cluster(find_programs(), min_wal_size="40MB") as made:
        yield made


@pytest.fixture
def lab(cluster: Cluster, tmp_path: Path, django_db_blocker: Any) -> Iterator[Lab]:
    name = f"faults_{secrets.token_hex(3)}"
    cluster.execute(f"CREATE DATABASE {name}")
    target = cluster.build_target(dbname=name)
    fill(target)
    with django_db_blocker.unblock(), open_lab(tmp_path, target) as opened:
        yield opened


def fill(target: Target) -> None:
    execute(
        target,
        "CREATE TABLE t AS SELECT n AS id, repeat(md5(n::text), 8) AS text"
        f" FROM generate_series(1, {ROWS}) AS n",
        "ALTER TABLE t ADD PRIMARY KEY (id)",
    )


def count(target: Target) -> object:
    return fetch_value(target, "SELECT count(*) FROM t")


def replace(lab: Lab, progress: Progress = silent) -> RestoreReport:
    with lab.open() as opened:
        context = dataclasses.replace(opened, progress=progress)
        return replace_database(context, ReplaceOptions())


def list_children(pid: int) -> set[int]:
    found = set()
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError, IndexError):
            stat = (entry / "stat").read_text()
            if int(stat.rpartition(")")[2].split()[1]) == pid:
                found.add(int(entry.name))
    return found


def kill_server(cluster: Cluster, number: signal.Signals) -> None:
    """End a server as a crash does, and wait until all of it is gone."""
    pid = int((cluster.data / "postmaster.pid").read_text().split()[0])
    everyone = {pid, *list_children(pid)}
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)

    def is_gone() -> bool:
        # The postmaster itself is a child of this process, and nobody has waited yet.
        states = []
        for each in everyone:
            with contextlib.suppress(OSError):
                stat = Path(f"/proc/{each}/stat").read_text()
                states.append(stat.rpartition(")")[2].split()[0])
        return all(state == "Z" for state in states)

    wait_until(is_gone, "the server to be gone")
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGQUIT])
def test_a_server_that_crashes_leaves_no_backup_and_no_draft(
    lab: Lab, cluster: Cluster, number: signal.Signals
) -> None:
    crash = _Once("dumping t", lambda: kill_server(cluster, number))
    storage = lab.settings["BACKUP_STORAGE"]
    with pytest.raises(DbopsError) as caught:
        take_backup(lab.target, storage=storage, progress=crash)
    assert caught.value.exit_code in {6, 7}
    assert list_leftovers(lab.target, storage) == []
    with cluster.serve():
        report = take_backup(lab.target, storage=storage, level=Verified.RESTORED)
        assert list_leftovers(lab.target, storage) == [report.backup_id]


def test_a_server_that_crashes_in_a_restore_has_the_original_afterwards(
    lab: Lab, cluster: Cluster
) -> None:
    assert lab.run("dbops_backup").code == 0
    execute(lab.target, "DELETE FROM t WHERE id > 5")
    crash = _Once("restoring t", lambda: kill_server(cluster, signal.SIGKILL))
    with pytest.raises(DbopsError) as caught:
        replace(lab, crash)
    # What it has made cannot be dropped, and it says how.
    assert caught.value.exit_code == 9
    assert "dropdb --force" in str(caught.value.hint)
    with cluster.serve():
        assert count(lab.target) == 5
        replace(lab)
        assert count(lab.target) == ROWS
        left = "SELECT count(*) FROM pg_database WHERE datname LIKE '%restoring%'"
        assert fetch_value(lab.target, left) == 0


def test_a_pg_dump_that_is_killed_leaves_nothing(
    filled: Target, storage: str, held_tools: HeldTools
) -> None:
    def kill() -> None:
        held_tools.wait()
        for pid, line in read_command_lines().items():
            if line.startswith(b"/bin/sh\0" + bytes(held_tools.directory)):
                os.kill(pid, signal.SIGKILL)

    with ThreadPoolExecutor(max_workers=1) as executor:
        killed = executor.submit(kill)
        # All of its output was there, but it did not say that it was done.
        with pytest.raises(ToolFailed, match="pg_dump"):
            take_backup(filled, storage=storage, pg_bin=str(held_tools.directory))
        killed.result()
    assert list_leftovers(filled, storage) == []


def test_a_disk_that_fills_up_before_the_manifest_publishes_nothing(
    filled: Target, small_disk: Path
) -> None:
    ballast = small_disk / "ballast"

    def fill_up() -> None:
        with ballast.open("wb") as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))
                file.flush()

    full = _Once("publishing", fill_up)
    with pytest.raises(ToolFailed, match="no space left"):
        take_backup(filled, storage=str(small_disk), progress=full)
    assert full.done
    assert list_leftovers(filled, str(small_disk)) == []
    ballast.unlink()
    take_backup(filled, storage=str(small_disk))


def test_a_full_disk_of_the_server_leaves_the_original(
    tmp_path: Path, server: Target
) -> None:
    place = Path(tempfile.mkdtemp(prefix="dbops-", dir="/tmp"))
    storage = str(tmp_path / "backups")
    try:
        with (
            mount_disk(place, "256m"),
            make_cluster(
                find_programs(), directory=place, min_wal_size="40MB"
            ) as cluster,
        ):
            target = cluster.build_target()
            fill(target)
            backup = take_backup(target, storage=storage).backup_id
            # Enough of WAL is there already: without it the server itself would stop.
            cluster.execute("CHECKPOINT")
            ballast = cluster.directory / "ballast"

            def fill_up() -> None:
                free = shutil.disk_usage(place).free
                ballast.write_bytes(bytes(max(free - 1_000_000, 0)))

            full = _Once("restoring t", fill_up)
            with pytest.raises(DbopsError, match="No space left on device") as caught:
                restore_backup(
                    target, storage=storage, backup_id=backup, into="b", progress=full
                )
            # A server that cannot write its WAL stops by itself; then the new one is
            # there until somebody drops it.
            assert re.search(
                "was dropped again|could not be dropped", caught.value.message
            )
            ballast.unlink()
            if (cluster.data / "postmaster.pid").exists():
                kill_server(cluster, signal.SIGQUIT)
            with cluster.serve():
                assert count(target) == ROWS
                cluster.execute("DROP DATABASE IF EXISTS b WITH (FORCE)")
                restore_backup(target, storage=storage, backup_id=backup, into="b")
                assert count(target.with_database("b")) == ROWS
    finally:
        place.rmdir()


def test_a_port_of_the_environment_reaches_the_scratch_server_too(
    lab: Lab, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPORT", str(cluster.port))
    parameters = {
        key: value for key, value in lab.target.parameters.items() if key != "port"
    }
    target = Target(alias="default", parameters=parameters)
    storage = lab.settings["BACKUP_STORAGE"]
    report = take_backup(target, storage=storage, level=Verified.RESTORED)
    assert report.verified is Verified.RESTORED


# Clocks


def publish_of(target: Target, storage: str, moment: datetime) -> str:
    """Take a backup, and let it be of another time."""
    report = take_backup(target, storage=storage)
    backup_id = build_backup_id(moment)
    location = Path(report.location)
    manifest = read_manifest((location / MANIFEST).read_text())
    changed = dataclasses.replace(manifest, backup_id=backup_id, taken_at=moment)
    (location / MANIFEST).write_text(write_manifest(changed))
    location.rename(location.with_name(backup_id))
    return backup_id


def test_what_is_taken_last_is_the_latest_though_the_clock_went_back(
    filled: Target, storage: str
) -> None:
    before = publish_of(filled, storage, datetime.now(UTC) + timedelta(days=2))
    said: list[str] = []
    report = take_backup(filled, storage=storage, progress=said.append)
    assert open_vault(storage, filled.database).list_ids()[0] == report.backup_id
    assert read_id_moment(report.backup_id) > read_id_moment(before)
    assert [line for line in said if before in line and "the clock says" in line]


def test_a_backup_from_the_future_is_a_finding(lab: Lab) -> None:
    moment = datetime.now(UTC) + timedelta(days=1, hours=12, minutes=30)
    backup_id = publish_of(lab.target, lab.settings["BACKUP_STORAGE"], moment)
    checked = lab.run("dbops_backups", "check", "--json")
    assert checked.code == 3
    assert f'"{backup_id}" was taken 1 d 12 h in the future' in checked.out.replace(
        '\\"', '"'
    )
    # One that was taken since is the one that counts.
    assert lab.run("dbops_backup").code == 0
    assert lab.run("dbops_backups", "check").code == 0


# Verifications


def test_two_verifications_at_once_are_both_kept(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second ends between the first one's reading and its writing."""
    assert lab.run("dbops_backup", "--level", "none").code == 0
    real = DirectoryVault.replace_manifest
    calls: list[str] = []

    def replace_late(
        vault: DirectoryVault, backup_id: str, manifest: str, **options: Any
    ) -> bool:
        calls.append(backup_id)
        if len(calls) == 1:
            found = lab.run("dbops_backups", "verify", "latest", "--level", "restored")
            assert found.code == 0, found.err
        return real(vault, backup_id, manifest, **options)

    monkeypatch.setattr(DirectoryVault, "replace_manifest", replace_late)
    assert lab.run("dbops_backups", "verify", "latest").code == 0
    shown = lab.run("dbops_backups", "show", "latest", "--json").json
    levels = [each["level"] for each in shown["verifications"]]
    assert sorted(levels) == ["contents", "none", "restored"]
    assert shown["verified"] == "restored"


def test_many_verifications_at_once_are_all_kept(lab: Lab) -> None:
    backup_id = lab.run("dbops_backup", "--json").json["backup_id"]
    vault = open_vault(lab.settings["BACKUP_STORAGE"], lab.target.database)
    looks = [
        Verification(
            level="checksum", at=datetime.now(UTC) + timedelta(seconds=n), problems=()
        )
        for n in range(16)
    ]
    with ThreadPoolExecutor(max_workers=8) as executor:
        list(
            executor.map(lambda look: verifying.add_look(vault, backup_id, look), looks)
        )
    shown = lab.run("dbops_backups", "show", "latest", "--json").json
    assert len(shown["verifications"]) == 17
