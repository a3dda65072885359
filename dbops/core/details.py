"""The details of a backup: schema and checksums, for those who may read its rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from dbops.core.catalog import Catalog, read_catalog, write_catalog
from dbops.core.manifest import DamagedManifest, TableContents


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """What is needed to restore a backup, and to prove that it was."""

    catalog: Catalog
    tables: tuple[TableContents, ...]


def write_details(catalog: Catalog, tables: Sequence[TableContents]) -> bytes:
    """Return the details as JSON."""
    contents = {
        "catalog": json.loads(write_catalog(catalog)),
        "tables": [asdict(each) for each in tables],
    }
    return json.dumps(contents, ensure_ascii=False).encode()


def read_details(data: bytes) -> Details:
    """Return the details that `write_details` wrote.

    Raises:
        DamagedManifest: it did not.
    """
    try:
        contents = json.loads(data)
        return Details(
            catalog=read_catalog(json.dumps(contents["catalog"])),
            tables=tuple(
                TableContents(**{**each, "columns": tuple(each["columns"])})
                for each in contents["tables"]
            ),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedManifest(f"the details cannot be read: {error!r}") from error
