"""A Django app written for one test, with a database of its own, in this process."""

from __future__ import annotations

import importlib
import json
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

from django.apps import apps
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import override_settings

from dbops.conf import Settings
from dbops.core.catalog import Catalog
from dbops.core.target import Target
from dbops.operations.context import Context
from dbops.operations.replay import use_database
from dbops.postgres.catalog import fetch_catalog
from tests.databases import connect

HEAD = """\
from django.db import migrations, models

{helpers}

class Migration(migrations.Migration):
    initial = {initial}
    atomic = {atomic}
    dependencies = {dependencies}
    operations = [
{operations}
    ]
"""

THING = """\
migrations.CreateModel(
    "Thing",
    [("id", models.BigAutoField(primary_key=True)),
     ("name", models.CharField(max_length=50))],
),
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a command did, as its caller sees it."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one document on stdout."""
        return json.loads(self.out)


@dataclass(slots=True)
class Lab:
    """One app, `app`, in a directory of its own, on one database."""

    app: str
    directory: Path
    target: Target
    settings: dict[str, Any]
    names: list[str] = field(default_factory=list)
    more_apps: list[str] = field(default_factory=list)
    """Installed besides, before the app itself."""

    def write_migration(
        self,
        name: str,
        operations: str,
        *,
        down: str | None = None,
        atomic: bool = True,
        helpers: str = "",
        dependencies: list[tuple[str, str]] | None = None,
    ) -> None:
        """Write a migration that follows the last one, and its down.sql."""
        if dependencies is None:
            dependencies = [(self.app, self.names[-1])] if self.names else []
        text = HEAD.format(
            helpers=helpers,
            initial=not self.names,
            atomic=atomic,
            dependencies=dependencies,
            operations=operations,
        )
        self.names.append(name)
        folder = self.directory / self.app / "migrations"
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
        if down is not None:
            beside = folder / "sql" / name
            beside.mkdir(parents=True, exist_ok=True)
            (beside / "down.sql").write_text(down, encoding="utf-8")
        self._forget_modules()

    def remove_last_migration(self) -> None:
        """Take the last migration off the disk again."""
        name = self.names.pop()
        folder = self.directory / self.app / "migrations"
        (folder / f"{name}.py").unlink()
        shutil.rmtree(folder / "sql" / name, ignore_errors=True)
        self._forget_modules()

    def _forget_modules(self) -> None:
        importlib.invalidate_caches()
        for module in [each for each in sys.modules if each.startswith(self.app)]:
            if ".migrations" in module:
                del sys.modules[module]

    def run(self, command: str, *arguments: str, **settings: Any) -> Outcome:
        """Run a command on the lab's database; return, never raise."""
        out, err = StringIO(), StringIO()
        code = 0
        with self.open(**settings):
            try:
                call_command(command, *arguments, stdout=out, stderr=err)
            except CommandError as error:
                code = error.returncode
                err.write(str(error))
        return Outcome(code=code, out=out.getvalue(), err=err.getvalue())

    @contextmanager
    def open(self, **settings: Any) -> Iterator[Context]:
        """Let the default database be the lab's, and its app be installed."""
        with (
            override_settings(
                INSTALLED_APPS=["dbops", *self.more_apps, self.app],
                DBOPS=self.settings | settings,
            ),
            use_database(Context(alias="default", settings=Settings()), self.target),
        ):
            yield Context(
                alias="default",
                settings=Settings(
                    **{
                        key.lower(): value
                        for key, value in (self.settings | settings).items()
                    }
                ),
            )

    def execute(self, *statements: str) -> None:
        """Run statements as somebody else would, each in its own transaction."""
        with connect(self.target) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def fetch_value(self, query: str) -> Any:
        """Return the one value of a query."""
        with connect(self.target) as connection:
            row = connection.execute(query.encode()).fetchone()
        return row[0] if row else None

    def fetch_catalog(self) -> Catalog:
        """Return the schema as it is now."""
        with connect(self.target) as connection:
            return fetch_catalog(connection)

    def fetch_history(self) -> list[str]:
        """Return the names of the app's applied migrations."""
        with connect(self.target) as connection:
            rows = connection.execute(
                "SELECT name FROM django_migrations WHERE app = %s ORDER BY id",
                (self.app,),
            ).fetchall()
        return [name for (name,) in rows]


@contextmanager
def open_lab(directory: Path, target: Target) -> Iterator[Lab]:
    """Write an empty app, and make it importable as long as the block lasts."""
    lab = write_lab(directory, target)
    with install_lab(lab):
        yield lab


def write_lab(directory: Path, target: Target) -> Lab:
    """Write an empty app into a directory."""
    app = f"lab_{secrets.token_hex(4)}"
    folder = directory / app
    (folder / "migrations").mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder / "models.py").touch()
    (folder / "migrations" / "__init__.py").touch()
    return Lab(
        app=app,
        directory=directory,
        target=target,
        settings={
            "BACKUP_STORAGE": str(directory / "backups"),
            "CACHE_DIR": str(directory / "cache"),
            "PROJECT_APPS": [app],
            # A lab has no models, and what is rehearsed has tests of its own.
            "DEPLOY_ALLOW": ["checks", "way-back"],
            "REHEARSE": False,
            "LOCK_TIMEOUT_S": 0.2,
            "LOCK_BUDGET_S": 0.5,
        },
    )


@contextmanager
def install_lab(lab: Lab) -> Iterator[None]:
    """Make the app importable as long as the block lasts, and forget it then."""
    place = str(lab.directory)
    sys.path.insert(0, place)
    try:
        yield
    finally:
        sys.path.remove(place)
        for module in [each for each in sys.modules if each.startswith(lab.app)]:
            del sys.modules[module]
        # Another lab may have an app of this name, and other models in it.
        apps.all_models.pop(lab.app, None)
        importlib.invalidate_caches()
