"""The SQL beside a migration: what Django runs, and the way back, proven by playing it.

shop/migrations/0002_add_note.py
shop/migrations/sql/0002_add_note/migration.sql
shop/migrations/sql/0002_add_note/down.sql
"""

from __future__ import annotations

import sysconfig
from collections.abc import Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import django
from django.apps import apps
from django.db.migrations import Migration
from django.db.migrations.recorder import MigrationRecorder
from django.db.migrations.state import ProjectState
from django.db.migrations.writer import MigrationWriter

from dbops.conf import Settings
from dbops.core.catalog import Catalog
from dbops.core.migration import MigrationId
from dbops.core.progress import Progress, silent
from dbops.core.sql_script import (
    NO_TRANSACTION,
    NOT_WRITTEN,
    NOTHING_TO_DO,
    Down,
    is_untouched,
    needs_no_transaction,
    parse_down,
    seal,
    split_statements,
)
from dbops.errors import Refused, ServerFailed
from dbops.operations.context import Context
from dbops.operations.history import get_id, read_history
from dbops.operations.replay import Replay, open_replay
from dbops.operations.sql_files.playing import Left, Played, play_way_back
from dbops.operations.sql_files.recording import (
    Recording,
    record_backward,
    record_forward,
)

FORWARD_FILE = "migration.sql"
DOWN_FILE = "down.sql"


class FileState(StrEnum):
    """What became of a file."""

    WRITTEN = "written"
    CURRENT = "current"
    KEPT = "kept"
    """A person has edited it, or wrote it, so it was left alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlFile:
    """A file, and what became of it."""

    path: Path
    state: FileState


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationSql:
    """The two files of one migration, and what playing `down.sql` showed."""

    migration: MigrationId
    forward: SqlFile
    down: SqlFile
    outcome: str
    """What came of playing `down.sql`, as it now stands on disk; may be empty."""
    problem: str
    """What a person still has to do about it; empty if nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlReport:
    """What `write_sql_files` did, one entry a migration, in their order."""

    migrations: tuple[MigrationSql, ...]


def is_project_migration(migration: Migration, settings: Settings) -> bool:
    """Tell whether the migration is the project's own, and not a package's."""
    if settings.project_apps:
        return migration.app_label in settings.project_apps
    config = apps.get_app_config(migration.app_label)
    if config.name.partition(".")[0] == "dbops":
        return False
    path = Path(config.path).resolve()
    installed = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    directories = [Path(each).resolve() for each in (*installed, *django.__path__)]
    return not any(path.is_relative_to(each) for each in directories) and not (
        {"site-packages", "dist-packages"} & set(path.parts)
    )


def get_sql_directory(migration: Migration) -> Path:
    """Return where the migration's SQL files are, or would be."""
    return Path(MigrationWriter(migration).basedir) / "sql" / migration.name


def read_down(migration: Migration) -> Down | None:
    """Return the migration's way back as it is on disk; None without a file.

    Raises:
        Refused: the file cannot be run as it is.
    """
    path = get_sql_directory(migration) / DOWN_FILE
    if not path.is_file():
        return None
    try:
        return parse_down(path.read_text(encoding="utf-8"))
    except Refused as error:
        raise Refused(f'"{path}", {error.message}', hint=error.hint) from error


def read_forward(migration: Migration) -> str:
    """Return the statements of its `migration.sql`; empty where there is none."""
    path = get_sql_directory(migration) / FORWARD_FILE
    if not path.is_file():
        return ""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    first = next((n for n, each in enumerate(lines) if not each.startswith("--")), 0)
    return "\n".join(lines[first:]).strip()


def write_sql_files(
    context: Context, migrations: Iterable[Migration], progress: Progress = silent
) -> SqlReport:
    """Write what is missing or stale of the migrations' SQL files.

    A file that a person has edited is left alone. Each `down.sql`, an edited one too,
    is played on a scratch database, at the state that its migration leaves.

    Raises:
        Refused: the role may not create databases, or the history is inconsistent.
        ServerFailed: the server cannot be reached, or a migration fails on an empty
            database; the files of the migrations before it are written.
    """
    wanted = {get_id(each) for each in migrations}
    if not wanted:
        return SqlReport(migrations=())
    plan = read_history(context).plan
    for lost in sorted(wanted - {get_id(each) for each in plan}):
        raise Refused(
            f'migration "{lost}" is not among those that `migrate` would run',
            hint="see which are: python manage.py showmigrations --plan",
        )
    with closing(_write_along_plan(context, plan, wanted, progress)) as written:
        return SqlReport(migrations=tuple(written))


def remove_generated_files(directory: Path) -> tuple[Path, ...]:
    """Remove the SQL files of a migration that is gone; return what was kept."""
    kept = []
    for path in (directory / FORWARD_FILE, directory / DOWN_FILE):
        if path.is_file() and is_untouched(path.read_text(encoding="utf-8")):
            path.unlink()
    if directory.is_dir():
        kept = sorted(directory.iterdir())
        if not kept:
            directory.rmdir()
    return tuple(kept)


def _write_along_plan(
    context: Context,
    plan: Sequence[Migration],
    wanted: set[MigrationId],
    tell: Progress,
) -> Generator[MigrationSql]:
    """Go through the plan as far as needed, in as few scratch databases as can be."""
    end = max(
        (i for i, each in enumerate(plan, 1) if get_id(each) in wanted), default=0
    )
    done = 0
    while done < end:
        with open_replay(context) as replay:
            # Else the first migration would seem to make this table.
            MigrationRecorder(replay.connection).ensure_schema()
            replay.apply(plan[:done])
            is_at_its_end = True
            while done < end and is_at_its_end:
                migration, done = plan[done], done + 1
                if get_id(migration) not in wanted:
                    replay.apply([migration])
                    continue
                tell(f'playing "{get_id(migration)}" on a scratch database')
                before = replay.state.clone()
                written, left = _write_one(replay, migration)
                yield written
                is_at_its_end = done == end or _apply_again(
                    replay, migration, before, left
                )


def _apply_again(
    replay: Replay, migration: Migration, before: ProjectState, left: Left
) -> bool:
    """Return whether the scratch database is where the migration leaves it."""
    if left is Left.UNAPPLIED:
        replay.state = before
        try:
            replay.apply([migration])
        except ServerFailed:
            return False
    return left is not Left.BETWEEN


def _write_one(replay: Replay, migration: Migration) -> tuple[MigrationSql, Left]:
    directory = get_sql_directory(migration)
    before, catalog = replay.state.clone(), replay.fetch_catalog()
    forward = record_forward(replay, migration)
    backward = record_backward(replay, migration, before)
    edited = _read_edited(directory / DOWN_FILE)
    if edited is None:
        text, problems, played = _build_down(replay, migration, backward, catalog)
    else:
        played = play_way_back(replay, edited, catalog)
        text, problems = edited, [played.problem] if played.problem else []
    written = MigrationSql(
        migration=get_id(migration),
        forward=_write(directory / FORWARD_FILE, _build_forward(migration, forward)),
        down=_write(directory / DOWN_FILE, text),
        outcome=played.outcome or played.declared,
        problem="; ".join(problems),
    )
    return written, played.left


def _build_forward(migration: Migration, recording: Recording) -> str:
    title = f"{get_id(migration)}: what Django runs, made by makemigrations for review"
    text = _build_text(_build_head(migration, recording.body), recording.body)
    return seal(title, text or "-- There is no SQL in it.")


def _build_down(
    replay: Replay, migration: Migration, recording: Recording, expected: Catalog
) -> tuple[str, list[str], Played]:
    head = _build_head(migration, recording.body)
    nothing = f"-- dbops: {NOTHING_TO_DO}"
    draft = _build_text(head, recording.body)
    if not draft and not recording.unwritten:
        draft = nothing
    played = play_way_back(replay, draft, expected) if draft else Played()
    problems = [*recording.unwritten, *([played.problem] if played.problem else ())]
    if draft == nothing and not problems:
        head = [nothing]
    head += [f"-- dbops: {NOT_WRITTEN}: {each}" for each in problems]
    if played.outcome:
        head.append(f"-- Played on a scratch database: {played.outcome}.")
    title = f"{get_id(migration)}: the way back, made by makemigrations"
    return seal(title, _build_text(head, recording.body)), problems, played


def _build_head(migration: Migration, body: str) -> list[str]:
    statements = split_statements(body)
    if statements and (
        not migration.atomic or any(map(needs_no_transaction, statements))
    ):
        return [f"-- dbops: {NO_TRANSACTION}"]
    return []


def _build_text(head: Iterable[str], body: str) -> str:
    return "\n\n".join(each for each in ("\n".join(head), body) if each)


def _read_edited(path: Path) -> str | None:
    if not path.is_file():
        return None
    text = path.read_text(encoding="utf-8")
    return None if is_untouched(text) else text


def _write(path: Path, text: str) -> SqlFile:
    if path.is_file():
        found = path.read_text(encoding="utf-8")
        if not is_untouched(found):
            return SqlFile(path=path, state=FileState.KEPT)
        if found == text:
            return SqlFile(path=path, state=FileState.CURRENT)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")
    return SqlFile(path=path, state=FileState.WRITTEN)
