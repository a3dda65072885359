"""Whatever happens to the files of a backup is found, and the file is named."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

from dbops.core.manifest import Manifest
from dbops.core.target import Target
from dbops.operations.backup.backup import take_backup
from dbops.operations.backup.reading import (
    Backup,
    find_damaged_files,
    find_false_contents,
)
from dbops.operations.backup.sealing import Seal
from dbops.operations.storage import open_vault, read_stored_manifest
from dbops.postgres.tools import ClientTools

NUMBER = 200
Spoil = Callable[[bytes, random.Random], bytes]


def flip(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :]


def cut(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data))]


def repeat(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data))
    return data[:at] + data[at : at + 1 + chance.randrange(64)] + data[at:]


def blank(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data))
    # A block of nothing is what a lost page of a disk looks like.
    return data[:at] + b"\0" * 4096 + data[at + 4096 :]


def read(location: Path, manifest: Manifest, spoilt: dict[str, bytes]) -> Backup:
    return Backup(
        files=manifest.files,
        read=lambda path: spoilt.get(path) or (location / path).read_bytes(),
        seal=Seal(),
    )


def test_200_corruptions_at_random_places_are_200_found(
    filled: Target, storage: str, tools: ClientTools
) -> None:
    report = take_backup(filled, storage=storage)
    location = Path(report.location)
    vault = open_vault(storage, filled.database)
    manifest = read_stored_manifest(vault, report.backup_id)
    assert find_damaged_files(read(location, manifest, {}), jobs=2) == []
    assert find_false_contents(read(location, manifest, {}), tools, jobs=2) == []
    chance = random.Random(20261123)
    for _ in range(NUMBER):
        file = chance.choice(manifest.files)
        data = (location / file.path).read_bytes()
        spoilt = chance.choice([flip, cut, repeat, blank])(data, chance)
        if spoilt == data:
            continue
        backup = read(location, manifest, {file.path: spoilt or b"\0"})
        (problem,) = find_damaged_files(backup, jobs=1)
        assert f'"{file.path}"' in problem
