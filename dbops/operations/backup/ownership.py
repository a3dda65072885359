"""Backups of one server in one place: `latest` and retention are about them alone."""

from __future__ import annotations

from dbops.core.manifest import DamagedManifest, Manifest
from dbops.core.target import Target
from dbops.errors import Refused
from dbops.operations.storage import Vault, read_stored_manifest
from dbops.postgres.identity import fetch_identity
from dbops.postgres.session import open_session


def require_own_place(vault: Vault, target: Target, *, moved: bool = False) -> None:
    """Refuse to mix backups of two servers whose databases have the same name.

    The newest backup that knows its server says whose place it is; a database that
    has `moved` takes it over.

    Raises:
        Refused: it is another server's.
    """
    if moved:
        return
    with open_session(target, purpose="backup:identity") as connection:
        identity = fetch_identity(connection)
    newest = _find_newest(vault) if identity else None
    if newest is None or newest.system_identifier == identity:
        return
    raise Refused(
        f'"{vault.place}" has the backups of another server\'s database '
        f'"{newest.database}": {newest.backup_id} is from server '
        f"{newest.system_identifier}, and this is {identity}",
        hint='give each server a place of its own in DBOPS["BACKUP_STORAGE"]; where '
        "the database has moved here for good: manage.py dbops_backup --moved",
    )


def _find_newest(vault: Vault) -> Manifest | None:
    for backup_id in vault.list_ids():
        try:
            manifest = read_stored_manifest(vault, backup_id)
        except DamagedManifest:
            continue
        if manifest.system_identifier:
            return manifest
    return None
