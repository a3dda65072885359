"""A server of its own for restored files: private, short-lived, and nobody's primary.

It takes no part in archiving or replication, listens on a socket in a directory of its
own alone, and lets in only the user of the operating system that runs this.

Source: https://www.postgresql.org/docs/current/auth-username-maps.html
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg

from dbops.core.target import Target
from dbops.core.words import format_size
from dbops.errors import Refused, ToolFailed
from dbops.postgres.pgbackrest import find_program
from dbops.postgres.run_as import describe_user
from dbops.postgres.session import tell_error
from dbops.postgres.tools import ClientTools, find_directories, run_beside

SUPERUSER = "postgres"
PORT = 5432
RECOVERY_LIMIT_S = 6 * 3600.0
"""How long it may replay the WAL of a backup."""
POLL_S = 0.05
LAST_LINES = 5
PREFIX = "dbops-verify-"

SETTINGS = {
    # Nothing of the server it comes from may take effect: not its archive, not its
    # network, not its memory. Its ALTER SYSTEM settings are in the restored files.
    "listen_addresses": "",
    "port": str(PORT),
    "archive_mode": "off",
    "archive_command": "",
    "primary_conninfo": "",
    "primary_slot_name": "",
    "recovery_end_command": "",
    "archive_cleanup_command": "",
    "shared_preload_libraries": "",
    "session_preload_libraries": "",
    "local_preload_libraries": "",
    "ssl": "off",
    "logging_collector": "off",
    "log_destination": "stderr",
    "external_pid_file": "",
    "shared_buffers": "128MB",
    "huge_pages": "off",
    "max_prepared_transactions": "1000",
    "hot_standby": "off",
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "max_logical_replication_workers": "0",
    "cluster_name": "dbops-verify",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Throwaway:
    """Where a server of its own is restored to, and who runs it."""

    prefix: tuple[str, ...]
    """The words that run a program as the owner of the files."""
    directory: Path
    """Its owner's; `data` in it is the server's."""
    ours: Path
    """Our own: who is let in, and what the server says."""

    @property
    def sockets(self) -> Path:
        """Where the server listens."""
        return self.ours / "s"

    @property
    def data(self) -> Path:
        """The data directory; the restore makes it."""
        return self.directory / "data"

    @property
    def tablespaces(self) -> Path:
        """Where all tablespaces go, instead of where they were."""
        return self.directory / "tablespaces"

    def build_target(self, database: str, user: str = SUPERUSER) -> Target:
        """Return a database of it."""
        return Target(
            alias="restored",
            parameters={
                "host": str(self.sockets),
                "port": str(PORT),
                "user": user,
                "dbname": database,
            },
        )


@contextmanager
def make_throwaway(
    prefix: tuple[str, ...], *, needed_bytes: int
) -> Iterator[Throwaway]:
    """Make the directories for a restored server, and remove them after the block.

    They are made in the directory for temporary files (`TMPDIR`).

    Raises:
        Refused: there is no room, or no directory of that user's can be made.
    """
    root = Path(tempfile.gettempdir()).absolute()
    free_bytes = shutil.disk_usage(root).free
    if free_bytes < needed_bytes:
        raise Refused(
            f'the server would be restored below "{root}", which has '
            f"{format_size(free_bytes)} free, and it needs {format_size(needed_bytes)}",
            hint="name a larger disk in TMPDIR, or verify with --level checksum",
        )
    # Short, since a socket's path may have 100 bytes; its name is no secret.
    ours = Path(tempfile.mkdtemp(prefix=PREFIX, dir=_find_short_place(root)))
    directory = root / f"{PREFIX}{secrets.token_hex(6)}"
    place = Throwaway(prefix=prefix, directory=directory, ours=ours)
    try:
        place.sockets.mkdir()
        if prefix:
            # Another user makes the socket, and nobody takes it away.
            ours.chmod(0o755)
            place.sockets.chmod(0o1777)
        _run_as(prefix, "mkdir", "-m", "700", str(directory))
        try:
            yield place
        except BaseException:
            with suppress(Refused):  # The first error counts.
                _run_as(prefix, "rm", "-rf", str(directory))
            raise
        _run_as(prefix, "rm", "-rf", str(directory))
    finally:
        shutil.rmtree(ours, ignore_errors=True)


def _find_short_place(root: Path) -> Path:
    return Path("/tmp") if Path("/tmp").is_dir() else root  # noqa: S108  By mkdtemp.


def _run_as(prefix: Sequence[str], *words: str) -> None:
    done = subprocess.run(
        [*prefix, *words],
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Refused(
            f'"{" ".join([*prefix, words[0]])}" is not allowed here, and a server is '
            f"restored as pgBackRest's user: {done.stderr.strip()}",
            hint="run the command as that user, or verify with --level checksum",
        )


def find_server_tools(major: int, pg_bin: str = "") -> ClientTools:
    """Return the directory with the server programs of this version.

    Raises:
        Refused: they are not on this machine.
    """
    given = [Path(pg_bin).expanduser()] if pg_bin else []
    bare = Target(alias="restored", parameters={})
    for directory in [*given, *find_directories(bare)]:
        version = _find_version(directory / "postgres")
        if version and version.partition(".")[0] == str(major):
            # Beside a link there may be some of the programs only.
            home = (directory / "postgres").resolve().parent
            return ClientTools(directory=home, version=version, major=major)
    raise Refused(
        f"the backup is of PostgreSQL {major}, whose server programs are not on this "
        "machine",
        hint=f"sudo apt-get install postgresql-{major}, or name their directory in "
        'DBOPS["PG_BIN"], or verify with --level checksum',
    )


def _find_version(program: Path) -> str | None:
    if not os.access(program, os.X_OK):
        return None
    told = subprocess.run(
        [program, "--version"],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    hit = re.search(r"\(PostgreSQL\) (\d+\S*)", told.stdout)
    return hit[1] if hit else None


@contextmanager
def serve(
    place: Throwaway, tools: ClientTools, *, roles: Sequence[str]
) -> Iterator[None]:
    """Run the restored server within the block; it has come to a consistent state.

    Only the user that runs this is let in, as the superuser or one of the roles.

    Raises:
        ToolFailed: it did not start: the message has what it said.
    """
    settings = SETTINGS | _write_access(place, roles)
    options = [f"--{name}={value}" for name, value in settings.items()]
    words = [*place.prefix, str(tools.directory / "postgres"), "-D", str(place.data)]
    log = place.ours / "log"
    with run_beside(find_program(words[0]), [*words[1:], *options], log=log) as server:
        _wait(place, server, log)
        yield


def _write_access(place: Throwaway, roles: Sequence[str]) -> dict[str, str]:
    """Write who is let in; return the settings that say so, and where."""
    files = {
        "config_file": ("postgresql.conf", ""),
        "hba_file": ("pg_hba.conf", "local all all peer map=dbops\n"),
        "ident_file": (
            "pg_ident.conf",
            "".join(
                f'dbops "{describe_user(os.geteuid())}" "{role}"\n'
                for role in dict.fromkeys((SUPERUSER, *roles))
                if '"' not in role and "\n" not in role
            ),
        ),
    }
    for name, text in files.values():
        (place.ours / name).write_text(text)
        (place.ours / name).chmod(0o644)
    paths = {setting: str(place.ours / name) for setting, (name, _) in files.items()}
    return paths | {"unix_socket_directories": str(place.sockets)}


def _wait(place: Throwaway, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + RECOVERY_LIMIT_S
    while True:
        ended = server.poll() is not None
        try:
            psycopg.connect(**place.build_target("postgres").parameters).close()  # type: ignore[arg-type]
            return
        except psycopg.OperationalError as error:
            told = tell_error(error)
        if ended or time.monotonic() > deadline:
            said = log.read_text(errors="replace").strip().splitlines()
            raise ToolFailed(
                "the restored server does not start: "
                + ("; ".join(said[-LAST_LINES:]) or told),
                hint="restore another backup, or take a new one",
            )
        if "role" in told and "does not exist" in told:
            return  # It is there; which roles it has is another question.
        time.sleep(POLL_S)
