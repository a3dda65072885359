"""The embedded server under Django, in a project of its own for each test."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dbops.postgres import embedded

PROJECT = Path(__file__).resolve().parents[2]
SETTINGS = """
from pathlib import Path
DIRECTORY = Path(__file__).resolve().parent / ".local"
SECRET_KEY = "x"
USE_TZ = True
INSTALLED_APPS = ["dbops", "django.contrib.auth", "django.contrib.contenttypes"]
DATABASES = {
    "default": {
        "ENGINE": "dbops.embedded",
        "NAME": "app",
        "OPTIONS": {"embedded_directory": DIRECTORY},
    },
    "other": {"ENGINE": "django.db.backends.postgresql", "NAME": "elsewhere"},
}
"""
TEST_MODULE = """
import pytest
from django.contrib.auth.models import Group
from django.db import connection

@pytest.mark.django_db
@pytest.mark.parametrize("n", range(4))
def test_writes(n):
    Group.objects.create(name="one")
    assert Group.objects.count() == 1
    assert connection.settings_dict["NAME"].startswith("test_app")
"""

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    """Make a project; return where its server will live."""
    (tmp_path / "project_settings.py").write_text(SETTINGS)
    yield tmp_path / ".local"
    embedded.reset(embedded.find_server(tmp_path / ".local"))


@pytest.fixture
def run(directory: Path) -> Run:
    """Run Python in the project, by default one of its management commands."""

    def run(
        *words: str, module: str = "django", stdin: str = "", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", module, *words],
            cwd=directory.parent,
            env={
                **os.environ,
                "DJANGO_SETTINGS_MODULE": "project_settings",
                "PYTHONPATH": f"{directory.parent}{os.pathsep}{PROJECT}",
                **environment,
            },
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.mark.parametrize("words", [["check"], ["migrate", "--help"], ["diffsettings"]])
def test_what_needs_no_connection_starts_nothing(
    run: Run, directory: Path, words: list[str]
) -> None:
    result = run(*words)

    assert result.returncode == 0, result.stderr
    assert not directory.exists()


def test_migrate_makes_server_and_database_and_leaves_nothing_running(
    run: Run, directory: Path
) -> None:
    result = run("migrate")

    assert result.returncode == 0, result.stderr
    assert embedded.fetch_status(embedded.find_server(directory)).state == "stopped"
    assert run("migrate", "--check").returncode == 0


def test_pytest_makes_and_drops_its_databases(run: Run, directory: Path) -> None:
    (directory.parent / "test_app.py").write_text(TEST_MODULE)

    result = run("-p", "no:cacheprovider", "-n2", "test_app.py", module="pytest")

    assert result.returncode == 0, result.stdout
    left = run("dbshell", "--", "-Atc", "SELECT datname FROM pg_database ORDER BY 1")
    assert left.stdout.split() == ["app", "postgres", "template0", "template1"]


SHELL = ["dbshell", "--", "-Atc", "SELECT current_database(), current_user"]


def test_dbshell_starts_the_server(run: Run) -> None:
    result = run(*SHELL)

    assert (result.stdout, result.stderr) == ("app|postgres\n", "")


def test_dbshell_has_a_psql_where_there_is_none(run: Run, tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    # Of all programs, those that starting a server takes.
    for name in ("sh", "setpriv", "ps"):
        if found := shutil.which(name):
            (programs / name).symlink_to(found)

    result = run(*SHELL, PATH=str(programs))

    assert (result.stdout, result.stderr) == ("app|postgres\n", "")


def test_a_connection_can_be_copied_and_has_plain_parameters(
    run: Run, directory: Path
) -> None:
    code = (
        "from django.db import connection as c; d = c.copy();"
        "d.ensure_connection(); d.close(); c.ensure_connection();"
        "p = c.get_connection_params();"
        "print(c.vendor, {k: p[k] for k in ('host', 'port', 'user', 'dbname')},"
        " [k for k in p if 'embedded' in k])"
    )

    result = run("shell", "-v0", "-c", code)

    expected = embedded.find_server(directory).build_parameters("app")
    assert result.stdout == f"postgresql {expected} []\n", result.stderr


def test_a_server_that_cannot_start_is_a_database_error(
    run: Run, directory: Path
) -> None:
    directory.write_text("a file where the directory should be")
    try:
        result = run("makemigrations", "--check")
    finally:
        directory.unlink()

    assert result.returncode == 0
    assert "RuntimeWarning: Got an error checking a consistent migration" in (
        result.stderr
    )
    assert f'cannot work in "{directory}"' in result.stderr


def test_a_missing_directory_names_the_setting(run: Run, directory: Path) -> None:
    settings = directory.parent / "project_settings.py"
    settings.write_text(SETTINGS.replace('{"embedded_directory": DIRECTORY}', "{}"))

    result = run("migrate")

    assert result.returncode == 1
    assert result.stderr.splitlines()[-1] == (
        "django.core.exceptions.ImproperlyConfigured: "
        'DATABASES["default"]["OPTIONS"]["embedded_directory"] is missing: the '
        "directory where the embedded server keeps its files"
    )


class TestCommand:
    def test_start_runs_until_stop(self, run: Run, directory: Path) -> None:
        server = embedded.find_server(directory)

        started = run("dbops_local", "start")
        pid = embedded.fetch_status(server).pid
        assert started.stdout == (
            f"PostgreSQL 18 in {server.data} runs (process {pid}), until "
            "`manage.py dbops_local stop`.\n"
            f"psql --host={server.socket_directory} --username=postgres DATABASE\n"
        )
        assert run("migrate").returncode == 0
        assert run("dbops_local", "status").stdout == started.stdout

        stopped = run("dbops_local", "stop")
        assert stopped.stdout == f"PostgreSQL 18 in {server.data} is stopped.\n"
        assert embedded.fetch_status(server).state == "stopped"

    def test_status_starts_nothing(self, run: Run, directory: Path) -> None:
        result = run("dbops_local", "status")

        assert (
            result.stdout == f"PostgreSQL 18 in {directory}/pg18 was never started.\n"
        )
        assert not directory.exists()

    def test_reset_refuses_without_a_terminal_or_yes(
        self, run: Run, directory: Path
    ) -> None:
        assert run("migrate").returncode == 0

        refused = run("dbops_local", "reset")
        assert refused.returncode == 2
        assert refused.stderr == (
            f'UsageError: this deletes every database in "{directory}/pg18", and there '
            "is no terminal to ask on\n  Next: manage.py dbops_local reset --yes\n"
        )
        assert (directory / "pg18").exists()

        done = run("dbops_local", "reset", "--yes")
        assert done.stdout == f"PostgreSQL 18 in {directory}/pg18 was never started.\n"
        assert not (directory / "pg18").exists()

    def test_refuses_a_database_on_another_server(self, run: Run) -> None:
        result = run("dbops_local", "stop", "--database", "other")

        assert result.returncode == 2
        assert result.stderr == (
            'UsageError: database "other" is not on the embedded server\n'
            "  Next: unset DATABASE_URL (also in .env) to work on it\n"
        )

    def test_refuses_an_unknown_database(self, run: Run) -> None:
        result = run("dbops_local", "status", "--database", "nowhere")

        assert result.returncode == 2
        assert result.stderr == (
            'UsageError: the settings have no database "nowhere"\n'
            "  Next: --database default or other\n"
        )
