"""Which backup a person means."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from dbops.core.details import Details
from dbops.core.manifest import DamagedManifest, Manifest
from dbops.core.progress import Progress, silent
from dbops.core.target import Target
from dbops.errors import Refused, UsageError
from dbops.operations.backup.backup import list_some
from dbops.operations.backup.reading import (
    Backup,
    build_stored_backup,
    find_damaged_files,
)
from dbops.operations.backup.sealing import Seal
from dbops.operations.storage import (
    Vault,
    find_backup,
    open_vault,
    read_stored_manifest,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """A backup, ready to be read."""

    manifest: Manifest
    backup: Backup
    details: Details


def choose_backup(
    target: Target,
    *,
    storage: str,
    reference: str | datetime,
    seal: Seal | None = None,
    progress: Progress = silent,
) -> Chosen:
    """Find a backup by id, as `latest`, or as the newest from before a moment.

    Raises:
        UsageError: there is no such backup.
        DamagedManifest: its manifest is missing or was changed.
        Refused: its details are damaged, or cannot be decrypted.
    """
    vault = open_vault(storage, target.database)
    if isinstance(reference, datetime):
        manifest = _find_before(vault, target.database, reference, progress)
    else:
        found = find_backup(vault, target.database, reference)
        manifest = read_stored_manifest(vault, found)
    backup = build_stored_backup(vault, manifest, seal)
    # A wrong key is found now, not when all is read.
    return Chosen(manifest=manifest, backup=backup, details=backup.read_details())


def read_moment(text: str) -> datetime:
    """Return the moment that an ISO 8601 text means; UTC where it has no zone.

    Raises:
        UsageError: it is no such text.

    >>> read_moment("2026-11-23 06:30").isoformat()
    '2026-11-23T06:30:00+00:00'
    >>> read_moment("2026-11-23T06:30:00+01:00").isoformat()
    '2026-11-23T05:30:00+00:00'
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(
            f'"{text}" is not a time', hint="write it as 2026-11-23T06:30:00Z"
        ) from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC)


def require_intact(backup: Backup, backup_id: str, jobs: int) -> None:
    """Refuse a backup with a file that is missing or not as it was written."""
    damage = find_damaged_files(backup, jobs)
    if damage:
        raise Refused(
            f"backup {backup_id} is damaged: {list_some(damage)}",
            hint="restore another one, or this one's copy from elsewhere",
        )


def _find_before(
    vault: Vault, database: str, moment: datetime, progress: Progress
) -> Manifest:
    """Return the newest manifest from before; an unreadable one is told, and passed."""
    oldest = ""
    for backup_id in vault.list_ids():
        try:
            manifest = read_stored_manifest(vault, backup_id)
        except DamagedManifest as error:
            progress(f"passing over backup {backup_id}: {error.message}")
            continue
        if manifest.taken_at < moment:
            return manifest
        oldest = f"; the oldest is {backup_id}"
    raise UsageError(
        f'there is no backup of "{database}" from before {moment:%Y-%m-%d %H:%M:%S} '
        f'UTC in "{vault.place}"{oldest}',
        hint="name one, or latest",
    )
