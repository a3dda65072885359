"""Backups by the real pgBackRest, of a real server that archives its WAL."""

from __future__ import annotations

import os
import secrets
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.databases import connect
from tests.lab import THING, Lab, open_lab
from tests.processes import wait_until
from tests.repositories import STANZA, Archived, make_archived

COLUMN = 'migrations.AddField("Thing", "note", models.TextField(default="")),\n'


@contextmanager
def short_directory() -> Iterator[Path]:
    """A directory that the server's user may enter; pytest's own it may not."""
    place = Path(
        tempfile.mkdtemp(prefix="dbops-", dir=os.environ.get("PYTEST_DEBUG_TEMPROOT"))
    )
    place.chmod(0o755)
    yield place
    shutil.rmtree(place)


@pytest.fixture(scope="module")
def archived() -> Iterator[Archived]:
    """A server with one full backup."""
    with short_directory() as place, make_archived(place) as archived:
        archived.run("backup", "--type=full")
        yield archived


@contextmanager
def open_archived_lab(directory: Path, archived: Archived) -> Iterator[Lab]:
    name = f"Lab {secrets.token_hex(4)} a=b'c"
    quoted = name.replace("'", "''") and f'"{name}"'
    archived.cluster.execute(f"CREATE DATABASE {quoted}")
    target = archived.cluster.build_target(dbname=name)
    with open_lab(directory, target) as lab:
        lab.settings |= archived.settings
        lab.write_migration("0001_initial", THING, down="")
        yield lab
    archived.cluster.execute(f"DROP DATABASE IF EXISTS {quoted} WITH (FORCE)")


@pytest.fixture
def lab(tmp_path: Path, archived: Archived, django_db_blocker: Any) -> Iterator[Lab]:
    with django_db_blocker.unblock(), open_archived_lab(tmp_path, archived) as lab:
        yield lab


def test_takes_lists_shows_and_verifies(lab: Lab, archived: Archived) -> None:
    lab.run("migrate")
    taken = lab.run("dbops_backup", "--json")
    print(taken)
    print(lab.run("dbops_backup", "--type", "diff"))
    print(lab.run("dbops_backups").out)
    print(lab.run("dbops_backups", "show", "latest"))
    print(lab.run("dbops_backups", "verify", "latest"))
    print(lab.run("dbops_backups", "verify", "latest", "--level", "restored"))
    print(lab.run("dbops_backups", "check"))
    print(lab.run("dbops_deploy"))
    print(lab.run("dbops_backups", "show", "latest"))
    print(lab.run("dbops_backups", "prune", "--keep-last", "1"))
    print(lab.run("dbops_restore", "latest"))
    assert 0
