"""Which process is the server of a data directory, and does it live."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

PROCESSES = Path("/proc")


def read_postmaster_pid(data: Path) -> int | None:
    """Return the process id in `postmaster.pid`; None without one."""
    return read_lock_file(data / "postmaster.pid")


def read_lock_file(path: Path) -> int | None:
    """Return the process id in a lock file of PostgreSQL's; None without one.

    A file that a crash left empty or cut off counts as none. Its number is negative
    where a single-user postgres holds it.
    """
    try:
        return abs(int(path.read_text(errors="replace").split("\n", 1)[0])) or None
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None


def is_postmaster(pid: int | None, data: Path) -> bool:
    """Tell whether the process lives and serves this data directory.

    PostgreSQL itself only asks whether any process has the number. That takes for a
    server what is left of a killed one until its parent looks after it (in a container
    nobody may), and whatever got the number after a restart of the machine.
    """
    if pid is None or not is_alive(pid):
        return False
    command = _read_command(pid).replace(b"\0", b" ") + b" "
    return b" -D " + os.fsencode(data) + b" " in command or _works_in(pid, data)


def is_alive(pid: int) -> bool:
    """Tell whether the process exists and has not ended."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # It exists, and is another user's.
    return _read_state(pid) not in ("Z", "X")


def _works_in(pid: int, data: Path) -> bool:
    """Tell whether it is at home there, also when the directory has been moved."""
    try:
        return (PROCESSES / str(pid) / "cwd").samefile(data)
    except OSError:
        return False


def _read_state(pid: int) -> str:
    if not _has_processes():
        return _ask_ps(pid, "stat=").decode()[:1] or "X"
    try:
        # pid (name) state ...: the name may hold blanks and brackets.
        text = (PROCESSES / str(pid) / "stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return "X"
    return text.rpartition(b")")[2].split()[0].decode()


def _read_command(pid: int) -> bytes:
    if not _has_processes():
        return _ask_ps(pid, "command=")
    try:
        return (PROCESSES / str(pid) / "cmdline").read_bytes()
    except OSError:
        return b""


def _has_processes() -> bool:
    return (PROCESSES / "self" / "stat").exists()


def _ask_ps(pid: int, column: str) -> bytes:
    return subprocess.run(
        ["ps", "-ww", "-o", column, "-p", str(pid)], check=False, capture_output=True
    ).stdout.strip()
