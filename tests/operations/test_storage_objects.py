"""Backups in object stores: real servers of S3 and Azure, as processes."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import obstore
import pytest

from dbops.core.manifest import DamagedManifest, Manifest, Verification, write_manifest
from dbops.core.target import Target
from dbops.errors import DbopsError, Refused, ToolFailed, UsageError
from dbops.operations.backup.backup import take_backup
from dbops.operations.backup.reading import (
    Backup,
    find_damaged_files,
    find_false_contents,
)
from dbops.operations.backup.report import Verified
from dbops.operations.backup.sealing import Seal
from dbops.operations.backup.verify import add_look
from dbops.operations.restore.restore import restore_backup
from dbops.operations.storage import find_backup, open_vault, read_stored_manifest
from dbops.operations.storage import objects as objects_module
from dbops.operations.storage.objects import ObjectVault
from dbops.postgres.tools import ClientTools
from tests.core.test_manifest import MANIFEST
from tests.operations.conftest import fetch_hashes, read_command_lines
from tests.operations.object_stores import ObjectStore, ask, run_azure, run_s3
from tests.operations.test_backup import start_command

DATABASE = "app"
FIRST, SECOND = "20261123T063000Z-ab12cd", "20261124T063000Z-000000"
PATH = "data/000000.zst"
PASSWORD = "s3cr3t"
WRITER = """
import sys, time
from dbops.operations.storage import open_vault
with open_vault(sys.argv[1], "app").open_draft(sys.argv[2]) as draft:
    draft.write("data/000000.zst", b"half")
    print("ready", flush=True)
    time.sleep(600)
"""


@pytest.fixture(scope="session")
def s3() -> Iterator[ObjectStore]:
    with run_s3() as running:
        yield running


@pytest.fixture(scope="session")
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    with run_azure(tmp_path_factory.mktemp("azurite")) as running:
        yield running


@pytest.fixture(params=["s3", "azure"])
def service(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> ObjectStore:
    """A store that is running, with the environment that leads to it."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, ObjectStore)
    found.use(monkeypatch)
    return found


@pytest.fixture
def url(service: ObjectStore) -> str:
    """A place in it of the test's own."""
    return f"{service.url}/{secrets.token_hex(4)}/backups"


@contextmanager
def run_another(scheme: str, directory: Path) -> Iterator[ObjectStore]:
    """Run a store of the test's own, to do harm to."""
    with run_s3() if scheme == "s3" else run_azure(directory) as running:
        yield running


each_scheme = pytest.mark.parametrize("scheme", ["s3", "az"])


def get_vault(url: str, database: str = DATABASE) -> ObjectVault:
    vault = open_vault(url, database)
    assert isinstance(vault, ObjectVault)
    return vault


def build_manifest(backup_id: str) -> Manifest:
    return replace(MANIFEST, backup_id=backup_id)


def publish(vault: ObjectVault, backup_id: str, data: bytes = b"whole") -> str:
    vault.prepare()
    with vault.open_draft(backup_id) as draft:
        draft.write(PATH, data)
        assert draft.read(PATH) == data
        return draft.publish(write_manifest(build_manifest(backup_id)))


def list_objects(vault: ObjectVault) -> list[str]:
    """Return all that is below the URL, other databases' too."""
    return sorted(each["path"] for batch in obstore.list(vault.store) for each in batch)


# Backups of a database


def test_a_backup_is_taken_found_verified_and_restored(
    filled: Target, url: str, new_name: str, tools: ClientTools
) -> None:
    report = take_backup(filled, storage=url)
    vault = get_vault(url, filled.database)
    assert report.verified is Verified.CONTENTS
    assert report.location == f"{vault.place}/{report.backup_id}"
    assert vault.list_ids() == [report.backup_id]
    assert vault.list_drafts() == []
    for reference in ("latest", report.backup_id[:10]):
        assert find_backup(vault, filled.database, reference) == report.backup_id
    manifest = read_stored_manifest(vault, report.backup_id)
    assert manifest.tables == report.tables
    assert {
        f"{vault.prefix}/{report.backup_id}/{each.path}" for each in manifest.files
    } | {f"{vault.prefix}/{report.backup_id}/manifest.json"} == set(list_objects(vault))
    backup = open_backup(vault, manifest)
    assert find_damaged_files(backup, 2) == find_false_contents(backup, tools, 2) == []
    restored = restore_backup(filled, storage=url, backup_id="latest", into=new_name)
    assert restored.schema_matches
    assert fetch_hashes(filled.with_database(new_name)) == fetch_hashes(filled)


def open_backup(vault: ObjectVault, manifest: Manifest) -> Backup:
    return Backup(
        files=manifest.files,
        read=lambda path: vault.read(manifest.backup_id, path),
        seal=Seal(),
    )


def test_a_dry_run_writes_nothing(filled: Target, url: str) -> None:
    take_backup(filled, storage=url, dry_run=True)
    assert list_objects(get_vault(url)) == []


def test_a_missing_and_a_spoiled_object_are_named(
    filled: Target, url: str, new_name: str, tools: ClientTools
) -> None:
    backup_id = take_backup(filled, storage=url).backup_id
    vault = get_vault(url, filled.database)
    manifest = read_stored_manifest(vault, backup_id)
    backup = open_backup(vault, manifest)
    for file in manifest.files:
        whole = vault.read(backup_id, file.path)
        for data in (None, whole[:-1], whole[:-1] + b"!"):
            if data is None:
                obstore.delete(vault.store, f"{vault.prefix}/{backup_id}/{file.path}")
            else:
                vault.write(backup_id, file.path, data)
            [problem] = find_damaged_files(backup, 2)
            assert f'"{file.path}" ' in problem
        with pytest.raises(Refused, match=f'is damaged: "{file.path}" was changed'):
            restore_backup(filled, storage=url, backup_id=backup_id, into=new_name)
        vault.write(backup_id, file.path, whole)
    assert find_false_contents(backup, tools, 2) == []


def test_a_failure_in_the_middle_leaves_nothing(filled: Target, url: str) -> None:
    said: list[str] = []

    def fail(line: str) -> None:
        said.append(line)
        if line.startswith("verifying"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        take_backup(filled, storage=url, progress=fail)
    assert said[-1].startswith("verifying")
    assert list_objects(get_vault(url)) == []


@each_scheme
@pytest.mark.parametrize("moment", ["dumping", "publishing"])
def test_a_store_that_dies_is_told_and_publishes_nothing(
    filled: Target,
    scheme: str,
    moment: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with run_another(scheme, tmp_path) as store:
        store.use(monkeypatch)

        def kill(line: str) -> None:
            if line.startswith(moment) and store.process.poll() is None:
                store.process.kill()
                store.process.wait()

        started = time.monotonic()
        with pytest.raises(ToolFailed, match='cannot write to backup storage "') as end:
            take_backup(filled, storage=store.url, progress=kill)
    assert end.value.exit_code == 6
    assert time.monotonic() - started < 90
    assert_clear(end.value, store)
    if scheme == "az":
        port = int(store.endpoint.split(":")[2].split("/")[0])
        with run_azure(tmp_path, port):
            assert get_vault(store.url, filled.database).list_ids() == []


@each_scheme
def test_a_store_that_stops_answering_does_not_hold_the_backup_for_ever(
    filled: Target, scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects_module, "TIMEOUT", timedelta(seconds=1))
    monkeypatch.setitem(objects_module.RETRY, "max_retries", 1)
    with run_another(scheme, tmp_path) as store:
        store.use(monkeypatch)

        def freeze(line: str) -> None:
            if line.startswith("dumping"):
                store.process.send_signal(signal.SIGSTOP)

        started = time.monotonic()
        with pytest.raises(ToolFailed, match="no answer in time") as end:
            take_backup(filled, storage=store.url, progress=freeze)
    assert time.monotonic() - started < 30
    assert_clear(end.value, store)


def assert_clear(error: DbopsError, store: ObjectStore) -> None:
    """One line for people, with a next step, and without what only debugging needs."""
    shown = f"{error.message} {error.hint}"
    assert error.hint
    assert "\n" not in shown
    assert len(error.message) < 300
    for hidden in (store.secret, PASSWORD, "Debug", "RetryError", "sig=", "RequestId"):
        assert hidden not in shown
    assert error.__suppress_context__
    assert error.__cause__ is None


# One writer for an id


def test_of_writers_with_the_same_id_exactly_one_wins(url: str) -> None:
    writers = 8
    for _ in range(3):
        vault, barrier = (
            get_vault(f"{url}/{secrets.token_hex(2)}"),
            threading.Barrier(8),
        )
        outcomes: list[int | Refused] = []

        def write(number: int) -> None:
            ours = get_vault(vault.place.rpartition("/")[0])  # noqa: B023
            manifest = replace(build_manifest(FIRST), duration_s=float(number))
            barrier.wait()  # noqa: B023
            try:
                with ours.open_draft(FIRST) as draft:
                    draft.write(PATH, str(number).encode())
                    draft.publish(write_manifest(manifest))
                outcomes.append(number)  # noqa: B023
            except Refused as error:
                outcomes.append(error)  # noqa: B023

        with ThreadPoolExecutor(max_workers=writers) as executor:
            list(executor.map(write, range(writers)))
        [winner] = [each for each in outcomes if isinstance(each, int)]
        refused = [each for each in outcomes if isinstance(each, Refused)]
        assert len(refused) == writers - 1
        assert all("exists already in" in each.message for each in refused)
        assert read_stored_manifest(vault, FIRST).duration_s == winner
        assert vault.read(FIRST, PATH) == str(winner).encode()
        assert len(list_objects(vault)) == 2


def test_a_late_writer_is_refused_and_spoils_nothing(url: str) -> None:
    vault = get_vault(url)
    publish(vault, FIRST, b"first")
    before = list_objects(vault)
    with pytest.raises(Refused, match="exists already") as caught:
        publish(vault, FIRST, b"second")
    assert caught.value.exit_code == 4
    assert list_objects(vault) == before
    assert vault.read(FIRST, PATH) == b"first"


def test_a_manifest_is_never_put_over_another(url: str) -> None:
    vault = get_vault(url)
    vault.create(FIRST, "manifest.json", b"first")
    with pytest.raises(Refused, match="exists already"):
        vault.create(FIRST, "manifest.json", b"second")
    assert vault.read(FIRST, "manifest.json") == b"first"


def test_putting_the_same_again_after_a_lost_answer_is_no_conflict(url: str) -> None:
    vault = get_vault(url)
    vault.create(FIRST, "manifest.json", b"first")
    vault.create(FIRST, "manifest.json", b"first")


# What is where


@pytest.mark.parametrize(
    "name",
    ["..", ".", "a/b", "/a//b/", ".hidden", "My app", "ü/..%", "a.", "%2E", "ü" * 31],
)
def test_any_database_name_has_a_place_of_its_own(url: str, name: str) -> None:
    vault, other = get_vault(url, name), get_vault(url, f"{name}x")
    location = publish(vault, FIRST, name.encode())
    publish(other, SECOND)
    assert vault.list_ids() == [FIRST]
    assert vault.read(FIRST, PATH) == name.encode()
    assert read_stored_manifest(vault, FIRST).backup_id == FIRST
    assert location.startswith(f"{url}/")
    assert "/" not in vault.prefix
    vault.remove(FIRST)
    assert vault.list_ids() == []
    assert other.list_ids() == [SECOND]


def test_lists_the_newest_first_and_no_strangers(url: str) -> None:
    vault = get_vault(url)
    assert vault.list_ids() == vault.list_drafts() == []
    for backup_id in (FIRST, SECOND):
        publish(vault, backup_id)
    obstore.put(vault.store, f"{DATABASE}/notes.txt", b"")
    obstore.put(vault.store, f"{DATABASE}/notes/manifest.json", b"")
    assert vault.list_ids() == [SECOND, FIRST]
    assert find_backup(vault, DATABASE, "latest") == SECOND
    assert find_backup(vault, DATABASE, "20261123") == FIRST
    with pytest.raises(UsageError, match="is the beginning of several"):
        find_backup(vault, DATABASE, "2026")


def test_what_a_killed_writer_leaves_is_a_draft_until_it_is_removed(url: str) -> None:
    vault = get_vault(url)
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, url, FIRST], stdout=subprocess.PIPE
    ) as writer:
        try:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"ready\n"
        finally:
            writer.kill()
    vault.prepare()
    assert vault.list_ids() == []
    assert vault.list_drafts() == [FIRST]
    with pytest.raises(Refused, match="or is being written there"):
        publish(vault, FIRST)
    vault.remove(FIRST)
    assert list_objects(vault) == []


def test_another_manifest_replaces_the_first_whole(url: str) -> None:
    vault = get_vault(url)
    publish(vault, FIRST)
    other = replace(build_manifest(FIRST), duration_s=7.0)
    vault.replace_manifest(FIRST, write_manifest(other))
    assert read_stored_manifest(vault, FIRST) == other
    assert len(list_objects(vault)) == 2


def test_outcomes_that_are_added_at_once_are_all_there(url: str) -> None:
    vault = get_vault(url)
    publish(vault, FIRST)
    known = vault.read(FIRST, "manifest.json")
    other = write_manifest(replace(build_manifest(FIRST), duration_s=5.0))
    assert vault.replace_manifest(FIRST, other, known=known)
    assert not vault.replace_manifest(FIRST, "{}", known=known)
    looks = [
        Verification(
            level="checksum", at=datetime(2026, 11, 23, n, tzinfo=UTC), problems=()
        )
        for n in range(8)
    ]
    with ThreadPoolExecutor(max_workers=4) as executor:
        running = [executor.submit(add_look, vault, FIRST, each) for each in looks]
        for each in running:
            each.result()
    manifest = read_stored_manifest(vault, FIRST)
    assert manifest.duration_s == 5
    assert set(looks) <= set(manifest.verifications)


def test_removes_a_backup_of_many_files_and_twice(url: str) -> None:
    vault = get_vault(url)
    publish(vault, SECOND)
    kept = list_objects(vault)
    with vault.open_draft(FIRST) as draft, ThreadPoolExecutor(8) as executor:
        list(executor.map(lambda n: draft.write(f"data/{n:06}", b"x"), range(300)))
        draft.publish(write_manifest(build_manifest(FIRST)))
    vault.remove(FIRST)
    assert list_objects(vault) == kept
    vault.remove(FIRST)
    assert vault.list_ids() == [SECOND]


def test_a_file_of_several_parts_comes_back_as_it_was(url: str) -> None:
    data = secrets.token_bytes(1 << 20) * 17
    vault = get_vault(url)
    publish(vault, FIRST, data)
    assert vault.read(FIRST, PATH) == data


def test_a_manifest_that_is_missing_is_named(url: str) -> None:
    vault = get_vault(url)
    with pytest.raises(DamagedManifest, match=f'cannot read "{url}/app/{FIRST}/manif'):
        read_stored_manifest(vault, FIRST)
    with pytest.raises(FileNotFoundError):
        vault.read(FIRST, PATH)


# What does not let dbops in


def fail(vault: ObjectVault, kind: type[DbopsError]) -> Iterator[DbopsError]:
    """Yield what each method says."""

    def enter() -> None:
        with vault.open_draft(FIRST):
            raise AssertionError("it may not begin")

    calls: list[Callable[[], object]] = [
        vault.check,
        vault.prepare,
        vault.list_ids,
        vault.list_drafts,
        enter,
        lambda: vault.replace_manifest(FIRST, "{}"),
    ]
    for call in calls:
        with pytest.raises(kind) as caught:
            call()
        yield caught.value


def test_a_missing_bucket_is_told(service: ObjectStore) -> None:
    vault = get_vault(f"{service.scheme}://no-such-bucket/x")
    for error in fail(vault, Refused):
        assert error.exit_code == 4
        assert error.message.startswith(
            f'there is no bucket for backup storage "{service.scheme}://no-such-bucket'
        )
        assert_clear(error, service)


def test_wrong_credentials_are_told(
    service: ObjectStore, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ExitStack() as stack:
        if service.scheme == "s3":
            toggle = f"{service.endpoint}/moto-api/reset-auth"
            ask("POST", toggle, b"0")
            stack.callback(ask, "POST", toggle, b"inf")
        else:
            monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "AAAA")
        for error in fail(get_vault(url), Refused):
            assert error.exit_code == 4
            assert error.message.startswith("not allowed to ")
            assert "AWS_*, GOOGLE_*, AZURE_*" in str(error.hint)
            assert_clear(error, service)


def test_credentials_that_are_none_are_told(
    azure: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    azure.use(monkeypatch)
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", f"not base64 {PASSWORD}")
    with pytest.raises(Refused, match="Invalid Access Key") as caught:
        get_vault(azure.url)
    assert_clear(caught.value, azure)
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_KEY")
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_NAME")
    monkeypatch.delenv("AZURE_ENDPOINT")
    with pytest.raises(Refused, match="Account must be specified"):
        get_vault(azure.url)


@pytest.mark.parametrize(
    ("endpoint", "said"),
    [
        ("http://127.0.0.1:9", "http://127.0.0.1:9: Connection refused"),
        (f"http://me:{PASSWORD}@127.0.0.1:9", ": Connection refused"),
        ("http://nowhere.invalid", "http://nowhere.invalid: failed to lookup address"),
    ],
)
def test_a_wrong_endpoint_is_told_without_its_password(
    s3: ObjectStore, monkeypatch: pytest.MonkeyPatch, endpoint: str, said: str
) -> None:
    s3.use(monkeypatch)
    monkeypatch.setitem(objects_module.RETRY, "max_retries", 1)
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    for error in fail(get_vault(s3.url), ToolFailed):
        assert error.exit_code == 6
        assert said in error.message
        assert "me:" not in error.message
        assert_clear(error, s3)


def test_plain_text_goes_only_to_an_endpoint_that_is_named_so(
    s3: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3.use(monkeypatch)
    assert "allow_http" in objects_module._build_client_options()
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3.endpoint.replace("http:", "https:"))
    assert "allow_http" not in objects_module._build_client_options()


@pytest.mark.parametrize(
    "url",
    [
        f"s3://me:{PASSWORD}@bucket/x",
        f"s3://{PASSWORD}@bucket/x",
        f"abfss://me:{PASSWORD}@account.dfs.core.windows.net/x",
        f"az://container/x?sig={PASSWORD}",
        f"gs://bucket/x#{PASSWORD}",
        f"s3://[{PASSWORD}/x",
        "s3://bucket:9000/x",
        "s3://",
        "s3:///x",
    ],
)
def test_a_url_holds_a_place_and_no_secret(url: str) -> None:
    with pytest.raises(UsageError, match="may hold a bucket and a prefix") as caught:
        open_vault(url, DATABASE)
    assert PASSWORD not in f"{caught.value}{caught.value.hint}"
    assert caught.value.exit_code == 2


# The command, in a process of its own


def test_the_command_shows_no_secret(filled: Target, service: ObjectStore) -> None:
    url = f"{service.url}/{secrets.token_hex(4)}"
    seen: list[bytes] = []
    stop = threading.Event()

    def look() -> None:
        while not stop.wait(0.05):
            seen.extend(read_command_lines().values())

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        with start_command(filled, url, "--json") as command:
            out, err = command.communicate(timeout=120)
    finally:
        stop.set()
        watcher.join()
    assert command.returncode == 0, err
    document = json.loads(out)
    vault = get_vault(url, filled.database)
    assert document["location"] == f"{vault.place}/{document['backup_id']}"
    manifest = vault.read(document["backup_id"], "manifest.json").decode()
    assert any(url.encode() in line for line in seen)
    for text in (out, err, manifest, *(line.decode(errors="replace") for line in seen)):
        assert service.secret not in text


def test_the_command_says_in_one_line_what_is_wrong(
    filled: Target, service: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert os.environ.keys() >= service.environment.keys()
    with start_command(filled, f"{service.scheme}://no-such-bucket/x") as command:
        out, err = command.communicate(timeout=120)
    assert command.returncode == 4, err
    assert out == ""
    assert "there is no bucket for backup storage" in err
    assert "Traceback" not in err
    assert service.secret not in err
