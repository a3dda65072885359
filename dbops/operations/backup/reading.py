"""The files of a backup, read back and judged."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from dbops.core.access import Access, read_access
from dbops.core.contents import Contents
from dbops.core.details import Details, read_details
from dbops.core.manifest import Manifest, StoredFile
from dbops.core.packing import DamagedFile, hash_lines, unpack, unpack_rows
from dbops.errors import Refused, ToolFailed
from dbops.operations.backup.sealing import SUFFIX, Seal
from dbops.operations.backup.writing import (
    DATA,
    DETAILS,
    ROLES,
    SCHEMA,
    WrittenRows,
)
from dbops.operations.storage import Vault, find_damage
from dbops.postgres.archive import decode_archive
from dbops.postgres.tools import ClientTools


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """What is needed to read a backup, published or not."""

    files: tuple[StoredFile, ...]
    read: Callable[[str], bytes]
    """Return a file by its path; FileNotFoundError where there is none."""
    seal: Seal
    written: Mapping[str, WrittenRows] = field(default_factory=dict)
    """What its writer knows of files with rows, by their paths; others know nothing."""

    def open(self, file: StoredFile) -> bytes:
        """Return a file as it was before it was sealed.

        Raises:
            Refused: it is missing or not as it was written, or cannot be decrypted.
        """
        data, problem = self.look_at(file)
        if problem:
            raise Refused(
                f"the backup is damaged: {problem}",
                hint="restore another one, or this one's copy from elsewhere",
            )
        return self.seal.open(file.path, data)

    def look_at(self, file: StoredFile) -> tuple[bytes, str | None]:
        """Return a file as it is stored, and what is wrong with it."""
        try:
            data = self.read(file.path)
        except FileNotFoundError:
            return b"", f'"{file.path}" is missing'
        except OSError as error:
            return b"", f'"{file.path}" cannot be read: {error.strerror}'
        return data, find_damage(data, file)

    def list(self, directory: str) -> Iterator[StoredFile]:
        """Yield the files of a directory of the backup."""
        return (each for each in self.files if each.path.startswith(f"{directory}/"))

    def read_details(self) -> Details:
        """Return schema and checksums.

        Raises:
            Refused: they are damaged, or cannot be decrypted.
        """
        data = self._read(DETAILS)
        if data is None:
            raise Refused("the backup has no details")
        return read_details(data)

    def read_access(self) -> Access | None:
        """Return roles, and what the database has besides its contents.

        None where the backup is from a time when they were not kept.

        Raises:
            Refused: they are damaged, or cannot be decrypted.
        """
        data = self._read(ROLES)
        return None if data is None else read_access(data)

    def _read(self, path: str) -> bytes | None:
        for each in self.files:
            if each.path.removesuffix(SUFFIX) == path:
                try:
                    return unpack(self.open(each))
                except DamagedFile as error:
                    raise Refused(f'"{each.path}": {error}') from error
        return None

    @contextmanager
    def extract_schema(self) -> Iterator[Path]:
        """Write pg_dump's archive into a file, for as long as the block lasts."""
        with TemporaryDirectory(prefix="dbops-") as directory:
            path = Path(directory) / "schema.dump"
            with path.open("wb") as file:
                for each in sorted(self.list(SCHEMA), key=lambda each: each.path):
                    file.write(self.open(each))
            yield path


def build_stored_backup(vault: Vault, manifest: Manifest, seal: Seal | None) -> Backup:
    """Return a published backup, ready to be read."""
    return Backup(
        files=manifest.files,
        read=lambda path: vault.read(manifest.backup_id, path),
        seal=seal or Seal(),
    )


def find_damaged_files(backup: Backup, jobs: int) -> list[str]:
    """Read every file, and say which of them are not as they were written."""
    with ThreadPoolExecutor(max_workers=jobs) as executor:
        found = executor.map(lambda each: backup.look_at(each)[1], backup.files)
        return [each for each in found if each]


def find_false_contents(backup: Backup, tools: ClientTools, jobs: int) -> list[str]:
    """Decode every file to its end, and compare the rows with the details.

    Whoever has written a file knows what its rows add up to: those that come out have
    only to be the ones that went in, byte for byte.

    Raises:
        Refused: it is encrypted, and there is no identity to open it.
    """
    details = backup.read_details()
    problems: list[str] = []
    sums = {each.name: Contents() for each in details.tables}
    lock = threading.Lock()

    def look(file: StoredFile) -> str | None:
        data, problem = backup.look_at(file)
        if problem or file.table is None:
            return problem
        try:
            found = _sum(
                backup.seal.open(file.path, data), backup.written.get(file.path)
            )
        except DamagedFile as error:
            return f'"{file.path}": {error}'
        with lock:
            sums.setdefault(file.table, Contents()).merge(found)
        return None

    with ThreadPoolExecutor(max_workers=jobs) as executor:
        problems += [each for each in executor.map(look, backup.list(DATA)) if each]
    for each in details.tables:
        found = sums[each.name]
        if found.rows != each.rows:
            problems.append(
                f'"{each.name}" has {found.rows:,} rows instead of {each.rows:,} rows'
            )
        elif found.checksum != each.checksum:
            problems.append(f'"{each.name}" has other rows than it had')
    problems += _find_false_rest(backup, tools)
    return problems


def _sum(packed: bytes, written: WrittenRows | None) -> Contents:
    if written is not None:
        if hash_lines(packed) != written.digest:
            raise DamagedFile("other rows come out than went in")
        return written.contents
    found = Contents()
    for batch in unpack_rows(packed):
        found.add(batch)
    return found


def _find_false_rest(backup: Backup, tools: ClientTools) -> Iterable[str]:
    try:
        backup.read_access()
        with backup.extract_schema() as path:
            decode_archive(tools, path)
    except (Refused, ToolFailed) as error:
        return [error.message]
    return []
