"""Time dbops_drift on a project with many migrations, beside what it is measured by.

    python benchmarks/drift.py [--migrations 500] [--rounds 3]

Cold beside `migrate` on an empty database; warm beside `showmigrations` and
`pg_dump --schema-only`: whole processes in turns, as ratios of medians. Runs against
the server of the settings, in databases of its own that it drops again.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

CHECKOUT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(CHECKOUT))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "neuroagent.settings")

import django  # noqa: E402

django.setup()

from psycopg import sql  # noqa: E402

from dbops.core.target import Target  # noqa: E402
from dbops.operations.context import build_context  # noqa: E402
from dbops.postgres.scratch import open_maintenance_session  # noqa: E402
from dbops.postgres.session import build_environment  # noqa: E402
from dbops.postgres.tools import find_tools  # noqa: E402

# Without bytecode each process would compile the migrations anew.
ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    if name != "PYTHONDONTWRITEBYTECODE"
}
APPS = 10
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
FIRST = """\
from django.db import migrations, models

class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel(f"Thing{number}", [
            ("id", models.BigAutoField(primary_key=True)),
            ("name", models.CharField(max_length=50, db_index=True)),
            ("kind", models.CharField(max_length=9, default="a")),
        ], options={"constraints": [models.CheckConstraint(
            condition=models.Q(kind__in=["a", "b"]), name=f"kind_{number}_APP"
        )]})
        for number in range(5)
    ]
"""
NEXT = """\
from django.db import migrations, models

class Migration(migrations.Migration):
    dependencies = [("{app}", "{before}")]
    operations = [
        migrations.AddField("thing{model}", "field{number}",
            models.IntegerField(null=True, db_index={indexed})),
    ]
"""


def write_project(directory: Path, migrations: int) -> None:
    """Write a project with so many migrations, in ten apps."""
    apps = [f"app{number}" for number in range(APPS)]
    (directory / "settings.py").write_text(
        SETTINGS.format(apps=", ".join(map(repr, apps)))
    )
    for app in apps:
        folder = directory / app / "migrations"
        folder.mkdir(parents=True)
        for path in (folder.parent, folder):
            (path / "__init__.py").touch()
        before = "0001_initial"
        (folder / f"{before}.py").write_text(FIRST.replace("APP", app))
        for number in range(2, migrations // APPS + 1):
            name = f"{number:04}_add_field{number}"
            text = NEXT.format(
                app=app,
                before=before,
                model=number % 5,
                number=number,
                indexed=number % 3 == 0,
            )
            (folder / f"{name}.py").write_text(text)
            before = name


class Place:
    """Databases of the benchmark's own, and a project."""

    def __init__(self, server: Target, directory: Path) -> None:
        self.server = server
        self.directory = directory
        self.names: list[str] = []

    def create(self) -> Target:
        """Create an empty database."""
        name = f"dbops_benchmark_{uuid4().hex[:8]}"
        with open_maintenance_session(self.server) as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
            )
        self.names.append(name)
        return self.server.with_database(name)

    def drop(self) -> None:
        """Drop them all."""
        with open_maintenance_session(self.server) as connection:
            for name in self.names:
                connection.execute(
                    sql.SQL("DROP DATABASE {} WITH (FORCE)").format(
                        sql.Identifier(name)
                    )
                )

    def manage(self, target: Target, *arguments: str) -> None:
        """Run a management command of the project, as a process."""
        names = {"dbname": "NAME", "host": "HOST", "port": "PORT", "user": "USER",
                 "password": "PASSWORD"}  # fmt: skip
        parameters = {
            names[key]: value
            for key, value in target.parameters.items()
            if key in names
        }
        self.run(
            target,
            [sys.executable, "-m", "django", *arguments],
            BENCH_DB=json.dumps(parameters),
            DJANGO_SETTINGS_MODULE="settings",
            PYTHONPATH=f"{self.directory}{os.pathsep}{CHECKOUT}",
            XDG_CACHE_HOME=str(self.directory / "cache"),
        )

    def run(self, target: Target, command: list[str], **environment: str) -> None:
        """Run a process; what it says is only of interest when it fails."""
        done = subprocess.run(
            command,
            env={**ENVIRONMENT, **build_environment(target), **environment},
            cwd=self.directory,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            sys.exit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")


def measure(ways: dict[str, Callable[[], None]], rounds: int) -> dict[str, float]:
    """Return the median seconds of each way, taken in turns."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            began = time.perf_counter()
            way()
            times[name].append(time.perf_counter() - began)
    return {name: statistics.median(each) for name, each in times.items()}


def tell(medians: dict[str, float]) -> None:
    """Print each way beside the first."""
    first = next(iter(medians.values()))
    for name, median in medians.items():
        print(f"{name:<34}{median:8.2f} s   {first / median:5.2f}")


def main() -> None:
    """Measure, and print two tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--migrations", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    server = build_context("default").target
    with open_maintenance_session(server) as connection:
        major = connection.info.server_version // 10000
    tools = find_tools(server, least_major=major)
    with tempfile.TemporaryDirectory() as directory:
        place = Place(server, Path(directory))
        write_project(place.directory, options.migrations)
        try:
            live = place.create()
            place.manage(live, "migrate", "--verbosity", "0")
            print(f"{options.migrations} migrations; last column: the first line's "
                  "time as a multiple of this one's\n")  # fmt: skip
            tell(
                measure(
                    {
                        "dbops_drift, cold": lambda: place.manage(
                            live, "dbops_drift", "--no-cache"
                        ),
                        "migrate on an empty database": lambda: place.manage(
                            place.create(), "migrate", "--verbosity", "0"
                        ),
                    },
                    options.rounds,
                )
            )
            print()
            tell(
                measure(
                    {
                        "dbops_drift, warm": lambda: place.manage(live, "dbops_drift"),
                        "showmigrations": lambda: place.manage(live, "showmigrations"),
                        "pg_dump --schema-only": lambda: place.run(
                            live,
                            [
                                str(tools.directory / "pg_dump"),
                                "--schema-only",
                                "--file",
                                os.devnull,
                            ],
                        ),
                    },
                    options.rounds,
                )
            )
        finally:
            place.drop()


if __name__ == "__main__":
    main()
