"""README and docs: what they say is true.

The `--help` texts are golden; REFRESH_DOCS=1 in the environment writes them anew.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from django.core.management import get_commands, load_command_class

from dbops import errors
from dbops.conf import Settings
from dbops.core.fleet import FleetDatabase, FleetState
from dbops.core.locks.report import MigrationWait, Root, WaitingSession
from dbops.operations.adopt.baseline import BaselineReport
from dbops.operations.backup.backups import Action, ListReport, ShowReport
from dbops.operations.backup.check import BackupCheckReport
from dbops.operations.backup.prune import PruneReport
from dbops.operations.backup.report import BackupReport
from dbops.operations.backup.verify import VerifyReport
from dbops.operations.check.check import CheckReport
from dbops.operations.deploy.fleet import FleetReport
from dbops.operations.deploy.report import DeployReport
from dbops.operations.deploy.rollback_plan import RollbackReport
from dbops.operations.develop.inspect import InspectReport
from dbops.operations.develop.push import PushReport
from dbops.operations.develop.reset import ResetReport
from dbops.operations.doctor.doctor import DoctorReport
from dbops.operations.drift.drift import DriftReport
from dbops.operations.kept.purge import KeptReport, PurgeReport
from dbops.operations.ledger.report import (
    AcceptReport,
    ExportReport,
    HistoryAction,
    HistoryReport,
    LedgerVerifyReport,
    RunReport,
)
from dbops.operations.locks.locks import LocksReport
from dbops.operations.overview.report import OverviewReport
from dbops.operations.pull.pull import PullReport
from dbops.operations.rehearse.report import RehearseReport
from dbops.operations.resolve.report import ResolveReport
from dbops.operations.restore.restore import RestoreReport
from dbops.operations.status import StatusReport

CHECKOUT = Path(__file__).resolve().parents[1]
DOCS = CHECKOUT / "docs"
README = CHECKOUT / "README.md"
COMMANDS = DOCS / "reference" / "commands.md"
PAGES = [README, CHECKOUT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]
WIDTH = "80"
TIMEOUT_S = 120
SHOWN = "/srv/neuroagent"

BLOCK = re.compile(r"^( *)```(\w+)\n(.*?)^ *```$", re.M | re.S)
LINK = re.compile(r"(?<!`)\[[^\]\n]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
# After a prompt, or in backquotes: not what a message says in the middle of a line.
COMMAND = re.compile(
    r"(?:^ *\$ |`)(?:\./dev manage|(?:python )?manage\.py) "
    r"(dbops_\w+|makemigrations|neuroagent_\w+)([^`\n|<>;#]*)",
    re.M,
)
REPORTS = {
    "dbops_backup": BackupReport,
    "dbops_baseline": BaselineReport,
    "dbops_check": CheckReport,
    "dbops_deploy": DeployReport,
    "dbops_doctor": DoctorReport,
    "dbops_drift": DriftReport,
    "dbops_locks": LocksReport,
    "dbops_overview": OverviewReport,
    "dbops_rehearse": RehearseReport,
    "dbops_inspect": InspectReport,
    "dbops_pull": PullReport,
    "dbops_push": PushReport,
    "dbops_reset": ResetReport,
    "dbops_resolve": ResolveReport,
    "dbops_restore": RestoreReport,
    "dbops_rollback": RollbackReport,
    "dbops_status": StatusReport,
}
BACKUPS_REPORTS: dict[Action, Any] = {
    Action.LIST: ListReport,
    Action.SHOW: ShowReport,
    Action.VERIFY: VerifyReport,
    Action.PRUNE: PruneReport,
    Action.CHECK: BackupCheckReport,
}
HISTORY_REPORTS: dict[HistoryAction, Any] = {
    HistoryAction.LIST: HistoryReport,
    HistoryAction.SHOW: RunReport,
    HistoryAction.VERIFY: LedgerVerifyReport,
    HistoryAction.EXPORT: ExportReport,
    HistoryAction.ACCEPT: AcceptReport,
    HistoryAction.KEPT: KeptReport,
    HistoryAction.PURGE: PurgeReport,
}
SUBCOMMANDS = [
    ("dbops_backups", action, report) for action, report in BACKUPS_REPORTS.items()
] + [("dbops_history", action, report) for action, report in HISTORY_REPORTS.items()]

each_page = pytest.mark.parametrize(
    "page", PAGES, ids=lambda page: str(page.relative_to(CHECKOUT))
)


def find_blocks(text: str, language: str) -> list[str]:
    """Return the contents of the code blocks in a language."""
    return [
        re.sub(f"^{indent}", "", block, flags=re.M)
        for indent, found, block in BLOCK.findall(text)
        if found == language
    ]


def find_section(text: str, heading: str) -> str:
    """Return what stands under a heading of the second level."""
    (section,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", text, re.M | re.S)
    return str(section)


def find_rows(text: str) -> list[list[str]]:
    """Return the cells of all table rows."""
    return [
        [cell.strip() for cell in line.strip("|").split(" | ")]
        for line in text.splitlines()
        if line.startswith("| ")
    ]


def load_command(name: str) -> Any:
    app = get_commands()[name]
    return load_command_class(app, name) if isinstance(app, str) else app


# Help


def find_documented_commands() -> list[str]:
    return re.findall(r"^## (\w+)$", COMMANDS.read_text(), re.M)


def build_help(name: str) -> str:
    parser = load_command(name).create_parser("manage.py", name)
    every = [parser, *find_subparsers(parser)]
    return "\n".join(str(each.format_help()) for each in every)


def find_subparsers(parser: Any) -> list[Any]:
    """Return the parsers of the subcommands, where there are any."""
    return [
        each
        for action in parser._actions
        if isinstance(action, argparse._SubParsersAction)
        for each in action.choices.values()
    ]


def fit_python(text: str) -> str:
    """Make one of what the versions of argparse and Django lay out differently."""
    text = re.sub(r"(-\w) ([A-Z]+|\{[\d,]+\}), (--\w+)", r"\1, \3", text)
    return " ".join(text.split())


def test_help_is_what_the_commands_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", WIDTH)
    monkeypatch.setenv("NO_COLOR", "1")
    said = {name: build_help(name) for name in find_documented_commands()}
    text = COMMANDS.read_text()
    if os.environ.get("REFRESH_DOCS"):
        head, _, _ = text.partition("\n## ")
        parts = [f"## {name}\n\n```text\n{each}```\n" for name, each in said.items()]
        text = "\n".join([f"{head.rstrip()}\n", *parts])
        COMMANDS.write_text(text)
    for name, each in said.items():
        (documented,) = find_blocks(find_section(text, name), "text")
        assert fit_python(documented) == fit_python(each)


def test_all_our_commands_have_their_help_in_the_docs() -> None:
    ours = {
        name for name, app in get_commands().items() if app in {"dbops", "neuroagent"}
    }
    assert set(find_documented_commands()) == ours


# Command lines


@each_page
def test_command_lines_are_understood(page: Path) -> None:
    for name, arguments in COMMAND.findall(page.read_text()):
        parser = load_command(name).create_parser("manage.py", name)
        parser.parse_args(shlex.split(arguments))


# Links and blocks


def find_anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    text = BLOCK.sub("", page.read_text())
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.+)$", text, re.M)
    }


@each_page
def test_relative_links_lead_somewhere(page: Path) -> None:
    for found in LINK.findall(BLOCK.sub("", page.read_text())):
        link = "".join(found)
        if link.startswith("http"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in find_anchors(target), link


@pytest.mark.parametrize(
    ("heading", "command"), [("Run it", "./dev run"), ("Test it", "./dev test")]
)
def test_readme_has_one_command_under_the_heading(heading: str, command: str) -> None:
    assert find_blocks(find_section(README.read_text(), heading), "sh") == [
        f"{command}\n"
    ]


def test_readme_has_no_other_sh_block() -> None:
    assert len(find_blocks(README.read_text(), "sh")) == 2


@each_page
def test_needs_nothing_outside_the_project(page: Path) -> None:
    text = page.read_text()
    assert f"{CHECKOUT}/" not in text
    assert not re.search(r"/(?:work|root)/|/tmp/docs|shared/|\bvm\b", text)


# Exit codes, settings, JSON


def find_errors(kind: type[errors.DbopsError]) -> Iterator[type[errors.DbopsError]]:
    yield kind
    for each in kind.__subclasses__():
        if each.__module__ == errors.__name__:
            yield from find_errors(each)


def test_exit_codes_are_those_of_the_errors() -> None:
    documented = {
        (int(code), name)
        for code, names, *_ in find_rows((DOCS / "reference/exit-codes.md").read_text())
        if code.isdigit()
        for name in re.findall(r"`(\w+)`", names)
    }
    assert documented == {
        (each.exit_code, each.__name__) for each in find_errors(errors.DbopsError)
    }


@pytest.mark.parametrize("page", [README, DOCS / "reference/exit-codes.md"])
def test_each_exit_code_is_told_once(page: Path) -> None:
    codes = [row[0] for row in find_rows(page.read_text()) if row[0].isdigit()]
    findings = 3
    known = {0, findings, *(each.exit_code for each in find_errors(errors.DbopsError))}
    assert codes == [str(each) for each in sorted(known)]


def test_settings_are_all_told_with_their_defaults() -> None:
    section = find_section(
        (DOCS / "reference/settings.md").read_text(), "In any project"
    )
    documented = {row[0].strip("`"): row[1] for row in find_rows(section)[1:]}
    assert documented == {
        field.name.upper(): f"`{json.dumps(default)}`"
        if isinstance(default := field.default, str)
        else f"`{default}`"
        for field in fields(Settings)
    }


def test_readme_tells_of_all_settings() -> None:
    section = find_section(README.read_text(), "dbops in another project")
    documented = {row[0].strip("`") for row in find_rows(section)[1:]}
    assert documented == {field.name.upper() for field in fields(Settings)}


def test_environment_is_told_as_in_the_example() -> None:
    section = find_section(
        (DOCS / "reference/settings.md").read_text(), "In neuroagent"
    )
    documented = {row[0].strip("`") for row in find_rows(section)[1:]}
    example = (CHECKOUT / ".env.example").read_text()
    assert documented == set(re.findall(r"^#([A-Z_]+)=", example, re.M))


def find_documents() -> list[dict[str, Any]]:
    text = (DOCS / "reference/json.md").read_text()
    return [json.loads(block) for block in find_blocks(text, "json")]


@pytest.mark.parametrize("command", REPORTS)
def test_json_documents_have_the_fields_of_the_reports(command: str) -> None:
    (document,) = (
        each
        for each in find_documents()
        if each["command"] == command and not each.keys() & {"error", "databases"}
    )
    common = {"command", "ok", "exit_code", "database"}
    assert document.keys() == common | {each.name for each in fields(REPORTS[command])}


@pytest.mark.parametrize(("command", "action", "report"), SUBCOMMANDS)
def test_json_documents_have_the_fields_of_each_subcommand(
    command: str, action: str, report: Any
) -> None:
    (document,) = (
        each
        for each in find_documents()
        if each["command"] == command and each.get("action") == action
    )
    common = {"command", "ok", "exit_code", "database"}
    assert document.keys() == common | {each.name for each in fields(report)}


def test_the_document_of_a_fleet_tells_of_each_database() -> None:
    (document,) = (each for each in find_documents() if "databases" in each)
    common = {"command", "ok", "exit_code", "database", "error"}
    assert document.keys() == common | {each.name for each in fields(FleetReport)}
    for each in document["databases"]:
        assert each.keys() == {each.name for each in fields(FleetDatabase)}
        assert each["state"] in {state.value for state in FleetState}
    assert {each["exit_code"] for each in document["databases"]} == {0, 4}
    assert document["exit_code"] == errors.Refused.exit_code


def test_the_document_of_locks_shows_each_kind_of_line() -> None:
    (document,) = (
        each for each in find_documents() if each["command"] == "dbops_locks"
    )
    (root,) = document["roots"]
    (waiter,) = root["waiters"]
    (migration,) = document["migrations"]
    assert root.keys() == {each.name for each in fields(Root)}
    assert waiter.keys() == {each.name for each in fields(WaitingSession)}
    assert migration.keys() == {each.name for each in fields(MigrationWait)}


def test_json_shows_a_failure() -> None:
    (failure,) = (
        each for each in find_documents() if "error" in each and "databases" not in each
    )
    assert failure["error"].keys() == {"type", "message", "hint"}
    kind = getattr(errors, failure["error"]["type"])
    assert failure["exit_code"] == kind.exit_code


# The tutorial


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Path]:
    """A copy of the checkout whose environment is the one of the tests."""
    copy = tmp_path / "neuroagent"
    copy.mkdir()
    for name in ("dev", "manage.py"):
        shutil.copy(CHECKOUT / name, copy)
    for name in ("dbops", "neuroagent", "requirements", "tests/data"):
        shutil.copytree(
            CHECKOUT / name,
            copy / name,
            ignore=shutil.ignore_patterns("__pycache__"),
        )
    python = copy / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
    python.chmod(0o755)
    # What `./dev` writes when there is nothing to install any more.
    run_in(
        copy,
        "cat requirements/base.txt requirements/test.txt"
        " | cksum >.venv/dev-requirements",
    )
    yield copy
    run_in(copy, "./dev manage dbops_local reset --yes")


def run_in(
    directory: Path, command: str, *, code: int = 0
) -> subprocess.CompletedProcess[str]:
    """Run a line as a shell would, without a terminal, on the embedded server."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("DBOPS_", "PG", "DJANGO_", "DEV_", "COLUMNS"))
    }
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=directory,
        env={**environment, "DATABASE_URL": ""},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == code, f"{command}\n{done.stdout}"
    return done


def normalise(line: str) -> str:
    """Take out what is another at each run, and between versions of Django."""
    line = re.sub(r"\d{8}T\d{6}Z-[0-9a-f]{6}", "ID", line)
    line = re.sub(r" on \S+:\d+,", " on PLACE,", line)
    line = re.sub(r" by \S+ on \S+$", " by SOMEBODY", line)
    line = line.replace(" CASCADE;", ";")
    line = re.sub(r"[\d][\d,.:-]*", "N", line)
    return " ".join(line.split())


def find_steps(text: str) -> Iterator[tuple[str, str]]:
    """Yield the tutorial's commands with their answers, and its changes to a file."""
    for _, language, block in BLOCK.findall(text):
        if language == "diff":
            yield "diff", block
        if language == "console":
            for command in re.findall(r"^\$ (.*\n(?:(?!\$ ).*\n)*)", block, re.M):
                line, _, answer = command.partition("\n")
                yield line, answer


def change_models(copy: Path, diff: str) -> None:
    path = copy / "neuroagent" / "models.py"
    old = "".join(line[1:] for line in diff.splitlines(keepends=True) if line[0] != "+")
    new = "".join(line[1:] for line in diff.splitlines(keepends=True) if line[0] != "-")
    assert path.read_text().count(old) == 1
    path.write_text(path.read_text().replace(old, new))


def assert_answers(command: str, answer: str, said: str) -> None:
    """Find the lines of the answer in what was said, in that order."""
    left = iter([normalise(line) for line in said.splitlines()])
    for line in answer.splitlines():
        if line != "...":
            assert normalise(line) in left, f"{command}: no {line!r} in\n{said}"


def test_tutorial_runs_as_it_is_told(checkout: Path) -> None:
    for command, answer in find_steps((DOCS / "tutorial.md").read_text()):
        if command == "diff":
            change_models(checkout, answer)
            continue
        expected = re.search(r"# exit code (\d)$", command)
        done = run_in(checkout, command, code=int(expected[1]) if expected else 0)
        assert_answers(command, answer, done.stdout)
    left = checkout / "neuroagent" / "migrations"
    assert not list(left.rglob("0005*"))
