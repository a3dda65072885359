"""Processes of this same program that deploy one database each."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from types import FrameType
from typing import Any

from django.conf import settings

from dbops.core.progress import Progress

COMMAND = "dbops_deploy"
STOPPING = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a process has ended."""

    returncode: int
    """Negative where a signal has ended it."""
    document: Mapping[str, Any] | None
    """Its report; None where it left none."""
    last_line: str
    """What it said last; empty where it said nothing."""
    duration_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """How this program is started once more."""

    arguments: tuple[str, ...]
    environment: Mapping[str, str]


def find_program(*, from_command_line: bool) -> Program:
    """Return what starts a management command the way this one was started.

    Called from Python code, nothing is known of a `manage.py`: then Django's own
    program is taken, with the settings and the path of this process.
    """
    python = (sys.executable, *(f"-W{each}" for each in sys.warnoptions))
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    main = sys.modules["__main__"]
    spec = getattr(main, "__spec__", None)
    file = getattr(main, "__file__", None)
    if from_command_line and spec is not None:  # python -m django
        module = spec.name.removesuffix(".__main__")
        return Program(arguments=(*python, "-m", module), environment=environment)
    if from_command_line and file and Path(file).is_file():
        path = str(Path(file).absolute())
        return Program(arguments=(*python, path), environment=environment)
    if settings.SETTINGS_MODULE:
        environment["DJANGO_SETTINGS_MODULE"] = settings.SETTINGS_MODULE
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    return Program(arguments=(*python, "-m", "django"), environment=environment)


@dataclass(slots=True)
class Fleet:
    """The processes that run now, and the way to stop them."""

    program: Program
    progress: Progress
    is_stopping: bool = False
    _running: list[_Process] = field(default_factory=list)
    _telling: threading.Lock = field(default_factory=threading.Lock)

    def run(self, alias: str, arguments: tuple[str, ...]) -> Ended:
        """Deploy one database, and pass on what it says. Called in any thread."""
        started = time.monotonic()
        line = ""
        with TemporaryFile() as out:
            try:
                process = _Process.start(self.program, alias, arguments, out)
            except OSError as error:  # No memory, no more processes.
                return _build_unstarted(error)
            self._running.append(process)
            if self.is_stopping:
                process.stop()
            for line in process.read_lines():
                self._tell(f"{alias}: {line}")
            returncode = process.popen.wait()
            self._running.remove(process)
            out.seek(0)
            document = _read_document(out.read())
        return Ended(
            returncode=returncode,
            document=document,
            last_line=line,
            duration_s=round(time.monotonic() - started, 3),
        )

    def _tell(self, line: str) -> None:
        with self._telling:
            self.progress(line)

    def stop(self) -> None:
        """Ask all that run to take back what they began; nothing new is started."""
        self.is_stopping = True
        for each in tuple(self._running):
            each.stop()


@dataclass(frozen=True, slots=True)
class _Process:
    popen: subprocess.Popen[str]
    _stopped: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def start(
        cls, program: Program, alias: str, arguments: tuple[str, ...], out: Any
    ) -> _Process:
        words = (COMMAND, f"--database={alias}", "--json", *arguments)
        # In a session of its own: Ctrl-C of a terminal reaches it once, by `stop`.
        return cls(
            subprocess.Popen(
                [*program.arguments, *words],
                env=dict(program.environment),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.PIPE,
                encoding="utf-8",
                errors="replace",
                start_new_session=True,
            )
        )

    def read_lines(self) -> Iterator[str]:
        """Yield what it says on stderr, as it says it."""
        assert self.popen.stderr is not None  # noqa: S101  It was asked for.
        with self.popen.stderr as lines:
            for line in lines:
                yield line.rstrip()

    def stop(self) -> None:
        """Ask it once: a second time would cut off what it takes back."""
        if self._stopped.acquire(blocking=False):
            self.popen.terminate()


def _build_unstarted(error: OSError) -> Ended:
    return Ended(returncode=1, document=None, last_line=str(error), duration_s=0.0)


def _read_document(out: bytes) -> Mapping[str, Any] | None:
    try:
        document = json.loads(out)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


@contextmanager
def call_on_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM call this, and interrupt nothing, within the block."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(_number: int, _frame: FrameType | None) -> None:
        stop()

    previous = {each: signal.getsignal(each) for each in STOPPING}
    for number, handler in previous.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
