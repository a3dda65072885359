"""The manifest: what a backup holds, and how to tell that it still does."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from dbops.core.exclusions import Extent, LeftOut
from dbops.core.migration import MigrationId
from dbops.errors import Refused

FORMAT_VERSION = 2
LEVELS = ("none", "checksum", "contents", "restored")
"""How far a backup can have been proven; each includes those before it."""
DAMAGED = "damaged"


class DamagedManifest(Refused):
    """The manifest is not as dbops wrote it, or too new to be understood."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRows:
    """A table and the number of its rows, partitions counted by themselves."""

    name: str
    """Quoted where PostgreSQL would, with its schema unless that is `public`."""
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TableContents:
    """What the details of a backup say of a table, to those who may read them."""

    name: str
    columns: tuple[str, ...]
    """Those that a row has, not quoted: all but the generated ones."""
    rows: int
    checksum: str
    """Of `dbops.core.contents.Contents`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A file of the backup, as it was when it was written."""

    path: str
    """Relative to the manifest, with `/`."""
    size_bytes: int
    sha256: str
    table: str | None = None
    """The table whose rows it has, as in `Manifest.tables`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """One look at whether the backup can be restored."""

    level: str
    """As in `dbops.operations.backup.report.Verified`."""
    at: datetime
    problems: tuple[str, ...]
    """Nothing where the level was reached."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """All that is known of a backup besides its contents."""

    backup_id: str
    database: str
    """The database's name on the server."""
    system_identifier: str = ""
    """Of the server and its physical copies; empty where it is not known."""
    taken_at: datetime
    """The moment whose contents the backup has: that of its snapshot."""
    duration_s: float
    server_version: str
    server_version_num: int
    dbops_version: str
    pg_dump_version: str
    verifications: tuple[Verification, ...]
    """In the order of time."""
    encrypted: bool
    fingerprint: str
    """Of the catalog in the details."""
    encoding: str
    collation: str
    character_type: str
    locale_provider: str
    locale: str | None
    migrations: tuple[MigrationId, ...]
    """Applied ones, in the order of their application."""
    tables: tuple[TableRows, ...]
    left_out: tuple[LeftOut, ...] = ()
    """What the database had, and the backup has not; nothing in a full one."""
    database_size_bytes: int
    size_bytes: int
    """Of all `files` together."""
    files: tuple[StoredFile, ...]

    @property
    def verified(self) -> str:
        """How far it is proven, as `judge_looks` says."""
        return judge_looks(self.verifications)

    @property
    def server_major(self) -> int:
        """The server's major version."""
        return self.server_version_num // 10000

    @property
    def pg_dump_major(self) -> int:
        """The major version of the pg_dump that wrote the archive."""
        digits = self.pg_dump_version.partition(".")[0]
        return int("".join(each for each in digits[:2] if each.isdigit()) or 0)


def judge_looks(looks: Iterable[Verification]) -> str:
    """Return the highest level that was reached; `damaged` where it no longer is.

    What was found is forgotten when a look that goes as far finds nothing. The looks
    are in the order of time.
    """
    reached = 0
    failed: set[int] = set()
    for each in looks:
        level = LEVELS.index(each.level)
        if each.problems:
            failed.add(level)
        else:
            reached = max(reached, level)
            failed = {other for other in failed if other > level}
    return DAMAGED if failed else LEVELS[reached]


def write_manifest(manifest: Manifest) -> str:
    """Return the manifest as JSON, with a checksum of its own contents."""
    contents: dict[str, Any] = {"format_version": FORMAT_VERSION}
    contents |= {name: getattr(manifest, name) for name in Manifest.__slots__}
    contents["taken_at"] = manifest.taken_at.astimezone(UTC).isoformat()
    contents["migrations"] = [list(each) for each in manifest.migrations]
    contents["tables"] = [{"name": t.name, "rows": t.rows} for t in manifest.tables]
    contents["left_out"] = [
        {"extent": each.extent, "name": each.name} for each in manifest.left_out
    ]
    contents["files"] = [
        {
            "path": each.path,
            "size_bytes": each.size_bytes,
            "sha256": each.sha256,
            "table": each.table,
        }
        for each in manifest.files
    ]
    contents["verifications"] = [
        {
            "level": each.level,
            "at": each.at.astimezone(UTC).isoformat(),
            "problems": list(each.problems),
        }
        for each in manifest.verifications
    ]
    contents["checksum"] = _compute_checksum(contents)
    return json.dumps(contents, indent=1, ensure_ascii=False) + "\n"


def read_manifest(text: str) -> Manifest:
    """Return the manifest that `write_manifest` wrote.

    Raises:
        DamagedManifest: it was cut off, edited, or written by a later dbops.
    """
    try:
        contents = json.loads(text)
        version, checksum = contents["format_version"], contents["checksum"]
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedManifest(f"the manifest cannot be read: {error!r}") from error
    if version != FORMAT_VERSION:
        raise DamagedManifest(
            f"the manifest has format version {version!r}, and this dbops reads "
            f"{FORMAT_VERSION}",
            hint="use the version of dbops that wrote it: pip install -U django-dbops",
        )
    if checksum != _compute_checksum(contents):
        raise DamagedManifest("the manifest was changed after it was written")
    try:
        return _build_manifest(contents)
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedManifest(f"the manifest is incomplete: {error!r}") from error


def _compute_checksum(contents: dict[str, Any]) -> str:
    rest = {key: value for key, value in contents.items() if key != "checksum"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _build_manifest(contents: dict[str, Any]) -> Manifest:
    # What manifests of before have not.
    contents = {"left_out": [], "system_identifier": "", **contents}
    values = {name: contents[name] for name in Manifest.__slots__}
    values["taken_at"] = datetime.fromisoformat(contents["taken_at"]).astimezone(UTC)
    values["migrations"] = tuple(
        MigrationId(app, name) for app, name in contents["migrations"]
    )
    values["tables"] = tuple(TableRows(**each) for each in contents["tables"])
    values["left_out"] = tuple(
        LeftOut(extent=Extent(each["extent"]), name=each["name"])
        for each in contents["left_out"]
    )
    values["verifications"] = tuple(
        Verification(
            level=each["level"],
            at=datetime.fromisoformat(each["at"]).astimezone(UTC),
            problems=tuple(each["problems"]),
        )
        for each in contents["verifications"]
    )
    values["files"] = tuple(StoredFile(**each) for each in contents["files"])
    return Manifest(**values)
