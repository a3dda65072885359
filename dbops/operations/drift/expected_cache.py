"""What the migrations build, kept in files between runs."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from dbops.core.catalog import Catalog, ObjectKind, read_catalog, write_catalog
from dbops.core.migration import MigrationId
from dbops.core.origins import Origins
from dbops.core.removals import Removal
from dbops.operations.drift.content_key import digest_file

MOST_ENTRIES = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """The schema of one set of migrations."""

    catalog: Catalog
    origins: Origins
    files: Mapping[str, str] = field(default_factory=dict)
    """Files that the migrations read while they ran, and the hash of each."""
    removals: Sequence[Removal] = ()
    """What the migrations have dropped, renamed and moved, in their order."""
    sameness: Mapping[str, bool] = field(default_factory=dict)
    """Whether two texts mean the same, by the pair's hash."""

    @property
    def is_current(self) -> bool:
        """Whether the files that the migrations read are as they were."""
        return all(
            digest_file(Path(path)) == digest for path, digest in self.files.items()
        )


def read_entry(directory: Path, key: str) -> Entry | None:
    """Return what is kept under the key; None when there is nothing that still holds.

    A file that cannot be read is as good as none.
    """
    try:
        document = json.loads(_get_path(directory, key).read_text(encoding="utf-8"))
        entry = Entry(
            catalog=read_catalog(document["catalog"]),
            origins={
                (ObjectKind(kind), name): MigrationId(app, migration)
                for kind, name, app, migration in document["origins"]
            },
            files=document["files"],
            removals=[
                Removal(migration=MigrationId(app, migration), statement=statement)
                for app, migration, statement in document["removals"]
            ],
            sameness=document["sameness"],
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return entry if entry.is_current else None


def write_entry(directory: Path, key: str, entry: Entry) -> None:
    """Keep it under the key; where that is not possible, do without."""
    document = {
        "catalog": write_catalog(entry.catalog),
        "origins": [[*key, *migration] for key, migration in entry.origins.items()],
        "files": dict(entry.files),
        "removals": [[*each.migration, each.statement] for each in entry.removals],
        "sameness": dict(entry.sameness),
    }
    path = _get_path(directory, key)
    draft = path.with_name(f"{key}.{secrets.token_hex(4)}.new")
    with suppress(OSError):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        # A body of a function may say more than everybody should read.
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(document, file, ensure_ascii=False, separators=(",", ":"))
        draft.replace(path)
        _forget_oldest(directory)


def _get_path(directory: Path, key: str) -> Path:
    return directory / f"expected-{key}.json"


def _forget_oldest(directory: Path) -> None:
    entries = sorted(
        directory.glob("expected-*.json"), key=lambda each: each.stat().st_mtime
    )
    for path in entries[:-MOST_ENTRIES]:
        path.unlink(missing_ok=True)
