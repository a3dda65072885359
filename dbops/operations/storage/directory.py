"""Backups in a directory, each whole or not at all.

    <directory>/<database>/.<backup_id>.partial    while it is being written

Whoever makes, sweeps or publishes a partial holds the lock of the database's directory
for that moment; whoever writes one holds the lock of the file `lock` inside it, which
the kernel frees when the writer is gone.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dbops.errors import DbopsError, Refused, ToolFailed
from dbops.operations.storage.base import BACKUP_ID, MANIFEST, quote_name

LOCK = "lock"
DIRECTORY_MODE, FILE_MODE = 0o700, 0o600
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

_PARTIAL = re.compile(rf"\.({BACKUP_ID.pattern})\.partial")
_REMOVED = re.compile(rf"\.{BACKUP_ID.pattern}\.removed")


class DirectoryDraft:
    """A directory that is renamed when it is complete."""

    def __init__(self, partial: Path, final: Path) -> None:
        self.partial, self.final = partial, final

    def write(self, path: str, data: bytes) -> None:
        """Write one file of it, a new one."""
        file = self.partial / path
        file.parent.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        with file.open("xb") as handle:
            file.chmod(FILE_MODE)
            handle.write(data)
            handle.flush()
            os.fsync(handle.fileno())

    def read(self, path: str) -> bytes:
        """Read back what was written."""
        return (self.partial / path).read_bytes()

    def publish(self, manifest: str) -> str:
        """Make all of it durable, the manifest last; return where it is."""
        for path in self.partial.rglob("*"):
            if path.is_dir():
                path.chmod(DIRECTORY_MODE)
                _sync_directory(path)
        _sync_directory(self.partial)
        self.write(MANIFEST, manifest.encode())
        with _lock_directory(self.partial.parent):
            (self.partial / LOCK).unlink()
            _sync_directory(self.partial)
            self.partial.rename(self.final)
            _sync_directory(self.final.parent)
        return str(self.final)


class DirectoryVault:
    """The backups of one database, below a directory."""

    def __init__(self, root: Path, database: str) -> None:
        self.directory = root / quote_name(database)

    @property
    def place(self) -> str:
        """Where it is, for people."""
        return str(self.directory)

    def check(self) -> None:
        """Find out whether it could be written to; it may not exist yet."""
        every = (self.directory, *self.directory.parents)
        nearest = next(each for each in every if each.exists())
        if not nearest.is_dir():
            raise self._build_unwritable(f'"{nearest}" is not a directory')
        if not os.access(nearest, os.W_OK | os.X_OK):
            raise self._build_unwritable(f'no permission to write to "{nearest}"')

    def prepare(self) -> None:
        """Make it ready to be written to, without what killed runs left behind."""
        self.check()
        directory = self.directory
        try:
            directory.parent.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
            directory.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
            probe = directory / f".probe-{secrets.token_hex(4)}"
            probe.mkdir(mode=DIRECTORY_MODE)
            probe.rmdir()
            self._remove_dead_partials()
        except OSError as error:
            if error.errno in FULL:
                raise self._explain(error) from error
            raise self._build_unwritable(error.strerror) from error

    def list_ids(self) -> list[str]:
        """Return the ids of the published backups, newest first."""
        return sorted(
            (name for name in self._list_names() if BACKUP_ID.fullmatch(name)),
            reverse=True,
        )

    def list_drafts(self) -> list[str]:
        """Return the ids of those that are being written, or were cut off."""
        hits = (_PARTIAL.fullmatch(name) for name in self._list_names())
        return sorted(hit[1] for hit in hits if hit)

    def locate(self, backup_id: str) -> str:
        """Return where a backup is, for people."""
        return str(self.directory / backup_id)

    @contextmanager
    def open_draft(self, backup_id: str) -> Iterator[DirectoryDraft]:
        """Begin a backup; what was not published is gone at the end of the block.

        Raises:
            ToolFailed: the disk is full, or failed otherwise, anywhere in the block.
        """
        partial = self.directory / f".{backup_id}.partial"
        try:
            with _lock_directory(self.directory):
                partial.mkdir(mode=DIRECTORY_MODE)
                lock = os.open(partial / LOCK, os.O_CREAT | os.O_RDWR, FILE_MODE)
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            try:
                yield DirectoryDraft(partial, self.directory / backup_id)
            finally:
                os.close(lock)
        except OSError as error:
            raise self._explain(error) from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def read(self, backup_id: str, path: str) -> bytes:
        """Read one file of a backup; FileNotFoundError where there is none."""
        return (self.directory / backup_id / path).read_bytes()

    def replace_manifest(
        self, backup_id: str, manifest: str, *, known: bytes | None = None
    ) -> bool:
        """Write another manifest, whole or not at all; False if it is not `known`."""
        backup = self.directory / backup_id
        try:
            with _lock_directory(self.directory):
                if known is not None and (backup / MANIFEST).read_bytes() != known:
                    return False
                self._replace_manifest(backup, manifest)
        except OSError as error:
            raise self._explain(error) from error
        return True

    @staticmethod
    def _replace_manifest(backup: Path, manifest: str) -> None:
        new = backup / f".{MANIFEST}-{secrets.token_hex(4)}"
        try:
            with new.open("x", encoding="utf-8") as file:
                new.chmod(FILE_MODE)
                file.write(manifest)
                file.flush()
                os.fsync(file.fileno())
            new.replace(backup / MANIFEST)
            _sync_directory(backup)
        finally:
            new.unlink(missing_ok=True)

    def remove(self, backup_id: str) -> None:
        """Remove a backup; from its first moment on it is no longer listed."""
        backup = self.directory / backup_id
        gone = self.directory / f".{backup_id}.removed"
        try:
            # Somebody else may remove it, or sweep up what is left of it.
            with suppress(FileNotFoundError):
                backup.rename(gone)
                _sync_directory(self.directory)
                shutil.rmtree(gone)
        except OSError as error:
            raise self._explain(error) from error

    def _list_names(self) -> list[str]:
        try:
            return [each.name for each in self.directory.iterdir() if each.is_dir()]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise Refused(
                f'cannot read backup storage "{self.directory}": {error.strerror}'
            ) from error

    def _remove_dead_partials(self) -> None:
        """Remove what killed runs left behind; a living writer's is not touched."""
        with _lock_directory(self.directory):
            for entry in self.directory.iterdir():
                is_dead = _PARTIAL.fullmatch(entry.name) and not _has_writer(entry)
                if is_dead or _REMOVED.fullmatch(entry.name):
                    shutil.rmtree(entry, ignore_errors=True)

    def _explain(self, error: OSError) -> DbopsError:
        """Say what the disk said."""
        if error.errno in FULL:
            return ToolFailed(
                f'no space left for a backup in "{self.directory}"',
                hint="free space there, or name another directory with --storage",
            )
        return ToolFailed(f'cannot write a backup to "{self.directory}": {error}')

    def _build_unwritable(self, problem: str | None) -> Refused:
        return Refused(
            f'cannot write to backup storage "{self.directory.parent}": {problem}',
            hint="name a directory that this user may write to, with --storage or "
            'DBOPS["BACKUP_STORAGE"]',
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


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
