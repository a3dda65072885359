"""Where backups are kept: a directory or an object store, by URL."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from dbops.core.manifest import DamagedManifest, Manifest, StoredFile, read_manifest
from dbops.errors import UsageError
from dbops.operations.storage.base import (
    MANIFEST,
    Draft,
    Vault,
    build_backup_id,
    read_id_moment,
)
from dbops.operations.storage.directory import DirectoryVault

__all__ = [
    "MANIFEST",
    "Draft",
    "Vault",
    "build_backup_id",
    "find_backup",
    "find_damage",
    "open_vault",
    "read_id_moment",
    "read_stored_manifest",
]

LATEST = "latest"
OBJECT_STORES = frozenset({"s3", "gs", "az", "azure", "abfs", "abfss"})
NEWEST_SHOWN = 5

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)


def open_vault(storage: str, database: str) -> Vault:
    """Return the place of a database's backups, whether it exists or not.

    Raises:
        UsageError: the storage is of a kind that is not supported.
    """
    scheme = _SCHEME.match(storage)
    if scheme is None:
        return DirectoryVault(Path(storage).expanduser().absolute(), database)
    if scheme[1].lower() in OBJECT_STORES:
        # Its library is not needed, and not loaded, for a directory.
        from dbops.operations.storage.objects import ObjectVault

        return ObjectVault(storage, database)
    url = urlsplit(storage)
    if url.scheme != "file" or url.netloc not in ("", "localhost"):
        raise UsageError(
            f'backup storage "{scheme[0]}" is not supported; a directory and '
            f"{', '.join(f'{each}://' for each in sorted(OBJECT_STORES))} are",
            hint='name another one with --storage or DBOPS["BACKUP_STORAGE"]',
        )
    return DirectoryVault(Path(unquote(url.path)), database)


def find_backup(vault: Vault, database: str, reference: str) -> str:
    """Return the id that this is, or the unique beginning of; `latest` is the newest.

    Raises:
        UsageError: none has it, or several have; the newest are listed.
    """
    ids = vault.list_ids()
    if reference == LATEST:
        found = ids[:1]
    else:
        found = [each for each in ids if reference and each.startswith(reference)]
    if len(found) == 1:
        return found[0]
    raise _build_unknown(vault, database, reference, found or ids)


def read_stored_manifest(vault: Vault, backup_id: str) -> Manifest:
    """Return the manifest of a backup.

    Raises:
        DamagedManifest: it is missing, changed, or of another backup.
    """
    where = f"{vault.locate(backup_id)}/{MANIFEST}"
    try:
        manifest = read_manifest(vault.read(backup_id, MANIFEST).decode())
    except (OSError, UnicodeDecodeError) as error:
        raise DamagedManifest(f'cannot read "{where}": {error}') from error
    except DamagedManifest as error:
        raise DamagedManifest(f'"{where}": {error.message}', hint=error.hint) from error
    if manifest.backup_id != backup_id:
        raise DamagedManifest(
            f'"{where}" is the manifest of backup "{manifest.backup_id}"'
        )
    return manifest


def find_damage(data: bytes, expected: StoredFile) -> str | None:
    """Say what is wrong with a file of the backup, if anything."""
    if len(data) != expected.size_bytes:
        return (
            f'"{expected.path}" has {len(data):,} bytes instead of '
            f"{expected.size_bytes:,}"
        )
    if hashlib.sha256(data).hexdigest() != expected.sha256:
        return f'"{expected.path}" was changed after it was written'
    return None


def _build_unknown(
    vault: Vault, database: str, reference: str, known: list[str]
) -> UsageError:
    if not known:
        return UsageError(
            f'there is no backup of "{database}" in "{vault.place}"',
            hint="take one: manage.py dbops_backup",
        )
    listed = ", ".join(known[:NEWEST_SHOWN])
    several = bool(reference) and known[0].startswith(reference)
    problem = "is the beginning of several" if several else "is not the id of a backup"
    return UsageError(
        f'"{reference}" {problem} of "{database}"; the newest are {listed}',
        hint="use one of these, or latest",
    )
