"""Run pgBackRest, and read what it answers.

Source: https://pgbackrest.org/command.html
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dbops.core.pgbackrest.command import (
    LOGGING,
    Repository,
    build_annotations,
    explain_failure,
)
from dbops.core.pgbackrest.info import Stanza, UnknownInfo, read_info
from dbops.errors import ToolFailed
from dbops.postgres.tools import run_to_end

NOT_FOUND = 127
"""The exit code of a shell, sudo or setpriv that does not find the program."""


def _ignore(_line: str) -> None:
    pass


def _start(command: Sequence[str], **given: Any) -> subprocess.Popen[bytes]:
    """Its user may not be allowed to be where this one is."""
    return subprocess.Popen(command, cwd="/", **given)


class PgBackRest:
    """One stanza, by the command that the settings name."""

    def __init__(self, repository: Repository) -> None:
        self.repository = repository

    def run(
        self,
        verb: str,
        *options: str,
        operand: str = "",
        on_line: Callable[[str], None] = _ignore,
    ) -> str:
        """Run a command to its end and return its answer; `on_line` gets its log.

        Raises:
            Busy: another one is at work on the stanza.
            Refused: server, stanza or configuration are not fit for it.
            ToolFailed: it is missing, or failed.
        """
        words = self.repository.build(verb, *LOGGING, *options, operand=operand)
        answer, lines = bytearray(), list[str]()

        def keep(line: str) -> None:
            lines.append(line)
            on_line(line)

        code = run_to_end(
            find_program(words[0]),
            words[1:],
            on_line=keep,
            on_output=answer.extend,
            start=_start,
        )
        if code == NOT_FOUND:
            raise _build_missing(self.repository.command[-1])
        if code:
            raise explain_failure(self.repository, verb, code, lines)
        return answer.decode(errors="replace")

    def fetch_version(self) -> str:
        """Return its version, as `2.45`."""
        return self.run("version").rpartition(" ")[2].strip()

    def fetch_stanza(self) -> Stanza:
        """Return the stanza and its backups; no server is asked.

        Raises:
            ToolFailed: the answer is none that dbops knows.
        """
        told = self.run("info", "--output=json")
        try:
            return read_info(told, self.repository.stanza)
        except UnknownInfo as error:
            raise ToolFailed(
                f"the answer of pgbackrest info cannot be read: {error}",
                hint="look whether dbops knows this version of pgBackRest",
            ) from error

    def annotate(self, label: str, annotations: Mapping[str, str]) -> None:
        """Write something beside a backup; an empty value takes it away."""
        self.run("annotate", f"--set={label}", *build_annotations(annotations))


def find_program(word: str) -> Path:
    """Return where the first word of a command is.

    Raises:
        ToolFailed: it is not there.
    """
    found = shutil.which(word)
    if found is None:
        raise _build_missing(word)
    return Path(found).absolute()


def _build_missing(word: str) -> ToolFailed:
    return ToolFailed(
        f'"{word}" is not installed, and DBOPS["BACKUP_ENGINE"] is "pgbackrest"',
        hint="sudo apt-get install pgbackrest, or say in "
        'DBOPS["PGBACKREST_COMMAND"] how it is run',
    )
