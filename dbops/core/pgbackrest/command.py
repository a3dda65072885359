"""Command lines for pgBackRest, and what its errors mean."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from dbops.core.pgbackrest.info import PhysicalBackup
from dbops.errors import Busy, DbopsError, Refused, ToolFailed

PROGRAM = "pgbackrest"
LOGGING = (
    "--log-level-console=off",
    "--log-level-stderr=info",
    "--log-timestamp=n",
)
"""What it does on stderr, and nothing but its answer on stdout."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """How pgBackRest is run, and which of its stanzas is meant."""

    command: tuple[str, ...]
    stanza: str
    config: str = ""

    @property
    def is_remote(self) -> bool:
        """It runs on another machine, through a shell there."""
        return self.command[0].rpartition("/")[2] == "ssh"

    @property
    def prefix(self) -> tuple[str, ...] | None:
        """The words that run a program as pgBackRest's user; None where unknown."""
        *prefix, program = self.command
        known = program.rpartition("/")[2] == PROGRAM and not self.is_remote
        return tuple(prefix) if known else None

    @property
    def archive_command(self) -> str:
        """What the server has to run for each segment of its WAL."""
        config = f" --config={self.config}" if self.config else ""
        return f"{PROGRAM}{config} --stanza={self.stanza} archive-push %p"

    def build(self, verb: str, *options: str, operand: str = "") -> list[str]:
        """Return the words of a command; `operand` is what it is done to."""
        given = [f"--config={self.config}"] if self.config else []
        words = [*given, f"--stanza={self.stanza}", *options, verb]
        words += [operand] if operand else []
        # ssh hands its words to a shell.
        return [*self.command, *(map(shlex.quote, words) if self.is_remote else words)]

    def write(self, verb: str, *options: str) -> str:
        """Return the command as a person types it.

        >>> Repository(command=("pgbackrest",), stanza="main").write("info")
        'pgbackrest --stanza=main info'
        """
        return shlex.join(self.build(verb, *options))


def build_annotations(annotations: Mapping[str, str]) -> list[str]:
    """Return the options that annotate a backup; an empty value removes one."""
    return [f"--annotation={key}={value}" for key, value in annotations.items()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """How far a restore goes; with neither, only as far as it has to."""

    point: str | None = None
    timeline: int | None = None
    """Of the point; without it, the newest."""
    time: datetime | None = None

    @property
    def options(self) -> tuple[str, ...]:
        """pgBackRest's options for it.

        >>> Moment(time=datetime(2026, 11, 23, 6, 30, tzinfo=UTC)).options
        ('--type=time', '--target=2026-11-23 06:30:00+00')
        """
        if self.point is not None:
            line = f"--target-timeline={self.timeline}" if self.timeline else ""
            return ("--type=name", f"--target={self.point}", *([line] if line else []))
        if self.time is not None:
            moment = self.time.astimezone(UTC)
            fraction = f".{moment.microsecond:06}" if moment.microsecond else ""
            return (
                "--type=time",
                f"--target={moment:%Y-%m-%d %H:%M:%S}{fraction}+00",
            )
        return ("--type=immediate",)


def build_restore(repository: Repository, label: str, moment: Moment) -> str:
    """Return the command that takes a stopped server back to a moment.

    `--set` names the backup, since for a named point pgBackRest would take the newest,
    which may be later than the point. `--delta` leaves alone what is right already.

    >>> build_restore(
    ...     Repository(command=("pgbackrest",), stanza="main"), "20261123-063000F",
    ...     Moment(point="before"),
    ... )  # doctest: +NORMALIZE_WHITESPACE
    'pgbackrest --stanza=main --delta --set=20261123-063000F --type=name
    --target=before --target-action=promote restore'
    """
    return repository.write(
        "restore",
        "--delta",
        f"--set={label}",
        *moment.options,
        "--target-action=promote",
    )


def choose_before(
    backups: Sequence[PhysicalBackup], moment: datetime
) -> PhysicalBackup | None:
    """Return the newest backup that ended before the moment; they are newest first."""
    return next((each for each in backups if each.stopped_at < moment), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Meaning:
    kind: type[DbopsError]
    message: str
    """With `{stanza}`."""
    hint: str
    """With `{command}` for pgBackRest, and `{told}` for its own words."""


MEANINGS = {
    27: _Meaning(
        kind=Refused,
        message='pgBackRest does not reach the server of stanza "{stanza}": {told}',
        hint='let DBOPS["PGBACKREST_COMMAND"] run it as the user that owns the server, '
        "and check pg1-path, pg1-port and pg1-socket-path in its configuration",
    ),
    37: _Meaning(
        kind=Refused,
        message='pgBackRest\'s configuration does not describe stanza "{stanza}": '
        "{told}",
        hint="write [{stanza}] with pg1-path into it, then: {create}",
    ),
    50: _Meaning(
        kind=Busy,
        message='another pgBackRest is at work on stanza "{stanza}"',
        hint="see how far it is with {info}, then run the command again",
    ),
    55: _Meaning(
        kind=Refused,
        message='pgBackRest has nothing of stanza "{stanza}": {told}',
        hint="{create}",
    ),
    62: _Meaning(
        kind=Refused,
        message='somebody has stopped pgBackRest for stanza "{stanza}"',
        hint="find out why, then: {start}",
    ),
    64: _Meaning(
        kind=ToolFailed,
        message="pgBackRest cannot write to its repository: {told}",
        hint="look whether the repository is full or closed; {expire} removes what its "
        "retention (repo1-retention-full) allows",
    ),
    68: _Meaning(
        kind=Refused,
        message="the server does not archive its WAL with pgBackRest: {told}",
        hint="archive_command = '{push}' in postgresql.conf, then "
        "SELECT pg_reload_conf()",
    ),
    82: _Meaning(
        kind=ToolFailed,
        message="the server's WAL does not reach the archive of stanza "
        '"{stanza}": {told}',
        hint="SELECT * FROM pg_stat_archiver, and the server's own log, say why; then: "
        "{check}",
    ),
    87: _Meaning(
        kind=Refused,
        message="the server does not archive its WAL: archive_mode is off",
        hint="archive_mode = on and archive_command = '{push}' in postgresql.conf, "
        "then restart the server",
    ),
}
MISMATCHES = frozenset({28, 51})
"""The stanza was made for another server, or another version of it."""


def explain_failure(
    repository: Repository, verb: str, code: int, lines: Sequence[str]
) -> DbopsError:
    """Return what a failed command means: `code` is pgBackRest's, of `[082]`."""
    told = tell_error(lines) or "it said nothing"
    if code in MISMATCHES:
        return Refused(
            f'stanza "{repository.stanza}" belongs to another server or version: '
            f"{told}",
            hint='name this server\'s stanza in DBOPS["PGBACKREST_STANZA"]; after an '
            f"upgrade of the server: {repository.write('stanza-upgrade')}",
        )
    meaning = MEANINGS.get(code)
    if meaning is None or not any(f"[{code:03}]" in line for line in lines):
        return ToolFailed(
            f"pgbackrest {verb} failed with exit code {code}: {told}",
            hint='put right what it says; DBOPS["PGBACKREST_COMMAND"] and '
            '["PGBACKREST_CONFIG"] say how it is run',
        )
    words = {
        "stanza": repository.stanza,
        "told": told,
        "push": repository.archive_command,
        **{
            name: repository.write(verb)
            for name, verb in (
                ("create", "stanza-create"),
                ("info", "info"),
                ("start", "start"),
                ("check", "check"),
                ("expire", "expire"),
            )
        },
    }
    return meaning.kind(
        meaning.message.format_map(words), hint=meaning.hint.format_map(words)
    )


def tell_error(lines: Sequence[str]) -> str:
    """Return pgBackRest's error in one line, without its hints.

    >>> tell_error(["P00   WARN: x", "P00  ERROR: [055]: no file", "HINT: create it"])
    'no file'
    """
    first = next((n for n, line in enumerate(lines) if "ERROR: [" in line), None)
    if first is None:
        return " ".join(lines[-3:])
    told = [lines[first].partition("]: ")[2]]
    for line in lines[first + 1 :]:
        if line.startswith(("HINT:", "P00", "[")):
            break
        told.append(line)
    return " ".join(told)
