"""Management commands in processes of their own, as people and systems run them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from dbops.core.target import Target
from dbops.operations.replay import SETTINGS_OF_KEYWORDS
from tests.lab import Lab, Outcome

CHECKOUT = Path(__file__).parents[1]
PATIENCE_S = 180

MANAGE = """\
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "lab_settings"
from django.core.management import execute_from_command_line
execute_from_command_line(sys.argv)
"""

SETTINGS = """\
import json, os
globals().update(json.loads(os.environ["LAB_SETTINGS"]))
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
SECRET_KEY = "tests"
USE_TZ = True
"""


def wait_until(
    condition: Callable[[], bool], what: str, *, while_runs: Running | None = None
) -> None:
    """Poll with a bound, or until the process has ended."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        told = f"; it said: {while_runs.read_all()}" if while_runs else ""
        if while_runs and while_runs.process.poll() is not None and not condition():
            raise AssertionError(f"ended before {what}{told}")
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {PATIENCE_S} s for {what}{told}")
        time.sleep(0.01)


@dataclass(slots=True)
class Running:
    """A command that runs, in a process group of its own."""

    process: subprocess.Popen[bytes]
    out: Path
    err: Path

    def read_all(self) -> str:
        """Return what it has said so far."""
        return self.out.read_text() + self.err.read_text()

    def wait_for(self, text: str) -> None:
        """Wait until it has said this on stderr."""
        wait_until(lambda: text in self.err.read_text(), text, while_runs=self)

    def interrupt(self, number: signal.Signals) -> None:
        """Send a signal to all of its group, as a terminal does for Ctrl-C."""
        os.killpg(self.process.pid, number)

    def finish(self) -> Outcome:
        """Wait for its end."""
        code = self.process.wait(PATIENCE_S)
        return Outcome(code=code, out=self.out.read_text(), err=self.err.read_text())


@contextmanager
def start(
    arguments: list[str],
    *,
    directory: Path,
    environment: Mapping[str, str],
    logs: Path,
    program: tuple[str, ...] = ("manage.py",),
) -> Iterator[Running]:
    """Start `manage.py` or what Python is told; at the end of the block it is gone."""
    logs.mkdir(exist_ok=True)
    number = len(list(logs.iterdir()))
    out, err = logs / f"{number}.out", logs / f"{number}.err"
    with out.open("wb") as to_out, err.open("wb") as to_err:
        process = subprocess.Popen(
            [sys.executable, "-W", "error", *program, *arguments],
            cwd=directory,
            env={
                **{key: value for key, value in os.environ.items() if key[:2] != "PG"},
                "PYTHONDONTWRITEBYTECODE": "1",
                **environment,
            },
            stdin=subprocess.DEVNULL,
            stdout=to_out,
            stderr=to_err,
            start_new_session=True,
        )
    running = Running(process, out, err)
    try:
        yield running
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def build_database(target: Target) -> dict[str, Any]:
    """Return the entry for DATABASES."""
    entry: dict[str, Any] = {"ENGINE": "django.db.backends.postgresql", "OPTIONS": {}}
    for key, value in target.parameters.items():
        if key in SETTINGS_OF_KEYWORDS:
            entry[SETTINGS_OF_KEYWORDS[key]] = value
        else:
            entry["OPTIONS"][key] = value
    return entry


@contextmanager
def start_in_lab(lab: Lab, *arguments: str, **settings: Any) -> Iterator[Running]:
    """Start a command on the lab's database, with these DBOPS settings."""
    with start(
        list(arguments),
        directory=lab.directory,
        environment=prepare_lab(lab, **settings),
        logs=lab.directory / "logs",
    ) as running:
        yield running


def prepare_lab(lab: Lab, **settings: Any) -> dict[str, str]:
    """Write the lab's manage.py, and return the environment that it needs."""
    (lab.directory / "manage.py").write_text(MANAGE)
    (lab.directory / "lab_settings.py").write_text(SETTINGS)
    given = {
        "DATABASES": {"default": build_database(lab.target)},
        "INSTALLED_APPS": ["dbops", lab.app],
        "DBOPS": lab.settings | settings,
    }
    return {"LAB_SETTINGS": json.dumps(given), "PYTHONPATH": str(CHECKOUT)}


def build_url(target: Target, **changes: str) -> str:
    """Return a DATABASE_URL, with some of the parameters changed."""
    parameters = {**target.parameters, **changes}
    user = quote(parameters["user"], safe="")
    if parameters.get("password"):
        user += ":" + quote(parameters["password"], safe="")
    host = quote(parameters["host"], safe="")
    port = f":{parameters['port']}" if parameters.get("port") else ""
    return f"postgres://{user}@{host}{port}/{quote(parameters['dbname'], safe='')}"


def run_manage(
    *arguments: str, url: str, logs: Path, environment: Mapping[str, str] | None = None
) -> Outcome:
    """Run a command of the neuroagent project to its end."""
    given = {"DATABASE_URL": url, "DEBUG": "1"} | dict(environment or {})
    with start(
        list(arguments), directory=CHECKOUT, environment=given, logs=logs
    ) as running:
        return running.finish()
