"""What pgBackRest 2.45 said on a real server, read; and what is said to it."""

from __future__ import annotations

import doctest
import shlex
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType

import pytest

from dbops.core import doctor_engine
from dbops.core.finding import Level
from dbops.core.manifest import Verification
from dbops.core.migration import MigrationId
from dbops.core.pgbackrest import command, info, notes, verify
from dbops.core.pgbackrest.command import (
    Moment,
    Repository,
    build_restore,
    choose_before,
    explain_failure,
)
from dbops.core.pgbackrest.info import PhysicalBackup, Stanza, UnknownInfo, read_info
from dbops.core.pgbackrest.notes import RestorePoint, SchemaNote
from dbops.errors import Busy, DbopsError, Refused, ToolFailed

RECORDED = (Path(__file__).parents[1] / "data/pgbackrest_info.json").read_text()
FULL, INCR = "20261123-163817F", "20261123-163817F_20261123-164001I"
OTHER = "20261123-164006F"
NOW = datetime(2026, 11, 23, 18, 0, tzinfo=UTC)
HERE = Repository(command=("pgbackrest",), stanza="main")

SOUND = """\
stanza: main
status: ok
  archiveId: 15-1, total WAL checked: 9, total valid WAL: 9
    missing: 0, checksum invalid: 0, size invalid: 0, other: 0
  backup: 20261123-163817F, status: valid, total files checked: 1262, total valid \
files: 1262
    missing: 0, checksum invalid: 0, size invalid: 0, other: 0
  backup: 20261123-163817F_20261123-164001I, status: valid, total files checked: \
1262, total valid files: 1262
    missing: 0, checksum invalid: 0, size invalid: 0, other: 0
"""
DAMAGED_FILE = SOUND.replace("status: valid", "status: invalid").replace(
    "files: 1262\n    missing: 0, checksum invalid: 0",
    "files: 1261\n    missing: 0, checksum invalid: 1",
)
NAMED_FILE = f"INFO: invalid checksum '{FULL}/pg_data/base/5/112.gz'"
DAMAGED_WAL = SOUND.replace("total valid WAL: 9", "total valid WAL: 8")
NAMED_WAL = (
    "INFO: invalid result 15-1/0000000100000000/{}-"
    "13e26a003f43ce515a5b3a05492b2c41eb16e70f.gz: [29] raised from local-1 protocol: "
    "zlib threw error: [-3] data error"
)


@pytest.fixture
def stanza() -> Stanza:
    return read_info(RECORDED, "main")


def get(stanza: Stanza, label: str) -> PhysicalBackup:
    (found,) = (each for each in stanza.backups if each.label == label)
    return found


@pytest.mark.parametrize("module", [info, notes, verify, command, doctor_engine])
def test_doctests(module: ModuleType) -> None:
    assert doctest.testmod(module).failed == 0


def test_reads_what_a_real_one_says(stanza: Stanza) -> None:
    assert (stanza.is_missing, stanza.is_encrypted, stanza.is_writing) == ((False,) * 3)
    assert stanza.system_ids == {7711407167022065410}
    assert stanza.backups[-1].label == FULL
    assert list(stanza.backups) == sorted(
        stanza.backups, key=lambda each: each.stopped_at, reverse=True
    )
    full, incr = get(stanza, FULL), get(stanza, INCR)
    assert (full.kind, full.needs, full.server_major) == ("full", (), 15)
    assert (full.size_bytes, full.server_size_bytes) == (4052679, 30464195)
    assert full.duration_s == 5
    assert (incr.kind, incr.needs[0], incr.archive_id) == ("incr", FULL, "15-1")
    assert incr.size_bytes < incr.server_size_bytes


@pytest.mark.parametrize("text", ["", "{}", '[{"name": "main"}]', "[1]"])
def test_says_that_it_does_not_know_the_answer(text: str) -> None:
    if text == "{}":
        assert read_info(text, "main").is_missing
        return
    with pytest.raises(UnknownInfo):
        read_info(text, "main")


def test_knows_a_stanza_that_was_not_created() -> None:
    text = """[{"archive":[],"backup":[],"cipher":"none","db":[],"name":"main",
      "repo":[{"cipher":"none","key":1,"status":{"code":1,"message":"missing stanza
      path"}}],"status":{"code":1,"lock":{"backup":{"held":false}},
      "message":"missing stanza path"}}]"""
    found = read_info(text.replace("\n      ", " "), "main")
    assert (found.is_missing, found.message) == (True, "missing stanza path")


# What verify says


def test_finds_nothing_in_what_is_sound(stanza: Stanza) -> None:
    assert verify.find_damage(SOUND.splitlines(), get(stanza, FULL)) == ()


def test_names_the_file_also_of_a_backup_that_needs_it(stanza: Stanza) -> None:
    told = [*DAMAGED_FILE.splitlines(), NAMED_FILE, NAMED_FILE]
    for label in (FULL, INCR):
        assert verify.find_damage(told, get(stanza, label)) == (
            f'invalid checksum "{FULL}/pg_data/base/5/112.gz"',
        )
    assert verify.find_damage(DAMAGED_FILE.splitlines(), get(stanza, FULL)) == (
        "checksum invalid: 1 file",
    )


def test_damaged_wal_counts_where_the_backup_needs_it(stanza: Stanza) -> None:
    full = get(stanza, FULL)
    for segment, count in (("B", 1), ("A", 0)):
        name = f"{segment:0>24}".replace("00000000", "00000001", 1)
        told = [*DAMAGED_WAL.splitlines(), NAMED_WAL.format(name)]
        found = verify.find_damage(told, full)
        assert len(found) == count
        assert all("invalid result" in each and name in each for each in found)
    assert verify.find_damage(DAMAGED_WAL.splitlines(), full) == (
        "of its WAL 1 segments are damaged",
    )


def test_refuses_an_answer_without_the_backup(stanza: Stanza) -> None:
    with pytest.raises(ValueError, match=OTHER):
        verify.find_damage(SOUND.splitlines(), get(stanza, OTHER))


def test_finds_missing_segments_and_the_first_gap(stanza: Stanza) -> None:
    backup = get(stanza, FULL)
    suffix = "-d40219388278a83db04c1541ceac6eca9473a7a9.gz"
    names = [
        f"0000000100000000/0000000100000000000000{number:02X}{suffix}"
        for number in range(0x0B, 0x14)
    ]
    assert verify.find_missing_segments(names, backup) == ()
    assert verify.find_gap(names, backup) is None
    assert verify.find_missing_segments(names[1:], backup) == (
        "00000001000000000000000B",
    )
    assert verify.find_gap(names[:3] + names[4:], backup) == (
        "00000001000000000000000E"
    )
    # Another timeline begins where this one ended.
    other = f"0000000200000000/000000020000000000000099{suffix}"
    assert verify.find_gap([*names, other], backup) is None
    assert verify.find_gap(names, replace(backup, wal=None)) is None


# What is noted


def test_what_is_noted_comes_back(stanza: Stanza) -> None:
    backup = get(stanza, FULL)
    note = SchemaNote(
        database="My app, a=b'c ü",
        fingerprint="ab12",
        migrations=(MigrationId("app", "0001_initial"), MigrationId("ä", "0002_b")),
    )
    point = RestorePoint(
        name=notes.build_point_name("6f1c0f2e-7b1a-4c39-9d5e-0c8f3a2b1d4e"),
        lsn="0/1853D98",
        timeline=2,
        made_at=NOW,
    )
    good = Verification(level="checksum", at=NOW, problems=())
    bad = Verification(level="restored", at=NOW, problems=("a, b = c", 'file "x"'))
    noted = replace(
        backup,
        annotations={
            **notes.write_schema_note(note),
            **notes.write_point(point),
            **notes.write_look(good),
            **notes.write_look(bad),
            "somebody-elses": "x",
        },
    )
    assert all(each.isascii() for each in noted.annotations.values())
    assert notes.read_schema_note(noted, note.database) == note
    assert notes.read_schema_note(noted, "other") is None
    assert notes.find_point([backup, noted], point.name) == (noted, point)
    assert notes.read_looks(noted.annotations) == (good, bad)
    assert notes.judge_backup(noted) == "damaged"
    assert notes.list_problems(noted) == bad.problems


def test_pages_with_wrong_checksums_are_damage(stanza: Stanza) -> None:
    backup = replace(get(stanza, FULL), has_page_errors=True, annotations={})
    assert notes.judge_backup(backup) == "damaged"
    assert notes.list_problems(backup) == (
        "pages had wrong checksums when it was taken",
    )


def test_what_was_annotated_by_hand_is_no_proof(stanza: Stanza) -> None:
    given = {"dbops-look-restored": "yes", "dbops-look-splendid": "2026-01-01,"}
    backup = replace(get(stanza, FULL), annotations=given)
    assert notes.judge_backup(backup) == "damaged"
    name = notes.build_point_name("6f1c0f2e-7b1a-4c39-9d5e-0c8f3a2b1d4e")
    assert notes.read_points({name: "soon"}) == ()


# Commands


def test_a_command_through_ssh_is_quoted_for_the_shell_there() -> None:
    words = ("ssh", "db1", "sudo", "-u", "postgres", "pgbackrest")
    there = Repository(command=words, stanza="main", config="/etc/a b.conf")
    built = there.build("annotate", "--annotation=a=b c'd")
    assert built[: len(words)] == list(words)
    assert shlex.split(" ".join(built[len(words) :])) == [
        "--config=/etc/a b.conf",
        "--stanza=main",
        "--annotation=a=b c'd",
        "annotate",
    ]
    assert (there.is_remote, there.prefix) == (True, None)
    here = replace(there, command=("sudo", "-u", "postgres", "/usr/bin/pgbackrest"))
    assert here.prefix == ("sudo", "-u", "postgres")
    assert replace(there, command=("my-wrapper",)).prefix is None


def test_the_way_back_names_backup_point_and_timeline() -> None:
    moment = Moment(point="dbops-1", timeline=3)
    assert build_restore(HERE, FULL, moment) == (
        f"pgbackrest --stanza=main --delta --set={FULL} --type=name --target=dbops-1 "
        "--target-timeline=3 --target-action=promote restore"
    )
    assert "--type=immediate" in build_restore(HERE, FULL, Moment())


def test_a_time_is_reached_from_the_backup_before_it(stanza: Stanza) -> None:
    full = get(stanza, FULL)
    just_after = full.stopped_at + timedelta(microseconds=1)
    assert choose_before(stanza.backups, just_after) == full
    assert choose_before(stanza.backups, full.stopped_at) is None
    assert Moment(time=just_after).options[1].endswith("16:38:22.000001+00")


@pytest.mark.parametrize(
    ("code", "said", "kind", "message", "hint"),
    [
        (
            50,
            (
                "ERROR: [050]: unable to acquire lock on file '/tmp/main-backup.lock': "
                "Resource temporarily unavailable\n"
                "HINT: is another pgBackRest process running?"
            ),
            Busy,
            'another pgBackRest is at work on stanza "main"',
            "pgbackrest --stanza=main info",
        ),
        (
            55,
            (
                "ERROR: [055]: unable to load info file '/r/info' or '/r/copy':\n"
                "FileMissingError: unable to open missing file '/r/info' for read\n"
                "HINT: has a stanza-create been performed?"
            ),
            Refused,
            'pgBackRest has nothing of stanza "main": unable to load info file',
            "pgbackrest --stanza=main stanza-create",
        ),
        (
            37,
            (
                "ERROR: [037]: backup command requires option: pg1-path\n"
                "HINT: does this stanza exist?"
            ),
            Refused,
            'does not describe stanza "main": backup command requires option: pg1',
            "write [main] with pg1-path",
        ),
        (
            87,
            "ERROR: [087]: archive_mode must be enabled",
            Refused,
            "archive_mode is off",
            "archive_command = 'pgbackrest --stanza=main archive-push %p'",
        ),
        (
            62,
            "ERROR: [062]: stop file exists for stanza main",
            Refused,
            'somebody has stopped pgBackRest for stanza "main"',
            "pgbackrest --stanza=main start",
        ),
        (
            64,
            (
                "ERROR: [064]: raised from local-1 protocol: unable to write "
                "'/r/pg_data/base/4/1249.gz'\n[FileWriteError] on retry after 0ms"
            ),
            ToolFailed,
            "cannot write to its repository: raised from local-1 protocol",
            "look whether the repository is full",
        ),
        (
            28,
            (
                "ERROR: [028]: backup info files do not match the database\n"
                "HINT: is this the correct stanza?"
            ),
            Refused,
            'stanza "main" belongs to another server or version',
            "stanza-upgrade",
        ),
        (
            255,
            "ssh: connect to host db1 port 22: Connection refused",
            ToolFailed,
            "exit code 255: ssh: connect to host db1 port 22: Connection refused",
            "PGBACKREST_COMMAND",
        ),
        # The code of something else in between.
        (50, "sudo: no tty", ToolFailed, "exit code 50: sudo: no tty", "put right"),
    ],
)
def test_says_what_an_error_means(
    code: int, said: str, kind: type[DbopsError], message: str, hint: str
) -> None:
    error = explain_failure(HERE, "backup", code, said.splitlines())
    assert type(error) is kind
    assert message in error.message
    assert hint in (error.hint or "")
    assert "HINT" not in error.message


# When to change over

GB = 10**9


@pytest.mark.parametrize(
    ("size_bytes", "dump_s", "wal_a_day", "level"),
    [
        (10 * GB, None, None, None),
        (199 * GB, 3599, None, None),
        (200 * GB, None, None, Level.INFO),
        (80 * GB, 3600, None, Level.WARNING),
        (60 * GB, 900, 29 * GB, None),
        (60 * GB, 900, 30 * GB, Level.INFO),
        (49 * GB, 900, 500 * GB, None),
    ],
)
def test_says_when_pgbackrest_is_the_better_tool(
    size_bytes: int, dump_s: float | None, wal_a_day: int | None, level: Level | None
) -> None:
    dump = (
        doctor_engine.LastDump(duration_s=dump_s, database_size_bytes=size_bytes)
        if dump_s
        else None
    )
    rate = (
        doctor_engine.WalRate(wal_bytes=wal_a_day * 2, observed_s=2 * 86400)
        if wal_a_day
        else None
    )
    found = [*doctor_engine.judge_dump(size_bytes, dump, rate)]
    assert [each.level for each in found] == ([level] if level else [])


def test_tells_size_duration_and_rate_together() -> None:
    dump = doctor_engine.LastDump(duration_s=11160, database_size_bytes=410 * GB)
    rate = doctor_engine.WalRate(wal_bytes=25 * GB, observed_s=86400)
    (finding,) = doctor_engine.judge_dump(420 * GB, dump, rate)
    assert finding.message.startswith(
        "the database has 420.0 GB, the last dump, of 410.0 GB, took 3 h 6 min, the "
        "server writes 25.0 GB of WAL a day: pgBackRest is the better tool above "
    )
    short = doctor_engine.WalRate(wal_bytes=GB, observed_s=60)
    assert short.bytes_a_day is None
