"""What `pgbackrest info --output=json` says of a stanza."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

MISSING_STATUS = frozenset({1, 3})
"""Missing stanza path, missing stanza data: `stanza-create` was not run."""


class UnknownInfo(ValueError):
    """It is not what a known version of pgBackRest writes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wal:
    """What of the server's WAL a backup needs, from its start to its stop."""

    start: str
    """Name of a segment, as `000000010000000000000003`."""
    stop: str
    start_lsn: str
    stop_lsn: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PhysicalBackup:
    """A backup of a whole server in pgBackRest's repository."""

    label: str
    kind: str
    """`full`, `diff` or `incr`."""
    repository: int
    started_at: datetime
    stopped_at: datetime
    """The earliest moment that it can be restored to."""
    size_bytes: int
    """What it added to the repository."""
    server_size_bytes: int
    """Of all databases of the server together."""
    needs: tuple[str, ...]
    """Labels of the backups without which it cannot be restored."""
    wal: Wal | None
    has_page_errors: bool
    """Pages whose checksum was wrong when it was taken."""
    version: str
    """Of pgBackRest."""
    server_major: int
    archive_id: str
    """The directory of its WAL in the archive, as `15-1`."""
    annotations: Mapping[str, str]

    @property
    def duration_s(self) -> float:
        """How long pgBackRest took for it, in whole seconds."""
        return (self.stopped_at - self.started_at).total_seconds()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stanza:
    """A stanza, and its backups from the newest to the oldest."""

    name: str
    is_missing: bool
    message: str
    """pgBackRest's own word on its state."""
    system_ids: frozenset[int]
    """Of the servers that it was made for, at present and before an upgrade."""
    is_encrypted: bool
    is_writing: bool
    """A backup is being taken."""
    backups: tuple[PhysicalBackup, ...]


def read_info(text: str, name: str) -> Stanza:
    """Return the stanza of this name; a missing one where pgBackRest knows of none.

    Raises:
        UnknownInfo: it cannot be read.

    >>> read_info("[]", "main").is_missing
    True
    """
    try:
        found = [each for each in json.loads(text) if each["name"] == name]
        return _build_stanza(found[0]) if found else _build_missing(name)
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise UnknownInfo(f"{type(error).__name__}: {error}") from error


def _build_missing(name: str) -> Stanza:
    return Stanza(
        name=name,
        is_missing=True,
        message="missing stanza",
        system_ids=frozenset(),
        is_encrypted=False,
        is_writing=False,
        backups=(),
    )


def _build_stanza(given: dict[str, Any]) -> Stanza:
    status = given["status"]
    databases = {(each["repo-key"], each["id"]): each for each in given["db"]}
    backups = [_build_backup(each, databases) for each in given["backup"]]
    return Stanza(
        name=given["name"],
        is_missing=status["code"] in MISSING_STATUS,
        message=status["message"],
        system_ids=frozenset(each["system-id"] for each in given["db"]),
        is_encrypted=given["cipher"] != "none",
        is_writing=status.get("lock", {}).get("backup", {}).get("held", False),
        backups=tuple(
            sorted(
                backups, key=lambda each: (each.stopped_at, each.label), reverse=True
            )
        ),
    )


def _build_backup(
    given: dict[str, Any], databases: dict[tuple[int, int], dict[str, Any]]
) -> PhysicalBackup:
    repository = given["database"]["repo-key"]
    database = databases[repository, given["database"]["id"]]
    sizes = given["info"]
    return PhysicalBackup(
        label=given["label"],
        kind=given["type"],
        repository=repository,
        started_at=datetime.fromtimestamp(given["timestamp"]["start"], UTC),
        stopped_at=datetime.fromtimestamp(given["timestamp"]["stop"], UTC),
        size_bytes=sizes["repository"]["delta"],
        server_size_bytes=sizes["size"],
        needs=tuple(given["reference"] or ()),
        wal=_build_wal(given),
        has_page_errors=bool(given.get("error")),
        version=given["backrest"]["version"],
        server_major=int(str(database["version"]).partition(".")[0]),
        archive_id=f"{database['version']}-{database['id']}",
        annotations=given.get("annotation") or {},
    )


def _build_wal(given: dict[str, Any]) -> Wal | None:
    """None where it was taken of a stopped server."""
    segments, positions = given.get("archive") or {}, given.get("lsn") or {}
    if not segments.get("start") or not positions.get("start"):
        return None
    return Wal(
        start=segments["start"],
        stop=segments["stop"],
        start_lsn=positions["start"],
        stop_lsn=positions["stop"],
    )
