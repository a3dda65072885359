"""The manifest: what is written is read, and what was touched is noticed."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from dbops.core.manifest import (
    DamagedManifest,
    Manifest,
    StoredFile,
    TableRows,
    Verification,
    read_manifest,
    write_manifest,
)
from dbops.core.migration import MigrationId

MANIFEST = Manifest(
    backup_id="20261123T063000Z-ab12cd",
    database='My "app"',
    taken_at=datetime(2026, 11, 23, 6, 30, 0, 123456, tzinfo=UTC),
    duration_s=1.25,
    server_version="18.4",
    server_version_num=180004,
    dbops_version="0.1.0",
    pg_dump_version="18.4",
    verifications=(
        Verification(
            level="contents",
            at=datetime(2026, 11, 23, 6, 31, tzinfo=UTC),
            problems=(),
        ),
    ),
    encrypted=False,
    fingerprint="f" * 64,
    encoding="UTF8",
    collation="C.UTF-8",
    character_type="C.UTF-8",
    locale_provider="c",
    locale=None,
    migrations=(MigrationId("shop", "0001_initial"),),
    tables=(TableRows(name='"Grüße"', rows=3),),
    database_size_bytes=1000,
    size_bytes=10,
    files=(
        StoredFile(
            path="data/000000.zst",
            size_bytes=10,
            sha256="0" * 64,
            table='"Grüße"',
        ),
    ),
)


def test_reads_what_it_wrote() -> None:
    assert read_manifest(write_manifest(MANIFEST)) == MANIFEST


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('"rows": 3', '"rows": 4'),
        ('"shop"', '"shoq"'),
        ("Grüße", "Grüsse"),
        ('"locale": null', '"locale": "de"'),
        ("1.25", "1.26"),
    ],
)
def test_notices_an_edit(before: str, after: str) -> None:
    text = write_manifest(MANIFEST)
    assert before in text
    with pytest.raises(DamagedManifest, match="changed after it was written"):
        read_manifest(text.replace(before, after))


def test_notices_an_added_field() -> None:
    contents = json.loads(write_manifest(MANIFEST))
    with pytest.raises(DamagedManifest, match="changed after it was written"):
        read_manifest(json.dumps(contents | {"note": "harmless"}))


@pytest.mark.parametrize("end", [0, 1, 100, -3])
def test_notices_a_manifest_that_was_cut_off(end: int) -> None:
    with pytest.raises(DamagedManifest, match="cannot be read"):
        read_manifest(write_manifest(MANIFEST)[:end])


@pytest.mark.parametrize("text", ["[]", "null", "3", '{"checksum": "x"}', "{}"])
def test_refuses_json_that_is_no_manifest(text: str) -> None:
    with pytest.raises(DamagedManifest, match="cannot be read"):
        read_manifest(text)


def test_names_the_version_it_does_not_know() -> None:
    text = write_manifest(MANIFEST).replace(
        '"format_version": 2', '"format_version": 9'
    )
    with pytest.raises(DamagedManifest, match="format version 9") as caught:
        read_manifest(text)
    assert caught.value.hint is not None
    assert caught.value.exit_code == 4


@pytest.mark.parametrize(
    ("looks", "verified"),
    [
        ("", "none"),
        ("checksum", "checksum"),
        ("contents checksum", "contents"),
        ("contents restored checksum", "restored"),
        ("contents checksum!", "damaged"),
        ("contents checksum! checksum", "contents"),
        ("contents restored! contents", "damaged"),
        ("contents restored! contents restored", "restored"),
        ("checksum! contents!  contents", "contents"),
        ("contents! checksum", "damaged"),
        ("restored! restored checksum!", "damaged"),
    ],
)
def test_counts_as_what_was_reached_unless_it_no_longer_is(
    looks: str, verified: str
) -> None:
    at = MANIFEST.taken_at
    verifications = tuple(
        Verification(
            level=each.rstrip("!"), at=at, problems=("bad",) if each[-1] == "!" else ()
        )
        for each in looks.split()
    )
    assert replace(MANIFEST, verifications=verifications).verified == verified


@pytest.mark.parametrize(
    ("version", "major"), [("15.18", 15), ("18beta1", 18), ("9.6", 9), ("19devel", 19)]
)
def test_knows_the_major_version_of_pg_dump(version: str, major: int) -> None:
    contents = {name: getattr(MANIFEST, name) for name in Manifest.__slots__}
    assert Manifest(**contents | {"pg_dump_version": version}).pg_dump_major == major
