"""What many tests start from, made once for each module and copied for each test."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from psycopg import sql

from dbops.core.target import Target
from dbops.postgres.scratch import drop_database
from dbops.postgres.session import Connection
from tests.databases import connect, find_server
from tests.lab import Lab, install_lab, write_lab

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy(Generic[Value]):
    """A database and a directory of one test."""

    target: Target
    directory: Path
    value: Value
    """What the function that prepared them has returned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept(Generic[Value]):
    """A database and a directory that were made once; nobody writes to them.

    Every copy is what they were made as: backups know the name of their database, and
    files may name the directory. So there is one copy at a time. The database takes no
    sessions. Its comment, its settings and the grants on it are not copied.
    """

    copied: Copy[Value]
    database: str
    directory: Path

    @contextmanager
    def copy(self) -> Iterator[Copy[Value]]:
        """Yield a copy that is gone after the block."""
        copy = self.copied
        with ExitStack() as stack:
            # A test may have removed it.
            stack.callback(shutil.rmtree, copy.directory, ignore_errors=True)
            shutil.copytree(self.directory, copy.directory)
            with connect(find_server()) as base:
                _create(base, copy.target.database, template=self.database)
            stack.callback(_drop, copy.target.database)
            yield copy


@contextmanager
def keep(
    place: Path, name: str, prepare: Callable[[Target, Path], Value]
) -> Iterator[Kept[Value]]:
    """Let `prepare` fill a new database of this name and an empty directory."""
    target = find_server().with_database(name)
    made, kept = place / "copy", place / "kept"
    # Not called like its copies: tests look for what is.
    database = f"kept_{secrets.token_hex(6)}"
    made.mkdir(parents=True)
    with ExitStack() as stack:
        with connect(find_server()) as base:
            _create(base, name, template="template0")
            stack.callback(_drop, name)
            value = prepare(target, made)
            base.execute(
                sql.SQL("ALTER DATABASE {} RENAME TO {}").format(
                    sql.Identifier(name), sql.Identifier(database)
                )
            )
            stack.callback(_drop, database)
            base.execute(
                sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(
                    sql.Identifier(database)
                )
            )
        made.rename(kept)
        copied = Copy(target=target, directory=made, value=value)
        yield Kept(copied=copied, database=database, directory=kept)


def _create(base: Connection, name: str, *, template: str) -> None:
    base.execute(
        sql.SQL("CREATE DATABASE {} TEMPLATE {} ENCODING 'UTF8'").format(
            sql.Identifier(name), sql.Identifier(template)
        )
    )


def _drop(name: str) -> None:
    with connect(find_server()) as base:
        drop_database(base, name)


@dataclass(frozen=True, slots=True)
class Keeper:
    """Keeps a state for each function that prepares one."""

    place: Path
    """A directory of its own."""
    blocker: Any
    """pytest-django's, that lets Django reach databases."""
    stack: ExitStack
    """What ends when the states are not needed any more."""
    kept: dict[Callable[..., Any], Kept[Any]] = field(default_factory=dict)

    @contextmanager
    def open(
        self,
        prepare: Callable[[Target, Path], Value],
        name: str = "dbops_test_{}",
    ) -> Iterator[Copy[Value]]:
        """Yield a database and a directory as `prepare` has left them."""
        with self.blocker.unblock():
            if prepare not in self.kept:
                place = self.place / str(len(self.kept))
                database = name.format(secrets.token_hex(6))
                self.kept[prepare] = self.stack.enter_context(
                    keep(place, database, prepare)
                )
            with self.kept[prepare].copy() as copy:
                yield copy

    @contextmanager
    def open_lab(
        self, prepare: Callable[[Lab], object], name: str = "dbops_test_{}"
    ) -> Iterator[Lab]:
        """Yield a lab as `prepare` has left it."""
        with self.open(_PrepareLab(prepare), name) as copy:
            lab = replace(
                copy.value,
                settings=dict(copy.value.settings),
                names=list(copy.value.names),
                more_apps=list(copy.value.more_apps),
            )
            with install_lab(lab):
                yield lab


@dataclass(frozen=True, slots=True)
class _PrepareLab:
    """Equal to another one of the same function."""

    prepare: Callable[[Lab], object]

    def __call__(self, target: Target, directory: Path) -> Lab:
        lab = write_lab(directory, target)
        with install_lab(lab):
            self.prepare(lab)
        return lab
