"""The client tools: which pg_dump to take, and how to run it without a trace."""

from __future__ import annotations

import os
import re
import selectors
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from psycopg import pq

from dbops.core.target import Target
from dbops.errors import ToolFailed
from dbops.postgres import supervise
from dbops.postgres.session import Connection, build_environment
from dbops.postgres.wheel import find_wheel

NEEDED = ("pg_dump", "pg_restore")
VERSIONED_DIRECTORIES = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/opt/homebrew/opt/libpq/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/usr/local/opt/libpq/bin",
    "/home/linuxbrew/.linuxbrew/opt/postgresql@*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
)
SSL_MODES = frozenset({"require", "verify-ca", "verify-full"})
CHUNK_BYTES = 1 << 18
TAIL_LINES = 8
VERSION_TIMEOUT_S = 20

Starter = Callable[..., "subprocess.Popen[bytes]"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientTools:
    """One directory with pg_dump and pg_restore, both of one version."""

    directory: Path
    version: str
    major: int

    def __str__(self) -> str:
        """Return what to tell a person who asks which tools were taken."""
        return f"pg_dump {self.version} ({self.directory})"


def find_tools(
    target: Target,
    *,
    least_major: int,
    pg_bin: str = "",
    directories: Iterable[Path] | None = None,
) -> ClientTools:
    """Return the oldest client tools that are not older than `least_major`.

    Those in `pg_bin` come first whatever their version, as long as it is enough. Of
    the `directories` (default: all known places), the first of equals is taken.

    Raises:
        ToolFailed: there are none, or all are too old.
    """
    places = find_directories(target) if directories is None else directories
    preferred = _inspect_all([Path(pg_bin).expanduser()] if pg_bin else [])
    others = _inspect_all(_drop_repeated(places))
    fit = [
        found
        for found in preferred + sorted(others, key=lambda tools: tools.major)
        if found.major >= least_major
    ]
    if not fit:
        raise _build_missing(preferred + others, least_major)
    return fit[0]


def find_directories(target: Target) -> Iterator[Path]:
    """Yield where client tools may be, in the order in which they are preferred.

    Debian's wrappers on the PATH choose a version by rules of their own, so that the
    versioned directories behind them are taken instead. The wheel's tools are built
    without SSL, and left out where the target demands it.
    """
    for entry in os.get_exec_path():
        directory = Path(entry)
        if (directory / NEEDED[0]).resolve().name != "pg_wrapper":
            yield directory
    for pattern in VERSIONED_DIRECTORIES:
        yield from sorted(Path("/").glob(pattern.lstrip("/")))
    if not demands_ssl(target):
        yield from find_wheel_directories()


def find_wheel_directories() -> list[Path]:
    """Return where the wheel of the embedded server keeps its tools."""
    return [found for root in find_wheel() for found in sorted(root.glob("*/bin"))]


def demands_ssl(target: Target) -> bool:
    """Tell whether a connection without SSL is out of the question."""
    host = target.parameters.get("host") or target.parameters.get("hostaddr") or ""
    over_network = bool(host) and not host.startswith(("/", "@"))
    return over_network and target.parameters.get("sslmode") in SSL_MODES


def pin_target(target: Target, connection: Connection) -> Target:
    """Return the target as libpq has settled it: address, user, password and all.

    A client tool given this reaches the server that `connection` has reached, whether
    its parameters came from the settings, PG* variables, a service or a password file;
    and it does not fall back to plain text where `connection` is encrypted.
    """
    info = connection.info
    settled = {**info.get_parameters(), **target.parameters}
    settled |= {"host": info.host, "port": str(info.port), "password": info.password}
    if info.hostaddr and not info.host.startswith(("/", "@")):
        settled["hostaddr"] = info.hostaddr
        if (
            connection.pgconn.ssl_in_use
            and not ip_address(info.hostaddr).is_loopback
            and settled.get("sslmode") not in SSL_MODES
        ):
            settled["sslmode"] = "require"
    # Text in an archive stays in the database's own encoding.
    unwanted = {"client_encoding", "application_name", "service", "passfile"}
    return replace(
        target,
        parameters={
            key: value
            for key, value in settled.items()
            if value and key not in unwanted
        },
    )


def run_tool(
    program: Path,
    arguments: Sequence[str],
    *,
    target: Target | None = None,
    on_line: Callable[[str], None] | None = None,
    on_output: Callable[[bytes], None] | None = None,
    start: Starter = subprocess.Popen,
) -> None:
    """Run a client tool to its end, with both its pipes read as they fill.

    `on_line` gets each line of stderr, `on_output` each chunk of stdout. The tool and
    its children end with this process, whatever ends it, and when a callback raises.

    Raises:
        ToolFailed: it did not exit with 0; the message has its last words.
    """
    tail: deque[str] = deque(maxlen=TAIL_LINES)

    def keep(line: str) -> None:
        tail.append(line)
        if on_line:
            on_line(line)

    code = run_to_end(
        program,
        arguments,
        target=target,
        on_line=keep,
        on_output=on_output,
        start=start,
    )
    if code:
        raise _build_failure(program.name, code, scrub(_pick_words(tail), target))


def run_to_end(
    program: Path,
    arguments: Sequence[str],
    *,
    target: Target | None = None,
    on_line: Callable[[str], None],
    on_output: Callable[[bytes], None] | None = None,
    start: Starter = subprocess.Popen,
) -> int:
    """Run a program as `run_tool` does, and return its exit code."""
    process = _start(program, arguments, target, start)
    try:
        _drain(process, _split_lines(on_line), on_output or (lambda _chunk: None))
        return process.wait()
    except BaseException:
        _end(process)
        raise
    finally:
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe:
                pipe.close()


@contextmanager
def run_beside(
    program: Path, arguments: Sequence[str], *, log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program for the length of the block, and end it then; `log` has its words.

    It ends with this process, whatever ends that.
    """
    with log.open("ab") as to_log:

        def start(command: Sequence[str], **given: Any) -> subprocess.Popen[bytes]:
            pipes = {"stdout": to_log, "stderr": to_log, "cwd": "/"}
            return subprocess.Popen(command, **(given | pipes))

        process = _start(program, arguments, None, start)
    try:
        yield process
    finally:
        _end(process)


def scrub(text: str, target: Target | None) -> str:
    """Return the text without the target's secrets.

    >>> scrub("for s3cret", Target(alias="a", parameters={"password": "s3cret"}))
    'for ********'
    """
    secret = [each.keyword.decode() for each in _options() if each.dispchar == b"*"]
    for key in secret:
        value = target.parameters.get(key) if target else None
        if value:
            text = text.replace(value, "********")
    return text


def _options() -> list[pq.ConninfoOption]:
    return pq.Conninfo.get_defaults()


def _drop_repeated(directories: Iterable[Path]) -> Iterator[Path]:
    seen = set()
    for directory in directories:
        program = (directory / NEEDED[0]).resolve()
        if program not in seen:
            seen.add(program)
            yield directory


def _inspect_all(directories: Iterable[Path]) -> list[ClientTools]:
    return [found for each in directories if (found := _inspect(each))]


def _inspect(directory: Path) -> ClientTools | None:
    if not all(os.access(directory / name, os.X_OK) for name in NEEDED):
        return None
    try:
        told = subprocess.run(
            [directory / NEEDED[0], "--version"],
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=VERSION_TIMEOUT_S,
            env=_build_environment(None),
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    version = re.search(r"\(PostgreSQL\) ((\d+)\S*)", told.stdout)
    if told.returncode or not version:
        return None
    return ClientTools(directory=directory, version=version[1], major=int(version[2]))


def _build_missing(found: Iterable[ClientTools], least_major: int) -> ToolFailed:
    listed = ", ".join(dict.fromkeys(map(str, found))) or "none"
    return ToolFailed(
        f"pg_dump and pg_restore {least_major} or later are needed for this server; "
        f"found: {listed}",
        hint=f"sudo apt-get install postgresql-client-{least_major}, or name their "
        'directory in DBOPS["PG_BIN"]',
    )


def _build_environment(target: Target | None) -> dict[str, str]:
    inherited = {
        key: value
        for key, value in os.environ.items()
        # pgBackRest's own, such as the keys of an object store, are not libpq's.
        if not key.startswith("PG") or key.startswith("PGBACKREST_")
    }
    # The messages are read, so they have to be in one language.
    fixed = {"LC_ALL": "C", "PGAPPNAME": "dbops:tool"}
    return inherited | fixed | (build_environment(target) if target else {})


def _start(
    program: Path, arguments: Sequence[str], target: Target | None, start: Starter
) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-I", "-S", supervise.__file__, str(program)]
    try:
        return start(
            [*command, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_build_environment(target),
            start_new_session=True,
        )
    except OSError as error:
        raise ToolFailed(f'cannot start "{program}": {error.strerror}') from error


def _drain(
    process: subprocess.Popen[bytes],
    on_error: Callable[[bytes], None],
    on_output: Callable[[bytes], None],
) -> None:
    with selectors.DefaultSelector() as selector:
        for pipe, take in ((process.stderr, on_error), (process.stdout, on_output)):
            if pipe:
                selector.register(pipe, selectors.EVENT_READ, take)
        while selector.get_map():
            for key, _events in selector.select():
                chunk = os.read(key.fd, CHUNK_BYTES)
                if chunk:
                    key.data(chunk)
                else:
                    selector.unregister(key.fileobj)
    on_error(b"\n")


def _split_lines(take: Callable[[str], None]) -> Callable[[bytes], None]:
    rest = b""

    def feed(chunk: bytes) -> None:
        nonlocal rest
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            text = line.decode(errors="replace").strip()
            if text:
                take(text)

    return feed


def _end(process: subprocess.Popen[bytes]) -> None:
    """Close the lifeline, and do not take no for an answer."""
    try:
        if process.stdin:
            process.stdin.close()
        process.wait(timeout=supervise.GRACE_S + 2)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _pick_words(tail: Iterable[str]) -> str:
    """Return the last lines from the first that is an error, as one."""
    lines = list(tail)
    first = next((i for i, line in enumerate(lines) if "error:" in line), -3)
    return " ".join(lines[first:])


def _build_failure(name: str, code: int, words: str) -> ToolFailed:
    told = words or "it said nothing"
    if "No space left on device" in words:
        return ToolFailed(
            f"{name} ran out of disk space: {told}",
            hint="free space there, or name another directory with --storage",
        )
    return ToolFailed(
        f"{name} failed with exit code {code}: {told}",
        hint="put right what it says, then run the command again",
    )
