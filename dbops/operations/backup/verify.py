"""Verify a backup again, and write down what was found."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import psycopg
from django.core.exceptions import ImproperlyConfigured

from dbops.core.manifest import (
    DamagedManifest,
    Manifest,
    Verification,
    read_manifest,
    write_manifest,
)
from dbops.core.target import Target
from dbops.errors import DbopsError, Refused, ToolFailed
from dbops.operations.backup.backup import require_jobs
from dbops.operations.backup.backups import Action, open_storage
from dbops.operations.backup.proving import find_false_restore, find_scratch_means
from dbops.operations.backup.reading import (
    Backup,
    build_stored_backup,
    find_damaged_files,
    find_false_contents,
)
from dbops.operations.backup.report import Engine, Verified
from dbops.operations.backup.sealing import build_seal
from dbops.operations.context import Context
from dbops.operations.replay import get_scratch_server
from dbops.operations.storage import (
    MANIFEST,
    Vault,
    find_backup,
    read_stored_manifest,
)
from dbops.postgres.amcheck import find_corruption
from dbops.postgres.ledger import record_verification
from dbops.postgres.ledger_reading import ledger_exists
from dbops.postgres.scratch import DatabaseProperties
from dbops.postgres.session import open_session
from dbops.postgres.tools import find_tools

TRIES = 20
CHOICES = (Verified.CHECKSUM, Verified.CONTENTS, Verified.RESTORED)


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyReport:
    """What a look at a backup found."""

    action: Action = Action.VERIFY
    backup_id: str
    location: str
    level: Verified
    """How far was looked."""
    verified: Verified
    """What the backup counts as from now on."""
    verified_at: datetime
    duration_s: float
    files: int
    size_bytes: int
    problems: tuple[str, ...]
    notes: tuple[str, ...]
    """What could not be looked at, or written down."""
    engine: Engine = Engine.DUMP

    @property
    def exit_code(self) -> int:
        """3 when something is wrong."""
        return 3 if self.problems else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Subject:
    """A backup, and with what it is looked at."""

    context: Context
    manifest: Manifest
    backup: Backup
    jobs: int
    notes: list[str]


def verify_backup(
    context: Context,
    reference: str,
    *,
    storage: str | None = None,
    level: Verified = Verified.CONTENTS,
    jobs: int = 2,
    clock: Callable[[], float] = time.monotonic,
) -> VerifyReport:
    """Look at a backup as far as the level says; write the outcome into its manifest.

    Only `restored` needs a server. The ledger is told where there is one.

    Raises:
        UsageError: there is no such backup.
        Refused: it is encrypted, and there is no identity to open it; or the server
            cannot take it.
        ToolFailed: pg_restore is missing, or the storage failed.
        ServerFailed: the server cannot be reached.
    """
    started = clock()
    require_jobs(jobs)
    vault, database = open_storage(context, storage)
    backup_id = find_backup(vault, database, reference)
    notes: list[str] = []
    now = datetime.now(UTC)
    manifest: Manifest | None = None
    try:
        manifest = read_stored_manifest(vault, backup_id)
    except DamagedManifest as error:
        problems = [error.message]
        verified = Verified.DAMAGED
    else:
        subject = _Subject(
            context=context,
            manifest=manifest,
            backup=build_stored_backup(vault, manifest, build_seal(context.settings)),
            jobs=jobs,
            notes=notes,
        )
        problems = list(_look(subject, level))
        look = Verification(level=level, at=now, problems=tuple(problems))
        verified = _record(context, vault, manifest, look, notes)
    return VerifyReport(
        backup_id=backup_id,
        location=vault.locate(backup_id),
        level=level,
        verified=verified,
        verified_at=now,
        duration_s=round(clock() - started, 3),
        files=len(manifest.files) if manifest else 0,
        size_bytes=manifest.size_bytes if manifest else 0,
        problems=tuple(problems),
        notes=tuple(notes),
    )


def _look(subject: _Subject, level: Verified) -> Iterable[str]:
    progress = subject.context.progress
    if level is Verified.CHECKSUM:
        progress("verifying: reading every file")
        return find_damaged_files(subject.backup, subject.jobs)
    progress("verifying: decoding every file, counting and summing the rows")
    problems = _find_false_contents(subject)
    if problems or level is Verified.CONTENTS:
        return problems
    return _find_false_restore(subject)


def _find_false_contents(subject: _Subject) -> list[str]:
    bare = Target(alias=subject.context.alias, parameters={})
    tools = find_tools(
        bare,
        least_major=subject.manifest.pg_dump_major,
        pg_bin=subject.context.settings.pg_bin,
    )
    try:
        return find_false_contents(subject.backup, tools, subject.jobs)
    except Refused as error:
        # The details are damaged, or cannot be decrypted.
        problems = find_damaged_files(subject.backup, subject.jobs)
        if not problems and subject.manifest.encrypted:
            raise
        return problems or [error.message]


def _find_false_restore(subject: _Subject) -> list[str]:
    context, manifest = subject.context, subject.manifest
    pinned, tools = find_scratch_means(
        get_scratch_server(context),
        server_major=manifest.server_major,
        pg_dump_major=manifest.pg_dump_major,
        pg_bin=context.settings.pg_bin,
    )

    def check_indexes(target: Target) -> list[str]:
        context.progress("verifying: checking tables and indexes with pg_amcheck")
        found = find_corruption(target, tools)
        subject.notes.extend(found.notes)
        return list(found.problems)

    return find_false_restore(
        pinned,
        tools,
        subject.backup,
        like=DatabaseProperties(
            encoding=manifest.encoding,
            collation=manifest.collation,
            character_type=manifest.character_type,
            provider=manifest.locale_provider,
            locale=manifest.locale,
        ),
        jobs=subject.jobs,
        progress=context.progress,
        look=check_indexes,
    )


def _record(
    context: Context,
    vault: Vault,
    manifest: Manifest,
    look: Verification,
    notes: list[str],
) -> Verified:
    """Write the outcome where it can be written; return what the backup counts as."""
    try:
        verified = add_look(vault, manifest.backup_id, look)
    except (DbopsError, OSError) as error:
        known = replace(manifest, verifications=(*manifest.verifications, look))
        verified = Verified(known.verified)
        told = error.message if isinstance(error, DbopsError) else str(error)
        notes.append(f"not written into the manifest: {told}")
    with (
        suppress(DbopsError, psycopg.Error, ImproperlyConfigured),
        open_session(context.target, purpose="verify:ledger") as session,
    ):
        if ledger_exists(session):
            record_verification(session, manifest.backup_id, str(verified))
    return verified


def add_look(vault: Vault, backup_id: str, look: Verification) -> Verified:
    """Add an outcome to those that are there by now; others may do so, too.

    Raises:
        DbopsError: the manifest cannot be read or written.
        FileNotFoundError: the backup was removed meanwhile.
    """
    for _ in range(TRIES):
        known = vault.read(backup_id, MANIFEST)
        manifest = read_manifest(known.decode())
        looks = sorted((*manifest.verifications, look), key=lambda each: each.at)
        added = replace(manifest, verifications=tuple(looks))
        if vault.replace_manifest(backup_id, write_manifest(added), known=known):
            return Verified(added.verified)
    raise ToolFailed("others write it all the time")
