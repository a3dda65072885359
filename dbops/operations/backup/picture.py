"""What a snapshot shows besides its rows, and what a backup says of it."""

from __future__ import annotations

from dataclasses import dataclass

from dbops import __version__
from dbops.core.access import Access
from dbops.core.catalog import Catalog
from dbops.core.exclusions import LeftOut, reduce_catalog
from dbops.core.manifest import Manifest, TableRows, Verification
from dbops.core.migration import MigrationId
from dbops.core.packing import COMPRESSION
from dbops.core.progress import Progress
from dbops.core.table_name import parse_table_name
from dbops.core.target import Target
from dbops.operations.backup.report import BackupReport, Verified
from dbops.operations.backup.sealing import Seal
from dbops.operations.backup.writing import Written
from dbops.postgres.catalog import fetch_catalog
from dbops.postgres.identity import fetch_identity
from dbops.postgres.roles import fetch_access
from dbops.postgres.scratch import DatabaseProperties, fetch_properties
from dbops.postgres.snapshot import (
    DatabaseFacts,
    Snapshot,
    fetch_applied_migrations,
    fetch_facts,
    fetch_row_counts,
)
from dbops.postgres.tools import ClientTools

HISTORY = "django_migrations"


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """What a snapshot sees besides the rows themselves."""

    catalog: Catalog
    access: Access
    facts: DatabaseFacts
    system_identifier: str
    properties: DatabaseProperties
    tables: tuple[TableRows, ...]
    migrations: tuple[MigrationId, ...]
    left_out: tuple[LeftOut, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What a backup is taken with."""

    target: Target
    server_version_num: int
    tools: ClientTools


def fetch_picture(snapshot: Snapshot, progress: Progress) -> Picture:
    connection = snapshot.connection
    progress("reading the catalog and counting rows")
    left_out = snapshot.omission.left_out
    tables = fetch_row_counts(connection, snapshot.filled)
    has_history = not left_out or any(
        parse_table_name(each.name).name == HISTORY for each in tables
    )
    return Picture(
        catalog=reduce_catalog(fetch_catalog(connection), left_out),
        access=fetch_access(connection),
        facts=fetch_facts(connection),
        system_identifier=fetch_identity(connection),
        properties=fetch_properties(connection),
        tables=tables,
        migrations=fetch_applied_migrations(connection) if has_history else (),
        left_out=left_out,
    )


def build_manifest(
    means: Means,
    picture: Picture,
    backup_id: str,
    written: Written,
    *,
    seal: Seal,
    verification: Verification,
    duration_s: float,
) -> Manifest:
    return Manifest(
        backup_id=backup_id,
        database=picture.facts.database,
        system_identifier=picture.system_identifier,
        taken_at=picture.facts.taken_at,
        duration_s=round(duration_s, 3),
        server_version=picture.facts.server_version,
        server_version_num=means.server_version_num,
        dbops_version=__version__,
        pg_dump_version=means.tools.version,
        verifications=(verification,),
        encrypted=seal.encrypts,
        fingerprint=picture.catalog.fingerprint,
        encoding=picture.properties.encoding,
        collation=picture.properties.collation,
        character_type=picture.properties.character_type,
        locale_provider=picture.properties.provider,
        locale=picture.properties.locale,
        migrations=picture.migrations,
        tables=picture.tables,
        left_out=picture.left_out,
        database_size_bytes=picture.facts.database_size_bytes,
        size_bytes=sum(each.size_bytes for each in written.files),
        files=written.files,
    )


def build_report(means: Means, manifest: Manifest, location: str) -> BackupReport:
    return BackupReport(
        backup_id=manifest.backup_id,
        location=location,
        taken_at=manifest.taken_at,
        size_bytes=manifest.size_bytes,
        database_size_bytes=manifest.database_size_bytes,
        duration_s=manifest.duration_s,
        verified=Verified(manifest.verified),
        tables=manifest.tables,
        fingerprint=manifest.fingerprint,
        migrations=manifest.migrations,
        tools=str(means.tools),
        compression=COMPRESSION,
        encrypted=manifest.encrypted,
        left_out=manifest.left_out,
        dry_run=False,
    )


def build_plan(
    means: Means, picture: Picture, place: str, seal: Seal, duration_s: float
) -> BackupReport:
    return BackupReport(
        backup_id="",
        location=place,
        taken_at=picture.facts.taken_at,
        size_bytes=0,
        database_size_bytes=picture.facts.database_size_bytes,
        duration_s=round(duration_s, 3),
        verified=Verified.NONE,
        tables=picture.tables,
        fingerprint=picture.catalog.fingerprint,
        migrations=picture.migrations,
        tools=str(means.tools),
        compression=COMPRESSION,
        encrypted=seal.encrypts,
        left_out=picture.left_out,
        dry_run=True,
    )
