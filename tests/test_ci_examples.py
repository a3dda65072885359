"""The examples for pipelines: their commands are understood, and their steps run."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from string import Template
from typing import Any

import pytest
import yaml
from django.core.management import get_commands, load_command_class

from dbops.postgres.deploy_lock import open_deploy_lock
from tests.databases import temporary_database
from tests.lab import THING, Lab, open_lab
from tests.processes import CHECKOUT, prepare_lab

EXAMPLES = CHECKOUT / "docs" / "examples"
WORKFLOWS = EXAMPLES / "github-actions"
KUBERNETES = EXAMPLES / "kubernetes"
FILES = sorted(EXAMPLES.rglob("*.y*ml"))
COMMAND = re.compile(r"python manage\.py ([^>|\n]*)")
TIMEOUT_S = 120
NEEDED = ("bash", "curl", "git", "jq")


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def find_steps(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the steps that run something, with the variables that they see."""
    for job in read(path)["jobs"].values():
        for step in job["steps"]:
            if "run" in step:
                known = {**job.get("env", {}), **step.get("env", {})}
                yield {**step, "env": known}


def find_containers(path: Path) -> Iterator[dict[str, Any]]:
    pod = read(path)["spec"]["template"]["spec"]
    yield from (*pod.get("initContainers", ()), *pod["containers"])


def find_command_lines(path: Path) -> list[list[str]]:
    """Return the words after `manage.py`, with what the variables stand for."""
    if path.parent == WORKFLOWS:
        return [
            shlex.split(Template(line).safe_substitute(step["env"]))
            for step in find_steps(path)
            for line in COMMAND.findall(step["run"])
        ]
    commands = [each.get("command", []) for each in find_containers(path)]
    return [each[2:] for each in commands if each[:2] == ["python", "manage.py"]]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_each_command_line_is_understood(path: Path) -> None:
    lines = find_command_lines(path)
    assert lines
    for name, *arguments in lines:
        app = get_commands()[name]
        command = load_command_class(app, name) if isinstance(app, str) else app
        command.create_parser("manage.py", name).parse_args(arguments)


def test_the_job_is_tried_again_for_5_alone_and_after_an_eviction() -> None:
    spec = read(KUBERNETES / "job.yaml")["spec"]
    evicted, failed = spec["podFailurePolicy"]["rules"]
    assert (evicted["action"], failed["action"]) == ("Ignore", "FailJob")
    codes = failed["onExitCodes"]
    assert (codes["operator"], codes["values"]) == ("NotIn", [5])
    [container] = find_containers(KUBERNETES / "job.yaml")
    assert codes["containerName"] == container["name"]
    # Kubernetes takes podFailurePolicy with no other.
    assert spec["template"]["spec"]["restartPolicy"] == "Never"


def test_a_deployment_is_never_cancelled_for_the_next() -> None:
    assert read(WORKFLOWS / "deploy.yml")["concurrency"]["cancel-in-progress"] is False


@dataclass(slots=True)
class Runner:
    """A project in a repository, on a machine that runs the steps of a workflow."""

    lab: Lab
    temp: Path
    environment: dict[str, str]
    outputs: dict[str, str] = field(default_factory=dict)

    def run_step(self, workflow: str, name: str, **variables: str) -> tuple[int, str]:
        """Run a step as GitHub does; return the exit code, and what it wrote."""
        [step] = [
            each for each in find_steps(WORKFLOWS / workflow) if each["name"] == name
        ]
        done = subprocess.run(
            ["bash", "-e", "-c", step["run"]],
            cwd=self.lab.directory,
            env={
                **{key: each for key, each in os.environ.items() if key[:2] != "PG"},
                **{key: each for key, each in step["env"].items() if "${{" not in each},
                **self.environment,
                **variables,
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        return done.returncode, done.stdout

    def git(self, *arguments: str) -> str:
        who = ("-c", "user.name=ci", "-c", "user.email=ci@example.com")
        done = subprocess.run(
            ["git", *who, *arguments],
            cwd=self.lab.directory,
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    def commit(self) -> str:
        """Commit all of the project, and return the commit."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "Change")
        return self.git("rev-parse", "HEAD")

    @property
    def summary(self) -> str:
        """What the steps have put on the page of the run."""
        return Path(self.environment["GITHUB_STEP_SUMMARY"]).read_text()


@pytest.fixture
def runner(tmp_path: Path, django_db_blocker: Any) -> Iterator[Runner]:
    missing = [each for each in NEEDED if shutil.which(each) is None]
    if missing:
        pytest.skip(f"apt install {' '.join(missing)} to run this one")
    with ExitStack() as stack:
        stack.enter_context(django_db_blocker.unblock())
        target = stack.enter_context(temporary_database())
        project, temp = tmp_path / "project", tmp_path / "temp"
        for each in (project, temp, temp / "bin"):
            each.mkdir()
        python = temp / "bin" / "python"
        python.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
        python.chmod(0o755)
        lab = stack.enter_context(open_lab(project, target))
        environment = prepare_lab(lab, BACKUP_STORAGE=str(temp / "backups"))
        (project / ".gitignore").write_text("__pycache__/\n*.md\n*.json\ncache/\n")
        found = Runner(
            lab,
            temp,
            {
                **environment,
                "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
                "PYTHONDONTWRITEBYTECODE": "1",
                "RUNNER_TEMP": str(temp),
                "GITHUB_STEP_SUMMARY": str(temp / "summary.md"),
                "GITHUB_OUTPUT": str(temp / "output"),
            },
        )
        found.git("init", "--quiet")
        yield found


def test_a_pull_request_is_checked_and_rehearsed_on_what_its_base_has(
    runner: Runner,
) -> None:
    lab, name = runner.lab, "pull-request.yml"
    lab.write_migration("0001_initial", THING, down=f"DROP TABLE {lab.app}_thing;")
    base = runner.commit()
    lab.write_migration(
        "0002_add_color",
        'migrations.AddField("Thing", "color", models.TextField(null=True)),',
        down=f"ALTER TABLE {lab.app}_thing DROP COLUMN color;",
    )
    runner.commit()

    code, said = runner.run_step(
        name, "Build the database that the base has", BASE_SHA=base
    )
    assert code == 0, said
    assert lab.fetch_history() == ["0001_initial"]

    code, said = runner.run_step(name, "Check")
    # The lab has no models: that is an error of the project, and told beside the file.
    assert code == 3, said
    assert "::error title=dbops." in said or "::error file=" in said
    assert f"::warning file={lab.app}/migrations/0002_add_color.py" in said

    code, said = runner.run_step(name, "Rehearse")
    assert code == 0, said
    assert "### Rehearsal: 1 migration\n" in runner.summary
    assert f"| ✅ | `{lab.app}.0002_add_color` |" in runner.summary
    code, said = runner.run_step(name, "Write the comment")
    assert code == 0, said
    comment = (lab.directory / "comment.md").read_text()
    assert comment == f"<!-- dbops -->\n{runner.summary}"

    lab.write_migration("0003_fail", "migrations.RunSQL('SELECT 1 / 0'),")
    code, said = runner.run_step(name, "Rehearse")
    assert code == 3, said
    rehearsal = lab.directory / "rehearsal.md"
    assert "division by zero" in rehearsal.read_text()
    table, _, _ = rehearsal.read_text().partition("<details>")
    with rehearsal.open("a") as file:
        file.write("<details>\n" + "x" * 65_536)
    assert runner.run_step(name, "Write the comment")[0] == 0
    assert (lab.directory / "comment.md").read_text() == f"<!-- dbops -->\n{table}"

    lab.write_migration("0004_broken", "nonsense")
    code, said = runner.run_step(name, "Rehearse")
    assert code not in (0, 3), said
    assert "not possible" in rehearsal.read_text()


def page(runner: Runner) -> str:
    """Run the step that pages somebody, and return what they would read."""
    read: list[bytes] = []

    class Pager(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            read.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Pager) as server:
        server.timeout = TIMEOUT_S
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/"
        code, said = runner.run_step("deploy.yml", "Page somebody", PAGER_URL=url)
        thread.join(TIMEOUT_S)
    assert code == 0, said
    return str(json.loads(read[0])["text"])


def test_a_merge_is_deployed_tried_again_while_busy_and_told(runner: Runner) -> None:
    lab = runner.lab
    lab.write_migration("0001_initial", THING, down=f"DROP TABLE {lab.app}_thing;")
    hasty = {"LOCK_WAIT_S": "0", "PAUSE_S": "0"}
    with open_deploy_lock(lab.target, command="test", wait_s=0, progress=print):
        code, said = runner.run_step("deploy.yml", "Deploy", **hasty)
    assert code == 5, said
    assert said.count("busy; again in 0 s") == 2
    assert "Busy: another run holds the deploy lock" in runner.summary
    assert "another run holds" in page(runner)

    code, said = runner.run_step("deploy.yml", "Deploy", **hasty)

    assert code == 0, said
    assert "### Database: deployed\n" in runner.summary
    assert f"- applied `{lab.app}.0001_initial`" in runner.summary
    backup = json.loads((lab.directory / "deploy.json").read_text())["backup_id"]
    assert f"- backup `{backup}`" in runner.summary
    outputs = (runner.temp / "output").read_text().split()
    assert outputs == ["code=5", "code=0"]


def test_pods_wait_for_what_is_pending_and_for_nothing_else(runner: Runner) -> None:
    [command] = [
        each["command"]
        for each in find_containers(KUBERNETES / "deployment.yaml")
        if each["name"] == "wait-for-database"
    ]
    lab = runner.lab

    def is_ready() -> bool:
        try:
            return lab.run(command[2], *command[3:]).code == 0
        except SystemExit as end:
            return end.code == 0

    lab.write_migration("0001_initial", THING)
    assert not is_ready()
    assert lab.run("migrate", "--verbosity", "0").code == 0
    assert is_ready()
    lab.write_migration("0002_later", "migrations.RunSQL('SELECT 1'),")
    assert not is_ready()
    assert lab.run("migrate", "--verbosity", "0").code == 0
    # The old release does not know it, and its pods come up all the same.
    lab.remove_last_migration()
    assert is_ready()
