"""A Django project that is written for a benchmark, and databases to run it on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from uuid import uuid4

from psycopg import sql

from dbops.core.target import Target
from dbops.postgres.scratch import open_maintenance_session
from dbops.postgres.session import build_environment

CHECKOUT = Path(__file__).resolve().parent.parent
# Without bytecode each process would compile the migrations anew.
ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    if name != "PYTHONDONTWRITEBYTECODE"
}
SETTINGS = """\
import json, os
SECRET_KEY = "benchmark"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = [
    "dbops", "django.contrib.auth", "django.contrib.contenttypes", {apps}
]
DATABASES = {{"default": {{
    "ENGINE": "django.db.backends.postgresql", **json.loads(os.environ["BENCH_DB"])
}}}}
"""
KEYWORDS = {
    "dbname": "NAME", "host": "HOST", "port": "PORT", "user": "USER",
    "password": "PASSWORD",
}  # fmt: skip


class Place:
    """A project in a directory, and the databases that were made for it."""

    def __init__(self, server: Target, directory: Path) -> None:
        self.server = server
        self.directory = directory
        self.options: Sequence[str] = ()
        """What `dbops_deploy` is given besides."""
        self._names: list[str] = []

    def write_settings(self, apps: Sequence[str]) -> None:
        """Write the settings of a project with these apps."""
        text = SETTINGS.format(apps=", ".join(map(repr, apps)))
        (self.directory / "settings.py").write_text(text)

    def write_app(self, name: str, migrations: Mapping[str, str]) -> None:
        """Write an app with these migrations."""
        folder = self.directory / name / "migrations"
        folder.mkdir(parents=True)
        for path in (folder.parent, folder):
            (path / "__init__.py").touch()
        for migration, text in migrations.items():
            (folder / f"{migration}.py").write_text(text)

    def create(self, template: Target | None = None) -> Target:
        """Create a database: an empty one, or a copy."""
        name = f"dbops_benchmark_{uuid4().hex[:8]}"
        source = template.database if template else "template1"
        with open_maintenance_session(self.server) as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                    sql.Identifier(name), sql.Identifier(source)
                )
            )
        self._names.append(name)
        return self.server.with_database(name)

    def drop(self, target: Target | None = None) -> None:
        """Drop a database, or all that were made."""
        names = [target.database] if target else list(self._names)
        with open_maintenance_session(self.server) as connection:
            for name in names:
                connection.execute(
                    sql.SQL("DROP DATABASE {} WITH (FORCE)").format(
                        sql.Identifier(name)
                    )
                )
                self._names.remove(name)

    def manage(self, target: Target, *arguments: str, **environment: str) -> str:
        """Run a management command of the project, and return what it says on stderr.

        Raises:
            subprocess.CalledProcessError: it failed.
        """
        parameters = {
            KEYWORDS[key]: value
            for key, value in target.parameters.items()
            if key in KEYWORDS
        }
        return subprocess.run(
            [sys.executable, "-m", "django", *arguments],
            env={
                **ENVIRONMENT,
                **build_environment(target),
                "BENCH_DB": json.dumps(parameters),
                "DJANGO_SETTINGS_MODULE": "settings",
                "PYTHONPATH": f"{self.directory}{os.pathsep}{CHECKOUT}",
                "XDG_CACHE_HOME": str(self.directory / "cache"),
                **environment,
            },
            cwd=self.directory,
            capture_output=True,
            text=True,
            check=True,
        ).stderr


def list_options(place: Place) -> tuple[str, ...]:
    """Return the options that leave out proofs, of those that `dbops_deploy` has.

    The apps here have no models and no `down.sql`.
    """
    told = subprocess.run(
        [sys.executable, "-m", "django", "dbops_deploy", "--help"],
        env={
            **ENVIRONMENT,
            "BENCH_DB": "{}",
            "DJANGO_SETTINGS_MODULE": "settings",
            "PYTHONPATH": f"{place.directory}{os.pathsep}{CHECKOUT}",
        },
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    if "--no-rehearse" not in told:
        return ()
    return ("--no-rehearse", "--allow", "checks", "--allow", "way-back")
