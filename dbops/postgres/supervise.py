"""Run one command, and end it and its children when the starter is gone.

Executed as a script of its own, `python -I -S supervise.py COMMAND...`, as the leader
of a process group. Its standard input is a pipe that the starter holds and never
writes to: the kernel closes it however the starter ends, `kill -9` included.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

GRACE_S = 5


def main(command: list[str]) -> int:
    """Run the command and return its exit code, 128 and more for a signal."""
    child = os.posix_spawn(
        command[0],
        command,
        os.environ,
        file_actions=[(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)],
        # Python ignores these two, and what is ignored would be inherited.
        setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],
    )
    ending = threading.Event()
    threading.Thread(
        target=_end_with_starter, args=(child, ending), daemon=True
    ).start()
    _, status = os.waitpid(child, 0)
    if ending.is_set():
        os.killpg(0, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        # It could not end its own children, who would hold the pipes open.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.killpg(0, signal.SIGTERM)
    return code if code >= 0 else 128 - code


def _end_with_starter(child: int, ending: threading.Event) -> None:
    lifeline = os.dup(sys.stdin.fileno())
    while os.read(lifeline, 1):
        pass
    ending.set()
    # pg_dump's own handler tells its workers and cancels their queries.
    os.kill(child, signal.SIGTERM)
    time.sleep(GRACE_S)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
