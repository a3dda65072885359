"""Where backups are kept: a directory, and each backup in it whole or not at all.

    <storage>/<database>/<backup_id>/{manifest.json, catalog.json, archive/...}
    <storage>/<database>/.<backup_id>.partial    while it is being written

Whoever makes, sweeps or publishes a partial holds the lock of the database's directory
for that moment; whoever writes one holds the lock of the file `lock` inside it, which
the kernel frees when the writer is gone.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from dbops.core.manifest import (
    DamagedManifest,
    Manifest,
    StoredFile,
    read_manifest,
    write_manifest,
)
from dbops.errors import DbopsError, Refused, ToolFailed, UsageError

MANIFEST, CATALOG, ARCHIVE, LOCK = "manifest.json", "catalog.json", "archive", "lock"
LATEST = "latest"
DIRECTORY_MODE, FILE_MODE = 0o700, 0o600
HASH_CHUNK_BYTES = 1 << 20
NEWEST_SHOWN = 5
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
_BACKUP_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{6}")
_PARTIAL = re.compile(rf"\.{_BACKUP_ID.pattern}\.partial")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredBackup:
    """A published backup, unread."""

    backup_id: str
    directory: Path

    @property
    def archive(self) -> Path:
        """The directory that pg_restore reads."""
        return self.directory / ARCHIVE

    @property
    def catalog(self) -> Path:
        """The file with the catalog of the database."""
        return self.directory / CATALOG


def find_directory(storage: str, database: str) -> Path:
    """Return where the backups of a database are, whether it exists or not.

    Raises:
        UsageError: the storage is of a kind that is not supported.
    """
    return _parse_storage(storage) / _quote_name(database)


def prepare_directory(storage: str, database: str) -> Path:
    """Return the writable directory of a database's backups, without dead partials.

    Raises:
        UsageError: the storage is of a kind that is not supported.
        Refused: it cannot be written to.
    """
    directory = find_directory(storage, database)
    try:
        directory.parent.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        directory.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
        probe = directory / f".probe-{secrets.token_hex(4)}"
        probe.mkdir(mode=DIRECTORY_MODE)
        probe.rmdir()
        remove_dead_partials(directory)
    except OSError as error:
        if error.errno in FULL:
            raise explain_disk_failure(error, directory) from error
        raise _build_unwritable(directory, error.strerror) from error
    return directory


def check_directory(storage: str, database: str) -> Path:
    """Return the same, after a look that changes nothing: it may not exist yet.

    Raises:
        UsageError: the storage is of a kind that is not supported.
        Refused: it cannot be written to.
    """
    directory = find_directory(storage, database)
    nearest = next(each for each in (directory, *directory.parents) if each.exists())
    if not nearest.is_dir():
        raise _build_unwritable(directory, f'"{nearest}" is not a directory')
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise _build_unwritable(directory, f'no permission to write to "{nearest}"')
    return directory


def build_backup_id(taken_at: datetime) -> str:
    """Return a new id; ids sort by time.

    >>> build_backup_id(datetime(2026, 11, 23, 6, 30, tzinfo=UTC))[:17]
    '20261123T063000Z-'
    """
    return f"{taken_at.astimezone(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


@contextmanager
def open_partial(directory: Path, backup_id: str) -> Iterator[Path]:
    """Make a directory for a backup to be written into, removed at the end.

    It is gone, too, when it was published meanwhile: then under its final name.

    Raises:
        ToolFailed: the disk is full, or failed otherwise, anywhere in the block.
    """
    partial = directory / f".{backup_id}.partial"
    try:
        with _lock_directory(directory):
            partial.mkdir(mode=DIRECTORY_MODE)
            lock = os.open(partial / LOCK, os.O_CREAT | os.O_RDWR, FILE_MODE)
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        try:
            yield partial
        finally:
            os.close(lock)
    except OSError as error:
        raise explain_disk_failure(error, directory) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def publish(partial: Path, manifest: Manifest) -> Path:
    """Make everything durable, the manifest last, and give it its final name."""
    _make_durable(partial)
    text = write_manifest(manifest)
    with (partial / MANIFEST).open("x", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        (partial / MANIFEST).chmod(FILE_MODE)
        os.fsync(file.fileno())
    final = partial.parent / manifest.backup_id
    with _lock_directory(partial.parent):
        (partial / LOCK).unlink()
        _sync_directory(partial)
        partial.rename(final)
        _sync_directory(final.parent)
    return final


def remove_dead_partials(directory: Path) -> None:
    """Remove what killed runs left behind; a living writer's is not touched."""
    with _lock_directory(directory):
        for entry in directory.iterdir():
            if _PARTIAL.fullmatch(entry.name) and not _has_writer(entry):
                shutil.rmtree(entry, ignore_errors=True)


def list_backups(storage: str, database: str) -> tuple[StoredBackup, ...]:
    """Return the published backups of a database, newest first."""
    directory = find_directory(storage, database)
    try:
        names = [entry.name for entry in directory.iterdir() if entry.is_dir()]
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise Refused(
            f'cannot read backup storage "{directory}": {error.strerror}'
        ) from error
    return tuple(
        StoredBackup(backup_id=name, directory=directory / name)
        for name in sorted(names, reverse=True)
        if _BACKUP_ID.fullmatch(name)
    )


def find_backup(storage: str, database: str, reference: str) -> StoredBackup:
    """Return the backup with this id, this unique beginning of an id, or `latest`.

    Raises:
        UsageError: none has it, or several have; the newest are listed.
    """
    backups = list_backups(storage, database)
    if reference == LATEST:
        found = list(backups[:1])
    else:
        found = [
            each
            for each in backups
            if reference and each.backup_id.startswith(reference)
        ]
    if len(found) == 1:
        return found[0]
    raise _build_unknown(storage, database, reference, found or list(backups))


def read_stored_manifest(backup: StoredBackup) -> Manifest:
    """Return the manifest of a backup.

    Raises:
        DamagedManifest: it is missing, changed, or of another backup.
    """
    path = backup.directory / MANIFEST
    try:
        manifest = read_manifest(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise DamagedManifest(f'cannot read "{path}": {error}') from error
    except DamagedManifest as error:
        raise DamagedManifest(f'"{path}": {error.message}', hint=error.hint) from error
    if manifest.backup_id != backup.backup_id:
        raise DamagedManifest(
            f'"{path}" is the manifest of backup "{manifest.backup_id}"'
        )
    return manifest


def list_files(backup: Path) -> list[Path]:
    """Return the files of a backup that its manifest names, by path."""
    kept_apart = {backup / MANIFEST, backup / LOCK}
    return sorted(
        path for path in backup.rglob("*") if path.is_file() and path not in kept_apart
    )


def read_file_facts(backup: Path, path: Path) -> StoredFile:
    """Return name, size and SHA-256 of a file of the backup."""
    digest, size_bytes = hashlib.sha256(), 0
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(HASH_CHUNK_BYTES):
            digest.update(chunk)
            size_bytes += len(chunk)
    return StoredFile(
        path=path.relative_to(backup).as_posix(),
        size_bytes=size_bytes,
        sha256=digest.hexdigest(),
    )


def find_damage(backup: Path, expected: StoredFile) -> str | None:
    """Say what is wrong with a file of the backup, if anything."""
    try:
        actual = read_file_facts(backup, backup / expected.path)
    except FileNotFoundError:
        return f'"{expected.path}" is missing'
    except OSError as error:
        return f'"{expected.path}" cannot be read: {error.strerror}'
    if actual.size_bytes != expected.size_bytes:
        return (
            f'"{expected.path}" has {actual.size_bytes:,} bytes instead of '
            f"{expected.size_bytes:,}"
        )
    if actual.sha256 != expected.sha256:
        return f'"{expected.path}" was changed after it was written'
    return None


def explain_disk_failure(error: OSError, directory: Path) -> DbopsError:
    """Say what the disk said."""
    if error.errno in FULL:
        return ToolFailed(
            f'no space left for a backup in "{directory}"',
            hint="free space there, or name another directory with --storage",
        )
    return ToolFailed(f'cannot write a backup to "{directory}": {error}')


def _build_unwritable(directory: Path, problem: str | None) -> Refused:
    return Refused(
        f'cannot write to backup storage "{directory.parent}": {problem}',
        hint="name a directory that this user may write to, with --storage or "
        'DBOPS["BACKUP_STORAGE"]',
    )


def _parse_storage(storage: str) -> Path:
    scheme = _SCHEME.match(storage)
    if scheme is None:
        return Path(storage).expanduser().absolute()
    url = urlsplit(storage)
    if url.scheme != "file" or url.netloc not in ("", "localhost"):
        raise UsageError(
            f'backup storage "{scheme[0]}" is not supported; a directory or a file:// '
            "URL is",
            hint="name a directory with --storage, and copy the backups on from there",
        )
    return Path(unquote(url.path))


def _quote_name(database: str) -> str:
    """Return a database's name as that of a directory.

    >>> _quote_name("My app"), _quote_name("../etc")
    ('My%20app', '%2E.%2Fetc')
    """
    quoted = quote(database, safe="")
    return f"%2E{quoted[1:]}" if quoted.startswith(".") else quoted


def _build_unknown(
    storage: str, database: str, reference: str, known: list[StoredBackup]
) -> UsageError:
    if not known:
        return UsageError(
            f'there is no backup of "{database}" in '
            f'"{find_directory(storage, database)}"',
            hint="take one: manage.py dbops_backup",
        )
    listed = ", ".join(each.backup_id for each in known[:NEWEST_SHOWN])
    several = bool(reference) and known[0].backup_id.startswith(reference)
    problem = "is the beginning of several" if several else "is not the id of a backup"
    return UsageError(
        f'"{reference}" {problem} of "{database}"; the newest are {listed}',
        hint="use one of these, or latest",
    )


@contextmanager
def _lock_directory(directory: Path) -> Iterator[None]:
    handle = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _has_writer(partial: Path) -> bool:
    with suppress(FileNotFoundError):
        handle = os.open(partial / LOCK, os.O_RDWR)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(handle)
    return False


def _make_durable(backup: Path) -> None:
    for path in list_files(backup):
        path.chmod(FILE_MODE)
        with path.open("rb") as file:
            os.fsync(file.fileno())
    for directory in [*(p for p in backup.rglob("*") if p.is_dir()), backup]:
        directory.chmod(DIRECTORY_MODE)
        _sync_directory(directory)


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
