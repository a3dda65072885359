"""Throw-away PostgreSQL servers whose WAL goes to a real pgBackRest's repository."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dbops.postgres.run_as import find_prefix
from tests.clusters import Cluster, Programs, give_to, list_programs, make_cluster

STANZA = "main"
MAJOR = 15
"""Debian 12's pgBackRest knows no newer server."""
LIMIT_S = 120
CONFIGURATION = """\
[global]
repo1-path={place}/repo
repo1-retention-full=2
log-path={place}/log
lock-path={place}/lock
spool-path={place}/spool
log-level-file=off
compress-type=none
start-fast=y
process-max=2

[{stanza}]
pg1-path={data}
pg1-socket-path={directory}
pg1-port={port}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Archived:
    """A server, and the repository that has its WAL and its backups."""

    cluster: Cluster
    place: Path
    """With the repository and pgBackRest's configuration."""
    command: tuple[str, ...]

    @property
    def repository(self) -> Path:
        """The directory of the repository."""
        return self.place / "repo"

    @property
    def config(self) -> Path:
        """pgBackRest's configuration."""
        return self.place / "pgbackrest.conf"

    @property
    def archive_command(self) -> str:
        """What the server has to run for each segment of its WAL."""
        program = self.command[-1]
        return f"{program} --config={self.config} --stanza={STANZA} archive-push %p"

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of dbops for it."""
        return {
            "BACKUP_ENGINE": "pgbackrest",
            "PGBACKREST_STANZA": STANZA,
            "PGBACKREST_CONFIG": str(self.config),
            "PGBACKREST_COMMAND": self.command,
        }

    def build(self, verb: str, *options: str) -> list[str]:
        """Return the words of a command."""
        words = (f"--config={self.config}", f"--stanza={STANZA}")
        return [*self.command, *words, *options, verb]

    def run(self, verb: str, *options: str) -> str:
        """Run pgBackRest to its end."""
        done = subprocess.run(
            self.build(verb, *options),
            cwd="/",
            check=False,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def fetch_info(self) -> Any:
        """Return what pgBackRest says of the stanza."""
        (stanza,) = json.loads(self.run("info", "--output=json"))
        return stanza

    def list_labels(self) -> list[str]:
        """Return the labels of the backups, the oldest first."""
        return [each["label"] for each in self.fetch_info()["backup"]]

    def archive_with(self, command: str) -> None:
        """Have the server archive its WAL by another command."""
        self.cluster.execute(
            f"ALTER SYSTEM SET archive_command = '{command}'",
            "SELECT pg_reload_conf()",
        )


def find_archivable_programs() -> Programs:
    """Return a server that the installed pgBackRest knows, else skip the test."""
    if shutil.which("pgbackrest") is None:
        pytest.skip("no pgBackRest: apt-get install pgbackrest")
    for each in list_programs():
        if each.major == MAJOR:
            return each
    pytest.skip(f"no PostgreSQL {MAJOR}: apt-get install postgresql-{MAJOR}")


@contextmanager
def make_archived(place: Path) -> Iterator[Archived]:
    """Make a server and a stanza for it; `place` is an empty directory of ours."""
    programs = find_archivable_programs()
    with make_cluster(programs, archive_mode="on") as cluster:
        archived = Archived(
            cluster=cluster, place=place, command=_find_command(cluster)
        )
        _write_configuration(archived)
        archived.archive_with(archived.archive_command)
        archived.run("stanza-create")
        yield archived


def _find_command(cluster: Cluster) -> tuple[str, ...]:
    program = shutil.which("pgbackrest")
    assert program is not None
    if cluster.account is None:
        return (program,)
    postgres = cluster.programs.directory / "postgres"
    prefix = find_prefix(cluster.account, program=postgres, directory=cluster.directory)
    return (*prefix, program)


def _write_configuration(archived: Archived) -> None:
    text = CONFIGURATION.format(
        place=archived.place,
        stanza=STANZA,
        data=archived.cluster.data,
        directory=archived.cluster.directory,
        port=archived.cluster.port,
    )
    archived.config.write_text(text)
    for name in ("repo", "log", "lock", "spool"):
        (archived.place / name).mkdir()
        give_to(archived.cluster.account, archived.place / name)
    give_to(archived.cluster.account, archived.config)
    give_to(archived.cluster.account, archived.place)
    assert os.access(archived.config, os.R_OK)
