"""A throw-away copy of a Django project, and commands run in it as people run them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from django.db.backends.postgresql.schema import DatabaseSchemaEditor

from dbops.core.sql_script import seal
from dbops.core.target import Target

TEMPLATE = Path(__file__).parent / "shop"
CHECKOUT = TEMPLATE.parents[2]
TIMEOUT_S = 180


@dataclass(frozen=True, slots=True)
class Result:
    """What a command said."""

    out: str
    err: str
    code: int


@dataclass(frozen=True, slots=True)
class Project:
    """A copy of the shop, with a database of its own."""

    directory: Path
    target: Target

    def run(
        self, *arguments: str, target: Target | None = None, warnings: str = "error"
    ) -> Result:
        """Run a management command."""
        parameters = (target or self.target).parameters
        names = {"dbname": "NAME", "host": "HOST", "port": "PORT", "user": "USER",
                 "password": "PASSWORD"}  # fmt: skip
        database = {names[key]: parameters[key] for key in names if key in parameters}
        done = subprocess.run(
            [sys.executable, "-W", warnings, "manage.py", *arguments],
            cwd=self.directory,
            env={
                **os.environ,
                "PYTHONPATH": str(CHECKOUT),
                "PYTHONDONTWRITEBYTECODE": "1",
                "SHOP_DATABASE": json.dumps(database),
            },
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        return Result(done.stdout, done.stderr, done.returncode)

    def read(self, path: str) -> str:
        """Return a file's text."""
        return (self.directory / path).read_bytes().decode()

    def write(self, path: str, text: str) -> None:
        """Write a file."""
        (self.directory / path).write_text(text, encoding="utf-8")

    def replace(self, path: str, old: str, new: str) -> None:
        """Change a file."""
        assert old in self.read(path)
        self.write(path, self.read(path).replace(old, new))

    def read_all(self, suffix: str = "") -> dict[str, str]:
        """Return all files by their paths."""
        return read_files(self.directory, suffix)

    @contextmanager
    def changes(self) -> Iterator[dict[str, str]]:
        """Fill a dict with the files that the block adds or changes."""
        before, changed = self.read_all(), dict[str, str]()
        yield changed
        after = self.read_all()
        changed.update(
            (path, after.get(path, "(removed)"))
            for path in sorted(before.keys() | after.keys())
            if before.get(path) != after.get(path)
        )


def read_files(directory: Path, suffix: str = "") -> dict[str, str]:
    """Return the text of each file below the directory that ends so."""
    return {
        str(path.relative_to(directory)): path.read_bytes().decode()
        for path in sorted(directory.rglob(f"*{suffix}"))
        if path.is_file() and "__pycache__" not in path.parts
    }


def copy_project(directory: Path, target: Target, *, sql_files: bool) -> Project:
    """Copy the shop, with or without the SQL files that it has in the checkout."""
    ignored = shutil.ignore_patterns("__pycache__", "" if sql_files else "sql")
    shutil.copytree(TEMPLATE, directory, ignore=ignored)
    (directory / "__init__.py").unlink()
    for path in directory.rglob("*.sql"):
        path.write_text(fit_django(path.read_text()))
    return Project(directory, target)


def read_golden() -> dict[str, str]:
    """Return the SQL files in the checkout, as this version of Django has them."""
    return {
        path: fit_django(text) for path, text in read_files(TEMPLATE, ".sql").items()
    }


def fit_django(text: str) -> str:
    """Return a generated file of Django 5.2 as the installed version writes it."""
    if "CASCADE" in DatabaseSchemaEditor.sql_delete_column:
        return text
    text = re.sub(r'(DROP COLUMN "\w+") CASCADE', r"\1", text)
    title, _, body = text.partition("\n")
    return seal(title.removeprefix("-- "), body.partition("\n\n")[2])
