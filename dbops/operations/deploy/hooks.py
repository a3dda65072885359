"""Run the commands and callables of `DBOPS["HOOKS"]`, each for so long at most."""

from __future__ import annotations

import contextvars
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress

from django.db import connections
from django.utils.module_loading import import_string

from dbops.conf import Settings
from dbops.core.hooks import SETTING, Hook, HookEvent, HookKind, parse_hooks
from dbops.core.progress import Progress
from dbops.errors import Refused

GRACE_S = 5.0
"""Between SIGTERM and SIGKILL."""
READ_S = 1.0
"""Until the last of what it has said is read; a child of it may keep the pipe open."""
LONGEST_LINE = 500


def read_hooks(settings: Settings) -> tuple[Hook, ...]:
    """Return the project's hooks, once all of them can be found.

    Raises:
        Refused: the setting cannot be read, or names what is not there.
    """
    hooks = parse_hooks(settings.hooks)
    for each in hooks:
        if each.path:
            _import(each)
        elif shutil.which(each.command[0]) is None:
            raise _refuse(each, "there is no such program")
    return hooks


def _import(hook: Hook) -> Callable[[HookEvent], object]:
    try:
        found = import_string(hook.path)
    except Exception as error:  # A module of the project's may raise anything.
        told = " ".join(str(error).split()) or type(error).__name__
        raise _refuse(hook, told) from error
    if not callable(found):
        raise _refuse(hook, "it cannot be called")
    called: Callable[[HookEvent], object] = found
    return called


def _refuse(hook: Hook, problem: str) -> Refused:
    return Refused(
        f'hook "{hook.name}" ({hook.kind}) cannot run: {problem}',
        hint=f"correct {SETTING}: docs/how-to/verify-a-deployment.md",
    )


def run_hooks(
    hooks: Iterable[Hook], kind: HookKind, event: HookEvent, progress: Progress
) -> str:
    """Run those of one kind, up to the first that fails; return why it did."""
    for hook in hooks:
        if hook.kind is not kind:
            continue
        progress(f"hook {hook.name} ({kind})")
        problem = _call(hook, event) if hook.path else _run(hook, event, progress)
        if problem:
            told = f'hook "{hook.name}" ({kind}) {problem}'
            progress(f"  {told}")
            return told
    return ""


def _run(hook: Hook, event: HookEvent, progress: Progress) -> str:
    """Run a command in a process group of its own, and pass on what it says."""
    try:
        process = subprocess.Popen(
            hook.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **event.build_environment()},
            start_new_session=True,
        )
    except OSError as error:
        return f"could not be started: {error.strerror}"
    reader = threading.Thread(target=_tell, args=(process, progress), daemon=True)
    reader.start()
    try:
        code = process.wait(hook.timeout_s)
    except subprocess.TimeoutExpired:
        return f"did not end in {hook.timeout_s:g} s"
    finally:
        _end(process, reader)
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"failed with exit code {code}" if code else ""


def _tell(process: subprocess.Popen[bytes], progress: Progress) -> None:
    # Closed by whoever waits for the process, when others keep it open.
    with suppress(ValueError, OSError):
        for line in process.stdout or ():
            text = line.decode(errors="replace").rstrip()
            progress(f"  {text[:LONGEST_LINE]}")


def _end(process: subprocess.Popen[bytes], reader: threading.Thread) -> None:
    """End what still runs. A daemon that it has started is let live."""
    if process.poll() is None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            with suppress(subprocess.TimeoutExpired):
                process.wait(GRACE_S)
                break
    reader.join(READ_S)
    if process.stdout is not None and not reader.is_alive():
        process.stdout.close()


def _call(hook: Hook, event: HookEvent) -> str:
    """Call it in a thread: a call cannot be ended, but it need not be waited for."""
    problems: list[str] = []
    surroundings = contextvars.copy_context()

    def work() -> None:
        try:
            surroundings.run(_import(hook), event)
        except BaseException as error:  # noqa: BLE001  It is the project's own.
            told = " ".join(str(error).split())
            problems.append(f"raised {type(error).__name__}: {told}".rstrip(": "))
        finally:
            connections.close_all()

    thread = threading.Thread(target=work, name=f"hook {hook.name}", daemon=True)
    thread.start()
    thread.join(hook.timeout_s)
    if thread.is_alive():
        return f"did not end in {hook.timeout_s:g} s, and may still run"
    return "".join(problems)
