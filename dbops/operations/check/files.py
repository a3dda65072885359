"""Names, and the SQL files beside the migrations."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import zip_longest
from pathlib import Path

from django.db.migrations import Migration

from dbops.core.finding import Finding, Level
from dbops.core.migration import MigrationId
from dbops.core.migration_digest import normalise_statement
from dbops.core.sql_script import NOT_WRITTEN, Unwritten, parse_down, split_statements
from dbops.errors import Refused, ServerFailed
from dbops.operations.check.digest import get_path
from dbops.operations.check.naming import find_name_fault
from dbops.operations.history import get_id
from dbops.operations.sql_files.files import DOWN_FILE, FORWARD_FILE, get_sql_directory

LINE = re.compile(r"line (\d+): ")
LONGEST_TOLD = 70


def find_name_faults(migrations: Iterable[Migration]) -> Iterator[Finding]:
    """Yield the migrations whose names say nothing."""
    for migration in migrations:
        if fault := find_name_fault(migration):
            yield Finding(
                id="dbops.W001",
                level=Level.WARNING,
                message=f'"{get_id(migration)}" says nothing: {fault.reason}',
                object=str(get_id(migration)),
                hint="rename it, if it is applied nowhere yet: "
                f"{_renumber(migration.name, fault.example)}",
                path=str(get_path(migration)),
            )


def _renumber(name: str, example: str) -> str:
    number = re.match(r"\d+_", name)
    return f"{number[0] if number else ''}{example}"


def find_file_faults(migrations: Iterable[Migration]) -> Iterator[Finding]:
    """Yield the SQL files that are missing, unwritten or cannot be run."""
    for migration in migrations:
        directory = get_sql_directory(migration)
        for id_, name in (("dbops.W002", FORWARD_FILE), ("dbops.W003", DOWN_FILE)):
            if not (directory / name).is_file():
                yield Finding(
                    id=id_,
                    level=Level.WARNING,
                    message=f'"{get_id(migration)}" has no {name}',
                    object=str(get_id(migration)),
                    hint=f"manage.py makemigrations --sql {migration.app_label}",
                    path=str(get_path(migration)),
                )
        if (directory / DOWN_FILE).is_file():
            yield from _judge_down(migration, directory / DOWN_FILE)


def _judge_down(migration: Migration, path: Path) -> Iterator[Finding]:
    told = str(get_id(migration))
    text = ""
    try:
        text = path.read_text(encoding="utf-8")
        down = parse_down(text)
    except (Refused, OSError, UnicodeDecodeError) as error:
        match = LINE.match(str(error))
        hint = error.hint if isinstance(error, Refused) else None
        yield Finding(
            id="dbops.E004",
            level=Level.ERROR,
            message=f'the way back of "{told}" cannot be run: {error}',
            object=told,
            hint=hint or "write it in UTF-8",
            path=str(path),
            line=int(match[1]) if match else None,
        )
        return
    if isinstance(down, Unwritten):
        position = text.find(f"-- dbops: {NOT_WRITTEN}")
        yield Finding(
            id="dbops.E004",
            level=Level.ERROR,
            message=f'the way back of "{told}" is not written: {down.reason}',
            object=told,
            hint="write the statements, or declare: -- dbops: irreversible: <reason>",
            path=str(path),
            line=_count_line(text, max(position, 0)),
        )


def list_files(held: Iterable[Migration]) -> dict[MigrationId, Path]:
    """Return the `migration.sql` files that are there, by their migrations."""
    return {
        get_id(each): path
        for each in held
        if (path := get_sql_directory(each) / FORWARD_FILE).is_file()
    }


def build_failure(migration: Migration, error: ServerFailed) -> Finding:
    """Return the finding for a migration that fails on an empty database."""
    return Finding(
        id="dbops.E005",
        level=Level.ERROR,
        message=error.message,
        object=str(get_id(migration)),
        hint=error.hint or "",
        path=str(get_path(migration)),
    )


def compare_file(migration: Migration, path: Path, body: str) -> Iterator[Finding]:
    """Yield where a `migration.sql` is not what Django runs."""
    text = path.read_text(encoding="utf-8", errors="replace")
    position = 0
    pairs = zip_longest(split_statements(text), split_statements(body), fillvalue="")
    for number, (found, expected) in enumerate(pairs, start=1):
        position = max(text.find(found, position), 0) if found else len(text.rstrip())
        if normalise_statement(found) != normalise_statement(expected):
            yield Finding(
                id="dbops.E005",
                level=Level.ERROR,
                message=f'{FORWARD_FILE} of "{get_id(migration)}" is not what Django '
                f"runs: statement {number} is {_tell(found)}, and Django runs "
                f"{_tell(expected)}",
                object=str(get_id(migration)),
                hint="look at what Django runs: manage.py sqlmigrate "
                f"{migration.app_label} {migration.name}; then delete the file and run "
                f"manage.py makemigrations --sql {migration.app_label}",
                path=str(path),
                line=_count_line(text, position),
            )
            return
        position += len(found)


def _tell(statement: str) -> str:
    line = " ".join(statement.split())
    if not line:
        return "missing"
    return (
        f"`{line if len(line) <= LONGEST_TOLD else line[: LONGEST_TOLD - 3] + '...'}`"
    )


def _count_line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1
