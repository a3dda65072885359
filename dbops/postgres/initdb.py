"""Make and delete the data directory of an embedded server."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from dbops.errors import ToolFailed
from dbops.postgres.embedded_server import USER, EmbeddedServer
from dbops.postgres.run_as import Account, find_prefix, is_root

INITDB_OPTIONS = (
    f"--username={USER}",
    "--auth=trust",
    "--encoding=UTF8",
    "--locale=C",
    "--no-sync",
    "--no-instructions",
)
LOCALE_OPTIONS = {
    # The same order and the same upper and lower case on every system; PostgreSQL 16
    # has no locale of its own but C.
    18: ("--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
    16: (),
}


def make_data_directory(
    server: EmbeddedServer, programs: Path, account: Account | None
) -> None:
    """Make the data directory, whole or not at all.

    It comes into being under a name that is new each time: an initdb whose parent was
    killed may still be writing to the last one.

    Raises:
        ToolFailed: initdb failed.
    """
    _remove_unfinished(server)
    staging = Path(tempfile.mkdtemp(**_stage(server)))
    give(staging, account)
    program = programs / "initdb"
    prefix = find_prefix(account, program=program, directory=staging) if account else ()
    run = subprocess.run(
        [
            *prefix,
            program,
            f"--pgdata={staging}",
            *INITDB_OPTIONS,
            *LOCALE_OPTIONS[server.version],
        ],
        cwd="/",
        env=build_environment(),
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    if run.returncode:
        _remove_unfinished(server)
        said = "; ".join(run.stdout.strip().splitlines()[-3:])
        raise ToolFailed(
            f'initdb could not make "{server.data}": {said}',
            hint="settle what it names, or set DATABASE_URL",
        )
    staging.rename(server.data)


def delete_data(server: EmbeddedServer) -> None:
    """Delete the data directory of a stopped server, and half-made ones."""
    if server.data.exists():
        # Renamed first: what a kill leaves of it is never taken for a data directory.
        server.data.rename(tempfile.mkdtemp(**_stage(server)))
    shutil.rmtree(server.socket_directory, ignore_errors=True)
    _remove_unfinished(server)


def build_environment() -> dict[str, str]:
    """Return ours, without PGDATA and its kind, and with a locale that exists."""
    kept = {key: value for key, value in os.environ.items() if key[:2] != "PG"}
    return {**kept, "LC_ALL": "C"}


def give(path: Path, account: Account | None) -> None:
    """Make it the account's, if there is one."""
    if account:
        os.chown(path, account.uid, account.gid, follow_symlinks=False)


def give_to_owner(server: EmbeddedServer, path: Path) -> None:
    """Let root's file be written by the directory's owner the next time."""
    if is_root():
        owner = server.directory.stat()
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def _stage(server: EmbeddedServer) -> dict[str, str]:
    return {"dir": str(server.directory), "prefix": f"{server.data.name}.new."}


def _remove_unfinished(server: EmbeddedServer) -> None:
    for path in server.directory.glob(f"{server.data.name}.new.*"):
        shutil.rmtree(path, ignore_errors=True)
